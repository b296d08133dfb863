#include "server/graphql/document.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/check.h"
#include "bus/hash.h"
#include "server/graphql/region.h"
#include "server/graphql/validate.h"

enum {
    BUCKET_COUNT_MIN = 16,
    BUCKET_COUNT_MAX = 1 << 20,
};

/* A document that is in a cache, or was, as long as somebody holds a reference. */
struct entry {
    struct document document; /* the first member: a reference is to it */
    struct graphql_errors errors;
    struct region region; /* the tree, its text and the errors */
    struct ast_text text;
    uint64_t hash;
    uint32_t ref_count;  /* the cache's own, too */
    uint32_t hold_count; /* document_hold */
    struct entry *chain; /* the next one in the same bucket */
    struct entry *newer; /* used later; NULL: the newest */
    struct entry *older;
};

struct bucket {
    struct entry *first;
};

struct document_cache {
    struct document_cache_options options;
    uint64_t seed;
    struct bucket *buckets;
    uint32_t bucket_mask;
    uint32_t count;
    size_t bytes;
    struct entry *newest;
    struct entry *oldest;
};

static struct entry *entry_of(const struct document *document)
{
    return (struct entry *)(uintptr_t)document; /* references are const, what is counted is not */
}

static size_t entry_bytes(const struct entry *entry)
{
    return sizeof *entry + entry->region.used_bytes;
}

static void entry_unref(struct entry *entry)
{
    CHECK(entry->ref_count > 0);
    if (--entry->ref_count > 0)
        return;
    region_done(&entry->region);
    free(entry);
}

const struct document *document_ref(const struct document *document)
{
    entry_of(document)->ref_count++;
    return document;
}

void document_unref(const struct document *document)
{
    if (document != NULL)
        entry_unref(entry_of(document));
}

size_t document_hold(const struct document *document)
{
    struct entry *entry = entry_of(document);

    return entry->hold_count++ == 0 ? entry_bytes(entry) : 0;
}

size_t document_let_go(const struct document *document)
{
    struct entry *entry = entry_of(document);

    CHECK(entry->hold_count > 0);
    return --entry->hold_count == 0 ? entry_bytes(entry) : 0;
}

/* --- the cache -------------------------------------------------------------------------------- */

int document_cache_open(const struct document_cache_options *options,
                        struct document_cache **ret_cache)
{
    struct document_cache *cache = calloc(1, sizeof *cache);
    uint32_t bucket_count = BUCKET_COUNT_MIN;
    int rc = -ENOMEM;

    if (cache == NULL)
        goto fail;
    cache->options = *options;
    while (bucket_count < options->count_max && bucket_count < BUCKET_COUNT_MAX)
        bucket_count *= 2;
    cache->bucket_mask = bucket_count - 1;
    cache->buckets = calloc(bucket_count, sizeof *cache->buckets);
    if (cache->buckets == NULL)
        goto fail;
    rc = hash_seed_make(&cache->seed);
    if (rc != 0)
        goto fail;
    *ret_cache = cache;
    return 0;

fail:
    document_cache_close(cache);
    return rc;
}

static struct bucket *find_bucket(const struct document_cache *cache, uint64_t hash)
{
    return &cache->buckets[hash & cache->bucket_mask];
}

static void unlink_entry(struct document_cache *cache, struct entry *entry)
{
    if (entry->newer != NULL)
        entry->newer->older = entry->older;
    else
        cache->newest = entry->older;
    if (entry->older != NULL)
        entry->older->newer = entry->newer;
    else
        cache->oldest = entry->newer;
}

static void link_newest(struct document_cache *cache, struct entry *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;
    if (cache->newest != NULL)
        cache->newest->newer = entry;
    else
        cache->oldest = entry;
    cache->newest = entry;
}

static void remove_entry(struct document_cache *cache, struct entry *entry)
{
    struct entry **link = &find_bucket(cache, entry->hash)->first;

    while (*link != entry)
        link = &(*link)->chain;
    *link = entry->chain;
    unlink_entry(cache, entry);
    cache->count--;
    cache->bytes -= entry_bytes(entry);
    entry_unref(entry);
}

static void drop_oldest(struct document_cache *cache)
{
    CHECK(cache->oldest->older == NULL);
    remove_entry(cache, cache->oldest);
}

static bool has_room(const struct document_cache *cache, size_t bytes)
{
    return cache->count < cache->options.count_max &&
           cache->bytes + bytes <= cache->options.bytes_max;
}

/* Drops the oldest ones until there is room, and puts it in; not when it is too large alone. */
static void add_entry(struct document_cache *cache, struct entry *entry)
{
    struct bucket *bucket = find_bucket(cache, entry->hash);
    size_t bytes = entry_bytes(entry);

    while (!has_room(cache, bytes) && cache->oldest != NULL)
        drop_oldest(cache);
    if (!has_room(cache, bytes))
        return;
    entry->chain = bucket->first;
    bucket->first = entry;
    link_newest(cache, entry);
    entry->ref_count++;
    cache->count++;
    cache->bytes += bytes;
}

void document_cache_close(struct document_cache *cache)
{
    if (cache == NULL)
        return;
    while (cache->oldest != NULL)
        drop_oldest(cache);
    CHECK(cache->count == 0);
    CHECK(cache->bytes == 0);
    free(cache->buckets);
    free(cache);
}

static struct entry *find_entry(const struct document_cache *cache, uint64_t hash,
                                struct ast_text text)
{
    struct entry *entry = find_bucket(cache, hash)->first;

    while (entry != NULL && (entry->hash != hash || !ast_text_equals(entry->text, text)))
        entry = entry->chain;
    return entry;
}

/* --- documents -------------------------------------------------------------------------------- */

/* Parses and validates entry->text. */
static void make_document(struct document_cache *cache, struct entry *entry)
{
    const struct document_cache_options *options = &cache->options;
    struct ast_document *tree = parser_parse(entry->text, "GraphQL request", &options->limits,
                                             &entry->region, &entry->errors);

    if (tree != NULL)
        (void)validate_document(options->schema, tree, &entry->region,
                                &entry->errors); /* its errors tell */
    entry->document = (struct document){tree, &entry->errors};
}

/* NULL: out of memory. */
static struct entry *make_entry(struct document_cache *cache, struct ast_text text)
{
    struct entry *entry = calloc(1, sizeof *entry);

    if (entry == NULL)
        return NULL;
    entry->ref_count = 1;
    region_init(&entry->region, DOCUMENT_BYTES_MAX);
    graphql_errors_init(&entry->errors, &entry->region);
    entry->text.bytes = region_copy(&entry->region, text.bytes, text.size);
    entry->text.size = text.size;
    if (entry->text.bytes != NULL)
        make_document(cache, entry);
    if (!entry->region.has_failed)
        return entry;
    entry_unref(entry);
    return NULL;
}

const struct document *document_get(struct document_cache *cache, const char *text, size_t bytes)
{
    struct ast_text key = {text, (uint32_t)bytes};
    struct entry *entry;
    uint64_t hash;

    CHECK(bytes <= UINT32_MAX);
    hash = hash_bytes(cache->seed, text, bytes);
    entry = find_entry(cache, hash, key);
    if (entry != NULL) {
        unlink_entry(cache, entry);
        link_newest(cache, entry);
        entry->ref_count++;
        return &entry->document;
    }
    entry = make_entry(cache, key);
    if (entry == NULL)
        return NULL;
    entry->hash = hash;
    if (bytes <= cache->options.limits.source_bytes_max)
        add_entry(cache, entry);
    return &entry->document;
}
