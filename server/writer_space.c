#include <errno.h>
#include <inttypes.h>

#include "bus/ring.h"
#include "bus/shm.h"
#include "bus/stats.h"
#include "server/clock.h"
#include "server/config.h"
#include "server/log.h"
#include "server/writer.h"
#include "store/commit.h"
#include "store/space.h"

enum {
    BALLAST_RINGS = 2, /* what was acknowledged fits into it, trees and lists included */
    CHECK_BYTES_MAX = 4 * 1024 * 1024,
    CHECK_RING_PART = 4, /* far less than the ballast may be written unseen */
    MIB_BYTES = 1024 * 1024,
    MAP_LIFT_PERCENT = 93, /* under SPACE_MAP_FULL_PERCENT, so that it does not flutter */
};

static uint64_t ballast_bytes(const struct writer *writer)
{
    return BALLAST_RINGS * bus_size(writer->bus);
}

/* Less than this on the disk, and the ring might come to hold more than fits. */
static uint64_t disk_min(const struct writer *writer)
{
    return bus_size(writer->bus);
}

static bool is_short(const struct writer *writer, const struct space *space)
{
    return space_is_short(space, disk_min(writer)) ||
           space->map_bytes - space->map_used_bytes < ballast_bytes(writer);
}

/* Enough for the ballast, if it has still to be made, and for half as much again as is asked for. */
static bool is_roomy(const struct writer *writer, const struct space *space)
{
    uint64_t wanted = disk_min(writer) + disk_min(writer) / 2;

    if (!space_ballast_exists(writer->store))
        wanted += ballast_bytes(writer);
    return space->disk_free_bytes >= wanted &&
           space->map_used_bytes < space->map_bytes / 100 * MAP_LIFT_PERCENT &&
           space->map_bytes - space->map_used_bytes >= ballast_bytes(writer) + disk_min(writer);
}

static void log_full(const struct space *space)
{
    const struct log_field fields[] = {
        log_told(log_u64(LOG_FIELD_DISK_FREE_BYTES, space->disk_free_bytes)),
        log_told(log_u64(LOG_FIELD_MAP_USED_BYTES, space->map_used_bytes)),
        log_told(log_u64(LOG_FIELD_MAP_BYTES, space->map_bytes)),
    };

    log_fields(LOG_LEVEL_WARNING, LOG_STORAGE_FULL, fields, 3,
               "storage is nearly full (%" PRIu64 " MiB free on the disk, %" PRIu64 " of %" PRIu64
               " MiB of the map used): publishing is refused",
               space->disk_free_bytes / MIB_BYTES, space->map_used_bytes / MIB_BYTES,
               space->map_bytes / MIB_BYTES);
}

static void refuse(struct writer *writer, int commit_error, const struct space *space)
{
    if (!writer->space.is_refusing && space != NULL)
        log_full(space);
    writer->space.is_refusing = true;
    bus_set_refusal(writer->bus, BUS_STORAGE_FULL, commit_error);
}

/* Before the first append: a power cut behind it must not look like a drain. */
static int clear_due_mark(struct writer *writer)
{
    int rc;

    if (!writer->space.is_mark_due)
        return 0;
    rc = commit_clean_mark(writer->store, false, &writer->meta);
    writer->space.is_mark_due = rc != 0;
    return rc;
}

/*
 * There is room again: first what must never be missing, then publishing. When others were quicker to use
 * the room it looks again in a second.
 */
static int accept_again(struct writer *writer)
{
    int rc = space_ballast_make(writer->store, ballast_bytes(writer));

    if (rc == 0)
        rc = clear_due_mark(writer);
    if (rc == -ENOSPC)
        return 0;
    if (rc != 0) {
        log_error(LOG_STORE_FAILED, "%s", store_error_text());
        return rc;
    }
    writer->space.is_refusing = false;
    bus_set_refusal(writer->bus, BUS_ACCEPTS, 0);
    log_info(LOG_STORAGE_FREE, "storage has room again: publishing goes on");
    return 0;
}

static void report(const struct writer *writer, const struct space *space)
{
    stat_set(writer->bus, writer->slot, STAT_STORE_USED_BYTES, space->map_used_bytes);
    stat_set(writer->bus, writer->slot, STAT_STORE_MAP_BYTES, space->map_bytes);
    stat_set(writer->bus, writer->slot, STAT_DISK_FREE_BYTES, space->disk_free_bytes);
}

static bool is_check_due(const struct writer *writer, int64_t now_ns)
{
    const struct writer_space *own = &writer->space;

    return own->checked_ns == 0 || now_ns - own->checked_ns >= CLOCK_SECOND_NS ||
           own->bytes_unchecked >= CHECK_BYTES_MAX ||
           own->bytes_unchecked >= bus_size(writer->bus) / CHECK_RING_PART;
}

int writer_space_watch(struct writer *writer, int64_t now_ns)
{
    struct writer_space *own = &writer->space;
    struct space space;
    int rc;

    if (!is_check_due(writer, now_ns))
        return 0;
    own->checked_ns = now_ns;
    own->bytes_unchecked = 0;
    rc = space_read(writer->store, &space);
    if (rc != 0) {
        log_error(LOG_STORE_FAILED, "%s", store_error_text());
        return rc;
    }
    report(writer, &space);
    if (!own->is_refusing && is_short(writer, &space))
        refuse(writer, 0, &space);
    else if (own->is_refusing && !own->is_failing && is_roomy(writer, &space))
        rc = accept_again(writer);
    return rc;
}

int writer_space_start(struct writer *writer, int64_t now_ns)
{
    struct space space;
    int rc = space_ballast_make(writer->store, ballast_bytes(writer));

    /* A writer that died may have said so before us. */
    writer->space.is_refusing = bus_refusal(writer->bus) != BUS_ACCEPTS;
    /* Of something else than room, too: then a commit has to go well before publishing goes on. */
    writer->space.is_mark_due = bus_commit_error(writer->bus) != 0;
    if (rc == -ENOSPC) {
        rc = space_read(writer->store, &space);
        if (rc == 0)
            refuse(writer, bus_commit_error(writer->bus), &space);
    }
    if (rc == 0)
        return writer_space_watch(writer, now_ns);
    log_error(LOG_STORE_FAILED, "%s", store_error_text());
    return rc;
}

bool writer_space_failed(struct writer *writer)
{
    if (!writer->space.is_failing)
        log_error(LOG_STORAGE_RETRIED,
                  "a commit found no room (%s): publishing is refused, what was acknowledged is "
                  "kept and tried again",
                  store_error_text());
    writer->space.is_failing = true;
    refuse(writer, ENOSPC, NULL);
    return space_ballast_release(writer->store) == 0;
}

void writer_space_await_mark(struct writer *writer)
{
    writer->space.is_mark_due = true;
    writer->space.is_failing = false; /* nothing that was acknowledged waits for it */
    refuse(writer, ENOSPC, NULL);
}

void writer_space_broken(struct writer *writer, int rc)
{
    bus_set_refusal(writer->bus, bus_refusal(writer->bus), -rc);
}

void writer_space_succeeded(struct writer *writer, size_t bytes)
{
    writer->space.bytes_unchecked += bytes;
    if (!writer->space.is_failing) {
        if (bus_commit_error(writer->bus) == 0)
            return;
        bus_set_refusal(writer->bus, bus_refusal(writer->bus), 0);
        log_info(LOG_STORAGE_RETRIED, "the store takes commits again");
        return;
    }
    writer->space.is_failing = false;
    bus_set_refusal(writer->bus, BUS_STORAGE_FULL, 0);
    log_info(LOG_STORAGE_RETRIED,
             "what was acknowledged is committed; publishing is refused until there is room");
}
