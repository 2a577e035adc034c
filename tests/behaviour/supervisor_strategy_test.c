/* supervisor_strategy_test.c: whom a restart touches, and in which order: SUP-20 to SUP-28. */
#include "behaviour.h"

static const tr_child abc[] = { { AS(trapper, "a") }, { AS(trapper, "b") }, { AS(trapper, "c") } };

static tr_pid start_abc(tr_strategy strategy, int intensity)
{
    tr_pid supervisor = start_supervisor(&(tr_supervisor){
        .strategy = strategy, .intensity = intensity, .children = abc, .child_count = TR_COUNT(abc) });
    CHECK_STR(happened(), "+a +b +c");
    return supervisor;
}

static void kill_b(tr_pid supervisor)
{
    end_with(tr_whereis("b"), TR_KILL);
    settle(supervisor);
}

static void one_for_one(void)
{
    tr_pid supervisor = start_abc(TR_ONE_FOR_ONE, 1), a = tr_whereis("a");
    kill_b(supervisor);
    RULE("SUP-20");
    CHECK_STR(happened(), "+b");
    CHECK(tr_same(a, tr_whereis("a")));
    shut(supervisor);
    CHECK_STR(happened(), "-c -b -a"); /* b kept its place */
}
TEST(supervisor_strategy, one_for_one_restarts_the_failed_child_in_its_place) { run(one_for_one); }

static void one_for_all(void)
{
    tr_pid supervisor = start_abc(TR_ONE_FOR_ALL, 1);
    kill_b(supervisor);
    RULE("SUP-21");
    CHECK_STR(happened(), "-c -a +a +b +c");
    shut(supervisor);
}
TEST(supervisor_strategy, one_for_all_ends_the_others_in_reverse_and_starts_all_in_order) { run(one_for_all); }

static void rest_for_one(void)
{
    tr_pid supervisor = start_abc(TR_REST_FOR_ONE, 1), a = tr_whereis("a");
    kill_b(supervisor);
    RULE("SUP-22");
    CHECK_STR(happened(), "-c +b +c");
    CHECK(tr_same(a, tr_whereis("a")));
    shut(supervisor);
}
TEST(supervisor_strategy, rest_for_one_touches_only_those_started_later) { run(rest_for_one); }

static void group_members(void)
{
    static const tr_child children[] = { { AS(trapper, "a") },
                                         { AS(trapper, "b") },
                                         { AS(trapper, "tr"), .restart = TR_TRANSIENT },
                                         { AS(trapper, "te"), .restart = TR_TEMPORARY },
                                         { AS(trapper, "end") } };
    tr_child_counts counts;
    tr_pid supervisor = start_supervisor(
        &(tr_supervisor){ .strategy = TR_ONE_FOR_ALL, .children = children, .child_count = TR_COUNT(children) });
    end_by(tr_whereis("tr"), STOP_NORMAL);
    CHECK_EQ(tr_terminate_child(supervisor, "end"), TR_OK);
    happened();
    end_with(tr_whereis("a"), TR_KILL);
    settle(supervisor);
    RULE("SUP-23"); /* also those that were stopped come back, but not the temporary one */
    CHECK_STR(happened(), "-te -b +a +b +tr +end");
    CHECK_EQ(tr_count_children(supervisor, &counts), TR_OK);
    CHECK_EQ(counts.specs, 4);
    shut(supervisor);
}
TEST(supervisor_strategy, a_group_restart_starts_all_but_temporary_children) { run(group_members); }

static void bystander_reason(void)
{
    tr_pid supervisor = start_abc(TR_ONE_FOR_ALL, 1);
    tr_reason reason;
    tr_ref monitor = tr_monitor(tr_whereis("c"));
    kill_b(supervisor);
    CHECK_EQ(tr_await_down(monitor, 0, &reason), TR_OK);
    RULE("SUP-24");
    CHECK(tr_reason_same(&reason, &TR_SHUTDOWN));
    shut(supervisor);
}
TEST(supervisor_strategy, bystanders_are_shut_down) { run(bystander_reason); }

static void retry_all(void)
{
    tr_pid supervisor = start_abc(TR_ONE_FOR_ALL, 3);
    plan_start("c", START_STOP, 2);
    kill_b(supervisor);
    settle(supervisor);
    RULE("SUP-25"); /* what was started so far is ended again, and all begins anew */
    CHECK_STR(happened(), "-c -a +a +b !c -b -a +a +b !c -b -a +a +b +c");
    shut(supervisor);
}
TEST(supervisor_strategy, one_for_all_retries_from_the_first) { run(retry_all); }

static void retry_rest(void)
{
    tr_pid supervisor = start_abc(TR_REST_FOR_ONE, 3), b;
    plan_start("c", START_STOP, 2);
    kill_b(supervisor);
    b = tr_whereis("b");
    settle(supervisor);
    RULE("SUP-25"); /* the siblings that came back before it are left alone */
    CHECK_STR(happened(), "-c +b !c !c +c");
    CHECK(tr_same(b, tr_whereis("b")));
    shut(supervisor);
}
TEST(supervisor_strategy, rest_for_one_retries_from_the_one_that_failed) { run(retry_rest); }

static void undefined_until_retry(void)
{
    tr_pid supervisor = start_abc(TR_ONE_FOR_ALL, 1);
    tr_reason reason;
    plan_start("b", START_STOP, 2);
    end_with(tr_whereis("a"), TR_KILL);
    reason = await_exit(supervisor);
    RULE("SUP-25"); /* c was not started after b failed; the retry was the second restart, one too many */
    CHECK_STR(happened(), "-c -b +a !b -a");
    CHECK(tr_reason_same(&reason, &TR_SHUTDOWN));
}
TEST(supervisor_strategy, children_after_a_failing_one_wait_for_the_retry) { run(undefined_until_retry); }

/* It finds both dead. */
static void kill_both(tr_pid supervisor, const char *first, const char *second)
{
    CHECK_EQ(tr_suspend(supervisor, TR_INFINITY), TR_OK);
    end_with(tr_whereis(first), TR_KILL);
    end_with(tr_whereis(second), TR_KILL);
    CHECK_EQ(tr_resume(supervisor, TR_INFINITY), TR_OK);
}

static void several_dead(tr_strategy strategy, const char *expected)
{
    tr_pid supervisor = start_abc(strategy, 1);
    kill_both(supervisor, "b", "c");
    settle(supervisor);
    CHECK_STR(happened(), expected);
    shut(supervisor);
}

static void group_counts_once(void)
{
    RULE("SUP-26"); /* intensity is 1: a second restart would end the supervisor */
    several_dead(TR_ONE_FOR_ALL, "-a +a +b +c");
    happened();
    several_dead(TR_REST_FOR_ONE, "+b +c");
}
TEST(supervisor_strategy, a_group_with_several_dead_is_restarted_once) { run(group_counts_once); }

static void each_counts(void)
{
    tr_pid supervisor = start_abc(TR_ONE_FOR_ONE, 1);
    kill_both(supervisor, "b", "c");
    await_exit(supervisor);
    RULE("SUP-26");
    CHECK_STR(happened(), "+b -b -a");
}
TEST(supervisor_strategy, under_one_for_one_each_death_counts) { run(each_counts); }

static void arrival_order(void)
{
    tr_pid supervisor = start_abc(TR_REST_FOR_ONE, 2);
    kill_both(supervisor, "c", "b");
    settle(supervisor);
    RULE("SUP-27");
    CHECK_STR(happened(), "+c -c +b +c");
    shut(supervisor);
}
TEST(supervisor_strategy, exits_are_handled_in_order_of_arrival) { run(arrival_order); }

static void temporary_args(void)
{
    tr_child *spec;
    tr_pid supervisor, pid;
    static const tr_child child = { AS(trapper, "te"), .restart = TR_TEMPORARY };
    supervisor = start_supervisor(&(tr_supervisor){ .children = abc, .child_count = 1 });
    CHECK_EQ(tr_start_child(supervisor, &child, &pid), TR_OK);
    CHECK_STR(happened(), "+a +te"); /* the argument was there for the start */
    CHECK_EQ(tr_get_childspec(supervisor, "te", &spec), TR_OK);
    RULE("SUP-28");
    CHECK_EQ(spec->arg_size, 0);
    tr_free(spec);
    CHECK_EQ(tr_get_childspec(supervisor, "a", &spec), TR_OK);
    CHECK_EQ(spec->arg_size, 2);
    tr_free(spec);
    shut(supervisor);
}
TEST(supervisor_strategy, arguments_of_temporary_children_are_not_kept) { run(temporary_args); }
