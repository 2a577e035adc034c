/* order_test.c: what keeps its order and its number whatever the schedule: messages, calls, timers, names, links. */
#include "simulation/simulate.h"

struct numbered {
    int64_t sender, number;
};

/* ---- messages: per pair in order, none lost, none doubled */

enum { SENDERS = 4, EACH = 40 };

static tr_pid root, target;

static void numbering_sender(const tr_msg *arg)
{
    struct numbered message = *(const struct numbered *)tr_expect(arg, sizeof message);
    for (message.number = 0; message.number < EACH; message.number++)
        tr_send(root, WORD, &message, sizeof message);
}

static void check_numbered(int64_t *next, const tr_msg *message)
{
    struct numbered it = *(const struct numbered *)tr_expect(message, sizeof it);
    CHECK_EQ(it.number, next[it.sender]);
    next[it.sender]++;
}

static void pairs_in_order(void)
{
    int64_t next[SENDERS] = { 0 };
    root = tr_self();
    for (int64_t i = 0; i < SENDERS; i++)
        tr_spawn(numbering_sender, &(struct numbered){ i, 0 }, sizeof(struct numbered));
    for (int i = 0; i < SENDERS * EACH; i++)
        check_numbered(next, tr_receive(TR_INFINITY));
    CHECK(tr_receive(5) == NULL);
}
TEST(order, messages_of_a_pair_keep_their_order) { simulate(0, pairs_in_order); }

static int collect(void *state, const tr_msg *message)
{
    int64_t *next = state;
    if (tr_tag(message) == WORD)
        check_numbered(next, message);
    else
        return tr_reply(tr_from_of(message), next, SENDERS * sizeof *next);
    return TR_OK;
}
static const tr_actor collector = { .label = "collector", .state_size = SENDERS * sizeof(int64_t), .handle = collect };

static void numbering_to_target(const tr_msg *arg)
{
    struct numbered message = *(const struct numbered *)tr_expect(arg, sizeof message);
    for (message.number = 0; message.number < EACH; message.number++)
        tr_send(target, WORD, &message, sizeof message);
    tr_send(root, LAST, NULL, 0);
}
static void handler_in_order(void)
{
    root = tr_self();
    target = tr_spawn_actor(&collector, NULL, 0, NULL);
    for (int64_t i = 0; i < SENDERS; i++)
        tr_spawn(numbering_to_target, &(struct numbered){ i, 0 }, sizeof(struct numbered));
    for (int i = 0; i < SENDERS; i++)
        await_tag(LAST);
    int64_t got[SENDERS];
    CHECK_EQ(tr_call(target, QUESTION, NULL, 0, got, sizeof got, TR_INFINITY), TR_OK);
    for (int i = 0; i < SENDERS; i++)
        CHECK_EQ(got[i], EACH); /* who has heard LAST comes behind what was sent before it */
}
TEST(order, a_handler_gets_each_message_once) { simulate(0, handler_in_order); }

static void foreign_sender(void *arg)
{
    struct numbered message = { *(const int64_t *)arg, 0 };
    for (; message.number < EACH; message.number++)
        CHECK_EQ(tr_send(target, WORD, &message, sizeof message), TR_OK);
    int64_t got[SENDERS];
    CHECK_EQ(tr_call(target, QUESTION, NULL, 0, got, sizeof got, TR_INFINITY), TR_OK);
    CHECK_EQ(got[message.sender], EACH);
}
TEST(order, foreign_threads_send_in_order)
{
    static const int64_t numbers[SENDERS] = { 0, 1, 2, 3 };
    int threads[SENDERS];
    CHECK_EQ(tr_boot(&quiet_config), TR_OK);
    target = tr_spawn_actor(&collector, NULL, 0, NULL);
    for (int i = 0; i < SENDERS; i++) {
        threads[i] = tr_sim_thread_start(foreign_sender, (void *)(uintptr_t)&numbers[i]);
        CHECK(threads[i] > 0);
    }
    for (int i = 0; i < SENDERS; i++)
        tr_sim_thread_join(threads[i]);
    CHECK_EQ(tr_halt(1000), TR_OK);
}

/* A foreign thread calls while the runtime stops: each call ends. */
static void foreign_caller(void *arg)
{
    (void)arg;
    int64_t got[SENDERS];
    int status;
    do
        status = tr_call(target, QUESTION, NULL, 0, got, sizeof got, TR_INFINITY);
    while (status == TR_OK);
    CHECK(status == TR_EDOWN || status == TR_ENOPROC || status == TR_ESTOPPED);
}
TEST(order, a_stop_fails_the_calls_of_foreign_threads)
{
    CHECK_EQ(tr_boot(&quiet_config), TR_OK);
    target = tr_spawn_actor(&collector, NULL, 0, NULL);
    int first = tr_sim_thread_start(foreign_caller, NULL), second = tr_sim_thread_start(foreign_caller, NULL);
    CHECK_EQ(tr_halt(1000), TR_OK);
    tr_sim_thread_join(first);
    tr_sim_thread_join(second);
}

/* ---- signals keep their place */

static void unlinks_then_ends(const tr_msg *arg)
{
    tr_pid to = *(const tr_pid *)tr_expect(arg, sizeof to);
    tr_send(to, WORD, NULL, 0);
    tr_exit_signal(to, tr_because(TR_WHY_USER, 7, "after the word"));
    tr_send(to, LAST, NULL, 0);
}
static void exit_between(void)
{
    tr_pid self = tr_self();
    tr_trap_exit(true);
    tr_spawn(unlinks_then_ends, &self, sizeof self);
    CHECK_EQ(tr_tag(tr_receive(TR_INFINITY)), WORD);
    const tr_msg *exit = tr_receive(TR_INFINITY);
    CHECK_EQ(tr_tag(exit), TR_MSG_EXIT);
    CHECK_EQ(tr_reason_of(exit)->code, 7);
    CHECK_EQ(tr_tag(tr_receive(TR_INFINITY)), LAST);
}
TEST(order, a_trapped_exit_stands_between_the_messages) { simulate(0, exit_between); }

/* ---- calls and deadlines: an answer or a timeout, never both, never late */

static int slowly(void *state, const tr_msg *message)
{
    (void)state;
    int64_t number = *(const int64_t *)tr_expect(message, sizeof number);
    tr_sleep((int64_t)tr_sim_random(4));
    return tr_reply(tr_from_of(message), &number, sizeof number);
}
static const tr_actor slow_server = { .label = "slow", .handle = slowly };

static void late_answers(void)
{
    tr_pid server = tr_spawn_actor(&slow_server, NULL, 0, NULL);
    for (int64_t i = 0; i < 20; i++) {
        int64_t answer = -1;
        int status = tr_call(server, QUESTION, &i, sizeof i, &answer, sizeof answer, 1 + (int64_t)tr_sim_random(4));
        CHECK(status == TR_OK ? answer == i : status == TR_ETIMEDOUT);
    }
    CHECK(tr_receive(50) == NULL);
}
TEST(order, an_answer_is_never_anothers_and_never_late) { simulate(0, late_answers); }

static void dying_server(const tr_msg *arg)
{
    (void)arg;
    for (int i = (int)tr_sim_random(3); i > 0; i--)
        tr_reply(tr_from_of(tr_receive(TR_INFINITY)), NULL, 0);
}
static void calls_to_the_dying(void)
{
    for (int i = 0; i < 8; i++) {
        tr_pid server = tr_spawn(dying_server, NULL, 0);
        int status = TR_OK;
        for (int calls = 0; status == TR_OK; calls++) {
            CHECK(calls < 3);
            status = tr_call(server, QUESTION, NULL, 0, NULL, 0, TR_INFINITY);
        }
        CHECK(status == TR_EDOWN || status == TR_ENOPROC);
    }
}
TEST(order, a_call_to_a_server_that_ends_fails_at_once) { simulate(0, calls_to_the_dying); }

/* ---- names */

static int holders, highest;
static void fighter(const tr_msg *arg)
{
    tr_pid judge = *(const tr_pid *)tr_expect(arg, sizeof judge);
    for (int won = 0; won < 3;) {
        int status = tr_register("throne", tr_self());
        CHECK(status == TR_OK || status == TR_ETAKEN);
        if (status != TR_OK) {
            tr_yield();
            continue;
        }
        won++;
        highest = ++holders > highest ? holders : highest;
        CHECK(tr_same(tr_whereis("throne"), tr_self()));
        tr_yield();
        holders--;
        CHECK_EQ(tr_unregister("throne"), TR_OK);
    }
    tr_send(judge, LAST, NULL, 0);
}
static void name_fights(void)
{
    tr_pid self = tr_self();
    for (int i = 0; i < 4; i++)
        tr_spawn(fighter, &self, sizeof self);
    for (int i = 0; i < 4; i++)
        await_tag(LAST);
    CHECK_EQ(highest, 1);
    CHECK(tr_nobody(tr_whereis("throne")));
}
TEST(order, a_name_has_one_holder) { simulate(0, name_fights); }

static void named_and_brief(const tr_msg *arg)
{
    (void)arg;
    CHECK_EQ(tr_register("brief", tr_self()), TR_OK);
}
static void name_free_after_down(void)
{
    for (int i = 0; i < 10; i++) {
        tr_ref monitor;
        tr_spawn_monitor(named_and_brief, NULL, 0, &monitor);
        tr_reason reason;
        CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
        CHECK_EQ(reason.why, TR_WHY_NORMAL); /* the name was free: it could register */
        CHECK(tr_nobody(tr_whereis("brief")));
    }
}
TEST(order, a_name_is_free_when_the_down_is_there) { simulate(0, name_free_after_down); }

/* ---- links */

static void linker(const tr_msg *arg)
{
    const tr_pid *next = tr_expect(arg, 2 * sizeof(tr_pid));
    if (tr_link(next[0]) == TR_OK)
        tr_send(next[1], READY, NULL, 0);
    waiter(NULL);
}
static void link_chain(void)
{
    enum { LENGTH = 8 };
    tr_pid pids[LENGTH];
    tr_ref monitors[LENGTH];
    tr_pid arg[2] = { tr_spawn(waiter, NULL, 0), tr_self() };
    for (int i = 0; i < LENGTH; i++) {
        pids[i] = tr_spawn_monitor(linker, arg, sizeof arg, &monitors[i]);
        arg[0] = pids[i];
    }
    for (int i = 0; i < LENGTH; i++)
        await_tag(READY);
    tr_exit_signal(pids[tr_sim_random(LENGTH)], tr_because(TR_WHY_USER, 9, "torn"));
    for (int i = 0; i < LENGTH; i++) {
        tr_reason reason;
        CHECK_EQ(tr_await_down(monitors[i], TR_INFINITY, &reason), TR_OK);
        CHECK_EQ(reason.code, 9);
    }
}
TEST(order, a_chain_of_links_ends_as_one) { simulate(0, link_chain); }

static void crossing(const tr_msg *arg)
{
    tr_pid other = *(const tr_pid *)tr_expect(await_tag(GO), sizeof other);
    (void)arg;
    for (int i = 0; i < 6; i++) {
        int status = tr_link(other);
        CHECK(status == TR_OK || status == TR_ENOPROC); /* it may have ended */
        tr_unlink(other);
    }
}
static void link_and_unlink_cross(void)
{
    tr_ref monitors[2];
    tr_pid pids[2];
    for (int i = 0; i < 2; i++)
        pids[i] = tr_spawn_monitor(crossing, NULL, 0, &monitors[i]);
    for (int i = 0; i < 2; i++)
        tr_send(pids[i], GO, &pids[1 - i], sizeof(tr_pid));
    for (int i = 0; i < 2; i++) {
        tr_reason reason;
        CHECK_EQ(tr_await_down(monitors[i], TR_INFINITY, &reason), TR_OK);
        CHECK(reason.why == TR_WHY_NORMAL || reason.why == TR_WHY_NOPROC);
    }
}
TEST(order, links_and_unlinks_that_cross_leave_nothing) { simulate(0, link_and_unlink_cross); }

/* Ends by itself when it is told to, linked to a partner that is told, too. */
static void ends_with_its_number(const tr_msg *arg)
{
    int number = *(const int *)tr_expect(arg, sizeof number);
    tr_pid partner = *(const tr_pid *)tr_expect(await_tag(WORD), sizeof partner);
    if (number % 2 == 1)
        CHECK_EQ(tr_link(partner), TR_OK);
    tr_send(tr_parent(), READY, NULL, 0);
    await_tag(GO);
    tr_exit(tr_because(TR_WHY_USER, number, NULL));
}
static void both_end(void)
{
    enum { PAIRS = 4, ALL = 2 * PAIRS };
    tr_pid pids[ALL];
    int code[ALL];
    tr_trap_exit(true);
    for (int i = 0; i < ALL; i++)
        CHECK_EQ(tr_start_entry(ends_with_its_number, &i, sizeof i, false,
                                &(tr_start_options){ .flags = TR_START_LINK }, &pids[i]),
                 TR_OK);
    for (int i = 0; i < ALL; i++)
        tr_send(pids[i], WORD, &pids[i ^ 1], sizeof(tr_pid));
    for (int i = 0; i < ALL; i++)
        await_tag(READY);
    for (int i = 0; i < ALL; i++)
        tr_send(pids[i], GO, NULL, 0);
    for (int i = 0; i < ALL; i++) {
        const tr_msg *exit = tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT, .from = pids[i] }, TR_INFINITY);
        CHECK_EQ(tr_reason_of(exit)->why, TR_WHY_USER);
        code[i] = tr_reason_of(exit)->code;
        CHECK(code[i] == i || code[i] == (i ^ 1)); /* its own, or its partner's */
    }
    for (int i = 0; i < ALL; i += 2)
        CHECK(code[i] == i || code[i + 1] == i + 1);
    CHECK(tr_receive(5) == NULL);
}
TEST(order, two_that_are_linked_may_end_at_once) { simulate(0, both_end); }

/* ---- work that blocks a thread */

static int add_one(void *arg) { return ++*(int *)arg; }
static void blocking_caller(const tr_msg *arg)
{
    (void)arg;
    int number = 0;
    for (int i = 1; i <= 5; i++)
        CHECK_EQ(tr_blocking(add_one, &number), i);
}
static void blocking_jobs(void)
{
    tr_ref monitors[6];
    for (int i = 0; i < 6; i++)
        tr_spawn_monitor(blocking_caller, NULL, 0, &monitors[i]);
    for (int i = 0; i < 6; i++) {
        tr_reason reason;
        CHECK_EQ(tr_await_down(monitors[i], TR_INFINITY, &reason), TR_OK);
        CHECK_EQ(reason.why, TR_WHY_NORMAL);
    }
}
TEST(order, each_blocking_job_answers_its_own_caller) { simulate(0, blocking_jobs); }

/* ---- workers that sleep are woken */

enum { WAKERS = 3, WAKES = 12 };
static tr_pid sleepers[WAKERS];

static int answer(void *state, const tr_msg *message)
{
    (void)state;
    return tr_reply(tr_from_of(message), NULL, 0);
}
static const tr_actor answerer = { .label = "answerer", .handle = answer };

static void wake_now_and_then(void *arg)
{
    (void)arg;
    for (int i = 0; i < WAKES; i++) {
        struct timespec pause = { .tv_nsec = (long)tr_sim_random(200000) };
        if (tr_sim_random(2) == 0)
            nanosleep(&pause, NULL);
        CHECK_EQ(tr_call(sleepers[tr_sim_random(WAKERS)], QUESTION, NULL, 0, NULL, 0, TR_INFINITY), TR_OK);
    }
}
TEST(order, workers_that_sleep_are_woken_by_foreign_threads)
{
    int threads[WAKERS];
    tr_config config = quiet_config;
    config.workers = 2 + (int)tr_sim_random(3);
    CHECK_EQ(tr_boot(&config), TR_OK);
    for (int i = 0; i < WAKERS; i++)
        sleepers[i] = tr_spawn_actor(&answerer, NULL, 0, NULL);
    for (int i = 0; i < WAKERS; i++) {
        threads[i] = tr_sim_thread_start(wake_now_and_then, NULL);
        CHECK(threads[i] > 0);
    }
    for (int i = 0; i < WAKERS; i++)
        tr_sim_thread_join(threads[i]);
    CHECK_EQ(tr_halt(1000), TR_OK);
}

/* ---- a signal meets a process that is just parking */

static void calls_the_silent(const tr_msg *arg)
{
    int status = tr_call(*(const tr_pid *)tr_expect(arg, sizeof(tr_pid)), QUESTION, NULL, 0, NULL, 0, TR_INFINITY);
    (void)status;
}
static void killed_while_parking(void)
{
    tr_pid silent = tr_spawn(waiter, NULL, 0);
    for (int i = 0; i < 8; i++) {
        tr_pid pid = tr_spawn(calls_the_silent, &silent, sizeof silent);
        for (int yields = (int)tr_sim_random(4); yields > 0; yields--)
            tr_yield();
        kill_and_await(pid);
    }
}
TEST(order, a_process_that_parks_is_killed) { simulate(0, killed_while_parking); }
