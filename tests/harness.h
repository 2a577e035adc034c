/* harness.h: how tests are written: TEST, CHECK and their kin, the same in every build.
 *
 *     TEST(mailbox, only_first_sender_sees_the_edge)
 *     {
 *         RULE("SIG-01");
 *         CHECK_EQ(mailbox_enqueue(&box, &node), true);
 *     }
 *
 * Normally Criterion runs the tests, each in a process of its own; where Criterion cannot go (ThreadSanitizer, qemu) a
 * runner of ours does the same (harness/runner.c, chosen by HARNESS_PLAIN). A test ends when its body returns, or at
 * the first check that fails, which ends the whole process of that test: so a check may stand in an actor, on a fiber
 * or on a thread of the runtime. After HARNESS_TIMEOUT_S a test counts as hung; that is protection only, no test may
 * rely on it. */
#ifndef TROUPE_TESTS_HARNESS_H
#define TROUPE_TESTS_HARNESS_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef HARNESS_TIMEOUT_S
#define HARNESS_TIMEOUT_S 120
#endif

/* Which sanitizer this build has, 1 or 0: for what a test skips, or does less often. */
#if defined(__has_feature)
#define HARNESS_FEATURE(feature) __has_feature(feature)
#else
#define HARNESS_FEATURE(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || HARNESS_FEATURE(address_sanitizer)
#define HARNESS_ASAN 1
#else
#define HARNESS_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__) || HARNESS_FEATURE(thread_sanitizer)
#define HARNESS_TSAN 1
#else
#define HARNESS_TSAN 0
#endif

/* 1 where the tests run in simulation (tests/simulation/runner.c), without the system's own threads and processes. */
#ifdef HARNESS_SIM
#define HARNESS_SIMULATED 1
#else
#define HARNESS_SIMULATED 0
#endif

/* 1 where an emulator (qemu-user) carries the programs out. */
#ifdef HARNESS_EMULATOR
#define HARNESS_EMULATED 1
#else
#define HARNESS_EMULATED 0
#endif

/* Says where and why, and ends the test's process; from any thread. */
__attribute__((noreturn, format(printf, 3, 4))) void harness_fail(const char *file, int line, const char *format, ...);
void harness_check_string(const char *a, const char *b, const char *what, const char *file, int line);
/* The rule that the next check is about: named if that check fails. */
void harness_rule(const char *id);
/* Around each body: its name for messages; and, under AddressSanitizer, the search for leaks. */
void harness_begin(const char *test);
void harness_end(void);
/* Prints "SKIP suite.name: reason". */
void harness_say_skip(const char *reason);

/* Inline, so that an analyzer sees what holds behind it. */
static inline void harness_check_equal(intmax_t a, intmax_t b, const char *what, const char *file, int line)
{
    if (a != b)
        harness_fail(file, line, "%s: %" PRIdMAX " is not %" PRIdMAX ":", what, a, b);
}

#define CHECK(condition) ((condition) ? (void)0 : harness_fail(__FILE__, __LINE__, "CHECK(%s)", #condition))
#define CHECK_EQ(a, b)   harness_check_equal((intmax_t)(a), (intmax_t)(b), "CHECK_EQ(" #a ", " #b ")", __FILE__, __LINE__)
#define CHECK_STR(a, b)  harness_check_string((a), (b), "CHECK_STR(" #a ", " #b ")", __FILE__, __LINE__)
#define RULE(id)         harness_rule(id)
/* Ends the test without a verdict. Only in the body of TEST itself, not in an actor. */
#define SKIP(reason)       (harness_say_skip(reason), HARNESS_LEAVE(reason))
#define HARNESS_BODY(s, n) static void s##_##n##_body(void)

#ifdef HARNESS_PLAIN

struct harness_test {
    const char *suite, *name;
    void (*body)(void);
    struct harness_test *next;
};
void harness_add(struct harness_test *test);
__attribute__((noreturn)) void harness_leave(void);

#define HARNESS_LEAVE(reason) harness_leave()
#define TEST(suite_name, test_name)                                                                           \
    HARNESS_BODY(suite_name, test_name);                                                                      \
    __attribute__((constructor)) static void suite_name##_##test_name##_add(void)                             \
    {                                                                                                         \
        static struct harness_test test = { #suite_name, #test_name, suite_name##_##test_name##_body, NULL }; \
        harness_add(&test);                                                                                   \
    }                                                                                                         \
    HARNESS_BODY(suite_name, test_name)

#else

#include <criterion/criterion.h>

#define HARNESS_LEAVE(reason) cr_skip_test("%s", reason)
#define TEST(suite_name, test_name)                           \
    HARNESS_BODY(suite_name, test_name);                      \
    Test(suite_name, test_name, .timeout = HARNESS_TIMEOUT_S) \
    {                                                         \
        harness_begin(#suite_name "." #test_name);            \
        suite_name##_##test_name##_body();                    \
        harness_end();                                        \
    }                                                         \
    HARNESS_BODY(suite_name, test_name)

#endif
#endif
