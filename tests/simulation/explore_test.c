/* explore_test.c: every order of a few processes' operations: the outcomes that the rules allow, and all of them.
 *
 * Each body notes what came out in the trace and checks that it is one of the allowed outcomes. */
#include "simulation/simulate.h"

/* ---- link against exit: whoever links with a process that ends hears of it, once */

static void ends_with_seven(const tr_msg *arg)
{
    (void)arg;
    tr_exit(tr_because(TR_WHY_USER, 7, "seven"));
}
static void link_body(void)
{
    tr_trap_exit(true);
    tr_sim_inject(true);
    tr_pid other = tr_spawn(ends_with_seven, NULL, 0);
    int status = tr_link(other);
    CHECK(status == TR_OK || status == TR_ENOPROC);
    const tr_msg *exit = tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT, .from = other }, TR_INFINITY);
    tr_sim_inject(false);
    int why = tr_reason_of(exit)->why;
    CHECK(why == TR_WHY_USER || why == TR_WHY_NOPROC);
    CHECK(tr_receive(0) == NULL);
}
EXPLORE_TEST(explore, link_against_exit_is_one_exit, 20000) { simulate(1, link_body); }

static void unlink_body(void)
{
    tr_trap_exit(true);
    tr_pid other = tr_spawn_with(waiter, NULL, 0, &(tr_spawn_options){ .flags = TR_SPAWN_LINK });
    tr_sim_inject(true);
    tr_exit_signal(other, TR_KILL);
    tr_unlink_flush(other);
    CHECK(tr_receive(0) == NULL);
    tr_yield();
    CHECK(tr_receive(0) == NULL);
    tr_sim_inject(false);
}
EXPLORE_TEST(explore, unlink_against_exit_leaves_nothing, 20000) { simulate(1, unlink_body); }

/* ---- monitor against death: exactly one DOWN */

static void monitor_body(void)
{
    tr_sim_inject(true);
    tr_pid other = tr_spawn(ends_with_seven, NULL, 0);
    tr_ref first = tr_monitor(other), second = tr_monitor(other);
    int downs = 0;
    for (; downs < 2; downs++) {
        const tr_msg *down = tr_receive_match(&(tr_match){ .tag = TR_MSG_DOWN }, TR_INFINITY);
        CHECK(tr_same_ref(tr_ref_of(down), first) || tr_same_ref(tr_ref_of(down), second));
        int why = tr_reason_of(down)->why;
        CHECK(why == TR_WHY_USER || why == TR_WHY_NOPROC);
    }
    tr_sim_inject(false);
    CHECK(tr_receive(0) == NULL);
}
EXPLORE_TEST(explore, monitor_against_death_is_one_down, 20000) { simulate(1, monitor_body); }

static void demonitor_body(void)
{
    tr_sim_inject(true);
    tr_pid other = tr_spawn(ends_with_seven, NULL, 0);
    tr_ref monitor = tr_monitor(other);
    tr_demonitor(monitor, true);
    CHECK(tr_receive(0) == NULL);
    tr_yield();
    tr_sim_inject(false);
    CHECK(tr_receive(5) == NULL);
}
EXPLORE_TEST(explore, demonitor_with_flush_leaves_no_down, 20000) { simulate(1, demonitor_body); }

/* ---- register against death: a name is held by the living only */

static void registers_and_ends(const tr_msg *arg)
{
    (void)arg;
    int status = tr_register("contested", tr_self());
    CHECK(status == TR_OK || status == TR_ETAKEN);
}
static void register_body(void)
{
    tr_sim_inject(true);
    tr_ref monitors[2];
    for (int i = 0; i < 2; i++)
        tr_spawn_monitor(registers_and_ends, NULL, 0, &monitors[i]);
    tr_pid holder = tr_whereis("contested");
    (void)holder;
    for (int i = 0; i < 2; i++) {
        tr_reason reason;
        CHECK_EQ(tr_await_down(monitors[i], TR_INFINITY, &reason), TR_OK);
    }
    tr_sim_inject(false);
    CHECK(tr_nobody(tr_whereis("contested")));
}
EXPLORE_TEST(explore, register_against_death_frees_the_name, 50000) { simulate(1, register_body); }

static void register_other_body(void)
{
    tr_sim_inject(true);
    tr_pid other = tr_spawn(ends_with_seven, NULL, 0);
    int status = tr_register("given", other);
    CHECK(status == TR_OK || status == TR_ENOPROC);
    await_end(other);
    tr_sim_inject(false);
    CHECK(tr_nobody(tr_whereis("given")));
    CHECK_EQ(tr_register("given", tr_self()), TR_OK);
}
EXPLORE_TEST(explore, a_name_given_to_the_dying_is_free_again, 20000) { simulate(1, register_other_body); }

/* ---- call against server death and timeout: one result, nothing left */

static void answers_once(const tr_msg *arg)
{
    (void)arg;
    tr_reply(tr_from_of(tr_receive(TR_INFINITY)), NULL, 0);
}
static void second_caller(const tr_msg *arg)
{
    int status = tr_call(*(const tr_pid *)tr_expect(arg, sizeof(tr_pid)), QUESTION, NULL, 0, NULL, 0, TR_INFINITY);
    CHECK(status == TR_OK || status == TR_EDOWN || status == TR_ENOPROC);
    tr_exit(tr_because(TR_WHY_USER, status == TR_OK ? 1 : 2, NULL));
}
static void call_body(void)
{
    tr_pid server = tr_spawn(answers_once, NULL, 0);
    tr_sim_inject(true);
    tr_ref monitor;
    tr_spawn_monitor(second_caller, &server, sizeof server, &monitor);
    int status = tr_call(server, QUESTION, NULL, 0, NULL, 0, TR_INFINITY);
    CHECK(status == TR_OK || status == TR_EDOWN || status == TR_ENOPROC);
    tr_reason reason;
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    tr_sim_inject(false);
    CHECK_EQ((status == TR_OK) + (reason.code == 1), 1); /* it answers exactly one of the two */
    CHECK(tr_receive(0) == NULL);
}
EXPLORE_TEST(explore, of_two_calls_to_a_dying_server_one_is_answered, 100000) { simulate(1, call_body); }

static void timeout_body(void)
{
    tr_pid server = tr_spawn(answers_once, NULL, 0);
    tr_sim_inject(true);
    int status = tr_call(server, QUESTION, NULL, 0, NULL, 0, 50);
    CHECK(status == TR_OK || status == TR_ETIMEDOUT);
    CHECK(tr_receive(0) == NULL);
    tr_yield();
    CHECK(tr_receive(0) == NULL);
    tr_sim_inject(false);
}
EXPLORE_TEST(explore, a_call_is_answered_or_timed_out, 20000) { simulate(1, timeout_body); }

/* ---- restart against shutdown */

static int begun, over;
static void note_over(void *arg)
{
    (void)arg;
    over++;
}
static int child_init(void *state, const tr_msg *arg)
{
    (void)state;
    (void)arg;
    begun++;
    return tr_defer(note_over, NULL);
}
static const tr_gen_server child = { .label = "child", .init = child_init };
static const tr_child children[] = { { .name = "child", .server = &child } };

static void restart_body(void)
{
    tr_pid tree;
    CHECK_EQ(tr_start_link(
                 &(tr_child){ .supervisor = &(tr_supervisor){ .children = children, .child_count = 1 }, .id = "tree" },
                 &tree),
             TR_OK);
    tr_unlink(tree);
    tr_ref monitor = tr_monitor(tree);
    tr_sim_inject(true);
    tr_exit_signal(tr_whereis("child"), TR_KILL);
    tr_exit_signal(tree, TR_SHUTDOWN);
    tr_reason reason;
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    tr_sim_inject(false);
    CHECK(begun == 1 || begun == 2);
    CHECK_EQ(begun, over);
    CHECK(tr_nobody(tr_whereis("child")));
}
EXPLORE_TEST(explore, restart_against_shutdown_leaves_no_child, 100000) { simulate(1, restart_body); }

/* ---- the mode itself finds what only some orders do */

static int order_seen;
static void says_its_number(const tr_msg *arg)
{
    tr_send(tr_name("judge"), WORD, tr_expect(arg, sizeof(int)), sizeof(int));
}
static void all_orders(void)
{
    CHECK_EQ(tr_register("judge", tr_self()), TR_OK);
    tr_sim_inject(true);
    for (int i = 1; i <= 3; i++)
        tr_spawn(says_its_number, &i, sizeof i);
    for (int i = 0; i < 3; i++)
        order_seen = 10 * order_seen + *(const int *)tr_expect(await_tag(WORD), sizeof(int));
    tr_sim_inject(false);
    const char *forbidden = getenv("EXPLORE_FORBIDDEN");
    CHECK(forbidden == NULL || order_seen != atoi(forbidden));
}
EXPLORE_TEST(explore, three_senders_in_each_order, 100000) { simulate(1, all_orders); }
