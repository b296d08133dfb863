/*
 * The fixture's store writer: a process of its own. It is the child of another that has no store: that
 * one begins it anew when it has been killed. Or it is a part of the test's process, with one store for
 * both: the same without the processes' switching, where only the order of things matters.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/check.h"
#include "bus/role.h"
#include "store/env.h"
#include "tests/unit/topics_fixture.h"

enum writer_verb {
    WRITER_COMMIT,
    WRITER_COMMIT_QUIETLY,
    WRITER_ANNOUNCE,
    WRITER_TRIM,
    WRITER_EPOCH,
    WRITER_DIE,
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

struct topics_writer {
    struct bus *bus;
    struct store *store;
    struct store_meta meta;
    uint8_t *batch;
    bool is_inside;
};

static void writer_announce(const struct topics_writer *writer)
{
    const struct ring_position committed = store_committed(&writer->meta);

    ring_commit(writer->bus, &committed, writer->meta.first_seq);
}

/* 1: committed something; 0: nothing is left. */
static int writer_commit(struct topics_writer *writer, const struct retention *retention)
{
    uint64_t pos = writer->meta.committed_pos;
    size_t needed = 0;
    ptrdiff_t bytes = ring_read(writer->bus, &pos, ring_tail(writer->bus).pos, writer->batch,
                                COMMIT_BYTES_MAX, &needed);
    int rc;

    if (bytes <= 0)
        return (int)bytes;
    rc = commit_operations(writer->store, writer->batch, (size_t)bytes, pos, retention,
                           &writer->meta);
    return rc != 0 ? rc : 1;
}

static int writer_commit_all(struct topics_writer *writer, const struct writer_order *order)
{
    int rc;

    do {
        rc = writer_commit(writer, &order->retention);
        if (rc > 0 && order->verb == WRITER_COMMIT)
            writer_announce(writer);
    } while (rc > 0);
    return rc;
}

/* A new ring: what is committed is all there is, and it is another epoch. */
static int writer_begin(struct topics_writer *writer, uint64_t epoch)
{
    int rc = commit_new_epoch(writer->store, epoch, &writer->meta);
    const struct ring_position committed = store_committed(&writer->meta);

    if (rc == 0)
        ring_reset(writer->bus, &committed, epoch);
    return rc;
}

/* What another does when the last one has died. */
static int writer_go_on(const struct topics_writer *writer)
{
    const struct ring_position committed = store_committed(&writer->meta);

    ring_writer_restarted(writer->bus, &committed);
    return 0;
}

static int writer_obey(struct topics_writer *writer, const struct writer_order *order)
{
    int rc;

    switch (order->verb) {
    case WRITER_COMMIT:
    case WRITER_COMMIT_QUIETLY:
        return writer_commit_all(writer, order);
    case WRITER_ANNOUNCE:
        writer_announce(writer);
        return 0;
    case WRITER_TRIM:
        do
            rc = commit_trim(writer->store, &order->retention, &writer->meta);
        while (rc > 0);
        return rc;
    case WRITER_EPOCH:
        return commit_new_epoch(writer->store, order->epoch, &writer->meta);
    case WRITER_DIE:
        if (writer->is_inside)
            return writer_go_on(writer);
        break;
    }
    return -raise(SIGKILL);
}

/* The first one finds an empty ring, and a store or none; another goes on with both. */
static int writer_open(struct topics_writer *writer, const struct topics_fixture *fixture,
                       bool is_first)
{
    const struct store_options options = {
        .data_dir = fixture->dir, .map_bytes = UINT64_C(256) * 1024 * 1024, .is_writer = true};
    uint64_t store_id;
    int rc = is_first ? store_identify(fixture->dir, &store_id) : 0;

    if (rc == 0)
        rc = store_open(&options, &writer->store);
    if (rc != 0)
        return rc;
    if (is_first)
        return writer_begin(writer, fixture->epoch);
    rc = store_snapshot_begin(writer->store, 0);
    if (rc != 0)
        return rc;
    writer->meta = *store_snapshot_meta(writer->store);
    store_snapshot_end(writer->store);
    return writer_go_on(writer);
}

static _Noreturn void writer_main(struct topics_fixture *fixture, bool is_first, int from, int to)
{
    struct topics_writer writer = {.bus = fixture->bus, .batch = malloc(COMMIT_BYTES_MAX)};
    struct writer_answer answer = {0};
    struct writer_order order;

    role_set(ROLE_WRITER);
    CHECK(writer.batch != NULL);
    answer.rc = writer_open(&writer, fixture, is_first);
    do {
        answer.meta = writer.meta;
        CHECK(write(to, &answer, sizeof answer) == (ssize_t)sizeof answer);
        if (read(from, &order, sizeof order) != (ssize_t)sizeof order)
            _exit(0);
        answer.rc = writer_obey(&writer, &order);
    } while (true);
}

/* A writer after the other, until one ends by itself. */
static _Noreturn void writers_main(struct topics_fixture *fixture, int from, int to)
{
    int status = 0;

    for (bool is_first = true; is_first || WIFSIGNALED(status); is_first = false) {
        pid_t pid = fork();

        if (pid == 0)
            writer_main(fixture, is_first, from, to);
        CHECK(pid > 0);
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK(!WIFSIGNALED(status) || WTERMSIG(status) == SIGKILL);
    }
    _exit(WEXITSTATUS(status));
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
    if (fixture->inside != NULL) {
        assert_int_equal(writer_obey(fixture->inside, order), 0);
        fixture->meta = fixture->inside->meta;
        return;
    }
    assert_int_equal(write(fixture->to_writer, order, sizeof *order), sizeof *order);
    hear_writer(fixture);
}

void topics_begin_inside(struct topics_fixture *fixture)
{
    struct topics_writer *writer = calloc(1, sizeof *writer);

    assert_non_null(writer);
    *writer = (struct topics_writer){
        .bus = fixture->bus, .batch = malloc(COMMIT_BYTES_MAX), .is_inside = true};
    assert_non_null(writer->batch);
    assert_int_equal(writer_open(writer, fixture, true), 0);
    fixture->inside = writer;
    fixture->store = writer->store;
    fixture->meta = writer->meta;
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
        writers_main(fixture, orders[0], answers[1]);
    }
    (void)close(orders[0]);
    (void)close(answers[1]);
    fixture->to_writer = orders[1];
    fixture->from_writer = answers[0];
    hear_writer(fixture);
}

static void order_commit(struct topics_fixture *fixture, enum writer_verb verb,
                         const struct retention *retention)
{
    struct writer_order order = {.verb = verb};

    if (retention != NULL)
        order.retention = *retention;
    order_writer(fixture, &order);
}

void topics_commit(struct topics_fixture *fixture, const struct retention *retention)
{
    order_commit(fixture, WRITER_COMMIT, retention);
}

void topics_commit_quietly(struct topics_fixture *fixture, const struct retention *retention)
{
    order_commit(fixture, WRITER_COMMIT_QUIETLY, retention);
}

void topics_announce(struct topics_fixture *fixture)
{
    order_commit(fixture, WRITER_ANNOUNCE, NULL);
}

void topics_restart_writer(struct topics_fixture *fixture)
{
    order_commit(fixture, WRITER_DIE, NULL); /* it is the next one that answers */
}

void topics_trim(struct topics_fixture *fixture, const struct retention *retention)
{
    order_commit(fixture, WRITER_TRIM, retention);
}

void topics_new_epoch(struct topics_fixture *fixture, uint64_t epoch)
{
    const struct writer_order order = {.verb = WRITER_EPOCH, .epoch = epoch};

    order_writer(fixture, &order);
}

void topics_end_writer(struct topics_fixture *fixture)
{
    int status = 0;

    if (fixture->inside != NULL) {
        free(fixture->inside->batch);
        free(fixture->inside);
        fixture->inside = NULL;
        return;
    }
    (void)close(fixture->to_writer);
    (void)close(fixture->from_writer);
    assert_int_equal(waitpid(fixture->writer_pid, &status, 0), fixture->writer_pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
