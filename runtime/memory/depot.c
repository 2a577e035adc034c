/* depot.c: chunks in one list: those with a free slab at the front, the others behind. Everything here is under the
 * depot's lock. */
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
    TOUCHED_MOST = 48, /* 3 MiB: what a stream of short lives gives back and takes again between two grace periods */
    BREAK_FREE = 24,   /* free slabs in a chunk of large pages from which on it is broken up */
    PLAIN_CHUNKS = 4,  /* a process that uses less pays only for the small pages that it touches */
};

#define ALL_SLABS UINT32_MAX

struct chunk {
    char *base;
    uint32_t free;    /* one bit a slab */
    uint32_t touched; /* subset of free; in a chunk of large pages none */
    bool large_pages;
    struct chunk *next, *previous;
};
_Static_assert(CHUNK_SLABS == 32, "one bit a slab");

static struct {
    pthread_mutex_t lock;
    struct chunk *first, *last;
    size_t chunk_count;
    size_t free_chunks; /* wholly free: 0 or 1 */
    size_t touched_count;
} depot = { .lock = PTHREAD_MUTEX_INITIALIZER };

void depot_lock(void) { tr_check(pthread_mutex_lock(&depot.lock) == 0); }
void depot_unlock(void) { tr_check(pthread_mutex_unlock(&depot.lock) == 0); }

static void chunk_unlink(struct chunk *chunk)
{
    *(chunk->previous != NULL ? &chunk->previous->next : &depot.first) = chunk->next;
    *(chunk->next != NULL ? &chunk->next->previous : &depot.last) = chunk->previous;
}

static void chunk_to_front(struct chunk *chunk)
{
    chunk->previous = NULL;
    chunk->next = depot.first;
    *(depot.first != NULL ? &depot.first->previous : &depot.last) = chunk;
    depot.first = chunk;
}

static void chunk_to_back(struct chunk *chunk)
{
    chunk->next = NULL;
    chunk->previous = depot.last;
    *(depot.last != NULL ? &depot.last->next : &depot.first) = chunk;
    depot.last = chunk;
}

static void chunk_prefer_large_pages(struct chunk *chunk)
{
    source_prefer_large_pages(chunk->base, CHUNK_BYTES);
    chunk->large_pages = true;
}

/* A chunk of large pages that is mostly free is broken up: what is free in it goes back to the system. */
static void chunk_break(struct chunk *chunk)
{
    for (uint32_t i = 0; i < CHUNK_SLABS; i++)
        if (chunk->free >> i & 1)
            source_decommit(chunk->base + (size_t)i * SLAB_BYTES, SLAB_BYTES);
    chunk->large_pages = false;
}

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
    chunk_to_front(chunk);
    depot.chunk_count++;
    depot.free_chunks++;
    return chunk;
}

static void chunk_unmap(struct chunk *chunk)
{
    depot.chunk_count--;
    depot.touched_count -= (size_t)__builtin_popcount(chunk->touched);
    chunk_unlink(chunk);
    shadow_open(chunk->base, CHUNK_BYTES);
    source_unmap(chunk->base, CHUNK_BYTES);
    source_free(chunk);
}

void *depot_take(struct chunk **of)
{
    struct chunk *chunk = depot.first;
    if (chunk == NULL || chunk->free == 0)
        chunk = chunk_map();
    if (chunk == NULL)
        return NULL;
    if (chunk->free == ALL_SLABS)
        depot.free_chunks--;
    int which = __builtin_ctz(chunk->touched != 0 ? chunk->touched : chunk->free);
    uint32_t bit = UINT32_C(1) << which;
    if (chunk->touched & bit)
        depot.touched_count--;
    chunk->free &= ~bit;
    chunk->touched &= ~bit;
    if (chunk->free == 0) {
        chunk_unlink(chunk);
        chunk_to_back(chunk);
    }
    *of = chunk;
    return chunk->base + (size_t)which * SLAB_BYTES;
}

void depot_give(struct chunk *chunk, void *slab)
{
    uint32_t bit = UINT32_C(1) << (((uintptr_t)slab - (uintptr_t)chunk->base) / SLAB_BYTES);
    tr_check((chunk->free & bit) == 0);
    if (chunk->free == 0) {
        chunk_unlink(chunk);
        chunk_to_front(chunk);
    }
    chunk->free |= bit;
    if (chunk->free == ALL_SLABS && depot.free_chunks > 0) {
        chunk_unmap(chunk);
        return;
    }
    if (chunk->free == ALL_SLABS)
        depot.free_chunks++;
    if (chunk->large_pages) {
        if (__builtin_popcount(chunk->free) >= BREAK_FREE)
            chunk_break(chunk);
    } else if (depot.touched_count < TOUCHED_MOST) {
        chunk->touched |= bit;
        depot.touched_count++;
    } else {
        source_decommit(slab, SLAB_BYTES);
    }
}

size_t depot_bytes(void) { return depot.chunk_count * CHUNK_BYTES; }

void depot_clear(void)
{
    while (depot.first != NULL)
        chunk_unmap(depot.first);
    depot.free_chunks = 0;
}
