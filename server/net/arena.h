/*
 * server/net/arena.h - shared immutable bytes: frames that many connections send, encoded once.
 *
 * Shape    an arena is ARENA_BYTES of memory (a larger frame has one of its own). Frames of one
 *          encoding are written one behind the other, so a run of them is one range.
 * Owner    the writer (struct arena_writer) holds one reference on the arena it is filling; every
 *          range in an output queue holds one. Freed when the last is dropped; standard-size
 *          arenas go back to a small pool. Plain integers: an arena never leaves its process.
 *          What is part of the program (server/web) is an arena whose first reference stays.
 * Sharing  bytes never change once written; the writer only appends behind them.
 */
#ifndef SERVER_NET_ARENA_H
#define SERVER_NET_ARENA_H

#include <stddef.h>
#include <stdint.h>

enum {
    ARENA_BYTES = 16 * 1024,
    ARENA_POOL_MAX = 256, /* free arenas kept */
};

struct arena {
    uint32_t refs;
    uint32_t capacity;
    uint8_t bytes[];
};

/* A run of finished bytes in an arena. */
struct range {
    struct arena *arena; /* NULL: none */
    uint32_t offset;
    uint32_t length;
};

struct arena_writer {
    struct arena *arena; /* being filled; NULL: none yet */
    uint32_t used;
};

void arena_ref(struct arena *arena);
void arena_ref_many(struct arena *arena, uint32_t count);
void arena_unref(struct arena *arena); /* NULL is fine */

/*
 * A copy of @bytes (at least one) that is an arena of its own, with one reference; NULL: no memory.
 */
struct arena *arena_copy(const void *bytes, size_t size);

/*
 * Room for @bytes in one piece; NULL: no memory. What is written there becomes a range by
 * arena_writer_commit, which may take fewer bytes than were asked for.
 */
uint8_t *arena_writer_reserve(struct arena_writer *writer, size_t bytes);
/* The range borrows the writer's reference: take one (outq_push does) to keep it over the turn. */
struct range arena_writer_commit(struct arena_writer *writer, size_t bytes);
void arena_writer_done(struct arena_writer *writer);

/* Frees the pool: tests, and a worker that ends. */
void arena_pool_clear(void);

#endif
