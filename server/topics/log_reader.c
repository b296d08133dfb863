#include "server/topics/log_reader.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "bus/ring.h"
#include "store/log.h"

enum {
    SPAN_BYTES = BLOCK_BYTES_MAX,
    /* Store, ring, and once more each when the ring went on meanwhile. */
    STEP_TRIES = 4,
};

/* What the buffer holds: records without a hole in their seq (a whole block, or a stretch of ring). */
struct held {
    size_t bytes; /* 0: nothing */
    uint64_t first_seq;
    uint64_t last_seq;
    uint64_t pos;     /* of the first record */
    uint64_t end_pos; /* behind the last one */
    bool has_pos;     /* read from the ring */
};

struct log_reader {
    struct bus *bus;
    struct store *store;
    uint8_t *buffer;
    size_t capacity; /* SPAN_BYTES, more while it holds a larger record */
    uint64_t store_reads;
    struct held held;
};

int log_reader_open(struct bus *bus, struct store *store, struct log_reader **ret_reader)
{
    struct log_reader *reader = calloc(1, sizeof *reader);

    if (reader == NULL)
        return -ENOMEM;
    reader->bus = bus;
    reader->store = store;
    reader->capacity = SPAN_BYTES;
    reader->buffer = malloc(reader->capacity);
    if (reader->buffer == NULL) {
        log_reader_close(reader);
        return -ENOMEM;
    }
    *ret_reader = reader;
    return 0;
}

void log_reader_close(struct log_reader *reader)
{
    if (reader == NULL)
        return;
    free(reader->buffer);
    free(reader);
}

/* Makes the buffer @bytes large, or its ordinary size again. What it held is gone. */
static int resize_buffer(struct log_reader *reader, size_t bytes)
{
    size_t capacity = bytes > SPAN_BYTES ? bytes : SPAN_BYTES;
    uint8_t *buffer;

    reader->held.bytes = 0;
    if (capacity == reader->capacity)
        return 0;
    buffer = malloc(capacity);
    if (buffer == NULL)
        return -ENOMEM;
    free(reader->buffer);
    reader->buffer = buffer;
    reader->capacity = capacity;
    return 0;
}

/* Notes first and last seq of what the buffer holds: only the heads are looked at. */
static void note_seqs(struct log_reader *reader)
{
    struct held *held = &reader->held;
    struct record_head head;

    for (size_t at = 0; at < held->bytes; at += head.length) {
        CHECK(held->bytes - at >= sizeof head); /* ring and store give whole records only */
        memcpy(&head, reader->buffer + at, sizeof head);
        CHECK(head.length >= sizeof head && head.length <= held->bytes - at);
        if (at == 0)
            held->first_seq = head.seq;
        held->last_seq = head.seq;
    }
}

static int give_held(const struct log_reader *reader, struct log_cursor *cursor, uint64_t until_seq,
                     struct log_span *ret_span)
{
    const struct held *held = &reader->held;
    bool is_cut = !held->has_pos && held->last_seq > until_seq;
    uint64_t seq = is_cut ? until_seq : held->last_seq;

    /* Walking from committed_pos to a seq further on passes what the cursor has had long ago. */
    if (seq > cursor->seq)
        cursor->seq = seq;
    cursor->has_pos = held->has_pos;
    cursor->pos = held->end_pos;
    *ret_span = (struct log_span){
        .records = reader->buffer, .bytes = held->bytes, .last_seq = cursor->seq, .pos = held->pos};
    return 1;
}

/* Whether what was read last is what @cursor needs next. */
static bool held_continues(const struct held *held, const struct log_cursor *cursor,
                           uint64_t until_pos)
{
    if (held->bytes == 0)
        return false;
    if (cursor->has_pos)
        return held->has_pos && held->pos == cursor->pos && held->end_pos <= until_pos;
    return !held->has_pos && held->first_seq <= cursor->seq + 1 && held->last_seq > cursor->seq;
}

/* 1: the buffer holds the next stretch; 0: nothing is left; -EOVERFLOW: lapped. */
static int read_ring(struct log_reader *reader, uint64_t pos, uint64_t until_pos)
{
    uint64_t end_pos = pos;
    size_t needed = 0;
    ptrdiff_t bytes;
    int rc = resize_buffer(reader, SPAN_BYTES);

    if (rc != 0)
        return rc;
    bytes = ring_read(reader->bus, &end_pos, until_pos, reader->buffer, reader->capacity, &needed);
    if (bytes == -EMSGSIZE) {
        rc = resize_buffer(reader, needed);
        if (rc != 0)
            return rc;
        bytes =
            ring_read(reader->bus, &end_pos, until_pos, reader->buffer, reader->capacity, &needed);
    }
    if (bytes <= 0)
        return (int)bytes;
    reader->held =
        (struct held){.bytes = (size_t)bytes, .pos = pos, .end_pos = end_pos, .has_pos = true};
    note_seqs(reader);
    return 1;
}

/*
 * The first seq of the first block at or behind @seq that holds a wanted topic; seq itself when
 * everything is wanted. -ENOENT: no such block is committed yet.
 */
static int find_block(struct log_reader *reader, const struct log_filter *filter, uint64_t seq,
                      uint64_t *ret_seq)
{
    uint64_t nearest = UINT64_MAX;

    if (filter == NULL || filter->count == 0 || filter->count > LOG_FILTER_TOPICS_MAX) {
        *ret_seq = seq;
        return 0;
    }
    for (size_t i = 0; i < filter->count; i++) {
        uint64_t first = 0;
        int rc = log_topic_block_at(reader->store, filter->topics[i].name, filter->topics[i].bytes,
                                    seq, &first);

        if (rc != 0 && rc != -ENOENT)
            return rc;
        if (rc == 0 && first < nearest)
            nearest = first;
    }
    if (nearest == UINT64_MAX)
        return -ENOENT;
    *ret_seq = nearest > seq ? nearest : seq;
    return 0;
}

/* Asks for the block after @seq while the one just copied is being worked on. */
static void prefetch_behind(struct log_reader *reader, const struct log_filter *filter,
                            uint64_t seq, uint64_t until_seq)
{
    uint64_t next = 0;

    if (seq >= until_seq || seq >= store_snapshot_meta(reader->store)->committed_seq)
        return;
    if (find_block(reader, filter, seq + 1, &next) == 0 && next <= until_seq)
        log_prefetch(reader->store, next);
}

/* Copies the next wanted block behind @seq. 1: held; -ENOENT: none up to @until_seq. */
static int read_store(struct log_reader *reader, const struct log_filter *filter, uint64_t seq,
                      uint64_t until_seq)
{
    struct block block;
    uint64_t target = 0;
    int rc = find_block(reader, filter, seq + 1, &target);

    if (rc != 0)
        return rc;
    if (target > until_seq)
        return -ENOENT;
    rc = log_block_at(reader->store, target, &block);
    if (rc != 0)
        return rc;
    if (block.head.last_seq <= seq)
        return -EBADMSG; /* it would never end */
    if (block.head.first_seq > until_seq)
        return -ENOENT;
    rc = resize_buffer(reader, block.records_bytes);
    if (rc != 0)
        return rc;
    memcpy(reader->buffer, block.records, block.records_bytes);
    reader->held = (struct held){.bytes = block.records_bytes,
                                 .first_seq = block.head.first_seq,
                                 .last_seq = block.head.last_seq};
    reader->store_reads++;
    prefetch_behind(reader, filter, block.head.last_seq, until_seq);
    return 1;
}

/*
 * One step in the store, for a cursor without a position. 1: the buffer holds a block; 0: nothing
 * wanted was there and the cursor has moved to the end of what is committed (there with its
 * position in the ring) or to @until_seq.
 */
static int step_store(struct log_reader *reader, struct log_cursor *cursor,
                      const struct log_filter *filter, uint64_t until_seq)
{
    const struct store_meta *meta;
    uint64_t end_seq;
    int rc = store_snapshot_begin(reader->store, ring_committed(reader->bus).seq);

    if (rc != 0)
        return rc;
    meta = store_snapshot_meta(reader->store);
    if (cursor->seq < meta->committed_seq) {
        if (meta->first_seq > cursor->seq + 1)
            cursor->is_trimmed = true;
        end_seq = meta->committed_seq < until_seq ? meta->committed_seq : until_seq;
        rc = read_store(reader, filter, cursor->seq, end_seq);
        if (rc != -ENOENT)
            return rc;
        cursor->seq = end_seq;
    }
    if (cursor->seq < until_seq) {
        cursor->pos = meta->committed_pos;
        cursor->has_pos = true;
    }
    return 0;
}

// NOLINTNEXTLINE(readability-function-size): until_seq and until_pos are one place
int log_reader_next(struct log_reader *reader, struct log_cursor *cursor,
                    const struct log_filter *filter, uint64_t until_seq, uint64_t until_pos,
                    struct log_span *ret_span)
{
    int rc = 0;

    for (int i = 0; i < STEP_TRIES && cursor->seq < until_seq; i++) {
        if (held_continues(&reader->held, cursor, until_pos))
            return give_held(reader, cursor, until_seq, ret_span);
        if (!cursor->has_pos)
            rc = step_store(reader, cursor, filter, until_seq);
        else if (cursor->pos >= until_pos)
            rc = -EOVERFLOW; /* whoever says until_seq reads it from the store just now */
        else
            rc = read_ring(reader, cursor->pos, until_pos);
        if (rc == -EOVERFLOW) {
            cursor->has_pos = false;
            store_snapshot_end(reader->store); /* what it was lapped by is newer than that */
            continue;
        }
        if (rc < 0)
            return rc;
        if (rc > 0)
            return give_held(reader, cursor, until_seq, ret_span);
    }
    return cursor->seq >= until_seq ? 0 : -EAGAIN;
}

uint64_t log_reader_store_reads(const struct log_reader *reader)
{
    return reader->store_reads;
}

void log_cursor_stop_at(struct log_cursor *cursor, const struct log_span *span, size_t offset,
                        uint64_t seq)
{
    CHECK(offset <= span->bytes);
    CHECK(seq <= span->last_seq);
    cursor->seq = seq;
    if (cursor->has_pos)
        cursor->pos = span->pos + offset;
}
