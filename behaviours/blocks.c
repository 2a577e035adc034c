/* blocks.c: small blocks of memory of one process. */
#include "blocks.h"

#include <string.h>

#include <troupe/process.h>

/* A chunk is a little less than a power of two, so that what tr_alloc puts in front of it fits in. */
enum { CHUNK_LEAST = 512, CHUNK_MOST = 16384, CHUNK_SPARE = 32 };

static size_t class_of(size_t size) { return (size + BLOCK_STEP - 1) / BLOCK_STEP - (size > 0); }

/* What is left of the chunk before is lost: less than one block. */
static bool add_chunk(struct blocks *blocks)
{
    size_t size = blocks->chunk_size == 0 ? CHUNK_LEAST : blocks->chunk_size;
    char *chunk = tr_alloc(size - CHUNK_SPARE);
    if (chunk == NULL)
        return false;
    blocks->next = chunk;
    blocks->left = size - CHUNK_SPARE;
    blocks->chunk_size = size < CHUNK_MOST ? 2 * size : size;
    return true;
}

void *block_alloc(struct blocks *blocks, size_t size)
{
    if (size > BLOCK_MOST)
        return tr_alloc(size);
    size_t class = class_of(size), rounded = (class + 1) * BLOCK_STEP;
    struct block *block = blocks->free[class];
    if (block != NULL) {
        blocks->free[class] = block->next;
        return memset(block, 0, rounded);
    }
    if (blocks->left < rounded && !add_chunk(blocks))
        return NULL;
    void *cut = blocks->next;
    blocks->next += rounded;
    blocks->left -= rounded;
    return cut;
}

void block_free(struct blocks *blocks, void *block, size_t size)
{
    if (size > BLOCK_MOST) {
        tr_free(block);
        return;
    }
    struct block *freed = block;
    freed->next = blocks->free[class_of(size)];
    blocks->free[class_of(size)] = freed;
}
