/* histogram.c: see histogram.h. Values below HISTOGRAM_PARTS have a bucket each; above, a value of b bits loses its
 * lowest b - PART_BITS - 1, and what is left is between PARTS and 2 PARTS - 1. */
#include "histogram.h"

#include <math.h>

static const uint64_t value_max = (UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1;

int histogram_bucket(uint64_t value)
{
    if (value > value_max)
        value = value_max;
    if (value < HISTOGRAM_PARTS)
        return (int)value;
    int lost = 63 - __builtin_clzll(value) - HISTOGRAM_PART_BITS;
    return (lost + 1) * HISTOGRAM_PARTS + (int)(value >> lost) - HISTOGRAM_PARTS;
}

uint64_t histogram_bucket_max(int bucket)
{
    if (bucket < HISTOGRAM_PARTS)
        return (uint64_t)bucket;
    int lost = bucket / HISTOGRAM_PARTS - 1;
    uint64_t left = (uint64_t)bucket % HISTOGRAM_PARTS + HISTOGRAM_PARTS;
    return ((left + 1) << lost) - 1;
}

void histogram_add(struct histogram *histogram, int64_t value)
{
    uint64_t positive = value > 0 ? (uint64_t)value : 0;
    histogram->counts[histogram_bucket(positive)]++;
    histogram->total++;
    if (positive > histogram->max)
        histogram->max = positive;
}

void histogram_merge(struct histogram *histogram, const struct histogram *other)
{
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        histogram->counts[i] += other->counts[i];
    histogram->total += other->total;
    if (other->max > histogram->max)
        histogram->max = other->max;
}

uint64_t histogram_quantile(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)ceil(share * (double)histogram->total), seen = 0;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen >= wanted && seen > 0) {
            uint64_t end = histogram_bucket_max(i);
            return end < histogram->max ? end : histogram->max;
        }
    }
    return histogram->max;
}
