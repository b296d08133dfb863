#include "tests/unit/store_sample.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "store/layout.h"
#include "tests/unit/store_fixture_rows.h"

static const struct rows_table tables[] = {
    {
        .name = "Thing",
        .columns = {{"code", .kind = COLUMN_STRING, .is_unique = true},
                    {"rank", .kind = COLUMN_INT, .is_required = true},
                    {"colour", .kind = COLUMN_ENUM, .values = "RED,GREEN"},
                    {"at", .kind = COLUMN_DATETIME, .now = COLUMN_NOW_WRITE},
                    {"more", .kind = COLUMN_JSON}},
        .indexes = {{.ordered = {"code"}},
                    {.ordered = {"rank"}},
                    {.equal = {"colour"}, .ordered = {"rank"}}},
    },
    {
        .name = "Note",
        .id_kind = COLUMN_ID,
        .columns = {{"thingId", .kind = COLUMN_INT, .references = "Thing"},
                    {"text", .kind = COLUMN_STRING}},
        .indexes = {{.equal = {"thingId"}}},
    },
    {.name = NULL},
};

/* One in three has a code that is cut in its index, and begins like the others. */
static void thing_add(struct store_fixture *fixture, int number)
{
    char code[700];
    char rank[16];
    struct rows_change change = {
        .kind = COMMAND_CREATE,
        .table = "Thing",
        .values = {{"code", code}, {"rank", rank}, {"colour", number % 2 ? "\"RED\"" : NULL}},
        .topics = {"things", "ranks:{rank}"},
    };

    if (number % 3 == 0)
        (void)snprintf(code, sizeof code, "\"%0600d-%d\"", 0, number);
    else
        (void)snprintf(code, sizeof code, "\"code %d\"", number);
    (void)snprintf(rank, sizeof rank, "%d", number % 7 - 3);
    rows_add(fixture, &change);
}

static void rows_fill(struct store_fixture *fixture)
{
    const struct rows_change note = {
        .kind = COMMAND_CREATE,
        .table = "Note",
        .values = {{"thingId", "2"}, {"text", "\"a note\""}},
        .topics = {"notes"},
    };
    const struct rows_change update = {
        .kind = COMMAND_UPDATE,
        .table = "Thing",
        .id = 5,
        .values = {{"rank", "99"}, {"code", NULL}},
        .topics = {"things"},
    };
    const struct rows_change delete = {
        .kind = COMMAND_DELETE,
        .table = "Thing",
        .id = 7,
        .topics = {"things"},
    };
    const struct rows_change taken = {
        .kind = COMMAND_CREATE,
        .table = "Thing",
        .values = {{"code", "\"code 1\""}, {"rank", "1"}},
        .topics = {"things"},
    };

    rows_set_schema(fixture, tables);
    store_snapshot_end(fixture->store);
    for (int i = 1; i <= SAMPLE_ROWS; i++)
        thing_add(fixture, i);
    rows_add(fixture, &note);
    rows_add(fixture, &note);
    rows_add(fixture, &update);
    rows_add(fixture, &delete);
    rows_add(fixture, &taken);
    assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
}

static void events_fill(struct store_fixture *fixture, const char *prefix)
{
    for (int i = 0; i < 2 * SAMPLE_TOPICS; i++) {
        char name[32];

        (void)snprintf(name, sizeof name, "%s:%d", prefix, i % SAMPLE_TOPICS);
        (void)store_fixture_add_event(fixture, name, 50);
        (void)store_fixture_add_event(fixture, "busy", 200);
        if (i % 10 == 9)
            assert_int_equal(store_fixture_commit(fixture, &keep_all), 0);
    }
}

void sample_fill(struct store_fixture *fixture)
{
    const struct retention retention = {.count = 220};
    int rc;

    assert_int_equal(commit_new_epoch(fixture->store, 11, &fixture->meta), 0);
    events_fill(fixture, "old");
    assert_int_equal(commit_new_epoch(fixture->store, 12, &fixture->meta), 0);
    assert_int_equal(commit_new_epoch(fixture->store, 13, &fixture->meta), 0);
    rows_fill(fixture);
    store_fixture_commit_event(fixture, "large", 150000);
    events_fill(fixture, "new");
    do
        rc = commit_trim(fixture->store, &retention, &fixture->meta);
    while (rc == 1);
    assert_int_equal(rc, 0);
    store_fixture_check_whole(fixture->store);
}

static void file_copy(const struct store_fixture *from, const struct store_fixture *to,
                      const char *name)
{
    char path[STORE_FIXTURE_DIR_BYTES + 32];
    static uint8_t content[16 * 1024 * 1024];
    ssize_t bytes;
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s", from->dir, name); /* fits */
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    bytes = read(fd, content, sizeof content);
    assert_in_range(bytes, 1, sizeof content - 1);
    assert_int_equal(close(fd), 0);
    (void)snprintf(path, sizeof path, "%s/%s", to->dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, (size_t)bytes), bytes);
    assert_int_equal(close(fd), 0);
}

struct store_fixture *sample_copy(const struct store_fixture *from)
{
    struct store_fixture *fixture = store_fixture_new(NULL);
    char path[STORE_FIXTURE_DIR_BYTES + 32];

    (void)snprintf(path, sizeof path, "%s/%s", fixture->dir, STORE_DIR); /* fits */
    assert_int_equal(mkdir(path, 0750), 0);
    file_copy(from, fixture, STORE_FILE_ID);
    file_copy(from, fixture, STORE_FILE_DATA);
    return fixture;
}

/* --- the digest ------------------------------------------------------------------------------- */

static void digest_add(uint64_t *digest, const MDB_val *value)
{
    *digest = XXH3_64bits_withSeed(value->mv_data, value->mv_size, *digest + value->mv_size);
}

static void digest_database(struct store *store, MDB_dbi dbi, uint64_t *digest)
{
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val data;

    assert_int_equal(mdb_cursor_open(store->snapshot, dbi, &cursor), 0);
    while (mdb_cursor_get(cursor, &key, &data, MDB_NEXT) == 0) {
        struct topic_place place = {.block_first_seq = UINT64_MAX};

        if (dbi == store->db.topic)
            assert_int_equal(topic_place_read(&data, &place), 0);
        if (place.block_first_seq < store->snapshot_meta.first_seq)
            continue;
        digest_add(digest, &key);
        if (dbi != store->db.row)
            digest_add(digest, &data);
    }
    mdb_cursor_close(cursor);
}

uint64_t sample_digest(struct store *store)
{
    const MDB_dbi databases[] = {store->db.log, store->db.topic, store->db.row, store->db.index};
    struct store_meta meta;
    uint64_t digest;

    assert_int_equal(store_snapshot_begin(store, 0), 0);
    meta = *store_snapshot_meta(store);
    meta.store_id = 0;
    meta.is_clean = 0;
    digest = XXH3_64bits(&meta, sizeof meta);
    for (size_t i = 0; i < sizeof databases / sizeof databases[0]; i++)
        digest_database(store, databases[i], &digest);
    store_snapshot_end(store);
    return digest;
}

/* --- LMDB's file ------------------------------------------------------------------------------ */

struct sample_head sample_head_read(int fd)
{
    struct sample_head best = {.number = 0};

    for (off_t at = 0; at <= 4096; at += 4096) {
        struct sample_head head = {.at = at};

        assert_int_equal(pread(fd, &head.number, 8, at + 144), 8);
        assert_int_equal(pread(fd, &head.free_root, 8, at + 16 + 24 + 40), 8);
        assert_int_equal(pread(fd, &head.main_root, 8, at + 16 + 24 + 48 + 40), 8);
        if (head.number > best.number)
            best = head;
    }
    return best;
}

off_t sample_free_list_at(int fd, const struct sample_head *head, uint64_t *ret_count)
{
    off_t page = (off_t)head->free_root * 4096;
    uint16_t node;
    uint16_t key_bytes;

    assert_int_equal(pread(fd, &node, 2, page + 16), 2);
    assert_int_equal(pread(fd, &key_bytes, 2, page + node + 6), 2);
    assert_int_equal(key_bytes, 8);
    assert_int_equal(pread(fd, ret_count, 8, page + node + 16), 8);
    return page + node + 24;
}

uint64_t sample_state_page(int fd, const struct sample_head *head)
{
    static uint8_t leaf[4096];
    uint64_t page;
    uint8_t *name;

    assert_int_equal(pread(fd, leaf, sizeof leaf, (off_t)head->main_root * 4096), sizeof leaf);
    name = memmem(leaf, sizeof leaf, "meta", 4);
    assert_non_null(name);
    memcpy(&page, name + 4 + 40, sizeof page);
    return page;
}
