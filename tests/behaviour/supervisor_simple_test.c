/* supervisor_simple_test.c: simple_one_for_one: SUP-55, SUP-56, and what the strategy makes of other rules. */
#include "behaviour.h"

static tr_pid start_pool(tr_restart restart, int intensity)
{
    tr_child template = { .id = "worker", .server = &trapper, .arg = "tpl", .arg_size = 4, .restart = restart };
    tr_pid pool = start_supervisor(&(tr_supervisor){
        .strategy = TR_SIMPLE_ONE_FOR_ONE, .intensity = intensity, .children = &template, .child_count = 1 });
    CHECK_STR(happened(), "");
    return pool;
}

static tr_pid add(tr_pid pool, const char *arg)
{
    tr_pid pid;
    CHECK_EQ(tr_start_child_with(pool, arg, arg == NULL ? 0 : strlen(arg) + 1, &pid), TR_OK);
    return pid;
}

static tr_child_counts counts_of(tr_pid pool)
{
    tr_child_counts counts;
    CHECK_EQ(tr_count_children(pool, &counts), TR_OK);
    return counts;
}

static void arguments(void)
{
    tr_pid pool = start_pool(TR_PERMANENT, 5), pid = add(pool, "own");
    struct who state;
    add(pool, NULL);
    CHECK_STR(happened(), "+own +tpl");
    RULE("SUP-55"); /* the argument is used again at a restart */
    end_with(pid, TR_KILL);
    settle(pool);
    CHECK_STR(happened(), "+own");
    CHECK_EQ(tr_start_child_with(pool, "", 0, &pid), TR_OK); /* an empty one is not the template's */
    CHECK_EQ(tr_call(pid, WHO, NULL, 0, &state, sizeof state, 5000), TR_OK);
    CHECK_STR(state.id, "");
    shut(pool);
}
TEST(supervisor_simple, children_have_arguments_of_their_own) { run(arguments); }

static void failures(void)
{
    tr_pid pool = start_pool(TR_PERMANENT, 5), pid;
    plan_start("", START_STOP, 1);
    RULE("SUP-55");
    CHECK_EQ(tr_start_child_with(pool, "x", 2, &pid), TR_ESTART);
    CHECK_EQ(tr_last_reason()->code, 1);
    plan_start("", START_IGNORE, 1);
    CHECK_EQ(tr_start_child_with(pool, "x", 2, &pid), TR_OK);
    CHECK(tr_nobody(pid));
    CHECK_EQ(counts_of(pool).workers, 0); /* not recorded */
    CHECK_EQ(tr_start_child_with(pool, NULL, 3, &pid), TR_EINVAL);
    shut(pool);
}
TEST(supervisor_simple, failed_and_ignored_starts_are_not_recorded) { run(failures); }

static void refused(void)
{
    tr_pid pool = start_pool(TR_PERMANENT, 5), pid = add(pool, "a");
    RULE("SUP-55");
    CHECK_EQ(tr_terminate_child(pool, "worker"), TR_EKIND);
    CHECK_EQ(tr_restart_child(pool, "worker", &pid), TR_EKIND);
    CHECK_EQ(tr_delete_child(pool, "worker"), TR_EKIND);
    CHECK_EQ(tr_start_child(pool, &(tr_child){ AS(simple, "c") }, &pid), TR_EKIND);
    shut(pool);
}
TEST(supervisor_simple, calls_by_id_are_refused) { run(refused); }

static void idle(const tr_msg *arg)
{
    (void)arg;
    tr_receive(TR_INFINITY);
}

static void by_pid(void)
{
    tr_pid pool = start_pool(TR_PERMANENT, 5), pid = add(pool, "a"), other = tr_spawn(idle, NULL, 0);
    CHECK_EQ(tr_terminate_child_pid(pool, pid), TR_OK);
    RULE("SUP-55");
    CHECK_STR(happened(), "+a -a");
    CHECK_EQ(counts_of(pool).workers, 0);
    CHECK_EQ(tr_terminate_child_pid(pool, pid), TR_OK); /* dead: fine */
    CHECK_EQ(tr_terminate_child_pid(pool, other), TR_ENOT_FOUND);
    CHECK_EQ(tr_terminate_child_pid(pool, (tr_pid){ 0 }), TR_OK); /* nobody is not there */
    CHECK(tr_is_alive(other));
    end_with(other, TR_KILL);
    CHECK_EQ(tr_terminate_child_pid(pool, other), TR_OK); /* even one that never was a child */
    shut(pool);
}
TEST(supervisor_simple, children_are_terminated_by_pid) { run(by_pid); }

static void listed(void)
{
    tr_pid pool = start_pool(TR_PERMANENT, 5), a = add(pool, "a"), b = add(pool, "b");
    tr_child_info *list;
    tr_child *spec;
    size_t count;
    CHECK_EQ(tr_which_children(pool, &list, &count), TR_OK);
    RULE("SUP-55");
    CHECK_EQ(count, 2);
    CHECK_STR(list[0].id, "undefined");
    CHECK_STR(list[1].id, "undefined");
    CHECK(tr_same(list[0].pid, a) ? tr_same(list[1].pid, b) : tr_same(list[0].pid, b) && tr_same(list[1].pid, a));
    tr_free(list);
    tr_child_counts counts = counts_of(pool);
    CHECK(counts.specs == 1 && counts.active == 2 && counts.workers == 2 && counts.supervisors == 0);
    CHECK_EQ(tr_get_childspec(pool, "worker", &spec), TR_OK);
    CHECK_STR((const char *)spec->arg, "tpl");
    tr_free(spec);
    CHECK_EQ(tr_get_childspec(pool, "other", &spec), TR_ENOT_FOUND);
    shut(pool);
}
TEST(supervisor_simple, all_children_share_one_spec) { run(listed); }

static void old_pid(void)
{
    tr_pid pool = start_pool(TR_PERMANENT, 5), old = add(pool, "a");
    end_with(old, TR_KILL);
    settle(pool);
    happened();
    CHECK_EQ(tr_terminate_child_pid(pool, old), TR_OK);
    RULE("SUP-56"); /* the new incarnation is untouched */
    CHECK_STR(happened(), "");
    CHECK_EQ(counts_of(pool).active, 1);
    shut(pool);
}
TEST(supervisor_simple, the_pid_of_an_old_incarnation_is_fine) { run(old_pid); }

static void restarting(void)
{
    tr_pid pool = start_pool(TR_PERMANENT, 1000000), pid = add(pool, "a");
    tr_child_info *list;
    size_t count;
    add(pool, "b");
    plan_start("a", START_STOP, 1000000);
    end_with(pid, TR_KILL);
    tr_child_counts counts = counts_of(pool);
    CHECK(counts.active == 1 && counts.workers == 2);
    CHECK_EQ(tr_which_children(pool, &list, &count), TR_OK);
    size_t which = list[1].restarting;
    CHECK(count == 2 && list[which].restarting && tr_nobody(list[which].pid) && !list[!which].restarting);
    tr_free(list);
    RULE("SUP-18"); /* a restarting child is known by its last pid */
    CHECK_EQ(tr_terminate_child_pid(pool, pid), TR_OK);
    CHECK_EQ(counts_of(pool).workers, 1);
    shut(pool);
}
TEST(supervisor_simple, a_restarting_child_keeps_its_last_pid) { run(restarting); }

static void ignoring(void)
{
    tr_pid pool = start_pool(TR_PERMANENT, 5), pid = add(pool, "a");
    plan_start("a", START_IGNORE, 1);
    end_with(pid, TR_KILL);
    settle(pool);
    RULE("SUP-19"); /* removed */
    CHECK_EQ(counts_of(pool).workers, 0);
    shut(pool);
    CHECK_STR(happened(), "+a ?a");
}
TEST(supervisor_simple, a_restart_that_is_ignored_removes_the_child) { run(ignoring); }

static void kinds(void)
{
    static const tr_restart restarts[] = { TR_TRANSIENT, TR_TEMPORARY };
    for (size_t i = 0; i < TR_COUNT(restarts); i++) {
        tr_pid pool = start_pool(restarts[i], 5), pid = add(pool, "a");
        end_by(pid, STOP_NORMAL);
        RULE("SUP-11"); /* an entry that is not restarted goes */
        CHECK_EQ(counts_of(pool).workers, 0);
        pid = add(pool, "a");
        end_with(pid, TR_KILL);
        settle(pool);
        CHECK_EQ(counts_of(pool).workers, restarts[i] == TR_TRANSIENT ? 1 : 0);
        happened();
        shut(pool);
        CHECK_STR(happened(), restarts[i] == TR_TRANSIENT ? "-a" : "");
    }
}
TEST(supervisor_simple, clean_ends_remove_the_child) { run(kinds); }

static void template_name(void)
{
    static const tr_child template = { AS(simple, "only") };
    tr_pid pid, again,
        pool = start_supervisor(
            &(tr_supervisor){ .strategy = TR_SIMPLE_ONE_FOR_ONE, .children = &template, .child_count = 1 });
    CHECK_EQ(tr_start_child_with(pool, NULL, 0, &pid), TR_OK);
    CHECK_EQ(tr_start_child_with(pool, NULL, 0, &again), TR_EALREADY_STARTED);
    CHECK(tr_same(pid, again));
    CHECK_EQ(counts_of(pool).workers, 1);
    shut(pool);
}
TEST(supervisor_simple, a_template_with_a_name_has_one_child) { run(template_name); }

static void pool_of_supervisors(void)
{
    static const tr_child leaf = { .server = &trapper, .arg = "leaf", .arg_size = 5 };
    static const tr_supervisor inner = { .children = &leaf, .child_count = 1 };
    const tr_child template = { .id = "inner", .supervisor = &inner };
    tr_pid pid, pool = start_supervisor(
                    &(tr_supervisor){ .strategy = TR_SIMPLE_ONE_FOR_ONE, .children = &template, .child_count = 1 });
    CHECK_EQ(tr_start_child_with(pool, NULL, 0, &pid), TR_OK);
    CHECK_EQ(tr_start_child_with(pool, NULL, 0, &pid), TR_OK);
    tr_child_counts counts = counts_of(pool);
    CHECK(counts.supervisors == 2 && counts.workers == 0);
    CHECK_STR(happened(), "+leaf +leaf");
    shut(pool);
    CHECK_STR(happened(), "-leaf -leaf");
}
TEST(supervisor_simple, a_template_may_be_a_supervisor) { run(pool_of_supervisors); }
