/* arena.h: the memory of one shard: given back block by block while the shard lives, all at once when it ends.
 *
 * Why not malloc: a shard moves between threads and would leave its blocks in every thread's arena; and FLUSHALL or a
 * crash with ten million keys would walk all of them. Here that costs one unmap for each region of 4 MiB.
 *
 *   region (4 MiB, mapped)  =  64 pages of 64 KiB, aligned to their size
 *   page                    =  a header and blocks of one size class
 *   large block             =  malloc's, in a list
 *
 * Invariants: used == sum of the class sizes (or sizes) of the blocks in use; a page is in the list of its class
 * exactly if it has room; a page without a block in use is in the list of free pages or is the only one of its class.
 * One thread at a time; failures are NULL. */
#ifndef CACHE_ARENA_H
#define CACHE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ARENA_SMALL_MAX = 8192, /* larger blocks are malloc's own */
    ARENA_CLASSES = 64 + 24 /* up to 1 KiB in steps of 16; then eight to a doubling */
};

struct arena_page;
struct arena_region;
struct arena_large;

struct arena {
    size_t used; /* bytes in blocks */
    struct arena_page *room[ARENA_CLASSES];
    struct arena_page *free_pages;
    size_t free_count;
    struct arena_region *regions;
    struct arena_large *larges;
};

/* What a block of this size really has room for: at least size. */
size_t arena_room(size_t size);
/* Aligned to 16. */
void *arena_take(struct arena *arena, size_t size);
/* size: what it was taken with, or anything of the same arena_room. */
void arena_give(struct arena *arena, void *block, size_t size);
/* Gives everything back. At most `steps` regions or large blocks of it; true: all is done, and the arena is empty. */
bool arena_release(struct arena *arena, size_t steps);

#endif
