#include "server/topics/catch_up.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "bus/check.h"
#include "bus/record.h"
#include "server/topics/gaps.h"
#include "server/topics/state.h"

enum {
    STEP_COST_BYTES = 1024, /* what a step costs beside the bytes it reads */
    IDLE_TURNS_MAX = 64,    /* then the frames kept for others are given back */
};

int catch_up_set_open(struct catch_up_set *set)
{
    *set = (struct catch_up_set){0};
    return frame_cache_open(&set->frames);
}

static void drop_frames(struct catch_up_set *set)
{
    frame_cache_clear(set->frames);
    arena_writer_done(&set->arena);
}

void catch_up_set_close(struct catch_up_set *set)
{
    CHECK(set->count == 0);
    arena_writer_done(&set->arena);
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
    unsigned kind = subscription->topic->kind;

    CHECK(!subscription->is_lagging);
    CHECK(subscription->live_index == UINT32_MAX);
    CHECK(from->seq <= topics->cursors[kind].seq);
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
    catch_up->lagging_counts[kind]++;
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
    catch_up->lagging_counts[subscription->topic->kind]--;
    if (catch_up->lagging_counts[TOPIC_PLAIN] > 0 || catch_up->lagging_counts[TOPIC_ROW] > 0)
        return;
    leave_lists(&topics->catch_up, catch_up);
    topics->catch_up.count--;
    if (topics->catch_up.visited == catch_up)
        topics->catch_up.visited = NULL;
    subscription->subscriber->catch_up = NULL;
    free(catch_up);
}

/* From live to lagging behind the worker's cursor. */
static int lag_one(struct topics *topics, struct subscription *subscription)
{
    (void)subscription_leave_live(&topics->table, subscription);
    return catch_up_add(topics, subscription, &topics->cursors[subscription->topic->kind]);
}

void catch_up_lag(struct topics *topics, struct subscriber *subscriber)
{
    struct subscription *subscription = subscriber->subscriptions;
    int rc = 0;

    for (; subscription != NULL && rc == 0; subscription = subscription->next) {
        if (subscription->live_index != UINT32_MAX)
            rc = lag_one(topics, subscription);
    }
    if (rc != 0)
        stream_abort(subscriber->stream);
}

void catch_up_lag_all(struct topics *topics, unsigned kind)
{
    for (struct topic *topic = topics->table.topics[kind]; topic != NULL; topic = topic->hh.next) {
        while (topic->lists != NULL) {
            struct subscription *subscription = topic->lists->entries[0].subscription;

            if (lag_one(topics, subscription) != 0)
                stream_abort(subscription->subscriber->stream);
        }
    }
}

/* Those that the shared cursor has brought to where the worker's of their kind stands. */
static void go_live(struct topics *topics, struct subscriber *subscriber)
{
    uint64_t seq = subscriber->catch_up->cursor.seq;
    struct subscription *subscription = subscriber->subscriptions;

    for (; subscription != NULL; subscription = subscription->next) {
        uint64_t cursor_seq = topics->cursors[subscription->topic->kind].seq;

        if (!subscription->is_lagging || seq < cursor_seq)
            continue;
        CHECK(seq == cursor_seq);
        catch_up_remove(topics, subscription);
        if (subscription_go_live(&topics->table, subscription) != 0)
            stream_abort(subscriber->stream); /* it would have a hole */
    }
}

/* --- feeding ---------------------------------------------------------------------------------- */

/* A walk over one span for one subscriber. */
struct feed {
    struct topics *topics;
    struct subscriber *subscriber;
    const struct topic *sole; /* when only one lags: no table is needed. Else NULL */
    struct frame_run run;
    uint32_t cuts[FRAME_RUN_CUTS_MAX];
    uint64_t delivered;
};

static void count_fed(const struct feed *feed)
{
    enum stat_protocol protocol = feed->subscriber->encoding->encoding->protocol;

    topics_count(feed->topics, stat_at(STAT_MESSAGES_DELIVERED, protocol),
                 (int64_t)feed->delivered);
    topics_count(feed->topics, STAT_REPLAYED, (int64_t)feed->delivered);
}

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

static struct subscription *find_fed(const struct feed *feed, const struct record_topic *name)
{
    const struct topic *topic = feed->sole;
    const uint16_t *lagging_counts = feed->subscriber->catch_up->lagging_counts;

    if (topic != NULL) {
        if (name->bytes != topic->name_bytes || memcmp(name->name, topic->name, name->bytes) != 0)
            return NULL;
        return topic->fed;
    }
    for (enum topic_kind kind = TOPIC_PLAIN; kind < TOPIC_KINDS && topic == NULL; kind++) {
        if (lagging_counts[kind] > 0)
            topic = subscription_table_find(&feed->topics->table, kind, name->name, name->bytes);
    }
    return topic == NULL ? NULL : topic->fed;
}

static void push_run(struct feed *feed)
{
    struct stream *stream = feed->subscriber->stream;
    struct range pieces[FRAME_RUN_CUTS_MAX + 1];

    if (feed->run.frames == 0)
        return;
    if (!stream_is_ending(stream)) {
        if (feed->run.cuts == NULL) {
            stream_push(stream, feed->run.range);
        } else {
            frame_run_split(&feed->run, pieces);
            stream_push_spliced(stream, pieces, feed->run.frames + 1,
                                ((struct spliced_subscriber *)(void *)feed->subscriber)->splice);
        }
        feed->delivered += feed->run.frames;
        stream->messages_out += feed->run.frames;
    }
    frame_run_clear(&feed->run);
}

/* As encoding_encode. That there is no frame of an event is kept, too. */
static int make_frame(struct feed *feed, const struct event *event, size_t topic_offset,
                      struct frame *ret_frame)
{
    const struct topics_encoding *encoding = feed->subscriber->encoding;
    struct catch_up_set *set = &feed->topics->catch_up;
    struct frame_key key = {
        .seq = event->seq, .encoding = encoding->number, .topic_offset = (uint16_t)topic_offset};
    int rc;

    if (frame_cache_get(set->frames, &key, ret_frame))
        return ret_frame->range.length > 0 ? 1 : 0;
    *ret_frame = (struct frame){0};
    rc = encoding_encode(encoding, &set->arena, event, ret_frame);
    if (rc >= 0)
        frame_cache_put(set->frames, &key, ret_frame);
    return rc;
}

/*
 * 0, or as encoding_encode: then those of its topics that came before the one in question have been
 * queued, and their subscriptions say so.
 */
static int feed_record(struct feed *feed, const struct record *record)
{
    struct record_topic name;
    struct event event;
    struct frame frame;
    size_t offset = 0;
    size_t at = 0;
    int rc;

    if (!record_is_event(record))
        return 0;
    for (; record_topic_next(record, &offset, &name); at = offset) {
        struct subscription *subscription = find_fed(feed, &name);

        if (subscription == NULL || record->seq <= subscription->position)
            continue;
        topics_event_of(record, &name, &event);
        rc = make_frame(feed, &event, at, &frame);
        if (rc < 0)
            return rc;
        subscription->position = record->seq;
        if (rc > 0 && !frame_run_take(&feed->run, frame)) {
            push_run(feed);
            (void)frame_run_take(&feed->run, frame); /* an empty run takes any */
        }
    }
    return 0;
}

static bool is_full(const struct feed *feed)
{
    const struct outq *queue = &feed->subscriber->stream->out;
    uint64_t bytes_max = *feed->topics->options.queue_bytes_max;

    return outq_is_over(queue, bytes_max) ||
           (uint64_t)outq_pinned_bytes(queue) + feed->run.range.length > bytes_max;
}

/*
 * Queues what @span has for the subscriber, behind @after_seq. Stops behind the operation that
 * brings the queue over its limit, or before one of which there is no frame in this turn, and puts
 * the cursor there.
 */
static void feed_span(struct topics *topics, struct catch_up *catch_up, const struct log_span *span,
                      uint64_t after_seq)
{
    struct feed feed = {.topics = topics, .subscriber = catch_up->subscriber};
    struct record record;
    size_t end = 0;
    int rc = 0;

    if (feed.subscriber->encoding->encoding->is_spliced) {
        feed.run.cuts = feed.cuts;
        feed.run.cuts_max = FRAME_RUN_CUTS_MAX;
    }
    mark_topics(&feed, true);
    while (rc == 0 && log_span_next(span, &end, &record) && record.seq <= span->last_seq) {
        if (record.seq <= after_seq)
            continue;
        rc = feed_record(&feed, &record);
        if (rc != 0) {
            log_cursor_stop_at(&catch_up->cursor, span, end - record.length, record.seq - 1);
        } else if (is_full(&feed)) {
            log_cursor_stop_at(&catch_up->cursor, span, end, record.seq);
            break;
        }
    }
    push_run(&feed);
    mark_topics(&feed, false);
    count_fed(&feed);
    catch_up->is_put_off = rc == -EAGAIN;
    if (rc != 0 && rc != -EAGAIN)
        stream_abort(feed.subscriber->stream); /* it has to come back and resume */
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

/*
 * Up to the cursor of each kind that lags. A row topic's events are read from the store: in the ring
 * a COMMAND is not what it came to.
 */
static int read_span(struct topics *topics, struct catch_up *catch_up, struct log_span *ret_span)
{
    struct record_topic names[LOG_FILTER_TOPICS_MAX];
    struct log_filter filter = {.topics = names, .count = list_topics(catch_up->subscriber, names)};
    const struct log_cursor *plain = &topics->cursors[TOPIC_PLAIN];
    uint64_t until_pos = plain->has_pos ? plain->pos : 0;
    uint64_t until_seq = UINT64_MAX;
    uint64_t reads;
    int rc;

    for (size_t kind = 0; kind < TOPIC_KINDS; kind++) {
        if (catch_up->lagging_counts[kind] > 0 && topics->cursors[kind].seq < until_seq)
            until_seq = topics->cursors[kind].seq;
    }
    if (catch_up->lagging_counts[TOPIC_ROW] > 0) {
        catch_up->cursor.has_pos = false;
        until_pos = 0;
    }
    reads = log_reader_store_reads(topics->reader);
    rc =
        log_reader_next(topics->reader, &catch_up->cursor, &filter, until_seq, until_pos, ret_span);
    topics_count(topics, STAT_REPLAY_READS,
                 (int64_t)(log_reader_store_reads(topics->reader) - reads));
    return rc;
}

/* Reads the next span and feeds it. Bytes read (0: none), or -errno. */
static ptrdiff_t read_and_feed(struct topics *topics, struct catch_up *catch_up)
{
    const struct catch_up_set *set = &topics->catch_up;
    uint64_t after_seq = catch_up->cursor.seq;
    struct log_span span = {0};
    int told = 0;
    int rc = read_span(topics, catch_up, &span);

    if (rc >= 0 && catch_up->cursor.is_trimmed) {
        catch_up->cursor.is_trimmed = false;
        told = gaps_tell(topics, catch_up->subscriber, after_seq);
    }
    if (rc < 0 || told < 0)
        return rc < 0 ? rc : told;
    if (set->visited == NULL)
        return 0;
    if (told > 0 && rc > 0) {
        /* Looking for the oldest may have used the reader: the span is read again. */
        catch_up->cursor = (struct log_cursor){.seq = after_seq};
        return 0;
    }
    if (rc > 0)
        feed_span(topics, catch_up, &span, after_seq);
    return (ptrdiff_t)span.bytes;
}

static bool is_half_empty(const struct topics *topics, const struct subscriber *subscriber)
{
    return outq_is_half_empty(&subscriber->stream->out, *topics->options.queue_bytes_max);
}

static void step(struct topics *topics, struct catch_up *catch_up, size_t *spent)
{
    struct catch_up_set *set = &topics->catch_up;
    struct subscriber *subscriber = catch_up->subscriber;
    ptrdiff_t bytes;

    catch_up->is_put_off = false;
    bytes = read_and_feed(topics, catch_up);
    if (set->visited == NULL) /* on_gap has ended what lagged, or more */
        return;
    if (bytes < 0 && bytes != -EAGAIN && bytes != -ENOMEM) {
        stream_abort(subscriber->stream); /* its part of the log cannot be read */
        enter_state(set, catch_up, CATCH_UP_WAITING);
        return;
    }
    *spent += bytes > 0 ? (size_t)bytes : 0;
    if (!is_half_empty(topics, subscriber)) {
        enter_state(set, catch_up, CATCH_UP_FED);
        return;
    }
    go_live(topics, subscriber);
    if (set->visited != NULL)
        enter_state(set, catch_up, catch_up->is_put_off ? CATCH_UP_FED : CATCH_UP_READY);
}

/* One step for the first of those who are ready. What it cost of the budget. */
static size_t visit(struct topics *topics)
{
    struct catch_up_set *set = &topics->catch_up;
    struct catch_up *catch_up = set->ready;
    size_t spent = STEP_COST_BYTES;

    CHECK(catch_up->state == CATCH_UP_READY);
    if (stream_is_ending(catch_up->subscriber->stream)) {
        enter_state(set, catch_up, CATCH_UP_WAITING);
    } else if (!is_half_empty(topics, catch_up->subscriber)) {
        enter_state(set, catch_up, CATCH_UP_FED);
    } else {
        set->visited = catch_up;
        step(topics, catch_up, &spent);
        set->visited = NULL;
    }
    return spent;
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
            drop_frames(set);
        return false;
    }
    while (set->ready != NULL && spent < budget_bytes)
        spent += visit(topics);
    return set->ready != NULL || set->fed != NULL;
}

uint32_t subscriber_lagging_count(const struct subscriber *subscriber)
{
    const struct catch_up *catch_up = subscriber->catch_up;
    uint32_t count = 0;

    for (size_t kind = 0; catch_up != NULL && kind < TOPIC_KINDS; kind++)
        count += catch_up->lagging_counts[kind];
    return count;
}

void subscriber_drained(struct topics *topics, struct subscriber *subscriber)
{
    struct catch_up *catch_up = subscriber->catch_up;

    if (catch_up != NULL && catch_up->state == CATCH_UP_WAITING)
        enter_state(&topics->catch_up, catch_up, CATCH_UP_READY);
}
