/* large.h: blocks beyond the largest size class: each a mapping of its own that begins like a slab, with no home, so
 * that `pool_free` finds out what it is. Any thread; count, bytes and clear under the depot's lock. */
#ifndef TROUPE_MEMORY_LARGE_H
#define TROUPE_MEMORY_LARGE_H

#include <stddef.h>

struct slab;

void *large_alloc(size_t size); /* NULL: no memory */
void large_free(struct slab *slab);

size_t large_count(void);
size_t large_bytes(void);

/* Unmaps all large blocks that are still in use. */
void large_clear(void);

#endif
