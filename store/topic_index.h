/*
 * store/topic_index.h - which blocks hold which topic, and what retention has taken of each.
 *
 * Shape    `topic`: name -> {first seq of a block, last seq of the topic in it}, one per block,
 *          ascending. `trimmed`: name -> last seq of the topic that retention took.
 *          Failed COMMANDs are not events: they are in blocks, not in the index.
 * Callers  store/ only. topic_set_*, topic_index_put and _trim: the writer, in its transaction;
 *          the others: any process, with a cursor on `topic`.
 * Memory   a topic_set borrows the names from the block whose records it was given.
 * Limits   a set holds as many topics as one block can have; it is allocated once.
 */
#ifndef STORE_TOPIC_INDEX_H
#define STORE_TOPIC_INDEX_H

#include <lmdb.h>
#include <stddef.h>
#include <stdint.h>

#include "store/block.h"

struct store;

enum {
    /* Records of one byte more than nothing on 16 topics each: 88 bytes for 16 entries. */
    TOPIC_SET_MAX = BLOCK_BYTES_MAX / 88 * RECORD_TOPICS_MAX,
    TOPIC_SET_SLOTS = 32 * 1024, /* a power of two, more than twice TOPIC_SET_MAX */
};

struct topic_set_entry {
    const char *name;
    uint64_t last_seq;
    uint32_t bytes;
    uint32_t slot; /* where it stands in the hash table */
};

/* The topics of one block, each with the last seq it has there. */
struct topic_set {
    struct topic_set_entry *entries;
    uint32_t *slots; /* entry's index + 1; 0: free */
    size_t count;
};

int topic_set_init(struct topic_set *set);
void topic_set_done(struct topic_set *set);
void topic_set_clear(struct topic_set *set);
/* Takes the topics of an event; records come in seq order. 0, or -EBADMSG: more than fit. */
int topic_set_add(struct topic_set *set, const struct record *record);

/* Enters the block at @block_first_seq under each topic of @set. */
int topic_index_put(const struct store *store, MDB_txn *txn, const struct topic_set *set,
                    uint64_t block_first_seq);
/* Takes it out again and remembers in `trimmed` what went. */
int topic_index_trim(const struct store *store, MDB_txn *txn, const struct topic_set *set,
                     uint64_t block_first_seq);
/*
 * The same for a block that cannot be read any more: looks at the oldest entry of every topic.
 * Only for the oldest block. @ret_count: entries that went.
 */
int topic_index_trim_unread(const struct store *store, MDB_txn *txn, uint64_t block_first_seq,
                            size_t *ret_count);

struct topic_place {
    uint64_t block_first_seq;
    uint64_t topic_last_seq;
};

/* The first block with an event of the topic at or behind @seq. -ENOENT: none. */
int topic_index_find(MDB_cursor *cursor, const char *name, size_t bytes, uint64_t seq,
                     struct topic_place *ret_place);
/* The newest block with an event of the topic. -ENOENT: none. */
int topic_index_last(MDB_cursor *cursor, const char *name, size_t bytes,
                     struct topic_place *ret_place);
/* Decodes a value of `topic`. -EBADMSG when it has another size. */
int topic_place_read(const MDB_val *value, struct topic_place *ret_place);

#endif
