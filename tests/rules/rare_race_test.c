/* rare_race_test.c: what seldom meets: full mailboxes that forget, late timeouts, names that are taken away from who
 * ends, answers through aliases against the ends of all who are concerned, timers that several start for one. */
#include "support.h"

/* ---- plain messages and casts go; calls, and what was not counted, stay */

struct seen {
    int words[8], count, timers, calls;
};
static int slow_handle(void *state, const tr_msg *message)
{
    struct seen *seen = state;
    if (tr_tag(message) == GO) {
        tr_send(tr_sender(message), READY, NULL, 0);
        await_tag(LAST); /* blocked: the mailbox fills up */
        return TR_OK;
    }
    seen->timers += tr_tag(message) == ANSWER;
    seen->calls += tr_kind_of(message) == TR_KIND_CALL;
    if (tr_kind_of(message) == TR_KIND_CALL)
        return tr_reply(tr_from_of(message), NULL, 0);
    if (tr_tag(message) == WORD)
        seen->words[seen->count++] = *(const int *)tr_expect(message, sizeof(int));
    return TR_OK;
}
static const tr_actor slow = { .label = "slow", .state_size = sizeof(struct seen), .handle = slow_handle };

static void calls_slow(const tr_msg *arg)
{
    CHECK_EQ(tr_call(*(const tr_pid *)tr_expect(arg, sizeof(tr_pid)), QUESTION, NULL, 0, NULL, 0, TR_INFINITY), TR_OK);
}

static void forgotten(size_t messages, size_t bytes)
{
    struct seen seen;
    tr_ref caller;
    tr_timer timer;
    tr_pid pid = tr_spawn_actor(&slow, NULL, 0,
                                &(tr_spawn_options){ .mailbox_messages = messages,
                                                     .mailbox_bytes = bytes,
                                                     .overflow = TR_OVERFLOW_DROP_OLDEST });
    tr_send(pid, GO, NULL, 0);
    await_tag(READY); /* GO itself is none of those that wait */
    CHECK_EQ(tr_start_timer(0, tr_self(), NULL, 0, &timer), TR_OK);
    CHECK_EQ(tr_send_after(0, pid, ANSWER, NULL, 0, NULL), TR_OK); /* takes no room */
    await_tag(TR_MSG_TIMEOUT);
    tr_sleep(1);
    tr_spawn_monitor(calls_slow, &pid, sizeof pid, &caller);
    while (queue_len(pid) < 2)
        tr_yield();
    for (int i = 0; i < 6; i++)
        CHECK_EQ(tr_send(pid, WORD, &i, sizeof i), TR_OK);
    CHECK_EQ(tr_send(pid, LAST, NULL, 0), TR_OK);
    CHECK_EQ(await_down(caller).why, TR_WHY_NORMAL);
    CHECK_EQ(tr_get_state(pid, &seen, sizeof seen, TR_INFINITY), TR_OK);
    CHECK_EQ(seen.timers, 1);
    CHECK_EQ(seen.calls, 1);
    CHECK(seen.count < 6 && seen.count > 0);
    for (int i = 0; i < seen.count; i++)
        CHECK_EQ(seen.words[i], 6 - seen.count + i); /* the youngest, in order */
    end_with(pid, TR_KILL);
}
static void by_count(void) { forgotten(4, 0); }
static void by_bytes(void) { forgotten(0, 3 * sizeof(int)); }
TEST(rare_race, the_oldest_words_are_forgotten_calls_and_timers_never)
{
    run(by_count);
    run(by_bytes);
}

/* ---- a timer that fires while its wait is over, a name that is taken away while its holder ends */

static int quick_waits(void *state, const tr_msg *message)
{
    int *handled = state;
    (void)tr_receive_match(&(tr_match){ .tag = ANSWER }, 1); /* its timeout may come too late for it */
    *handled += tr_tag(message) == WORD;
    return tr_idle(1);
}
static const tr_actor quick = { .label = "quick", .state_size = sizeof(int), .handle = quick_waits };
static void late_timeouts(void)
{
    int handled;
    tr_pid pid = tr_spawn_actor(&quick, NULL, 0, NULL);
    for (int i = 0; i < RACES / 50; i++) {
        tr_send(pid, WORD, NULL, 0);
        tr_sleep(1);
        dawdle();
        tr_send(pid, ANSWER, NULL, 0);
    }
    CHECK_EQ(tr_get_state(pid, &handled, sizeof handled, TR_INFINITY), TR_OK);
    CHECK_EQ(handled, RACES / 50);
    end_with(pid, TR_KILL);
}
TEST(rare_race, timeouts_that_come_too_late_harm_nobody) { race(late_timeouts); }

static void takes_away(const tr_msg *arg)
{
    (void)arg;
    dawdle();
    int status = tr_unregister("contested");
    CHECK(status == TR_OK || status == TR_ENOPROC);
}
static void ends_slowly(const tr_msg *arg)
{
    (void)arg;
    dawdle();
}
static void contested_names(void)
{
    for (int i = 0; i < RACES / 5; i++) {
        tr_ref holder, takers[2];
        tr_pid pid = tr_spawn_monitor(ends_slowly, NULL, 0, &holder);
        int status = tr_register("contested", pid);
        CHECK(status == TR_OK || status == TR_ENOPROC);
        for (int j = 0; j < 2; j++)
            tr_spawn_monitor(takes_away, NULL, 0, &takers[j]);
        CHECK_EQ(await_down(holder).why, TR_WHY_NORMAL);
        for (int j = 0; j < 2; j++)
            CHECK_EQ(await_down(takers[j]).why, TR_WHY_NORMAL);
        RULE("REG-03");
        CHECK(tr_nobody(tr_whereis("contested")));
    }
}
TEST(rare_race, a_name_is_gone_whoever_took_it) { race(contested_names); }

/* Whoever takes the name away, it is free when the end of its holder is known. */
static void freed_names(void)
{
    for (int i = 0; i < RACES / 5; i++) {
        tr_ref taker;
        tr_pid pid = tr_spawn(waiter, NULL, 0);
        CHECK_EQ(tr_register("contested", pid), TR_OK);
        tr_spawn_monitor(takes_away, NULL, 0, &taker);
        CHECK_EQ(end_with(pid, TR_KILL).why, TR_WHY_KILLED);
        RULE("EXIT-06");
        CHECK(tr_nobody(tr_whereis("contested")));
        CHECK_EQ(await_down(taker).why, TR_WHY_NORMAL);
    }
}
TEST(rare_race, a_name_is_free_at_the_down_though_another_takes_it_away) { race(freed_names); }

/* ---- answers through an alias: one response for each request, whatever happens at the same time */

static void answers(const tr_msg *arg)
{
    const tr_from *from = tr_expect(arg, sizeof *from);
    dawdle();
    tr_reply(*from, "yes", 4);
}
/* Has another process answer, and ends at the same time. */
static int hand_over(void *state, const tr_msg *message)
{
    (void)state;
    tr_from from = tr_from_of(message);
    if (tr_kind_of(message) != TR_KIND_CALL)
        return TR_OK;
    tr_spawn(answers, &from, sizeof from);
    tr_spawn(answers, &from, sizeof from); /* and another: only one of them is heard */
    dawdle();
    return tr_stop(because(5));
}
static const tr_actor hands_over = { .label = "hands over", .handle = hand_over };

static void one_response(void)
{
    for (int i = 0; i < RACES / 5; i++) {
        tr_msg *reply;
        tr_pid pid = tr_spawn_actor(&hands_over, NULL, 0, NULL);
        tr_ref request = tr_send_request(pid, QUESTION, NULL, 0);
        if (i % 3 == 0) { /* it does not want it any more */
            dawdle();
            tr_demonitor(request, true);
            RULE("ALIAS-02");
            CHECK(tr_receive_match(&(tr_match){ .tag = TR_MSG_DOWN, .ref = request }, 0) == NULL);
            bool answered = tr_receive_match(&(tr_match){ .ref = request }, 0) != NULL;
            tr_sleep(0);
            CHECK(tr_receive_match(&(tr_match){ .ref = request }, 0) == NULL || !answered);
            continue;
        }
        int status = tr_wait_response(request, TR_INFINITY, &reply);
        CHECK(status == TR_OK || (status == TR_EDOWN && tr_last_reason()->code == 5));
        if (status == TR_OK)
            tr_drop(reply);
        tr_sleep(0);
        CHECK(tr_receive_match(&(tr_match){ .ref = request }, 0) == NULL);
    }
}
TEST(rare_race, a_request_has_one_response_whoever_ends_meanwhile) { race(one_response); }

/* The requester itself ends while it is answered. */
static void asks_and_ends(const tr_msg *arg)
{
    tr_pid pid = tr_spawn_actor(&hands_over, NULL, 0, NULL);
    (void)arg;
    for (int i = 0; i < 3; i++)
        tr_send_request(pid, QUESTION, NULL, 0);
    dawdle();
}
static void nobody_hears(void)
{
    for (int i = 0; i < RACES / 5; i++) {
        tr_ref monitor;
        tr_spawn_monitor(asks_and_ends, NULL, 0, &monitor);
        CHECK_EQ(await_down(monitor).why, TR_WHY_NORMAL);
    }
}
TEST(rare_race, answers_to_requesters_that_end_are_lost) { race(nobody_hears); }

/* ---- timers for one process, started by several at once, wherever they run */

enum { STARTERS = 3, SOON_MS = 10, STARTS = HARNESS_SIMULATED ? 9 : 300 };

struct number {
    int starter, round;
};

struct starting {
    tr_pid to;
    int starter;
};

static void starts_timers(const tr_msg *arg)
{
    const struct starting *starting = tr_expect(arg, sizeof *starting);
    int cancelled = 0;
    for (int i = 0; i < STARTS; i++) {
        struct number number = { starting->starter, i };
        tr_timer timer;
        CHECK_EQ(tr_send_after(1, starting->to, WORD, &number, sizeof number, i % 3 == 0 ? NULL : &timer), TR_OK);
        dawdle();
        if (i % 3 != 0 && chance(4) != 0) /* so that it often has none */
            cancelled += tr_timer_cancel(timer) >= 0;
        if (chance(4) == 0)
            tr_sleep(1);
    }
    tr_send(starting->to, LAST, &cancelled, sizeof cancelled);
}

static void timers_from_everywhere(void)
{
    int latest[STARTERS] = { -1, -1, -1 }, ended = 0, disordered = 0;
    for (int i = 0; i < STARTERS; i++)
        tr_spawn(starts_timers, &(struct starting){ tr_self(), i }, sizeof(struct starting));
    for (int left = STARTERS * STARTS; left > 0 || ended < STARTERS;) {
        const tr_msg *message = tr_receive(20000);
        CHECK(message != NULL);
        if (tr_tag(message) == LAST) {
            left -= *(const int *)tr_expect(message, sizeof(int));
            ended++;
            continue;
        }
        const struct number *number = tr_expect(message, sizeof *number);
        disordered += number->round <= latest[number->starter];
        latest[number->starter] = number->round;
        left--;
    }
    RULE("TMR-08");
    CHECK_EQ(disordered, 0);
    CHECK(mailbox_empty());
}
TEST(rare_race, timers_that_several_start_for_one_all_fire_in_order) { race(timers_from_everywhere); }

static void starts_for_the_dying(const tr_msg *arg)
{
    tr_pid dying = *(const tr_pid *)tr_expect(arg, sizeof dying);
    tr_ref monitor = tr_monitor(dying);
    tr_timer timers[4];
    for (size_t i = 0; i < TR_COUNT(timers); i++) {
        CHECK_EQ(tr_send_after(SOON_MS, dying, WORD, NULL, 0, &timers[i]), TR_OK);
        if (chance(4) != 0)
            tr_timer_cancel(timers[i]); /* so that it often has none */
        dawdle();
    }
    (void)await_down(monitor);
    RULE("TMR-05");
    for (size_t i = 0; i < TR_COUNT(timers); i++)
        CHECK_EQ(tr_timer_read(timers[i]), -1);
}

static void timers_for_the_dying(void)
{
    for (int i = 0; i < RACES / 10; i++) {
        tr_pid dying = tr_spawn(ends_slowly, NULL, 0);
        tr_ref starters[STARTERS];
        for (int j = 0; j < STARTERS; j++)
            tr_spawn_monitor(starts_for_the_dying, &dying, sizeof dying, &starters[j]);
        for (int j = 0; j < STARTERS; j++)
            CHECK_EQ(await_down(starters[j]).why, TR_WHY_NORMAL);
    }
    tr_sleep(2 * SOON_MS); /* nothing of them is left that would fire */
}
TEST(rare_race, timers_for_who_ends_are_gone_with_it_whoever_starts_them) { race(timers_for_the_dying); }
