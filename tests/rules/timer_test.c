/* timer_test.c: timers: TMR. */
#include "support.h"

enum { FAR_MS = 3600000 };
#define MS INT64_C(1000000)

static void delivers(void);
TEST(timer, delivers_its_message_and_is_never_early) { run(delivers); }
static void delivers(void)
{
    tr_timer first, second;
    for (int64_t ms = 0; ms < 15; ms++) {
        int64_t start = tr_now_ns();
        CHECK_EQ(tr_send_after(ms, tr_self(), WORD, &ms, sizeof ms, NULL), TR_OK);
        int64_t body = RECEIVE(int64_t, WORD);
        RULE("TMR-01");
        CHECK(tr_now_ns() - start >= ms * MS);
        CHECK_EQ(body, ms);
    }
    CHECK_EQ(tr_start_timer(1, tr_self(), "x", 1, &first), TR_OK);
    CHECK_EQ(tr_start_timer(1, tr_self(), "y", 1, &second), TR_OK);
    const tr_msg *message = tr_receive_match(&(tr_match){ .ref = { 0, first.id }, .tag = TR_MSG_TIMEOUT }, TR_INFINITY);
    RULE("TMR-01");
    CHECK_EQ(tr_tag(message), TR_MSG_TIMEOUT);
    CHECK(first.id != second.id);
}

static void names_itself(void);
TEST(timer, timeout_message_names_its_timer) { run(names_itself); }
static void names_itself(void)
{
    tr_timer timer;
    CHECK_EQ(tr_start_timer(3, tr_self(), "body", 4, &timer), TR_OK);
    const tr_msg *message = tr_receive(TR_INFINITY);
    RULE("TMR-01");
    CHECK_EQ(tr_tag(message), TR_MSG_TIMEOUT);
    CHECK_EQ(tr_ref_of(message).serial, timer.id);
    CHECK(tr_size(message) == 4 && memcmp(tr_body(message), "body", 4) == 0);
}

static void bad_arguments(void);
TEST(timer, refuses_bad_arguments) { run(bad_arguments); }
static void bad_arguments(void)
{
    tr_timer timer;
    RULE("TMR-01");
    CHECK_EQ(tr_send_after(-1, tr_self(), WORD, NULL, 0, &timer), TR_EINVAL);
    CHECK_EQ(tr_send_after(1, tr_self(), 0, NULL, 0, &timer), TR_EINVAL);
    CHECK_EQ(tr_start_timer(-5, tr_self(), NULL, 0, &timer), TR_EINVAL);
    CHECK_EQ(tr_send_interval(0, tr_self(), WORD, NULL, 0, &timer), TR_EINVAL);
    CHECK_EQ(tr_send_after(FAR_MS, tr_self(), WORD, NULL, 0, &timer), TR_OK);
    CHECK(tr_timer_cancel(timer) > FAR_MS - 60000);
    CHECK_EQ(tr_send_after(INT64_MAX, tr_self(), WORD, NULL, 0, &timer) == TR_OK ? tr_timer_cancel(timer) >= 0 : 1, 1);
}

static void cancel(void);
TEST(timer, cancel_gives_what_is_left_or_minus_one) { run(cancel); }
static void cancel(void)
{
    tr_timer timer;
    CHECK_EQ(tr_send_after(FAR_MS, tr_self(), WORD, NULL, 0, &timer), TR_OK);
    int64_t left = tr_timer_cancel(timer);
    RULE("TMR-02");
    CHECK(left > FAR_MS - 60000 && left <= FAR_MS + 10);
    CHECK_EQ(tr_timer_cancel(timer), -1); /* cancelled already */
    CHECK_EQ(tr_timer_cancel((tr_timer){ 0 }), -1);
    CHECK_EQ(tr_timer_cancel((tr_timer){ UINT64_MAX }), -1);
    CHECK_EQ(tr_send_after(0, tr_self(), WORD, NULL, 0, &timer), TR_OK);
    await_tag(WORD);
    RULE("TMR-02");
    CHECK_EQ(tr_timer_cancel(timer), -1); /* fired */
}

static void cancel_races(void);
TEST(timer, is_delivered_or_cancelled_exactly_once) { race(cancel_races); }
static void cancel_races(void)
{
    enum { TIMERS = 64 };
    int wrong = 0, cancelled = 0;
    for (int round = 0; round < 60; round++) {
        tr_timer timers[TIMERS];
        int expected = 0, came = 0;
        for (int i = 0; i < TIMERS; i++)
            CHECK_EQ(tr_send_after(chance(4), tr_self(), WORD, NULL, 0, &timers[i]), TR_OK);
        int64_t until = tr_now_ns() + chance(4000) * INT64_C(1000);
        while (tr_now_ns() < until)
            tr_yield();
        for (int i = 0; i < TIMERS; i++)
            expected += tr_timer_cancel(timers[i]) < 0;
        cancelled += TIMERS - expected;
        while (came < expected && tr_receive_match(&(tr_match){ .tag = WORD }, 10000) != NULL)
            came++;
        wrong += came != expected || tr_receive(round % 10 == 0 ? 6 : 0) != NULL;
    }
    RULE("TMR-02");
    CHECK_EQ(wrong, 0);
    CHECK(cancelled <= 60 * TIMERS);
}

static void read_left(void);
TEST(timer, read_tells_what_is_left) { run(read_left); }
static void read_left(void)
{
    tr_timer timer;
    CHECK_EQ(tr_send_after(FAR_MS, tr_self(), WORD, NULL, 0, &timer), TR_OK);
    RULE("TMR-03");
    CHECK(tr_timer_read(timer) > FAR_MS - 60000);
    tr_timer_cancel(timer);
    CHECK_EQ(tr_timer_read(timer), -1);
    CHECK_EQ(tr_timer_read((tr_timer){ 0 }), -1);
}

static void canceller(const tr_msg *arg)
{
    int64_t left = tr_timer_cancel(*(const tr_timer *)tr_expect(arg, sizeof(tr_timer)));
    tr_send(tr_name("starter"), ANSWER, &left, sizeof left);
}

static void anybody(void);
TEST(timer, anybody_may_cancel_it) { run(anybody); }
static void anybody(void)
{
    tr_timer timer;
    CHECK_EQ(tr_register("starter", tr_self()), TR_OK);
    CHECK_EQ(tr_send_after(FAR_MS, tr_self(), WORD, NULL, 0, &timer), TR_OK);
    tr_spawn(canceller, &timer, sizeof timer);
    RULE("TMR-04");
    CHECK(RECEIVE(int64_t, ANSWER) > 0);
    CHECK_EQ(tr_timer_read(timer), -1);
}

static void asynchronous(void);
TEST(timer, asynchronous_cancel_sends_the_result) { run(asynchronous); }
static void asynchronous(void)
{
    tr_timer timer;
    CHECK_EQ(tr_send_after(FAR_MS, tr_self(), WORD, NULL, 0, &timer), TR_OK);
    RULE("TMR-04");
    CHECK_EQ(tr_timer_cancel_async(timer), TR_OK);
    CHECK(RECEIVE(int64_t, TR_MSG_TIMER) > 0);
    CHECK_EQ(tr_timer_cancel_async(timer), TR_OK);
    CHECK_EQ(RECEIVE(int64_t, TR_MSG_TIMER), -1);
}

static void dead_destination(void);
TEST(timer, goes_with_its_destination) { run(dead_destination); }
static void dead_destination(void)
{
    tr_timer timer;
    tr_pid pid = tr_spawn(waiter, NULL, 0);
    CHECK_EQ(tr_send_after(FAR_MS, pid, WORD, NULL, 0, &timer), TR_OK);
    RULE("TMR-05");
    CHECK(tr_timer_read(timer) > 0);
    end_with(pid, TR_KILL);
    CHECK_EQ(tr_timer_read(timer), -1);
    CHECK_EQ(tr_timer_cancel(timer), -1);
    CHECK_EQ(tr_send_after(FAR_MS, pid, WORD, NULL, 0, &timer), TR_OK); /* dead already */
    CHECK_EQ(tr_timer_cancel(timer), -1);
}

/* Starts a timer for a name, which passes to the caller before it can have fired; false: perhaps only after that. */
static bool name_passed_in_time(int64_t ms)
{
    tr_pid before = tr_spawn(waiter, NULL, 0);
    CHECK_EQ(tr_register("later", before), TR_OK);
    int64_t start = tr_now_ns();
    CHECK_EQ(tr_send_after(ms, tr_name("later"), WORD, &ms, sizeof ms, NULL), TR_OK);
    end_with(before, TR_KILL); /* does not take it with it */
    CHECK_EQ(tr_register("later", tr_self()), TR_OK);
    return tr_now_ns() - start < ms * MS;
}

static void named_destination(void);
TEST(timer, name_is_resolved_when_it_fires) { run(named_destination); }
static void named_destination(void)
{
    tr_timer timer;
    int64_t ms = 30, came = 0;
    for (; !name_passed_in_time(ms); ms *= 2)
        CHECK_EQ(tr_unregister("later"), TR_OK);
    while (came != ms) { /* those that were tried before may come, too; they are due earlier */
        const tr_msg *message = tr_receive(60000);
        RULE("TMR-06");
        CHECK(message != NULL && tr_tag(message) == WORD);
        came = *(const int64_t *)tr_expect(message, sizeof came);
    }
    CHECK_EQ(tr_unregister("later"), TR_OK);
    CHECK_EQ(tr_send_after(0, tr_name("later"), WORD, NULL, 0, &timer), TR_OK);
    while (tr_timer_read(timer) >= 0) /* until it has fired: the name's wheel may be late */
        tr_sleep(1);
    CHECK(tr_receive(5) == NULL); /* unregistered then: dropped */
    CHECK_EQ(tr_timer_cancel(timer), -1);
}

/* Nobody can name these: they lie in their message's block. */
static void without_id(void);
TEST(timer, without_an_id_delivers_any_body_and_goes_with_its_destination) { run(without_id); }
static void without_id(void)
{
    static const size_t sizes[] = { 0, 1, 7, 8, 15, 16, 31, 32, 200, 4095, 4096, 4097, 100000 };
    static char bytes[100000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i % 251);
    tr_pid dead = tr_spawn(waiter, NULL, 0), dying = tr_spawn(waiter, NULL, 0);
    end_with(dead, TR_KILL);
    for (size_t i = 0; i < TR_COUNT(sizes); i++) {
        CHECK_EQ(tr_send_after(20, dying, WORD, bytes, sizes[i], NULL), TR_OK);
        CHECK_EQ(tr_send_after(0, dead, WORD, bytes, sizes[i], NULL), TR_OK);
        CHECK_EQ(tr_send_after(0, tr_name("nobody"), WORD, bytes, sizes[i], NULL), TR_OK);
        CHECK_EQ(tr_send_after((int64_t)i, tr_self(), WORD, bytes, sizes[i], NULL), TR_OK);
    }
    end_with(dying, TR_KILL);
    for (size_t i = 0; i < TR_COUNT(sizes); i++) {
        const tr_msg *message = tr_receive(TR_INFINITY);
        RULE("TMR-01");
        CHECK_EQ(tr_size(message), sizes[i]);
        CHECK(memcmp(tr_body(message), bytes, sizes[i]) == 0 && ((const char *)tr_body(message))[sizes[i]] == 0);
        CHECK(tr_ref_of(message).serial == 0 && tr_kind_of(message) == TR_KIND_INFO);
    }
    RULE("TMR-05");
    CHECK(tr_receive(25) == NULL);
    CHECK_EQ(tr_send_after(-1, tr_self(), WORD, NULL, 0, NULL), TR_EINVAL);
    CHECK_EQ(tr_send_after(1, tr_self(), 0, NULL, 0, NULL), TR_EINVAL);
}

static void starter(const tr_msg *arg)
{
    tr_timer timer;
    CHECK_EQ(tr_send_after(10, *(const tr_pid *)tr_body(arg), WORD, "kept", 4, &timer), TR_OK);
}

static void creators_death(void);
TEST(timer, outlives_its_creator) { run(creators_death); }
static void creators_death(void)
{
    tr_pid self = tr_self();
    tr_ref monitor;
    tr_spawn_monitor(starter, &self, sizeof self, &monitor);
    await_down(monitor);
    const tr_msg *message = tr_receive(10000);
    RULE("TMR-07");
    CHECK(message != NULL && tr_tag(message) == WORD);
}

static void deadline_order(void);
TEST(timer, those_for_one_receiver_come_in_the_order_of_deadlines) { run(deadline_order); }

enum { DEADLINES = 500 };

/* Around the call that starts a timer: its deadline is between the two times, plus ms. */
struct deadline {
    int64_t ms, before_ns, after_ns;
};

/* None that comes has a deadline before that of one which came earlier, as far as the times say. None has to be
 * excused, however slowly they are started: who was started when another had fired has a later deadline than that.
 * Returns how many came after one that was started behind them. */
static int in_order(void)
{
    static struct deadline all[DEADLINES];
    int64_t latest_ns = 0;
    int overtaken = 0, newest = -1;
    for (int i = 0; i < DEADLINES; i++) {
        all[i] = (struct deadline){ .ms = chance(60), .before_ns = tr_now_ns() };
        CHECK_EQ(tr_send_after(all[i].ms, tr_self(), WORD, &i, sizeof i, NULL), TR_OK);
        all[i].after_ns = tr_now_ns();
    }
    for (int received = 0; received < DEADLINES; received++) {
        int i = RECEIVE(int, WORD);
        int64_t earliest_ns = all[i].before_ns + all[i].ms * MS;
        RULE("TMR-08");
        CHECK(all[i].after_ns + all[i].ms * MS >= latest_ns);
        latest_ns = earliest_ns > latest_ns ? earliest_ns : latest_ns;
        overtaken += i < newest;
        newest = i > newest ? i : newest;
    }
    return overtaken;
}

static void deadline_order(void)
{
    while (in_order() == 0) /* on a very slow machine each may have fired before the next was started */
        ;
}

static void zero(void);
TEST(timer, zero_is_still_asynchronous) { run_on(1, zero); }
static void zero(void)
{
    int overtaken = 0;
    for (int i = 0; i < 100; i++) {
        tr_timer timer;
        CHECK_EQ(tr_send_after(0, tr_self(), WORD, NULL, 0, i % 2 == 0 ? NULL : &timer), TR_OK);
        CHECK_EQ(tr_send(tr_self(), GO, NULL, 0), TR_OK);
        overtaken += tr_tag(tr_receive(TR_INFINITY)) == GO;
        tr_receive(TR_INFINITY);
    }
    /* the worker runs this process: only the watchdog, which ticks once a millisecond, can have fired one in between */
    RULE("TMR-09");
    CHECK(overtaken > 50);
}

static void zero_comes(void);
TEST(timer, zero_comes_once) { run(zero_comes); }
static void zero_comes(void)
{
    int there = 0;
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(tr_send_after(0, tr_self(), WORD, NULL, 0, NULL), TR_OK);
        there += tr_receive(0) != NULL;
    }
    for (int i = there; i < 100; i++)
        await_tag(WORD);
    RULE("TMR-09"); /* through the timer alone: not also at once */
    CHECK(tr_receive(0) == NULL);
}

static void restart(void);
TEST(timer, restart_idiom_leaves_no_stale_timeout) { run(restart); }
static void restart(void)
{
    tr_timer timer;
    int stale = 0;
    CHECK_EQ(tr_start_timer(0, tr_self(), NULL, 0, &timer), TR_OK);
    for (int i = 0; i < 300; i++) {
        if (chance(2) == 0)
            tr_yield();
        if (tr_timer_cancel(timer) < 0)
            tr_receive_match(&(tr_match){ .tag = TR_MSG_TIMEOUT, .ref = { 0, timer.id } }, TR_INFINITY);
        stale += tr_receive(0) != NULL;
        CHECK_EQ(tr_start_timer(chance(2), tr_self(), NULL, 0, &timer), TR_OK);
    }
    RULE("TMR-10");
    CHECK_EQ(stale, 0);
}

static void exit_after(void);
TEST(timer, exit_after_and_intervals_are_services_on_top) { run(exit_after); }
static void exit_after(void)
{
    tr_timer timer;
    tr_pid pid = tr_spawn(waiter, NULL, 0);
    tr_ref monitor = tr_monitor(pid);
    CHECK_EQ(tr_exit_after(5, pid, because(4), &timer), TR_OK);
    RULE("TMR-11");
    CHECK_EQ(await_down(monitor).code, 4);
    int64_t start = tr_now_ns();
    CHECK_EQ(tr_send_interval(5, tr_self(), WORD, "tick", 4, &timer), TR_OK);
    for (int i = 1; i <= 6; i++) {
        await_tag(WORD);
        CHECK(tr_now_ns() - start >= i * 5 * MS); /* a fixed rate from the start */
    }
    CHECK(tr_timer_cancel(timer) >= 0);
    while (tr_receive(0) != NULL)
        ;
    CHECK(tr_receive(12) == NULL);
}

static void ends_itself(const tr_msg *unused)
{
    (void)unused;
    CHECK_EQ(tr_exit_after(1, tr_self(), TR_NORMAL, NULL), TR_OK);
    tr_receive(TR_INFINITY);
}

static void who_sends(void);
TEST(timer, exit_after_sends_in_the_name_of_who_asked) { run(who_sends); }
static void who_sends(void)
{
    tr_ref monitor;
    tr_spawn_monitor(ends_itself, NULL, 0, &monitor);
    RULE("EXIT-01"); /* normal to oneself ends the process; from another it is dropped */
    CHECK_EQ(await_down(monitor).why, TR_WHY_NORMAL);
    tr_pid pid = tr_spawn_monitor(waiter, NULL, 0, &monitor);
    CHECK_EQ(tr_exit_after(0, pid, TR_NORMAL, NULL), TR_OK);
    CHECK_EQ(tr_exit_after(1, pid, because(4), NULL), TR_OK);
    CHECK_EQ(await_down(monitor).code, 4);
}

static void interval_ends(void);
TEST(timer, interval_ends_with_its_destination) { run(interval_ends); }
static void interval_ends(void)
{
    tr_timer timer;
    tr_pid pid = tr_spawn(waiter, NULL, 0);
    CHECK_EQ(tr_send_interval(1, pid, WORD, NULL, 0, &timer), TR_OK);
    tr_sleep(5);
    end_with(pid, TR_KILL);
    RULE("TMR-11");
    CHECK_EQ(tr_timer_read(timer), -1);
    CHECK_EQ(tr_timer_cancel(timer), -1);
}

static void sleeps(void);
TEST(timer, sleep_is_never_early) { run(sleeps); }
static void sleeps(void)
{
    for (int64_t ms = 0; ms < 10; ms++) {
        int64_t start = tr_now_ns();
        tr_sleep(ms);
        RULE("TMR-01");
        CHECK(tr_now_ns() - start >= ms * MS);
    }
}
