#include "server/topics/subscriptions.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "bus/hash.h"
#include "bus/record.h"
#include "server/topics/encodings.h"
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

    CHECK(table->topics[TOPIC_PLAIN] == NULL);
    CHECK(table->topics[TOPIC_ROW] == NULL);
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

// NOLINTNEXTLINE(readability-function-size): the nesting is uthash's
static struct topic *find_by_hash(struct topic *topics, const char *name, size_t bytes,
                                  uint64_t hash)
{
    struct topic *topic = NULL;

    HASH_FIND_BYHASHVALUE(hh, topics, name, bytes, (unsigned)hash, topic);
    return topic;
}

struct topic *subscription_table_find(const struct subscription_table *table, enum topic_kind kind,
                                      const char *name, size_t bytes)
{
    if (table->topics[kind] == NULL)
        return NULL;
    return find_by_hash(table->topics[kind], name, bytes,
                        subscription_table_hash(table, name, bytes));
}

// NOLINTNEXTLINE(readability-function-size): the nesting is uthash's
static struct topic *topic_new(struct topic **topics, enum topic_kind kind, const char *name,
                               size_t bytes, uint64_t hash)
{
    struct topic *topic = calloc(1, sizeof *topic + bytes);

    if (topic == NULL)
        return NULL;
    topic->hash = hash;
    topic->kind = (uint8_t)kind;
    topic->name_bytes = (uint8_t)bytes;
    memcpy(topic->name, name, bytes);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, *topics, topic->name, (unsigned)bytes, (unsigned)hash, topic);
    if (topic->hh.tbl == NULL) { /* how uthash says that it had no memory */
        free(topic);
        return NULL;
    }
    return topic;
}

// NOLINTNEXTLINE(readability-function-size): the nesting is uthash's
static void topic_free(struct subscription_table *table, struct topic *topic)
{
    CHECK(topic->lists == NULL);
    HASH_DELETE(hh, table->topics[topic->kind], topic);
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

// NOLINTNEXTLINE(readability-function-size): a name and its length are one thing
struct subscription *subscription_add(struct subscription_table *table,
                                      struct subscriber *subscriber, enum topic_kind kind,
                                      const char *name, size_t bytes)
{
    uint64_t hash = subscription_table_hash(table, name, bytes);
    struct topic *topic = find_by_hash(table->topics[kind], name, bytes, hash);
    struct subscription *subscription = pool_take(table);

    CHECK(bytes >= 1 && bytes <= RECORD_TOPIC_BYTES_MAX);
    if (subscription == NULL)
        return NULL;
    if (topic == NULL)
        topic = topic_new(&table->topics[kind], kind, name, bytes, hash);
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
    if (kind == TOPIC_ROW)
        subscriber->row_count++;
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
    if (topic->kind == TOPIC_ROW)
        subscriber->row_count--;
    pool_give(table, subscription);
    if (--topic->subscription_count == 0)
        topic_free(table, topic);
}

/* --- live lists ------------------------------------------------------------------------------- */

/* Where the topic, or the list before it, says where @list is. */
static struct live_list **link_to(struct live_list *list)
{
    return list->prev == NULL ? &list->topic->lists : &list->prev->next;
}

static void enter_topic(struct live_list *list)
{
    struct topic *topic = list->topic;

    list->prev = NULL;
    list->next = topic->lists;
    if (topic->lists != NULL)
        topic->lists->prev = list;
    topic->lists = list;
}

static void leave_topic(struct live_list *list)
{
    *link_to(list) = list->next;
    if (list->next != NULL)
        list->next->prev = list->prev;
}

/* NULL: nobody is live there with it. One that was looked for stands first, for the next time. */
static struct live_list *find_list(struct topic *topic, struct topics_encoding *encoding)
{
    struct live_list *list = encoding->found;

    if (encoding->list_count == 0)
        return NULL;
    if (list != NULL && (list->topic == topic || encoding->list_count == 1))
        return list->topic == topic ? list : NULL;
    for (list = topic->lists; list != NULL; list = list->next) {
        if (list->encoding == encoding)
            break;
    }
    if (list == NULL)
        return NULL;
    leave_topic(list);
    enter_topic(list);
    encoding->found = list;
    return list;
}

static bool is_spliced(const struct live_list *list)
{
    return list->encoding->encoding->is_spliced;
}

static size_t list_bytes(const struct topics_encoding *encoding, uint32_t capacity)
{
    size_t entry_bytes = sizeof(struct live);

    if (encoding->encoding->is_spliced)
        entry_bytes += sizeof(struct range);
    return sizeof(struct live_list) + capacity * entry_bytes;
}

static struct live_list *list_new(struct topic *topic, struct topics_encoding *encoding)
{
    struct live_list *list = malloc(list_bytes(encoding, 1));

    if (list == NULL)
        return NULL;
    *list = (struct live_list){.topic = topic, .encoding = encoding, .capacity = 1};
    enter_topic(list);
    encoding->found = list;
    encoding->list_count++;
    return list;
}

static void list_free(struct live_list *list)
{
    leave_topic(list);
    if (list->encoding->found == list)
        list->encoding->found = NULL;
    list->encoding->list_count--;
    free(list);
}

/* Moves what stands behind the entries to where it is with another capacity. */
static void move_splices(struct live_list *list, uint32_t capacity)
{
    if (is_spliced(list))
        memmove(&list->entries[capacity], &list->entries[list->capacity],
                list->count * sizeof(struct range));
    list->capacity = capacity;
}

/* The list, which may have moved, with another capacity; NULL: no memory, and it has not moved. */
static struct live_list *list_resize(struct live_list *list, uint32_t capacity)
{
    struct topics_encoding *encoding = list->encoding;
    struct live_list **link = link_to(list);
    bool is_found = encoding->found == list;
    struct live_list *resized;

    if (capacity < list->capacity)
        move_splices(list, capacity);
    resized = realloc(list, list_bytes(encoding, capacity));
    if (resized == NULL)
        return NULL;
    if (capacity > resized->capacity)
        move_splices(resized, capacity);
    *link = resized;
    if (resized->next != NULL)
        resized->next->prev = resized;
    if (is_found)
        encoding->found = resized;
    return resized;
}

/* Room for one more entry in the list of @encoding, which is made when there is none. */
static struct live_list *reserve_live(struct topic *topic, struct topics_encoding *encoding)
{
    struct live_list *list = find_list(topic, encoding);

    if (list == NULL)
        return list_new(topic, encoding);
    if (list->count < list->capacity)
        return list;
    return list_resize(list, list->capacity + list->capacity / 2 + 1);
}

static void set_entry(struct live_list *list, uint32_t index, struct subscription *subscription)
{
    const struct subscriber *subscriber = subscription->subscriber;

    list->entries[index] =
        (struct live){.stream = subscriber->stream, .subscription = subscription};
    if (is_spliced(list))
        live_list_splices(list)[index] =
            ((const struct spliced_subscriber *)(const void *)subscriber)->splice;
    subscription->live_index = index;
}

int subscription_go_live(struct subscription_table *table, struct subscription *subscription)
{
    struct topic *topic = subscription->topic;
    struct live_list *list = reserve_live(topic, subscription->subscriber->encoding);

    CHECK(!subscription->is_lagging);
    CHECK(subscription->live_index == UINT32_MAX);
    if (list == NULL)
        return -ENOMEM;
    set_entry(list, list->count++, subscription);
    if (subscription->position > list->position_max)
        list->position_max = subscription->position;
    table->live_counts[topic->kind]++;
    return 0;
}

struct live_list *subscription_leave_live(struct subscription_table *table,
                                          struct subscription *subscription)
{
    struct topic *topic = subscription->topic;
    struct live_list *list = find_list(topic, subscription->subscriber->encoding);
    uint32_t index = subscription->live_index;
    struct live_list *shrunk;

    CHECK(list != NULL);
    CHECK(index < list->count);
    CHECK(list->entries[index].subscription == subscription);
    table->live_counts[topic->kind]--;
    subscription->live_index = UINT32_MAX;
    if (index < --list->count)
        set_entry(list, index, list->entries[list->count].subscription);
    if (list->count == 0) {
        list_free(list);
        return NULL;
    }
    if (list->count < SHRINK_COUNT_MIN || list->count >= list->capacity / 4)
        return list;
    shrunk = list_resize(list, list->capacity / 2);
    return shrunk != NULL ? shrunk : list; /* it has more memory than it says: no harm */
}
