#include "server/topics/subscriptions.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "bus/hash.h"
#include "bus/record.h"
#include "server/topics/topics.h"

enum {
    SLAB_SUBSCRIPTIONS = 100, /* just below 4 KiB */
    SHRINK_COUNT_MIN = 8,
};

struct subscription_slab {
    struct subscription_slab *next;
    struct subscription subscriptions[SLAB_SUBSCRIPTIONS];
};

static_assert(sizeof(struct subscription) <= 40, "what an idle client costs here");
static_assert(sizeof(struct live) == 16, "what an idle client costs here");
static_assert(sizeof(struct subscriber) <= 56, "what an idle client costs here");

void subscription_table_init(struct subscription_table *table, uint64_t hash_seed)
{
    *table = (struct subscription_table){.hash_seed = hash_seed};
}

void subscription_table_done(struct subscription_table *table)
{
    struct subscription_slab *slab = table->slabs;

    CHECK(table->topics == NULL);
    while (slab != NULL) {
        struct subscription_slab *next = slab->next;

        free(slab);
        slab = next;
    }
    subscription_table_init(table, table->hash_seed);
}

/* --- the pool --------------------------------------------------------------------------------- */

static struct subscription *pool_take(struct subscription_table *table)
{
    struct subscription *subscription = table->free;

    if (subscription == NULL) {
        struct subscription_slab *slab = malloc(sizeof *slab);

        if (slab == NULL)
            return NULL;
        slab->next = table->slabs;
        table->slabs = slab;
        for (size_t i = 0; i < SLAB_SUBSCRIPTIONS; i++) {
            slab->subscriptions[i].next = table->free;
            table->free = &slab->subscriptions[i];
        }
        subscription = table->free;
    }
    table->free = subscription->next;
    *subscription = (struct subscription){0};
    return subscription;
}

static void pool_give(struct subscription_table *table, struct subscription *subscription)
{
    subscription->next = table->free;
    table->free = subscription;
}

/* --- topics ----------------------------------------------------------------------------------- */

uint64_t subscription_table_hash(const struct subscription_table *table, const char *name,
                                 size_t bytes)
{
    return hash_bytes(table->hash_seed, name, bytes);
}

/*
 * Until there is a schema nothing produces row topics. Whoever makes some also gives delivery a
 * second cursor; everything else asks the topic for its kind.
 */
static enum topic_kind topic_kind_of(const char *name, size_t bytes)
{
    (void)name;
    (void)bytes;
    return TOPIC_PLAIN;
}

// NOLINTNEXTLINE(readability-function-size): the nesting is uthash's
static struct topic *find_by_hash(const struct subscription_table *table, const char *name,
                                  size_t bytes, uint64_t hash)
{
    struct topic *topic = NULL;

    HASH_FIND_BYHASHVALUE(hh, table->topics, name, bytes, (unsigned)hash, topic);
    return topic;
}

struct topic *subscription_table_find(const struct subscription_table *table, const char *name,
                                      size_t bytes)
{
    return find_by_hash(table, name, bytes, subscription_table_hash(table, name, bytes));
}

// NOLINTNEXTLINE(readability-function-size): the nesting is uthash's
static struct topic *topic_new(struct subscription_table *table, const char *name, size_t bytes,
                               uint64_t hash)
{
    struct topic *topic = calloc(1, sizeof *topic + bytes);

    if (topic == NULL)
        return NULL;
    topic->hash = hash;
    topic->kind = (uint8_t)topic_kind_of(name, bytes);
    topic->name_bytes = (uint8_t)bytes;
    memcpy(topic->name, name, bytes);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, table->topics, topic->name, (unsigned)bytes, (unsigned)hash,
                                topic);
    if (topic->hh.tbl == NULL) { /* how uthash says that it had no memory */
        free(topic);
        return NULL;
    }
    table->topic_count++;
    return topic;
}

// NOLINTNEXTLINE(readability-function-size): the nesting is uthash's
static void topic_free(struct subscription_table *table, struct topic *topic)
{
    CHECK(topic->lists == NULL);
    HASH_DELETE(hh, table->topics, topic);
    table->topic_count--;
    free(topic);
}

/* --- subscriptions ---------------------------------------------------------------------------- */

struct subscription *subscription_find(const struct subscriber *subscriber,
                                       const struct topic *topic)
{
    struct subscription *subscription = subscriber->subscriptions;

    while (subscription != NULL && subscription->topic != topic)
        subscription = subscription->next;
    return subscription;
}

struct subscription *subscription_add(struct subscription_table *table,
                                      struct subscriber *subscriber, const char *name, size_t bytes)
{
    uint64_t hash = subscription_table_hash(table, name, bytes);
    struct topic *topic = find_by_hash(table, name, bytes, hash);
    struct subscription *subscription = pool_take(table);

    CHECK(bytes >= 1 && bytes <= RECORD_TOPIC_BYTES_MAX);
    if (subscription == NULL)
        return NULL;
    if (topic == NULL)
        topic = topic_new(table, name, bytes, hash);
    if (topic == NULL) {
        pool_give(table, subscription);
        return NULL;
    }
    topic->subscription_count++;
    subscription->topic = topic;
    subscription->subscriber = subscriber;
    subscription->live_index = UINT32_MAX;
    subscription->next = subscriber->subscriptions;
    subscriber->subscriptions = subscription;
    subscriber->subscription_count++;
    return subscription;
}

void subscription_remove(struct subscription_table *table, struct subscription *subscription)
{
    struct subscriber *subscriber = subscription->subscriber;
    struct subscription **link = &subscriber->subscriptions;
    struct topic *topic = subscription->topic;

    CHECK(!subscription->is_lagging);
    CHECK(subscription->live_index == UINT32_MAX);
    while (*link != subscription) {
        CHECK(*link != NULL);
        link = &(*link)->next;
    }
    *link = subscription->next;
    subscriber->subscription_count--;
    pool_give(table, subscription);
    if (--topic->subscription_count == 0)
        topic_free(table, topic);
}

/* --- live lists ------------------------------------------------------------------------------- */

static struct live_list **find_list(struct topic *topic, const struct topics_encoding *encoding)
{
    struct live_list **link = &topic->lists;

    while (*link != NULL && (*link)->encoding != encoding)
        link = &(*link)->next;
    return link;
}

static int resize_list(struct live_list **link, uint32_t capacity)
{
    struct live_list *list =
        realloc(*link, sizeof *list + (size_t)capacity * sizeof list->entries[0]);

    if (list == NULL)
        return -ENOMEM;
    list->capacity = capacity;
    *link = list;
    return 0;
}

/* Room for one more entry in the list of @encoding, which is made when there is none. */
static struct live_list *reserve_live(struct topic *topic, struct topics_encoding *encoding)
{
    struct live_list **link = find_list(topic, encoding);
    struct live_list *list = *link;

    if (list == NULL) {
        list = malloc(sizeof *list + sizeof list->entries[0]);
        if (list == NULL)
            return NULL;
        *list = (struct live_list){.capacity = 1, .encoding = encoding};
        *link = list;
    } else if (list->count == list->capacity) {
        if (resize_list(link, list->capacity + list->capacity / 2 + 1) != 0)
            return NULL;
    }
    return *link;
}

int subscription_go_live(struct subscription *subscription)
{
    struct subscriber *subscriber = subscription->subscriber;
    struct live_list *list = reserve_live(subscription->topic, subscriber->encoding);

    CHECK(!subscription->is_lagging);
    CHECK(subscription->live_index == UINT32_MAX);
    if (list == NULL)
        return -ENOMEM;
    list->entries[list->count] =
        (struct live){.stream = subscriber->stream, .subscription = subscription};
    subscription->live_index = list->count++;
    if (subscription->position > list->position_max)
        list->position_max = subscription->position;
    return 0;
}

void subscription_leave_live(struct subscription *subscription)
{
    struct live_list **link = find_list(subscription->topic, subscription->subscriber->encoding);
    struct live_list *list = *link;
    uint32_t index = subscription->live_index;

    CHECK(list != NULL);
    CHECK(index < list->count);
    CHECK(list->entries[index].subscription == subscription);
    subscription->live_index = UINT32_MAX;
    list->entries[index] = list->entries[--list->count];
    if (index < list->count)
        list->entries[index].subscription->live_index = index;
    if (list->count == 0) {
        *link = list->next;
        free(list);
    } else if (list->count >= SHRINK_COUNT_MIN && list->count < list->capacity / 4) {
        (void)resize_list(link, list->capacity / 2); /* staying large is no harm */
    }
}
