/* supervisor_start_test.c: how a supervisor starts its children: SUP-05 to SUP-10. */
#include "behaviour.h"

static tr_pid sup_in_start;

static void in_order(void)
{
    static const tr_child children[] = { { AS(trapper, "a") }, { AS(simple, "b") }, { AS(trapper, "c") } };
    tr_process_info info;
    tr_pid supervisor = start_supervisor(&(tr_supervisor){ .children = children, .child_count = 3 });
    RULE("SUP-05");
    CHECK_STR(happened(), "+a +b +c");
    CHECK_EQ(tr_info(tr_whereis("b"), &info), TR_OK);
    CHECK(tr_same(info.parent, supervisor)); /* started inside the supervisor, and linked with it */
    CHECK_EQ(info.links, 1);
    shut(supervisor);
}
TEST(supervisor_start, children_start_in_order_inside_the_supervisor) { run(in_order); }

/* ---- start functions: SUP-06 */

enum kind { GOOD = 1, IGNORED, STOPPED, STATUS, VALUE, UNLINKED, NOTHING };

static int start_kind(const tr_msg *arg, tr_pid *pid)
{
    int kind = *(const int *)tr_expect(arg, sizeof kind), status;
    const tr_child child = { .name = "made", .server = &simple, .arg = "made", .arg_size = 5 };
    sup_in_start = tr_self();
    switch ((enum kind)kind) {
    case GOOD: return tr_start_link(&child, pid);
    case IGNORED: return TR_IGNORE;
    case STOPPED: return tr_stop(tr_because(TR_WHY_USER, 31, "can't"));
    case STATUS: return TR_EIO;
    case VALUE: return 12;
    case UNLINKED: status = tr_start(&child, pid); return status;
    case NOTHING: break;
    }
    return TR_OK;
}

static int add(tr_pid supervisor, int kind, tr_pid *pid)
{
    return tr_start_child(supervisor,
                          &(tr_child){ .id = "f", .start = start_kind, .arg = &kind, .arg_size = sizeof kind }, pid);
}

static void functions(void)
{
    tr_pid pid, supervisor = start_supervisor(&(tr_supervisor){ .intensity = 1 });
    CHECK_EQ(add(supervisor, GOOD, &pid), TR_OK);
    RULE("SUP-05");
    CHECK(tr_same(sup_in_start, supervisor));
    CHECK(tr_same(pid, tr_whereis("made")));
    CHECK_EQ(tr_terminate_child(supervisor, "f"), TR_OK);
    CHECK_EQ(tr_delete_child(supervisor, "f"), TR_OK);
    CHECK_EQ(add(supervisor, IGNORED, &pid), TR_OK);
    CHECK(tr_nobody(pid));
    CHECK_EQ(tr_delete_child(supervisor, "f"), TR_OK);
    RULE("SUP-06");
    CHECK_EQ(add(supervisor, STOPPED, &pid), TR_ESTART);
    CHECK_EQ(tr_last_reason()->code, 31);
    CHECK_EQ(add(supervisor, STATUS, &pid), TR_ESTART);
    CHECK(tr_last_reason()->why == TR_WHY_STATUS && tr_last_reason()->code == TR_EIO);
    CHECK_EQ(add(supervisor, VALUE, &pid), TR_ESTART);
    CHECK(tr_last_reason()->why == TR_WHY_BAD_RETURN && tr_last_reason()->code == 12);
    CHECK_EQ(add(supervisor, NOTHING, &pid), TR_OK); /* nobody was started: as ignore */
    CHECK(tr_nobody(pid));
    shut(supervisor);
}
TEST(supervisor_start, a_start_function_decides_what_start_child_returns) { run(functions); }

static void crashes(void)
{
    tr_pid pid, supervisor = start_supervisor(&(tr_supervisor){ .intensity = 1 });
    const tr_child child = { AS(simple, "x") };
    RULE("SUP-06"); /* what an init can do: SUP-03's last lines */
    plan_start("", START_STOP, 1);
    CHECK_EQ(tr_start_child(supervisor, &child, &pid), TR_ESTART);
    CHECK_EQ(tr_last_reason()->code, 1);
    plan_start("", START_CRASH, 1);
    CHECK_EQ(tr_start_child(supervisor, &child, &pid), TR_ESTART);
    CHECK_EQ(tr_last_reason()->why, TR_WHY_ASSERT);
    plan_start("", START_EXIT, 1);
    CHECK_EQ(tr_start_child(supervisor, &child, &pid), TR_ESTART);
    CHECK_EQ(tr_last_reason()->code, 2);
    CHECK(tr_is_alive(supervisor));
    shut(supervisor);
}
TEST(supervisor_start, a_crashing_init_fails_the_start_only) { run(crashes); }

static int never_ready(void *state, const tr_msg *arg)
{
    (void)state, (void)arg;
    tr_receive(TR_INFINITY);
    return TR_OK;
}
static const tr_gen_server sleeper = { .label = "sleeper", .init = never_ready };

static void timed_out(void)
{
    tr_pid pid, supervisor = start_supervisor(&(tr_supervisor){ .intensity = 1 });
    RULE("SUP-06");
    CHECK_EQ(tr_start_child(supervisor, &(tr_child){ .server = &sleeper, .start_timeout_ms = 20 }, &pid), TR_ESTART);
    CHECK_EQ(tr_last_reason()->why, TR_WHY_TIMEOUT);
    CHECK_EQ(tr_start_child(supervisor, &(tr_child){ .server = &trapper, .start_timeout_ms = 5000 }, &pid), TR_OK);
    shut(supervisor);
}
TEST(supervisor_start, a_start_that_takes_too_long_fails) { run(timed_out); }

/* ---- ignore: SUP-07 */

static void ignored(void)
{
    static const tr_child children[] = { { AS(simple, "a") }, { AS(simple, "t"), .restart = TR_TEMPORARY } };
    tr_child_counts counts;
    tr_child_info *list;
    size_t count;
    plan_start("", START_IGNORE, 2);
    tr_pid supervisor = start_supervisor(&(tr_supervisor){ .children = children, .child_count = 2 });
    CHECK_STR(happened(), "?a ?t");
    CHECK_EQ(tr_count_children(supervisor, &counts), TR_OK);
    RULE("SUP-07"); /* the permanent one is kept, the temporary one is not */
    CHECK(counts.specs == 1 && counts.active == 0 && counts.workers == 1);
    CHECK_EQ(tr_which_children(supervisor, &list, &count), TR_OK);
    CHECK(count == 1 && tr_nobody(list[0].pid) && !list[0].restarting);
    tr_free(list);
    shut(supervisor);
}
TEST(supervisor_start, an_ignored_child_is_kept_as_not_running) { run(ignored); }

/* ---- failure of a child: SUP-08 */

static const tr_child abc[] = { { AS(trapper, "a") }, { AS(trapper, "b") }, { AS(trapper, "c") } };

static void failing(void)
{
    tr_pid pid;
    tr_trap_exit(true);
    plan_start("c", START_STOP, 1);
    CHECK_EQ(
        tr_start_link(&(tr_child){ .name = "sup", .supervisor = &(tr_supervisor){ .children = abc, .child_count = 3 } },
                      &pid),
        TR_ESTART);
    RULE("SUP-08");
    CHECK_STR(happened(), "+a +b !c -b -a");
    CHECK_EQ(tr_last_reason()->why, TR_WHY_SHUTDOWN);
    CHECK_STR(tr_last_reason()->text, "failed_to_start_child c: error 1: told to");
    const tr_msg *message = tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT }, 5000);
    CHECK(message != NULL && tr_reason_of(message)->why == TR_WHY_SHUTDOWN);
    CHECK(tr_nobody(tr_whereis("sup")));
    CHECK_EQ(logged("start_error", NULL), 1);
}
TEST(supervisor_start, a_failing_child_ends_those_before_it_in_reverse) { run(failing); }

static void starter(const tr_msg *arg)
{
    tr_pid pid;
    (void)arg;
    if (tr_start_link(&(tr_child){ .supervisor = &(tr_supervisor){ .children = abc, .child_count = 3 } }, &pid) ==
        TR_OK)
        note("started");
    note("survived");
}

static void kills_starter(void)
{
    tr_ref monitor;
    tr_reason reason;
    plan_start("b", START_CRASH, 1);
    tr_spawn_monitor(starter, NULL, 0, &monitor);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    RULE("SUP-08"); /* PLIB-03: also of shutdown */
    CHECK_EQ(reason.why, TR_WHY_SHUTDOWN);
    CHECK_STR(happened(), "+a !b -a");
}
TEST(supervisor_start, a_failed_start_ends_a_starter_that_does_not_trap) { run(kills_starter); }

/* ---- deaths during the start: SUP-09 */

static int dies_soon(const tr_msg *arg, tr_pid *pid)
{
    (void)arg;
    tr_must(tr_start_link(&(tr_child){ AS(trapper, "mortal") }, pid));
    tr_ref monitor = tr_monitor(*pid);
    tr_exit_signal(*pid, TR_KILL);
    return tr_await_down(monitor, TR_INFINITY, NULL);
}

static int dies_once(const tr_msg *arg, tr_pid *pid)
{
    if (plan.times-- > 0)
        return dies_soon(arg, pid);
    return tr_start_link(&(tr_child){ AS(trapper, "mortal") }, pid);
}

static void death_in_start(void)
{
    static const tr_child children[] = { { .id = "m", .start = dies_once }, { AS(trapper, "b") } };
    plan_start("x", START_OK, 1);
    tr_pid supervisor = start_supervisor(&(tr_supervisor){ .children = children, .child_count = 2 });
    settle(supervisor);
    RULE("SUP-09"); /* b was started first, then the dead one was restarted */
    CHECK_STR(happened(), "+mortal +b +mortal");
    shut(supervisor);
}
TEST(supervisor_start, a_death_during_the_start_is_handled_after_it) { run(death_in_start); }

static int waits_for_parent(const tr_msg *arg, tr_pid *pid)
{
    (void)arg;
    tr_ref monitor = tr_monitor(tr_parent());
    tr_exit_signal(tr_parent(), tr_because(TR_WHY_USER, 3, "parent"));
    tr_must(tr_await_down(monitor, TR_INFINITY, NULL));
    return tr_start_link(&(tr_child){ AS(trapper, "a") }, pid);
}

static void mortal_parent(const tr_msg *arg)
{
    static const tr_child children[] = { { .id = "w", .start = waits_for_parent }, { AS(trapper, "b") } };
    tr_pid pid;
    (void)arg;
    tr_must(tr_start_link(
        &(tr_child){ .name = "sup", .supervisor = &(tr_supervisor){ .children = children, .child_count = 2 } }, &pid));
}

static void parent_dies(void)
{
    tr_spawn(mortal_parent, NULL, 0);
    RULE("SUP-09"); /* all are started, then all are ended */
    await_words("+a +b -b -a");
}
TEST(supervisor_start, a_parents_death_during_the_start_is_seen_after_it) { run(parent_dies); }

/* ---- a child that is not linked: SUP-10 */

static void unlinked(void)
{
    tr_pid pid, supervisor = start_supervisor(&(tr_supervisor){ .intensity = 1 });
    tr_child_counts counts;
    tr_child_info *list;
    size_t count;
    CHECK_EQ(add(supervisor, UNLINKED, &pid), TR_OK);
    end_with(pid, TR_KILL);
    settle(supervisor);
    CHECK_EQ(tr_which_children(supervisor, &list, &count), TR_OK);
    RULE("SUP-10");
    CHECK(tr_same(list[0].pid, pid)); /* still shown */
    tr_free(list);
    CHECK_EQ(tr_count_children(supervisor, &counts), TR_OK);
    CHECK(counts.specs == 1 && counts.active == 0);
    CHECK_EQ(tr_terminate_child(supervisor, "f"), TR_OK);
    shut(supervisor);
}
TEST(supervisor_start, the_death_of_an_unlinked_child_is_not_noticed) { run(unlinked); }
