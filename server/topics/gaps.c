#include "server/topics/gaps.h"

#include <errno.h>

#include "bus/check.h"
#include "bus/ring.h"
#include "server/topics/state.h"
#include "store/log.h"

enum {
    OLDEST_SCAN_BYTES_MAX = 1024 * 1024,
};

/* The first event of the topic in @span; 0: none. */
static uint64_t find_event(const struct log_span *span, const struct record_topic *name)
{
    struct record record;
    size_t end = 0;

    while (log_span_next(span, &end, &record)) {
        if (record_is_event(&record) && record_has_topic(&record, name->name, name->bytes))
            return record.seq;
    }
    return 0;
}

/* The same for what is in the ring only; all of that is younger than what retention has seen. */
static int find_uncommitted(struct topics *topics, const struct record_topic *name,
                            uint64_t *ret_oldest)
{
    const struct store_meta *meta = store_snapshot_meta(topics->options.store);
    struct ring_position tail = ring_tail(topics->options.bus);
    struct log_cursor cursor = {
        .seq = meta->committed_seq, .pos = meta->committed_pos, .has_pos = true};
    struct log_span span;
    uint64_t found = 0;
    size_t scanned = 0;
    int rc = 1;

    while (found == 0 && scanned < OLDEST_SCAN_BYTES_MAX) {
        rc = log_reader_next(topics->reader, &cursor, NULL, tail.seq, tail.pos, &span);
        if (rc <= 0)
            break;
        scanned += span.bytes;
        found = find_event(&span, name);
    }
    if (rc < 0 && rc != -EAGAIN)
        return rc;
    *ret_oldest = found != 0 ? found : cursor.seq + 1;
    return 0;
}

int gaps_oldest(struct topics *topics, enum topic_kind kind, const struct record_topic *name,
                uint64_t *ret_oldest)
{
    struct store *store = topics->options.store;
    struct log_topic info = {0};
    int rc = store_snapshot_begin(store, ring_committed(topics->options.bus).seq);

    if (rc == 0)
        rc = log_topic_info(store, name->name, name->bytes, &info);
    if (rc != 0)
        return rc;
    if (info.oldest_seq == 0 && kind == TOPIC_PLAIN)
        return find_uncommitted(topics, name, ret_oldest);
    /* What a COMMAND in the ring will come to is not known yet. */
    *ret_oldest =
        info.oldest_seq != 0 ? info.oldest_seq : store_snapshot_meta(store)->committed_seq + 1;
    return 0;
}

/* 1: a gap was told; 0: it has lost nothing. */
static int tell_gap(struct topics *topics, struct subscription *subscription, uint64_t had_seq)
{
    const struct topic *topic = subscription->topic;
    const struct record_topic name = {.name = topic->name, .bytes = topic->name_bytes};
    const struct subscriber *subscriber = subscription->subscriber;
    struct log_topic info = {0};
    uint64_t oldest = 0;
    int rc = store_snapshot_begin(topics->options.store, ring_committed(topics->options.bus).seq);

    if (rc == 0)
        rc = log_topic_info(topics->options.store, name.name, name.bytes, &info);
    if (rc != 0)
        return rc;
    if (info.trimmed_seq <= had_seq)
        return 0;
    rc = gaps_oldest(topics, (enum topic_kind)topic->kind, &name, &oldest);
    if (rc != 0)
        return rc;
    subscription->position = oldest - 1 > had_seq ? oldest - 1 : had_seq;
    topics_count(topics, STAT_GAPS, 1);
    subscriber->handlers->on_gap(subscriber->user, topic->name, topic->name_bytes, oldest);
    return 1;
}

int gaps_tell(struct topics *topics, struct subscriber *subscriber, uint64_t after_seq)
{
    const struct catch_up_set *set = &topics->catch_up;
    struct subscription *subscription = subscriber->subscriptions;
    int told = 0;
    int rc = 0;

    CHECK(set->visited == subscriber->catch_up);
    while (subscription != NULL && rc >= 0) {
        struct subscription *next = subscription->next; /* on_gap may end this one ... */
        uint64_t had_seq = subscription->position > after_seq ? subscription->position : after_seq;

        if (subscription->is_lagging) {
            rc = tell_gap(topics, subscription, had_seq);
            told += rc > 0 ? 1 : 0;
        }
        if (set->visited == NULL) /* ... or all */
            break;
        subscription = next;
    }
    return rc < 0 ? rc : told;
}
