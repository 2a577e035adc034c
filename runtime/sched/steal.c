/* steal.c: how a worker that has no task takes some from another.
 *
 * Locality comes first (D9): a task that was just made runnable is best run where it was made. So a thief notes where
 * the victim's ring ends, naps, looks again, and takes half of what was there both times. The guests of a worker
 * (worker.h) are robbed only while it is revoked.
 *
 * Bold and shy. Whether stolen work stays with its thief or goes home with its next message cannot be seen in a ring:
 * sixteen pairs that talk among themselves and a crowd around one server look alike there. So it is tried: bold thieves
 * nap for BOLD_NAP_NS, rob rings that turned over during the nap, too, and are woken when a ring grows (worker.c). A
 * loot that kept its thief busy for less than FRUIT_NS was torn off; and one of light turns (LIGHT_NS) whose victim ran
 * dry meanwhile is a crowd that has moved as a whole, and gained nothing. Then all thieves are shy for SHY_LEAST_NS,
 * twice as long each time up to SHY_MOST_NS: they nap for SHY_NAP_NS and take only what stayed. One good loot ends
 * that. What they share about it are hints: relaxed, and a lost update is one more or one less try. */
#include "sched/steal.h"

#include "base/clock.h"
#include "queue/task.h"
#include "sched/scheduler.h"

#define BOLD_NAP_NS  INT64_C(10000)
#define SHY_NAP_NS   INT64_C(50000)
#define FRUIT_NS     INT64_C(200000)
#define LIGHT_NS     INT64_C(500)
#define SHY_LEAST_NS INT64_C(1000000)
#define SHY_MOST_NS  INT64_C(8000000)

bool steal_overflows(void)
{
    unsigned count = load_acquire(&scheduler.worker_count);
    for (unsigned i = 0; i < count; i++) {
        struct worker *worker = load_acquire(&scheduler.workers[i]);
        if (worker != NULL && overflow_count(&worker->overflow) > 0)
            return true;
    }
    return false;
}

struct task *steal_overflow(struct worker *worker)
{
    unsigned count = load_acquire(&scheduler.worker_count), start = random_below(&worker->random, count);
    for (unsigned i = 0; i < count; i++) {
        struct worker *victim = load_acquire(&scheduler.workers[(start + i) % count]);
        struct task *first;
        if (victim == NULL || overflow_count(&victim->overflow) == 0 ||
            overflow_take_oldest(&victim->overflow, RING_SIZE, &first) == 0)
            continue;
        worker_accept(worker, first->next);
        context_count(&worker->context, COUNT_STEALS);
        trace_event_now(worker->context.trace, TRACE_STEAL, victim->index);
        return first;
    }
    return NULL;
}

/* Its guests may be robbed: it will not come to them soon. */
static bool has_stranded(struct worker *victim)
{
    return inject_count(&victim->guests) > 0 && load_relaxed(&victim->revoked) != 0;
}

bool steal_look(struct worker *worker, struct loot *loot)
{
    struct sight *sights = loot->sights;
    bool any = false;
    loot->count = load_acquire(&scheduler.worker_count);
    loot->bold = clock_now() >= load_relaxed(&scheduler.shy_until_ns);
    loot->nap_ns = loot->bold ? BOLD_NAP_NS : SHY_NAP_NS;
    for (unsigned i = 0; i < loot->count; i++) {
        struct worker *victim = load_acquire(&scheduler.workers[i]);
        sights[i] = (struct sight){ 0 };
        if (victim == NULL || victim == worker)
            continue;
        sights[i].queued = ring_look(&victim->ring, &sights[i].tail) > 0;
        sights[i].stranded = has_stranded(victim);
        any |= sights[i].queued || sights[i].stranded;
    }
    return any;
}

/* What stayed there; if bold, from a ring that turned over meanwhile but was never seen empty, what is there now. */
static struct task *rob_ring(struct worker *worker, struct worker *victim, uint32_t tail, bool bold)
{
    if (ring_rob(&worker->ring, &victim->ring, tail) > 0)
        return ring_take(&worker->ring);
    if (!bold || ring_look(&victim->ring, &tail) == 0 || ring_rob(&worker->ring, &victim->ring, tail) == 0)
        return NULL;
    return ring_take(&worker->ring);
}

struct task *steal(struct worker *worker, const struct loot *loot)
{
    const struct sight *sights = loot->sights;
    unsigned start = random_below(&worker->random, loot->count);
    for (unsigned i = 0; i < loot->count; i++) {
        unsigned index = (start + i) % loot->count;
        struct worker *victim = load_acquire(&scheduler.workers[index]);
        if (!sights[index].queued && !sights[index].stranded)
            continue;
        struct task *task = has_stranded(victim) ? inject_take_one(&victim->guests) : NULL;
        if (task == NULL && sights[index].queued)
            task = rob_ring(worker, victim, sights[index].tail, loot->bold);
        if (task == NULL)
            continue;
        worker->victim = victim;
        context_count(&worker->context, COUNT_STEALS);
        trace_event_now(worker->context.trace, TRACE_STEAL, index);
        return task;
    }
    return NULL;
}

/* ---- what a worker learns */

void steal_begin(struct worker *worker)
{
    worker->busy_since_ns = clock_now();
    worker->busy_since_turn = load_relaxed(&worker->turns);
}

void steal_judge(struct worker *worker)
{
    int64_t now = clock_now(), shy = 0;
    uint64_t turns = load_relaxed(&worker->turns) - worker->busy_since_turn;
    if (turns > 0)
        worker->turn_ns = (now - worker->busy_since_ns) / (int64_t)turns;
    store_relaxed(&worker->dry_ns, now); /* relaxed: a hint */
    if (worker->victim == NULL)
        return;
    bool moved = worker->turn_ns < LIGHT_NS && load_relaxed(&worker->victim->dry_ns) > worker->busy_since_ns;
    worker->victim = NULL;
    if (moved || now - worker->busy_since_ns < FRUIT_NS) {
        shy = 2 * load_relaxed(&scheduler.shy_ns) + SHY_LEAST_NS; /* relaxed, all three: hints */
        shy = shy > SHY_MOST_NS ? SHY_MOST_NS : shy;
        store_relaxed(&scheduler.shy_until_ns, now + shy);
    }
    store_relaxed(&scheduler.shy_ns, shy);
}
