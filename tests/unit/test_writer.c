/* The store writer as a process: what it does about the schema, and about those before it that died. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <lmdb.h>

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bus/check.h"
#include "bus/record.h"
#include "bus/ring.h"
#include "bus/role.h"
#include "bus/shm.h"
#include "bus/stats.h"
#include "server/api/model.h"
#include "server/child.h"
#include "server/config.h"
#include "server/heritage.h"
#include "server/json/text.h"
#include "server/log.h"
#include "server/roles.h"
#include "store/catalog.h"
#include "store/command.h"
#include "store/log.h"

enum {
    RING_BYTES = 1024 * 1024,
    LOG_BYTES = 16 * 1024,
};

#define DIRECTIVES                                                                                 \
    "directive @table on OBJECT "                                                                  \
    "directive @get(where: JSON) on FIELD_DEFINITION scalar JSON "                                 \
    "directive @create(topics: [String!]! = []) on FIELD_DEFINITION "
#define SCHEMA(columns, arguments)                                                                 \
    DIRECTIVES "type Item @table { id: Int! " columns " } "                                        \
               "type Query { item(id: Int!): Item @get } "                                         \
               "type Mutation { createItem(" arguments "): Item! @create(topics: [\"items\"]) }"

static const char named[] = SCHEMA("name: String!", "name: String!");
static const char numbered[] = SCHEMA("name: Int!", "name: Int!");
static const char titled[] = SCHEMA("title: String", "title: String");

struct fixture {
    char dir[64];
    char ring[96];
    char log[96]; /* what the writers say */
    struct config config;
    struct heritage heritage;
    struct store *store; /* as a worker has it */
    pid_t pid;
};

/* --- a death at one COMMAND ------------------------------------------------------------------- */

static uint64_t deadly_seq; /* whoever executes it dies; 0: none */
static const struct bus *writers_bus;

int __real_command_decode(const void *payload, size_t bytes, struct command_arena *arena,
                          struct command *ret_command);
int __wrap_command_decode(const void *payload, size_t bytes, struct command_arena *arena,
                          struct command *ret_command);

/* An execution begins with it. */
int __wrap_command_decode(const void *payload, size_t bytes, struct command_arena *arena,
                          struct command *ret_command)
{
    if (deadly_seq != 0 && bus_slot_applying(writers_bus, BUS_SLOT_WRITER) == deadly_seq)
        (void)raise(SIGKILL);
    return __real_command_decode(payload, bytes, arena, ret_command);
}

/* --- server and writer ------------------------------------------------------------------------ */

static void open_server(struct fixture *f, const char *sdl)
{
    struct text errors = {0};
    struct bus_options options = {.path = f->ring, .size = RING_BYTES};

    assert_int_equal(store_identify(f->dir, &options.store_id), 0);
    assert_int_equal(bus_open(&options, &f->heritage.bus), 0);
    f->heritage.model = model_build(sdl, strlen(sdl), "schema", &errors);
    if (f->heritage.model == NULL)
        fail_msg("%.*s", (int)errors.size, errors.bytes);
    text_done(&errors);
}

static void close_server(struct fixture *f)
{
    store_close(f->store);
    f->store = NULL;
    model_free(f->heritage.model);
    f->heritage.model = NULL;
    bus_close(f->heritage.bus);
    f->heritage.bus = NULL;
}

static _Noreturn void be_writer(const struct fixture *f)
{
    int fd = open(f->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    CHECK(fd >= 0);
    CHECK(dup2(fd, STDERR_FILENO) == STDERR_FILENO);
    CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
    role_set(ROLE_WRITER);
    writers_bus = f->heritage.bus;
    log_init(LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT);
    _exit(writer_main(&f->heritage, BUS_SLOT_WRITER));
}

static void start_writer(struct fixture *f)
{
    bus_slot_occupy(f->heritage.bus, BUS_SLOT_WRITER);
    f->pid = fork();
    assert_true(f->pid >= 0);
    if (f->pid == 0)
        be_writer(f);
    bus_slot_set_pid(f->heritage.bus, BUS_SLOT_WRITER, (int32_t)f->pid);
}

static void pause_briefly(void)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    (void)nanosleep(&pause, NULL);
}

/* How it ended. */
static int await_end(struct fixture *f)
{
    int status;

    assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
    f->pid = 0;
    bus_slot_vacate(f->heritage.bus, BUS_SLOT_WRITER);
    return status;
}

static void await_first_turn(struct fixture *f)
{
    const struct bus *bus = f->heritage.bus;
    uint64_t before = bus_slot_turn_count(bus, BUS_SLOT_WRITER);

    start_writer(f);
    while (bus_slot_turn_count(bus, BUS_SLOT_WRITER) == before) {
        assert_int_equal(waitpid(f->pid, NULL, WNOHANG), 0);
        pause_briefly();
    }
}

static void kill_writer(struct fixture *f)
{
    (void)kill(f->pid, SIGKILL);
    assert_true(WIFSIGNALED(await_end(f)));
}

/* A drain: commits everything and lets the ring go. */
static void stop_writer(struct fixture *f)
{
    bus_set_phase(f->heritage.bus, BUS_STOPPING, 0);
    assert_int_equal(await_end(f), 0);
}

static void restart_server(struct fixture *f, const char *sdl)
{
    close_server(f);
    open_server(f, sdl);
}

static void assert_said(const struct fixture *f, const char *text)
{
    static char said[LOG_BYTES];
    FILE *file = fopen(f->log, "r");
    size_t bytes;

    assert_non_null(file);
    bytes = fread(said, 1, sizeof said - 1, file);
    said[bytes] = '\0';
    assert_int_equal(fclose(file), 0);
    if (strstr(said, text) == NULL)
        fail_msg("\"%s\" is not in:\n%s", text, said);
}

/* --- operations ------------------------------------------------------------------------------- */

static void await_committed(struct fixture *f, uint64_t seq)
{
    while (ring_committed(f->heritage.bus).seq < seq)
        pause_briefly();
}

static void begin_snapshot(struct fixture *f)
{
    const struct store_options options = {.data_dir = f->dir, .map_bytes = f->config.map_size};

    if (f->store == NULL)
        assert_int_equal(store_open(&options, &f->store), 0);
    assert_int_equal(store_snapshot_begin(f->store, ring_committed(f->heritage.bus).seq), 0);
}

static uint64_t append(struct fixture *f, const struct command *command)
{
    struct record_spec spec = {.kind = RECORD_COMMAND, .flags = RECORD_URGENT};
    struct ring_appended appended;
    uint8_t *payload;
    void *record;

    spec.payload_bytes = command_encoded_bytes(command);
    payload = malloc(spec.payload_bytes);
    assert_non_null(payload);
    command_encode(command, payload);
    spec.payload = payload;
    record = malloc(record_encoded_bytes(&spec));
    assert_non_null(record);
    assert_int_equal(ring_append(f->heritage.bus, record, record_encode(record, &spec), &appended),
                     0);
    free(record);
    free(payload);
    return appended.first_seq;
}

/* Appends what would create an Item of this name (JSON) under the present schema; its seq. */
static uint64_t append_create(struct fixture *f, const char *name)
{
    static const struct command_part literal = {.literal = {"items", 5}};
    static const struct command_topic topic = {.parts = &literal, .count = 1};
    struct command_value value = {.json = {name, strlen(name)}};
    struct command command = {
        .kind = COMMAND_CREATE,
        .values = &value,
        .value_count = 1,
        .topics = &topic,
        .topic_count = 1,
    };
    const struct catalog_table *table;
    struct catalog *catalog;

    begin_snapshot(f);
    assert_int_equal(catalog_load(f->store, &catalog), 0);
    store_snapshot_end(f->store);
    table = catalog_find_table(catalog, "Item", 4);
    assert_non_null(table);
    command.version = catalog->version;
    command.table = table->number;
    value.column = catalog_find_column(table, "name", 4)->number;
    catalog_free(catalog);
    return append(f, &command);
}

/* What the log has at @seq: its flags, and in its payload this. */
static void assert_logged(struct fixture *f, uint64_t seq, unsigned flags, const char *text)
{
    struct record record;

    await_committed(f, seq);
    begin_snapshot(f);
    assert_int_equal(log_record_at(f->store, seq, &record), 0);
    assert_int_equal(record.flags & (RECORD_APPLIED | RECORD_FAILED), flags);
    if (memmem(record.payload, record.payload_bytes, text, strlen(text)) == NULL)
        fail_msg("%s is not in %.*s", text, (int)record.payload_bytes,
                 (const char *)record.payload);
    store_snapshot_end(f->store);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void a_new_schema_is_an_operation_of_the_log_and_the_same_again_is_none(void **state)
{
    struct fixture *f = *state;

    open_server(f, named);
    await_first_turn(f);
    assert_int_equal(ring_tail(f->heritage.bus).seq, 1);
    assert_int_equal(ring_committed(f->heritage.bus).seq, 1);
    assert_logged(f, 1, RECORD_APPLIED, "null");
    assert_logged(f, append_create(f, "\"a\""), RECORD_APPLIED, "{\"id\":1,\"name\":\"a\"}");
    stop_writer(f);

    restart_server(f, named);
    await_first_turn(f);
    assert_int_equal(ring_tail(f->heritage.bus).seq, 2);
    kill_writer(f);
    restart_server(f, titled);
    await_first_turn(f);
    assert_int_equal(ring_committed(f->heritage.bus).seq, 3);
    assert_logged(f, 3, RECORD_APPLIED, "null");
}

static void what_the_ring_has_kept_is_executed_under_the_schema_it_was_made_for(void **state)
{
    struct fixture *f = *state;
    uint64_t seq;

    open_server(f, named);
    await_first_turn(f);
    kill_writer(f);
    seq = append_create(f, "\"kept\"");
    restart_server(f, titled);
    await_first_turn(f);
    assert_int_equal(ring_tail(f->heritage.bus).seq, seq + 1);
    assert_logged(f, seq, RECORD_APPLIED, "\"name\":\"kept\"");
    assert_logged(f, seq + 1, RECORD_APPLIED, "null");
}

static void a_schema_that_does_not_fit_ends_the_writer_before_anything_is_written(void **state)
{
    struct fixture *f = *state;
    int status;

    open_server(f, named);
    await_first_turn(f);
    assert_logged(f, append_create(f, "\"a\""), RECORD_APPLIED, "");
    stop_writer(f);

    restart_server(f, numbered);
    start_writer(f);
    status = await_end(f);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), CHILD_EXIT_SCHEMA_REFUSED);
    assert_int_equal(ring_tail(f->heritage.bus).seq, 2);
    assert_said(f, "Item.name");
    assert_said(f, "nothing has changed");

    restart_server(f, named);
    await_first_turn(f);
    assert_int_equal(ring_tail(f->heritage.bus).seq, 2);
    assert_logged(f, append_create(f, "\"b\""), RECORD_APPLIED, "{\"id\":2,\"name\":\"b\"}");
}

static void a_writer_that_comes_back_while_the_server_runs_leaves_the_schema_alone(void **state)
{
    struct fixture *f = *state;

    open_server(f, named);
    await_first_turn(f);
    bus_set_phase(f->heritage.bus, BUS_RUNNING, 0);
    kill_writer(f);
    model_free(f->heritage.model);
    f->heritage.model = model_build(titled, sizeof titled - 1, "schema", &(struct text){0});
    await_first_turn(f);
    assert_int_equal(ring_tail(f->heritage.bus).seq, 1);
}

static void a_command_that_ends_the_writer_twice_is_committed_as_failed(void **state)
{
    struct fixture *f = *state;
    uint64_t first;

    open_server(f, named);
    await_first_turn(f);
    bus_set_phase(f->heritage.bus, BUS_RUNNING, 0);
    kill_writer(f);
    first = append_create(f, "\"before\"");
    deadly_seq = append_create(f, "\"deadly\"");
    assert_int_equal(append_create(f, "\"behind\""), first + 2);
    for (int i = 0; i < 2; i++) {
        start_writer(f);
        assert_true(WIFSIGNALED(await_end(f)));
        assert_int_equal(bus_slot_applying(f->heritage.bus, BUS_SLOT_WRITER), deadly_seq);
    }
    await_first_turn(f);
    assert_logged(f, first, RECORD_APPLIED, "{\"id\":1,\"name\":\"before\"}");
    assert_logged(f, deadly_seq, RECORD_APPLIED | RECORD_FAILED, "\"code\":\"INTERNAL\"");
    assert_logged(f, first + 2, RECORD_APPLIED, "{\"id\":2,\"name\":\"behind\"}");
    assert_int_equal(bus_slot_applying(f->heritage.bus, BUS_SLOT_WRITER), 0);
    assert_said(f, "it will be committed as failed");
}

/* All buckets of a histogram: how often something was observed. */
static uint64_t count_observed(const struct fixture *f, enum stat_id first, unsigned bound_count)
{
    uint64_t count = 0;

    for (unsigned i = 0; i <= bound_count; i++)
        count += stat_sum(f->heritage.bus, stat_at(first, i));
    return count;
}

/* In a process of its own: one must not open a store twice. */
static void damage_the_last_id(const struct fixture *f)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        uint8_t name[] = {'i', 'd', 0, 1};
        MDB_val key = {sizeof name, name};
        MDB_val data = {3, name};
        MDB_env *env;
        MDB_txn *txn;
        MDB_dbi meta;
        char path[96];
        int rc;

        (void)snprintf(path, sizeof path, "%s/store", f->dir);
        rc = mdb_env_create(&env) | mdb_env_set_maxdbs(env, 64) | mdb_env_open(env, path, 0, 0600) |
             mdb_txn_begin(env, NULL, 0, &txn) | mdb_dbi_open(txn, "meta", 0, &meta) |
             mdb_put(txn, meta, &key, &data, 0) | mdb_txn_commit(txn);
        _exit(rc == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void damage_in_the_way_of_a_command_keeps_no_server_from_starting(void **state)
{
    struct fixture *f = *state;
    uint64_t first;

    open_server(f, named);
    await_first_turn(f);
    kill_writer(f);
    damage_the_last_id(f);
    first = append_create(f, "\"damaged\"");
    restart_server(f, named);
    await_first_turn(f);
    assert_int_equal(stat_sum(f->heritage.bus, STAT_COMMITS_FAILED), 2);
    assert_int_equal(count_observed(f, STAT_COMMIT_TIME, STAT_COMMIT_TIME_BOUNDS), 1);
    assert_int_equal(count_observed(f, STAT_COMMIT_SIZE, STAT_COMMIT_SIZE_BOUNDS), 1);
    assert_logged(f, first, RECORD_APPLIED | RECORD_FAILED, "\"code\":\"INTERNAL\"");
    assert_said(f, "the last id of table 1 is damaged");
    assert_said(f, "it will be committed as failed");
}

static void a_command_that_ended_it_once_is_tried_again(void **state)
{
    struct fixture *f = *state;

    open_server(f, named);
    await_first_turn(f);
    bus_set_phase(f->heritage.bus, BUS_RUNNING, 0);
    kill_writer(f);
    deadly_seq = append_create(f, "\"deadly\"");
    start_writer(f);
    assert_true(WIFSIGNALED(await_end(f)));
    deadly_seq = 0;
    await_first_turn(f);
    assert_logged(f, 2, RECORD_APPLIED, "{\"id\":1,\"name\":\"deadly\"}");
    /* What it was tried for is forgotten with it. */
    kill_writer(f);
    deadly_seq = append_create(f, "\"other\"");
    start_writer(f);
    assert_true(WIFSIGNALED(await_end(f)));
    deadly_seq = 0;
    await_first_turn(f);
    assert_logged(f, 3, RECORD_APPLIED, "{\"id\":2,\"name\":\"other\"}");
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL)
        return -1;
    *state = f;
    role_set((enum role)(ROLE_MASTER | ROLE_WORKER | ROLE_TOOL));
    deadly_seq = 0;
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/sluice-test-writer-XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    (void)snprintf(f->ring, sizeof f->ring, "/dev/shm/sluice-test-writer-%d.ring", (int)getpid());
    (void)snprintf(f->log, sizeof f->log, "%s/log", f->dir);
    f->config.data = f->dir;
    f->config.map_size = UINT64_C(64) << 20;
    f->heritage.config = &f->config;
    f->heritage.master_pid = getpid();
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    if (f->pid > 0)
        kill_writer(f);
    close_server(f);
    (void)unlink(f->ring); /* gone after a drain */
    (void)nftw(f->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_schema_is_an_operation_of_the_log_and_the_same_again_is_none),
        TEST(what_the_ring_has_kept_is_executed_under_the_schema_it_was_made_for),
        TEST(a_schema_that_does_not_fit_ends_the_writer_before_anything_is_written),
        TEST(a_writer_that_comes_back_while_the_server_runs_leaves_the_schema_alone),
        TEST(a_command_that_ends_the_writer_twice_is_committed_as_failed),
        TEST(damage_in_the_way_of_a_command_keeps_no_server_from_starting),
        TEST(a_command_that_ended_it_once_is_tried_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
