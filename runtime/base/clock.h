/* clock.h: the seam of time (D15): every reading of a clock in the runtime goes through here.
 *
 * Monotonic nanoseconds, exact, about 25 ns a reading. (The kernel's coarse clock costs 5 ns, but it may lag by more
 * than its own resolution where ticks are skipped, so a deadline computed from it can be early. For deadlines that are
 * far away there is base/tick.h.) Wall time is for log records only. */
#ifndef TROUPE_BASE_CLOCK_H
#define TROUPE_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_now(void);
int64_t clock_wall(void);

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)
#define NEVER     INT64_MAX

/* Timeouts beyond it, 146 years, are for ever; the clock has not run for as long. */
#define TIMEOUT_MOST_MS (INT64_MAX / NS_PER_MS / 2)

/* The instant `timeout_ms` after `now`; for ever for -1 and for anything past the end of time. */
static inline int64_t deadline_after(int64_t now, int64_t timeout_ms)
{
    if ((uint64_t)timeout_ms > (uint64_t)TIMEOUT_MOST_MS)
        return NEVER;
    return now + timeout_ms * NS_PER_MS;
}

#endif
