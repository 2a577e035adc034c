/* large.c: large blocks, in one list, so that they can be counted and taken back at the end. */
#include "memory/large.h"

#include "memory/pool.h"
#include "memory/source.h"

static struct {
    struct slab *first;
    size_t count;
    size_t bytes;
} large; /* under the depot's lock */

void *large_alloc(size_t size)
{
    size_t header = sizeof(struct slab);
    if (size > SIZE_MAX / 2)
        return NULL;
    size_t bytes = (size + header + 4095) & ~(size_t)4095;
    struct slab *slab = source_map(bytes, SLAB_BYTES);
    if (slab == NULL)
        return NULL;
    slab->block_size = bytes - header; /* home stays NULL: no pool's */
    depot_lock();
    slab_all_link(&large.first, slab);
    large.count++;
    large.bytes += bytes;
    depot_unlock();
    return slab->blocks;
}

void large_free(struct slab *slab)
{
    size_t bytes = slab->block_size + sizeof(struct slab);
    depot_lock();
    slab_all_unlink(&large.first, slab);
    large.count--;
    large.bytes -= bytes;
    depot_unlock();
    source_unmap(slab, bytes);
}

size_t large_count(void) { return large.count; }
size_t large_bytes(void) { return large.bytes; }

void large_clear(void)
{
    while (large.first != NULL) {
        struct slab *slab = large.first;
        slab_all_unlink(&large.first, slab);
        source_unmap(slab, slab->block_size + sizeof(struct slab));
    }
    large.count = 0;
    large.bytes = 0;
}
