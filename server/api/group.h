/*
 * server/api/group.h - subscriptions that get the same: executed once per event, sent to all of them.
 *
 * Shape    a group is one operation in normal form, its variables, and so its topic. Its result of an
 *          event, {"data":…,"extensions":{"seq":"58","epoch":"…"}}, is made once and put into one frame
 *          per *style*, length of id and window of compression that its members have (an encoding of server/topics/ each, so
 *          that live delivery, catching up and slow readers are as everybody's); a member's id is
 *          spliced in.
 * Passed   events that the subscription does not deliver (model.h, enum model_delivery; `where`) are no
 * over     frames at all.
 * Errors   field errors are part of the result. An execution that fails for want of memory aborts its
 *          members' streams: who comes back resumes.
 * Memory   a group goes with its last member. It keeps the result of one event, so that all its styles
 *          execute it once; of all groups together GROUP_RESULTS_BYTES_MAX, the oldest are dropped. A
 *          member keeps a reference on its id, and so does what is queued with it.
 * Limits   GROUP_ID_BYTES_MAX of id; for all groups API_GROUP_STEPS a turn, and API_LIVE_BYTES_MAX of
 *          memory for what clients have given: beyond it there are no new ones.
 * Callers  transports, in the worker's thread.
 */
#ifndef SERVER_API_GROUP_H
#define SERVER_API_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/topics/topics.h"
#include "server/websocket/deflate.h"

struct arena;
struct group_style;
struct operation;
struct stream;
struct text;

enum {
    GROUP_ID_BYTES_MAX = 256, /* as JSON, quotes included */
    GROUP_RESULTS_BYTES_MAX = 16 * 1024 * 1024,
};

/* What stands around a result. */
enum group_style_kind {
    GROUP_TRANSPORT_WS, /* {"id":…,"type":"next","payload":…} */
    GROUP_OLD_WS,       /* {"id":…,"type":"data","payload":…} */
    GROUP_EVENT_STREAM, /* id: EPOCH-SEQ, event: next, data: … */
};

/* Embedded by a transport in its own struct per subscription; zeroed by group_join. */
struct group_member {
    struct spliced_subscriber spliced; /* .subscriber: as everybody's (gap, drained, done) */
    struct group_style *style;
};

struct group_join_options {
    struct stream *stream;
    enum group_style_kind style;
    enum deflate_window window; /* of a WebSocket: websocket_window */
    struct arena
        *id; /* all of it is one JSON string or number; NULL: GROUP_EVENT_STREAM has none */
    const struct subscriber_handlers *handlers;
    void *user;
    const struct resume *resume;
};

/*
 * Subscribes an operation of kind subscription that is not refused; it may be freed afterwards. As
 * with topics_subscribe the caller answers at once: no event comes before. @ret as there.
 *
 *   -EINVAL  its topic's name is invalid: the operation is refused now and has the error
 *   -E2BIG   too many subscriptions, or too large ones (API_LIVE_BYTES_MAX): likewise
 *   -ENOMEM, or what the store said: likewise, UNAVAILABLE
 */
int group_join(struct operation *operation, struct group_member *member,
               const struct group_join_options *options, struct subscribed *ret);
/* Unsubscribes. Safe on a zeroed member. */
void group_leave(struct group_member *member);

/* {"errors":[{"message":…,"extensions":{"code":"GAP","oldest":"40","epoch":"…"}}]} */
void group_write_gap(const struct group_member *member, uint64_t oldest, struct text *out);

#endif
