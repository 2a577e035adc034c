/* supervisor_dynamic_test.c: the dynamic supervisor: DSUP-01 to DSUP-08. */
#include "behaviour.h"

static tr_pid start_dynamic(int intensity, int max_children)
{
    return start_supervisor(
        &(tr_supervisor){ .strategy = TR_DYNAMIC, .intensity = intensity, .max_children = max_children });
}

static tr_pid add(tr_pid dynamic, const tr_child *child)
{
    tr_pid pid;
    CHECK_EQ(tr_start_child(dynamic, child, &pid), TR_OK);
    return pid;
}

static tr_child_counts counts_of(tr_pid dynamic)
{
    tr_child_counts counts;
    CHECK_EQ(tr_count_children(dynamic, &counts), TR_OK);
    return counts;
}

static void own_specs(void)
{
    tr_pid dynamic = start_dynamic(0, 0), pid;
    CHECK_EQ(counts_of(dynamic).specs, 0);
    add(dynamic, &(tr_child){ AS(trapper, "a") });
    add(dynamic, &(tr_child){ .id = "a", .server = &trapper, .arg = "b", .arg_size = 2 }); /* the id is not looked at */
    pid = add(dynamic, &(tr_child){ .server = &trapper, .arg = "c", .arg_size = 2 });
    RULE("DSUP-01");
    CHECK_STR(happened(), "+a +b +c");
    end_with(pid, TR_KILL);
    settle(dynamic);
    RULE("DSUP-01"); /* one_for_one */
    CHECK_STR(happened(), "+c");
    for (int i = 0; i < 2; i++) {
        end_with(tr_whereis("a"), TR_KILL);
        settle(dynamic);
    }
    CHECK(tr_is_alive(dynamic));
    happened();
    end_with(tr_whereis("a"), TR_KILL);
    RULE("DSUP-01"); /* three restarts in five seconds are the default */
    CHECK_EQ(await_exit(dynamic).why, TR_WHY_SHUTDOWN);
}
TEST(supervisor_dynamic, each_child_brings_its_own_spec) { run(own_specs); }

static void limits(void)
{
    tr_pid dynamic = start_dynamic(1000000, 2), pid, a = add(dynamic, &(tr_child){ AS(simple, "a") });
    add(dynamic, &(tr_child){ AS(simple, "b") });
    RULE("DSUP-02");
    CHECK_EQ(tr_start_child(dynamic, &(tr_child){ AS(simple, "c") }, &pid), TR_EMAX_CHILDREN);
    plan_start("a", START_STOP, 1000000);
    end_with(a, TR_KILL);
    RULE("DSUP-02"); /* a restarting child counts, too */
    CHECK_EQ(tr_start_child(dynamic, &(tr_child){ AS(simple, "c") }, &pid), TR_EMAX_CHILDREN);
    CHECK_EQ(tr_terminate_child_pid(dynamic, a), TR_OK);
    CHECK_EQ(tr_start_child(dynamic, &(tr_child){ AS(simple, "c") }, &pid), TR_OK);
    shut(dynamic);
    dynamic = start_dynamic(0, TR_ZERO);
    RULE("DSUP-02");
    CHECK_EQ(tr_start_child(dynamic, &(tr_child){ AS(simple, "c") }, &pid), TR_EMAX_CHILDREN);
    shut(dynamic);
}
TEST(supervisor_dynamic, max_children_is_a_limit) { run(limits); }

static void bad(tr_pid dynamic, tr_child child, const char *words)
{
    tr_pid pid;
    CHECK_EQ(tr_start_child(dynamic, &child, &pid), TR_ESPEC);
    CHECK(strncmp(tr_last_reason()->text, words, strlen(words)) == 0);
}

static void spec_errors(void)
{
    tr_pid dynamic = start_dynamic(0, 0);
    RULE("DSUP-03");
    bad(dynamic, (tr_child){ .id = "x" }, "missing_start");
    bad(dynamic, (tr_child){ .server = &simple, .arg_size = 1 }, "invalid_mfa");
    bad(dynamic, (tr_child){ .server = &simple, .restart = (tr_restart)9 }, "invalid_restart_type");
    bad(dynamic, (tr_child){ .server = &simple, .shutdown_ms = -9 }, "invalid_shutdown");
    bad(dynamic, (tr_child){ .server = &simple, .shutdown_ms = TR_ZERO }, "invalid_shutdown"); /* 0, here */
    bad(dynamic, (tr_child){ .server = &simple, .restart = TR_TRANSIENT, .significant = true }, "bad_combination");
    RULE("DSUP-03"); /* before the supervisor is asked */
    bad(tr_name("nobody has it"), (tr_child){ .id = "x" }, "missing_start");
    CHECK_EQ(counts_of(dynamic).specs, 0);
    shut(dynamic);
}
TEST(supervisor_dynamic, bad_specs_are_refused_in_words) { run(spec_errors); }

static int start_function(const tr_msg *arg, tr_pid *pid)
{
    (void)pid;
    int told = *(const int *)tr_expect(arg, sizeof told);
    return told == 0 ? tr_stop(tr_because(TR_WHY_USER, 9, "no")) : told;
}

static void start_results(void)
{
    tr_pid dynamic = start_dynamic(0, 0), pid;
    const tr_child x = { AS(simple, "x") };
    plan_start("x", START_IGNORE, 1);
    RULE("DSUP-04");
    CHECK_EQ(tr_start_child(dynamic, &x, &pid), TR_IGNORE);
    CHECK_EQ(counts_of(dynamic).specs, 0);
    plan_start("x", START_STOP, 1);
    CHECK_EQ(tr_start_child(dynamic, &x, &pid), TR_ESTART);
    CHECK_EQ(tr_last_reason()->code, 1);
    plan_start("x", START_CRASH, 1);
    CHECK_EQ(tr_start_child(dynamic, &x, &pid), TR_ESTART);
    CHECK_EQ(tr_last_reason()->why, TR_WHY_ASSERT);
    plan_start("x", START_EXIT, 1);
    CHECK_EQ(tr_start_child(dynamic, &x, &pid), TR_ESTART);
    CHECK_EQ(tr_last_reason()->code, 2);
    int told = 0;
    CHECK_EQ(
        tr_start_child(dynamic, &(tr_child){ .start = start_function, .arg = &told, .arg_size = sizeof told }, &pid),
        TR_ESTART);
    CHECK_EQ(tr_last_reason()->code, 9);
    told = 5;
    RULE("DSUP-04"); /* any other value is the error */
    CHECK_EQ(
        tr_start_child(dynamic, &(tr_child){ .start = start_function, .arg = &told, .arg_size = sizeof told }, &pid),
        TR_ESTART);
    CHECK(tr_last_reason()->why == TR_WHY_BAD_RETURN && tr_last_reason()->code == 5);
    CHECK_EQ(counts_of(dynamic).specs, 0);
    shut(dynamic);
}
TEST(supervisor_dynamic, what_a_start_may_result_in) { run(start_results); }

static size_t left_after(tr_restart restart, int tag)
{
    tr_pid dynamic = start_dynamic(5, 0);
    end_by(add(dynamic, &(tr_child){ AS(simple, "x"), .restart = restart }), tag);
    settle(dynamic);
    size_t left = counts_of(dynamic).active;
    shut(dynamic);
    return left;
}

static void restarts(void)
{
    RULE("DSUP-05");
    CHECK_EQ(left_after(TR_PERMANENT, STOP_NORMAL), 1);
    CHECK_EQ(left_after(TR_PERMANENT, STOP_BAD), 1);
    CHECK_EQ(left_after(TR_TRANSIENT, STOP_NORMAL), 0); /* disappears */
    CHECK_EQ(left_after(TR_TRANSIENT, STOP_SHUTDOWN), 0);
    CHECK_EQ(left_after(TR_TRANSIENT, STOP_BAD), 1);
    CHECK_EQ(left_after(TR_TEMPORARY, STOP_NORMAL), 0);
    CHECK_EQ(left_after(TR_TEMPORARY, STOP_BAD), 0);
    tr_pid dynamic = start_dynamic(3, 0), pid = add(dynamic, &(tr_child){ AS(simple, "x") });
    plan_start("x", START_IGNORE, 1);
    end_with(pid, TR_KILL);
    settle(dynamic);
    RULE("DSUP-05"); /* a restart that is ignored: removed */
    CHECK_EQ(counts_of(dynamic).specs, 0);
    pid = add(dynamic, &(tr_child){ AS(simple, "x") });
    happened();
    plan_start("x", START_STOP, 100);
    end_with(pid, TR_KILL);
    RULE("DSUP-05"); /* one was used up: two attempts are left of three */
    CHECK_EQ(await_exit(dynamic).why, TR_WHY_SHUTDOWN);
    CHECK_STR(happened(), "!x !x");
}
TEST(supervisor_dynamic, children_that_are_not_restarted_disappear) { run(restarts); }

static void terminations(void)
{
    tr_pid dynamic = start_dynamic(1000000, 0), pid = add(dynamic, &(tr_child){ AS(trapper, "a") });
    RULE("DSUP-06");
    CHECK_EQ(tr_terminate_child_pid(dynamic, pid), TR_OK);
    CHECK_STR(happened(), "+a -a");
    CHECK_EQ(tr_terminate_child_pid(dynamic, pid), TR_ENOT_FOUND);
    CHECK_EQ(tr_terminate_child_pid(dynamic, tr_self()), TR_ENOT_FOUND);
    pid = add(dynamic, &(tr_child){ AS(trapper, "a") });
    CHECK_EQ(tr_terminate_child_pid(dynamic, tr_name("a")), TR_OK); /* a name is resolved */
    CHECK_EQ(counts_of(dynamic).specs, 0);
    pid = add(dynamic, &(tr_child){ AS(simple, "a") });
    plan_start("a", START_STOP, 1000000);
    end_with(pid, TR_KILL);
    RULE("DSUP-06"); /* a restarting child goes by its last pid */
    CHECK_EQ(tr_terminate_child_pid(dynamic, pid), TR_OK);
    CHECK_EQ(counts_of(dynamic).specs, 0);
    CHECK_EQ(tr_terminate_child(dynamic, "a"), TR_EKIND);
    CHECK_EQ(tr_delete_child(dynamic, "a"), TR_EKIND);
    CHECK_EQ(tr_restart_child(dynamic, "a", &pid), TR_EKIND);
    CHECK_EQ(tr_start_child_with(dynamic, NULL, 0, &pid), TR_EKIND);
    shut(dynamic);
}
TEST(supervisor_dynamic, children_are_terminated_by_pid_once) { run(terminations); }

static void listed(void)
{
    static const tr_supervisor inner = { .strategy = TR_DYNAMIC };
    tr_pid dynamic = start_dynamic(1000000, 0), pid = add(dynamic, &(tr_child){ AS(simple, "a") });
    tr_child_info *list;
    size_t count;
    add(dynamic, &(tr_child){ .supervisor = &inner });
    plan_start("a", START_STOP, 1000000);
    end_with(pid, TR_KILL);
    tr_child_counts counts = counts_of(dynamic);
    RULE("DSUP-07");
    CHECK(counts.specs == 2 && counts.active == 1 && counts.supervisors == 1 && counts.workers == 1);
    CHECK_EQ(tr_which_children(dynamic, &list, &count), TR_OK);
    CHECK_EQ(count, 2);
    CHECK_STR(list[0].id, "undefined");
    size_t which = list[1].restarting, other = !which; /* in no order */
    CHECK(list[other].is_supervisor && !tr_nobody(list[other].pid) && list[which].restarting &&
          tr_nobody(list[which].pid));
    tr_free(list);
    shut(dynamic);
}
TEST(supervisor_dynamic, children_are_listed_without_ids) { run(listed); }

/* Children that trap exits and end so many ms after they were asked to, or never. */
static int slow_init(void *state, const tr_msg *arg)
{
    *(int *)state = *(const int *)tr_expect(arg, sizeof(int));
    return TR_OK;
}

static void slow_terminate(void *state, const tr_reason *reason)
{
    (void)reason;
    tr_sleep(*(const int *)state);
    note("%d", *(const int *)state);
}

static const tr_gen_server slow = {
    .label = "slow", .state_size = sizeof(int), .trap_exit = true, .init = slow_init, .terminate = slow_terminate
};

static void own_values(void)
{
    tr_pid dynamic = start_dynamic(0, 0), pids[5];
    static const struct {
        int sleep_ms;
        int64_t shutdown_ms;
    } children[] = {
        { 3600000, 50 }, { 100, TR_INFINITY }, { 3600000, TR_BRUTAL_KILL }, { 300, 5000 }, { 3600000, 200 }
    };
    tr_ref monitors[5];
    tr_reason reason;
    for (size_t i = 0; i < 5; i++) {
        pids[i] = add(dynamic, &(tr_child){ .server = &slow,
                                            .arg = &children[i].sleep_ms,
                                            .arg_size = sizeof(int),
                                            .shutdown_ms = children[i].shutdown_ms });
        monitors[i] = tr_monitor(pids[i]);
    }
    int64_t begin = tr_now_ns();
    tr_exit_signal(dynamic, TR_SHUTDOWN);
    static const bool killed[] = { true, false, true, false, true };
    await_exit(dynamic);
    CHECK(tr_now_ns() - begin >= 300 * 1000000);
    const char *words = happened();
    RULE("DSUP-08"); /* all at once, each within its own time */
    bool either = strcmp(words, "100 300") == 0 || strcmp(words, "300 100") == 0;
    CHECK(either); /* the second order, if a thread is held up */
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(tr_await_down(monitors[i], 0, &reason), TR_OK);
        CHECK(tr_reason_same(&reason, killed[i] ? &TR_KILLED : &TR_SHUTDOWN));
    }
    CHECK_EQ(logged("shutdown_error", NULL), 2); /* the brutal kill was meant */
}
TEST(supervisor_dynamic, at_the_end_each_child_has_its_own_time) { run(own_values); }

static void dead_already(void)
{
    const struct logged *record = NULL;
    tr_pid dynamic = start_dynamic(5, 0);
    tr_pid a = add(dynamic, &(tr_child){ AS(simple, "a"), .restart = TR_TEMPORARY });
    tr_pid b = add(dynamic, &(tr_child){ AS(simple, "b"), .restart = TR_TEMPORARY });
    add(dynamic, &(tr_child){ AS(trapper, "c") });
    happened();
    CHECK_EQ(tr_suspend(dynamic, 5000), TR_OK); /* so that it finds them dead when it ends */
    end_with(a, TR_SHUTDOWN);
    end_with(b, tr_because(TR_WHY_USER, 3, "its own"));
    CHECK_EQ(tr_stop_server(dynamic, TR_SHUTDOWN, TR_INFINITY), TR_OK);
    CHECK_STR(happened(), "-c");
    RULE("SUP-41"); /* their own reasons were judged, not noproc */
    CHECK_EQ(logged("shutdown_error", &record), 1);
    CHECK(strstr(record->text, "its own") != NULL);
}
TEST(supervisor_dynamic, children_that_are_dead_already_are_judged_by_their_own_reason) { run(dead_already); }
