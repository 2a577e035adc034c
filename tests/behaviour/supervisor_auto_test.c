/* supervisor_auto_test.c: automatic shutdown: SUP-30, SUP-31, SUP-33. */
#include "behaviour.h"

#define SIGNIFICANT(id_, restart_)                                \
    {                                                             \
        AS(simple, id_), .restart = restart_, .significant = true \
    }

static const tr_child mixed[] = { { AS(trapper, "a") },
                                  SIGNIFICANT("t", TR_TRANSIENT),
                                  SIGNIFICANT("u", TR_TEMPORARY),
                                  { AS(trapper, "n"), .restart = TR_TRANSIENT } };

static tr_pid start_mixed(tr_auto_shutdown auto_shutdown)
{
    tr_pid supervisor = start_supervisor(&(tr_supervisor){
        .intensity = 5, .auto_shutdown = auto_shutdown, .children = mixed, .child_count = TR_COUNT(mixed) });
    happened();
    return supervisor;
}

static void any(void)
{
    tr_pid supervisor = start_mixed(TR_ANY_SIGNIFICANT);
    end_by(tr_whereis("t"), STOP_NORMAL);
    tr_reason reason = await_exit(supervisor);
    RULE("SUP-30");
    CHECK(tr_reason_same(&reason, &TR_SHUTDOWN));
    CHECK_STR(happened(), "-t -n -a");
    supervisor = start_mixed(TR_ANY_SIGNIFICANT);
    end_with(tr_whereis("u"), TR_KILL); /* temporary: any reason */
    RULE("SUP-30");
    CHECK_EQ(await_exit(supervisor).why, TR_WHY_SHUTDOWN);
}
TEST(supervisor_auto, any_significant_end_shuts_down) { run(any); }

static void all(void)
{
    tr_pid supervisor = start_mixed(TR_ALL_SIGNIFICANT);
    end_by(tr_whereis("t"), STOP_NORMAL);
    settle(supervisor);
    RULE("SUP-30"); /* another one still runs */
    CHECK(tr_is_alive(supervisor));
    end_by(tr_whereis("u"), STOP_NORMAL);
    RULE("SUP-30");
    CHECK_EQ(await_exit(supervisor).why, TR_WHY_SHUTDOWN);
}
TEST(supervisor_auto, all_significant_waits_for_the_last) { run(all); }

static void undefined_ones(void)
{
    tr_pid supervisor = start_mixed(TR_ALL_SIGNIFICANT);
    CHECK_EQ(tr_terminate_child(supervisor, "t"), TR_OK);
    RULE("SUP-31"); /* not by terminate_child */
    CHECK(tr_is_alive(supervisor));
    end_by(tr_whereis("u"), STOP_NORMAL);
    RULE("SUP-30"); /* one that was terminated does not count as running */
    CHECK_EQ(await_exit(supervisor).why, TR_WHY_SHUTDOWN);
}
TEST(supervisor_auto, children_that_do_not_run_do_not_count) { run(undefined_ones); }

static void not_triggered(void)
{
    tr_pid supervisor = start_mixed(TR_ANY_SIGNIFICANT);
    end_by(tr_whereis("n"), STOP_NORMAL); /* not significant */
    end_with(tr_whereis("t"), TR_KILL);   /* abnormal: restarted as usual */
    CHECK_EQ(tr_terminate_child(supervisor, "u"), TR_OK);
    CHECK_EQ(tr_terminate_child(supervisor, "t"), TR_OK);
    settle(supervisor);
    RULE("SUP-31");
    CHECK(tr_is_alive(supervisor));
    CHECK_STR(happened(), "-n +t");
    shut(supervisor);
}
TEST(supervisor_auto, other_ends_do_not_shut_down) { run(not_triggered); }

static void bystander(void)
{
    static const tr_child children[] = { { AS(simple, "a") },
                                         SIGNIFICANT("u", TR_TEMPORARY),
                                         SIGNIFICANT("t", TR_TRANSIENT) };
    tr_pid supervisor = start_supervisor(&(tr_supervisor){
        .strategy = TR_ONE_FOR_ALL, .auto_shutdown = TR_ANY_SIGNIFICANT, .children = children, .child_count = 3 });
    happened();
    end_with(tr_whereis("a"), TR_KILL);
    settle(supervisor);
    RULE("SUP-31"); /* not by an end as a bystander */
    CHECK_STR(happened(), "+a +t");
    shut(supervisor);
}
TEST(supervisor_auto, an_end_as_a_bystander_does_not_shut_down) { run(bystander); }

static void outer(bool significant, bool ends)
{
    static const tr_child leaf = SIGNIFICANT("leaf", TR_TEMPORARY);
    static const tr_supervisor inner = { .auto_shutdown = TR_ANY_SIGNIFICANT, .children = &leaf, .child_count = 1 };
    const tr_child nested = {
        .name = "inner", .supervisor = &inner, .restart = TR_TRANSIENT, .significant = significant
    };
    tr_pid supervisor = start_supervisor(
        &(tr_supervisor){ .auto_shutdown = TR_ANY_SIGNIFICANT, .children = &nested, .child_count = 1 });
    tr_ref monitor = tr_monitor(tr_whereis("inner"));
    end_by(tr_whereis("leaf"), STOP_NORMAL);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, NULL), TR_OK);
    if (ends) {
        CHECK_EQ(await_exit(supervisor).why, TR_WHY_SHUTDOWN);
    } else {
        settle(supervisor);
        CHECK(tr_is_alive(supervisor));
        shut(supervisor);
    }
}

static void escalates(void)
{
    RULE("SUP-33");
    outer(true, true);
    outer(false, false);
}
TEST(supervisor_auto, it_escalates_only_from_a_significant_child) { run(escalates); }
