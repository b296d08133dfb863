/*
 * tools/sluice-bench/report.h - the result of a run, as text or as one line of JSON.
 */
#ifndef TOOLS_SLUICE_BENCH_REPORT_H
#define TOOLS_SLUICE_BENCH_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/sluice-bench/histogram.h"
#include "tools/sluice-bench/options.h"

struct report {
    uint32_t connection_count; /* opened, publishers' own included */
    uint32_t failed_count;
    uint32_t closed_count;
    uint64_t connect_ns; /* until the last was ready */

    uint64_t measured_ns; /* from the start to the last delivery or acknowledgement */
    uint64_t published;
    uint64_t acknowledged;
    uint64_t refused;
    uint64_t expected;
    uint64_t delivered;
    uint64_t duplicates;
    uint64_t order_errors;
    const struct histogram *delivery;
    const struct histogram *acknowledgement;

    bool has_cpu;
    uint64_t server_cpu_ns;
    uint64_t client_cpu_ns; /* of the bench itself, to see whether it was the limit */
    bool has_memory;
    int64_t memory_growth_bytes;
    bool is_given_up; /* for want of progress */
};

/* Nothing lost, doubled, out of order, refused, closed or given up. */
bool report_is_clean(const struct report *report);

void report_print(const struct report *report, const struct options *options);

#endif
