/*
 * store/topic_index.h - which blocks hold which topic, and what retention has taken of each.
 *
 * Shape    `topic`: name -> {first seq of a block, last seq of the topic in it}, one per block,
 *          ascending. Trimming the log leaves it alone: an entry whose block begins before the
 *          log's first seq is *stale*, and the newest stale one says what was trimmed last. Stale
 *          entries before that go when the topic is written the next time (its page is written
 *          anyway), and a sweep moves topics that have only stale ones to
 *          `trimmed`: name -> last seq of the topic that retention took.
 *          Failed COMMANDs are not events: they are in blocks, not in the index.
 * Callers  store/ only. topic_set_*, topic_index_put and _sweep: the writer, in its transaction;
 *          the others: any process, with a cursor on `topic`.
 * Memory   a topic_set borrows the names from the block whose records it was given.
 * Limits   a set holds as many topics as one block can have; it is allocated once. Sweeping twice
 *          as many topics as are new keeps those with only stale entries fewer than the others.
 */
#ifndef STORE_TOPIC_INDEX_H
#define STORE_TOPIC_INDEX_H

#include <lmdb.h>
#include <stdbool.h>
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
    uint64_t hash_seed; /* a secret of this process: names are chosen by clients */
};

/* 0, -ENOMEM, or -EIO: no random numbers. */
int topic_set_init(struct topic_set *set);
void topic_set_done(struct topic_set *set);
void topic_set_clear(struct topic_set *set);
/* Takes the topics of an event; records come in seq order. 0, or -EBADMSG: more than fit. */
int topic_set_add(struct topic_set *set, const struct record *record);

/* The transaction that writes the index. */
struct topic_write {
    const struct store *store;
    MDB_txn *txn;
    uint64_t log_first_seq; /* where the log begins: what is stale */
};

/*
 * Enters the block at @block_first_seq under each topic of @set, and takes out some of what is
 * stale there. @ret_new_count: the topics that had no entry before.
 */
int topic_index_put(const struct topic_write *write, const struct topic_set *set,
                    uint64_t block_first_seq, size_t *ret_new_count);

struct topic_name {
    char text[RECORD_TOPIC_BYTES_MAX];
    size_t bytes;
};

/* A pass over all topics, by name, in steps. All zero: none was made yet. */
struct topic_sweep {
    struct topic_name at; /* the last topic visited; empty: no pass is under way */
    uint64_t pass_seq;    /* where the log began when this pass did */
    uint64_t done_seq;    /* ... and when the last complete one did: nothing before it is left */
    bool is_incomplete;   /* this pass has left something: another one is needed */
};

/*
 * Visits up to @topic_count topics more. *ret_is_changed: something was written. Nothing is
 * visited when a complete pass was made since the log last lost something (topic_sweep_is_due).
 */
int topic_index_sweep(const struct topic_write *write, struct topic_sweep *sweep,
                      size_t topic_count, bool *ret_is_changed);
bool topic_sweep_is_due(const struct topic_sweep *sweep, uint64_t log_first_seq);

struct topic_place {
    uint64_t block_first_seq;
    uint64_t topic_last_seq;
};

/*
 * The first block with an event of the topic at or behind @seq, which is not before the log's
 * first. -ENOENT: none.
 */
int topic_index_find(MDB_cursor *cursor, const char *name, size_t bytes, uint64_t seq,
                     struct topic_place *ret_place);
/* The newest entry of the topic, stale or not. -ENOENT: none. */
int topic_index_last(MDB_cursor *cursor, const char *name, size_t bytes,
                     struct topic_place *ret_place);
/*
 * The last seq of the topic that retention took from a log that begins at @log_first_seq; 0: none.
 */
int topic_index_trimmed(const struct store *store, MDB_cursor *cursor,
                        const struct record_topic *topic, uint64_t log_first_seq,
                        uint64_t *ret_seq);
/* Decodes a value of `topic`. -EBADMSG when it has another size. */
int topic_place_read(const MDB_val *value, struct topic_place *ret_place);

#endif
