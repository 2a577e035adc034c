/* choice.c: where choices come from: one generator for each purpose, all seeded by the run's seed, so that a fault more
 * or less does not change what the scheduler draws.
 *
 * Random: at each decision any thread that can run, for a number of points around `mean`. The mean and the other
 * parameters are drawn for each seed ("swarm"): a mean of 3 tears neighbouring instructions apart, one of 1,000 leaves
 * whole operations in one piece and mixes those.
 *
 * PCT (Burckhardt et al., "A randomized scheduler with probabilistic guarantees of finding bugs", 2010): the thread of
 * the highest priority runs; at d steps drawn beforehand the running one falls below all others. A thread that has run
 * FAIR_POINTS in one piece while others wait falls, too, since the runtime's waiting loops expect to be scheduled. */
#include "sim/machine.h"

enum { FAIR_POINTS = 20000, FIXED_POINTS = 1000 * 1000 };

/* splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014) */
uint64_t sim_draw(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint32_t sim_choose(uint32_t below) { return (uint32_t)(((sim_draw(&machine.choice) >> 32) * below) >> 32); }

static uint32_t one_of(const uint32_t *values, uint32_t count) { return values[sim_choose(count)]; }

static void plan_change(void)
{
    machine.change_at = machine.changes_left == 0 ? UINT64_MAX
                                                  : machine.steps + 1 + sim_choose((uint32_t)machine.change_span);
}

void sim_choice_start(uint64_t seed)
{
    static const uint32_t means[] = { 2, 5, 15, 50, 150, 500, 2000 }, spans[] = { 300, 3000, 30000, 300000 };
    static const uint32_t costs[] = { 10, 20, 50, 100 }, jumps[] = { 0, 0, 64, 1024 }, asides[] = { 0, 20, 200 };
    uint64_t base = seed * 2 + 1;
    machine.choice = sim_draw(&base);
    machine.entropy = sim_draw(&base);
    machine.chance = sim_draw(&base);
    machine.network = sim_draw(&base);
    if (machine.options.policy == TR_SIM_ANY)
        machine.options.policy = sim_choose(4) == 0 ? TR_SIM_PCT : TR_SIM_RANDOM;
    machine.mean = one_of(means, TR_COUNT(means));
    machine.point_ns = one_of(costs, TR_COUNT(costs));
    machine.jump_rate = one_of(jumps, TR_COUNT(jumps));
    machine.aside_rate = one_of(asides, TR_COUNT(asides));
    machine.change_span = one_of(spans, TR_COUNT(spans));
    machine.changes_left = machine.options.changes;
    machine.lowest = UINT64_C(1) << 32;
    sim_relaxed = 0;
    sim_relaxed_mask = sim_choose(2) == 0 ? 0 : 63;
    if (machine.options.policy == TR_SIM_FIXED) {
        machine.point_ns = 1;
        machine.jump_rate = machine.aside_rate = 0;
        machine.options.stall_ms = 1000;
        sim_relaxed_mask = 63;
    }
    plan_change();
}

int64_t sim_next_budget(void)
{
    if (machine.options.policy == TR_SIM_FIXED)
        return FIXED_POINTS;
    if (machine.options.policy != TR_SIM_PCT)
        return 1 + sim_choose(2 * machine.mean);
    /* PCT: until the next change */
    uint64_t left = machine.change_at > machine.steps ? machine.change_at - machine.steps : 0;
    return left < FAIR_POINTS ? (int64_t)left : FAIR_POINTS;
}

static struct sim_thread *highest(struct sim_thread *const *candidates, unsigned count)
{
    struct sim_thread *best = candidates[0];
    for (unsigned i = 1; i < count; i++)
        if (candidates[i]->priority > best->priority)
            best = candidates[i];
    return best;
}

static struct sim_thread *next_in_turn(struct sim_thread *const *candidates, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (candidates[i]->id > machine.current->id)
            return candidates[i];
    return candidates[0];
}

/* Who has waited longer than the policy may keep anybody waiting: the longest. NULL: nobody. */
static struct sim_thread *overdue(struct sim_thread *const *candidates, unsigned count)
{
    struct sim_thread *oldest = NULL;
    int64_t limit_ns = machine.now_ns - machine.options.stall_ms * 1000000;
    if (machine.waiting_since >= limit_ns)
        return NULL;
    machine.waiting_since = machine.now_ns;
    for (unsigned i = 0; i < count; i++)
        if (candidates[i] != machine.current && candidates[i]->since_ns < machine.waiting_since) {
            oldest = candidates[i];
            machine.waiting_since = oldest->since_ns;
        }
    return machine.waiting_since < limit_ns ? oldest : NULL;
}

struct sim_thread *sim_pick(struct sim_thread *const *candidates, unsigned count)
{
    struct sim_thread *current = machine.current, *late = overdue(candidates, count);
    if (late != NULL)
        return late;
    if (machine.options.policy == TR_SIM_FIXED)
        return current->state == SIM_RUNNABLE && current->yields == 0 ? current : next_in_turn(candidates, count);
    if (machine.options.policy != TR_SIM_PCT) {
        unsigned which = count == 1 ? 0 : sim_choose(count);
        if (candidates[which] == current && current->yields > 0 && count > 1) /* it gives way: to any other */
            which = (which + 1 + sim_choose(count - 1)) % count;
        return candidates[which];
    }
    bool changes = machine.steps >= machine.change_at;
    if (changes || (current->state == SIM_RUNNABLE && sim_budget < 0))
        current->priority = --machine.lowest;
    if (changes) {
        machine.changes_left--;
        plan_change();
    }
    return highest(candidates, count);
}

bool sim_lets_time_pass(void) { return machine.jump_rate != 0 && sim_choose(machine.jump_rate) == 0; }
