#include "store/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/apart.h"
#include "store/error.h"
#include "store/files.h"
#include "store/layout.h"
#include "store/space.h"
#include "store/verify.h"
#include "store/visit.h"

enum {
    SNAPSHOT_ERROR_BYTES = 512,
    MODE_BITS = 07777,
};

#define SNAPSHOT_DIR       "snapshot" /* in a DEST that was there */
#define SNAPSHOT_FILE_LOCK STORE_DIR "/lock.mdb"

/* What the copying process leaves. */
struct shared {
    struct store_meta meta; /* of the copy */
    uint64_t original_id;
    bool is_overtaken;
    int rc;
    char error_text[SNAPSHOT_ERROR_BYTES];
};

/* One snapshot in the making. */
struct job {
    const struct snapshot_options *options;
    char dest[PATH_MAX];      /* without slashes at its end */
    char work[PATH_MAX + 16]; /* where the copy is made */
    bool is_dest_there;
    int work_fd;
    int data_fd; /* the copy's file */
    uint64_t store_id;
    bool is_served;
    struct shared *shared;
};

/* --- where it goes -------------------------------------------------------------------------- */

/* 1: empty; 0: not. */
static int dir_is_empty(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    int is_empty = 1;

    if (dir == NULL)
        return -errno;
    errno = 0; /* the end of the directory is no error */
    while (is_empty != 0 && (entry = readdir(dir)) != NULL)
        is_empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    if (errno != 0)
        is_empty = -errno;
    (void)closedir(dir); /* only read */
    return is_empty;
}

static int dest_look(struct job *job)
{
    const char *dest = job->options->dest;
    size_t bytes = strlen(dest);
    struct stat status;
    int rc;

    while (bytes > 1 && dest[bytes - 1] == '/')
        bytes--;
    if (bytes == 0 || bytes >= sizeof job->dest)
        return error_set(-ENAMETOOLONG, "the name of the destination has %zu bytes", bytes);
    memcpy(job->dest, dest, bytes);
    job->dest[bytes] = '\0';
    if (stat(job->dest, &status) != 0)
        return errno == ENOENT ? 0 : error_lmdb(errno, "looking at %s", job->dest);
    if (!S_ISDIR(status.st_mode))
        return error_set(-ENOTDIR, "%s is there already, and is no directory", job->dest);
    rc = dir_is_empty(job->dest);
    if (rc < 0)
        return error_lmdb(-rc, "looking into %s", job->dest);
    if (rc == 0)
        return error_set(-ENOTEMPTY, "%s is not empty: name a directory that is, or is not there",
                         job->dest);
    job->is_dest_there = true;
    return 0;
}

/* The copy's own directory, with a number and an empty file for the store. */
static int work_make(struct job *job)
{
    int length = snprintf(job->work, sizeof job->work, "%s%s.XXXXXX", job->dest,
                          job->is_dest_there ? "/" SNAPSHOT_DIR : "");
    int rc;

    if (length < 0 || (size_t)length >= sizeof job->work)
        return error_set(-ENAMETOOLONG, "the name of the destination is too long");
    if (mkdtemp(job->work) == NULL) {
        rc = errno;
        job->work[0] = '\0'; /* nothing to take away */
        return error_lmdb(rc, "making %s", job->dest);
    }
    job->work_fd = files_open_dir(job->work);
    if (job->work_fd < 0)
        return error_lmdb(-job->work_fd, "opening %s", job->work);
    rc = store_identify(job->work, &job->store_id);
    if (rc != 0)
        return rc;
    rc = files_make_dir(job->work_fd, STORE_DIR);
    if (rc != 0)
        return error_lmdb(-rc, "making %s/%s", job->work, STORE_DIR);
    job->data_fd =
        openat(job->work_fd, STORE_FILE_DATA, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (job->data_fd < 0)
        return error_lmdb(errno, "making %s/%s", job->work, STORE_FILE_DATA);
    return 0;
}

/* Whatever there is of it: what is not there need not be taken away. */
static void work_remove(const struct job *job)
{
    if (job->work_fd >= 0) {
        (void)unlinkat(job->work_fd, STORE_FILE_DATA, 0);
        (void)unlinkat(job->work_fd, SNAPSHOT_FILE_LOCK, 0);
        (void)unlinkat(job->work_fd, STORE_DIR, AT_REMOVEDIR);
        (void)unlinkat(job->work_fd, STORE_FILE_ID, 0);
    }
    if (job->work[0] != '\0')
        (void)rmdir(job->work);
}

/* It has become the destination: nothing takes it away any more. */
static void work_forget(struct job *job)
{
    (void)rmdir(job->work);    /* what was moved by pieces has left it behind */
    (void)close(job->work_fd); /* a directory: nothing to lose */
    job->work_fd = -1;
    job->work[0] = '\0';
}

/* --- the child: copying --------------------------------------------------------------------- */

/* A disk that is too small is better known before. */
static int room_look(const struct job *job, uint64_t bytes)
{
    struct statvfs disk;

    if (fstatvfs(job->work_fd, &disk) != 0 || disk.f_blocks == 0)
        return 0; /* it does not tell: the copy will */
    if ((uint64_t)disk.f_bavail * disk.f_frsize >= bytes)
        return 0;
    return error_set(-ENOSPC, "%s has room for %" PRIu64 " bytes, the copy needs %" PRIu64,
                     job->dest, (uint64_t)disk.f_bavail * disk.f_frsize, bytes);
}

static int copy(struct job *job, struct apart_line *line, const struct visit *visit)
{
    struct space space;
    int rc = space_read(visit->store, &space);

    if (rc == 0)
        rc = room_look(job, space.map_used_bytes);
    if (rc != 0)
        return rc;
    apart_say(line, 0, space.map_used_bytes);
    rc = mdb_env_copyfd2(visit->store->mdb, job->data_fd, MDB_CP_COMPACT);
    /* Pages that were lost, which is no damage of what is stored, are copied with the others. */
    if (rc == MDB_INCOMPATIBLE && ftruncate(job->data_fd, 0) == 0 &&
        lseek(job->data_fd, 0, SEEK_SET) == 0)
        rc = mdb_env_copyfd2(visit->store->mdb, job->data_fd, 0);
    return rc == 0 ? 0 : error_lmdb(rc, "copying to %s", job->dest);
}

/* The copy becomes a store of its own. Nobody else knows it yet: no lock is needed. */
static int adopt(struct job *job)
{
    struct store *store = store_new(true);
    struct store_meta *meta = &job->shared->meta;
    uint64_t store_id = 0;
    MDB_txn *txn = NULL;
    int rc;

    if (store == NULL)
        return error_lmdb(ENOMEM, "opening the copy");
    rc = store_attach(store, job->work, MDB_NOLOCK, &store_id);
    if (rc != 0)
        return rc;
    rc = mdb_txn_begin(store->mdb, NULL, 0, &txn);
    if (rc != 0)
        return error_lmdb(rc, "beginning to write the copy");
    rc = store_databases_open(store, txn);
    if (rc == 0)
        rc = store_meta_read(store, txn, meta);
    if (rc != 0)
        return rc;
    job->shared->original_id = meta->store_id;
    meta->store_id = store_id;
    meta->is_clean = 0;
    meta->poison_seq = 0; /* what comes behind the copy is not what came behind the original */
    meta->poison_deaths = 0;
    rc = store_meta_write(store, txn, meta);
    if (rc != 0)
        return rc;
    rc = mdb_txn_commit(txn);
    return rc == 0 ? 0 : error_lmdb(rc, "writing the copy");
}

static int visit_and_copy(struct job *job, struct apart_line *line)
{
    struct visit visit;
    int rc = visit_begin(job->options->data_dir, job->is_served, &visit);

    if (rc != 0)
        return rc;
    rc = store_databases_open(visit.store, visit.txn);
    visit_end(&visit); /* the copy has a snapshot of its own, and what is older need not stay */
    if (rc == 0)
        rc = copy(job, line, &visit);
    job->shared->is_overtaken = visit_is_overtaken(&visit);
    if (rc == 0 && !job->shared->is_overtaken)
        rc = adopt(job);
    return rc;
}

static void work(void *user, struct apart_line *line)
{
    struct job *job = user;
    int rc = visit_and_copy(job, line);

    job->shared->rc = rc;
    if (rc != 0)
        (void)snprintf(job->shared->error_text, sizeof job->shared->error_text, "%s",
                       store_error_text()); /* as long as that one at most */
}

/* --- the parent ----------------------------------------------------------------------------- */

static bool on_copied(void *user, uint64_t done, uint64_t total)
{
    const struct job *job = user;
    const struct snapshot_options *options = job->options;
    struct stat status;

    (void)done;
    if (options->on_progress == NULL)
        return true;
    if (fstat(job->data_fd, &status) != 0)
        status.st_size = 0;
    return options->on_progress(options->user, SNAPSHOT_COPY, (uint64_t)status.st_size, total);
}

/* 1: a server has come and written meanwhile: once more. */
static int copy_once(struct job *job)
{
    const struct apart apart = {.work = work, .on_progress = on_copied, .user = job};
    int signal_number = 0;
    int rc;

    memset(job->shared, 0, sizeof *job->shared);
    if (ftruncate(job->data_fd, 0) != 0 || lseek(job->data_fd, 0, SEEK_SET) != 0)
        return error_lmdb(errno, "beginning the copy");
    rc = apart_run(&apart, &signal_number);
    if (rc == -ECANCELED)
        return error_set(rc, "the copy was interrupted: nothing is left of it");
    if (rc != 0)
        return error_lmdb(-rc, "starting a process that copies the store");
    if (job->shared->is_overtaken ||
        (signal_number != 0 && !job->is_served && visit_is_served(job->options->data_dir)))
        return 1;
    if (signal_number != 0)
        return error_set(
            -EBADMSG, "%s is damaged: reading it ended the process (%s); a check tells more",
            job->options->data_dir, signal_number > 0 ? strsignal(signal_number) : "an error");
    if (job->shared->rc != 0)
        return error_set(job->shared->rc, "%s", job->shared->error_text);
    return 0;
}

static int copy_all(struct job *job)
{
    int rc;

    job->is_served = visit_is_served(job->options->data_dir);
    rc = copy_once(job);
    if (rc == 1) {
        job->is_served = true;
        rc = copy_once(job);
    }
    if (rc == 1)
        rc = error_set(-EAGAIN,
                       "%s is written while it is read, and its %s has no room for a reader (is it "
                       "on a read-only file system?): stop the server first",
                       job->options->data_dir, SNAPSHOT_FILE_LOCK);
    return rc;
}

static bool on_checked(void *user, uint64_t done, uint64_t total)
{
    const struct snapshot_options *options = user;

    return options->on_progress == NULL ||
           options->on_progress(options->user, SNAPSHOT_CHECK, done, total);
}

static int check(struct job *job, struct verify_report *ret_report)
{
    /* verify_store gives it back to on_checked, which only reads it. */
    struct snapshot_options options = *job->options;
    int rc;

    if (options.is_unchecked)
        return 0;
    rc = verify_store(job->work, on_checked, &options, ret_report);
    if (rc == -ECANCELED)
        return error_set(rc, "the check of the copy was interrupted: nothing is left of it");
    if (rc == 0 && ret_report->problem_count > 0)
        return error_set(-EBADMSG, "the copy is damaged, and was taken away again");
    return rc;
}

/* --- its end -------------------------------------------------------------------------------- */

/* What @from in the original is like: mode, and for root the owner. */
static int make_like(const struct job *job, int original_fd, const char *from, int fd)
{
    struct stat status;

    if (fstatat(original_fd, from, &status, 0) != 0)
        return error_lmdb(errno, "looking at %s/%s", job->options->data_dir, from);
    if (geteuid() == 0 && fchown(fd, status.st_uid, status.st_gid) != 0)
        return error_lmdb(errno, "giving the copy to the owner of the original");
    if (fchmod(fd, status.st_mode & MODE_BITS) != 0)
        return error_lmdb(errno, "giving the copy the modes of the original");
    return 0;
}

static int entry_finish(const struct job *job, int original_fd, const char *name)
{
    int fd = openat(job->work_fd, name, O_RDONLY | O_CLOEXEC);
    int rc;

    if (fd < 0)
        return error_lmdb(errno, "opening %s/%s", job->work, name);
    rc = make_like(job, original_fd, name, fd);
    if (rc == 0 && fsync(fd) != 0)
        rc = error_lmdb(errno, "syncing %s/%s", job->work, name);
    (void)close(fd); /* read and synced */
    return rc;
}

/* Everything is on disk, under the name it was made with, behind this. */
static int work_finish(const struct job *job)
{
    static const char *const names[] = {STORE_FILE_DATA, STORE_FILE_ID, STORE_DIR, "."};
    int original_fd = files_open_dir(job->options->data_dir);
    int rc = 0;

    if (original_fd < 0)
        return error_lmdb(-original_fd, "opening %s", job->options->data_dir);
    for (size_t i = 0; rc == 0 && i < sizeof names / sizeof names[0]; i++)
        rc = entry_finish(job, original_fd, names[i]);
    (void)close(original_fd); /* only looked at */
    return rc;
}

/* Syncs the directory that the copy's name is in. */
static int parent_sync(const char *path, const char *parent)
{
    int fd = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int parent_fd = fd >= 0 ? openat(fd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int rc = 0;

    if (parent_fd < 0 || fsync(parent_fd) != 0)
        rc = error_lmdb(errno, "%s is there, but a power cut may take it: syncing it", path);
    if (parent_fd >= 0)
        (void)close(parent_fd); /* a directory: nothing to lose */
    if (fd >= 0)
        (void)close(fd); /* likewise */
    return rc;
}

/* Without its number it is no store: that comes last. */
static int move_in(struct job *job)
{
    static const char *const names[] = {STORE_DIR, STORE_FILE_ID};
    int dest_fd = files_open_dir(job->dest);
    int rc = dest_fd < 0 ? dest_fd : 0;

    for (size_t i = 0; rc == 0 && i < sizeof names / sizeof names[0]; i++) {
        if (renameat(job->work_fd, names[i], dest_fd, names[i]) == 0)
            continue;
        rc = -errno;
        if (i > 0)
            (void)renameat(dest_fd, STORE_DIR, job->work_fd, STORE_DIR); /* where it is removed */
    }
    if (dest_fd >= 0)
        (void)close(dest_fd); /* a directory: nothing to lose */
    if (rc != 0)
        return error_lmdb(-rc, "moving the copy into %s", job->dest);
    work_forget(job); /* empty, and in nobody's way if it stays */
    return parent_sync(job->dest, ".");
}

static int move(struct job *job)
{
    int rc = work_finish(job);

    if (rc != 0)
        return rc;
    if (job->is_dest_there)
        return move_in(job);
    /* Over a directory that has appeared meanwhile only if that is empty. */
    if (rename(job->work, job->dest) != 0)
        return error_lmdb(errno, "giving the copy its name %s", job->dest);
    work_forget(job);
    return parent_sync(job->dest, "..");
}

static int job_run(struct job *job, struct snapshot *ret_snapshot, struct verify_report *ret_report)
{
    struct stat status;
    int rc = dest_look(job);

    if (rc == 0)
        rc = work_make(job);
    if (rc == 0)
        rc = copy_all(job);
    if (rc == 0)
        rc = check(job, ret_report);
    if (rc == 0 && fstat(job->data_fd, &status) != 0)
        rc = error_lmdb(errno, "looking at the copy");
    if (rc == 0)
        rc = move(job);
    if (rc != 0)
        return rc;
    *ret_snapshot = (struct snapshot){
        .is_served = job->is_served,
        .original_id = job->shared->original_id,
        .store_id = job->store_id,
        .epoch = job->shared->meta.epoch,
        .first_seq = job->shared->meta.first_seq,
        .last_seq = job->shared->meta.committed_seq,
        .bytes = (uint64_t)status.st_size,
    };
    return 0;
}

int snapshot_make(const struct snapshot_options *options, struct snapshot *ret_snapshot,
                  struct verify_report *ret_report)
{
    struct job job = {
        .options = options,
        .work_fd = -1,
        .data_fd = -1,
        .shared = apart_alloc(sizeof *job.shared),
    };
    int rc;

    if (job.shared == NULL)
        return error_lmdb(ENOMEM, "making room for a snapshot");
    rc = job_run(&job, ret_snapshot, ret_report);
    if (rc != 0)
        work_remove(&job);
    if (job.data_fd >= 0)
        (void)close(job.data_fd); /* it was synced, or is no more */
    if (job.work_fd >= 0)
        (void)close(job.work_fd); /* a directory: nothing to lose */
    apart_free(job.shared, sizeof *job.shared);
    return rc;
}
