/* ring.h: a worker's run queue: a bounded FIFO of tasks that its owner fills and that others may rob.
 *
 * Shape: two counters that only grow, head and tail; slot i % RING_SIZE holds task i for head <= i < tail; tail - head
 * <= RING_SIZE.
 * Roles: push: owner only. take (one from the head): owner only. rob (several from the head): any other thread, into
 * its own ring.
 *        look: any thread, a hint.
 * Invariant: each task number is handed out once: whoever moves head over it by compare-and-swap has it.
 * Orderings: [RQ1] release of tail in push: the slot and what the pusher knew of the task before the task is visible;
 * pairs with
 *            [RQ2] acquire of tail in rob. The owner reads its own tail relaxed.
 *            [RQ3] release of head by whoever takes: its reads of the slots before the slots may be overwritten; pairs
 *            with
 *            [RQ4] acquire of head in push, and of the robber's own in rob.
 * Progress: push and take are lock-free (a take may have to retry when robbed); rob gives up after one lost race.
 * Rejected: Chase-Lev (its owner works LIFO, which starves the old end; actors want FIFO), a lock (60 ns under
 * contention). */
#ifndef TROUPE_QUEUE_RING_H
#define TROUPE_QUEUE_RING_H

#include "base/atomics.h"
#include "base/check.h"

#include <stdint.h>

struct task;

#ifdef TR_DEBUG_BUILD
enum { RING_SIZE = 16 }; /* small, so that tests see it full */
#define RING_START (UINT32_MAX - 20)
#else
enum { RING_SIZE = 256 };
#define RING_START UINT32_C(0)
#endif

struct ring {
    CACHE_ALIGNED _Atomic uint32_t head; /* everybody */
    CACHE_ALIGNED _Atomic uint32_t tail; /* (o) writes */
    _Atomic(struct task *) tasks[RING_SIZE];
};

static inline void ring_init(struct ring *ring)
{
    store_relaxed(&ring->head, RING_START);
    store_relaxed(&ring->tail, RING_START);
}

/* Owner. False: full. */
static inline bool ring_push(struct ring *ring, struct task *task)
{
    uint32_t tail = load_relaxed(&ring->tail);
    if (UNLIKELY(tail - load_acquire(&ring->head) == RING_SIZE)) /* [RQ4] acquire: pairs with [RQ3] */
        return false;
    store_relaxed(&ring->tasks[tail % RING_SIZE], task);
    store_release(&ring->tail, tail + 1); /* [RQ1] release: pairs with [RQ2] */
    return true;
}

/* Owner. NULL: empty. */
static inline struct task *ring_take(struct ring *ring)
{
    uint32_t tail = load_relaxed(&ring->tail);
    uint32_t head = load_relaxed(&ring->head); /* relaxed: a stale head only makes the exchange below fail */
    while (head != tail) {
        struct task *task = load_relaxed(&ring->tasks[head % RING_SIZE]);
        /* [RQ3] release: pairs with [RQ4] */
        if (atomic_compare_exchange_weak_explicit(&ring->head, &head, head + 1, memory_order_release,
                                                  memory_order_relaxed))
            return task;
    }
    return NULL;
}

/* Any thread: how many there seem to be, and the number of the next one to be pushed. */
static inline uint32_t ring_look(struct ring *ring, uint32_t *tail)
{
    uint32_t head = load_relaxed(&ring->head);
    *tail = load_acquire(&ring->tail);
    uint32_t count = *tail - head;
    return count > RING_SIZE ? 0 : count; /* head was read first and may be older by a whole lap */
}

/* Owner of `mine`, which is empty: moves half (rounded up) of the victim's tasks with numbers below `limit` over; how
 * many. */
static inline uint32_t ring_rob(struct ring *mine, struct ring *victim, uint32_t limit)
{
    uint32_t head = load_acquire(&victim->head);
    uint32_t tail = load_acquire(&victim->tail); /* [RQ2] acquire: pairs with [RQ1] */
    uint32_t there = tail - head, old = limit - head;
    if (there == 0 || there > RING_SIZE || old == 0 || old > RING_SIZE)
        return 0; /* nothing, or `limit` is behind the head: all that was there is gone */
    uint32_t count = ((old < there ? old : there) + 1) / 2;
    uint32_t to = load_relaxed(&mine->tail);
    (void)load_acquire(&mine->head); /* [RQ4] acquire: who took from `mine` has read the slots; pairs with [RQ3] */
    for (uint32_t i = 0; i < count; i++)
        store_relaxed(&mine->tasks[(to + i) % RING_SIZE], load_relaxed(&victim->tasks[(head + i) % RING_SIZE]));
    /* [RQ3] release: pairs with [RQ4] */
    if (!atomic_compare_exchange_strong_explicit(&victim->head, &head, head + count, memory_order_acq_rel,
                                                 memory_order_relaxed))
        return 0;
    store_release(&mine->tail, to + count); /* [RQ1] release: pairs with [RQ2] */
    return count;
}

#endif
