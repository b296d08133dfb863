/*
 * store/layout.h - the bytes of the store's databases, and the process's handle on them.
 *
 * Included by store/ only. Key and value formats by byte: store/README.md. A change of any of
 * them: STORE_FORMAT_VERSION, the static asserts and the README together.
 */
#ifndef STORE_LAYOUT_H
#define STORE_LAYOUT_H

#include <assert.h>
#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "store/block.h"
#include "store/catalog.h"
#include "store/env.h"
#include "store/topic_index.h"

enum {
    STORE_DATABASES_MAX = 64, /* those below, then a few per type */
    STORE_READERS_MAX = 512,  /* slots: two generations of workers, tools, the writer */
};

#define STORE_FILE_ID      "id"
#define STORE_FILE_BALLAST "ballast"
#define STORE_DIR          "store"
#define STORE_FILE_DATA    STORE_DIR "/data.mdb"

#define STORE_META_KEY    "state"
#define STORE_CATALOG_KEY "catalog"

/* Value of `meta`'s key "state". */
struct meta_value {
    struct store_meta meta;
    uint64_t check; /* XXH3-64 of meta */
};

/* Value of `topic`: big-endian, so that LMDB's byte order is the numbers' order. */
struct topic_value {
    uint8_t block_first_seq[8];
    uint8_t topic_last_seq[8];
};

static_assert(sizeof(struct store_meta) == 88, "stored as it stands");
static_assert(sizeof(struct meta_value) == 96, "stored as it stands");
static_assert(sizeof(struct topic_value) == 16, "fixed-size duplicates");
static_assert(sizeof(struct block_head) == 40, "stored as it stands");
static_assert(sizeof(size_t) == sizeof(uint64_t), "MDB_INTEGERKEY wants keys of a machine word");

struct store_databases {
    MDB_dbi meta;    /* "state" -> struct meta_value */
    MDB_dbi epoch;   /* first seq (integer key) -> epochs that began there, oldest first */
    MDB_dbi log;     /* first seq of a block (integer key) -> block */
    MDB_dbi topic;   /* name -> struct topic_value, dup-sorted, fixed size */
    MDB_dbi trimmed; /* name -> last seq that retention took, of topics not in `topic` */
};

struct store {
    MDB_env *mdb;
    pid_t opened_by; /* LMDB forbids using an environment across fork */
    int dir_fd;      /* of the data directory */
    bool is_writer;
    struct store_databases db;

    /* The snapshot. Its transaction and cursors are kept between snapshots and renewed. */
    MDB_txn *snapshot;
    bool is_snapshot_open;
    struct store_meta snapshot_meta;
    MDB_cursor *log_cursor;
    MDB_cursor *topic_cursor;
    uint64_t verified_first_seq; /* block whose check was last found good; 0: none. Blocks are
                                    never rewritten, so it stays good */

    /* The writer's. */
    struct store_meta meta;       /* as this process last committed it: what the guard expects */
    struct topic_set topics;      /* of the block in work */
    struct topic_sweep sweep;     /* begins anew in each process */
    uint8_t *block;               /* the block in work */
    size_t block_bytes_allocated; /* grows to the largest block met */
};

/* The first line of whatever takes a store. */
void store_check(const struct store *store);
/* Reads and checks the meta record. 0 or -errno (with text); -ENOENT when there is none yet. */
int store_meta_read(const struct store *store, MDB_txn *txn, struct store_meta *ret_meta);
int store_meta_write(const struct store *store, MDB_txn *txn, const struct store_meta *meta);
/* The catalog as @txn has it; empty when there is none yet. 0 or -errno (with text). */
int catalog_read(const struct store *store, MDB_txn *txn, struct catalog **ret_catalog);
/* Makes store->block hold at least @bytes; what it held is lost. 0 or -ENOMEM. */
int store_block_reserve(struct store *store, size_t bytes);

static inline uint64_t key_read(const MDB_val *key)
{
    uint64_t seq = 0;

    if (key->mv_size == sizeof seq)
        memcpy(&seq, key->mv_data, sizeof seq);
    return seq;
}

/* LMDB takes keys and values as void *, and does not write to what it is given. */
static inline MDB_val val_of(const void *data, size_t bytes)
{
    union {
        const void *from;
        void *to;
    } pointer = {.from = data};

    return (MDB_val){.mv_size = bytes, .mv_data = pointer.to};
}

static inline MDB_val key_of(const uint64_t *seq)
{
    return val_of(seq, sizeof *seq);
}

#endif
