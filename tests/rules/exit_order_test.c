/* exit_order_test.c: what has come when an end is seen: EXIT-12, and the pid that goes last (EXIT-06). */
#include "support.h"

/* Traps exits, is linked to its start argument, and answers whether the EXIT is there. */
static void linked_witness(const tr_msg *arg)
{
    tr_pid peer = *(const tr_pid *)tr_expect(arg, sizeof peer);
    tr_trap_exit(true);
    CHECK_EQ(tr_link(peer), TR_OK);
    tr_send(tr_parent(), READY, NULL, 0);
    for (;;) {
        tr_pid asker = tr_sender(tr_receive_match(&(tr_match){ .tag = QUESTION }, TR_INFINITY));
        bool there = tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT }, 0) != NULL;
        tr_send(asker, ANSWER, &there, sizeof there);
    }
}

static tr_pid start_witness(tr_pid peer)
{
    tr_pid witness;
    CHECK_EQ(tr_start_entry(linked_witness, &peer, sizeof peer, false, &(tr_start_options){ .flags = TR_START_LINK },
                            &witness),
             TR_OK);
    await_tag(READY);
    return witness;
}

/* Whether the EXIT is there; it ends. */
static bool ask_witness(tr_pid witness)
{
    tr_send(witness, QUESTION, NULL, 0);
    bool there = RECEIVE(bool, ANSWER);
    tr_unlink(witness);
    tr_exit_signal(witness, TR_KILL);
    return there;
}

static void exits_first(void);
TEST(exit_order, all_exits_of_a_death_come_before_its_downs) { race(exits_first); }
static void exits_first(void)
{
    enum { WITNESSES = 4 };
    int missing = 0;
    for (int i = 0; i < RACES / 8; i++) {
        tr_pid ender = spawn_ender_on_go(i), witnesses[WITNESSES];
        tr_ref monitor = tr_monitor(ender);
        for (int j = 0; j < WITNESSES; j++)
            witnesses[j] = start_witness(ender);
        go(ender);
        await_down(monitor);
        for (int j = 0; j < WITNESSES; j++)
            missing += !ask_witness(witnesses[j]);
    }
    RULE("EXIT-12");
    CHECK_EQ(missing, 0);
}

/* In one of three ways, of which each is answered by the process or by its end. */
static bool lives(tr_pid pid, int way)
{
    tr_process_info info;
    switch (way) {
    case 0: return tr_is_alive(pid);
    case 1: return tr_info(pid, &info) == TR_OK;
    default: return tr_call(pid, QUESTION, NULL, 0, NULL, 0, TR_INFINITY) == TR_OK;
    }
}

static void exit_before_gone(void);
TEST(exit_order, whoever_finds_a_process_gone_knows_that_its_exit_is_there) { race(exit_before_gone); }
static void exit_before_gone(void)
{
    int missing = 0;
    for (int i = 0; i < RACES / 4; i++) {
        tr_pid ender = spawn_ender_on_go(i), witness = start_witness(ender); /* one link: a short way of its own */
        go(ender);
        while (lives(ender, i % 3))
            tr_yield();
        missing += !ask_witness(witness);
    }
    RULE("EXIT-06");
    RULE("EXIT-12");
    CHECK_EQ(missing, 0);
}
