/* reference_test.c: references, kept messages and questions in the states that are rare: aliases of running monitors,
 * other processes' references, answers to what nobody asked, processes that are blocked or have just begun. */
#include "support.h"

/* ---- references */

static void aliases(void)
{
    tr_pid pid = tr_spawn(waiter, NULL, 0);
    tr_ref both = tr_monitor_alias(pid, TR_ALIAS_EXPLICIT);
    RULE("ALIAS-01");
    CHECK(tr_unalias(both) && !tr_unalias(both)); /* the monitor stays */
    tr_send_alias(both, WORD, NULL, 0);
    CHECK(mailbox_empty());
    tr_ref other = tr_monitor_alias(pid, TR_ALIAS_DEMONITOR), plain = tr_monitor(pid);
    CHECK(tr_unalias(other) && !tr_unalias(plain));
    tr_exit_signal(pid, TR_KILL);
    CHECK_EQ(await_down(both).why, TR_WHY_KILLED);
    CHECK_EQ(await_down(other).why, TR_WHY_KILLED);
    CHECK_EQ(await_down(plain).why, TR_WHY_KILLED);
    tr_ref late = tr_monitor_alias(pid, TR_ALIAS_EXPLICIT); /* nobody is there: the DOWN comes at once */
    CHECK(tr_unalias(late));
    CHECK_EQ(await_down(late).why, TR_WHY_NOPROC);
    late = tr_monitor_alias(pid, TR_ALIAS_EXPLICIT);
    CHECK_EQ(await_down(late).why, TR_WHY_NOPROC);
    CHECK_EQ(tr_send_alias(late, WORD, NULL, 0), TR_OK); /* this alias outlives its monitor */
    CHECK(tr_receive_match(&(tr_match){ .tag = WORD }, 0) != NULL);
    CHECK(!tr_demonitor(late, true) && tr_unalias(late));
}
TEST(reference, an_alias_ends_apart_from_its_monitor) { run(aliases); }

static tr_ref of_another;
static void watches(const tr_msg *arg)
{
    of_another = tr_monitor(*(const tr_pid *)tr_expect(arg, sizeof(tr_pid)));
    tr_send(*(const tr_pid *)tr_body(arg), READY, NULL, 0);
    await_tag(GO);
    CHECK(tr_demonitor(of_another, true)); /* it is still there */
}
static void of_others(void)
{
    tr_pid self = tr_self();
    tr_ref monitor;
    tr_pid pid = tr_spawn_monitor(watches, &self, sizeof self, &monitor);
    await_tag(READY);
    CHECK(!tr_demonitor(of_another, true));
    CHECK(!tr_demonitor((tr_ref){ self.id, of_another.serial }, true)); /* forged */
    CHECK(!tr_unalias((tr_ref){ self.id, of_another.serial }));
    go(pid);
    CHECK_EQ(await_down(monitor).why, TR_WHY_NORMAL);
}
TEST(reference, others_references_can_not_be_used) { run(of_others); }

static void timers_and_requests(void)
{
    tr_timer timer;
    tr_msg *reply;
    int status;
    CHECK_EQ(tr_start_timer(0, tr_self(), NULL, 0, &timer), TR_OK);
    const tr_msg *message = tr_receive_match(&(tr_match){ .ref = { 0, timer.id } }, TR_INFINITY);
    CHECK_EQ(tr_tag(message), TR_MSG_TIMEOUT);
    CHECK_EQ(tr_ref_of(message).serial, timer.id);
    CHECK_EQ(tr_check_response(message, tr_ref_of(message), &status, &reply), 0); /* no response, by no reference */
    CHECK_EQ(tr_timer_cancel_async(timer), TR_OK);
    message = tr_receive_match(&(tr_match){ .ref = { 0, timer.id } }, TR_INFINITY);
    RULE("TMR-04");
    CHECK(tr_tag(message) == TR_MSG_TIMER && *(const int64_t *)tr_body(message) == -1);
    tr_send(tr_self(), WORD, NULL, 0);
    CHECK(tr_receive_match(&(tr_match){ .ref = { 0, timer.id } }, 0) == NULL);
    CHECK(tr_receive_match(&(tr_match){ .ref = { tr_self().id, timer.id } }, 0) == NULL);
    CHECK(tr_receive_match(&(tr_match){ .from = tr_name("nobody has this") }, 0) == NULL);
    CHECK(tr_receive_match(&(tr_match){ .from = tr_self() }, 0) != NULL);
}
TEST(reference, timers_are_matched_by_their_ids) { run(timers_and_requests); }

static void exits_oddly(const tr_msg *arg)
{
    (void)arg;
    tr_exit(tr_because((tr_why)-5, 6, NULL));
}
static void odd_reasons(void)
{
    tr_ref monitor;
    tr_spawn_monitor(exits_oddly, NULL, 0, &monitor);
    const tr_msg *down = tr_receive_match(&(tr_match){ .ref = { 0, monitor.serial } },
                                          TR_INFINITY); /* whosever it is */
    CHECK(tr_reason_of(down)->why == -5 && tr_reason_of(down)->code == 6);
    CHECK(tr_from_of(down).serial == 0 && tr_nobody(tr_from_of(down).caller)); /* it is no call */
    tr_msg *kept = tr_keep(down);
    CHECK_EQ(tr_give(tr_self(), kept), TR_EINVAL); /* it stays the caller's */
    tr_drop(kept);
}
TEST(reference, a_down_is_matched_by_its_number_and_can_not_be_sent_on) { run(odd_reasons); }

/* ---- kept messages */

static void keeping(void)
{
    tr_send(tr_self(), WORD, "abc", 4);
    const tr_msg *message = tr_receive(TR_INFINITY);
    tr_msg *kept = tr_keep(message);
    CHECK(kept == message && tr_keep(message) == kept); /* once is as good as twice */
    tr_drop(kept);
    CHECK_STR(tr_string(message), "abc"); /* it is received still: until the next receive */
    kept = tr_keep(message);
    tr_send(tr_self(), LAST, NULL, 0);
    await_tag(LAST);
    CHECK_STR(tr_string(kept), "abc");
    tr_drop(kept);
}
TEST(reference, a_message_may_be_kept_and_dropped_while_it_is_received) { run(keeping); }

static int keep_and_drop(void *state, const tr_msg *message)
{
    (void)state;
    if (tr_kind_of(message) == TR_KIND_CALL) {
        tr_drop(tr_keep(message));
        return tr_reply(tr_from_of(message), tr_body(message), tr_size(message)); /* it is there while it is handled */
    }
    (void)tr_keep(message); /* freed at the end */
    return tr_tag(message) == LAST ? tr_stop(TR_NORMAL) : TR_OK;
}
static const tr_actor keeper = { .label = "keeper", .handle = keep_and_drop };
static void keeping_in_callbacks(void)
{
    char reply[4] = "";
    tr_ref monitor;
    tr_pid pid = tr_spawn_actor(&keeper, NULL, 0,
                                &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR, .monitor = &monitor });
    CHECK_EQ(tr_call(pid, QUESTION, "abc", 4, reply, 4, TR_INFINITY), TR_OK);
    CHECK_STR(reply, "abc");
    tr_send(pid, WORD, "x", 1);
    tr_send(pid, LAST, "y", 1);
    CHECK_EQ(await_down(monitor).why, TR_WHY_NORMAL);
}
TEST(reference, a_message_may_be_kept_and_dropped_while_it_is_handled) { run(keeping_in_callbacks); }

/* ---- questions about the blocked, the busy and the new */

static void nothing(void *arg) { (void)arg; }
static const int data;
static int begun;
static void selective(const tr_msg *arg)
{
    (void)arg;
    CHECK_EQ(tr_defer(nothing, NULL), TR_OK);
    CHECK(tr_alloc(1000) != NULL && tr_data() == &data);
    __atomic_store_n(&begun, 1, __ATOMIC_RELEASE);
    await_tag(LAST); /* all else waits */
}
static int blocks(void *state, const tr_msg *message)
{
    (void)state, (void)message;
    tr_process_info mine;
    CHECK_EQ(tr_info(tr_self(), &mine), TR_OK);
    RULE("INFO-01");
    CHECK_EQ(mine.status, TR_STATUS_RUNNING);
    CHECK(mine.stack_size > 0 && tr_get("key") == NULL && tr_data() == NULL);
    CHECK(tr_reason_same(tr_last_reason(), &TR_NORMAL));
    await_tag(LAST);
    return TR_OK;
}
static const tr_actor blocker = { .label = "blocker", .handle = blocks };

static void has_data(const tr_msg *arg)
{
    (void)arg;
    CHECK(tr_data() == &data);
}
static int sleeps(void *state, const tr_msg *message)
{
    (void)state, (void)message;
    tr_sleep(3600000);
    return TR_OK;
}
static const tr_actor sleeper = { .label = "sleeper", .handle = sleeps };
static void more_infos(void)
{
    tr_message_info *messages;
    tr_process_info info;
    tr_ref monitor;
    size_t count;
    for (int i = 0; i < 3; i++)
        tr_send(tr_self(), WORD, "abcd", (size_t)i);
    CHECK_EQ(tr_info_messages(tr_self(), &messages, &count), TR_OK); /* not looked at yet */
    CHECK(count == 3 && messages[0].size == 0 && messages[2].size == 2);
    tr_free(messages);
    tr_pid pid = tr_spawn_actor(&sleeper, NULL, 0, NULL);
    tr_send(pid, WORD, NULL, 0);
    do /* until it is blocked inside its callback */
        CHECK_EQ(tr_info(pid, &info), TR_OK);
    while (info.stack_size == 0 || info.status != TR_STATUS_WAITING);
    end_with(pid, TR_KILL);
    tr_spawn_with(has_data, NULL, 0,
                  &(tr_spawn_options){ .data = &data, .flags = TR_SPAWN_MONITOR, .monitor = &monitor });
    CHECK_EQ(await_down(monitor).why, TR_WHY_NORMAL);
}
TEST(reference, questions_are_answered_by_the_asker_itself_and_by_who_sleeps) { run(more_infos); }

static void infos(void)
{
    tr_message_info *messages;
    tr_process_info info;
    tr_pid *list;
    size_t count;
    begun = 0;
    tr_pid pid = tr_spawn_with(selective, NULL, 0, &(tr_spawn_options){ .data = &data, .stack_size = 1 << 20 });
    for (int i = 0; i < 3; i++)
        tr_send(pid, WORD + i * 100, "abcd", (size_t)i);
    do { /* until it has looked at them */
        tr_yield();
        CHECK_EQ(tr_peek(pid, &info), TR_OK);
    } while (__atomic_load_n(&begun, __ATOMIC_ACQUIRE) == 0 || info.status != TR_STATUS_WAITING);
    CHECK_EQ(tr_info_messages(pid, &messages, &count), TR_OK);
    RULE("INFO-02");
    CHECK_EQ(count, 3);
    for (size_t i = 0; i < count; i++)
        CHECK(messages[i].tag == WORD + (int)i * 100 && messages[i].size == i &&
              tr_same(messages[i].sender, tr_self()));
    tr_free(messages);
    CHECK_EQ(tr_info(pid, &info), TR_OK);
    CHECK(info.stack_size >= 1 << 20 && info.memory >= 1000 && info.message_queue_len == 3);
    end_with(pid, TR_KILL);
    tr_pid busy = tr_spawn_actor(&blocker, NULL, 0, NULL);
    CHECK_EQ(tr_info(busy, &info), TR_OK);
    CHECK_EQ(info.status, TR_STATUS_WAITING);
    CHECK_EQ(tr_info_monitors(busy, &list, &count), TR_OK); /* it has never watched anybody */
    CHECK_EQ(count, 0);
    tr_free(list);
    tr_send(busy, WORD, NULL, 0);
    do
        CHECK_EQ(tr_info(busy, &info), TR_OK);
    while (info.stack_size == 0); /* while it handles the message */
    end_with(busy, TR_KILL);
    CHECK_EQ(tr_info_links(busy, &list, &count), TR_ENOPROC);
}
TEST(reference, questions_are_answered_by_the_blocked_and_the_new) { run(infos); }

static tr_from from_outside;
static int keep_from(void *state, const tr_msg *message)
{
    (void)state;
    from_outside = tr_from_of(message);
    return tr_reply(from_outside, NULL, 0);
}
static const tr_actor asked = { .label = "asked", .handle = keep_from };
TEST(reference, who_waits_outside_is_no_process)
{
    tr_process_info info;
    CHECK_EQ(tr_boot(&(tr_config){ .workers = 1, .log = drop_record }), TR_OK);
    CHECK_EQ(tr_call(tr_spawn_actor(&asked, NULL, 0, NULL), QUESTION, NULL, 0, NULL, 0, TR_INFINITY), TR_OK);
    CHECK(!tr_nobody(from_outside.caller));
    CHECK_EQ(tr_peek(from_outside.caller, &info), TR_ENOPROC);
    CHECK_EQ(tr_register("outside", from_outside.caller), TR_ENOPROC);
    CHECK_EQ(tr_halt(1000), TR_OK);
}
