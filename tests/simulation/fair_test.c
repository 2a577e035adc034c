/* fair_test.c: who may run goes on, whatever the others do: more processes that are never idle than a worker's ring
 * holds, beside foreign threads, timers and connections. Who waits in vain is a run that reaches its limit of steps,
 * for the others never end by themselves. */
#include "simulation/streams.h"

#include <time.h>

enum { PAIRS = 300, CROWD = 2 * PAIRS, TURNS = 100, CALLS = 20, EXCHANGES = 4, CHATTY = 3 };

#define LIMIT .max_steps = 40000000

static tr_pid root, crowd[CROWD];
static int64_t turns[CROWD], least; /* of the crowd; each tells the root when it has had `least`; 0: nobody does */
static bool enough;

static int start_number(void *state, const tr_msg *arg)
{
    *(int *)state = *(const int *)tr_expect(arg, sizeof(int));
    return TR_OK;
}

/* ---- pairs that talk for ever: each wakes its peer, so the worker always has somebody */

static int pass_on(void *state, const tr_msg *message)
{
    int number = *(int *)state;
    if (++turns[number] == least)
        tr_send(root, READY, NULL, 0);
    if (!enough)
        tr_send(crowd[number ^ 1], WORD, NULL, 0);
    (void)message;
    return TR_OK;
}
static const tr_actor peer = { .label = "peer", .state_size = sizeof(int), .start = start_number, .handle = pass_on };

static void start_pairs(int64_t until)
{
    root = tr_self();
    least = until;
    enough = false;
    memset(turns, 0, sizeof turns);
    for (int i = 0; i < CROWD; i++)
        crowd[i] = tr_spawn_actor(&peer, &i, sizeof i, NULL);
    for (int i = 0; i < CROWD; i += 2)
        tr_send(crowd[i], WORD, NULL, 0);
}

static void await_crowd(void)
{
    for (int i = 0; i < CROWD; i++)
        await_tag(READY);
}

static void all_pairs_go_on(void)
{
    start_pairs(TURNS);
    await_crowd();
    enough = true;
}

/* On one worker they take turns. Some may have had more, on a spare, while the worker was not scheduled. */
static void all_pairs_take_turns(void)
{
    int ahead = 0;
    all_pairs_go_on();
    for (int i = 0; i < CROWD; i++)
        ahead += turns[i] > 4 * TURNS;
    CHECK(ahead < CROWD / 2);
}
SIM_TEST(fair, more_pairs_than_the_ring_holds_all_go_on, LIMIT) { simulate(1, all_pairs_take_turns); }
SIM_TEST(fair, more_pairs_than_the_rings_hold_all_go_on, LIMIT, .policy = TR_SIM_RANDOM)
{
    simulate(0, all_pairs_go_on);
}

/* ---- others beside them */

static int reply_at_once(void *state, const tr_msg *message)
{
    (void)state;
    return tr_reply(tr_from_of(message), NULL, 0);
}
static const tr_actor server = { .label = "server", .handle = reply_at_once };

static void beside(void (*bystander)(const tr_msg *arg))
{
    start_pairs(0);
    await_end(tr_spawn(bystander, NULL, 0));
    enough = true;
}

static void sleep_often(const tr_msg *arg)
{
    (void)arg;
    for (int i = 0; i < CALLS; i++)
        tr_sleep(1);
}
static void sleeper_beside(void) { beside(sleep_often); }
SIM_TEST(fair, timers_fire_beside_pairs_that_fill_the_ring, LIMIT) { simulate(1, sleeper_beside); }

static void send_and_receive(const tr_msg *arg)
{
    tr_socket here, there;
    char byte = 'a';
    (void)arg;
    make_pair(&here, &there);
    for (int i = 0; i < EXCHANGES; i++) { /* up to 20 ms each, in which the pairs use up steps */
        CHECK_EQ(tr_write(here, &byte, 1, TR_INFINITY), TR_OK);
        CHECK_EQ(read_all(there, &byte, 1), TR_OK);
    }
    tr_close(here);
    tr_close(there);
}
static void connection_beside(void) { beside(send_and_receive); }
SIM_TEST(fair, connections_are_served_beside_pairs_that_fill_the_ring, LIMIT) { simulate(1, connection_beside); }

static void ask_from_outside(void *pid)
{
    for (int i = 0; i < CALLS; i++)
        CHECK_EQ(tr_call(*(tr_pid *)pid, QUESTION, NULL, 0, NULL, 0, TR_INFINITY), TR_OK);
    tr_send(*(tr_pid *)pid, LAST, NULL, 0);
}
static void begin_pairs(const tr_msg *arg)
{
    (void)arg;
    start_pairs(0);
}
SIM_TEST(fair, foreign_threads_are_answered_beside_pairs_that_fill_the_ring, LIMIT)
{
    CHECK_EQ(tr_boot(&quiet_config), TR_OK);
    tr_pid answering = tr_spawn_actor(&server, NULL, 0, NULL);
    tr_spawn(begin_pairs, NULL, 0);
    nanosleep(&(struct timespec){ .tv_nsec = 3000000 }, NULL); /* the ring is full by now */
    int thread = tr_sim_thread_start(ask_from_outside, &answering);
    tr_sim_thread_join(thread);
    enough = true;
    CHECK_EQ(tr_halt(1000), TR_OK);
}

/* ---- who does little but send to itself is its worker's guest, and always back */

static int send_on(void *state, const tr_msg *message)
{
    (void)state;
    (void)message;
    if (!enough)
        tr_send(tr_self(), WORD, NULL, 0);
    return TR_OK;
}
static const tr_actor chatty = { .label = "chatty", .handle = send_on };

static int tell_root(void *state, const tr_msg *message)
{
    (void)state;
    (void)message;
    tr_send(root, READY, NULL, 0);
    return TR_OK;
}
static const tr_actor brief = { .label = "brief", .handle = tell_root };

static void what_was_set_aside_runs_beside_guests(void)
{
    root = tr_self();
    enough = false;
    for (int i = 0; i < CROWD; i++)
        crowd[i] = tr_spawn_actor(&brief, NULL, 0, NULL);
    for (int i = 0; i < CHATTY; i++)
        tr_send(tr_spawn_actor(&chatty, NULL, 0, NULL), WORD, NULL, 0);
    tr_sleep(5);
    for (int i = 0; i < CROWD; i++)
        tr_send(crowd[i], WORD, NULL, 0);
    await_crowd();
    enough = true;
}
SIM_TEST(fair, what_was_set_aside_runs_beside_senders_that_always_come_back, LIMIT)
{
    simulate(1, what_was_set_aside_runs_beside_guests);
}
