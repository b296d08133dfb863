#include "server/net/outq.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"

enum {
    CAPACITY_MIN = 4,
    /* So far back a range looks for its arena: A b A b A, as splicing makes it, pins A once. */
    NEIGHBOURS = 2,
};

static_assert((CAPACITY_MIN & (CAPACITY_MIN - 1)) == 0, "indices are masked");
static_assert(OUTQ_RANGES_MAX <= UINT16_MAX, "count and capacity are 16 bits");

void outq_init(struct outq *queue)
{
    *queue = (struct outq){0};
}

static struct range *range_at(const struct outq *queue, unsigned index)
{
    return &queue->ranges[(queue->head + index) & (queue->capacity - 1u)];
}

static uint32_t arena_bytes(const struct arena *arena)
{
    return (uint32_t)sizeof *arena + arena->capacity;
}

/* What @range would pin at the end of the queue. */
static uint32_t pinned_at_end(const struct outq *queue, const struct range *range)
{
    uint32_t bytes = sizeof *range;

    for (unsigned back = 1; back <= NEIGHBOURS && back <= queue->count; back++) {
        if (range_at(queue, queue->count - back)->arena == range->arena)
            return bytes;
    }
    return bytes + arena_bytes(range->arena);
}

/* What is no longer pinned when the first range leaves: less what its neighbours then pin themselves. */
static uint32_t pinned_by_first(const struct outq *queue)
{
    const struct arena *first = range_at(queue, 0)->arena;
    uint32_t bytes = sizeof(struct range);

    for (unsigned i = 1; i <= NEIGHBOURS && i < queue->count; i++) {
        if (range_at(queue, i)->arena == first)
            return bytes; /* it pins the arena now: none between them has it */
    }
    return bytes + arena_bytes(first);
}

void outq_done(struct outq *queue)
{
    for (unsigned i = 0; i < queue->count; i++)
        arena_unref(range_at(queue, i)->arena);
    free(queue->ranges);
    queue->ranges = NULL;
    queue->capacity = 0;
    queue->head = 0;
    queue->count = 0;
    queue->bytes = 0;
    queue->pinned_bytes = 0;
}

/* Room for @more ranges behind those that are there. */
static int reserve(struct outq *queue, unsigned more)
{
    unsigned capacity = queue->capacity == 0 ? CAPACITY_MIN : queue->capacity;
    unsigned until_wrap = queue->capacity - (unsigned)queue->head;
    struct range *ranges;

    if (queue->count + more <= queue->capacity)
        return 0;
    if (queue->count + more > OUTQ_RANGES_MAX)
        return -ENOBUFS;
    while (capacity < queue->count + more)
        capacity *= 2;
    ranges = malloc(capacity * sizeof *ranges);
    if (ranges == NULL)
        return -ENOMEM;
    if (queue->ranges != NULL) {
        if (until_wrap > queue->count)
            until_wrap = queue->count;
        memcpy(ranges, queue->ranges + queue->head, until_wrap * sizeof *ranges);
        memcpy(ranges + until_wrap, queue->ranges, (queue->count - until_wrap) * sizeof *ranges);
    }
    free(queue->ranges);
    queue->ranges = ranges;
    queue->capacity = (uint16_t)capacity;
    queue->head = 0;
    return 0;
}

int outq_push(struct outq *queue, struct range range)
{
    struct range *last = queue->count > 0 ? range_at(queue, queue->count - 1u) : NULL;
    uint32_t pinned;
    int rc;

    if (range.length == 0)
        return 0;
    CHECK(range.arena != NULL);
    CHECK(range.length <= range.arena->capacity);
    CHECK(range.offset <= range.arena->capacity - range.length);
    if (range.length > UINT32_MAX - queue->bytes)
        return -ENOBUFS;
    if (last != NULL && last->arena == range.arena && last->offset + last->length == range.offset) {
        last->length += range.length;
        queue->bytes += range.length;
        return 0;
    }
    pinned = pinned_at_end(queue, &range);
    if (pinned > UINT32_MAX - queue->pinned_bytes)
        return -ENOBUFS;
    rc = reserve(queue, 1);
    if (rc != 0)
        return rc;
    arena_ref(range.arena);
    *range_at(queue, queue->count) = range;
    queue->count++;
    queue->bytes += range.length;
    queue->pinned_bytes += pinned;
    return 0;
}

/*
 * The pieces behind the first two, each with the splice before it. Both arenas stand at the end of the
 * queue, so that these ranges pin nothing but themselves. There is room for them.
 */
static void push_alternately(struct outq *queue, const struct range *pieces, unsigned piece_count,
                             struct range splice)
{
    struct range *ranges = queue->ranges;
    unsigned mask = queue->capacity - 1u;
    unsigned at = queue->head + queue->count;

    for (unsigned i = 0; i < piece_count; i++) {
        CHECK(pieces[i].length > 0);
        ranges[at++ & mask] = splice;
        ranges[at++ & mask] = pieces[i];
        queue->bytes += splice.length + pieces[i].length;
    }
    arena_ref_many(splice.arena, piece_count);
    arena_ref_many(pieces[0].arena, piece_count);
    queue->count = (uint16_t)(queue->count + 2 * piece_count);
    queue->pinned_bytes += 2 * piece_count * (uint32_t)sizeof *ranges;
}

int outq_push_spliced(struct outq *queue, const struct range *pieces, unsigned piece_count,
                      struct range splice)
{
    const struct range *last = &pieces[piece_count - 1];
    uint64_t bytes = (uint64_t)last->offset + last->length - pieces[0].offset +
                     (uint64_t)(piece_count - 1) * splice.length;
    int rc;

    CHECK(piece_count >= 2);
    CHECK(splice.length > 0);
    if (bytes > UINT32_MAX - queue->bytes ||
        2 * sizeof *last * piece_count > UINT32_MAX - queue->pinned_bytes)
        return -ENOBUFS;
    rc = reserve(queue, 2 * piece_count - 1);
    if (rc == 0)
        rc = outq_push(queue, pieces[0]);
    if (rc == 0)
        rc = outq_push(queue, splice);
    if (rc == 0)
        rc = outq_push(queue, pieces[1]);
    if (rc == 0 && piece_count > 2)
        push_alternately(queue, pieces + 2, piece_count - 2, splice);
    return rc;
}

int outq_push_copy(struct outq *queue, struct arena_writer *writer, const void *bytes, size_t size)
{
    uint8_t *room;

    if (size == 0)
        return 0;
    room = arena_writer_reserve(writer, size);
    if (room == NULL)
        return -ENOMEM;
    memcpy(room, bytes, size);
    return outq_push(queue, arena_writer_commit(writer, size));
}

/* The @index-th range, cut to what is left of *bytes, which it is taken from. */
static struct range take_range(const struct outq *queue, unsigned index, size_t *bytes)
{
    struct range range = *range_at(queue, index);

    if (*bytes < range.length)
        range.length = (uint32_t)*bytes;
    *bytes -= range.length;
    return range;
}

int outq_push_front_of(struct outq *queue, const struct outq *from, size_t bytes)
{
    CHECK(bytes <= from->bytes);
    for (unsigned i = 0; bytes > 0; i++) {
        int rc = outq_push(queue, take_range(from, i, &bytes));

        if (rc != 0)
            return rc;
    }
    return 0;
}

void outq_copy_front_of(const struct outq *from, uint8_t *out, size_t bytes)
{
    CHECK(bytes <= from->bytes);
    for (unsigned i = 0; bytes > 0; i++) {
        struct range range = take_range(from, i, &bytes);

        memcpy(out, range.arena->bytes + range.offset, range.length);
        out += range.length;
    }
}

int outq_iovec(const struct outq *queue, struct iovec *iov, int iov_count)
{
    int count = queue->count < iov_count ? queue->count : iov_count;

    for (int i = 0; i < count; i++) {
        const struct range *range = range_at(queue, (unsigned)i);

        iov[i].iov_base = range->arena->bytes + range->offset;
        iov[i].iov_len = range->length;
    }
    return count;
}

static void pop_front(struct outq *queue)
{
    struct range front = *range_at(queue, 0);

    queue->pinned_bytes -= pinned_by_first(queue);
    queue->head = (uint16_t)((queue->head + 1u) & (queue->capacity - 1u));
    queue->count--;
    arena_unref(front.arena);
}

void outq_consume(struct outq *queue, size_t bytes)
{
    CHECK(bytes <= queue->bytes);
    queue->sent_bytes += bytes;
    if (bytes == queue->bytes) { /* as it is most times */
        outq_done(queue);
        return;
    }
    queue->bytes -= (uint32_t)bytes;
    while (bytes > 0) {
        struct range *front = range_at(queue, 0);

        if (bytes < front->length) {
            front->offset += (uint32_t)bytes;
            front->length -= (uint32_t)bytes;
            return;
        }
        bytes -= front->length;
        pop_front(queue);
    }
}
