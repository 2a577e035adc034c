/* inject.h: the global run queue: tasks from foreign threads, from rings that are full, from I/O and from workers that
 * are stuck.
 *
 * A FIFO list under a lock; `count` may be read without it as a hint. Whoever puts then wakes an idle worker
 * (sched/park.h has the race).
 * Progress: blocking, critical sections of a few instructions. */
#ifndef TROUPE_QUEUE_INJECT_H
#define TROUPE_QUEUE_INJECT_H

#include "base/atomics.h"

#include <pthread.h>
#include <stdint.h>

struct task;

struct inject {
    pthread_mutex_t lock;
    struct task *first, **last; /* (l) */
    _Atomic uint32_t count;     /* (l) writes */
};

void inject_init(struct inject *inject);

/* Any thread: a chain of `count` tasks from first to last, linked through next. */
void inject_put(struct inject *inject, struct task *first, struct task *last, uint32_t count);

/* Any thread: takes up to `most` tasks; the chain is the caller's. Returns how many. */
uint32_t inject_take(struct inject *inject, uint32_t most, struct task **first);

static inline uint32_t inject_count(struct inject *inject) { return load_relaxed(&inject->count); }

/* Any thread: one task; NULL: there is none. */
static inline struct task *inject_take_one(struct inject *inject)
{
    struct task *task = NULL;
    if (inject_count(inject) > 0)
        inject_take(inject, 1, &task);
    return task;
}

#endif
