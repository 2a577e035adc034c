/* supervisor_restart_test.c: who is restarted, how often, and what happens when that fails: SUP-11 to SUP-19, back-off.
 */
#include "behaviour.h"

static tr_pid start_one(tr_restart restart, int intensity)
{
    tr_child child = { AS(simple, "x"), .restart = restart };
    tr_pid supervisor = start_supervisor(
        &(tr_supervisor){ .intensity = intensity, .children = &child, .child_count = 1 });
    CHECK_STR(happened(), "+x");
    return supervisor;
}

/* ---- SUP-11: each cell of its table */

enum after { BACK, KEPT, DROPPED };

static enum after after_end(tr_restart restart, tr_reason reason)
{
    tr_pid supervisor = start_one(restart, 1);
    tr_child_counts counts;
    if (reason.why == TR_WHY_NORMAL)
        end_by(tr_whereis("x"), STOP_NORMAL);
    else
        end_with(tr_whereis("x"), reason);
    settle(supervisor);
    happened();
    CHECK_EQ(tr_count_children(supervisor, &counts), TR_OK);
    shut(supervisor);
    if (counts.specs == 0)
        return DROPPED;
    return counts.active == 1 ? BACK : KEPT;
}

static void decisions(void)
{
    const tr_reason reasons[] = { TR_NORMAL,
                                  TR_SHUTDOWN,
                                  tr_because(TR_WHY_SHUTDOWN, 1, "detail"),
                                  TR_KILL,
                                  tr_because(TR_WHY_NOPROC, 0, NULL),
                                  tr_because(TR_WHY_USER, 1, "bad") };
    static const enum after expected[3][6] = {
        [TR_PERMANENT] = { BACK, BACK, BACK, BACK, BACK, BACK },
        [TR_TRANSIENT] = { KEPT, KEPT, KEPT, BACK, BACK, BACK },
        [TR_TEMPORARY] = { DROPPED, DROPPED, DROPPED, DROPPED, DROPPED, DROPPED },
    };
    for (int restart = TR_PERMANENT; restart <= TR_TEMPORARY; restart++)
        for (size_t i = 0; i < TR_COUNT(reasons); i++) {
            RULE("SUP-11");
            CHECK_EQ(after_end((tr_restart)restart, reasons[i]), expected[restart][i]);
        }
}
TEST(supervisor_restart, restart_type_and_reason_decide) { run(decisions); }

static void uncounted(void)
{
    static const tr_child children[] = { { AS(trapper, "a") },
                                         { AS(simple, "t"), .restart = TR_TRANSIENT },
                                         { AS(simple, "u"), .restart = TR_TEMPORARY } };
    tr_pid pid, supervisor = start_supervisor(&(tr_supervisor){
                    .strategy = TR_ONE_FOR_ALL, .intensity = TR_ZERO, .children = children, .child_count = 3 });
    for (int i = 0; i < 5; i++) {
        happened();
        end_by(tr_whereis("t"), STOP_SHUTDOWN);
        RULE("SUP-12"); /* neither counted nor felt by siblings */
        CHECK_EQ(tr_restart_child(supervisor, "t", &pid), TR_OK);
        CHECK_STR(happened(), "-t +t");
    }
    end_with(tr_whereis("u"), TR_KILL);
    settle(supervisor);
    CHECK(tr_is_alive(supervisor));
    shut(supervisor);
}
TEST(supervisor_restart, ends_without_a_restart_are_not_counted) { run(uncounted); }

static void stranger(const tr_msg *arg)
{
    tr_must(tr_link(*(const tr_pid *)tr_expect(arg, sizeof(tr_pid))));
    tr_exit(tr_because(TR_WHY_USER, 1, "stranger"));
}

static void strangers(void)
{
    tr_pid supervisor = start_one(TR_PERMANENT, 1), x = tr_whereis("x");
    tr_ref monitor;
    tr_spawn_monitor(stranger, &supervisor, sizeof supervisor, &monitor);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, NULL), TR_OK);
    settle(supervisor);
    RULE("SUP-13");
    CHECK(tr_same(x, tr_whereis("x")));
    CHECK_STR(happened(), "");
    shut(supervisor);
}
TEST(supervisor_restart, the_exit_of_a_stranger_is_ignored) { run(strangers); }

/* ---- intensity */

static void kill_x(tr_pid supervisor, int times)
{
    for (int i = 0; i < times; i++) {
        end_with(tr_whereis("x"), TR_KILL);
        settle(supervisor);
    }
}

static void intensity(int allowed)
{
    tr_pid supervisor = start_one(TR_PERMANENT, allowed == 0 ? TR_ZERO : allowed);
    kill_x(supervisor, allowed);
    CHECK(!tr_nobody(tr_whereis("x")));
    end_with(tr_whereis("x"), TR_KILL);
    tr_reason reason = await_exit(supervisor);
    CHECK(tr_reason_same(&reason, &TR_SHUTDOWN));
    happened();
}

static void intensities(void)
{
    RULE("SUP-14"); /* so many are allowed, the next one is fatal; 0: the first */
    intensity(0);
    intensity(1);
    intensity(7);
}
TEST(supervisor_restart, one_restart_more_than_the_intensity_is_fatal) { run(intensities); }

/* Whether the supervisor, which has dealt with all that was done before, has ended of it. */
static bool gave_up(tr_pid supervisor)
{
    tr_child_info *list;
    size_t count;
    if (tr_which_children(supervisor, &list, &count) != TR_OK)
        return true;
    tr_free(list);
    return false;
}

static void window(void)
{
    tr_child child = { AS(simple, "x") };
    tr_pid supervisor = start_supervisor(
        &(tr_supervisor){ .intensity = 2, .period_s = 1, .children = &child, .child_count = 1 });
    for (int i = 0; i < 2; i++) {
        kill_x(supervisor, 2);
        tr_sleep(2050); /* period + 1 s: those surely don't count any more */
    }
    kill_x(supervisor, 2);
    RULE("SUP-14");
    CHECK(tr_is_alive(supervisor));
    do /* the third within the period, unless these take longer than that */
        end_with(tr_whereis("x"), TR_KILL);
    while (!gave_up(supervisor));
    await_exit(supervisor);
}
TEST(supervisor_restart, restarts_older_than_the_period_do_not_count) { run_with((tr_config){ .workers = 2 }, window); }

/* False: it took longer than the period, so that it is not certain what counts. */
static bool second_counts(void)
{
    enum { PERIOD_S = 5 };
    tr_child child = { AS(simple, "x") };
    tr_pid supervisor = start_supervisor(
        &(tr_supervisor){ .intensity = 1, .period_s = PERIOD_S, .children = &child, .child_count = 1 });
    int64_t begin = tr_now_ns();
    kill_x(supervisor, 1);
    tr_sleep(1500); /* not more than the period: it surely counts */
    end_with(tr_whereis("x"), TR_KILL);
    bool gone = gave_up(supervisor), certain = tr_now_ns() - begin < PERIOD_S * INT64_C(1000000000);
    RULE("SUP-14");
    CHECK(gone || !certain);
    if (!gone)
        shut(supervisor);
    else
        CHECK_EQ(await_exit(supervisor).why, TR_WHY_SHUTDOWN);
    return certain;
}

static void window_counts(void)
{
    while (!second_counts())
        ;
}
TEST(supervisor_restart, restarts_within_the_period_count) { run_with((tr_config){ .workers = 2 }, window_counts); }

static void counted_once(void)
{
    static const tr_child children[] = { { AS(simple, "x") }, { AS(simple, "y") }, { AS(simple, "z") } };
    tr_pid supervisor = start_supervisor(
        &(tr_supervisor){ .strategy = TR_ONE_FOR_ALL, .intensity = 2, .children = children, .child_count = 3 });
    kill_x(supervisor, 1);
    end_with(tr_whereis("z"), TR_KILL);
    settle(supervisor);
    RULE("SUP-15"); /* two, though six children were started; and over all children */
    CHECK(tr_is_alive(supervisor));
    end_with(tr_whereis("y"), TR_KILL);
    CHECK_EQ(await_exit(supervisor).why, TR_WHY_SHUTDOWN);
}
TEST(supervisor_restart, a_restart_counts_once_for_the_whole_supervisor) { run(counted_once); }

static void giving_up(void)
{
    static const tr_child children[] = { { AS(trapper, "a") }, { AS(trapper, "x") }, { AS(trapper, "c") } };
    tr_pid supervisor = start_supervisor(
        &(tr_supervisor){ .intensity = TR_ZERO, .children = children, .child_count = 3 });
    happened();
    end_with(tr_whereis("x"), TR_KILL);
    tr_reason reason = await_exit(supervisor);
    RULE("SUP-16");
    CHECK_STR(happened(), "-c -a");
    CHECK(tr_reason_same(&reason, &TR_SHUTDOWN));
    CHECK_EQ(logged("shutdown", NULL), 1);
    CHECK_EQ(logged("shutdown_error", NULL), 0); /* the failing child counted as gone */
}
TEST(supervisor_restart, giving_up_ends_the_others_in_reverse) { run(giving_up); }

static void escalation(tr_restart restart, bool comes_back)
{
    static const tr_child leaf = { AS(simple, "leaf") };
    static const tr_supervisor inner = { .intensity = TR_ZERO, .children = &leaf, .child_count = 1 };
    const tr_child nested = { .id = "inner", .name = "inner", .supervisor = &inner, .restart = restart };
    tr_pid supervisor = start_supervisor(&(tr_supervisor){ .children = &nested, .child_count = 1 });
    tr_pid before = tr_whereis("inner");
    tr_ref monitor = tr_monitor(before);
    end_with(tr_whereis("leaf"), TR_KILL);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, NULL), TR_OK);
    settle(supervisor);
    CHECK_EQ(!tr_nobody(tr_whereis("leaf")), comes_back);
    CHECK_EQ(!tr_nobody(tr_whereis("inner")), comes_back);
    shut(supervisor);
}

static void escalations(void)
{
    RULE("SUP-17");
    escalation(TR_PERMANENT, true);
    escalation(TR_TRANSIENT, false);
    escalation(TR_TEMPORARY, false);
}
TEST(supervisor_restart, a_supervisor_that_gave_up_is_restarted_if_permanent) { run(escalations); }

/* ---- failing restarts */

static void retries(void)
{
    tr_pid supervisor = start_one(TR_PERMANENT, 4);
    plan_start("x", START_STOP, 100);
    end_with(tr_whereis("x"), TR_KILL);
    tr_reason reason = await_exit(supervisor);
    RULE("SUP-18"); /* exactly as many attempts as the intensity */
    CHECK_STR(happened(), "!x !x !x !x");
    CHECK(tr_reason_same(&reason, &TR_SHUTDOWN));
}
TEST(supervisor_restart, each_attempt_counts) { run(retries); }

static void interleaved(void)
{
    tr_pid supervisor = start_one(TR_PERMANENT, 1000000), pid;
    tr_child_info *list;
    size_t count;
    plan_start("x", START_STOP, 1000000);
    end_with(tr_whereis("x"), TR_KILL);
    CHECK_EQ(tr_which_children(supervisor, &list, &count), TR_OK); /* answered between two attempts */
    RULE("SUP-18");
    CHECK(count == 1 && list[0].restarting && tr_nobody(list[0].pid));
    tr_free(list);
    CHECK_EQ(tr_restart_child(supervisor, "x", &pid), TR_ERESTARTING);
    CHECK_EQ(tr_terminate_child(supervisor, "x"), TR_OK); /* which cancels the retry */
    happened();
    settle(supervisor);
    CHECK_STR(happened(), "");
    plan.times = 0;
    CHECK_EQ(tr_restart_child(supervisor, "x", &pid), TR_OK);
    shut(supervisor);
}
TEST(supervisor_restart, requests_come_between_the_attempts) { run(interleaved); }

static void ignoring(void)
{
    tr_pid supervisor = start_one(TR_PERMANENT, 1), pid;
    tr_child_counts counts;
    plan_start("x", START_IGNORE, 1);
    end_with(tr_whereis("x"), TR_KILL);
    CHECK_EQ(tr_count_children(supervisor, &counts), TR_OK);
    RULE("SUP-19");
    CHECK(counts.specs == 1 && counts.active == 0);
    CHECK_EQ(tr_restart_child(supervisor, "x", &pid), TR_OK); /* the spec was kept */
    shut(supervisor);
}
TEST(supervisor_restart, a_restart_that_is_ignored_is_a_success) { run(ignoring); }

/* ---- back-off: an extension */

enum { LONGEST_MS = 100 }; /* who lives as long starts over */

/* Kills x again and again. False: it may have lived long enough in between, since something was held up. */
static bool waits_grow(tr_pid supervisor)
{
    static const int64_t waits_ms[] = { 0, 40, 80, LONGEST_MS, LONGEST_MS };
    int64_t started = 0; /* not earlier */
    tr_child_info *list;
    size_t count;
    bool certain = true;
    for (size_t i = 0; certain && i < TR_COUNT(waits_ms); i++) {
        int64_t begin = tr_now_ns(), wait_ns = waits_ms[i] * 1000000;
        happened();
        end_with(tr_whereis("x"), TR_KILL);
        CHECK_EQ(tr_which_children(supervisor, &list, &count), TR_OK); /* it has dealt with the end */
        certain = i == 0 || tr_now_ns() - started < LONGEST_MS * INT64_C(1000000);
        CHECK(!certain || wait_ns == 0 || list[0].restarting || tr_now_ns() - begin >= wait_ns);
        tr_free(list);
        await_words("+x");
        CHECK(!certain || tr_now_ns() - begin >= wait_ns);
        started = begin + wait_ns;
    }
    return certain;
}

static void backing_off(void)
{
    tr_child child = { AS(simple, "x") };
    tr_pid supervisor = start_supervisor(&(tr_supervisor){
        .intensity = 1000, .children = &child, .child_count = 1, .backoff_ms = 40, .backoff_max_ms = LONGEST_MS });
    while (!waits_grow(supervisor))
        tr_sleep(LONGEST_MS + 20);
    tr_sleep(LONGEST_MS + 20); /* lives long enough: it starts over */
    end_with(tr_whereis("x"), TR_KILL);
    settle(supervisor);
    CHECK(!tr_nobody(tr_whereis("x")));
    shut(supervisor);
}
TEST(supervisor_restart, back_off_waits_longer_each_time) { run(backing_off); }

static void backing_off_group(void)
{
    static const tr_child children[] = { { AS(simple, "x") }, { AS(trapper, "y") } };
    tr_pid pid, supervisor = start_supervisor(&(tr_supervisor){ .strategy = TR_ONE_FOR_ALL,
                                                                .intensity = 100,
                                                                .children = children,
                                                                .child_count = 2,
                                                                .backoff_ms = 60000 });
    end_with(tr_whereis("x"), TR_KILL);
    settle(supervisor);
    CHECK_STR(happened(), "+x +y -y +x +y");
    plan_start("y", START_STOP, 1);
    end_with(tr_whereis("x"), TR_KILL); /* its second in a row: waits */
    settle(supervisor);
    CHECK_EQ(tr_restart_child(supervisor, "x", &pid), TR_ERESTARTING);
    CHECK_EQ(tr_terminate_child(supervisor, "x"), TR_OK);
    CHECK_EQ(tr_restart_child(supervisor, "x", &pid), TR_OK);
    CHECK_STR(happened(), "+x");
    shut(supervisor);
}
TEST(supervisor_restart, back_off_of_a_group_can_be_cut_short) { run(backing_off_group); }

static void backing_off_failures(void)
{
    static const tr_child child = { AS(simple, "x") };
    tr_pid supervisor = start_supervisor(&(tr_supervisor){
        .intensity = 100, .children = &child, .child_count = 1, .backoff_ms = 20, .backoff_max_ms = 100000 });
    int64_t begin = tr_now_ns();
    happened();
    plan_start("x", START_STOP, 2);
    end_with(tr_whereis("x"), TR_KILL);
    await_words("!x !x +x"); /* at once, after 20 ms, after 40 more */
    CHECK(tr_now_ns() - begin >= 60 * INT64_C(1000000));
    shut(supervisor);
}
TEST(supervisor_restart, back_off_counts_starts_that_fail) { run(backing_off_failures); }

static void backing_off_anew(void)
{
    static const tr_child child = { AS(simple, "x") };
    tr_pid pid,
        supervisor = start_supervisor(&(tr_supervisor){
            .intensity = 100, .children = &child, .child_count = 1, .backoff_ms = 60, .backoff_max_ms = 100000 });
    end_with(tr_whereis("x"), TR_KILL);
    settle(supervisor);
    end_with(tr_whereis("x"), TR_KILL); /* waits for 60 ms, which end meanwhile: */
    CHECK_EQ(tr_terminate_child(supervisor, "x"), TR_OK);
    CHECK_EQ(tr_restart_child(supervisor, "x", &pid), TR_OK);
    happened();
    int64_t begin = tr_now_ns();
    end_with(pid, TR_KILL); /* waits for 120 ms: what is left of the 60 is no business of it */
    await_words("+x");
    CHECK(tr_now_ns() - begin >= 120 * INT64_C(1000000));
    shut(supervisor);
}
TEST(supervisor_restart, a_wait_that_was_cut_short_does_not_shorten_the_next) { run(backing_off_anew); }

static int says_it_ended(void *state, const tr_msg *message)
{
    (void)state, (void)message;
    tr_exit_signal(tr_parent(), tr_because(TR_WHY_USER, 1, NULL));
    tr_exit_signal(tr_parent(), tr_because(TR_WHY_USER, 2, NULL));
    return TR_OK;
}
static const tr_gen_server liar = {
    .label = "liar", .state_size = sizeof(struct who), .init = child_init, .handle_cast = says_it_ended
};

static void two_exits(void)
{
    static const tr_child child = { .server = &liar, .arg = "x", .arg_size = 2 };
    tr_child_info *list;
    size_t count;
    tr_pid supervisor = start_supervisor(&(tr_supervisor){
        .intensity = 2, .children = &child, .child_count = 1, .backoff_ms = 20, .backoff_max_ms = 100000 });
    for (int i = 0; i < 2; i++) { /* in the second round there is a wait after the first EXIT */
        happened();
        CHECK_EQ(tr_which_children(supervisor, &list, &count), TR_OK);
        tr_cast(list[0].pid, 1, NULL, 0);
        tr_free(list);
        await_words("+x");
        settle(supervisor);
    }
    RULE("SUP-13"); /* of four EXITs two were the end of a child that ran: more would be too many */
    CHECK(tr_is_alive(supervisor));
    shut(supervisor);
}
TEST(supervisor_restart, a_second_exit_of_a_child_is_not_its_end) { run(two_exits); }
