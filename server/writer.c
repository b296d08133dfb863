#include "server/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "bus/check.h"
#include "bus/ring.h"
#include "bus/shm.h"
#include "bus/slots.h"
#include "bus/stats.h"
#include "bus/test_point.h"
#include "bus/wake.h"
#include "server/child.h"
#include "server/clock.h"
#include "server/commit_plan.h"
#include "server/config.h"
#include "server/heritage.h"
#include "server/log.h"
#include "server/roles.h"

enum {
    KEPT_BYTES = 16 * 1024 * 1024, /* of memory that is not given back in between */
    END_TRIES_MAX = 10,            /* of a commit at the end of a drain, a second apart */
};
#define RETRY_NS   CLOCK_SECOND_NS
#define TRIM_NS    CLOCK_SECOND_NS /* between looks for something to trim */
#define READERS_NS (60 * CLOCK_SECOND_NS)

/*
 * Kept where the leak sanitizer sees it: the process ends without closing the store, as it must
 * (store/env.h).
 */
static struct writer this_writer;

static void on_wake(struct loop_source *source, uint32_t events)
{
    (void)source;
    (void)events;
    this_writer.was_woken = true;
}

static int open_writer(struct writer *writer, const struct heritage *heritage, unsigned slot)
{
    int rc;

    writer->config = heritage->config;
    writer->bus = heritage->bus;
    writer->slot = slot;
    writer->retention = (struct retention){
        .bytes = heritage->config->retention_bytes,
        .count = heritage->config->retention_events,
        .age_ns = (int64_t)heritage->config->retention_age,
    };
    writer->buf_bytes = COMMIT_BYTES_MAX;
    writer->buf = malloc(writer->buf_bytes);
    if (writer->buf == NULL)
        return -ENOMEM;
    rc = loop_open(&writer->loop);
    if (rc != 0)
        return rc;
    writer->wake_source = (struct loop_source){
        .on_event = on_wake,
        .fd = wake_fd(writer->bus, slot),
    };
    return loop_watch(writer->loop, &writer->wake_source, EPOLLIN | EPOLLET);
}

/* --- commits --------------------------------------------------------------------------------- */

/* The buffer for one commit is COMMIT_BYTES_MAX, unless a single record is larger. */
static int resize_buffer(struct writer *writer, size_t bytes)
{
    uint8_t *buf;

    if (bytes == writer->buf_bytes)
        return 0;
    buf = realloc(writer->buf, bytes);
    if (buf == NULL)
        return -ENOMEM;
    writer->buf = buf;
    writer->buf_bytes = bytes;
    return 0;
}

ptrdiff_t writer_read_ring(struct writer *writer, uint64_t *pos, uint64_t limit_pos)
{
    size_t needed = 0;
    ptrdiff_t bytes =
        ring_read(writer->bus, pos, limit_pos, writer->buf, writer->buf_bytes, &needed);

    if (bytes != -EMSGSIZE)
        return bytes;
    if (resize_buffer(writer, needed) != 0)
        return -ENOMEM;
    return ring_read(writer->bus, pos, limit_pos, writer->buf, writer->buf_bytes, &needed);
}

/* The state of the store after a commit or a trim: into the ring and the counters. */
static void announce(struct writer *writer, const struct store_meta *before)
{
    const struct store_meta *meta = &writer->meta;
    uint64_t count = meta->committed_seq - before->committed_seq;
    struct ring_position committed = store_committed(meta);

    ring_commit(writer->bus, &committed, meta->first_seq);
    bus_slot_set_cursor(writer->bus, writer->slot, meta->committed_seq);
    stat_add(writer->bus, writer->slot, STAT_TRIMMED_OPERATIONS,
             (int64_t)(before->log_count + count - meta->log_count));
}

static void count_commit(struct writer *writer, const struct store_meta *before, int64_t begun_ns)
{
    stat_observe(writer->bus, writer->slot, STAT_COMMIT_TIME,
                 (uint64_t)(clock_monotonic_ns() - begun_ns), 1);
    stat_observe(writer->bus, writer->slot, STAT_COMMIT_SIZE,
                 writer->meta.committed_seq - before->committed_seq, 1);
}

/* What the log has come to, and what it may. */
static void report_log(struct writer *writer)
{
    struct bus *bus = writer->bus;

    stat_set(bus, writer->slot, STAT_LOG_OPERATIONS, writer->meta.log_count);
    stat_set(bus, writer->slot, STAT_LOG_BYTES, writer->meta.log_bytes);
    stat_set(bus, writer->slot, STAT_RETENTION_OPERATIONS, writer->retention.count);
    stat_set(bus, writer->slot, STAT_RETENTION_BYTES, writer->retention.bytes);
    stat_set(bus, writer->slot, STAT_RETENTION_NS, (uint64_t)writer->retention.age_ns);
}

/*
 * What the slowest worker has still to deliver. One that has only begun has not said how far it is;
 * one that stands still is killed by the master.
 */
static uint64_t find_unread(const struct bus *bus)
{
    uint64_t unread_seq = 0;

    for (unsigned slot = BUS_SLOT_WORKERS; slot < BUS_SLOT_COUNT; slot++) {
        uint64_t next_seq;

        if (!bus_slot_is_active(bus, slot)) /* most: their cache lines are left alone */
            continue;
        next_seq = bus_slot_cursor(bus, slot) + 1;
        if (unread_seq == 0 || next_seq < unread_seq)
            unread_seq = next_seq;
    }
    return unread_seq;
}

/* One small step; the next at once when there was something, in a second when there was not. */
static int trim(struct writer *writer, int64_t now_ns)
{
    const struct store_meta before = writer->meta;
    ptrdiff_t count;

    count = commit_trim(writer->store, &writer->retention, &writer->meta);
    writer->trim_due_ns = count > 0 ? now_ns : now_ns + TRIM_NS;
    if (count < 0 && count != -ENOSPC) {
        log_error(LOG_STORE_FAILED, "trimming failed: %s", store_error_text());
        return (int)count;
    }
    if (count > 0)
        announce(writer, &before);
    return 0;
}

/*
 * Damage that a COMMAND has met is that COMMAND's: it is tried once more, and then committed as failed.
 * A full disk or map: nothing is lost, the ring has it all. Tries again at once when something was
 * freed, otherwise in a second; other errors end the writer. What a commit trims is undone with it:
 * in a full map a step of trimming alone makes room for the next tries.
 */
static int commit_failed(struct writer *writer, int rc)
{
    stat_add(writer->bus, writer->slot, STAT_COMMITS_FAILED, 1);
    if (rc != -ENOSPC)
        log_error(LOG_STORE_FAILED, "a commit failed: %s", store_error_text());
    if (rc == -EBADMSG && bus_slot_applying(writer->bus, writer->slot) != 0) {
        writer->retry_ns = clock_monotonic_ns() + RETRY_NS;
        return writer_count_applying(writer, "there is damage in the way of");
    }
    if (rc != -ENOSPC)
        return rc;
    writer->failed_count++;
    if (writer_space_failed(writer)) {
        writer->retry_ns = 0;
        return 0;
    }
    writer->retry_ns = clock_monotonic_ns() + RETRY_NS;
    return trim(writer, clock_monotonic_ns());
}

static void commit_succeeded(struct writer *writer, const struct store_meta *before, size_t bytes)
{
    writer->failed_count = 0;
    writer->retry_ns = 0;
    writer->waiting_since_ns = 0;
    announce(writer, before);
    writer_space_succeeded(writer, bytes);
    if (writer->buf_bytes > COMMIT_BYTES_MAX)
        (void)resize_buffer(writer, COMMIT_BYTES_MAX); /* stays large then, which is harmless */
}

static int commit_waiting(struct writer *writer)
{
    const struct store_meta before = writer->meta;
    const uint64_t limit_pos = ring_tail(writer->bus).pos;
    uint64_t pos = before.committed_pos;
    ptrdiff_t bytes = writer_read_ring(writer, &pos, limit_pos);
    int64_t begun_ns;
    int rc;

    if (bytes <= 0) {
        /* Committed records only are ever overwritten, so none of these can be gone. */
        log_error(LOG_FAILED,
                  "the ring cannot be read behind the committed operation %" PRIu64 ": %s",
                  before.committed_seq, strerror((int)-bytes));
        return bytes == 0 ? -EIO : (int)bytes;
    }
    begun_ns = clock_monotonic_ns();
    rc = commit_operations(writer->store, writer->buf, (size_t)bytes, pos, &writer->retention,
                           &writer->meta);
    /* What was read may be more than one commit takes (store/commit.h). */
    writer->has_more = writer->meta.committed_pos < limit_pos;
    if (rc != 0)
        return commit_failed(writer, rc);
    count_commit(writer, &before, begun_ns);
    commit_succeeded(writer, &before, (size_t)(writer->meta.committed_pos - before.committed_pos));
    return 0;
}

/* Waits until the next try of a commit that found no room. */
static void await_retry(const struct writer *writer)
{
    int64_t wait_ns = writer->retry_ns - clock_monotonic_ns();
    const struct timespec wait = {
        .tv_sec = wait_ns / CLOCK_SECOND_NS,
        .tv_nsec = wait_ns % CLOCK_SECOND_NS,
    };

    if (wait_ns > 0)
        (void)nanosleep(&wait, NULL); /* woken early it tries early */
}

int writer_commit_mark(struct writer *writer, bool is_clean)
{
    int rc = commit_clean_mark(writer->store, is_clean, &writer->meta);

    if (rc == -ENOSPC && writer_space_failed(writer))
        rc = commit_clean_mark(writer->store, is_clean, &writer->meta);
    if (rc == 0)
        writer_space_succeeded(writer, 0);
    return rc;
}

int writer_commit_all(struct writer *writer, unsigned tries)
{
    writer->retention.latest_ns = bus_latest_time_ns(writer->bus);
    while (ring_tail(writer->bus).pos != writer->meta.committed_pos) {
        int rc = commit_waiting(writer);

        if (rc == 0 && writer->failed_count >= tries)
            rc = -ENOSPC;
        if (rc != 0)
            return rc;
        await_retry(writer);
    }
    return 0;
}

/* --- turns -------------------------------------------------------------------------------------- */

static uint64_t count_births(const struct bus *bus)
{
    uint64_t births = 0;

    for (unsigned slot = BUS_SLOT_WORKERS; slot < BUS_SLOT_COUNT; slot++)
        births += bus_slot_generation(bus, slot);
    return births;
}

/* A worker that died with a snapshot open would keep old pages from being used again. */
static int clear_dead_readers(struct writer *writer, int64_t now_ns)
{
    uint64_t births = count_births(writer->bus);
    int rc;

    if (now_ns < writer->readers_due_ns && births == writer->worker_births)
        return 0;
    writer->readers_due_ns = now_ns + READERS_NS;
    writer->worker_births = births;
    rc = store_clear_dead_readers(writer->store);
    if (rc < 0)
        log_error(LOG_STORE_FAILED, "the store's readers cannot be checked: %s",
                  store_error_text());
    return rc < 0 ? rc : 0;
}

static bool has_workers(const struct bus *bus)
{
    for (unsigned slot = BUS_SLOT_WORKERS; slot < BUS_SLOT_COUNT; slot++) {
        if (bus_slot_is_active(bus, slot))
            return true;
    }
    return false;
}

/* Nobody is left who could append. */
static bool is_ending(const struct writer *writer)
{
    return bus_phase(writer->bus) == BUS_STOPPING && !has_workers(writer->bus);
}

static struct commit_plan make_plan(struct writer *writer, int64_t now_ns)
{
    struct commit_view view = {
        .is_ending = is_ending(writer), /* before the tail is read: it is final then */
        .ring_bytes = bus_size(writer->bus),
        .trim_due_ns = writer->trim_due_ns,
        .retry_ns = writer->retry_ns,
        .now_ns = now_ns,
        .has_more = writer->has_more,
    };

    view.waiting_bytes = ring_tail(writer->bus).pos - writer->meta.committed_pos;
    view.is_urgent = ring_is_commit_urgent(writer->bus);
    if (view.waiting_bytes > 0 && writer->waiting_since_ns == 0)
        writer->waiting_since_ns = now_ns;
    view.waiting_since_ns = writer->waiting_since_ns;
    return commit_plan(&view);
}

/*
 * Sleeps until woken or @sleep_ns are over, but not when something has come since the plan was made.
 * While something waits already, only urgency is worth waking up for.
 */
static int turn(struct writer *writer, int64_t sleep_ns)
{
    const bool was_waiting = writer->waiting_since_ns != 0;
    int rc;

    if (sleep_ns > 0) {
        wake_prepare(writer->bus, writer->slot,
                     WAKE_URGENT | WAKE_STATE | (was_waiting ? 0 : (unsigned)WAKE_TAIL));
        if (make_plan(writer, clock_monotonic_ns()).choice != COMMIT_SLEEP ||
            was_waiting != (writer->waiting_since_ns != 0))
            sleep_ns = 0;
    }
    rc = loop_turn(writer->loop, sleep_ns);
    wake_done(writer->bus, writer->slot);
    writer->was_woken = false;
    bus_slot_turn(writer->bus, writer->slot);
    return rc < 0 ? rc : 0;
}

/* Everything is committed and nobody is left: says so in the store, and lets the ring go. */
static int finish(struct writer *writer)
{
    int rc;

    TEST_POINT(DRAIN_COMMITTED);
    bus_slot_set_mark(writer->bus, writer->slot, SLOT_MARK_COMMIT);
    rc = writer->meta.is_clean != 0 ? 0 : writer_commit_mark(writer, true);
    if (rc != 0) {
        log_error(LOG_STORE_FAILED, "the end cannot be marked in the store: %s",
                  store_error_text());
        return CHILD_EXIT_FAILED;
    }
    TEST_POINT(DRAIN_MARKED);
    rc = bus_unlink(writer->bus);
    TEST_POINT(DRAIN_RING_GONE);
    if (rc != 0)
        log_warning(LOG_STORE_FAILED, "the ring's file cannot be removed: %s", strerror(-rc));
    log_debug(LOG_COMMITTED, "everything up to %" PRIu64 " is committed",
              writer->meta.committed_seq);
    return CHILD_EXIT_DONE;
}

static bool is_over(const struct writer *writer)
{
    return is_ending(writer) && ring_tail(writer->bus).pos == writer->meta.committed_pos;
}

/* The end of a drain cannot wait for a disk for ever: the ring keeps what it has. */
static bool is_hopeless(const struct writer *writer)
{
    if (!is_ending(writer) || writer->failed_count < END_TRIES_MAX)
        return false;
    log_error(LOG_SHUTDOWN_UNCOMMITTED,
              "the last operations, from %" PRIu64 " on, cannot be committed: the ring keeps them "
              "for the next start",
              writer->meta.committed_seq + 1);
    return true;
}

/* Whoever asks for the health of the server shall hear of it until a commit goes well again. */
static int end_broken(struct writer *writer, int rc)
{
    writer_space_broken(writer, rc);
    return rc == -ESTALE ? CHILD_EXIT_STORE_TAKEN : CHILD_EXIT_FAILED;
}

/*
 * One step of what there is to do. The disk may hold up any of it (a ballast file takes as long to
 * make as a commit): the master shall not take that for a standstill.
 */
static int work(struct writer *writer, const struct commit_plan *plan, int64_t now_ns)
{
    int rc;

    bus_slot_set_mark(writer->bus, writer->slot, SLOT_MARK_COMMIT);
    writer->retention.latest_ns = bus_latest_time_ns(writer->bus);
    writer->retention.unread_seq = find_unread(writer->bus);
    rc = writer_space_watch(writer, now_ns);
    if (rc == 0)
        rc = clear_dead_readers(writer, now_ns);
    if (rc == 0 && plan->choice == COMMIT_COMMIT)
        rc = commit_waiting(writer);
    if (rc == 0 && plan->choice == COMMIT_TRIM)
        rc = trim(writer, now_ns);
    report_log(writer);
    process_stats_turn(&writer->process, writer->bus, writer->slot, now_ns);
    bus_slot_set_mark(writer->bus, writer->slot, SLOT_MARK_NONE);
    return rc;
}

static int run(struct writer *writer)
{
    while (!is_over(writer)) {
        int64_t now_ns = clock_monotonic_ns();
        struct commit_plan plan = make_plan(writer, now_ns);
        int rc = work(writer, &plan, now_ns);

        if (rc == 0)
            rc = turn(writer, plan.choice == COMMIT_SLEEP ? plan.sleep_ns : 0);
        if (rc != 0)
            return end_broken(writer, rc);
        log_turn();
        if (is_hopeless(writer))
            return CHILD_EXIT_FAILED;
    }
    return finish(writer);
}

/*
 * LMDB takes and frees 2 MiB for each transaction, and each COMMAND has one of its own: they stay in the
 * heap, or most of a mutation would be page faults. (main.c has the workers' thresholds.)
 */
static void keep_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, KEPT_BYTES); /* without effect under sanitizers */
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
}

int writer_main(const struct heritage *heritage, unsigned slot)
{
    struct writer *writer = &this_writer;
    int rc = open_writer(writer, heritage, slot);

    keep_memory();
    if (rc != 0) {
        log_error(LOG_START_FAILED, "cannot start: %s", strerror(-rc));
        return CHILD_EXIT_FAILED;
    }
    /* Reading a large ring and making the ballast may take their time. */
    bus_slot_set_mark(writer->bus, slot, SLOT_MARK_COMMIT);
    rc = writer_open_store(writer);
    if (rc == 0)
        rc = writer_space_start(writer, clock_monotonic_ns());
    if (rc == 0)
        rc = writer_recover(writer);
    if (rc != 0)
        return end_broken(writer, rc);
    if (bus_phase(writer->bus) == BUS_STARTING) {
        enum child_exit status = writer_adopt_schema(writer, heritage->model);

        /* Everything is committed: the next start, with another schema, keeps the epoch. */
        if (status == CHILD_EXIT_SCHEMA_REFUSED)
            (void)finish(writer);
        if (status != CHILD_EXIT_DONE)
            return (int)status;
    }
    bus_slot_set_mark(writer->bus, slot, SLOT_MARK_NONE);
    TEST_POINT(START_READY);
    bus_slot_turn(writer->bus, slot);
    TEST_POINT(START_TURNED);
    wake_slot(writer->bus, BUS_SLOT_MASTER);
    return run(writer);
}
