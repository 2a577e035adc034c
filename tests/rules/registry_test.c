/* registry_test.c: names: REG. */
#include "support.h"

static void one_each(void);
TEST(registry, one_process_per_name_and_one_name_per_process) { run(one_each); }
static void one_each(void)
{
    tr_pid pid = tr_spawn(waiter, NULL, 0), other = tr_spawn(waiter, NULL, 0);
    RULE("REG-01"); /* any living process, not only oneself */
    CHECK_EQ(tr_register("one", pid), TR_OK);
    CHECK(tr_same(tr_whereis("one"), pid));
    RULE("REG-02");
    CHECK_EQ(tr_register("one", other), TR_ETAKEN);
    CHECK_EQ(tr_register("one", pid), TR_ETAKEN);
    CHECK_EQ(tr_register("two", pid), TR_ETAKEN);
    CHECK_EQ(tr_register("two", dead_pid()), TR_ENOPROC);
    CHECK_EQ(tr_register("", other), TR_EINVAL);
    CHECK_EQ(tr_register("two", tr_name("one")), TR_EINVAL);
    CHECK_EQ(tr_register("two", (tr_pid){ 0 }) == TR_OK, false);
    CHECK(tr_nobody(tr_whereis("two")));
}

static void long_names(void);
TEST(registry, names_are_copied_and_may_be_long) { run(long_names); }
static void long_names(void)
{
    char name[300];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    CHECK_EQ(tr_register(name, tr_self()), TR_OK);
    tr_pid by_name = tr_name(name);
    name[0] = 'x';
    RULE("REG-01");
    CHECK_EQ(tr_send(by_name, WORD, NULL, 0), TR_OK);
    CHECK(tr_nobody(tr_whereis(name)));
    name[0] = 'n';
    CHECK_EQ(tr_unregister(name), TR_OK);
}

/* A worker remembers hashes of short names, a thread that is none does not. */
enum { LONGEST = 19, EACH = 16 };
static tr_pid outside[LONGEST + 1][EACH];

/* Names of one length differ in the first letter alone. */
static tr_pid hash(int size, int which)
{
    char name[LONGEST + 1];
    snprintf(name, sizeof name, "%.*s", size, "?bcdefghijklmnopqrs");
    if (size > 0)
        name[0] = (char)('a' + which);
    return tr_name(name);
}

static void hash_inside(void);
TEST(registry, a_name_means_the_same_in_a_process_and_outside)
{
    for (int size = 0; size <= LONGEST; size++)
        for (int which = 0; which < EACH; which++)
            outside[size][which] = hash(size, which);
    run(hash_inside);
}
static void hash_inside(void)
{
    RULE("REG-01");
    for (int size = 0; size <= LONGEST; size++)
        for (int which = 0; which < EACH; which++)
            for (int again = 0; again < 2; again++)
                CHECK(tr_same(hash(size, which), outside[size][which]));
}

static void unregister(void);
TEST(registry, anybody_may_take_a_name_away) { run(unregister); }
static void unregister(void)
{
    tr_pid pid = tr_spawn(waiter, NULL, 0);
    CHECK_EQ(tr_register("short", pid), TR_OK);
    RULE("REG-03");
    CHECK_EQ(tr_unregister("short"), TR_OK);
    CHECK_EQ(tr_unregister("short"), TR_ENOPROC);
    CHECK(tr_nobody(tr_whereis("short")));
    CHECK_EQ(tr_register("another", pid), TR_OK); /* it has no name any more */
}

static void fight(const tr_msg *arg)
{
    tr_pid root = *(const tr_pid *)tr_body(arg);
    int won = tr_register("contested", tr_self()) == TR_OK;
    tr_send(root, ANSWER, &won, sizeof won);
    await_tag(GO);
}

static void racing_registrations(void);
TEST(registry, one_of_many_racing_registrations_wins) { race(racing_registrations); }
static void racing_registrations(void)
{
    enum { FIGHTERS = 8 };
    tr_pid self = tr_self();
    int wrong = 0;
    for (int i = 0; i < RACES / 8; i++) {
        tr_pid pids[FIGHTERS];
        int winners = 0;
        for (int j = 0; j < FIGHTERS; j++)
            pids[j] = tr_spawn(fight, &self, sizeof self);
        for (int j = 0; j < FIGHTERS; j++)
            winners += RECEIVE(int, ANSWER);
        wrong += winners != 1;
        for (int j = 0; j < FIGHTERS; j++) {
            tr_ref monitor = tr_monitor(pids[j]);
            go(pids[j]);
            await_down(monitor);
        }
        wrong += !tr_nobody(tr_whereis("contested"));
    }
    RULE("REG-01");
    CHECK_EQ(wrong, 0);
}

static void whereis_of_the_dying(void);
TEST(registry, name_can_be_given_again_once_its_holder_is_seen_dead) { race(whereis_of_the_dying); }
static void whereis_of_the_dying(void)
{
    int wrong = 0;
    tr_pid next = tr_spawn(waiter, NULL, 0);
    for (int i = 0; i < RACES; i++) {
        tr_pid pid = tr_spawn(waiter, NULL, 0);
        tr_ref monitor = tr_monitor(pid);
        CHECK_EQ(tr_register("handed", pid), TR_OK);
        tr_exit_signal(pid, TR_KILL);
        tr_pid seen = tr_whereis("handed"); /* it, or nobody */
        wrong += !tr_nobody(seen) && !tr_same(seen, pid);
        if (i % 2 == 0)
            await_down(monitor);
        else
            wrong += tr_is_alive(pid);
        wrong += tr_register("handed", next) != TR_OK;
        CHECK_EQ(tr_unregister("handed"), TR_OK);
        tr_demonitor(monitor, true);
    }
    RULE("REG-04");
    CHECK_EQ(wrong, 0);
}

static void free_before_down(void);
TEST(registry, name_is_free_before_exit_and_down) { race(free_before_down); }
static void free_before_down(void)
{
    int taken = 0;
    tr_trap_exit(true);
    for (int i = 0; i < RACES; i++) {
        tr_pid pid = tr_spawn_link(waiter, NULL, 0);
        CHECK_EQ(tr_register("freed", pid), TR_OK);
        tr_exit_signal(pid, TR_SHUTDOWN);
        await_exit(pid);
        taken += !tr_nobody(tr_whereis("freed"));
    }
    RULE("REG-05");
    CHECK_EQ(taken, 0);
}

static int crasher_handle(void *state, const tr_msg *message)
{
    (void)state;
    return tr_tag(message) == QUESTION ? tr_reply(tr_from_of(message), NULL, 0) : tr_unexpected(message);
}

static const tr_actor crasher = { .handle = crasher_handle };

static void restarted_name(void);
TEST(registry, supervisor_restarts_a_named_child_without_a_conflict) { run(restarted_name); }
static void restarted_name(void)
{
    tr_child child = { .name = "phoenix", .actor = &crasher };
    tr_supervisor spec = { .children = &child, .child_count = 1, .intensity = 1000 };
    tr_pid supervisor;
    CHECK_EQ(tr_start(&(tr_child){ .supervisor = &spec }, &supervisor), TR_OK);
    for (int i = 0; i < 200; i++) {
        tr_pid pid = tr_whereis("phoenix");
        tr_ref monitor = tr_monitor(pid);
        tr_send(pid, WORD, NULL, 0); /* crashes it */
        await_down(monitor);
        tr_child_counts counts; /* EXIT-12: it has the EXIT, so it has restarted the child when it answers */
        CHECK_EQ(tr_count_children(supervisor, &counts), TR_OK);
        RULE("REG-06");
        CHECK_EQ(tr_call(tr_name("phoenix"), QUESTION, NULL, 0, NULL, 0, TR_INFINITY), TR_OK);
    }
    end_with(supervisor, TR_KILL);
}

static void destinations(void);
TEST(registry, calls_and_casts_take_pids_and_names) { run(destinations); }
static void destinations(void)
{
    tr_pid pid = tr_spawn_actor(&crasher, NULL, 0, NULL);
    CHECK_EQ(tr_register("served", pid), TR_OK);
    RULE("REG-07");
    CHECK_EQ(tr_call(pid, QUESTION, NULL, 0, NULL, 0, TR_INFINITY), TR_OK);
    CHECK_EQ(tr_call(tr_name("served"), QUESTION, NULL, 0, NULL, 0, TR_INFINITY), TR_OK);
    CHECK_EQ(tr_call(tr_name("unserved"), QUESTION, NULL, 0, NULL, 0, TR_INFINITY), TR_ENOPROC);
    CHECK_EQ(tr_cast(tr_name("unserved"), WORD, NULL, 0), TR_OK);
    tr_ref monitor = tr_monitor(pid);
    CHECK_EQ(tr_cast(tr_name("served"), WORD, NULL, 0), TR_OK); /* crashes it: so it arrived */
    CHECK_EQ(await_down(monitor).why, TR_WHY_UNEXPECTED);
}

static void many_names(void);
TEST(registry, names_leave_no_trace) { run(many_names); }
static void many_names(void)
{
    tr_system_info before, after;
    tr_pid pid = tr_spawn(waiter, NULL, 0);
    for (int i = 0; i < 200000; i++) {
        char name[32];
        if (i == 100000)
            CHECK_EQ(tr_system(&before), TR_OK);
        snprintf(name, sizeof name, "match %d", i);
        CHECK_EQ(tr_register(name, pid), TR_OK);
        CHECK_EQ(tr_unregister(name), TR_OK);
        if (i % 100 == 0)
            tr_yield(); /* what is retired in one turn is freed after it */
    }
    CHECK_EQ(tr_system(&after), TR_OK);
    RULE("REG-03");
    CHECK(after.memory <= before.memory + (8 << 20)); /* a name takes 60 bytes and more */
}
