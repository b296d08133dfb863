/*
 * tools/sluicectl/top_sample.h - what /control/top said at one moment, and what happened between two.
 *
 * Units    totals since the server's start; _seconds are seconds; rates are per second.
 * Memory   The caller embeds the struct; a sample keeps the server's object: top_sample_done().
 */
#ifndef TOOLS_SLUICECTL_TOP_SAMPLE_H
#define TOOLS_SLUICECTL_TOP_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/slots.h"

struct json_object;

#define TOP_BUCKETS_MAX   32
#define TOP_PROCESSES_MAX BUS_SLOT_COUNT

/* Of one process, or of all. */
struct top_counts {
    uint64_t clients;
    uint64_t subscriptions;
    uint64_t lagging;
    uint64_t queued_bytes;
    uint64_t messages_in;
    uint64_t delivered;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t rss_bytes;
    double cpu_seconds;
};

struct top_process {
    const char *name; /* borrowed from the object */
    uint64_t pid;
    uint64_t slot;
    struct top_counts counts;
};

struct top_sample {
    struct json_object *object;
    double time_seconds; /* of the server's machine, monotonic */
    struct top_process processes[TOP_PROCESSES_MAX];
    size_t process_count;
    struct top_counts all;
    uint64_t published;
    uint64_t publish_refused;
    uint64_t ring_waits;
    uint64_t http2_floods;
    uint64_t tls_handshakes;
    uint64_t tls_failed;
    uint64_t deflate_input_bytes; /* of what was compressed */
    uint64_t deflate_output_bytes;
    uint64_t commit_count;
    uint64_t commit_operations;
    double commit_seconds;
    double bucket_bounds[TOP_BUCKETS_MAX]; /* seconds; the last bucket has none */
    uint64_t buckets[TOP_BUCKETS_MAX];
    size_t bucket_count;
};

struct top_process_rates {
    double cpu; /* processors: 1 is one of them, all the time */
    double messages_in;
    double delivered;
    double bytes_in;
    double bytes_out;
};

struct top_rates {
    double seconds; /* between the two */
    struct top_process_rates all;
    struct top_process_rates processes[TOP_PROCESSES_MAX]; /* as in the newer sample */
    double published;
    double publish_refused;
    double ring_waits;
    double http2_floods;
    double tls_handshakes;
    double tls_failed;
    double deflate_share; /* of a byte that was compressed, what it became; 0 when none was */
    double commits;
    double operations_per_commit; /* 0 when there was no commit; the next two, too */
    double commit_mean_seconds;
    double commit_p99_seconds; /* at most that; infinite when past the last bound */
};

/* Takes @object over. False: it is not what /control/top answers; it has been put. */
bool top_sample_read(struct top_sample *ret_sample, struct json_object *object);
void top_sample_done(struct top_sample *sample);

/* A counter that has gone back (a process in another's place, a server started anew) counts as 0. */
void top_rates_between(const struct top_sample *older, const struct top_sample *newer,
                       struct top_rates *ret_rates);

#endif
