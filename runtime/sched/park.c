/* park.c: the sleep of a worker and its end; park.h has the race.
 *
 * Bounds: nothing spins but the end of a sleep of poller_wait_on_time. */
#include "sched/park.h"

#include "base/clock.h"
#include "sched/poller.h"
#include "sched/scheduler.h"
#include "sched/steal.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define AT_ONCE_NS INT64_C(10000) /* a look at the descriptors that did not sleep */
#define EVENT_NS   INT64_C(500)   /* and what it takes longer for each event */

/* ---- futex */

static void futex_sleep(struct worker *worker, int64_t timeout_ns)
{
    struct timespec limit = { .tv_sec = timeout_ns / NS_PER_S, .tv_nsec = timeout_ns % NS_PER_S };
    syscall(SYS_futex, &worker->park_word, FUTEX_WAIT_PRIVATE, 0, timeout_ns < 0 ? NULL : &limit, NULL, 0);
}

static void futex_wake(struct worker *worker)
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

void park_wake_worker(struct context *context, unsigned index)
{
    if ((load_relaxed(&scheduler.idle[index / 64]) >> index % 64 & 1) != 0)
        wake_index(context, index);
}

void park_wake_any(struct context *context)
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

void park_wake(struct context *context)
{
    if (load_relaxed(&scheduler.idle_count) > 0 && load_relaxed(&scheduler.searching) == 0)
        park_wake_any(context);
}

/* ---- the poll token */

bool park_take_token(void)
{
    uint32_t free_token = 0;
    return atomic_compare_exchange_strong_explicit(&scheduler.polling, &free_token, 1, memory_order_acquire,
                                                   memory_order_relaxed);
}

/* release: the poller's state for the next holder */
void park_leave_token(void) { store_release(&scheduler.polling, 0); }

/* It has looked for events, and was told of so many. */
static void note_pressure(struct worker *worker, int64_t since_ns, int told)
{
    bool at_once = told > 0 && clock_now() - since_ns < AT_ONCE_NS + told * EVENT_NS;
    worker->pressed = at_once ? worker->pressed + 1 : 0;
}

bool park_nap(struct worker *worker, int64_t nap_ns)
{
    if (poller_used() && load_relaxed(&scheduler.polling) == 0 && park_take_token()) {
        int64_t since = clock_now();
        int told = poller_wait(nap_ns);
        park_leave_token();
        note_pressure(worker, since, told);
        return told > 0;
    }
    store_relaxed(&worker->park_word, 0);
    futex_sleep(worker, nap_ns);
    return false;
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

void park_settle_memory(struct worker *worker, bool parks)
{
    reclaim_bin_handoff(worker->context.bin, &worker->context);
    if (parks)
        pool_park(worker->context.pool);
    else
        pool_flush(worker->context.pool);
}

void park(struct worker *worker)
{
    bool polls = park_take_token();
    context_count(&worker->context, COUNT_PARKS);
    trace_event_now(worker->context.trace, TRACE_PARK, worker->index);
    park_settle_memory(worker, !polls); /* the poller uses its pool */
    atomic_fetch_sub_explicit(&scheduler.searching, 1, memory_order_seq_cst);
    atomic_fetch_sub_explicit(&scheduler.awake, 1, memory_order_seq_cst);
    announce(worker);
    if (polls)
        sleep_polling(worker);
    else
        while (!reason_to_stay(worker) && load_relaxed(&scheduler.polling) != 0 && /* after [ID2] */
               load_acquire(&worker->park_word) == 0)                              /* [PK2] acquire: pairs with [PK1] */
            futex_sleep(worker, -1);
    if (claim(worker->index))
        revive(); /* nobody woke it */
    if (polls)
        park_leave_token();
    else
        pool_resume(worker->context.pool);
    worker->now_ns = clock_now();
    if (polls)
        worker->polled_ns = worker->now_ns;
    trace_stamp(worker->context.trace, worker->now_ns);
    trace_event_now(worker->context.trace, TRACE_UNPARK, worker->index);
    if (scheduler_next_due() <= worker->now_ns)
        scheduler_expire(&worker->context, worker->now_ns);
}

/* ---- spares at rest, and the end of a worker */

void park_rest(struct worker *worker)
{
    atomic_fetch_sub_explicit(&scheduler.awake, 1, memory_order_seq_cst);
    atomic_thread_fence(memory_order_seq_cst); /* [ID1] it has left the token and `searching`, before the looks */
    if (load_relaxed(&scheduler.polling) == 0 || inject_count(&scheduler.inject) > 0)
        park_wake_any(&worker->context); /* it was searching, too: who put a task meanwhile left it to this worker */
    store_relaxed(&worker->park_word, 0);
    store_release(&worker->resting,
                  1); /* release: the drained queues; pairs with the watchdog's acquire in park_recall */
    while (load_acquire(&worker->resting) == 1 && load_acquire(&scheduler.stopping) == 0) {
        futex_sleep(worker, -1);
        /* not its recall: late, from who claimed it while it was parked. It would be no sleep with that. [PK2] acquire:
         * a recall that this takes away is seen above; pairs with [PK1] */
        atomic_exchange_explicit(&worker->park_word, 0, memory_order_acquire);
    }
    pool_resume(worker->context.pool);
}

bool park_recall(struct worker *worker)
{
    uint32_t resting = 1;
    if (!atomic_compare_exchange_strong_explicit(&worker->resting, &resting, 0, memory_order_acq_rel,
                                                 memory_order_relaxed))
        return false;
    atomic_fetch_add_explicit(&scheduler.awake, 1, memory_order_seq_cst);
    futex_wake(worker);
    return true;
}

void park_end(struct worker *worker)
{
    store_release(&worker->park_word, 1);
    poller_interrupt();
    futex_wake(worker);
}
