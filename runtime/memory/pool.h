/* pool.h: per-thread pools of blocks for messages, actors and other short-lived things.
 *
 * Structure, after mimalloc (Leijen, Zorn, de Moura, 2019), from the system downwards:
 *
 *   slab    64 KiB from the depot (depot.h), aligned so that a block finds it by masking; one size class; one home pool
 *   block   a multiple of 64 bytes, aligned to 64; free ones are linked through their first word
 *   pool    one current slab a size class; full slabs are on no list, all others on the class' `partial` list
 *   large   what fits no class is a mapping of its own (large.h)
 *
 * A block may be freed by any thread, through that thread's own pool. At home it goes onto its slab's list: no atomics.
 * Elsewhere it is noted in an outbox per home and goes home in batches of up to POOL_BATCH: one compare-and-swap a
 * batch, onto the home's `returned` stack, which the home takes whole when a slab runs dry. A batch travels as pointers
 * inside its first blocks (struct carrier in pool.c), so that the home does not chase links through cache lines that
 * are dirty on another core.
 *
 * Invariants of a slab, for its home's owner:
 *   used == carved - length(free); blocks in outboxes and on `returned` count as used
 *   notice == 0            the class' current slab
 *   notice == 1            on the class' partial list: freeing its last used block retires the slab
 *   notice == UINT32_MAX   full: freeing any block puts it onto the partial list
 *   a free calls the slow path iff used < notice afterwards: the one test on the fast path
 *   a slab on the spare list has used == 0 and keeps its free list, for the same class
 *
 * Roles: a pool is its owner's, one thread's; `returned` and the counters are for everybody. While the owner is parked,
 * whoever sends to the pool borrows it and takes in what came. Progress: alloc and free are wait-free at home but for
 * the depot's lock and the system; sending home is lock-free.
 *
 * Orderings:
 *   [PO1] release: the batch's contents before the batch is on `returned`; pairs with [PO2].
 *   [PO2] acquire: the home takes the batch; pairs with [PO1].
 *   [PO3] acquire: the pool is taken over, by a borrower or its owner; pairs with [PO4].
 *   [PO4] release: the pool is left by its owner or a borrower; pairs with [PO3].
 *   [PO5] full: a sender's batch before its look at the home's state; pairs with [PO6].
 *   [PO6] full: PARKED, of the owner or of a borrower that leaves it, before the last look at what came; pairs with
 *         [PO5]. One of the two sees the other, so no batch waits for a parked owner.
 *
 * Reclamation: a pool outlives its thread, since blocks may still come home: `pool_destroy` leaves a parked orphan that
 * the next `pool_create` adopts. `pool_system_release` at the very end gives everything back.
 *
 * Field key: (o) owner, (s) senders, (c) constant, (l) under the depot's lock. */
#ifndef TROUPE_MEMORY_POOL_H
#define TROUPE_MEMORY_POOL_H

#include "base/atomics.h"
#include "base/check.h"
#include "base/compiler.h"
#include "memory/depot.h"
#include "memory/shadow.h"
#include "memory/source.h"

#include <stddef.h>
#include <stdint.h>

enum {
    POOL_GRAIN = 64,            /* block sizes are multiples, addresses too */
    POOL_LARGEST_BLOCK = 21760, /* a 16 KiB body and its header; beyond, a block is a mapping of its own */
    POOL_BINS = 18,
    POOL_BATCH = 32,   /* blocks that go home together */
    POOL_OUTBOXES = 8, /* homes that a pool gathers for at once */
};

struct pool;

struct slab {
    /* (c) while a block of the slab is in use, so that foreign frees read a line that the home does not write */
    struct pool *home; /* NULL: a large block */
    struct chunk *chunk;
    size_t block_size;
    uint32_t bin;
    uint32_t capacity;
    char apart_1[128 - 32];
    /* (o) the fast path's line; relaxed atomic where `pool_counts` looks at it from outside */
    struct free_block *free;
    _Atomic uint32_t used;
    uint32_t notice;
    uint32_t carved;              /* blocks that were ever on the free list; the rest of the slab is untouched */
    struct slab *next, *previous; /* (o) partial list of the class, or the pool's spare list */
    struct slab *all_next, *all_previous; /* (l) all slabs of the pool, or all large blocks */
    CACHE_ALIGNED char blocks[];
};

_Static_assert(offsetof(struct slab, blocks) == 192, "blocks start on a cache line");

enum pool_state {
    POOL_ACTIVE,   /* its owner's */
    POOL_PARKED,   /* nobody's */
    POOL_BORROWED, /* of a thread that sent blocks home and takes them in */
};

struct outbox {
    struct pool *home;
    uint32_t count;
    void *blocks[POOL_BATCH];
};

struct pool_bin {
    struct slab *current; /* never NULL: an empty constant slab stands in */
    struct slab *partial;
};

struct pool {
    struct pool_bin bins[POOL_BINS];                  /* (o) */
    struct outbox outboxes[POOL_OUTBOXES];            /* (o) */
    struct slab *spare;                               /* (o) wholly free slabs that the pool keeps */
    uint32_t spare_count;                             /* (o) */
    uint32_t index;                                   /* (c) which outbox others use for this home */
    struct pool *all_next;                            /* (l) all pools of the process */
    struct pool *orphan_next;                         /* (l) */
    struct slab *all_slabs;                           /* (l) */
    CACHE_ALIGNED _Atomic(struct carrier *) returned; /* (s) batches from other pools */
    _Atomic uint32_t state;                           /* enum pool_state */
};

struct pool_counts {
    size_t blocks_in_use; /* given out and not home again; blocks on their way home count */
    size_t bytes_in_use;
    size_t bytes_mapped; /* by pools: slabs, and chunks' unused rest */
};

/* (c) from the first `pool_create` on: size in grains -> class */
extern uint8_t pool_bin_table[POOL_LARGEST_BLOCK / POOL_GRAIN + 1];

/* A pool for the calling thread: an orphan first. NULL: no memory. */
struct pool *pool_create(void);

/* Owner, for the last time: its thread gives it up. Blocks in use stay valid. */
void pool_destroy(struct pool *pool);

/* Owner. Sends the outboxes home and takes in what came home. For a thread that does not park, now and then. */
void pool_flush(struct pool *mine);

/* Owner, around a long sleep: pool_flush, and until pool_resume others take in what comes home, so that no memory waits
 * for a thread that sleeps. In between the owner must not use the pool. */
void pool_park(struct pool *mine);
void pool_resume(struct pool *mine);

/* The usable size of a block. */
size_t pool_block_size(const void *block);

/* Any thread: of one pool, and of all pools, large blocks included. */
struct pool_counts pool_counts(struct pool *pool);
struct pool_counts pool_system_counts(void);

/* No pool may be in use: every one destroyed. Unmaps everything, whatever blocks are still in use. */
void pool_system_release(void);

/* The slow halves of the functions below. */
void *pool_alloc_slow(struct pool *mine, size_t size);
void pool_free_slow(struct pool *mine, struct slab *slab);
void pool_free_away(struct pool *mine, struct slab *slab, void *block);

/* Under the depot's lock: lists through all_next and all_previous. */
void slab_all_link(struct slab **first, struct slab *slab);
void slab_all_unlink(struct slab **first, struct slab *slab);

static ALWAYS_INLINE struct slab *slab_of(const void *block)
{
    return (struct slab *)((uintptr_t)block & ~(uintptr_t)(SLAB_BYTES - 1));
}

static ALWAYS_INLINE uint32_t pool_bin_of(size_t size)
{
    return LIKELY(size <= POOL_GRAIN) ? 0 : pool_bin_table[(size + POOL_GRAIN - 1) / POOL_GRAIN];
}

/* Debug builds count each block as a request to the system (source_fail_after), so that tests see each one fail; others
 * count the mappings alone. */
#if defined(TR_DEBUG_BUILD) || defined(TR_FAILING_POOLS)
#define POOL_COUNTS 1
#else
#define POOL_COUNTS 0
#endif
#define POOL_REFUSES() (POOL_COUNTS && source_refuses())

/* Owner. At least `size` bytes, aligned to 64, not zeroed, the caller's until some thread gives it to `pool_free`.
 * NULL: no memory. */
static inline void *pool_alloc(struct pool *mine, size_t size)
{
    if (POOL_REFUSES())
        return NULL;
    if (UNLIKELY(size > POOL_LARGEST_BLOCK))
        return pool_alloc_slow(mine, size);
    struct slab *slab = mine->bins[pool_bin_of(size)].current; /* bin 0: messages of up to 31 bytes */
    struct free_block *block = slab->free;
    if (UNLIKELY(block == NULL))
        return pool_alloc_slow(mine, size);
    slab->free = BLOCK_MARKS ? block_mark_used(block, slab->block_size, size) : block->next;
    store_relaxed(&slab->used, load_relaxed(&slab->used) + 1); /* relaxed: only counters look in from outside */
    return block;
}

/* Owner. A block of POOL_GRAIN bytes if one is at hand; NULL: pool_alloc may have one. Calls nothing. */
static ALWAYS_INLINE void *pool_alloc_at_hand(struct pool *mine)
{
    struct slab *slab = mine->bins[0].current;
    struct free_block *block = slab->free;
    if (UNLIKELY(block == NULL) || (POOL_COUNTS && source_counts())) /* by pool_alloc: each request is counted once */
        return NULL;
    slab->free = BLOCK_MARKS ? block_mark_used(block, POOL_GRAIN, POOL_GRAIN) : block->next;
    store_relaxed(&slab->used, load_relaxed(&slab->used) + 1); /* relaxed: only counters look in from outside */
    return block;
}

/* Owner of `mine`; the block may come from any pool. */
static inline void pool_free(struct pool *mine, void *block)
{
    struct slab *slab = slab_of(block);
    if (UNLIKELY(slab->home != mine)) {
        pool_free_away(mine, slab, block);
        return;
    }
    if (BLOCK_MARKS)
        block_mark_free(block, slab->block_size, slab->free);
    else
        ((struct free_block *)block)->next = slab->free;
    slab->free = block;
    uint32_t used = load_relaxed(&slab->used) - 1;
    store_relaxed(&slab->used, used);
    if (UNLIKELY(used < slab->notice))
        pool_free_slow(mine, slab);
}

#endif
