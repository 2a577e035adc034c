/* child.h: bodies that end their process, each in a child. */
#ifndef TROUPE_TESTS_RULES_CHILD_H
#define TROUPE_TESTS_RULES_CHILD_H

#include "harness.h"

#include <sys/wait.h>
#include <unistd.h>

struct outcome {
    int status;
    char text[20000]; /* what it said on stderr */
};

/* Runs the body, which does not return, in a child. */
static inline struct outcome *without_runtime_in_child(void (*body)(void))
{
    static struct outcome outcome;
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        alarm(60);
        body();
    }
    close(ends[1]);
    size_t used = 0;
    for (ssize_t got; (got = read(ends[0], outcome.text + used, sizeof outcome.text - 1 - used)) > 0;)
        used += (size_t)got;
    outcome.text[used] = '\0';
    close(ends[0]);
    CHECK_EQ(waitpid(child, &outcome.status, 0), child);
    return &outcome;
}

#endif
