/* receive_test.c: receiving: RECV. */
#include "support.h"

static bool is_odd(const tr_msg *message, const void *arg)
{
    (void)arg;
    return tr_tag(message) % 2 == 1;
}

static void oldest_match(void);
TEST(receive, takes_the_oldest_match_and_leaves_the_rest) { run(oldest_match); }
static void oldest_match(void)
{
    for (int tag = 2; tag <= 9; tag++)
        tr_send(tr_self(), tag, NULL, 0);
    RULE("RECV-01");
    CHECK_EQ(tr_tag(tr_receive_match(&(tr_match){ .accept = is_odd }, 0)), 3);
    CHECK_EQ(tr_tag(tr_receive_match(&(tr_match){ .accept = is_odd }, 0)), 5);
    CHECK_EQ(tr_tag(tr_receive_match(&(tr_match){ .tag = 8 }, 0)), 8);
    CHECK_EQ(tr_tag(tr_receive(0)), 2);
    CHECK_EQ(tr_tag(tr_receive(0)), 4);
    CHECK(tr_receive_match(&(tr_match){ .tag = 8 }, 0) == NULL);
    CHECK_EQ(queue_len(tr_self()), 3); /* 6, 7, 9 */
}

static void by_sender(void);
TEST(receive, matches_by_sender_and_by_reference) { run(by_sender); }
static void by_sender(void)
{
    tr_pid pid = spawn_ender_on_go(4), other = spawn_ender(5);
    tr_ref first = tr_monitor(other), second = tr_monitor(pid);
    go(pid);
    RULE("RECV-01");
    CHECK(tr_same(tr_sender(tr_receive_match(&(tr_match){ .ref = second }, TR_INFINITY)), pid));
    CHECK(tr_same_ref(tr_ref_of(tr_receive_match(&(tr_match){ .from = other }, TR_INFINITY)), first));
}

static int tests_made;

static bool count_tests(const tr_msg *message, const void *arg)
{
    (void)arg;
    tests_made++; /* only the receiver runs it */
    return tr_tag(message) == LAST;
}

static void slow_sender(const tr_msg *arg)
{
    tr_pid to = *(const tr_pid *)tr_body(arg);
    for (int i = 0; i < 20; i++) {
        tr_send(to, WORD, NULL, 0);
        tr_sleep(1);
    }
    tr_send(to, LAST, NULL, 0);
}

static void tested_once(void);
TEST(receive, tests_each_message_once) { run(tested_once); }
static void tested_once(void)
{
    tr_pid self = tr_self();
    tests_made = 0;
    for (int i = 0; i < 100; i++)
        tr_send(self, WORD, NULL, 0);
    tr_spawn(slow_sender, &self, sizeof self);
    tr_receive_match(&(tr_match){ .accept = count_tests }, TR_INFINITY);
    RULE("RECV-02");
    CHECK_EQ(tests_made, 121);
}

static void timeout_from_entry(void);
TEST(receive, timeout_runs_from_the_entry_and_is_never_early) { run(timeout_from_entry); }
static void timeout_from_entry(void)
{
    tr_pid self = tr_self();
    tr_spawn(slow_sender, &self, sizeof self);
    int64_t start = tr_now_ns();
    const tr_msg *message = tr_receive_match(&(tr_match){ .tag = GO }, 15);
    int64_t took = tr_now_ns() - start;
    RULE("RECV-03");
    CHECK(message == NULL);
    CHECK(took >= INT64_C(15000000));
    CHECK(took < INT64_C(5000000000)); /* it was not restarted for ever */
    for (int64_t ms = 1; ms < 12; ms++) {
        start = tr_now_ns();
        CHECK(tr_receive_match(&(tr_match){ .tag = GO }, ms) == NULL);
        RULE("RECV-03");
        CHECK(tr_now_ns() - start >= ms * 1000000);
    }
    await_tag(LAST);
}

static void bad_timeout(const tr_msg *arg)
{
    (void)arg;
    tr_receive(-2);
}

static void bad_sleep(const tr_msg *arg)
{
    (void)arg;
    tr_sleep(-2);
}

static void bad_sleeps(void);
TEST(receive, a_sleep_of_less_than_nothing_is_misuse) { run(bad_sleeps); }
static void bad_sleeps(void)
{
    tr_ref monitor;
    tr_spawn_monitor(bad_sleep, NULL, 0, &monitor);
    tr_reason reason = await_down(monitor);
    CHECK(reason.why == TR_WHY_STATUS && reason.code == TR_EINVAL);
}

static void zero_timeout(void);
TEST(receive, zero_looks_and_returns_and_a_bad_timeout_is_misuse) { run(zero_timeout); }
static void zero_timeout(void)
{
    RULE("RECV-04");
    CHECK(tr_receive(0) == NULL);
    tr_send(tr_self(), WORD, NULL, 0);
    tr_send(tr_self(), LAST, NULL, 0);
    CHECK_EQ(tr_tag(tr_receive_match(&(tr_match){ .tag = LAST }, 0)), LAST);
    tr_ref monitor;
    tr_spawn_monitor(bad_timeout, NULL, 0, &monitor);
    tr_reason reason = await_down(monitor);
    CHECK(!tr_reason_clean(&reason));
}

static void late_sender(const tr_msg *arg)
{
    tr_sleep(20);
    tr_send(*(const tr_pid *)tr_body(arg), WORD, NULL, 0);
}

static void infinity(void);
TEST(receive, infinity_waits_until_something_comes) { run(infinity); }
static void infinity(void)
{
    tr_pid self = tr_self();
    tr_spawn(late_sender, &self, sizeof self);
    RULE("RECV-04");
    CHECK_EQ(tr_tag(tr_receive(TR_INFINITY)), WORD);
}

static int echo_handle(void *state, const tr_msg *message)
{
    (void)state;
    return tr_kind_of(message) == TR_KIND_CALL ? tr_reply(tr_from_of(message), NULL, 0) : TR_OK;
}

static const tr_actor echo = { .handle = echo_handle };

/* The least time of a call, of several batches. */
static int64_t call_ns(tr_pid server)
{
    enum { CALLS = 100 };
    int64_t least = INT64_MAX;
    for (int batch = 0; batch < 20; batch++) {
        int64_t start = tr_now_ns();
        for (int i = 0; i < CALLS; i++)
            CHECK_EQ(tr_call(server, QUESTION, NULL, 0, NULL, 0, TR_INFINITY), TR_OK);
        int64_t took = (tr_now_ns() - start) / CALLS;
        least = took < least ? took : least;
    }
    return least;
}

static void long_mailbox(void);
TEST(receive, calls_are_as_fast_with_a_long_mailbox) { run_on(1, long_mailbox); }
static void long_mailbox(void)
{
    tr_pid server = tr_spawn_actor(&echo, NULL, 0, NULL);
    int64_t empty = call_ns(server);
    for (int i = 0; i < 500000; i++)
        tr_send(tr_self(), WORD, NULL, 0);
    int64_t full = call_ns(server);
    RULE("RECV-05");
    CHECK(full <= 10 * empty + 1000);
}

static void in_receive(const tr_msg *arg)
{
    tr_send(*(const tr_pid *)tr_body(arg), READY, NULL, 0);
    await_tag(GO);
}

static void killed_in_receive(void);
TEST(receive, exit_signal_acts_on_who_is_blocked_in_it) { run(killed_in_receive); }
static void killed_in_receive(void)
{
    tr_pid self = tr_self();
    for (int i = 0; i < 200; i++) {
        tr_pid pid = tr_spawn(in_receive, &self, sizeof self);
        await_tag(READY);
        if (i % 3 == 0)
            tr_send(pid, WORD, NULL, 0); /* and something that it passes over */
        RULE("RECV-06");
        CHECK_EQ(end_with(pid, i % 2 == 0 ? TR_SHUTDOWN : TR_KILL).why, i % 2 == 0 ? TR_WHY_SHUTDOWN : TR_WHY_KILLED);
    }
}

/* ---- system messages: their tags are the runtime's, though they look like the user's */

static int ask_and_receive(void *state, const tr_msg *message)
{
    (void)state;
    if (tr_tag(message) != GO)
        return TR_OK;
    while (queue_len(tr_self()) < 2)
        tr_sleep(1);
    RULE("GS-07");
    CHECK_EQ(tr_tag(tr_receive(TR_INFINITY)), LAST);
    return TR_OK;
}
static const tr_actor receiving = { .label = "receiving", .handle = ask_and_receive };

static void suspends(const tr_msg *arg)
{
    CHECK_EQ(tr_resume(*(const tr_pid *)tr_expect(arg, sizeof(tr_pid)), TR_INFINITY), TR_OK);
}
static void system_messages(void)
{
    tr_ref asker;
    tr_pid pid = tr_spawn_actor(&receiving, NULL, 0, NULL);
    go(pid);
    tr_spawn_monitor(suspends, &pid, sizeof pid, &asker);
    while (queue_len(pid) < 1)
        tr_sleep(1);
    tr_send(pid, LAST, NULL, 0);
    CHECK_EQ(await_down(asker).why, TR_WHY_NORMAL);
    end_with(pid, TR_KILL);
}
TEST(receive, system_messages_are_left_to_the_runtime) { run(system_messages); }
