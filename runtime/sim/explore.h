/* explore.h: the bounded exhaustive mode's places in the runtime. Seen by runtime/sim/ only; the runtime calls them by
 * the names of sim/point.h. */
#ifndef TROUPE_SIM_EXPLORE_H
#define TROUPE_SIM_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct actor;

/* Whether this run is one of an exploration, and between tr_sim_inject(true) and (false). */
bool sim_exploring(void);

/* A process has come back to its own code: others may go first. */
void sim_explore_boundary(struct actor *self);

/* A run begins: whether it is one of an exploration. */
bool sim_explore_start(void);

/* Choices are explored from here on, or no longer. */
void sim_explore_inject(bool on);

#endif
