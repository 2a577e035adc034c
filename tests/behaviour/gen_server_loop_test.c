/* gen_server_loop_test.c: what a server does with its messages, and what its callbacks may return: GS-07 to GS-16. */
#include "behaviour.h"

/* A server that is told by each message what to return. */
enum {
    REPLY = 1,
    IDLE = 3,
    CONTINUE,
    CHAIN,
    POSITIVE,
    NEGATIVE,
    FAILING,
    LEAVE,
    CHAIN_AND_LEAVE,
    STOP_WITH_CODE,
    STOP_WITH_TEXT
};

struct order {
    int ms;
};

static int obey(void *state, const tr_msg *message)
{
    const struct order *order = tr_body(message);
    (void)state;
    switch (tr_tag(message)) {
    case IDLE: return tr_idle(order->ms);
    case CONTINUE: return tr_continue(3, "x", 2);
    case CHAIN: return tr_continue(1, NULL, 0);
    case POSITIVE: return 42;
    case NEGATIVE: return TR_EFULL;
    case FAILING: tr_assert(order == NULL); break;
    case STOP_WITH_CODE: return tr_stop(tr_because(TR_WHY_NORMAL, 3, NULL));
    case STOP_WITH_TEXT: return tr_stop(tr_because(TR_WHY_NORMAL, 0, "done"));
    case CHAIN_AND_LEAVE: CHECK(tr_continue(1, NULL, 0) != TR_OK); /* fall through */
    case LEAVE: tr_exit(tr_because(TR_WHY_USER, 9, "left"));
    default: break;
    }
    return TR_OK;
}

static int loop_call(void *state, const tr_msg *request, tr_from from)
{
    note("call%d", tr_tag(request));
    if (tr_tag(request) == CONTINUE) /* replies, and then goes on */
        tr_reply(from, NULL, 0);
    if (tr_tag(request) == REPLY)
        return tr_reply(from, NULL, 0);
    return obey(state, request);
}

static int loop_cast(void *state, const tr_msg *message)
{
    note("cast%d", tr_tag(message));
    return obey(state, message);
}

static int loop_info(void *state, const tr_msg *message)
{
    if (tr_tag(message) == TR_MSG_TIMEOUT) {
        note("timeout");
        return TR_OK;
    }
    note("info%d", tr_tag(message));
    return obey(state, message);
}

static int loop_continue(void *state, const tr_msg *message)
{
    (void)state;
    note("continue%d%s", tr_tag(message), (const char *)tr_body(message));
    if (tr_tag(message) == 1)
        return tr_continue(2, NULL, 0);
    return TR_OK;
}

static void loop_terminate(void *state, const tr_reason *reason)
{
    (void)state;
    note("terminate%d", (int)reason->why);
}

static const tr_gen_server looper = { .label = "looper",
                                      .state_size = 8,
                                      .handle_call = loop_call,
                                      .handle_cast = loop_cast,
                                      .handle_info = loop_info,
                                      .handle_continue = loop_continue,
                                      .terminate = loop_terminate };
static const tr_gen_server trapping_looper = { .label = "trapping looper",
                                               .trap_exit = true,
                                               .handle_call = loop_call,
                                               .handle_cast = loop_cast,
                                               .handle_info = loop_info,
                                               .terminate = loop_terminate };

static tr_pid start_looper(const tr_gen_server *server)
{
    tr_pid pid;
    CHECK_EQ(tr_start(&(tr_child){ .server = server }, &pid), TR_OK);
    return pid;
}

/* Waits until the server has handled all that this process sent to it. */
static void finish(tr_pid pid) { CHECK_EQ(tr_call(pid, REPLY, NULL, 0, NULL, 0, TR_INFINITY), TR_OK); }

static void short_lived(const tr_msg *arg) { (void)arg; }

static void orders(void)
{
    tr_pid pid = start_looper(&trapping_looper);
    CHECK_EQ(tr_suspend(pid, 5000), TR_OK); /* so that all of it is in the mailbox at once */
    tr_send(pid, 21, NULL, 0);
    tr_cast(pid, 22, NULL, 0);
    tr_exit_signal(pid, TR_SHUTDOWN); /* of a stranger: a message */
    tr_ref request = tr_send_request(pid, REPLY, NULL, 0);
    CHECK_EQ(tr_start_timer(0, tr_self(), NULL, 0, NULL), TR_OK);
    tr_send(pid, 23, NULL, 0);
    tr_msg *reply;
    CHECK_EQ(tr_resume(pid, 5000), TR_OK);
    CHECK_EQ(tr_receive_response(request, 5000, &reply), TR_OK);
    tr_drop(reply);
    finish(pid);
    RULE("GS-07");
    CHECK_STR(happened(), "info21 cast22 info-1 call1 info23 call1");
    end_with(pid, TR_KILL);
}
TEST(gen_server_loop, messages_are_handled_in_mailbox_order_each_by_its_callback) { run(orders); }

static void down_is_info(void)
{
    tr_pid pid = start_looper(&looper);
    tr_ref monitor;
    tr_send(pid, 21, NULL, 0);
    tr_spawn_monitor(short_lived, NULL, 0, &monitor);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, NULL), TR_OK);
    tr_cast(pid, 22, NULL, 0);
    tr_send(pid, 23, NULL, 0);
    finish(pid);
    RULE("GS-08"); /* each of them went on with TR_OK, and one after the other */
    CHECK_STR(happened(), "info21 cast22 info23 call1");
    end_with(pid, TR_KILL);
}
TEST(gen_server_loop, callbacks_that_return_ok_go_on) { run(down_is_info); }

static void timeout_fires(void)
{
    tr_pid pid = start_looper(&looper);
    tr_cast(pid, IDLE, &(struct order){ 20 }, sizeof(struct order));
    await_words("cast3 timeout");
    RULE("GS-09"); /* asked for again by nobody, it does not come again */
    tr_sleep(60);
    CHECK_STR(happened(), "");
    int64_t begin = tr_now_ns();
    tr_cast(pid, IDLE, &(struct order){ 30 }, sizeof(struct order));
    await_words("cast3 timeout");
    CHECK(tr_now_ns() - begin >= 30 * 1000000);
    end_with(pid, TR_KILL);
}
TEST(gen_server_loop, a_timeout_comes_once_and_never_early) { run(timeout_fires); }

/* Whether what has been done since then came before a timeout that was asked for since then. */
static bool in_time(int64_t since_ns, int64_t ms) { return tr_now_ns() - since_ns < ms * 1000000; }

static void timeout_cancelled(void)
{
    tr_pid pid = start_looper(&looper);
    for (bool certain = false; !certain;) {
        int64_t begin = tr_now_ns();
        tr_cast(pid, IDLE, &(struct order){ 300 }, sizeof(struct order));
        tr_send(pid, 21, NULL, 0);
        certain = in_time(begin, 300);
        tr_sleep(400);
        finish(pid);
        const char *words = happened();
        RULE("GS-09");
        CHECK(!certain || strcmp(words, "cast3 info21 call1") == 0);
    }
    CHECK_EQ(tr_suspend(pid, 5000), TR_OK);
    tr_cast(pid, IDLE, &(struct order){ 0 }, sizeof(struct order));
    tr_send(pid, 22, NULL, 0);
    CHECK_EQ(tr_resume(pid, 5000), TR_OK);
    tr_sleep(20);
    finish(pid);
    RULE("GS-09"); /* T = 0: what is queued already cancels it */
    CHECK_STR(happened(), "cast3 info22 call1");
    tr_cast(pid, IDLE, &(struct order){ 0 }, sizeof(struct order));
    await_words("cast3 timeout");
    end_with(pid, TR_KILL);
}
TEST(gen_server_loop, any_message_cancels_a_timeout) { run(timeout_cancelled); }

static void timeout_and_system(void)
{
    char state[8];
    tr_pid pid = start_looper(&looper);
    for (bool certain = false; !certain;) {
        int64_t begin = tr_now_ns();
        tr_cast(pid, IDLE, &(struct order){ 500 }, sizeof(struct order));
        tr_sleep(10);
        int64_t asked = tr_now_ns();
        CHECK_EQ(tr_get_state(pid, state, sizeof state, 5000), TR_OK);
        certain = in_time(begin, 500);
        await_words("cast3 timeout");
        RULE("GS-10"); /* it starts over */
        CHECK(!certain || tr_now_ns() - asked >= 500 * 1000000);
    }
    end_with(pid, TR_KILL);
}
TEST(gen_server_loop, a_system_message_starts_a_timeout_over) { run(timeout_and_system); }

static void suspended_timeout(void)
{
    tr_pid pid = start_looper(&looper);
    for (bool certain = false; !certain;) {
        int64_t begin = tr_now_ns();
        tr_cast(pid, IDLE, &(struct order){ 300 }, sizeof(struct order));
        CHECK_EQ(tr_suspend(pid, 5000), TR_OK);
        certain = in_time(begin, 300);
        tr_sleep(400);
        bool came = strcmp(happened(), "cast3") != 0;
        RULE("GS-10"); /* it does not run while the server is suspended */
        CHECK(!certain || !came);
        CHECK_EQ(tr_resume(pid, 5000), TR_OK);
        if (!came)
            await_words("timeout");
    }
    end_with(pid, TR_KILL);
}
TEST(gen_server_loop, no_timeout_while_suspended) { run(suspended_timeout); }

static void timer_looks_alike(void)
{
    tr_pid pid = start_looper(&looper);
    CHECK_EQ(tr_start_timer(0, pid, NULL, 0, NULL), TR_OK);
    RULE("GS-11");
    await_words("timeout");
    end_with(pid, TR_KILL);
}
TEST(gen_server_loop, a_timer_message_arrives_like_a_timeout) { run(timer_looks_alike); }

static void continues(void)
{
    tr_pid pid = start_looper(&looper);
    CHECK_EQ(tr_suspend(pid, 5000), TR_OK);
    tr_cast(pid, CHAIN, NULL, 0);
    tr_send(pid, 21, NULL, 0);
    CHECK_EQ(tr_resume(pid, 5000), TR_OK);
    finish(pid);
    RULE("GS-12"); /* before what was queued already, and they chain */
    CHECK_STR(happened(), "cast5 continue1 continue2 info21 call1");
    CHECK_EQ(tr_call(pid, CONTINUE, NULL, 0, NULL, 0, 5000), TR_OK);
    finish(pid);
    CHECK_STR(happened(), "call4 continue3x call1");
    end_with(pid, TR_KILL);
}
TEST(gen_server_loop, a_continue_runs_before_any_message) { run(continues); }

static int hold_continue(void *state, const tr_msg *message)
{
    (void)state, (void)message;
    tr_receive_match(&(tr_match){ .tag = 77 }, TR_INFINITY);
    note("continued");
    return TR_OK;
}

static int hold_init(void *state, const tr_msg *arg)
{
    (void)state, (void)arg;
    return tr_continue(1, NULL, 0);
}

static int hold_call(void *state, const tr_msg *request, tr_from from)
{
    (void)state, (void)request;
    tr_reply(from, NULL, 0);
    return tr_continue(1, NULL, 0);
}
static const tr_gen_server holder = {
    .label = "holder", .init = hold_init, .handle_call = hold_call, .handle_continue = hold_continue
};

static void reply_before_continue(void)
{
    tr_pid pid;
    RULE("GS-12"); /* the starter and the caller are answered while the continue still waits */
    CHECK_EQ(tr_start(&(tr_child){ .server = &holder }, &pid), TR_OK);
    CHECK_STR(happened(), "");
    tr_send(pid, 77, NULL, 0);
    CHECK_EQ(tr_call(pid, 1, NULL, 0, NULL, 0, 5000), TR_OK);
    CHECK_STR(happened(), "continued");
    end_with(pid, TR_KILL);
}
TEST(gen_server_loop, replies_are_sent_before_a_continue_runs) { run(reply_before_continue); }

static void idle_costs_nothing(void)
{
    tr_process_info info;
    tr_pid pid = start_looper(&looper);
    finish(pid);
    CHECK_EQ(tr_info(pid, &info), TR_OK);
    RULE("GS-13"); /* a server between messages holds no stack: it always hibernates */
    CHECK_EQ(info.stack_size, 0);
    finish(pid);
    end_with(pid, TR_KILL);
}
TEST(gen_server_loop, an_idle_server_hibernates_without_being_told) { run(idle_costs_nothing); }

/* ---- bad returns and crashes */

static tr_reason end_of(int tag, const char *words)
{
    tr_reason reason;
    tr_pid pid = start_looper(&looper);
    tr_ref monitor = tr_monitor(pid);
    tr_cast(pid, tag, &(struct order){ 0 }, sizeof(struct order));
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    CHECK_STR(happened(), words);
    return reason;
}

static void bad_returns(void)
{
    tr_reason reason = end_of(POSITIVE, "cast6 terminate11");
    RULE("GS-14");
    CHECK_EQ(reason.why, TR_WHY_BAD_RETURN);
    CHECK_EQ(reason.code, 42);
    reason = end_of(NEGATIVE, "cast7 terminate9");
    CHECK_EQ(reason.why, TR_WHY_STATUS);
    CHECK_EQ(reason.code, TR_EFULL);
}
TEST(gen_server_loop, a_bad_return_value_ends_the_server) { run(bad_returns); }

static void detailed_stops(void)
{
    CHECK_EQ(end_of(STOP_WITH_CODE, "cast11 terminate0").code, 3);
    CHECK_STR(end_of(STOP_WITH_TEXT, "cast12 terminate0").text, "done");
}
TEST(gen_server_loop, a_normal_stop_keeps_its_code_and_text) { run(detailed_stops); }

static void crashes(void)
{
    tr_reason reason = end_of(FAILING, "cast8 terminate7");
    RULE("GS-15");
    CHECK_EQ(reason.why, TR_WHY_ASSERT);
    reason = end_of(LEAVE, "cast9 terminate13");
    CHECK_EQ(reason.code, 9);
    reason = end_of(CHAIN_AND_LEAVE, "cast10 terminate13"); /* and never continues */
    CHECK_EQ(reason.code, 9);
}
TEST(gen_server_loop, a_crash_runs_terminate_with_its_reason) { run(crashes); }

static const tr_gen_server bare = { .label = "bare", .terminate = loop_terminate };

static void missing_callbacks(void)
{
    const struct logged *record = NULL;
    tr_reason reason;
    tr_pid pid = start_looper(&bare);
    tr_ref monitor = tr_monitor(pid);
    tr_send(pid, 21, "abc", 3);
    tr_cast(pid, 22, NULL, 0);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    RULE("GS-16"); /* the message was dropped, the cast was not expected */
    CHECK_EQ(reason.why, TR_WHY_UNEXPECTED);
    CHECK_EQ(logged("log", &record), 1);
    CHECK_EQ(record->level, TR_WARNING);
    CHECK(strstr(record->text, "21") != NULL);
    pid = start_looper(&bare);
    RULE("GS-16");
    CHECK_EQ(tr_call(pid, REPLY, NULL, 0, NULL, 0, 5000), TR_EDOWN);
    CHECK_EQ(tr_last_reason()->why, TR_WHY_UNEXPECTED);
}
TEST(gen_server_loop, without_handle_info_messages_are_dropped_others_crash) { run(missing_callbacks); }
