/*
 * server/topics/subscriptions.h - the table: who of this worker is subscribed to what.
 *
 * Shape    a hash table of topics per kind; each topic has one array of live subscriptions per
 *          encoding in use. A subscriber's own subscriptions are a list. What delivery touches per
 *          subscriber and run is one 16-byte entry of such an array (and, when the encoding is
 *          spliced, one more) and the stream, nothing else.
 * Cost     a list is found at once by an encoding that is live in one topic, as GraphQL's are; one
 *          that is live in several may have to walk over the topic's lists.
 * Memory   a subscription is 40 bytes from a pool that grows by slabs and is freed with the table;
 *          arrays and topics are freed with their last subscription.
 * Callers  server/topics/ only.
 */
#ifndef SERVER_TOPICS_SUBSCRIPTIONS_H
#define SERVER_TOPICS_SUBSCRIPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "server/net/arena.h"

struct stream;
struct topics_encoding;
struct subscriber;
struct subscription;

/* Which of the worker's cursors delivers a topic: DESIGN section 3. */
enum topic_kind {
    TOPIC_PLAIN, /* up to the ring's tail */
    TOPIC_ROW,   /* up to committed_seq; what a schema's mutations produce */
    TOPIC_KINDS,
};

struct live {
    struct stream *stream; /* the subscriber's, copied here so that a run need not touch it */
    struct subscription *subscription;
};

struct live_list {
    struct live_list *prev; /* of the topic's other encodings; NULL: the first */
    struct live_list *next;
    struct topic *topic;
    struct topics_encoding *encoding;
    uint64_t position_max; /* greatest position of an entry when it was added: events behind it
                               are for all of them */
    uint32_t count;
    uint32_t capacity;
    struct live entries[]; /* of a spliced encoding as many struct range follow them */
};

/* What each entry's subscriber has of its own, of a list with a spliced encoding. */
static inline struct range *live_list_splices(struct live_list *list)
{
    return (struct range *)(void *)&list->entries[list->capacity];
}

struct topic {
    UT_hash_handle hh;
    uint64_t hash; /* of the name: subscription_table_hash */
    struct live_list *lists;
    struct subscription *fed; /* scratch of one catch-up step: the subscription that it feeds */
    uint32_t subscription_count;
    uint8_t kind; /* enum topic_kind */
    uint8_t name_bytes;
    char name[];
};

struct subscription {
    struct topic *topic;
    struct subscriber *subscriber;
    struct subscription *next; /* of the subscriber; in the pool: of the free ones */
    uint64_t position;         /* it skips everything at or before this seq */
    uint32_t live_index;       /* in its list, while it is not lagging */
    bool is_lagging;
};

struct subscription_slab;

struct subscription_table {
    struct topic *topics[TOPIC_KINDS]; /* uthash */
    size_t live_counts[TOPIC_KINDS];   /* of live subscriptions */
    uint64_t hash_seed;
    struct subscription *free;
    struct subscription_slab *slabs;
};

/* @hash_seed: a secret (bus/hash.h), so that no client can choose names that collide. */
void subscription_table_init(struct subscription_table *table, uint64_t hash_seed);
/* Every subscription must have been removed. */
void subscription_table_done(struct subscription_table *table);

uint64_t subscription_table_hash(const struct subscription_table *table, const char *name,
                                 size_t bytes);
/* NULL: nobody here is subscribed to it, or it is of the other kind. */
struct topic *subscription_table_find(const struct subscription_table *table, enum topic_kind kind,
                                      const char *name, size_t bytes);
/* The subscriber's own subscription to @topic, or NULL. */
struct subscription *subscription_find(const struct subscriber *subscriber,
                                       const struct topic *topic);

/*
 * A new subscription of @subscriber, neither live nor lagging yet; NULL: no memory. The topic is
 * made, of that kind, when it is the first.
 */
// NOLINTNEXTLINE(readability-function-size): a name and its length are one thing
struct subscription *subscription_add(struct subscription_table *table,
                                      struct subscriber *subscriber, enum topic_kind kind,
                                      const char *name, size_t bytes);
/* Takes one that is neither live nor lagging out of its list and frees it, and its topic. */
void subscription_remove(struct subscription_table *table, struct subscription *subscription);

/* Makes it live: it gets what comes behind subscription->position. 0 or -ENOMEM. */
int subscription_go_live(struct subscription_table *table, struct subscription *subscription);
/* Returns the list it was in, which may have moved; NULL: it was the last there. */
struct live_list *subscription_leave_live(struct subscription_table *table,
                                          struct subscription *subscription);

#endif
