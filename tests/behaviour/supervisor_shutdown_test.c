/* supervisor_shutdown_test.c: ending children, and the supervisor's own end: SUP-40 to SUP-48. */
#include "behaviour.h"

/* Children that take their time: they trap exits, and their terminate waits so many ms, given as the argument; before,
 * until so many have begun with it. */
static int together, begun; /* atomic */

static int slow_init(void *state, const tr_msg *arg)
{
    *(int *)state = *(const int *)tr_expect(arg, sizeof(int));
    return TR_OK;
}

static void slow_terminate(void *state, const tr_reason *reason)
{
    note("begin%d", (int)reason->why);
    __atomic_fetch_add(&begun, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&begun, __ATOMIC_RELAXED) < together)
        tr_sleep(1);
    tr_sleep(*(const int *)state);
    note("end");
}

static const tr_gen_server slow = {
    .label = "slow", .state_size = sizeof(int), .trap_exit = true, .init = slow_init, .terminate = slow_terminate
};

/* A process that traps exits and does not mind them. */
static void stubborn(const tr_msg *arg)
{
    (void)arg;
    tr_trap_exit(true);
    for (;;)
        tr_receive(TR_INFINITY);
}

static tr_pid empty_supervisor(void) { return start_supervisor(&(tr_supervisor){ .intensity = 5 }); }

static int64_t ms_since(int64_t begin_ns) { return (tr_now_ns() - begin_ns) / 1000000; }

/* Starts the child, terminates it by its id "c", and returns how long that took and its reason. */
static int64_t end_child(const tr_child *child, tr_reason *reason)
{
    tr_pid pid, supervisor = empty_supervisor();
    CHECK_EQ(tr_start_child(supervisor, child, &pid), TR_OK);
    tr_ref monitor = tr_monitor(pid);
    int64_t begin = tr_now_ns();
    CHECK_EQ(tr_terminate_child(supervisor, "c"), TR_OK);
    int64_t took = ms_since(begin);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, reason), TR_OK);
    tr_process_info info;
    CHECK_EQ(tr_info(supervisor, &info), TR_OK);
    RULE("SUP-40"); /* no message, link or monitor is left behind */
    CHECK_EQ(info.message_queue_len, 0);
    CHECK_EQ(info.monitors, 0);
    CHECK_EQ(info.links, 1);
    shut(supervisor);
    return took;
}

static void ways(void)
{
    int ms = 30, hour = 3600000;
    tr_reason reason;
    int64_t took = end_child(&(tr_child){ .id = "c", .server = &slow, .arg = &ms, .arg_size = sizeof ms }, &reason);
    CHECK(took >= 30 && tr_reason_same(&reason, &TR_SHUTDOWN));
    CHECK_STR(happened(), "begin1 end");
    /* 500: long enough to begin with it, whatever holds it up */
    took = end_child(&(tr_child){ .id = "c", .server = &slow, .arg = &hour, .arg_size = 4, .shutdown_ms = 500 },
                     &reason);
    RULE("SUP-40"); /* asked, and killed when its time was up */
    CHECK(took >= 500 && tr_reason_same(&reason, &TR_KILLED));
    CHECK_STR(happened(), "begin1");
    end_child(&(tr_child){ .id = "c", .server = &slow, .arg = &hour, .arg_size = 4, .shutdown_ms = TR_BRUTAL_KILL },
              &reason);
    CHECK(tr_reason_same(&reason, &TR_KILLED));
    CHECK_STR(happened(), "");
    took = end_child(&(tr_child){ .id = "c", .server = &slow, .arg = &ms, .arg_size = 4, .shutdown_ms = TR_INFINITY },
                     &reason);
    RULE("SUP-40");
    CHECK(took >= 30 && tr_reason_same(&reason, &TR_SHUTDOWN));
    happened();
    end_child(&(tr_child){ .id = "c", .entry = stubborn, .shutdown_ms = TR_ZERO }, &reason);
    CHECK(tr_reason_same(&reason, &TR_KILLED));
}
TEST(supervisor_shutdown, a_child_is_asked_given_time_and_then_killed) { run(ways); }

static void unlinker(const tr_msg *arg)
{
    (void)arg;
    tr_unlink(tr_parent());
    tr_receive(TR_INFINITY);
}

static void odd_children(void)
{
    tr_reason reason;
    tr_pid pid, supervisor = empty_supervisor();
    end_child(&(tr_child){ .id = "c", .entry = unlinker }, &reason);
    RULE("SUP-40"); /* one that unlinked itself */
    CHECK(tr_reason_same(&reason, &TR_SHUTDOWN));
    CHECK_EQ(tr_start_child(supervisor, &(tr_child){ .id = "c", .server = &simple, .restart = TR_TRANSIENT }, &pid),
             TR_OK);
    CHECK_EQ(tr_suspend(supervisor, 5000), TR_OK);
    end_with(pid, tr_because(TR_WHY_USER, 4, "own"));
    CHECK_EQ(tr_resume(supervisor, 5000), TR_OK);
    CHECK_EQ(tr_terminate_child(supervisor, "c"), TR_OK);
    settle(supervisor);
    shut(supervisor);
}
TEST(supervisor_shutdown, children_that_unlinked_or_died_are_no_trouble) { run(odd_children); }

/* ---- shutdown_error: SUP-41 */

static size_t errors_of(tr_restart restart, int64_t shutdown_ms, tr_reason end)
{
    const struct logged *record = NULL;
    tr_pid pid, supervisor = start_supervisor(&(tr_supervisor){ .strategy = TR_REST_FOR_ONE, .intensity = 5 });
    CHECK_EQ(tr_start_child(supervisor, &(tr_child){ AS(trapper, "first") }, &pid), TR_OK);
    tr_child child = { .id = "c", .server = &simple, .restart = restart, .shutdown_ms = shutdown_ms };
    CHECK_EQ(tr_start_child(supervisor, &child, &pid), TR_OK);
    size_t before = logged("shutdown_error", &record);
    CHECK_EQ(tr_suspend(supervisor, 5000), TR_OK);
    end_with(tr_whereis("first"), TR_KILL); /* then c ends by itself, and the restart of the group finds it dead */
    end_with(pid, end);
    CHECK_EQ(tr_resume(supervisor, 5000), TR_OK);
    settle(supervisor);
    size_t after = logged("shutdown_error", &record);
    shut(supervisor);
    return after - before;
}

static void judged(void)
{
    const tr_reason detailed = tr_because(TR_WHY_SHUTDOWN, 1, "detail"), bad = tr_because(TR_WHY_USER, 1, "bad");
    RULE("SUP-41");
    CHECK_EQ(errors_of(TR_PERMANENT, 5000, TR_SHUTDOWN), 0);
    CHECK_EQ(errors_of(TR_PERMANENT, 5000, detailed), 1);
    CHECK_EQ(errors_of(TR_PERMANENT, 5000, bad), 1);
    CHECK_EQ(errors_of(TR_TRANSIENT, 5000, detailed), 0);
    CHECK_EQ(errors_of(TR_TRANSIENT, 5000, bad), 1);
    CHECK_EQ(errors_of(TR_PERMANENT, TR_BRUTAL_KILL, TR_KILL), 0);
    CHECK_EQ(errors_of(TR_PERMANENT, TR_BRUTAL_KILL, TR_SHUTDOWN), 1);
    CHECK_EQ(errors_of(TR_TRANSIENT, TR_BRUTAL_KILL, TR_SHUTDOWN), 0);
}
TEST(supervisor_shutdown, an_unexpected_end_is_reported_only) { run(judged); }

/* ---- one after another, or at once: SUP-42 */

static int64_t end_three(tr_strategy strategy)
{
    int ms = 100;
    tr_child template = { .server = &slow, .arg = &ms, .arg_size = sizeof ms };
    tr_supervisor spec = { .strategy = strategy };
    if (strategy == TR_SIMPLE_ONE_FOR_ONE)
        spec.children = &template, spec.child_count = 1;
    tr_pid pid, supervisor = start_supervisor(&spec);
    static const char *const ids[] = { "1", "2", "3" };
    for (int i = 0; i < 3; i++) {
        template.id = ids[i];
        CHECK_EQ(strategy == TR_SIMPLE_ONE_FOR_ONE ? tr_start_child_with(supervisor, NULL, 0, &pid)
                                                   : tr_start_child(supervisor, &template, &pid),
                 TR_OK);
    }
    __atomic_store_n(&begun, 0, __ATOMIC_RELAXED);
    together = strategy == TR_ONE_FOR_ONE ? 1 : 3; /* those that are ended one after another would wait in vain */
    int64_t begin = tr_now_ns();
    shut(supervisor);
    return ms_since(begin);
}

static void durations(void)
{
    int64_t took = end_three(TR_ONE_FOR_ONE);
    RULE("SUP-42");
    CHECK(took >= 300);
    CHECK_STR(happened(), "begin1 end begin1 end begin1 end");
    end_three(TR_SIMPLE_ONE_FOR_ONE);
    RULE("SUP-42");
    CHECK_STR(happened(), "begin1 begin1 begin1 end end end");
    end_three(TR_DYNAMIC);
    CHECK_STR(happened(), "begin1 begin1 begin1 end end end");
}
TEST(supervisor_shutdown, ordinary_children_end_one_after_another_others_at_once) { run(durations); }

static void traps(void)
{
    static const tr_child children[] = { { AS(simple, "s") }, { AS(trapper, "t") } };
    tr_pid supervisor = start_supervisor(&(tr_supervisor){ .children = children, .child_count = 2 });
    happened();
    shut(supervisor);
    RULE("SUP-43");
    CHECK_STR(happened(), "-t");
}
TEST(supervisor_shutdown, only_those_that_trap_run_terminate) { run(traps); }

static void no_restart(void)
{
    tr_pid pid, supervisor = start_supervisor(&(tr_supervisor){ .intensity = TR_ZERO });
    CHECK_EQ(tr_start_child(supervisor, &(tr_child){ AS(simple, "c") }, &pid), TR_OK);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(tr_terminate_child(supervisor, "c"), TR_OK);
        settle(supervisor);
        CHECK(tr_nobody(tr_whereis("c")));
        CHECK_EQ(tr_restart_child(supervisor, "c", &pid), TR_OK);
    }
    RULE("SUP-44");
    CHECK(tr_is_alive(supervisor));
    shut(supervisor);
}
TEST(supervisor_shutdown, ending_a_child_restarts_and_counts_nothing) { run(no_restart); }

/* ---- the supervisor's own end */

static const tr_child ab[] = { { AS(trapper, "a") }, { AS(trapper, "b") } };

static tr_pid start_ab(void)
{
    tr_pid supervisor = start_supervisor(&(tr_supervisor){ .children = ab, .child_count = 2 });
    happened();
    return supervisor;
}

static void own_reasons(void)
{
    tr_reason why = tr_because(TR_WHY_USER, 6, "stop"), reason;
    tr_pid supervisor = start_ab();
    CHECK_EQ(tr_stop_server(supervisor, why, TR_INFINITY), TR_OK);
    reason = await_exit(supervisor);
    RULE("SUP-45");
    CHECK(tr_reason_same(&reason, &why));
    CHECK_STR(happened(), "-b -a");
    supervisor = start_ab();
    tr_exit_signal(supervisor, why); /* this process is the parent */
    reason = await_exit(supervisor);
    RULE("SUP-46");
    CHECK(tr_reason_same(&reason, &why));
    CHECK_STR(happened(), "-b -a");
    supervisor = start_ab();
    tr_exit_signal(supervisor, TR_NORMAL); /* also normal */
    reason = await_exit(supervisor);
    RULE("SUP-46");
    CHECK_EQ(reason.why, TR_WHY_NORMAL);
    CHECK_STR(happened(), "-b -a");
}
TEST(supervisor_shutdown, it_ends_its_children_and_then_itself_with_the_reason) { run(own_reasons); }

static void by_stranger(const tr_msg *arg)
{
    tr_exit_signal(*(const tr_pid *)tr_expect(arg, sizeof(tr_pid)), TR_SHUTDOWN);
}

static void not_by_strangers(void)
{
    tr_pid supervisor = start_ab();
    tr_ref monitor;
    tr_spawn_monitor(by_stranger, &supervisor, sizeof supervisor, &monitor);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, NULL), TR_OK);
    settle(supervisor);
    RULE("SUP-46");
    CHECK(tr_is_alive(supervisor));
    CHECK_STR(happened(), "");
    shut(supervisor);
}
TEST(supervisor_shutdown, a_strangers_signal_does_nothing) { run(not_by_strangers); }

static void reason_terminate(void *state, const tr_reason *reason)
{
    (void)state;
    note("terminate%d", (int)reason->why);
}
static const tr_gen_server teller = { .label = "teller", .trap_exit = true, .terminate = reason_terminate };

static void killed(void)
{
    static const tr_child children[] = { { AS(simple, "s") }, { .name = "t", .server = &teller } };
    tr_pid supervisor = start_supervisor(&(tr_supervisor){ .children = children, .child_count = 2 });
    tr_ref simple_down = tr_monitor(tr_whereis("s")), teller_down = tr_monitor(tr_whereis("t"));
    tr_reason reason;
    happened();
    end_with(supervisor, TR_KILL);
    CHECK_EQ(tr_await_down(simple_down, TR_INFINITY, &reason), TR_OK);
    RULE("SUP-47");
    CHECK(tr_reason_same(&reason, &TR_KILLED));
    CHECK_EQ(tr_await_down(teller_down, TR_INFINITY, &reason), TR_OK);
    CHECK(tr_reason_same(&reason, &TR_KILLED));
    CHECK_STR(happened(), "terminate3");
}
TEST(supervisor_shutdown, killed_it_takes_its_children_along) { run(killed); }

static void unexpected(void)
{
    const struct logged *record = NULL;
    static const char none[200] = { 0 };
    tr_pid supervisor = start_ab();
    char reply;
    tr_send(supervisor, 4711, "abc", 3);
    tr_cast(supervisor, 4712, NULL, 0);
    CHECK_EQ(tr_call(supervisor, 4713, NULL, 0, &reply, 1, 20), TR_ETIMEDOUT);
    tr_send(supervisor, 0x53555001 + 10, "", 1); /* looks like its own, but is none */
    CHECK_EQ(tr_call(supervisor, 0x53555001, "x", 1, &reply, 1, 20), TR_ETIMEDOUT);
    CHECK_EQ(tr_call(supervisor, 0x53555001, none, sizeof none, &reply, 1, 20), TR_ETIMEDOUT); /* no spec has no size */
    CHECK_EQ(tr_call(supervisor, 0x53555001 + 1000, NULL, 0, &reply, 1, 20), TR_ETIMEDOUT);
    settle(supervisor);
    RULE("SUP-48");
    CHECK_EQ(logged("log", &record), 7);
    CHECK_EQ(record->level, TR_ERROR);
    CHECK(tr_same(record->pid, supervisor));
    shut(supervisor);
    CHECK_STR(happened(), "-b -a");
}
TEST(supervisor_shutdown, unexpected_messages_and_requests_are_logged_and_ignored) { run(unexpected); }

static void inner_order(void)
{
    static const tr_supervisor inner = { .children = ab, .child_count = 2 };
    const tr_child children[] = { { AS(trapper, "x") }, { .id = "inner", .supervisor = &inner }, { AS(trapper, "y") } };
    tr_pid supervisor = start_supervisor(&(tr_supervisor){ .children = children, .child_count = 3 });
    CHECK_STR(happened(), "+x +a +b +y");
    shut(supervisor);
    CHECK_STR(happened(), "-y -b -a -x");
    RULE("INV-05"); /* all names are free when the supervisor's end is seen */
    CHECK(tr_nobody(tr_whereis("a")) && tr_nobody(tr_whereis("x")) && tr_nobody(tr_whereis("y")));
}
TEST(supervisor_shutdown, a_tree_ends_from_its_last_leaf) { run(inner_order); }

static void system_messages(void)
{
    tr_status_info status;
    tr_child_counts counts;
    tr_pid supervisor = start_ab();
    CHECK_EQ(tr_get_status(supervisor, &status, 5000), TR_OK);
    RULE("SYS-03");
    CHECK_STR(status.label, "supervisor");
    CHECK_STR(status.state, "one_for_one, 2 children, 0 restarting, intensity 1 in 5 s");
    CHECK_EQ(tr_suspend(supervisor, 5000), TR_OK);
    tr_pid a = tr_whereis("a");
    end_with(a, TR_KILL);
    CHECK_STR(happened(), "");
    CHECK_EQ(tr_resume(supervisor, 5000), TR_OK);
    CHECK_EQ(tr_count_children(supervisor, &counts), TR_OK);
    RULE("SYS-01");
    CHECK_STR(happened(), "+a");
    CHECK_EQ(tr_get_state(supervisor, NULL, 0, 5000), TR_OK); /* shows nothing of it */
    shut(supervisor);
}
TEST(supervisor_shutdown, it_answers_system_messages_like_any_server) { run(system_messages); }

/* ---- patience of a pool: TR_ZERO, and more than nanoseconds can count */

static void pool_patience(void)
{
    static const tr_spawn_options traps = { .flags = TR_SPAWN_TRAP_EXIT };
    tr_child template = { .entry = stubborn, .shutdown_ms = TR_ZERO, .spawn = &traps };
    const tr_supervisor spec = { .strategy = TR_SIMPLE_ONE_FOR_ONE, .children = &template, .child_count = 1 };
    tr_pid pids[2], pool = start_supervisor(&spec);
    tr_reason reason;
    for (int i = 0; i < 2; i++)
        CHECK_EQ(tr_start_child_with(pool, NULL, 0, &pids[i]), TR_OK);
    tr_ref downs[2] = { tr_monitor(pids[0]), tr_monitor(pids[1]) };
    shut(pool);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(tr_await_down(downs[i], TR_INFINITY, &reason), TR_OK);
        CHECK(tr_reason_same(&reason, &TR_KILLED));
    }
    template = (tr_child){ .server = &trapper, .arg = "a", .arg_size = 2, .shutdown_ms = INT64_MAX };
    pool = start_supervisor(&spec);
    CHECK_EQ(tr_start_child_with(pool, NULL, 0, &pids[0]), TR_OK);
    happened();
    shut(pool);
    CHECK_STR(happened(), "-a");
}
TEST(supervisor_shutdown, a_pool_has_no_patience_or_centuries_of_it) { run(pool_patience); }
