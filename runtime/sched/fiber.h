/* fiber.h: execution contexts that block, move between threads, and can be dropped (D1).
 *
 * A fiber is a stack and, while it is suspended, what is needed to go on: a few registers, the rest is on that stack.
 * Its record lies at the top of the stack itself, so that a blocked fiber touches one page in all:
 *
 *     | guard | free ... | frames ... | first frame | struct fiber | up to 1 KB unused |
 *             ^low       ^sp                        ^the fiber                         ^high
 *
 * States, and the function behind each edge:
 *
 *     created --prepare--> ready --switch to--> running --switch from--> suspended --switch to--> running
 *     running --abandon--> empty --prepare--> ready          suspended --prepare--> ready (its frames are dropped)
 *     created, ready, suspended, empty --destroy--> gone
 *
 * The hand-over: while a thread leaves `from`, the registers of `from` are not saved yet. So nobody may be able to find
 * `from` before `after(arg)` runs, and that runs on the other side of the switch. Whatever publishes `from` there (a
 * queue, a pool, a wait word) does so with release, and its taker takes with acquire: the plain stores of the registers
 * come before the one, the plain loads after the other.
 *
 * Saved: all that a called function has to preserve. That includes the floating-point modes (rounding, traps, flush to
 * zero), so what fesetround() sets stays with the fiber. Not saved: the signal mask (the ucontext version does), errno,
 * thread-locals; these belong to the thread, and a fiber may come back on another (D2).
 *
 * The switch is inlined and leaves by a jump: the compiler saves the few registers that are live, and no return is
 * mispredicted. As a called function with a return at its end it took 17 to 20 ns instead of 4. Records do not all lie
 * at the same offset in their page, else the first lines of all stacks compete for the same sets of the first-level
 * cache: a ring of 1,000 fibers took 50 ns a switch instead of 12.
 *
 * Neutral towards shadow stacks: none is switched, and the assembly does not claim support, so neither does what it is
 * linked into.
 *
 * Rejected: setjmp/longjmp (fortified, saves less and more than needed), a record beside the stack (a second touched
 * page). */
#ifndef TROUPE_SCHED_FIBER_H
#define TROUPE_SCHED_FIBER_H

#include "base/check.h"
#include "base/compiler.h"
#include "sched/stack.h"

#include <stdbool.h>

typedef void fiber_entry(void *arg); /* never returns */
typedef void fiber_after(void *arg);

/* Field key: (o) whoever runs the fiber or, while nobody does, owns it; (c) constant. The assembly and debuggers know
 * the first five. */
struct fiber {
    void *sp;       /* (o) while suspended: the stack pointer; NULL if there is nothing to resume */
    void *ip;       /* (o) where to go on; with ucontext sp is the ucontext_t, and this and the next three are unused */
    void *fp;       /* (o) the frame pointer: rbp, x29 */
    void *base;     /* (o) rbx, x19: what else compilers do not let inline assembly declare as changed */
    uint64_t modes; /* (o) floating-point modes: mxcsr and x87 control word, fpcr */
    struct fiber *next;       /* (o) free for the lists of whoever owns the suspended fiber */
    struct stack stack;       /* (c) of a native fiber: the thread's own stack, without region */
    bool used;                /* (o) was prepared before: frames may lie on the stack */
    void *asan_frames;        /* (o) AddressSanitizer's fake stack while suspended, else NULL */
    void *tsan_fiber;         /* (o) ThreadSanitizer's view of this fiber, else NULL */
    uintptr_t valgrind_stack; /* (c) Valgrind's number for the stack */
    fiber_entry *entry;       /* (o) this and the next three: for fiber_ucontext.c only */
    void *arg;                /* (o) */
    fiber_after *after;       /* (o) */
    void *after_arg;          /* (o) */
};

/* A fiber with a stack of at least stack_size bytes (0: the default), up to 1,280 of them taken by the fiber itself; to
 * be prepared before it is entered. NULL: no memory, or larger than STACK_LARGEST_BYTES. Any thread. */
struct fiber *fiber_create(size_t stack_size);

/* Gives the stack back. Of a fiber that nobody runs or will run; frames still on it are dropped. Any thread. */
void fiber_destroy(struct fiber *fiber);

/* Makes *native stand for the calling thread's own stack, so that the thread can switch away from and back to it. The
 * object is the caller's and lives as long as fibers may switch to it; only this thread may resume it. */
void fiber_native(struct fiber *native);

/* The next switch to the fiber enters entry(arg) on an empty stack, with the floating-point modes of the calling
 * thread. Of a fiber that nobody runs; frames still on it are dropped without a trace: no clean-up, no destructors. Any
 * thread. */
void fiber_prepare(struct fiber *fiber, fiber_entry *entry, void *arg);

/* The architecture's part: fiber_jump below with fiber_switch_<arch>.S, or fiber_ucontext.c if TR_FIBER_UCONTEXT is
 * defined. Their contracts are those of fiber_switch, fiber_abandon and fiber_prepare, without the sanitizers. */
NORETURN void fiber_leave(struct fiber *to, fiber_after *after, void *arg);
void fiber_build(struct fiber *fiber, fiber_entry *entry, void *arg);

#if defined(TR_FIBER_UCONTEXT)

void fiber_jump(struct fiber *from, struct fiber *to, fiber_after *after, void *arg);

#elif defined(__x86_64__)

#if defined(__AVX512F__)
#define FIBER_VECTORS_BEYOND                                                                                      \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", \
        "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
#define FIBER_VECTORS_BEYOND
#endif

/* Saves what the compiler can't, leaves by fiber_resume with `to`, `after`, `arg` and the thread's modes in registers,
 * and goes on at 1 with the `after` and `arg` of whoever resumed this fiber. All other registers are declared as
 * changed. */
static ALWAYS_INLINE void fiber_jump(struct fiber *from, struct fiber *to, fiber_after *after, void *arg)
{
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rsp, 0(%%rdi)\n\t"
                     "movq %%rax, 8(%%rdi)\n\t"
                     "movq %%rbp, 16(%%rdi)\n\t"
                     "movq %%rbx, 24(%%rdi)\n\t"
                     "stmxcsr 32(%%rdi)\n\t"
                     "fnstcw 36(%%rdi)\n\t"
                     "movl 32(%%rdi), %%eax\n\t"
                     "movzwl 36(%%rdi), %%r8d\n\t"
                     "jmp fiber_resume\n"
                     "1:"
                     : "+D"(from), "+S"(to), "+d"(after), "+c"(arg)
                     :
                     : "rax", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3",
                       "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                       "xmm15", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "cc",
                       "memory" FIBER_VECTORS_BEYOND);
    if (after != NULL)
        after(arg);
}

#elif defined(__aarch64__)

#if defined(__ARM_FEATURE_SVE)
#define FIBER_VECTORS_BEYOND \
    , "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12", "p13", "p14", "p15"
#else
#define FIBER_VECTORS_BEYOND
#endif

/* As above. The hint is a landing pad for indirect jumps (bti j). */
static ALWAYS_INLINE void fiber_jump(struct fiber *from, struct fiber *to, fiber_after *after, void *arg)
{
    register struct fiber *x0 __asm__("x0") = from;
    register struct fiber *x1 __asm__("x1") = to;
    register fiber_after *x2 __asm__("x2") = after;
    register void *x3 __asm__("x3") = arg;
    __asm__ volatile("adr x9, 1f\n\t"
                     "mov x10, sp\n\t"
                     "stp x10, x9, [x0, #0]\n\t"
                     "stp x29, x19, [x0, #16]\n\t"
                     "mrs x9, fpcr\n\t"
                     "str x9, [x0, #32]\n\t"
                     "b fiber_resume\n"
                     "1:\thint #36"
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
                     :
                     : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17",
                       "x18", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x30", "v0", "v1", "v2",
                       "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17",
                       "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31",
                       "cc", "memory" FIBER_VECTORS_BEYOND);
    if (x2 != NULL)
        x2(x3);
}

#else
#error "no switch for this architecture: build with TR_FIBER_UCONTEXT and fiber_ucontext.c"
#endif

/* The same with the sanitizers told about it; and with the checks of debug builds. */
void fiber_jump_watched(struct fiber *from, struct fiber *to, fiber_after *after, void *arg);
NORETURN void fiber_leave_watched(struct fiber *to, fiber_after *after, void *arg);

#define FIBER_WATCHED (WITH_ASAN || WITH_TSAN || TR_DEBUG_ON)

/* Suspends the running fiber `from` and continues `to`, which is ready or suspended and the caller's to run. The first
 * thing that happens there, on the stack of `to`, is after(arg) unless after is NULL; only from then on may another
 * thread find `from`. Returns when somebody switches to `from`, maybe on another thread. The caller keeps no address of
 * a thread-local across it. */
static ALWAYS_INLINE void fiber_switch(struct fiber *from, struct fiber *to, fiber_after *after, void *arg)
{
    if (FIBER_WATCHED)
        fiber_jump_watched(from, to, after, arg);
    else
        fiber_jump(from, to, after, arg);
}

/* As fiber_switch, but the frames of the running fiber `from` are gone for good: it has to be prepared before it is
 * entered again, or destroyed, and `after` is the earliest place for that. */
NORETURN void fiber_abandon(struct fiber *from, struct fiber *to, fiber_after *after, void *arg);

/* Of the calling fiber: the bytes between here and the guard; the caller's own frame counts as left. */
static ALWAYS_INLINE size_t fiber_stack_left(const struct fiber *fiber)
{
    const char *here = (const char *)__builtin_frame_address(0);
    return here > fiber->stack.low ? (size_t)(here - fiber->stack.low) : 0;
}

/* Whether that is at least `bytes`, which is little. */
static ALWAYS_INLINE bool fiber_has_left(const struct fiber *fiber, size_t bytes)
{
    return (intptr_t)((uintptr_t)__builtin_frame_address(0) - (uintptr_t)fiber->stack.low) >= (intptr_t)bytes;
}

/* The upper end of the stack, aligned for a call. A signal handler that gives up what a fiber was doing may let the
 * thread go on here, in a function that abandons the fiber: the frames it overwrites are dropped anyway. */
static inline void *fiber_base(struct fiber *fiber) { return fiber; }

/* Whether the address lies in the fiber's stack, its record included; and whether in the guard below. */
bool fiber_owns(const struct fiber *fiber, const void *address);
bool fiber_guards(const struct fiber *fiber, const void *address);

/* Fibers of the default size, ready to be entered, shared by the workers of one scheduler. The fibers in it are fresh,
 * prepared with the pool's entry, or suspended somewhere in that entry: a pool cannot tell and does not touch the saved
 * context. Beyond the reserve they are destroyed; what they were suspended in is dropped, so it must hold nothing that
 * matters. */
struct fiber_pool;
struct fiber_pool *fiber_pool_open(fiber_entry *entry, void *arg, size_t reserve); /* NULL: no memory */
/* Destroys what is in it. Nobody uses it any more, and the caches are drained. */
void fiber_pool_close(struct fiber_pool *pool);

/* A worker's own share. Owner only: one thread at a time, without locks. Last in, first out; from and to the pool in
 * batches. */
#define FIBER_BATCH 32
struct fiber_cache {
    struct fiber_pool *pool;
    unsigned count;
    struct fiber *fibers[2 * FIBER_BATCH];
};

void fiber_cache_init(struct fiber_cache *cache, struct fiber_pool *pool);

/* The caller's from now on. Of a cache that is not empty. */
static ALWAYS_INLINE struct fiber *fiber_cache_take(struct fiber_cache *cache) { return cache->fibers[--cache->count]; }

/* The same of any; NULL: no memory. */
struct fiber *fiber_cache_get_slow(struct fiber_cache *cache);
static inline struct fiber *fiber_cache_get(struct fiber_cache *cache)
{
    return LIKELY(cache->count > 0) ? fiber_cache_take(cache) : fiber_cache_get_slow(cache);
}

/* Takes a fiber of default size, suspended somewhere in the pool's entry, or prepared with it; or the one that the
 * owner runs on and is about to leave there: what goes to the pool is what rested longest. */
void fiber_cache_put_slow(struct fiber_cache *cache, struct fiber *fiber);
static inline void fiber_cache_put(struct fiber_cache *cache, struct fiber *fiber)
{
    if (LIKELY(cache->count < 2 * FIBER_BATCH && fiber->stack.guard != STACK_GUARD_CANARY))
        cache->fibers[cache->count++] = fiber;
    else
        fiber_cache_put_slow(cache, fiber);
}

/* Everything to the pool. */
void fiber_cache_drain(struct fiber_cache *cache);

#endif
