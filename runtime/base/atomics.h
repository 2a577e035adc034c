/* atomics.h: C11 atomics under short names, one per ordering that the runtime uses.
 *
 * The orderings are those of the C11 model; nothing relies on x86. `fence_after_rmw` is the one place that knows an
 * architecture:
 * it orders an atomic read-modify-write before later loads, which x86's locked instructions already do. */
#ifndef TROUPE_BASE_ATOMICS_H
#define TROUPE_BASE_ATOMICS_H

#include "base/compiler.h"

#include <stdatomic.h>
#include <stdbool.h>

#define load_relaxed(object)         atomic_load_explicit((object), memory_order_relaxed)
#define load_acquire(object)         atomic_load_explicit((object), memory_order_acquire)
#define load_seq_cst(object)         atomic_load_explicit((object), memory_order_seq_cst)
#define store_relaxed(object, value) atomic_store_explicit((object), (value), memory_order_relaxed)
#define store_release(object, value) atomic_store_explicit((object), (value), memory_order_release)
#define store_seq_cst(object, value) atomic_store_explicit((object), (value), memory_order_seq_cst)

/* A counter that one thread writes and others only look at: no read-modify-write is needed. */
#define count_up(object) store_relaxed((object), load_relaxed(object) + 1)

/* After an atomic read-modify-write of this thread: it is ordered before this thread's later loads. */
static ALWAYS_INLINE void fence_after_rmw(void)
{
#if (defined(__x86_64__) || defined(__i386__)) && !WITH_TSAN
    atomic_signal_fence(memory_order_seq_cst);
#elif WITH_TSAN
    atomic_signal_fence(
        memory_order_seq_cst); /* ThreadSanitizer has no fences; its atomics are sequentially consistent */
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* Inside a bounded spin: tells the core that this thread waits for another. */
static ALWAYS_INLINE void spin_pause(void)
{
#if WITH_SIM
    sim_yield();
#elif defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield" ::: "memory");
#endif
}

#endif
