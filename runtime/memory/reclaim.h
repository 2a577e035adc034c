/* reclaim.h: deferred freeing (RCU): the one place that knows liburcu's flavour and the one that runs grace periods.
 *
 * Flavour `memb`: a read section costs under a nanosecond and binds nobody: a handler that computes for a minute,
 * outside read sections, does not hold reclamation up (QSBR would). Objects that others may still look at are retired,
 * gathered per worker, and released when a grace period has passed: one for the batches of all workers, so that an
 * object pays almost nothing (call_rcu: 250 ns).
 *
 *   owner                         reclaimer thread                      owner, at a turn boundary
 *   reclaim_retire: gathering --> waiting (one batch a bin) --grace--> ripe: reclaim_release_ripe
 *   reclaim_bin_handoff:      --> strays                    --grace--> ripe strays: released by whoever comes first
 *
 * A bin has at most one batch under way; what is retired meanwhile is gathered, so batches grow with the load by
 * themselves. What waits is bounded by the rate of retirement times the longest read section plus RECLAIM_PACE_MOST_NS:
 * read sections are short and contain no block.
 *
 * Invariants: an item is in exactly one chain. A released item was retired before a grace period that has passed since.
 * After `reclaim_bin_handoff` a bin is empty and unknown to the reclaimer, until its next `reclaim_retire`.
 *
 * Roles: a bin is its owner's; strays are anybody's. read_begin and read_end: threads that are online. Progress: read
 * sections are wait-free; retire is wait-free but for the reclaimer's lock once a batch. An idle process has no
 * periodic wake-up: the reclaimer sleeps on a condition variable.
 *
 * Orderings:
 *   [RC1] release: the batch is ripe, after its grace period; pairs with [RC2].
 *   [RC2] acquire: the bin's owner sees it ripe; pairs with [RC1].
 *   [RC3] release: strays are ripe; pairs with [RC4].
 *   [RC4] acquire: somebody takes them; pairs with [RC3].
 *
 * ThreadSanitizer can't see liburcu's grace periods: in its
 * builds read_end releases one address and the reclaimer acquires it after the grace period: what that guarantees, no
 * more. */
#ifndef TROUPE_MEMORY_RECLAIM_H
#define TROUPE_MEMORY_RECLAIM_H

#include "base/atomics.h"
#include "base/check.h"
#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

/* Only the inline read side: <urcu/urcu-memb.h> would bring wfcqueue.h along, whose orderings queue/mailbox.h sets. The
 * LGPL allows these functions of under ten lines; Troupe may be relinked with another liburcu of the same ABI. */
#include <urcu/static/urcu-memb.h>

struct rcu_flavor_struct;

enum { RECLAIM_BATCH_LEAST = 256, RECLAIM_BATCH_MOST = 4096 };

/* Between the starts of grace periods, for each bin that had a share in the last one, up to the most: a grace period
 * interrupts all threads that run, and what waits for it is not in the cache any more when it is used again. One thread
 * that starts and ends processes gets its memory back four times as early as four that share the interruptions. */
#define RECLAIM_PACE_NS      INT64_C(250000)
#define RECLAIM_PACE_MOST_NS INT64_C(1000000)
#define RECLAIM_AGE_NS       INT64_C(4000000) /* reclaim_tick submits a batch that is older */

/* Embedded in what is retired. `release` gets the context of the thread that releases. */
struct retired {
    struct retired *next;
    void (*release)(struct retired *item, void *context);
};

struct retired_chain {
    struct retired *first;
    struct retired *last;
    uint32_t count;
};

enum bin_state {
    BIN_IDLE,
    BIN_WAITING, /* for a grace period */
    BIN_DUE,     /* the same in inline mode: the owner runs it at its next turn boundary */
    BIN_RIPE,
};

/* All zero is a valid, empty bin but for `limit`: reclaim_bin_init. */
struct reclaim_bin {
    struct retired_chain gathering; /* (o) */
    uint32_t limit;                 /* (o) batch size at which it is submitted */
    int64_t seen_ns;                /* (o) when reclaim_tick first saw the oldest of them; 0: not yet */
    _Atomic uint32_t state;         /* (o) IDLE <-> WAITING or DUE, RIPE -> IDLE; the round: WAITING or DUE -> RIPE */
    struct retired_chain batch;     /* (l) the reclaimer's lock, but RIPE: (o) */
    struct reclaim_bin *next, *previous; /* (l) */
    uint8_t stage;                       /* (l) which of the reclaimer's lists */
};

enum reclaim_mode {
    RECLAIM_THREAD, /* grace periods run on a thread of their own */
    RECLAIM_INLINE, /* in the owner's reclaim_release_ripe or handoff: simulation, without free-running threads */
};

/* Starts reclamation; false: no thread to be had. With a `context` the reclaimer releases ripe strays itself, passing
 * it, and calls `settle` (may be NULL) before it sleeps; without, strays wait for a worker. */
bool reclaim_start(enum reclaim_mode mode, void *context, void (*settle)(void *context));

/* All bins were handed off. Releases everything that is left, passing `context`, and ends the thread. */
void reclaim_stop(void *context);

/* Registers the calling thread as a reader, or unregisters it; each may be called any number of times. A thread that
 * ends registered is unregistered then, late enough for other thread-specific destructors to read. Not inside a read
 * section. */
void reclaim_thread_online(void);
void reclaim_thread_offline(void);

/* For liburcu's hash table, which takes the flavour as an argument. */
const struct rcu_flavor_struct *reclaim_flavor(void);

void reclaim_bin_init(struct reclaim_bin *bin);

/* The slow halves of the functions below. */
void reclaim_submit(struct reclaim_bin *bin);
void reclaim_release_now(struct reclaim_bin *bin, void *context);
void reclaim_read_begin_seen(void);
extern _Atomic(struct retired *) reclaim_ripe_strays;

/* Whether the calling thread is inside a read section: for checks. */
static inline bool read_ongoing(void) { return _urcu_memb_read_ongoing() != 0; }

/* Outermost sections, of who knows that it is in none: what liburcu does, with one look at whether there is membarrier
 * where it has two, and none at the depth. The end returns false if read_end_rest has still to be called: a grace
 * period waits for it, or it is not as simple. */
static ALWAYS_INLINE void read_begin_outer(void)
{
    tr_debug_check(!read_ongoing());
    if (WITH_TSAN) {
        reclaim_read_begin_seen();
    } else if (WITH_SIM) {
        _urcu_memb_read_lock();
    } else {
        unsigned long now = __atomic_load_n(&urcu_memb_gp.ctr, __ATOMIC_RELAXED); /* with a depth of 1 in it */
        __atomic_store_n(&URCU_TLS(urcu_memb_reader).ctr, now, __ATOMIC_RELAXED);
        urcu_memb_smp_mb_slave(); /* a grace period makes it a full fence: the section before its reads */
    }
}
static ALWAYS_INLINE bool read_end_outer(void)
{
    if (UNLIKELY(WITH_TSAN || WITH_SIM || !urcu_memb_has_sys_membarrier))
        return false;
    cmm_barrier(); /* a grace period makes it a full fence: the section's reads before its end */
    __atomic_store_n(&URCU_TLS(urcu_memb_reader).ctr, 0UL, __ATOMIC_RELAXED);
    cmm_barrier(); /* as above: the end before the look at who waits */
    return LIKELY(__atomic_load_n(&urcu_memb_gp.futex, __ATOMIC_RELAXED) != -1);
}
void read_end_rest(void);

/* Read sections nest. A function that inlines these must not block (change threads) between two of them: compilers keep
 * the address of thread-locals. */
static ALWAYS_INLINE void read_begin(void)
{
    if (WITH_TSAN)
        reclaim_read_begin_seen();
    else
        _urcu_memb_read_lock();
}

static ALWAYS_INLINE void read_end(void)
{
    if (WITH_TSAN || WITH_SIM) {
        read_end_rest();
        return;
    }
    bool outer = (URCU_TLS(urcu_memb_reader).ctr & URCU_GP_CTR_NEST_MASK) == URCU_GP_COUNT;
    if (UNLIKELY(!outer || !read_end_outer()))
        read_end_rest();
}

/* The same, never inlined: for functions that block between two of them. */
void read_begin_apart(void);
void read_end_apart(void);

/* Owner of the bin. `item` is out of reach of new readers already; it is released a grace period later. */
static inline void reclaim_retire(struct reclaim_bin *bin, struct retired *item)
{
    item->next = NULL;
    if (bin->gathering.first == NULL)
        bin->gathering.first = item;
    else
        bin->gathering.last->next = item;
    bin->gathering.last = item;
    if (UNLIKELY(++bin->gathering.count >= bin->limit) && load_relaxed(&bin->state) == BIN_IDLE)
        reclaim_submit(bin);
}

/* Owner of the bin, at a turn boundary, outside read sections. Two relaxed loads when there is nothing: what is missed
 * is seen at the next boundary. */
static inline void reclaim_release_ripe(struct reclaim_bin *bin, void *context)
{
    if (UNLIKELY(load_relaxed(&bin->state) >= BIN_DUE) || UNLIKELY(load_relaxed(&reclaim_ripe_strays) != NULL))
        reclaim_release_now(bin, context);
}

/* Owner, whenever it has a time stamp at hand: submits what has waited for RECLAIM_AGE_NS. */
static inline void reclaim_tick(struct reclaim_bin *bin, int64_t now_ns)
{
    if (LIKELY(bin->gathering.first == NULL) || load_relaxed(&bin->state) != BIN_IDLE)
        return;
    if (bin->seen_ns == 0)
        bin->seen_ns = now_ns;
    else if (now_ns - bin->seen_ns >= RECLAIM_AGE_NS)
        reclaim_submit(bin);
}

/* Owner, outside read sections, before it parks or retires: its ripe items are released, all others become strays, so
 * that nothing waits for it. */
void reclaim_bin_handoff(struct reclaim_bin *bin, void *context);

/* Any thread, outside read sections. After it, what was retired into `bin` (the caller's; may be NULL) and all that was
 * submitted or handed off before is ripe or released. */
void reclaim_barrier(struct reclaim_bin *bin);

#endif
