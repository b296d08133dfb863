/*
 * tools/sluice-bench/histogram.h - durations counted in buckets of at most 0.8 % width.
 *
 * Shape    Values below HISTOGRAM_SUB_BUCKETS have a bucket each; above, every power of two is
 *          cut into HISTOGRAM_SUB_BUCKETS equal parts (the idea of HdrHistogram). Flat memory
 *          without pointers: it may lie in memory shared with another process.
 * Units    ns. Values from HISTOGRAM_NS_MAX on (2.4 hours) are counted in the last bucket;
 *          ns_max always keeps the true greatest value.
 * Callers  One writer. A reader of another process reads after the writer has ended.
 */
#ifndef TOOLS_SLUICE_BENCH_HISTOGRAM_H
#define TOOLS_SLUICE_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS    7
#define HISTOGRAM_SUB_BUCKETS (1u << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_VALUE_BITS  43
#define HISTOGRAM_NS_MAX      (UINT64_C(1) << HISTOGRAM_VALUE_BITS)
#define HISTOGRAM_BUCKET_COUNT                                                                     \
    ((HISTOGRAM_VALUE_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t count;
    uint64_t ns_max;
    uint64_t buckets[HISTOGRAM_BUCKET_COUNT];
};

/* A histogram of zero bytes is an empty one. */
void histogram_add(struct histogram *histogram, uint64_t ns);

void histogram_merge(struct histogram *into, const struct histogram *from);

/*
 * The smallest bucket end at or below which at least @fraction (0 to 1) of the values lie, and
 * never more than the greatest value. 0 for an empty histogram.
 */
uint64_t histogram_quantile_ns(const struct histogram *histogram, double fraction);

#endif
