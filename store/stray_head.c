#include "store/stray_head.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "bus/check.h"
#include "store/error.h"
#include "store/layout.h"

static_assert(MDB_VERSION_MAJOR == 0 && MDB_VERSION_MINOR == 9, "the format of its heads");

enum {
    /* In a head's page, behind what never changes of it: what each transaction writes, its number
       last. Within one sector, so whole or not at all. */
    NEWS_AT = 32,
    NUMBER_IN_NEWS = STORE_HEAD_NUMBER_AT - NEWS_AT,
    NEWS_BYTES = NUMBER_IN_NEWS + (int)sizeof(uint64_t),
};

/* What opening the environment beside others has found: they know no later one. */
static int number_in_force(MDB_env *mdb, uint64_t *ret_number)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(mdb, NULL, MDB_RDONLY, &txn);

    if (rc != 0)
        return error_lmdb(rc, "beginning a snapshot");
    *ret_number = mdb_txn_id(txn);
    mdb_txn_abort(txn);
    return 0;
}

static int head_copy(int fd, unsigned page_bytes, uint64_t number)
{
    off_t from = (off_t)(page_bytes * (number & 1) + NEWS_AT);
    off_t to = (off_t)(page_bytes * (~number & 1) + NEWS_AT);
    uint64_t previous = number - 1;
    uint8_t news[NEWS_BYTES];
    uint8_t *at = news + NUMBER_IN_NEWS;
    ssize_t bytes = pread(fd, news, sizeof news, from);

    if (bytes != (ssize_t)sizeof news)
        return error_lmdb(bytes < 0 ? errno : EIO, "reading a head of %s", STORE_FILE_DATA);
    if (memcmp(at, &number, sizeof number) != 0)
        return error_set(-EBADMSG, "%s is damaged: the head of transaction %" PRIu64 " is missing",
                         STORE_FILE_DATA, number);
    memcpy(at, &previous, sizeof previous);
    bytes = pwrite(fd, news, sizeof news, to);
    if (bytes != (ssize_t)sizeof news)
        return error_lmdb(bytes < 0 ? errno : EIO, "writing a head of %s", STORE_FILE_DATA);
    return 0;
}

int stray_head_overwrite(MDB_env *mdb)
{
    uint64_t number = 0;
    MDB_envinfo info;
    MDB_stat stat;
    mdb_filehandle_t fd;
    int rc = number_in_force(mdb, &number);

    if (rc != 0)
        return rc;
    rc = mdb_env_info(mdb, &info); /* of the head with the greater number */
    if (rc == 0)
        rc = mdb_env_stat(mdb, &stat);
    if (rc == 0)
        rc = mdb_env_get_fd(mdb, &fd);
    if (rc != 0)
        return error_lmdb(rc, "looking at the heads of %s", STORE_FILE_DATA);
    if (info.me_last_txnid == number)
        return 0;
    CHECK(number > 0); /* a store has its name since its first commit */
    return head_copy(fd, stat.ms_psize, number);
}
