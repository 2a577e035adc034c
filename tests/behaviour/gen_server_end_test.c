/* gen_server_end_test.c: how servers end, and what terminate sees of it: GS-30 to GS-36. */
#include "behaviour.h"

enum { GO_STOP = 1, GO_CRASH, GO_BAD, GO_STOP_REPLY, WAIT };

static int *volatile nowhere;

struct ender {
    bool crash_in_terminate, fault_in_terminate;
};

static int go(const tr_msg *message)
{
    switch (tr_tag(message)) {
    case GO_STOP: return tr_stop(tr_because(TR_WHY_USER, 1, "stop"));
    case GO_BAD: return 4;
    case WAIT: tr_receive_match(&(tr_match){ .tag = 77 }, TR_INFINITY); return TR_OK;
    default: return tr_unexpected(message);
    }
}

static int ender_init(void *state, const tr_msg *arg)
{
    struct ender *ender = state;
    ender->crash_in_terminate = tr_size(arg) > 0;
    ender->fault_in_terminate = tr_size(arg) > 2;
    return TR_OK;
}

static int ender_call(void *state, const tr_msg *request, tr_from from)
{
    static const int answer = 6;
    (void)state;
    if (tr_tag(request) == GO_STOP_REPLY)
        return tr_stop_reply(tr_because(TR_WHY_USER, 2, "stop"), from, &answer, sizeof answer);
    return go(request);
}

static int ender_cast(void *state, const tr_msg *message)
{
    (void)state;
    return go(message);
}

static int ender_info(void *state, const tr_msg *message)
{
    (void)state;
    note("info%d", tr_tag(message));
    return TR_OK;
}

__attribute__((no_sanitize("undefined"))) static void ender_terminate(void *state, const tr_reason *reason)
{
    const struct ender *ender = state;
    note("terminate%d", (int)reason->why);
    if (tr_same(tr_whereis("ender"), tr_self()))
        note("named");
    if (ender->fault_in_terminate)
        *nowhere = 1;
    tr_assert(!ender->crash_in_terminate);
}

static const tr_gen_server ender = { .label = "ender",
                                     .state_size = sizeof(struct ender),
                                     .init = ender_init,
                                     .handle_call = ender_call,
                                     .handle_cast = ender_cast,
                                     .handle_info = ender_info,
                                     .terminate = ender_terminate };
static const tr_gen_server trapping_ender = { .label = "trapping ender",
                                              .state_size = sizeof(struct ender),
                                              .trap_exit = true,
                                              .init = ender_init,
                                              .handle_call = ender_call,
                                              .handle_cast = ender_cast,
                                              .handle_info = ender_info,
                                              .terminate = ender_terminate };

/* Who starts the server, linked, and then does as it is told: ends, or sends it an exit signal. */
struct parent {
    const tr_gen_server *server;
    tr_reason reason;
    bool signals; /* sends the reason and lives on */
    tr_pid to;
};

static void parent_entry(const tr_msg *arg)
{
    const struct parent *parent = tr_expect(arg, sizeof *parent);
    tr_pid pid;
    tr_trap_exit(true);
    tr_must(tr_start_link(&(tr_child){ .server = parent->server }, &pid));
    tr_send(parent->to, 50, &pid, sizeof pid);
    tr_receive_match(&(tr_match){ .tag = 51 }, TR_INFINITY);
    if (!parent->signals)
        tr_exit(parent->reason);
    tr_exit_signal(pid, parent->reason);
    tr_receive_match(&(tr_match){ .tag = 51 }, TR_INFINITY);
}

/* Lets the parent do it, and waits until the server has ended: TR_OK, and the reason. */
static int by_parent(const tr_gen_server *server, tr_reason with, bool signals, int64_t timeout_ms, tr_reason *reason)
{
    const struct parent parent = { .server = server, .reason = with, .signals = signals, .to = tr_self() };
    tr_pid starter = tr_spawn(parent_entry, &parent, sizeof parent);
    tr_pid pid = *(const tr_pid *)tr_expect(tr_receive_match(&(tr_match){ .tag = 50 }, TR_INFINITY), sizeof pid);
    tr_ref monitor = tr_monitor(pid);
    tr_send(starter, 51, NULL, 0);
    int status = tr_await_down(monitor, timeout_ms, reason);
    end_with(starter, TR_KILL);
    if (status != TR_OK)
        end_with(pid, TR_KILL);
    tr_demonitor(monitor, true);
    return status;
}

static tr_pid start_ender(const tr_gen_server *server)
{
    tr_pid pid;
    CHECK_EQ(tr_start(&(tr_child){ .server = server }, &pid), TR_OK);
    return pid;
}

static tr_reason ended_by(tr_pid pid, int tag)
{
    tr_reason reason;
    tr_ref monitor = tr_monitor(pid);
    tr_cast(pid, tag, NULL, 0);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    return reason;
}

/* ---- GS-30: each row of its table */

static void own_ends(void)
{
    tr_reason reason = ended_by(start_ender(&ender), GO_STOP);
    RULE("GS-30");
    CHECK_STR(happened(), "terminate13"); /* tr_stop */
    CHECK_EQ(reason.code, 1);
    reason = ended_by(start_ender(&ender), GO_CRASH);
    CHECK_STR(happened(), "terminate6"); /* a crash */
    CHECK_EQ(reason.why, TR_WHY_UNEXPECTED);
    reason = ended_by(start_ender(&ender), GO_BAD);
    CHECK_STR(happened(), "terminate11"); /* a bad return value */
    CHECK_EQ(reason.why, TR_WHY_BAD_RETURN);
    CHECK_EQ(tr_stop_server(start_ender(&ender), TR_SHUTDOWN, 5000), TR_OK);
    CHECK_STR(happened(), "terminate1"); /* tr_stop_server, though it does not trap */
}
TEST(gen_server_end, terminate_runs_at_every_end_of_its_own) { run(own_ends); }

static void parent_exits(void)
{
    tr_reason reason;
    RULE("GS-30");
    CHECK_EQ(by_parent(&trapping_ender, tr_because(TR_WHY_USER, 5, "p"), false, TR_INFINITY, &reason), TR_OK);
    CHECK_STR(happened(), "terminate13");
    CHECK_EQ(reason.code, 5);
    CHECK_EQ(by_parent(&trapping_ender, TR_NORMAL, false, TR_INFINITY, &reason), TR_OK); /* also normal */
    CHECK_STR(happened(), "terminate0");
    CHECK_EQ(reason.why, TR_WHY_NORMAL);
    CHECK_EQ(by_parent(&ender, TR_SHUTDOWN, false, TR_INFINITY, &reason), TR_OK); /* not trapping: no terminate */
    CHECK_STR(happened(), "");
    CHECK_EQ(reason.why, TR_WHY_SHUTDOWN);
}
TEST(gen_server_end, the_parents_exit_ends_a_trapping_server_in_order) { run(parent_exits); }

static void strangers(void)
{
    tr_pid pid = start_ender(&trapping_ender);
    tr_ref monitor = tr_monitor(pid);
    tr_reason reason;
    tr_exit_signal(pid, TR_SHUTDOWN);
    RULE("GS-31"); /* a stranger's: a message like others */
    CHECK_EQ(tr_await_down(monitor, 50, NULL), TR_ETIMEDOUT);
    CHECK_STR(happened(), "info-1");
    tr_exit_signal(pid, TR_KILL);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    RULE("GS-30"); /* kill: no terminate */
    CHECK_STR(happened(), "");
    CHECK(tr_reason_same(&reason, &TR_KILLED));
    pid = start_ender(&ender);
    monitor = tr_monitor(pid);
    tr_exit_signal(pid, TR_SHUTDOWN);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    RULE("GS-30"); /* not trapping: no terminate */
    CHECK_STR(happened(), "");
    CHECK_EQ(reason.why, TR_WHY_SHUTDOWN);
}
TEST(gen_server_end, exit_signals_of_strangers) { run(strangers); }

static void parent_signals(void)
{
    tr_reason reason;
    RULE("GS-31"); /* with exit/2, even normal */
    CHECK_EQ(by_parent(&trapping_ender, TR_NORMAL, true, TR_INFINITY, &reason), TR_OK);
    CHECK_STR(happened(), "terminate0");
    CHECK_EQ(reason.why, TR_WHY_NORMAL);
}
TEST(gen_server_end, a_parent_may_stop_a_trapping_server_by_a_signal) { run(parent_signals); }

static void normal_parent(void)
{
    tr_reason reason;
    RULE("GS-32");
    CHECK_EQ(by_parent(&ender, TR_NORMAL, false, 100, &reason), TR_ETIMEDOUT);
    CHECK_STR(happened(), "");
}
TEST(gen_server_end, a_server_that_does_not_trap_survives_its_parents_normal_end) { run(normal_parent); }

/* ---- tr_stop_reply, crashes in terminate, the name */

static void reply_after_terminate(void)
{
    int answer = 0;
    tr_pid pid;
    CHECK_EQ(tr_start(&(tr_child){ .name = "ender", .server = &ender }, &pid), TR_OK);
    CHECK_EQ(tr_call(pid, GO_STOP_REPLY, NULL, 0, &answer, sizeof answer, 5000), TR_OK);
    RULE("GS-33"); /* terminate had finished when the reply came */
    CHECK_STR(happened(), "terminate13 named");
    CHECK_EQ(answer, 6);
    CHECK_EQ(tr_start(&(tr_child){ .server = &ender, .arg = "x", .arg_size = 2 }, &pid), TR_OK);
    answer = 0;
    RULE("GS-33"); /* even if it crashed */
    CHECK_EQ(tr_call(pid, GO_STOP_REPLY, NULL, 0, &answer, sizeof answer, 5000), TR_OK);
    CHECK_EQ(answer, 6);
}
TEST(gen_server_end, stop_reply_runs_terminate_first) { run(reply_after_terminate); }

static void reply_after_fault(void)
{
    tr_pid pid;
    tr_ref monitor;
    tr_reason reason;
    int answer = 0;
    CHECK_EQ(tr_start_monitor(&(tr_child){ .server = &ender, .arg = "xy", .arg_size = 3 }, &pid, &monitor), TR_OK);
    RULE("GS-33");
    CHECK_EQ(tr_call(pid, GO_STOP_REPLY, NULL, 0, &answer, sizeof answer, 5000), TR_OK);
    CHECK_EQ(answer, 6);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    CHECK_EQ(reason.why, TR_WHY_FAULT);
}
TEST(gen_server_end, a_fault_in_terminate_does_not_withhold_the_reply) { run(reply_after_fault); }

static void crash_in_terminate(void)
{
    tr_pid pid;
    CHECK_EQ(tr_start(&(tr_child){ .server = &ender, .arg = "x", .arg_size = 2 }, &pid), TR_OK);
    tr_reason reason = ended_by(pid, GO_STOP);
    RULE("GS-34");
    CHECK_EQ(reason.why, TR_WHY_ASSERT);
    CHECK_STR(happened(), "terminate13");
}
TEST(gen_server_end, a_crash_in_terminate_becomes_the_reason) { run(crash_in_terminate); }

static void name_in_terminate(void)
{
    tr_pid pid;
    CHECK_EQ(tr_start(&(tr_child){ .name = "ender", .server = &ender }, &pid), TR_OK);
    ended_by(pid, GO_STOP);
    RULE("GS-35");
    CHECK_STR(happened(), "terminate13 named");
    CHECK(tr_nobody(tr_whereis("ender")));
}
TEST(gen_server_end, the_name_stays_while_terminate_runs) { run(name_in_terminate); }

/* ---- tr_stop_server */

static void stop_api(void)
{
    tr_reason why = tr_because(TR_WHY_USER, 8, "stop");
    tr_pid pid = start_ender(&ender);
    tr_send(pid, 21, NULL, 0);
    CHECK_EQ(tr_stop_server(pid, why, TR_INFINITY), TR_OK);
    RULE("GS-36"); /* what was sent before is handled before */
    CHECK_STR(happened(), "info21 terminate13");
    CHECK(!tr_is_alive(pid));
    CHECK_EQ(tr_stop_server(pid, why, 5000), TR_ENOPROC);
    CHECK_EQ(tr_stop_server(tr_name("nobody has it"), why, 5000), TR_ENOPROC);
    CHECK_EQ(tr_stop_server(tr_self(), why, 5000), TR_ESELF);
    CHECK_EQ(tr_start(&(tr_child){ .server = &ender, .arg = "x", .arg_size = 2 }, &pid), TR_OK);
    RULE("GS-36"); /* it ended with another reason */
    CHECK_EQ(tr_stop_server(pid, TR_NORMAL, 5000), TR_EDOWN);
    CHECK_EQ(tr_last_reason()->why, TR_WHY_ASSERT);
}
TEST(gen_server_end, stop_server_waits_for_the_end) { run(stop_api); }

static void stop_timeout(void)
{
    tr_pid pid = start_ender(&ender);
    tr_ref monitor = tr_monitor(pid);
    tr_cast(pid, WAIT, NULL, 0);
    CHECK_EQ(tr_stop_server(pid, TR_SHUTDOWN, 20), TR_ETIMEDOUT);
    CHECK(tr_is_alive(pid));
    tr_send(pid, 77, NULL, 0);
    RULE("GS-36"); /* it goes on terminating */
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, NULL), TR_OK);
    CHECK_STR(happened(), "terminate1");
}
TEST(gen_server_end, a_stop_that_timed_out_still_happens) { run(stop_timeout); }

static void stop_suspended(void)
{
    tr_pid pid = start_ender(&ender);
    CHECK_EQ(tr_suspend(pid, 5000), TR_OK);
    tr_send(pid, 21, NULL, 0);
    RULE("GS-36"); /* acts at once; what is queued is lost */
    CHECK_EQ(tr_stop_server(pid, TR_NORMAL, 5000), TR_OK);
    RULE("SYS-06");
    CHECK_STR(happened(), "terminate0");
}
TEST(gen_server_end, stopping_a_suspended_server_acts_at_once) { run(stop_suspended); }
