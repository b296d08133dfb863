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
#include "store/rows.h"
#include "store/topic_index.h"

enum {
    STORE_DATABASES_MAX = 64, /* those below, and room for what may come */
    STORE_READERS_MAX = 512,  /* slots: two generations of workers, tools, the writer */
    /* At least what LMDB's lock file takes with so many slots of 64 bytes, behind its head. */
    STORE_LOCK_BYTES = STORE_READERS_MAX * 64 + 4096,
    /* Of a transaction, in the page of its head: LMDB's file format 1 (MDB_DATA_VERSION). */
    STORE_HEAD_NUMBER_AT = 144,
    FREE_LIST_DBI = 0, /* LMDB's own database: transaction -> count and numbers of free pages */
};

#define STORE_FILE_ID      "id"
#define STORE_FILE_BALLAST "ballast"
#define STORE_DIR          "store"
#define STORE_DIR_NEW      STORE_DIR ".new" /* while it is being made */
#define STORE_FILE_DATA    STORE_DIR "/data.mdb"
#define STORE_LOCK_NAME    "lock.mdb"

#define STORE_META_KEY    "state"
#define STORE_CATALOG_KEY "catalog"
#define STORE_IDS_KEY     "id" /* and a table's number (u16, big-endian): its last id (u64) */

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
    MDB_dbi row;     /* table, id -> row (store/row.h) */
    MDB_dbi index;   /* index, values, id -> nothing (store/row_key.h) */
};

struct store_database {
    const char *name;
    unsigned flags; /* LMDB's */
    size_t offset;  /* in struct store_databases */
};

/* All of them, one by one; NULL behind the last. */
const struct store_database *store_database(size_t place);

/* Behind a record of the log; of the snapshot with that number (0: of none). */
struct record_place {
    uint64_t snapshot_number;
    struct block block;
    size_t offset;
    uint64_t next_seq;
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
    uint64_t snapshot_number; /* how many there were */
    struct store_meta snapshot_meta;
    MDB_cursor *log_cursor;
    MDB_cursor *topic_cursor;
    uint64_t verified_first_seq; /* block whose check was last found good; 0: none. Blocks are
                                    never rewritten, so it stays good */

    /* The operation that was read last, so that the one behind it is found from there. */
    struct record_place record_place;

    /* The writer's. */
    struct bus *bus; /* where it notes the COMMAND in execution; NULL: nowhere */
    unsigned slot;
    struct apply *apply;
    struct store_meta meta;       /* as this process last committed it: what the guard expects */
    struct topic_set topics;      /* of the block in work */
    struct topic_sweep sweep;     /* begins anew in each process */
    uint8_t *block;               /* the block in work */
    size_t block_bytes_allocated; /* grows to the largest block met */
};

/* The parts that store_open is made of, for what opens a store otherwise (store/visit.h). */
struct store *store_new(bool is_writer); /* without an environment; NULL: no memory */
/* Directory, number and environment of one that was made. 0 or -errno (with text); store_close takes what there is. */
int store_attach(struct store *store, const char *data_dir, unsigned lmdb_flags,
                 uint64_t *ret_store_id);
int store_databases_open(struct store *store, MDB_txn *txn);

/* The first line of whatever takes a store. */
void store_check(const struct store *store);
/* Reads and checks the meta record. 0 or -errno (with text); -ENOENT when there is none yet. */
int store_meta_read(const struct store *store, MDB_txn *txn, struct store_meta *ret_meta);
int store_meta_write(const struct store *store, MDB_txn *txn, const struct store_meta *meta);
/* The catalog as @txn has it; empty when there is none yet. 0 or -errno (with text). */
int catalog_read(const struct store *store, MDB_txn *txn, struct catalog **ret_catalog);
/* rows_get in a transaction. */
int rows_get_in(const struct store *store, MDB_txn *txn, const struct catalog_table *table,
                uint64_t id, struct row *ret_row);
/* Makes store->block hold at least @bytes; what it held is lost. 0 or -ENOMEM. */
int store_block_reserve(struct store *store, size_t bytes);
/*
 * LMDB 0.9.24 says EIO for a write cut short by a full disk: with less than @wanted_bytes free
 * -EIO becomes -ENOSPC. Another @rc stays as it is.
 */
int store_full_or(const struct store *store, uint64_t wanted_bytes, int rc);

struct topic_value topic_value_make(uint64_t block_first_seq, uint64_t topic_last_seq);

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
