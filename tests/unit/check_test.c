/* check_test.c: what a broken invariant and a misuse say, and that they end the process whatever becomes of what they
 * say. */
#include "harness.h"

#include "base/check.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void break_invariant(void) { check_failed("one == two", "some/file.c", 1207); }
static void misuse_it(void) { misuse("tr_some_call", "not like that"); }

/* In a child; what it wrote to stderr. Without `hears` stderr is closed. */
static void expect_abort(void (*act)(void), bool hears, const char *expected)
{
    char text[256];
    int ends[2], status;
    CHECK_EQ(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        if (hears)
            dup2(ends[1], STDERR_FILENO);
        else
            close(STDERR_FILENO);
        close(ends[1]);
        act();
        _exit(0);
    }
    close(ends[1]);
    size_t have = 0;
    for (ssize_t got; (got = read(ends[0], text + have, sizeof text - 1 - have)) > 0;)
        have += (size_t)got;
    text[have] = '\0';
    close(ends[0]);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    if (HARNESS_EMULATED && hears) /* the emulator has a last word of its own */
        text[strlen(expected)] = '\0';
    CHECK_STR(text, expected);
}

TEST(check, a_broken_invariant_says_where_and_aborts)
{
    expect_abort(break_invariant, true, "troupe: broken invariant: one == two at some/file.c:1207\n");
}

TEST(check, a_misuse_says_of_which_call_and_aborts)
{
    expect_abort(misuse_it, true, "troupe: tr_some_call: not like that\n");
}

TEST(check, both_abort_where_nobody_can_hear)
{
    expect_abort(break_invariant, false, "");
    expect_abort(misuse_it, false, "");
}
