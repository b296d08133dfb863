/*
 * store/stray_head.h - the head of a commit that has failed, left in the data file.
 *
 * LMDB's file has two heads ("meta pages"), which transactions write in turn, the even ones the first.
 * When a head cannot be written LMDB puts the one before back; when that fails too, the failed one
 * stays in the page cache, whole. Processes that have the environment open go by the number in the lock
 * file and never see it. But a writer among them would write pages that it names, and once all have
 * ended, the next to open the file takes the head with the greater number.
 * Source   LMDB 0.9.24, mdb_env_write_meta, mdb_txn_renew0, mdb_env_pick_meta.
 */
#ifndef STORE_STRAY_HEAD_H
#define STORE_STRAY_HEAD_H

#include <lmdb.h>

/*
 * Overwrites such a head with the one in force, as if of the transaction before. To be synced before any
 * page is written. The writer, before its first transaction. 0, or -errno with text: -EBADMSG when the
 * head in force is not where it belongs.
 */
int stray_head_overwrite(MDB_env *mdb);

#endif
