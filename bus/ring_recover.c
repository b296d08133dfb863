/* The writer's part of bus/ring.h: what a start finds in the ring, and announcing commits. */
#include "bus/ring.h"

#include <errno.h>
#include <string.h>

#include "bus/check.h"
#include "bus/handle.h"
#include "bus/record.h"
#include "bus/role.h"
#include "bus/shm.h"
#include "bus/test_point.h"
#include "bus/wake.h"

static bool is_zero(const void *bytes, size_t count)
{
    const uint8_t *at = bytes;

    for (size_t i = 0; i < count; i++) {
        if (at[i] != 0)
            return false;
    }
    return true;
}

/* Why the header cannot be the one that the store left behind; NULL: it is. */
static const char *identity_objection(const struct bus *bus, uint64_t epoch)
{
    const struct bus_identity *identity = &bus->header->identity;

    if (is_zero(identity, sizeof *identity))
        return "the ring is new";
    if (memcmp(identity->magic, BUS_MAGIC, sizeof identity->magic) != 0)
        return "the ring's header is damaged";
    if (identity->layout_version != BUS_LAYOUT_VERSION)
        return "the ring has the layout of another version";
    if (identity->header_bytes != BUS_HEADER_BYTES || identity->size != bus->size)
        return "the ring's sizes do not fit its file";
    if (identity->store_id != bus->store_id)
        return "the ring belongs to another store";
    if (memcmp(identity->boot_id, bus->boot_id, sizeof bus->boot_id) != 0)
        return "the ring is from before the machine was started";
    if (bus_epoch(bus) != epoch)
        return "the ring is of another epoch";
    return NULL;
}

/* --- walking -------------------------------------------------------------------------------- */

/* One of the two published states, and whether the walk came past exactly there. */
struct landmark {
    uint64_t tail;
    uint64_t next_seq;
    bool is_reached;
    struct ring_position at;
};

static struct landmark landmark_load(const struct bus *bus, uint64_t index)
{
    const struct bus_state *state = &bus->header->states[index & 1];

    return (struct landmark){
        .tail = atomic_load_explicit(&state->tail, memory_order_relaxed),
        .next_seq = atomic_load_explicit(&state->next_seq, memory_order_relaxed),
    };
}

static void landmark_look(struct landmark *mark, const struct ring_position *at)
{
    if (mark->tail != at->pos || mark->next_seq != at->seq + 1)
        return;
    mark->is_reached = true;
    mark->at = *at;
}

/* Moves @at behind the record that stands there; false when none does that can be next. */
static bool walk_next(const struct bus *bus, uint64_t limit_pos, struct ring_position *at)
{
    /* Nobody appends yet: plain reads. The second mapping is why no record wraps. */
    const uint8_t *bytes = bus_bytes_at(bus, at->pos);
    const uint64_t left = limit_pos - at->pos;
    const uint64_t most = bus_record_bytes_max(bus);
    struct record record;

    if (record_decode(bytes, (size_t)(left < most ? left : most), &record) != RECORD_OK)
        return false;
    if (record.seq != at->seq + 1 || !record_verify(bytes))
        return false;
    at->pos += record.length;
    at->seq = record.seq;
    at->time_ns = record.time_ns;
    return true;
}

/* As far as records are intact, at most one ring size; what the header says is not used. */
static struct ring_position walk(const struct bus *bus, const struct ring_position *from,
                                 struct landmark *named, struct landmark *other)
{
    const uint64_t limit_pos = from->pos + bus->size;
    struct ring_position at = *from;

    do {
        landmark_look(named, &at);
        landmark_look(other, &at);
    } while (walk_next(bus, limit_pos, &at));
    return at;
}

void ring_recover(const struct bus *bus, const struct ring_position *committed, uint64_t epoch,
                  struct ring_recovered *ret)
{
    const uint64_t count = atomic_load_explicit(&bus->header->state_count, memory_order_relaxed);
    struct landmark named = landmark_load(bus, count);
    struct landmark other = landmark_load(bus, count + 1);

    ROLE_CHECK(ROLE_WRITER);
    CHECK(committed->pos % RECORD_ALIGN == 0);
    *ret = (struct ring_recovered){.end = walk(bus, committed, &named, &other)};
    ret->reason = identity_objection(bus, epoch);
    if (ret->reason == NULL && !named.is_reached)
        ret->reason = "the ring's records are not intact up to its end";
    ret->is_continuous = ret->reason == NULL;
    if (ret->is_continuous) {
        /*
         * What lies behind the published tail was never published, even if it is intact. But a
         * state that stands further on than the one named is either one whose appender died in
         * the very act of publishing it, or the named one is so by a damaged counter: taking
         * it loses nothing in both cases.
         */
        ret->end = other.is_reached && other.tail > named.tail ? other.at : named.at;
    }
    ret->kept_count = ret->end.seq - committed->seq;
    TEST_POINT(RECOVER_WALKED);
}

/* --- taking over -------------------------------------------------------------------------- */

static void identity_store(struct bus *bus)
{
    struct bus_identity *identity = &bus->header->identity;

    memcpy(identity->magic, BUS_MAGIC, sizeof identity->magic);
    identity->layout_version = BUS_LAYOUT_VERSION;
    identity->header_bytes = BUS_HEADER_BYTES;
    identity->store_id = bus->store_id;
    memcpy(identity->boot_id, bus->boot_id, sizeof identity->boot_id);
    identity->size = bus->size;
    identity->reserved = 0;
}

static void states_store(struct bus *bus, const struct ring_position *end)
{
    struct bus_header *header = bus->header;

    for (unsigned i = 0; i < 2; i++) {
        atomic_store_explicit(&header->states[i].tail, end->pos, memory_order_relaxed);
        atomic_store_explicit(&header->states[i].next_seq, end->seq + 1, memory_order_relaxed);
        atomic_store_explicit(&header->states[i].time_ns, end->time_ns, memory_order_relaxed);
        TEST_POINT(TAKE_STATING);
    }
    atomic_store_explicit(&header->state_count, 0, memory_order_release);
    TEST_POINT(TAKE_STATED);
}

static void committed_store(struct bus *bus, const struct ring_position *committed)
{
    /* In this order: ring_committed promises a pos that is not behind its seq. */
    atomic_store_explicit(&bus->header->committed_pos, committed->pos, memory_order_release);
    TEST_POINT(ANNOUNCE_POS);
    atomic_store_explicit(&bus->header->committed_seq, committed->seq, memory_order_release);
    TEST_POINT(ANNOUNCE_SEQ);
}

/*
 * The bytes from @end to where the ring is full, so that no later recovery can take for records
 * what this one has given up.
 */
static void wipe_behind(struct bus *bus, const struct ring_position *committed,
                        const struct ring_position *end)
{
    const uint64_t free_bytes = committed->pos + bus->size - end->pos;
    _Atomic uint64_t *words = bus_words_at(bus, end->pos);

    for (uint64_t i = 0; i < free_bytes / sizeof(uint64_t); i++) {
        atomic_store_explicit(&words[i], 0, memory_order_relaxed);
        TEST_POINT(WIPE_WORD);
    }
}

/*
 * The ring is what lies between @committed and @end from now on. A death anywhere in here leaves
 * the old epoch in the header until the last line, and with it a start that trusts nothing.
 */
static void take_over(struct bus *bus, const struct ring_position *committed,
                      const struct ring_position *end, uint64_t epoch, bool is_continuous)
{
    struct bus_header *header = bus->header;

    ROLE_CHECK(ROLE_WRITER);
    CHECK(!bus_is_recovered(bus));
    CHECK(end->pos >= committed->pos);
    CHECK(end->pos - committed->pos <= bus->size);
    CHECK(end->seq >= committed->seq);
    /* Never lower than an earlier run's: no append may claim more than committed_pos + size. */
    atomic_store_explicit(&header->writing_until, committed->pos + bus->size, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    TEST_POINT(TAKE_CLAIMED);
    if (!is_continuous)
        wipe_behind(bus, committed, end);
    identity_store(bus);
    TEST_POINT(TAKE_IDENTIFIED);
    states_store(bus, end);
    committed_store(bus, committed);
    TEST_POINT(TAKE_COMMITTED);
    atomic_store_explicit(&header->urgent_pos, 0, memory_order_relaxed);
    atomic_store_explicit(&header->identity.epoch, epoch, memory_order_release);
    TEST_POINT(TAKE_EPOCH);
    atomic_store_explicit(&header->recovered, 1, memory_order_release);
    TEST_POINT(TAKE_DONE);
    wake_everybody(bus);
}

void ring_reset(struct bus *bus, const struct ring_position *committed, uint64_t epoch)
{
    take_over(bus, committed, committed, epoch, false);
}

void ring_resume(struct bus *bus, const struct ring_position *committed,
                 const struct ring_recovered *recovered, uint64_t epoch)
{
    /* A new epoch exactly when something may be missing. */
    CHECK(!recovered->is_continuous || bus_epoch(bus) == epoch);
    CHECK(recovered->is_continuous || bus_epoch(bus) != epoch);
    take_over(bus, committed, &recovered->end, epoch, recovered->is_continuous);
}

/* --- commits ------------------------------------------------------------------------------ */

/* A later state of the store, or the same: never an earlier one, and nothing that is not in the ring. */
static void committed_move(struct bus *bus, const struct ring_position *committed)
{
    const struct ring_position old = ring_committed(bus);
    const struct ring_position tail = ring_tail(bus);

    ROLE_CHECK(ROLE_WRITER);
    CHECK(bus_is_recovered(bus));
    CHECK(committed->pos % RECORD_ALIGN == 0);
    CHECK(committed->pos >= old.pos);
    CHECK(committed->seq >= old.seq);
    CHECK(committed->pos <= tail.pos);
    CHECK(committed->seq <= tail.seq);
    committed_store(bus, committed);
}

void ring_writer_restarted(struct bus *bus, const struct ring_position *committed)
{
    /* The dead writer may have committed without announcing it; the other way round never. */
    committed_move(bus, committed);
    TEST_POINT(REJOIN_COMMITTED);
    wake_signal(bus, WAKE_COMMIT);
}

void ring_commit(struct bus *bus, const struct ring_position *committed, uint64_t first_seq)
{
    committed_move(bus, committed);
    atomic_store_explicit(&bus->header->first_seq, first_seq, memory_order_relaxed);
    TEST_POINT(ANNOUNCE_FIRST);
    wake_signal(bus, WAKE_COMMIT);
    TEST_POINT(ANNOUNCE_DONE);
}
