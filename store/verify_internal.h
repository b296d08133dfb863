/*
 * store/verify_internal.h - what the files of the verification share.
 *
 * Included by store/verify*.c only. All of it runs in the child (store/apart.h); what is wrong is
 * noted in the report, and the walk goes on with what can still be read.
 */
#ifndef STORE_VERIFY_INTERNAL_H
#define STORE_VERIFY_INTERNAL_H

#include "store/apart.h"
#include "store/layout.h"
#include "store/verify.h"
#include "store/visit.h"

enum {
    VERIFY_ERROR_BYTES = 512,
};

/* What both processes have; the parent reads it when the child is gone. */
struct verify_shared {
    struct verify_report report;
    enum verify_part part; /* where the child is, in case it dies ... */
    uint64_t at_seq;       /* ... with which block; 0: not with any */
    uint64_t pages_end;    /* where the file's last page ends; 0: not known yet */
    bool is_overtaken;
    int rc; /* negative: nothing could be looked at, and why */
    char error_text[VERIFY_ERROR_BYTES];
};

struct verify {
    struct visit visit;
    struct store *store; /* the visit's ... */
    MDB_txn *txn;
    struct verify_shared *shared;
    struct verify_report *report; /* in shared */
    struct store_meta meta;
    bool has_meta; /* the state could be read: else nothing is compared with it */
    struct catalog *catalog;

    size_t page_bytes;
    uintptr_t map; /* where page 0 is mapped; 0: not known yet */
    uint64_t page_count;
    uint8_t *free_pages; /* a bit per page */

    struct apart_line *line;
    uint64_t done; /* of the parts before */
    uint64_t total;
};

/* Notes a problem of the part that is looked at; @seq as in struct verify_problem. */
void verify_note(struct verify *verify, uint64_t seq, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Names as they may be shown: quoted, and cut where they are too long. */
struct verify_name {
    char text[RECORD_TOPIC_BYTES_MAX + 8];
};
struct verify_name verify_name(const void *bytes, size_t size);

/* A walk over all entries of one database, in order. */
struct verify_walk {
    struct verify *verify;
    MDB_dbi dbi;
    unsigned flags;
    MDB_cursor *cursor;
    MDB_val key; /* of the present entry, and its data; views into the map */
    MDB_val data;
    bool is_new_key; /* another than that of the entry before */
    uint64_t count;  /* of entries so far */
    uint64_t count_max;
    uint64_t cost; /* of all, for the progress */
};

/* Moves on to @part. False: that is not possible, and noted. */
bool verify_walk_begin(struct verify *verify, enum verify_part part, MDB_dbi dbi,
                       struct verify_walk *ret_walk);
/*
 * The next entry, whose pages, order and key have been checked. False at the end, and where LMDB
 * cannot go on, which is noted.
 */
bool verify_walk_next(struct verify_walk *walk);
/* Compares the count with LMDB's own. */
void verify_walk_end(struct verify_walk *walk);
uint64_t verify_walk_cost(const struct verify *verify, MDB_dbi dbi);

/* In this order. */
void verify_pages(struct verify *verify);   /* the free list, before anything is walked */
void verify_state(struct verify *verify);   /* `meta` */
void verify_epochs(struct verify *verify);  /* `epoch` */
void verify_log(struct verify *verify);     /* `log`, `topic`, `trimmed` */
void verify_rows(struct verify *verify);    /* `row`, `index` */
void verify_account(struct verify *verify); /* every page is used once; needs all else whole */

#endif
