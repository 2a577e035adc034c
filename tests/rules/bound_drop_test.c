/* bound_drop_test.c: bounded mailboxes that drop the oldest message: which one that is, whatever the receiver has
 * looked at. */
#include "bound.h"

#include <time.h>

static struct server ask(tr_pid pid)
{
    struct server answer;
    CHECK_EQ(tr_call(pid, QUESTION, NULL, 0, &answer, sizeof answer, 60000), TR_OK);
    return answer;
}

static void let_go(tr_pid pid) { tr_send(pid, GO, NULL, 0); }

static void policy_drop(void)
{
    tr_pid pid = tr_spawn_actor(&bounded, NULL, 0,
                                &(tr_spawn_options){ .mailbox_messages = 10, .overflow = TR_OVERFLOW_DROP_OLDEST });
    hold(pid);
    uint64_t before = lost();
    for (int i = 1; i <= 100; i++)
        CHECK_EQ(send_word(pid, i), TR_OK);
    let_go(pid);
    struct server answer = ask(pid);
    CHECK(answer.count >= 8 && answer.count <= 10); /* GO and the question need room, too */
    CHECK_EQ(answer.first, 100 - answer.count + 1);
    CHECK_EQ(answer.sum, answer.count * (answer.first + 100) / 2);
    CHECK_EQ(lost() - before, (uint64_t)(100 - answer.count));
    end_with(pid, TR_KILL);
}
TEST(bound_drop, drop_oldest_keeps_the_newest)
{
    if (HARNESS_SIMULATED)
        SKIP("its receiver may not run between the sends");
    run(policy_drop);
}

/* The same of what it has not even looked at. */
static bool deaf_begun, deaf_over;

static int deaf_handle(void *state, const tr_msg *message)
{
    if (tr_tag(message) != LAST)
        return server_handle(state, message);
    __atomic_store_n(&deaf_begun, true, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&deaf_over, __ATOMIC_ACQUIRE))
        nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL); /* it does not block: it is in its turn */
    return TR_OK;
}
static const tr_actor deaf = { .label = "deaf", .state_size = sizeof(struct server), .handle = deaf_handle };

static void policy_drop_unseen(void)
{
    tr_pid pid = tr_spawn_actor(&deaf, NULL, 0,
                                &(tr_spawn_options){ .mailbox_messages = 10, .overflow = TR_OVERFLOW_DROP_OLDEST });
    uint64_t before = lost();
    CHECK_EQ(tr_send(pid, LAST, NULL, 0), TR_OK);
    while (!__atomic_load_n(&deaf_begun, __ATOMIC_ACQUIRE))
        tr_sleep(1);
    for (int i = 1; i <= 100; i++)
        CHECK_EQ(send_word(pid, i), TR_OK);
    __atomic_store_n(&deaf_over, true, __ATOMIC_RELEASE);
    struct server answer = ask(pid);
    CHECK(answer.count >= 9 && answer.count <= 10); /* the question needs room, too */
    CHECK_EQ(answer.first, 100 - answer.count + 1);
    CHECK_EQ(lost() - before, (uint64_t)(100 - answer.count));
    end_with(pid, TR_KILL);
}
TEST(bound_drop, drop_oldest_drops_what_a_server_has_not_looked_at)
{
    if (HARNESS_SIMULATED)
        SKIP("its receiver waits for the system's time");
    run_on(2, policy_drop_unseen);
}

/* The same in a receive: answers how many WORDs it could take, and the first. */
static void forgetful(const tr_msg *arg)
{
    tr_pid root = *(const tr_pid *)tr_expect(arg, sizeof root);
    tr_trap_exit(true);
    tr_send(root, READY, NULL, 0);
    await_tag(TR_MSG_EXIT);
    int64_t answer[2] = { 0, 0 };
    for (const tr_msg *word; (word = tr_receive_match(&(tr_match){ .tag = WORD }, 0)) != NULL; answer[0]++)
        if (answer[0] == 0)
            answer[1] = *(const int64_t *)tr_body(word);
    tr_send(root, ANSWER, answer, sizeof answer);
}
static void policy_drop_in_receive(void)
{
    tr_pid self = tr_self();
    uint64_t before = lost();
    tr_pid pid = tr_spawn_with(forgetful, &self, sizeof self,
                               &(tr_spawn_options){ .mailbox_messages = 10, .overflow = TR_OVERFLOW_DROP_OLDEST });
    await_tag(READY);
    for (int i = 1; i <= 100; i++)
        CHECK_EQ(send_word(pid, i), TR_OK);
    tr_exit_signal(pid, because(1));
    const tr_msg *message = tr_receive_match(&(tr_match){ .tag = ANSWER }, TR_INFINITY);
    const int64_t *answer = tr_expect(message, 2 * sizeof *answer);
    CHECK_EQ(answer[0], 10);
    CHECK_EQ(answer[1], 91);
    CHECK_EQ(lost() - before, 90);
}
TEST(bound_drop, drop_oldest_holds_for_receives)
{
    if (HARNESS_SIMULATED)
        SKIP("its receiver may not run between the sends");
    run_on(1, policy_drop_in_receive);
}

/* The same of those that a receive under way has passed over: the oldest go, wherever they are. */
static void choosy(const tr_msg *arg)
{
    tr_pid root = *(const tr_pid *)tr_expect(arg, sizeof root);
    int64_t answer[2] = { 0, 0 };
    await_tag(LAST);
    for (const tr_msg *word; (word = tr_receive_match(&(tr_match){ .tag = WORD }, 0)) != NULL; answer[0]++)
        if (answer[0] == 0)
            answer[1] = *(const int64_t *)tr_body(word);
    tr_send(root, ANSWER, answer, sizeof answer);
}
static void policy_drop_passed_over(void)
{
    tr_pid self = tr_self();
    uint64_t before = lost();
    tr_process_info info;
    tr_pid pid = tr_spawn_with(choosy, &self, sizeof self,
                               &(tr_spawn_options){ .mailbox_messages = 10, .overflow = TR_OVERFLOW_DROP_OLDEST });
    for (int i = 1; i <= 5; i++)
        CHECK_EQ(send_word(pid, i), TR_OK);
    CHECK_EQ(tr_info(pid, &info), TR_OK); /* it has looked at those */
    for (int i = 6; i <= 100; i++)
        CHECK_EQ(send_word(pid, i), TR_OK);
    CHECK_EQ(tr_send(pid, LAST, NULL, 0), TR_OK); /* which needs room, too */
    const tr_msg *message = tr_receive_match(&(tr_match){ .tag = ANSWER }, TR_INFINITY);
    const int64_t *answer = tr_expect(message, 2 * sizeof *answer);
    CHECK_EQ(answer[0], 9);
    CHECK_EQ(answer[1], 92);
    CHECK_EQ(lost() - before, 91);
}
TEST(bound_drop, drop_oldest_drops_what_a_receive_has_passed_over)
{
    if (HARNESS_SIMULATED)
        SKIP("its receiver may not run between the sends");
    run_on(1, policy_drop_passed_over);
}

static void mailbox_of_one(void)
{
    tr_pid self = tr_self();
    uint64_t before = lost();
    tr_pid pid = tr_spawn_with(choosy, &self, sizeof self,
                               &(tr_spawn_options){ .mailbox_messages = 1, .overflow = TR_OVERFLOW_DROP_OLDEST });
    for (int i = 1; i <= 5; i++) {
        CHECK_EQ(send_word(pid, i), TR_OK);
        tr_yield(); /* it looks at it, and waits on */
    }
    CHECK_EQ(tr_send(pid, LAST, NULL, 0), TR_OK);
    const tr_msg *message = tr_receive_match(&(tr_match){ .tag = ANSWER }, TR_INFINITY);
    CHECK_EQ(*(const int64_t *)tr_expect(message, 2 * sizeof(int64_t)), 0);
    CHECK_EQ(lost() - before, 5);
}
TEST(bound_drop, drop_oldest_drops_the_very_message_that_was_passed_over_last)
{
    if (HARNESS_SIMULATED)
        SKIP("its receiver may not run between the sends");
    run_on(1, mailbox_of_one);
}
