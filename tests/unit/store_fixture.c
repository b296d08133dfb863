#include "tests/unit/store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/check.h"
#include "bus/role.h"
#include "store/layout.h"
#include "store/log.h"
#include "tests/unit/store_fixture_rows.h"

const struct retention keep_all = {.bytes = 0};

/* --- the store ------------------------------------------------------------------------------ */

struct store_fixture *store_fixture_new(const char *parent)
{
    struct store_fixture *fixture = calloc(1, sizeof *fixture);

    if (parent == NULL)
        parent = getenv("TMPDIR");
    if (parent == NULL)
        parent = "/tmp";
    CHECK(fixture != NULL);
    fixture->batch = malloc(STORE_FIXTURE_BATCH_BYTES);
    CHECK(fixture->batch != NULL);
    CHECK(snprintf(fixture->dir, sizeof fixture->dir, "%s/sluice-store-XXXXXX", parent) <
          STORE_FIXTURE_DIR_BYTES);
    CHECK(mkdtemp(fixture->dir) != NULL);
    fixture->time_ns = INT64_C(1700000000000000000);
    return fixture;
}

static int entry_remove(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

void store_fixture_free(struct store_fixture *fixture)
{
    if (fixture == NULL)
        return;
    store_fixture_close(fixture);
    (void)nftw(fixture->dir, entry_remove, 8, FTW_DEPTH | FTW_PHYS); /* a test that failed may
                                                                         have left less */
    catalog_free(fixture->catalog);
    free(fixture->batch);
    free(fixture);
}

int store_fixture_setup(void **state)
{
    struct store_fixture *fixture = store_fixture_new(NULL);

    *state = fixture;
    return store_fixture_open(fixture);
}

int store_fixture_teardown(void **state)
{
    store_fixture_free(*state);
    return 0;
}

int store_fixture_open(struct store_fixture *fixture)
{
    const struct store_options options = {
        .data_dir = fixture->dir,
        .map_bytes = fixture->map_bytes,
        .is_writer = true,
    };
    uint64_t store_id;
    int rc;

    role_set(ROLE_WRITER);
    rc = store_identify(fixture->dir, &store_id);
    if (rc == 0)
        rc = store_open(&options, &fixture->store);
    if (rc == 0)
        rc = store_snapshot_begin(fixture->store, 0);
    if (rc != 0)
        return rc;
    fixture->meta = *store_snapshot_meta(fixture->store);
    store_snapshot_end(fixture->store);
    store_fixture_drop_batch(fixture);
    return 0;
}

void store_fixture_close(struct store_fixture *fixture)
{
    store_close(fixture->store);
    fixture->store = NULL;
}

int store_fixture_open_and_close(void *fixture)
{
    int rc = store_fixture_open(fixture);

    store_fixture_close(fixture);
    return rc;
}

struct store *store_fixture_open_reader(const struct store_fixture *fixture)
{
    const struct store_options options = {.data_dir = fixture->dir};
    struct store *store = NULL;

    assert_int_equal(store_open(&options, &store), 0);
    return store;
}

size_t store_fixture_add(struct store_fixture *fixture, const struct record_spec *spec)
{
    uint8_t *at = fixture->batch + fixture->batch_bytes;
    size_t bytes = record_encoded_bytes(spec);

    CHECK(bytes != 0);
    CHECK(fixture->batch_bytes + bytes <= STORE_FIXTURE_BATCH_BYTES);
    (void)record_encode(at, spec);
    record_stamp(at, ++fixture->last_seq, fixture->time_ns++);
    fixture->batch_bytes += bytes;
    return bytes;
}

size_t store_fixture_add_event(struct store_fixture *fixture, const char *topic,
                               size_t payload_bytes)
{
    const struct record_topic topics = {.name = topic, .bytes = strlen(topic)};
    uint8_t *payload = malloc(payload_bytes + 1);
    struct record_spec spec = {
        .kind = RECORD_EVENT,
        .topics = &topics,
        .topic_count = 1,
        .payload = payload,
        .payload_bytes = payload_bytes,
    };
    size_t bytes;

    CHECK(payload != NULL);
    memset(payload, (int)('a' + fixture->last_seq % 26), payload_bytes);
    bytes = store_fixture_add(fixture, &spec);
    free(payload);
    return bytes;
}

int store_fixture_commit(struct store_fixture *fixture, const struct retention *retention)
{
    uint64_t end_pos = fixture->meta.committed_pos + fixture->batch_bytes;
    size_t done = 0;

    /* Many COMMANDs take several transactions. */
    while (done < fixture->batch_bytes) {
        uint64_t from_pos = fixture->meta.committed_pos;
        int rc = commit_operations(fixture->store, fixture->batch + done,
                                   fixture->batch_bytes - done, end_pos, retention, &fixture->meta);

        if (rc != 0)
            return rc;
        done += fixture->meta.committed_pos - from_pos;
    }
    store_fixture_drop_batch(fixture);
    return 0;
}

void store_fixture_drop_batch(struct store_fixture *fixture)
{
    fixture->batch_bytes = 0;
    fixture->last_seq = fixture->meta.committed_seq;
}

void store_fixture_commit_event(struct store_fixture *fixture, const char *topic,
                                size_t payload_bytes)
{
    (void)store_fixture_add_event(fixture, topic, payload_bytes);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
}

int store_fixture_damage(const struct store_fixture *fixture, const void *from, const void *to,
                         size_t bytes)
{
    char path[STORE_FIXTURE_DIR_BYTES + 32];
    uint8_t *content;
    uint8_t *at;
    struct stat file;
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s", fixture->dir, STORE_FILE_DATA); /* fits */
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &file), 0);
    content = malloc((size_t)file.st_size);
    assert_non_null(content);
    assert_int_equal(pread(fd, content, (size_t)file.st_size, 0), file.st_size);
    at = memmem(content, (size_t)file.st_size, from, bytes);
    if (at != NULL)
        assert_int_equal(pwrite(fd, to, bytes, at - content), bytes);
    free(content);
    assert_int_equal(close(fd), 0);
    return at != NULL;
}

/* --- the check ------------------------------------------------------------------------------ */

struct seen_topic {
    const char *name;
    size_t bytes;
    uint64_t last_seq;
};

struct walk {
    struct store *store;
    uint64_t next_seq;
    uint64_t log_bytes;
    uint64_t index_count;      /* entries that the blocks call for */
    struct seen_topic *topics; /* of the block in work */
    size_t topic_count;
};

static void topic_see(struct walk *walk, const struct record_topic *topic, uint64_t seq)
{
    for (size_t i = 0; i < walk->topic_count; i++) {
        struct seen_topic *seen = &walk->topics[i];

        if (seen->bytes == topic->bytes && memcmp(seen->name, topic->name, topic->bytes) == 0) {
            seen->last_seq = seq;
            return;
        }
    }
    assert_true(walk->topic_count < TOPIC_SET_MAX);
    walk->topics[walk->topic_count++] = (struct seen_topic){topic->name, topic->bytes, seq};
}

static void block_topics_check(struct walk *walk, uint64_t first_seq)
{
    for (size_t i = 0; i < walk->topic_count; i++) {
        const uint64_t numbers[2] = {__builtin_bswap64(first_seq),
                                     __builtin_bswap64(walk->topics[i].last_seq)};
        MDB_val key = val_of(walk->topics[i].name, walk->topics[i].bytes);
        MDB_val data = val_of(numbers, sizeof numbers);

        assert_int_equal(mdb_cursor_get(walk->store->topic_cursor, &key, &data, MDB_GET_BOTH), 0);
    }
    walk->index_count += walk->topic_count;
    walk->topic_count = 0;
}

static void block_check(struct walk *walk, const MDB_val *key, const MDB_val *data)
{
    struct block block;
    struct record record;
    size_t offset = 0;
    uint32_t count = 0;
    enum record_result result;

    assert_true(block_verify(data->mv_data, data->mv_size));
    assert_int_equal(block_decode(data->mv_data, data->mv_size, &block), 0);
    assert_int_equal(block.head.first_seq, key_read(key));
    assert_int_equal(block.head.first_seq, walk->next_seq);
    if (block.head.count > 1)
        assert_true(block.records_bytes <= BLOCK_BYTES_MAX);
    while ((result = block_next(&block, &offset, &record)) == RECORD_OK) {
        struct record_topic topic;
        size_t topic_offset = 0;

        assert_true(record_verify(block.records + offset - record.length));
        assert_int_equal(record.seq, walk->next_seq);
        assert_true(record.kind == RECORD_EVENT || (record.flags & RECORD_APPLIED) != 0);
        walk->next_seq++;
        count++;
        while (record_is_event(&record) && record_topic_next(&record, &topic_offset, &topic))
            topic_see(walk, &topic, record.seq);
    }
    assert_int_equal(result, RECORD_MORE);
    assert_int_equal(count, block.head.count);
    assert_int_equal(walk->next_seq, block.head.last_seq + 1);
    walk->log_bytes += data->mv_size;
    block_topics_check(walk, block.head.first_seq);
}

/* Entries of blocks that are there, which the walk has asked for, and stale ones: none besides. */
static void index_check(const struct walk *walk, const struct store_meta *meta)
{
    MDB_cursor *cursor = walk->store->topic_cursor;
    uint64_t live_count = 0;
    MDB_val key;
    MDB_val data;
    int rc = mdb_cursor_get(cursor, &key, &data, MDB_FIRST);

    while (rc == 0) {
        struct topic_place place;

        assert_int_equal(topic_place_read(&data, &place), 0);
        assert_true(place.block_first_seq >= 1);
        assert_true(place.topic_last_seq >= place.block_first_seq);
        if (place.block_first_seq >= meta->first_seq)
            live_count++;
        else
            assert_true(place.topic_last_seq < meta->first_seq);
        rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    assert_int_equal(rc, MDB_NOTFOUND);
    assert_int_equal(live_count, walk->index_count);
}

static void trimmed_check(const struct store *store, const struct store_meta *meta)
{
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val data;
    uint64_t seq;
    int rc;

    assert_int_equal(mdb_cursor_open(store->snapshot, store->db.trimmed, &cursor), 0);
    while ((rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) == 0) {
        assert_int_equal(data.mv_size, sizeof seq);
        memcpy(&seq, data.mv_data, sizeof seq);
        assert_true(seq > 0 && seq < meta->first_seq);
    }
    assert_int_equal(rc, MDB_NOTFOUND);
    mdb_cursor_close(cursor);
}

static void epochs_check(const struct store *store, const struct store_meta *meta)
{
    MDB_cursor *cursor = NULL;
    uint64_t first_seq = 0;
    uint64_t epoch = 0;
    MDB_val key;
    MDB_val data;
    int rc;

    assert_int_equal(mdb_cursor_open(store->snapshot, store->db.epoch, &cursor), 0);
    while ((rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) == 0) {
        assert_true(key_read(&key) > first_seq);
        first_seq = key_read(&key);
        assert_true(data.mv_size >= sizeof epoch && data.mv_size % sizeof epoch == 0);
        memcpy(&epoch, (uint8_t *)data.mv_data + data.mv_size - sizeof epoch, sizeof epoch);
    }
    assert_int_equal(rc, MDB_NOTFOUND);
    assert_true(first_seq <= meta->committed_seq + 1);
    assert_int_equal(epoch, meta->epoch);
    mdb_cursor_close(cursor);
}

void store_fixture_check_whole(struct store *store)
{
    bool was_open = store->is_snapshot_open;
    struct walk walk = {.store = store};
    const struct store_meta *meta;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val data;
    int rc;

    assert_int_equal(store_snapshot_begin(store, 0), 0);
    meta = store_snapshot_meta(store);
    walk.next_seq = meta->first_seq;
    walk.topics = calloc(TOPIC_SET_MAX, sizeof *walk.topics);
    assert_non_null(walk.topics);
    assert_int_equal(mdb_cursor_open(store->snapshot, store->db.log, &cursor), 0);
    while ((rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) == 0)
        block_check(&walk, &key, &data);
    assert_int_equal(rc, MDB_NOTFOUND);
    mdb_cursor_close(cursor);
    free(walk.topics);

    assert_int_equal(walk.next_seq, meta->committed_seq + 1);
    assert_int_equal(walk.log_bytes, meta->log_bytes);
    assert_int_equal(meta->log_count, meta->committed_seq + 1 - meta->first_seq);
    index_check(&walk, meta);
    trimmed_check(store, meta);
    epochs_check(store, meta);
    store_fixture_check_rows(store);
    if (!was_open)
        store_snapshot_end(store);
}

/* --- the rest ------------------------------------------------------------------------------- */

uint64_t store_fixture_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static int status_wait(int pid)
{
    int status = 0;

    assert_true(pid > 0);
    /* The test's own time limit (meson) ends a child that hangs together with the test. */
    while (waitpid(pid, &status, 0) != pid)
        assert_int_equal(errno, EINTR);
    return status;
}

void store_fixture_expect_exit(int pid, int exit_status)
{
    int status = status_wait(pid);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), exit_status);
}

void store_fixture_expect_signal(int pid, int signal_number)
{
    int status = status_wait(pid);

    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), signal_number);
}
