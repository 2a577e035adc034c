/* watchdog.c: a thread that ticks once a millisecond while any worker is awake, and sees to it that nobody freezes the
 * others (D11).
 *
 * Each tick it
 *  - ends the slice of every running worker (worker.yield; a handler with more messages makes room at its next message
 *    boundary), and sees that who has slow turns keeps house between them (worker.house_due),
 *  - revokes a worker whose turn has lasted TAKEOVER_NS while somebody waits whom no other worker can serve, unless it
 *    only waits for a core, rescues its `next`, and sees that a spare works in its place,
 *  - reports a turn that has lasted settings.slow_turn_ms, once, unless it only had no core for so long,
 *  - wakes a parked worker as a thief if a task stayed in some ring over a tick, or to take the poll token if nobody has
 *    it,
 *  - fires timers if nobody has for a tick,
 *  - publishes the time, for deadlines that are far away (base/tick.h),
 *  - gives memory back that nobody has needed for a while (memory/depot.h),
 *  - and every WATCH_TICKS has the floors above look at what grows (hooks.watch).
 * When no worker is awake it sleeps; while memory waits to be given back, until that is due: an idle system has no
 * tick, and a worker that wakes up for less than a millisecond costs none.
 * revive() in park.c wakes it: [WD1] the watchdog announces its sleep, then looks at `awake`; the worker makes `awake`
 * 1, then looks at the announcement; [WD2], both sequentially consistent. So does who gave memory to the depot after
 * the last worker had parked: the depot's lock orders the two, watchdog_see_memory. The announcement is the futex, and
 * who takes it back owns the wake-up.
 *
 * What it takes to rescue `next` is in worker.h, "Takeover". The worker never waits for the watchdog but in
 * `reinstate`. */
#include "base/clock.h"
#include "base/tick.h"
#include "memory/depot.h"
#include "sched/park.h"
#include "sched/poller.h"
#include "sched/scheduler.h"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS     (1 * NS_PER_MS)
#define TAKEOVER_NS (3 * NS_PER_MS)
#define AGE_NS      (DEPOT_AGE_MS * NS_PER_MS)
enum { WATCH_TICKS = 20 };

_Static_assert((unsigned)WORKERS_MOST <= (unsigned)TRACE_TRACK_WATCHDOG, "a worker's track is its number");

/* What the watchdog saw of a worker at its last tick. */
struct watched {
    uint64_t turns;
    int64_t since_ns; /* when the turn that runs was first seen; 0: no turn was, since the watchdog began or slept */
    int64_t had_ns;   /* what it had had of a core when the turn's slice was over; 0: it is not over */
    int64_t ask_ns;   /* when the system is asked again whether it waits for a core */
    bool ring_waited; /* there was something in its ring */
    bool reported;
    int64_t report_ns; /* when it is judged again whether the turn is slow, or its thread had no core */
};

static struct {
    pthread_t thread;
    struct context context;
    struct watched seen[WORKERS_MOST];
    unsigned ticks;
    int64_t aged_ns;          /* when the depot's memory was looked through */
    unsigned spares_due;      /* workers were revoked for whom there is no spare yet */
    bool memory_due;          /* there is more to give back at the next tick */
    _Atomic uint32_t started; /* futex: 1 running, 2 no memory */
    _Atomic uint32_t end;
} watchdog;

static bool barrier_of_all_threads(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

static bool is_parked(const struct worker *worker)
{
    return (load_relaxed(&scheduler.idle[worker->index / 64]) >> worker->index % 64 & 1) != 0 ||
           load_relaxed(&worker->resting) != 0;
}

/* ---- stuck workers */

static void rescue_next(struct worker *worker)
{
    uint32_t revoked = REVOKED;
    if (load_acquire(&worker->in_runtime) != 0)
        return; /* at the next tick */
    if (!atomic_compare_exchange_strong_explicit(&worker->revoked, &revoked, REVOKED_TAKING, memory_order_acq_rel,
                                                 memory_order_relaxed))
        return; /* it has returned meanwhile */
    struct task *task = atomic_exchange_explicit(&worker->next, NULL, memory_order_acq_rel);
    store_release(&worker->revoked, REVOKED);
    if (task != NULL)
        schedule_global(task);
}

/* False: no thread to be had; the rings can still be robbed. */
static bool start_spare(void)
{
    unsigned count = load_relaxed(&scheduler.worker_count);
    for (unsigned i = 0; i < count; i++) {
        struct worker *worker = load_acquire(&scheduler.workers[i]);
        if (worker != NULL && worker->spare && park_recall(worker))
            return true;
    }
    if (count == WORKERS_MOST)
        return false;
    atomic_fetch_add_explicit(&scheduler.awake, 1, memory_order_seq_cst);
    if (worker_start(count, true) == NULL) {
        atomic_fetch_sub_explicit(&scheduler.awake, 1, memory_order_seq_cst);
        return false;
    }
    while (load_acquire(&scheduler.workers[count]) == NULL) /* bound: the new thread's start-up */
        sched_yield();
    store_release(&scheduler.worker_count, count + 1);
    return true;
}

/* A spare that is too many, if there is one. */
static bool take_surplus(void)
{
    uint32_t surplus = load_relaxed(&scheduler.surplus);
    while (surplus > 0)
        if (atomic_compare_exchange_weak_explicit(&scheduler.surplus, &surplus, surplus - 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    return false;
}

/* One for each worker that was revoked; what cannot be had now is tried again at the next tick. */
static void find_spares(void)
{
    while (watchdog.spares_due > 0 && (take_surplus() || start_spare()))
        watchdog.spares_due--;
}

/* Each change to REVOKED here is one spare more, each one back in `reinstate` is one too many. */
static void take_over(struct worker *worker)
{
    uint32_t not = REVOKED_NOT;
    if (atomic_compare_exchange_strong_explicit(&worker->revoked, &not, REVOKED, memory_order_seq_cst,
                                                memory_order_relaxed)) {
        context_count(&watchdog.context, COUNT_TAKEOVERS);
        trace_event(watchdog.context.trace, TRACE_TAKEOVER, worker->index);
        atomic_fetch_add_explicit(&scheduler.revoked, 1, memory_order_relaxed); /* relaxed: a hint */
        watchdog.spares_due++;
        find_spares();
    }
    if (barrier_of_all_threads()) /* [TK2] pairs with [TK1] */
        rescue_next(worker);
}

/* Whether the worker itself keeps the others waiting: it has computed on after its slice, or waits for something other
 * than a core. Who has no core would have none with a spare beside it either; and more threads than cores would make
 * more of them. The system is asked after 3 ms, 6, 12, ...: that takes some 10 us. */
static bool is_stuck(const struct worker *worker, struct watched *seen, int64_t now)
{
    if (load_relaxed(&worker->revoked) != REVOKED_NOT || cores_time(&worker->cores) - seen->had_ns >= TICK_NS)
        return true;
    if (now < seen->ask_ns)
        return false;
    seen->ask_ns = now + (now - seen->since_ns);
    return !cores_waits(&worker->cores);
}

/* Whether a turn that has lasted so long is slow itself: it computed for that time, or waits for something other than a
 * core (a lock, a file). A thread that others keep from its core is not the program's doing. The system is asked
 * after 1, 2, 4, ... times slow_turn_ms. */
static bool is_slow(const struct worker *worker, struct watched *seen, int64_t now, int64_t slow_ns)
{
    if (cores_time(&worker->cores) - seen->had_ns >= slow_ns - 2 * TICK_NS) /* had_ns is a tick or two late */
        return true;
    if (now < seen->report_ns)
        return false;
    seen->report_ns = now + (now - seen->since_ns);
    return !cores_waits(&worker->cores);
}

static void report_turn(struct worker *worker, struct watched *seen, int64_t now, struct task *task)
{
    int64_t turn_ns = now - seen->since_ns, slow_ms = scheduler.settings.slow_turn_ms;
    int64_t slow_ns = slow_ms > INT64_MAX / NS_PER_MS ? INT64_MAX : slow_ms * NS_PER_MS;
    if (seen->reported || slow_ns < 0 || turn_ns < slow_ns || !is_slow(worker, seen, now, slow_ns))
        return;
    seen->reported = true;
    scheduler.settings.hooks.slow(task, worker->index, turn_ns / NS_PER_MS);
}

/* Ends the slice of a turn that runs since the last tick, and takes over from one that does not end, if anybody waits
 * for it. */
static void watch_turn(struct worker *worker, struct watched *seen, int64_t now, bool somebody_waits)
{
    uint64_t turns = load_relaxed(&worker->turns);
    if (turns - seen->turns < HOUSEKEEPING_TURNS && !is_parked(worker))
        store_relaxed(&worker->house_due, 1); /* relaxed: a hint */
    if (turns != seen->turns || seen->since_ns == 0 || is_parked(worker)) {
        *seen = (struct watched){ .turns = turns, .since_ns = now, .ring_waited = seen->ring_waited };
        return;
    }
    store_relaxed(&worker->yield, 1); /* relaxed: a hint that is looked at at each message */
    if (seen->had_ns == 0)
        seen->had_ns = cores_time(&worker->cores);
    int64_t turn_ns = now - seen->since_ns;
    struct task *task = load_relaxed(&worker->current);
    if (turn_ns < TAKEOVER_NS || task == NULL)
        return;
    if ((load_relaxed(&worker->next) != NULL || inject_count(&worker->guests) > 0 ||
         (somebody_waits && load_relaxed(&scheduler.idle_count) == 0)) &&
        is_stuck(worker, seen, now))
        take_over(worker);
    report_turn(worker, seen, now, task);
}

/* ---- the tick */

/* True: a task that was in the ring, or set aside, at the last tick may still be there, or a guest of a revoked
 * worker. */
static bool watch_ring(struct worker *worker, struct watched *seen)
{
    uint32_t tail;
    bool stranded = load_relaxed(&worker->revoked) != 0 && inject_count(&worker->guests) > 0;
    bool there = ring_look(&worker->ring, &tail) > 0 || overflow_count(&worker->overflow) > 0 || stranded,
         waited = there && seen->ring_waited;
    seen->ring_waited = there;
    return waited;
}

static void watch_memory(int64_t now)
{
    bool ages = now - watchdog.aged_ns >= AGE_NS;
    if (!ages && !watchdog.memory_due)
        return;
    depot_lock();
    if (ages) {
        depot_age();
        watchdog.aged_ns = now;
    }
    watchdog.memory_due = depot_trim();
    depot_unlock();
}

static bool memory_is_settled(void)
{
    depot_lock();
    bool settled = depot_settled();
    depot_unlock();
    return settled;
}

/* What concerns workers. */
static void tick(int64_t now)
{
    tick_publish(now, clock_now);
    if (scheduler_next_due() <= now - TICK_NS) /* nobody else has fired it */
        scheduler_expire(&watchdog.context, now);
    bool waiting = inject_count(&scheduler.inject) > 0 || (load_relaxed(&scheduler.polling) == 0 && poller_used());
    find_spares();
    unsigned count = load_relaxed(&scheduler.worker_count);
    for (unsigned i = 0; i < count; i++) {
        struct worker *worker = load_acquire(&scheduler.workers[i]);
        waiting |= worker != NULL && watch_ring(worker, &watchdog.seen[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        struct worker *worker = load_acquire(&scheduler.workers[i]);
        if (worker != NULL) /* else it is just starting */
            watch_turn(worker, &watchdog.seen[i], now, waiting);
    }
    atomic_thread_fence(memory_order_seq_cst); /* [ID1] pairs with [ID2] */
    if (waiting)
        park_wake(&watchdog.context);
    reclaim_tick(watchdog.context.bin, now);
    reclaim_release_ripe(watchdog.context.bin, &watchdog.context);
}

/* Until somebody has taken the announcement back, or until `until` at most; NEVER: there is nothing to do before. */
static void sleep_announced(int64_t until)
{
    for (int64_t now = 0; load_acquire(&scheduler.watchdog_asleep) != 0;) {
        if (until != NEVER && (now = clock_now()) >= until)
            return;
        int64_t left = until - now;
        struct timespec limit = { .tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S };
        syscall(SYS_futex, &scheduler.watchdog_asleep, FUTEX_WAIT_PRIVATE, 1, until == NEVER ? NULL : &limit, NULL, 0);
    }
}

static void sleep_until_needed(void)
{
    reclaim_bin_handoff(watchdog.context.bin, &watchdog.context);
    pool_park(watchdog.context.pool);
    tick_pause(clock_now);
    store_seq_cst(&scheduler.watchdog_asleep, 1); /* [WD1] pairs with [WD2] */
    int64_t until = memory_is_settled() ? NEVER : watchdog.aged_ns + AGE_NS;
    if (load_seq_cst(&scheduler.awake) == 0 && load_seq_cst(&watchdog.end) == 0)
        sleep_announced(until);
    store_relaxed(&scheduler.watchdog_asleep, 0); /* relaxed: whoever finds the old announcement wakes nobody */
    pool_resume(watchdog.context.pool);
    for (unsigned i = 0; i < WORKERS_MOST; i++)
        watchdog.seen[i].since_ns = 0; /* a first turn, before it is counted, would be as old as the rest */
}

void watchdog_wake(void)
{
    /* [WD2] after `awake`, or `end`, became 1; pairs with [WD1] */
    if (load_seq_cst(&scheduler.watchdog_asleep) != 0 &&
        atomic_exchange_explicit(&scheduler.watchdog_asleep, 0, memory_order_acq_rel) != 0)
        syscall(SYS_futex, &scheduler.watchdog_asleep, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void watchdog_see_memory(void)
{
    if (load_seq_cst(&scheduler.watchdog_asleep) != 0 && !memory_is_settled())
        watchdog_wake();
}

static void *watch(void *unused)
{
    (void)unused;
    if (!context_open(&watchdog.context, NULL, TRACE_TRACK_WATCHDOG)) {
        store_release(&watchdog.started, 2);
        return NULL;
    }
    cores_ask_short_slice(); /* the spares inherit it: they work beside those they stand in for, who compute on */
    store_release(&watchdog.started, 1);
    while (load_acquire(&watchdog.end) == 0) {
        struct timespec pause = { .tv_nsec = TICK_NS };
        nanosleep(&pause, NULL);
        int64_t now = clock_now();
        bool quiet = load_relaxed(&scheduler.awake) == 0; /* no turn, no ring and no timer to look at */
        if (!quiet)
            tick(now);
        if (++watchdog.ticks % WATCH_TICKS == 0)
            scheduler.settings.hooks.watch();
        watch_memory(now);
        if (quiet && !watchdog.memory_due)
            sleep_until_needed();
    }
    tick_pause(clock_now);
    context_close(&watchdog.context);
    return NULL;
}

bool watchdog_start(void)
{
    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0,
            0); /* refused: takeovers leave `next` alone */
    memset(watchdog.seen, 0, sizeof watchdog.seen);
    watchdog.ticks = 0;
    watchdog.aged_ns = clock_now();
    watchdog.memory_due = false;
    watchdog.spares_due = 0;
    store_relaxed(&watchdog.started, 0);
    store_relaxed(&watchdog.end, 0);
    if (pthread_create(&watchdog.thread, NULL, watch, NULL) != 0)
        return false;
    while (load_acquire(&watchdog.started) == 0) /* bound: the new thread's start-up */
        sched_yield();
    if (load_relaxed(&watchdog.started) == 1)
        return true;
    pthread_join(watchdog.thread, NULL);
    return false;
}

void watchdog_stop(void)
{
    if (load_relaxed(&watchdog.started) != 1)
        return;
    store_seq_cst(&watchdog.end, 1);
    watchdog_wake();
    pthread_join(watchdog.thread, NULL);
    store_relaxed(&watchdog.started, 0);
}
