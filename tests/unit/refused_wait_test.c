/* refused_wait_test.c: waits without memory for another stack, requests that can't be owed, and runtimes that can't
 * start. */
#include "refused.h"

#include <pthread.h>

/* ---- no stack for whoever is to run meanwhile: it ends, says so, or waits on its thread */

enum { MANY = 600 }; /* more than there are stacks in a region: then the next one needs memory */

static int try_yield(void)
{
    tr_yield();
    return TR_OK;
}
static int try_start(void)
{
    tr_pid pid;
    int status = tr_start_server(&counter, NULL, 0, NULL, &pid);
    if (status == TR_OK)
        tr_exit_signal(pid, TR_KILL);
    return status;
}
static tr_pid narrow; /* has room for one */
static int try_call_narrow(void)
{
    char state[STATE];
    return tr_call(narrow, QUESTION, NULL, 0, state, sizeof state, TR_INFINITY);
}

/* Adds blocked processes until one more stack is one too many. */
static void fill_region(void)
{
    int refused = 0;
    for (int i = 0; i < MANY && refused == 0; i++) {
        tr_spawn(waiter, NULL, 0);
        (void)attempt(try_receive, 1, true, &refused);
    }
    CHECK(refused == 1);
}

static void all_waits(const tr_msg *arg)
{
    static int (*const waits[])(void) = { try_receive, try_blocking, try_call, try_call_msg, try_start, try_info };
    static const tr_spawn_options one = { .mailbox_messages = 1 };
    static const tr_start_options bounded = { .spawn = &one };
    static int (*const patient[])(void) = { try_sleep, try_yield };
    (void)arg;
    idle = tr_spawn(waiter, NULL, 0);
    for (size_t i = 0; i < TR_COUNT(waits); i++) {
        fill_region();
        CHECK(refusals(waits[i], true) > 0);
    }
    CHECK_EQ(tr_start_server(&counter, NULL, 0, &bounded, &narrow), TR_OK);
    fill_region();
    CHECK(refusals(try_call_narrow, true) > 0);
    CHECK_EQ(try_call_narrow(), TR_OK);              /* those that were not sent have given their room back */
    for (size_t i = 0; i < TR_COUNT(patient); i++) { /* they do without */
        fill_region();
        CHECK_EQ(refusals(patient[i], true), 0);
    }
}

TEST(refused_wait, without_a_stack_for_others_waits_end_or_say_so)
{
    if (!POOL_COUNTS)
        SKIP("blocks of pools are not refused in this build");
    CHECK_EQ(tr_main(&quiet, all_waits, NULL, 0), 0);
}

/* ---- what can't be owed is refused: its caller need not wait */

enum { CALLERS = 20 };

static int refuse_at;  /* the number of the request after which there is no memory */
static int taken;      /* requests so far; atomic */
static int outcome[3]; /* of the callers: no memory, ended, anything else */

static int owe(void *state, const tr_msg *request, tr_from from)
{
    (void)state, (void)request, (void)from;
    if (__atomic_add_fetch(&taken, 1, __ATOMIC_RELEASE) == refuse_at)
        source_fail_after(1, false);
    return TR_OK; /* no reply: it is owed */
}
static const tr_gen_server debtor = { .label = "debtor", .handle_call = owe };

static void calls_debtor(const tr_msg *arg)
{
    int64_t timeout_ms = *(const int64_t *)tr_expect(arg, sizeof timeout_ms);
    int status = tr_call(server, QUESTION, NULL, 0, NULL, 0, timeout_ms);
    source_fail_after(0, false);
    outcome[status == TR_ENOMEM ? 0 : status == TR_EDOWN && tr_last_reason()->why == TR_WHY_KILLED ? 1 : 2]++;
}

/* Until the server has taken so many requests, and owes them or has refused them. */
static void await_taken(int count)
{
    for (bool all = false;;) {
        tr_process_info info;
        tr_sleep(1);
        CHECK_EQ(tr_peek(server, &info), TR_OK);
        if (all && info.status == TR_STATUS_WAITING)
            return;
        all = __atomic_load_n(&taken, __ATOMIC_ACQUIRE) >= count;
    }
}

/* `short_ones` of the first callers give up, then others come; how often one was refused for memory. */
static int owe_many(int at, int short_ones)
{
    tr_ref monitors[CALLERS];
    memset(outcome, 0, sizeof outcome);
    __atomic_store_n(&taken, 0, __ATOMIC_RELAXED);
    refuse_at = at;
    CHECK_EQ(tr_start_server(&debtor, NULL, 0, NULL, &server), TR_OK);
    for (int i = 0; i < CALLERS; i++) {
        int64_t timeout_ms = i < short_ones ? 1 : TR_INFINITY;
        tr_spawn_monitor(calls_debtor, &timeout_ms, sizeof timeout_ms, &monitors[i]);
        if (i < short_ones)
            CHECK_EQ(tr_await_down(monitors[i], TR_INFINITY, NULL), TR_OK);
        else
            await_taken(i + 1);
    }
    source_fail_after(0, false);
    tr_exit_signal(server, TR_KILL);
    for (int i = short_ones; i < CALLERS; i++)
        CHECK_EQ(tr_await_down(monitors[i], TR_INFINITY, NULL), TR_OK);
    CHECK_EQ(outcome[0] + outcome[1], CALLERS - short_ones); /* whoever waited has heard of it */
    return outcome[0];
}

static void debts(const tr_msg *arg)
{
    (void)arg;
    CHECK_EQ(owe_many(0, 0), 0);
    CHECK_EQ(owe_many(1, 0), 1);  /* the first: there is no table */
    CHECK_EQ(owe_many(9, 0), 1);  /* the first that does not fit */
    CHECK_EQ(owe_many(17, 0), 1); /* the next */
    CHECK_EQ(owe_many(9, 4), 0);  /* half of the table is of those who have given up: it will do */
}

TEST(refused_wait, a_request_that_can_not_be_owed_is_refused)
{
    if (!POOL_COUNTS)
        SKIP("blocks of pools are not refused in this build");
    CHECK_EQ(tr_main(&quiet, debts, NULL, 0), 0);
}

/* ---- ends without memory for what they say */

static int idle_without_memory(void *state, const tr_msg *message)
{
    (void)state, (void)message;
    int disposition = tr_idle(0);
    source_fail_after(1, false); /* the timeout's message */
    return disposition;
}
static const tr_actor idler = { .label = "idler", .handle = idle_without_memory };

static void exit_with_detail(const tr_msg *arg)
{
    (void)arg;
    source_fail_after(1, false);
    tr_exit_with(tr_because(TR_WHY_USER, 4, NULL), "detail", 7);
}

static void last_words(const tr_msg *arg)
{
    tr_ref monitor;
    tr_reason reason;
    (void)arg;
    tr_pid pid = tr_spawn_actor(&idler, NULL, 0, &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR, .monitor = &monitor });
    CHECK_EQ(tr_send(pid, WORD, NULL, 0), TR_OK);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    source_fail_after(0, false);
    CHECK_EQ(reason.why, TR_WHY_SYSTEM_LIMIT);
    tr_spawn_monitor(exit_with_detail, NULL, 0, &monitor);
    const tr_msg *down = tr_receive_match(&(tr_match){ .ref = monitor }, TR_INFINITY);
    source_fail_after(0, false);
    CHECK_EQ(tr_reason_of(down)->code, 4); /* the reason matters more than its detail */
    CHECK_EQ(tr_size(down), 0);
}

TEST(refused_wait, ends_need_no_memory)
{
    if (!POOL_COUNTS)
        SKIP("blocks of pools are not refused in this build");
    CHECK_EQ(tr_main(&quiet, last_words, NULL, 0), 0);
}

/* ---- runtimes */

static void nothing(const tr_msg *arg) { (void)arg; }

TEST(refused_wait, a_runtime_that_can_not_start_says_so_and_leaves_nothing)
{
    size_t mapped = source_mapped_bytes();
    int refused = 0;
    for (int64_t n = 1;; n++) {
        source_fail_after(n, false);
        int status = tr_boot(&quiet);
        bool failed = source_failed();
        source_fail_after(0, false);
        CHECK(status == TR_OK || (failed && (status == TR_ENOMEM || status == TR_ELIMIT)));
        refused += status != TR_OK;
        if (status == TR_OK)
            CHECK_EQ(tr_halt(10000), TR_OK);
        CHECK_EQ(source_mapped_bytes(), mapped);
        if (!failed)
            break;
    }
    CHECK(refused > 0);
}

TEST(refused_wait, a_program_that_can_not_start_fails)
{
    int failures = 0;
    for (int64_t n = 1;; n++) {
        source_fail_after(n, false);
        int status = tr_main(&quiet, nothing, NULL, 0);
        bool failed = source_failed();
        source_fail_after(0, false);
        CHECK(status == 0 || (failed && status == 1));
        failures += status;
        if (!failed)
            break;
    }
    CHECK(failures > 0);
}

static void *halt(void *arg)
{
    source_fail_after(*(const int64_t *)arg, false);
    CHECK_EQ(tr_halt(10000), TR_OK);
    return NULL;
}

TEST(refused_wait, a_thread_without_memory_can_stop_the_runtime)
{
    bool failed = true;
    for (int64_t n = 1; failed; n++) {
        pthread_t thread;
        CHECK_EQ(tr_boot(&quiet), TR_OK);
        tr_spawn(waiter, NULL, 0);
        CHECK_EQ(pthread_create(&thread, NULL, halt, &n), 0);
        pthread_join(thread, NULL);
        failed = source_failed();
        source_fail_after(0, false);
        CHECK(n > 1 || failed || !POOL_COUNTS);
    }
}
