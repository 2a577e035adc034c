/* gen_server_late_test.c: timeouts against what comes at the same moment: of idle servers, and of starts. */
#include "behaviour.h"

enum { REPLY = 1, IDLE, FLUSH, WORK };

static void short_lived(const tr_msg *arg) { (void)arg; }

/* Watches one that ends, and lets go of it when the DOWN is in the mailbox already. */
static void flush_a_down(void)
{
    tr_ref monitor;
    tr_pid pid = tr_spawn_monitor(short_lived, NULL, 0, &monitor);
    while (tr_is_alive(pid))
        tr_sleep(1);
    CHECK(!tr_demonitor(monitor, true));
}

/* Until another one waits. */
static void await_message(void)
{
    for (tr_process_info info = { 0 }; info.message_queue_len == 0; tr_sleep(1))
        CHECK_EQ(tr_info(tr_self(), &info), TR_OK);
}

static int late_cast(void *state, const tr_msg *message)
{
    (void)state;
    if (tr_tag(message) == FLUSH)
        flush_a_down();
    if (tr_tag(message) == WORK)
        await_message();
    note("cast");
    return tr_idle(tr_tag(message) == WORK ? 0 : 10);
}
static int late_call(void *state, const tr_msg *request, tr_from from)
{
    (void)state, (void)request;
    return tr_reply(from, NULL, 0);
}
static int late_info(void *state, const tr_msg *message)
{
    (void)state;
    note(tr_tag(message) == TR_MSG_TIMEOUT ? "timeout" : "info");
    return TR_OK;
}
static const tr_gen_server late = {
    .label = "late", .state_size = 8, .handle_call = late_call, .handle_cast = late_cast, .handle_info = late_info
};

static tr_pid start_late(void)
{
    tr_pid pid;
    CHECK_EQ(tr_start(&(tr_child){ .server = &late }, &pid), TR_OK);
    return pid;
}

static void flushed_down(void)
{
    tr_pid pid = start_late();
    tr_cast(pid, FLUSH, NULL, 0);
    RULE("GS-09"); /* what was flushed is no message (MON-06) */
    await_words("cast timeout");
    end_with(pid, TR_KILL);
}
TEST(gen_server_late, a_down_that_was_flushed_cancels_no_timeout) { run(flushed_down); }

static int rest_and_fail(void *state, const void *arg)
{
    (void)state, (void)arg;
    tr_sleep(1);
    tr_exit(TR_SHUTDOWN);
}

static void failing_change(void)
{
    tr_pid pid = start_late();
    tr_cast(pid, IDLE, NULL, 0);
    CHECK_EQ(tr_replace_state(pid, rest_and_fail, NULL, 0, TR_INFINITY), TR_ECALLBACK);
    RULE("GS-10"); /* it starts over, whatever becomes of the system message */
    await_words("cast timeout");
    end_with(pid, TR_KILL);
}
TEST(gen_server_late, a_change_that_fails_leaves_the_timeout) { run(failing_change); }

/* The first timeout is due while a message waits: what it leaves in the mailbox is not the second one's, which the
 * message behind it cancels. */
static void stale_timeout(void)
{
    tr_pid pid = start_late();
    tr_cast(pid, IDLE, NULL, 0);
    tr_sleep(10);
    tr_cast(pid, WORK, NULL, 0);
    tr_send(pid, 21, NULL, 0);
    CHECK_EQ(tr_call(pid, REPLY, NULL, 0, NULL, 0, TR_INFINITY), TR_OK);
    const char *words = happened();
    RULE("GS-09"); /* T = 0: what is queued is handled first */
    CHECK(strcmp(words, "cast cast info") == 0 || strcmp(words, "cast timeout cast info") == 0);
    end_with(pid, TR_KILL);
}
TEST(gen_server_late, what_is_queued_comes_before_a_timeout_of_zero) { run(stale_timeout); }

/* What is no message comes while the timeout is in the mailbox, and puts it aside: the next one comes all the same. */
static void asked_then(void (*ask)(tr_pid pid))
{
    tr_pid pid = start_late();
    for (int i = 0; i < 20; i++) {
        tr_cast(pid, IDLE, NULL, 0);
        tr_sleep(10);
        ask(pid);
        RULE("GS-09");
        await_words("cast timeout");
    }
    end_with(pid, TR_KILL);
}
static void ask_how_it_is(tr_pid pid)
{
    tr_process_info info;
    CHECK_EQ(tr_info(pid, &info), TR_OK);
}
static void hold_it(tr_pid pid)
{
    CHECK_EQ(tr_suspend(pid, TR_INFINITY), TR_OK);
    CHECK_EQ(tr_resume(pid, TR_INFINITY), TR_OK);
}
static void asked(void) { asked_then(ask_how_it_is); }
static void held(void) { asked_then(hold_it); }
TEST(gen_server_late, a_timeout_behind_which_a_query_stands_is_not_the_last) { run(asked); }
TEST(gen_server_late, a_timeout_that_meets_a_suspension_is_not_the_last) { run(held); }

static int slow_init(void *state, const tr_msg *arg)
{
    (void)state, (void)arg;
    tr_sleep(20);
    return tr_stop(TR_SHUTDOWN);
}
static const tr_gen_server slow = { .label = "slow", .init = slow_init };

/* It gives up at the moment at which it would be told. */
static void start_timeout(void)
{
    tr_pid pid;
    tr_trap_exit(true);
    for (int i = 0; i < 10; i++) {
        int status = tr_start_server(&slow, NULL, 0, &(tr_start_options){ .flags = TR_START_LINK, .timeout_ms = 20 },
                                     &pid);
        CHECK(status == TR_ETIMEDOUT || status == TR_ESTART);
        const tr_msg *message = tr_receive(0);
        RULE("PLIB-04");
        CHECK(status == TR_ESTART || message == NULL);
    }
}
TEST(gen_server_late, no_exit_is_left_of_a_start_that_took_too_long) { run(start_timeout); }

static int failing_init(void *state, const tr_msg *arg)
{
    (void)state, (void)arg;
    tr_exit(TR_SHUTDOWN);
}
static const tr_gen_server failing = { .label = "failing", .init = failing_init };

static void received_stays(void)
{
    tr_pid pid;
    tr_trap_exit(true);
    tr_send(tr_self(), 21, "kept", 5);
    const tr_msg *message = tr_receive(TR_INFINITY);
    tr_start_options link = { .flags = TR_START_LINK };
    CHECK_EQ(tr_start_server(&failing, NULL, 0, &link, &pid), TR_ESTART);
    CHECK_STR(tr_string(message), "kept"); /* a start is no receive */
    RULE("PLIB-02");
    CHECK(tr_receive(0) == NULL);
}
TEST(gen_server_late, a_start_that_fails_leaves_what_was_received) { run(received_stays); }
