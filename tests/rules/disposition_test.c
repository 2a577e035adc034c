/* disposition_test.c: what callbacks return, twice, wrongly, or at the wrong time. */
#include "support.h"

enum deed {
    CONTINUE_TWICE = 1,
    REPLY_TWICE,
    FORGET_REPLY,
    REPLY_THEN_STOP,
    STOP_THEN_EXIT,
    IDLE_FOREVER,
    IDLE_BADLY,
    CONTINUE_BADLY,
    ASK_THE_DEAD,
    START_THE_UNABLE,
    CLAIM_DOWN,
    FAIL_IN_CONTINUE,
    STOP_IN_CONTINUE,
    EXIT_ODDLY,
    SEE_REASONS
};

static int continued, ended_with, timeouts;

static int no_start(void *state, const tr_msg *arg)
{
    (void)state;
    return tr_size(arg) == 0 ? tr_stop(because(9)) : tr_unexpected(arg);
}
static int nothing(void *state, const tr_msg *message)
{
    (void)state, (void)message;
    return TR_OK;
}
static const tr_actor unable = { .label = "unable", .start = no_start, .handle = nothing };

static int end_on_any(void *state, const tr_msg *message)
{
    (void)state, (void)message;
    tr_exit(because(6));
}
static const tr_actor mortal = { .label = "mortal", .handle = end_on_any };

static int stop_number; /* what tr_stop returns: the same everywhere */

static int see_reasons(const tr_msg *message)
{
    tr_reason reason = because(3);
    int crash = tr_unexpected(message);
    CHECK(tr_stop_reason(crash) != NULL && tr_stop_reason(crash)->why == TR_WHY_UNEXPECTED);
    int disposition = tr_stop(reason);
    CHECK(tr_reason_same(tr_stop_reason(disposition), &reason));
    CHECK(tr_stop_reason(TR_OK) == NULL && tr_stop_reason(TR_ENOMEM) == NULL);
    __atomic_store_n(&stop_number, disposition, __ATOMIC_RELEASE);
    return disposition;
}

static int do_deed(const tr_msg *message)
{
    tr_pid pid;
    int ignored;
    switch ((enum deed)tr_tag(message)) {
    case CONTINUE_TWICE: ignored = tr_continue(1, NULL, 0); return ignored < 0 ? ignored : tr_continue(2, NULL, 0);
    case REPLY_TWICE:
        ignored = tr_stop_reply(because(1), tr_from_of(message), "first", 6);
        return ignored < 0 ? ignored : tr_stop_reply(because(2), tr_from_of(message), "second", 7);
    case FORGET_REPLY:
        ignored = tr_stop_reply(because(1), tr_from_of(message), "never", 6);
        tr_exit(because(ignored > 0 ? 4 : 0));
    case REPLY_THEN_STOP:
        ignored = tr_stop_reply(because(1), tr_from_of(message), "never", 6);
        return ignored < 0 ? ignored : tr_stop(because(2));
    case STOP_THEN_EXIT: ignored = tr_stop(because(1)); tr_exit(because(ignored > 0 ? 5 : 0));
    case IDLE_FOREVER: return tr_idle(TR_INFINITY);
    case IDLE_BADLY: return tr_idle(-7);
    case CONTINUE_BADLY: return tr_continue(0, NULL, 0);
    case ASK_THE_DEAD: return tr_call(tr_spawn_actor(&mortal, NULL, 0, NULL), WORD, NULL, 0, NULL, 0, TR_INFINITY);
    case START_THE_UNABLE: return tr_start_actor(&unable, NULL, 0, NULL, &pid);
    case CLAIM_DOWN: return TR_EDOWN; /* nobody has failed */
    case FAIL_IN_CONTINUE: return tr_continue(3, NULL, 0);
    case STOP_IN_CONTINUE: return tr_continue(4, NULL, 0);
    case EXIT_ODDLY: tr_exit(tr_because(TR_WHY_BAD_RETURN, 1, NULL));
    case SEE_REASONS: return see_reasons(message);
    }
    return TR_OK;
}

static int doer_handle(void *state, const tr_msg *message)
{
    (void)state;
    if (tr_kind_of(message) == TR_KIND_CONTINUE) {
        continued = continued * 10 + tr_tag(message);
        return tr_tag(message) == 3 ? TR_EIO : tr_tag(message) == 4 ? tr_stop(because(8)) : TR_OK;
    }
    timeouts += tr_tag(message) == TR_MSG_TIMEOUT;
    return do_deed(message);
}
static void doer_ended(void *state, const tr_reason *reason)
{
    (void)state;
    ended_with = reason->code;
    CHECK(tr_stop(because(77)) > 0); /* it ends already: the reason stands (GS-34) */
    CHECK(tr_stop_reply(because(78), (tr_from){ { 0 }, 0 }, NULL, 0) > 0);
}
static const tr_actor doer = { .label = "doer", .handle = doer_handle, .ended = doer_ended };

static tr_reason reason_of(int deed)
{
    tr_ref monitor;
    tr_pid pid = tr_spawn_actor(&doer, NULL, 0, &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR, .monitor = &monitor });
    ended_with = 0;
    tr_send(pid, deed, NULL, 0);
    return await_down(monitor);
}
static bool ends_for(int deed, int why, int code)
{
    tr_reason reason = reason_of(deed);
    return reason.why == why && reason.code == code && ended_with == code;
}

/* What was sent to the actor before has been handled. */
static void settle(tr_pid pid)
{
    tr_status_info info;
    CHECK_EQ(tr_get_status(pid, &info, TR_INFINITY), TR_OK);
}

static void latest_counts(void)
{
    char reply[8] = "";
    tr_pid pid = tr_spawn_actor(&doer, NULL, 0, NULL);
    continued = 0;
    tr_send(pid, CONTINUE_TWICE, NULL, 0);
    settle(pid);
    RULE("GS-12");
    CHECK_EQ(continued, 2);
    tr_ref monitor = tr_monitor(pid);
    CHECK_EQ(tr_call(pid, REPLY_TWICE, NULL, 0, reply, 7, TR_INFINITY), TR_OK);
    RULE("GS-33");
    CHECK_STR(reply, "second");
    CHECK_EQ(await_down(monitor).code, 2);
    CHECK_EQ(ended_with, 2);
}
TEST(disposition, the_latest_of_its_kind_counts) { run(latest_counts); }

static void only_returned_counts(void)
{
    tr_pid pid = tr_spawn_actor(&doer, NULL, 0, NULL);
    CHECK_EQ(tr_call(pid, FORGET_REPLY, NULL, 0, NULL, 0, TR_INFINITY), TR_EDOWN);
    CHECK_EQ(tr_last_reason()->code, 4);
    pid = tr_spawn_actor(&doer, NULL, 0, NULL);
    CHECK_EQ(tr_call(pid, REPLY_THEN_STOP, NULL, 0, NULL, 0, TR_INFINITY), TR_EDOWN);
    CHECK_EQ(tr_last_reason()->code, 2);
    CHECK_EQ(reason_of(STOP_THEN_EXIT).code, 5);
    CHECK(ends_for(SEE_REASONS, TR_WHY_USER, 3));
    CHECK(tr_stop_reason(stop_number) == NULL); /* this process has not asked for a stop */
}
TEST(disposition, what_was_stored_counts_only_if_it_is_returned) { run(only_returned_counts); }

static void bad_ones(void)
{
    RULE("GS-14");
    CHECK(ends_for(IDLE_BADLY, TR_WHY_STATUS, TR_EINVAL));
    CHECK(ends_for(CONTINUE_BADLY, TR_WHY_STATUS, TR_EINVAL));
    CHECK(ends_for(CLAIM_DOWN, TR_WHY_STATUS, TR_EDOWN));
    CHECK(ends_for(FAIL_IN_CONTINUE, TR_WHY_STATUS, TR_EIO));
    CHECK(ends_for(STOP_IN_CONTINUE, TR_WHY_USER, 8));
    CHECK(ends_for(EXIT_ODDLY, TR_WHY_BAD_RETURN, 1));
}
TEST(disposition, a_bad_one_ends_the_actor_and_its_reason_says_which) { run(bad_ones); }

static void reasons_behind(void)
{
    CHECK(ends_for(ASK_THE_DEAD, TR_WHY_USER, 6));
    CHECK(ends_for(START_THE_UNABLE, TR_WHY_USER, 9));
}
TEST(disposition, a_failed_call_or_start_that_is_returned_ends_with_the_reason_behind_it) { run(reasons_behind); }

static void idle_forever(void)
{
    tr_pid pid = tr_spawn_actor(&doer, NULL, 0, NULL);
    timeouts = 0;
    tr_send(pid, IDLE_FOREVER, NULL, 0);
    tr_sleep(5);
    settle(pid);
    CHECK_EQ(timeouts, 0);
    end_with(pid, TR_KILL);
}
TEST(disposition, an_infinite_timeout_never_comes) { run(idle_forever); }

static void unexpected_start(void)
{
    tr_pid pid;
    CHECK_EQ(tr_start_actor(&unable, "x", 1, NULL, &pid), TR_ESTART);
    CHECK_EQ(tr_last_reason()->why, TR_WHY_UNEXPECTED);
    CHECK_EQ(tr_start_actor(&unable, NULL, 0, NULL, &pid), TR_ESTART);
    CHECK_EQ(tr_last_reason()->code, 9);
}
TEST(disposition, a_start_may_end_as_any_other_callback) { run(unexpected_start); }

/* Of 8 bytes, or of as many as a narrow header does not say. */
static int expect_a_word(void *state, const tr_msg *arg)
{
    (void)state;
    tr_expect(arg, tr_size(arg) > 100 ? tr_size(arg) : 8);
    return TR_OK;
}
static const tr_actor picky = { .label = "picky", .start = expect_a_word, .handle = nothing };
static void sizes_of_starts(void)
{
    enum { WIDE = 0xFFFFFF };
    void *much = tr_alloc(WIDE);
    CHECK(much != NULL);
    memset(much, 0, WIDE);
    CHECK(tr_is_alive(tr_spawn_actor(&picky, much, 8, NULL)));
    CHECK(HARNESS_SIMULATED || tr_is_alive(tr_spawn_actor(&picky, much, WIDE, NULL)));
    tr_pid pid;
    CHECK_EQ(tr_start_actor(&picky, much, 4, NULL, &pid), TR_ESTART);
    CHECK_EQ(tr_last_reason()->why, TR_WHY_UNEXPECTED);
}
TEST(disposition, a_start_has_the_size_that_is_expected_or_ends) { run(sizes_of_starts); }

static int stop_twice(void *state, const tr_msg *message)
{
    (void)state, (void)message;
    (void)!tr_stop(TR_NORMAL);
    return tr_stop(TR_NORMAL);
}
static const tr_actor twice = { .label = "twice", .handle = stop_twice };
static void said_twice(void)
{
    tr_ref monitor;
    tr_pid pid = tr_spawn_actor(&twice, NULL, 0, &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR, .monitor = &monitor });
    tr_send(pid, WORD, NULL, 0);
    CHECK_EQ(tr_reason_of(tr_receive_match(&(tr_match){ .ref = monitor }, TR_INFINITY))->why, TR_WHY_NORMAL);
}
TEST(disposition, a_stop_that_is_said_twice_is_one) { run(said_twice); }

/* ---- flushed, changed, killed */

static int downs;
static tr_pid departed;
static int flushes(void *state, const tr_msg *message)
{
    (void)state;
    downs += tr_tag(message) == TR_MSG_DOWN;
    if (tr_tag(message) != GO)
        return TR_OK;
    tr_ref monitor = tr_monitor(departed); /* its DOWN is in the mailbox at once */
    tr_monitor(departed);
    CHECK(tr_receive_match(&(tr_match){ .tag = LAST }, 0) == NULL); /* it looks at both */
    CHECK(!tr_demonitor(monitor, true));
    return TR_OK;
}
static const tr_actor flusher = { .label = "flusher", .handle = flushes };
static void flushed_downs(void)
{
    tr_pid pid = tr_spawn_actor(&flusher, NULL, 0, NULL);
    departed = dead_pid();
    downs = 0;
    tr_send(pid, GO, NULL, 0);
    settle(pid);
    settle(pid);
    RULE("MON-06");
    CHECK_EQ(downs, 1);
    end_with(pid, TR_KILL);
}
TEST(disposition, a_flushed_down_is_not_handled) { run(flushed_downs); }

static int changes_for_ever(void *state, const void *arg)
{
    (void)state;
    tr_send(*(const tr_pid *)arg, READY, NULL, 0);
    waiter(NULL);
    return TR_OK;
}
static void changer(const tr_msg *arg)
{
    tr_pid pid = *(const tr_pid *)tr_expect(arg, sizeof pid);
    tr_pid main_process = tr_whereis("main process");
    CHECK_EQ(tr_replace_state(pid, changes_for_ever, &main_process, sizeof main_process, TR_INFINITY), TR_EDOWN);
    CHECK_EQ(tr_last_reason()->why, TR_WHY_KILLED);
}
static const tr_actor plain = { .label = "plain", .state_size = 8, .handle = nothing };
static void killed_in_change(void)
{
    tr_ref monitor;
    tr_pid pid = tr_spawn_actor(&plain, NULL, 0, NULL);
    CHECK_EQ(tr_register("main process", tr_self()), TR_OK);
    tr_spawn_monitor(changer, &pid, sizeof pid, &monitor);
    await_tag(READY);
    end_with(pid, TR_KILL);
    CHECK_EQ(await_down(monitor).why, TR_WHY_NORMAL);
}
TEST(disposition, who_is_killed_while_its_state_is_replaced_is_killed) { run(killed_in_change); }

/* ---- suspended */

static void continue_waits(void)
{
    tr_pid pid = tr_spawn_actor(&doer, NULL, 0, NULL);
    continued = 0;
    CHECK_EQ(tr_suspend(pid, TR_INFINITY), TR_OK);
    tr_send(pid, CONTINUE_TWICE, NULL, 0);
    settle(pid);
    RULE("SYS-01");
    CHECK_EQ(queue_len(pid), 1);
    CHECK_EQ(continued, 0);
    CHECK_EQ(tr_resume(pid, TR_INFINITY), TR_OK);
    settle(pid);
    CHECK_EQ(continued, 2);
    end_with(pid, TR_KILL);
}
TEST(disposition, nothing_is_handled_while_suspended) { run(continue_waits); }

/* ---- entries that are waited for */

static int begun;
static void begins_late(const tr_msg *arg)
{
    (void)arg;
    tr_yield();
    begun = 1;
    tr_started();
    tr_started(); /* nothing happens */
    await_tag(GO);
}
static void never_begins(const tr_msg *arg)
{
    (void)arg;
    tr_exit(because(7));
}
static void hangs(const tr_msg *arg)
{
    (void)arg;
    tr_trap_exit(true);
    waiter(arg);
}
static void started_entries(void)
{
    tr_pid pid;
    begun = 0;
    CHECK_EQ(tr_start_entry(begins_late, NULL, 0, true, NULL, &pid), TR_OK);
    RULE("PLIB-01");
    CHECK_EQ(begun, 1);
    end_with(pid, TR_KILL);
    CHECK_EQ(tr_start_entry(never_begins, NULL, 0, true, NULL, &pid), TR_ESTART);
    CHECK_EQ(tr_last_reason()->code, 7);
    CHECK_EQ(tr_start_entry(hangs, NULL, 0, true, &(tr_start_options){ .timeout_ms = 5 }, &pid), TR_ETIMEDOUT);
    RULE("PLIB-04");
    CHECK(!tr_is_alive(pid));
    CHECK_EQ(tr_start_entry(hangs, NULL, 0, true, &(tr_start_options){ .flags = TR_START_LINK, .timeout_ms = 5 }, &pid),
             TR_ETIMEDOUT);
    CHECK(!tr_is_alive(pid) && mailbox_empty());
}
TEST(disposition, an_entry_has_started_when_it_says_so) { run(started_entries); }

TEST(disposition, a_thread_may_wait_for_a_start_that_does_not_come)
{
    tr_ref monitor = { 5, 5 };
    tr_pid pid;
    CHECK_EQ(tr_boot(&(tr_config){ .workers = 2, .log = drop_record }), TR_OK);
    CHECK_EQ(tr_start_entry(hangs, NULL, 0, true, &(tr_start_options){ .timeout_ms = 5 }, &pid), TR_ETIMEDOUT);
    CHECK(!tr_is_alive(pid));
    CHECK_EQ(tr_start_entry(waiter, NULL, 0, false, &(tr_start_options){ .monitor = &monitor }, &pid), TR_OK);
    CHECK_EQ(monitor.owner, 5); /* nobody watches */
    tr_pid sees = tr_spawn_actor(&doer, NULL, 0, NULL);
    tr_send(sees, SEE_REASONS, NULL, 0);
    while (__atomic_load_n(&stop_number, __ATOMIC_ACQUIRE) == 0)
        tr_sleep(1);
    CHECK(stop_number > 0 && tr_stop_reason(stop_number) == NULL); /* a thread has asked for no stop */
    CHECK_EQ(tr_halt(1000), TR_OK);
}
