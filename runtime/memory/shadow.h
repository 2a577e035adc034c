/* shadow.h: what debug and AddressSanitizer builds do to free memory: debug builds fill a free block and check the
 * filling when it is given out again, ASan builds poison it. Nothing in other builds. */
#ifndef TROUPE_MEMORY_SHADOW_H
#define TROUPE_MEMORY_SHADOW_H

#include "base/check.h"
#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>

#if WITH_ASAN
#include <sanitizer/asan_interface.h>
static inline void shadow_close(void *at, size_t size) { __asan_poison_memory_region(at, size); }
static inline void shadow_open(void *at, size_t size) { __asan_unpoison_memory_region(at, size); }
static inline bool shadow_closed(const void *at) { return __asan_address_is_poisoned(at) != 0; }
#else
static inline void shadow_close(void *at, size_t size) { (void)at, (void)size; }
static inline void shadow_open(void *at, size_t size) { (void)at, (void)size; }
static inline bool shadow_closed(const void *at) { return (void)at, false; }
#endif

/* A free block: linked through its first word. */
struct free_block {
    struct free_block *next;
};

enum { BLOCK_MARKS = TR_DEBUG_ON || WITH_ASAN };

/* The block is free from here on, with `next` as its link. Found here: that it was free already (ASan). */
void block_mark_free(void *block, size_t block_size, struct free_block *next);

/* Of the block, `size` bytes are in use from here on; found here: that a free block was written to (debug). Returns the
 * link, which was not readable before. */
struct free_block *block_mark_used(void *block, size_t block_size, size_t size);

#endif
