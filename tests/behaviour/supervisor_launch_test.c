/* supervisor_launch_test.c: tr_start and its kin outside of a supervisor: start functions, options of supervisors and
 * servers, and what of a spec comes back from tr_get_childspec. */
#include "behaviour.h"

/* ---- start functions, in the caller */

enum result { LINKED = 1, IGNORED, STOPPED, NO_MEMORY, SERVER_GONE, NOT_STARTED, LATE, TAKEN, VALUE };

static int dies_when_asked(void *state, const tr_msg *request, tr_from from)
{
    (void)state, (void)request, (void)from;
    tr_exit(tr_because(TR_WHY_USER, 42, "asked"));
}
static const tr_gen_server mortal = { .label = "mortal", .handle_call = dies_when_asked };

static int start_as_told(const tr_msg *arg, tr_pid *pid)
{
    tr_pid server;
    switch (*(const enum result *)tr_expect(arg, sizeof(enum result))) {
    case LINKED: return tr_start_link(&(tr_child){ AS(simple, "made") }, pid);
    case IGNORED: return TR_IGNORE;
    case STOPPED: return tr_stop(tr_because(TR_WHY_USER, 41, "told to"));
    case NO_MEMORY: return TR_ENOMEM;
    case SERVER_GONE:
        CHECK_EQ(tr_start_server(&mortal, NULL, 0, NULL, &server), TR_OK);
        return tr_call(server, ECHO, NULL, 0, NULL, 0, TR_INFINITY);
    case NOT_STARTED: plan_start("", START_STOP, 1); return tr_start_link(&(tr_child){ AS(simple, "made") }, pid);
    case LATE: return TR_ETIMEDOUT;
    case TAKEN: return TR_EALREADY_STARTED;
    case VALUE: break;
    }
    return 12;
}

static int start_linked(enum result result, tr_pid *pid)
{
    return tr_start_link(&(tr_child){ .start = start_as_told, .arg = &result, .arg_size = sizeof result }, pid);
}

static void check_failure(enum result result, int why, int code)
{
    tr_pid pid;
    CHECK_EQ(start_linked(result, &pid), TR_ESTART);
    CHECK_EQ(tr_last_reason()->why, why);
    CHECK_EQ(tr_last_reason()->code, code);
}

static void functions(void)
{
    tr_pid pid = { 0 };
    tr_process_info info;
    tr_trap_exit(true);
    CHECK_EQ(start_linked(LINKED, &pid), TR_OK);
    CHECK_EQ(tr_info(pid, &info), TR_OK);
    CHECK(tr_same(info.parent, tr_self()));
    shut(pid);
    CHECK_EQ(start_linked(IGNORED, &pid), TR_IGNORE);
    CHECK_EQ(start_linked(NO_MEMORY, &pid), TR_ENOMEM);
    CHECK_EQ(start_linked(TAKEN, &pid), TR_EALREADY_STARTED);
    check_failure(STOPPED, TR_WHY_USER, 41);
    check_failure(SERVER_GONE, TR_WHY_USER, 42);
    check_failure(NOT_STARTED, TR_WHY_USER, 1);
    check_failure(LATE, TR_WHY_TIMEOUT, 0);
    check_failure(VALUE, TR_WHY_BAD_RETURN, 12);
}
TEST(supervisor_launch, a_start_function_decides_what_tr_start_link_returns) { run(functions); }

static void must_link(void)
{
    const tr_child child = { .start = start_as_told };
    tr_pid pid;
    tr_ref monitor;
    CHECK_EQ(tr_start(&child, &pid), TR_ESPEC);
    CHECK_STR(tr_last_reason()->text, "invalid_mfa: a start function links");
    CHECK_EQ(tr_start_monitor(&child, &pid, &monitor), TR_ESPEC);
    CHECK_EQ(tr_start(NULL, &pid), TR_EINVAL);
}
TEST(supervisor_launch, a_start_function_is_only_for_linked_starts) { run(must_link); }

/* ---- options */

static const tr_supervisor empty = { .intensity = 1 };

static void supervisors_options(void)
{
    static const tr_spawn_options labelled = { .label = "my tree" }, deaf = { .flags = TR_SPAWN_TRAP_EXIT };
    tr_process_info info;
    tr_pid pid;
    CHECK_EQ(tr_start(&(tr_child){ .supervisor = &empty, .spawn = &labelled }, &pid), TR_OK);
    CHECK_EQ(tr_info(pid, &info), TR_OK);
    CHECK_STR(info.label, "my tree");
    RULE("SUP-09");
    CHECK(info.trap_exit);
    CHECK_EQ(tr_stop_server(pid, TR_SHUTDOWN, TR_INFINITY), TR_OK);
    CHECK_EQ(tr_start(&(tr_child){ .supervisor = &empty, .spawn = &deaf }, &pid), TR_OK);
    CHECK_EQ(tr_stop_server(pid, TR_SHUTDOWN, TR_INFINITY), TR_OK);
}
TEST(supervisor_launch, a_supervisor_has_the_spawn_options_of_its_spec) { run(supervisors_options); }

static void servers_options(void)
{
    static const tr_gen_server plain = { .state_size = 8 };
    tr_process_info info;
    tr_pid pid;
    CHECK_EQ(tr_start_server(NULL, NULL, 0, NULL, &pid), TR_EINVAL);
    CHECK_EQ(
        tr_start_server(&plain, NULL, 0, &(tr_start_options){ .spawn = &(tr_spawn_options){ .data = &plain } }, &pid),
        TR_EINVAL);
    CHECK_EQ(
        tr_start_server(&plain, NULL, 0, &(tr_start_options){ .spawn = &(tr_spawn_options){ .extra_state = 1 } }, &pid),
        TR_EINVAL);
    CHECK_EQ(tr_start_server(&plain, NULL, 0, NULL, &pid), TR_OK);
    CHECK_EQ(tr_info(pid, &info), TR_OK);
    CHECK_STR(info.label, "gen_server");
    CHECK_EQ(tr_stop_server(pid, TR_NORMAL, TR_INFINITY), TR_OK);
}
TEST(supervisor_launch, data_and_extra_state_of_a_server_are_taken) { run(servers_options); }

/* ---- what comes back */

static void check_max_children(int max_children)
{
    const tr_supervisor dynamic = { .strategy = TR_DYNAMIC, .max_children = max_children };
    const tr_child child = { .id = "d", .supervisor = &dynamic };
    tr_pid supervisor = start_supervisor(&(tr_supervisor){ .children = &child, .child_count = 1 });
    tr_child *spec;
    CHECK_EQ(tr_get_childspec(supervisor, "d", &spec), TR_OK);
    CHECK_EQ(spec->supervisor->max_children, max_children);
    tr_free(spec);
    shut(supervisor);
}

static void limits(void)
{
    check_max_children(0);
    check_max_children(7);
    check_max_children(TR_ZERO);
}
TEST(supervisor_launch, a_limit_of_children_comes_back_as_it_was_given) { run(limits); }

static void temporary_tree(void)
{
    static const tr_child inner = { AS(simple, "i") };
    static const tr_supervisor nested = { .children = &inner, .child_count = 1 };
    const tr_child child = { .id = "n", .supervisor = &nested, .restart = TR_TEMPORARY };
    tr_pid supervisor = start_supervisor(&(tr_supervisor){ .children = &child, .child_count = 1 });
    tr_child *spec;
    CHECK(!tr_nobody(tr_whereis("i")));
    CHECK_EQ(tr_get_childspec(supervisor, "n", &spec), TR_OK);
    RULE("SUP-28");
    CHECK(spec->supervisor == NULL && spec->server == NULL);
    CHECK_EQ(spec->restart, TR_TEMPORARY);
    tr_free(spec);
    shut(supervisor);
}
TEST(supervisor_launch, of_a_temporary_supervisor_its_tree_is_not_kept) { run(temporary_tree); }

static void forever(const tr_msg *arg)
{
    (void)arg;
    tr_receive(TR_INFINITY);
}

static void template_without_id(void)
{
    static const tr_child nameless = { .entry = forever }, named = { .id = "t", .entry = forever };
    tr_pid supervisor = start_supervisor(
        &(tr_supervisor){ .strategy = TR_SIMPLE_ONE_FOR_ONE, .children = &nameless, .child_count = 1 });
    tr_child *spec;
    CHECK_EQ(tr_get_childspec(supervisor, "t", &spec), TR_ENOT_FOUND);
    shut(supervisor);
    supervisor = start_supervisor(
        &(tr_supervisor){ .strategy = TR_SIMPLE_ONE_FOR_ONE, .children = &named, .child_count = 1 });
    CHECK_EQ(tr_get_childspec(supervisor, "u", &spec), TR_ENOT_FOUND);
    CHECK_EQ(tr_get_childspec(supervisor, "t", &spec), TR_OK);
    CHECK_STR(spec->id, "t");
    tr_free(spec);
    CHECK_EQ(tr_get_childspec(supervisor, NULL, &spec), TR_EINVAL);
    shut(supervisor);
}
TEST(supervisor_launch, a_template_needs_no_id_and_is_found_by_the_one_it_has) { run(template_without_id); }

/* Arguments that fit into no small block, neither where they are packed nor where they are kept. */
static void large_arguments(void)
{
    static char argument[3000];
    const tr_child child = { .id = "l", .entry = forever, .arg = argument, .arg_size = sizeof argument };
    tr_child_counts counts;
    tr_child *spec;
    tr_pid pid, supervisor = start_supervisor(&(tr_supervisor){ .intensity = 9 });
    tr_pid dynamic = start_supervisor(&(tr_supervisor){ .strategy = TR_DYNAMIC });
    for (size_t i = 0; i < sizeof argument; i++)
        argument[i] = (char)(i % 251);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(tr_start_child(supervisor, &child, &pid), TR_OK);
        CHECK_EQ(tr_get_childspec(supervisor, "l", &spec), TR_OK);
        CHECK(spec->arg_size == sizeof argument && memcmp(spec->arg, argument, sizeof argument) == 0);
        tr_free(spec);
        CHECK_EQ(tr_terminate_child(supervisor, "l"), TR_OK);
        CHECK_EQ(tr_delete_child(supervisor, "l"), TR_OK);
        CHECK_EQ(tr_start_child(dynamic, &child, &pid), TR_OK);
        CHECK_EQ(tr_terminate_child_pid(dynamic, pid), TR_OK);
    }
    CHECK_EQ(tr_count_children(dynamic, &counts), TR_OK);
    CHECK_EQ(counts.specs, 0);
    shut(dynamic);
    shut(supervisor);
}
TEST(supervisor_launch, arguments_of_any_size_are_kept_and_dropped) { run(large_arguments); }
