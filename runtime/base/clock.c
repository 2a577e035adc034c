/* clock.c: the real clocks. */
#include "base/clock.h"

#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t clock_now(void) { return read_clock(CLOCK_MONOTONIC); }

int64_t clock_coarse(void)
{
    /* The tick is a constant of the kernel's build: asked once. */
    static int64_t resolution;
    int64_t known = __atomic_load_n(&resolution, __ATOMIC_RELAXED); /* relaxed: every thread computes the same value */
    if (known == 0) {
        struct timespec tick;
        clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
        known = (int64_t)tick.tv_sec * NS_PER_S + tick.tv_nsec;
        __atomic_store_n(&resolution, known, __ATOMIC_RELAXED);
    }
    return read_clock(CLOCK_MONOTONIC_COARSE) + known;
}

int64_t clock_wall(void) { return read_clock(CLOCK_REALTIME); }
