/* time_test.c: virtual time, stalled threads, signals and memory that runs out. */
#include "simulation/simulate.h"

#define HOUR_MS (INT64_C(3600) * 1000)

/* ---- a day of timers */

static void day(void)
{
    int64_t begin = tr_now_ns();
    tr_timer timer;
    CHECK_EQ(tr_send_interval(60 * 1000, tr_self(), WORD, NULL, 0, &timer), TR_OK);
    for (int minutes = 1; minutes <= 24 * 60; minutes++) {
        await_tag(WORD);
        CHECK((tr_now_ns() - begin) / 1000000 >= minutes * INT64_C(60000));
    }
    CHECK(tr_timer_cancel(timer) >= 0);
    CHECK((tr_now_ns() - begin) / 1000000 < 24 * HOUR_MS + 60000);
}
TEST(time, a_day_of_timers_is_exact) { simulate(0, day); }

static void timers_in_order(void)
{
    enum { COUNT = 30 };
    for (int64_t i = 0; i < COUNT; i++) {
        int64_t due_ms = (int64_t)tr_sim_random(50);
        CHECK_EQ(tr_send_after(due_ms, tr_self(), WORD, &due_ms, sizeof due_ms, &(tr_timer){ 0 }), TR_OK);
    }
    int64_t begin = tr_now_ns();
    for (int i = 0; i < COUNT; i++) {
        int64_t due_ms = *(const int64_t *)tr_expect(await_tag(WORD), sizeof due_ms);
        CHECK(tr_now_ns() - begin + INT64_C(50000000) >= due_ms * 1000000);
    }
    CHECK(tr_receive(100) == NULL);
}
TEST(time, every_timer_fires_once) { simulate(0, timers_in_order); }

static tr_pid root;
static void canceller(const tr_msg *arg)
{
    tr_timer timer = *(const tr_timer *)tr_expect(arg, sizeof timer);
    tr_sleep((int64_t)tr_sim_random(3));
    int64_t left = tr_timer_cancel(timer);
    tr_send(root, ANSWER, &left, sizeof left);
}
static void cancelled_or_fired(void)
{
    root = tr_self();
    for (int i = 0; i < 10; i++) {
        tr_timer timer;
        CHECK_EQ(tr_send_after((int64_t)tr_sim_random(3), tr_self(), WORD, NULL, 0, &timer), TR_OK);
        tr_spawn(canceller, &timer, sizeof timer);
        int64_t left = *(const int64_t *)tr_expect(await_tag(ANSWER), sizeof left);
        const tr_msg *fired = tr_receive_match(&(tr_match){ .tag = WORD }, left < 0 ? 1000 : 0);
        CHECK_EQ(fired != NULL, left < 0);
    }
}
TEST(time, a_timer_fires_or_is_cancelled) { simulate(0, cancelled_or_fired); }

static int answer_at_once(void *state, const tr_msg *message)
{
    (void)state;
    return tr_reply(tr_from_of(message), NULL, 0);
}
static const tr_actor quick_server = { .label = "quick", .handle = answer_at_once };

static void earlier_than_the_last(void)
{
    tr_pid server = tr_spawn_actor(&quick_server, NULL, 0, NULL);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(tr_call(server, QUESTION, NULL, 0, NULL, 0, 60 * 1000), TR_OK);
        int64_t begin = tr_now_ns();
        tr_sleep(5);
        CHECK((tr_now_ns() - begin) / 1000000 < 1000); /* the call's deadline is still in the wheel */
    }
}
TEST(time, a_wait_ends_before_the_deadline_of_an_earlier_call) { simulate(0, earlier_than_the_last); }

/* ---- stalls: a worker is not scheduled for a while; the others go on in its place */

#define STALLS .faults = { .stall = 3000, .most = 6 }

static int echo(void *state, const tr_msg *message)
{
    (void)state;
    return tr_reply(tr_from_of(message), tr_body(message), tr_size(message));
}
static const tr_actor echo_server = { .label = "echo", .handle = echo };

static tr_pid servers[3];
static void stall_caller(const tr_msg *arg)
{
    (void)arg;
    for (int64_t i = 0; i < 15; i++) {
        int64_t answer = -1;
        CHECK_EQ(tr_call(servers[i % 3], QUESTION, &i, sizeof i, &answer, sizeof answer, TR_INFINITY), TR_OK);
        CHECK_EQ(answer, i);
    }
}
static void calls_through_stalls(void)
{
    tr_ref monitors[4];
    for (int i = 0; i < 3; i++)
        servers[i] = tr_spawn_actor(&echo_server, NULL, 0, NULL);
    tr_sim_inject(true);
    for (int i = 0; i < 4; i++)
        tr_spawn_monitor(stall_caller, NULL, 0, &monitors[i]);
    for (int i = 0; i < 4; i++) {
        tr_reason reason;
        CHECK_EQ(tr_await_down(monitors[i], TR_INFINITY, &reason), TR_OK);
        CHECK_EQ(reason.why, TR_WHY_NORMAL);
    }
}
SIM_TEST(time, calls_are_answered_while_workers_stall, STALLS) { simulate(0, calls_through_stalls); }

static void timers_through_stalls(void)
{
    tr_sim_inject(true);
    for (int i = 0; i < 10; i++) {
        int64_t begin = tr_now_ns();
        tr_sleep(5);
        CHECK(tr_now_ns() - begin >= 5 * 1000000);
    }
}
SIM_TEST(time, nobody_wakes_early_while_workers_stall, STALLS) { simulate(0, timers_through_stalls); }

static void hog(const tr_msg *arg)
{
    (void)arg;
    int64_t until = tr_now_ns() + 20 * INT64_C(1000000);
    while (tr_now_ns() < until)
        ;
}
static void hog_beside_calls(void)
{
    servers[0] = tr_spawn_actor(&echo_server, NULL, 0, NULL);
    tr_pid hogs[2] = { tr_spawn(hog, NULL, 0), tr_spawn(hog, NULL, 0) };
    for (int64_t i = 0; i < 10; i++) {
        int64_t answer = -1;
        CHECK_EQ(tr_call(servers[0], QUESTION, &i, sizeof i, &answer, sizeof answer, TR_INFINITY), TR_OK);
        CHECK_EQ(answer, i);
    }
    await_end(hogs[0]);
    await_end(hogs[1]);
}
TEST(time, a_hog_is_taken_over_and_comes_back) { simulate(1, hog_beside_calls); }
TEST(time, hogs_on_several_workers_do_not_stop_calls) { simulate(0, hog_beside_calls); }

/* ---- memory */

#define NO_MEMORY .faults = { .no_memory = 200000, .most = 8 }

static int accepted;
static int count_words(void *state, const tr_msg *message)
{
    int *count = state;
    if (tr_tag(message) == QUESTION)
        return tr_reply(tr_from_of(message), count, sizeof *count);
    ++*count;
    return TR_OK;
}
static const tr_actor word_counter = { .label = "counter", .state_size = sizeof(int), .handle = count_words };
static char large_body[100 * 1024];

static void sends_without_memory(void)
{
    tr_pid counter = tr_spawn_actor(&word_counter, NULL, 0, NULL);
    tr_sim_inject(true);
    for (int i = 0; i < 30; i++) {
        int status = tr_send(counter, WORD, large_body, sizeof large_body - tr_sim_random(1000));
        CHECK(status == TR_OK || status == TR_ENOMEM);
        accepted += status == TR_OK;
    }
    tr_sim_inject(false);
    int got = 0;
    CHECK_EQ(tr_call(counter, QUESTION, NULL, 0, &got, sizeof got, TR_INFINITY), TR_OK);
    CHECK_EQ(got, accepted);
}
SIM_TEST(time, what_was_sent_without_memory_says_so, NO_MEMORY) { simulate(0, sends_without_memory); }

static void brief(const tr_msg *arg) { (void)arg; }
static void spawns_without_memory(void)
{
    tr_sim_inject(true);
    int normal = 0, refused = 0;
    for (int i = 0; i < 12; i++) {
        tr_ref monitor;
        tr_spawn_with(brief, NULL, 0,
                      &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR, .monitor = &monitor, .stack_size = 1 << 20 });
        tr_reason reason;
        int status = tr_await_down(monitor, TR_INFINITY, &reason);
        CHECK(status == TR_OK);
        normal += reason.why == TR_WHY_NORMAL;
        refused += reason.why == TR_WHY_SYSTEM_LIMIT;
    }
    CHECK_EQ(normal + refused, 12);
}
SIM_TEST(time, what_cannot_be_spawned_is_dead_of_system_limit, NO_MEMORY) { simulate(0, spawns_without_memory); }

/* ---- SIGTERM at any time */

static int stopped_at[3], stops, begun;
static int child_init(void *state, const tr_msg *arg)
{
    *(int *)state = *(const int *)tr_expect(arg, sizeof(int));
    begun++;
    return TR_OK;
}
static void child_terminate(void *state, const tr_reason *reason)
{
    (void)reason;
    stopped_at[*(int *)state] = ++stops;
}
static int child_cast(void *state, const tr_msg *message)
{
    (void)state;
    (void)message;
    return TR_OK;
}
static const tr_gen_server child = { .label = "child",
                                     .state_size = sizeof(int),
                                     .trap_exit = true,
                                     .init = child_init,
                                     .handle_cast = child_cast,
                                     .terminate = child_terminate };
static const int numbers[3] = { 0, 1, 2 };
#define CHILD(n)                                                                \
    {                                                                           \
        .id = #n, .server = &child, .arg = &numbers[n], .arg_size = sizeof(int) \
    }
static const tr_child children[] = { CHILD(0), CHILD(1), CHILD(2) };

static void terminate_soon(void *arg)
{
    (void)arg;
    terminate_within(3000000, &begun);
}
TEST(time, sigterm_at_any_time_stops_the_children_in_order)
{
    int thread = tr_sim_thread_start(terminate_soon, NULL);
    tr_config config = quiet_config;
    config.workers = 1 + (int)tr_sim_random(3);
    int result = tr_run_with(&config, &(tr_supervisor){ .children = children, .child_count = 3 });
    tr_sim_thread_join(thread);
    CHECK_EQ(result, 0);
    CHECK_EQ(stops, begun);
    for (int i = 1; i < begun; i++)
        CHECK(stopped_at[i] < stopped_at[i - 1]); /* the last started goes first */
}

/* ---- what the watchdog saw before it slept */

static void fail_if_slow(const tr_log_record *record, void *arg)
{
    (void)arg;
    if (strcmp(record->event, "slow") == 0)
        tr_sim_fail("%s", record->text);
}

static void rests(const tr_msg *unused)
{
    (void)unused;
    tr_sim_inject(true);
    for (int i = 0; i < 40; i++)
        tr_sleep(1000);
    tr_sim_inject(false);
}

SIM_TEST(time, a_turn_after_a_long_rest_is_not_told_as_slow, STALLS)
{
    const tr_config config = { .workers = 1 + (int)tr_sim_random(4), .log = fail_if_slow };
    CHECK_EQ(tr_main(&config, rests, NULL, 0), 0);
}

/* ---- the stop, at any moment of an idle runtime */

TEST(time, a_stop_ends_while_the_runtime_falls_asleep)
{
    for (int round = 0; round < 4; round++) {
        CHECK_EQ(tr_boot(&quiet_config), TR_OK);
        struct timespec pause = { .tv_nsec = 4000000 + (long)tr_sim_random(5000000) };
        nanosleep(&pause, NULL);
        CHECK_EQ(tr_halt(100), TR_OK);
    }
}
