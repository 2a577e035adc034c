/* gen_server_log_test.c: what the end of a server is reported as: LOG-01, LOG-02, LOG-03, LOG-05. */
#include "behaviour.h"

enum { DO_STOP = 1, DO_CRASH, DO_CLEAN };

struct tally {
    int count;
};

static int tally_cast(void *state, const tr_msg *message)
{
    struct tally *tally = state;
    tally->count++;
    if (tr_tag(message) == DO_STOP)
        return tr_stop(tr_because(TR_WHY_USER, 1, "stopped badly"));
    if (tr_tag(message) == DO_CLEAN)
        return tr_stop(tr_because(TR_WHY_SHUTDOWN, 1, "clean"));
    return tr_unexpected(message);
}

static void tally_describe(const void *state, tr_out *out)
{
    tr_print(out, "count %d", ((const struct tally *)state)->count);
}

static void crash_print(const tr_msg *message, tr_out *out) { tr_print(out, "<%s>", tr_string(message)); }

static void tally_terminate(void *state, const tr_reason *reason)
{
    (void)state, (void)reason;
    note("terminate");
}

static const tr_message_type types[] = { { DO_CRASH, "crash", crash_print }, { DO_STOP, "stop", NULL } };
static const tr_gen_server tally = { .label = "tally",
                                     .state_size = sizeof(struct tally),
                                     .handle_cast = tally_cast,
                                     .handle_call = NULL,
                                     .terminate = tally_terminate,
                                     .describe = tally_describe,
                                     .messages = types,
                                     .message_count = TR_COUNT(types) };
static const tr_gen_server trapping_tally = {
    .label = "trapping tally", .state_size = sizeof(struct tally), .trap_exit = true, .terminate = tally_terminate
};

static tr_pid start_tally(void)
{
    tr_pid pid;
    CHECK_EQ(tr_start(&(tr_child){ .name = "tally", .server = &tally }, &pid), TR_OK);
    return pid;
}

static void terminate_report(void)
{
    const struct logged *record = NULL;
    tr_pid pid = start_tally();
    tr_ref monitor = tr_monitor(pid);
    tr_cast(pid, DO_CRASH, "words", 6);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, NULL), TR_OK);
    RULE("LOG-01"); /* reason, last message, state, name: all there when the DOWN comes */
    CHECK_EQ(logged("terminate", &record), 1);
    CHECK_EQ(record->level, TR_ERROR);
    CHECK_STR(record->name, "tally");
    CHECK_STR(record->label, "tally");
    CHECK(tr_same(record->pid, pid));
    CHECK(strstr(record->text, "unexpected") != NULL);
    CHECK(strstr(record->text, "crash") != NULL && strstr(record->text, "<words>") != NULL);
    CHECK(strstr(record->text, "count 1") != NULL);
}
TEST(gen_server_log, an_abnormal_end_is_reported_with_last_message_and_state) { run(terminate_report); }

static void crash_report(void)
{
    const struct logged *record = NULL;
    end_by(start_tally(), DO_STOP);
    RULE("LOG-02");
    CHECK_EQ(logged("crash", &record), 1);
    CHECK_EQ(record->level, TR_ERROR);
    CHECK_STR(record->name, "tally");
    CHECK(strstr(record->text, "stopped badly") != NULL);
}
TEST(gen_server_log, a_crash_report_follows_an_end_of_its_own) { run(crash_report); }

static void raw_exit(const tr_msg *arg)
{
    (void)arg;
    tr_exit(tr_because(TR_WHY_USER, 1, "raw"));
}

static void silence(void)
{
    tr_pid pid;
    tr_ref monitor;
    end_by(start_tally(), DO_CLEAN);
    end_with(start_tally(), TR_KILL);
    end_with(start_tally(), tr_because(TR_WHY_USER, 1, "signal"));
    CHECK_EQ(tr_stop_server(start_tally(), TR_NORMAL, 5000), TR_OK);
    CHECK_EQ(tr_start(&(tr_child){ .server = &trapping_tally }, &pid), TR_OK);
    end_with(pid, TR_KILL);
    tr_spawn_monitor(raw_exit, NULL, 0, &monitor);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, NULL), TR_OK);
    RULE("LOG-03"); /* clean ends, ends by signals, tr_exit of a raw process */
    CHECK_EQ(logged("terminate", NULL), 0);
    CHECK_EQ(logged("crash", NULL), 0);
}
TEST(gen_server_log, clean_ends_and_signals_are_not_reported) { run(silence); }

static void bad_parent(const tr_msg *arg)
{
    tr_pid pid;
    (void)arg;
    tr_must(tr_start_link(&(tr_child){ .name = "tally", .server = &trapping_tally }, &pid));
    tr_exit(tr_because(TR_WHY_USER, 5, "parent"));
}

static void raw_assert(const tr_msg *arg) { tr_assert(tr_size(arg) > 0); }

static void reported(void)
{
    tr_ref monitor;
    tr_spawn_monitor(bad_parent, NULL, 0, &monitor);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, NULL), TR_OK);
    while (!tr_nobody(tr_whereis("tally")))
        tr_sleep(1);
    RULE("LOG-03"); /* its parent ended abnormally, and it ran terminate: both reports */
    CHECK_EQ(logged("terminate", NULL), 1);
    CHECK_EQ(logged("crash", NULL), 1);
    tr_spawn_monitor(raw_assert, NULL, 0, &monitor);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, NULL), TR_OK);
    RULE("LOG-03"); /* a raw process: one entry for an error */
    CHECK_EQ(logged("crash", NULL), 2);
}
TEST(gen_server_log, a_bad_parent_and_a_failed_assertion_are_reported) { run(reported); }

/* A sink that never returns until it is let go must not hold up those who log. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void slow_sink(const tr_log_record *record, void *arg)
{
    (void)record, (void)arg;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
}

static void never_blocks(void)
{
    tr_system_info info;
    pthread_mutex_lock(&gate); /* this body does not block while it holds it */
    for (int i = 0; i < 100000; i++)
        tr_log(TR_ERROR, "record %d", i);
    pthread_mutex_unlock(&gate);
    CHECK_EQ(tr_system(&info), TR_OK);
    RULE("LOG-05"); /* what found no room is counted */
    CHECK(info.log_dropped > 0);
}
TEST(gen_server_log, a_slow_sink_holds_up_nobody) { run_with((tr_config){ .log = slow_sink }, never_blocks); }
