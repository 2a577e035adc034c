/* scheduler.h: the set of workers: start, stop, and what they share.
 *
 * Threads: scheduler_start and scheduler_stop are called by one thread that is no worker; the rest by threads with a
 * context. */
#ifndef TROUPE_SCHED_SCHEDULER_H
#define TROUPE_SCHED_SCHEDULER_H

#include "queue/inject.h"
#include "queue/wheel.h"
#include "sched/worker.h"

enum { WHEELS_EACH = 4, WHEELS_MOST = 64 };

/* Between two rounds of timers: what is due meanwhile waits, and is fired by the same round. A timer that comes alone
 * is exactly on time; many cost a wake-up each round, not one each. */
#define TIMER_PACE_NS INT64_C(250000)

/* What the floors above do for the scheduler. */
struct scheduler_hooks {
    int64_t (*fire)(struct wheel_node *node,
                    void *context); /* a timer is due; under the wheel's lock; NEVER or a new due time */
    void (*thread_start)(void);     /* on each worker's thread */
    void (*thread_stop)(void);
    void (*slow)(struct task *task, unsigned worker,
                 int64_t turn_ms); /* on the watchdog's thread: a turn is too long */
    void (*watch)(void);           /* on the watchdog's thread, now and then while any worker is awake */
};

struct scheduler_settings {
    unsigned workers;
    int64_t slow_turn_ms; /* < 0: never reported */
    struct scheduler_hooks hooks;
};

struct scheduler {
    struct scheduler_settings settings; /* (c) */
    struct inject inject;
    struct wheel *wheels[WHEELS_MOST];              /* (c) */
    unsigned wheel_count;                           /* (c) a power of two */
    struct fiber_pool *fibers;                      /* (c) */
    _Atomic(struct worker *) workers[WORKERS_MOST]; /* NULL until the worker has started */
    _Atomic unsigned worker_count;                  /* slots of `workers` in use; only grows while the runtime runs */
    _Atomic uint32_t stopping;
    _Atomic uint32_t surplus; /* spares that are no longer needed */
    _Atomic uint32_t revoked; /* workers that are: others keep the cores busy; a hint */
    /* park.c */
    CACHE_ALIGNED _Atomic uint64_t idle[WORKERS_MOST / 64]; /* bit: parked, and may be woken by whoever clears it */
    _Atomic uint32_t idle_count;                            /* a hint */
    _Atomic uint32_t searching;                             /* awake without work */
    _Atomic uint32_t polling;                               /* 1: somebody has the poll token */
    _Atomic unsigned poller;                                /* who, while asleep in it; WORKERS_MOST: nobody */
    _Atomic int64_t poll_until;                             /* until when it sleeps at most */
    _Atomic int64_t fired_ns;                               /* when timers were fired last; a hint */
    _Atomic int64_t shy_until_ns;                           /* until when thieves are shy; a hint */
    _Atomic int64_t shy_ns;                                 /* for how long, that was; 0: the last loot was good */
    CACHE_ALIGNED _Atomic uint32_t awake;                   /* workers that are not parked */
    _Atomic uint32_t watchdog_asleep;                       /* futex: 1: it sleeps, and is woken by who makes it 0 */
};

extern struct scheduler scheduler;

/* False: no memory or no threads; nothing is left. */
bool scheduler_start(const struct scheduler_settings *settings);
/* No task may be left, blocked or runnable. */
void scheduler_stop(void);

/* Cores that this process may use: affinity, then the cgroup's CPU quota; at least 1. */
unsigned scheduler_cores(void);
/* quota.c: as many as the CPU quota allows, rounded up; 0: there is none. */
unsigned quota_cores(void);

/* For a thread that does little at a time and must have a core at once when it wakes up, beside threads that compute:
 * Linux (6.12) lets who asks for a shorter time slice go before who has a longer one. The sum of what each gets stays
 * the same. */
void cores_ask_short_slice(void);
/* What a thread notes of itself, for others to ask for while it lives. */
void cores_note_thread(struct core_use *use);
/* Nanoseconds of a core that it has had, from any start. */
int64_t cores_time(const struct core_use *use);
/* Whether it could run: it has a core now, or waits for one, because others have them all, or its control group's quota
 * is used up. False: it waits for something else, or it is not known. */
bool cores_waits(const struct core_use *use);

/* Timers of one receiver are on one wheel (TMR-08): the one of its number, or of a worker's that start them; those of a
 * worker are WHEELS_EACH, by the receiver's number. */
static inline unsigned scheduler_wheel_number(uint64_t receiver)
{
    return (unsigned)((receiver * UINT64_C(0x9E3779B97F4A7C15)) >> 58) & (scheduler.wheel_count - 1);
}
static inline unsigned scheduler_wheel_number_at(const struct worker *worker, uint64_t receiver)
{
    return (worker->index * WHEELS_EACH + scheduler_wheel_number(receiver) % WHEELS_EACH) & (scheduler.wheel_count - 1);
}
static inline struct wheel *scheduler_wheel(uint64_t receiver)
{
    return scheduler.wheels[scheduler_wheel_number(receiver)];
}
/* After wheel_insert said that its wheel is due earlier now: whoever sleeps until later is woken. */
void scheduler_timer_earlier(int64_t due_ns);
/* Fires what is due. */
void scheduler_expire(struct context *context, int64_t now_ns);
/* When somebody has to fire timers next: the earliest due time of all wheels, but not before the pace allows; NEVER:
 * there are none. */
int64_t scheduler_next_due(void);

/* worker.c: starts a thread for workers[index]; NULL: no memory, no thread. */
#define WORKER_BYTES ((sizeof(struct worker) + 4095) & ~(size_t)4095)
fiber_entry worker_loop;
struct worker *worker_start(unsigned index, bool spare);

/* idle.c: the next task for a worker that has none: searches, polls, parks. NULL: the worker is to end. */
struct task *idle_find(struct worker *worker);
/* Looks at the descriptors once, if nobody does. */
void idle_poll(struct worker *worker);
/* On a worker's native stack, after idle_find returned NULL: true if it is to end; a spare that is not needed rests
 * here. */
bool idle_leaves(struct worker *worker);

/* watchdog.c */
bool watchdog_start(void);
void watchdog_stop(void);
/* After `awake` became 1: wakes it, if it sleeps. */
void watchdog_wake(void);
/* Any thread that has given memory to the depot while no worker may be awake: that is given back to the system in
 * time. */
void watchdog_see_memory(void);

#endif
