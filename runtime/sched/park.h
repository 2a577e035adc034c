/* park.h: how a worker that has nothing to do sleeps, and who wakes it.
 *
 * Two halves of one race, mirrored:
 *     sleeper   sets its bit in `idle`;  [ID2] seq_cst fence;  looks at the global queue, the end, the wheels;  sleeps
 *     producer  puts into the global queue;  [ID1] seq_cst fence;  looks at `idle`, clears a bit that it finds, wakes
 * One of the two fences comes first in their total order, so either the sleeper sees the task or the producer sees the
 * bit. A producer that sees somebody searching leaves it to them: a searcher that gives up decrements `searching`
 * before its [ID2]. Whoever clears a bit owns the wake-up: it adds the sleeper to `searching` and `awake` and sets its
 * park word; there is no second waker.
 *
 * The poll token: who has it looks at the descriptors, and sleeps there (poller.h) until a timer is due at the latest.
 * Nobody falls asleep elsewhere while it is free; a spare that left it and comes to rest wakes somebody who takes it;
 * all others who leave it come back for it. The sleeper in it against a timer that is due earlier: queue/wheel.h has
 * that race; `poll_until` is its "until when". */
#ifndef TROUPE_SCHED_PARK_H
#define TROUPE_SCHED_PARK_H

#include "sched/worker.h"

/* Looks at the descriptors in a row that brought events without a sleep, after which more comes than one worker can
 * do. */
enum { PRESSED = 4 };

/* There is work in the global queue: wakes a parked worker, unless somebody is searching. Any thread; after a seq_cst
 * fence of the caller. The context may be NULL. */
void park_wake(struct context *context);
/* The same, even if somebody is searching. */
void park_wake_any(struct context *context);
/* There is work that is pinned to this worker: wakes it if it is parked. After a seq_cst fence of the caller. */
void park_wake_worker(struct context *context, unsigned index);

/* True: the poll token is the caller's. */
bool park_take_token(void);
void park_leave_token(void);

/* All that follows: the worker itself, and what it found while it slept is in its ring. */

/* A searcher's short sleep: where descriptors are looked at, if nobody else does. True: that brought it tasks. */
bool park_nap(struct worker *worker, int64_t nap_ns);
/* Until somebody has woken it or, in the poll token, something has happened. A member of `searching` before and
 * after. */
void park(struct worker *worker);
/* Before a long sleep: no memory waits for a thread that sleeps. It may make a task runnable. parks: until it wakes up
 * the pool is not used. */
void park_settle_memory(struct worker *worker, bool parks);
/* A spare that is not needed, whose memory is settled and whose queues are drained, until park_recall or the end. */
void park_rest(struct worker *worker);

/* The watchdog: wakes a spare that rests. False: it does not rest. */
bool park_recall(struct worker *worker);
/* scheduler_stop, after `stopping` was set: makes the worker look. */
void park_end(struct worker *worker);

#endif
