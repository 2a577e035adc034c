/* checks.c: what a failed check says and how it ends the test, for both runners.
 *
 * The message goes out in one write, so that lines of tests that run at the same time do not mix. The process ends by
 * _exit: no destructor, no unwinding, since the check may stand on a fiber whose stack nobody else knows. */
#include "harness.h"

#include <stdarg.h>
#include <unistd.h>

#if HARNESS_ASAN
#include <sanitizer/lsan_interface.h>
#define leaks_found() __lsan_do_recoverable_leak_check()
#else
#define leaks_found() 0
#endif

static const char *test_name = "?";
static const char *rule_id; /* atomic, relaxed: only a hint in a message */

static void say(const char *format, va_list arguments, const char *before, const char *after)
{
    char line[1024];
    int used = snprintf(line, sizeof line, "%s", before);
    size_t at = used < 0 ? 0 : (size_t)used < sizeof line ? (size_t)used : sizeof line - 1;
    used = vsnprintf(line + at, sizeof line - at, format, arguments);
    at += used < 0 ? 0 : (size_t)used < sizeof line - at ? (size_t)used : sizeof line - at - 1;
    used = snprintf(line + at, sizeof line - at, "%s\n", after);
    at += used < 0 ? 0 : (size_t)used < sizeof line - at ? (size_t)used : sizeof line - at - 1;
    fflush(stdout);
    if (write(STDERR_FILENO, line, at) < 0)
        _exit(2);
}

__attribute__((format(printf, 2, 3))) static void say_before(const char *before, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments, before, "");
    va_end(arguments);
}

void harness_fail(const char *file, int line, const char *format, ...)
{
    char before[256], after[64] = " failed";
    const char *rule = __atomic_load_n(&rule_id, __ATOMIC_RELAXED);
    snprintf(before, sizeof before, "%s:%d: %s: ", file, line, test_name);
    if (rule != NULL)
        snprintf(after, sizeof after, " failed (last rule cited: %s)", rule);
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments, before, after);
    va_end(arguments);
    _exit(1);
}

void harness_check_string(const char *a, const char *b, const char *what, const char *file, int line)
{
    if (a == NULL || b == NULL ? a != b : strcmp(a, b) != 0)
        harness_fail(file, line, "%s: \"%s\" is not \"%s\":", what, a == NULL ? "(null)" : a, b == NULL ? "(null)" : b);
}

void harness_rule(const char *id) { __atomic_store_n(&rule_id, id, __ATOMIC_RELAXED); }

void harness_begin(const char *test) { test_name = test; }

void harness_end(void)
{
    if (leaks_found())
        harness_fail(__FILE__, __LINE__, "memory was leaked: see the report above;");
}

void harness_say_skip(const char *reason) { say_before("SKIP ", "%s: %s", test_name, reason); }
