/* fault_kinds.h: hardware faults to order, for the tests of faults. */
#ifndef TROUPE_TESTS_RULES_FAULT_KINDS_H
#define TROUPE_TESTS_RULES_FAULT_KINDS_H

#include "support.h"

#include <signal.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define NOT_SANITIZED()                                                                                            \
    do {                                                                                                           \
        if (SANITIZED)                                                                                             \
            SKIP("the sanitizer instruments the fault itself, or its interceptors stand where libc's leaf would"); \
    } while (0)

/* ---- faults */

static int *volatile nowhere;
static int volatile zero;
static void (*volatile no_function)(void);
static const char *volatile no_text;
static volatile size_t sink;

#define FAULT __attribute__((noinline, no_sanitize("undefined")))

FAULT static void write_null(void) { *nowhere = 1; }
FAULT static void read_null(void) { sink = (size_t)*nowhere; }
FAULT static void read_near_null(void) { sink = (size_t)nowhere[1000]; }
FAULT static void call_null(void) { no_function(); }
FAULT static void divide(void) { sink = (size_t)(7 / zero); }
FAULT static void measure_null(void) { sink = strlen(no_text); }
FAULT static void copy_to_null(void)
{
    static const char bytes[3000];
    size_t volatile size = sizeof bytes;
    memcpy(nowhere, bytes, size);
}
static size_t (*volatile deeper)(size_t depth); /* a pointer, so that compilers do not see the recursion */
FAULT static size_t recurse(size_t depth)
{
    volatile char frame[200];
    frame[depth % sizeof frame] = (char)depth;
    size_t below = deeper(depth + 1);
    return below + (size_t)frame[(depth + 1) % sizeof frame];
}
FAULT static void overflow(void)
{
    deeper = recurse;
    sink = deeper(1);
}

#if defined(__x86_64__)
enum { ON_X86_64 = 1 };
#else
enum { ON_X86_64 = 0 };
#endif

struct kind {
    const char *what;
    void (*fault)(void);
    int signal_number;
    bool frames;
};
static const struct kind kinds[] = {
    { "null access", write_null, SIGSEGV, true },
    { "null access", read_null, SIGSEGV, true },
    { "null access", read_near_null, SIGSEGV, true },
    { "null access", call_null, SIGSEGV, true },
    { "division", divide, SIGFPE, true },
    { "stack overflow", overflow, SIGSEGV, true },
    { "null access", measure_null, SIGSEGV, true },
    { "null access", copy_to_null, SIGSEGV, true },
};
/* What a sanitizer lets pass to the runtime as it is. */
UNUSED static bool possible(const struct kind *kind)
{
    if (!ON_X86_64 && kind->signal_number == SIGFPE)
        return false; /* elsewhere a division by zero is no fault */
    return !SANITIZED || (kind->fault != measure_null && kind->fault != copy_to_null && kind->fault != overflow);
}

UNUSED static void straight(const tr_msg *arg)
{
    const struct kind *kind = *(const struct kind *const *)tr_expect(arg, sizeof kind);
    kind->fault();
}

UNUSED static void one_fault(void)
{
    const struct kind *kind = &kinds[0];
    tr_ref monitor;
    tr_spawn_monitor(straight, &kind, sizeof kind, &monitor);
    await_down(monitor);
}
#endif
