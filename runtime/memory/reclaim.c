/* reclaim.c: the reclaimer: who waits, for which grace period.
 *
 * Under one lock: `waiting` and `graced` are the bins whose batch waits for the next grace period, or for the one that
 * runs now; `stray_waiting` and `stray_graced` the same for batches without a bin. The thread's round: sleep until
 * something waits; pace; move waiting to graced; unlock; grace period; lock; graced becomes ripe. A handoff takes a bin
 * out of either list in constant time and leaves its batch in the stray chain of the same stage.
 *
 * Inline mode runs the same round on the thread that finds something to do; in a simulation there is only one. */
#include "memory/reclaim.h"

#include "base/check.h"
#include "base/clock.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <urcu/urcu-memb.h>

enum stage { STAGE_NONE, STAGE_WAITING, STAGE_GRACED };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work;            /* for the reclaimer: something waits, or stop */
    pthread_cond_t progress;        /* for barriers: a grace period ended */
    struct reclaim_bin *bins[3];    /* by stage */
    struct retired_chain strays[3]; /* by stage */
    bool in_round;                  /* one at a time: graced belongs to the grace period that runs */
    uint64_t begun, ended;          /* grace periods */
    uint32_t shared_by;             /* bins that had a share in the last one */
    uint64_t wanted;                /* barriers: run until `ended` is this */
    bool running, stopping;
    enum reclaim_mode mode;
    void *context;
    void (*settle)(void *context);
    pthread_t thread;
} reclaimer = { .lock = PTHREAD_MUTEX_INITIALIZER,
                .work = PTHREAD_COND_INITIALIZER,
                .progress = PTHREAD_COND_INITIALIZER };

_Atomic(struct retired *) reclaim_ripe_strays;

static void lock(void) { tr_check(pthread_mutex_lock(&reclaimer.lock) == 0); }
static void unlock(void) { tr_check(pthread_mutex_unlock(&reclaimer.lock) == 0); }

/* --- what ThreadSanitizer is told -------------------------------------------------------------- */

#if WITH_TSAN
#include <sanitizer/tsan_interface.h>
static char grace_address;
static void tell_read_end(void) { __tsan_release(&grace_address); }
static void tell_grace_end(void) { __tsan_acquire(&grace_address); }
#else
static void tell_read_end(void) {}
static void tell_grace_end(void) {}
#endif

/* Through the flavour's table: the library's own functions, not their inline copies, which would be instrumented here.
 * */
void reclaim_read_begin_seen(void) { urcu_memb_flavor.read_lock(); }

NOINLINE void read_end_rest(void)
{
    if (WITH_TSAN) {
        tell_read_end();
        urcu_memb_flavor.read_unlock();
    } else if (WITH_SIM || read_ongoing()) {
        _urcu_memb_read_unlock();
    } else {
        urcu_common_wake_up_gp(&urcu_memb_gp);
    }
}

NOINLINE void read_begin_apart(void) { read_begin(); }

NOINLINE void read_end_apart(void) { read_end(); }

/* Waits until every read section that was open at the call is closed. */
static void grace_period(void)
{
    urcu_memb_synchronize_rcu();
    tell_grace_end();
}

/* --- readers ----------------------------------------------------------------------------------- */

static _Thread_local bool online;
static pthread_key_t online_key;
static pthread_once_t online_once = PTHREAD_ONCE_INIT;

/* The key's value says how many rounds of destructors the thread has been through: others' destructors may still read,
 * so it stays registered for the first rounds. POSIX promises four. */
static char rounds[3];

static void go_offline(void *round)
{
    if (round == &rounds[2])
        reclaim_thread_offline();
    else
        pthread_setspecific(online_key, (char *)round + 1);
}

static void make_key(void) { tr_check(pthread_key_create(&online_key, go_offline) == 0); }

NOINLINE void reclaim_thread_online(void)
{
    if (online)
        return;
    pthread_once(&online_once, make_key);
    tr_check(pthread_setspecific(online_key, rounds) == 0); /* unregisters at the end */
    urcu_memb_register_thread();
    online = true;
}

NOINLINE void reclaim_thread_offline(void)
{
    if (!online)
        return;
    tr_check(!read_ongoing());
    online = false;
    urcu_memb_unregister_thread();
    pthread_setspecific(online_key, NULL);
}

const struct rcu_flavor_struct *reclaim_flavor(void) { return &urcu_memb_flavor; }

/* --- chains and lists -------------------------------------------------------------------------- */

static void chain_append(struct retired_chain *to, struct retired_chain *from)
{
    if (from->first == NULL)
        return;
    if (to->first == NULL)
        to->first = from->first;
    else
        to->last->next = from->first;
    to->last = from->last;
    to->count += from->count;
    *from = (struct retired_chain){ 0 };
}

static void release_all(struct retired *item, void *context)
{
    while (item != NULL) {
        struct retired *next = item->next; /* release frees the item */
        item->release(item, context);
        item = next;
    }
}

static void bin_link(struct reclaim_bin *bin, enum stage stage)
{
    bin->stage = (uint8_t)stage;
    bin->previous = NULL;
    bin->next = reclaimer.bins[stage];
    if (bin->next != NULL)
        bin->next->previous = bin;
    reclaimer.bins[stage] = bin;
}

static void bin_unlink(struct reclaim_bin *bin)
{
    *(bin->previous != NULL ? &bin->previous->next : &reclaimer.bins[bin->stage]) = bin->next;
    if (bin->next != NULL)
        bin->next->previous = bin->previous;
    bin->stage = STAGE_NONE;
}

/* --- the round (under the lock) ---------------------------------------------------------------- */

static bool something_waits(void)
{
    return reclaimer.bins[STAGE_WAITING] != NULL || reclaimer.strays[STAGE_WAITING].first != NULL ||
           reclaimer.ended < reclaimer.wanted;
}

static void strays_ripen(struct retired_chain *chain)
{
    if (chain->first == NULL)
        return;
    struct retired *head = load_relaxed(&reclaim_ripe_strays);
    do {
        chain->last->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&reclaim_ripe_strays, &head, chain->first,
                                                    memory_order_release, /* [RC3] */
                                                    memory_order_relaxed));
    *chain = (struct retired_chain){ 0 };
}

static struct retired *strays_take(void)
{
    if (load_relaxed(&reclaim_ripe_strays) == NULL)
        return NULL;
    return atomic_exchange_explicit(&reclaim_ripe_strays, NULL, memory_order_acquire); /* [RC4] */
}

/* One grace period for all that waits. Drops the lock meanwhile. */
static void run_round(void)
{
    while (reclaimer.in_round)
        pthread_cond_wait(&reclaimer.progress, &reclaimer.lock);
    reclaimer.in_round = true;
    reclaimer.shared_by = 0;
    while (reclaimer.bins[STAGE_WAITING] != NULL) {
        struct reclaim_bin *bin = reclaimer.bins[STAGE_WAITING];
        bin_unlink(bin);
        bin_link(bin, STAGE_GRACED);
        reclaimer.shared_by++;
    }
    chain_append(&reclaimer.strays[STAGE_GRACED], &reclaimer.strays[STAGE_WAITING]);
    reclaimer.begun++;
    unlock();
    grace_period();
    lock();
    reclaimer.in_round = false;
    reclaimer.ended++;
    while (reclaimer.bins[STAGE_GRACED] != NULL) {
        struct reclaim_bin *bin = reclaimer.bins[STAGE_GRACED];
        bin_unlink(bin);
        store_release(&bin->state, BIN_RIPE); /* [RC1] the bin is its owner's again */
    }
    strays_ripen(&reclaimer.strays[STAGE_GRACED]);
    tr_check(pthread_cond_broadcast(&reclaimer.progress) == 0);
}

/* Lets some time pass from the last round's start, so that more batches share the next; a barrier or stop does not
 * wait. */
static void pace(int64_t last_start)
{
    int64_t share = (int64_t)(reclaimer.shared_by > 0 ? reclaimer.shared_by : 1) * RECLAIM_PACE_NS; /* strays: one */
    int64_t until = last_start + (share < RECLAIM_PACE_MOST_NS ? share : RECLAIM_PACE_MOST_NS);
    while (!reclaimer.stopping && reclaimer.ended >= reclaimer.wanted && clock_now() < until) {
        struct timespec deadline = { .tv_sec = until / NS_PER_S, .tv_nsec = until % NS_PER_S };
        pthread_cond_clockwait(&reclaimer.work, &reclaimer.lock, CLOCK_MONOTONIC, &deadline);
    }
}

static void release_strays(void)
{
    if (reclaimer.context == NULL)
        return;
    release_all(strays_take(), reclaimer.context);
    if (reclaimer.settle != NULL)
        reclaimer.settle(reclaimer.context);
}

static void *reclaimer_main(void *nothing)
{
    (void)nothing;
    reclaim_thread_online(); /* a release may look things up */
    int64_t last_start = 0;
    lock();
    while (!reclaimer.stopping) {
        if (!something_waits()) {
            pthread_cond_wait(&reclaimer.work, &reclaimer.lock);
            continue;
        }
        pace(last_start);
        last_start = clock_now();
        run_round();
        unlock();
        release_strays();
        lock();
    }
    unlock();
    return NULL;
}

/* --- start and stop ---------------------------------------------------------------------------- */

/* The reclaimer takes no signals: they are for the program's own threads. */
static bool start_thread(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&reclaimer.thread, NULL, reclaimer_main, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0;
}

bool reclaim_start(enum reclaim_mode mode, void *context, void (*settle)(void *context))
{
    tr_check(!reclaimer.running);
    reclaimer.mode = mode;
    reclaimer.context = context;
    reclaimer.settle = settle;
    reclaimer.stopping = false;
    reclaimer.running = mode == RECLAIM_INLINE || start_thread();
    return reclaimer.running;
}

void reclaim_stop(void *context)
{
    tr_check(reclaimer.running && !read_ongoing());
    lock();
    reclaimer.stopping = true;
    tr_check(pthread_cond_signal(&reclaimer.work) == 0);
    unlock();
    if (reclaimer.mode == RECLAIM_THREAD)
        tr_check(pthread_join(reclaimer.thread, NULL) == 0);
    lock();
    reclaimer.running = false;
    tr_check(reclaimer.bins[STAGE_WAITING] == NULL && reclaimer.bins[STAGE_GRACED] == NULL &&
             "a bin was not handed off");
    while (something_waits())
        run_round();
    unlock();
    release_all(strays_take(), context);
}

/* --- bins (owner) ------------------------------------------------------------------------------ */

void reclaim_bin_init(struct reclaim_bin *bin) { *bin = (struct reclaim_bin){ .limit = RECLAIM_BATCH_LEAST }; }

/* Batches that overshoot their limit while the one before waits ask for a larger one; small ones for a smaller. */
static void adapt(struct reclaim_bin *bin, uint32_t count)
{
    if (count >= 2 * bin->limit && bin->limit < RECLAIM_BATCH_MOST)
        bin->limit *= 2;
    else if (count < bin->limit / 2 && bin->limit > RECLAIM_BATCH_LEAST)
        bin->limit /= 2;
}

static void wake_if(bool was_idle)
{
    if (was_idle && something_waits())
        tr_check(pthread_cond_signal(&reclaimer.work) == 0);
}

void reclaim_submit(struct reclaim_bin *bin)
{
    if (bin->gathering.first == NULL || load_relaxed(&bin->state) != BIN_IDLE)
        return;
    adapt(bin, bin->gathering.count);
    bin->seen_ns = 0;
    lock();
    bool was_idle = !something_waits();
    bin->batch = bin->gathering;
    bin->gathering = (struct retired_chain){ 0 };
    /* relaxed: the lock publishes the batch */
    store_relaxed(&bin->state, reclaimer.mode == RECLAIM_INLINE ? BIN_DUE : BIN_WAITING);
    bin_link(bin, STAGE_WAITING);
    wake_if(was_idle);
    unlock();
}

/* Inline mode, outside read sections: what the thread would do now. */
static void run_inline(void)
{
    lock();
    if (reclaimer.mode == RECLAIM_INLINE && something_waits())
        run_round();
    unlock();
}

NOINLINE void reclaim_release_now(struct reclaim_bin *bin, void *context)
{
    tr_debug_check(!read_ongoing());
    if (load_relaxed(&bin->state) == BIN_DUE)
        run_inline();
    if (load_acquire(&bin->state) == BIN_RIPE) { /* [RC2] */
        struct retired *ripe = bin->batch.first;
        bin->batch = (struct retired_chain){ 0 };
        store_relaxed(&bin->state, BIN_IDLE); /* relaxed: the state is the owner's own until it submits */
        if (bin->gathering.count >= bin->limit)
            reclaim_submit(bin); /* before the release, which may retire more */
        release_all(ripe, context);
    }
    release_all(strays_take(), context);
}

void reclaim_bin_handoff(struct reclaim_bin *bin, void *context)
{
    reclaim_release_ripe(bin, context);
    if (bin->gathering.first == NULL && load_relaxed(&bin->state) == BIN_IDLE)
        return;
    bin->seen_ns = 0;
    lock();
    bool was_idle = !something_waits();
    if (bin->stage != STAGE_NONE) {
        struct retired_chain *strays = &reclaimer.strays[bin->stage];
        bin_unlink(bin);
        chain_append(strays, &bin->batch);
        store_relaxed(&bin->state, BIN_IDLE);
    }
    chain_append(&reclaimer.strays[STAGE_WAITING], &bin->gathering);
    wake_if(was_idle);
    unlock();
    run_inline();
    reclaim_release_ripe(bin, context); /* it may have ripened before the lock was had */
}

void reclaim_barrier(struct reclaim_bin *bin)
{
    tr_check(!read_ongoing());
    lock();
    if (bin != NULL)
        chain_append(&reclaimer.strays[STAGE_WAITING], &bin->gathering);
    uint64_t target = reclaimer.begun + 1; /* the next to begin covers all that is in the lists now */
    if (reclaimer.wanted < target)
        reclaimer.wanted = target;
    bool by_thread = reclaimer.running && reclaimer.mode == RECLAIM_THREAD;
    tr_check(pthread_cond_signal(&reclaimer.work) == 0);
    while (reclaimer.ended < target) {
        if (by_thread)
            pthread_cond_wait(&reclaimer.progress, &reclaimer.lock);
        else
            run_round();
    }
    unlock();
}
