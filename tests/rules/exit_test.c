/* exit_test.c: exit signals and the end of a process: EXIT. */
#include "support.h"

#include <stdio.h>

/* ---- EXIT-01: the table. A subject, trapping or not, meets one exit signal and is asked what became of it. */

enum way { BY_OTHER, BY_ITSELF, BY_LINK, BY_FORMER_LINK };

struct subject {
    tr_pid root;
    enum way way;
    tr_reason reason;
    bool traps;
};

struct outcome {
    bool message;
    tr_reason reason; /* of the message, or of its end */
    tr_pid sender;
};

static void subject(const tr_msg *arg)
{
    const struct subject *self = tr_expect(arg, sizeof *self);
    tr_trap_exit(self->traps);
    struct outcome outcome = { .message = false };
    tr_pid peer = tr_self();
    if (self->way == BY_LINK || self->way == BY_FORMER_LINK) {
        peer = tr_spawn_link(ender_on_go, &self->reason, sizeof self->reason);
        if (self->way == BY_FORMER_LINK)
            tr_unlink(peer);
    }
    tr_send(self->root, READY, &peer, sizeof peer);
    if (self->way == BY_ITSELF) {
        tr_exit_signal(tr_self(), self->reason);
        const tr_msg *message = tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT },
                                                 0); /* EXIT-04: it is here, or we are not */
        if (message != NULL)
            outcome = (struct outcome){ true, *tr_reason_of(message), tr_sender(message) };
    }
    await_tag(QUESTION);
    const tr_msg *message = tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT }, 0);
    if (message != NULL)
        outcome = (struct outcome){ true, *tr_reason_of(message), tr_sender(message) };
    tr_send(self->root, ANSWER, &outcome, sizeof outcome);
}

/* How the subject ended, or what it has received. */
static struct outcome meet(enum way way, tr_reason reason, bool traps, bool *died)
{
    struct subject start = { .root = tr_self(), .way = way, .reason = reason, .traps = traps };
    tr_ref monitor;
    tr_pid pid = tr_spawn_monitor(subject, &start, sizeof start, &monitor), peer = RECEIVE(tr_pid, READY);
    if (way == BY_OTHER)
        tr_exit_signal(pid, reason);
    if (way == BY_LINK || way == BY_FORMER_LINK) {
        tr_ref end = tr_monitor(peer);
        go(peer);
        await_down(end);
    }
    tr_send(pid, QUESTION, NULL, 0);
    const tr_msg *message = tr_receive(TR_INFINITY);
    *died = tr_tag(message) == TR_MSG_DOWN;
    if (*died)
        return (struct outcome){ .reason = *tr_reason_of(message) };
    struct outcome outcome = *(const struct outcome *)tr_expect(message, sizeof outcome);
    CHECK_EQ(await_down(monitor).why, TR_WHY_NORMAL);
    CHECK(!outcome.message || way == BY_OTHER ? !outcome.message || tr_same(outcome.sender, tr_self())
                                              : tr_same(outcome.sender, way == BY_ITSELF ? pid : peer));
    return outcome;
}

enum effect { DROPPED, MESSAGE, ENDS };

static void expect(enum way way, tr_reason reason, bool traps, enum effect effect, tr_reason with)
{
    bool died;
    struct outcome outcome = meet(way, reason, traps, &died);
    CHECK_EQ(died, effect == ENDS);
    CHECK_EQ(outcome.message, effect == MESSAGE);
    CHECK(effect == DROPPED || tr_reason_same(&outcome.reason, &with));
}

static void signals_of_others(void);
TEST(exit, effect_of_anothers_exit_signal) { run(signals_of_others); }
static void signals_of_others(void)
{
    RULE("EXIT-01");
    expect(BY_OTHER, TR_NORMAL, false, DROPPED, TR_NORMAL);
    expect(BY_OTHER, TR_NORMAL, true, MESSAGE, TR_NORMAL);
    expect(BY_OTHER, TR_KILL, false, ENDS, TR_KILLED);
    expect(BY_OTHER, TR_KILL, true, ENDS, TR_KILLED);
    expect(BY_OTHER, because(1), false, ENDS, because(1));
    expect(BY_OTHER, because(1), true, MESSAGE, because(1));
    expect(BY_OTHER, TR_SHUTDOWN, false, ENDS, TR_SHUTDOWN);
    expect(BY_OTHER, TR_KILLED, true, MESSAGE, TR_KILLED);
}

static void signals_of_itself(void);
TEST(exit, effect_of_its_own_exit_signal) { run(signals_of_itself); }
static void signals_of_itself(void)
{
    RULE("EXIT-01");
    expect(BY_ITSELF, TR_NORMAL, false, ENDS, TR_NORMAL);
    expect(BY_ITSELF, TR_NORMAL, true, MESSAGE, TR_NORMAL);
    expect(BY_ITSELF, TR_KILL, false, ENDS, TR_KILLED);
    expect(BY_ITSELF, TR_KILL, true, ENDS, TR_KILLED);
    expect(BY_ITSELF, because(2), false, ENDS, because(2));
    expect(BY_ITSELF, because(2), true, MESSAGE, because(2));
}

static void signals_of_links(void);
TEST(exit, effect_of_a_linked_process_end) { run(signals_of_links); }
static void signals_of_links(void)
{
    RULE("EXIT-01");
    expect(BY_LINK, TR_NORMAL, false, DROPPED, TR_NORMAL);
    expect(BY_LINK, TR_NORMAL, true, MESSAGE, TR_NORMAL);
    expect(BY_LINK, TR_KILL, false, ENDS, TR_KILL);
    expect(BY_LINK, TR_KILL, true, MESSAGE, TR_KILL);
    expect(BY_LINK, because(3), false, ENDS, because(3));
    expect(BY_LINK, because(3), true, MESSAGE, because(3));
    expect(BY_FORMER_LINK, because(3), false, DROPPED, because(3));
    expect(BY_FORMER_LINK, because(3), true, DROPPED, because(3));
}

/* ---- kill */

static void kill_is_killed(void);
TEST(exit, links_of_the_killed_get_killed_and_may_trap_it) { run(kill_is_killed); }
static void kill_is_killed(void)
{
    tr_trap_exit(true);
    tr_pid pid = tr_spawn_link(waiter, NULL, 0);
    tr_exit_signal(pid, TR_KILL);
    RULE("EXIT-02");
    CHECK_EQ(await_exit(pid).why, TR_WHY_KILLED);
    tr_reason kill = TR_KILL;
    pid = tr_spawn_link(ender, &kill, sizeof kill);
    RULE("EXIT-02"); /* as one's own reason it is an ordinary one */
    CHECK_EQ(await_exit(pid).why, TR_WHY_KILL);
}

static void without_links(void);
TEST(exit, signal_needs_no_link_and_never_ends_its_sender) { run(without_links); }
static void without_links(void)
{
    RULE("EXIT-03");
    CHECK_EQ(tr_exit_signal(dead_pid(), TR_KILL), TR_OK);
    CHECK_EQ(tr_exit_signal(tr_name("nobody at all"), TR_KILL), TR_ENOPROC);
    CHECK_EQ(end_with(tr_spawn(waiter, NULL, 0), because(1)).code, 1);
}

static int after_own_signal;

static void signals_itself(const tr_msg *arg)
{
    tr_exit_signal(tr_self(), *(const tr_reason *)tr_body(arg));
    __atomic_fetch_add(&after_own_signal, 1, __ATOMIC_RELAXED);
}

static void own_signal(void);
TEST(exit, signal_to_itself_acts_before_it_returns) { run(own_signal); }
static void own_signal(void)
{
    tr_reason reasons[] = { TR_KILL, TR_SHUTDOWN, TR_NORMAL };
    __atomic_store_n(&after_own_signal, 0, __ATOMIC_RELAXED);
    for (size_t i = 0; i < TR_COUNT(reasons); i++) {
        tr_ref monitor;
        tr_spawn_monitor(signals_itself, &reasons[i], sizeof reasons[i], &monitor);
        await_down(monitor);
    }
    RULE("EXIT-04");
    CHECK_EQ(__atomic_load_n(&after_own_signal, __ATOMIC_RELAXED), 0);
}

/* ---- races */

static void same_reason(void);
TEST(exit, first_fatal_reason_wins_for_every_observer) { race(same_reason); }
static void same_reason(void)
{
    int wrong = 0, killed = 0;
    tr_trap_exit(true);
    for (int i = 0; i < RACES; i++) {
        tr_reason own = because(i);
        tr_ref first, second;
        tr_pid pid = tr_spawn_with(chance(2) == 0 ? ender : ender_on_go, &own, sizeof own,
                                   &(tr_spawn_options){ .flags = TR_SPAWN_LINK | TR_SPAWN_MONITOR, .monitor = &first });
        second = tr_monitor(pid);
        go(pid);
        dawdle();
        tr_exit_signal(pid, TR_KILL);
        tr_reason exit = await_exit(pid), one = await_down(first), other = await_down(second);
        bool late = other.why == TR_WHY_NOPROC; /* it was monitored too late */
        wrong += !tr_reason_same(&exit, &one) || (!late && !tr_reason_same(&one, &other));
        wrong += one.why != TR_WHY_KILLED && !tr_reason_same(&one, &own);
        killed += one.why == TR_WHY_KILLED;
    }
    RULE("EXIT-05");
    CHECK_EQ(wrong, 0);
    CHECK(killed <= RACES);
}

static void name_is_free(void);
TEST(exit, name_and_timers_are_gone_when_exit_and_down_arrive) { race(name_is_free); }
static void name_is_free(void)
{
    int wrong = 0;
    tr_trap_exit(true);
    for (int i = 0; i < RACES; i++) {
        tr_timer timer;
        tr_ref monitor;
        tr_pid pid = tr_spawn_with(
            waiter, NULL, 0, &(tr_spawn_options){ .flags = TR_SPAWN_LINK | TR_SPAWN_MONITOR, .monitor = &monitor });
        CHECK_EQ(tr_register("mortal", pid), TR_OK);
        CHECK_EQ(tr_send_after(1000000, pid, WORD, NULL, 0, &timer), TR_OK);
        tr_exit_signal(pid, TR_SHUTDOWN);
        if (i % 2 == 0)
            await_exit(pid);
        else
            await_down(monitor);
        wrong += !tr_nobody(tr_whereis("mortal")) || tr_timer_read(timer) != -1;
        if (i % 2 == 0)
            await_down(monitor);
        else
            await_exit(pid);
    }
    RULE("EXIT-06");
    CHECK_EQ(wrong, 0);
}

static void exit_then_down(void);
TEST(exit, linked_and_monitoring_gets_exit_then_down) { race(exit_then_down); }
static void exit_then_down(void)
{
    int wrong = 0;
    tr_trap_exit(true);
    for (int i = 0; i < RACES; i++) {
        tr_pid pid = spawn_ender_on_go(i);
        tr_ref monitor = { 0 };
        if (i % 2 == 0)
            monitor = tr_monitor(pid);
        CHECK_EQ(tr_link(pid), TR_OK);
        if (i % 2 == 1)
            monitor = tr_monitor(pid);
        go(pid);
        const tr_msg *message = tr_receive(TR_INFINITY);
        wrong += tr_tag(message) != TR_MSG_EXIT || tr_reason_of(message)->code != i;
        message = tr_receive(TR_INFINITY);
        wrong += tr_tag(message) != TR_MSG_DOWN || tr_reason_of(message)->code != i ||
                 !tr_same_ref(tr_ref_of(message), monitor);
    }
    RULE("EXIT-07");
    CHECK_EQ(wrong, 0);
}

/* One of a chain: starts the next one, linked; the last says so. */
struct chain {
    int left;
    tr_pid root;
};

static void chain_link(const tr_msg *arg)
{
    struct chain chain = *(const struct chain *)tr_expect(arg, sizeof chain);
    if (chain.left-- > 0) {
        tr_spawn_link(chain_link, &chain, sizeof chain);
    } else {
        tr_pid self = tr_self();
        tr_send(chain.root, READY, &self, sizeof self);
    }
    waiter(arg);
}

static void long_chain(void);
TEST(exit, reason_goes_through_ten_thousand_links_unchanged) { run(long_chain); }
static void long_chain(void)
{
    struct chain chain = { 10000, tr_self() };
    tr_reason reasons[] = { because(8), TR_SHUTDOWN };
    for (size_t i = 0; i < TR_COUNT(reasons); i++) {
        tr_pid first = tr_spawn(chain_link, &chain, sizeof chain), last = RECEIVE(tr_pid, READY);
        tr_ref monitor = tr_monitor(first);
        tr_exit_signal(last, reasons[i]);
        tr_reason reason = await_down(monitor);
        RULE("EXIT-08");
        CHECK(tr_reason_same(&reason, &reasons[i]));
    }
}

static void flag(void);
TEST(exit, trap_exit_gives_the_old_value_back) { run(flag); }
static void flag(void)
{
    RULE("EXIT-09");
    CHECK_EQ(tr_trap_exit(true), false);
    CHECK_EQ(tr_trap_exit(true), true);
    tr_pid pid = tr_spawn_link(waiter, NULL, 0);
    end_with(pid, because(1));
    CHECK_EQ(queue_len(tr_self()), 1);
    CHECK_EQ(tr_trap_exit(false), true);
    RULE("EXIT-09"); /* what is a message already stays one */
    CHECK_EQ(await_exit(pid).code, 1);
}

/* Is linked to its start argument's peer (if any), and ends with its number. */
struct twin {
    tr_pid peer;
    int number;
};

static void twin(const tr_msg *arg)
{
    const struct twin *self = tr_expect(arg, sizeof *self);
    if (!tr_nobody(self->peer) && tr_link(self->peer) != TR_OK)
        tr_exit(TR_NORMAL);
    await_tag(GO);
    tr_exit(because(self->number));
}

static void no_swap(void);
TEST(exit, two_that_end_at_once_never_swap_reasons) { race(no_swap); }
static void no_swap(void)
{
    int swapped = 0, strange = 0;
    for (int i = 0; i < RACES; i++) {
        struct twin one = { .number = 1 }, two = { .number = 2 };
        tr_ref first, second;
        two.peer = tr_spawn_monitor(twin, &one, sizeof one, &first);
        tr_pid pid = tr_spawn_monitor(twin, &two, sizeof two, &second);
        go(two.peer);
        dawdle();
        go(pid);
        tr_reason a = await_down(first), b = await_down(second);
        swapped += a.code == 2 && b.code == 1;
        strange += a.code != 1 && a.code != 2;
    }
    RULE("EXIT-10");
    CHECK_EQ(swapped, 0);
    CHECK_EQ(strange, 0);
}

/* ---- detail */

enum { DETAIL = 100000 };

static void detailed(const tr_msg *arg)
{
    char *detail = tr_alloc(DETAIL);
    for (int i = 0; i < DETAIL; i++)
        detail[i] = (char)(i % 251);
    await_tag(GO);
    (void)arg;
    tr_exit_with(because(11), detail, DETAIL);
}

static bool intact(const tr_msg *message)
{
    if (tr_size(message) != DETAIL || tr_reason_of(message)->code != 11)
        return false;
    for (int i = 0; i < DETAIL; i++)
        if (((const char *)tr_body(message))[i] != (char)(i % 251))
            return false;
    return true;
}

static void detail(void);
TEST(exit, detail_arrives_intact_at_links_and_monitors) { run(detail); }
static void detail(void)
{
    tr_trap_exit(true);
    tr_pid pid = tr_spawn_link(detailed, NULL, 0);
    tr_monitor(pid);
    tr_monitor(pid);
    go(pid);
    RULE("EXIT-11");
    for (int i = 0; i < 3; i++)
        CHECK(intact(tr_receive(TR_INFINITY)));
}

static void cut_text(void);
TEST(exit, text_of_a_reason_is_cut_to_its_place) { run(cut_text); }
static void cut_text(void)
{
    char text[200];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    tr_reason reason = tr_because(TR_WHY_USER, 1, "%s", text);
    tr_ref monitor;
    tr_spawn_monitor(ender, &reason, sizeof reason, &monitor);
    tr_reason down = await_down(monitor);
    RULE("EXIT-11");
    CHECK(tr_reason_same(&reason, &down));
    CHECK_EQ(strlen(down.text), sizeof down.text - 1);
}
