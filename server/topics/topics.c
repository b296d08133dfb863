#include "server/topics/topics.h"

#include <errno.h>
#include <stdlib.h>

#include "bus/check.h"
#include "bus/hash_counts.h"
#include "bus/shm.h"
#include "server/topics/gaps.h"
#include "server/topics/state.h"
#include "store/log.h"

int topics_open(const struct topics_options *options, struct topics **ret_topics)
{
    struct topics *topics = calloc(1, sizeof *topics);
    int rc = -ENOMEM;

    if (topics == NULL)
        return -ENOMEM;
    topics->options = *options;
    subscription_table_init(&topics->table, options->hash_seed);
    rc = catch_up_set_open(&topics->catch_up);
    if (rc != 0)
        goto fail;
    rc = log_reader_open(options->bus, options->store, &topics->reader);
    if (rc != 0)
        goto fail;

    for (enum topic_kind kind = TOPIC_PLAIN; kind < TOPIC_KINDS; kind++) {
        struct ring_position limit = topics_limit(topics, kind);

        topics->cursors[kind] = topics_cursor_at(topics, kind, &limit);
    }
    *ret_topics = topics;
    return 0;

fail:
    topics_close(topics);
    return rc;
}

void topics_close(struct topics *topics)
{
    if (topics == NULL)
        return;
    encoding_set_done(&topics->encodings);
    catch_up_set_close(&topics->catch_up);
    log_reader_close(topics->reader);
    subscription_table_done(&topics->table);
    free(topics->judged);
    free(topics);
}

struct topics_encoding *topics_add_encoding(struct topics *topics, const struct encoding *encoding)
{
    return encoding_add(&topics->encodings, encoding);
}

void topics_remove_encoding(struct topics *topics, struct topics_encoding *encoding)
{
    if (encoding != NULL)
        encoding_remove(&topics->encodings, encoding);
}

/* --- subscribers ------------------------------------------------------------------------------ */

void subscriber_init(struct subscriber *subscriber, struct stream *stream,
                     struct topics_encoding *encoding, const struct subscriber_handlers *handlers,
                     void *user)
{
    *subscriber = (struct subscriber){.stream = stream,
                                      .handlers = handlers,
                                      .user = user,
                                      .encoding = encoding,
                                      .judged_index = UINT32_MAX};
}

static void count_subscriber(struct topics *topics, const struct topic *topic, int delta)
{
    /* One that is not counted makes the number told too low, and nothing else. */
    (void)hash_counts_add(topics->options.counts, topics->options.slot, topic->hash, delta);
}

/* Out of wherever it is: live, lagging, or neither. */
static void end_subscription(struct topics *topics, struct subscription *subscription)
{
    if (subscription->is_lagging)
        catch_up_remove(topics, subscription);
    else if (subscription->live_index != UINT32_MAX)
        (void)subscription_leave_live(&topics->table, subscription);
    count_subscriber(topics, subscription->topic, -1);
    topics_count(topics, STAT_SUBSCRIPTIONS, -1);
    subscription_remove(&topics->table, subscription);
}

void subscriber_done(struct topics *topics, struct subscriber *subscriber)
{
    while (subscriber->subscriptions != NULL)
        end_subscription(topics, subscriber->subscriptions);
    CHECK(subscriber->catch_up == NULL);
    delivery_forget(topics, subscriber);
}

static uint64_t min_seq(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t topics_position(const struct topics *topics, const struct subscriber *subscriber)
{
    static const uint16_t none[TOPIC_KINDS];
    const struct catch_up *catch_up = subscriber->catch_up;
    const uint16_t *lagging_counts = catch_up != NULL ? catch_up->lagging_counts : none;
    unsigned plain_count = (unsigned)subscriber->subscription_count - subscriber->row_count;
    uint64_t seq = catch_up != NULL ? catch_up->cursor.seq : UINT64_MAX;

    if (subscriber->subscription_count == 0)
        return topics_limit(topics, TOPIC_PLAIN).seq;
    if (lagging_counts[TOPIC_PLAIN] < plain_count)
        seq = min_seq(seq, topics->cursors[TOPIC_PLAIN].seq);
    if (lagging_counts[TOPIC_ROW] < subscriber->row_count)
        seq = min_seq(seq, topics->cursors[TOPIC_ROW].seq);
    return seq;
}

/* --- subscribing ------------------------------------------------------------------------------ */

/* What can be given of what was asked for. */
static int judge_resume(struct topics *topics, enum topic_kind kind,
                        const struct record_topic *topic, const struct resume *resume,
                        struct subscribed *ret)
{
    struct store *store = topics->options.store;
    uint64_t tail_seq = ring_tail(topics->options.bus).seq;
    enum epoch_verdict verdict = resume->since <= tail_seq ? EPOCH_GOOD : EPOCH_PAST;
    struct log_topic info = {0};
    int rc = store_snapshot_begin(store, ring_committed(topics->options.bus).seq);

    if (rc == 0 && resume->has_epoch)
        rc = log_epoch_judge(store, resume->epoch, resume->since, tail_seq, &verdict);
    if (rc == 0)
        rc = log_topic_info(store, topic->name, topic->bytes, &info);
    if (rc != 0)
        return rc;
    ret->has_recovered = true;
    ret->recovered = verdict == EPOCH_GOOD && info.trimmed_seq <= resume->since;
    ret->seq = resume->since;
    if (ret->recovered)
        return 0;
    rc = gaps_oldest(topics, kind, topic, &ret->gap_oldest);
    if (rc != 0)
        return rc;
    ret->seq = ret->gap_oldest - 1;
    return 0;
}

/* From behind the last operation that somebody may have seen delivered or acknowledged. */
static void begin_now(const struct topics *topics, enum topic_kind kind, struct subscribed *ret)
{
    uint64_t limit_seq = topics_limit(topics, kind).seq;
    uint64_t cursor_seq = topics->cursors[kind].seq;

    ret->seq = limit_seq > cursor_seq ? limit_seq : cursor_seq;
}

/* Makes a new subscription live behind @seq, or lets it lag when the worker is already past that. */
static int start_subscription(struct topics *topics, struct subscription *subscription,
                              uint64_t seq)
{
    struct log_cursor from = {.seq = seq};

    subscription->position = seq;
    if (seq >= topics->cursors[subscription->topic->kind].seq)
        return subscription_go_live(&topics->table, subscription);
    return catch_up_add(topics, subscription, &from);
}

static int subscribe_anew(struct topics *topics, struct subscriber *subscriber,
                          enum topic_kind kind, const struct record_topic *topic, uint64_t seq)
{
    struct subscription *subscription;
    uint64_t count = subscriber->subscription_count;
    int rc;

    if (count >= *topics->options.subscriptions_max || count == UINT16_MAX)
        return -E2BIG;
    subscription = subscription_add(&topics->table, subscriber, kind, topic->name, topic->bytes);
    if (subscription == NULL)
        return -ENOMEM;
    rc = start_subscription(topics, subscription, seq);
    if (rc != 0) {
        subscription_remove(&topics->table, subscription);
        return rc;
    }
    count_subscriber(topics, subscription->topic, 1);
    topics_count(topics, STAT_SUBSCRIPTIONS, 1);
    return 0;
}

static enum topic_kind kind_of(const struct topics *topics, const struct record_topic *name)
{
    return topics_is_row_topic(topics, name->name, name->bytes) ? TOPIC_ROW : TOPIC_PLAIN;
}

static struct subscription *find_own(const struct topics *topics,
                                     const struct subscriber *subscriber, enum topic_kind kind,
                                     const struct record_topic *name)
{
    struct topic *topic = subscription_table_find(&topics->table, kind, name->name, name->bytes);

    return topic == NULL ? NULL : subscription_find(subscriber, topic);
}

// NOLINTNEXTLINE(readability-function-size): a name and its length are one thing
int topics_subscribe(struct topics *topics, struct subscriber *subscriber, const char *topic,
                     size_t topic_bytes, const struct resume *resume, struct subscribed *ret)
{
    const struct record_topic name = {.name = topic, .bytes = topic_bytes};
    enum topic_kind kind = kind_of(topics, &name);
    struct subscribed answer = {.epoch = bus_epoch(topics->options.bus)};
    int rc = 0;

    CHECK(subscriber->encoding != NULL);
    if (find_own(topics, subscriber, kind, &name) != NULL) {
        if (resume->has_since)
            return -EEXIST;
        answer.was_subscribed = true;
        answer.seq = topics_position(topics, subscriber);
        *ret = answer;
        return 0;
    }
    if (resume->has_since)
        rc = judge_resume(topics, kind, &name, resume, &answer);
    else
        begin_now(topics, kind, &answer);
    if (rc == 0)
        rc = subscribe_anew(topics, subscriber, kind, &name, answer.seq);
    if (rc != 0)
        return rc;
    topics_count(topics, STAT_GAPS, answer.gap_oldest != 0 ? 1 : 0);
    *ret = answer;
    return 0;
}

int topics_unsubscribe(struct topics *topics, struct subscriber *subscriber, const char *topic,
                       size_t topic_bytes)
{
    const struct record_topic name = {.name = topic, .bytes = topic_bytes};
    struct subscription *subscription = find_own(topics, subscriber, kind_of(topics, &name), &name);

    if (subscription == NULL)
        return -ENOENT;
    end_subscription(topics, subscription);
    return 0;
}

/* --- questions -------------------------------------------------------------------------------- */

uint64_t topics_cursor_seq(const struct topics *topics)
{
    return topics->cursors[TOPIC_PLAIN].seq;
}

bool topics_is_row_topic(const struct topics *topics, const char *topic, size_t topic_bytes)
{
    return topics->options.is_row_topic != NULL &&
           topics->options.is_row_topic(topics->options.is_row_topic_user, topic, topic_bytes);
}

uint64_t topics_subscriber_count(const struct topics *topics, const char *topic, size_t topic_bytes)
{
    return hash_counts_sum(topics->options.counts, topics->options.bus,
                           subscription_table_hash(&topics->table, topic, topic_bytes));
}
