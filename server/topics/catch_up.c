#include "server/topics/catch_up.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "bus/check.h"
#include "bus/record.h"
#include "server/topics/state.h"
#include "store/log.h"

enum {
    STEP_COST_BYTES = 1024, /* what a step costs beside the bytes it reads */
    IDLE_TURNS_MAX = 64,    /* then the frames kept for others are given back */
    OLDEST_SCAN_BYTES_MAX = 1024 * 1024,
};

int catch_up_set_open(struct catch_up_set *set)
{
    *set = (struct catch_up_set){0};
    return frame_cache_open(&set->frames);
}

static void drop_frames(struct topics *topics)
{
    struct topics_encoding *encoding;

    frame_cache_clear(topics->catch_up.frames);
    DL_FOREACH(topics->encodings, encoding)
    arena_writer_done(&encoding->replay_writer);
}

void catch_up_set_close(struct catch_up_set *set)
{
    CHECK(set->count == 0);
    frame_cache_close(set->frames);
    *set = (struct catch_up_set){0};
}

static uint64_t max_seq(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* --- who is where ----------------------------------------------------------------------------- */

static void leave_lists(struct catch_up_set *set, struct catch_up *catch_up)
{
    if (catch_up->state == CATCH_UP_READY)
        DL_DELETE(set->ready, catch_up);
    else if (catch_up->state == CATCH_UP_FED)
        DL_DELETE(set->fed, catch_up);
    catch_up->state = CATCH_UP_WAITING;
}

/* The only mover between the states. To READY again: to the end of the round. */
static void enter_state(struct catch_up_set *set, struct catch_up *catch_up,
                        enum catch_up_state state)
{
    leave_lists(set, catch_up);
    catch_up->state = (uint8_t)state;
    if (state == CATCH_UP_READY)
        DL_APPEND(set->ready, catch_up);
    else if (state == CATCH_UP_FED)
        DL_APPEND(set->fed, catch_up);
}

static struct catch_up *catch_up_new(struct topics *topics, struct subscriber *subscriber,
                                     const struct log_cursor *from)
{
    struct catch_up *catch_up = calloc(1, sizeof *catch_up);

    if (catch_up == NULL)
        return NULL;
    catch_up->subscriber = subscriber;
    catch_up->cursor = *from;
    catch_up->state = CATCH_UP_WAITING;
    enter_state(&topics->catch_up, catch_up, CATCH_UP_READY);
    topics->catch_up.count++;
    topics->catch_up.idle_turns = 0;
    subscriber->catch_up = catch_up;
    return catch_up;
}

/* Before the shared cursor goes back for a newcomer each keeps for itself how far it has come. */
static void keep_positions(struct catch_up *catch_up)
{
    struct subscription *subscription = catch_up->subscriber->subscriptions;

    for (; subscription != NULL; subscription = subscription->next) {
        if (subscription->is_lagging)
            subscription->position = max_seq(subscription->position, catch_up->cursor.seq);
    }
}

int catch_up_add(struct topics *topics, struct subscription *subscription,
                 const struct log_cursor *from)
{
    struct catch_up *catch_up = subscription->subscriber->catch_up;

    CHECK(!subscription->is_lagging);
    CHECK(subscription->live_index == UINT32_MAX);
    CHECK(from->seq <= topics->cursor.seq);
    if (catch_up == NULL) {
        catch_up = catch_up_new(topics, subscription->subscriber, from);
        if (catch_up == NULL)
            return -ENOMEM;
    } else if (from->seq < catch_up->cursor.seq) {
        keep_positions(catch_up);
        catch_up->cursor = *from;
    }
    subscription->position = max_seq(subscription->position, from->seq);
    subscription->is_lagging = true;
    catch_up->lagging_count++;
    topics_count(topics, STAT_LAGGING, 1);
    return 0;
}

void catch_up_remove(struct topics *topics, struct subscription *subscription)
{
    struct catch_up *catch_up = subscription->subscriber->catch_up;

    CHECK(subscription->is_lagging);
    CHECK(catch_up != NULL);
    subscription->is_lagging = false;
    subscription->position = max_seq(subscription->position, catch_up->cursor.seq);
    topics_count(topics, STAT_LAGGING, -1);
    if (--catch_up->lagging_count > 0)
        return;
    leave_lists(&topics->catch_up, catch_up);
    topics->catch_up.count--;
    subscription->subscriber->catch_up = NULL;
    free(catch_up);
}

void catch_up_lag(struct topics *topics, struct subscriber *subscriber)
{
    struct subscription *subscription = subscriber->subscriptions;
    int rc = 0;

    for (; subscription != NULL && rc == 0; subscription = subscription->next) {
        if (subscription->live_index == UINT32_MAX)
            continue;
        subscription_leave_live(subscription);
        rc = catch_up_add(topics, subscription, &topics->cursor);
    }
    if (rc != 0)
        stream_abort(subscriber->stream);
}

void catch_up_lag_all(struct topics *topics)
{
    for (struct topic *topic = topics->table.topics; topic != NULL; topic = topic->hh.next) {
        while (topic->lists != NULL)
            catch_up_lag(topics, topic->lists->entries[0].subscription->subscriber);
    }
}

static void go_live(struct topics *topics, struct subscriber *subscriber)
{
    struct subscription *subscription = subscriber->subscriptions;

    for (; subscription != NULL; subscription = subscription->next) {
        if (!subscription->is_lagging)
            continue;
        catch_up_remove(topics, subscription);
        if (subscription_go_live(subscription) != 0)
            stream_abort(subscriber->stream); /* it would have a hole */
    }
}

/* --- gaps ------------------------------------------------------------------------------------- */

/* The first event of @topic in @span; 0: none. */
static uint64_t find_event(const struct log_span *span, const char *topic, size_t topic_bytes)
{
    struct record record;

    for (size_t at = 0; at < span->bytes; at += record.length) {
        enum record_result result = record_decode(span->records + at, span->bytes - at, &record);

        CHECK(result == RECORD_OK);
        if (record.kind == RECORD_EVENT && (record.flags & RECORD_FAILED) == 0 &&
            record_has_topic(&record, topic, topic_bytes))
            return record.seq;
    }
    return 0;
}

/* The same for what is in the ring only; all of that is younger than what retention has seen. */
static int find_uncommitted(struct topics *topics, const char *topic, size_t topic_bytes,
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
        found = find_event(&span, topic, topic_bytes);
    }
    if (rc < 0 && rc != -EAGAIN)
        return rc;
    *ret_oldest = found != 0 ? found : cursor.seq + 1;
    return 0;
}

int catch_up_oldest(struct topics *topics, const char *topic, size_t topic_bytes,
                    uint64_t *ret_oldest)
{
    struct store *store = topics->options.store;
    struct log_topic info = {0};
    int rc = store_snapshot_begin(store, ring_committed(topics->options.bus).seq);

    if (rc == 0)
        rc = log_topic_info(store, topic, topic_bytes, &info);
    if (rc != 0)
        return rc;
    if (info.oldest_seq == 0)
        return find_uncommitted(topics, topic, topic_bytes, ret_oldest);
    *ret_oldest = info.oldest_seq;
    return 0;
}

/* 1: a gap was told; 0: it has lost nothing. */
static int tell_gap(struct topics *topics, struct subscription *subscription, uint64_t had_seq)
{
    const struct topic *topic = subscription->topic;
    const struct subscriber *subscriber = subscription->subscriber;
    struct log_topic info = {0};
    uint64_t oldest = 0;
    int rc = store_snapshot_begin(topics->options.store, ring_committed(topics->options.bus).seq);

    if (rc == 0)
        rc = log_topic_info(topics->options.store, topic->name, topic->name_bytes, &info);
    if (rc != 0)
        return rc;
    if (info.trimmed_seq <= had_seq)
        return 0;
    rc = catch_up_oldest(topics, topic->name, topic->name_bytes, &oldest);
    if (rc != 0)
        return rc;
    subscription->position = max_seq(oldest - 1, had_seq);
    topics_count(topics, STAT_GAPS, 1);
    subscriber->handlers->on_gap(subscriber->user, topic->name, topic->name_bytes, oldest);
    return 1;
}

/*
 * The log no longer has what followed @after_seq: tells those whose topic lost something they had
 * not had yet. How many were told, or -errno.
 */
static int tell_gaps(struct topics *topics, struct subscriber *subscriber, uint64_t after_seq)
{
    struct subscription *subscription = subscriber->subscriptions;
    int told = 0;
    int rc = 0;

    while (subscription != NULL && rc >= 0) {
        struct subscription *next = subscription->next; /* on_gap may end this one */

        if (subscription->is_lagging) {
            rc = tell_gap(topics, subscription, max_seq(subscription->position, after_seq));
            told += rc > 0 ? 1 : 0;
        }
        subscription = next;
    }
    return rc < 0 ? rc : told;
}

/* --- feeding ---------------------------------------------------------------------------------- */

/* A walk over one span for one subscriber. */
struct feed {
    struct topics *topics;
    struct subscriber *subscriber;
    const struct topic *sole; /* when only one lags: no table is needed. Else NULL */
    struct frame_run run;
    uint64_t delivered;
    bool has_failed; /* no memory for a frame */
};

/* Marks the topics of what lags, so that a record's topic leads to the subscription; and undoes it. */
static void mark_topics(struct feed *feed, bool is_marked)
{
    struct subscription *subscription = feed->subscriber->subscriptions;
    uint32_t count = 0;

    for (; subscription != NULL; subscription = subscription->next) {
        if (!subscription->is_lagging)
            continue;
        subscription->topic->fed = is_marked ? subscription : NULL;
        feed->sole = subscription->topic;
        count++;
    }
    if (count != 1)
        feed->sole = NULL;
}

static const struct subscription *find_fed(const struct feed *feed, const struct record_topic *name)
{
    const struct topic *topic = feed->sole;

    if (topic != NULL) {
        if (name->bytes != topic->name_bytes || memcmp(name->name, topic->name, name->bytes) != 0)
            return NULL;
    } else {
        topic = subscription_table_find(&feed->topics->table, name->name, name->bytes);
    }
    return topic == NULL ? NULL : topic->fed;
}

static void push_run(struct feed *feed)
{
    if (feed->run.frames == 0 || stream_is_ending(feed->subscriber->stream))
        return;
    stream_push(feed->subscriber->stream, feed->run.range);
    feed->delivered += feed->run.frames;
}

static bool make_frame(struct feed *feed, const struct event *event, size_t topic_offset,
                       struct range *ret_frame)
{
    struct topics_encoding *encoding = feed->subscriber->encoding;
    struct catch_up_set *set = &feed->topics->catch_up;
    struct frame_key key = {
        .seq = event->seq, .encoding = encoding->number, .topic_offset = (uint16_t)topic_offset};

    if (frame_cache_get(set->frames, &key, ret_frame))
        return true;
    if (!topics_encode(encoding->encoding, &encoding->replay_writer, event, ret_frame))
        return false;
    frame_cache_put(set->frames, &key, *ret_frame);
    return true;
}

static void feed_record(struct feed *feed, const struct record *record)
{
    struct record_topic name;
    struct event event;
    struct range frame;
    size_t offset = 0;
    size_t at = 0;

    if (record->kind != RECORD_EVENT || (record->flags & RECORD_FAILED) != 0)
        return;
    for (; record_topic_next(record, &offset, &name); at = offset) {
        const struct subscription *subscription = find_fed(feed, &name);

        if (subscription == NULL || record->seq <= subscription->position)
            continue;
        topics_event_of(record, &name, &event);
        if (!make_frame(feed, &event, at, &frame)) {
            feed->has_failed = true;
            return;
        }
        if (!frame_run_take(&feed->run, frame)) {
            push_run(feed);
            frame_run_clear(&feed->run);
            (void)frame_run_take(&feed->run, frame); /* an empty run takes any */
        }
    }
}

/*
 * Queues what @span has for the subscriber, behind @after_seq. Stops behind the operation that
 * brings the queue over its limit, and puts the cursor there.
 */
static void feed_span(struct topics *topics, struct catch_up *catch_up, const struct log_span *span,
                      uint64_t after_seq)
{
    struct feed feed = {.topics = topics, .subscriber = catch_up->subscriber};
    struct stream *stream = feed.subscriber->stream;
    uint64_t queue_bytes_max = *topics->options.queue_bytes_max;
    struct record record;

    mark_topics(&feed, true);
    for (size_t at = 0; at < span->bytes; at += record.length) {
        enum record_result result = record_decode(span->records + at, span->bytes - at, &record);

        CHECK(result == RECORD_OK);
        if (record.seq > span->last_seq || feed.has_failed)
            break;
        if (record.seq <= after_seq)
            continue;
        feed_record(&feed, &record);
        if (outq_is_over(&stream->out, queue_bytes_max) ||
            (uint64_t)outq_pinned_bytes(&stream->out) + feed.run.range.length > queue_bytes_max) {
            log_cursor_stop_at(&catch_up->cursor, span, at + record.length, record.seq);
            break;
        }
    }
    push_run(&feed);
    frame_run_clear(&feed.run);
    mark_topics(&feed, false);
    topics_count(topics, STAT_MESSAGES_DELIVERED, (int64_t)feed.delivered);
    if (feed.has_failed)
        stream_abort(stream); /* it has to come back and resume */
}

/* --- the turn --------------------------------------------------------------------------------- */

static size_t list_topics(const struct subscriber *subscriber, struct record_topic *topics)
{
    const struct subscription *subscription = subscriber->subscriptions;
    size_t count = 0;

    for (; subscription != NULL; subscription = subscription->next) {
        if (!subscription->is_lagging)
            continue;
        if (count == LOG_FILTER_TOPICS_MAX)
            return 0; /* all */
        topics[count++] = (struct record_topic){.name = subscription->topic->name,
                                                .bytes = subscription->topic->name_bytes};
    }
    return count;
}

/* Reads the next span and feeds it. Bytes read (0: none), or -errno. */
static ptrdiff_t read_and_feed(struct topics *topics, struct catch_up *catch_up)
{
    struct subscriber *subscriber = catch_up->subscriber;
    struct record_topic names[LOG_FILTER_TOPICS_MAX];
    struct log_filter filter = {.topics = names, .count = list_topics(subscriber, names)};
    struct log_cursor before = catch_up->cursor;
    uint64_t until_pos = topics->cursor.has_pos ? topics->cursor.pos : 0;
    struct log_span span = {0};
    int told = 0;
    int rc = log_reader_next(topics->reader, &catch_up->cursor, &filter, topics->cursor.seq,
                             until_pos, &span);

    if (rc >= 0 && catch_up->cursor.is_trimmed) {
        catch_up->cursor.is_trimmed = false;
        told = tell_gaps(topics, subscriber, before.seq);
    }
    if (rc < 0 || told < 0)
        return rc < 0 ? rc : told;
    if (told > 0 && rc > 0 && subscriber->catch_up != NULL) {
        /* Looking for the oldest may have used the reader: the span is read again. */
        catch_up->cursor = (struct log_cursor){.seq = before.seq};
        return 0;
    }
    if (rc > 0 && subscriber->catch_up != NULL)
        feed_span(topics, catch_up, &span, before.seq);
    return (ptrdiff_t)span.bytes;
}

static bool is_half_empty(const struct topics *topics, const struct subscriber *subscriber)
{
    return outq_is_half_empty(&subscriber->stream->out, *topics->options.queue_bytes_max);
}

/* One step for the first of those who are ready. What it cost of the budget. */
static size_t visit(struct topics *topics)
{
    struct catch_up_set *set = &topics->catch_up;
    struct catch_up *catch_up = set->ready;
    struct subscriber *subscriber = catch_up->subscriber;
    ptrdiff_t bytes;

    CHECK(catch_up->state == CATCH_UP_READY);
    if (stream_is_ending(subscriber->stream)) {
        enter_state(set, catch_up, CATCH_UP_WAITING);
        return STEP_COST_BYTES;
    }
    if (!is_half_empty(topics, subscriber)) {
        enter_state(set, catch_up, CATCH_UP_FED);
        return STEP_COST_BYTES;
    }
    bytes = read_and_feed(topics, catch_up);
    if (subscriber->catch_up == NULL) /* on_gap has ended what lagged */
        return STEP_COST_BYTES;
    if (bytes < 0 && bytes != -EAGAIN && bytes != -ENOMEM) {
        stream_abort(subscriber->stream); /* its part of the log cannot be read */
        enter_state(set, catch_up, CATCH_UP_WAITING);
        return STEP_COST_BYTES;
    }
    if (!is_half_empty(topics, subscriber))
        enter_state(set, catch_up, CATCH_UP_FED);
    else if (catch_up->cursor.seq >= topics->cursor.seq)
        go_live(topics, subscriber);
    else
        enter_state(set, catch_up, CATCH_UP_READY);
    return STEP_COST_BYTES + (bytes > 0 ? (size_t)bytes : 0);
}

void catch_up_judge(struct topics *topics)
{
    struct catch_up_set *set = &topics->catch_up;

    while (set->fed != NULL) {
        struct catch_up *catch_up = set->fed;

        if (is_half_empty(topics, catch_up->subscriber)) {
            enter_state(set, catch_up, CATCH_UP_READY);
        } else {
            enter_state(set, catch_up, CATCH_UP_WAITING);
            catch_up->subscriber->stream->wants_drained = true;
        }
    }
}

bool topics_catch_up(struct topics *topics, size_t budget_bytes)
{
    struct catch_up_set *set = &topics->catch_up;
    size_t spent = 0;

    if (set->count == 0) {
        if (set->idle_turns < IDLE_TURNS_MAX && ++set->idle_turns == IDLE_TURNS_MAX)
            drop_frames(topics);
        return false;
    }
    while (set->ready != NULL && spent < budget_bytes)
        spent += visit(topics);
    return set->ready != NULL || set->fed != NULL;
}

void subscriber_drained(struct topics *topics, struct subscriber *subscriber)
{
    struct catch_up *catch_up = subscriber->catch_up;

    if (catch_up != NULL && catch_up->state == CATCH_UP_WAITING)
        enter_state(&topics->catch_up, catch_up, CATCH_UP_READY);
}
