/*
 * server/writer.h - the store writer's own state, shared by writer*.c only.
 *
 * Start    opens the store, finds out what the ring of the last run still holds (writer_recover),
 *          makes the ballast, and commits the schema if it is another one (writer_adopt_schema); then
 *          workers may append.
 * Bound    an operation is on disk at most 50 ms and two commits after its append, as long as the
 *          disk takes commits (server/commit_plan.h).
 * End      BUS_STOPPING and no worker left: commits the rest, sets the clean mark, unlinks the
 *          ring. What cannot be committed stays in the ring, and the exit status says so.
 * Crash    nothing is lost: the ring has what was not committed, the next writer goes on from the
 *          store's committed position.
 */
#ifndef SERVER_WRITER_H
#define SERVER_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/child.h"
#include "server/net/loop.h"
#include "server/process_stats.h"
#include "store/commit.h"

struct bus;
struct config;
struct model;

/* How the disk and the map stand (writer_space.c). */
struct writer_space {
    bool is_refusing;         /* storage_full is said */
    bool is_failing;          /* the last commit met a full disk or map */
    bool is_mark_due;         /* the store's clean mark has to go before the first append */
    int64_t checked_ns;       /* CLOCK_MONOTONIC; 0: never */
    uint64_t bytes_unchecked; /* committed since */
};

struct writer {
    const struct config *config;
    struct bus *bus;
    unsigned slot;
    struct loop *loop;
    struct loop_source wake_source;
    bool was_woken;
    struct store *store;
    struct store_meta meta; /* after the last commit */
    struct retention retention;
    uint8_t *buf; /* what one commit takes */
    size_t buf_bytes;
    int64_t waiting_since_ns; /* 0: nothing waits */
    int64_t trim_due_ns;
    int64_t retry_ns; /* 0: the last commit went well */
    int64_t readers_due_ns;
    uint64_t worker_births; /* as seen when the readers were cleared last */
    unsigned failed_count;  /* commits in a row */
    bool has_more;
    struct writer_space space;
    struct process_stats process;
};

/*
 * Opens the store, reads where it stands, and counts the COMMAND that the last writer died of
 * (writer_recover.c). 0, or -errno, said.
 */
int writer_open_store(struct writer *writer);
/*
 * A COMMAND was being executed when the writer died, or met damage: the second time the store makes it
 * a failed one, so that it cannot end every writer, nor every start. A full disk keeps nobody from trying
 * again. 0 also when there was none.
 */
int writer_count_applying(struct writer *writer, const char *what);
/* Gets ring and store to agree; from then on workers may append. 0, or -errno, said. */
int writer_recover(struct writer *writer);

/* Sets or clears the store's clean mark, with the ballast's room if need be. 0 or -errno, not said. */
int writer_commit_mark(struct writer *writer, bool is_clean);
/*
 * Commits everything that is in the ring: before workers append. 0, or -errno, said: -ENOSPC (not said)
 * after so many tries, of which the first that frees nothing is followed by the next a second later.
 */
int writer_commit_all(struct writer *writer, unsigned tries);
/* As ring_read, into the writer's buffer, which grows for a large record. */
ptrdiff_t writer_read_ring(struct writer *writer, uint64_t *pos, uint64_t limit_pos);
/*
 * Makes @model's schema the store's, by an operation of its own, if it is not (writer_schema.c). What
 * the ring has kept is committed first: COMMANDs are executed under the schema they were made for.
 * What is not 0 (said) is what the process has to end with.
 */
enum child_exit writer_adopt_schema(struct writer *writer, const struct model *model);

/* Makes the ballast; refuses publishing when there is no room for it. */
int writer_space_start(struct writer *writer, int64_t now_ns);
/*
 * Looks at the free space once a second and every few MiB: refuses publishing before the ring can
 * hold more than fits, and accepts it again when there is room.
 */
int writer_space_watch(struct writer *writer, int64_t now_ns);
/* The first commit found no room: refuses publishing until the store's clean mark could be cleared. */
void writer_space_await_mark(struct writer *writer);
/* A commit met a full disk or map. True: something was freed, try again at once. */
bool writer_space_failed(struct writer *writer);
/* Something else than room is missing: health says so until a commit goes well. @rc: -errno. */
void writer_space_broken(struct writer *writer, int rc);
/* A commit went well. */
void writer_space_succeeded(struct writer *writer, size_t bytes);

#endif
