/* monitor_test.c: monitors and aliases: MON, ALIAS. */
#include "support.h"

static void one_down(void);
TEST(monitor, each_gives_exactly_one_down) { run(one_down); }
static void one_down(void)
{
    tr_pid pid = spawn_ender_on_go(1);
    tr_ref first = tr_monitor(pid), second = tr_monitor(pid);
    go(pid);
    RULE("MON-01");
    CHECK_EQ(await_down(second).code, 1);
    CHECK_EQ(await_down(first).code, 1);
    CHECK(mailbox_empty());
}

/* MON-01 leaves it open; OTP has an order, and programs may have come to rely on it. */
static void several_downs(void);
TEST(monitor, downs_of_one_watcher_come_in_the_order_of_its_monitors) { run(several_downs); }
static void several_downs(void)
{
    enum { MONITORS = 7 };
    tr_pid pid = spawn_ender_on_go(1);
    tr_ref refs[MONITORS];
    for (int i = 0; i < MONITORS; i++)
        refs[i] = tr_monitor(pid);
    CHECK(tr_demonitor(refs[0], false)); /* the oldest, one between others, the youngest: what stays keeps its order */
    CHECK(tr_demonitor(refs[3], false));
    CHECK(tr_demonitor(refs[6], false));
    tr_ref last = tr_monitor(pid);
    go(pid);
    static const int left[] = { 1, 2, 4, 5 };
    for (size_t i = 0; i < TR_COUNT(left); i++)
        CHECK(tr_same_ref(tr_ref_of(tr_receive_match(&(tr_match){ .tag = TR_MSG_DOWN }, TR_INFINITY)), refs[left[i]]));
    CHECK(tr_same_ref(tr_ref_of(tr_receive_match(&(tr_match){ .tag = TR_MSG_DOWN }, TR_INFINITY)), last));
    CHECK(mailbox_empty());
}

static void watch_and_end(const tr_msg *arg)
{
    tr_monitor(*(const tr_pid *)tr_body(arg));
    tr_exit(because(1));
}

static void one_way(void);
TEST(monitor, watchers_end_does_not_touch_the_watched) { run(one_way); }
static void one_way(void)
{
    tr_pid pid = tr_spawn(waiter, NULL, 0);
    tr_ref monitor;
    tr_process_info info;
    tr_spawn_monitor(watch_and_end, &pid, sizeof pid, &monitor);
    await_down(monitor);
    RULE("MON-01");
    CHECK(tr_is_alive(pid));
    CHECK_EQ(tr_info(pid, &info), TR_OK);
    CHECK_EQ(info.monitored_by, 0);
}

static void of_the_dead(void);
TEST(monitor, of_the_dead_is_down_with_noproc) { run(of_the_dead); }
static void of_the_dead(void)
{
    tr_pid dead = dead_pid();
    tr_ref monitor = tr_monitor(dead);
    const tr_msg *down = tr_receive(TR_INFINITY);
    RULE("MON-02");
    CHECK_EQ(tr_tag(down), TR_MSG_DOWN);
    CHECK_EQ(tr_reason_of(down)->why, TR_WHY_NOPROC);
    CHECK(tr_same_ref(tr_ref_of(down), monitor));
}

static void of_the_dying(void);
TEST(monitor, of_the_dying_gives_its_reason_or_noproc) { race(of_the_dying); }
static void of_the_dying(void)
{
    int wrong = 0;
    for (int i = 0; i < RACES; i++) {
        tr_pid pid = spawn_ender_on_go(i);
        go(pid);
        dawdle();
        tr_reason reason = await_down(tr_monitor(pid));
        wrong += reason.why != TR_WHY_NOPROC && reason.code != i;
    }
    RULE("MON-02");
    CHECK_EQ(wrong, 0);
    CHECK(mailbox_empty());
}

static void reasons(void);
TEST(monitor, tells_the_final_reason_and_who) { run(reasons); }
static void reasons(void)
{
    tr_pid pid = tr_spawn(waiter, NULL, 0);
    tr_monitor(pid);
    tr_exit_signal(pid, TR_KILL);
    const tr_msg *down = tr_receive(TR_INFINITY);
    RULE("MON-03");
    CHECK_EQ(tr_reason_of(down)->why, TR_WHY_KILLED);
    CHECK(tr_same(tr_sender(down), pid));
    tr_reason normal = TR_NORMAL;
    tr_ref monitor;
    tr_spawn_monitor(ender, &normal, sizeof normal, &monitor);
    RULE("MON-03");
    CHECK_EQ(await_down(monitor).why, TR_WHY_NORMAL);
}

static void by_name(void);
TEST(monitor, by_name_stays_with_who_had_it) { run(by_name); }
static void by_name(void)
{
    tr_pid first = spawn_ender_on_go(1), second = tr_spawn(waiter, NULL, 0);
    RULE("MON-04");
    CHECK_EQ(await_down(tr_monitor(tr_name("role"))).why, TR_WHY_NOPROC);
    CHECK_EQ(tr_register("role", first), TR_OK);
    tr_ref monitor = tr_monitor(tr_name("role"));
    CHECK_EQ(tr_unregister("role"), TR_OK);
    CHECK_EQ(tr_register("role", second), TR_OK);
    end_with(second, TR_KILL);
    RULE("MON-04");
    CHECK(mailbox_empty());
    go(first);
    CHECK_EQ(await_down(monitor).code, 1);
}

static void watches_itself(const tr_msg *arg)
{
    tr_ref monitor = tr_monitor(tr_self());
    bool fresh = monitor.owner != 0 && tr_receive(0) == NULL;
    tr_demonitor(monitor, true);
    tr_monitor(tr_self());
    tr_send(*(const tr_pid *)tr_body(arg), ANSWER, &fresh, sizeof fresh);
}

static void of_itself(void);
TEST(monitor, of_itself_never_tells) { run(of_itself); }
static void of_itself(void)
{
    tr_pid self = tr_self();
    tr_spawn(watches_itself, &self, sizeof self);
    RULE("MON-05");
    CHECK(RECEIVE(bool, ANSWER));
}

static void demonitor(void);
TEST(monitor, demonitor_tells_whether_it_was_active) { run(demonitor); }
static void demonitor(void)
{
    tr_pid pid = spawn_ender_on_go(1);
    tr_ref monitor = tr_monitor(pid), queued = tr_monitor(pid), flushed = tr_monitor(pid);
    RULE("MON-06");
    CHECK_EQ(tr_demonitor(monitor, false), true);
    CHECK_EQ(tr_demonitor(monitor, false), false);
    CHECK_EQ(tr_demonitor((tr_ref){ monitor.owner, 12345 }, true), false);
    go(pid);
    await_end(pid); /* both DOWNs are in the mailbox: nothing is ordered, but await_down looks at all that came */
    while (queue_len(tr_self()) < 2)
        tr_yield();
    RULE("MON-06");
    CHECK_EQ(tr_demonitor(flushed, true), false);
    CHECK_EQ(tr_demonitor(queued, false), false); /* stays in the mailbox */
    const tr_msg *down = tr_receive(0);
    CHECK(down != NULL && tr_same_ref(tr_ref_of(down), queued));
    CHECK(mailbox_empty());
}

static void late_flush(void);
TEST(monitor, flush_removes_a_down_that_an_earlier_demonitor_left) { run(late_flush); }
static void flushes_what_never_was(const tr_msg *unused)
{
    (void)unused;
    CHECK(!tr_demonitor((tr_ref){ tr_self().id, 12345 }, true)); /* it has never monitored anybody */
    CHECK(tr_data() == NULL);
}
static void late_flush(void)
{
    tr_ref monitor = tr_monitor(dead_pid());
    CHECK_EQ(tr_demonitor(monitor, false), false);
    CHECK_EQ(queue_len(tr_self()), 1);
    CHECK_EQ(tr_demonitor(monitor, true), false);
    RULE("MON-06");
    CHECK_EQ(queue_len(tr_self()), 0);
    tr_ref one = tr_monitor(dead_pid()), other = tr_monitor(dead_pid());
    CHECK(!tr_demonitor(one, false) && !tr_demonitor(other, false));
    CHECK_EQ(queue_len(tr_self()), 2);
    CHECK(!tr_demonitor(one, true) && !tr_demonitor(one, true)); /* twice the same */
    const tr_msg *down = tr_receive(0);
    CHECK(down != NULL && tr_same_ref(tr_ref_of(down), other));
    CHECK(mailbox_empty());
    tr_reason reason;
    tr_spawn_monitor(flushes_what_never_was, NULL, 0, &one);
    CHECK_EQ(tr_await_down(one, TR_INFINITY, &reason), TR_OK);
    CHECK_EQ(reason.why, TR_WHY_NORMAL);
}

static void demonitor_races(void);
TEST(monitor, no_down_is_added_after_demonitor_with_flush) { race(demonitor_races); }
static void demonitor_races(void)
{
    int left = 0, active = 0;
    for (int i = 0; i < RACES; i++) {
        tr_pid pid = spawn_ender_on_go(i);
        tr_ref monitor = tr_monitor(pid);
        go(pid);
        dawdle();
        active += tr_demonitor(monitor, true);
        left += !mailbox_empty();
        await_end(pid);
        left += !mailbox_empty();
    }
    RULE("MON-06");
    CHECK_EQ(left, 0);
    CHECK(active <= RACES);
}

static void demonitors_anothers(const tr_msg *arg)
{
    bool removed = tr_demonitor(*(const tr_ref *)tr_expect(arg, sizeof(tr_ref)), true);
    tr_send(tr_name("owner"), ANSWER, &removed, sizeof removed);
}

static void only_the_creator(void);
TEST(monitor, only_its_creator_removes_it) { run(only_the_creator); }
static void only_the_creator(void)
{
    tr_pid pid = spawn_ender_on_go(1);
    tr_ref monitor = tr_monitor(pid);
    CHECK_EQ(tr_register("owner", tr_self()), TR_OK);
    tr_spawn(demonitors_anothers, &monitor, sizeof monitor);
    RULE("MON-07");
    CHECK_EQ(RECEIVE(bool, ANSWER), false);
    go(pid);
    CHECK_EQ(await_down(monitor).code, 1);
}

static void of_nobody(void);
TEST(monitor, of_nobody_is_down_with_noproc) { run(of_nobody); }
static void of_nobody(void)
{
    RULE("MON-08");
    CHECK_EQ(await_down(tr_monitor((tr_pid){ 0 })).why, TR_WHY_NOPROC);
    CHECK_EQ(await_down(tr_monitor((tr_pid){ UINT64_MAX })).why, TR_WHY_NOPROC);
}

static void await_down_timeout(void);
TEST(monitor, await_down_that_times_out_leaves_it_active) { run(await_down_timeout); }
static void await_down_timeout(void)
{
    tr_pid pid = spawn_ender_on_go(3);
    tr_ref monitor = tr_monitor(pid);
    CHECK_EQ(tr_await_down(monitor, 5, NULL), TR_ETIMEDOUT);
    go(pid);
    RULE("MON-01");
    CHECK_EQ(await_down(monitor).code, 3);
}

/* ---- aliases */

static void explicit_alias(void);
TEST(alias, is_a_destination_until_it_is_removed) { run(explicit_alias); }
static void explicit_alias(void)
{
    tr_ref alias = tr_alias();
    RULE("ALIAS-01");
    CHECK_EQ(tr_send_alias(alias, WORD, NULL, 0), TR_OK);
    CHECK_EQ(tr_send_alias(alias, WORD, NULL, 0), TR_OK);
    CHECK_EQ(queue_len(tr_self()), 2);
    CHECK_EQ(tr_unalias(alias), true);
    CHECK_EQ(tr_unalias(alias), false);
    CHECK_EQ(tr_send_alias(alias, LAST, NULL, 0), TR_OK); /* dropped */
    RULE("ALIAS-02");                                     /* what was in the mailbox stays */
    CHECK_EQ(queue_len(tr_self()), 2);
}

static void alias_modes(void);
TEST(alias, modes_end_it_with_the_monitor_the_down_or_the_first_message) { run(alias_modes); }
static void alias_modes(void)
{
    tr_pid pid = spawn_ender_on_go(1);
    tr_ref reply = tr_monitor_alias(pid, TR_ALIAS_REPLY), with_monitor = tr_monitor_alias(pid, TR_ALIAS_DEMONITOR),
           until_down = tr_monitor_alias(pid, TR_ALIAS_DEMONITOR), lasting = tr_monitor_alias(pid, TR_ALIAS_EXPLICIT);
    RULE("ALIAS-01");
    tr_send_alias(reply, 1, NULL, 0);
    tr_send_alias(reply, 2, NULL, 0); /* the first message ended it */
    tr_send_alias(with_monitor, 3, NULL, 0);
    CHECK(tr_demonitor(with_monitor, true));
    tr_send_alias(with_monitor, 4, NULL, 0);
    go(pid);
    await_down(until_down);
    tr_send_alias(until_down, 5, NULL, 0);
    await_down(lasting);
    tr_send_alias(lasting, 6, NULL, 0);
    tr_demonitor(reply, true);
    int order = 0;
    for (const tr_msg *message; (message = tr_receive(0)) != NULL;)
        order = order * 10 + (tr_tag(message) > 0 ? tr_tag(message) : 9);
    CHECK_EQ(order, 136);
    CHECK(tr_unalias(lasting));
}

static void used_up(void);
TEST(alias, first_message_through_a_reply_alias_removes_its_monitor) { run(used_up); }
static void used_up(void)
{
    tr_pid pid = tr_spawn(waiter, NULL, 0);
    tr_ref first = tr_monitor_alias(pid, TR_ALIAS_REPLY), second = tr_monitor_alias(pid, TR_ALIAS_REPLY);
    tr_send_alias(first, WORD, NULL, 0);
    tr_send_alias(second, WORD, NULL, 0);
    RULE("ALIAS-01");
    CHECK_EQ(tr_demonitor(first, false), false);
    end_with(pid, TR_KILL);
    await_tag(WORD);
    await_tag(WORD);
    CHECK(mailbox_empty()); /* no DOWN */
}

static void explicit_stays(void);
TEST(alias, an_explicit_one_outlives_demonitor) { run(explicit_stays); }
static void explicit_stays(void)
{
    tr_pid pid = tr_spawn(waiter, NULL, 0);
    tr_ref alias = tr_monitor_alias(pid, TR_ALIAS_EXPLICIT);
    CHECK_EQ(tr_demonitor(alias, false), true);
    tr_send_alias(alias, WORD, NULL, 0);
    RULE("ALIAS-01");
    CHECK(!mailbox_empty());
    CHECK_EQ(tr_unalias(alias), true);
    end_with(pid, TR_KILL);
}

static void ends_with_down(void);
TEST(alias, ends_when_the_down_is_delivered_not_when_it_is_received) { run(ends_with_down); }
static void ends_with_down(void)
{
    tr_pid pid = tr_spawn(waiter, NULL, 0);
    tr_ref alias = tr_monitor_alias(pid, TR_ALIAS_DEMONITOR);
    end_with(pid, TR_KILL);
    while (queue_len(tr_self()) == 0)
        tr_yield();
    tr_send_alias(alias, WORD, NULL, 0);
    RULE("ALIAS-01");
    CHECK_EQ(await_down(alias).why, TR_WHY_KILLED);
    CHECK(mailbox_empty());
}

static void unaliases_anothers(const tr_msg *arg)
{
    bool removed = tr_unalias(*(const tr_ref *)tr_expect(arg, sizeof(tr_ref)));
    tr_send(tr_name("alias owner"), ANSWER, &removed, sizeof removed);
}

static void only_its_creator(void);
TEST(alias, only_its_creator_removes_it) { run(only_its_creator); }
static void only_its_creator(void)
{
    tr_ref alias = tr_alias();
    CHECK_EQ(tr_register("alias owner", tr_self()), TR_OK);
    tr_spawn(unaliases_anothers, &alias, sizeof alias);
    RULE("ALIAS-01");
    CHECK_EQ(RECEIVE(bool, ANSWER), false);
    tr_send_alias(alias, WORD, NULL, 0);
    CHECK_EQ(tr_tag(tr_receive(TR_INFINITY)), WORD);
}

static void alias_sender(const tr_msg *arg)
{
    tr_ref alias = *(const tr_ref *)tr_expect(arg, sizeof alias);
    tr_send_alias(alias, WORD, NULL, 0);
    tr_send_alias(alias, WORD, NULL, 0);
}

static void alias_races(void);
TEST(alias, last_look_after_unalias_finds_all_there_will_be) { race(alias_races); }
static void alias_races(void)
{
    int late = 0;
    for (int i = 0; i < RACES; i++) {
        tr_ref alias = tr_alias(), monitor;
        tr_spawn_monitor(alias_sender, &alias, sizeof alias, &monitor);
        dawdle();
        tr_unalias(alias);
        while (tr_receive_match(&(tr_match){ .tag = WORD }, 0) != NULL)
            ;
        await_down(monitor);
        late += !mailbox_empty();
    }
    RULE("ALIAS-02");
    CHECK_EQ(late, 0);
}
