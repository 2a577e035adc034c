/* sorting.h: what the floors of the two sorting programs share: values by chance, and the check of the result. */
#ifndef TROUPE_BENCH_FLOOR_SORTING_H
#define TROUPE_BENCH_FLOOR_SORTING_H

#include "../savina/kernels.h"
#include "program.h"

/* In order, and with the checksum of what was drawn. */
static inline void check_sorted(const uint64_t *values, uint64_t n, uint64_t bits, uint64_t seed)
{
    uint64_t got = 0, want = 0;
    for (uint64_t i = 0; i < n; i++) {
        must(i == 0 || values[i - 1] <= values[i], "out of order");
        got += kernel_mix(values[i]);
        want += kernel_mix(kernel_draw(&seed, bits));
    }
    must(got == want, "other values than were drawn");
}

#endif
