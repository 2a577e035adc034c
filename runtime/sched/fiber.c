/* fiber.c: a fiber's life, what the sanitizers have to know about it, and the pool.
 *
 * AddressSanitizer poisons parts of a stack (frames, red zones) and relies on functions returning to clean up. A fiber
 * whose frames are dropped leaves that behind, so its whole stack is unpoisoned before it is entered anew or given
 * back: stacks in the pool are always clean. It also keeps "fake stacks" for locals that outlive their frame; one
 * belongs to each suspended fiber. ThreadSanitizer keeps a shadow call stack for each fiber; since dropped frames
 * cannot be taken off it, it is made anew.
 *
 * The functions between telling a sanitizer and the jump are not instrumented, else their own bookkeeping would go to
 * the wrong fiber. The other side of a watched switch begins in `land`, which is what the architecture's part calls as
 * its `after`. */
#include "sched/fiber.h"

#include "base/check.h"
#include "memory/source.h"

#include <pthread.h>

/* Neighbors in a region have their records on different cache lines of the page; what that takes is not there for
 * frames. */
#define PLACES 16

#define RECORD_BYTES ((sizeof(struct fiber) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE)

_Static_assert(offsetof(struct fiber, sp) == 0 && offsetof(struct fiber, ip) == 8 && offsetof(struct fiber, fp) == 16 &&
                   offsetof(struct fiber, base) == 24 && offsetof(struct fiber, modes) == 32,
               "the assembly knows these");
_Static_assert(RECORD_BYTES + (PLACES - 1) * CACHE_LINE <= 1280, "fiber.h promises that");

/* The sanitizers' interface, declared here so that code which is not instrumented compiles against it without their
 * headers. */
void __asan_unpoison_memory_region(void const volatile *address, size_t size);
void __sanitizer_start_switch_fiber(void **fake_stack_save, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *fake_stack_save, const void **bottom_old, size_t *size_old);
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);

/* What the far side of a watched switch needs. Lies on the stack that is left; read before `after` can give that stack
 * away. */
struct landing {
    struct fiber *to;
    fiber_after *after;
    void *arg;
};

static size_t stack_bytes(const struct stack *stack) { return (size_t)(stack->high - stack->low); }

static NO_ASAN NO_TSAN void land(void *raw)
{
    const struct landing *landing = raw;
    struct fiber *to = landing->to;
    fiber_after *after = landing->after;
    void *arg = landing->arg;
    if (WITH_ASAN) {
        __sanitizer_finish_switch_fiber(to->asan_frames, NULL, NULL);
        to->asan_frames = NULL;
    }
    to->sp = NULL; /* used up; the checks below see who resumes a fiber twice */
    if (after != NULL)
        after(arg);
}

/* The last thing before the jump. `frames`: where the fake stack of the fiber that is left is kept; NULL drops it. */
static ALWAYS_INLINE void take_off(void **frames, const struct fiber *to)
{
    if (WITH_ASAN)
        __sanitizer_start_switch_fiber(frames, to->stack.low, stack_bytes(&to->stack));
    if (WITH_TSAN)
        __tsan_switch_to_fiber(to->tsan_fiber, 0);
}

NO_ASAN NO_TSAN NOINLINE void fiber_jump_watched(struct fiber *from, struct fiber *to, fiber_after *after, void *arg)
{
    struct landing landing = { to, after, arg };
    tr_debug_check(from != to);
    tr_debug_check(to->sp != NULL);
    tr_debug_check(fiber_owns(from, __builtin_frame_address(0)));
    take_off(&from->asan_frames, to);
    fiber_jump(from, to, land, &landing);
}

NO_ASAN NO_TSAN NOINLINE void fiber_leave_watched(struct fiber *to, fiber_after *after, void *arg)
{
    struct landing landing = { to, after, arg };
    tr_debug_check(to->sp != NULL);
    take_off(NULL, to);
    fiber_leave(to, land, &landing);
}

NO_ASAN NO_TSAN void fiber_abandon(struct fiber *from, struct fiber *to, fiber_after *after, void *arg)
{
    from->sp = NULL;
    if (FIBER_WATCHED)
        fiber_leave_watched(to, after, arg);
    fiber_leave(to, after, arg);
}

/* Drops the fake stack of a suspended fiber: AddressSanitizer drops only the current one, so for a moment it is made
 * that. */
static NO_ASAN NO_TSAN void drop_fake_stack(struct fiber *fiber)
{
    void *mine = NULL;
    const void *bottom;
    size_t size;
    if (!WITH_ASAN)
        return;
    __sanitizer_start_switch_fiber(&mine, fiber->stack.low, stack_bytes(&fiber->stack));
    __sanitizer_finish_switch_fiber(fiber->asan_frames, &bottom, &size);
    __sanitizer_start_switch_fiber(NULL, bottom, size);
    __sanitizer_finish_switch_fiber(mine, NULL, NULL);
    fiber->asan_frames = NULL;
}

/* Makes the sanitizers forget the frames on the stack. */
static void drop_frames(struct fiber *fiber)
{
    if (WITH_ASAN && fiber->used)
        __asan_unpoison_memory_region(fiber->stack.low, stack_bytes(&fiber->stack));
    if (fiber->asan_frames != NULL)
        drop_fake_stack(fiber);
    if (WITH_TSAN && fiber->tsan_fiber != NULL)
        __tsan_destroy_fiber(fiber->tsan_fiber);
    fiber->tsan_fiber = NULL;
}

/* Valgrind has to know which ranges are stacks, else a switch looks to it like a frame that comes or goes. It watches
 * for an instruction sequence that does nothing (documented in its valgrind.h, stable); elsewhere this costs a
 * nanosecond. Returns 0 where nobody listens. */
enum { VALGRIND_STACK_REGISTER = 0x1501, VALGRIND_STACK_DEREGISTER = 0x1502 };

#if defined(__x86_64__)
static NO_ASAN NO_TSAN uintptr_t ask_valgrind(uintptr_t request, uintptr_t first, uintptr_t second)
{
    uintptr_t question[6] = { request, first, second }, answer = 0;
    __asm__ volatile("rolq $3, %%rdi\n\trolq $13, %%rdi\n\trolq $61, %%rdi\n\trolq $51, %%rdi\n\t"
                     "xchgq %%rbx, %%rbx"
                     : "+d"(answer)
                     : "a"(question)
                     : "cc", "memory");
    return answer;
}
#elif defined(__aarch64__)
static NO_ASAN NO_TSAN uintptr_t ask_valgrind(uintptr_t request, uintptr_t first, uintptr_t second)
{
    uintptr_t question[6] = { request, first, second };
    register uintptr_t answer __asm__("x3") = 0;
    register uintptr_t *asked __asm__("x4") = question;
    __asm__ volatile("ror x12, x12, #3\n\tror x12, x12, #13\n\tror x12, x12, #51\n\tror x12, x12, #61\n\t"
                     "orr x10, x10, x10"
                     : "+r"(answer)
                     : "r"(asked)
                     : "cc", "memory");
    return answer;
}
#else
static uintptr_t ask_valgrind(uintptr_t request, uintptr_t first, uintptr_t second)
{
    return (void)request, (void)first, (void)second, 0;
}
#endif

struct fiber *fiber_create(size_t stack_size)
{
    struct stack stack;
    if (!stack_take(stack_size, &stack))
        return NULL;
    struct fiber *fiber = (struct fiber *)(void *)(stack.high - RECORD_BYTES -
                                                   stack.index % PLACES * (size_t)CACHE_LINE);
    *fiber = (struct fiber){ .stack = stack };
    fiber->valgrind_stack = ask_valgrind(VALGRIND_STACK_REGISTER, (uintptr_t)stack.low, (uintptr_t)stack.high - 1);
    return fiber;
}

void fiber_destroy(struct fiber *fiber)
{
    drop_frames(fiber);
    ask_valgrind(VALGRIND_STACK_DEREGISTER, fiber->valgrind_stack, 0);
    struct stack stack = fiber->stack;
    stack_give(&stack);
}

void fiber_native(struct fiber *native)
{
    pthread_attr_t attributes;
    void *low = NULL;
    size_t size = 0;
    tr_check(pthread_getattr_np(pthread_self(), &attributes) == 0);
    tr_check(pthread_attr_getstack(&attributes, &low, &size) == 0);
    pthread_attr_destroy(&attributes);
    *native = (struct fiber){ .stack = { .low = low, .high = (char *)low + size } };
    if (WITH_TSAN)
        native->tsan_fiber = __tsan_get_current_fiber();
}

void fiber_prepare(struct fiber *fiber, fiber_entry *entry, void *arg)
{
    drop_frames(fiber);
    if (WITH_TSAN)
        fiber->tsan_fiber = __tsan_create_fiber(0);
    fiber->used = true;
    fiber_build(fiber, entry, arg);
}

bool fiber_owns(const struct fiber *fiber, const void *address)
{
    uintptr_t at = (uintptr_t)address;
    return at >= (uintptr_t)fiber->stack.low && at < (uintptr_t)fiber->stack.high;
}

bool fiber_guards(const struct fiber *fiber, const void *address)
{
    uintptr_t low = (uintptr_t)fiber->stack.low;
    uintptr_t at = (uintptr_t)address;
    return at < low && at >= low - stack_guard_bytes();
}

struct fiber_pool {
    fiber_entry *entry; /* (c) */
    void *arg;          /* (c) */
    size_t reserve;     /* (c) */
    pthread_mutex_t lock;
    struct fiber *first; /* (l) linked by next */
    size_t count;        /* (l) its length */
};

struct fiber_pool *fiber_pool_open(fiber_entry *entry, void *arg, size_t reserve)
{
    struct fiber_pool *pool = source_alloc(sizeof *pool);
    if (pool == NULL)
        return NULL;
    *pool = (struct fiber_pool){ .entry = entry, .arg = arg, .reserve = reserve, .lock = PTHREAD_MUTEX_INITIALIZER };
    return pool;
}

static void destroy_list(struct fiber *fiber)
{
    while (fiber != NULL) {
        struct fiber *next = fiber->next;
        fiber_destroy(fiber);
        fiber = next;
    }
}

void fiber_pool_close(struct fiber_pool *pool)
{
    destroy_list(pool->first);
    pthread_mutex_destroy(&pool->lock);
    source_free(pool);
}

/* Takes what the reserve has room for; the rest is destroyed. */
static void pool_put(struct fiber_pool *pool, struct fiber *const *fibers, unsigned count)
{
    struct fiber *excess = NULL;
    pthread_mutex_lock(&pool->lock);
    for (unsigned i = 0; i < count; i++) {
        bool room = pool->count < pool->reserve;
        struct fiber **list = room ? &pool->first : &excess;
        fibers[i]->next = *list;
        *list = fibers[i];
        if (room)
            pool->count++;
    }
    pthread_mutex_unlock(&pool->lock);
    destroy_list(excess);
}

static unsigned pool_get(struct fiber_pool *pool, struct fiber **fibers, unsigned wanted)
{
    unsigned count = 0;
    pthread_mutex_lock(&pool->lock);
    for (; count < wanted && pool->first != NULL; count++) {
        fibers[count] = pool->first;
        pool->first = pool->first->next;
        pool->count--;
    }
    pthread_mutex_unlock(&pool->lock);
    return count;
}

void fiber_cache_init(struct fiber_cache *cache, struct fiber_pool *pool)
{
    cache->pool = pool;
    cache->count = 0;
}

struct fiber *fiber_cache_get_slow(struct fiber_cache *cache)
{
    cache->count = pool_get(cache->pool, cache->fibers, FIBER_BATCH);
    if (LIKELY(cache->count > 0))
        return cache->fibers[--cache->count];
    struct fiber *fiber = fiber_create(0);
    if (fiber != NULL)
        fiber_prepare(fiber, cache->pool->entry, cache->pool->arg);
    return fiber;
}

/* When full, the half that rested longest goes to the pool. */
void fiber_cache_put_slow(struct fiber_cache *cache, struct fiber *fiber)
{
    stack_verify(&fiber->stack);
    if (cache->count == 2 * FIBER_BATCH) {
        pool_put(cache->pool, cache->fibers, FIBER_BATCH);
        cache->count = FIBER_BATCH;
        for (unsigned i = 0; i < FIBER_BATCH; i++)
            cache->fibers[i] = cache->fibers[FIBER_BATCH + i];
    }
    cache->fibers[cache->count++] = fiber;
}

void fiber_cache_drain(struct fiber_cache *cache)
{
    pool_put(cache->pool, cache->fibers, cache->count);
    cache->count = 0;
}
