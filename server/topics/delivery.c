/*
 * Live delivery: log → frames → queues.
 *
 * Events of the same topic that follow each other are encoded one behind the other, and the whole
 * run is queued on each live subscription at once: per client it costs one array entry and one
 * push, however many events it holds. A run ends when the topic changes, when the arena does (per
 * encoding) and with the span, so nothing is open when topics_turn returns.
 *
 * A kind of topic in which nobody is live is not read for: its cursor stands at the end at once, and
 * the worker is not woken for it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus/check.h"
#include "bus/record.h"
#include "bus/shm.h"
#include "bus/wake.h"
#include "server/topics/state.h"

enum {
    /* So far ahead of a push its stream is fetched, and half as far the ranges of its queue. */
    PREFETCH_AHEAD = 8,
    JUDGED_MIN = 64,
    /* Asking the topic index for more costs more than reading the blocks that it would skip. */
    ROW_FILTER_MAX = 8,
    AGE_RUNS_MAX = 64,
};

/*
 * Events of a span whose age is still to be told: those that were appended together, one behind the
 * other, have the same time and are one run. So the clock is looked at once per span, or a few times.
 */
struct ages {
    uint32_t used;
    struct {
        int64_t time_ns;
        uint64_t count;
    } runs[AGE_RUNS_MAX];
};

/* A walk over one span. */
struct delivery {
    struct topics *topics;
    enum topic_kind kind;     /* of the cursor that walks */
    uint32_t queue_bytes_max; /* the option, read once */
    uint64_t delivered;       /* messages queued by the push that is going on ... */
    uint64_t delivered_by[STAT_PROTOCOL_CLIENTS]; /* ... and by all before it */
    struct ages *ages;
    struct topic *topic;      /* of the run that is open; NULL: none */
    struct record_topic last; /* the name that was looked up last, so that a run looks up once */
    struct topic *last_topic; /* what it came to; NULL: nobody is subscribed */
};

struct ring_position topics_limit(const struct topics *topics, enum topic_kind kind)
{
    if (kind == TOPIC_ROW || *topics->options.deliver_committed_only)
        return ring_committed(topics->options.bus);
    return ring_tail(topics->options.bus);
}

/*
 * What a COMMAND came to stands in the store. And of what is committed only the seq is exact: the
 * position may be that of the next commit.
 */
struct log_cursor topics_cursor_at(const struct topics *topics, enum topic_kind kind,
                                   const struct ring_position *limit)
{
    bool is_exact = kind == TOPIC_PLAIN && !*topics->options.deliver_committed_only;

    return (struct log_cursor){.seq = limit->seq, .pos = limit->pos, .has_pos = is_exact};
}

void topics_event_of(const struct record *record, const struct record_topic *topic,
                     struct event *ret_event)
{
    *ret_event = (struct event){
        .topic = topic->name,
        .topic_bytes = topic->bytes,
        .seq = record->seq,
        .time_ns = record->time_ns,
        .flags = record->flags,
        .payload = (const char *)record->payload,
        .payload_bytes = record->payload_bytes,
        .table = record->table,
    };
}

/* --- who is to be judged ---------------------------------------------------------------------- */

static int grow_judged(struct topics *topics)
{
    size_t capacity = topics->judged_capacity == 0 ? JUDGED_MIN : topics->judged_capacity * 2;
    struct subscriber **judged = realloc(topics->judged, capacity * sizeof(struct subscriber *));

    if (judged == NULL)
        return -ENOMEM;
    topics->judged = judged;
    topics->judged_capacity = capacity;
    return 0;
}

static void judge_later(struct topics *topics, struct subscriber *subscriber)
{
    if (subscriber->judged_index != UINT32_MAX)
        return;
    if (topics->judged_count == topics->judged_capacity && grow_judged(topics) != 0) {
        stream_abort(subscriber->stream); /* unjudged its queue would have no bound */
        return;
    }
    subscriber->judged_index = (uint32_t)topics->judged_count;
    topics->judged[topics->judged_count++] = subscriber;
}

void delivery_forget(struct topics *topics, struct subscriber *subscriber)
{
    struct subscriber *last;

    if (subscriber->judged_index == UINT32_MAX)
        return;
    CHECK(topics->judged[subscriber->judged_index] == subscriber);
    last = topics->judged[--topics->judged_count];
    topics->judged[subscriber->judged_index] = last;
    last->judged_index = subscriber->judged_index;
    subscriber->judged_index = UINT32_MAX;
}

/* --- queueing --------------------------------------------------------------------------------- */

static void prefetch(const struct live_list *list, uint32_t at)
{
    if (at + PREFETCH_AHEAD < list->count)
        __builtin_prefetch(list->entries[at + PREFETCH_AHEAD].stream, 1);
    if (at + PREFETCH_AHEAD / 2 < list->count)
        __builtin_prefetch(list->entries[at + PREFETCH_AHEAD / 2].stream->out.ranges, 1);
}

static void note_pushed(struct delivery *delivery, const struct live *live, uint32_t frames)
{
    delivery->delivered += frames;
    live->stream->messages_out += frames;
    if (outq_is_over(&live->stream->out, delivery->queue_bytes_max))
        judge_later(delivery->topics, live->subscription->subscriber);
}

/* Queues the run on everybody in @list whose own position is before @seq. */
static void push_shared(struct delivery *delivery, const struct live_list *list,
                        const struct frame_run *run, uint64_t seq)
{
    bool is_for_all = seq > list->position_max;

    for (uint32_t i = 0; i < list->count; i++) {
        const struct live *live = &list->entries[i];
        struct stream *stream = live->stream;

        prefetch(list, i);
        if (stream_is_ending(stream) || (!is_for_all && seq <= live->subscription->position))
            continue;
        stream_push(stream, run->range);
        note_pushed(delivery, live, run->frames);
    }
}

/* The same with each one's own bytes in every frame. */
static void push_spliced(struct delivery *delivery, struct live_list *list,
                         const struct frame_run *run, uint64_t seq)
{
    const struct range *splices = live_list_splices(list);
    bool is_for_all = seq > list->position_max;
    struct range pieces[FRAME_RUN_CUTS_MAX + 1];

    frame_run_split(run, pieces);
    for (uint32_t i = 0; i < list->count; i++) {
        const struct live *live = &list->entries[i];
        struct stream *stream = live->stream;

        prefetch(list, i);
        if (i + PREFETCH_AHEAD < list->count)
            __builtin_prefetch(splices[i + PREFETCH_AHEAD].arena, 1);
        if (stream_is_ending(stream) || (!is_for_all && seq <= live->subscription->position))
            continue;
        stream_push_spliced(stream, pieces, run->frames + 1, splices[i]);
        note_pushed(delivery, live, run->frames);
    }
}

static void push_run(struct delivery *delivery, struct topics_encoding *encoding, uint64_t seq)
{
    struct frame_run *run = &encoding->run;

    if (run->frames == 0)
        return;
    delivery->delivered = 0;
    if (run->cuts == NULL)
        push_shared(delivery, encoding->list, run, seq);
    else
        push_spliced(delivery, encoding->list, run, seq);
    frame_run_clear(run);
    delivery->delivered_by[encoding->encoding->protocol] += delivery->delivered;
}

/* A run stays open only on events behind position_max: they are for all. */
static void end_run(struct delivery *delivery, struct topics_encoding *encoding)
{
    push_run(delivery, encoding, UINT64_MAX);
}

static void end_runs(struct delivery *delivery)
{
    const struct live_list *list;

    if (delivery->topic == NULL)
        return;
    for (list = delivery->topic->lists; list != NULL; list = list->next)
        end_run(delivery, list->encoding);
    delivery->topic = NULL;
}

/* --- what is counted -------------------------------------------------------------------------- */

static int64_t realtime_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* this clock cannot fail */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void observe_ages(struct topics *topics, struct ages *ages)
{
    int64_t now_ns;

    if (ages->used == 0)
        return;
    now_ns = realtime_ns();
    for (uint32_t i = 0; i < ages->used; i++) {
        int64_t age_ns = now_ns - ages->runs[i].time_ns;

        /* The log's time may be ahead of a clock that was set back. */
        stat_observe(topics->options.bus, topics->options.slot, STAT_DELIVERY_TIME,
                     age_ns > 0 ? (uint64_t)age_ns : 0, ages->runs[i].count);
    }
    ages->used = 0;
}

/* An event that somebody is live for. */
static void note_age(struct delivery *delivery, int64_t time_ns)
{
    struct ages *ages = delivery->ages;

    if (ages->used > 0 && ages->runs[ages->used - 1].time_ns == time_ns) {
        ages->runs[ages->used - 1].count++;
        return;
    }
    if (ages->used == AGE_RUNS_MAX)
        observe_ages(delivery->topics, ages); /* a little early: the last of them are not queued */
    ages->runs[ages->used].time_ns = time_ns;
    ages->runs[ages->used].count = 1;
    ages->used++;
}

static void count_delivered(struct delivery *delivery)
{
    for (unsigned i = 0; i < STAT_PROTOCOL_CLIENTS; i++)
        topics_count(delivery->topics, stat_at(STAT_MESSAGES_DELIVERED, i),
                     (int64_t)delivery->delivered_by[i]);
    observe_ages(delivery->topics, delivery->ages);
}

/* --- events ----------------------------------------------------------------------------------- */

/* Out of memory for one frame: whoever it was for has to come back and resume. */
static void abort_all(const struct live_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (!stream_is_ending(list->entries[i].stream))
            stream_abort(list->entries[i].stream);
    }
}

/* Everybody in @list who has yet to get the event at @seq begins to lag right before it. */
static void lag_before(struct topics *topics, struct live_list *list, uint64_t seq)
{
    const struct log_cursor from = {.seq = seq - 1};
    uint32_t at = list->count;

    /* From the end: whoever leaves has his place taken by one that was looked at. */
    while (list != NULL && at-- > 0) {
        struct subscription *subscription = list->entries[at].subscription;

        if (subscription->position >= seq)
            continue;
        list = subscription_leave_live(&topics->table, subscription);
        if (catch_up_add(topics, subscription, &from) != 0)
            stream_abort(subscription->subscriber->stream); /* it would have a hole */
    }
}

static void deliver_to(struct delivery *delivery, struct live_list *list, const struct event *event)
{
    struct topics_encoding *encoding = list->encoding;
    bool is_for_all = event->seq > list->position_max;
    struct frame frame;
    int rc = encoding_encode_live(&delivery->topics->encodings, encoding, event, &frame);

    if (rc == 0)
        return;
    encoding->list = list;
    if (rc < 0) {
        end_run(delivery, encoding);
        if (rc == -EAGAIN)
            lag_before(delivery->topics, list, event->seq);
        else
            abort_all(list);
        return;
    }
    if (!is_for_all)
        end_run(delivery, encoding);
    if (!frame_run_take(&encoding->run, frame)) {
        end_run(delivery, encoding);
        (void)frame_run_take(&encoding->run, frame); /* an empty run takes any */
    }
    if (!is_for_all)
        push_run(delivery, encoding, event->seq);
}

static struct topic *look_up(struct delivery *delivery, const struct record_topic *name)
{
    if (name->bytes != delivery->last.bytes ||
        memcmp(name->name, delivery->last.name, name->bytes) != 0) {
        delivery->last = *name;
        delivery->last_topic = subscription_table_find(&delivery->topics->table, delivery->kind,
                                                       name->name, name->bytes);
    }
    return delivery->last_topic;
}

static void deliver_record(struct delivery *delivery, const struct record *record)
{
    struct record_topic name;
    struct event event;
    size_t offset = 0;
    bool is_wanted = false;

    if (!record_is_event(record))
        return;
    while (record_topic_next(record, &offset, &name)) {
        struct topic *topic = look_up(delivery, &name);
        struct live_list *next;

        if (topic == NULL || topic->lists == NULL)
            continue;
        is_wanted = true;
        if (topic != delivery->topic) {
            end_runs(delivery);
            delivery->topic = topic;
        }
        topics_event_of(record, &name, &event);
        for (struct live_list *list = topic->lists; list != NULL; list = next) {
            next = list->next; /* this one may go */
            deliver_to(delivery, list, &event);
        }
    }
    if (is_wanted)
        note_age(delivery, record->time_ns);
}

/* The worker's cursor has been moved over @span before: who begins to lag here is behind it. */
static void deliver_span(struct topics *topics, enum topic_kind kind, const struct log_span *span,
                         uint64_t after_seq)
{
    struct ages ages; /* beyond `used` nothing is looked at */
    struct delivery delivery = {
        .topics = topics,
        .ages = &ages,
        .kind = kind,
        .queue_bytes_max = *topics->options.queue_bytes_max,
        .last = {.name = "", .bytes = 0},
    };
    struct record record;
    size_t end = 0;

    ages.used = 0;
    while (log_span_next(span, &end, &record) && record.seq <= span->last_seq) {
        if (record.seq > after_seq)
            deliver_record(&delivery, &record);
    }
    end_runs(&delivery);
    count_delivered(&delivery);
}

/* --- the turn --------------------------------------------------------------------------------- */

/* The row topics that somebody is subscribed to; 0: there are too many to ask for. */
static size_t list_row_topics(const struct topics *topics, struct record_topic *names)
{
    const struct topic *topic = topics->table.topics[TOPIC_ROW];
    size_t count = 0;

    for (; topic != NULL; topic = topic->hh.next) {
        if (count == ROW_FILTER_MAX)
            return 0;
        names[count++] = (struct record_topic){.name = topic->name, .bytes = topic->name_bytes};
    }
    return count;
}

static int read_next(struct topics *topics, enum topic_kind kind, const struct ring_position *limit,
                     struct log_cursor *next, struct log_span *ret_span)
{
    struct record_topic names[ROW_FILTER_MAX];
    struct log_filter filter = {.topics = names};

    if (kind == TOPIC_PLAIN)
        return log_reader_next(topics->reader, next, NULL, limit->seq, limit->pos, ret_span);
    CHECK(!next->has_pos); /* in the ring a COMMAND is not what it came to */
    filter.count = list_row_topics(topics, names);
    return log_reader_next(topics->reader, next, &filter, limit->seq, 0, ret_span);
}

/* One step of the cursor of that kind; true when more is waiting. */
static bool move_cursor(struct topics *topics, enum topic_kind kind)
{
    struct log_cursor *cursor = &topics->cursors[kind];
    struct log_cursor before = *cursor;
    struct log_cursor next = *cursor;
    struct ring_position limit = topics_limit(topics, kind);
    struct log_span span;
    int rc;

    if (cursor->seq >= limit.seq)
        return false;
    if (topics->table.live_counts[kind] == 0) {
        *cursor = topics_cursor_at(topics, kind, &limit);
        return false;
    }
    rc = read_next(topics, kind, &limit, &next, &span);
    if (rc == -EAGAIN || rc == -ENOMEM)
        return true;
    if (before.has_pos && (!next.has_pos || next.is_trimmed))
        topics_count(topics, STAT_LAPPED, 1);
    if (rc < 0) {
        /* The store cannot be read, and the ring no longer has what comes next. Live delivery goes on
           with what is new; who was live finds out, one by one, what can still be had. */
        catch_up_lag_all(topics, kind);
        *cursor = topics_cursor_at(topics, kind, &limit);
        return false;
    }
    if (next.is_trimmed) /* what retention took is told to each by catching up */
        catch_up_lag_all(topics, kind);
    next.is_trimmed = false;
    *cursor = next;
    if (rc > 0)
        deliver_span(topics, kind, &span, before.seq);
    return cursor->seq < limit.seq;
}

/*
 * Retention waits for what the slot says. So it says it a turn late: whoever waits for the answer to a
 * COMMAND behind the cursor has had it by then, and who could not be served at once has begun to catch up.
 */
static void report_cursor(struct topics *topics)
{
    uint64_t plain_seq = topics->cursors[TOPIC_PLAIN].seq;
    uint64_t row_seq = topics->cursors[TOPIC_ROW].seq;

    bus_slot_set_cursor(topics->options.bus, topics->options.slot,
                        plain_seq < row_seq ? plain_seq : row_seq);
}

bool topics_turn(struct topics *topics)
{
    bool has_more;

    encoding_set_turn(&topics->encodings);
    report_cursor(topics);
    has_more = move_cursor(topics, TOPIC_PLAIN);
    has_more |= move_cursor(topics, TOPIC_ROW);
    return has_more;
}

bool topics_has_news(const struct topics *topics)
{
    for (enum topic_kind kind = TOPIC_PLAIN; kind < TOPIC_KINDS; kind++) {
        if (topics->table.live_counts[kind] > 0 &&
            topics->cursors[kind].seq < topics_limit(topics, kind).seq)
            return true;
    }
    return false;
}

unsigned topics_wake_reasons(const struct topics *topics)
{
    unsigned reasons = 0;

    if (topics->table.live_counts[TOPIC_PLAIN] > 0)
        reasons |=
            *topics->options.deliver_committed_only ? (unsigned)WAKE_COMMIT : (unsigned)WAKE_TAIL;
    if (topics->table.live_counts[TOPIC_ROW] > 0)
        reasons |= (unsigned)WAKE_COMMIT;
    return reasons;
}

/* --- judging ---------------------------------------------------------------------------------- */

/* One frame alone, however large, is what an empty queue takes; a spliced one is three ranges. */
static bool is_one_frame(const struct outq *queue)
{
    const struct range *first = &queue->ranges[queue->head];
    const struct range *last =
        &queue->ranges[(queue->head + queue->count - 1) & (queue->capacity - 1)];

    return queue->count <= 3 && first->arena == last->arena && first->arena->capacity > ARENA_BYTES;
}

bool topics_judge(struct topics *topics)
{
    catch_up_judge(topics);
    while (topics->judged_count > 0) {
        struct subscriber *subscriber = topics->judged[topics->judged_count - 1];
        const struct outq *queue = &subscriber->stream->out;

        delivery_forget(topics, subscriber);
        if (stream_is_ending(subscriber->stream) ||
            !outq_is_over(queue, *topics->options.queue_bytes_max) || is_one_frame(queue))
            continue;
        catch_up_lag(topics, subscriber);
        topics_count(topics, STAT_BECAME_LAGGING, 1);
    }
    return topics->catch_up.ready != NULL;
}
