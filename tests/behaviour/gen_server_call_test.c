/* gen_server_call_test.c: calls, casts, replies, asynchronous requests: GS-20 to GS-29, SUP-54's way of failing. */
#include "behaviour.h"

enum { ADD = 1, TOTAL, DEFER, ANSWER, TWICE, NEVER_, KILL_SELF, BY_HELPER, STOP_CLEAN, BIG };

struct counter {
    int64_t total;
    tr_from waiting;
};

static void helper(const tr_msg *arg)
{
    static const int64_t answer = 99;
    tr_reply(*(const tr_from *)tr_expect(arg, sizeof(tr_from)), &answer, sizeof answer);
}

static int counter_call(void *state, const tr_msg *request, tr_from from)
{
    struct counter *counter = state;
    static const int64_t one = 1, two = 2;
    switch (tr_tag(request)) {
    case TOTAL: return tr_reply(from, &counter->total, sizeof counter->total);
    case DEFER: counter->waiting = from; return TR_OK;
    case TWICE: tr_reply(from, &one, sizeof one); return tr_reply(from, &two, sizeof two);
    case NEVER_: return TR_OK;
    case KILL_SELF: tr_exit_signal(tr_self(), TR_KILL); return TR_OK;
    case BY_HELPER: tr_spawn(helper, &from, sizeof from); return TR_OK;
    case STOP_CLEAN: return tr_stop(TR_NORMAL);
    case BIG: return tr_reply(from, tr_body(request), tr_size(request));
    default: return tr_unexpected(request);
    }
}

static int counter_cast(void *state, const tr_msg *message)
{
    struct counter *counter = state;
    if (tr_tag(message) == ANSWER)
        return tr_reply(counter->waiting, &counter->total, sizeof counter->total);
    counter->total += *(const int64_t *)tr_expect(message, sizeof(int64_t));
    return TR_OK;
}

static const tr_gen_server counter = {
    .label = "counter", .state_size = sizeof(struct counter), .handle_call = counter_call, .handle_cast = counter_cast
};

static tr_pid start_counter(void)
{
    tr_pid pid;
    CHECK_EQ(tr_start(&(tr_child){ .server = &counter }, &pid), TR_OK);
    return pid;
}

static void add(tr_pid pid, int64_t value) { tr_cast(pid, ADD, &value, sizeof value); }

static int ask(tr_pid pid, int tag, int64_t *answer, int64_t timeout_ms)
{
    return tr_call(pid, tag, NULL, 0, answer, sizeof *answer, timeout_ms);
}

/* ---- calls */

static void plain_call(void)
{
    int64_t total;
    tr_msg *reply;
    char large[5000] = "large";
    tr_pid pid = start_counter();
    add(pid, 40);
    add(pid, 2);
    RULE("GS-20");
    CHECK_EQ(ask(pid, TOTAL, &total, 5000), TR_OK);
    RULE("GS-29"); /* cast, cast, call: in this order */
    CHECK_EQ(total, 42);
    CHECK_EQ(tr_call_msg(pid, BIG, large, sizeof large, 5000, &reply), TR_OK);
    CHECK(tr_size(reply) == sizeof large && memcmp(tr_body(reply), large, sizeof large) == 0);
    tr_drop(reply);
    CHECK_EQ(tr_call(pid, TOTAL, NULL, 0, large, 3, 5000), TR_ESIZE);
    CHECK_EQ(tr_call(pid, TOTAL, NULL, 0, large, 3, -7), TR_EINVAL);
    end_with(pid, TR_KILL);
}
TEST(gen_server_call, a_call_gets_its_reply_after_the_callers_casts) { run(plain_call); }

static int self_call(void *state, const tr_msg *request, tr_from from)
{
    (void)state;
    int status = tr_call(tr_self(), 1, NULL, 0, NULL, 0, 5000);
    (void)request;
    return tr_reply(from, &status, sizeof status);
}
static const tr_gen_server narcissus = { .label = "narcissus", .handle_call = self_call };

static void causes(void)
{
    int64_t total;
    int status;
    tr_pid pid = start_counter(), other;
    RULE("GS-21");
    CHECK_EQ(ask(tr_name("nobody has it"), TOTAL, &total, 5000), TR_ENOPROC);
    CHECK_EQ(ask(pid, NEVER_, &total, 10), TR_ETIMEDOUT);
    CHECK_EQ(ask(pid, STOP_CLEAN, &total, 5000), TR_EDOWN); /* also normal is a failure */
    CHECK_EQ(tr_last_reason()->why, TR_WHY_NORMAL);
    CHECK_EQ(ask(pid, TOTAL, &total, 5000), TR_ENOPROC);
    pid = start_counter();
    CHECK_EQ(ask(pid, KILL_SELF, &total, 5000), TR_EDOWN);
    CHECK(tr_reason_same(tr_last_reason(), &TR_KILLED));
    pid = start_counter();
    CHECK_EQ(ask(pid, 99, &total, 5000), TR_EDOWN);
    CHECK_EQ(tr_last_reason()->why, TR_WHY_UNEXPECTED);
    CHECK_EQ(tr_start(&(tr_child){ .server = &narcissus }, &other), TR_OK);
    CHECK_EQ(tr_call(other, 1, NULL, 0, &status, sizeof status, 5000), TR_OK);
    CHECK_EQ(status, TR_ESELF);
    end_with(other, TR_KILL);
}
TEST(gen_server_call, a_failed_call_tells_its_cause) { run(causes); }

static void exiting_caller(const tr_msg *arg)
{
    int64_t total;
    tr_pid pid = *(const tr_pid *)tr_expect(arg, sizeof pid);
    tr_call_or_exit(pid, NEVER_, NULL, 0, &total, sizeof total, 20);
    note("went on");
}

static tr_reason end_of_caller(tr_pid server, int kill_after_ms)
{
    tr_ref monitor;
    tr_reason reason;
    tr_spawn_monitor(exiting_caller, &server, sizeof server, &monitor);
    if (kill_after_ms >= 0)
        tr_exit_signal(server, tr_because(TR_WHY_USER, 4, "server's"));
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    return reason;
}

static void call_or_exit(void)
{
    tr_pid pid = start_counter();
    tr_reason reason = end_of_caller(pid, -1);
    RULE("GS-21"); /* the caller exits */
    CHECK_EQ(reason.why, TR_WHY_TIMEOUT);
    reason = end_of_caller(tr_name("nobody has it"), -1);
    CHECK_EQ(reason.why, TR_WHY_NOPROC);
    reason = end_of_caller(pid, 0);
    CHECK(reason.code == 4 || reason.why == TR_WHY_NOPROC); /* it may have been dead before the call */
    CHECK_STR(happened(), "");
}
TEST(gen_server_call, call_or_exit_ends_the_caller) { run(call_or_exit); }

static void queued_calls(void)
{
    tr_pid pid = start_counter();
    tr_ref first, second;
    tr_msg *reply;
    CHECK_EQ(tr_suspend(pid, 5000), TR_OK);
    first = tr_send_request(pid, TOTAL, NULL, 0);
    second = tr_send_request(pid, TOTAL, NULL, 0);
    tr_exit_signal(pid, tr_because(TR_WHY_USER, 12, "gone"));
    RULE("GS-22"); /* not noproc */
    CHECK_EQ(tr_receive_response(first, 5000, &reply), TR_EDOWN);
    CHECK_EQ(tr_last_reason()->code, 12);
    CHECK_EQ(tr_receive_response(second, 5000, &reply), TR_EDOWN);
    CHECK_EQ(tr_last_reason()->code, 12);
}
TEST(gen_server_call, queued_calls_fail_with_the_servers_reason) { run(queued_calls); }

static void late_reply(void)
{
    int64_t total;
    tr_pid pid = start_counter();
    CHECK_EQ(ask(pid, DEFER, &total, 10), TR_ETIMEDOUT);
    tr_cast(pid, ANSWER, NULL, 0);
    CHECK_EQ(ask(pid, TOTAL, &total, 5000), TR_OK);
    RULE("GS-23"); /* the late reply vanished, and nothing else comes */
    CHECK(mailbox_empty());
    end_with(pid, TR_KILL);
    CHECK(mailbox_empty());
}
TEST(gen_server_call, a_late_reply_vanishes) { run(late_reply); }

static void abandoned(void)
{
    int64_t total = 0;
    tr_pid pid = start_counter();
    CHECK_EQ(tr_suspend(pid, 5000), TR_OK);
    add(pid, 7);
    CHECK_EQ(ask(pid, DEFER, &total, 10), TR_ETIMEDOUT);
    CHECK_EQ(tr_resume(pid, 5000), TR_OK);
    CHECK_EQ(ask(pid, TOTAL, &total, 5000), TR_OK);
    struct counter state;
    CHECK_EQ(tr_get_state(pid, &state, sizeof state, 5000), TR_OK);
    RULE("GS-23"); /* the abandoned request was executed all the same */
    CHECK(tr_same(state.waiting.caller, tr_self()));
    end_with(pid, TR_KILL);
}
TEST(gen_server_call, an_abandoned_request_is_still_executed) { run(abandoned); }

static void replies(void)
{
    int64_t total;
    tr_pid pid = start_counter();
    RULE("GS-24");
    CHECK_EQ(ask(pid, BY_HELPER, &total, 5000), TR_OK); /* another process replied */
    CHECK_EQ(total, 99);
    CHECK_EQ(ask(pid, TWICE, &total, 5000), TR_OK);
    CHECK_EQ(total, 1); /* the first counts */
    CHECK_EQ(ask(pid, TOTAL, &total, 5000), TR_OK);
    CHECK(mailbox_empty());
    tr_ref request = tr_send_request(pid, DEFER, NULL, 0);
    tr_msg *reply;
    add(pid, 5);
    tr_cast(pid, ANSWER, NULL, 0);
    CHECK_EQ(tr_receive_response(request, 5000, &reply), TR_OK);
    CHECK_EQ(*(const int64_t *)tr_body(reply), 5); /* later, from another callback */
    tr_drop(reply);
    CHECK_EQ(tr_reply((tr_from){ .caller = pid, .serial = 7 }, NULL, 0), TR_OK);
    end_with(pid, TR_KILL);
    CHECK_EQ(tr_reply((tr_from){ .caller = pid, .serial = 7 }, NULL, 0), TR_OK);
}
TEST(gen_server_call, anybody_may_reply_at_any_time_once) { run(replies); }

static void linked_crash(void)
{
    int64_t total;
    tr_pid pid;
    tr_trap_exit(true);
    CHECK_EQ(tr_start_link(&(tr_child){ .server = &counter }, &pid), TR_OK);
    CHECK_EQ(ask(pid, 99, &total, 5000), TR_EDOWN);
    CHECK_EQ(tr_last_reason()->why, TR_WHY_UNEXPECTED);
    tr_reason reason = await_exit(pid);
    RULE("GS-25"); /* both the failure and the EXIT */
    CHECK_EQ(reason.why, TR_WHY_UNEXPECTED);
    CHECK(mailbox_empty());
}
TEST(gen_server_call, a_trapping_linked_caller_gets_the_failure_and_the_exit) { run(linked_crash); }

static void linked_caller(const tr_msg *arg)
{
    int64_t total;
    tr_pid pid;
    (void)arg;
    tr_must(tr_start_link(&(tr_child){ .server = &counter }, &pid));
    if (ask(pid, 99, &total, 5000) != TR_OK)
        note("survived");
}

static void linked_not_trapping(void)
{
    tr_ref monitor;
    tr_reason reason;
    tr_spawn_monitor(linked_caller, NULL, 0, &monitor);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    RULE("GS-25"); /* it dies of the link, with the raw reason */
    CHECK_EQ(reason.why, TR_WHY_UNEXPECTED);
    CHECK_STR(happened(), "");
}
TEST(gen_server_call, another_linked_caller_dies_of_the_link) { run(linked_not_trapping); }

static void casts(void)
{
    tr_pid pid = start_counter();
    end_with(pid, TR_KILL);
    RULE("GS-26");
    CHECK_EQ(tr_cast(pid, ADD, NULL, 0), TR_OK);
    CHECK_EQ(tr_cast(tr_name("nobody has it"), ADD, NULL, 0), TR_OK);
    CHECK_EQ(tr_cast((tr_pid){ 0 }, ADD, NULL, 0), TR_OK);
}
TEST(gen_server_call, a_cast_is_always_ok) { run(casts); }

/* ---- asynchronous requests */

static void requests(void)
{
    tr_pid pid = start_counter();
    tr_msg *reply;
    tr_ref request = tr_send_request(pid, DEFER, NULL, 0);
    CHECK_EQ(tr_wait_response(request, 10, &reply), TR_ETIMEDOUT);
    tr_cast(pid, ANSWER, NULL, 0);
    RULE("GS-27"); /* it stayed active */
    CHECK_EQ(tr_wait_response(request, 5000, &reply), TR_OK);
    tr_drop(reply);
    request = tr_send_request(pid, DEFER, NULL, 0);
    CHECK_EQ(tr_receive_response(request, 10, &reply), TR_ETIMEDOUT);
    tr_cast(pid, ANSWER, NULL, 0);
    request = tr_send_request(pid, TOTAL, NULL, 0);
    CHECK_EQ(tr_receive_response(request, 5000, &reply), TR_OK);
    tr_drop(reply);
    RULE("GS-27"); /* the other one was abandoned: its late reply vanished */
    CHECK(mailbox_empty());
    request = tr_send_request(pid, STOP_CLEAN, NULL, 0);
    CHECK_EQ(tr_wait_response(request, 5000, &reply), TR_EDOWN);
    CHECK_EQ(tr_last_reason()->why, TR_WHY_NORMAL);
    request = tr_send_request(pid, TOTAL, NULL, 0);
    CHECK_EQ(tr_wait_response(request, 5000, &reply), TR_ENOPROC);
}
TEST(gen_server_call, requests_are_waited_for_later) { run(requests); }

static void checked(void)
{
    tr_pid pid = start_counter();
    int status = 1;
    tr_msg *reply;
    tr_ref request = tr_send_request(pid, TOTAL, NULL, 0), other = tr_send_request(pid, NEVER_, NULL, 0);
    tr_send(tr_self(), 5, NULL, 0);
    int seen = 0;
    for (int i = 0; i < 2; i++) {
        const tr_msg *message = tr_receive(5000);
        CHECK(message != NULL);
        CHECK_EQ(tr_check_response(message, other, &status, &reply), 0);
        if (tr_check_response(message, request, &status, &reply) == 1) {
            RULE("GS-27");
            CHECK_EQ(status, TR_OK);
            CHECK_EQ(tr_size(reply), sizeof(int64_t));
            tr_drop(reply);
            seen++;
        }
    }
    CHECK_EQ(seen, 1);
    end_with(pid, tr_because(TR_WHY_USER, 3, "x"));
    CHECK_EQ(tr_check_response(tr_receive(5000), other, &status, &reply), 1);
    CHECK_EQ(status, TR_EDOWN);
}
TEST(gen_server_call, a_received_message_is_checked_against_a_request) { run(checked); }

static void several(void)
{
    enum { SERVERS = 5 };
    tr_pid servers[SERVERS];
    int statuses[SERVERS];
    tr_msg *answers[SERVERS];
    for (int i = 0; i < SERVERS - 1; i++)
        servers[i] = start_counter();
    servers[SERVERS - 1] = tr_name("nobody has it");
    add(servers[1], 11);
    CHECK_EQ(tr_suspend(servers[2], 5000), TR_OK);
    int64_t begin = tr_now_ns();
    CHECK_EQ(tr_multi_call(servers, SERVERS, TOTAL, NULL, 0, 1000, statuses, answers), 3);
    CHECK(tr_now_ns() - begin >= 1000 * INT64_C(1000000));
    CHECK_EQ(statuses[0], TR_OK);
    CHECK_EQ(*(const int64_t *)tr_body(answers[1]), 11);
    CHECK(statuses[2] == TR_ETIMEDOUT && answers[2] == NULL);
    CHECK_EQ(statuses[SERVERS - 1], TR_ENOPROC);
    for (int i = 0; i < SERVERS; i++)
        tr_drop(answers[i]);
    CHECK_EQ(tr_resume(servers[2], 5000), TR_OK);
    int64_t total;
    CHECK_EQ(ask(servers[2], TOTAL, &total, 5000), TR_OK);
    CHECK(mailbox_empty()); /* its late answer vanished */
    for (int i = 0; i < SERVERS - 1; i++)
        end_with(servers[i], TR_KILL);
}
TEST(gen_server_call, several_servers_are_called_under_one_deadline) { run(several); }
