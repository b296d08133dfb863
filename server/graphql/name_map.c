#include "server/graphql/name_map.h"

#include <string.h>

#include "bus/check.h"
#include "bus/hash.h"
#include "server/graphql/region.h"

enum {
    CAPACITY_MIN = 8, /* so many names are compared faster than hashed */
    CAPACITY_MAX = 1 << 28,
};

void name_map_init(struct name_map *map, struct region *region)
{
    *map = (struct name_map){.region = region};
}

/* The slot of a name, or the free one where it would be: half of them are free. */
static uint32_t *find_slot(const struct name_map *map, struct ast_text name)
{
    uint32_t mask = 2 * map->capacity - 1;
    uint32_t at = (uint32_t)hash_bytes(map->seed, name.bytes, name.size) & mask;

    while (map->slots[at] != 0 && !ast_text_equals(map->entries[map->slots[at] - 1].name, name))
        at = (at + 1) & mask;
    return &map->slots[at];
}

static struct name_map_entry *find_entry(const struct name_map *map, struct ast_text name)
{
    if (map->slots != NULL) {
        uint32_t slot = *find_slot(map, name);

        return slot == 0 ? NULL : &map->entries[slot - 1];
    }
    for (uint32_t i = 0; i < map->count; i++) {
        if (ast_text_equals(map->entries[i].name, name))
            return &map->entries[i];
    }
    return NULL;
}

void *name_map_find(const struct name_map *map, struct ast_text name)
{
    const struct name_map_entry *entry = find_entry(map, name);

    return entry == NULL ? NULL : entry->value;
}

static bool grow(struct name_map *map)
{
    struct name_map bigger = *map;

    if (map->capacity >= CAPACITY_MAX)
        goto fail;
    bigger.capacity = map->capacity == 0 ? CAPACITY_MIN : 2 * map->capacity;
    bigger.entries = region_alloc(map->region, bigger.capacity * sizeof *bigger.entries);
    if (bigger.entries == NULL)
        goto fail;
    if (map->entries != NULL)
        memcpy(bigger.entries, map->entries, map->count * sizeof *map->entries);
    if (bigger.capacity > CAPACITY_MIN) {
        if (map->slots == NULL && hash_seed_make(&bigger.seed) != 0)
            goto fail;
        bigger.slots =
            region_alloc(map->region, 2 * (size_t)bigger.capacity * sizeof *bigger.slots);
        if (bigger.slots == NULL)
            goto fail;
        for (uint32_t i = 0; i < map->count; i++)
            *find_slot(&bigger, bigger.entries[i].name) = i + 1;
    }
    *map = bigger;
    return true;

fail:
    map->region->has_failed = true;
    return false;
}

void **name_map_put(struct name_map *map, struct ast_text name)
{
    struct name_map_entry *entry = find_entry(map, name);

    if (entry != NULL)
        return &entry->value;
    if (map->count == map->capacity && !grow(map))
        return NULL;
    CHECK(map->entries != NULL);
    entry = &map->entries[map->count++];
    entry->name = name;
    if (map->slots != NULL)
        *find_slot(map, name) = map->count;
    return &entry->value;
}
