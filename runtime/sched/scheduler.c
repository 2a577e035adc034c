/* scheduler.c: the set of workers, started and stopped as one, and their timers. */
#include "sched/scheduler.h"

#include "base/clock.h"
#include "memory/source.h"
#include "sched/park.h"
#include "sched/poller.h"

#include <sched.h>

struct scheduler scheduler;

static bool open_wheels(unsigned workers)
{
    scheduler.wheel_count = 1;
    while (scheduler.wheel_count < WHEELS_EACH * workers && scheduler.wheel_count < WHEELS_MOST)
        scheduler.wheel_count *= 2;
    for (unsigned i = 0; i < scheduler.wheel_count; i++) {
        scheduler.wheels[i] = source_map(sizeof(struct wheel), CACHE_LINE);
        if (scheduler.wheels[i] == NULL)
            return false;
        wheel_init(scheduler.wheels[i], clock_now());
    }
    return true;
}

static void close_wheels(void)
{
    for (unsigned i = 0; i < scheduler.wheel_count; i++)
        if (scheduler.wheels[i] != NULL)
            source_unmap(scheduler.wheels[i], sizeof(struct wheel));
}

/* Waits until a started worker shows itself in the table. */
static void await_worker(unsigned index)
{
    while (load_acquire(&scheduler.workers[index]) ==
           NULL) /* bound: the new thread's start-up, which takes no lock of ours */
        sched_yield();
}

bool scheduler_start(const struct scheduler_settings *settings)
{
    scheduler = (struct scheduler){ .settings = *settings };
    inject_init(&scheduler.inject);
    store_relaxed(&scheduler.poller, WORKERS_MOST);
    store_relaxed(&scheduler.poll_until, INT64_MIN);
    scheduler.fibers = fiber_pool_open(worker_loop, NULL, 64);
    if (scheduler.fibers == NULL || !open_wheels(settings->workers) || poller_start() != 0) {
        close_wheels();
        if (scheduler.fibers != NULL)
            fiber_pool_close(scheduler.fibers);
        return false;
    }
    store_relaxed(&scheduler.awake, settings->workers);
    bool good = watchdog_start();
    for (unsigned i = 0; good && i < settings->workers; i++) {
        store_relaxed(&scheduler.worker_count, i + 1);
        good = worker_start(i, false) != NULL;
        if (good)
            await_worker(i);
        else
            store_relaxed(&scheduler.worker_count, i);
    }
    if (!good)
        scheduler_stop();
    return good;
}

void scheduler_stop(void)
{
    watchdog_stop(); /* first: it starts spares */
    store_seq_cst(&scheduler.stopping, 1);
    unsigned count = load_relaxed(&scheduler.worker_count);
    for (unsigned i = 0; i < count; i++)
        park_end(load_acquire(&scheduler.workers[i]));
    for (unsigned i = 0; i < count; i++)
        pthread_join(load_acquire(&scheduler.workers[i])->thread, NULL);
    for (unsigned i = 0; i < count; i++) /* only now: a worker may look at the others' rings until its end */
        source_unmap(load_acquire(&scheduler.workers[i]), WORKER_BYTES);
    poller_stop();
    close_wheels();
    fiber_pool_close(scheduler.fibers);
}

/* ---- timers */

/* relaxed: a hint: an older value makes the next round earlier, a younger one TIMER_PACE_NS later at the most */
static int64_t paced(int64_t due_ns)
{
    int64_t earliest = load_relaxed(&scheduler.fired_ns) + TIMER_PACE_NS;
    return due_ns < earliest ? earliest : due_ns;
}

int64_t scheduler_next_due(void)
{
    int64_t earliest = NEVER;
    for (unsigned i = 0; i < scheduler.wheel_count; i++) {
        int64_t due = wheel_next_due_recheck(scheduler.wheels[i]);
        if (due < earliest)
            earliest = due;
    }
    return paced(earliest);
}

void scheduler_expire(struct context *context, int64_t now_ns)
{
    uint32_t fired = 0;
    read_begin();
    for (unsigned i = 0; i < scheduler.wheel_count; i++)
        if (wheel_next_due(scheduler.wheels[i]) <= now_ns)
            fired += wheel_expire(scheduler.wheels[i], now_ns, scheduler.settings.hooks.fire, context);
    read_end();
    if (fired > 0)
        store_relaxed(&scheduler.fired_ns, now_ns);
}

void scheduler_timer_earlier(int64_t due_ns)
{
    /* the inserter's half of the race in queue/wheel.h */
    if (paced(due_ns) < load_seq_cst(&scheduler.poll_until))
        poller_interrupt();
}
