/*
 * server/net/outq.h - what a stream has still to send: ranges of shared bytes, in order.
 *
 * Shape    a growing ring of struct range. A range that begins where the last one ends is joined
 *          to it, so a burst for one subscriber is one iovec. An empty queue owns no memory.
 * Limits   the queue itself refuses nothing: its owner judges outq_pinned_bytes after a flush.
 *          That is what the queue keeps alive (whole arenas, counted once per run of neighbours and
 *          ranges spliced between them, and 16 bytes per range), not only what it will send, so
 *          that a bound on it bounds memory. At most OUTQ_RANGES_MAX ranges.
 * Memory   outq_push takes a reference on the arena; outq_consume and outq_done drop them.
 */
#ifndef SERVER_NET_OUTQ_H
#define SERVER_NET_OUTQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "server/net/arena.h"

enum {
    OUTQ_RANGES_MAX = 32 * 1024,
};

struct outq {
    struct range *ranges; /* ring of capacity entries; NULL when empty */
    uint16_t capacity;    /* a power of two, or 0 */
    uint16_t head;
    uint16_t count;
    uint32_t bytes;        /* still to be sent */
    uint32_t pinned_bytes; /* kept alive by it */
    uint64_t sent_bytes;   /* ever; sent_bytes + bytes is where the next range will end up */
};

void outq_init(struct outq *queue);
void outq_done(struct outq *queue);
/*
 * 0; -ENOMEM; -ENOBUFS: OUTQ_RANGES_MAX ranges or 4 GiB are queued (the owner has not judged for
 * too long). An empty range is nothing.
 */
int outq_push(struct outq *queue, struct range range);
/*
 * Queues @piece_count ranges (two or more, one behind the other in an arena) with @splice between each
 * two of them; none but the first may be empty. As outq_push; after an error what is queued may be in pieces.
 */
int outq_push_spliced(struct outq *queue, const struct range *pieces, unsigned piece_count,
                      struct range splice);
/* Copies @bytes into @writer's arena and queues them: single replies, control frames. */
int outq_push_copy(struct outq *queue, struct arena_writer *writer, const void *bytes, size_t size);
/* Queues what stands at the front of @from, @bytes of it, and leaves @from as it is. As outq_push. */
int outq_push_front_of(struct outq *queue, const struct outq *from, size_t bytes);
/* The same, to memory. */
void outq_copy_front_of(const struct outq *from, uint8_t *out, size_t bytes);
/* Fills up to @iov_count entries from the front; returns how many. */
int outq_iovec(const struct outq *queue, struct iovec *iov, int iov_count);
/* @bytes from the front have been sent. */
void outq_consume(struct outq *queue, size_t bytes);

static inline bool outq_is_empty(const struct outq *queue)
{
    return queue->count == 0;
}

static inline uint32_t outq_pinned_bytes(const struct outq *queue)
{
    return queue->pinned_bytes;
}

/*
 * Whether its owner has to stop queueing: more than @bytes_max pinned, or half of OUTQ_RANGES_MAX
 * (a large limit and small ranges), which leaves a turn's worth of room. Inline: the innermost
 * loop of delivery asks.
 */
static inline bool outq_is_over(const struct outq *queue, uint64_t bytes_max)
{
    return queue->pinned_bytes > bytes_max || queue->count > OUTQ_RANGES_MAX / 2;
}

/* At most half of what outq_is_over allows: its owner may go on. */
static inline bool outq_is_half_empty(const struct outq *queue, uint64_t bytes_max)
{
    return queue->pinned_bytes <= bytes_max / 2 && queue->count <= OUTQ_RANGES_MAX / 4;
}

#endif
