/*
 * store_commands [OPTIONS]: what a create costs the store writer, in commits of --batch COMMANDs.
 *
 * A table of comments like the message board's, with a reference to another table that is looked
 * up, an index, two times of the operation and one topic of 1,000. First --rows rows are made, then
 * --commits commits are measured. Prints one line of JSON: the time inside commits and the CPU
 * time, both per COMMAND, and how long a commit takes. --mmap-threshold is malloc's: LMDB takes 3 MiB for
 * the child transaction of each COMMAND.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "store/command.h"
#include "store/commit.h"
#include "tests/bench/fresh_store.h"

enum {
    SAMPLES_MAX = 1000000,
    PARENTS = 1000,
    FILL_BATCH = 1000,
    NS_PER_US = 1000,
};
#define NS_PER_S INT64_C(1000000000)

struct options {
    const char *dir;
    uint64_t batch;
    uint64_t rows;
    uint64_t commits; /* to measure */
    uint64_t mmap_threshold;
};

struct bench {
    struct options options;
    struct store *store;
    struct store_meta meta;
    uint64_t random;
    uint8_t *batch;
    size_t batch_bytes;
    uint64_t batch_count;
    int64_t *samples_ns;
    int64_t commits_ns;
    int64_t cpu_ns;
};

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now); /* cannot fail with these clocks */
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static struct catalog_text text_of(const char *text)
{
    return (struct catalog_text){.bytes = text, .size = strlen(text)};
}

/* --- the schema ----------------------------------------------------------------------------- */

static struct catalog_column column_make(uint16_t number, const char *name, enum column_kind kind)
{
    return (struct catalog_column){
        .name = text_of(name),
        .number = number,
        .kind = (uint8_t)kind,
    };
}

static void add_command(struct bench *bench, const struct command *command)
{
    uint8_t payload[4096];
    const struct record_spec spec = {
        .kind = RECORD_COMMAND,
        .payload = payload,
        .payload_bytes = command_encoded_bytes(command),
    };
    uint8_t *at = bench->batch + bench->batch_bytes;

    command_encode(command, payload); /* those made here are shorter */
    bench->batch_bytes += record_encode(at, &spec);
    bench->batch_count++;
    record_stamp(at, bench->meta.committed_seq + bench->batch_count, clock_ns(CLOCK_REALTIME));
}

static void add_schema(struct bench *bench)
{
    struct catalog_column message[] = {column_make(0, "id", COLUMN_INT)};
    struct catalog_column comment[] = {
        column_make(0, "id", COLUMN_INT),
        column_make(1, "messageId", COLUMN_INT),
        column_make(2, "authorId", COLUMN_INT),
        column_make(3, "content", COLUMN_STRING),
        column_make(4, "metadata", COLUMN_JSON),
        column_make(5, "createdAt", COLUMN_DATETIME),
        column_make(6, "updatedAt", COLUMN_DATETIME),
    };
    struct catalog_index index = {.equal_count = 1, .columns = {1}};
    struct catalog_table tables[] = {
        {.name = text_of("Message"), .number = 1, .columns = message, .column_count = 1},
        {.name = text_of("Comment"),
         .number = 2,
         .columns = comment,
         .column_count = 7,
         .indexes = &index,
         .index_count = 1},
    };
    const struct catalog catalog = {
        .tables = tables, .table_count = 2, .tables_used = 2, .indexes_used = 1};
    uint8_t encoded[2048];
    struct command command = {.kind = COMMAND_SCHEMA};

    message[0].is_required = true;
    comment[0].is_required = true;
    comment[1].references = 1;
    comment[5].now = COLUMN_NOW_CREATE;
    comment[6].now = COLUMN_NOW_WRITE;
    catalog_encode(&catalog, encoded);
    command.catalog = (struct catalog_text){(const char *)encoded, catalog_encoded_bytes(&catalog)};
    add_command(bench, &command);
}

/* --- commits -------------------------------------------------------------------------------- */

static void add_message(struct bench *bench)
{
    const struct command command = {.kind = COMMAND_CREATE, .version = 1, .table = 1};

    add_command(bench, &command);
}

static void add_comment(struct bench *bench)
{
    char message[24];
    const struct command_value values[] = {
        {1, {message, 0}},
        {2, text_of("77")},
        {3, text_of("\"as long as a short comment on a message of somebody else's\"")},
    };
    const struct command_part parts[] = {{.literal = text_of("comments:")},
                                         {.is_column = true, .column = 1}};
    const struct command_topic topic = {parts, 2};
    struct command_value given[3];
    struct command command = {
        .kind = COMMAND_CREATE,
        .version = 1,
        .table = 2,
        .values = given,
        .value_count = 3,
        .topics = &topic,
        .topic_count = 1,
    };

    bench->random = bench->random * UINT64_C(6364136223846793005) + 1442695040888963407;
    memcpy(given, values, sizeof given);
    given[0].json.size =
        (size_t)snprintf(message, sizeof message, "%" PRIu64, (bench->random >> 33) % PARENTS + 1);
    add_command(bench, &command);
}

/* As many transactions as it takes. */
static int commit_batch(struct bench *bench)
{
    const struct retention retention = {.bytes = UINT64_C(256) << 20};
    uint64_t end_pos = bench->meta.committed_pos + bench->batch_bytes;
    size_t done = 0;
    int rc = 0;

    while (rc == 0 && done < bench->batch_bytes) {
        uint64_t from_pos = bench->meta.committed_pos;

        rc = commit_operations(bench->store, bench->batch + done, bench->batch_bytes - done,
                               end_pos, &retention, &bench->meta);
        done += bench->meta.committed_pos - from_pos;
    }
    bench->batch_bytes = 0;
    bench->batch_count = 0;
    return rc;
}

static int fill(struct bench *bench)
{
    int rc;

    add_schema(bench);
    for (int i = 0; i < PARENTS; i++)
        add_message(bench);
    rc = commit_batch(bench);
    for (uint64_t made = 0; rc == 0 && made < bench->options.rows; made += FILL_BATCH) {
        for (int i = 0; i < FILL_BATCH; i++)
            add_comment(bench);
        rc = commit_batch(bench);
    }
    return rc;
}

static int measure(struct bench *bench)
{
    for (uint64_t i = 0; i < bench->options.commits; i++) {
        int64_t begin_ns;
        int64_t begin_cpu_ns;
        int rc;

        for (uint64_t j = 0; j < bench->options.batch; j++)
            add_comment(bench);
        begin_ns = clock_ns(CLOCK_MONOTONIC);
        begin_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        rc = commit_batch(bench);
        if (rc != 0)
            return rc;
        bench->samples_ns[i] = clock_ns(CLOCK_MONOTONIC) - begin_ns;
        bench->cpu_ns += clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begin_cpu_ns;
        bench->commits_ns += bench->samples_ns[i];
    }
    return 0;
}

static int compare_ns(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return left < right ? -1 : left > right;
}

static int report(struct bench *bench)
{
    const struct options *options = &bench->options;
    double count = (double)(options->commits * options->batch);
    struct utsname machine;

    if (uname(&machine) != 0)
        return -errno;
    qsort(bench->samples_ns, options->commits, sizeof bench->samples_ns[0], compare_ns);
    printf("{\"bench\":\"store_commands\",\"machine\":\"%s %s, %ld CPUs\",\"rows\":%" PRIu64
           ",\"batch\":%" PRIu64 ",\"commits\":%" PRIu64 ",\"mmap_threshold\":%" PRIu64
           ",\"us_per_create\":%.2f,\"cpu_us_per_create\":%.2f,\"commit_p50_us\":%" PRId64
           ",\"commit_p99_us\":%" PRId64 ",\"creates_per_s\":%.0f}\n",
           machine.sysname, machine.release, sysconf(_SC_NPROCESSORS_ONLN), options->rows,
           options->batch, options->commits, options->mmap_threshold,
           (double)bench->commits_ns / NS_PER_US / count, (double)bench->cpu_ns / NS_PER_US / count,
           bench->samples_ns[(options->commits - 1) / 2] / NS_PER_US,
           bench->samples_ns[(options->commits - 1) * 99 / 100] / NS_PER_US,
           count * (double)NS_PER_S / (double)bench->commits_ns);
    return 0;
}

/* --- the program ---------------------------------------------------------------------------- */

static int bench_open(struct bench *bench)
{
    uint64_t most = bench->options.batch > FILL_BATCH ? bench->options.batch : FILL_BATCH;

    bench->batch = malloc((most + PARENTS) * 512);
    bench->samples_ns = calloc(bench->options.commits, sizeof bench->samples_ns[0]);
    if (bench->batch == NULL || bench->samples_ns == NULL)
        return -ENOMEM;
    return fresh_store_open(bench->options.dir, &bench->store, &bench->meta);
}

static int options_read(int argc, char **argv, struct options *ret_options)
{
    static const struct option names[] = {
        {"dir", required_argument, NULL, 'd'},
        {"batch", required_argument, NULL, 'b'},
        {"rows", required_argument, NULL, 'r'},
        {"commits", required_argument, NULL, 'n'},
        {"mmap-threshold", required_argument, NULL, 'm'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {
        .batch = 100, .rows = 100000, .commits = 1000, .mmap_threshold = UINT64_C(128) << 10};
    int name;

    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        uint64_t number = name == 'd' || optarg == NULL ? 0 : strtoull(optarg, NULL, 10);

        if (name == 'd')
            options.dir = optarg;
        else if (name == 'b')
            options.batch = number;
        else if (name == 'r')
            options.rows = number;
        else if (name == 'n')
            options.commits = number;
        else if (name == 'm')
            options.mmap_threshold = number;
        else
            return -EINVAL;
    }
    if (options.dir == NULL || optind != argc || options.batch == 0 || options.commits == 0 ||
        options.mmap_threshold > INT_MAX / 4 || options.batch > SAMPLES_MAX ||
        options.commits > SAMPLES_MAX)
        return -EINVAL;
    *ret_options = options;
    return 0;
}

int main(int argc, char **argv)
{
    struct bench bench = {.random = 1};
    int rc = options_read(argc, argv, &bench.options);

    if (rc != 0) {
        (void)fprintf(stderr, "usage: store_commands --dir NEW_DIR [--batch N] [--rows N]"
                              " [--commits N] [--mmap-threshold BYTES]\n");
        return 2;
    }
    /* Without effect where the allocator is another. */
    (void)mallopt(M_MMAP_THRESHOLD, (int)bench.options.mmap_threshold);
    (void)mallopt(M_TRIM_THRESHOLD, 4 * (int)bench.options.mmap_threshold);
    rc = bench_open(&bench);
    if (rc == 0)
        rc = fill(&bench);
    if (rc == 0)
        rc = measure(&bench);
    if (rc == 0)
        rc = report(&bench);
    if (rc != 0)
        (void)fprintf(stderr, "store_commands: %s (%s)\n", strerror(-rc), store_error_text());
    store_close(bench.store);
    free(bench.batch);
    free(bench.samples_ns);
    return rc == 0 ? 0 : 1;
}
