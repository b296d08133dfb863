/*
 * What a start makes of a ring file that was cut, flipped, or left by a death at an awkward
 * moment (bus/README.md, "Recovery").
 */
#include "tests/unit/bus_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/handle.h"
#include "bus/record.h"

enum {
    KEPT = 12, /* records behind the committed ones */
    FILE_BYTES = BUS_HEADER_BYTES + FIXTURE_SIZE,
};
static const uint64_t new_epoch = FIXTURE_EPOCH + 1;

/* A ring as a killed server left it, and what its store says. */
static struct {
    alignas(BUS_CACHE_LINE) uint8_t file[FILE_BYTES];
    struct ring_position committed;
    struct ring_position ends[KEPT + 1]; /* behind 0, 1, ... kept records */
    struct ring_position end;
} left;

static size_t length_of(unsigned index)
{
    return 64 + (size_t)(index % 7) * 56; /* different ones, 64 to 400 bytes */
}

static void file_write(const struct fixture *f, const void *bytes, size_t count)
{
    const int fd = open(f->path, O_WRONLY | O_TRUNC | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, count), count);
    assert_int_equal(close(fd), 0);
}

static void file_read(const struct fixture *f, void *bytes, size_t count)
{
    const int fd = open(f->path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(read(fd, bytes, count), count);
    assert_int_equal(close(fd), 0);
}

/*
 * Fills `left`: @before records committed, KEPT behind them. The ring has gone round before, so
 * that there are older records wherever these are not.
 */
static void leave(struct fixture *f, unsigned before)
{
    struct ring_appended appended;

    for (unsigned i = 0; i < before; i++) {
        assert_int_equal(fixture_append(f->bus, length_of(i), i, &appended), 0);
        fixture_commit_all(f->bus);
    }
    left.committed = ring_tail(f->bus);
    left.ends[0] = left.committed;
    for (unsigned i = 1; i <= KEPT; i++) {
        assert_int_equal(fixture_append(f->bus, length_of(i), i, &appended), 0);
        left.ends[i] = ring_tail(f->bus);
    }
    left.end = left.ends[KEPT];
    bus_close(f->bus);
    f->bus = NULL;
    file_read(f, left.file, sizeof left.file);
}

static int setup(void **state)
{
    fixture_setup(state);
    leave(*state, 1000);
    return 0;
}

/* One whose kept records cross the end of the data part. */
static int setup_across_the_end(void **state)
{
    unsigned before = 0;
    uint64_t pos = 0;

    fixture_setup(state);
    while (pos < 2 * FIXTURE_SIZE - 1500)
        pos += length_of(before++);
    leave(*state, before);
    assert_true(left.committed.pos < 2 * FIXTURE_SIZE && left.end.pos > 2 * FIXTURE_SIZE);
    return 0;
}

/* A start on the file as it stands now; what it finds. */
static void start(struct fixture *f, struct ring_recovered *ret)
{
    bus_close(f->bus);
    f->bus = NULL;
    f->bus = fixture_open(f->path, FIXTURE_SIZE);
    ring_recover(f->bus, &left.committed, FIXTURE_EPOCH, ret);
    assert_int_equal(ret->is_continuous, ret->reason == NULL);
    assert_int_equal(ret->end.seq, left.committed.seq + ret->kept_count);
}

/* The server runs on what was found: all of it is there, and new operations follow. */
static void go_on(struct fixture *f, const struct ring_recovered *recovered)
{
    const uint64_t epoch = bus_epoch(f->bus) + (recovered->is_continuous ? 0 : 1);
    struct ring_position at = left.committed;
    uint64_t pos = left.committed.pos - length_of(0);
    alignas(8) uint8_t buf[512];
    struct ring_appended appended;
    size_t needed;

    ring_resume(f->bus, &left.committed, recovered, epoch);
    assert_true(bus_is_recovered(f->bus));
    assert_int_equal(bus_epoch(f->bus), epoch);
    assert_int_equal(ring_committed(f->bus).seq, left.committed.seq);
    assert_int_equal(fixture_read_all(f->bus, &at), recovered->kept_count);
    /* What is committed is read from the store, whatever may still lie here. */
    assert_int_equal(ring_read(f->bus, &pos, at.pos, buf, sizeof buf, &needed), -EOVERFLOW);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(fixture_append(f->bus, 64, i, &appended), 0);
    assert_int_equal(appended.first_seq, left.committed.seq + recovered->kept_count + 3);
    assert_int_equal(fixture_read_all(f->bus, &at), 3);
}

static void an_intact_ring_goes_on_under_its_epoch(void **state)
{
    struct fixture *f = *state;
    struct ring_recovered recovered;

    start(f, &recovered);
    assert_true(recovered.is_continuous);
    assert_int_equal(recovered.kept_count, KEPT);
    assert_int_equal(recovered.end.pos, left.end.pos);
    assert_int_equal(recovered.end.time_ns, left.end.time_ns);
    go_on(f, &recovered);
}

static void the_store_may_have_committed_any_of_it(void **state)
{
    struct fixture *f = *state;
    struct ring_recovered recovered;

    for (unsigned i = 0; i <= KEPT; i++) {
        file_write(f, left.file, sizeof left.file);
        bus_close(f->bus);
        f->bus = fixture_open(f->path, FIXTURE_SIZE);
        ring_recover(f->bus, &left.ends[i], FIXTURE_EPOCH, &recovered);
        assert_true(recovered.is_continuous);
        assert_int_equal(recovered.kept_count, KEPT - i);
    }
}

/* --- the header --------------------------------------------------------------------------- */

/*
 * The bytes of the header that a start does not rely on: whatever is in them, the ring goes on
 * under its epoch. Everything else makes a new one.
 */
static bool is_irrelevant(size_t offset)
{
    const struct bus_header *header = (const void *)left.file;
    const unsigned named = header->state_count & 1;
    const size_t named_at = offsetof(struct bus_header, states) + named * sizeof(struct bus_state);

    if (offset >= offsetof(struct bus_identity, reserved) && offset < sizeof(struct bus_identity))
        return true;
    /* Of what follows the identity, only tail and next_seq of the state that is named count. */
    return offset >= sizeof(struct bus_identity) &&
           !(offset >= named_at && offset < named_at + offsetof(struct bus_state, time_ns));
}

static void a_flip_of_any_byte_of_the_header_loses_no_record(void **state)
{
    /* Two slots stand for all: they are made anew alike. */
    const size_t last = offsetof(struct bus_header, slots) + 2 * sizeof(struct bus_process_slot);
    struct fixture *f = *state;

    for (size_t offset = 0; offset < last; offset++) {
        struct ring_recovered recovered;

        left.file[offset] ^= 0xff;
        file_write(f, left.file, sizeof left.file);
        left.file[offset] ^= 0xff;
        start(f, &recovered);
        if (recovered.kept_count != KEPT || recovered.is_continuous != is_irrelevant(offset))
            fail_msg("byte %zu of the header: kept %u, %s", offset, (unsigned)recovered.kept_count,
                     recovered.reason == NULL ? "continuous" : recovered.reason);
        go_on(f, &recovered);
    }
}

static void what_is_wrong_with_a_header_is_said(void **state)
{
    static const struct {
        size_t offset;
        const char *reason;
    } cases[] = {
        {offsetof(struct bus_identity, magic), "damaged"},
        {offsetof(struct bus_identity, layout_version), "another version"},
        {offsetof(struct bus_identity, header_bytes), "sizes"},
        {offsetof(struct bus_identity, size) + 1, "sizes"},
        {offsetof(struct bus_identity, store_id), "another store"},
        {offsetof(struct bus_identity, boot_id), "before the machine was started"},
        {offsetof(struct bus_identity, epoch), "another epoch"},
    };
    struct fixture *f = *state;
    struct ring_recovered recovered;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        left.file[cases[i].offset] ^= 1;
        file_write(f, left.file, sizeof left.file);
        left.file[cases[i].offset] ^= 1;
        start(f, &recovered);
        assert_false(recovered.is_continuous);
        if (strstr(recovered.reason, cases[i].reason) == NULL)
            fail_msg("byte %zu: %s", cases[i].offset, recovered.reason);
    }
}

static void a_counter_that_names_the_older_state_hides_nothing(void **state)
{
    struct fixture *f = *state;
    struct ring_recovered recovered;

    left.file[offsetof(struct bus_header, state_count)] ^= 1;
    file_write(f, left.file, sizeof left.file);
    start(f, &recovered);
    assert_true(recovered.is_continuous);
    assert_int_equal(recovered.kept_count, KEPT);
    go_on(f, &recovered);
}

static void a_header_of_zeros_loses_no_record(void **state)
{
    struct fixture *f = *state;
    struct ring_recovered recovered;

    memset(left.file, 0, BUS_HEADER_BYTES);
    file_write(f, left.file, sizeof left.file);
    start(f, &recovered);
    assert_false(recovered.is_continuous);
    assert_int_equal(recovered.kept_count, KEPT);
    go_on(f, &recovered);
}

/* --- the records -------------------------------------------------------------------------- */

/* How many records lie wholly before @pos. */
static unsigned whole_before(uint64_t pos)
{
    unsigned count = 0;

    while (count < KEPT && left.ends[count + 1].pos <= pos)
        count++;
    return count;
}

static void a_flip_of_any_byte_of_a_record_keeps_those_before_it(void **state)
{
    static const uint8_t patterns[] = {0xff, 0x01, 0x80};
    struct fixture *f = *state;
    struct ring_recovered recovered;

    start(f, &recovered);
    for (uint64_t pos = left.committed.pos; pos < left.end.pos; pos++) {
        uint8_t *byte = bus_bytes_at(f->bus, pos);

        for (size_t i = 0; i < sizeof patterns; i++) {
            *byte ^= patterns[i];
            ring_recover(f->bus, &left.committed, FIXTURE_EPOCH, &recovered);
            *byte ^= patterns[i];
            assert_false(recovered.is_continuous);
            assert_int_equal(recovered.kept_count, whole_before(pos));
            assert_int_equal(recovered.end.pos, left.ends[whole_before(pos)].pos);
        }
    }
    ring_recover(f->bus, &left.committed, FIXTURE_EPOCH, &recovered);
    assert_true(recovered.is_continuous);
}

static void a_damaged_record_ends_the_ring_for_good(void **state)
{
    struct fixture *f = *state;
    struct ring_recovered recovered;
    struct ring_appended appended;

    for (unsigned damaged = 0; damaged < KEPT; damaged++) {
        const size_t at = BUS_HEADER_BYTES + (size_t)(left.ends[damaged].pos % FIXTURE_SIZE) +
                          sizeof(struct record_head);

        left.file[at] ^= 1;
        file_write(f, left.file, sizeof left.file);
        left.file[at] ^= 1;
        start(f, &recovered);
        assert_false(recovered.is_continuous);
        assert_int_equal(recovered.kept_count, damaged);
        ring_resume(f->bus, &left.committed, &recovered, new_epoch);

        /*
         * What lay behind it was given up under the old epoch. It must not come back when a
         * record of the same length takes the damaged one's place and seq.
         */
        assert_int_equal(fixture_append(f->bus, length_of(damaged + 1), 0, &appended), 0);
        f->bus->header->identity.magic[0] = '?';
        start(f, &recovered);
        assert_int_equal(recovered.kept_count, damaged + 1);
        go_on(f, &recovered);
    }
}

static void a_zeroed_stretch_keeps_what_is_before_it(void **state)
{
    struct fixture *f = *state;
    struct ring_recovered recovered;

    for (uint64_t pos = left.committed.pos; pos < left.end.pos; pos += 40) {
        static uint8_t damaged[FILE_BYTES];

        memcpy(damaged, left.file, sizeof damaged);
        for (uint64_t i = pos; i < pos + 100; i++)
            damaged[BUS_HEADER_BYTES + i % FIXTURE_SIZE] = 0;
        file_write(f, damaged, sizeof damaged);
        start(f, &recovered);
        assert_int_equal(recovered.kept_count, whole_before(pos));
        go_on(f, &recovered);
    }
}

static void a_cut_file_keeps_the_records_before_the_cut(void **state)
{
    const uint64_t lap = left.committed.pos / FIXTURE_SIZE * FIXTURE_SIZE;
    struct fixture *f = *state;
    struct ring_recovered recovered;

    assert_true(left.end.pos < lap + FIXTURE_SIZE);
    for (uint64_t pos = left.committed.pos; pos < left.end.pos; pos += 8) {
        file_write(f, left.file, BUS_HEADER_BYTES + (size_t)(pos - lap));
        start(f, &recovered);
        assert_int_equal(recovered.kept_count, whole_before(pos));
        assert_false(recovered.is_continuous);
        go_on(f, &recovered);
    }
    /* Behind them there is nothing that is still needed. */
    file_write(f, left.file, BUS_HEADER_BYTES + (size_t)(left.end.pos - lap));
    start(f, &recovered);
    assert_true(recovered.is_continuous);
    assert_int_equal(recovered.kept_count, KEPT);
}

static void a_file_cut_in_its_header_begins_anew(void **state)
{
    static const size_t lengths[] = {
        0,
        1,
        8,
        63,
        64,
        offsetof(struct bus_header, state_count) + 3,
        offsetof(struct bus_header, committed_pos),
        offsetof(struct bus_header, slots) + 1000,
        sizeof(struct bus_header),
        BUS_HEADER_BYTES - 1,
        BUS_HEADER_BYTES,
    };
    struct fixture *f = *state;
    struct ring_recovered recovered;

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        file_write(f, left.file, lengths[i]);
        start(f, &recovered);
        assert_false(recovered.is_continuous);
        assert_int_equal(recovered.kept_count, 0);
        go_on(f, &recovered);
    }
}

/* --- what only looks like the rest --------------------------------------------------------- */

static void records_of_the_lap_before_are_not_taken_for_new_ones(void **state)
{
    struct fixture *f = *state;
    struct ring_recovered recovered;

    /* Without the header's word the walk ends where the seq no longer follows. */
    memset(left.file, 0, sizeof(struct bus_identity));
    file_write(f, left.file, sizeof left.file);
    start(f, &recovered);
    assert_int_equal(recovered.kept_count, KEPT);
    /* A store that is behind by more than the ring holds finds nothing that follows. */
    ring_recover(f->bus, &(struct ring_position){.seq = 3, .pos = left.committed.pos}, 1,
                 &recovered);
    assert_int_equal(recovered.kept_count, 0);
}

static void a_full_ring_is_walked_once_round(void **state)
{
    struct fixture *f = *state;
    struct ring_recovered recovered;
    struct ring_appended appended;
    const uint64_t end_pos = left.committed.pos + FIXTURE_SIZE;
    unsigned count = KEPT;

    start(f, &recovered);
    ring_resume(f->bus, &left.committed, &recovered, FIXTURE_EPOCH);
    while (ring_tail(f->bus).pos < end_pos) { /* to the last byte */
        const uint64_t room = end_pos - ring_tail(f->bus).pos;

        assert_int_equal(fixture_append(f->bus, room < 128 ? room : 64, 0, &appended), 0);
        count++;
    }
    start(f, &recovered);
    assert_true(recovered.is_continuous);
    assert_int_equal(recovered.kept_count, count);
    ring_resume(f->bus, &left.committed, &recovered, FIXTURE_EPOCH);
    assert_int_equal(fixture_append(f->bus, 64, 0, &appended), -EAGAIN);
}

static void a_start_that_dies_before_it_took_over_leaves_nothing_to_trust(void **state)
{
    struct fixture *f = *state;
    struct ring_recovered recovered;

    /* The store has committed a new epoch, the ring does not have it yet. */
    start(f, &recovered);
    ring_recover(f->bus, &left.committed, new_epoch, &recovered);
    assert_false(recovered.is_continuous);
    assert_int_equal(recovered.kept_count, KEPT);
}

static void resume_under_the_old_epoch(void *user)
{
    struct bus *bus = user;
    struct ring_recovered recovered;

    *bus_bytes_at(bus, left.end.pos - 1) ^= 1;
    ring_recover(bus, &left.committed, FIXTURE_EPOCH, &recovered);
    ring_resume(bus, &left.committed, &recovered, FIXTURE_EPOCH);
}

static void what_may_have_lost_something_needs_a_new_epoch(void **state)
{
    struct fixture *f = *state;
    struct ring_recovered recovered;

    start(f, &recovered);
    assert_true(fixture_aborts(resume_under_the_old_epoch, f->bus));
}

static void a_ring_that_is_reset_is_empty_behind_its_position(void **state)
{
    struct fixture *f = *state;
    struct ring_position at = left.end;
    struct ring_recovered recovered;
    struct ring_appended appended;
    alignas(8) uint8_t buf[512];
    uint64_t pos = left.committed.pos;
    size_t needed;

    start(f, &recovered);
    ring_reset(f->bus, &left.end, FIXTURE_EPOCH);
    assert_int_equal(ring_tail(f->bus).seq, left.end.seq);
    assert_int_equal(ring_committed(f->bus).pos, left.end.pos);
    assert_int_equal(ring_read(f->bus, &pos, left.end.pos, buf, sizeof buf, &needed), -EOVERFLOW);
    assert_int_equal(fixture_append(f->bus, 64, 0, &appended), 0);
    assert_int_equal(appended.first_seq, left.end.seq + 1);
    assert_true(appended.time_ns >= left.end.time_ns);
    assert_int_equal(fixture_read_all(f->bus, &at), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define RECOVERY_TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
#define ACROSS_THE_END(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, setup_across_the_end, fixture_teardown)
        RECOVERY_TEST(an_intact_ring_goes_on_under_its_epoch),
        ACROSS_THE_END(an_intact_ring_goes_on_under_its_epoch),
        RECOVERY_TEST(the_store_may_have_committed_any_of_it),
        RECOVERY_TEST(a_flip_of_any_byte_of_the_header_loses_no_record),
        RECOVERY_TEST(what_is_wrong_with_a_header_is_said),
        RECOVERY_TEST(a_counter_that_names_the_older_state_hides_nothing),
        RECOVERY_TEST(a_header_of_zeros_loses_no_record),
        RECOVERY_TEST(a_flip_of_any_byte_of_a_record_keeps_those_before_it),
        ACROSS_THE_END(a_flip_of_any_byte_of_a_record_keeps_those_before_it),
        RECOVERY_TEST(a_damaged_record_ends_the_ring_for_good),
        RECOVERY_TEST(a_zeroed_stretch_keeps_what_is_before_it),
        RECOVERY_TEST(a_cut_file_keeps_the_records_before_the_cut),
        RECOVERY_TEST(a_file_cut_in_its_header_begins_anew),
        RECOVERY_TEST(records_of_the_lap_before_are_not_taken_for_new_ones),
        RECOVERY_TEST(a_full_ring_is_walked_once_round),
        ACROSS_THE_END(a_full_ring_is_walked_once_round),
        RECOVERY_TEST(a_start_that_dies_before_it_took_over_leaves_nothing_to_trust),
        RECOVERY_TEST(what_may_have_lost_something_needs_a_new_epoch),
        RECOVERY_TEST(a_ring_that_is_reset_is_empty_behind_its_position),
    };

    return cmocka_run_group_tests_name("ring_recovery", tests, NULL, NULL);
}
