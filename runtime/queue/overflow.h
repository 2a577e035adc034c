/* overflow.h: what a worker's ring had no room for: batches of tasks, newest first for the worker, oldest first for all
 * others.
 *
 * A worker whose ring is full sets its older half aside, as one batch. When the ring is empty it takes of the batch
 * that it set aside last: so a tree of processes is walked depth first, and what is alive at a time stays small and in
 * the caches (a queue would walk it breadth first, a million leaves at once). Others take the oldest batch, near the
 * root, which has the most work under it. None waits for ever: who has had its slice goes behind all that is here, so
 * that the ring runs empty although its tasks always come back, and the worker itself takes a task of the oldest batch
 * now and then, too (worker.c).
 *
 * Roles: any thread, under the lock, for a few instructions; `tasks` is a hint for all. Capacity: OVERFLOW_BATCHES;
 * what finds it full goes to the global queue. Field key: (l) under the lock. */
#ifndef TROUPE_QUEUE_OVERFLOW_H
#define TROUPE_QUEUE_OVERFLOW_H

#include "base/atomics.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct task;

enum { OVERFLOW_BATCHES = 1024 };

struct overflow {
    pthread_mutex_t lock;
    uint32_t oldest, next;  /* (l) numbers of batches: those from oldest to next - 1 are here */
    _Atomic uint32_t tasks; /* (l) writes: in all of them */
    struct {
        struct task *first, *last; /* linked through next */
        uint32_t count;
    } batches[OVERFLOW_BATCHES]; /* (l) batch i is in i % OVERFLOW_BATCHES */
};

void overflow_init(struct overflow *overflow);

/* A chain of `count` tasks, at least one, from first to last. False: there are too many batches; nothing was done. */
bool overflow_put(struct overflow *overflow, struct task *first, struct task *last, uint32_t count);

/* A task behind all that are here, at the end of the oldest batch. False: there is none; nothing was done. */
bool overflow_put_behind(struct overflow *overflow, struct task *task);

/* Up to `most` tasks of the newest batch, or of the oldest, in the order in which they were put; the chain is the
 * caller's. How many; 0: there is none. */
uint32_t overflow_take_newest(struct overflow *overflow, uint32_t most, struct task **first);
uint32_t overflow_take_oldest(struct overflow *overflow, uint32_t most, struct task **first);

static inline uint32_t overflow_count(struct overflow *overflow) { return load_relaxed(&overflow->tasks); }

#endif
