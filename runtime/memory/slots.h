/* slots.h: a table of handles: from a number that is safe when stale to an object. Pids, refs, timers, sockets.
 *
 * Handle: generation (36 bits) << 26 | index (26 bits). Never 0: generations start at 1. A slot is reused first-in
 * first-out with the next generation, and never again when its generation would wrap.
 *
 * One 8-byte word a slot, in one reserved array that is committed on touch:
 *   live      the object's address (even)
 *   free      bit 0 = 1, bits 1..36 the generation that the next holder gets; 0: retired. Also while it is reserved
 *   0         the same: never published, the generation is the table's first
 *
 * Free indexes wait in a ring beside the words, not in a list through them: a list is walked from line to line, each of
 * which another core has written, while all wait for the lock. The ring is as long as the part of the table that was
 * ever in use: it grows only when it is empty, since what was never used is handed out only when nothing else is left.
 * So it never has more than its length, and its memory is 4 bytes for each slot in use at once, if ever they end.
 *
 * Validation: an object starts with its own handle (its first 8 bytes, written before `slots_publish`, constant until
 * it is freed), so `slots_find` costs the word and the line that the caller is about to touch anyway. Objects that want
 * the handle elsewhere publish the address of that member and use CONTAINER_OF.
 *
 * Invariants: a find that begins after `slots_clear` returned does not return the object. A find may return an object
 * that is being cleared: find and use happen inside one read section (memory/reclaim.h), and an object is freed only a
 * grace period after its clear. Every index is in exactly one place: a cache's `fresh` or `used` half, the table's
 * ring, never used, held, or retired.
 *
 * Roles: find and at: any thread inside a read section. take, publish, clear: any thread with a cache that it owns;
 * publish at most once and clear once per handle, in this order (clear without publish gives a reserved slot back).
 * Progress: find is wait-free; take and clear take the table's lock once a batch.
 *
 * Orderings:
 *   [SL1] release, publish: the object, its handle included, before the word; pairs with [SL2]. So is every other store
 *   to a word: who finds nobody has seen all that the object's owner did before its end (who is told that a process is
 *   dead may go on with what it has left in memory).
 *   [SL2] acquire, find and at: the word before the object; pairs with [SL1].
 *
 * Field key: (o) the cache's owner, (c) constant, (l) under the table's lock. */
#ifndef TROUPE_MEMORY_SLOTS_H
#define TROUPE_MEMORY_SLOTS_H

#include "base/atomics.h"
#include "base/compiler.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define SLOT_INDEX_BITS      26
#define SLOT_GENERATION_BITS 36
#define SLOT_INDEX_MASK      ((UINT64_C(1) << SLOT_INDEX_BITS) - 1)
#define SLOT_LAST_GENERATION ((UINT64_C(1) << SLOT_GENERATION_BITS) - 1)
#define SLOTS_MOST           (UINT32_C(1) << SLOT_INDEX_BITS)

enum { SLOT_BATCH = 64 };

struct slots {
    _Atomic uint64_t *words;   /* (c) */
    uint32_t *ring;            /* (c) its entries: (l) */
    uint32_t capacity;         /* (c) */
    uint32_t batch;            /* (c) indexes that move between the ring and a cache at once: fewer in a small table */
    uint64_t first_generation; /* (c) */
    CACHE_ALIGNED pthread_mutex_t lock;
    uint32_t first_free;       /* (l) where in the ring the oldest is */
    uint32_t free_count;       /* (l) */
    _Atomic uint32_t touched;  /* (l) indexes below were in use at some time; read without the lock by listings */
    uint64_t last_generation;  /* (l) no handle has a later one that a cache gave out which was returned */
    int64_t settled;           /* (l) taken minus cleared, of caches that were returned */
    struct slot_cache *caches; /* (l) */
};

/* A thread's indexes. All zero is a valid, empty cache; it must be returned before its memory goes. */
struct slot_cache {
    uint32_t fresh_next;          /* (o) */
    uint32_t fresh_count;         /* (o) */
    uint32_t used_count;          /* (o) */
    bool known;                   /* (o) to the table */
    uint32_t fresh[SLOT_BATCH];   /* (o) to hand out: from next up to count */
    uint32_t used[SLOT_BATCH];    /* (o) cleared, on their way to the table's ring */
    uint64_t last_generation;     /* (o) no handle of its has a later one */
    _Atomic int64_t balance;      /* (o) taken minus cleared; others look */
    struct slot_cache *next;      /* (l) of the table */
    struct slot_cache **previous; /* (l) of the table */
};

/* A table of up to SLOTS_MOST slots; capacity is rounded up to a page of words. NULL: no memory. */
struct slots *slots_create(uint32_t capacity);

/* Generations start at `first_generation`: after another table (slots_next_generation), or, in tests, shortly before
 * the last one, so that slots retire soon. */
struct slots *slots_create_at(uint32_t capacity, uint64_t first_generation);

/* No cache may be out. A table that starts with this generation gives out no handle that this one gave out: stale
 * handles stay stale. But from 1 again after 2^36 uses of one slot. */
uint64_t slots_next_generation(const struct slots *slots);

/* No cache may be out, no reader inside. Objects are not touched. */
void slots_destroy(struct slots *slots);

/* Reserves a slot: a handle that no find sees yet; 0: the table is full. Up to two batches of free indexes may rest in
 * each other thread's cache, so a small table may be full a little early. */
uint64_t slots_take(struct slots *slots, struct slot_cache *mine);

/* Gives the slot of `handle` up: finds fail from here on, the index is reused after all that were free before it. */
void slots_clear(struct slots *slots, struct slot_cache *mine, uint64_t handle);

/* Owner of the cache, or after it: all its indexes go back to the table. */
void slot_cache_return(struct slots *slots, struct slot_cache *cache);

/* Any thread: handles taken and not cleared: exact when nobody is at work. */
uint64_t slots_live(struct slots *slots);

/* Indexes that were never handed out lie at and beyond this one: a listing looks at those below. */
static inline uint32_t slots_touched(struct slots *slots) { return load_relaxed(&slots->touched); }
static inline uint32_t slots_capacity(const struct slots *slots) { return slots->capacity; }

static inline uint32_t slot_index(uint64_t handle) { return (uint32_t)(handle & SLOT_INDEX_MASK); }
static inline uint64_t slot_generation(uint64_t handle) { return handle >> SLOT_INDEX_BITS; }

/* The object becomes visible under `handle`, which is its first member already. */
static inline void slots_publish(struct slots *slots, uint64_t handle, void *object)
{
    store_release(&slots->words[slot_index(handle)], (uint64_t)(uintptr_t)object); /* [SL1] */
}

/* Inside a read section: the object at an index, or NULL. For listings. */
static inline void *slots_at(struct slots *slots, uint32_t index)
{
    if (UNLIKELY(index >= slots->capacity))
        return NULL;
    uint64_t word = load_acquire(&slots->words[index]); /* [SL2] */
    return word & 1 ? NULL : (void *)(uintptr_t)word;
}

/* Inside a read section: the object of a handle, or NULL if it is stale, 0 or made up. */
static inline void *slots_find(struct slots *slots, uint64_t handle)
{
    SIM_TOUCH(handle);
    uint64_t *object = slots_at(slots, slot_index(handle));
    return LIKELY(object != NULL) && LIKELY(*object == handle) ? object : NULL;
}

#endif
