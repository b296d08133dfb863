/*
 * store/catalog.h - which tables there are, what stands in their columns, and their indexes.
 *
 * Shape    tables, columns and indexes have numbers that stay theirs for as long as the store
 *          lives: rows and index entries are stored under them. Names are how a schema finds them
 *          again. The catalog is changed by schema operations of the log only (store/command.h),
 *          so that whoever applies the log has the same one at each seq.
 * Values   of columns are compact JSON texts, in the forms that enum column_kind says; no bytes:
 *          null. Whoever makes a COMMAND sees to the forms; the writer relies on them only so far
 *          that wrong ones make a COMMAND fail.
 * Memory   a catalog owns all it points to (catalog_free); it is immutable once made.
 * Callers  catalog_*: any process. catalog_load: with a snapshot (store/env.h).
 */
#ifndef STORE_CATALOG_H
#define STORE_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct store;

enum {
    CATALOG_TABLES_MAX = 1000,
    CATALOG_COLUMNS_MAX = 250,   /* of one table, dropped ones included */
    CATALOG_INDEXES_MAX = 10000, /* of all tables */
    CATALOG_INDEX_COLUMNS_MAX = 8,
    CATALOG_NUMBERS_MAX = 65534, /* of tables, and of indexes, that a store ever has */
    CATALOG_NAME_BYTES_MAX = 255,
    CATALOG_TEXT_BYTES_MAX = 16 * 1024, /* of a default, or of all names of an enum */
};

enum column_kind {
    COLUMN_INT = 1,  /* 32 bits, digits */
    COLUMN_FLOAT,    /* a finite number */
    COLUMN_STRING,   /* as json_quote writes it */
    COLUMN_BOOLEAN,  /* true, false */
    COLUMN_ID,       /* as COLUMN_STRING */
    COLUMN_ENUM,     /* a name, in quotes */
    COLUMN_DATETIME, /* "2026-01-31T12:00:00.123456Z": the order of its bytes is that of time */
    COLUMN_JSON,     /* any; neither compared nor indexed */
};

enum column_now {
    COLUMN_NOW_NEVER,
    COLUMN_NOW_CREATE, /* the time of the operation that creates the row */
    COLUMN_NOW_WRITE,  /* ... and of each that changes it */
};

struct catalog_text {
    const char *bytes; /* not terminated */
    size_t size;
};

static inline bool catalog_text_is_equal(struct catalog_text a, struct catalog_text b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

struct catalog_column {
    struct catalog_text name;
    struct catalog_text default_json; /* of rows that have no value for it; size 0: null */
    struct catalog_text values;       /* COLUMN_ENUM: its names, a comma between; else empty */
    uint16_t number;                  /* place in its rows */
    uint16_t references;              /* number of the table that has such an id; 0: none */
    uint8_t kind;                     /* enum column_kind */
    uint8_t now;                      /* enum column_now */
    bool is_required;                 /* never null */
    bool is_unique;                   /* but for nulls; there is an index of it alone */
    bool is_dropped;                  /* no longer in the schema: rows keep what they have of it */
};

/*
 * Entries are ordered by the ordered columns, then by id, within equal values of the equal ones.
 * `id` is at the end of each entry anyway and is no column of an index.
 */
struct catalog_index {
    uint16_t number;
    uint8_t equal_count;   /* first those, by their numbers, */
    uint8_t ordered_count; /* then those: 0 to 2 */
    uint16_t columns[CATALOG_INDEX_COLUMNS_MAX];
};

struct catalog_table {
    struct catalog_text name;
    uint16_t number; /* from 1 on */
    bool is_dropped;
    struct catalog_column *columns; /* in the schema's order, dropped ones behind; one is `id` */
    uint16_t column_count;
    uint16_t id_column; /* number of `id`: COLUMN_INT or COLUMN_ID */
    struct catalog_index *indexes;
    uint16_t index_count;
};

struct catalog {
    uint64_t version; /* seq of the schema operation that made it; 0: there was none */
    struct catalog_table *tables;
    uint16_t table_count;
    uint16_t tables_used;    /* numbers given so far ... */
    uint32_t indexes_used;   /* ... and of indexes: never given again */
    struct catalog_text sdl; /* the schema's text, for people and tools */
};

/* --- bytes ------------------------------------------------------------------------------------ */

/*
 * In a schema operation numbers are the schema's own (tables from 1 on, columns and indexes from 0
 * on, in its order; tables_used and indexes_used count them): catalog_merge gives the lasting ones.
 */
size_t catalog_encoded_bytes(const struct catalog *catalog);
void catalog_encode(const struct catalog *catalog, uint8_t *out);
/* Checks everything: bounds, numbers, references. 0, -EBADMSG or -ENOMEM. */
int catalog_decode(const void *bytes, size_t size, struct catalog **ret_catalog);
void catalog_free(struct catalog *catalog);

/* --- questions -------------------------------------------------------------------------------- */

/* Dropped ones are not found by name. NULL: none. */
const struct catalog_table *catalog_find_table(const struct catalog *catalog, const char *name,
                                               size_t bytes);
const struct catalog_table *catalog_table(const struct catalog *catalog, uint16_t number);
const struct catalog_column *catalog_find_column(const struct catalog_table *table,
                                                 const char *name, size_t bytes);
const struct catalog_column *catalog_column(const struct catalog_table *table, uint16_t number);
/* The index with exactly these columns (the equal ones in any order). NULL: none. */
const struct catalog_index *catalog_find_index(const struct catalog_table *table,
                                               const struct catalog_index *like);
/* The index of @column alone, by which what is_unique is found. NULL: none. */
const struct catalog_index *catalog_unique_index(const struct catalog_table *table,
                                                 uint16_t column);
int catalog_copy(const struct catalog *catalog, struct catalog **ret_copy);

/*
 * Whether one schema's catalog is the other's, but for the lasting numbers, version and SDL. False
 * too when memory is short: a schema operation that changes nothing does no harm.
 */
bool catalog_is_same(const struct catalog *catalog, const struct catalog *wanted);

enum {
    CATALOG_REASON_BYTES = 512,
};

/*
 * What becomes of @catalog when the schema is @wanted: what is there keeps its number, what is new
 * gets one, tables and columns that are gone are dropped, indexes that are gone leave. -EINVAL: it
 * cannot, for a reason that names table and column ("Message.title: was String, cannot become
 * Int"); what rows stand against is not looked at here. -ENOMEM.
 */
int catalog_merge(const struct catalog *catalog, const struct catalog *wanted,
                  struct catalog **ret_merged, char reason[CATALOG_REASON_BYTES]);

/* The present one, of the snapshot; empty when there was no schema operation yet. */
int catalog_load(struct store *store, struct catalog **ret_catalog);

#endif
