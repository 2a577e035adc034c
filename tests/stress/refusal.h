/* refusal.h: what no_memory.c and no_calls.c share: each n in a child process, and what it is judged by. */
#ifndef TROUPE_TESTS_STRESS_REFUSAL_H
#define TROUPE_TESTS_STRESS_REFUSAL_H

#include "tour.h"

#include <sys/prctl.h>
#include <sys/wait.h>

enum { ALL_DONE = 0, SOME_REFUSED = 3, SECONDS_MOST = 100 };

/* Boots, takes the tour, halts, after before_halt (may be NULL); false: it could not start. No descriptor is left. */
static bool run_once(void (*before_halt)(void))
{
    tr_config config = { .workers = (int)setting("workers"), .log = drop_record };
    int open = descriptors(), status = tr_boot(&config);
    if (status == TR_OK) {
        tr_pid root = tr_spawn(tour, NULL, 0);
        while (tr_is_alive(root))
            tr_sleep(1);
        if (before_halt != NULL)
            before_halt();
        MUST_EQ(tr_halt(LONG_MS), TR_OK);
    } else {
        MUST(!fine(status));
    }
    MUST_EQ(descriptors(), open);
    return status == TR_OK;
}

/* Runs child(n, onwards) in a process of its own, which returns ALL_DONE or SOME_REFUSED. False: nothing was refused
 * any more. */
static bool try_refusal(int (*child)(int64_t n, bool onwards), int64_t n, bool onwards)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    MUST(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(SECONDS_MOST);
        lasting = onwards;
        exit(child(n, onwards));
    }
    MUST_EQ(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || (WEXITSTATUS(status) != ALL_DONE && WEXITSTATUS(status) != SOME_REFUSED)) {
        fprintf(stderr, "number %" PRId64 " refused%s: the program ended with %s %d\n", n,
                onwards ? ", and all that followed" : "", WIFSIGNALED(status) ? "signal" : "status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        failed("each refusal is survived", __FILE__, __LINE__);
    }
    return WEXITSTATUS(status) == SOME_REFUSED;
}

#endif
