/* tick.h: a clock that costs one load, for deadlines that are far away.
 *
 * One thread (the watchdog) publishes the time at each of its ticks. Whoever reads it learns when the present gap
 * between two ticks began, so a deadline is computed as stamp + timeout + TICK_SLACK_NS, which is late by no more than
 * the slack, and early only if the gap in which the stamp was read turns out longer than the slack (the thread was not
 * scheduled, the process was stopped). Such gaps are written down, and `tick_due` adds what is missing before anybody
 * acts on the deadline: never early, whatever the machine does.
 *
 * Invariants: a tick is published, then the clock is read, and a gap longer than the slack is put on record, all under
 * a lock. So who finds that its stamp is no longer the latest ([TC2] acquire, pairs with [TC1] release), and then takes
 * the lock, finds its gap on record, or its gap was short. Readers are wait-free; `tick_due`, on the path of a timeout,
 * takes the lock. */
#ifndef TROUPE_BASE_TICK_H
#define TROUPE_BASE_TICK_H

#include "base/atomics.h"
#include "base/clock.h"

#define TICK_SLACK_NS (20 * NS_PER_MS)

extern _Atomic int64_t tick_latest;

/* Nanoseconds of clock_now when the present gap began; 0: nobody ticks now, ask clock_now. */
static ALWAYS_INLINE int64_t tick_stamp(void)
{
    return load_relaxed(&tick_latest); /* relaxed: a moment too old is within the reserve of tick.c */
}

/* When a deadline that was computed from `stamp` (0: from clock_now) has surely passed, as far as is known at `now`. */
int64_t tick_due(int64_t stamp, int64_t deadline, int64_t now);

/* The ticking thread only: the gap ends, and the next begins at `now`, which `clock` (clock_now) has just said; or none
 * does, until the next tick_publish. */
void tick_publish(int64_t now, int64_t (*clock)(void));
void tick_pause(int64_t (*clock)(void));

#endif
