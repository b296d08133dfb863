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
 *          would come.
 * End      in the turn in which the cursor equals the worker's with the queue at most half of its
 *          limit they all become live; both cursors stand at an operation's boundary.
 * Callers  server/topics/ only.
 */
#ifndef SERVER_TOPICS_CATCH_UP_H
#define SERVER_TOPICS_CATCH_UP_H

#include <stddef.h>
#include <stdint.h>

#include "server/net/arena.h"
#include "server/topics/event.h"
#include "server/topics/frame_cache.h"
#include "server/topics/log_reader.h"

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
    uint32_t lagging_count; /* of the subscriber's subscriptions */
    uint8_t state;          /* enum catch_up_state */
};

struct catch_up_set {
    struct catch_up *ready; /* round robin */
    struct catch_up *fed;
    size_t count; /* of all states */
    struct frame_cache *frames;
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
/* The same for everybody: the worker's cursor has to leave something out. */
void catch_up_lag_all(struct topics *topics);

/* After the flush: who was fed is ready for more, or waits for its socket. */
void catch_up_judge(struct topics *topics);

/*
 * This topic's first seq still kept, or, when nothing of it is, a seq before which there is
 * nothing of it any more and that is at most one past the log's end.
 */
int catch_up_oldest(struct topics *topics, const char *topic, size_t topic_bytes,
                    uint64_t *ret_oldest);

#endif
