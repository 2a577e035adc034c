/* behind_test.c: what stands in a mailbox behind a sender that is held up between its two stores (D4). It has been sent,
 * so whoever looks for it finds it: a receive without waiting, an exit signal to oneself, what came before an answer,
 * a DOWN or a reply that a demonitor or unalias was too late for. */
#include "simulation/simulate.h"

/* Threads wait in the middle of what they do. */
#define STALLED .faults = { .stall = 4000, .most = 8 }

enum { NOISY = 2, NOISES = 12, ROUNDS = 6, LONGER_MS = 50 /* than any stall */ };

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
