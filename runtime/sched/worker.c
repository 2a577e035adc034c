/* worker.c: a worker's thread, its loop, and the switches between fibers. */
#include "sched/worker.h"

#include "base/clock.h"
#include "memory/source.h"
#include "sched/park.h"
#include "sched/poller.h"
#include "sched/scheduler.h"
#include "sched/steal.h"

#include <sched.h>
#include <sys/prctl.h>

/* ---- scheduling */

void schedule_global(struct task *task)
{
    inject_put(&scheduler.inject, task, task, 1);
    atomic_thread_fence(
        memory_order_seq_cst); /* [ID1] the task before the look at who is idle; pairs with [ID2] in park.c */
    park_wake(context_self());
}

/* The ring is full: its older half is set aside, and the task behind it. */
static NOINLINE void spill(struct worker *worker, struct task *task)
{
    struct task *first = task, **end = &first;
    uint32_t count = 1;
    for (struct task *old; count <= RING_SIZE / 2 && (old = ring_take(&worker->ring)) != NULL; count++) {
        *end = old;
        end = &old->next;
    }
    *end = task;
    if (!overflow_put(&worker->overflow, first, task, count))
        inject_put(&scheduler.inject, first, task, count);
    atomic_thread_fence(
        memory_order_seq_cst); /* [ID1] the tasks before the look at who is idle; pairs with [ID2] in park.c */
    park_wake(&worker->context);
}

void worker_accept(struct worker *worker, struct task *first)
{
    for (struct task *task = first, *next; task != NULL; task = next) {
        next = task->next;
        if (!ring_push(&worker->ring, task))
            schedule_global(task);
    }
}

/* A ring that has grown to 4, 8, 16 ... tasks wakes a thief, so that work for many spreads before the watchdog's tick.
 * No fence: what this misses, the watchdog finds. */
static void wake_thief(struct worker *worker)
{
    uint32_t tail, there = ring_look(&worker->ring, &tail);
    if (there >= CROWD && (there & (there - 1)) == 0 && load_relaxed(&scheduler.shy_ns) == 0)
        park_wake(&worker->context);
}

void schedule_last(struct context *context, struct task *task)
{
    struct worker *worker = context->worker;
    if (worker == NULL || load_relaxed(&worker->revoked) != 0)
        schedule_global(task);
    else if (UNLIKELY(!ring_push(&worker->ring, task)))
        spill(worker, task);
}

/* Behind the ring would not do if something is set aside: a ring whose tasks always come back never runs empty, and the
 * worker would not come to what is set aside. No wake-up: where there was something, somebody was woken for it. */
static void put_behind(struct worker *worker, struct task *task)
{
    if (overflow_count(&worker->overflow) > 0 && overflow_put_behind(&worker->overflow, task))
        return;
    if (!ring_push(&worker->ring, task))
        spill(worker, task);
}

void schedule_behind(struct context *context, struct task *task)
{
    struct worker *worker = context->worker;
    if (worker == NULL || load_relaxed(&worker->revoked) != 0) {
        schedule_global(task);
        return;
    }
    struct task *other = inject_take_one(&scheduler.inject); /* a slice for a slice: housekeeping alone would be slow */
    if (other != NULL)
        schedule_last(context, other);
    put_behind(worker, task);
}

NOINLINE void schedule_elsewhere(struct context *context, struct task *task)
{
    schedule_last(context, task);
    if (load_relaxed(&scheduler.idle_count) > 0 && context->worker != NULL)
        wake_thief(context->worker);
}

void schedule_on(struct context *context, unsigned index, struct task *task)
{
    inject_put(&load_acquire(&scheduler.workers[index])->pinned, task, task, 1);
    atomic_thread_fence(
        memory_order_seq_cst); /* [ID1] the task before the look at its worker's bit; pairs with [ID2] in park.c */
    park_wake_worker(context, index);
}

void schedule_with(struct context *context, unsigned index, struct task *task)
{
    inject_put(&load_acquire(&scheduler.workers[index])->guests, task, task, 1);
    atomic_thread_fence(
        memory_order_seq_cst); /* [ID1] the task before the look at its worker's bit; pairs with [ID2] in park.c */
    park_wake_worker(context, index);
}

/* ---- the loop */

/* Every HOUSEKEEPING_TURNS turns, or after each tick of the watchdog if fewer fit between two: what a busy worker owes
 * to the rest of the system. A task from elsewhere, or of those that were set aside first, which runs now, since the
 * ring may stay full for ever; or NULL. */
static struct task *keep_house(struct worker *worker)
{
    store_relaxed(&worker->house_due, 0);
    worker->now_ns = clock_now();
    trace_stamp(worker->context.trace, worker->now_ns);
    reclaim_tick(worker->context.bin, worker->now_ns);
    if (scheduler_next_due() <= worker->now_ns)
        scheduler_expire(&worker->context, worker->now_ns);
    idle_poll(worker);
    struct task *next = load_relaxed(&worker->next);
    if (next != NULL) { /* its donors have had their slice */
        store_relaxed(&worker->next, NULL);
        put_behind(worker, next);
    }
    struct task *task;
    if (++worker->houses % OVERFLOW_HOUSES == 0 && overflow_count(&worker->overflow) > 0 &&
        overflow_take_oldest(&worker->overflow, 1, &task) == 1)
        return task;
    return inject_take_one(&scheduler.inject);
}

/* Every FEW_TURNS turns: what can't wait for as long. A task that runs now: pinned, a guest, from elsewhere; or
 * NULL. */
static NOINLINE struct task *look_aside(struct worker *worker)
{
    uint64_t turns = load_relaxed(&worker->turns);
    reclaim_release_ripe(worker->context.bin, &worker->context);
    bool due = turns % HOUSEKEEPING_TURNS == 0 || load_relaxed(&worker->house_due) != 0; /* relaxed: a hint */
    struct task *task = due ? keep_house(worker) : NULL;
    if (task != NULL)
        return task;
    bool guests_first = turns / FEW_TURNS % 2 == 0; /* neither keeps the other waiting for ever */
    task = inject_take_one(guests_first ? &worker->guests : &worker->pinned);
    return task != NULL ? task : inject_take_one(guests_first ? &worker->pinned : &worker->guests);
}

static ALWAYS_INLINE struct task *pick(struct worker *worker)
{
    struct task *task = SIM_PICK(worker);
    if (task != NULL)
        return task;
    if (UNLIKELY(load_relaxed(&worker->turns) % FEW_TURNS == 0)) {
        if (worker->spare && load_relaxed(&scheduler.surplus) > 0)
            return NULL;
        task = look_aside(worker);
        if (task != NULL)
            return task;
    }
    task = load_relaxed(&worker->next);
    if (LIKELY(task != NULL)) {
        store_relaxed(&worker->next, NULL);
        return task;
    }
    task = ring_take(&worker->ring);
    if (LIKELY(task != NULL))
        return task;
    return idle_find(worker);
}

/* The worker returned after it was revoked: it goes on as an ordinary one, and one spare is too many. */
static void reinstate(struct worker *worker)
{
    uint32_t seen = REVOKED;
    /* acquire: what the watchdog did with `next`; bound of the loop: REVOKED_TAKING lasts for a few instructions of
     * the watchdog */
    while (!atomic_compare_exchange_weak_explicit(&worker->revoked, &seen, REVOKED_NOT, memory_order_acquire,
                                                  memory_order_relaxed)) {
        seen = REVOKED;
        sched_yield();
    }
    atomic_fetch_sub_explicit(&scheduler.revoked, 1, memory_order_relaxed); /* relaxed: a hint */
    atomic_fetch_add_explicit(&scheduler.surplus, 1, memory_order_relaxed);
}

void worker_loop(void *unused)
{
    (void)unused;
    for (;;) {
        struct worker *worker = worker_here();
        store_relaxed(&worker->current, NULL);
        if (UNLIKELY(worker->after_reset != NULL)) {
            void (*then)(void *) = worker->after_reset;
            worker->after_reset = NULL;
            then(worker->after_reset_arg);
            continue;
        }
        if (UNLIKELY(load_relaxed(&worker->revoked) != 0))
            reinstate(worker);
        struct task *task = pick(worker);
        if (UNLIKELY(task == NULL)) {
            struct fiber *mine = worker->fiber;
            fiber_switch(mine, &worker->native, NULL, NULL); /* the end, or a spare's rest: the native stack decides */
            continue;
        }
        store_relaxed(&worker->current, task);
        worker->budget = SEND_BUDGET;
        worker->critical = 0; /* a task that forgot its bracket; one that is resumed brings its own */
        count_up(&worker->turns);
        struct fiber *blocked = task->run(task);
        if (blocked != NULL)
            worker_resume(
                blocked); /* here, since each frame between the loop and the switch is a mispredicted return */
        if (UNLIKELY(trace_on(TRACE_RUN_END)))
            trace_event_now(worker_self()->context.trace, TRACE_RUN_END, 0);
    }
}

/* ---- fibers */

bool worker_enter_large(size_t stack_size, fiber_entry *entry, void *arg)
{
    struct fiber *large = fiber_create(stack_size);
    if (large == NULL)
        return false;
    fiber_prepare(large, entry, arg);
    worker_resume(large);
    return true;
}

void worker_reset(void (*then)(void *arg), void *arg)
{
    struct worker *worker = worker_self();
    worker->after_reset = then;
    worker->after_reset_arg = arg;
    fiber_abandon(worker->fiber, &worker->native, NULL, NULL);
}

/* On the native stack: the fiber that came here was abandoned; the worker gets a usable one. */
static void renew_fiber(struct worker *worker)
{
    struct fiber *old = worker->fiber;
    bool large = (size_t)(old->stack.high - old->stack.low) > STACK_DEFAULT_BYTES;
    struct fiber *fresh = large ? fiber_cache_get(&worker->fibers) : NULL;
    if (fresh != NULL) {
        fiber_destroy(old);
        worker->fiber = fresh;
    } else {
        stack_trim(&old->stack);
        fiber_prepare(old, worker_loop, NULL); /* no memory for another: a large one serves as well */
    }
}

/* ---- the thread */

static void *thread_main(void *argument)
{
    struct worker *worker = argument;
    prctl(PR_SET_TIMERSLACK, 1000UL); /* a thief's short sleeps: 1 us instead of 50 */
    context_adopt(&worker->context);
    runtime_enter(worker);
    scheduler.settings.hooks.thread_start();
    worker->random.state = random_seed() ^ (worker->index + 1);
    worker->now_ns = clock_now();
    steal_begin(worker);
    fiber_native(&worker->native);
    cores_note_thread(&worker->cores);
    store_release(&scheduler.workers[worker->index], worker); /* release: all of it before others rob or wake it */
    for (;;) {
        fiber_switch(&worker->native, worker->fiber, NULL, NULL);
        if (worker->after_reset != NULL)
            renew_fiber(worker);
        else if (idle_leaves(worker))
            break;
    }
    fiber_destroy(worker->fiber);
    fiber_cache_drain(&worker->fibers);
    scheduler.settings.hooks.thread_stop();
    context_close(&worker->context);
    return NULL;
}

/* What the thread needs is made here: then it cannot fail. */
static bool prepare(struct worker *worker)
{
    if (!context_prepare(&worker->context, worker, worker->index))
        return false;
    fiber_cache_init(&worker->fibers, scheduler.fibers);
    worker->fiber = fiber_cache_get(&worker->fibers);
    if (worker->fiber != NULL)
        return true;
    context_dismiss(&worker->context);
    return false;
}

struct worker *worker_start(unsigned index, bool spare)
{
    struct worker *worker = source_map(WORKER_BYTES, 4096);
    if (worker == NULL)
        return NULL;
    worker->index = index;
    worker->spare = spare;
    ring_init(&worker->ring);
    inject_init(&worker->pinned);
    inject_init(&worker->guests);
    overflow_init(&worker->overflow);
    bool good = prepare(worker);
    if (good && pthread_create(&worker->thread, NULL, thread_main, worker) != 0) {
        fiber_destroy(worker->fiber);
        fiber_cache_drain(&worker->fibers);
        context_dismiss(&worker->context);
        good = false;
    }
    if (!good) {
        source_unmap(worker, WORKER_BYTES);
        return NULL;
    }
    return worker;
}
