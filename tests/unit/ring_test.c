/* ring_test.c: a worker's run queue: first in, first out; full; robbed by halves; and each task handed out once, with
 * all that its pusher wrote. */
#include "base/random.h"
#include "harness.h"
#include "queue/ring.h"
#include "queue/task.h"

#include <pthread.h>
#include <sched.h>

static struct ring ring, mine;
static struct task tasks[2 * RING_SIZE];

static uint32_t there(struct ring *of)
{
    uint32_t tail;
    return ring_look(of, &tail);
}

static uint32_t end_of(struct ring *of)
{
    uint32_t tail;
    (void)ring_look(of, &tail);
    return tail;
}

static void push_many(int count)
{
    for (int i = 0; i < count; i++)
        CHECK(ring_push(&ring, &tasks[i]));
}

TEST(ring, is_first_in_first_out_over_many_laps)
{
    ring_init(&ring);
    CHECK(ring_take(&ring) == NULL);
    for (int lap = 0; lap < 5 * RING_SIZE; lap++) {
        push_many(3);
        CHECK_EQ(there(&ring), 3);
        for (int i = 0; i < 3; i++)
            CHECK(ring_take(&ring) == &tasks[i]);
        CHECK(ring_take(&ring) == NULL);
    }
}

TEST(ring, refuses_what_does_not_fit)
{
    ring_init(&ring);
    push_many(RING_SIZE);
    CHECK(!ring_push(&ring, &tasks[RING_SIZE]));
    CHECK(ring_take(&ring) == &tasks[0]);
    CHECK(ring_push(&ring, &tasks[RING_SIZE]));
    CHECK(!ring_push(&ring, &tasks[0]));
    for (int i = 1; i <= RING_SIZE; i++)
        CHECK(ring_take(&ring) == &tasks[i]);
}

TEST(ring, a_thief_gets_the_older_half_rounded_up)
{
    ring_init(&ring);
    ring_init(&mine);
    push_many(5);
    CHECK_EQ(ring_rob(&mine, &ring, end_of(&ring)), 3);
    CHECK_EQ(there(&ring), 2);
    for (int i = 0; i < 3; i++)
        CHECK(ring_take(&mine) == &tasks[i]);
    CHECK(ring_take(&ring) == &tasks[3]);
    CHECK_EQ(ring_rob(&mine, &ring, end_of(&ring)), 1); /* a single one is taken, too */
    CHECK(ring_take(&mine) == &tasks[4]);
    CHECK_EQ(ring_rob(&mine, &ring, end_of(&ring)), 0);
}

TEST(ring, a_thief_gets_nothing_that_is_younger_than_its_look)
{
    ring_init(&ring);
    ring_init(&mine);
    push_many(2);
    uint32_t seen = end_of(&ring);
    push_many(RING_SIZE - 2);
    CHECK_EQ(ring_rob(&mine, &ring, seen), 1);
    CHECK(ring_take(&mine) == &tasks[0]);
    CHECK(ring_take(&ring) == &tasks[1]);
    CHECK_EQ(ring_rob(&mine, &ring, seen), 0); /* all that was there at the look is gone */
}

/* ---- one owner, many thieves */

enum { THIEVES = 3, PARCELS = WITH_TSAN ? 20000 : 300000 };

/* What the pusher writes plainly, and whoever has the task reads. */
struct parcel {
    struct task task;
    uint32_t number, handled;
};
static struct parcel parcels[PARCELS];
static _Atomic uint32_t handled; /* relaxed throughout: nothing but the rings orders what the parcels hold */

static void handle(struct task *task)
{
    struct parcel *parcel = (struct parcel *)(void *)task;
    CHECK_EQ(parcel->number, (uint32_t)(parcel - parcels) + 1);
    CHECK_EQ(parcel->handled, 0);
    parcel->handled = 1;
    atomic_fetch_add_explicit(&handled, 1, memory_order_relaxed);
}

static void *steal(void *number)
{
    struct ring own;
    struct random random = { (uintptr_t)number };
    ring_init(&own);
    while (load_relaxed(&handled) < PARCELS) {
        if (ring_rob(&own, &ring, end_of(&ring) - random_below(&random, 2)) == 0)
            sched_yield();
        for (struct task *task; (task = ring_take(&own)) != NULL;)
            handle(task);
    }
    return NULL;
}

TEST(ring, each_task_is_handed_out_once_with_what_its_pusher_wrote)
{
    pthread_t threads[THIEVES];
    struct random random = { 4711 };
    ring_init(&ring);
    for (uintptr_t i = 0; i < THIEVES; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, steal, (void *)(i + 1)), 0);
    for (uint32_t i = 0; i < PARCELS; i++) {
        parcels[i].number = i + 1;
        while (!ring_push(&ring, &parcels[i].task))
            sched_yield();
        for (uint32_t take = random_below(&random, 3) == 0 ? random_below(&random, 4) : 0; take > 0; take--) {
            struct task *task = ring_take(&ring);
            if (task != NULL)
                handle(task);
        }
    }
    for (int i = 0; i < THIEVES; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(load_relaxed(&handled), PARCELS);
    for (uint32_t i = 0; i < PARCELS; i++)
        CHECK_EQ(parcels[i].handled, 1);
}
