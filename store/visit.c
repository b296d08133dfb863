#include "store/visit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "store/error.h"
#include "store/layout.h"

#define SERVER_LOCK "lock" /* of the data directory: server/datadir.h */

bool visit_is_served(const char *data_dir)
{
    char path[PATH_MAX];
    bool is_served;
    int fd;

    if (snprintf(path, sizeof path, "%s/" SERVER_LOCK, data_dir) >= (int)sizeof path)
        return true;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno != ENOENT;
    /* Held for a moment only: a server that starts now asks again and again. */
    is_served = flock(fd, LOCK_SH | LOCK_NB) != 0;
    (void)close(fd); /* and with it the lock */
    return is_served;
}

/* Silently: whoever has asked for the visit says what was met. */
static void on_assert(MDB_env *mdb, const char *what)
{
    (void)mdb;
    (void)what; /* LMDB's own words; it aborts behind this */
}

int visit_begin(const char *data_dir, bool is_served, struct visit *ret_visit)
{
    struct visit visit = {.store = store_new(false)};
    int rc;

    if (visit.store == NULL)
        return error_lmdb(ENOMEM, "opening the store");
    rc = store_attach(visit.store, data_dir, is_served ? 0 : MDB_NOLOCK, &visit.store_id);
    if (rc != 0)
        return rc;
    (void)mdb_env_set_assert(visit.store->mdb, on_assert); /* of an environment that is open */
    rc = mdb_txn_begin(visit.store->mdb, NULL, MDB_RDONLY, &visit.txn);
    if (rc != 0)
        return error_lmdb(rc, "beginning a snapshot");
    visit.store->snapshot = visit.txn;
    visit.number = mdb_txn_id(visit.txn);
    *ret_visit = visit;
    return 0;
}

bool visit_is_overtaken(const struct visit *visit)
{
    MDB_envinfo info;

    if (mdb_env_info(visit->store->mdb, &info) != 0)
        return true;
    /* Readers are counted only where there are slots for them; on a read-only disk are none. */
    return info.me_numreaders == 0 && info.me_last_txnid != visit->number;
}

void visit_end(struct visit *visit)
{
    mdb_txn_abort(visit->txn);
    visit->store->snapshot = NULL;
}
