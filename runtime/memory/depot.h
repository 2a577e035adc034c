/* depot.h: where the pools of all threads get their slabs, and give them back.
 *
 * Memory comes from the system in chunks of 2 MiB, aligned, 32 slabs each. A free slab is `touched` if its pages may be
 * committed. What is given back stays as it is for whoever asks next, up to 16 MiB; beyond that, pages go back to the
 * system at once. The watchdog calls depot_age every DEPOT_AGE_MS, and depot_trim gives back what nobody has taken
 * since the one before: pages of free slabs, whole chunks, but for 3 MiB and a chunk, which stay. So memory returns
 * after a burst, and a process that gives and takes in turn does not ask the system each time, which must unmap, fault
 * in and zero each page.
 *
 * Once a process uses several chunks, further ones ask for large pages: a backlog of messages that grows into new
 * memory otherwise spends half its time in page faults (47 ns a message, 22 with large pages; 4-core x86-64 virtual
 * machine).
 *
 * Roles: any thread; depot_age, depot_trim and depot_settled are for the watchdog. All but the lock functions are
 * called under the lock. */
#ifndef TROUPE_MEMORY_DEPOT_H
#define TROUPE_MEMORY_DEPOT_H

#include <stdbool.h>
#include <stddef.h>

enum { SLAB_BYTES = 64 * 1024, DEPOT_AGE_MS = 100 };

struct chunk;

void depot_lock(void);
void depot_unlock(void);

/* A slab, aligned to its size, contents undefined, and the chunk that it goes back to; NULL: no memory. */
void *depot_take(struct chunk **of);
void depot_give(struct chunk *chunk, void *slab);

/* A period ends: what was free all the time is due. */
void depot_age(void);
/* Gives back some of what is due; true: there is more. */
bool depot_trim(void);
/* Whether there is nothing that further calls of the two would give back. */
bool depot_settled(void);

/* Bytes of all chunks. */
size_t depot_bytes(void);

/* Unmaps all chunks, whether their slabs were given back or not. */
void depot_clear(void);

#endif
