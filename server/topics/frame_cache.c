#include "server/topics/frame_cache.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "bus/check.h"

enum {
    BUCKET_COUNT = 8192,
    NO_ENTRY = UINT16_MAX,
};

static_assert((FRAME_CACHE_ENTRIES & (FRAME_CACHE_ENTRIES - 1)) == 0, "indices wrap by a mask");
static_assert((BUCKET_COUNT & (BUCKET_COUNT - 1)) == 0, "buckets are found by a mask");
static_assert((int)FRAME_CACHE_ENTRIES < (int)NO_ENTRY, "an index fits");

/* A frame and its key in 40 bytes: replays walk over many of them. */
struct entry {
    struct range range;
    uint64_t seq;
    uint64_t rest; /* of the key */
    uint32_t splice;
    uint16_t next; /* older entry of the same bucket, or NO_ENTRY */
};

static_assert(sizeof(struct entry) == 40, "as many as fit into a cache");

struct frame_cache {
    uint32_t oldest; /* the entries in use are oldest, oldest + 1, … (masked) */
    uint32_t count;
    size_t pinned_bytes;
    uint16_t buckets[BUCKET_COUNT]; /* newest entry of each, or NO_ENTRY */
    struct entry entries[FRAME_CACHE_ENTRIES];
};

static uint32_t entry_index(uint32_t at)
{
    return at & (FRAME_CACHE_ENTRIES - 1);
}

/* Neighbours in seq are to fall into neighbouring buckets: a replay walks them in order. */
static uint32_t bucket_of(uint64_t seq, uint64_t rest)
{
    return (uint32_t)(seq + (rest & UINT16_MAX) * 257 + (rest >> 16) * 1031) & (BUCKET_COUNT - 1);
}

/* Encodings are numbered one by one: 48 bits are never used up. */
static uint64_t rest_of(const struct frame_key *key)
{
    return key->encoding << 16 | key->topic_offset;
}

/* NULL: of what has no frame. */
static size_t arena_bytes(const struct arena *arena)
{
    return arena == NULL ? 0 : arena->capacity;
}

int frame_cache_open(struct frame_cache **ret_cache)
{
    struct frame_cache *cache = malloc(sizeof *cache);

    if (cache == NULL)
        return -ENOMEM;
    cache->oldest = 0;
    cache->count = 0;
    cache->pinned_bytes = 0;
    for (size_t i = 0; i < BUCKET_COUNT; i++)
        cache->buckets[i] = NO_ENTRY;
    *ret_cache = cache;
    return 0;
}

void frame_cache_close(struct frame_cache *cache)
{
    if (cache == NULL)
        return;
    frame_cache_clear(cache);
    free(cache);
}

bool frame_cache_get(const struct frame_cache *cache, const struct frame_key *key,
                     struct frame *ret_frame)
{
    uint64_t rest = rest_of(key);
    uint16_t at = cache->buckets[bucket_of(key->seq, rest)];

    while (at != NO_ENTRY &&
           (cache->entries[at].seq != key->seq || cache->entries[at].rest != rest))
        at = cache->entries[at].next;
    if (at == NO_ENTRY)
        return false;
    *ret_frame =
        (struct frame){.range = cache->entries[at].range, .splice = cache->entries[at].splice};
    return true;
}

static void drop_oldest(struct frame_cache *cache)
{
    uint32_t index = entry_index(cache->oldest);
    const struct entry *entry = &cache->entries[index];
    const struct entry *after = &cache->entries[entry_index(index + 1)];
    uint16_t *link = &cache->buckets[bucket_of(entry->seq, entry->rest)];

    while (*link != index) { /* it is the last of its bucket */
        CHECK(*link != NO_ENTRY);
        link = &cache->entries[*link].next;
    }
    *link = NO_ENTRY;
    if (cache->count == 1 || after->range.arena != entry->range.arena)
        cache->pinned_bytes -= arena_bytes(entry->range.arena);
    arena_unref(entry->range.arena);
    cache->oldest = entry_index(index + 1);
    cache->count--;
}

void frame_cache_put(struct frame_cache *cache, const struct frame_key *key,
                     const struct frame *frame)
{
    struct arena *arena = frame->range.arena;
    uint64_t rest = rest_of(key);
    uint16_t *bucket = &cache->buckets[bucket_of(key->seq, rest)];
    const struct entry *newest;
    uint32_t index;

    if (arena_bytes(arena) > FRAME_CACHE_PINNED_BYTES_MAX)
        return;
    while (cache->count == FRAME_CACHE_ENTRIES ||
           (cache->count > 0 &&
            cache->pinned_bytes + arena_bytes(arena) > FRAME_CACHE_PINNED_BYTES_MAX))
        drop_oldest(cache);

    index = entry_index(cache->oldest + cache->count);
    newest = &cache->entries[entry_index(index - 1)];
    if (cache->count == 0 || newest->range.arena != arena)
        cache->pinned_bytes += arena_bytes(arena);
    if (arena != NULL)
        arena_ref(arena);
    cache->entries[index] = (struct entry){.range = frame->range,
                                           .seq = key->seq,
                                           .rest = rest,
                                           .splice = frame->splice,
                                           .next = *bucket};
    *bucket = (uint16_t)index;
    cache->count++;
}

void frame_cache_clear(struct frame_cache *cache)
{
    while (cache->count > 0)
        drop_oldest(cache);
}

size_t frame_cache_count(const struct frame_cache *cache)
{
    return cache->count;
}

size_t frame_cache_pinned_bytes(const struct frame_cache *cache)
{
    return cache->pinned_bytes;
}
