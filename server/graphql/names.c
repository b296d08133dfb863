#include "server/graphql/names.h"

#include <stddef.h>

#include "bus/check.h"
#include "server/graphql/region.h"

enum {
    CAPACITY_MIN = 64,
    CAPACITY_MAX = 1 << 28,
};

/* FNV-1a over the name, begun with the owner; the last steps bring the high bits down. */
static uint32_t hash_key(const void *owner, struct ast_text name)
{
    uint64_t hash = 0xCBF29CE484222325U ^ ((uint64_t)(uintptr_t)owner >> 4);

    for (uint32_t i = 0; i < name.size; i++)
        hash = (hash ^ (unsigned char)name.bytes[i]) * 0x100000001B3U;
    hash ^= hash >> 32;
    hash *= 0x9E3779B97F4A7C15U;
    return (uint32_t)(hash >> 32);
}

/* The slot of a key, or the free one where it would be. There is one: half of them are free. */
static struct names_slot *find_slot(const struct names *names, const struct names_slot *key)
{
    uint32_t mask = names->capacity - 1;

    for (uint32_t i = key->hash & mask;; i = (i + 1) & mask) {
        struct names_slot *slot = &names->slots[i];

        if (slot->value == NULL)
            return slot;
        if (slot->hash == key->hash && slot->owner == key->owner &&
            ast_text_equals(slot->name, key->name))
            return slot;
    }
}

static bool grow(struct names *names)
{
    struct names bigger = *names;

    if (names->capacity >= CAPACITY_MAX) {
        names->region->has_failed = true;
        return false;
    }
    bigger.capacity = names->capacity == 0 ? CAPACITY_MIN : names->capacity * 2;
    bigger.slots = region_alloc(names->region, (size_t)bigger.capacity * sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return false;
    for (uint32_t i = 0; i < names->capacity; i++) {
        if (names->slots[i].value != NULL)
            *find_slot(&bigger, &names->slots[i]) = names->slots[i];
    }
    *names = bigger;
    return true;
}

/* NULL: no memory. */
static struct names_slot *take_slot(struct names *names, const void *owner, struct ast_text name)
{
    struct names_slot key = {.owner = owner, .name = name, .hash = hash_key(owner, name)};
    struct names_slot *slot;

    if (names->count >= names->capacity / 2 && !grow(names))
        return NULL;
    slot = find_slot(names, &key);
    if (slot->value == NULL) {
        *slot = key;
        names->count++;
    }
    return slot;
}

void names_init(struct names *names, struct region *region)
{
    *names = (struct names){.region = region};
}

void *names_find(const struct names *names, const void *owner, struct ast_text name)
{
    struct names_slot key = {.owner = owner, .name = name};

    if (names->count == 0)
        return NULL;
    key.hash = hash_key(owner, name);
    return find_slot(names, &key)->value;
}

void *names_add(struct names *names, const void *owner, struct ast_text name, void *value)
{
    struct names_slot *slot;

    CHECK(value != NULL);
    slot = take_slot(names, owner, name);
    if (slot == NULL)
        return value;
    if (slot->value == NULL)
        slot->value = value;
    return slot->value;
}

void names_put(struct names *names, const void *owner, struct ast_text name, void *value)
{
    struct names_slot *slot;

    CHECK(value != NULL);
    slot = take_slot(names, owner, name);
    if (slot != NULL)
        slot->value = value;
}
