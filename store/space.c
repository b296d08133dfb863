#include "store/space.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lmdb.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "bus/check.h"
#include "bus/role.h"
#include "store/error.h"
#include "store/files.h"
#include "store/layout.h"

enum {
    STAT_BLOCK_BYTES = 512, /* what st_blocks counts in, whatever the file system's block */
    PERCENT = 100,
};

/* --- the ballast ---------------------------------------------------------------------------- */

int space_ballast_make(struct store *store, uint64_t bytes)
{
    struct stat file;
    int rc;

    store_check(store);
    ROLE_CHECK(ROLE_WRITER);
    CHECK(bytes > 0);
    if (fstatat(store->dir_fd, STORE_FILE_BALLAST, &file, AT_SYMLINK_NOFOLLOW) == 0) {
        if ((uint64_t)file.st_size == bytes && (uint64_t)file.st_blocks * STAT_BLOCK_BYTES >= bytes)
            return 0;
        /* Of another ring size. Away with it first: both may not fit. */
        rc = files_remove(store->dir_fd, STORE_FILE_BALLAST);
        if (rc != 0)
            return error_lmdb(-rc, "replacing the ballast file");
    }
    rc = files_allocate(store->dir_fd, STORE_FILE_BALLAST, bytes);
    if (rc != 0)
        return error_lmdb(-rc, "making the ballast file of %" PRIu64 " bytes", bytes);
    return 0;
}

int space_ballast_release(struct store *store)
{
    int rc;

    store_check(store);
    ROLE_CHECK(ROLE_WRITER);
    rc = files_remove(store->dir_fd, STORE_FILE_BALLAST);
    if (rc == 0 || rc == -ENOENT)
        return rc;
    return error_lmdb(-rc, "releasing the ballast file");
}

bool space_ballast_exists(const struct store *store)
{
    store_check(store);
    return files_exists(store->dir_fd, STORE_FILE_BALLAST) >
           0; /* else it is made, which may fail */
}

/* --- how full it is ------------------------------------------------------------------------- */

/* Pages on the free list: each of its values begins with how many it lists. */
static int free_pages_count(struct store *store, uint64_t *ret_count)
{
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    uint64_t count = 0;
    MDB_val key;
    MDB_val data;
    int rc = mdb_txn_begin(store->mdb, NULL, MDB_RDONLY, &txn);

    if (rc != 0)
        return error_lmdb(rc, "reading the free list");
    rc = mdb_cursor_open(txn, FREE_LIST_DBI, &cursor);
    if (rc == 0)
        rc = mdb_cursor_get(cursor, &key, &data, MDB_FIRST);
    while (rc == 0) {
        size_t listed = 0;

        if (data.mv_size >= sizeof listed)
            memcpy(&listed, data.mv_data, sizeof listed);
        count += listed;
        rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    if (rc != MDB_NOTFOUND)
        return error_lmdb(rc, "reading the free list");
    *ret_count = count;
    return 0;
}

int space_read(struct store *store, struct space *ret_space)
{
    struct statvfs disk;
    MDB_envinfo info;
    MDB_stat stat;
    uint64_t free_count = 0;
    uint64_t page_count;
    int rc;

    store_check(store);
    if (fstatvfs(store->dir_fd, &disk) != 0)
        return error_lmdb(errno, "reading the free space of the disk");
    rc = free_pages_count(store, &free_count);
    if (rc != 0)
        return rc;
    rc = mdb_env_info(store->mdb, &info);
    if (rc == 0)
        rc = mdb_env_stat(store->mdb, &stat);
    if (rc != 0)
        return error_lmdb(rc, "reading the size of the store");
    page_count = (uint64_t)info.me_last_pgno + 1;
    if (free_count > page_count)
        return error_set(-EBADMSG, "the free list is damaged: %" PRIu64 " of %" PRIu64 " pages",
                         free_count, page_count);
    ret_space->disk_free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    ret_space->map_bytes = info.me_mapsize;
    ret_space->map_used_bytes = (page_count - free_count) * stat.ms_psize;
    return 0;
}

bool space_is_short(const struct space *space, uint64_t disk_bytes_min)
{
    if (space->disk_free_bytes < disk_bytes_min)
        return true;
    return space->map_used_bytes >= space->map_bytes / PERCENT * SPACE_MAP_FULL_PERCENT;
}

int store_full_or(const struct store *store, uint64_t wanted_bytes, int rc)
{
    struct statvfs disk;

    if (rc != -EIO || fstatvfs(store->dir_fd, &disk) != 0)
        return rc;
    if ((uint64_t)disk.f_bavail * disk.f_frsize >= wanted_bytes)
        return rc;
    return error_set(-ENOSPC, "writing the store: the disk is full");
}
