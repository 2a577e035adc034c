/* runner.c: runs the tests where Criterion cannot: each in a forked child, one after another, with hang protection.
 *
 * The parent never starts a thread, so forking is sound also under ThreadSanitizer. A child ends with 0 (passed),
 * SKIPPED, anything else or a signal (failed); it dies with its parent. Takes Criterion's options as far as ctest and a
 * developer use them:
 * --filter SUITE/NAME with shell patterns, --list; others are ignored. */
#include "harness.h"

#include <errno.h>
#include <fnmatch.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SKIPPED = 77, SECONDS_TO_ABORT = 5, HUNG_STATUS = 1 << 8 /* as waitpid tells of exit(1) */ };

static struct harness_test *first;
static struct harness_test **last = &first;

void harness_add(struct harness_test *test)
{
    *last = test;
    last = &test->next;
}

void harness_leave(void) { _exit(SKIPPED); }

__attribute__((noreturn)) static void run_child(const struct harness_test *test, const char *name, const sigset_t *mask)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    harness_begin(name);
    test->body();
    harness_end();
    exit(0); /* not _exit: the sanitizers report and set their status at exit */
}

/* Waits at most `seconds` for the child's end; SIGCHLD is blocked, so none is lost between the look and the wait. */
static bool child_ended(pid_t child, time_t seconds, int *status)
{
    struct timespec now, end;
    sigset_t ended;
    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += seconds;
    for (;;) {
        if (waitpid(child, status, WNOHANG) == child)
            return true;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec >= end.tv_sec)
            return false;
        struct timespec rest = { .tv_sec = end.tv_sec - now.tv_sec };
        sigtimedwait(&ended, NULL, &rest);
    }
}

static int await(pid_t child, const char *name)
{
    int status;
    if (child_ended(child, HARNESS_TIMEOUT_S, &status))
        return status;
    fprintf(stderr, "HUNG %s: no end after %d s\n", name, HARNESS_TIMEOUT_S);
    kill(child, SIGABRT); /* first a chance for a report or a core */
    if (!child_ended(child, SECONDS_TO_ABORT, &status)) {
        kill(child, SIGKILL);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
    }
    return WIFEXITED(status) ? HUNG_STATUS
                             : status; /* an end that we asked for is a failure, whatever the child says */
}

/* Prints the verdict; false if the test failed. */
static bool judge(const char *name, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        printf("[PASS] %s\n", name);
    else if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
        printf("[SKIP] %s\n", name);
    else if (WIFSIGNALED(status))
        printf("[FAIL] %s: signal %d (%s)\n", name, WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        printf("[FAIL] %s: status %d\n", name, WEXITSTATUS(status));
    fflush(stdout);
    return WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == SKIPPED);
}

static bool run(const struct harness_test *test)
{
    char name[256];
    sigset_t block, before;
    snprintf(name, sizeof name, "%s.%s", test->suite, test->name);
    fflush(NULL);
    sigemptyset(&block);
    sigaddset(&block, SIGCHLD);
    sigprocmask(SIG_BLOCK, &block, &before);
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        exit(2);
    }
    if (child == 0)
        run_child(test, name, &before);
    bool passed = judge(name, await(child, name));
    sigprocmask(SIG_SETMASK, &before, NULL);
    return passed;
}

int main(int argc, char **argv)
{
    const char *filter = "*/*";
    bool list = false;
    int count = 0, failed = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--filter") == 0 && i + 1 < argc)
            filter = argv[++i];
        else if (strcmp(argv[i], "--list") == 0 || strcmp(argv[i], "-l") == 0)
            list = true;
    }
    for (const struct harness_test *test = first; test != NULL; test = test->next) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", test->suite, test->name);
        if (fnmatch(filter, path, 0) != 0)
            continue;
        count++;
        if (list)
            puts(path);
        else
            failed += !run(test);
    }
    if (!list)
        printf("[====] %d tests, %d failed\n", count, failed);
    return failed > 0 || count == 0;
}
