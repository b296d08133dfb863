/*
 * server/topics/catch_up.h - lagging subscriptions: fed from the log at their client's own pace.
 *
 * Shape    a subscriber that has lagging subscriptions has one struct catch_up with the one cursor
 *          that they share. Everything up to the greater of that cursor's seq and a subscription's
 *          own position has been queued for it.
 *
 *            ready ──a step, queue over half──▶ fed ──after the flush, queue over half──▶ waiting
 *              ▲                                 │ at most half                             │
 *              └─────────────────────────────────┴────────────── subscriber_drained ────────┘
 *
 *          fed exists because the next flush may empty the queue at once, and then no on_drained
 *          would come; and for who met an event that has no frame in this turn.
 * Kinds    while a row topic's subscription is among them the cursor reads the store only, up to
 *          the worker's cursor of row topics. It never passes that of a kind that lags.
 * End      in the turn in which it has come as far as the worker's cursor of a kind, with the queue
 *          at most half of its limit, all of that kind become live; both cursors stand at an
 *          operation's boundary.
 * Callers  server/topics/ only.
 */
#ifndef SERVER_TOPICS_CATCH_UP_H
#define SERVER_TOPICS_CATCH_UP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/net/arena.h"
#include "server/topics/frame_cache.h"
#include "server/topics/log_reader.h"
#include "server/topics/subscriptions.h"

struct subscriber;
struct subscription;
struct topics;

enum catch_up_state {
    CATCH_UP_READY,   /* in its list: a step may be made */
    CATCH_UP_FED,     /* in its list: judged after the next flush */
    CATCH_UP_WAITING, /* in no list: for its socket */
};

struct catch_up {
    struct catch_up *prev; /* utlist, of ready or fed */
    struct catch_up *next;
    struct subscriber *subscriber;
    struct log_cursor cursor;
    uint16_t lagging_counts[TOPIC_KINDS]; /* of the subscriber's subscriptions */
    uint8_t state;                        /* enum catch_up_state */
    bool is_put_off; /* its last step met an event that has no frame in this turn */
};

struct catch_up_set {
    struct catch_up *ready; /* round robin */
    struct catch_up *fed;
    size_t count;             /* of all states */
    struct catch_up *visited; /* whose step is under way; NULL: none, or it is gone */
    struct frame_cache *frames;
    /* Frames of replays have an arena of their own: mixed with live ones both would be in pieces. */
    struct arena_writer arena;
    uint32_t idle_turns; /* in a row with nobody lagging */
};

int catch_up_set_open(struct catch_up_set *set);
/* Nobody may lag any more. */
void catch_up_set_close(struct catch_up_set *set);

/*
 * Makes a subscription that is not live lag behind @from; what it has had up to its own position is
 * not sent again. 0 or -ENOMEM.
 */
int catch_up_add(struct topics *topics, struct subscription *subscription,
                 const struct log_cursor *from);
/* It is neither live nor lagging then. The last one of a subscriber frees its catch_up. */
void catch_up_remove(struct topics *topics, struct subscription *subscription);

/*
 * All live subscriptions of @subscriber begin to lag behind the worker's cursor. When there is no
 * memory for that, its stream is aborted: a client that has to come back loses nothing.
 */
void catch_up_lag(struct topics *topics, struct subscriber *subscriber);
/* All of one kind (enum topic_kind): the worker's cursor has to leave something out. */
void catch_up_lag_all(struct topics *topics, unsigned kind);

/* After the flush: who was fed is ready for more, or waits for its socket. */
void catch_up_judge(struct topics *topics);

#endif
