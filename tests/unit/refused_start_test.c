/* refused_start_test.c: starts without memory: of processes, of servers, of supervisors and in them, and from threads
 * that are not the runtime's. */
#include "refused.h"

#include <pthread.h>

static tr_pid supervisor;

/* ---- starts. What was refused has ended, of system_limit, or was never there. */

static int try_spawn(void)
{
    static const tr_spawn_options plain = { .flags = TR_SPAWN_TRAP_EXIT }, with_cold = { .label = "l" },
                                  bounded = { .mailbox_messages = 3, .stack_size = 1 << 20 };
    static const tr_spawn_options *const all[] = { NULL, &plain, &with_cold, &bounded };
    for (size_t i = 0; i < TR_COUNT(all); i++) {
        tr_pid pid = tr_spawn_with(waiter, "x", 1, all[i]);
        if (!tr_is_alive(pid))
            return TR_ENOMEM;
        tr_exit_signal(pid, TR_KILL);
    }
    return TR_OK;
}
static int try_spawn_related(void)
{
    tr_ref monitor;
    tr_reason reason;
    tr_trap_exit(true);
    tr_pid pid = tr_spawn_with(waiter, NULL, 0,
                               &(tr_spawn_options){ .flags = TR_SPAWN_LINK | TR_SPAWN_MONITOR, .monitor = &monitor });
    int status = tr_exit_signal(pid, TR_SHUTDOWN);
    if (status != TR_OK)
        return status; /* it ends with its link */
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    const tr_msg *exit = tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT, .from = pid }, 0);
    CHECK(exit == NULL || tr_reason_same(tr_reason_of(exit), &reason));
    return reason.why == TR_WHY_SHUTDOWN ? TR_OK : reason.why == TR_WHY_SYSTEM_LIMIT ? TR_ENOMEM : TR_EIO;
}
static int try_start_server(void)
{
    tr_pid pid = { 0 };
    tr_ref monitor;
    int status = tr_start_server(&counter, NULL, 0, &(tr_start_options){ .name = "started" }, &pid);
    if (status == TR_OK)
        status = tr_stop_server(pid, TR_NORMAL, TR_INFINITY);
    if (status != TR_OK) { /* the next attempt needs the name */
        tr_exit_signal(tr_name("started"), TR_KILL);
        return tr_nobody(tr_whereis("started")) || !tr_is_alive(pid) ? status : TR_EIO;
    }
    if (status == TR_OK)
        status = tr_start_monitor(&(tr_child){ .server = &counter }, &pid, &monitor);
    if (status == TR_OK)
        tr_exit_signal(pid, TR_KILL);
    return status;
}
static int try_start_entry(void)
{
    tr_pid pid;
    tr_trap_exit(true);
    int status = tr_start_entry(waiter, NULL, 0, false, &(tr_start_options){ .flags = TR_START_LINK }, &pid);
    if (status == TR_OK)
        tr_exit_signal(pid, TR_KILL);
    return status;
}
static int start_linked(const tr_msg *arg, tr_pid *pid)
{
    return tr_start_link(&(tr_child){ .server = &counter, .arg = tr_body(arg), .arg_size = tr_size(arg) }, pid);
}
static int try_start_function(void)
{
    tr_pid pid;
    tr_trap_exit(true);
    return tr_start_link(&(tr_child){ .id = "f", .start = start_linked, .arg = "x", .arg_size = 2 }, &pid);
}
static int try_start_supervisor(void)
{
    static const char large[1000];
    static const tr_child children[] = { { .id = "a", .server = &counter },
                                         { .id = "b", .server = &counter, .arg = large, .arg_size = sizeof large } };
    static const tr_supervisor specs[] = {
        { .children = children, .child_count = 2, .intensity = 50 },
        { .strategy = TR_SIMPLE_ONE_FOR_ONE, .children = &children[1], .child_count = 1 },
    };
    tr_pid pid;
    tr_trap_exit(true);
    for (size_t i = 0; i < TR_COUNT(specs); i++) {
        int status = tr_start_link(&(tr_child){ .supervisor = &specs[i] }, &pid);
        if (status == TR_ESTART && strncmp(tr_last_reason()->text, "failed_to_start_child", 21) == 0)
            return TR_ENOMEM; /* a child was refused */
        if (status != TR_OK)
            return status;
        status = tr_exit_signal(pid, TR_SHUTDOWN);
        if (status != TR_OK)
            return status;
        (void)tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT, .from = pid }, TR_INFINITY);
    }
    return TR_OK;
}

static int (*const starts[])(void) = { try_spawn_related, try_spawn,          try_start_server,
                                       try_start_entry,   try_start_function, try_start_supervisor };

static void all_starts(const tr_msg *arg)
{
    (void)arg;
    for (size_t i = 0; i < TR_COUNT(starts); i++)
        if (refusals(starts[i], false) == 0)
            harness_fail(__FILE__, __LINE__, "start %zu was never refused", i);
}

TEST(refused_start, processes_that_there_is_no_memory_for_were_never_there)
{
    if (!POOL_COUNTS)
        SKIP("blocks of pools are not refused in this build");
    CHECK_EQ(tr_main(&quiet, all_starts, NULL, 0), 0);
}

/* ---- supervisors: requests that are refused change nothing */

enum { FULL = 6 }; /* so many children fill the tables: one more needs larger ones */

static size_t added;

static int try_start_child(void)
{
    static const char large[1000];
    const tr_child small_one = { .id = "new", .server = &counter },
                   large_one = { .id = "large",
                                 .server = &counter,
                                 .shutdown_ms = 77, /* unlike the others */
                                 .arg = large,
                                 .arg_size = sizeof large };
    tr_pid pid;
    int status = tr_start_child(supervisor, &small_one, &pid);
    added += status == TR_OK;
    if (status == TR_OK)
        status = tr_start_child(supervisor, &large_one, &pid);
    added += status == TR_OK;
    return status;
}
static int try_which_children(void)
{
    tr_child_info *list;
    size_t count;
    return tr_which_children(supervisor, &list, &count);
}
static int try_get_childspec(void)
{
    tr_child *spec;
    return tr_get_childspec(supervisor, "1", &spec);
}
static int try_terminate_by_unknown_pid(void)
{
    int status = tr_terminate_child_pid(supervisor, tr_self());
    return status == TR_ENOT_FOUND ? TR_OK : status;
}
static int try_check_spec(void)
{
    static const tr_child two[] = { { .id = "a", .server = &counter }, { .id = "b", .server = &counter } };
    return tr_check_spec(&(tr_supervisor){ .children = two, .child_count = 2 }, NULL);
}

static size_t children(void)
{
    tr_child_counts counts;
    CHECK_EQ(tr_count_children(supervisor, &counts), TR_OK);
    return counts.specs;
}

static void start_full(tr_strategy strategy)
{
    const tr_supervisor spec = { .strategy = strategy, .intensity = 50 };
    char id[16];
    tr_pid pid;
    CHECK_EQ(tr_start(&(tr_child){ .supervisor = &spec }, &supervisor), TR_OK);
    for (int i = 0; i < FULL; i++) {
        snprintf(id, sizeof id, "%d", i);
        CHECK_EQ(tr_start_child(supervisor, &(tr_child){ .id = id, .server = &counter }, &pid), TR_OK);
    }
}

/* Whoever was told of no memory may have lost the answer only: then there is one child more than it knows of. */
static void each_start(tr_strategy strategy)
{
    int refused = 0, round = 0;
    for (int64_t n = 1; round < ROUNDS; n++) {
        start_full(strategy);
        added = 0;
        bool more = attempt(try_start_child, n, false, &refused);
        if (!more) {
            round++;
            n = 0;
        }
        CHECK(children() == FULL + added || (more && children() == FULL + added + 1));
        CHECK_EQ(tr_stop_server(supervisor, TR_SHUTDOWN, TR_INFINITY), TR_OK);
    }
    CHECK(refused > 0);
}

static void all_requests(const tr_msg *arg)
{
    static int (*const requests[])(void) = { try_which_children, try_get_childspec, try_check_spec,
                                             try_terminate_by_unknown_pid };
    (void)arg;
    each_start(TR_DYNAMIC);
    each_start(TR_ONE_FOR_ONE);
    start_full(TR_ONE_FOR_ONE);
    for (size_t i = 0; i < TR_COUNT(requests); i++)
        CHECK(refusals(requests[i], false) > 0);
    CHECK_EQ(children(), FULL);
    CHECK_EQ(tr_stop_server(supervisor, TR_SHUTDOWN, TR_INFINITY), TR_OK);
}

TEST(refused_start, supervisors_without_memory_say_so_and_change_nothing)
{
    if (!POOL_COUNTS)
        SKIP("blocks of pools are not refused in this build");
    CHECK_EQ(tr_main(&quiet, all_requests, NULL, 0), 0);
}

/* ---- threads that are not the runtime's, each on its first call */

static void *thread_attempt(void *argument)
{
    struct attempt *attempt = argument;
    source_fail_after(attempt->n, false);
    int status = limit(attempt->act());
    bool refused = source_failed();
    source_fail_after(0, false);
    CHECK(status == TR_OK || (refused && (status == TR_ENOMEM || status == TR_ESTOPPED)));
    attempt->n = refused ? status : 1;
    return NULL;
}

static int thread_refusals(int (*act)(void))
{
    int refused = 0;
    for (int64_t n = 1;; n++) {
        struct attempt one = { act, n, false };
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, thread_attempt, &one), 0);
        pthread_join(thread, NULL);
        if (one.n == 1)
            return refused;
        refused += one.n != TR_OK;
    }
}

static int try_alloc(void)
{
    void *memory = tr_alloc(100);
    tr_free(memory);
    return memory == NULL ? TR_ENOMEM : TR_OK;
}
static int try_start_outside(void)
{
    tr_pid pid;
    int status = tr_start_entry(waiter, NULL, 0, false, NULL, &pid);
    return status == TR_OK ? tr_exit_signal(pid, TR_KILL) : status;
}
static int try_fail_outside(void)
{
    CHECK_EQ(tr_fail(TR_EDOWN, &TR_KILLED), TR_EDOWN); /* the reason may get lost */
    return tr_last_reason()->why == TR_WHY_KILLED ? TR_OK : TR_ENOMEM;
}

TEST(refused_start, threads_without_memory_are_told_so)
{
    static int (*const outside[])(void) = { try_send,          try_call,         try_call_msg, try_info,
                                            try_start_outside, try_fail_outside, try_alloc };
    if (!POOL_COUNTS)
        SKIP("blocks of pools are not refused in this build");
    CHECK_EQ(tr_boot(&quiet), TR_OK);
    idle = tr_spawn(waiter, NULL, 0);
    CHECK_EQ(tr_start_server(&counter, NULL, 0, NULL, &server), TR_OK);
    for (size_t i = 0; i < TR_COUNT(outside); i++)
        CHECK(thread_refusals(outside[i]) > 0);
    CHECK_EQ(tr_halt(10000), TR_OK);
}
