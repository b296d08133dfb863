/*
 * store/env.h - the LMDB environment of one data directory, opened by each process for itself.
 *
 * Shape    DATA/id (the store's number in hex), DATA/store/ (data.mdb, lock.mdb), which is
 *          store.new while it is being made, DATA/ballast.
 *          Databases and their keys and values by byte: store/README.md.
 * Callers  store_open writable: the writer (one per server; the data directory's lock says so).
 *          store_open read-only: workers and tools, after their fork. An environment must never be
 *          inherited over fork: store_open remembers its pid and every call checks it.
 * Memory   store_open allocates, store_close frees. A process that ends leaves by _exit without
 *          store_close (some LMDB versions destroy the shared lock then); store_close is for
 *          tests, tools and start-up failures.
 * Errors   0 or -errno; LMDB's own codes are translated by store_errno. store_error_text() says
 *          in words what the last failed call met (which file, what to do).
 * Snapshot a read transaction: short, copy out, ended at the end of the loop turn.
 */
#ifndef STORE_ENV_H
#define STORE_ENV_H

#include <stdbool.h>
#include <stdint.h>

#include "bus/ring.h"

struct store;

enum {
    STORE_FORMAT_VERSION = 1,
};
#define STORE_MAP_BYTES_DEFAULT (UINT64_C(64) << 30)

struct store_options {
    const char *data_dir;
    uint64_t map_bytes; /* 0: STORE_MAP_BYTES_DEFAULT; an existing store never shrinks */
    bool is_writer;
    /*
     * The writer's: where the seq of the COMMAND that is being executed is noted for whoever comes
     * after its death (bus/slots.h); NULL: nowhere.
     */
    struct bus *bus;
    unsigned slot;
};

/*
 * DATA/id: reads the store's number, or makes one for a directory that has no store yet (and the
 * directory, when only its last name is missing).
 * Master, before any fork. -EINVAL: the file is damaged; -ENOENT: a store is there but no id.
 */
int store_identify(const char *data_dir, uint64_t *ret_store_id);

/*
 * -ENOENT   no id, or (read-only) no store yet
 * -EBADMSG  damaged, or of another id;  -ENOTSUP  of another format
 */
int store_open(const struct store_options *options, struct store **ret_store);
void store_close(struct store *store);
const char *store_error_text(void);
/* LMDB's or errno's code as -errno. */
int store_errno(int lmdb_code);

/* What the meta database says; fixed width, as stored. */
struct store_meta {
    uint32_t format_version;
    uint32_t is_clean; /* a drain committed everything; cleared before the first append */
    uint64_t store_id;
    uint64_t committed_seq;
    uint64_t committed_pos; /* ring position behind it */
    int64_t committed_time_ns;
    uint64_t first_seq;     /* oldest kept; committed_seq + 1: the log is empty */
    uint64_t log_bytes;     /* of all kept blocks */
    uint64_t log_count;     /* operations kept */
    uint64_t epoch;         /* in force */
    uint64_t poison_seq;    /* COMMAND that was being executed when the writer died ... */
    uint64_t poison_deaths; /* ... and how often */
};

/*
 * Begins (or renews, when older than @committed_seq) this process's snapshot, and ends it.
 * Workers: begin when a turn first needs the store, end at its end, never held over epoll_wait.
 * Between them pointers into the map are valid. Begin is idempotent.
 */
int store_snapshot_begin(struct store *store, uint64_t committed_seq);
void store_snapshot_end(struct store *store);
/* Of the present snapshot. */
const struct store_meta *store_snapshot_meta(const struct store *store);

/*
 * Frees the snapshots of processes that died with one open, which would keep old pages from
 * being used again. Writer, once a minute and after a death. The number freed, or -errno.
 */
int store_clear_dead_readers(struct store *store);

struct ring_position store_committed(const struct store_meta *meta);

#endif
