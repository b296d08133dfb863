/*
 * tests/fault/power_cut_replay.c - cuts the power at many places of a trace, and tells what a server
 * would find: one JSON object per line on standard output.
 *
 *   power_cut_replay --trace FILE --scratch DIR [--seed N] [--syncs N] [--cuts N] [--lossy]
 *   power_cut_replay --trace FILE --at PLACE --choice N --cut-seed N --into DIR
 *
 * The first form takes --syncs of the trace's syncs (0: all; always the first ones, which make the
 * store). Between each and the next it cuts once with all lost that is uncertain, and --cuts times
 * at any record with any choice of it. On each disk that comes of it the store is opened as master and
 * writer do at a start without a ring, verified, and its log read. `cut` lines judge that; a `record`
 * line comes with each operation when it is first seen, or seen different. The second form leaves
 * one such disk in DIR. --lossy: a disk that loses what was synced, to show that it is noticed.
 *
 * The data directory is `data` below the recorded directory. What is right, the caller knows.
 */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "bus/check.h"
#include "bus/role.h"
#include "store/commit.h"
#include "store/env.h"
#include "store/log.h"
#include "store/verify.h"
#include "tests/fault/power_cut_disk.h"

enum {
    FIRST_SYNCS = 24, /* always taken: they make the store */
    ERROR_BYTES = 256,
    PROBLEMS_MAX = 5, /* that are told of one cut */
    SEEN_MAX = 1 << 20,
};

struct options {
    const char *trace;
    const char *scratch;
    const char *into;
    uint64_t seed;
    uint64_t syncs;
    uint64_t cuts;
    uint64_t at;
    uint64_t choice;
    uint64_t cut_seed;
    bool is_lossy;
};

/* What the process found that opened the store as a server's start does. */
struct opened {
    int rc;
    bool was_clean;
    uint64_t epoch; /* in force before the cut; 0: none yet */
    uint64_t last_seq;
    enum epoch_verdict last;   /* of a token of that epoch and the last operation */
    enum epoch_verdict beyond; /* of one that is further, after the new epoch has begun */
    char error[ERROR_BYTES];
};

static uint64_t seen[SEEN_MAX]; /* by seq: the hash of the record that was told */

/* --- opening ---------------------------------------------------------------------------------- */

static int judge(struct store *store, struct opened *opened)
{
    int rc = store_snapshot_begin(store, 0);

    if (rc != 0)
        return rc;
    rc = log_epoch_judge(store, opened->epoch, opened->last_seq, opened->last_seq, &opened->last);
    if (rc == 0)
        rc = log_epoch_judge(store, opened->epoch, opened->last_seq + 1, opened->last_seq + 1,
                             &opened->beyond);
    store_snapshot_end(store);
    return rc;
}

static int begin(struct store *store, struct opened *opened)
{
    struct store_meta meta;
    int rc = store_snapshot_begin(store, 0);

    if (rc != 0)
        return rc;
    meta = *store_snapshot_meta(store);
    store_snapshot_end(store);
    opened->was_clean = meta.is_clean != 0;
    opened->epoch = meta.epoch;
    opened->last_seq = meta.committed_seq;
    if (opened->was_clean || meta.epoch == 0)
        return 0;
    rc = commit_new_epoch(store, meta.epoch ^ 1, &meta);
    return rc == 0 ? judge(store, opened) : rc;
}

static _Noreturn void opener_run(const char *data_dir, int fd)
{
    const struct store_options options = {.data_dir = data_dir, .is_writer = true};
    struct opened opened = {.rc = 0};
    struct store *store = NULL;
    uint64_t store_id;

    role_set(ROLE_MASTER);
    opened.rc = store_identify(data_dir, &store_id);
    role_set(ROLE_WRITER);
    if (opened.rc == 0)
        opened.rc = store_open(&options, &store);
    if (opened.rc == 0)
        opened.rc = begin(store, &opened);
    if (opened.rc != 0)
        (void)snprintf(opened.error, sizeof opened.error, "%s", store_error_text()); /* cut */
    CHECK(write(fd, &opened, sizeof opened) == (ssize_t)sizeof opened);
    _exit(0);
}

/* In a process of its own: that a damaged store ends it is a finding too. */
static void open_store(const char *data_dir, struct opened *ret_opened)
{
    int fds[2];
    int status;
    pid_t pid;

    CHECK(pipe(fds) == 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        opener_run(data_dir, fds[1]);
    (void)close(fds[1]); /* the opener's */
    if (read(fds[0], ret_opened, sizeof *ret_opened) != (ssize_t)sizeof *ret_opened)
        *ret_opened = (struct opened){.rc = -EIO, .error = "the process that opened it has died"};
    (void)close(fds[0]); /* only read */
    CHECK(waitpid(pid, &status, 0) == pid);
}

/* --- telling ---------------------------------------------------------------------------------- */

static void tell(struct json_object *line)
{
    (void)puts(json_object_to_json_string_ext(line, JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(line);
}

static void add_number(struct json_object *line, const char *name, uint64_t number)
{
    json_object_object_add(line, name, json_object_new_uint64(number));
}

static void add_epoch(struct json_object *line, const char *name, uint64_t epoch)
{
    char text[17];

    (void)snprintf(text, sizeof text, "%016" PRIx64, epoch); /* fits */
    json_object_object_add(line, name, json_object_new_string(text));
}

static void tell_record(const struct record *record)
{
    struct json_object *line = json_object_new_object();
    struct json_object *topics = json_object_new_array();
    struct record_topic topic;
    size_t at = 0;

    while (record_topic_next(record, &at, &topic))
        json_object_array_add(topics, json_object_new_string_len(topic.name, (int)topic.bytes));
    add_number(line, "record", record->seq);
    json_object_object_add(line, "is_event", json_object_new_boolean(record_is_event(record)));
    json_object_object_add(line, "topics", topics);
    if (record_is_event(record) && record->topic_count > 0)
        json_object_object_add(
            line, "payload",
            json_object_new_string_len((const char *)record->payload, (int)record->payload_bytes));
    tell(line);
}

/* Tells what is new in the log; how many operations there are. */
static uint64_t read_log(const char *data_dir)
{
    const struct store_options options = {.data_dir = data_dir};
    struct store *store;
    struct block block;
    uint64_t count = 0;
    uint64_t next = 1;

    role_set(ROLE_TOOL);
    CHECK(store_open(&options, &store) == 0 && store_snapshot_begin(store, 0) == 0);
    while (log_block_at(store, next, &block) == 0) {
        struct record record;
        size_t at = 0;
        size_t begun = 0;

        for (; block_next(&block, &at, &record) == RECORD_OK; begun = at) {
            uint64_t hash = XXH3_64bits(block.records + begun, at - begun);

            CHECK(record.seq < SEEN_MAX);
            if (seen[record.seq] != hash)
                tell_record(&record);
            seen[record.seq] = hash;
            count++;
        }
        next = block.head.last_seq + 1;
    }
    store_snapshot_end(store);
    store_close(store);
    return count;
}

static void add_report(struct json_object *line, const struct verify_report *report)
{
    struct json_object *problems = json_object_new_array();

    for (uint64_t i = 0; i < report->problem_count && i < PROBLEMS_MAX; i++)
        json_object_array_add(problems, json_object_new_string(report->problems[i].text));
    json_object_object_add(line, "problems", problems);
    add_number(line, "first", report->first_seq);
    add_number(line, "last", report->last_seq);
    add_number(line, "rows", report->row_count);
}

static void add_opened(struct json_object *line, const struct opened *opened)
{
    json_object_object_add(line, "error",
                           opened->rc == 0 ? NULL : json_object_new_string(opened->error));
    json_object_object_add(line, "was_clean", json_object_new_boolean(opened->was_clean));
    add_epoch(line, "epoch", opened->epoch);
    json_object_object_add(line, "is_last_good",
                           json_object_new_boolean(opened->last == EPOCH_GOOD));
    json_object_object_add(line, "is_beyond_good",
                           json_object_new_boolean(opened->beyond == EPOCH_GOOD));
}

/* --- cutting ---------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *walk)
{
    (void)stat;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void remove_tree(const char *dir)
{
    if (nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS) != 0)
        CHECK(errno == ENOENT);
}

/* @place: the first record that was not any more. */
static void cut(const struct options *options, struct disk *disk, size_t place,
                enum disk_choice choice, uint64_t seed)
{
    static struct verify_report report;
    struct json_object *line = json_object_new_object();
    struct opened opened;
    char data_dir[PATH_MAX];
    int rc;

    disk_advance(disk, place);
    remove_tree(options->scratch);
    disk_rebuild(disk, choice, seed, options->scratch);
    CHECK(snprintf(data_dir, sizeof data_dir, "%s/data", options->scratch) < PATH_MAX);
    add_number(line, "cut", place);
    json_object_object_add(line, "time_ns",
                           json_object_new_int64(disk_record(disk, place)->time_ns));
    add_number(line, "choice", choice);
    add_number(line, "cut_seed", seed);
    add_number(line, "uncertain", disk_uncertain_count(disk));
    open_store(data_dir, &opened);
    rc = opened.rc == 0 ? verify_store(data_dir, NULL, NULL, &report) : 0;
    if (rc != 0) {
        opened.rc = rc;
        (void)snprintf(opened.error, sizeof opened.error, "%s", store_error_text()); /* cut */
    }
    add_opened(line, &opened);
    if (opened.rc == 0)
        add_report(line, &report);
    if (opened.rc == 0 && report.problem_count == 0)
        add_number(line, "read", read_log(data_dir));
    tell(line);
}

static bool is_sync(const struct disk *disk, size_t place)
{
    uint32_t kind = disk_record(disk, place)->kind;

    return kind == TRACE_SYNC_END || kind == TRACE_WRITTEN;
}

/* Cuts between the sync at @begin and the one at @end, ascending. */
static void cut_between(const struct options *options, struct disk *disk, size_t begin, size_t end,
                        uint64_t *random)
{
    uint64_t at = 0;

    cut(options, disk, begin + 1, DISK_NOTHING, 0);
    for (uint64_t i = 0; i < options->cuts; i++) {
        /* The first of what is left of so many that are drawn: they ascend. */
        uint64_t left = end - begin - 1 - at;
        enum disk_choice choice = (enum disk_choice)(disk_random(random) % DISK_CHOICE_COUNT);

        at += left * (disk_random(random) % 1024) / (1024 * (options->cuts - i));
        if (disk_random(random) % 3 == 0 || i + 1 == options->cuts)
            at = end - begin -
                 1; /* the sync that is coming has begun: all it waits for is uncertain */
        cut(options, disk, begin + 1 + at, choice, disk_random(random) >> 16);
    }
}

static void cut_all(const struct options *options, struct disk *disk)
{
    uint64_t random = options->seed;
    uint64_t sync_count = 0;
    uint64_t number = 0;
    size_t begin = 0;

    for (size_t i = 0; i < disk_record_count(disk); i++)
        sync_count += is_sync(disk, i);
    for (size_t i = 1; i < disk_record_count(disk); i++) {
        bool is_taken = number < FIRST_SYNCS || options->syncs == 0 ||
                        disk_random(&random) % sync_count < options->syncs;

        if (!is_sync(disk, i) && i + 1 < disk_record_count(disk))
            continue;
        if (is_taken)
            cut_between(options, disk, begin, i, &random);
        begin = i;
        number++;
    }
}

static bool options_read(int count, char **arguments, struct options *options)
{
    const struct {
        const char *name;
        const char **text;
        uint64_t *number;
    } table[] = {
        {"--trace", &options->trace, NULL},
        {"--scratch", &options->scratch, NULL},
        {"--into", &options->into, NULL},
        {"--seed", NULL, &options->seed},
        {"--syncs", NULL, &options->syncs},
        {"--cuts", NULL, &options->cuts},
        {"--at", NULL, &options->at},
        {"--choice", NULL, &options->choice},
        {"--cut-seed", NULL, &options->cut_seed},
    };

    for (int i = 1; i < count; i++) {
        bool is_known = strcmp(arguments[i], "--lossy") == 0;

        options->is_lossy |= is_known;
        for (size_t j = 0; j < sizeof table / sizeof table[0] && !is_known; j++) {
            if (strcmp(arguments[i], table[j].name) != 0 || i + 1 == count)
                continue;
            is_known = true;
            i++;
            if (table[j].text != NULL)
                *table[j].text = arguments[i];
            else
                *table[j].number = strtoull(arguments[i], NULL, 10);
        }
        if (!is_known)
            return false;
    }
    return options->trace != NULL && (options->scratch == NULL) == (options->into != NULL) &&
           options->choice < DISK_CHOICE_COUNT;
}

int main(int count, char **arguments)
{
    struct options options = {.seed = 1, .cuts = 2};
    struct disk *disk;

    if (!options_read(count, arguments, &options)) {
        (void)fputs("power_cut_replay: see the head of its source\n", stderr);
        return 2;
    }
    disk = disk_load(options.trace);
    if (options.is_lossy)
        disk_plant_loss(disk);
    if (options.scratch != NULL) {
        cut_all(&options, disk);
        remove_tree(options.scratch);
    } else {
        disk_advance(disk, options.at);
        disk_rebuild(disk, (enum disk_choice)options.choice, options.cut_seed, options.into);
    }
    disk_free(disk);
    return fflush(stdout) == 0 ? 0 : 1;
}
