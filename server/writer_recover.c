#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#include "bus/ring.h"
#include "bus/shm.h"
#include "bus/test_point.h"
#include "server/config.h"
#include "server/log.h"
#include "server/writer.h"

enum {
    EPOCH_TEXT_BYTES = 17, /* terminated */
};

static int failed(int rc, const char *what)
{
    log_error(LOG_STORE_FAILED, "%s: %s", what, store_error_text());
    return rc;
}

static int read_meta(struct writer *writer)
{
    int rc = store_snapshot_begin(writer->store, 0);

    if (rc != 0)
        return failed(rc, "the store cannot be read");
    writer->meta = *store_snapshot_meta(writer->store);
    store_snapshot_end(writer->store);
    return 0;
}

/* 64 random bits are an epoch; 0 stands for none. */
static int begin_epoch(struct writer *writer)
{
    uint64_t epoch = 0;
    int rc;

    while (epoch == 0) {
        if (getrandom(&epoch, sizeof epoch, 0) != (ssize_t)sizeof epoch) {
            log_error(LOG_START_FAILED, "no random numbers for a new epoch");
            return -EIO;
        }
    }
    rc = commit_new_epoch(writer->store, epoch, &writer->meta);
    if (rc == -ENOSPC && writer_space_failed(writer))
        rc = commit_new_epoch(writer->store, epoch, &writer->meta);
    if (rc == 0)
        writer_space_succeeded(writer, 0);
    TEST_POINT(START_EPOCH_COMMITTED);
    return rc == 0 ? 0 : failed(rc, "a new epoch cannot be stored");
}

/*
 * Every writer begins with a commit, before it announces anything. What the page cache shows as
 * committed may be the head of a commit that failed, or was cut off, under a writer before it: only a
 * commit of its own tells that the disk has it. And it shows whether commits go at all.
 * On a full disk it may fail: then what is stored can be read, and publishing is refused. Not so when
 * it would announce something: @is_announced says that all that is committed is known to be.
 */
static int prove_commits(struct writer *writer, bool is_announced)
{
    int rc = writer_commit_mark(writer, false);

    TEST_POINT(CLEAN_CLEARED);
    if (rc == -ENOSPC && is_announced) {
        writer_space_await_mark(writer);
        return 0;
    }
    return rc == 0 ? 0 : failed(rc, "the store takes no commit");
}

/* A drain committed everything (or nothing was there ever): an empty ring goes on from there. */
static int begin_ring(struct writer *writer)
{
    const struct log_field data = log_told(log_text(LOG_FIELD_DATA, writer->config->data));
    struct ring_position committed;
    int rc = 0;

    if (writer->meta.epoch == 0) {
        rc = begin_epoch(writer);
        if (rc == 0)
            log_fields(LOG_LEVEL_INFO, LOG_STORE_CREATED, &data, 1,
                       "a new, empty store begins in %s", writer->config->data);
    } else {
        /* Its mark goes before the first append: a power cut behind that must not look like a drain. */
        rc = prove_commits(writer, true);
    }
    if (rc != 0)
        return rc;
    committed = store_committed(&writer->meta);
    ring_reset(writer->bus, &committed, writer->meta.epoch);
    return 0;
}

static void log_recovered(uint64_t epoch, const struct ring_position *committed,
                          const struct ring_recovered *recovered)
{
    char text[EPOCH_TEXT_BYTES];
    const struct log_field fields[] = {
        log_told(log_u64(LOG_FIELD_OPERATIONS, recovered->kept_count)),
        log_told(log_u64(LOG_FIELD_SEQ, committed->seq)),
        log_told(log_text(LOG_FIELD_EPOCH, text)),
    };

    (void)snprintf(text, sizeof text, "%016" PRIx64, epoch);
    if (!recovered->is_continuous)
        log_fields(LOG_LEVEL_WARNING, LOG_EPOCH_BEGUN, fields, 3,
                   "a new epoch %s begins: %s; %" PRIu64 " operations behind the committed %" PRIu64
                   " were kept",
                   text, recovered->reason, recovered->kept_count, committed->seq);
    else if (recovered->kept_count > 0)
        log_fields(LOG_LEVEL_INFO, LOG_OPERATIONS_KEPT, fields, 2,
                   "%" PRIu64 " operations behind the committed %" PRIu64 " were kept by the ring",
                   recovered->kept_count, committed->seq);
}

/* Takes over what the last run left in the ring. */
static int resume_ring(struct writer *writer)
{
    struct ring_position committed = store_committed(&writer->meta);
    struct ring_recovered recovered;
    int rc;

    ring_recover(writer->bus, &committed, writer->meta.epoch, &recovered);
    if (!recovered.is_continuous) {
        /* Before the first append, so that no token of something lost names something new. */
        rc = begin_epoch(writer);
    } else {
        rc = prove_commits(writer, committed.seq == ring_committed(writer->bus).seq);
    }
    if (rc != 0)
        return rc;
    log_recovered(writer->meta.epoch, &committed, &recovered);
    ring_resume(writer->bus, &committed, &recovered, writer->meta.epoch);
    return 0;
}

int writer_count_applying(struct writer *writer, const char *what)
{
    uint64_t seq = bus_slot_applying(writer->bus, writer->slot);
    const struct log_field field = log_told(log_u64(LOG_FIELD_SEQ, seq));
    int rc;

    if (seq <= writer->meta.committed_seq)
        return 0;
    rc = commit_poison(writer->store, seq, &writer->meta);
    if (rc == -ENOSPC) {
        log_warning(LOG_OPERATION_SUSPECT,
                    "there is no room to count what operation %" PRIu64 " has done", seq);
        return 0;
    }
    if (rc != 0)
        return failed(rc, "what an operation has done cannot be counted");
    TEST_POINT(POISON_COUNTED);
    bus_slot_set_applying(writer->bus, writer->slot, 0);
    TEST_POINT(POISON_FORGOTTEN);
    log_fields(LOG_LEVEL_WARNING, LOG_OPERATION_SUSPECT, &field, 1, "%s operation %" PRIu64 "%s",
               what, seq, writer->meta.poison_deaths > 1 ? ": it will be committed as failed" : "");
    return 0;
}

int writer_open_store(struct writer *writer)
{
    const struct store_options options = {
        .data_dir = writer->config->data,
        .map_bytes = writer->config->map_size,
        .is_writer = true,
        .bus = writer->bus,
        .slot = writer->slot,
    };
    int rc = store_open(&options, &writer->store);

    if (rc != 0)
        return failed(rc, "the store cannot be opened");
    TEST_POINT(START_STORE_OPEN);
    rc = read_meta(writer);
    if (rc != 0)
        return rc;
    if (writer->meta.store_id != bus_store_id(writer->bus)) {
        log_error(LOG_START_FAILED, "the store in %s is not the one that its file id names",
                  writer->config->data);
        return -EINVAL;
    }
    return writer_count_applying(writer, "the last writer died while it executed");
}

int writer_recover(struct writer *writer)
{
    struct ring_position committed = store_committed(&writer->meta);
    int rc = 0;

    if (bus_is_recovered(writer->bus)) {
        /* The server runs; the last writer died. */
        rc = prove_commits(writer, committed.seq == ring_committed(writer->bus).seq);
        if (rc == 0)
            ring_writer_restarted(writer->bus, &committed);
    } else if (writer->meta.is_clean != 0 || writer->meta.epoch == 0) {
        rc = begin_ring(writer);
    } else {
        rc = resume_ring(writer);
    }
    if (rc != 0)
        return rc;
    /* Says once what is kept, before anybody asks. */
    committed = store_committed(&writer->meta);
    ring_commit(writer->bus, &committed, writer->meta.first_seq);
    TEST_POINT(RECOVER_ANNOUNCED);
    return 0;
}
