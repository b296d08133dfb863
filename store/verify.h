/*
 * store/verify.h - is a store whole? Everything in it is read and held against everything else.
 *
 * What      is looked at, and what cannot be noticed: store/README.md, "Verifying".
 * While     a server runs, too: one consistent snapshot is looked at (store/visit.h). Nothing is
 *           changed, no file is made.
 * Damage    of whatever kind is reported, never met: the work is done in a process of its own
 *           (store/apart.h).
 * Memory    bounded: a bit per page of the file, one block's topics, one catalog.
 * Callers   tools.
 */
#ifndef STORE_VERIFY_H
#define STORE_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum verify_part {
    VERIFY_FILE,  /* DATA/store/data.mdb: LMDB's own pages */
    VERIFY_STATE, /* `meta`: state, catalog, id counters */
    VERIFY_EPOCHS,
    VERIFY_LOG,
    VERIFY_TOPICS,  /* `topic` */
    VERIFY_TRIMMED, /* `trimmed` */
    VERIFY_ROWS,
    VERIFY_INDEXES,
    VERIFY_PART_COUNT,
};

enum {
    VERIFY_PROBLEMS_MAX = 100, /* that are told; the others are counted */
    VERIFY_TEXT_BYTES = 512,
};

struct verify_problem {
    enum verify_part part;
    uint64_t seq; /* of the operation, or of the block's first one; 0: none in particular */
    char text[VERIFY_TEXT_BYTES];
};

/* What was found. Of a part that could not be read to its end the counts go as far as it went. */
struct verify_report {
    bool is_served; /* a server has the store */
    bool is_clean;  /* a drain committed everything */
    uint64_t store_id;
    uint64_t epoch;
    uint64_t first_seq;
    uint64_t last_seq;
    int64_t last_time_ns; /* CLOCK_REALTIME, of the last operation */
    uint64_t file_bytes;
    uint64_t log_bytes;
    uint64_t page_count;
    uint64_t free_page_count;
    uint64_t epoch_count;
    uint64_t block_count;
    uint64_t operation_count;
    uint64_t topic_count; /* with kept events, or with entries of trimmed ones */
    uint64_t topic_entry_count;
    uint64_t trimmed_count;
    uint64_t table_count;
    uint64_t row_count;
    uint64_t index_entry_count;
    uint64_t problem_count; /* 0: the store is whole */
    struct verify_problem problems[VERIFY_PROBLEMS_MAX];
};

/* In units of its own; false: stop. */
typedef bool verify_progress(void *user, uint64_t done, uint64_t total);

/*
 * 0: it was looked at, *ret_report says what was found. Else nothing could be found out, and
 * store_error_text() says why: -ENOENT: no such directory, or no store in it; -EACCES;
 * -EAGAIN: it is being written and has no slot for readers; -ECANCELED; -errno.
 */
int verify_store(const char *data_dir, verify_progress *on_progress, void *user,
                 struct verify_report *ret_report);

const char *verify_part_name(enum verify_part part); /* "log" */
/* What a problem there means, and what can be done. */
const char *verify_part_advice(enum verify_part part);

#endif
