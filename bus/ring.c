#include "bus/ring.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "bus/check.h"
#include "bus/handle.h"
#include "bus/record.h"
#include "bus/role.h"
#include "bus/shm.h"
#include "bus/test_point.h"
#include "bus/wake.h"

enum {
    LOCK_SPINS_MAX = 100,           /* the lock is held for less than a microsecond */
    LOCK_WAIT_NS = 2 * 1000 * 1000, /* longer than that: its holder is stopped */
    STATE_TRIES_MAX = 1000000,      /* each lost to two appends within a few ns */
    HEAD_WORDS = sizeof(struct record_head) / sizeof(uint64_t),
};

static void cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* --- copying ------------------------------------------------------------------------------ */

/*
 * Ring memory is touched by relaxed 8-byte atomics only: a reader may copy what an appender is
 * overwriting, and finds out afterwards (bus/README.md, "Reading"). @at runs into the second
 * mapping of the data where a record crosses the end of the first.
 */
static void words_store(_Atomic uint64_t *at, const uint8_t *from, size_t bytes)
{
    for (size_t i = 0; i < bytes / sizeof(uint64_t); i++) {
        uint64_t word;

        memcpy(&word, from + i * sizeof word, sizeof word);
        atomic_store_explicit(&at[i], word, memory_order_relaxed);
    }
}

static void words_load(uint8_t *to, _Atomic uint64_t *at, size_t bytes)
{
    for (size_t i = 0; i < bytes / sizeof(uint64_t); i++) {
        const uint64_t word = atomic_load_explicit(&at[i], memory_order_relaxed);

        memcpy(to + i * sizeof word, &word, sizeof word);
    }
}

/* --- state -------------------------------------------------------------------------------- */

struct state {
    uint64_t tail;
    uint64_t next_seq;
    int64_t time_ns;
};

static struct state state_load(const struct bus_state *from)
{
    return (struct state){
        .tail = atomic_load_explicit(&from->tail, memory_order_relaxed),
        .next_seq = atomic_load_explicit(&from->next_seq, memory_order_relaxed),
        .time_ns = atomic_load_explicit(&from->time_ns, memory_order_relaxed),
    };
}

static struct state state_read(const struct bus *bus)
{
    const struct bus_header *header = bus->header;

    for (unsigned i = 0; i < STATE_TRIES_MAX; i++) {
        const uint64_t count = atomic_load_explicit(&header->state_count, memory_order_acquire);
        const struct state state = state_load(&header->states[count & 1]);

        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&header->state_count, memory_order_relaxed) == count)
            return state;
    }
    UNREACHABLE();
}

/* Lock holder: the state in force cannot change. */
static struct state state_in_force(const struct bus *bus)
{
    const uint64_t count = atomic_load_explicit(&bus->header->state_count, memory_order_relaxed);

    return state_load(&bus->header->states[count & 1]);
}

/* Lock holder: the only place where tail, next seq and time move. */
static void state_publish(struct bus *bus, const struct state *old, const struct state *new)
{
    struct bus_header *header = bus->header;
    const uint64_t count = atomic_load_explicit(&header->state_count, memory_order_relaxed);
    struct bus_state *spare = &header->states[(count + 1) & 1];

    CHECK(new->tail > old->tail);
    CHECK(new->next_seq > old->next_seq);
    CHECK(new->time_ns >= old->time_ns);
    atomic_store_explicit(&spare->tail, new->tail, memory_order_relaxed);
    atomic_store_explicit(&spare->next_seq, new->next_seq, memory_order_relaxed);
    atomic_store_explicit(&spare->time_ns, new->time_ns, memory_order_relaxed);
    TEST_POINT(APPEND_STATED);
    atomic_store_explicit(&header->state_count, count + 1, memory_order_release);
    TEST_POINT(APPEND_PUBLISHED);
}

/* --- append ------------------------------------------------------------------------------- */

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now = {0};

    CHECK(clock_gettime(clock, &now) == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The time of day, as far as it can be believed. */
static int64_t append_time(const struct bus *bus)
{
    const int64_t now = clock_ns(CLOCK_REALTIME);
    const int64_t latest = bus_latest_time_ns(bus);

    return now < latest ? now : latest;
}

static int lock_wait(pthread_mutex_t *mutex)
{
    const int64_t until_ns = clock_ns(CLOCK_MONOTONIC) + LOCK_WAIT_NS;
    const struct timespec until = {.tv_sec = until_ns / 1000000000,
                                   .tv_nsec = until_ns % 1000000000};

    return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &until);
}

/* 0, -EAGAIN or -ENOTRECOVERABLE. */
static int append_lock(struct bus *bus)
{
    pthread_mutex_t *mutex = &bus->header->append_mutex;
    int error = pthread_mutex_trylock(mutex);

    for (unsigned i = 0; i < LOCK_SPINS_MAX && error == EBUSY; i++) {
        cpu_relax();
        error = pthread_mutex_trylock(mutex);
    }
    if (error == EBUSY)
        error = lock_wait(mutex);
    if (error == EOWNERDEAD) {
        TEST_POINT(REPAIR_TAKEN);
        /* The dead one published or did not; either way the state in force is whole. */
        error = pthread_mutex_consistent(mutex);
        CHECK(error == 0);
        TEST_POINT(REPAIR_DONE);
    }
    if (error == ETIMEDOUT)
        return -EAGAIN;
    return error == 0 ? 0 : -ENOTRECOVERABLE;
}

/* The length word of the encoded record at @bytes. */
static uint32_t length_at(const uint8_t *bytes)
{
    uint32_t length;

    memcpy(&length, bytes, sizeof length);
    return length;
}

/* The caller's batch, before the lock: whole records and nothing else. */
static void batch_check(const uint8_t *records, size_t bytes)
{
    struct record record;

    CHECK((uintptr_t)records % RECORD_ALIGN == 0);
    CHECK(bytes > 0);
    for (size_t at = 0; at < bytes; at += record.length) {
        CHECK(record_decode(records + at, bytes - at, &record) == RECORD_OK);
        CHECK(record.seq == 0);
    }
}

/* What of the batch goes in: its whole records from the front that fit into @room. */
struct batch {
    size_t bytes;
    uint32_t count;
    bool is_urgent;
};

static struct batch batch_measure(const struct bus *bus, const uint8_t *records, size_t bytes,
                                  uint64_t room)
{
    struct batch batch = {0};

    while (batch.bytes < bytes) {
        const uint8_t *record = records + batch.bytes;
        const uint32_t length = length_at(record);

        if (length > bus_record_bytes_max(bus) || length > room - batch.bytes)
            break;
        if ((record[offsetof(struct record_head, flags)] & RECORD_URGENT) != 0)
            batch.is_urgent = true;
        batch.bytes += length;
        batch.count++;
    }
    return batch;
}

/*
 * Announces that what lies a ring size before @until is no longer to be trusted, before the first
 * byte of it changes. A dead appender may have announced more: never lowered.
 */
static void claim(struct bus *bus, uint64_t until)
{
    _Atomic uint64_t *writing_until = &bus->header->writing_until;

    if (until > atomic_load_explicit(writing_until, memory_order_relaxed))
        atomic_store_explicit(writing_until, until, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    TEST_POINT(APPEND_CLAIMED);
}

/* Writes the batch behind the published records, stamped; the caller's copy stays as it is. */
static void batch_write(struct bus *bus, const uint8_t *records, const struct batch *batch,
                        const struct state *from, int64_t time_ns)
{
    struct record_head head;
    size_t at = 0;

    for (uint32_t i = 0; i < batch->count; i++) {
        _Atomic uint64_t *words = bus_words_at(bus, from->tail + at);

        memcpy(&head, records + at, sizeof head);
        record_stamp(&head, from->next_seq + i, time_ns);
        words_store(words, (const uint8_t *)&head, sizeof head);
        TEST_POINT(APPEND_COPYING);
        words_store(words + HEAD_WORDS, records + at + sizeof head, head.length - sizeof head);
        at += head.length;
    }
    TEST_POINT(APPEND_COPIED);
}

static void raise_urgent(struct bus *bus, uint64_t pos)
{
    _Atomic uint64_t *urgent = &bus->header->urgent_pos;
    uint64_t seen = atomic_load_explicit(urgent, memory_order_relaxed);

    /* Ends: whoever is faster has raised it too. */
    while (seen < pos && !atomic_compare_exchange_weak_explicit(
                             urgent, &seen, pos, memory_order_relaxed, memory_order_relaxed))
        continue;
}

/* With the lock held. Whom to wake (a set of enum wake_reason), or -EAGAIN. */
static int append_locked(struct bus *bus, const uint8_t *records, size_t bytes, int64_t now_ns,
                         struct ring_appended *ret)
{
    const struct state old = state_in_force(bus);
    const uint64_t committed_pos =
        atomic_load_explicit(&bus->header->committed_pos, memory_order_acquire);
    struct state new = old;
    struct batch batch;

    CHECK(committed_pos <= old.tail);
    CHECK(old.tail - committed_pos <= bus->size);
    batch = batch_measure(bus, records, bytes, bus->size - (old.tail - committed_pos));
    if (batch.count == 0)
        return -EAGAIN;
    new.tail += batch.bytes;
    new.next_seq += batch.count;
    if (now_ns > old.time_ns)
        new.time_ns = now_ns;

    claim(bus, new.tail);
    batch_write(bus, records, &batch, &old, new.time_ns);
    if (batch.is_urgent) {
        raise_urgent(bus, new.tail);
        TEST_POINT(APPEND_URGED);
    }
    state_publish(bus, &old, &new);

    *ret = (struct ring_appended){
        .first_seq = old.next_seq,
        .count = batch.count,
        .bytes = batch.bytes,
        .time_ns = new.time_ns,
    };
    if (batch.is_urgent || new.tail - committed_pos > bus->size / 4)
        return WAKE_TAIL | WAKE_URGENT;
    return WAKE_TAIL;
}

int ring_append(struct bus *bus, const void *records, size_t bytes, struct ring_appended *ret)
{
    int64_t now_ns;
    int reasons;
    int rc;

    ROLE_CHECK(ROLE_WORKER | ROLE_WRITER);
    CHECK(bus_is_recovered(bus));
    batch_check(records, bytes);
    if (length_at(records) > bus_record_bytes_max(bus))
        return -EMSGSIZE;
    if (bus_refusal(bus) != BUS_ACCEPTS)
        return -ENOSPC;
    now_ns = append_time(bus);
    rc = append_lock(bus);
    if (rc != 0)
        return rc;
    TEST_POINT(APPEND_LOCKED);
    reasons = append_locked(bus, records, bytes, now_ns, ret);
    CHECK(pthread_mutex_unlock(&bus->header->append_mutex) == 0);
    if (reasons < 0)
        return reasons;
    TEST_POINT(APPEND_UNLOCKED);
    wake_signal(bus, (unsigned)reasons);
    return 0;
}

/* --- positions ---------------------------------------------------------------------------- */

struct ring_position ring_tail(const struct bus *bus)
{
    const struct state state = state_read(bus);

    return (struct ring_position){
        .seq = state.next_seq - 1,
        .pos = state.tail,
        .time_ns = state.time_ns,
    };
}

struct ring_position ring_committed(const struct bus *bus)
{
    struct ring_position position = {0};

    /* The writer stores pos first, so a pos loaded after seq is at least seq's own. */
    position.seq = atomic_load_explicit(&bus->header->committed_seq, memory_order_acquire);
    position.pos = atomic_load_explicit(&bus->header->committed_pos, memory_order_acquire);
    return position;
}

uint64_t ring_first_seq(const struct bus *bus)
{
    return atomic_load_explicit(&bus->header->first_seq, memory_order_relaxed);
}

/* --- read --------------------------------------------------------------------------------- */

/* Whether the bytes at @pos may have been overwritten before now. */
static bool is_lapped(const struct bus *bus, uint64_t pos)
{
    return pos + bus->size <
           atomic_load_explicit(&bus->header->writing_until, memory_order_relaxed);
}

/*
 * How many bytes of @buf are whole records. Intact bytes of ours are judged here: nonsense is a
 * broken invariant.
 */
static size_t whole_records(const struct bus *bus, const uint8_t *buf, size_t bytes,
                            uint64_t until_limit)
{
    size_t at = 0;

    while (at < bytes) {
        const uint32_t length = length_at(buf + at);

        CHECK(length >= sizeof(struct record_head));
        CHECK(length % RECORD_ALIGN == 0);
        CHECK(length <= bus_record_bytes_max(bus));
        CHECK(length <= until_limit - at);
        if (length > bytes - at)
            break;
        at += length;
    }
    return at;
}

/* Six parameters: a range, a buffer, and what the buffer lacked. */
/* NOLINTNEXTLINE(readability-function-size) */
ptrdiff_t ring_read(const struct bus *bus, uint64_t *pos, uint64_t limit_pos, void *buf,
                    size_t buf_bytes, size_t *ret_needed)
{
    const uint64_t start = *pos;
    const uint64_t wanted = limit_pos - start;
    uint8_t first_word[sizeof(uint64_t)];
    size_t bytes = buf_bytes - buf_bytes % RECORD_ALIGN;
    size_t whole;

    CHECK(start <= limit_pos);
    CHECK(start % RECORD_ALIGN == 0);
    CHECK((uintptr_t)buf % RECORD_ALIGN == 0);
    if (wanted == 0)
        return 0;
    if (wanted > bus->size || is_lapped(bus, start))
        return -EOVERFLOW;
    if (bytes > wanted)
        bytes = (size_t)wanted;
    words_load(first_word, bus_words_at(bus, start), sizeof first_word);
    words_load(buf, bus_words_at(bus, start), bytes);
    /* What was copied counts only if nobody had begun to overwrite its first byte by now. */
    atomic_thread_fence(memory_order_acquire);
    if (is_lapped(bus, start))
        return -EOVERFLOW;

    whole = whole_records(bus, buf, bytes, wanted);
    if (whole == 0) {
        CHECK(length_at(first_word) <= bus_record_bytes_max(bus));
        *ret_needed = length_at(first_word);
        return -EMSGSIZE;
    }
    *pos = start + whole;
    return (ptrdiff_t)whole;
}

void ring_request_commit(struct bus *bus)
{
    ROLE_CHECK(ROLE_WORKER);
    raise_urgent(bus, state_read(bus).tail);
    TEST_POINT(URGE_SAID);
    wake_signal(bus, WAKE_URGENT);
}

bool ring_is_commit_urgent(const struct bus *bus)
{
    const uint64_t committed_pos =
        atomic_load_explicit(&bus->header->committed_pos, memory_order_relaxed);

    /* An appender that died before it published may have asked for what never came. */
    return atomic_load_explicit(&bus->header->urgent_pos, memory_order_relaxed) > committed_pos &&
           state_read(bus).tail > committed_pos;
}
