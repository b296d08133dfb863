/*
 * Live delivery: ring → frames → queues.
 *
 * Events of the same topic that follow each other are encoded one behind the other, and the whole
 * run is queued on each live subscription as one range: per client it costs one array entry and one
 * push, however many events it holds. A run ends when the topic changes, when the arena does (per
 * encoding) and with the span, so nothing is open when topics_turn returns.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "bus/record.h"
#include "bus/shm.h"
#include "server/topics/state.h"

enum {
    /* So far ahead of a push its stream is fetched, and half as far the ranges of its queue. */
    PREFETCH_AHEAD = 8,
    JUDGED_MIN = 64,
};

/* A walk over one span. */
struct delivery {
    struct topics *topics;
    enum topic_kind kind;     /* of the cursor that walks */
    uint32_t queue_bytes_max; /* the option, read once */
    uint64_t delivered;       /* messages queued */
    struct topic *topic;      /* of the run that is open; NULL: none */
    struct record_topic last; /* the name that was looked up last, so that a run looks up once */
    struct topic *last_topic; /* what it came to; NULL: nobody is subscribed */
};

struct ring_position topics_limit(const struct topics *topics)
{
    if (*topics->options.deliver_committed_only)
        return ring_committed(topics->options.bus);
    return ring_tail(topics->options.bus);
}

bool topics_encode(const struct encoding *encoding, struct arena_writer *writer,
                   const struct event *event, struct range *ret_frame)
{
    ptrdiff_t bytes_max = encoding->frame_bytes_max(encoding, event);
    uint8_t *out = bytes_max <= 0 ? NULL : arena_writer_reserve(writer, (size_t)bytes_max);
    size_t splice = 0;
    size_t bytes;

    if (out == NULL)
        return false;
    bytes = encoding->encode(encoding, event, out, &splice);
    CHECK(bytes <= (size_t)bytes_max);
    *ret_frame = arena_writer_commit(writer, bytes);
    return true;
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

/* Queues @frames frames on everybody in @list whose own position is before @seq. */
static void push_all(struct delivery *delivery, const struct live_list *list, struct range range,
                     uint32_t frames, uint64_t seq)
{
    bool is_for_all = seq > list->position_max;

    for (uint32_t i = 0; i < list->count; i++) {
        const struct live *live = &list->entries[i];
        struct stream *stream = live->stream;

        prefetch(list, i);
        if (stream_is_ending(stream) || (!is_for_all && seq <= live->subscription->position))
            continue;
        stream_push(stream, range);
        delivery->delivered += frames;
        if (outq_is_over(&stream->out, delivery->queue_bytes_max))
            judge_later(delivery->topics, live->subscription->subscriber);
    }
}

static void end_run(struct delivery *delivery, struct topics_encoding *state)
{
    if (state->run.frames == 0)
        return;
    /* A run is open only on events behind position_max. */
    push_all(delivery, state->list, state->run.range, state->run.frames, UINT64_MAX);
    frame_run_clear(&state->run);
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

/* Out of memory for one frame: whoever it was for has to come back and resume. */
static void abort_all(const struct live_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (!stream_is_ending(list->entries[i].stream))
            stream_abort(list->entries[i].stream);
    }
}

static void deliver_to(struct delivery *delivery, struct live_list *list, const struct event *event)
{
    struct topics_encoding *state = list->encoding;
    bool is_for_all = event->seq > list->position_max;
    struct range frame;

    state->list = list;
    if (!is_for_all)
        end_run(delivery, state);
    if (!topics_encode(state->encoding, &state->writer, event, &frame)) {
        end_run(delivery, state);
        abort_all(list);
    } else if (!is_for_all) {
        push_all(delivery, list, frame, 1, event->seq);
    } else if (!frame_run_take(&state->run, frame)) {
        end_run(delivery, state);
        (void)frame_run_take(&state->run, frame); /* an empty run takes any */
    }
}

static struct topic *look_up(struct delivery *delivery, const struct record_topic *name)
{
    if (name->bytes != delivery->last.bytes ||
        memcmp(name->name, delivery->last.name, name->bytes) != 0) {
        delivery->last = *name;
        delivery->last_topic =
            subscription_table_find(&delivery->topics->table, name->name, name->bytes);
    }
    return delivery->last_topic;
}

static void deliver_record(struct delivery *delivery, const struct record *record)
{
    struct record_topic name;
    struct event event;
    size_t offset = 0;

    if (record->kind != RECORD_EVENT || (record->flags & RECORD_FAILED) != 0)
        return;
    while (record_topic_next(record, &offset, &name)) {
        struct topic *topic = look_up(delivery, &name);

        if (topic == NULL || topic->lists == NULL || topic->kind != delivery->kind)
            continue;
        if (topic != delivery->topic) {
            end_runs(delivery);
            delivery->topic = topic;
        }
        topics_event_of(record, &name, &event);
        for (struct live_list *list = topic->lists; list != NULL; list = list->next)
            deliver_to(delivery, list, &event);
    }
}

static void deliver_span(struct topics *topics, const struct log_span *span, uint64_t after_seq)
{
    struct delivery delivery = {
        .topics = topics,
        .kind = TOPIC_PLAIN,
        .queue_bytes_max = *topics->options.queue_bytes_max,
        .last = {.name = "", .bytes = 0},
    };
    struct record record;

    for (size_t at = 0; at < span->bytes; at += record.length) {
        enum record_result result = record_decode(span->records + at, span->bytes - at, &record);

        CHECK(result == RECORD_OK); /* ring and store have judged it before */
        if (record.seq > span->last_seq)
            break;
        if (record.seq > after_seq)
            deliver_record(&delivery, &record);
    }
    end_runs(&delivery);
    topics_count(topics, STAT_MESSAGES_DELIVERED, (int64_t)delivery.delivered);
}

/* --- the turn --------------------------------------------------------------------------------- */

/*
 * The store cannot be read, and the ring no longer has what comes next. Live delivery goes on with
 * what is new; who was live finds out by catching up, one by one, what can still be had.
 */
static void skip_to(struct topics *topics, const struct ring_position *limit)
{
    catch_up_lag_all(topics);
    topics->cursor = (struct log_cursor){.seq = limit->seq, .pos = limit->pos, .has_pos = true};
}

bool topics_turn(struct topics *topics)
{
    struct log_cursor next = topics->cursor;
    struct ring_position limit = topics_limit(topics);
    struct log_span span;
    int rc = log_reader_next(topics->reader, &next, NULL, limit.seq, limit.pos, &span);

    if (rc == -EAGAIN || rc == -ENOMEM)
        return true;
    if (topics->cursor.has_pos && (!next.has_pos || next.is_trimmed))
        topics_count(topics, STAT_LAPPED, 1);
    if (rc < 0) {
        skip_to(topics, &limit);
    } else {
        if (next.is_trimmed) /* what retention took is told to each by catching up */
            catch_up_lag_all(topics);
        if (rc > 0)
            deliver_span(topics, &span, topics->cursor.seq);
        next.is_trimmed = false;
        topics->cursor = next;
    }
    bus_slot_set_cursor(topics->options.bus, topics->options.slot, topics->cursor.seq);
    return topics->cursor.seq < limit.seq;
}

/* One frame alone, however large, is what an empty queue takes. */
static bool is_one_frame(const struct outq *queue)
{
    return queue->count == 1 && queue->ranges[queue->head].arena->capacity > ARENA_BYTES;
}

void topics_judge(struct topics *topics)
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
}
