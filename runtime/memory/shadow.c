/* shadow.c: what debug and ASan builds do to free blocks. */
#include "memory/shadow.h"

#include "base/check.h"

#include <stdint.h>
#include <string.h>

enum { FILLING = 0xDF };

void block_mark_free(void *block, size_t block_size, struct free_block *next)
{
    tr_check(!shadow_closed(block) && "freed twice");
    shadow_open(block, block_size);
    if (TR_DEBUG_ON)
        memset(block, FILLING, block_size);
    ((struct free_block *)block)->next = next;
    shadow_close(block, block_size);
}

struct free_block *block_mark_used(void *block, size_t block_size, size_t size)
{
    shadow_open(block, block_size);
    struct free_block *next = ((struct free_block *)block)->next;
    if (TR_DEBUG_ON) {
        const unsigned char *bytes = block;
        for (size_t i = sizeof(struct free_block); i < block_size; i++)
            tr_check(bytes[i] == FILLING && "a free block was written to");
        memset(block, FILLING, sizeof(struct free_block));
    }
    size_t open = size == 0 ? 1 : size; /* the first byte tells a block in use from a free one */
    shadow_close((char *)block + open, block_size - open);
    return next;
}
