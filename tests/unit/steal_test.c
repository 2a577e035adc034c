/* steal_test.c: what a thief takes of workers that stand still, and what it learns of it; without threads, so that each
 * step is what the test says. */
#include "base/clock.h"
#include "harness.h"
#include "queue/task.h"
#include "sched/scheduler.h"
#include "sched/steal.h"

enum { WORKERS = 3, THIEF = 0, MISSING = 1, VICTIM = 2, QUEUED = 8 };

static struct worker workers[WORKERS], *const thief = &workers[THIEF], *const victim = &workers[VICTIM];
static struct task tasks[RING_SIZE + 2];

/* A thief, a worker that has not started, a victim; all thieves are bold. */
static void set_up(void)
{
    inject_init(&scheduler.inject);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct worker *worker = &workers[i];
        worker->context.worker = worker;
        worker->context.trace = trace_ring_create(i);
        worker->index = i;
        worker->random.state = i + 1;
        ring_init(&worker->ring);
        inject_init(&worker->pinned);
        inject_init(&worker->guests);
        overflow_init(&worker->overflow);
        store_relaxed(&scheduler.workers[i], i == MISSING ? NULL : worker);
    }
    store_relaxed(&scheduler.worker_count, WORKERS);
}

static void queue(struct worker *worker, int from, int count)
{
    for (int i = 0; i < count; i++)
        schedule_last(&worker->context, &tasks[from + i]);
}

static uint32_t there(struct worker *worker)
{
    uint32_t tail;
    return ring_look(&worker->ring, &tail);
}

static void be_shy(void) { store_relaxed(&scheduler.shy_until_ns, NEVER); }

TEST(steal, takes_half_of_what_stayed_in_a_ring_over_the_nap)
{
    struct loot loot;
    set_up();
    CHECK(!steal_look(thief, &loot)); /* nobody has anything; its own ring does not count */
    queue(thief, 0, 1);
    CHECK(!steal_look(thief, &loot));
    CHECK(ring_take(&thief->ring) == &tasks[0]);
    queue(victim, 0, QUEUED);
    CHECK(steal_look(thief, &loot));
    queue(victim, QUEUED, QUEUED); /* came later */
    CHECK(steal(thief, &loot) == &tasks[0]);
    CHECK_EQ(there(thief), QUEUED / 2 - 1);
    CHECK(thief->victim == victim);
    CHECK_EQ(load_relaxed(&thief->context.counters[COUNT_STEALS]), 1);
}

/* What the victim has now is none of what it had before the nap. */
static struct loot turned_over(bool shy)
{
    struct loot loot;
    set_up();
    if (shy)
        be_shy();
    queue(victim, 0, QUEUED);
    CHECK(steal_look(thief, &loot));
    CHECK_EQ(loot.bold, !shy);
    while (ring_take(&victim->ring) != NULL)
        continue;
    return loot;
}

TEST(steal, bold_thief_takes_of_a_ring_that_turned_over)
{
    struct loot loot = turned_over(false);
    queue(victim, QUEUED, QUEUED);
    CHECK(steal(thief, &loot) == &tasks[QUEUED]);
}

TEST(steal, bold_thief_leaves_a_ring_that_was_emptied)
{
    struct loot loot = turned_over(false);
    CHECK(steal(thief, &loot) == NULL);
    CHECK(thief->victim == NULL);
}

TEST(steal, shy_thief_leaves_a_ring_that_turned_over)
{
    struct loot loot = turned_over(true);
    queue(victim, QUEUED, QUEUED);
    CHECK(steal(thief, &loot) == NULL);
    CHECK_EQ(there(victim), QUEUED);
}

TEST(steal, shy_thief_naps_longer)
{
    struct loot bold, shy;
    set_up();
    (void)steal_look(thief, &bold);
    be_shy();
    (void)steal_look(thief, &shy);
    CHECK(bold.bold && !shy.bold && shy.nap_ns > bold.nap_ns);
}

TEST(steal, guests_are_robbed_of_a_revoked_worker_only)
{
    struct loot loot;
    set_up();
    schedule_with(&thief->context, VICTIM, &tasks[0]);
    CHECK(!steal_look(thief, &loot));
    store_relaxed(&victim->revoked, REVOKED);
    CHECK(steal_look(thief, &loot));
    CHECK(steal(thief, &loot) == &tasks[0]);
    CHECK_EQ(inject_count(&victim->guests), 0);
    CHECK(steal(thief, &loot) == NULL); /* another was faster */
}

TEST(steal, guest_of_a_worker_that_came_back_during_the_nap_stays)
{
    struct loot loot;
    set_up();
    schedule_with(&thief->context, VICTIM, &tasks[0]);
    store_relaxed(&victim->revoked, REVOKED);
    CHECK(steal_look(thief, &loot));
    store_relaxed(&victim->revoked, REVOKED_NOT);
    CHECK(steal(thief, &loot) == NULL);
    CHECK_EQ(inject_count(&victim->guests), 1);
}

/* ---- what was set aside */

TEST(steal, takes_the_oldest_batch_that_some_worker_has_set_aside)
{
    set_up();
    CHECK(!steal_overflows());
    CHECK(steal_overflow(thief) == NULL);
    queue(victim, 0, RING_SIZE + 1); /* one more than fits: the older half is set aside, and the one behind it */
    CHECK(steal_overflows());
    CHECK_EQ(overflow_count(&victim->overflow), RING_SIZE / 2 + 1);
    CHECK(steal_overflow(thief) == &tasks[0]);
    CHECK_EQ(there(thief), RING_SIZE / 2);
    CHECK(!steal_overflows());
}

TEST(steal, what_an_overflow_has_no_room_for_goes_to_the_global_queue)
{
    static struct task fillers[OVERFLOW_BATCHES];
    set_up();
    for (int i = 0; i < OVERFLOW_BATCHES; i++)
        CHECK(overflow_put(&victim->overflow, &fillers[i], &fillers[i], 1));
    queue(victim, 0, RING_SIZE + 1);
    CHECK_EQ(overflow_count(&victim->overflow), OVERFLOW_BATCHES);
    CHECK_EQ(inject_count(&scheduler.inject), RING_SIZE / 2 + 1);
}

TEST(steal, what_a_ring_has_no_room_for_is_accepted_into_the_global_queue)
{
    set_up();
    queue(thief, 0, RING_SIZE);
    tasks[RING_SIZE].next = &tasks[RING_SIZE + 1];
    worker_accept(thief, &tasks[RING_SIZE]);
    CHECK_EQ(inject_count(&scheduler.inject), 2);
}

TEST(steal, a_revoked_worker_schedules_into_the_global_queue)
{
    set_up();
    store_relaxed(&victim->revoked, REVOKED);
    queue(victim, 0, 1);
    CHECK_EQ(there(victim), 0);
    CHECK_EQ(inject_count(&scheduler.inject), 1);
}

/* ---- what a worker learns */

/* A loot that kept the thief busy for so long, with so many turns. */
static void loot_of_turns(int64_t ns, uint64_t turns)
{
    steal_begin(thief);
    thief->victim = victim;
    thief->busy_since_ns -= ns;
    store_relaxed(&thief->turns, load_relaxed(&thief->turns) + turns);
    steal_judge(thief);
    CHECK(thief->victim == NULL);
}

static void loot_lasts(int64_t ns) { loot_of_turns(ns, 0); }

TEST(steal, loots_that_were_torn_off_make_thieves_shy_for_longer_each_time)
{
    int64_t before = 0, most = 0;
    set_up();
    for (int i = 0; i < 20; i++) {
        loot_lasts(-NS_PER_S); /* not yet over: less than any loot that is worth it */
        int64_t shy = load_relaxed(&scheduler.shy_ns);
        CHECK(shy > before || (shy == before && shy == most));
        before = shy;
        most = shy > most ? shy : most;
    }
    CHECK(load_relaxed(&scheduler.shy_until_ns) > 0);
    CHECK(most < NS_PER_S); /* there is a bound */
}

TEST(steal, one_good_loot_ends_the_shyness)
{
    set_up();
    loot_lasts(-NS_PER_S);
    CHECK(load_relaxed(&scheduler.shy_ns) > 0);
    loot_lasts(NS_PER_S);
    CHECK_EQ(load_relaxed(&scheduler.shy_ns), 0);
}

/* A loot of so many turns that lasted for a second, in which the victim ran dry. */
static void crowd_moves(uint64_t turns)
{
    set_up();
    loot_lasts(-NS_PER_S);
    store_relaxed(&victim->dry_ns, clock_now());
    loot_of_turns(NS_PER_S, turns);
}

TEST(steal, a_crowd_of_short_turns_that_left_its_victim_was_not_worth_it)
{
    crowd_moves(NS_PER_S / 100);
    CHECK(load_relaxed(&scheduler.shy_ns) > 0);
}

TEST(steal, long_turns_are_worth_a_theft_whatever_becomes_of_the_victim)
{
    crowd_moves(10);
    CHECK_EQ(load_relaxed(&scheduler.shy_ns), 0);
}

TEST(steal, a_worker_learns_what_its_turns_take)
{
    set_up();
    thief->turn_ns = 7;
    steal_begin(thief);
    steal_judge(thief);
    CHECK_EQ(thief->turn_ns, 7); /* no turn, nothing learned */
    steal_begin(thief);
    thief->busy_since_ns -= NS_PER_S;
    store_relaxed(&thief->turns, load_relaxed(&thief->turns) + 10);
    steal_judge(thief);
    CHECK(thief->turn_ns >= NS_PER_S / 10);
    CHECK_EQ(load_relaxed(&scheduler.shy_until_ns), 0); /* it robbed nobody */
}
