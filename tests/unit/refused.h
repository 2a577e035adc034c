/* refused.h: each call with its 1st, 2nd, ... request for memory refused: it says so, or ends its caller with a reason
 * that says so, where the manual has no other way to tell; nothing has changed then. stress.no_memory does the same to
 * a whole program.
 *
 * A call is tried in a process of its own, so that it may end. One worker: hardly anybody else asks for memory
 * meanwhile; if somebody does, the call was not refused, and the loop goes on. */
#ifndef TROUPE_TESTS_UNIT_REFUSED_H
#define TROUPE_TESTS_UNIT_REFUSED_H

#include <troupe/troupe.h>

#include "harness.h"
#include "memory/pool.h"
#include "memory/source.h"

#define UNUSED __attribute__((unused))

enum { WORD = 1001, GO, QUESTION, STATE = 64, LARGE = 200000 };

static tr_pid idle, server; /* whom the calls are about */

static void waiter(const tr_msg *arg)
{
    (void)arg;
    for (;;)
        tr_receive(TR_INFINITY);
}

static int count_calls(void *state, const tr_msg *request, tr_from from)
{
    (void)request;
    ++*(int *)state;
    return tr_reply(from, state, STATE);
}

static int ignore(void *state, const tr_msg *message)
{
    (void)state, (void)message;
    return TR_OK;
}

static const tr_gen_server counter = {
    .label = "counter", .state_size = STATE, .handle_call = count_calls, .handle_info = ignore
};

/* TR_ENOMEM for what failed because somebody else had no memory. */
static int limit(int status)
{
    int32_t why = tr_last_reason()->why;
    bool is_limit = why == TR_WHY_SYSTEM_LIMIT || (why == TR_WHY_STATUS && tr_last_reason()->code == TR_ENOMEM);
    return (status == TR_ESTART || status == TR_EDOWN) && is_limit ? TR_ENOMEM : status;
}

/* ---- calls that several try */

UNUSED static int try_send(void) { return tr_send(idle, WORD, "x", 1); }
UNUSED static int try_call(void)
{
    char state[STATE];
    return tr_call(server, QUESTION, NULL, 0, state, sizeof state, TR_INFINITY);
}
UNUSED static int try_call_msg(void)
{
    tr_msg *reply = NULL;
    int status = tr_call_msg(server, QUESTION, NULL, 0, TR_INFINITY, &reply);
    CHECK((reply != NULL) == (status == TR_OK));
    tr_drop(reply);
    return status;
}
UNUSED static int try_receive(void)
{
    CHECK(tr_receive(1) == NULL);
    return TR_OK;
}
UNUSED static int try_sleep(void)
{
    int64_t begin = tr_now_ns();
    tr_sleep(2);
    CHECK(tr_now_ns() - begin >= 2000000);
    return TR_OK;
}
static int seven(void *arg)
{
    (void)arg;
    return 7;
}
UNUSED static int try_blocking(void)
{
    int result = tr_blocking(seven, NULL);
    return result == 7 ? TR_OK : result;
}
UNUSED static int try_info(void)
{
    tr_process_info info;
    return tr_info(idle, &info);
}

/* ---- in a process, n after n */

struct attempt {
    int (*act)(void);
    int64_t n;
    bool onwards; /* all that follow are refused, too */
};

static bool noticed_nothing; /* something was refused, and the call did without */

static void make_attempt(const tr_msg *arg)
{
    const struct attempt *attempt = tr_expect(arg, sizeof *attempt);
    (void)tr_receive_match(&(tr_match){ .tag = GO }, TR_INFINITY);
    source_fail_after(attempt->n, attempt->onwards);
    int status = limit(attempt->act());
    bool refused = source_failed();
    source_fail_after(0, false);
    if (status != TR_OK && (!refused || (status != TR_ENOMEM && status != TR_ELIMIT)))
        harness_fail(__FILE__, __LINE__, "request %d, refused %d: %s", (int)attempt->n, refused,
                     tr_status_text(status));
    if (status != TR_OK)
        tr_exit(tr_because(TR_WHY_SYSTEM_LIMIT, 0, NULL));
    noticed_nothing = refused;
}

/* Whether something was refused; *refused counts how often the call noticed. */
static bool attempt(int (*act)(void), int64_t n, bool onwards, int *refused)
{
    tr_ref monitor;
    tr_reason reason;
    const struct attempt one = { act, n, onwards };
    noticed_nothing = false;
    tr_pid pid = tr_spawn_monitor(make_attempt, &one, sizeof one, &monitor);
    CHECK_EQ(tr_send(pid, GO, NULL, 0), TR_OK);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    bool ended_of_it = reason.why == TR_WHY_SYSTEM_LIMIT || (reason.why == TR_WHY_STATUS && reason.code == TR_ENOMEM);
    CHECK(reason.why == TR_WHY_NORMAL || ended_of_it);
    bool more = noticed_nothing || ended_of_it;
    source_fail_after(0, false);
    *refused += ended_of_it;
    return more;
}

enum { ROUNDS = 2 }; /* in the first the pools grow on the way, so that not each request has its n */

/* Tries with n = 1, 2, ... until nothing is refused, each time with a new server; how often the call noticed. */
UNUSED static int refusals(int (*act)(void), bool onwards)
{
    int refused = 0;
    for (int round = 0; round < ROUNDS; round++) {
        bool more = true;
        for (int64_t n = 1; more; n++) {
            CHECK_EQ(tr_start_server(&counter, NULL, 0, NULL, &server), TR_OK);
            more = attempt(act, n, onwards, &refused);
            tr_exit_signal(server, TR_KILL);
        }
    }
    return refused;
}

UNUSED static void drop_record(const tr_log_record *record, void *arg) { (void)record, (void)arg; }
static const tr_config quiet = { .workers = 1, .log = drop_record };

#endif
