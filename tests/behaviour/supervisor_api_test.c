/* supervisor_api_test.c: the supervisor's API: SUP-50 to SUP-54. */
#include "behaviour.h"

enum { NOWHERE, RUNNING, UNDEFINED, RESTARTING };

/* A supervisor with a child "c" in that state, and "d" after it. */
static tr_pid with_child(int state)
{
    tr_pid pid, supervisor = start_supervisor(&(tr_supervisor){ .intensity = 1000000 });
    if (state != NOWHERE)
        CHECK_EQ(tr_start_child(supervisor, &(tr_child){ AS(simple, "c") }, &pid), TR_OK);
    CHECK_EQ(tr_start_child(supervisor, &(tr_child){ AS(simple, "d") }, &pid), TR_OK);
    if (state == UNDEFINED)
        CHECK_EQ(tr_terminate_child(supervisor, "c"), TR_OK);
    if (state == RESTARTING) {
        plan_start("c", START_STOP, 1000000);
        end_with(tr_whereis("c"), TR_KILL);
    }
    happened();
    return supervisor;
}

static void done(tr_pid supervisor)
{
    shut(supervisor);
    plan.times = 0;
    happened();
}

/* ---- the table of SUP-50, line by line */

static void starts(void)
{
    static const tr_child c = { AS(simple, "c") };
    tr_pid pid, supervisor = with_child(RUNNING);
    RULE("SUP-50");
    CHECK_EQ(tr_start_child(supervisor, &c, &pid), TR_EALREADY_STARTED);
    CHECK(tr_same(pid, tr_whereis("c")));
    done(supervisor);
    supervisor = with_child(UNDEFINED);
    CHECK_EQ(tr_start_child(supervisor, &c, &pid), TR_EALREADY_PRESENT);
    done(supervisor);
    supervisor = with_child(RESTARTING);
    CHECK_EQ(tr_start_child(supervisor, &c, &pid), TR_EALREADY_PRESENT);
    done(supervisor);
    supervisor = with_child(NOWHERE);
    CHECK_EQ(tr_start_child(supervisor, &c, &pid), TR_OK);
    CHECK(tr_same(pid, tr_whereis("c")));
    done(supervisor);
}
TEST(supervisor_api, start_child_in_each_state) { run(starts); }

static void new_starts(void)
{
    static const tr_child c = { AS(simple, "c") };
    tr_child_counts counts;
    tr_pid pid, supervisor = with_child(NOWHERE), other;
    plan_start("c", START_STOP, 1);
    RULE("SUP-50");
    CHECK_EQ(tr_start_child(supervisor, &c, &pid), TR_ESTART);
    CHECK_EQ(tr_last_reason()->code, 1);
    CHECK_EQ(tr_count_children(supervisor, &counts), TR_OK);
    CHECK_EQ(counts.specs, 1); /* the spec was not kept */
    plan_start("c", START_IGNORE, 1);
    CHECK_EQ(tr_start_child(supervisor, &c, &pid), TR_OK);
    CHECK(tr_nobody(pid));
    CHECK_EQ(tr_delete_child(supervisor, "c"), TR_OK); /* it was */
    CHECK_EQ(tr_start(&(tr_child){ .name = "c", .server = &trapper }, &other), TR_OK);
    CHECK_EQ(tr_start_child(supervisor, &c, &pid), TR_EALREADY_STARTED); /* somebody else has the name */
    CHECK(tr_same(pid, other));
    CHECK_EQ(tr_count_children(supervisor, &counts), TR_OK);
    CHECK_EQ(counts.specs, 1);
    end_with(other, TR_KILL);
    done(supervisor);
}
TEST(supervisor_api, start_child_keeps_the_spec_unless_the_start_fails) { run(new_starts); }

static void terminations(void)
{
    tr_pid pid, supervisor = with_child(NOWHERE);
    tr_child_counts counts;
    RULE("SUP-50");
    CHECK_EQ(tr_terminate_child(supervisor, "c"), TR_ENOT_FOUND);
    done(supervisor);
    for (int state = RUNNING; state <= RESTARTING; state++) {
        supervisor = with_child(state);
        CHECK_EQ(tr_terminate_child(supervisor, "c"), TR_OK);
        plan.times = 0;
        settle(supervisor);
        CHECK(tr_nobody(tr_whereis("c"))); /* a retry was cancelled */
        CHECK_EQ(tr_restart_child(supervisor, "c", &pid), TR_OK);
        done(supervisor);
    }
    supervisor = with_child(NOWHERE);
    CHECK_EQ(tr_start_child(supervisor, &(tr_child){ AS(simple, "c"), .restart = TR_TEMPORARY }, &pid), TR_OK);
    CHECK_EQ(tr_terminate_child(supervisor, "c"), TR_OK);
    CHECK_EQ(tr_count_children(supervisor, &counts), TR_OK);
    RULE("SUP-50"); /* temporary: the spec is gone */
    CHECK_EQ(counts.specs, 1);
    done(supervisor);
}
TEST(supervisor_api, terminate_child_in_each_state) { run(terminations); }

static void restarts(void)
{
    tr_pid pid, supervisor = with_child(NOWHERE);
    RULE("SUP-50");
    CHECK_EQ(tr_restart_child(supervisor, "c", &pid), TR_ENOT_FOUND);
    done(supervisor);
    supervisor = with_child(RUNNING);
    CHECK_EQ(tr_restart_child(supervisor, "c", &pid), TR_ERUNNING);
    done(supervisor);
    supervisor = with_child(RESTARTING);
    CHECK_EQ(tr_restart_child(supervisor, "c", &pid), TR_ERESTARTING);
    done(supervisor);
    supervisor = with_child(UNDEFINED);
    plan_start("c", START_STOP, 1);
    CHECK_EQ(tr_restart_child(supervisor, "c", &pid), TR_ESTART);
    CHECK_EQ(tr_last_reason()->code, 1);
    plan_start("c", START_IGNORE, 1);
    CHECK_EQ(tr_restart_child(supervisor, "c", &pid), TR_OK);
    CHECK(tr_nobody(pid));
    CHECK_EQ(tr_restart_child(supervisor, "c", &pid), TR_OK); /* it stayed undefined both times */
    CHECK(tr_same(pid, tr_whereis("c")));
    done(supervisor);
}
TEST(supervisor_api, restart_child_in_each_state) { run(restarts); }

static void deletions(void)
{
    tr_child *spec;
    tr_pid supervisor = with_child(NOWHERE);
    RULE("SUP-50");
    CHECK_EQ(tr_delete_child(supervisor, "c"), TR_ENOT_FOUND);
    CHECK_EQ(tr_get_childspec(supervisor, "c", &spec), TR_ENOT_FOUND);
    done(supervisor);
    static const int expected[] = { [RUNNING] = TR_ERUNNING, [UNDEFINED] = TR_OK, [RESTARTING] = TR_ERESTARTING };
    for (int state = RUNNING; state <= RESTARTING; state++) {
        supervisor = with_child(state);
        CHECK_EQ(tr_get_childspec(supervisor, "c", &spec), TR_OK); /* the same in each state */
        CHECK_STR(spec->id, "c");
        CHECK_EQ(spec->shutdown_ms, 5000);
        tr_free(spec);
        CHECK_EQ(tr_delete_child(supervisor, "c"), expected[state]);
        CHECK_EQ(tr_get_childspec(supervisor, "c", &spec), state == UNDEFINED ? TR_ENOT_FOUND : TR_OK);
        if (state != UNDEFINED)
            tr_free(spec);
        done(supervisor);
    }
}
TEST(supervisor_api, delete_child_and_get_childspec_in_each_state) { run(deletions); }

static void wrong_kind(void)
{
    tr_pid pid, supervisor = with_child(RUNNING);
    RULE("SUP-50"); /* a pid is no id of an ordinary supervisor */
    CHECK_EQ(tr_terminate_child_pid(supervisor, tr_whereis("c")), TR_ENOT_FOUND);
    CHECK_EQ(tr_start_child_with(supervisor, NULL, 0, &pid), TR_EKIND);
    CHECK_EQ(tr_start_child(supervisor, NULL, &pid), TR_EINVAL);
    CHECK_EQ(tr_terminate_child(supervisor, NULL), TR_EINVAL);
    done(supervisor);
}
TEST(supervisor_api, what_an_ordinary_supervisor_refuses) { run(wrong_kind); }

static void uncounted(void)
{
    tr_pid pid, supervisor = start_supervisor(&(tr_supervisor){ .intensity = TR_ZERO });
    CHECK_EQ(tr_start_child(supervisor, &(tr_child){ AS(simple, "c") }, &pid), TR_OK);
    CHECK_EQ(tr_terminate_child(supervisor, "c"), TR_OK);
    plan_start("", START_STOP, 6);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(tr_restart_child(supervisor, "c", &pid), TR_ESTART);
        CHECK_EQ(tr_start_child(supervisor, &(tr_child){ AS(simple, "d") }, &pid), TR_ESTART);
    }
    RULE("SUP-50");
    CHECK(tr_is_alive(supervisor));
    done(supervisor);
}
TEST(supervisor_api, a_start_that_fails_on_request_is_not_counted) { run(uncounted); }

/* ---- order: SUP-51, SUP-52 */

static void order(void)
{
    static const tr_child children[] = { { AS(trapper, "a") }, { AS(trapper, "b") }, { AS(trapper, "c") } };
    tr_pid pid, supervisor = start_supervisor(&(tr_supervisor){ .children = children, .child_count = 3 });
    CHECK_EQ(tr_start_child(supervisor, &(tr_child){ AS(trapper, "d") }, &pid), TR_OK);
    CHECK_EQ(tr_terminate_child(supervisor, "a"), TR_OK);
    CHECK_EQ(tr_restart_child(supervisor, "a", &pid), TR_OK); /* keeps its place */
    CHECK_EQ(tr_terminate_child(supervisor, "b"), TR_OK);
    CHECK_EQ(tr_delete_child(supervisor, "b"), TR_OK);
    CHECK_EQ(tr_start_child(supervisor, &children[1], &pid), TR_OK); /* becomes the last */
    happened();
    shut(supervisor);
    RULE("SUP-51");
    CHECK_STR(happened(), "-b -d -c -a");
}
TEST(supervisor_api, a_new_child_is_the_last_and_the_first_to_end) { run(order); }

static void listed(void)
{
    static const tr_child leaf = { AS(simple, "leaf") };
    static const tr_supervisor inner = { .children = &leaf, .child_count = 1 };
    const tr_child children[] = { { AS(simple, "a") }, { .id = "inner", .supervisor = &inner }, { AS(simple, "c") } };
    tr_pid supervisor = start_supervisor(&(tr_supervisor){ .children = children, .child_count = 3 });
    tr_child_info *list;
    tr_child_counts counts;
    size_t count;
    CHECK_EQ(tr_terminate_child(supervisor, "a"), TR_OK);
    CHECK_EQ(tr_which_children(supervisor, &list, &count), TR_OK);
    RULE("SUP-52"); /* the latest first */
    CHECK_EQ(count, 3);
    CHECK_STR(list[0].id, "c");
    CHECK(tr_same(list[0].pid, tr_whereis("c")) && !list[0].is_supervisor && !list[0].restarting);
    CHECK_STR(list[1].id, "inner");
    CHECK(list[1].is_supervisor && !tr_nobody(list[1].pid));
    CHECK_STR(list[2].id, "a");
    CHECK(tr_nobody(list[2].pid));
    tr_free(list);
    CHECK_EQ(tr_count_children(supervisor, &counts), TR_OK);
    RULE("SUP-53");
    CHECK(counts.specs == 3 && counts.active == 2 && counts.supervisors == 1 && counts.workers == 2);
    done(supervisor);
    supervisor = start_supervisor(&(tr_supervisor){ .intensity = 1 });
    CHECK_EQ(tr_which_children(supervisor, &list, &count), TR_OK);
    CHECK_EQ(count, 0);
    tr_free(list);
    done(supervisor);
}
TEST(supervisor_api, children_are_listed_and_counted) { run(listed); }

/* ---- supervisors that are gone: SUP-54 */

static void gone(void)
{
    tr_child_counts counts;
    tr_child_info *list;
    tr_child *spec;
    size_t count;
    tr_pid pid, supervisor = with_child(RUNNING);
    done(supervisor);
    RULE("SUP-54");
    CHECK_EQ(tr_start_child(supervisor, &(tr_child){ AS(simple, "c") }, &pid), TR_ENOPROC);
    CHECK_EQ(tr_terminate_child(supervisor, "c"), TR_ENOPROC);
    CHECK_EQ(tr_restart_child(tr_name("none"), "c", &pid), TR_ENOPROC);
    CHECK_EQ(tr_delete_child(supervisor, "c"), TR_ENOPROC);
    CHECK_EQ(tr_count_children(supervisor, &counts), TR_ENOPROC);
    CHECK_EQ(tr_which_children(supervisor, &list, &count), TR_ENOPROC);
    CHECK_EQ(tr_get_childspec(supervisor, "c", &spec), TR_ENOPROC);
}
TEST(supervisor_api, calls_to_a_supervisor_that_is_gone_fail) { run(gone); }

static void asker(const tr_msg *arg)
{
    tr_child_counts counts;
    tr_pid supervisor = *(const tr_pid *)tr_expect(arg, sizeof supervisor);
    int status = tr_count_children(supervisor, &counts);
    note("%d %d", status, (int)tr_last_reason()->code);
}

static void dying(void)
{
    tr_pid supervisor = with_child(RUNNING);
    tr_ref monitor;
    tr_process_info info = { .message_queue_len = 0 };
    CHECK_EQ(tr_suspend(supervisor, 5000), TR_OK);
    tr_spawn_monitor(asker, &supervisor, sizeof supervisor, &monitor);
    while (info.message_queue_len == 0)
        CHECK_EQ(tr_info(supervisor, &info), TR_OK);
    tr_exit_signal(supervisor, tr_because(TR_WHY_USER, 61, "parent"));
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, NULL), TR_OK);
    RULE("SUP-54"); /* it died in the middle of the call: its reason */
    CHECK_STR(happened(), "-5 61");
    await_exit(supervisor);
}
TEST(supervisor_api, calls_to_a_supervisor_that_dies_fail_with_its_reason) { run(dying); }

/* ---- another's answers */

/* Answers everything with the first so many bytes of what looks like a long listing, and like a long spec:
 * at last all three lines of the listing are there, its ids are not. */
static int answer_anything(void *state, const tr_msg *message, tr_from from)
{
    static const uint64_t words[10] = { 3, 1000, 1u << 30, 7, 7, 7, 7, 7, 7, 7 };
    size_t *size = state;
    (void)message;
    tr_reply(from, words, *size);
    *size += 4;
    return TR_OK;
}

static const tr_gen_server answers_anything = { .label = "anything",
                                                .state_size = sizeof(size_t),
                                                .handle_call = answer_anything };

static void no_supervisor(void)
{
    tr_child_info *list;
    tr_child_counts counts;
    tr_child *spec;
    size_t count;
    tr_pid pid;
    CHECK_EQ(tr_start_server(&answers_anything, NULL, 0, NULL, &pid), TR_OK);
    CHECK_EQ(tr_which_children(pid, &list, &count), TR_ENOMEM); /* nothing: as when there is no memory for a list */
    for (size_t size = 4; size < 76; size += 8) {
        CHECK_EQ(tr_which_children(pid, &list, &count), TR_ESIZE);
        CHECK_EQ(tr_get_childspec(pid, "c", &spec), TR_ESIZE);
    }
    CHECK_EQ(tr_count_children(pid, &counts), TR_ESIZE);
}
TEST(supervisor_api, what_another_answers_is_not_taken_for_a_supervisors) { run(no_supervisor); }
