/* depot.c: chunks in two lists: those in use, with a free slab at the front, the others behind; and those that are
 * wholly free, which serve when no other does, so that chunks in use are filled up first. Everything here is under the
 * depot's lock.
 *
 * Of a free slab three more bits are kept: touched, idle (nobody has taken it since the last depot_age) and due (nobody
 * had between the two before): due <= free, idle <= free, touched <= free. Taking it clears all of them. */
#include "memory/depot.h"

#include "base/check.h"
#include "memory/shadow.h"
#include "memory/source.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    CHUNK_SLABS = 32,
    CHUNK_BYTES = CHUNK_SLABS * SLAB_BYTES,
    TOUCHED_KEPT = 48, /* 3 MiB stay for good: what a stream of short lives gives and takes between two grace periods */
    TOUCHED_MOST = 256, /* 16 MiB: what is given back beyond goes to the system at once */
    EMPTY_MOST = 8,     /* the same for whole chunks */
    TRIM_MOST = 64,     /* slabs that go in one depot_trim: a fraction of a millisecond under the lock */
    BREAK_FREE = 24,    /* free slabs in a chunk of large pages from which on it is broken up */
    PLAIN_CHUNKS = 4,   /* a process that uses less pays only for the small pages that it touches */
};

#define ALL_SLABS UINT32_MAX

struct chunk {
    char *base;
    uint32_t free;    /* one bit a slab */
    uint32_t touched; /* in a chunk of large pages none */
    uint32_t idle, due;
    bool large_pages;
    struct chunk *next, *previous;
};
_Static_assert(CHUNK_SLABS == 32, "one bit a slab");

struct chunk_list {
    struct chunk *first, *last;
};

static struct {
    pthread_mutex_t lock;
    struct chunk_list in_use, empty;
    size_t chunk_count;
    size_t empty_count;
    size_t touched_count;
    bool settled; /* there is nothing that depot_age and depot_trim would give back later */
} depot = { .lock = PTHREAD_MUTEX_INITIALIZER, .settled = true };

void depot_lock(void) { tr_check(pthread_mutex_lock(&depot.lock) == 0); }
void depot_unlock(void) { tr_check(pthread_mutex_unlock(&depot.lock) == 0); }

static void chunk_unlink(struct chunk_list *list, struct chunk *chunk)
{
    *(chunk->previous != NULL ? &chunk->previous->next : &list->first) = chunk->next;
    *(chunk->next != NULL ? &chunk->next->previous : &list->last) = chunk->previous;
}

static void chunk_to_front(struct chunk_list *list, struct chunk *chunk)
{
    chunk->previous = NULL;
    chunk->next = list->first;
    *(list->first != NULL ? &list->first->previous : &list->last) = chunk;
    list->first = chunk;
}

static void chunk_to_back(struct chunk_list *list, struct chunk *chunk)
{
    chunk->next = NULL;
    chunk->previous = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = chunk;
    list->last = chunk;
}

static void chunk_prefer_large_pages(struct chunk *chunk)
{
    source_prefer_large_pages(chunk->base, CHUNK_BYTES);
    chunk->large_pages = true;
}

static size_t count_of(uint32_t slabs) { return (size_t)__builtin_popcount(slabs); }

/* The pages of these free slabs go back to the system. */
static void chunk_decommit(struct chunk *chunk, uint32_t slabs)
{
    for (uint32_t i = 0; i < CHUNK_SLABS; i++)
        if (slabs >> i & 1)
            source_decommit(chunk->base + (size_t)i * SLAB_BYTES, SLAB_BYTES);
    depot.touched_count -= count_of(chunk->touched & slabs);
    chunk->touched &= ~slabs;
}

/* A chunk of large pages that is mostly free is broken up: from now on its slabs are touched one by one. */
static void chunk_break(struct chunk *chunk, uint32_t slabs)
{
    chunk->large_pages = false;
    chunk->touched = chunk->free;
    depot.touched_count += count_of(chunk->touched);
    chunk_decommit(chunk, slabs);
}

/* On no list. */
static struct chunk *chunk_map(void)
{
    struct chunk *chunk = source_alloc(sizeof *chunk);
    if (chunk == NULL)
        return NULL;
    chunk->base = source_map(CHUNK_BYTES, CHUNK_BYTES);
    if (chunk->base == NULL) {
        source_free(chunk);
        return NULL;
    }
    if (depot.chunk_count >= PLAIN_CHUNKS)
        chunk_prefer_large_pages(chunk);
    chunk->free = ALL_SLABS;
    depot.chunk_count++;
    return chunk;
}

static void chunk_unmap(struct chunk *chunk)
{
    depot.chunk_count--;
    depot.touched_count -= count_of(chunk->touched);
    shadow_open(chunk->base, CHUNK_BYTES);
    source_unmap(chunk->base, CHUNK_BYTES);
    source_free(chunk);
}

static struct chunk *empty_take(void)
{
    struct chunk *chunk = depot.empty.first;
    if (chunk == NULL)
        return chunk_map();
    chunk_unlink(&depot.empty, chunk);
    depot.empty_count--;
    return chunk;
}

static void empty_give(struct chunk *chunk)
{
    if (depot.empty_count == EMPTY_MOST) {
        chunk_unmap(chunk);
        return;
    }
    chunk_to_front(&depot.empty, chunk);
    depot.empty_count++;
}

void *depot_take(struct chunk **of)
{
    struct chunk *chunk = depot.in_use.first;
    if (chunk == NULL || chunk->free == 0) {
        chunk = empty_take();
        if (chunk == NULL)
            return NULL;
        chunk_to_front(&depot.in_use, chunk);
    }
    int which = __builtin_ctz(chunk->touched != 0 ? chunk->touched : chunk->free);
    uint32_t bit = UINT32_C(1) << which;
    if (chunk->touched & bit)
        depot.touched_count--;
    chunk->free &= ~bit;
    chunk->touched &= ~bit;
    chunk->idle &= ~bit;
    chunk->due &= ~bit;
    if (chunk->free == 0) {
        chunk_unlink(&depot.in_use, chunk);
        chunk_to_back(&depot.in_use, chunk);
    }
    *of = chunk;
    return chunk->base + (size_t)which * SLAB_BYTES;
}

/* Whether so many of the chunk's slabs are worth breaking its large pages. */
static bool breaks(const struct chunk *chunk, uint32_t slabs)
{
    return chunk->large_pages && count_of(slabs) >= BREAK_FREE;
}

void depot_give(struct chunk *chunk, void *slab)
{
    uint32_t bit = UINT32_C(1) << (((uintptr_t)slab - (uintptr_t)chunk->base) / SLAB_BYTES);
    tr_check((chunk->free & bit) == 0);
    if (chunk->free == 0) {
        chunk_unlink(&depot.in_use, chunk);
        chunk_to_front(&depot.in_use, chunk);
    }
    chunk->free |= bit;
    if (!chunk->large_pages && depot.touched_count < TOUCHED_MOST) {
        chunk->touched |= bit;
        depot.touched_count++;
    } else if (!chunk->large_pages) {
        source_decommit(slab, SLAB_BYTES);
    }
    if (depot.touched_count > TOUCHED_KEPT || breaks(chunk, chunk->free))
        depot.settled = false;
    if (chunk->free != ALL_SLABS)
        return;
    chunk_unlink(&depot.in_use, chunk);
    empty_give(chunk);
    if (depot.empty_count > 1)
        depot.settled = false;
}

/* The next chunk with a free slab, from the list in use to that of the empty ones; NULL: the first, or no more. */
static struct chunk *chunk_after(const struct chunk *chunk)
{
    struct chunk *next = chunk == NULL ? depot.in_use.first : chunk->next;
    bool of_empty = chunk != NULL && chunk->free == ALL_SLABS;
    return of_empty || (next != NULL && next->free != 0) ? next : depot.empty.first;
}

void depot_age(void)
{
    for (struct chunk *chunk = chunk_after(NULL); chunk != NULL; chunk = chunk_after(chunk)) {
        chunk->due = chunk->idle;
        chunk->idle = chunk->free;
    }
}

/* Gives back what is due in this chunk; how many slabs went. */
static size_t chunk_trim(struct chunk *chunk)
{
    uint32_t slabs = chunk->touched & chunk->due;
    if (chunk->due == ALL_SLABS && depot.empty_count > 1) {
        chunk_unlink(&depot.empty, chunk);
        depot.empty_count--;
        chunk_unmap(chunk);
        return CHUNK_SLABS;
    }
    if (breaks(chunk, chunk->due)) {
        slabs = chunk->due;
        chunk_break(chunk, slabs);
        return count_of(slabs);
    }
    if (depot.touched_count <= TOUCHED_KEPT)
        return 0;
    chunk_decommit(chunk, slabs);
    return count_of(slabs);
}

bool depot_trim(void)
{
    size_t given = 0;
    bool mostly_free = false; /* a chunk of large pages that may have to be broken up later */
    struct chunk *next;
    for (struct chunk *chunk = chunk_after(NULL); chunk != NULL; chunk = next) {
        next = chunk_after(chunk);
        if (given >= TRIM_MOST)
            return true;
        mostly_free |= breaks(chunk, chunk->free) && !breaks(chunk, chunk->due);
        given += chunk_trim(chunk);
    }
    depot.settled = depot.touched_count <= TOUCHED_KEPT && depot.empty_count <= 1 && !mostly_free;
    return false;
}

bool depot_settled(void) { return depot.settled; }

size_t depot_bytes(void) { return depot.chunk_count * CHUNK_BYTES; }

void depot_clear(void)
{
    for (struct chunk *chunk = depot.empty.first, *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        chunk_unmap(chunk);
    }
    for (struct chunk *chunk = depot.in_use.first, *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        chunk_unmap(chunk);
    }
    depot.in_use = depot.empty = (struct chunk_list){ NULL, NULL };
    depot.empty_count = 0;
    depot.settled = true;
}
