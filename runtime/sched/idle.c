/* idle.c: what a worker does that has no task: look, search (steal.c), poll, park; and who wakes it.
 *
 * Two halves of one race, mirrored:
 *     sleeper   sets its bit in `idle`;  [ID2] seq_cst fence;  looks at the global queue, the end, the wheels;  sleeps
 *     producer  puts into the global queue;  [ID1] seq_cst fence;  looks at `idle`, clears a bit that it finds, wakes
 * One of the two fences comes first in their total order, so either the sleeper sees the task or the producer sees the
 * bit. A producer that sees somebody searching leaves it to them: a searcher that gives up decrements `searching`
 * before its [ID2]. The sleeper in the poll token against a timer that is due earlier: queue/wheel.h has that race;
 * `poll_until` is its "until when". The token has the same race: nobody falls asleep while it is free, and a spare that
 * left it and comes to rest wakes somebody who takes it; all others who leave it come back for it. Whoever clears a bit
 * owns the wake-up: it adds the sleeper to `searching` and `awake` and sets its park word; there is no second waker.
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
 * Bounds: a search is SEARCH_ROUNDS naps; nothing spins but the end of a sleep of poller_wait_on_time. */
#include "base/clock.h"
#include "sched/poller.h"
#include "sched/scheduler.h"
#include "sched/steal.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define WORTH_NS     INT64_C(100000)
#define BUSY_POLL_NS INT64_C(100000)
#define AT_ONCE_NS   INT64_C(10000) /* a look at the descriptors that did not sleep */
#define EVENT_NS     INT64_C(500)   /* and what it takes longer for each event */
enum { PRESSED = 4, SEARCH_ROUNDS = 20, INJECT_SHARE_MOST = 64, OVERFLOW_SHARE = 32 };

/* ---- futex */

static void park_sleep(struct worker *worker, int64_t timeout_ns)
{
    struct timespec limit = { .tv_sec = timeout_ns / NS_PER_S, .tv_nsec = timeout_ns % NS_PER_S };
    syscall(SYS_futex, &worker->park_word, FUTEX_WAIT_PRIVATE, 0, timeout_ns < 0 ? NULL : &limit, NULL, 0);
}

static void park_wake(struct worker *worker)
{
    store_release(&worker->park_word, 1); /* [PK1] release: what the waker did before; pairs with [PK2] */
    syscall(SYS_futex, &worker->park_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* ---- the set of parked workers */

static void announce(struct worker *worker)
{
    store_relaxed(&worker->park_word, 0); /* relaxed: nobody looks before the bit is set */
    atomic_fetch_add_explicit(&scheduler.idle_count, 1, memory_order_relaxed);
    atomic_fetch_or_explicit(&scheduler.idle[worker->index / 64], UINT64_C(1) << worker->index % 64,
                             memory_order_seq_cst);
    atomic_thread_fence(memory_order_seq_cst); /* [ID2] the bit before the last look; pairs with [ID1] */
}

/* True: the bit was still set, and whoever called this owns the wake-up. */
static bool claim(unsigned index)
{
    uint64_t bit = UINT64_C(1) << index % 64;
    uint64_t old = atomic_fetch_and_explicit(&scheduler.idle[index / 64], ~bit, memory_order_acq_rel);
    if ((old & bit) == 0)
        return false;
    atomic_fetch_sub_explicit(&scheduler.idle_count, 1, memory_order_relaxed);
    return true;
}

/* A claimed worker comes back to life; the waker does this for it, so that `awake` and `searching` are never too
 * small. */
static void revive(void)
{
    atomic_fetch_add_explicit(&scheduler.searching, 1, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&scheduler.awake, 1, memory_order_seq_cst) == 0)
        watchdog_wake();
}

static bool wake_index(struct context *context, unsigned index)
{
    if (!claim(index))
        return false;
    revive();
    struct worker *worker = load_acquire(&scheduler.workers[index]);
    if (context != NULL)
        trace_event(context->trace, TRACE_WAKE, index);
    /* [PK1] release: what the waker did before; pairs with [PK2]. [PK3] the word before the look at who polls; pairs
     * with [PK4]: the sleeper finds its word, or this finds it polling, and the interrupt waits for it */
    store_seq_cst(&worker->park_word, 1);
    if (load_seq_cst(&scheduler.poller) == index)
        poller_interrupt(); /* it may leave the poller at this moment: then the interrupt is for nobody */
    else
        syscall(SYS_futex, &worker->park_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    return true;
}

void idle_wake_worker(struct context *context, unsigned index)
{
    if ((load_relaxed(&scheduler.idle[index / 64]) >> index % 64 & 1) != 0)
        wake_index(context, index);
}

void idle_wake_any(struct context *context)
{
    unsigned poller = load_relaxed(&scheduler.poller);
    for (unsigned word = 0; word < WORKERS_MOST / 64; word++) {
        uint64_t bits = load_relaxed(&scheduler.idle[word]);
        while (bits != 0) {
            unsigned index = word * 64 + (unsigned)__builtin_ctzll(bits);
            bits &= bits - 1;
            if (index != poller && wake_index(context, index))
                return;
        }
    }
    if (poller < WORKERS_MOST)
        wake_index(context, poller);
}

void idle_wake(struct context *context)
{
    if (load_relaxed(&scheduler.idle_count) > 0 && load_relaxed(&scheduler.searching) == 0)
        idle_wake_any(context);
}

/* ---- finding a task */

/* True: the poll token is the caller's. */
static bool take_token(void)
{
    uint32_t free_token = 0;
    return atomic_compare_exchange_strong_explicit(&scheduler.polling, &free_token, 1, memory_order_acquire,
                                                   memory_order_relaxed);
}

/* release: the poller's state for the next holder */
static void leave_token(void) { store_release(&scheduler.polling, 0); }

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
    idle_wake(&worker->context);
}

/* It has looked for events, and was told of so many. */
static void note_pressure(struct worker *worker, int64_t since_ns, int told)
{
    bool at_once = told > 0 && clock_now() - since_ns < AT_ONCE_NS + told * EVENT_NS;
    worker->pressed = at_once ? worker->pressed + 1 : 0;
}

/* A searcher's short sleep: where descriptors are looked at, if nobody else does. True: that brought it tasks. */
static bool nap(struct worker *worker, int64_t nap_ns)
{
    if (poller_used() && load_relaxed(&scheduler.polling) == 0 && take_token()) {
        int64_t since = clock_now();
        int told = poller_wait(nap_ns);
        leave_token();
        note_pressure(worker, since, told);
        if (told > 0)
            share(worker);
        return told > 0;
    }
    store_relaxed(&worker->park_word, 0);
    park_sleep(worker, nap_ns);
    return false;
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
        if (nap(worker, loot.nap_ns))
            continue;
        task = steal(worker, &loot);
        if (task != NULL)
            return task;
    }
    return NULL;
}

/* ---- sleeping */

static bool reason_to_stay(struct worker *worker)
{
    return inject_count(&scheduler.inject) > 0 || inject_count(&worker->pinned) > 0 ||
           inject_count(&worker->guests) > 0 || load_relaxed(&scheduler.stopping) != 0 ||
           load_relaxed(&worker->next) != NULL || steal_overflows() ||
           (worker->spare && load_relaxed(&scheduler.surplus) > 0);
}

/* Until an event or an interrupt, or `due`. Where workers are revoked, and their hogs keep the cores busy, a plain
 * sleep would end late. */
static int poll_until(int64_t due, int64_t now)
{
    if (due == NEVER)
        return poller_wait(-1);
    if (due <= now)
        return poller_wait(0);
    return load_relaxed(&scheduler.revoked) > 0 ? poller_wait_on_time(due - now) : poller_wait(due - now);
}

/* In the poll token, until there is an event, an interrupt, or the next timer is due. Announced. */
static void sleep_polling(struct worker *worker)
{
    store_seq_cst(&scheduler.poll_until, NEVER - 1); /* "very long": whoever inserts a timer from here on interrupts */
    store_seq_cst(&scheduler.poller, worker->index); /* [PK4] before the look at its word; pairs with [PK3] */
    int64_t due = scheduler_next_due(); /* after poll_until: the sleeper's half of the race in queue/wheel.h */
    store_seq_cst(&scheduler.poll_until, due);
    int64_t now = clock_now();
    int told = 0;
    if (!reason_to_stay(worker) && load_seq_cst(&worker->park_word) == 0)
        told = poll_until(due, now);
    store_release(&scheduler.poller, WORKERS_MOST);
    store_relaxed(&scheduler.poll_until, INT64_MIN); /* nobody sleeps: nobody to interrupt */
    note_pressure(worker, now, told);
}

/* Before a long sleep: no memory waits for a thread that sleeps. parks: until pool_resume the pool is not used; the
 * poller uses its own. */
static void settle_memory(struct worker *worker, bool parks)
{
    reclaim_bin_handoff(worker->context.bin, &worker->context);
    if (parks)
        pool_park(worker->context.pool);
    else
        pool_flush(worker->context.pool);
}

/* Until somebody has woken the worker or, in the poll token, something has happened. Afterwards it is in `searching`
 * and `awake`. */
static void park(struct worker *worker)
{
    bool polls = take_token();
    context_count(&worker->context, COUNT_PARKS);
    trace_event_now(worker->context.trace, TRACE_PARK, worker->index);
    settle_memory(worker, !polls);
    atomic_fetch_sub_explicit(&scheduler.searching, 1, memory_order_seq_cst);
    atomic_fetch_sub_explicit(&scheduler.awake, 1, memory_order_seq_cst);
    announce(worker);
    if (polls)
        sleep_polling(worker);
    else
        while (!reason_to_stay(worker) && load_relaxed(&scheduler.polling) != 0 && /* after [ID2] */
               load_acquire(&worker->park_word) == 0)                              /* [PK2] acquire: pairs with [PK1] */
            park_sleep(worker, -1);
    if (claim(worker->index))
        revive(); /* nobody woke it */
    if (polls)
        leave_token();
    else
        pool_resume(worker->context.pool);
    worker->now_ns = clock_now();
    if (polls)
        worker->polled_ns = worker->now_ns;
    trace_stamp(worker->context.trace, worker->now_ns);
    trace_event_now(worker->context.trace, TRACE_UNPARK, worker->index);
    if (scheduler_next_due() <= worker->now_ns)
        scheduler_expire(&worker->context, worker->now_ns);
    share(worker);
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
    if (inject_count(&scheduler.inject) > 0 || steal_overflows() || (there > 1 && (much || worker->robbed)) ||
        (much && load_relaxed(&scheduler.polling) == 0 && poller_used()))
        idle_wake(&worker->context);
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
    }
}

void idle_poll(struct worker *worker)
{
    if (!poller_used() || worker->now_ns - worker->polled_ns < BUSY_POLL_NS || load_relaxed(&scheduler.polling) != 0)
        return;
    if (!take_token())
        return;
    worker->polled_ns = worker->now_ns;
    poller_wait(0);
    leave_token();
    share(worker);
}

/* ---- spares at rest, and the end of a worker */

/* A spare that is not needed: what it has goes to the others, and it sleeps until the watchdog needs it, or the end. */
static void rest(struct worker *worker)
{
    settle_memory(worker, true); /* first: what it releases may make a task runnable here */
    struct task *task = load_relaxed(&worker->next);
    store_relaxed(&worker->next, NULL);
    for (; task != NULL || (task = ring_take(&worker->ring)) != NULL || (task = take_overflow(worker)) != NULL;
         task = NULL)
        schedule_global(task);
    atomic_fetch_sub_explicit(&scheduler.awake, 1, memory_order_seq_cst);
    atomic_thread_fence(memory_order_seq_cst); /* [ID1] it has left the token and `searching`, before the looks */
    if (load_relaxed(&scheduler.polling) == 0 || inject_count(&scheduler.inject) > 0)
        idle_wake_any(&worker->context); /* it was searching, too: who put a task meanwhile left it to this worker */
    store_relaxed(&worker->park_word, 0);
    store_release(&worker->resting,
                  1); /* release: the drained queues; pairs with the watchdog's acquire in idle_recall */
    while (load_acquire(&worker->resting) == 1 && load_acquire(&scheduler.stopping) == 0) {
        park_sleep(worker, -1);
        /* not its recall: late, from who claimed it while it was parked. It would be no sleep with that. [PK2] acquire:
         * a recall that this takes away is seen above; pairs with [PK1] */
        atomic_exchange_explicit(&worker->park_word, 0, memory_order_acquire);
    }
    pool_resume(worker->context.pool);
}

bool idle_recall(struct worker *worker)
{
    uint32_t resting = 1;
    if (!atomic_compare_exchange_strong_explicit(&worker->resting, &resting, 0, memory_order_acq_rel,
                                                 memory_order_relaxed))
        return false;
    atomic_fetch_add_explicit(&scheduler.awake, 1, memory_order_seq_cst);
    park_wake(worker);
    return true;
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

void idle_end(struct worker *worker)
{
    store_release(&worker->park_word, 1);
    poller_interrupt();
    park_wake(worker);
}
