/*
 * server/graphql/document.h - documents parsed and validated once: a bounded cache by text.
 *
 * Shape    text → tree, or its errors. The least recently used ones are dropped when there are more
 *          than count_max, or than bytes_max of memory in all; who holds a reference keeps his. What
 *          is longer than the parser takes is not kept.
 * Limits   DOCUMENT_BYTES_MAX of memory for a document: beyond them it fails as without memory.
 * Callers  a worker: one cache for its schema; a new schema begins a new cache.
 */
#ifndef SERVER_GRAPHQL_DOCUMENT_H
#define SERVER_GRAPHQL_DOCUMENT_H

#include <stddef.h>
#include <stdint.h>

#include "server/graphql/errors.h"
#include "server/graphql/parser.h"
#include "server/graphql/schema.h"

enum {
    DOCUMENT_BYTES_MAX = 256 * 1024 * 1024,
};

struct document {
    const struct ast_document *tree;     /* NULL: it did not parse */
    const struct graphql_errors *errors; /* count > 0: it is not valid */
};

struct document_cache_options {
    const struct schema *schema;
    struct parser_limits limits;
    uint32_t count_max;
    size_t bytes_max;
};

struct document_cache;

/* 0, -ENOMEM, or -EIO: no random numbers. */
int document_cache_open(const struct document_cache_options *options,
                        struct document_cache **ret_cache);
/* References that are still held stay good. */
void document_cache_close(struct document_cache *cache);
/*
 * A reference, from the cache or made now; NULL: out of memory. The text, below 4 GiB, is copied.
 */
const struct document *document_get(struct document_cache *cache, const char *text, size_t bytes);
/* One more reference. */
const struct document *document_ref(const struct document *document);
void document_unref(const struct document *document);

/*
 * For who holds references for long and bounds the memory behind them: what a document that he begins or
 * ceases to hold costs him, which is nothing while he holds it otherwise, too. One such holder a cache.
 */
size_t document_hold(const struct document *document);
size_t document_let_go(const struct document *document);

#endif
