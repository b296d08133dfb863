/*
 * store_churn [OPTIONS]: how fast the store takes operations while retention trims as many.
 *
 * Commits of --commit-min to --commit-max bytes of 128-byte events (evenly spread over the
 * orders of magnitude, so that there are blocks of all sizes; with --event-max events are of up to
 * so many bytes, spread likewise), each event on one of --topics topics, into a log bounded to --keep bytes. First the log is filled, then it is measured.
 * --hold: somebody reads all the time, and has the same snapshot for so many commits.
 * Prints one line of JSON. `events_per_s` and `mb_per_s` count the time inside commits only;
 * `disk_write_ratio` is what reached the disk per byte of records; `file_bytes_at` is how large the
 * file was after each tenth of the commits: under constant retention it has to come to rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "bus/record.h"
#include "store/commit.h"
#include "store/space.h"
#include "tests/bench/fresh_store.h"

enum {
    SAMPLES_MAX = 1000000,
    PAYLOAD_BYTES = 128,
    RECORD_BYTES_MAX = 512,
    NS_PER_US = 1000,
    SECTORS_WRITTEN_FIELD = 7,
    SECTOR_BYTES = 512, /* what the kernel counts in, whatever the disk's */
    FILE_SAMPLES = 10,
};
#define NS_PER_S INT64_C(1000000000)

struct options {
    const char *dir;
    uint64_t topics;
    uint64_t keep_bytes;
    uint64_t commit_bytes_min;
    uint64_t commit_bytes_max;
    uint64_t event_bytes_max;
    uint64_t commits;      /* to measure */
    uint64_t hold_commits; /* 0: nobody reads */
};

struct churn {
    struct options options;
    struct store *store;
    struct store_meta meta;
    uint64_t random;
    char *payload; /* event_bytes_max: no matter what it says */
    uint8_t *batch;
    size_t batch_bytes;
    uint64_t batch_count;
    int64_t *samples_ns; /* of each commit */
    uint64_t records_bytes;
    uint64_t events;
    int64_t commits_ns; /* all together */
    int64_t file_bytes[FILE_SAMPLES];
    uint64_t held_commits; /* by the snapshot there is, if one is to be */
};

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now); /* cannot fail with these clocks */
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static uint64_t random_next(struct churn *churn)
{
    churn->random ^= churn->random >> 12;
    churn->random ^= churn->random << 25;
    churn->random ^= churn->random >> 27;
    return churn->random * UINT64_C(2685821657736338717);
}

/* A length between the two, all orders of magnitude alike. */
static size_t bytes_draw(struct churn *churn, uint64_t bytes_min, uint64_t bytes_max)
{
    double low = log((double)bytes_min);
    double high = log((double)bytes_max);
    double at = (double)(random_next(churn) >> 11) / (double)(UINT64_C(1) << 53);

    return (size_t)exp(low + (high - low) * at);
}

static void batch_fill(struct churn *churn)
{
    size_t wanted =
        bytes_draw(churn, churn->options.commit_bytes_min, churn->options.commit_bytes_max);
    bool is_mixed = churn->options.event_bytes_max > PAYLOAD_BYTES;
    int64_t time_ns = clock_ns(CLOCK_REALTIME);

    churn->batch_bytes = 0;
    churn->batch_count = 0;
    while (churn->batch_count == 0 || churn->batch_bytes < wanted) {
        char name[32];
        int length = snprintf(name, sizeof name, "topic:%" PRIu64,
                              random_next(churn) % churn->options.topics);
        const struct record_topic topic = {.name = name, .bytes = (size_t)length};
        const struct record_spec spec = {
            .kind = RECORD_EVENT,
            .topics = &topic,
            .topic_count = 1,
            .payload = churn->payload,
            .payload_bytes = is_mixed
                                 ? bytes_draw(churn, PAYLOAD_BYTES, churn->options.event_bytes_max)
                                 : PAYLOAD_BYTES,
        };
        uint8_t *at = churn->batch + churn->batch_bytes;

        churn->batch_bytes += record_encode(at, &spec);
        churn->batch_count++;
        record_stamp(at, churn->meta.committed_seq + churn->batch_count, time_ns);
    }
}

static int snapshot_renew(struct churn *churn)
{
    if (churn->options.hold_commits == 0)
        return 0;
    if (churn->held_commits == churn->options.hold_commits) {
        store_snapshot_end(churn->store);
        churn->held_commits = 0;
    }
    return churn->held_commits++ == 0 ? store_snapshot_begin(churn->store, 0) : 0;
}

static int commit_one(struct churn *churn, int64_t *ret_ns)
{
    const struct retention retention = {.bytes = churn->options.keep_bytes};
    int64_t start_ns;
    int rc;

    rc = snapshot_renew(churn);
    if (rc != 0)
        return rc;
    batch_fill(churn);
    start_ns = clock_ns(CLOCK_MONOTONIC);
    rc =
        commit_operations(churn->store, churn->batch, churn->batch_bytes,
                          churn->meta.committed_pos + churn->batch_bytes, &retention, &churn->meta);
    *ret_ns = clock_ns(CLOCK_MONOTONIC) - start_ns;
    return rc;
}

/*
 * Bytes that were written to the disk that the store is on, other processes' included; 0 where it
 * is not a disk. (/proc/self/io counts whole folios for one dirty page.)
 */
static uint64_t written_bytes(const struct churn *churn)
{
    uint64_t sectors = 0;
    char text[512] = "";
    char *at = text;
    struct stat dir;
    FILE *file;

    if (stat(churn->options.dir, &dir) != 0)
        return 0;
    (void)snprintf(text, sizeof text, "/sys/dev/block/%u:%u/stat", major(dir.st_dev),
                   minor(dir.st_dev)); /* fits */
    file = fopen(text, "r");
    if (file == NULL)
        return 0;
    if (fgets(text, sizeof text, file) != NULL) {
        for (int field = 1; field <= SECTORS_WRITTEN_FIELD; field++)
            sectors = strtoull(at, &at, 10);
    }
    (void)fclose(file); /* read only */
    return sectors * SECTOR_BYTES;
}

static int compare_ns(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return left < right ? -1 : left > right;
}

static int64_t percentile_us(const struct churn *churn, uint64_t per_mille)
{
    return churn->samples_ns[(churn->options.commits - 1) * per_mille / 1000] / NS_PER_US;
}

/* The store's file, in bytes; -1 when it cannot be looked at. */
static int64_t file_bytes(const struct churn *churn)
{
    char path[4096];
    struct stat file;

    (void)snprintf(path, sizeof path, "%s/store/data.mdb", churn->options.dir); /* was opened */
    return stat(path, &file) == 0 ? (int64_t)file.st_size : -1;
}

static void file_samples_print(const struct churn *churn)
{
    printf(",\"file_bytes_at\":[");
    for (int i = 0; i < FILE_SAMPLES; i++)
        printf("%s%" PRId64, i == 0 ? "" : ",", churn->file_bytes[i]);
    printf("]}\n");
}

static int report(struct churn *churn, uint64_t written)
{
    double seconds = (double)churn->commits_ns / (double)NS_PER_S;
    struct utsname machine;
    struct space space;
    int rc = space_read(churn->store, &space);

    if (rc != 0)
        return rc;
    if (churn->options.commits == 0 || churn->records_bytes == 0 || seconds <= 0)
        return -EINVAL; /* nothing was measured */
    if (uname(&machine) != 0)
        return -errno;
    qsort(churn->samples_ns, churn->options.commits, sizeof churn->samples_ns[0], compare_ns);
    printf("{\"bench\":\"store_churn\",\"machine\":\"%s %s, %ld CPUs\",\"topics\":%" PRIu64
           ",\"keep_bytes\":%" PRIu64 ",\"commits\":%" PRIu64 ",\"commit_bytes_mean\":%" PRIu64
           ",\"commit_p50_us\":%" PRId64 ",\"commit_p99_us\":%" PRId64 ",\"commit_max_us\":%" PRId64
           ",\"events_per_s\":%.0f,\"mb_per_s\":%.1f,\"disk_write_ratio\":%.2f"
           ",\"log_bytes\":%" PRIu64 ",\"used_bytes\":%" PRIu64 ",\"file_bytes\":%" PRId64,
           machine.sysname, machine.release, sysconf(_SC_NPROCESSORS_ONLN), churn->options.topics,
           churn->options.keep_bytes, churn->options.commits,
           churn->records_bytes / churn->options.commits, percentile_us(churn, 500),
           percentile_us(churn, 990), percentile_us(churn, 1000), (double)churn->events / seconds,
           (double)churn->records_bytes / 1e6 / seconds,
           (double)written / (double)churn->records_bytes, churn->meta.log_bytes,
           space.map_used_bytes, file_bytes(churn));
    file_samples_print(churn);
    return 0;
}

static int churn_run(struct churn *churn)
{
    uint64_t written;
    int64_t ns;
    int rc = 0;

    /* Twice what is kept: the file has its final size, and every page has been freed once. */
    while (rc == 0 && churn->meta.committed_pos < 2 * churn->options.keep_bytes)
        rc = commit_one(churn, &ns);
    written = written_bytes(churn);
    for (uint64_t i = 0; rc == 0 && i < churn->options.commits; i++) {
        rc = commit_one(churn, &churn->samples_ns[i]);
        churn->commits_ns += churn->samples_ns[i];
        churn->records_bytes += churn->batch_bytes;
        churn->events += churn->batch_count;
        churn->file_bytes[i * FILE_SAMPLES / churn->options.commits] = file_bytes(churn);
    }
    return rc == 0 ? report(churn, written_bytes(churn) - written) : rc;
}

static int churn_open(struct churn *churn)
{

    churn->payload = calloc(1, churn->options.event_bytes_max);
    churn->batch =
        malloc(churn->options.commit_bytes_max + churn->options.event_bytes_max + RECORD_BYTES_MAX);
    churn->samples_ns = calloc(churn->options.commits, sizeof churn->samples_ns[0]);
    if (churn->payload == NULL || churn->batch == NULL || churn->samples_ns == NULL)
        return -ENOMEM;
    return fresh_store_open(churn->options.dir, &churn->store, &churn->meta);
}

static int options_read(int argc, char **argv, struct options *ret_options)
{
    static const struct option names[] = {
        {"dir", required_argument, NULL, 'd'},
        {"topics", required_argument, NULL, 't'},
        {"keep", required_argument, NULL, 'k'},
        {"commits", required_argument, NULL, 'n'},
        {"commit-min", required_argument, NULL, 'a'},
        {"commit-max", required_argument, NULL, 'b'},
        {"event-max", required_argument, NULL, 'e'},
        {"hold", required_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {
        .topics = 4,
        .keep_bytes = UINT64_C(512) << 20,
        .commit_bytes_min = 200,
        .commit_bytes_max = UINT64_C(512) << 10,
        .event_bytes_max = PAYLOAD_BYTES,
        .commits = 5000,
    };
    int name;

    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        uint64_t number = name == 'd' || optarg == NULL ? 0 : strtoull(optarg, NULL, 10);

        switch (name) {
        case 'd':
            options.dir = optarg;
            break;
        case 't':
            options.topics = number;
            break;
        case 'k':
            options.keep_bytes = number;
            break;
        case 'n':
            options.commits = number;
            break;
        case 'a':
            options.commit_bytes_min = number;
            break;
        case 'b':
            options.commit_bytes_max = number;
            break;
        case 'e':
            options.event_bytes_max = number;
            break;
        case 'h':
            options.hold_commits = number;
            break;
        default:
            return -EINVAL;
        }
    }
    if (options.dir == NULL || optind != argc || options.topics == 0 || options.commits == 0 ||
        options.commits > SAMPLES_MAX || options.commit_bytes_min == 0 ||
        options.commit_bytes_max < options.commit_bytes_min ||
        options.event_bytes_max < PAYLOAD_BYTES ||
        options.commit_bytes_max + options.event_bytes_max > COMMIT_BYTES_MAX)
        return -EINVAL;
    *ret_options = options;
    return 0;
}

int main(int argc, char **argv)
{
    struct churn churn = {.random = UINT64_C(88172645463325252)};
    int rc = options_read(argc, argv, &churn.options);

    if (rc != 0) {
        (void)fprintf(stderr, "usage: store_churn --dir NEW_DIR [--topics N] [--keep BYTES]"
                              " [--commits N] [--commit-min BYTES] [--commit-max BYTES]"
                              " [--event-max BYTES] [--hold N]\n");
        return 2;
    }
    rc = churn_open(&churn);
    if (rc == 0)
        rc = churn_run(&churn);
    if (rc != 0)
        (void)fprintf(stderr, "store_churn: %s (%s)\n", strerror(-rc), store_error_text());
    store_close(churn.store);
    free(churn.payload);
    free(churn.batch);
    free(churn.samples_ns);
    return rc == 0 ? 0 : 1;
}
