#include "tools/sluice-bench/histogram.h"

#include <assert.h>
#include <stddef.h>

#include "bus/check.h"

static_assert(HISTOGRAM_BUCKET_COUNT == 4736, "37 rows of 128 buckets: 37 KiB");

static size_t bucket_of(uint64_t ns)
{
    if (ns < HISTOGRAM_SUB_BUCKETS)
        return (size_t)ns;
    if (ns >= HISTOGRAM_NS_MAX)
        return HISTOGRAM_BUCKET_COUNT - 1;

    unsigned top_bit = 63u - (unsigned)__builtin_clzll(ns);
    unsigned shift = top_bit - HISTOGRAM_SUB_BITS;
    /* (ns >> shift) has its top bit at HISTOGRAM_SUB_BITS: 128 to 255, so rows follow each other.
     */
    return ((size_t)shift << HISTOGRAM_SUB_BITS) + (size_t)(ns >> shift);
}

/* The greatest value that the bucket counts. */
static uint64_t bucket_end_ns(size_t index)
{
    if (index < HISTOGRAM_SUB_BUCKETS)
        return index;

    unsigned shift = (unsigned)(index >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t part = HISTOGRAM_SUB_BUCKETS + (index & (HISTOGRAM_SUB_BUCKETS - 1));
    return ((part + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    histogram->buckets[bucket_of(ns)]++;
    histogram->count++;
    if (ns > histogram->ns_max)
        histogram->ns_max = ns;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKET_COUNT; i++)
        into->buckets[i] += from->buckets[i];
    into->count += from->count;
    if (from->ns_max > into->ns_max)
        into->ns_max = from->ns_max;
}

uint64_t histogram_quantile_ns(const struct histogram *histogram, double fraction)
{
    CHECK(fraction >= 0.0);
    CHECK(fraction <= 1.0);

    if (histogram->count == 0)
        return 0;

    /* The rank of the value sought, from 1; rounded up, so that 1.0 is the last. */
    double exact = fraction * (double)histogram->count;
    uint64_t rank = (uint64_t)exact;
    if ((double)rank < exact || rank == 0)
        rank++;

    uint64_t passed = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKET_COUNT - 1; i++) {
        passed += histogram->buckets[i];
        if (passed >= rank) {
            uint64_t end_ns = bucket_end_ns(i);
            return end_ns < histogram->ns_max ? end_ns : histogram->ns_max;
        }
    }
    return histogram->ns_max; /* in the last bucket, which has no end */
}
