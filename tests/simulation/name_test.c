/* name_test.c: a name goes from process to process, by death and by tr_unregister, while others look it up again and
 * again and tell each other what they saw: nobody may see anything older than what it was told. */
#include "simulation/simulate.h"

/* Threads wait in the middle of what they do. */
#define STALLED .faults = { .stall = 4000, .most = 8 }

enum { HOLDERS = 6, LOOKERS = 3, LAST_STAGE = 2 * HOLDERS - 1 };

/* Where the name is: 2 * k: holder k has it; 2 * k + 1: nobody, after holder k. */
struct plan {
    tr_pid main, holders[HOLDERS], lookers[LOOKERS];
};

static int hold(void *state, const tr_msg *message)
{
    (void)state;
    (void)message;
    return TR_OK;
}
static const tr_actor holder = { .label = "holder", .handle = hold };

/* What a look-up shows to who knows of stage `known`. */
static int look(const struct plan *plan, int known)
{
    tr_pid found = tr_whereis("baton");
    if (found.id == 0)
        return known | 1;
    for (int k = 0; k < HOLDERS; k++)
        if (tr_same(found, plan->holders[k]))
            return 2 * k;
    CHECK(found.id == 0); /* nobody else ever had it */
    return known;
}

static void tell(const struct plan *plan, int stage)
{
    tr_pid to = plan->lookers[tr_sim_random(LOOKERS)];
    if (!tr_same(to, tr_self()))
        tr_send(to, WORD, &stage, sizeof stage);
}

static void looker(const tr_msg *arg)
{
    (void)arg;
    struct plan plan = *(const struct plan *)tr_expect(tr_receive(TR_INFINITY), sizeof plan);
    for (int known = 0; known < LAST_STAGE;) {
        for (const tr_msg *told; (told = tr_receive(0)) != NULL;) {
            int stage = *(const int *)tr_expect(told, sizeof stage);
            known = stage > known ? stage : known;
        }
        int seen = look(&plan, known);
        CHECK(seen >= known);
        if (seen != known)
            tell(&plan, seen);
        known = seen;
        if (tr_sim_random(4) == 0)
            tr_yield();
    }
    tr_send(plan.main, LAST, NULL, 0);
}

/* The name is free when this returns. */
static void let_go(tr_pid pid)
{
    if (tr_sim_random(2) == 0) {
        CHECK_EQ(tr_unregister("baton"), TR_OK);
        return;
    }
    tr_ref monitor = tr_monitor(pid);
    tr_exit_signal(pid, TR_KILL);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, NULL), TR_OK);
}

static void pass_on(void)
{
    struct plan plan = { .main = tr_self() };
    for (int i = 0; i < HOLDERS; i++)
        plan.holders[i] = tr_spawn_actor(&holder, NULL, 0, NULL);
    CHECK_EQ(tr_register("baton", plan.holders[0]), TR_OK);
    for (int i = 0; i < LOOKERS; i++)
        plan.lookers[i] = tr_spawn(looker, NULL, 0);
    tr_sim_inject(true);
    for (int i = 0; i < LOOKERS; i++)
        tr_send(plan.lookers[i], GO, &plan, sizeof plan);
    for (int k = 0; k < HOLDERS; k++) {
        for (uint32_t i = tr_sim_random(6); i > 0; i--)
            tr_yield();
        let_go(plan.holders[k]);
        CHECK_EQ(look(&plan, 2 * k), 2 * k + 1);
        tell(&plan, 2 * k + 1);
        if (k + 1 < HOLDERS) {
            CHECK_EQ(tr_register("baton", plan.holders[k + 1]), TR_OK);
            CHECK_EQ(look(&plan, 2 * k + 1), 2 * k + 2);
        }
    }
    int end = LAST_STAGE;
    for (int i = 0; i < LOOKERS; i++)
        tr_send(plan.lookers[i], WORD, &end, sizeof end);
    for (int i = 0; i < LOOKERS; i++)
        tr_expect(tr_receive(TR_INFINITY), 0);
}
SIM_TEST(name, nobody_sees_an_older_holder_than_it_was_told, STALLED)
{
    RULE("REG-03");
    RULE("REG-05");
    simulate(0, pass_on);
}
