/*
 * ring_bench [SECONDS]: what the bus costs per operation, with payloads of 128 bytes.
 *
 * Encoding; appending one by one and 64 at a time, alone and with two processes at once; reading
 * with a 64 KiB buffer and decoding. Prints one line of JSON per measure: the mean, and p50 and
 * p99 over samples of 1,000 records each, in ns per record. Commits (that make room) are counted
 * in; nobody sleeps, so no wake-up costs a system call.
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bus/check.h"
#include "bus/record.h"
#include "bus/ring.h"
#include "bus/role.h"
#include "bus/shm.h"

enum {
    PAYLOAD_BYTES = 128,
    RECORD_BYTES = 192, /* with head, topic and padding */
    BATCH_MAX = 64,
    SAMPLE_RECORDS = 1000,
    SAMPLES_MAX = 1000000,
    READ_BYTES = 64 * 1024,
    RING_BYTES = 32 * 1024 * 1024,
    SECONDS_DEFAULT = 1,
    SECONDS_MAX = 60,
    NS_PER_S = 1000000000,
};

struct bench {
    struct bus *bus;
    int64_t duration_ns; /* of each measure */
    double *samples_ns;  /* per record */
    uint8_t *batch;      /* BATCH_MAX encoded records */
    bool is_writer;      /* makes room itself; else it waits until the other process does */
};

static int64_t now_ns(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with this clock */
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static int compare_samples(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;

    return (left > right) - (left < right);
}

static void report(const struct bench *bench, const char *what, size_t count)
{
    struct utsname machine = {0};
    double sum = 0;

    CHECK(count > 0);
    CHECK(uname(&machine) == 0);
    for (size_t i = 0; i < count; i++)
        sum += bench->samples_ns[i];
    qsort(bench->samples_ns, count, sizeof bench->samples_ns[0], compare_samples);
    (void)printf("{\"bench\":\"ring\",\"measure\":\"%s\",\"machine\":\"%s %s, %ld CPUs\","
                 "\"version\":\"%s\",\"record_bytes\":%d,\"records\":%zu,"
                 "\"mean_ns\":%.1f,\"p50_ns\":%.1f,\"p99_ns\":%.1f}\n",
                 what, machine.sysname, machine.release, sysconf(_SC_NPROCESSORS_ONLN),
                 SLUICE_VERSION, RECORD_BYTES, count * SAMPLE_RECORDS, sum / (double)count,
                 bench->samples_ns[count / 2], bench->samples_ns[count * 99 / 100]);
    (void)fflush(stdout);
}

static void encode_one(uint8_t *buf)
{
    static const char payload[PAYLOAD_BYTES] = "{\"from\":\"my_client_id\",\"data\":\"hello\"}";
    const struct record_topic topic = {"room", 4};
    const struct record_spec spec = {
        .kind = RECORD_EVENT,
        .topics = &topic,
        .topic_count = 1,
        .payload = payload,
        .payload_bytes = sizeof payload,
    };

    CHECK(record_encode(buf, &spec) == RECORD_BYTES);
}

/* One round of each measure: about SAMPLE_RECORDS records; returns how many. */
typedef size_t round_function(struct bench *bench, size_t batch_count);

static size_t round_encode(struct bench *bench, size_t batch_count)
{
    (void)batch_count;
    for (size_t i = 0; i < SAMPLE_RECORDS; i++)
        encode_one(bench->batch + i % BATCH_MAX * RECORD_BYTES);
    return SAMPLE_RECORDS;
}

static void commit_all(struct bus *bus)
{
    const struct ring_position tail = ring_tail(bus);

    ring_commit(bus, &tail, 1);
}

static size_t round_append(struct bench *bench, size_t batch_count)
{
    size_t done = 0;

    while (done < SAMPLE_RECORDS) {
        struct ring_appended appended;
        const int rc = ring_append(bench->bus, bench->batch, batch_count * RECORD_BYTES, &appended);

        CHECK(rc == 0 || rc == -EAGAIN);
        if (rc == 0)
            done += appended.count;
        else if (bench->is_writer)
            commit_all(bench->bus);
        else
            (void)sched_yield();
    }
    return done;
}

/* The whole ring again and again. */
static size_t round_read(struct bench *bench, size_t batch_count)
{
    static alignas(8) uint8_t buf[READ_BYTES];
    static uint64_t pos;
    const struct ring_position tail = ring_tail(bench->bus);
    size_t done = 0;

    (void)batch_count;
    while (done < SAMPLE_RECORDS) {
        struct record record;
        size_t needed;
        const ptrdiff_t got = ring_read(bench->bus, &pos, tail.pos, buf, sizeof buf, &needed);

        if (got == 0 || got == -EOVERFLOW) {
            pos = ring_committed(bench->bus).pos;
            continue;
        }
        CHECK(got > 0);
        for (size_t at = 0; at < (size_t)got; at += record.length) {
            CHECK(record_decode(buf + at, (size_t)got - at, &record) == RECORD_OK);
            done++;
        }
    }
    return done;
}

static size_t measure(struct bench *bench, round_function *round, size_t batch_count)
{
    const int64_t end_ns = now_ns() + bench->duration_ns;
    int64_t before_ns = now_ns();
    size_t count = 0;

    while (before_ns < end_ns && count < SAMPLES_MAX) {
        const size_t records = round(bench, batch_count);
        const int64_t after_ns = now_ns();

        bench->samples_ns[count++] = (double)(after_ns - before_ns) / (double)records;
        before_ns = after_ns;
    }
    return count;
}

/* The same append, while another process does it too. */
static void measure_contended(struct bench *bench, size_t batch_count, const char *what)
{
    const pid_t pid = fork();
    int status = 0;
    size_t count;

    CHECK(pid >= 0);
    if (pid == 0) {
        bench->is_writer = false;
        (void)measure(bench, round_append, batch_count);
        _exit(0);
    }
    count = measure(bench, round_append, batch_count);
    while (waitpid(pid, &status, WNOHANG) == 0)
        commit_all(bench->bus); /* it may still be waiting for room */
    CHECK(status == 0);
    report(bench, what, count);
}

static void run(struct bench *bench)
{
    commit_all(bench->bus);
    report(bench, "encode", measure(bench, round_encode, 0));
    report(bench, "append_1", measure(bench, round_append, 1));
    report(bench, "append_64", measure(bench, round_append, BATCH_MAX));
    report(bench, "read", measure(bench, round_read, 0));
    measure_contended(bench, 1, "append_1_of_2_processes");
    measure_contended(bench, BATCH_MAX, "append_64_of_2_processes");
}

static int bench_open(struct bench *bench, const char *path)
{
    const struct bus_options options = {.path = path, .store_id = 1, .size = RING_BYTES};
    const struct ring_position start = {0};
    int rc;

    role_set((enum role)(ROLE_MASTER | ROLE_WRITER | ROLE_WORKER)); /* stands in for all */
    bench->samples_ns = calloc(SAMPLES_MAX, sizeof bench->samples_ns[0]);
    bench->batch = calloc(BATCH_MAX, RECORD_BYTES);
    if (bench->samples_ns == NULL || bench->batch == NULL)
        return -ENOMEM;
    rc = bus_open(&options, &bench->bus);
    if (rc != 0)
        return rc;
    ring_reset(bench->bus, &start, 1);
    for (size_t i = 0; i < BATCH_MAX; i++)
        encode_one(bench->batch + i * RECORD_BYTES);
    return 0;
}

int main(int argc, char **argv)
{
    const long seconds = argc > 1 ? strtol(argv[1], NULL, 10) : SECONDS_DEFAULT;
    struct bench bench = {.duration_ns = (int64_t)seconds * NS_PER_S, .is_writer = true};
    char path[64];
    int rc;

    if (argc > 2 || seconds < 1 || seconds > SECONDS_MAX) {
        (void)fputs("Usage: ring_bench [SECONDS]\n", stderr);
        return 2;
    }
    (void)snprintf(path, sizeof path, "/dev/shm/sluice-bench-%d.ring", (int)getpid());
    rc = bench_open(&bench, path);
    if (rc == 0) {
        run(&bench);
        rc = bus_unlink(bench.bus);
    }
    if (rc != 0)
        (void)fprintf(stderr, "ring_bench: %s (%s)\n", strerror(-rc), bus_error_text());
    bus_close(bench.bus);
    free(bench.batch);
    free(bench.samples_ns);
    return rc == 0 ? 0 : 1;
}
