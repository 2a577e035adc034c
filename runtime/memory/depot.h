/* depot.h: where the pools of all threads get their slabs, and give them back.
 *
 * Memory comes from the system in chunks of 2 MiB, aligned, 32 slabs each. A free slab is `touched` if its pages may be
 * committed; a few of those are kept for the next pool that asks, the pages of the others go back to the system at
 * once; a chunk whose slabs are all free is unmapped, unless it is the only such one. So memory returns after a burst.
 *
 * Once a process uses several chunks, further ones ask for large pages: a backlog of messages that grows into new
 * memory otherwise spends half its time in page faults (47 ns a message, 22 with large pages; 4-core x86-64 virtual
 * machine).
 *
 * Roles: any thread; all but the lock functions under the lock. */
#ifndef TROUPE_MEMORY_DEPOT_H
#define TROUPE_MEMORY_DEPOT_H

#include <stddef.h>

enum { SLAB_BYTES = 64 * 1024 };

struct chunk;

void depot_lock(void);
void depot_unlock(void);

/* A slab, aligned to its size, contents undefined, and the chunk that it goes back to; NULL: no memory. */
void *depot_take(struct chunk **of);
void depot_give(struct chunk *chunk, void *slab);

/* Bytes of all chunks. */
size_t depot_bytes(void);

/* Unmaps all chunks, whether their slabs were given back or not. */
void depot_clear(void);

#endif
