#include "store/env.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "bus/check.h"
#include "bus/role.h"
#include "bus/test_point.h"
#include "store/apply.h"
#include "store/error.h"
#include "store/files.h"
#include "store/layout.h"
#include "store/stray_head.h"

enum {
    ID_TEXT_BYTES = 17, /* 16 hex digits and a newline */
    STORE_FILE_MODE = 0640,
    BEGINNING_BYTES = 64 * 1024, /* more than a new store takes; only to judge an EIO */
};

/* --- the store's number --------------------------------------------------------------------- */

static int id_parse(const char *text, int length, uint64_t *ret_store_id)
{
    uint64_t id = 0;

    if (length != ID_TEXT_BYTES || text[ID_TEXT_BYTES - 1] != '\n')
        return -EINVAL;
    for (int i = 0; i < ID_TEXT_BYTES - 1; i++) {
        const char *digits = "0123456789abcdef";
        const char *digit = text[i] != '\0' ? strchr(digits, text[i]) : NULL;

        if (digit == NULL)
            return -EINVAL;
        id = id << 4 | (uint64_t)(digit - digits);
    }
    if (id == 0)
        return -EINVAL;
    *ret_store_id = id;
    return 0;
}

static int id_read(int dir_fd, const char *data_dir, uint64_t *ret_store_id)
{
    char text[ID_TEXT_BYTES + 1];
    int length = files_read(dir_fd, STORE_FILE_ID, text, sizeof text);

    if (length == -ENOENT)
        return -ENOENT;
    if (length < 0)
        return error_lmdb(-length, "reading %s/%s", data_dir, STORE_FILE_ID);
    if (id_parse(text, length, ret_store_id) != 0)
        return error_set(-EINVAL, "%s/%s is damaged: it should be 16 hexadecimal digits", data_dir,
                         STORE_FILE_ID);
    return 0;
}

static int id_make(int dir_fd, const char *data_dir, uint64_t *ret_store_id)
{
    char text[ID_TEXT_BYTES + 1];
    uint64_t id = 0;
    int rc = files_exists(dir_fd, STORE_FILE_DATA);

    if (rc < 0)
        return error_lmdb(-rc, "looking for %s/%s", data_dir, STORE_FILE_DATA);
    if (rc > 0)
        return error_set(-ENOENT,
                         "%s holds a store (%s) but not its number (%s): restore that file, or "
                         "move the directory away to begin anew",
                         data_dir, STORE_FILE_DATA, STORE_FILE_ID);
    while (id == 0) {
        if (getrandom(&id, sizeof id, 0) != (ssize_t)sizeof id)
            return error_lmdb(errno, "making a random number");
    }
    (void)snprintf(text, sizeof text, "%016" PRIx64 "\n", id); /* fits: 17 and the end */
    rc = files_write(dir_fd, STORE_FILE_ID, text, ID_TEXT_BYTES);
    if (rc != 0)
        return error_lmdb(-rc, "writing %s/%s", data_dir, STORE_FILE_ID);
    *ret_store_id = id;
    return 0;
}

/* Makes the data directory itself, when only its last name is missing. */
static int data_dir_open(const char *data_dir)
{
    int fd = files_open_dir(data_dir);
    int parent_fd;

    if (fd != -ENOENT)
        return fd;
    if (mkdir(data_dir, 0750) != 0 && errno != EEXIST)
        return -errno;
    fd = files_open_dir(data_dir);
    if (fd < 0)
        return fd;
    parent_fd = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent_fd < 0 || fsync(parent_fd) != 0) {
        int rc = -errno;

        (void)close(fd); /* a directory: nothing to lose */
        fd = rc;
    }
    if (parent_fd >= 0)
        (void)close(parent_fd); /* likewise */
    return fd;
}

int store_identify(const char *data_dir, uint64_t *ret_store_id)
{
    int dir_fd = data_dir_open(data_dir);
    int rc;

    if (dir_fd < 0)
        return error_lmdb(-dir_fd, "opening the data directory %s", data_dir);
    rc = id_read(dir_fd, data_dir, ret_store_id);
    if (rc == -ENOENT)
        rc = id_make(dir_fd, data_dir, ret_store_id);
    (void)close(dir_fd); /* a directory: nothing to lose */
    return rc;
}

/* --- meta ----------------------------------------------------------------------------------- */

int store_meta_read(const struct store *store, MDB_txn *txn, struct store_meta *ret_meta)
{
    MDB_val key = val_of(STORE_META_KEY, sizeof STORE_META_KEY - 1);
    MDB_val data;
    struct meta_value value;
    int rc = mdb_get(txn, store->db.meta, &key, &data);

    if (rc == MDB_NOTFOUND)
        return error_set(-ENOENT, "the store has not been begun yet");
    if (rc != 0)
        return error_lmdb(rc, "reading the store's state");
    if (data.mv_size < sizeof value.meta.format_version)
        return error_set(-EBADMSG, "the store's state is damaged: it has %zu bytes", data.mv_size);
    /* The version first: another format may have another size. */
    memcpy(&value, data.mv_data, sizeof value.meta.format_version);
    if (value.meta.format_version != STORE_FORMAT_VERSION)
        return error_set(-ENOTSUP, "the store has format %u, this program knows format %d",
                         value.meta.format_version, STORE_FORMAT_VERSION);
    if (data.mv_size != sizeof value)
        return error_set(-EBADMSG, "the store's state is damaged: it has %zu bytes", data.mv_size);
    memcpy(&value, data.mv_data, sizeof value);
    if (value.check != XXH3_64bits(&value.meta, sizeof value.meta))
        return error_set(-EBADMSG, "the store's state is damaged: its check does not match");
    *ret_meta = value.meta;
    return 0;
}

int store_meta_write(const struct store *store, MDB_txn *txn, const struct store_meta *meta)
{
    MDB_val key = val_of(STORE_META_KEY, sizeof STORE_META_KEY - 1);
    struct meta_value value = {.meta = *meta};
    MDB_val data = val_of(&value, sizeof value);
    int rc;

    CHECK(meta->format_version == STORE_FORMAT_VERSION);
    CHECK(meta->first_seq >= 1);
    CHECK(meta->first_seq <= meta->committed_seq + 1);
    CHECK(meta->log_count == meta->committed_seq + 1 - meta->first_seq);
    value.check = XXH3_64bits(&value.meta, sizeof value.meta);
    rc = mdb_put(txn, store->db.meta, &key, &data, 0);
    return rc == 0 ? 0 : error_lmdb(rc, "writing the store's state");
}

/* --- open and close ------------------------------------------------------------------------- */

/* What getpid() says, which is a system call, and a reader asks for every row. */
static pid_t own_pid;

static void on_fork(void)
{
    own_pid = getpid();
}

/* Makes own_pid true, and keeps it so in every child to come. */
static int watch_forks(void)
{
    int rc = own_pid != 0 ? 0 : pthread_atfork(NULL, NULL, on_fork);

    if (rc == 0)
        own_pid = getpid();
    return -rc;
}

void store_check(const struct store *store)
{
    CHECK(store != NULL);
    CHECK(store->opened_by == own_pid);
}

const struct store_database *store_database(size_t place)
{
    static const struct store_database databases[] = {
        {"meta", 0, offsetof(struct store_databases, meta)},
        {"epoch", MDB_INTEGERKEY, offsetof(struct store_databases, epoch)},
        {"log", MDB_INTEGERKEY, offsetof(struct store_databases, log)},
        {"topic", MDB_DUPSORT | MDB_DUPFIXED, offsetof(struct store_databases, topic)},
        {"trimmed", 0, offsetof(struct store_databases, trimmed)},
        {"row", 0, offsetof(struct store_databases, row)},
        {"index", 0, offsetof(struct store_databases, index)},
    };

    return place < sizeof databases / sizeof databases[0] ? &databases[place] : NULL;
}

int store_databases_open(struct store *store, MDB_txn *txn)
{
    unsigned create = store->is_writer ? MDB_CREATE : 0;
    const struct store_database *database;

    for (size_t i = 0; (database = store_database(i)) != NULL; i++) {
        MDB_dbi dbi = 0;
        int rc = mdb_dbi_open(txn, database->name, database->flags | create, &dbi);

        if (rc == MDB_NOTFOUND)
            return error_set(-ENOENT, "the store has no database '%s' yet", database->name);
        if (rc != 0)
            return error_lmdb(rc, "opening the database '%s'", database->name);
        memcpy((char *)&store->db + database->offset, &dbi, sizeof dbi);
    }
    return 0;
}

/* Opens the databases and reads the state, which a writer makes when there is none. */
static int state_open(struct store *store, uint64_t store_id)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(store->mdb, NULL, store->is_writer ? 0 : MDB_RDONLY, &txn);

    if (rc != 0)
        return error_lmdb(rc, "beginning the first transaction");
    rc = store_databases_open(store, txn);
    if (rc != 0)
        goto fail;
    rc = store_meta_read(store, txn, &store->meta);
    if (rc == -ENOENT && store->is_writer) {
        store->meta = (struct store_meta){
            .format_version = STORE_FORMAT_VERSION,
            .store_id = store_id,
            .first_seq = 1,
        };
        rc = store_meta_write(store, txn, &store->meta);
    }
    if (rc != 0)
        goto fail;
    if (store->meta.store_id != store_id) {
        rc = error_set(-EBADMSG,
                       "the store's number is %016" PRIx64 " but the file %s says %016" PRIx64,
                       store->meta.store_id, STORE_FILE_ID, store_id);
        goto fail;
    }
    rc = mdb_txn_commit(txn);
    if (rc == 0)
        return 0;
    return store_full_or(store, BEGINNING_BYTES,
                         error_lmdb(rc, "committing the first transaction"));

fail:
    mdb_txn_abort(txn);
    return rc;
}

/*
 * A map past the end of its file is a SIGBUS for whoever touches it. A file may rightly be shorter
 * than its last page (pages used and freed within one transaction are never written); one that
 * was cut must give an error instead: what is missing is filled with zeros, which no page is.
 */
static int data_file_extend(const struct store *store)
{
    MDB_envinfo info;
    MDB_stat stat;
    struct stat file;
    mdb_filehandle_t fd;
    uint64_t bytes;
    int rc = mdb_env_info(store->mdb, &info);

    if (rc == 0)
        rc = mdb_env_stat(store->mdb, &stat);
    if (rc == 0)
        rc = mdb_env_get_fd(store->mdb, &fd);
    if (rc != 0)
        return error_lmdb(rc, "reading the size of the store");
    bytes = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
    if (fstat(fd, &file) != 0)
        return error_lmdb(errno, "reading the size of %s", STORE_FILE_DATA);
    if ((uint64_t)file.st_size >= bytes)
        return 0;
    if (ftruncate(fd, (off_t)bytes) != 0)
        return error_lmdb(errno, "extending %s", STORE_FILE_DATA);
    return 0;
}

/*
 * When its head cannot be written LMDB puts the old one back, into the page cache only (and so does
 * stray_head_overwrite). It has to be on the disk before any page is written that the failed head
 * names: store/README.md, "Failed syncs".
 */
static int data_file_sync(const struct store *store)
{
    int rc = mdb_env_sync(store->mdb, 1);

    return rc == 0 ? 0 : error_lmdb(rc, "syncing %s", STORE_FILE_DATA);
}

static int map_grow(const struct store *store, uint64_t map_bytes)
{
    uint64_t wanted = map_bytes != 0 ? map_bytes : STORE_MAP_BYTES_DEFAULT;
    MDB_envinfo info;
    int rc = mdb_env_info(store->mdb, &info);

    if (rc == 0 && info.me_mapsize < wanted)
        rc = mdb_env_set_mapsize(store->mdb, wanted);
    return rc == 0 ? 0 : error_lmdb(rc, "mapping the store with %" PRIu64 " bytes", wanted);
}

/*
 * LMDB makes its lock file with holes and writes it through a mapping: on a full disk that is a
 * SIGBUS, for the writer that begins it and for the worker that first takes a slot in a new page.
 */
static int lock_file_reserve(const struct store *store, const char *name)
{
    char path[NAME_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", name, STORE_LOCK_NAME);
    int rc = -ENAMETOOLONG;

    if (length > 0 && (size_t)length < sizeof path)
        rc = files_reserve(store->dir_fd, path, STORE_LOCK_BYTES);
    return rc == 0 ? 0 : error_lmdb(-rc, "making %s", path);
}

/* In the directory @name of @data_dir. */
static int environment_open(struct store *store, const char *data_dir, const char *name,
                            unsigned lmdb_flags)
{
    char path[PATH_MAX];
    unsigned flags = MDB_NOTLS | (store->is_writer ? 0 : MDB_RDONLY) | lmdb_flags;
    int length = snprintf(path, sizeof path, "%s/%s", data_dir, name);
    bool has_lock = (lmdb_flags & MDB_NOLOCK) == 0;
    int rc = store->is_writer && has_lock ? lock_file_reserve(store, name) : 0;

    if (length < 0 || (size_t)length >= sizeof path)
        return error_set(-ENAMETOOLONG, "the name of the data directory is too long");
    if (rc != 0)
        return rc;
    rc = mdb_env_create(&store->mdb);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(store->mdb, STORE_DATABASES_MAX);
    if (rc == 0)
        rc = mdb_env_set_maxreaders(store->mdb, STORE_READERS_MAX);
    if (rc == 0)
        rc = mdb_env_open(store->mdb, path, flags, STORE_FILE_MODE);
    return rc == 0 ? 0 : error_lmdb(rc, "opening %s", path);
}

static int writer_parts_open(struct store *store, const struct store_options *options)
{
    int rc = data_file_extend(store);

    if (rc == 0)
        rc = stray_head_overwrite(store->mdb);
    if (rc == 0)
        rc = data_file_sync(store);
    if (rc == 0)
        rc = map_grow(store, options->map_bytes);
    if (rc != 0)
        return rc;
    rc = topic_set_init(&store->topics);
    if (rc == 0)
        rc = apply_new(store, &store->apply);
    if (rc == 0)
        rc = store_block_reserve(store, sizeof(struct block_head) + BLOCK_BYTES_MAX);
    return rc == 0 ? 0 : error_lmdb(-rc, "making room for blocks");
}

/* Directories and files that a power cut must not take from what is committed into them. */
static int entries_sync(const struct store *store, const char *name)
{
    int fd = openat(store->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = 0;

    if (fd < 0 || fsync(fd) != 0 || fsync(store->dir_fd) != 0)
        rc = error_lmdb(errno, "syncing the directory %s", name);
    if (fd >= 0)
        (void)close(fd); /* a directory: nothing to lose */
    return rc;
}

/* A reader cannot begin a store; LMDB would try, and fail with EBADF. */
static int data_file_look(int dir_fd, const char *data_dir)
{
    struct stat file = {.st_size = 0};

    if (fstatat(dir_fd, STORE_FILE_DATA, &file, 0) != 0 && errno != ENOENT)
        return error_lmdb(errno, "looking at %s/%s", data_dir, STORE_FILE_DATA);
    return file.st_size > 0 ? 0 : error_set(-ENOENT, "%s holds no store yet", data_dir);
}

struct store *store_new(bool is_writer)
{
    struct store *store = calloc(1, sizeof *store);

    if (store == NULL || watch_forks() != 0) {
        free(store);
        return NULL;
    }
    store->opened_by = own_pid;
    store->dir_fd = -1;
    store->is_writer = is_writer;
    return store;
}

/* What a death or a power cut has left of a store that was being made. */
static int new_dir_empty(int dir_fd)
{
    static const char *const names[] = {STORE_DIR_NEW "/data.mdb",
                                        STORE_DIR_NEW "/" STORE_LOCK_NAME};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (unlinkat(dir_fd, names[i], 0) != 0 && errno != ENOENT)
            return -errno;
    }
    return 0;
}

/*
 * A new store gets its name when its first state is on the disk: LMDB does not sync the head of a new
 * file before its first commit, and does not take a file for its own of which a power cut has left
 * no more than the size.
 */
static int store_make(int dir_fd, const struct store_options *options, uint64_t store_id)
{
    struct store *made;
    int rc = files_make_dir(dir_fd, STORE_DIR_NEW);

    if (rc == 0)
        rc = new_dir_empty(dir_fd);
    if (rc != 0)
        return error_lmdb(-rc, "making %s/%s", options->data_dir, STORE_DIR_NEW);
    TEST_POINT(MAKE_STORE_DIRECTORY);
    made = store_new(true);
    if (made == NULL)
        return error_lmdb(ENOMEM, "making a store");
    made->dir_fd = files_open_dir(options->data_dir);
    rc = made->dir_fd >= 0 ? 0 : error_lmdb(-made->dir_fd, "opening %s", options->data_dir);
    if (rc == 0)
        rc = environment_open(made, options->data_dir, STORE_DIR_NEW, 0);
    TEST_POINT(MAKE_STORE_FILES);
    if (rc == 0)
        rc = map_grow(made, options->map_bytes);
    if (rc == 0)
        rc = state_open(made, store_id);
    if (rc == 0)
        rc = entries_sync(made, STORE_DIR_NEW);
    store_close(made);
    if (rc != 0)
        return rc;
    TEST_POINT(MAKE_STORE_COMMITTED);
    rc = files_rename(dir_fd, STORE_DIR_NEW, STORE_DIR);
    TEST_POINT(MAKE_STORE_NAMED);
    return rc == 0 ? 0 : error_lmdb(-rc, "making %s/%s", options->data_dir, STORE_DIR);
}

/* The directory, and the number that it has. */
static int data_dir_attach(struct store *store, const char *data_dir, uint64_t *ret_store_id)
{
    int rc;

    store->dir_fd = files_open_dir(data_dir);
    if (store->dir_fd < 0)
        return error_lmdb(-store->dir_fd, "opening the data directory %s", data_dir);
    rc = id_read(store->dir_fd, data_dir, ret_store_id);
    if (rc == -ENOENT)
        return error_set(rc, "%s has no file %s: it is not a data directory", data_dir,
                         STORE_FILE_ID);
    return rc;
}

int store_attach(struct store *store, const char *data_dir, unsigned lmdb_flags,
                 uint64_t *ret_store_id)
{
    uint64_t store_id = 0;
    int rc = data_dir_attach(store, data_dir, &store_id);

    if (rc == 0)
        rc = data_file_look(store->dir_fd, data_dir);
    if (rc == 0)
        rc = environment_open(store, data_dir, STORE_DIR, lmdb_flags);
    if (rc == 0)
        *ret_store_id = store_id;
    return rc;
}

static int writer_attach(struct store *store, const struct store_options *options,
                         uint64_t *ret_store_id)
{
    int rc = data_dir_attach(store, options->data_dir, ret_store_id);
    int exists;

    if (rc != 0)
        return rc;
    exists = files_exists(store->dir_fd, STORE_DIR);
    if (exists < 0)
        return error_lmdb(-exists, "looking for %s/%s", options->data_dir, STORE_DIR);
    if (exists == 0)
        rc = store_make(store->dir_fd, options, *ret_store_id);
    if (rc == 0)
        rc = environment_open(store, options->data_dir, STORE_DIR, 0);
    return rc;
}

static int store_fill(struct store *store, const struct store_options *options)
{
    uint64_t store_id = 0;
    int rc = store->is_writer ? writer_attach(store, options, &store_id)
                              : store_attach(store, options->data_dir, 0, &store_id);

    if (rc == 0 && store->is_writer)
        rc = writer_parts_open(store, options);
    if (rc == 0)
        rc = state_open(store, store_id);
    if (rc != 0)
        return rc;
    return store->is_writer ? entries_sync(store, STORE_DIR) : 0;
}

int store_open(const struct store_options *options, struct store **ret_store)
{
    struct store *store;
    int rc;

    if (options->is_writer)
        ROLE_CHECK(ROLE_WRITER);
    store = store_new(options->is_writer);
    if (store == NULL)
        return error_lmdb(ENOMEM, "opening the store");
    store->bus = options->bus;
    store->slot = options->slot;
    rc = store_fill(store, options);
    if (rc != 0) {
        store_close(store);
        return rc;
    }
    *ret_store = store;
    return 0;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    store_check(store);
    if (store->log_cursor != NULL)
        mdb_cursor_close(store->log_cursor);
    if (store->topic_cursor != NULL)
        mdb_cursor_close(store->topic_cursor);
    if (store->snapshot != NULL)
        mdb_txn_abort(store->snapshot);
    if (store->mdb != NULL)
        mdb_env_close(store->mdb);
    if (store->dir_fd >= 0)
        (void)close(store->dir_fd); /* a directory: nothing to lose */
    topic_set_done(&store->topics);
    apply_free(store->apply);
    free(store->block);
    free(store);
}

int store_block_reserve(struct store *store, size_t bytes)
{
    uint8_t *block;

    if (bytes <= store->block_bytes_allocated)
        return 0;
    block = malloc(bytes);
    if (block == NULL)
        return -ENOMEM;
    free(store->block);
    store->block = block;
    store->block_bytes_allocated = bytes;
    return 0;
}

int store_clear_dead_readers(struct store *store)
{
    int dead_count = 0;
    int rc;

    store_check(store);
    rc = mdb_reader_check(store->mdb, &dead_count);
    return rc == 0 ? dead_count : error_lmdb(rc, "clearing the slots of dead readers");
}

/* --- snapshots ------------------------------------------------------------------------------ */

static int snapshot_first(struct store *store)
{
    int rc = mdb_txn_begin(store->mdb, NULL, MDB_RDONLY, &store->snapshot);

    if (rc != 0) {
        store->snapshot = NULL;
        return rc;
    }
    rc = mdb_cursor_open(store->snapshot, store->db.log, &store->log_cursor);
    if (rc == 0)
        rc = mdb_cursor_open(store->snapshot, store->db.topic, &store->topic_cursor);
    if (rc == 0)
        return 0;
    if (store->log_cursor != NULL)
        mdb_cursor_close(store->log_cursor);
    store->log_cursor = NULL;
    mdb_txn_abort(store->snapshot);
    store->snapshot = NULL;
    return rc;
}

static int snapshot_renew(struct store *store)
{
    int rc = mdb_txn_renew(store->snapshot);

    if (rc != 0)
        return rc;
    rc = mdb_cursor_renew(store->snapshot, store->log_cursor);
    if (rc == 0)
        rc = mdb_cursor_renew(store->snapshot, store->topic_cursor);
    if (rc != 0)
        mdb_txn_reset(store->snapshot);
    return rc;
}

static int snapshot_take(struct store *store)
{
    return store->snapshot == NULL ? snapshot_first(store) : snapshot_renew(store);
}

int store_snapshot_begin(struct store *store, uint64_t committed_seq)
{
    int rc;

    store_check(store);
    if (store->is_snapshot_open && store->snapshot_meta.committed_seq >= committed_seq)
        return 0;
    store_snapshot_end(store);

    rc = snapshot_take(store);
    if (rc == MDB_MAP_RESIZED) {
        /* A writer of a later configuration has made the map larger: take its size over. */
        rc = mdb_env_set_mapsize(store->mdb, 0);
        if (rc == 0)
            rc = snapshot_take(store);
    }
    if (rc != 0)
        return error_lmdb(rc, "beginning a snapshot");
    rc = store_meta_read(store, store->snapshot, &store->snapshot_meta);
    if (rc != 0) {
        mdb_txn_reset(store->snapshot);
        return rc;
    }
    store->is_snapshot_open = true;
    store->snapshot_number++;
    return 0;
}

void store_snapshot_end(struct store *store)
{
    store_check(store);
    if (!store->is_snapshot_open)
        return;
    mdb_txn_reset(store->snapshot);
    store->is_snapshot_open = false;
}

const struct store_meta *store_snapshot_meta(const struct store *store)
{
    store_check(store);
    CHECK(store->is_snapshot_open);
    return &store->snapshot_meta;
}

struct ring_position store_committed(const struct store_meta *meta)
{
    return (struct ring_position){
        .seq = meta->committed_seq,
        .pos = meta->committed_pos,
        .time_ns = meta->committed_time_ns,
    };
}
