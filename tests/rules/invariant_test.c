/* invariant_test.c: what holds for every run: INV. */
#include "support.h"

#include <pthread.h>

/* ---- INV-01 */

static void once_each(void);
TEST(invariant, one_exit_per_link_and_one_down_per_monitor) { race(once_each); }
static void once_each(void)
{
    enum { PEERS = 50, MONITORS = 3 };
    int exits = 0, downs = 0;
    tr_trap_exit(true);
    for (int round = 0; round < RACES / PEERS; round++) {
        tr_pid pids[PEERS];
        for (int i = 0; i < PEERS; i++) {
            pids[i] = spawn_ender_on_go(i);
            for (int j = 0; j < MONITORS; j++)
                tr_monitor(pids[i]);
            CHECK_EQ(tr_link(pids[i]), TR_OK);
        }
        for (int i = 0; i < PEERS; i++) {
            go(pids[i]);
            if (i % 3 == 0)
                tr_exit_signal(pids[i], TR_KILL);
        }
        for (int i = 0; i < PEERS * (MONITORS + 1); i++) {
            int tag = tr_tag(tr_receive(TR_INFINITY));
            exits += tag == TR_MSG_EXIT;
            downs += tag == TR_MSG_DOWN;
        }
        CHECK(mailbox_empty());
    }
    RULE("INV-01");
    CHECK_EQ(exits, RACES);
    CHECK_EQ(downs, RACES * MONITORS);
}

static void timers_once(void);
TEST(invariant, each_timer_is_delivered_or_cancelled) { race(timers_once); }
static void timers_once(void)
{
    int cancelled = 0, delivered = 0;
    for (int i = 0; i < RACES; i++) {
        tr_timer timer;
        CHECK_EQ(tr_start_timer(chance(2), tr_self(), NULL, 0, &timer), TR_OK);
        dawdle();
        if (chance(4) == 0)
            tr_yield();
        if (tr_timer_cancel(timer) >= 0)
            cancelled++;
        else
            delivered += tr_receive_match(&(tr_match){ .tag = TR_MSG_TIMEOUT, .ref = { 0, timer.id } }, 10000) != NULL;
    }
    RULE("INV-01");
    CHECK_EQ(cancelled + delivered, RACES);
    CHECK(mailbox_empty());
}

/* ---- INV-02 */

static int slow_handle(void *state, const tr_msg *message)
{
    (void)state;
    if (tr_kind_of(message) != TR_KIND_CALL)
        return TR_OK;
    int wait = *(const int *)tr_expect(message, sizeof(int));
    if (wait < 0)
        return tr_stop(TR_SHUTDOWN);
    tr_sleep(wait);
    return tr_reply(tr_from_of(message), NULL, 0);
}

static const tr_actor slow = { .handle = slow_handle };

static void nothing_left(void);
TEST(invariant, a_finished_call_leaves_nothing_behind) { race(nothing_left); }
static void nothing_left(void)
{
    tr_pid server = { 0 };
    int answered = 0, late = 0, down = 0;
    for (int i = 0; i < 600; i++) {
        if (!tr_is_alive(server))
            server = tr_spawn_actor(&slow, NULL, 0, NULL);
        int wait = (int)chance(4) - 1;
        switch (tr_call(server, QUESTION, &wait, sizeof wait, NULL, 0, 1 + chance(3))) {
        case TR_OK: answered++; break;
        case TR_ETIMEDOUT: late++; break;
        case TR_EDOWN:
        case TR_ENOPROC: down++; break; /* it ended after the look */
        default: CHECK(false);
        }
    }
    end_with(server, TR_KILL); /* whatever it still wanted to say, it has said */
    RULE("INV-02");
    CHECK(mailbox_empty());
    CHECK_EQ(answered + late + down, 600);
}

/* ---- INV-03 */

static void ponger(const tr_msg *arg)
{
    (void)arg;
    for (;;) {
        const tr_msg *message = tr_receive(TR_INFINITY);
        tr_send(tr_sender(message), ANSWER, NULL, 0);
    }
}

/* Asks the next in a ring, many times, with pauses of different length in front of the receive. */
static void pinger(const tr_msg *arg)
{
    struct {
        tr_pid to, root;
    } const *start = tr_body(arg);
    bool lost = false;
    for (int i = 0; i < RACES && !lost; i++) {
        tr_send(start->to, QUESTION, NULL, 0);
        dawdle();
        lost = tr_receive_match(&(tr_match){ .tag = ANSWER }, 20000) == NULL;
    }
    tr_send(start->root, LAST, &lost, sizeof lost);
}

static void wake_ups(void);
TEST(invariant, no_wake_up_is_lost_between_processes) { race(wake_ups); }
static void wake_ups(void)
{
    enum { PAIRS = 6 };
    int lost = 0;
    for (int i = 0; i < PAIRS; i++) {
        struct {
            tr_pid to, root;
        } start = { tr_spawn(ponger, NULL, 0), tr_self() };
        tr_spawn(pinger, &start, sizeof start);
    }
    for (int i = 0; i < PAIRS; i++)
        lost += RECEIVE(bool, LAST);
    RULE("INV-03");
    CHECK_EQ(lost, 0);
}

static tr_pid foreign_target;

static void *foreign_sender(void *arg)
{
    (void)arg;
    for (int i = 0; i < RACES; i++) {
        tr_send(foreign_target, WORD, NULL, 0);
        dawdle();
    }
    return NULL;
}

static void foreign_wake_ups(void);
TEST(invariant, no_wake_up_of_a_foreign_thread_is_lost) { race(foreign_wake_ups); }
static void foreign_wake_ups(void)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    int lost = 0;
    foreign_target = tr_self();
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, foreign_sender, NULL), 0);
    for (int i = 0; i < THREADS * RACES; i++)
        lost += tr_receive(20000) == NULL;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    RULE("INV-03");
    CHECK_EQ(lost, 0);
}

static void sleeper(const tr_msg *arg)
{
    (void)arg;
    for (;;)
        if (chance(2) == 0)
            tr_sleep(1);
        else
            tr_receive(chance(2));
}

static void fatal_wake_ups(void);
TEST(invariant, a_fatal_signal_wakes_who_is_just_entering_a_wait) { race(fatal_wake_ups); }
static void fatal_wake_ups(void)
{
    int lost = 0;
    for (int i = 0; i < RACES; i++) {
        tr_ref monitor;
        tr_pid pid = tr_spawn_monitor(sleeper, NULL, 0, &monitor);
        dawdle();
        tr_exit_signal(pid, i % 2 == 0 ? TR_KILL : TR_SHUTDOWN);
        lost += tr_await_down(monitor, 20000, NULL) != TR_OK;
    }
    RULE("INV-03");
    CHECK_EQ(lost, 0);
}

/* ---- INV-04 */

struct node {
    int depth;
    tr_pid root;
};

/* A tree of linked processes; each says who it is. */
static void tree_node(const tr_msg *arg)
{
    struct node node = *(const struct node *)tr_expect(arg, sizeof node);
    tr_pid self = tr_self();
    tr_send(node.root, READY, &self, sizeof self);
    if (node.depth-- > 0)
        for (int i = 0; i < 3; i++)
            tr_spawn_link(tree_node, &node, sizeof node);
    waiter(arg);
}

static void no_survivor(void);
TEST(invariant, nobody_outlives_a_linked_peer) { race(no_survivor); }
static void no_survivor(void)
{
    enum { NODES = 1 + 3 + 9 + 27 };
    int survivors = 0;
    for (int round = 0; round < 50; round++) {
        struct node start = { 3, tr_self() };
        tr_pid nodes[NODES];
        tr_spawn(tree_node, &start, sizeof start);
        for (int i = 0; i < NODES; i++)
            nodes[i] = RECEIVE(tr_pid, READY);
        tr_exit_signal(nodes[chance(NODES)], because(round));
        for (int i = 0; i < NODES; i++) {
            tr_reason reason;
            survivors += tr_await_down(tr_monitor(nodes[i]), 20000, &reason) != TR_OK ||
                         (reason.why != TR_WHY_NOPROC && reason.code != round);
        }
    }
    RULE("INV-04");
    CHECK_EQ(survivors, 0);
}

/* ---- INV-05 */

static void supervisors_end(void);
TEST(invariant, children_of_an_ended_supervisor_are_dead_and_their_names_free) { run(supervisors_end); }
static void supervisors_end(void)
{
    static const char *const names[] = { "child 1", "child 2", "child 3", "child 4" };
    tr_child children[TR_COUNT(names)];
    int alive = 0;
    memset(children, 0, sizeof children);
    for (size_t i = 0; i < TR_COUNT(names); i++)
        children[i] = (tr_child){ .name = names[i], .actor = &slow };
    tr_supervisor spec = { .children = children, .child_count = TR_COUNT(children) };
    tr_trap_exit(true);
    for (int round = 0; round < 100; round++) {
        tr_pid supervisor, pids[TR_COUNT(names)];
        CHECK_EQ(tr_start_link(&(tr_child){ .supervisor = &spec }, &supervisor), TR_OK);
        for (size_t i = 0; i < TR_COUNT(names); i++)
            pids[i] = tr_whereis(names[i]);
        tr_exit_signal(supervisor, TR_SHUTDOWN);
        await_exit(supervisor);
        for (size_t i = 0; i < TR_COUNT(names); i++)
            alive += tr_is_alive(pids[i]) || !tr_nobody(tr_whereis(names[i]));
    }
    RULE("INV-05");
    CHECK_EQ(alive, 0);
}

/* ---- INV-06 */

static void observer(const tr_msg *arg)
{
    struct {
        tr_pid pid, root;
    } const *start = tr_body(arg);
    int contradictions = 0;
    bool dead = false;
    for (int after = 0; after < 5;) {
        tr_process_info info;
        bool seen[] = { tr_is_alive(start->pid), tr_info(start->pid, &info) == TR_OK,
                        tr_same(tr_whereis("observed"), start->pid) };
        for (size_t i = 0; i < TR_COUNT(seen); i++) /* in the order in which they were asked */
            if (!seen[i] && i < 2)
                dead = true;
            else if (dead && seen[i])
                contradictions++;
        after += dead;
        tr_yield();
    }
    tr_send(start->root, ANSWER, &contradictions, sizeof contradictions);
}

static void agree(void);
TEST(invariant, who_was_seen_dead_is_never_seen_alive) { race(agree); }
static void agree(void)
{
    enum { OBSERVERS = 4 };
    int contradictions = 0;
    for (int i = 0; i < RACES / 4; i++) {
        struct {
            tr_pid pid, root;
        } start = { tr_spawn(waiter, NULL, 0), tr_self() };
        CHECK_EQ(tr_register("observed", start.pid), TR_OK);
        for (int j = 0; j < OBSERVERS; j++)
            tr_spawn(observer, &start, sizeof start);
        dawdle();
        tr_exit_signal(start.pid, TR_KILL);
        for (int j = 0; j < OBSERVERS; j++)
            contradictions += RECEIVE(int, ANSWER);
    }
    RULE("INV-06");
    CHECK_EQ(contradictions, 0);
}

/* ---- INV-07 */

static tr_pid targets[64];
static int stop_poking;

/* Does everything that any thread may do, with processes that come and go. */
static void poke(bool process)
{
    tr_pid pid = { __atomic_load_n(&targets[chance(TR_COUNT(targets))].id, __ATOMIC_RELAXED) };
    tr_process_info info;
    tr_timer timer;
    switch (chance(process ? 12 : 8)) {
    case 0: tr_send(pid, WORD, NULL, 0); break;
    case 1: tr_exit_signal(pid, TR_SHUTDOWN); break;
    case 2: tr_is_alive(pid); break;
    case 3:
        if (tr_info(pid, &info) == TR_OK)
            CHECK(tr_same(info.pid, pid));
        break;
    case 4:
        if (tr_register("poked", pid) == TR_OK)
            tr_whereis("poked");
        break;
    case 5:
        if (tr_send_after(chance(2), pid, WORD, NULL, 0, &timer) == TR_OK)
            tr_timer_cancel(timer);
        break;
    case 6:
        if (tr_peek(pid, &info) == TR_OK)
            CHECK(tr_same(info.pid, pid));
        break;
    case 7: tr_cast(pid, WORD, NULL, 0); break;
    case 8: tr_demonitor(tr_monitor(pid), true); break;
    case 9:
        if (tr_link(pid) == TR_OK)
            tr_unlink_flush(pid);
        break;
    case 10: tr_unlink(pid); break;
    default:
        if (tr_call(pid, QUESTION, NULL, 0, NULL, 0, 1) == TR_OK)
            CHECK(false); /* nobody answers */
    }
}

static void *foreign_poker(void *arg)
{
    (void)arg;
    while (__atomic_load_n(&stop_poking, __ATOMIC_RELAXED) == 0)
        poke(false);
    return NULL;
}

static void poker(const tr_msg *arg)
{
    (void)arg;
    tr_trap_exit(true);
    while (__atomic_load_n(&stop_poking, __ATOMIC_RELAXED) == 0) {
        poke(true);
        tr_receive(0);
    }
}

static void anything_goes(void);
TEST(invariant, everything_is_safe_on_processes_that_die_meanwhile) { race(anything_goes); }
static void anything_goes(void)
{
    enum { POKERS = 4, THREADS = 2 };
    pthread_t threads[THREADS];
    tr_ref monitors[POKERS];
    __atomic_store_n(&stop_poking, 0, __ATOMIC_RELAXED);
    for (size_t i = 0; i < TR_COUNT(targets); i++)
        __atomic_store_n(&targets[i].id, tr_spawn(waiter, NULL, 0).id, __ATOMIC_RELAXED);
    for (int i = 0; i < POKERS; i++)
        tr_spawn_monitor(poker, NULL, 0, &monitors[i]);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, foreign_poker, NULL), 0);
    for (int i = 0; i < 2 * RACES; i++) {
        tr_pid *target = &targets[chance(TR_COUNT(targets))];
        tr_exit_signal(*target, TR_KILL);
        __atomic_store_n(&target->id, tr_spawn(waiter, NULL, 0).id, __ATOMIC_RELAXED);
        tr_yield();
    }
    __atomic_store_n(&stop_poking, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    RULE("INV-07");
    for (int i = 0; i < POKERS; i++)
        CHECK_EQ(tr_await_down(monitors[i], 20000, NULL), TR_OK);
}
