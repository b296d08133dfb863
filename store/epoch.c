#include "store/epoch.h"

#include <errno.h>
#include <string.h>

#include "bus/check.h"
#include "store/error.h"
#include "store/layout.h"

struct epoch_list {
    uint64_t epochs[EPOCH_SHARED_MAX];
    size_t count;
};

static int list_read(const MDB_val *data, struct epoch_list *ret_list)
{
    size_t count = data->mv_size / sizeof ret_list->epochs[0];

    if (data->mv_size % sizeof ret_list->epochs[0] != 0 || count == 0 || count > EPOCH_SHARED_MAX)
        return error_set(-EBADMSG, "the epoch table is damaged: an entry has %zu bytes",
                         data->mv_size);
    memcpy(ret_list->epochs, data->mv_data, data->mv_size);
    ret_list->count = count;
    return 0;
}

static int oldest_drop(const struct store *store, MDB_txn *txn)
{
    MDB_cursor *cursor = NULL;
    MDB_stat stat;
    MDB_val key;
    MDB_val data;
    int rc = mdb_stat(txn, store->db.epoch, &stat);

    if (rc != 0)
        return error_lmdb(rc, "reading the epoch table");
    if (stat.ms_entries <= EPOCH_STARTS_MAX)
        return 0;
    rc = mdb_cursor_open(txn, store->db.epoch, &cursor);
    if (rc != 0)
        return error_lmdb(rc, "opening the epoch table");
    rc = mdb_cursor_get(cursor, &key, &data, MDB_FIRST);
    if (rc == 0)
        rc = mdb_cursor_del(cursor, 0);
    mdb_cursor_close(cursor);
    return rc == 0 ? 0 : error_lmdb(rc, "trimming the epoch table");
}

int epoch_add(const struct store *store, MDB_txn *txn, uint64_t first_seq, uint64_t epoch)
{
    struct epoch_list list = {.count = 0};
    MDB_val key = key_of(&first_seq);
    MDB_val data;
    int rc = mdb_get(txn, store->db.epoch, &key, &data);

    if (rc == 0)
        rc = list_read(&data, &list);
    else if (rc == MDB_NOTFOUND)
        rc = 0;
    else
        rc = error_lmdb(rc, "reading the epoch table");
    if (rc != 0)
        return rc;

    if (list.count == EPOCH_SHARED_MAX) {
        memmove(list.epochs, list.epochs + 1, sizeof list.epochs - sizeof list.epochs[0]);
        list.count--;
    }
    list.epochs[list.count++] = epoch;
    data = val_of(list.epochs, list.count * sizeof list.epochs[0]);
    rc = mdb_put(txn, store->db.epoch, &key, &data, 0);
    if (rc != 0)
        return error_lmdb(rc, "writing the epoch table");
    return oldest_drop(store, txn);
}

/* Looks for @epoch in @list, which began at @first_seq; the next one began at @next_seq. */
static int list_find(const struct epoch_list *list, uint64_t epoch, uint64_t first_seq,
                     uint64_t next_seq, uint64_t *ret_end_seq)
{
    for (size_t i = list->count; i-- > 0;) {
        if (list->epochs[i] != epoch)
            continue;
        /* All but the last of those that share a first seq ended before it. */
        *ret_end_seq = (i + 1 == list->count ? next_seq : first_seq) - 1;
        return 0;
    }
    return -ENOENT;
}

int epoch_end(const struct store *store, MDB_txn *txn, uint64_t epoch, uint64_t *ret_end_seq)
{
    struct epoch_list list;
    MDB_cursor *cursor = NULL;
    uint64_t next_seq = 0;
    MDB_val key;
    MDB_val data;
    int rc = mdb_cursor_open(txn, store->db.epoch, &cursor);

    if (rc != 0)
        return error_lmdb(rc, "opening the epoch table");
    /* From the newest back: bounded by EPOCH_STARTS_MAX. */
    rc = mdb_cursor_get(cursor, &key, &data, MDB_LAST);
    while (rc == 0) {
        uint64_t first_seq = key_read(&key);

        rc = list_read(&data, &list);
        if (rc != 0)
            goto done;
        if (next_seq == 0)
            next_seq = first_seq; /* the newest of all is in force: not asked for here */
        rc = list_find(&list, epoch, first_seq, next_seq, ret_end_seq);
        if (rc == 0)
            goto done;
        next_seq = first_seq;
        rc = mdb_cursor_get(cursor, &key, &data, MDB_PREV);
    }
    rc = rc == MDB_NOTFOUND ? -ENOENT : error_lmdb(rc, "reading the epoch table");
done:
    mdb_cursor_close(cursor);
    return rc;
}
