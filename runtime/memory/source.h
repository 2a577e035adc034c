/* source.h: the seam of allocation (D15): the one place that asks the system for memory.
 *
 * Two families: mappings (source_map: page granular, aligned at will, zeroed) for slabs, stacks and tables; heap blocks
 * (source_alloc: zeroed) for what is rare and small. Everything above takes its memory from here or from a pool that
 * does, so that a test can make the n-th request fail (`source_fail_after`) and see that every caller survives it.
 *
 * Ownership: what a function returns is the caller's until it is given back to the function of the same family. Any
 * thread may call any of them; the heap family takes malloc's locks. Under AddressSanitizer mappings are roots of the
 * leak checker, since actors that live in them own heap blocks. */
#ifndef TROUPE_MEMORY_SOURCE_H
#define TROUPE_MEMORY_SOURCE_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed pages, committed on touch. `alignment` is a power of two; less than a page means a page. NULL: no memory. */
void *source_map(size_t size, size_t alignment);

/* The same without accounting (MAP_NORESERVE): address space for large tables of which little is ever touched. */
void *source_reserve(size_t size, size_t alignment);

/* Gives a whole mapping back: `address` and `size` as they were asked for. */
void source_unmap(void *address, size_t size);
void source_unreserve(void *address, size_t size);

/* A hint: large pages behind a mapping that will be filled soon. A page fault costs as much as many messages. */
void source_prefer_large_pages(void *address, size_t size);

/* The pages stay mapped and read as zero; their memory goes back to the system. Whole pages only. */
void source_decommit(void *address, size_t size);

void *source_alloc(size_t size); /* zeroed */
void source_free(void *block);

/* Bytes in mappings of `source_map` at this moment, in the whole process. */
size_t source_mapped_bytes(void);

/* Tests: the n-th request from now on fails (1: the very next), whoever makes it; with `onwards` also all that follow.
 * 0: none. */
void source_fail_after(int64_t n, bool onwards);

/* Tests: one more request, which a pool meets out of what it has: whether it is to fail. */
bool source_refuses(void);

/* Tests: whether requests are counted, so that one may be made to fail. */
bool source_counts(void);

/* Tests: whether a request was made to fail since `source_fail_after`: the loop over n ends where none was. */
bool source_failed(void);

#endif
