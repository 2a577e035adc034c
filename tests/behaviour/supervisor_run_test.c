/* supervisor_run_test.c: tr_run: a tree as the whole program. */
#include <signal.h>

#include "behaviour.h"

static const tr_config config = { .workers = 4, .log = take_record };

/* A child that does one thing when it has started. */
enum deed { RAISE, SHUT_DOWN, CRASH_TWICE, END, KILL_ROOT };

static int doer_init(void *state, const tr_msg *arg)
{
    *(int *)state = *(const int *)tr_expect(arg, sizeof(int));
    note("+");
    return tr_idle(1);
}

static int doer_info(void *state, const tr_msg *message)
{
    (void)message;
    switch ((enum deed) * (int *)state) {
    case RAISE: raise(SIGTERM); break;
    case SHUT_DOWN: tr_shutdown(); break;
    case CRASH_TWICE: tr_assert(message == NULL); break;
    case END: return tr_stop(TR_NORMAL);
    case KILL_ROOT: tr_exit_signal(tr_parent(), TR_KILL); break;
    }
    return TR_OK;
}

static void doer_terminate(void *state, const tr_reason *reason)
{
    (void)state;
    note("-%d", (int)reason->why);
}

static const tr_gen_server doer = { .label = "doer",
                                    .state_size = sizeof(int),
                                    .trap_exit = true,
                                    .init = doer_init,
                                    .handle_info = doer_info,
                                    .terminate = doer_terminate };

static int run_deed(int deed, tr_auto_shutdown auto_shutdown)
{
    const tr_child children[] = { { AS(trapper, "a") },
                                  { .server = &doer,
                                    .arg = &deed,
                                    .arg_size = sizeof deed,
                                    .restart = auto_shutdown == TR_NEVER ? TR_PERMANENT : TR_TRANSIENT,
                                    .significant = auto_shutdown != TR_NEVER } };
    journal.count = 0;
    return tr_run_with(&config,
                       &(tr_supervisor){ .auto_shutdown = auto_shutdown, .children = children, .child_count = 2 });
}

TEST(supervisor_run, sigterm_ends_the_tree_in_order)
{
    CHECK_EQ(run_deed(RAISE, TR_NEVER), 0);
    CHECK_STR(happened(), "+a + -1 -a");
}

TEST(supervisor_run, tr_shutdown_is_like_sigterm)
{
    CHECK_EQ(run_deed(SHUT_DOWN, TR_NEVER), 0);
    CHECK_STR(happened(), "+a + -1 -a");
}

TEST(supervisor_run, a_root_that_gives_up_is_a_failure)
{
    CHECK_EQ(run_deed(CRASH_TWICE, TR_NEVER), 1);
    CHECK_STR(happened(), "+a + -7 + -7 -a");
}

TEST(supervisor_run, a_root_that_is_killed_is_a_failure)
{
    CHECK_EQ(run_deed(KILL_ROOT, TR_NEVER), 1);
    CHECK(strncmp(happened(), "+a +", 4) == 0);
}

TEST(supervisor_run, auto_shutdown_is_a_clean_end)
{
    CHECK_EQ(run_deed(END, TR_ANY_SIGNIFICANT), 0);
    CHECK_STR(happened(), "+a + -0 -a");
}

TEST(supervisor_run, a_root_that_can_not_start_is_a_failure)
{
    static const tr_child child = { AS(trapper, "a") };
    plan_start("a", START_STOP, 1);
    CHECK_EQ(tr_run_with(&config, &(tr_supervisor){ .children = &child, .child_count = 1 }), 1);
    CHECK_EQ(tr_run_with(&config, &(tr_supervisor){ .intensity = -1 }), 1);
    CHECK_EQ(tr_run_with(&config, NULL), 1);
    CHECK_STR(happened(), "!a");
}

static int crash_records;
static void count_crashes(const tr_log_record *record, void *arg)
{
    (void)arg;
    crash_records += strcmp(record->event, "crash") == 0;
}

TEST(supervisor_run, a_failure_is_told_once)
{
    tr_config counting = config; /* the line on stderr is all that is said of the program's first process */
    counting.log = count_crashes;
    CHECK_EQ(tr_run_with(&counting, &(tr_supervisor){ .intensity = -1 }), 1);
    CHECK_EQ(crash_records, 0);
}

TEST(supervisor_run, one_runtime_after_another)
{
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(run_deed(SHUT_DOWN, TR_NEVER), 0);
        CHECK_STR(happened(), "+a + -1 -a");
    }
}

TEST(supervisor_run, signal_handlers_are_put_back)
{
    struct sigaction before, after;
    CHECK_EQ(sigaction(SIGTERM, NULL, &before), 0);
    CHECK_EQ(run_deed(RAISE, TR_NEVER), 0);
    CHECK_EQ(sigaction(SIGTERM, NULL, &after), 0);
    CHECK(before.sa_handler == after.sa_handler);
}
