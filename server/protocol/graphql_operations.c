#include "server/protocol/graphql_operations.h"

#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "bus/hash.h"

enum {
    LIST_MAX = 8,
    BUCKETS_MIN = 16,
    BUCKETS_MAX = 1 << 16,
};

/* Where the list of an id begins. */
static struct graphql_operation **list_of(struct graphql_operations *operations, const void *id,
                                          size_t id_bytes)
{
    if (operations->bucket_count == 0)
        return &operations->first;
    /* No secret: who makes ids collide waits for no one but himself, and not for long. */
    return &operations->buckets[hash_bytes(0, id, id_bytes) & (operations->bucket_count - 1)];
}

static void link_in(struct graphql_operations *operations, struct graphql_operation *operation)
{
    struct graphql_operation **list =
        list_of(operations, operation->id->bytes, operation->id->capacity);

    operation->next = *list;
    *list = operation;
}

static void link_all(struct graphql_operations *operations, struct graphql_operation *list)
{
    while (list != NULL) {
        struct graphql_operation *next = list->next;

        link_in(operations, list);
        list = next;
    }
}

static void grow(struct graphql_operations *operations)
{
    struct graphql_operations old = *operations;
    uint32_t bucket_count = old.bucket_count == 0 ? BUCKETS_MIN : old.bucket_count * 2;
    struct graphql_operation **buckets = calloc(bucket_count, sizeof(struct graphql_operation *));

    if (buckets == NULL)
        return;
    operations->buckets = buckets;
    operations->bucket_count = bucket_count;
    if (old.bucket_count == 0) {
        link_all(operations, old.first);
        return;
    }
    for (uint32_t i = 0; i < old.bucket_count; i++)
        link_all(operations, old.buckets[i]);
    free(old.buckets);
}

void graphql_operations_done(struct graphql_operations *operations)
{
    CHECK(operations->count == 0);
    if (operations->bucket_count > 0)
        free(operations->buckets);
    *operations = (struct graphql_operations){0};
}

struct graphql_operation *graphql_operations_find(const struct graphql_operations *operations,
                                                  const char *id, size_t id_bytes)
{
    struct graphql_operations view = *operations;
    struct graphql_operation *operation = *list_of(&view, id, id_bytes);

    while (operation != NULL &&
           (operation->id->capacity != id_bytes || memcmp(operation->id->bytes, id, id_bytes) != 0))
        operation = operation->next;
    return operation;
}

void graphql_operations_add(struct graphql_operations *operations,
                            struct graphql_operation *operation)
{
    if (operations->count >= LIST_MAX && operations->count >= operations->bucket_count &&
        operations->bucket_count < BUCKETS_MAX)
        grow(operations);
    link_in(operations, operation);
    operations->count++;
}

void graphql_operations_remove(struct graphql_operations *operations,
                               struct graphql_operation *operation)
{
    struct graphql_operation **link =
        list_of(operations, operation->id->bytes, operation->id->capacity);

    while (*link != operation) {
        CHECK(*link != NULL);
        link = &(*link)->next;
    }
    *link = operation->next;
    operations->count--;
}

static uint32_t sum_list(const struct graphql_operation *list,
                         uint32_t (*count)(const struct graphql_operation *operation))
{
    uint32_t sum = 0;

    for (; list != NULL; list = list->next)
        sum += count(list);
    return sum;
}

uint32_t graphql_operations_sum(const struct graphql_operations *operations,
                                uint32_t (*count)(const struct graphql_operation *operation))
{
    uint32_t sum = 0;

    if (operations->bucket_count == 0)
        return sum_list(operations->first, count);
    for (uint32_t i = 0; i < operations->bucket_count; i++)
        sum += sum_list(operations->buckets[i], count);
    return sum;
}

static void visit_list(struct graphql_operation *list,
                       void (*visit)(struct graphql_operation *operation))
{
    while (list != NULL) {
        struct graphql_operation *next = list->next; /* @list may be gone after its visit */

        visit(list);
        list = next;
    }
}

void graphql_operations_visit(const struct graphql_operations *operations,
                              void (*visit)(struct graphql_operation *operation))
{
    if (operations->bucket_count == 0) {
        visit_list(operations->first, visit);
        return;
    }
    for (uint32_t i = 0; i < operations->bucket_count; i++)
        visit_list(operations->buckets[i], visit);
}
