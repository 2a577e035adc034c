/* due.h: what will happen at a time by itself, without a thread that waits for it: the arrival of a segment, the end of
 * a timer. Seen by runtime/sim/ only.
 *
 * Invariants
 *   E1  Things happen in the order of their times, those of the same time in the order in which they were set: a number
 *       decides, never an address.
 *   E2  Nothing happens early, and whoever looks (a system call, a decision of the machine) has let happen what was due
 *       by then: nobody sees a state that time has passed by. */
#ifndef TROUPE_SIM_DUE_H
#define TROUPE_SIM_DUE_H

#include <stdint.h>

/* Embedded in what it happens to; all zero but for `happen`: not set. */
struct sim_due {
    int64_t at_ns;
    uint64_t order;
    unsigned place; /* in the heap, from 1; 0: not set */
    void (*happen)(struct sim_due *due);
};

void sim_due_start(void);
/* It happens once, at that time; a time that was set before counts no more. It may be set anew while it happens. */
void sim_due_set(struct sim_due *due, int64_t at_ns);
/* It does not happen. */
void sim_due_drop(struct sim_due *due);
/* INT64_MAX: nothing is to come. */
int64_t sim_due_earliest(void);
/* Lets happen what is due. */
void sim_due_run(int64_t now_ns);

#endif
