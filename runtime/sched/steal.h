/* steal.h: how a worker that has no task takes some from another: a look, a nap, a theft. */
#ifndef TROUPE_SCHED_STEAL_H
#define TROUPE_SCHED_STEAL_H

#include "sched/worker.h"

/* What a thief saw of a worker. */
struct sight {
    uint32_t tail; /* where its ring ended */
    bool queued, stranded;
};

/* What it may get. */
struct loot {
    int64_t nap_ns; /* how long it lets pass before it takes it */
    unsigned count; /* of the sights */
    bool bold;
    struct sight sights[WORKERS_MOST];
};

/* Whether some worker has set tasks aside: any thread. */
bool steal_overflows(void);
/* The oldest batch of some worker: one task is returned and the rest is in this worker's ring, which was empty. NULL:
 * there is none. At once and without a nap: it is more than its owner can run soon. */
struct task *steal_overflow(struct worker *worker);

/* Looks at all workers. True: some have what may be stolen. */
bool steal_look(struct worker *worker, struct loot *loot);
/* After the nap: takes half of a ring, of which one is returned and the rest is in the worker's ring, which was empty.
 * NULL: there was nothing left. */
struct task *steal(struct worker *worker, const struct loot *loot);

/* The worker begins to be busy. */
void steal_begin(struct worker *worker);
/* It has nothing left of its own: what a turn took on average since then, and whether its loot was worth the theft. */
void steal_judge(struct worker *worker);

#endif
