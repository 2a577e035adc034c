/* gen_server_start_test.c: starting a server: the handshake, names, what init may return: PLIB, GS-01 to GS-06. */
#include "behaviour.h"

/* What an init is told to return. */
enum told { OK, OK_IDLE, OK_CONTINUE, IGNORE, STOP, STOP_NORMAL_, BAD, STATUS, FAIL, EXIT };

struct plain {
    int value;
};

static int plain_init(void *state, const tr_msg *arg)
{
    struct plain *plain = state;
    int told = tr_size(arg) == 0 ? OK : *(const int *)tr_expect(arg, sizeof told);
    plain->value = told;
    note("init");
    switch ((enum told)told) {
    case OK: return TR_OK;
    case OK_IDLE: return tr_idle(0);
    case OK_CONTINUE: return tr_continue(1, NULL, 0);
    case IGNORE: return TR_IGNORE;
    case STOP: return tr_stop(tr_because(TR_WHY_USER, 5, "told to"));
    case STOP_NORMAL_: return tr_stop(TR_NORMAL);
    case BAD: return 17;
    case STATUS: return TR_ELIMIT;
    case FAIL: tr_assert(told == OK); break;
    case EXIT: tr_exit(tr_because(TR_WHY_USER, 6, "left"));
    }
    return TR_OK;
}

static int plain_call(void *state, const tr_msg *request, tr_from from)
{
    (void)request;
    return tr_reply(from, state, sizeof(struct plain));
}

static int plain_info(void *state, const tr_msg *message)
{
    (void)state;
    note(tr_tag(message) == TR_MSG_TIMEOUT ? "timeout" : "info %d", tr_tag(message));
    return TR_OK;
}

static int plain_continue(void *state, const tr_msg *message)
{
    (void)state;
    note("continue %d", tr_tag(message));
    return TR_OK;
}

static void plain_terminate(void *state, const tr_reason *reason)
{
    (void)state, (void)reason;
    note("terminate");
}

static const tr_gen_server plain = { .label = "plain",
                                     .state_size = sizeof(struct plain),
                                     .init = plain_init,
                                     .handle_call = plain_call,
                                     .handle_info = plain_info,
                                     .handle_continue = plain_continue,
                                     .terminate = plain_terminate };

static int start_told(int told, int flags, tr_pid *pid)
{
    return tr_start_server(&plain, &told, sizeof told, &(tr_start_options){ .flags = flags }, pid);
}

/* ---- forms of start */

static void forms(void)
{
    tr_pid pid;
    tr_ref monitor;
    tr_reason reason;
    RULE("GS-01");
    CHECK_EQ(tr_start_server(&plain, NULL, 0, NULL, &pid), TR_OK);
    CHECK(tr_is_alive(pid));
    end_with(pid, TR_KILL);
    CHECK_EQ(tr_start_monitor(&(tr_child){ .server = &plain }, &pid, &monitor), TR_OK);
    tr_exit_signal(pid, TR_KILL);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    RULE("PLIB-01"); /* start_monitor watches */
    CHECK(tr_reason_same(&reason, &TR_KILLED));
    tr_trap_exit(true);
    CHECK_EQ(tr_start_link(&(tr_child){ .server = &plain }, &pid), TR_OK);
    tr_exit_signal(pid, TR_KILL);
    reason = await_exit(pid);
    CHECK(tr_reason_same(&reason, &TR_KILLED));
}
TEST(gen_server_start, starts_alone_linked_or_monitored) { run(forms); }

/* ---- GS-04: each row of its table, for a starter that traps exits */

struct row {
    int told, status;
    int why, code; /* of tr_last_reason and of the EXIT; -1: there is none */
    const char *words;
};

static void init_results(void)
{
    static const struct row rows[] = {
        { OK, TR_OK, -1, 0, "init" },
        { OK_IDLE, TR_OK, -1, 0, "init timeout" },
        { OK_CONTINUE, TR_OK, -1, 0, "init continue 1" },
        { IGNORE, TR_IGNORE, TR_WHY_NORMAL, 0, "init" },
        { STOP, TR_ESTART, TR_WHY_USER, 5, "init" },
        { STOP_NORMAL_, TR_ESTART, TR_WHY_NORMAL, 0, "init" },
        { BAD, TR_ESTART, TR_WHY_BAD_RETURN, 17, "init" },
        { STATUS, TR_ESTART, TR_WHY_STATUS, TR_ELIMIT, "init" },
        { FAIL, TR_ESTART, TR_WHY_ASSERT, 0, "init" },
        { EXIT, TR_ESTART, TR_WHY_USER, 6, "init" },
    };
    tr_trap_exit(true);
    for (size_t i = 0; i < TR_COUNT(rows); i++) {
        struct plain answer;
        tr_pid pid;
        RULE("GS-04");
        CHECK_EQ(start_told(rows[i].told, TR_START_LINK, &pid), rows[i].status);
        if (rows[i].status == TR_OK)
            await_words(rows[i].words);
        if (rows[i].status == TR_ESTART) {
            CHECK_EQ(tr_last_reason()->why, rows[i].why);
            CHECK(rows[i].code == 0 || tr_last_reason()->code == rows[i].code);
        }
        RULE("GS-05"); /* no "terminate" */
        CHECK_STR(happened(), rows[i].status == TR_OK ? "" : rows[i].words);
        if (rows[i].status == TR_OK) {
            CHECK_EQ(tr_call(pid, 1, NULL, 0, &answer, sizeof answer, 5000), TR_OK);
            CHECK_EQ(answer.value, rows[i].told);
            end_with(pid, TR_KILL);
        }
        while (!mailbox_empty()) /* an EXIT, or none: PLIB-02 */
            ;
        happened();
    }
}
TEST(gen_server_start, init_decides_what_start_returns) { run(init_results); }

/* ---- failed starts and links */

static void acked_error(void)
{
    tr_pid pid;
    tr_trap_exit(true);
    CHECK_EQ(start_told(STOP, TR_START_LINK, &pid), TR_ESTART);
    const tr_msg *message = tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT }, 5000);
    RULE("PLIB-02"); /* it acknowledged an error, and then ended: the EXIT comes as well */
    CHECK(message != NULL);
    CHECK_EQ(tr_reason_of(message)->code, 5);
    CHECK_EQ(start_told(FAIL, TR_START_LINK, &pid), TR_ESTART);
    RULE("PLIB-02"); /* it ended before it acknowledged anything: the EXIT was the result */
    CHECK(mailbox_empty());
    CHECK_EQ(start_told(IGNORE, TR_START_LINK, &pid), TR_IGNORE);
    message = tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT }, 5000);
    RULE("GS-04");
    CHECK(message != NULL && tr_reason_of(message)->why == TR_WHY_NORMAL);
}
TEST(gen_server_start, a_trapping_starter_gets_the_exit_of_an_acknowledged_error) { run(acked_error); }

static void linked_starter(const tr_msg *arg)
{
    tr_pid pid;
    int told = *(const int *)tr_expect(arg, sizeof told);
    int status = start_told(told, TR_START_LINK, &pid);
    note("survived %d", status);
}

static tr_reason start_in_another(int told)
{
    tr_ref monitor;
    tr_reason reason;
    tr_spawn_monitor(linked_starter, &told, sizeof told, &monitor);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    return reason;
}

static void untrapping(void)
{
    tr_reason reason = start_in_another(STOP);
    RULE("PLIB-03");
    CHECK_EQ(reason.code, 5);
    happened();
    reason = start_in_another(STOP_NORMAL_);
    RULE("PLIB-03"); /* of normal it does not die */
    CHECK_EQ(reason.why, TR_WHY_NORMAL);
    CHECK_STR(happened(), "init survived -14");
}
TEST(gen_server_start, a_starter_that_does_not_trap_dies_with_its_child) { run(untrapping); }

static int slow_init(void *state, const tr_msg *arg)
{
    (void)state, (void)arg;
    tr_receive(TR_INFINITY);
    return TR_OK;
}
static const tr_gen_server slow = { .label = "slow", .init = slow_init };

static void start_timeout(void)
{
    tr_pid pid;
    tr_trap_exit(true);
    const tr_start_options options = { .flags = TR_START_LINK, .name = "slow", .timeout_ms = 20 };
    RULE("PLIB-01");
    CHECK_EQ(tr_start_server(&slow, NULL, 0, &options, &pid), TR_ETIMEDOUT);
    RULE("PLIB-04");
    CHECK(mailbox_empty());
    RULE("PLIB-05"); /* its name is free */
    CHECK(tr_nobody(tr_whereis("slow")));
    tr_trap_exit(false);
    CHECK_EQ(tr_start_server(&slow, NULL, 0, &options, &pid), TR_ETIMEDOUT);
}
TEST(gen_server_start, a_start_that_takes_too_long_is_killed) { run(start_timeout); }

static void names_freed(void)
{
    static const int all[] = { IGNORE, STOP, BAD, FAIL, EXIT };
    tr_pid pid;
    for (size_t i = 0; i < TR_COUNT(all); i++) {
        int status = tr_start_server(&plain, &all[i], sizeof all[i], &(tr_start_options){ .name = "short" }, &pid);
        CHECK(status == TR_ESTART || status == TR_IGNORE);
        RULE("PLIB-05");
        CHECK(tr_nobody(tr_whereis("short")));
        CHECK_EQ(tr_start_server(&plain, NULL, 0, &(tr_start_options){ .name = "short" }, &pid), TR_OK);
        end_with(pid, TR_KILL);
    }
}
TEST(gen_server_start, a_failed_start_leaves_no_process_and_no_name) { run(names_freed); }

static void monitored_failure(void)
{
    tr_pid pid;
    tr_ref monitor;
    int told = STOP;
    const tr_start_options options = { .flags = TR_START_MONITOR, .monitor = &monitor };
    CHECK_EQ(tr_start_server(&plain, &told, sizeof told, &options, &pid), TR_ESTART);
    RULE("PLIB-07"); /* the DOWN is consumed */
    CHECK(mailbox_empty());
    told = IGNORE;
    CHECK_EQ(tr_start_server(&plain, &told, sizeof told, &options, &pid), TR_IGNORE);
    CHECK(mailbox_empty());
    CHECK_EQ(tr_start_server(&plain, NULL, 0, &options, &pid), TR_OK);
    end_with(pid, TR_KILL);
    CHECK_EQ(tr_await_down(monitor, 5000, NULL), TR_OK);
}
TEST(gen_server_start, start_monitor_consumes_the_down_of_a_failure) { run(monitored_failure); }

/* ---- parents */

static int parent_call(void *state, const tr_msg *request, tr_from from)
{
    (void)state, (void)request;
    tr_pid parent = tr_parent();
    return tr_reply(from, &parent, sizeof parent);
}
static const tr_gen_server child_of = { .label = "child of", .handle_call = parent_call };

static void parents(void)
{
    tr_pid pid, parent;
    CHECK_EQ(tr_start_link(&(tr_child){ .server = &child_of }, &pid), TR_OK);
    CHECK_EQ(tr_call(pid, 1, NULL, 0, &parent, sizeof parent, 5000), TR_OK);
    RULE("PLIB-06");
    CHECK(tr_same(parent, tr_self()));
    CHECK_EQ(tr_start(&(tr_child){ .server = &child_of }, &pid), TR_OK);
    CHECK_EQ(tr_call(pid, 1, NULL, 0, &parent, sizeof parent, 5000), TR_OK);
    CHECK(tr_nobody(parent));
}
TEST(gen_server_start, who_started_with_a_link_is_the_parent) { run(parents); }

static void dying_starter(const tr_msg *arg)
{
    tr_pid pid;
    (void)arg;
    tr_must(tr_start_link(&(tr_child){ .name = "slow", .server = &slow }, &pid));
}

static void starter_dies(void)
{
    tr_pid starter = tr_spawn(dying_starter, NULL, 0), child;
    while (tr_nobody(child = tr_whereis("slow")))
        tr_yield();
    tr_ref monitor = tr_monitor(child);
    tr_reason reason;
    tr_exit_signal(starter, tr_because(TR_WHY_USER, 8, "starter"));
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    RULE("GS-06"); /* a child that does not trap dies in its init */
    CHECK_EQ(reason.code, 8);
}
TEST(gen_server_start, a_child_in_init_dies_with_its_starter) { run(starter_dies); }

static int gated_init(void *state, const tr_msg *arg)
{
    (void)state, (void)arg;
    tr_receive_match(&(tr_match){ .tag = 77 }, TR_INFINITY);
    note("init done");
    return TR_OK;
}
static const tr_gen_server gated = {
    .label = "gated", .trap_exit = true, .init = gated_init, .terminate = plain_terminate, .handle_info = plain_info
};

static void gated_starter(const tr_msg *arg)
{
    tr_pid pid;
    (void)arg;
    tr_must(tr_start_link(&(tr_child){ .name = "gated", .server = &gated }, &pid));
    note("started");
    tr_receive(TR_INFINITY);
}

static void trapping_init(void)
{
    tr_pid starter = tr_spawn(gated_starter, NULL, 0), child;
    while (tr_nobody(child = tr_whereis("gated")))
        tr_yield();
    RULE("GS-03"); /* its name is there before init is done, and what is sent there waits */
    CHECK_EQ(tr_send(tr_name("gated"), 5, NULL, 0), TR_OK);
    tr_ref monitor = tr_monitor(child);
    tr_reason reason;
    end_with(starter, tr_because(TR_WHY_USER, 8, "starter"));
    tr_send(child, 77, NULL, 0);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    RULE("GS-06"); /* one that traps finishes its init, and then ends with its parent */
    CHECK_STR(happened(), "init done info 5 terminate");
    CHECK_EQ(reason.code, 8);
}
TEST(gen_server_start, a_trapping_child_finishes_its_init) { run(trapping_init); }

/* ---- names */

static void name_taken(void)
{
    tr_pid first, second;
    const tr_child spec = { .name = "one", .server = &plain };
    CHECK_EQ(tr_start(&spec, &first), TR_OK);
    happened();
    tr_trap_exit(true);
    CHECK_EQ(tr_start_link(&spec, &second), TR_EALREADY_STARTED);
    RULE("GS-02");
    CHECK(tr_same(first, second));
    CHECK_STR(happened(), "");
    CHECK(mailbox_empty());
    end_with(first, TR_KILL);
}
TEST(gen_server_start, a_taken_name_is_refused_before_init) { run(name_taken); }

static void racer(const tr_msg *arg)
{
    tr_pid pid, main = *(const tr_pid *)tr_expect(arg, sizeof main);
    int status = tr_start(&(tr_child){ .name = "prize", .server = &plain }, &pid);
    tr_send(main, 1, &status, sizeof status);
}

static void race(void)
{
    enum { RACERS = 50 };
    tr_pid self = tr_self();
    int won = 0, lost = 0;
    for (int i = 0; i < RACERS; i++)
        tr_spawn(racer, &self, sizeof self);
    for (int i = 0; i < RACERS; i++) {
        int status = *(const int *)tr_expect(tr_receive(TR_INFINITY), sizeof status);
        won += status == TR_OK;
        lost += status == TR_EALREADY_STARTED;
    }
    RULE("GS-02");
    CHECK_EQ(won, 1);
    CHECK_EQ(lost, RACERS - 1);
    CHECK_STR(happened(), "init");
}
TEST(gen_server_start, of_racing_starters_one_wins) { run(race); }

static void crash_report(void)
{
    tr_pid pid;
    const struct logged *record = NULL;
    int told = FAIL;
    CHECK_EQ(tr_start_server(&plain, &told, sizeof told, &(tr_start_options){ .name = "failing" }, &pid), TR_ESTART);
    RULE("PLIB-08");
    CHECK_EQ(logged("crash", &record), 1);
    CHECK_STR(record->name, "failing");
    CHECK_STR(record->label, "plain");
}
TEST(gen_server_start, an_abnormal_end_is_reported) { run(crash_report); }

static void bad_arguments(void)
{
    static const tr_spawn_options spawn = { .data = &plain };
    tr_pid pid;
    CHECK_EQ(tr_start_server(NULL, NULL, 0, NULL, &pid), TR_EINVAL);
    CHECK_EQ(tr_start_server(&plain, NULL, 0, &(tr_start_options){ .spawn = &spawn }, &pid), TR_EINVAL);
    CHECK_EQ(tr_start_link(NULL, &pid), TR_EINVAL);
    CHECK_EQ(tr_start(&(tr_child){ .id = "nothing" }, &pid), TR_ESPEC);
}
TEST(gen_server_start, misuse_is_told) { run(bad_arguments); }
