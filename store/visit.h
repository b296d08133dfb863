/*
 * store/visit.h - a tool looks at a store that it does not own: read only, and without a trace.
 *
 * Served   While a server runs (it holds DATA/lock) the visit takes a reader's slot in lock.mdb, as
 *          workers do, so that pages of its snapshot are not used again meanwhile.
 * Alone    Otherwise LMDB's lock file is not touched, nor made: a stopped store, on a read-only file
 *          system too, stays as it is to the byte. Should a server start meanwhile, what was read may
 *          have been overwritten: visit_is_overtaken says so, and the visit must be made again.
 * Callers  a process made for it (store/apart.h): there is one visit in its life, and no end but
 *          visit_end and _exit: closing the environment could destroy the shared lock.
 * Errors   as store_open's, with text.
 */
#ifndef STORE_VISIT_H
#define STORE_VISIT_H

#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>

struct store;

struct visit {
    struct store *store;
    MDB_txn *txn;      /* the snapshot; store->snapshot is the same */
    uint64_t store_id; /* as DATA/id has it */
    uint64_t number;   /* LMDB's, of the snapshot */
};

/* Whether a server has the data directory. In doubt: yes. In any process. */
bool visit_is_served(const char *data_dir);
/* Databases are not opened yet: store_databases_open. */
int visit_begin(const char *data_dir, bool is_served, struct visit *ret_visit);
bool visit_is_overtaken(const struct visit *visit);
/* Gives the slot back. */
void visit_end(struct visit *visit);

#endif
