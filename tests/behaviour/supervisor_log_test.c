/* supervisor_log_test.c: what a supervisor reports: LOG-04, LOG-05. */
#include "behaviour.h"

static const struct logged *last;

static size_t count(const char *event) { return logged(event, &last); }

static void progress(void)
{
    static const tr_child children[] = { { AS(simple, "a") }, { AS(simple, "b"), .restart = TR_TEMPORARY } };
    tr_pid pid;
    tr_trap_exit(true);
    CHECK_EQ(tr_start_link(
                 &(tr_child){ .name = "sup", .supervisor = &(tr_supervisor){ .children = children, .child_count = 2 } },
                 &pid),
             TR_OK);
    RULE("LOG-04");
    CHECK_EQ(count("progress"), 2);
    CHECK_EQ(last->level, TR_INFO);
    CHECK_STR(last->name, "sup");
    CHECK(tr_same(last->pid, pid));
    CHECK(strstr(last->text, "b") != NULL && strstr(last->text, "temporary") != NULL);
    CHECK(strstr(last->text, tr_pid_text(tr_whereis("b")).s) != NULL);
    shut(pid);
}
TEST(supervisor_log, each_start_is_progress) { run_with((tr_config){ .workers = 2, .log_level = TR_INFO }, progress); }

static void terminated(void)
{
    static const tr_child children[] = { { AS(simple, "p") },
                                         { AS(simple, "t"), .restart = TR_TRANSIENT },
                                         { AS(simple, "u"), .restart = TR_TEMPORARY, .shutdown_ms = TR_BRUTAL_KILL } };
    tr_pid supervisor = start_supervisor(&(tr_supervisor){ .intensity = 10, .children = children, .child_count = 3 });
    RULE("LOG-04"); /* permanent: any reason */
    end_by(tr_whereis("p"), STOP_NORMAL);
    settle(supervisor);
    CHECK_EQ(count("child_terminated"), 1);
    end_by(tr_whereis("p"), STOP_SHUTDOWN);
    settle(supervisor);
    CHECK_EQ(count("child_terminated"), 2);
    end_by(tr_whereis("t"), STOP_BAD);
    settle(supervisor);
    CHECK_EQ(count("child_terminated"), 3);
    end_with(tr_whereis("u"), TR_KILL);
    settle(supervisor);
    RULE("LOG-04"); /* level, reason, offender */
    CHECK_EQ(count("child_terminated"), 4);
    CHECK_EQ(last->level, TR_ERROR);
    CHECK(tr_same(last->pid, supervisor));
    CHECK(strstr(last->text, "killed: child u <") == last->text);
    CHECK(strstr(last->text, "(simple, temporary, shutdown brutal_kill, worker)") != NULL);
    shut(supervisor);
}
TEST(supervisor_log, ends_that_matter_are_errors) { run(terminated); }

static void clean(void)
{
    static const tr_child children[] = { { AS(simple, "t"), .restart = TR_TRANSIENT },
                                         { AS(simple, "u"), .restart = TR_TEMPORARY } };
    tr_pid supervisor = start_supervisor(&(tr_supervisor){ .children = children, .child_count = 2 });
    end_by(tr_whereis("t"), STOP_NORMAL);
    end_by(tr_whereis("u"), STOP_SHUTDOWN);
    shut(supervisor);
    RULE("LOG-05");
    CHECK_EQ(journal.count, 0);
    CHECK_EQ(count("progress"), 0); /* below the usual level */
}
TEST(supervisor_log, clean_ends_of_others_are_not_logged) { run(clean); }

static void failing(void)
{
    tr_pid pid, supervisor = start_supervisor(&(tr_supervisor){ .intensity = 2 });
    CHECK_EQ(tr_start_child(supervisor, &(tr_child){ AS(simple, "x"), .restart = TR_TRANSIENT }, &pid), TR_OK);
    plan_start("x", START_STOP, 100);
    end_with(pid, TR_KILL);
    await_exit(supervisor);
    RULE("LOG-04"); /* a start_error for each failed restart, and one for giving up */
    CHECK_EQ(count("start_error"), 2);
    CHECK(strstr(last->text, "told to") != NULL);
    CHECK_EQ(count("shutdown"), 1);
    CHECK(strstr(last->text, "reached_max_restart_intensity") != NULL);
    CHECK_EQ(last->level, TR_ERROR);
}
TEST(supervisor_log, failed_restarts_and_giving_up_are_errors) { run(failing); }

static void refuse(void *state, const tr_reason *reason)
{
    (void)state, (void)reason;
    tr_exit(tr_because(TR_WHY_USER, 1, "not so"));
}
static const tr_gen_server refuser = { .label = "refuser", .trap_exit = true, .terminate = refuse };

static void shutdown_errors(void)
{
    tr_pid pid, supervisor = start_supervisor(&(tr_supervisor){ .intensity = 2 });
    CHECK_EQ(tr_start_child(supervisor, &(tr_child){ .server = &refuser }, &pid), TR_OK);
    shut(supervisor);
    RULE("LOG-04");
    CHECK_EQ(count("shutdown_error"), 1);
    CHECK_EQ(last->level, TR_ERROR);
    CHECK(strstr(last->text, "not so") != NULL);
}
TEST(supervisor_log, an_unexpected_reason_at_shutdown_is_an_error) { run(shutdown_errors); }

static void quiet(void)
{
    tr_pid pid, supervisor = start_supervisor(&(tr_supervisor){ .intensity = 2 });
    CHECK_EQ(tr_start_child(supervisor, &(tr_child){ AS(simple, "x") }, &pid), TR_OK);
    end_by(pid, STOP_BAD);
    settle(supervisor);
    CHECK(!tr_nobody(tr_whereis("x")));
    CHECK_EQ(count("child_terminated"), 0);
    CHECK_EQ(journal.count, 0);
    shut(supervisor);
}
TEST(supervisor_log, quiet_restarts_report_nothing)
{
    run_with((tr_config){ .workers = 2, .quiet_restarts = true }, quiet);
}
