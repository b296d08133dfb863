#include "server/protocol/top_topics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "bus/hash.h"
#include "server/protocol/service.h"
#include "store/env.h"
#include "store/log.h"

struct top_topic {
    UT_hash_handle hh;
    uint64_t operation_count;
    uint64_t payload_bytes;
    size_t name_bytes;
    char name[];
};

/* --- counting --------------------------------------------------------------------------------- */

// NOLINTNEXTLINE(readability-function-size): the nesting is uthash's
static struct top_topic *find_topic(const struct top_topics *top, const struct record_topic *name,
                                    unsigned hash)
{
    struct top_topic *topic = NULL;

    if (top->table != NULL)
        HASH_FIND_BYHASHVALUE(hh, top->table, name->name, name->bytes, hash, topic);
    return topic;
}

/* NULL: no room or no memory for it. */
// NOLINTNEXTLINE(readability-function-size): the nesting is uthash's
static struct top_topic *add_topic(struct top_topics *top, const struct record_topic *name,
                                   unsigned hash)
{
    struct top_topic *topic;

    if (top->topic_count == TOP_TOPICS_MAX)
        return NULL;
    topic = calloc(1, sizeof *topic + name->bytes);
    if (topic == NULL)
        return NULL;
    topic->name_bytes = name->bytes;
    memcpy(topic->name, name->name, name->bytes);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, top->table, topic->name, (unsigned)name->bytes, hash, topic);
    if (topic->hh.tbl == NULL) { /* how uthash says that it had no memory */
        free(topic);
        return NULL;
    }
    top->topic_count++;
    return topic;
}

static void count_record(struct top_topics *top, const struct record *record)
{
    struct record_topic name;
    size_t offset = 0;

    if (top->operation_count++ == 0)
        top->first_time_ns = record->time_ns;
    while (record_topic_next(record, &offset, &name)) {
        unsigned hash = (unsigned)hash_bytes(top->hash_seed, name.name, name.bytes);
        struct top_topic *topic = find_topic(top, &name, hash);

        if (topic == NULL)
            topic = add_topic(top, &name, hash);
        if (topic == NULL)
            continue;
        topic->operation_count++;
        topic->payload_bytes += record->payload_bytes;
    }
}

static void count_span(struct top_topics *top, const struct log_span *span, uint64_t had_seq)
{
    struct record record;
    size_t end = 0;

    while (log_span_next(span, &end, &record)) {
        if (record.seq > had_seq && record.seq <= top->until.seq)
            count_record(top, &record);
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Goes back from the end of what is committed over whole blocks of at most @bytes in all. */
static uint64_t find_start(struct store *store, const struct store_meta *meta, uint64_t bytes)
{
    uint64_t start_seq = meta->committed_seq + 1;
    struct block block;

    for (int i = 0; i < TOP_TOPICS_BLOCKS_MAX && start_seq > meta->first_seq; i++) {
        if (log_block_at(store, start_seq - 1, &block) != 0 || block.records_bytes > bytes ||
            block.head.first_seq >= start_seq)
            break;
        bytes -= block.records_bytes;
        start_seq = block.head.first_seq;
    }
    return start_seq;
}

void top_topics_begin(struct top_topics *top, struct service *service)
{
    const struct store_meta *meta;
    uint64_t ring_bytes;

    *top = (struct top_topics){.service = service};
    if (hash_seed_make(&top->hash_seed) != 0 ||
        store_snapshot_begin(service->store, ring_committed(service->bus).seq) != 0)
        return; /* nothing is counted then */
    meta = store_snapshot_meta(service->store);
    top->until = ring_tail(service->bus); /* not before what is committed */
    ring_bytes = top->until.pos - meta->committed_pos;
    top->cursor = (struct log_cursor){
        .seq = meta->committed_seq, .pos = meta->committed_pos, .has_pos = true};
    if (ring_bytes < TOP_TOPICS_BYTES && meta->committed_seq > 0)
        top->cursor = (struct log_cursor){
            .seq = find_start(service->store, meta, TOP_TOPICS_BYTES - ring_bytes) - 1};
}

int top_topics_step(struct top_topics *top)
{
    uint64_t end_bytes = top->bytes + BLOCK_BYTES_MAX;
    int rc = 1;

    if (end_bytes > TOP_TOPICS_BYTES)
        end_bytes = TOP_TOPICS_BYTES;
    while (rc > 0 && top->bytes < end_bytes) {
        uint64_t had_seq = top->cursor.seq;
        struct log_span span;

        rc = log_reader_next(top->service->reader, &top->cursor, NULL, top->until.seq,
                             top->until.pos, &span);
        if (rc <= 0)
            break;
        count_span(top, &span, had_seq);
        top->bytes += span.bytes;
    }
    return (rc > 0 || rc == -EAGAIN) && top->bytes < TOP_TOPICS_BYTES;
}

/* --- results ---------------------------------------------------------------------------------- */

/* Whether @a stands before @b: by operations, then bytes, then the order of appearance. */
static bool is_busier(const struct top_topic_view *a, const struct top_topic_view *b)
{
    if (a->operation_count != b->operation_count)
        return a->operation_count > b->operation_count;
    return a->payload_bytes > b->payload_bytes;
}

size_t top_topics_list(const struct top_topics *top,
                       struct top_topic_view ret_views[TOP_TOPICS_SHOWN])
{
    size_t count = 0;

    for (const struct top_topic *topic = top->table; topic != NULL; topic = topic->hh.next) {
        const struct top_topic_view view = {.name = topic->name,
                                            .name_bytes = topic->name_bytes,
                                            .operation_count = topic->operation_count,
                                            .payload_bytes = topic->payload_bytes};
        size_t at = count;

        while (at > 0 && is_busier(&view, &ret_views[at - 1]))
            at--;
        if (at == TOP_TOPICS_SHOWN)
            continue;
        if (count < TOP_TOPICS_SHOWN)
            count++;
        memmove(&ret_views[at + 1], &ret_views[at], (count - 1 - at) * sizeof view);
        ret_views[at] = view;
    }
    return count;
}

void top_topics_done(struct top_topics *top)
{
    struct top_topic *topic = top->table;

    HASH_CLEAR(hh, top->table); /* what links the topics stays in them */
    while (topic != NULL) {
        struct top_topic *next = topic->hh.next;

        free(topic);
        topic = next;
    }
}
