/* pool.c: the slow half of the pools: slabs, blocks on their way home, large blocks, and the pools' lives.
 *
 * What pools share is under the depot's lock: the lists of pools, orphans and large blocks, and each pool's list of all
 * its slabs (so that counters may walk it). It is taken once a slab, never once a block. */
#include "memory/pool.h"

#include "memory/large.h"
#include "memory/source.h"

#include <sched.h>

enum {
    POOL_SPARES = 4,
    CARVE_BYTES = 4096, /* blocks enter the free list a page at a time, so that memory is touched as it is needed */
    CARRIER_BLOCKS = 6,
};

#define FULL UINT32_MAX

/* Lies in the first block of up to 1 + CARRIER_BLOCKS that go home together. */
struct carrier {
    struct carrier *next;
    size_t count;
    void *blocks[CARRIER_BLOCKS];
};
_Static_assert(sizeof(struct carrier) == POOL_GRAIN, "a carrier fits the smallest block");

static struct {
    struct pool *pools;
    struct pool *orphans;
    uint32_t pool_count;
} shared; /* all under the depot's lock */

static const uint32_t bin_bytes[POOL_BINS] = { 64,   128,  192,  256,  320,  384,  576,  768,   1088,
                                               1600, 2176, 3264, 4352, 5440, 7232, 9280, 13056, POOL_LARGEST_BLOCK };

uint8_t pool_bin_table[POOL_LARGEST_BLOCK / POOL_GRAIN + 1];

/* Stands in for a current slab: no free block, none to carve. Never written: `carved` equals `capacity`, and no block
 * is in it. */
static struct slab no_slab;

void slab_all_link(struct slab **first, struct slab *slab)
{
    slab->all_previous = NULL;
    slab->all_next = *first;
    if (*first != NULL)
        (*first)->all_previous = slab;
    *first = slab;
}

void slab_all_unlink(struct slab **first, struct slab *slab)
{
    *(slab->all_previous != NULL ? &slab->all_previous->all_next : first) = slab->all_next;
    if (slab->all_next != NULL)
        slab->all_next->all_previous = slab->all_previous;
}

/* --- slabs (owner) ----------------------------------------------------------------------------- */

/* The depot's lock is held: counters may look at a slab that changes its class. */
static void slab_shape(struct slab *slab, uint32_t bin)
{
    slab->bin = bin;
    slab->block_size = bin_bytes[bin];
    slab->capacity = (uint32_t)((SLAB_BYTES - sizeof(struct slab)) / bin_bytes[bin]);
    slab->free = NULL;
    slab->carved = 0;
    store_relaxed(&slab->used, 0);
    shadow_close(slab->blocks, SLAB_BYTES - sizeof(struct slab));
}

/* A slab of the class, on no list but that of all slabs; NULL: no memory. */
static struct slab *slab_get(struct pool *mine, uint32_t bin)
{
    struct slab *slab = mine->spare;
    if (slab != NULL) {
        mine->spare = slab->next;
        mine->spare_count--;
        if (slab->bin == bin)
            return slab;
        depot_lock();
        slab_shape(slab, bin);
        depot_unlock();
        return slab;
    }
    struct chunk *chunk;
    depot_lock();
    slab = depot_take(&chunk);
    if (slab != NULL) {
        slab->chunk = chunk;
        slab->home = mine;
        slab_shape(slab, bin);
        slab_all_link(&mine->all_slabs, slab);
    }
    depot_unlock();
    return slab;
}

static void slab_to_depot(struct pool *mine, struct slab *slab)
{
    depot_lock();
    slab_all_unlink(&mine->all_slabs, slab);
    shadow_open(slab, SLAB_BYTES);
    depot_give(slab->chunk, slab);
    depot_unlock();
}

/* Wholly free and on no list: kept for the next class that needs one, or given back. */
static void slab_retire(struct pool *mine, struct slab *slab)
{
    if (mine->spare_count < POOL_SPARES) {
        slab->next = mine->spare;
        mine->spare = slab;
        mine->spare_count++;
    } else {
        slab_to_depot(mine, slab);
    }
}

static void partial_link(struct pool_bin *bin, struct slab *slab)
{
    slab->notice = 1;
    slab->previous = NULL;
    slab->next = bin->partial;
    if (bin->partial != NULL)
        bin->partial->previous = slab;
    bin->partial = slab;
}

static void partial_unlink(struct pool_bin *bin, struct slab *slab)
{
    *(slab->previous != NULL ? &slab->previous->next : &bin->partial) = slab->next;
    if (slab->next != NULL)
        slab->next->previous = slab->previous;
}

void pool_free_slow(struct pool *mine, struct slab *slab)
{
    struct pool_bin *bin = &mine->bins[slab->bin];
    if (slab->notice == FULL)
        partial_link(bin, slab);
    if (load_relaxed(&slab->used) > 0)
        return;
    partial_unlink(bin, slab);
    slab_retire(mine, slab);
}

/* Puts the next page's worth of untouched blocks onto the slab's empty free list, lowest address first. */
static void carve(struct slab *slab)
{
    uint32_t left = slab->capacity - slab->carved;
    uint32_t step = (uint32_t)(CARVE_BYTES / slab->block_size);
    uint32_t count = step == 0 ? 1 : step;
    if (count > left)
        count = left;
    char *first = slab->blocks + (size_t)slab->carved * slab->block_size;
    for (uint32_t i = count; i-- > 0;) {
        void *block = first + (size_t)i * slab->block_size;
        if (BLOCK_MARKS) {
            shadow_open(block, slab->block_size);
            block_mark_free(block, slab->block_size, slab->free);
        } else {
            ((struct free_block *)block)->next = slab->free;
        }
        slab->free = block;
    }
    slab->carved += count;
}

/* --- blocks on their way home ------------------------------------------------------------------ */

static void free_at_home(struct pool *mine, void *block)
{
    shadow_open(block, sizeof(struct free_block));
    pool_free(mine, block);
}

/* Frees all that came home. The stack is taken whole, so that no link is ever compared: no ABA. */
static void take_returned(struct pool *mine)
{
    if (load_relaxed(&mine->returned) == NULL) /* relaxed: a batch that is missed now is seen at the next slow call */
        return;
    struct carrier *carrier = atomic_exchange_explicit(&mine->returned, NULL, memory_order_acquire); /* [PO2] */
    while (carrier != NULL) {
        struct carrier here = *carrier;
        if (here.next != NULL)
            __builtin_prefetch(here.next);
        for (size_t i = 0; i < here.count; i++)
            __builtin_prefetch(here.blocks[i], 1);
        free_at_home(mine, carrier);
        for (size_t i = 0; i < here.count; i++)
            free_at_home(mine, here.blocks[i]);
        carrier = here.next;
    }
}

/* A parked pool can't take in what comes home: whoever sends to it does so in its place, for as long as it holds the
 * pool borrowed; and looks again when it has left it, for who sent meanwhile and found it borrowed. [PO3] acquire: what
 * the owner (or the borrower before) did to the pool; pairs with [PO4] release. */
static void take_returned_of_parked(struct pool *home)
{
    while (load_relaxed(&home->returned) != NULL) {
        uint32_t parked = POOL_PARKED;
        if (load_relaxed(&home->state) != parked || /* relaxed: only a hint, the exchange decides */
            !atomic_compare_exchange_strong_explicit(&home->state, &parked, POOL_BORROWED,
                                                     memory_order_acquire, /* [PO3] */
                                                     memory_order_relaxed))
            return;
        take_returned(home);
        store_release(&home->state, POOL_PARKED);  /* [PO4] */
        atomic_thread_fence(memory_order_seq_cst); /* [PO6] the state before the look at what came; pairs with [PO5] */
    }
}

static void outbox_send(struct outbox *outbox)
{
    struct carrier *first = NULL;
    struct carrier *last = NULL;
    for (uint32_t i = 0; i < outbox->count;) {
        struct carrier *carrier = outbox->blocks[i++];
        shadow_open(carrier, sizeof *carrier);
        carrier->count = 0;
        while (i < outbox->count && carrier->count < CARRIER_BLOCKS)
            carrier->blocks[carrier->count++] = outbox->blocks[i++];
        carrier->next = first;
        first = carrier;
        if (last == NULL)
            last = carrier;
    }
    outbox->count = 0;
    if (first == NULL)
        return;
    _Atomic(struct carrier *) *returned = &outbox->home->returned;
    struct carrier *head = load_relaxed(returned); /* relaxed: only compared; the exchange below publishes */
    do {
        last->next = head;
    } while (!atomic_compare_exchange_weak_explicit(returned, &head, first, memory_order_release, /* [PO1] */
                                                    memory_order_relaxed));
    fence_after_rmw(); /* [PO5] the batch before the look at its home's state; pairs with [PO6] */
    take_returned_of_parked(outbox->home);
}

void pool_free_away(struct pool *mine, struct slab *slab, void *block)
{
    struct pool *home = slab->home;
    if (home == NULL) {
        large_free(slab);
        return;
    }
    if (BLOCK_MARKS)
        block_mark_free(block, slab->block_size, NULL);
    struct outbox *outbox = &mine->outboxes[home->index % POOL_OUTBOXES];
    if (UNLIKELY(outbox->home != home)) {
        outbox_send(outbox);
        outbox->home = home;
    }
    outbox->blocks[outbox->count++] = block;
    if (UNLIKELY(outbox->count == POOL_BATCH))
        outbox_send(outbox);
}

/* --- allocation -------------------------------------------------------------------------------- */

/* Gives the class a current slab with a free block: what came home, untouched blocks, a partial slab, another slab. */
static bool refill(struct pool *mine, uint32_t which)
{
    struct pool_bin *bin = &mine->bins[which];
    take_returned(mine);
    struct slab *slab = bin->current;
    if (slab->free != NULL)
        return true;
    if (slab->carved == slab->capacity) {
        struct slab *other = bin->partial;
        if (other != NULL)
            partial_unlink(bin, other);
        else
            other = slab_get(mine, which);
        if (other == NULL)
            return false;
        if (slab != &no_slab)
            slab->notice = FULL;
        slab = other;
        slab->notice = 0;
        bin->current = slab;
    }
    if (slab->free == NULL)
        carve(slab);
    return true;
}

void *pool_alloc_slow(struct pool *mine, size_t size)
{
    if (size > POOL_LARGEST_BLOCK)
        return large_alloc(size);
    if (!refill(mine, pool_bin_of(size)))
        return NULL;
    return pool_alloc(mine, size);
}

size_t pool_block_size(const void *block) { return slab_of(block)->block_size; }

/* --- pools ------------------------------------------------------------------------------------- */

/* Under the lock, or where that is the first pool: everybody who looks into the table owns a pool. */
static void fill_bin_table(void)
{
    uint32_t bin = 0;
    for (size_t grains = 0; grains < sizeof pool_bin_table; grains++) {
        if (grains * POOL_GRAIN > bin_bytes[bin])
            bin++;
        pool_bin_table[grains] = (uint8_t)bin;
    }
}

struct pool *pool_create(void)
{
    depot_lock();
    struct pool *pool = shared.orphans;
    if (pool != NULL) {
        shared.orphans = pool->orphan_next;
        depot_unlock();
        pool_resume(pool);
        return pool;
    }
    if (shared.pools == NULL)
        fill_bin_table();
    pool = source_map(sizeof *pool, CACHE_LINE);
    if (pool != NULL) {
        for (size_t i = 0; i < POOL_BINS; i++)
            pool->bins[i].current = &no_slab;
        pool->index = shared.pool_count++;
        pool->all_next = shared.pools;
        shared.pools = pool;
    }
    depot_unlock();
    return pool;
}

void pool_flush(struct pool *mine)
{
    for (size_t i = 0; i < POOL_OUTBOXES; i++)
        outbox_send(&mine->outboxes[i]);
    take_returned(mine);
}

void pool_park(struct pool *mine)
{
    pool_flush(mine);
    atomic_exchange_explicit(&mine->state, POOL_PARKED, memory_order_release); /* [PO4] */
    fence_after_rmw(); /* [PO6] the state before the look at what came; pairs with [PO5] */
    take_returned_of_parked(mine);
}

void pool_resume(struct pool *mine)
{
    for (uint32_t parked = POOL_PARKED;
         !atomic_compare_exchange_weak_explicit(&mine->state, &parked, POOL_ACTIVE, memory_order_acquire, /* [PO3] */
                                                memory_order_relaxed);
         parked = POOL_PARKED)
        sched_yield(); /* until the borrower has taken in one stack of batches */
}

void pool_destroy(struct pool *pool)
{
    pool_flush(pool);
    for (size_t i = 0; i < POOL_BINS; i++) {
        struct slab *slab = pool->bins[i].current;
        if (slab == &no_slab || load_relaxed(&slab->used) > 0)
            continue;
        pool->bins[i].current = &no_slab;
        slab_to_depot(pool, slab);
    }
    while (pool->spare != NULL) {
        struct slab *slab = pool->spare;
        pool->spare = slab->next;
        pool->spare_count--;
        slab_to_depot(pool, slab);
    }
    pool_park(pool);
    depot_lock();
    pool->orphan_next = shared.orphans;
    shared.orphans = pool;
    depot_unlock();
}

static void count_slabs(const struct pool *pool, struct pool_counts *counts)
{
    for (const struct slab *slab = pool->all_slabs; slab != NULL; slab = slab->all_next) {
        size_t used = load_relaxed(&slab->used); /* relaxed: a snapshot of numbers that change anyway */
        counts->blocks_in_use += used;
        counts->bytes_in_use += used * slab->block_size;
        counts->bytes_mapped += SLAB_BYTES;
    }
}

struct pool_counts pool_counts(struct pool *pool)
{
    struct pool_counts counts = { 0 };
    depot_lock();
    count_slabs(pool, &counts);
    depot_unlock();
    return counts;
}

struct pool_counts pool_system_counts(void)
{
    struct pool_counts counts = { 0 };
    depot_lock();
    for (struct pool *pool = shared.pools; pool != NULL; pool = pool->all_next)
        count_slabs(pool, &counts);
    counts.blocks_in_use += large_count();
    counts.bytes_in_use += large_bytes();
    counts.bytes_mapped = depot_bytes() + large_bytes();
    depot_unlock();
    return counts;
}

void pool_system_release(void)
{
    depot_lock();
    while (shared.orphans != NULL) {
        struct pool *pool = shared.orphans;
        shared.orphans = pool->orphan_next;
        shared.pool_count--;
        source_unmap(pool, sizeof *pool);
    }
    tr_check(shared.pool_count == 0 && "pools still in use");
    shared.pools = NULL;
    large_clear();
    depot_clear();
    depot_unlock();
}
