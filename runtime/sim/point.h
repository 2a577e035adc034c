/* point.h: a scheduling point: where the simulator may let another of its threads go on.
 *
 * Points are counted down, so that one costs a decrement. When the count is used up the simulator decides (machine.c).
 * What a thread does between two points is one step: no other thread is between. */
#ifndef TROUPE_SIM_POINT_H
#define TROUPE_SIM_POINT_H

#include <stdint.h>

extern int64_t sim_budget;        /* points until the next decision */
extern uint32_t sim_relaxed;      /* relaxed accesses so far */
extern uint32_t sim_relaxed_mask; /* which of them are points: 0: all; 63: one of 64, so that a loop of them ends */

void sim_decide(void);

static inline void sim_point(void)
{
    if (__builtin_expect(--sim_budget < 0, 0))
        sim_decide();
}

static inline void sim_point_relaxed(void)
{
    if ((++sim_relaxed & sim_relaxed_mask) == 0)
        sim_point();
}

/* An event of the flight recorder (base/trace.h), for the run's own trace. */
void sim_event(unsigned kind, uint64_t word);

/* The calling worker goes on in a process' own code. */
void sim_user_code(void);

/* For the exhaustive mode (explore.c): who runs next, NULL: as usual; and what is looked up by its handle or name. */
struct worker;
struct task *sim_pick_task(struct worker *worker);
void sim_touch(uint64_t what);

#endif
