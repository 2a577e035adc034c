/* crash_test.c: processes that crash at any message, under each kind of supervision: what their clients see, how often
 * they are started again, and that nothing is lost or doubled on the way. */
#include "simulation/simulate.h"

enum { ADD = 1, GET, CLIENTS = 3, CALLS = 12 };
#define CRASHES .faults = { .crash = 20000, .most = 4, .victims = "store" }

/* A server that counts, and is counted: how many were started, how often each ended. */
static int started, ended;

static void note_end(void *arg)
{
    (void)arg;
    ended++;
}

static int store_init(void *state, const tr_msg *arg)
{
    (void)arg;
    *(int64_t *)state = 0;
    started++;
    tr_must(tr_defer(note_end, NULL));
    return TR_OK;
}
static int store_call(void *state, const tr_msg *request, tr_from from)
{
    if (tr_tag(request) == ADD)
        ++*(int64_t *)state;
    return tr_reply(from, state, sizeof(int64_t));
}
static int store_cast(void *state, const tr_msg *message)
{
    (void)message;
    ++*(int64_t *)state;
    return TR_OK;
}
static const tr_gen_server store = { .label = "store",
                                     .state_size = sizeof(int64_t),
                                     .init = store_init,
                                     .handle_call = store_call,
                                     .handle_cast = store_cast };

/* Calls the store again and again: each call is answered or fails at once, and numbers only fall when it is new. */
static void client(const tr_msg *arg)
{
    tr_pid root = *(const tr_pid *)tr_expect(arg, sizeof root);
    int64_t last = 0, value, answered = 0;
    for (int i = 0; i < CALLS; i++) {
        int status = tr_call(tr_name("store"), ADD, NULL, 0, &value, sizeof value, 60000);
        CHECK(status == TR_OK || status == TR_EDOWN || status == TR_ENOPROC);
        if (status == TR_OK) {
            CHECK(value > last || value >= 1);
            last = value;
            answered++;
        } else {
            tr_sleep(1);
        }
    }
    tr_send(root, ANSWER, &answered, sizeof answered);
}

static void start_clients(void)
{
    tr_pid self = tr_self();
    for (int i = 0; i < CLIENTS; i++)
        tr_spawn(client, &self, sizeof self);
}

static int64_t await_clients(void)
{
    int64_t answered = 0;
    for (int i = 0; i < CLIENTS; i++)
        answered += *(const int64_t *)tr_expect(await_tag(ANSWER), sizeof(int64_t));
    return answered;
}

static tr_pid start_tree(const tr_supervisor *spec)
{
    tr_pid pid;
    CHECK_EQ(tr_start_link(&(tr_child){ .supervisor = spec, .id = "tree" }, &pid), TR_OK);
    return pid;
}

static void stop_tree(tr_pid tree)
{
    tr_unlink(tree);
    tr_exit_signal(tree, TR_SHUTDOWN);
    tr_ref monitor = tr_monitor(tree);
    tr_reason reason;
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
}

static const tr_child one_store[] = { { .name = "store", .server = &store } };

static void one_for_one(void)
{
    tr_pid tree = start_tree(&(tr_supervisor){ .children = one_store, .child_count = 1, .intensity = 100 });
    tr_sim_inject(true);
    start_clients();
    int64_t answered = await_clients();
    tr_sim_inject(false);
    CHECK(answered + started > CLIENTS * CALLS / 2);
    stop_tree(tree);
    CHECK_EQ(started, ended);
    CHECK(tr_nobody(tr_whereis("store")));
}
SIM_TEST(crash, calls_are_answered_or_fail_and_each_end_is_one_start, CRASHES) { simulate(0, one_for_one); }

static void without_faults(void)
{
    tr_pid tree = start_tree(&(tr_supervisor){ .children = one_store, .child_count = 1 });
    start_clients();
    CHECK_EQ(await_clients(), CLIENTS * CALLS);
    int64_t value;
    CHECK_EQ(tr_call(tr_name("store"), GET, NULL, 0, &value, sizeof value, TR_INFINITY), TR_OK);
    CHECK_EQ(value, CLIENTS * CALLS);
    stop_tree(tree);
    CHECK_EQ(started, 1);
    CHECK_EQ(ended, 1);
}
TEST(crash, without_crashes_no_call_is_lost_or_doubled) { simulate(0, without_faults); }

static void intensity(void)
{
    tr_trap_exit(true);
    tr_pid tree = start_tree(&(tr_supervisor){ .children = one_store, .child_count = 1, .intensity = 2 });
    for (int crash = 0; crash < 3; crash++) {
        tr_pid now = tr_whereis("store");
        CHECK(!tr_nobody(now));
        kill_and_await(now);
        if (crash < 2)
            while (started < crash + 2) /* it has its name before its init runs */
                tr_sleep(1);
    }
    const tr_msg *exit = tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT, .from = tree }, TR_INFINITY);
    CHECK_EQ(tr_reason_of(exit)->why, TR_WHY_SHUTDOWN);
    CHECK_EQ(started, 3);
    CHECK_EQ(ended, 3);
}
TEST(crash, intensity_two_allows_two_restarts_and_no_third) { simulate(0, intensity); }

/* ---- groups */

static int group_started[3], group_down[3];

static void note_member(void *arg) { group_down[*(int *)arg]++; }

static int member_init(void *state, const tr_msg *arg)
{
    int number = *(const int *)tr_expect(arg, sizeof(int));
    *(int *)state = number;
    group_started[number]++;
    tr_must(tr_defer(note_member, state));
    return TR_OK;
}
static int member_cast(void *state, const tr_msg *message)
{
    (void)state;
    (void)message;
    return TR_OK;
}
static const tr_gen_server member = {
    .label = "store", .state_size = sizeof(int), .init = member_init, .handle_cast = member_cast
};
static const int numbers[3] = { 0, 1, 2 };
#define MEMBER(n)                                                                                     \
    {                                                                                                 \
        .id = #n, .name = "member" #n, .server = &member, .arg = &numbers[n], .arg_size = sizeof(int) \
    }
static const tr_child members[] = { MEMBER(0), MEMBER(1), MEMBER(2) };

static void poke_group(tr_strategy strategy)
{
    tr_pid tree = start_tree(
        &(tr_supervisor){ .strategy = strategy, .children = members, .child_count = 3, .intensity = 100 });
    tr_sim_inject(true);
    for (int i = 0; i < 40; i++) {
        static const char *const names[] = { "member0", "member1", "member2" };
        tr_cast(tr_name(names[tr_sim_random(3)]), WORD, NULL, 0);
        if (tr_sim_random(4) == 0)
            tr_sleep(1);
    }
    tr_sim_inject(false);
    tr_child_counts counts;
    CHECK_EQ(tr_count_children(tree, &counts), TR_OK);
    CHECK_EQ(counts.specs, 3);
    stop_tree(tree);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(group_started[i], group_down[i]);
}

static void one_for_all(void)
{
    poke_group(TR_ONE_FOR_ALL);
    CHECK(group_started[0] >= group_started[2] && group_started[0] - group_started[2] <= 4);
}
SIM_TEST(crash, one_for_all_starts_and_ends_in_pairs, CRASHES) { simulate(0, one_for_all); }

static void rest_for_one(void)
{
    poke_group(TR_REST_FOR_ONE);
    CHECK(group_started[2] + 4 >= group_started[1] && group_started[1] + 4 >= group_started[0]);
}
SIM_TEST(crash, rest_for_one_starts_and_ends_in_pairs, CRASHES) { simulate(0, rest_for_one); }

static void alone(void) { poke_group(TR_ONE_FOR_ONE); }
SIM_TEST(crash, one_for_one_leaves_the_siblings_alone_but_pairs_starts_and_ends, CRASHES) { simulate(0, alone); }

/* ---- dynamic children */

static void dynamic(void)
{
    tr_pid tree = start_tree(&(tr_supervisor){ .strategy = TR_DYNAMIC, .intensity = 100 });
    tr_sim_inject(true);
    int good = 0;
    for (int i = 0; i < 12; i++) {
        tr_pid pid;
        tr_child spec = { .server = &store, .restart = i % 2 == 0 ? TR_TEMPORARY : TR_TRANSIENT };
        int status = tr_start_child(tree, &spec, &pid);
        CHECK(status == TR_OK || status == TR_ESTART);
        good += status == TR_OK;
        if (status == TR_OK && i % 3 == 0) {
            status = tr_terminate_child_pid(tree, pid);
            CHECK(status == TR_OK || status == TR_ENOT_FOUND);
        }
    }
    tr_sim_inject(false);
    tr_child_counts counts;
    CHECK_EQ(tr_count_children(tree, &counts), TR_OK);
    CHECK(counts.active <= (size_t)good);
    stop_tree(tree);
    CHECK_EQ(started, ended);
}
SIM_TEST(crash, dynamic_children_that_crash_are_forgotten_or_started_again, CRASHES) { simulate(0, dynamic); }

/* ---- links and monitors of what crashes */

static int crasher_handle(void *state, const tr_msg *message)
{
    (void)state;
    return tr_tag(message) == LAST ? tr_stop(TR_NORMAL) : TR_OK;
}
static const tr_actor crasher = { .label = "store", .handle = crasher_handle };

static void exits_and_downs(void)
{
    enum { COUNT = 6 };
    tr_trap_exit(true);
    tr_sim_inject(true);
    int exits = 0, downs = 0;
    for (int i = 0; i < COUNT; i++) {
        tr_ref monitor;
        tr_pid pid = tr_spawn_actor(
            &crasher, NULL, 0, &(tr_spawn_options){ .flags = TR_SPAWN_LINK | TR_SPAWN_MONITOR, .monitor = &monitor });
        for (int j = 0; j < 4; j++)
            tr_send(pid, j == 3 ? LAST : WORD, NULL, 0);
    }
    for (int i = 0; i < 2 * COUNT; i++) {
        int tag = tr_tag(tr_receive(TR_INFINITY));
        exits += tag == TR_MSG_EXIT;
        downs += tag == TR_MSG_DOWN;
    }
    CHECK_EQ(exits, COUNT);
    CHECK_EQ(downs, COUNT);
    CHECK(tr_receive(10) == NULL);
}
SIM_TEST(crash, each_end_is_one_exit_and_one_down, CRASHES) { simulate(0, exits_and_downs); }

static void restarts_by_hand(void)
{
    tr_trap_exit(true);
    tr_sim_inject(true);
    int restarts = 0;
    tr_pid pid = tr_spawn_actor(&crasher, NULL, 0, &(tr_spawn_options){ .flags = TR_SPAWN_LINK });
    for (int i = 0; i < 30; i++) {
        tr_send(pid, WORD, NULL, 0);
        const tr_msg *exit = tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT }, 0);
        if (exit != NULL) {
            CHECK(tr_same(tr_sender(exit), pid));
            restarts++;
            pid = tr_spawn_actor(&crasher, NULL, 0, &(tr_spawn_options){ .flags = TR_SPAWN_LINK });
        }
    }
    CHECK(restarts <= 4);
    kill_and_await(pid);
}
SIM_TEST(crash, a_supervisor_of_ones_own_hears_of_each, CRASHES) { simulate(0, restarts_by_hand); }
