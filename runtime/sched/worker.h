/* worker.h: a worker thread, and how a task is scheduled, blocked and resumed on it.
 *
 * A worker runs a loop that picks a task and calls task->run. The loop always runs on a pooled fiber (D1). A task that
 * blocks keeps the fiber, and the loop goes on, on another; for a task that was blocked run returns its fiber, the loop
 * switches to it, and the loop's own goes to the pool, suspended in the middle of worker_resume: when it is used again,
 * it goes on from there as whatever worker switched to it. So no local variable of the loop survives a task->run. The
 * pthread's own stack only starts, resets fibers whose task has ended in the middle, and stops.
 *
 * Where a woken task goes (D9), all by its waker, who owns `next` and `ring`:
 *     next    one task; runs next; never robbed; goes behind all others when the slice of its donors is over
 *     ring    FIFO; may be robbed (steal.c)
 *     overflow  of one worker: what its ring had no room for, in batches: newest first, robbed oldest first
 *     inject  global: the waker is no worker, or the worker is revoked, or its overflow is full
 *     pinned  of one worker: tasks that it alone may run (schedule_on); never robbed
 *     guests  of one worker: tasks that do little but send to what runs there (schedule_with): torn from it, each of
 *             their messages would cost what cache lines cost between cores; robbed only if the worker is revoked
 *
 * Takeover (D11). A worker whose turn does not end is revoked by the watchdog, which then empties `next` for it:
 *     worker:    [TK1] in_runtime = 1; compiler barrier; if (revoked) inject else use next/ring ... in_runtime = 0
 *     watchdog:  revoked = 1; [TK2] membarrier; if (in_runtime == 0) next is the watchdog's to take
 * The membarrier makes a full fence of the worker's compiler barrier: either the watchdog sees in_runtime == 1 and
 * tries again later, or the worker's next entry sees revoked == 1. [TK1] pairs with [TK2].
 *
 * Field key: (o) the worker's own thread; (c) constant after start; (w) written by the worker, read by others. */
#ifndef TROUPE_SCHED_WORKER_H
#define TROUPE_SCHED_WORKER_H

#include "base/random.h"
#include "queue/inject.h"
#include "queue/overflow.h"
#include "queue/ring.h"
#include "queue/task.h"
#include "sched/context.h"
#include "sched/fiber.h"

enum {
    WORKERS_MOST = 512, /* configured ones and spares */
    SEND_BUDGET = 192,  /* sends of one turn before its sender makes room for the receivers: they fit in the ring */
    CROWD = 4,          /* tasks in a ring that are worth a thief; a power of two */
    FEW_TURNS = 8,      /* turns between looks at what is pinned to the worker, and at what may be freed */
    HOUSEKEEPING_TURNS = 64, /* turns between looks at clock, timers, descriptors, global queue; fewer if slow */
    OVERFLOW_HOUSES = 16     /* of these looks between takes of what was set aside first */
};

/* cores.c: by what the system knows a thread. */
struct core_use {
    clockid_t clock;
    int thread;
    bool known; /* the clock is */
};

enum revocation { REVOKED_NOT, REVOKED, REVOKED_TAKING /* the watchdog is emptying `next` at this moment */ };

struct worker {
    struct context context; /* (o) first: a worker is its context */
    /* one line: what each turn, each call and each block writes */
    CACHE_ALIGNED _Atomic(struct task *) next; /* (o), and the watchdog after a takeover */
    _Atomic(struct task *) current;            /* (w) what runs now; NULL in the loop */
    struct fiber *fiber;                       /* (o) what the thread runs on now */
    _Atomic uint64_t turns;                    /* (w) turns begun */
    int32_t budget;                            /* (o) sends left in this turn */
    uint32_t critical;                         /* (o) depth of tr_critical_begin */
    _Atomic uint32_t in_runtime;     /* (w) 1: inside the runtime, which may hold `next`, `ring`, pools half changed */
    _Atomic uint32_t revoked;        /* by the watchdog: enum revocation */
    void (*after_reset)(void *what); /* (o) to run on the fresh fiber after a reset; NULL */
    _Atomic uint32_t yield;          /* by the watchdog: the slice is over */
    unsigned index;                  /* (c) */
    void *after_reset_arg;           /* (o) */
    bool spare;                      /* (c) started for a stuck one */
    uint32_t houses;                 /* (o) times of housekeeping */
    uint32_t aside;                  /* (o) which of what waits beside the ring comes first */
    _Atomic uint32_t house_due;      /* by the watchdog: turns are slow, housekeeping cannot wait for the 64th */
    int64_t now_ns;                  /* (o) at the last housekeeping */
    int64_t polled_ns;               /* (o) last look at the descriptors */
    struct inject pinned;            /* by anyone; taken by the owner: tasks that only this worker may run */
    struct inject guests;            /* by anyone; taken by the owner, and by others while it is revoked */
    struct overflow overflow;        /* by the owner; taken by the owner and by others */
    int64_t tired_ns;                /* (o) when a sender last used up its budget here */
    int64_t turn_ns;                 /* (o) what a turn took when it was last busy; 0: not known, the watchdog sees */
    int64_t busy_since_ns;           /* (o) when it found work after it had none */
    uint64_t busy_since_turn;        /* (o) */
    uint32_t pressed;                /* (o) looks at the descriptors in a row that brought events at once */
    struct worker *victim;           /* (o) whom it has robbed since then; NULL */
    _Atomic int64_t dry_ns;          /* (w) when it last ran out of work; a hint */
    struct random random;            /* (o) */
    struct fiber native;             /* (o) the pthread's own stack */
    struct fiber_cache fibers;       /* (o) */
    pthread_t thread;                /* (c) */
    struct core_use cores;           /* (c) */
    _Atomic uint32_t park_word;      /* futex: park.c */
    _Atomic uint32_t resting;        /* 1: a spare that is not needed now; park.c */
    struct ring ring;
};

/* The calling worker; NULL: not a worker. Not kept over a block. */
static inline struct worker *worker_self(void)
{
    struct context *context = context_self();
    return context == NULL ? NULL : context->worker;
}

/* The same where only a worker comes: in the loop and in a turn. */
static ALWAYS_INLINE struct worker *worker_here(void) { return (struct worker *)(void *)context_self(); }

/* The slow half: next is taken, the ring is full, there is no worker, or it is revoked. */
void schedule_elsewhere(struct context *context, struct task *task);

/* On the worker itself. True: the task runs next; false: it is to be scheduled otherwise. */
static ALWAYS_INLINE bool schedule_next(struct worker *worker, struct task *task)
{
    if (UNLIKELY(load_relaxed(&worker->next) != NULL || load_relaxed(&worker->revoked) != 0))
        return false;
    /* relaxed: only this thread runs it, or a watchdog that was ordered by a membarrier */
    store_relaxed(&worker->next, task);
    return true;
}

/* Makes a task run. By whoever has its run token, which goes to the worker that runs it. Any thread with a context,
 * inside the runtime. */
static inline void schedule(struct context *context, struct task *task)
{
    struct worker *worker = context->worker;
    if (UNLIKELY(worker == NULL || !schedule_next(worker, task)))
        schedule_elsewhere(context, task);
}

/* The same behind what is in the ring. */
void schedule_last(struct context *context, struct task *task);
/* The same for a task that has had its slice: behind everything that waits on this worker. */
void schedule_behind(struct context *context, struct task *task);
/* The same into the global queue. */
void schedule_global(struct task *task);

/* The worker itself: puts a chain of tasks, which may be NULL, into its ring. */
void worker_accept(struct worker *worker, struct task *first);

/* Hands the task to one worker, which is no spare (spares rest), and wakes it if it is parked. A stuck worker runs it
 * when it comes back. */
void schedule_on(struct context *context, unsigned index, struct task *task);

/* Lets the task run on this worker (not a spare) for now, in the company of what it sends to. */
void schedule_with(struct context *context, unsigned index, struct task *task);

/* The two switches are inlined into their callers: a return after a switch is mispredicted, for each frame in
 * between. */

/* The switch of worker_block, to a fiber from the cache. */
static ALWAYS_INLINE void worker_block_on(struct worker *worker, struct fiber *to, struct fiber **where,
                                          void (*after)(void *arg), void *arg)
{
    struct fiber *mine = worker->fiber;
    *where = mine;
    worker->fiber = to;
    fiber_switch(mine, to, after, arg);
}

/* Blocks what runs: stores its fiber to *where and goes on with the loop on another fiber, where after(arg) runs first:
 * only there may others learn that *where can be resumed. Returns when worker_resume got *where, perhaps on another
 * thread. False, and nothing happened: no memory. */
static ALWAYS_INLINE bool worker_block(struct fiber **where, void (*after)(void *arg), void *arg)
{
    struct worker *worker = worker_here();
    struct fiber *to = fiber_cache_get(&worker->fibers);
    if (UNLIKELY(to == NULL))
        return false;
    uint32_t critical = worker->critical;
    worker_block_on(worker, to, where, after, arg);
    if (UNLIKELY(critical > 0))
        worker_here()->critical =
            critical; /* the bracket is the task's, and moves with it; the loop has cleared the worker's */
    return true;
}

/* In the loop, or in task->run: goes on with this fiber. Returns when the loop has a fiber again: as any worker;
 * re-read worker_self(). */
static ALWAYS_INLINE void worker_resume(struct fiber *fiber)
{
    struct worker *worker = worker_here();
    struct fiber *mine = worker->fiber;
    worker->fiber = fiber;
    fiber_cache_put(&worker->fibers, mine); /* before it is left: only this thread takes from the cache */
    fiber_switch(mine, fiber, NULL, NULL);
}

/* In task->run: enters entry(arg) on a fiber with a stack of its own size. False: no memory. */
bool worker_enter_large(size_t stack_size, fiber_entry *entry, void *arg);

/* Drops everything on the running fiber, resets it, and calls then(arg) on a fresh one, in the loop. */
NORETURN void worker_reset(void (*then)(void *arg), void *arg);

/* Into the runtime and out of it: what is outside may fault without harm to the runtime. Nests: 1 in the loop, 0 in the
 * user's code, 1 in a call from there, 2 in a call from a callback that the runtime makes in the middle of its work;
 * only at 1 may a task block. [TK1] */
static ALWAYS_INLINE void runtime_enter(struct worker *worker)
{
    uint32_t depth = load_relaxed(&worker->in_runtime) + 1;
    if (WITH_TSAN)
        store_seq_cst(&worker->in_runtime, depth);
    else
        store_relaxed(&worker->in_runtime, depth);
    atomic_signal_fence(memory_order_seq_cst); /* [TK1] compiler barrier: in_runtime before revoked; pairs with [TK2] */
}
static ALWAYS_INLINE void runtime_leave(struct worker *worker)
{
    atomic_signal_fence(memory_order_seq_cst);
    /* release: pairs with the watchdog's acquire of 0 before it takes `next` */
    store_release(&worker->in_runtime, load_relaxed(&worker->in_runtime) - 1);
    SIM_USER_CODE();
}

/* Whether the watchdog has ended the slice of what runs; told once. */
static ALWAYS_INLINE bool worker_is_overdue(struct worker *worker)
{
    if (LIKELY(load_relaxed(&worker->yield) == 0)) /* relaxed: a hint */
        return false;
    store_relaxed(&worker->yield, 0);
    return true;
}

/* Into the runtime and out of it, of a turn: from the loop's depth to the user's code and back. */
static ALWAYS_INLINE void runtime_enter_turn(struct worker *worker)
{
    if (WITH_TSAN)
        store_seq_cst(&worker->in_runtime, 1);
    else
        store_relaxed(&worker->in_runtime, 1);
    atomic_signal_fence(memory_order_seq_cst); /* [TK1] compiler barrier: in_runtime before revoked; pairs with [TK2] */
}
static ALWAYS_INLINE void runtime_leave_turn(struct worker *worker)
{
    atomic_signal_fence(memory_order_seq_cst);
    /* release: as in runtime_leave */
    store_release(&worker->in_runtime, 0);
    SIM_USER_CODE();
}

#endif
