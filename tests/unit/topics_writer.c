/* The fixture's store writer: a process of its own, as LMDB wants it. */
#include <stdlib.h>
#include <unistd.h>

#include "bus/check.h"
#include "bus/role.h"
#include "store/env.h"
#include "tests/unit/topics_fixture.h"

enum writer_verb {
    WRITER_COMMIT,
    WRITER_TRIM,
    WRITER_EPOCH,
};

struct writer_order {
    enum writer_verb verb;
    struct retention retention;
    uint64_t epoch;
};

struct writer_answer {
    int rc;
    struct store_meta meta;
};

struct writer {
    struct bus *bus;
    struct store *store;
    struct store_meta meta;
    uint8_t *batch;
};

/* 1: committed something; 0: nothing is left. */
static int writer_commit(struct writer *writer, const struct retention *retention)
{
    uint64_t pos = writer->meta.committed_pos;
    size_t needed = 0;
    ptrdiff_t bytes = ring_read(writer->bus, &pos, ring_tail(writer->bus).pos, writer->batch,
                                COMMIT_BYTES_MAX, &needed);
    struct ring_position committed;
    int rc;

    if (bytes <= 0)
        return (int)bytes;
    rc = commit_operations(writer->store, writer->batch, (size_t)bytes, pos, retention,
                           &writer->meta);
    if (rc != 0)
        return rc;
    committed = store_committed(&writer->meta);
    ring_commit(writer->bus, &committed, writer->meta.first_seq);
    return 1;
}

static int writer_obey(struct writer *writer, const struct writer_order *order)
{
    ptrdiff_t rc = 1;

    if (order->verb == WRITER_EPOCH) {
        rc = commit_new_epoch(writer->store, order->epoch, &writer->meta);
    } else if (order->verb == WRITER_COMMIT) {
        while (rc > 0)
            rc = writer_commit(writer, &order->retention);
    } else {
        while (rc > 0)
            rc = commit_trim(writer->store, &order->retention, &writer->meta);
    }
    return (int)rc;
}

static _Noreturn void writer_main(struct bus *bus, const char *dir, int from, int to)
{
    const struct store_options options = {
        .data_dir = dir, .map_bytes = UINT64_C(256) * 1024 * 1024, .is_writer = true};
    struct writer writer = {.bus = bus, .batch = malloc(COMMIT_BYTES_MAX)};
    struct writer_answer answer = {0};
    struct writer_order order;
    struct ring_position start;
    uint64_t store_id;

    role_set(ROLE_WRITER);
    CHECK(writer.batch != NULL);
    answer.rc = store_identify(dir, &store_id);
    if (answer.rc == 0)
        answer.rc = store_open(&options, &writer.store);
    if (answer.rc == 0)
        answer.rc = commit_new_epoch(writer.store, TOPICS_EPOCH, &writer.meta);
    start = store_committed(&writer.meta);
    ring_reset(bus, &start, TOPICS_EPOCH);
    do {
        answer.meta = writer.meta;
        CHECK(write(to, &answer, sizeof answer) == (ssize_t)sizeof answer);
        if (read(from, &order, sizeof order) != (ssize_t)sizeof order)
            _exit(0);
        answer.rc = writer_obey(&writer, &order);
    } while (true);
}

static void hear_writer(struct topics_fixture *fixture)
{
    struct writer_answer answer = {0};

    assert_int_equal(read(fixture->from_writer, &answer, sizeof answer), sizeof answer);
    assert_int_equal(answer.rc, 0);
    fixture->meta = answer.meta;
}

static void order_writer(struct topics_fixture *fixture, const struct writer_order *order)
{
    assert_int_equal(write(fixture->to_writer, order, sizeof *order), sizeof *order);
    hear_writer(fixture);
}

void topics_start_writer(struct topics_fixture *fixture)
{
    int orders[2];
    int answers[2];

    assert_int_equal(pipe(orders), 0);
    assert_int_equal(pipe(answers), 0);
    fixture->writer_pid = fork();
    assert_true(fixture->writer_pid >= 0);
    if (fixture->writer_pid == 0) {
        (void)close(orders[1]);
        (void)close(answers[0]);
        writer_main(fixture->bus, fixture->dir, orders[0], answers[1]);
    }
    (void)close(orders[0]);
    (void)close(answers[1]);
    fixture->to_writer = orders[1];
    fixture->from_writer = answers[0];
    hear_writer(fixture);
}

void topics_commit(struct topics_fixture *fixture, const struct retention *retention)
{
    struct writer_order order = {.verb = WRITER_COMMIT};

    if (retention != NULL)
        order.retention = *retention;
    order_writer(fixture, &order);
}

void topics_trim(struct topics_fixture *fixture, const struct retention *retention)
{
    const struct writer_order order = {.verb = WRITER_TRIM, .retention = *retention};

    order_writer(fixture, &order);
}

void topics_new_epoch(struct topics_fixture *fixture, uint64_t epoch)
{
    const struct writer_order order = {.verb = WRITER_EPOCH, .epoch = epoch};

    order_writer(fixture, &order);
}
