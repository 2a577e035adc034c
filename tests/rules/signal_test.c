/* signal_test.c: signals, their order, sending: SIG. */
#include "support.h"

struct numbered {
    int sender, number;
};

static void numbered_sender(const tr_msg *arg)
{
    struct {
        tr_pid to;
        int sender;
    } const *start = tr_body(arg);
    for (int i = 0; i < 2000; i++) {
        struct numbered word = { start->sender, i };
        tr_send(start->to, WORD, &word, sizeof word);
        if (i % 97 == 0)
            tr_yield();
    }
}

static void order_per_pair(void);
TEST(signal, messages_of_one_sender_keep_their_order) { run(order_per_pair); }
static void order_per_pair(void)
{
    enum { SENDERS = 5 };
    int next[SENDERS] = { 0 }, wrong = 0;
    for (int i = 0; i < SENDERS; i++) {
        struct {
            tr_pid to;
            int sender;
        } start = { tr_self(), i };
        tr_spawn(numbered_sender, &start, sizeof start);
    }
    for (int i = 0; i < SENDERS * 2000; i++) {
        struct numbered word = RECEIVE(struct numbered, WORD);
        wrong += word.number != next[word.sender]++;
    }
    RULE("SIG-01");
    CHECK_EQ(wrong, 0);
}

/* Says in one number what it was sent, in order: 1 a message, 2 an EXIT. */
static void order_witness(const tr_msg *arg)
{
    int seen = 0, steps = 0;
    tr_trap_exit(true);
    tr_send(*(const tr_pid *)tr_body(arg), READY, NULL, 0);
    await_tag(LAST);
    const tr_msg *message;
    while (steps++ < 8 && (message = tr_receive(0)) != NULL)
        seen = seen * 10 + (tr_tag(message) == TR_MSG_EXIT ? 2 : 1);
    tr_send(*(const tr_pid *)tr_body(arg), ANSWER, &seen, sizeof seen);
}

static void order_of_kinds(void);
TEST(signal, signals_and_messages_keep_their_order) { run(order_of_kinds); }

static void order_with_oneself(void)
{
    tr_trap_exit(true);
    for (int i = 0; i < 3; i++) {
        tr_send(tr_self(), WORD, &i, sizeof i);
        tr_exit_signal(tr_self(), tr_because(TR_WHY_USER, i, NULL));
    }
    tr_exit_signal(tr_self(), TR_NORMAL);
    tr_trap_exit(false);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(*(const int *)tr_expect(tr_receive(0), sizeof i), i);
        const tr_msg *exit = tr_receive(0);
        RULE("SIG-01");
        CHECK_EQ(tr_tag(exit), TR_MSG_EXIT);
        CHECK_EQ(tr_reason_of(exit)->code, i);
        CHECK_EQ(tr_sender(exit).id, tr_self().id);
    }
    const tr_msg *last = tr_receive(0);
    RULE("EXIT-09"); /* they were messages before the trap was off */
    CHECK_EQ(tr_reason_of(last)->why, TR_WHY_NORMAL);
    CHECK(tr_receive(0) == NULL);
}
TEST(signal, what_one_sends_oneself_keeps_its_order) { run(order_with_oneself); }
static void order_of_kinds(void)
{
    tr_pid self = tr_self(), pid = tr_spawn(order_witness, &self, sizeof self);
    await_tag(READY);
    tr_send(pid, WORD, NULL, 0);
    tr_exit_signal(pid, because(1));
    tr_send(pid, WORD, NULL, 0);
    tr_send(pid, WORD, NULL, 0);
    tr_exit_signal(pid, because(2));
    tr_exit_signal(pid, because(3));
    tr_send(pid, WORD, NULL, 0);
    tr_send(pid, LAST, NULL, 0);
    RULE("SIG-01");
    CHECK_EQ(RECEIVE(int, ANSWER), 1211221);
}

static int late_words;

static void victim(const tr_msg *arg)
{
    (void)arg;
    for (;;)
        if (tr_tag(tr_receive(TR_INFINITY)) == LAST)
            __atomic_fetch_add(&late_words, 1, __ATOMIC_RELAXED);
}

static void after_the_fatal(void);
TEST(signal, what_is_sent_after_a_fatal_signal_is_never_seen) { race(after_the_fatal); }
static void after_the_fatal(void)
{
    __atomic_store_n(&late_words, 0, __ATOMIC_RELAXED);
    for (int i = 0; i < RACES; i++) {
        tr_pid pid = tr_spawn(victim, NULL, 0);
        for (uint32_t j = chance(4); j > 0; j--)
            tr_send(pid, WORD, NULL, 0);
        dawdle();
        tr_exit_signal(pid, i % 2 == 0 ? TR_KILL : TR_SHUTDOWN);
        for (int j = 0; j < 3; j++)
            tr_send(pid, LAST, NULL, 0);
    }
    RULE("SIG-02");
    CHECK_EQ(__atomic_load_n(&late_words, __ATOMIC_RELAXED), 0);
}

static void last_words(const tr_msg *arg)
{
    tr_pid to = *(const tr_pid *)tr_body(arg);
    for (int i = 0; i < 3; i++)
        tr_send(to, WORD, NULL, 0);
    tr_exit(TR_SHUTDOWN);
}

static void words_before_the_end(void);
TEST(signal, what_it_sent_before_its_end_arrives_before_exit_and_down) { race(words_before_the_end); }
static void words_before_the_end(void)
{
    tr_pid self = tr_self();
    int wrong = 0;
    tr_trap_exit(true);
    for (int i = 0; i < RACES; i++) {
        tr_ref monitor;
        tr_spawn_with(last_words, &self, sizeof self,
                      &(tr_spawn_options){ .flags = TR_SPAWN_LINK | TR_SPAWN_MONITOR, .monitor = &monitor });
        for (int j = 0; j < 5; j++) {
            int tag = tr_tag(tr_receive(TR_INFINITY));
            wrong += j < 3 ? tag != WORD : tag == WORD;
        }
    }
    RULE("SIG-02");
    CHECK_EQ(wrong, 0);
}

static void kill_then_alive(void);
TEST(signal, killed_is_not_alive_for_who_killed) { race(kill_then_alive); }
static void kill_then_alive(void)
{
    int alive = 0;
    for (int i = 0; i < RACES; i++) {
        tr_pid pid = tr_spawn(i % 2 == 0 ? waiter : victim, NULL, 0);
        dawdle();
        tr_exit_signal(pid, TR_KILL);
        alive += tr_is_alive(pid);
    }
    RULE("SIG-02");
    CHECK_EQ(alive, 0);
}

/* Receives only GO. */
static void deaf(const tr_msg *arg)
{
    (void)arg;
    await_tag(GO);
}

static void send_then_info(void);
TEST(signal, info_shows_what_its_caller_sent_before) { race(send_then_info); }
static void send_then_info(void)
{
    tr_pid pid = tr_spawn(deaf, NULL, 0);
    int wrong = 0;
    for (int i = 1; i <= 300; i++) {
        tr_send(pid, WORD, &i, sizeof i);
        tr_message_info *list = NULL;
        size_t count = 0;
        CHECK_EQ(tr_info_messages(pid, &list, &count), TR_OK);
        wrong += count != (size_t)i || list[i - 1].tag != WORD || list[i - 1].size != sizeof i;
        tr_free(list);
    }
    RULE("SIG-02");
    CHECK_EQ(wrong, 0);
    end_with(pid, TR_KILL);
}

struct log_state {
    int order;
};

static int log_handle(void *state, const tr_msg *message)
{
    struct log_state *log = state;
    if (tr_kind_of(message) == TR_KIND_CALL)
        return tr_reply(tr_from_of(message), &log->order, sizeof log->order);
    log->order = log->order * 10 + *(const int *)tr_expect(message, sizeof(int));
    return TR_OK;
}

static const tr_actor log_actor = { .state_size = sizeof(struct log_state), .handle = log_handle };

static void cast_then_call(void);
TEST(signal, casts_are_handled_before_a_later_call) { run(cast_then_call); }
static void cast_then_call(void)
{
    tr_pid pid = tr_spawn_actor(&log_actor, NULL, 0, NULL);
    int order;
    for (int i = 1; i < 5; i++)
        tr_cast(pid, WORD, &i, sizeof i);
    CHECK_EQ(tr_call(pid, QUESTION, NULL, 0, &order, sizeof order, TR_INFINITY), TR_OK);
    RULE("SIG-02");
    CHECK_EQ(order, 1234);
    end_with(pid, TR_KILL);
}

static void timer_is_a_sender(void);
TEST(signal, timer_and_its_starter_are_two_senders) { run(timer_is_a_sender); }
static void timer_is_a_sender(void)
{
    int timed = 0, sent = 0;
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(tr_send_after(i % 2, tr_self(), WORD, NULL, 0, NULL), TR_OK);
        tr_send(tr_self(), LAST, NULL, 0);
        for (int j = 0; j < 2; j++) { /* in either order */
            int tag = tr_tag(tr_receive(TR_INFINITY));
            timed += tag == WORD;
            sent += tag == LAST;
        }
    }
    RULE("SIG-03");
    CHECK_EQ(timed, 50);
    CHECK_EQ(sent, 50);
}

static void to_the_dead(void);
TEST(signal, sending_to_the_dead_succeeds) { run(to_the_dead); }
static void to_the_dead(void)
{
    tr_pid dead = dead_pid();
    tr_msg *message;
    RULE("SIG-04");
    CHECK_EQ(tr_send(dead, WORD, NULL, 0), TR_OK);
    CHECK(tr_new(WORD, 100, &message) != NULL);
    CHECK_EQ(tr_give(dead, message), TR_OK);
    CHECK_EQ(tr_cast(dead, WORD, NULL, 0), TR_OK);
}

static void to_names(void);
TEST(signal, sending_to_an_unregistered_name_fails) { run(to_names); }
static void to_names(void)
{
    tr_msg *message;
    RULE("SIG-05");
    CHECK_EQ(tr_send(tr_name("somebody"), WORD, NULL, 0), TR_ENOPROC);
    CHECK(tr_new(WORD, 10, &message) != NULL);
    CHECK_EQ(tr_give(tr_name("somebody"), message), TR_ENOPROC);
    tr_drop(message); /* it stayed ours */
    CHECK_EQ(tr_register("somebody", tr_self()), TR_OK);
    CHECK_EQ(tr_send(tr_name("somebody"), WORD, NULL, 0), TR_OK);
    CHECK_EQ(tr_tag(tr_receive(0)), WORD);
    CHECK_EQ(tr_unregister("somebody"), TR_OK);
}

static void to_dying_names(void);
TEST(signal, sending_to_the_name_of_a_dying_process_is_safe) { race(to_dying_names); }
static void to_dying_names(void)
{
    int wrong = 0;
    for (int i = 0; i < RACES; i++) {
        tr_pid pid = tr_spawn(waiter, NULL, 0);
        CHECK_EQ(tr_register("dying", pid), TR_OK);
        tr_exit_signal(pid, TR_KILL);
        dawdle();
        int status = tr_send(tr_name("dying"), WORD, NULL, 0);
        wrong += status != TR_OK && status != TR_ENOPROC;
        await_end(pid);
    }
    RULE("SIG-06");
    CHECK_EQ(wrong, 0);
}

static void arrival_order(void);
TEST(signal, mailbox_keeps_what_is_passed_over_in_order) { run(arrival_order); }
static void arrival_order(void)
{
    int order = 0;
    for (int tag = 1; tag <= 6; tag++)
        tr_send(tr_self(), tag, NULL, 0);
    await_tag(4);
    await_tag(2);
    for (const tr_msg *message; (message = tr_receive(0)) != NULL;)
        order = order * 10 + tr_tag(message);
    RULE("SIG-07");
    CHECK_EQ(order, 1356);
}

static void dead_means_released(void);
TEST(signal, not_alive_means_that_the_name_is_free) { race(dead_means_released); }
static void dead_means_released(void)
{
    int wrong = 0;
    for (int i = 0; i < RACES; i++) {
        tr_pid pid = tr_spawn(waiter, NULL, 0);
        CHECK_EQ(tr_register("visible", pid), TR_OK);
        dawdle();
        tr_exit_signal(pid, TR_SHUTDOWN);
        wrong += tr_is_alive(pid) || !tr_nobody(tr_whereis("visible"));
    }
    RULE("SIG-08");
    CHECK_EQ(wrong, 0);
}
