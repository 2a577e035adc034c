/* fault_child.h: programs that end by a fault, each in a child process, and what their crash reports say. */
#ifndef TROUPE_TESTS_RULES_FAULT_CHILD_H
#define TROUPE_TESTS_RULES_FAULT_CHILD_H

#include "child.h"
#include "fault_kinds.h"

#include <sys/mman.h>

UNUSED static void wild_read_only(void)
{
    nowhere = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    write_null();
}

static tr_faults policy;

static void as_root(void)
{
    _exit(tr_main(&(tr_config){ .workers = 2, .log = drop_record, .faults = policy }, enter_body, NULL, 0));
}

/* Runs the body as the root process of a runtime in a child. */
static struct outcome *in_child(void (*body)(void), tr_faults faults)
{
    the_body = body;
    policy = faults;
    return without_runtime_in_child(as_root);
}

UNUSED static void check_crash(void (*body)(void), int signal_number, const char *why)
{
    const struct outcome *outcome = in_child(body, TR_FAULTS_CONTAIN);
    if (!WIFSIGNALED(outcome->status) || WTERMSIG(outcome->status) != signal_number ||
        strstr(outcome->text, why) == NULL)
        printf("status %x, wanted signal %d, \"%s\"; report:\n%s\n", (unsigned)outcome->status, signal_number, why,
               outcome->text);
    CHECK(WIFSIGNALED(outcome->status));
    CHECK_EQ(WTERMSIG(outcome->status), signal_number);
    CHECK(strstr(outcome->text, why) != NULL);
    CHECK(strstr(outcome->text, "not contained") != NULL);
    CHECK(strstr(outcome->text, "backtrace:") != NULL);
}

#endif
