/*
 * server/topics/state.h - one worker's topics: what the files of this folder share.
 *
 * topics.c opens, closes and subscribes; delivery.c moves the worker's cursor; catch_up.c moves
 * everybody else's.
 */
#ifndef SERVER_TOPICS_STATE_H
#define SERVER_TOPICS_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/ring.h"
#include "bus/stats.h"
#include "server/net/arena.h"
#include "server/net/stream.h"
#include "server/topics/catch_up.h"
#include "server/topics/log_reader.h"
#include "server/topics/subscriptions.h"
#include "server/topics/topics.h"

/* Frames of one encoding that lie one behind the other, to be queued as one range. */
struct frame_run {
    struct range range; /* holds a reference while frames > 0 */
    uint32_t frames;
};

/* Takes the frame in; false when it does not lie behind the run's end (which is then unchanged). */
static inline bool frame_run_take(struct frame_run *run, struct range frame)
{
    if (run->frames == 0) {
        arena_ref(frame.arena);
        run->range = frame;
    } else if (run->range.arena == frame.arena &&
               run->range.offset + run->range.length == frame.offset) {
        run->range.length += frame.length;
    } else {
        return false;
    }
    run->frames++;
    return true;
}

static inline void frame_run_clear(struct frame_run *run)
{
    if (run->frames > 0)
        arena_unref(run->range.arena);
    *run = (struct frame_run){0};
}

struct topics_encoding {
    struct topics_encoding *prev; /* utlist, of all in use */
    struct topics_encoding *next;
    const struct encoding *encoding;
    uint64_t number;            /* never given again: what its frames are kept by */
    struct arena_writer writer; /* of live frames */
    /* Frames of replays have an arena of their own: mixed with live ones both would be in pieces. */
    struct arena_writer replay_writer;
    struct frame_run run; /* of the topic that delivery is at, for list */
    struct live_list *list;
};

struct topics {
    struct topics_options options;
    struct subscription_table table;
    struct topics_encoding *encodings;
    uint64_t encoding_number; /* that was given last */
    struct log_cursor cursor; /* the worker's; everything up to it is queued for who is live */
    struct log_reader *reader;
    struct catch_up_set catch_up;
    struct subscriber **judged; /* pushed over their limit in this turn */
    size_t judged_count;
    size_t judged_capacity;
};

/* How far events may be delivered now. */
struct ring_position topics_limit(const struct topics *topics);

/* Encodes @event behind the others in @writer's arena; false: no memory. */
bool topics_encode(const struct encoding *encoding, struct arena_writer *writer,
                   const struct event *event, struct range *ret_frame);
/* The event that subscribers of @topic get of @record. */
void topics_event_of(const struct record *record, const struct record_topic *topic,
                     struct event *ret_event);

/* Takes @subscriber out of the list of those to be judged. */
void delivery_forget(struct topics *topics, struct subscriber *subscriber);

static inline void topics_count(struct topics *topics, enum stat_id stat, int64_t delta)
{
    if (delta != 0)
        stat_add(topics->options.bus, topics->options.slot, stat, delta);
}

/* Whether nothing may be queued on it any more. */
static inline bool stream_is_ending(const struct stream *stream)
{
    return stream->is_sealed || stream->is_finishing || stream->is_closed;
}

#endif
