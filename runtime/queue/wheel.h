/* wheel.h: hierarchical timing wheel (Varghese and Lauck, "Hashed and hierarchical timing wheels", 1987).
 *
 * Time is cut into ticks of 2^20 ns (about 1 ms). The near level has a slot for each of the next 1024 ticks, its own
 * included, and goes around: what is due within a second lies in its own tick at once. 6 far levels of 64 slots follow.
 * A node that is due later lies on the level of the highest digit in which its tick differs from the wheel's own, in
 * the slot of that digit; when the wheel's time enters a slot of a far level, its nodes move down. Insert and remove
 * are O(1), a node moves down at most 6 times; the range is all of int64_t. Slots are coarse, firing is not: a node
 * fires when `now_ns` has reached its `due_ns`, never early.
 * When the wheel's time enters a tick, the tick's nodes are sorted, once, onto the list `due`, and fire from there: so
 * each node is looked at once, however often the tick is looked at.
 *
 * Invariants, under the lock:
 *   I1  a near node's tick, or the wheel's if that is later, is not before the wheel's and less than WHEEL_NEAR after it;
 *       a far node's agrees with the wheel's in all digits above the node's level and is greater on that level
 *   I2  a slot's bit is set <=> it is not empty; a bit of `words` is set <=> that word of `occupied` is not 0
 *   I3  a slot's `earliest` <= due_ns of all its nodes: a removal leaves it too early, never too late
 *   I4  `next_due` <= due_ns of all nodes of the wheel
 *   I5  the list `due` is sorted by due_ns; the ticks of its nodes are not after the wheel's
 *   I6  nodes of one due_ns fire in the order in which they were inserted: one on a far level was inserted before all that
 *       are nearer and due in the same tick, since the wheel's time only grows; so it goes before them when it moves down
 *
 * Roles: any thread may use any wheel, under its spin lock: critical sections are short; a thread that waits spins
 * WHEEL_SPINS times and yields from then on. `wheel_expire` lets others in after each WHEEL_FIRES nodes. Ownership: a
 * node is the wheel's from insert until remove returned true or `fire` was called for it; its memory stays the user's,
 * who keeps it in place meanwhile.
 *
 * The sleeper's race: each side writes one place and then reads the other's, all four accesses sequentially consistent,
 * so at least one sees the other:
 *
 *     sleeper                                        inserter
 *     store seq_cst: until when it will sleep        store seq_cst: next_due [WH1]
 *     load seq_cst: wheel_next_due_recheck [WH2]     if wheel_insert returned true: load seq_cst: until when it sleeps
 *     sleep no longer than that                      wake it if that is later than due_ns
 *
 * [WH1] seq_cst store of next_due, in wheel_insert; pairs with [WH2].
 * [WH2] seq_cst load of next_due, in wheel_next_due_recheck; pairs with [WH1].
 * [WH3] acquire: the lock is taken; pairs with [WH4].
 * [WH4] release: the lock is left; pairs with [WH3].
 *
 * Workers that pass by just look: `wheel_next_due`. Field key: (l) under the lock. */
#ifndef TROUPE_QUEUE_WHEEL_H
#define TROUPE_QUEUE_WHEEL_H

#include "base/atomics.h"
#include "base/clock.h"
#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    WHEEL_TICK_BITS = 20,
    WHEEL_NEAR_BITS = 10,
    WHEEL_DIGIT_BITS = 6,
    WHEEL_FAR_LEVELS = 6,
    WHEEL_NEAR = 1 << WHEEL_NEAR_BITS,
    WHEEL_WORDS = WHEEL_NEAR / 64 + WHEEL_FAR_LEVELS, /* of 64 slots */
    WHEEL_SLOTS = WHEEL_WORDS * 64,                   /* the near level's, then those of each far one */
    WHEEL_SPINS = 100,
    WHEEL_FIRES = 64,
    WHEEL_AGAIN = 64, /* in one round, of those that fire again */
};

enum wheel_place {
    WHEEL_DUE = WHEEL_SLOTS, /* sorted, fires next */
    WHEEL_OUT,               /* in no wheel */
    /* below: the slot */
};

/* 40 bytes, embedded by the user; all of it under the wheel's lock. */
struct wheel_node {
    struct wheel_node *next, *previous;
    int64_t due_ns;
    uint16_t place; /* enum wheel_place */
};

struct wheel_list {
    struct wheel_node *first, *last;
};

struct wheel_slot {
    struct wheel_list list;
    int64_t earliest;
};

struct wheel {
    _Atomic int64_t next_due; /* (l) written; anybody reads */
    CACHE_ALIGNED _Atomic uint32_t locked;
    uint32_t count;                       /* (l) nodes in slots and due */
    uint64_t tick;                        /* (l) the wheel's own time: nothing below it is in a slot */
    struct wheel_list due;                /* (l) */
    uint32_t words;                       /* (l) one bit a word of `occupied` */
    uint64_t occupied[WHEEL_WORDS];       /* (l) one bit a slot */
    struct wheel_slot slots[WHEEL_SLOTS]; /* (l) */
};

/* What is to happen to a node that is due: called under the wheel's lock, once a due time, in order of due_ns. It must
 * be short; of the same wheel it may call the functions named _locked only. Returns NEVER: the node is out of the wheel
 * and its memory the user's (it may be gone already); or another due time: it goes in again, and fires in the same
 * round if it is due already and WHEEL_AGAIN others have not done so before it. */
typedef int64_t (*wheel_fire)(struct wheel_node *node, void *arg);

void wheel_init(struct wheel *wheel, int64_t now_ns);

static inline void wheel_node_init(struct wheel_node *node) { node->place = WHEEL_OUT; }

void wheel_lock_contended(struct wheel *wheel);

/* For callers that look at state of their own and then insert or remove, in one step. Not recursive. */
static inline void wheel_lock(struct wheel *wheel)
{
    uint32_t open = 0;
    if (UNLIKELY(!atomic_compare_exchange_strong_explicit(&wheel->locked, &open, 1, memory_order_acquire, /* [WH3] */
                                                          memory_order_relaxed)))
        wheel_lock_contended(wheel);
}

static inline void wheel_unlock(struct wheel *wheel) { store_release(&wheel->locked, 0); } /* [WH4] */

/* Inserts a node that is in no wheel. True: nothing in the wheel is due earlier, so a sleeper may have to be woken. */
bool wheel_insert(struct wheel *wheel, struct wheel_node *node, int64_t due_ns);
bool wheel_insert_locked(struct wheel *wheel, struct wheel_node *node, int64_t due_ns);

/* True: the node was in the wheel and will not fire. False: it fired, is firing, or was never in. */
bool wheel_remove(struct wheel *wheel, struct wheel_node *node);
bool wheel_remove_locked(struct wheel *wheel, struct wheel_node *node);

/* Under the lock: whether the node is in. */
static inline bool wheel_node_in(const struct wheel_node *node) { return node->place != WHEEL_OUT; }

/* Fires what is due at `now_ns`, in order of due_ns; returns how many. Concurrent calls share the work, in order. */
uint32_t wheel_expire(struct wheel *wheel, int64_t now_ns, wheel_fire fire, void *arg);

/* No node is due earlier than this; NEVER: the wheel is empty. After removals it may be too early, never too late.
 * Relaxed: a hint that is looked at again soon. */
static inline int64_t wheel_next_due(const struct wheel *wheel) { return load_relaxed(&wheel->next_due); }

/* The sleeper's half of the race above. */
static inline int64_t wheel_next_due_recheck(const struct wheel *wheel)
{
    return load_seq_cst(&wheel->next_due); /* [WH2] */
}

#endif
