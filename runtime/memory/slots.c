/* slots.c: where free indexes rest: the table's ring under its lock, and batches of them in the caches. */
#include "memory/slots.h"

#include "base/check.h"
#include "memory/source.h"

#include <string.h>

enum { WORDS_A_PAGE = 512 };

#define FREE_BIT         UINT64_C(1)
#define GENERATION_SHIFT 1

static uint64_t free_word(uint64_t generation) { return generation << GENERATION_SHIFT | FREE_BIT; }

static uint64_t word_generation(const struct slots *slots, uint64_t word)
{
    return word == 0 ? slots->first_generation : word >> GENERATION_SHIFT & SLOT_LAST_GENERATION;
}

static void lock(struct slots *slots) { tr_check(pthread_mutex_lock(&slots->lock) == 0); }
static void unlock(struct slots *slots) { tr_check(pthread_mutex_unlock(&slots->lock) == 0); }

struct slots *slots_create(uint32_t capacity) { return slots_create_at(capacity, 1); }

struct slots *slots_create_at(uint32_t capacity, uint64_t first_generation)
{
    tr_check(capacity > 0 && capacity <= SLOTS_MOST);
    tr_check(first_generation > 0 && first_generation <= SLOT_LAST_GENERATION);
    struct slots *slots = source_map(sizeof *slots, CACHE_LINE);
    if (slots == NULL)
        return NULL;
    slots->capacity = (capacity + WORDS_A_PAGE - 1) & ~(uint32_t)(WORDS_A_PAGE - 1);
    slots->words = source_reserve(slots->capacity * sizeof *slots->words, CACHE_LINE);
    slots->ring = slots->words == NULL ? NULL : source_reserve(slots->capacity * sizeof *slots->ring, CACHE_LINE);
    if (slots->ring == NULL) {
        if (slots->words != NULL)
            source_unreserve((void *)slots->words, slots->capacity * sizeof *slots->words);
        source_unmap(slots, sizeof *slots);
        return NULL;
    }
    uint32_t batch = slots->capacity / 256;
    slots->batch = batch > SLOT_BATCH ? SLOT_BATCH : batch;
    slots->first_generation = slots->last_generation = first_generation;
    pthread_mutex_init(&slots->lock, NULL);
    return slots;
}

uint64_t slots_next_generation(const struct slots *slots)
{
    return slots->last_generation < SLOT_LAST_GENERATION ? slots->last_generation + 1 : 1;
}

void slots_destroy(struct slots *slots)
{
    tr_check(slots->caches == NULL);
    pthread_mutex_destroy(&slots->lock);
    source_unreserve(slots->ring, slots->capacity * sizeof *slots->ring);
    source_unreserve((void *)slots->words, slots->capacity * sizeof *slots->words);
    source_unmap(slots, sizeof *slots);
}

/* Under the lock: how many of `count` entries of the ring from `from` on stand before its end. */
static uint32_t unbroken(const struct slots *slots, uint32_t from, uint32_t count)
{
    uint32_t length = load_relaxed(&slots->touched); /* relaxed: under the lock */
    return count < length - from ? count : length - from;
}

/* Under the lock: appends free indexes to the ring. */
static void give_back(struct slots *slots, const uint32_t *indexes, uint32_t count)
{
    if (count == 0)
        return;
    uint32_t length = load_relaxed(&slots->touched), end = slots->first_free + slots->free_count;
    if (end >= length)
        end -= length;
    uint32_t first = unbroken(slots, end, count);
    memcpy(&slots->ring[end], indexes, first * sizeof *indexes);
    memcpy(slots->ring, indexes + first, (count - first) * sizeof *indexes);
    slots->free_count += count;
}

/* Under the lock: takes the oldest ones out. */
static void take_oldest(struct slots *slots, uint32_t *indexes, uint32_t count)
{
    if (count == 0)
        return;
    uint32_t first = unbroken(slots, slots->first_free, count);
    memcpy(indexes, &slots->ring[slots->first_free], first * sizeof *indexes);
    memcpy(indexes + first, slots->ring, (count - first) * sizeof *indexes);
    slots->first_free += count;
    if (slots->first_free >= load_relaxed(&slots->touched))
        slots->first_free -= load_relaxed(&slots->touched);
    slots->free_count -= count;
}

/* Under the lock. */
static void give_used_back(struct slots *slots, struct slot_cache *mine)
{
    give_back(slots, mine->used, mine->used_count);
    mine->used_count = 0;
}

/* Under the lock: caches are known to the table from their first use, so that `slots_live` can add them up. */
static void know(struct slots *slots, struct slot_cache *mine)
{
    if (mine->known)
        return;
    mine->known = true;
    mine->previous = &slots->caches;
    mine->next = slots->caches;
    if (mine->next != NULL)
        mine->next->previous = &mine->next;
    slots->caches = mine;
}

/* Up to a batch of indexes: recycled ones in the order in which they came back, then such as were never used. */
static NOINLINE void refill(struct slots *slots, struct slot_cache *mine)
{
    lock(slots);
    know(slots, mine);
    if (slots->free_count < slots->batch)
        give_used_back(slots, mine);
    uint32_t touched = load_relaxed(&slots->touched), rest = slots->capacity - touched;
    uint32_t recycled = slots->free_count < slots->batch ? slots->free_count : slots->batch;
    uint32_t count = slots->batch - recycled < rest ? slots->batch : recycled + rest;
    take_oldest(slots, mine->fresh, recycled);
    for (uint32_t i = recycled; i < count; i++)
        mine->fresh[i] = touched++;
    if (count > recycled) { /* the ring grows: it is empty */
        store_relaxed(&slots->touched, touched);
        slots->first_free = 0;
    }
    unlock(slots);
    mine->fresh_next = 0;
    mine->fresh_count = count;
    for (uint32_t i = 0; i < recycled; i++) /* others have written them: all at once, while the first are used */
        __builtin_prefetch((void *)&slots->words[mine->fresh[i]], 1);
}

uint64_t slots_take(struct slots *slots, struct slot_cache *mine)
{
    if (UNLIKELY(mine->fresh_next == mine->fresh_count)) {
        refill(slots, mine);
        if (mine->fresh_count == 0)
            return 0;
    }
    uint32_t index = mine->fresh[mine->fresh_next++];
    uint64_t generation = word_generation(slots, load_relaxed(&slots->words[index])); /* relaxed: this thread's alone */
    if (UNLIKELY(generation > mine->last_generation))
        mine->last_generation = generation;
    count_up(&mine->balance);
    return generation << SLOT_INDEX_BITS | index;
}

static NOINLINE void retire(struct slots *slots, struct slot_cache *mine, _Atomic uint64_t *word)
{
    store_release(word, free_word(0)); /* nowhere, for good */
    lock(slots);
    know(slots, mine);
    unlock(slots);
}

static NOINLINE void spill(struct slots *slots, struct slot_cache *mine)
{
    lock(slots);
    know(slots, mine);
    give_used_back(slots, mine);
    unlock(slots);
}

void slots_clear(struct slots *slots, struct slot_cache *mine, uint64_t handle)
{
    uint32_t index = slot_index(handle);
    uint64_t generation = slot_generation(handle);
    _Atomic uint64_t *word = &slots->words[index];
    tr_debug_check(!(load_relaxed(word) & FREE_BIT) || load_relaxed(word) == free_word(generation));
    store_relaxed(&mine->balance, load_relaxed(&mine->balance) - 1);
    if (UNLIKELY(generation == SLOT_LAST_GENERATION)) {
        retire(slots, mine, word);
        return;
    }
    /* [SL1] a find that misses this store returns an object that stays valid for a grace period */
    store_release(word, free_word(generation + 1));
    if (UNLIKELY(mine->used_count >= slots->batch || !mine->known))
        spill(slots, mine);
    mine->used[mine->used_count++] = index;
}

void slot_cache_return(struct slots *slots, struct slot_cache *cache)
{
    lock(slots);
    know(slots, cache);
    give_back(slots, cache->fresh + cache->fresh_next, cache->fresh_count - cache->fresh_next);
    cache->fresh_next = cache->fresh_count = 0;
    give_used_back(slots, cache);
    if (cache->last_generation > slots->last_generation)
        slots->last_generation = cache->last_generation;
    slots->settled += load_relaxed(&cache->balance);
    store_relaxed(&cache->balance, 0);
    *cache->previous = cache->next;
    if (cache->next != NULL)
        cache->next->previous = cache->previous;
    cache->known = false;
    unlock(slots);
}

uint64_t slots_live(struct slots *slots)
{
    lock(slots);
    int64_t live = slots->settled;
    for (const struct slot_cache *cache = slots->caches; cache != NULL; cache = cache->next)
        live += load_relaxed(&cache->balance); /* relaxed: a snapshot of numbers that change anyway */
    unlock(slots);
    return live > 0 ? (uint64_t)live : 0;
}
