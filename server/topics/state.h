/*
 * server/topics/state.h - one worker's topics: what the files of this folder share.
 *
 * topics.c opens, closes and subscribes; delivery.c moves the worker's cursors; catch_up.c moves
 * everybody else's.
 */
#ifndef SERVER_TOPICS_STATE_H
#define SERVER_TOPICS_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/ring.h"
#include "bus/stats.h"
#include "server/net/stream.h"
#include "server/topics/catch_up.h"
#include "server/topics/encodings.h"
#include "server/topics/log_reader.h"
#include "server/topics/subscriptions.h"
#include "server/topics/topics.h"

struct topics {
    struct topics_options options;
    struct subscription_table table;
    struct encoding_set encodings;
    /* The worker's; everything of that kind up to it is queued for who is live. */
    struct log_cursor cursors[TOPIC_KINDS];
    struct log_reader *reader;
    struct catch_up_set catch_up;
    struct subscriber **judged; /* pushed over their limit in this turn */
    size_t judged_count;
    size_t judged_capacity;
};

/* How far events of that kind may be delivered now. */
struct ring_position topics_limit(const struct topics *topics, enum topic_kind kind);
/* A cursor that stands there. */
struct log_cursor topics_cursor_at(const struct topics *topics, enum topic_kind kind,
                                   const struct ring_position *limit);

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
