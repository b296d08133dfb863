/*
 * server/topics/topics.h - who gets what: subscriptions, live delivery and catching up.
 *
 * Shape    a topic that somebody of this worker is subscribed to has an entry with one array of
 *          live subscriptions per encoding. A subscriber is a connection as seen from here: its
 *          stream, its encoding, its subscriptions. A subscription is live (gets what the
 *          worker's cursor passes) or lagging (is fed from the log at its own pace).
 * Turn     topics_turn reads at most 64 KiB of the ring, encodes each event once per encoding that
 *          needs it, and queues ranges; topics_catch_up feeds lagging subscribers within a byte
 *          budget; topics_judge, after the flush, makes those whose queue is over the limit lag.
 * Kinds    a *row topic* is one that a change of a row may be published to; all others are plain. Two
 *          cursors read the log: one delivers plain topics up to the ring's tail, one row topics up to
 *          committed_seq, from the store, where a COMMAND stands as its results. So mutations and slow
 *          disks hold back row events only, and the order within a topic is the log's. What somebody
 *          else publishes to a row topic comes with the second one.
 * Order    an event is passed on in seq order; a run of events for the same topic costs one range
 *          per subscriber. Each subscription skips everything at or before its own position.
 * Memory   no per-client copy of a message, nothing allocated per delivered message per client.
 * Callers  one struct topics per worker. DESIGN section 6.
 */
#ifndef SERVER_TOPICS_TOPICS_H
#define SERVER_TOPICS_TOPICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/topics/event.h"

struct bus;
struct store;
struct stream;
struct hash_counts;
struct topics;
struct topics_encoding; /* an encoding in use: its arena, its runs */
struct subscriber;
struct subscription;

struct topics_options {
    struct bus *bus;
    struct store *store;        /* this worker's read-only one */
    struct hash_counts *counts; /* subscribers of all workers, by the hash of the topic's name */
    uint64_t hash_seed;         /* a secret, the same in all workers */
    unsigned slot;
    const uint32_t *queue_bytes_max;    /* --max-queue; read at each use: a reload may change it */
    const uint32_t *subscriptions_max;  /* --max-subscriptions */
    const bool *deliver_committed_only; /* durability = committed */
    /* Whether a topic is a row topic; always the same for the same name. NULL: none is. */
    bool (*is_row_topic)(const void *user, const char *topic, size_t topic_bytes);
    const void *is_row_topic_user;
};

int topics_open(const struct topics_options *options, struct topics **ret_topics);
void topics_close(struct topics *topics);
/* @encoding must stay until it is removed. NULL: no memory. An idle one costs some 100 bytes. */
struct topics_encoding *topics_add_encoding(struct topics *topics, const struct encoding *encoding);
/* Nobody may be subscribed with it any more. NULL is fine. */
void topics_remove_encoding(struct topics *topics, struct topics_encoding *encoding);

/* --- subscribers -------------------------------------------------------------------------- */

struct subscriber_handlers {
    /*
     * Retention overtook it: the next event it gets is @oldest or later. May queue on the stream,
     * finish or abort it, unsubscribe from this very topic, or end the whole subscriber, whose memory
     * may then be given back, and its encoding removed; nothing else.
     */
    void (*on_gap)(void *user, const char *topic, size_t topic_bytes, uint64_t oldest);
};

/*
 * Embedded in a protocol's session (56 bytes); zeroed by subscriber_init. A stream may have several
 * (one per GraphQL operation): each is judged and catches up by itself.
 */
struct subscriber {
    struct stream *stream;
    const struct subscriber_handlers *handlers;
    void *user;
    struct subscription *subscriptions; /* list */
    struct catch_up *catch_up; /* its shared cursor while something is lagging; else NULL */
    struct topics_encoding *encoding;
    uint32_t judged_index; /* in the list of those to be judged after the flush; UINT32_MAX: not */
    uint16_t subscription_count;
    uint16_t row_count; /* of those: on row topics */
};

/*
 * With a spliced encoding: a subscriber with the bytes of its own, at least one. The owner keeps their
 * reference.
 */
struct spliced_subscriber {
    struct subscriber subscriber;
    struct range splice;
};

/* @encoding may be NULL when it never subscribes. */
void subscriber_init(struct subscriber *subscriber, struct stream *stream,
                     struct topics_encoding *encoding, const struct subscriber_handlers *handlers,
                     void *user);
/* Ends all its subscriptions. Safe when it has none. */
void subscriber_done(struct topics *topics, struct subscriber *subscriber);
/* To be called from the stream's on_drained: feeding may go on. */
void subscriber_drained(struct topics *topics, struct subscriber *subscriber);
/* How many of its subscription_count are fed from the log. */
uint32_t subscriber_lagging_count(const struct subscriber *subscriber);

/* Where a subscription shall begin. */
struct resume {
    bool has_since;
    bool has_epoch;
    uint64_t since;
    uint64_t epoch;
};

/* What the `subscribed` answer says; PROTOCOLS section 3. */
struct subscribed {
    uint64_t seq;
    uint64_t epoch;
    bool has_recovered;
    bool recovered;
    bool was_subscribed; /* already: nothing has changed */
    uint64_t gap_oldest; /* not 0: tell the gap right after the answer (on_gap is not called) */
};

/*
 * Subscribes. The answer must be queued by the caller at once: no event comes before the next
 * topics_turn or topics_catch_up.
 *
 *   -EEXIST  subscribed already and @resume has since
 *   -E2BIG   too many subscriptions
 *   -ENOMEM, or what the store said
 */
int topics_subscribe(struct topics *topics, struct subscriber *subscriber, const char *topic,
                     size_t topic_bytes, const struct resume *resume, struct subscribed *ret);
/* -ENOENT: not subscribed. */
int topics_unsubscribe(struct topics *topics, struct subscriber *subscriber, const char *topic,
                       size_t topic_bytes);
/*
 * The greatest seq up to which everything on every subscription of it has been queued: `pong.seq`.
 */
uint64_t topics_position(const struct topics *topics, const struct subscriber *subscriber);

/* --- the worker's turn ---------------------------------------------------------------------- */

/* Reads the ring and queues; true when more is waiting. */
bool topics_turn(struct topics *topics);
/*
 * After the flush: whose queue is over the limit begins to lag. True when somebody may be fed at once,
 * for whom the flush has made room after topics_catch_up: nothing else may come to wake the worker.
 */
bool topics_judge(struct topics *topics);
/* Feeds lagging subscribers, at most @budget_bytes; true when more could be done at once. */
bool topics_catch_up(struct topics *topics, size_t budget_bytes);
/* Last operation that the cursor of plain topics has passed. */
uint64_t topics_cursor_seq(const struct topics *topics);
/* Whether there is something to deliver now: asked before the worker sleeps. */
bool topics_has_news(const struct topics *topics);
/* Or-ed enum wake_reason: what delivery waits for. */
unsigned topics_wake_reasons(const struct topics *topics);

/* --- questions -------------------------------------------------------------------------------- */

/*
 * Names a topic can have: UTF-8, 1 to 255 bytes, no control characters (U+0000 to U+001F, U+007F to
 * U+009F), not beginning with `$`.
 */
bool topic_name_is_valid(const char *name, size_t bytes);
bool topics_is_row_topic(const struct topics *topics, const char *topic, size_t topic_bytes);
/* Subscribers of it over all workers. */
uint64_t topics_subscriber_count(const struct topics *topics, const char *topic,
                                 size_t topic_bytes);

#endif
