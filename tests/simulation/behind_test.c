/* behind_test.c: what stands in a mailbox behind a sender that is held up between its two stores (D4). It has been
 * sent, so whoever looks for it finds it: a receive without waiting, an exit signal to oneself, what came before an
 * answer, a DOWN or a reply that a demonitor or unalias was too late for. */
#include "simulation/simulate.h"

/* Threads wait in the middle of what they do. */
#define STALLED .faults = { .stall = 4000, .most = 8 }

enum { NOISY = 2, NOISES = 12, ROUNDS = 6, LONGER_MS = 50 /* than any stall */ };
enum { USER_X = 7, USER_Y };

static tr_reason user(int code) { return tr_because(TR_WHY_USER, code, NULL); }

/* ---- others who send to the one that looks */

static void noisy(const tr_msg *arg)
{
    tr_pid to = *(const tr_pid *)tr_expect(arg, sizeof to);
    for (int i = 0; i < NOISES; i++) {
        tr_send(to, READY, NULL, 0);
        if (tr_sim_random(3) == 0)
            tr_yield();
    }
}

/* Around the caller from now on. */
static void make_noise(void)
{
    tr_pid self = tr_self();
    for (int i = 0; i < NOISY; i++)
        tr_spawn(noisy, &self, sizeof self);
}

static void loiter(void)
{
    for (uint32_t i = tr_sim_random(20); i > 0; i--)
        tr_yield();
}

/* In a process of its own, to its end: why it ended. */
static tr_why run(tr_entry *entry, const void *arg, size_t size)
{
    tr_ref monitor;
    tr_reason reason;
    tr_spawn_monitor(entry, arg, size, &monitor);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    return (tr_why)reason.why;
}
static void run_rounds(tr_entry *entry)
{
    tr_sim_inject(true);
    for (int i = 0; i < ROUNDS; i++)
        CHECK_EQ(run(entry, NULL, 0), TR_WHY_NORMAL);
}

static const tr_msg *look_for(int tag) { return tr_receive_match(&(tr_match){ .tag = tag }, 0); }
static const tr_msg *look_for_of(int tag, tr_ref ref)
{
    return tr_receive_match(&(tr_match){ .tag = tag, .ref = ref }, 0);
}

/* ---- to oneself */

static bool is_listed(int tag)
{
    tr_message_info *list;
    size_t count, found = 0;
    CHECK_EQ(tr_info_messages(tr_self(), &list, &count), TR_OK);
    for (size_t i = 0; i < count; i++)
        found += list[i].tag == tag;
    tr_free(list);
    return found == 1;
}

static void sends_itself(const tr_msg *arg)
{
    (void)arg;
    make_noise();
    for (int i = 0; i < NOISES; i++) {
        tr_send(tr_self(), WORD, &i, sizeof i);
        if (tr_sim_random(2) == 0)
            CHECK(is_listed(WORD));
        const tr_msg *word = look_for(WORD);
        CHECK(word != NULL);
        CHECK_EQ(*(const int *)tr_expect(word, sizeof i), i);
    }
}
static void sent_to_oneself(void) { run_rounds(sends_itself); }
SIM_TEST(behind, what_one_has_sent_oneself_is_there, STALLED)
{
    RULE("RECV-04");
    simulate(0, sent_to_oneself);
}

static void expect_exit_of_self(int code)
{
    const tr_msg *exit = look_for(TR_MSG_EXIT);
    CHECK(exit != NULL);
    CHECK_EQ(tr_sender(exit).id, tr_self().id);
    CHECK_EQ(tr_reason_of(exit)->code, code);
}
static void signals_itself(const tr_msg *arg)
{
    (void)arg;
    tr_trap_exit(true);
    make_noise();
    for (int i = 0; i < NOISES; i++) {
        CHECK_EQ(tr_exit_signal(tr_self(), user(USER_X)), TR_OK);
        CHECK_EQ(tr_exit_signal(tr_self(), user(USER_Y)), TR_OK);
        tr_trap_exit(false); /* EXIT-09: they are messages by now */
        expect_exit_of_self(USER_X);
        expect_exit_of_self(USER_Y);
        tr_trap_exit(true);
    }
}
static void signalled_oneself(void) { run_rounds(signals_itself); }
SIM_TEST(behind, an_exit_signal_to_oneself_is_a_message_at_once, STALLED)
{
    RULE("EXIT-04");
    simulate(0, signalled_oneself);
}

static void ends_itself(const tr_msg *arg)
{
    tr_reason reason = *(const tr_reason *)tr_expect(arg, sizeof reason);
    tr_trap_exit(reason.why == TR_WHY_KILL);
    make_noise();
    loiter();
    tr_exit_signal(tr_self(), reason);
    CHECK(false);
}
static void ended_oneself(void)
{
    const tr_reason reasons[] = { TR_NORMAL, TR_SHUTDOWN, TR_KILL, user(USER_X) };
    const tr_why ends[] = { TR_WHY_NORMAL, TR_WHY_SHUTDOWN, TR_WHY_KILLED, TR_WHY_USER };
    tr_sim_inject(true);
    for (size_t i = 0; i < TR_COUNT(reasons); i++)
        CHECK_EQ(run(ends_itself, &reasons[i], sizeof reasons[i]), ends[i]);
}
SIM_TEST(behind, an_exit_signal_to_oneself_ends_before_it_returns, STALLED)
{
    RULE("EXIT-01");
    simulate(0, ended_oneself);
}

/* ---- before an answer */

enum deed { SIGNALS, SENDS, DEEDS };
static int obeys(void *state, const tr_msg *message)
{
    (void)state;
    enum deed deed = *(const enum deed *)tr_expect(message, sizeof deed);
    if (deed == SIGNALS)
        tr_exit_signal(tr_from_of(message).caller, user(USER_X));
    else
        tr_send(tr_from_of(message).caller, WORD, NULL, 0);
    return tr_reply(tr_from_of(message), NULL, 0);
}
static const tr_actor obedient = { .label = "obedient", .handle = obeys };

static void calls(const tr_msg *arg)
{
    enum deed deed = *(const enum deed *)tr_expect(arg, sizeof deed);
    tr_pid server = tr_spawn_actor(&obedient, NULL, 0, NULL);
    make_noise();
    CHECK_EQ(tr_call(server, QUESTION, &deed, sizeof deed, NULL, 0, TR_INFINITY), TR_OK);
    CHECK(deed == SENDS); /* SIG-01: the signal came first */
    CHECK(look_for(WORD) != NULL);
    tr_exit_signal(server, TR_KILL);
}
static void answered(void)
{
    tr_sim_inject(true);
    for (int i = 0; i < ROUNDS; i++) {
        enum deed deed = tr_sim_random(DEEDS);
        CHECK_EQ(run(calls, &deed, sizeof deed), deed == SENDS ? TR_WHY_NORMAL : TR_WHY_USER);
    }
}
SIM_TEST(behind, what_a_server_sends_before_its_answer_comes_before_it, STALLED)
{
    RULE("SIG-01");
    simulate(0, answered);
}

static int ends_in_call(void *state, const tr_msg *message)
{
    (void)state;
    (void)message;
    tr_exit(user(USER_X));
}
static const tr_actor mortal = { .label = "mortal", .handle = ends_in_call };
static void calls_mortal(const tr_msg *arg)
{
    (void)arg;
    tr_pid server = tr_spawn_actor(&mortal, NULL, 0, &(tr_spawn_options){ .flags = TR_SPAWN_LINK });
    make_noise();
    int status = tr_call(server, QUESTION, NULL, 0, NULL, 0, TR_INFINITY);
    CHECK_EQ(status, TR_OK + 1); /* LINK-08: it never returns */
}
static void linked_calls(void)
{
    tr_sim_inject(true);
    for (int i = 0; i < ROUNDS; i++)
        CHECK_EQ(run(calls_mortal, NULL, 0), TR_WHY_USER);
}
SIM_TEST(behind, who_calls_a_linked_server_dies_with_it, STALLED)
{
    RULE("LINK-08");
    simulate(0, linked_calls);
}

/* ---- monitors and aliases */

static void ends_when_told(const tr_msg *arg)
{
    (void)arg;
    await_tag(GO);
}
static void stops_watching(const tr_msg *arg)
{
    (void)arg;
    tr_pid target = tr_spawn(ends_when_told, NULL, 0);
    tr_ref monitor = tr_monitor(target);
    make_noise();
    tr_send(target, GO, NULL, 0);
    loiter();
    bool active = tr_demonitor(monitor, false);
    CHECK_EQ(look_for_of(TR_MSG_DOWN, monitor) == NULL, active);
    CHECK(tr_receive_match(&(tr_match){ .tag = TR_MSG_DOWN }, LONGER_MS) == NULL);
}
static void demonitored(void) { run_rounds(stops_watching); }
SIM_TEST(behind, no_down_comes_after_a_demonitor, STALLED)
{
    RULE("MON-06");
    simulate(0, demonitored);
}

struct way {
    tr_ref alias;
};
static void replies_once(const tr_msg *arg)
{
    const struct way *way = tr_expect(arg, sizeof *way);
    tr_send_alias(way->alias, ANSWER, NULL, 0);
}
static void replies(const tr_msg *arg)
{
    replies_once(arg);
    await_tag(GO);
}
/* Which modes tr_demonitor ends: all but the explicit one. */
static void leaves_alias(const tr_msg *arg)
{
    (void)arg;
    static const int modes[] = { TR_ALIAS_EXPLICIT, TR_ALIAS_DEMONITOR, TR_ALIAS_REPLY };
    int mode = modes[tr_sim_random(TR_COUNT(modes))];
    tr_pid target = tr_spawn(ends_when_told, NULL, 0);
    struct way way = { tr_monitor_alias(target, mode) };
    make_noise();
    tr_pid speakers[2];
    for (size_t i = 0; i < TR_COUNT(speakers); i++)
        speakers[i] = tr_spawn(replies, &way, sizeof way);
    loiter();
    if (mode == TR_ALIAS_EXPLICIT || tr_sim_random(2) == 0)
        tr_unalias(way.alias);
    else
        tr_demonitor(way.alias, true);
    while (look_for(ANSWER) != NULL)
        ;
    CHECK(tr_receive_match(&(tr_match){ .tag = ANSWER }, LONGER_MS) == NULL);
    for (size_t i = 0; i < TR_COUNT(speakers); i++)
        tr_send(speakers[i], GO, NULL, 0);
    tr_send(target, GO, NULL, 0);
}
static void unaliased(void) { run_rounds(leaves_alias); }
SIM_TEST(behind, nothing_comes_through_an_alias_that_was_left, STALLED)
{
    RULE("ALIAS-02");
    simulate(0, unaliased);
}

static int answers(void *state, const tr_msg *message)
{
    (void)state;
    if (tr_sim_random(2) == 0)
        tr_sleep(tr_sim_random(3));
    return tr_sim_random(4) == 0 ? TR_EINVAL : tr_reply(tr_from_of(message), NULL, 0);
}
static const tr_actor answering = { .label = "answering", .handle = answers };

static void gives_up_a_request(const tr_msg *arg)
{
    (void)arg;
    tr_msg *reply;
    tr_pid server = tr_spawn_actor(&answering, NULL, 0, NULL);
    make_noise();
    tr_ref request = tr_send_request(server, QUESTION, NULL, 0);
    loiter();
    int status = tr_receive_response(request, tr_sim_random(3), &reply);
    CHECK(status == TR_OK || status == TR_EDOWN || status == TR_ETIMEDOUT);
    CHECK(tr_receive_match(&(tr_match){ .ref = request }, LONGER_MS) == NULL);
    tr_exit_signal(server, TR_KILL);
}
static void given_up(void) { run_rounds(gives_up_a_request); }
SIM_TEST(behind, a_request_that_was_given_up_leaves_nothing, STALLED)
{
    RULE("INV-02");
    simulate(0, given_up);
}

/* ---- replies through an alias against the end of who was monitored */

static void replies_sometime(const tr_msg *arg)
{
    loiter();
    replies_once(arg);
}
static void ends_anytime(const tr_msg *arg)
{
    (void)arg;
    loiter();
}
static void hears_once(const tr_msg *arg)
{
    (void)arg;
    struct way way = { tr_monitor_alias(tr_spawn(ends_anytime, NULL, 0), TR_ALIAS_REPLY) };
    for (int i = 0; i < 3; i++)
        tr_spawn(replies_sometime, &way, sizeof way);
    const tr_msg *heard = tr_receive(TR_INFINITY); /* it ends the alias, and the monitor with it */
    CHECK(tr_tag(heard) == TR_MSG_DOWN || tr_tag(heard) == ANSWER);
    CHECK(tr_receive(LONGER_MS) == NULL);
}
static void heard_once(void) { run_rounds(hears_once); }
SIM_TEST(behind, a_reply_alias_brings_one_reply_or_the_down, STALLED)
{
    RULE("ALIAS-01");
    simulate(0, heard_once);
}
