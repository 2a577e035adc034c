/* supervisor_spec_test.c: what is a good spec and what is not: SUP-01 to SUP-04, SUP-32, ESUP-01, ESUP-02. */
#include "behaviour.h"

static void entry_child(const tr_msg *arg)
{
    (void)arg;
    tr_receive(TR_INFINITY);
}

static int start_function(const tr_msg *arg, tr_pid *pid)
{
    return tr_start_link(&(tr_child){ .server = &simple, .arg = tr_body(arg), .arg_size = tr_size(arg) }, pid);
}

/* ---- flags */

static void bad_flags(const tr_supervisor *spec, const char *words)
{
    tr_reason why;
    tr_pid pid;
    CHECK_EQ(tr_check_spec(spec, &why), TR_ESPEC);
    CHECK_EQ(why.why, TR_WHY_STATUS);
    CHECK_EQ(why.code, TR_ESPEC);
    CHECK(strncmp(why.text, words, strlen(words)) == 0);
    CHECK_EQ(tr_start(&(tr_child){ .supervisor = spec }, &pid), TR_ESPEC);
    CHECK(tr_reason_same(tr_last_reason(), &why));
}

static void flags(void)
{
    static const tr_child one = { AS(simple, "x") };
    RULE("SUP-03");
    bad_flags(&(tr_supervisor){ .strategy = (tr_strategy)9 }, "invalid_strategy");
    bad_flags(&(tr_supervisor){ .intensity = -1 }, "invalid_intensity");
    bad_flags(&(tr_supervisor){ .period_s = -1 }, "invalid_period");
    bad_flags(&(tr_supervisor){ .auto_shutdown = (tr_auto_shutdown)9 }, "invalid_auto_shutdown");
    bad_flags(&(tr_supervisor){ .max_children = 3 }, "invalid_max_children");
    bad_flags(&(tr_supervisor){ .backoff_ms = -1 }, "invalid_backoff");
    bad_flags(&(tr_supervisor){ .backoff_ms = INT64_MAX }, "invalid_backoff");
    bad_flags(&(tr_supervisor){ .backoff_max_ms = INT64_MAX }, "invalid_backoff");
    bad_flags(&(tr_supervisor){ .backoff_max_ms = -1 }, "invalid_backoff");
    bad_flags(&(tr_supervisor){ .strategy = (tr_strategy)-1 }, "invalid_strategy");
    bad_flags(&(tr_supervisor){ .auto_shutdown = (tr_auto_shutdown)-1 }, "invalid_auto_shutdown");
    bad_flags(&(tr_supervisor){ .strategy = TR_DYNAMIC, .max_children = -1 }, "invalid_max_children");
    bad_flags(&(tr_supervisor){ .strategy = TR_SIMPLE_ONE_FOR_ONE }, "bad_start_spec");
    bad_flags(&(tr_supervisor){ .strategy = TR_DYNAMIC, .children = &one, .child_count = 1 }, "bad_start_spec");
    bad_flags(&(tr_supervisor){ .child_count = 1 }, "bad_start_spec");
    CHECK_EQ(tr_check_spec(NULL, NULL), TR_ESPEC);
}
TEST(supervisor_spec, bad_flags_are_refused_in_words) { run(flags); }

static void auto_shutdown_pooled(void)
{
    static const tr_child one = { AS(simple, "x") };
    RULE("SUP-32");
    bad_flags(&(tr_supervisor){ .strategy = TR_SIMPLE_ONE_FOR_ONE,
                                .auto_shutdown = TR_ANY_SIGNIFICANT,
                                .children = &one,
                                .child_count = 1 },
              "bad_combination");
    bad_flags(&(tr_supervisor){ .strategy = TR_DYNAMIC, .auto_shutdown = TR_ALL_SIGNIFICANT }, "bad_combination");
}
TEST(supervisor_spec, auto_shutdown_does_not_go_with_children_added_at_run_time) { run(auto_shutdown_pooled); }

/* ---- children: refused in a supervisor's spec, and in start_child, where nothing changes */

static void bad_child(tr_pid supervisor, const tr_child *child, const char *words)
{
    tr_supervisor spec = { .auto_shutdown = TR_ANY_SIGNIFICANT, .children = child, .child_count = 1 };
    tr_pid pid;
    bad_flags(&spec, words);
    CHECK_EQ(tr_start_child(supervisor, child, &pid), TR_ESPEC);
    CHECK(strncmp(tr_last_reason()->text, words, strlen(words)) == 0);
}

static void child_specs(void)
{
    static const tr_spawn_options monitored = { .flags = TR_SPAWN_MONITOR };
    static const tr_gen_server unlabelled = { .state_size = 0 };
    static const tr_actor actor = { .state_size = 0 };
    static const tr_supervisor nested = { .intensity = 1 };
    static tr_ref monitor;
    static const tr_spawn_options plain = { .label = NULL }, with_ref = { .monitor = &monitor },
                                  with_data = { .data = &nested }, with_state = { .extra_state = 8 };
    tr_child_counts counts;
    tr_pid supervisor = start_supervisor(&(tr_supervisor){ .auto_shutdown = TR_ANY_SIGNIFICANT });
    RULE("SUP-03");
    bad_child(supervisor, &(tr_child){ .server = &unlabelled }, "missing_id");
    bad_child(supervisor, &(tr_child){ .id = "", .server = &simple }, "missing_id");
    bad_child(supervisor, &(tr_child){ .actor = &actor, .spawn = &plain }, "missing_id");
    bad_child(supervisor, &(tr_child){ .id = "x" }, "missing_start");
    bad_child(supervisor, &(tr_child){ .server = &simple, .entry = entry_child }, "invalid_mfa");
    bad_child(supervisor, &(tr_child){ .server = &simple, .arg_size = 1 }, "invalid_mfa");
    bad_child(supervisor, &(tr_child){ .server = &simple, .arg = "", .arg_size = UINT32_MAX }, "invalid_mfa");
    bad_child(supervisor, &(tr_child){ .id = "n", .supervisor = &nested, .arg = "", .arg_size = 1 }, "invalid_mfa");
    bad_child(supervisor, &(tr_child){ .server = &simple, .start_timeout_ms = -2 }, "invalid_mfa");
    bad_child(supervisor, &(tr_child){ .server = &simple, .name = "" }, "invalid_name");
    bad_child(supervisor, &(tr_child){ .server = &simple, .restart = (tr_restart)7 }, "invalid_restart_type");
    bad_child(supervisor, &(tr_child){ .server = &simple, .restart = (tr_restart)-1 }, "invalid_restart_type");
    bad_child(supervisor, &(tr_child){ .server = &simple, .shutdown_ms = -4 }, "invalid_shutdown");
    bad_child(supervisor, &(tr_child){ .server = &simple, .spawn = &monitored }, "invalid_spawn");
    bad_child(supervisor, &(tr_child){ .server = &simple, .spawn = &with_ref }, "invalid_spawn");
    bad_child(supervisor, &(tr_child){ .server = &simple, .spawn = &with_data }, "invalid_spawn: data");
    bad_child(supervisor, &(tr_child){ .server = &simple, .spawn = &with_state }, "invalid_spawn: data");
    bad_child(supervisor, &(tr_child){ .id = "n", .supervisor = &nested, .spawn = &with_data }, "invalid_spawn: data");
    bad_child(supervisor, &(tr_child){ .id = "f", .start = start_function, .spawn = &plain }, "invalid_spawn");
    bad_child(supervisor, &(tr_child){ .server = &simple, .significant = true }, "bad_combination");
    CHECK_EQ(tr_count_children(supervisor, &counts), TR_OK);
    CHECK_EQ(counts.specs, 0);
    shut(supervisor);
}
TEST(supervisor_spec, bad_child_specs_are_refused_in_words_and_change_nothing) { run(child_specs); }

/* The arguments are never looked at: there is no memory behind them. */
static void huge_tree(void)
{
    static const tr_child inner[] = {
        { .id = "a", .server = &simple, .arg = "", .arg_size = UINT32_MAX / 2 },
        { .id = "b", .server = &simple, .arg = "", .arg_size = UINT32_MAX / 2 },
    };
    static const tr_supervisor nested = { .children = inner, .child_count = 2 };
    const tr_child child = { .id = "n", .supervisor = &nested };
    tr_reason why;
    tr_pid pid;
    CHECK_EQ(tr_check_spec(&(tr_supervisor){ .children = &child, .child_count = 1 }, &why), TR_ESPEC);
    CHECK_STR(why.text, "invalid_mfa: a tree of more than 2 GB");
    CHECK_EQ(tr_start(&child, &pid), TR_ESPEC);
}
TEST(supervisor_spec, a_tree_that_fits_in_no_spec_is_refused) { run(huge_tree); }

static void labels(void)
{
    static const tr_actor unlabelled = { .state_size = 0 }, labelled = { .label = "actor's" };
    static const tr_spawn_options options = { .label = "option's" };
    tr_reason why;
    const tr_child twice[] = { { .id = "option's", .entry = entry_child },
                               { .entry = entry_child, .spawn = &options } },
                   actors[] = { { .actor = &labelled }, { .id = "actor's", .entry = entry_child } },
                   neither[] = { { .actor = &unlabelled, .spawn = &options },
                                 { .entry = entry_child, .spawn = &options } };
    RULE("SUP-02");
    CHECK_EQ(tr_check_spec(&(tr_supervisor){ .children = twice, .child_count = 2 }, &why), TR_ESPEC);
    CHECK_STR(why.text, "duplicate_child_name option's");
    CHECK_EQ(tr_check_spec(&(tr_supervisor){ .children = neither, .child_count = 2 }, &why), TR_ESPEC);
    CHECK_STR(why.text, "duplicate_child_name option's");
    CHECK_EQ(tr_check_spec(&(tr_supervisor){ .children = actors, .child_count = 2 }, &why), TR_ESPEC);
    CHECK_STR(why.text, "duplicate_child_name actor's");
}
TEST(supervisor_spec, a_child_without_id_and_name_is_known_by_its_label) { run(labels); }

static void never_significant(void)
{
    static const tr_child child = { AS(simple, "x"), .restart = TR_TRANSIENT, .significant = true };
    tr_pid pid, supervisor = start_supervisor(&(tr_supervisor){ .intensity = 1 });
    RULE("SUP-03");
    CHECK_EQ(tr_start_child(supervisor, &child, &pid), TR_ESPEC);
    CHECK_STR(tr_last_reason()->text, "bad_combination: auto_shutdown never, significant");
    bad_flags(&(tr_supervisor){ .children = &child, .child_count = 1 }, "bad_combination");
    shut(supervisor);
}
TEST(supervisor_spec, significant_children_need_auto_shutdown) { run(never_significant); }

static void duplicates(void)
{
    static const tr_child twice[] = { { AS(simple, "a") }, { AS(simple, "b") }, { .id = "a", .server = &simple } };
    static const tr_child labels[] = { { .server = &simple }, { .server = &simple } };
    RULE("SUP-03");
    bad_flags(&(tr_supervisor){ .children = twice, .child_count = 3 }, "duplicate_child_name a");
    RULE("ESUP-02"); /* two children of one kind need ids of their own */
    bad_flags(&(tr_supervisor){ .children = labels, .child_count = 2 }, "duplicate_child_name simple");
}
TEST(supervisor_spec, ids_are_unique_among_siblings) { run(duplicates); }

static void before_any_start(void)
{
    static const tr_child inner[] = { { AS(simple, "c") }, { .id = "no start" } };
    static const tr_supervisor nested = { .children = inner, .child_count = 2 };
    const tr_child children[] = { { AS(simple, "a") }, { .id = "nested", .supervisor = &nested } };
    tr_pid pid;
    RULE("SUP-04");
    CHECK_EQ(tr_start(&(tr_child){ .supervisor = &(tr_supervisor){ .children = children, .child_count = 2 } }, &pid),
             TR_ESPEC);
    CHECK_STR(happened(), "");
    CHECK_STR(tr_last_reason()->text, "missing_start");
}
TEST(supervisor_spec, all_specs_are_looked_at_before_any_child_starts) { run(before_any_start); }

/* ---- defaults */

static void child_defaults(void)
{
    static const tr_supervisor empty = { .strategy = TR_DYNAMIC };
    const tr_child children[] = { { .server = &simple }, { .id = "nested", .supervisor = &empty } };
    tr_pid supervisor = start_supervisor(&(tr_supervisor){ .children = children, .child_count = 2 });
    tr_child *spec;
    RULE("SUP-02");
    CHECK_EQ(tr_get_childspec(supervisor, "simple", &spec), TR_OK); /* the id is the label */
    CHECK_EQ(spec->restart, TR_PERMANENT);
    CHECK_EQ(spec->shutdown_ms, 5000);
    CHECK_EQ(spec->start_timeout_ms, TR_INFINITY);
    CHECK_EQ(spec->significant, false);
    CHECK(spec->server == &simple && spec->supervisor == NULL);
    tr_free(spec);
    CHECK_EQ(tr_get_childspec(supervisor, "nested", &spec), TR_OK);
    CHECK_EQ(spec->shutdown_ms, TR_INFINITY);
    CHECK_EQ(spec->supervisor->strategy, TR_DYNAMIC);
    RULE("ESUP-01"); /* Elixir's default, of its own kind of supervisor */
    CHECK_EQ(spec->supervisor->intensity, 3);
    CHECK_EQ(spec->supervisor->period_s, 5);
    tr_free(spec);
    shut(supervisor);
}
TEST(supervisor_spec, child_spec_defaults_are_filled_in) { run(child_defaults); }

static void flag_defaults(void)
{
    static const tr_child children[] = { { AS(simple, "a") }, { AS(simple, "b") } };
    const tr_child nested = { .id = "n", .supervisor = &(tr_supervisor){ .children = children, .child_count = 2 } };
    tr_pid b, supervisor = start_supervisor(&(tr_supervisor){ .children = &nested, .child_count = 1 });
    tr_child *spec;
    CHECK_EQ(tr_get_childspec(supervisor, "n", &spec), TR_OK);
    RULE("SUP-01");
    CHECK_EQ(spec->supervisor->strategy, TR_ONE_FOR_ONE);
    CHECK_EQ(spec->supervisor->intensity, 1);
    CHECK_EQ(spec->supervisor->period_s, 5);
    CHECK_EQ(spec->supervisor->auto_shutdown, TR_NEVER);
    CHECK_EQ(spec->supervisor->child_count, 2);
    CHECK_STR(spec->supervisor->children[1].name, "b");
    tr_free(spec);
    b = tr_whereis("b");
    end_with(tr_whereis("a"), TR_KILL);
    settle(supervisor);
    CHECK(tr_same(b, tr_whereis("b"))); /* one_for_one it is */
    shut(supervisor);
}
TEST(supervisor_spec, flag_defaults_are_one_for_one_one_restart_in_five_seconds) { run(flag_defaults); }

static int noop_handle(void *state, const tr_msg *message)
{
    (void)state, (void)message;
    return TR_OK;
}

static void all_there_is(void)
{
    static const tr_actor actor = { .label = "actor child", .handle = noop_handle };
    static const tr_spawn_options spawn = { .stack_size = 1 << 17, .mailbox_messages = 100 };
    static const tr_child deep[] = { { AS(simple, "d"), .restart = TR_TRANSIENT, .significant = true } };
    static const tr_supervisor nested = { .strategy = TR_REST_FOR_ONE,
                                          .intensity = TR_ZERO,
                                          .period_s = 7,
                                          .auto_shutdown = TR_ANY_SIGNIFICANT,
                                          .children = deep,
                                          .child_count = 1,
                                          .backoff_ms = 10,
                                          .backoff_max_ms = 20 };
    const tr_child children[] = {
        { .id = "e", .name = "entry name", .entry = entry_child, .arg = "xyz", .arg_size = 3, .shutdown_ms = TR_ZERO },
        { .id = "s", .start = start_function, .arg = "q", .arg_size = 2, .shutdown_ms = TR_BRUTAL_KILL },
        { .actor = &actor, .spawn = &spawn, .start_timeout_ms = 70, .restart = TR_TEMPORARY },
        { .id = "n", .supervisor = &nested },
    };
    tr_pid supervisor = start_supervisor(&(tr_supervisor){ .children = children, .child_count = TR_COUNT(children) });
    tr_child *spec;
    RULE("SUP-02");
    CHECK_EQ(tr_get_childspec(supervisor, "e", &spec), TR_OK);
    CHECK(spec->entry == entry_child && spec->arg_size == 3 && memcmp(spec->arg, "xyz", 3) == 0);
    CHECK_EQ(spec->shutdown_ms, TR_ZERO);
    CHECK_STR(spec->name, "entry name");
    tr_free(spec);
    CHECK_EQ(tr_get_childspec(supervisor, "s", &spec), TR_OK);
    CHECK(spec->start == start_function && spec->shutdown_ms == TR_BRUTAL_KILL);
    tr_free(spec);
    CHECK_EQ(tr_get_childspec(supervisor, "actor child", &spec), TR_OK);
    CHECK(spec->actor == &actor && spec->spawn->stack_size == 1 << 17 && spec->start_timeout_ms == 70);
    CHECK_EQ(spec->restart, TR_TEMPORARY);
    tr_free(spec);
    CHECK_EQ(tr_get_childspec(supervisor, "n", &spec), TR_OK);
    CHECK_EQ(spec->supervisor->intensity, TR_ZERO);
    CHECK_EQ(spec->supervisor->backoff_max_ms, 20);
    CHECK_EQ(spec->supervisor->children[0].significant, true);
    CHECK_STR((const char *)spec->supervisor->children[0].arg, "d");
    tr_free(spec);
    CHECK_EQ(tr_get_childspec(supervisor, "absent", &spec), TR_ENOT_FOUND);
    shut(supervisor);
}
TEST(supervisor_spec, every_field_of_a_child_spec_is_kept) { run(all_there_is); }
