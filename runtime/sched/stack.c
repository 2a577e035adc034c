/* stack.c: the pool of stacks, by size class.
 *
 * Invariants, under the lock:
 *
 *     region: idle + lent = carved <= count, cold <= idle
 *     region: free[0..cold) gave their pages back, free[cold..idle) kept them
 *     region: is in the list of its class exactly if idle > 0 or carved < count
 *     class: idle and warm are the sums over the listed regions (others have none), lent over all
 *
 * guard[i] is written by whoever carved stack i, before it is lent for the first time, and constant afterwards.
 *
 * System calls (map, unmap, madvise, mprotect) are made outside the lock: what they work on is in no list then. */
#include "sched/stack.h"

#include "base/atomics.h"
#include "base/check.h"
#include "memory/source.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13; the C library's headers may be older than the kernel */
#endif

#define REGION_BYTES  ((size_t)64 << 20)
#define REGION_STACKS (REGION_BYTES / STACK_DEFAULT_BYTES) /* at most; guards make it less */
#define CLASSES       9                                    /* 256 KB << 0 .. 256 KB << 8 */

_Static_assert(STACK_DEFAULT_BYTES << (CLASSES - 1) == STACK_LARGEST_BYTES, "the classes end at the largest stack");

struct stack_region {
    struct stack_region *next, *previous; /* (l) in the class' list */
    char *base;                           /* (c) the guard of stack 0 */
    unsigned class;                       /* (c) */
    unsigned count;                       /* (c) stacks that fit */
    unsigned carved;                      /* (l) the first so many were lent at least once */
    unsigned idle;                        /* (l) in free[] */
    unsigned cold;                        /* (l) of them, without pages */
    uint16_t free[REGION_STACKS];         /* (l) indices */
    uint8_t guard[REGION_STACKS];         /* enum stack_guard, by index */
};

struct size_class {
    struct stack_region *first; /* those that have a stack to lend, the one that last became so first */
    size_t lent, idle, warm, regions;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct size_class classes[CLASSES]; /* (l) */

/* Settings and counters for the eye: relaxed throughout, nothing is published through them. */
static _Atomic bool allow_kernel_guards = true;
static _Atomic size_t protect_limit = 16000;
static _Atomic size_t reserve_bytes = REGION_BYTES;
static _Atomic size_t guards[STACK_GUARD_KINDS];
static atomic_flag warned = ATOMIC_FLAG_INIT;

static pthread_once_t kernel_guards_once = PTHREAD_ONCE_INIT;
static bool kernel_guards; /* written once, by probe_kernel_guards */

size_t stack_guard_bytes(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return page > STACK_GUARD_BYTES ? page : STACK_GUARD_BYTES;
}

static size_t class_bytes(unsigned class) { return STACK_DEFAULT_BYTES << class; }

static char *stack_low(const struct stack_region *region, unsigned index)
{
    return region->base + index * (class_bytes(region->class) + stack_guard_bytes()) + stack_guard_bytes();
}

/* A kernel may know the advice; an emulator may take any advice and do nothing. So the guard is tried out, by a system
 * call that has to fail if it stands. */
static void probe_kernel_guards(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *probe = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (probe == MAP_FAILED)
        return;
    kernel_guards = madvise(probe, page, MADV_GUARD_INSTALL) == 0 && getrandom(probe, 1, GRND_NONBLOCK) < 0;
    munmap(probe, page);
}

static void warn_canaries(void)
{
    if (!atomic_flag_test_and_set_explicit(&warned, memory_order_relaxed))
        dprintf(STDERR_FILENO,
                "troupe: no more guard pages after %zu (this kernel lacks MADV_GUARD_INSTALL): an overflow of the "
                "other stacks is seen only after it happened\n",
                load_relaxed(&guards[STACK_GUARD_PROTECT]));
}

static enum stack_guard install_guard(char *guard)
{
    pthread_once(&kernel_guards_once, probe_kernel_guards);
    if (kernel_guards && load_relaxed(&allow_kernel_guards) &&
        madvise(guard, stack_guard_bytes(), MADV_GUARD_INSTALL) == 0)
        return STACK_GUARD_KERNEL;
    if (load_relaxed(&guards[STACK_GUARD_PROTECT]) < load_relaxed(&protect_limit) &&
        mprotect(guard, stack_guard_bytes(), PROT_NONE) == 0)
        return STACK_GUARD_PROTECT;
    warn_canaries();
    return STACK_GUARD_CANARY;
}

static struct stack_region *region_map(unsigned class)
{
    size_t stride = class_bytes(class) + stack_guard_bytes();
    size_t count = stride < REGION_BYTES ? REGION_BYTES / stride : 1;
    struct stack_region *region = source_alloc(sizeof *region);
    if (region == NULL)
        return NULL;
    void *base = source_reserve(count * stride, 1);
    if (base == NULL) {
        source_free(region);
        return NULL;
    }
    madvise(base, count * stride, MADV_NOHUGEPAGE); /* else the first touch of a stack may cost 2 MB */
    region->base = base;
    region->class = class;
    region->count = (unsigned)count;
    return region;
}

static void region_unmap(struct stack_region *region)
{
    for (unsigned i = 0; i < region->carved; i++)
        atomic_fetch_sub_explicit(&guards[region->guard[i]], 1, memory_order_relaxed);
    source_unreserve(region->base, region->count * (class_bytes(region->class) + stack_guard_bytes()));
    source_free(region);
}

static bool region_listed(const struct stack_region *region)
{
    return region->idle > 0 || region->carved < region->count;
}

static void region_link(struct size_class *class, struct stack_region *region)
{
    region->previous = NULL;
    region->next = class->first;
    if (class->first != NULL)
        class->first->previous = region;
    class->first = region;
}

static void region_unlink(struct size_class *class, struct stack_region *region)
{
    if (region->next != NULL)
        region->next->previous = region->previous;
    if (region->previous != NULL)
        region->previous->next = region->next;
    else
        class->first = region->next;
}

/* Under the lock, from the first region: a stack that was used lately, else an idle one, else (*fresh) a new one. */
static unsigned region_pop(struct size_class *class, struct stack_region *region, bool *fresh)
{
    unsigned index;
    *fresh = region->idle == 0;
    if (*fresh) {
        index = region->carved++;
    } else {
        index = region->free[--region->idle];
        class->idle--;
        if (region->cold > region->idle)
            region->cold = region->idle;
        else
            class->warm--;
    }
    class->lent++;
    if (!region_listed(region))
        region_unlink(class, region);
    return index;
}

/* Under the lock. */
static void region_push(struct size_class *class, struct stack_region *region, uint16_t index, bool cold)
{
    if (!region_listed(region))
        region_link(class, region);
    region->free[region->idle++] = index;
    class->idle++;
    class->lent--;
    if (cold) { /* goes below the warm ones */
        region->free[region->idle - 1] = region->free[region->cold];
        region->free[region->cold++] = index;
    } else {
        class->warm++;
    }
}

/* Under the lock: whether nothing of the region is lent and the reserve stands without it. If so it is nobody's but the
 * caller's. */
static bool region_retire(struct size_class *class, struct stack_region *region, size_t reserve)
{
    if (region->idle < region->carved || class->idle - region->idle < reserve)
        return false;
    region_unlink(class, region);
    class->idle -= region->idle;
    class->warm -= region->idle - region->cold;
    class->regions--;
    return true;
}

static bool class_for(size_t bytes, unsigned *class)
{
    for (*class = 0; *class < CLASSES; ++*class)
        if (bytes <= class_bytes(*class))
            return true;
    return false;
}

bool stack_take(size_t bytes, struct stack *stack)
{
    unsigned number;
    if (!class_for(bytes, &number))
        return false;
    struct size_class *class = &classes[number];

    pthread_mutex_lock(&lock);
    if (class->first == NULL) {
        pthread_mutex_unlock(&lock);
        struct stack_region *mapped = region_map(number);
        if (mapped == NULL)
            return false;
        pthread_mutex_lock(&lock);
        region_link(class, mapped);
        class->regions++;
    }
    struct stack_region *region = class->first;
    bool fresh;
    unsigned index = region_pop(class, region, &fresh);
    pthread_mutex_unlock(&lock);

    char *low = stack_low(region, index);
    if (fresh) {
        region->guard[index] = (uint8_t)install_guard(low - stack_guard_bytes());
        atomic_fetch_add_explicit(&guards[region->guard[index]], 1, memory_order_relaxed);
    }
    *stack = (struct stack){ .low = low,
                             .high = low + class_bytes(number),
                             .region = region,
                             .index = (uint16_t)index,
                             .guard = region->guard[index] };
    return true;
}

/* The page next to the stack: whoever overflows leaves return addresses there. Reading it costs no memory: untouched
 * pages are all the kernel's one zero page. */
NO_ASAN NO_TSAN void stack_verify(const struct stack *stack)
{
    if (LIKELY(stack->guard != STACK_GUARD_CANARY))
        return;
    const uint64_t *end = (const uint64_t *)(const void *)stack->low;
    uint64_t seen = 0;
    for (const uint64_t *word = end - 512; word < end; word++)
        seen |= *word;
    if (seen != 0)
        misuse("stack", "an actor overflowed its stack and wrote into another's; give it a larger stack_size");
}

void stack_trim(const struct stack *stack)
{
    enum { DEEP_BYTES = 32 << 10, KEPT_BYTES = 16 << 10 };
    unsigned char resident = 0;
    if (mincore(stack->high - DEEP_BYTES, 1, &resident) == 0 && (resident & 1) != 0)
        madvise(stack->low, (size_t)(stack->high - stack->low) - KEPT_BYTES, MADV_DONTNEED);
}

void stack_give(const struct stack *stack)
{
    stack_verify(stack);
    struct stack_region *region = stack->region;
    struct size_class *class = &classes[region->class];
    size_t bytes = class_bytes(region->class);
    size_t reserve = load_relaxed(&reserve_bytes) / bytes;

    pthread_mutex_lock(&lock);
    bool cold = class->warm >= reserve;
    if (cold) {
        pthread_mutex_unlock(&lock);
        madvise(stack->low, bytes, MADV_DONTNEED);
        pthread_mutex_lock(&lock);
    }
    region_push(class, region, stack->index, cold);
    bool retired = region_retire(class, region, reserve);
    pthread_mutex_unlock(&lock);

    if (retired)
        region_unmap(region);
}

struct stack_policy stack_policy(void)
{
    return (struct stack_policy){ load_relaxed(&allow_kernel_guards), load_relaxed(&protect_limit),
                                  load_relaxed(&reserve_bytes) };
}

void stack_set_policy(struct stack_policy policy)
{
    store_relaxed(&allow_kernel_guards, policy.kernel_guards);
    store_relaxed(&protect_limit, policy.protected_guards);
    store_relaxed(&reserve_bytes, policy.reserve_bytes);
}

void stack_count(struct stack_counts *counts)
{
    *counts = (struct stack_counts){ 0 };
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < CLASSES; i++) {
        counts->lent += classes[i].lent;
        counts->idle += classes[i].idle;
        counts->warm += classes[i].warm;
        counts->regions += classes[i].regions;
    }
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; i < STACK_GUARD_KINDS; i++)
        counts->guards[i] = load_relaxed(&guards[i]);
}
