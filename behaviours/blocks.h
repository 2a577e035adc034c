/* blocks.h: small blocks of memory of one process, without a header each: a supervisor may have a million children.
 *
 * Blocks are cut from chunks of tr_alloc, which go back with the process only; a block that is given back is used
 * again for
 * its size. Invariant: free[i] holds blocks of (i + 1) * BLOCK_STEP bytes; `next` to `next + left` was never given
 * out. */
#ifndef TROUPE_BEHAVIOURS_BLOCKS_H
#define TROUPE_BEHAVIOURS_BLOCKS_H

#include <stddef.h>

enum { BLOCK_STEP = 8, BLOCK_MOST = 256 };

struct block {
    struct block *next;
};

struct blocks {
    struct block *free[BLOCK_MOST / BLOCK_STEP];
    char *next;
    size_t left, chunk_size;
};

/* Zeroed memory, aligned for BLOCK_STEP; NULL: no memory. */
void *block_alloc(struct blocks *blocks, size_t size);
/* Gives it back; size: what it was allocated with. */
void block_free(struct blocks *blocks, void *block, size_t size);

#endif
