/*
 * store/log.h - reading the log: blocks by seq, blocks by topic, topics, epochs.
 *
 * Callers  any process that has a snapshot (store/env.h). Nothing here writes.
 * Cost     each call is a few B-tree descents; none walks more than one block, or, for
 *          log_topics_list, LOG_TOPICS_STEP names.
 * Limits   a cold page is a wait for the disk: ask ahead with log_prefetch.
 */
#ifndef STORE_LOG_H
#define STORE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/block.h"
#include "store/env.h"

/*
 * The block that holds @seq, or the first one behind it.
 * -ENOENT: nothing at or behind @seq is committed in this snapshot. -EBADMSG: damaged.
 */
int log_block_at(struct store *store, uint64_t seq, struct block *ret_block);

/*
 * One operation. Asking for ascending seqs walks each block once. -ENOENT: not committed in this
 * snapshot, or no longer kept.
 */
int log_record_at(struct store *store, uint64_t seq, struct record *ret_record);

/*
 * The first seq of the first block that holds an event of this topic with a seq >= @seq.
 * -ENOENT: none.
 */
int log_topic_block_at(struct store *store, const char *topic, size_t topic_bytes, uint64_t seq,
                       uint64_t *ret_block_first_seq);

/* Tells the kernel that the block at @seq will be read soon (madvise). */
void log_prefetch(struct store *store, uint64_t seq);

struct log_topic {
    uint64_t oldest_seq;  /* first kept event of the topic; 0: none is kept */
    uint64_t last_seq;    /* last kept event; 0: none is kept */
    uint64_t trimmed_seq; /* last event of it that retention took; 0: none ever */
};

/* All zero for a topic never seen. 0 or -errno. */
int log_topic_info(struct store *store, const char *topic, size_t topic_bytes,
                   struct log_topic *ret_topic);

enum {
    LOG_TOPICS_STEP = 128,
};

/* A walk over the topics by name (byte order), in steps. All zero: over all of them. */
struct log_topic_walk {
    char prefix[RECORD_TOPIC_BYTES_MAX]; /* only names that begin with it */
    char after[RECORD_TOPIC_BYTES_MAX];  /* only names behind it; a step that returns 1 moves it */
    size_t prefix_bytes;
    size_t after_bytes;
};

/*
 * One step: looks at up to LOG_TOPICS_STEP names, those included that retention has emptied, and
 * calls @on_topic for each that has kept events; it returns false to stop.
 * 1: there may be more names; 0: there are none, or it was stopped; -errno.
 */
typedef bool log_topic_function(void *user, const char *topic, size_t topic_bytes,
                                uint64_t last_seq);
int log_topics_list(struct store *store, struct log_topic_walk *walk, log_topic_function *on_topic,
                    void *user);

enum epoch_verdict {
    EPOCH_GOOD,    /* known, and @seq is not past its end */
    EPOCH_UNKNOWN, /* of another store, or one that a power cut took */
    EPOCH_PAST,    /* known, but @seq lies past its end: its holder saw events that were lost */
};

/*
 * Judges a resume token. The end of the epoch in force is @tail_seq (the ring's), of an earlier
 * one the seq before the next began.
 */
int log_epoch_judge(struct store *store, uint64_t epoch, uint64_t seq, uint64_t tail_seq,
                    enum epoch_verdict *ret_verdict);

#endif
