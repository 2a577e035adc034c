/* source.c: mmap and malloc behind one gate.
 *
 * The gate is one relaxed load of `armed`; the countdown behind it is exact (an atomic decrement), so that precisely
 * one request is the n-th, whichever thread makes it. */
#include "memory/source.h"

#include "base/atomics.h"
#include "base/check.h"

#include <stdlib.h>
#include <sys/mman.h>

#define PAGE_BYTES ((size_t)4096) /* the smallest page of the supported kernels: what mmap aligns to at the least */

static atomic_bool armed;
static atomic_bool fails_onwards;
static atomic_bool has_failed;
static _Atomic int64_t countdown;
static _Atomic size_t mapped_bytes;

#if WITH_ASAN
#include <sanitizer/lsan_interface.h>
static void leak_root_add(void *address, size_t size) { __lsan_register_root_region(address, size); }
static void leak_root_remove(void *address, size_t size) { __lsan_unregister_root_region(address, size); }
#else
static void leak_root_add(void *address, size_t size) { (void)address, (void)size; }
static void leak_root_remove(void *address, size_t size) { (void)address, (void)size; }
#endif

/* relaxed throughout: a test arms the gate before it starts the threads that it wants to see fail */
static NOINLINE bool count_down(void)
{
    int64_t left = atomic_fetch_sub_explicit(&countdown, 1, memory_order_relaxed) - 1;
    if (left > 0 || (left < 0 && !load_relaxed(&fails_onwards)))
        return false;
    store_relaxed(&has_failed, true);
    return true;
}

static bool must_fail(void) { return UNLIKELY(load_relaxed(&armed)) && count_down(); }

void source_fail_after(int64_t n, bool onwards)
{
    store_relaxed(&armed, false);
    store_relaxed(&countdown, n);
    store_relaxed(&fails_onwards, onwards);
    store_relaxed(&has_failed, false);
    store_relaxed(&armed, n > 0);
}

bool source_refuses(void) { return must_fail(); }

bool source_counts(void) { return load_relaxed(&armed); }

bool source_failed(void) { return load_relaxed(&has_failed); }

/* Maps more than asked for and cuts both ends off, where the system's alignment does not suffice. */
static void *map_aligned(size_t size, size_t alignment, int flags)
{
    if (alignment < PAGE_BYTES)
        alignment = PAGE_BYTES;
    tr_check((alignment & (alignment - 1)) == 0 && size > 0);
    size = (size + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    size_t slack = alignment - PAGE_BYTES;
    if (must_fail() || size > SIZE_MAX - slack)
        return NULL;
    char *address = mmap(NULL, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    if (address == MAP_FAILED)
        return NULL;
    char *aligned = (char *)(((uintptr_t)address + alignment - 1) & ~(uintptr_t)(alignment - 1));
    size_t before = (size_t)(aligned - address);
    if (before > 0)
        munmap(address, before);
    if (slack > before)
        munmap(aligned + size, slack - before);
    return aligned;
}

void *source_map(size_t size, size_t alignment)
{
    void *address = map_aligned(size, alignment, 0);
    if (address == NULL)
        return NULL;
    leak_root_add(address, size);
    atomic_fetch_add_explicit(&mapped_bytes, size, memory_order_relaxed); /* relaxed: only looked at */
    return address;
}

void source_unmap(void *address, size_t size)
{
    leak_root_remove(address, size);
    atomic_fetch_sub_explicit(&mapped_bytes, size, memory_order_relaxed);
    tr_check(munmap(address, size) == 0);
}

void *source_reserve(size_t size, size_t alignment) { return map_aligned(size, alignment, MAP_NORESERVE); }

void source_unreserve(void *address, size_t size) { tr_check(munmap(address, size) == 0); }

void source_decommit(void *address, size_t size) { tr_check(madvise(address, size, MADV_DONTNEED) == 0); }

void source_prefer_large_pages(void *address, size_t size)
{
    (void)madvise(address, size, MADV_HUGEPAGE); /* a kernel without them says no */
}

size_t source_mapped_bytes(void) { return load_relaxed(&mapped_bytes); }

void *source_alloc(size_t size) { return must_fail() ? NULL : calloc(1, size); }

void source_free(void *block) { free(block); }
