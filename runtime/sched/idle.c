/* idle.c: what a worker does that has no task: look, search (steal.c), park (park.c); and when it shares what it found.
 *
 * What is not woken for: a task in a worker's own next, or in its ring if there are few or thieves are shy. The
 * watchdog looks at the rings every tick and wakes a thief when a task stayed in one over a tick while somebody is
 * parked; a thief that robbed more than it can run at once wakes the next. Who comes from the poller with tasks that it
 * will have run in WORTH_NS, going by its turns before, wakes nobody: neither to share them nor to poll in its place.
 * If it was mistaken, the watchdog sees. But who found events PRESSED times in a row without having to sleep is
 * pressed: more comes than one worker can do, and another is woken to poll while it works. Both stay at it for as long
 * as there is enough for two: a searcher naps in the poll token if that is free, so that what comes is run at once and
 * not after the nap.
 *
 * Bounds: a search is SEARCH_ROUNDS naps. */
#include "base/clock.h"
#include "sched/park.h"
#include "sched/poller.h"
#include "sched/scheduler.h"
#include "sched/steal.h"

#define WORTH_NS     INT64_C(100000)
#define BUSY_POLL_NS INT64_C(100000)
enum { SEARCH_ROUNDS = 20, INJECT_SHARE_MOST = 64, OVERFLOW_SHARE = 32 };

/* ---- finding a task */

static struct task *take_injected(struct worker *worker)
{
    uint32_t there = inject_count(&scheduler.inject);
    if (there == 0)
        return NULL;
    uint32_t share = there / scheduler.settings.workers + 1;
    struct task *first;
    uint32_t taken = inject_take(&scheduler.inject, share > INJECT_SHARE_MOST ? INJECT_SHARE_MOST : share, &first);
    if (taken == 0)
        return NULL;
    worker_accept(worker, first->next);
    return first;
}

/* Some of what it set aside last. */
static struct task *take_overflow(struct worker *worker)
{
    struct task *first;
    if (overflow_count(&worker->overflow) == 0 || overflow_take_newest(&worker->overflow, OVERFLOW_SHARE, &first) == 0)
        return NULL;
    worker_accept(worker, first->next);
    return first;
}

/* Of the four kinds that wait beside the ring. Each comes first in turn: one whose tasks always come back would keep
 * the others waiting for ever. */
static struct task *take_aside(struct worker *worker)
{
    enum { PINNED, GUESTS, INJECTED, OVERFLOW, KINDS };
    struct task *task = NULL;
    for (int i = 0; task == NULL && i < KINDS; i++) {
        switch (worker->aside++ % KINDS) {
        case PINNED: task = inject_take_one(&worker->pinned); break;
        case GUESTS: task = inject_take_one(&worker->guests); break;
        case INJECTED: task = take_injected(worker); break;
        default: task = take_overflow(worker); break;
        }
    }
    return task;
}

static struct task *own_task(struct worker *worker)
{
    struct task *task = load_relaxed(&worker->next);
    if (task != NULL) {
        store_relaxed(&worker->next, NULL);
        return task;
    }
    task = ring_take(&worker->ring);
    return task != NULL ? task : take_aside(worker);
}

/* So many turns are worth a wake-up: they take long, if they are like those before. */
static bool worth_waking(const struct worker *worker, uint32_t turns) { return turns * worker->turn_ns >= WORTH_NS; }

/* After a look at descriptors or timers made more runnable than one: shares with whoever is parked. */
static void share(struct worker *worker)
{
    uint32_t tail;
    uint32_t there = ring_look(&worker->ring, &tail);
    if (there < 2 || !worth_waking(worker, there) || load_relaxed(&scheduler.idle_count) == 0)
        return;
    struct task *first = NULL, **last = &first;
    uint32_t count = 0;
    for (struct task *task; count < there / 2 && (task = ring_take(&worker->ring)) != NULL; count++) {
        *last = task;
        last = &task->next;
    }
    if (count == 0)
        return;
    inject_put(&scheduler.inject, first, CONTAINER_OF(last, struct task, next), count);
    atomic_thread_fence(memory_order_seq_cst); /* [ID1] pairs with [ID2] */
    park_wake(&worker->context);
}

/* As a member of `searching`. */
static struct task *search(struct worker *worker)
{
    struct loot loot;
    for (int round = 0; round < SEARCH_ROUNDS; round++) {
        struct task *task = own_task(worker);
        if (task == NULL)
            task = steal_overflow(worker);
        if (task != NULL)
            return task;
        if (load_relaxed(&scheduler.stopping) != 0 || !steal_look(worker, &loot))
            return NULL;
        if (park_nap(worker, loot.nap_ns)) {
            share(worker);
            continue;
        }
        task = steal(worker, &loot);
        if (task != NULL)
            return task;
    }
    return NULL;
}

/* The worker, a member of `searching`, has found work. */
static void found(struct worker *worker)
{
    if (atomic_fetch_sub_explicit(&scheduler.searching, 1, memory_order_seq_cst) != 1)
        return;
    uint32_t tail;
    atomic_thread_fence(
        memory_order_seq_cst); /* [ID1] it no longer searches, before the look at the queue; pairs with [ID2] */
    uint32_t there = ring_look(&worker->ring, &tail);
    bool much = worth_waking(worker, there + 1) || (worker->pressed >= PRESSED && there >= CROWD);
    if (inject_count(&scheduler.inject) > 0 || steal_overflows() || (there > 1 && (much || worker->victim != NULL)) ||
        (much && load_relaxed(&scheduler.polling) == 0 && poller_used()))
        park_wake(&worker->context);
}

struct task *idle_find(struct worker *worker)
{
    struct task *task = own_task(worker);
    if (task != NULL)
        return task;
    steal_judge(worker);
    atomic_fetch_add_explicit(&scheduler.searching, 1, memory_order_relaxed);
    for (;;) {
        /* revoked just after its turn: the loop reinstates it first; here it would neither search nor sleep */
        bool revoked = load_relaxed(&worker->revoked) != 0;
        if (!revoked)
            task = search(worker);
        if (task != NULL) {
            found(worker);
            steal_begin(worker);
            return task;
        }
        if (revoked || load_acquire(&scheduler.stopping) != 0 ||
            (worker->spare && load_relaxed(&scheduler.surplus) > 0)) {
            atomic_fetch_sub_explicit(&scheduler.searching, 1, memory_order_seq_cst);
            return NULL;
        }
        park(worker);
        share(worker);
    }
}

void idle_poll(struct worker *worker)
{
    if (!poller_used() || worker->now_ns - worker->polled_ns < BUSY_POLL_NS || load_relaxed(&scheduler.polling) != 0)
        return;
    if (!park_take_token())
        return;
    worker->polled_ns = worker->now_ns;
    poller_wait(0);
    park_leave_token();
    share(worker);
}

/* A spare that is not needed: what it has goes to the others, and it sleeps until the watchdog needs it, or the end. */
static void rest(struct worker *worker)
{
    park_settle_memory(worker, true); /* first: what it releases may make a task runnable here */
    struct task *task = load_relaxed(&worker->next);
    store_relaxed(&worker->next, NULL);
    for (; task != NULL || (task = ring_take(&worker->ring)) != NULL || (task = take_overflow(worker)) != NULL;
         task = NULL)
        schedule_global(task);
    park_rest(worker);
}

bool idle_leaves(struct worker *worker)
{
    if (load_acquire(&scheduler.stopping) != 0)
        return true;
    uint32_t surplus = load_relaxed(&scheduler.surplus);
    while (worker->spare && surplus > 0)
        if (atomic_compare_exchange_weak_explicit(&scheduler.surplus, &surplus, surplus - 1, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            rest(worker);
            return load_acquire(&scheduler.stopping) != 0;
        }
    return false;
}
