/* bound_test.c: bounded mailboxes (D13): the policies but for the one that forgets (bound_drop_test.c), exact
 * accounting, and what is never refused. */
#include "bound.h"

#include <time.h>

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Passes over all but GO while it is held; after GO it takes WORDs as they come, and answers QUESTION with how many
 * and their sum. */
static void slow_taker(const tr_msg *arg)
{
    (void)arg;
    await_tag(GO);
    int64_t count = 0, sum = 0;
    for (;;) {
        const tr_msg *message = tr_receive(TR_INFINITY);
        if (tr_tag(message) == QUESTION) {
            int64_t answer[2] = { count, sum };
            tr_reply(tr_from_of(message), answer, sizeof answer);
        } else if (tr_tag(message) == WORD) {
            count++;
            sum += tr_size(message) >= sizeof(int64_t) ? *(const int64_t *)tr_body(message) : 0;
        }
    }
}

static tr_pid start(tr_overflow overflow, size_t messages, size_t bytes, int64_t wait_ms, tr_ref *monitor)
{
    return tr_spawn_actor(&bounded, NULL, 0,
                          &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR,
                                               .monitor = monitor,
                                               .mailbox_messages = messages,
                                               .mailbox_bytes = bytes,
                                               .overflow = overflow,
                                               .overflow_wait_ms = wait_ms });
}

/* ---- fail */

static void policy_fail(void)
{
    tr_ref monitor;
    tr_pid pid = start(TR_OVERFLOW_FAIL, 10, 0, 0, &monitor);
    for (int round = 1; round <= 3; round++) {
        hold(pid);
        uint64_t before = lost();
        int accepted = 0;
        for (int i = 0; i < 25; i++)
            accepted += send_word(pid, 1) == TR_OK;
        CHECK_EQ(accepted, 10);
        CHECK_EQ(lost() - before, 15);
        CHECK_EQ(tr_cast(pid, WORD, NULL, 0), TR_OK); /* GS-26: and it is lost */
        struct server answer;
        CHECK_EQ(tr_call(pid, QUESTION, NULL, 0, &answer, sizeof answer, 1000), TR_EFULL);
        /* GO would find it full as well: an exit signal is not refused, but ends it; so room is made by its own
         * receive */
        CHECK_EQ(tr_send(pid, GO, NULL, 0), TR_EFULL);
        tr_exit_signal(pid, because(1));
        RULE("EXIT-01");
        CHECK_EQ(await_down(monitor).why, TR_WHY_USER);
        pid = start(TR_OVERFLOW_FAIL, 10, 0, 0, &monitor);
    }
    end_with(pid, TR_KILL);
}
TEST(bound, fail_refuses_what_is_beyond_and_counts_it) { run(policy_fail); }

static void room_comes_back(void)
{
    tr_ref monitor;
    tr_pid pid = start(TR_OVERFLOW_FAIL, 5, 0, 0, &monitor);
    int64_t sum = 0, count = 0;
    for (int i = 1; i <= 3000; i++) {
        int status = send_word(pid, i);
        CHECK(status == TR_OK || status == TR_EFULL);
        if (status == TR_OK) {
            sum += i;
            count++;
        } else {
            tr_yield();
        }
    }
    struct server answer;
    while (tr_call(pid, QUESTION, NULL, 0, &answer, sizeof answer, 60000) == TR_EFULL)
        tr_yield();
    CHECK_EQ(answer.sum, sum);
    CHECK_EQ(answer.count, count);
    for (int i = 0; i < 5; i++) /* idle, it has room for all five again */
        CHECK_EQ(send_word(pid, 1), TR_OK);
    end_with(pid, TR_KILL);
}
TEST(bound, room_is_given_back_exactly) { run(room_comes_back); }

static void bytes_count(void)
{
    tr_ref monitor;
    tr_pid pid = start(TR_OVERFLOW_FAIL, 0, 1000, 0, &monitor);
    hold(pid);
    static const char body[600];
    CHECK_EQ(tr_send(pid, LAST, body, 600), TR_OK);
    CHECK_EQ(tr_send(pid, LAST, body, 600), TR_EFULL);
    CHECK_EQ(tr_send(pid, LAST, body, 400), TR_OK);
    CHECK_EQ(tr_send(pid, LAST, body, 1), TR_EFULL);
    end_with(pid, TR_KILL);
}
TEST(bound, bytes_are_counted_to_the_last_one) { run(bytes_count); }

/* ---- wait */

static void release_later(const tr_msg *arg)
{
    tr_pid pid = *(const tr_pid *)tr_expect(arg, sizeof pid);
    tr_sleep(30);
    tr_exit_signal(pid, because(2)); /* trapped: it goes on */
}
static int trapping_handle(void *state, const tr_msg *message)
{
    (void)state;
    if (tr_tag(message) == READY) {
        tr_trap_exit(true);
        tr_send(tr_sender(message), READY, NULL, 0);
        await_tag(TR_MSG_EXIT);
    }
    return TR_OK;
}
static const tr_actor trapping = { .label = "trapping", .handle = trapping_handle };

static void policy_wait(void)
{
    tr_pid pid = tr_spawn_actor(
        &trapping, NULL, 0,
        &(tr_spawn_options){ .mailbox_messages = 2, .overflow = TR_OVERFLOW_WAIT, .overflow_wait_ms = 40 });
    hold(pid);
    CHECK_EQ(send_word(pid, 1), TR_OK);
    CHECK_EQ(send_word(pid, 1), TR_OK);
    uint64_t before = lost();
    int64_t begin = now_ms();
    CHECK_EQ(send_word(pid, 1), TR_EFULL);
    CHECK(now_ms() - begin >= 40);
    CHECK_EQ(lost() - before, 1);
    end_with(pid, TR_KILL);

    pid = tr_spawn_actor(
        &trapping, NULL, 0,
        &(tr_spawn_options){ .mailbox_messages = 2, .overflow = TR_OVERFLOW_WAIT, .overflow_wait_ms = 60000 });
    hold(pid);
    CHECK_EQ(send_word(pid, 1), TR_OK);
    CHECK_EQ(send_word(pid, 1), TR_OK);
    tr_spawn(release_later, &pid, sizeof pid);
    CHECK_EQ(send_word(pid, 1), TR_OK); /* there was room as soon as it took the others */
    hold(pid);
    CHECK_EQ(send_word(pid, 1), TR_OK);
    CHECK_EQ(send_word(pid, 1), TR_OK);
    tr_exit_signal(pid, TR_KILL);
    CHECK_EQ(send_word(pid, 1), TR_OK); /* SIG-04: it is dead */
}
TEST(bound, wait_parks_the_sender_until_room_or_deadline) { run(policy_wait); }

static void calls_in_vain(void)
{
    tr_ref monitor;
    tr_pid pid = start(TR_OVERFLOW_WAIT, 2, 0, 50, &monitor);
    hold(pid);
    CHECK_EQ(send_word(pid, 1), TR_OK);
    CHECK_EQ(send_word(pid, 1), TR_OK);
    uint64_t before = lost();
    struct server answer;
    CHECK_EQ(tr_call(pid, QUESTION, NULL, 0, &answer, sizeof answer, 10000), TR_EFULL);
    CHECK_EQ(lost() - before, 1);
    tr_msg *reply;
    tr_ref request = tr_send_request(pid, QUESTION, NULL, 0); /* whoever asks so does not want to wait */
    CHECK_EQ(tr_wait_response(request, 0, &reply), TR_EDOWN);
    CHECK_EQ(tr_last_reason()->why, TR_WHY_SYSTEM_LIMIT);
    CHECK_EQ(lost() - before, 2);
    end_with(pid, TR_KILL);

    pid = start(TR_OVERFLOW_WAIT, 0, 3 * sizeof(int64_t), 50, &monitor);
    hold(pid);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(send_word(pid, 1), TR_OK);
    CHECK_EQ(send_word(pid, 1), TR_EFULL);
    end_with(pid, TR_KILL);
}
TEST(bound, calls_to_a_full_mailbox_that_lets_wait_fail_after_the_wait) { run(calls_in_vain); }

/* ---- a callback that looks further in its mailbox */

static int look_further(void *state, const tr_msg *message)
{
    (void)state;
    if (tr_tag(message) == READY) {
        tr_pid root = *(const tr_pid *)tr_expect(message, sizeof root);
        tr_send(tr_self(), WORD, &root, sizeof root);
        CHECK(tr_receive_match(&(tr_match){ .tag = LAST }, 0) == NULL); /* WORD is passed over, and is next */
    } else if (tr_tag(message) == WORD) {
        tr_send(*(const tr_pid *)tr_expect(message, sizeof(tr_pid)), ANSWER, NULL, 0);
    }
    return TR_OK;
}
static const tr_actor looker = { .label = "looker", .handle = look_further };
static void passed_over(void)
{
    tr_pid self = tr_self(), pid = tr_spawn_actor(&looker, NULL, 0, &(tr_spawn_options){ .mailbox_messages = 100 });
    tr_send(pid, READY, &self, sizeof self);
    CHECK(tr_receive_match(&(tr_match){ .tag = ANSWER }, 10000) != NULL);
    end_with(pid, TR_KILL);
}
TEST(bound, what_a_callback_passes_over_is_handled_next) { run(passed_over); }

/* ---- stop */

static void policy_stop(void)
{
    tr_ref monitor;
    tr_pid pid = start(TR_OVERFLOW_STOP, 3, 0, 0, &monitor);
    hold(pid);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(send_word(pid, i), TR_OK);
    CHECK_EQ(send_word(pid, 4), TR_EFULL);
    CHECK_EQ(await_down(monitor).why, TR_WHY_SYSTEM_LIMIT);
}
TEST(bound, stop_ends_the_receiver_with_system_limit) { run(policy_stop); }

/* ---- never refused */

static void full_caller(const tr_msg *arg)
{
    tr_pid root = *(const tr_pid *)tr_expect(arg, sizeof root);
    int64_t answer = 0;
    tr_trap_exit(true);
    tr_send(root, READY, NULL, 0);
    CHECK_EQ(tr_call(root, QUESTION, NULL, 0, &answer, sizeof answer, 60000), TR_OK);
    CHECK_EQ(answer, 77);
    tr_exit_signal(tr_self(), because(3));
    const tr_msg *message = tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT }, 0);
    CHECK(message != NULL);
    tr_ref monitor;
    tr_spawn_monitor(ender, &(tr_reason){ .why = TR_WHY_USER }, sizeof(tr_reason), &monitor);
    await_down(monitor);
    tr_timer timer;
    CHECK_EQ(tr_send_after(1, tr_self(), LAST, NULL, 0, &timer), TR_OK);
    CHECK(tr_receive_match(&(tr_match){ .tag = LAST }, 60000) != NULL);
}
static void never_refused(void)
{
    tr_pid self = tr_self();
    tr_ref monitor;
    tr_pid pid = tr_spawn_with(
        full_caller, &self, sizeof self,
        &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR, .monitor = &monitor, .mailbox_messages = 2 });
    await_tag(READY);
    const tr_msg *question = tr_receive_match(&(tr_match){ .tag = QUESTION }, TR_INFINITY);
    tr_from from = tr_from_of(question);
    while (send_word(pid, 1) == TR_OK)
        ;
    int64_t answer = 77;
    tr_reply(from, &answer, sizeof answer);
    CHECK_EQ(await_down(monitor).why, TR_WHY_NORMAL);
}
TEST(bound, signals_replies_and_timers_are_never_refused) { run(never_refused); }

/* ---- many senders */

static void flood(const tr_msg *arg)
{
    tr_pid pid = *(const tr_pid *)tr_expect(arg, sizeof pid);
    for (int i = 0; i < 300; i++)
        CHECK_EQ(send_word(pid, 1), TR_OK);
}
static void many_wait(void)
{
    tr_pid pid = tr_spawn_with(
        slow_taker, NULL, 0,
        &(tr_spawn_options){ .mailbox_messages = 20, .overflow = TR_OVERFLOW_WAIT, .overflow_wait_ms = 60000 });
    go(pid);
    tr_ref monitors[8];
    for (size_t i = 0; i < TR_COUNT(monitors); i++)
        tr_spawn_monitor(flood, &pid, sizeof pid, &monitors[i]);
    for (size_t i = 0; i < TR_COUNT(monitors); i++)
        CHECK_EQ(await_down(monitors[i]).why, TR_WHY_NORMAL);
    int64_t answer[2];
    CHECK_EQ(tr_call(pid, QUESTION, NULL, 0, answer, sizeof answer, 60000), TR_OK);
    CHECK_EQ(answer[0], 8 * 300);
    end_with(pid, TR_KILL);
}
TEST(bound, nothing_is_lost_while_eight_senders_wait) { race(many_wait); }
