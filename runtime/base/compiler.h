/* compiler.h: what the code asks of the compiler, under names of its own: branch hints, inlining, and which sanitizer
 * is in. */
#ifndef TROUPE_BASE_COMPILER_H
#define TROUPE_BASE_COMPILER_H

#include <stddef.h>
#include <stdint.h>

#ifdef TR_COVERAGE
/* Nothing: what stands in a macro clang counts at the macro's definition, and not condition for condition. */
#define LIKELY
#define UNLIKELY
#else
#define LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#endif
#define NOINLINE      __attribute__((noinline))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NORETURN      __attribute__((noreturn))
#define CACHE_LINE    64
#define CACHE_ALIGNED __attribute__((aligned(CACHE_LINE)))
#define API           __attribute__((visibility("default")))

#if defined(__has_feature)
#define TR_HAS_FEATURE(feature) __has_feature(feature)
#else
#define TR_HAS_FEATURE(feature) 0
#endif

/* 1 or 0, so that code branches with `if` and both arms always compile */
#if defined(__SANITIZE_ADDRESS__) || TR_HAS_FEATURE(address_sanitizer)
#define WITH_ASAN 1
#else
#define WITH_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__) || TR_HAS_FEATURE(thread_sanitizer)
#define WITH_TSAN 1
#else
#define WITH_TSAN 0
#endif

#if WITH_TSAN
#define NO_TSAN __attribute__((no_sanitize("thread")))
#else
#define NO_TSAN
#endif
#if WITH_ASAN
#define NO_ASAN __attribute__((no_sanitize("address")))
#else
#define NO_ASAN
#endif

/* What ThreadSanitizer can't see because a library that it did not compile does it: that what was written before the
 * release is
 * visible after the acquire. Each use says which operation of the library that is. */
#if WITH_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define TSAN_ACQUIRE(address) __tsan_acquire((void *)(uintptr_t)(address))
#define TSAN_RELEASE(address) __tsan_release((void *)(uintptr_t)(address))
#else
#define TSAN_ACQUIRE(address) ((void)(address))
#define TSAN_RELEASE(address) ((void)(address))
#endif

/* Stack memory whose frames were dropped without returning: AddressSanitizer forgets their red zones. */
#if WITH_ASAN
void __asan_unpoison_memory_region(const volatile void *address, size_t size);
#define ASAN_FORGET(address, size) __asan_unpoison_memory_region((address), (size))
#else
#define ASAN_FORGET(address, size) ((void)(address), (void)(size))
#endif

/* What the simulation has in these places (sim/redirect.h, which stands before everything in its builds). Elsewhere
 * nothing. */
#ifndef WITH_SIM
#define WITH_SIM              0
#define SIM_EVENT(kind, word) ((void)0) /* an event of the flight recorder */
#define SIM_USER_CODE()       ((void)0) /* a worker leaves the runtime for a process' code */
#define SIM_PICK(worker)      NULL      /* the task that the worker runs next; NULL: whichever it finds */
#define SIM_TOUCH(what)       ((void)0) /* somebody or something is looked up by its handle or name */
#define SIM_POINT()           ((void)0) /* before an atomic operation inside of a library */
#endif

#define CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
