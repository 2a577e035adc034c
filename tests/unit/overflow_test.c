/* overflow_test.c: newest first for the owner, oldest first for others, who had its slice last, and nothing lost
 * between them. */
#include "harness.h"
#include "queue/overflow.h"
#include "queue/task.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { BATCH = 4, CHURN_BATCHES = 20000 };

/* Tasks `from` to `from + count - 1` as a chain. */
static bool put(struct overflow *overflow, struct task *tasks, uint32_t from, uint32_t count)
{
    for (uint32_t i = from; i + 1 < from + count; i++)
        tasks[i].next = &tasks[i + 1];
    return overflow_put(overflow, &tasks[from], &tasks[from + count - 1], count);
}

static uint32_t length(const struct task *first)
{
    uint32_t tasks = 0;
    for (; first != NULL; first = first->next)
        tasks++;
    return tasks;
}

TEST(overflow, owner_gets_newest_batch_in_its_order)
{
    struct overflow overflow;
    struct task tasks[2 * BATCH] = { 0 }, *first;
    overflow_init(&overflow);
    CHECK(put(&overflow, tasks, 0, BATCH));
    CHECK(put(&overflow, tasks, BATCH, BATCH));
    CHECK_EQ(overflow_take_newest(&overflow, 3, &first), 3);
    CHECK(first == &tasks[BATCH] && first->next == &tasks[BATCH + 1]);
    CHECK_EQ(length(first), 3);
    CHECK_EQ(overflow_take_newest(&overflow, BATCH, &first), 1); /* the rest of it, before the older batch */
    CHECK(first == &tasks[BATCH + 3]);
    CHECK_EQ(overflow_take_newest(&overflow, BATCH, &first), BATCH);
    CHECK(first == &tasks[0]);
    CHECK_EQ(overflow_take_newest(&overflow, BATCH, &first), 0);
}

TEST(overflow, others_get_oldest_batch)
{
    struct overflow overflow;
    struct task tasks[2 * BATCH] = { 0 }, *first;
    overflow_init(&overflow);
    CHECK(put(&overflow, tasks, 0, BATCH));
    CHECK(put(&overflow, tasks, BATCH, BATCH));
    CHECK_EQ(overflow_take_oldest(&overflow, 1, &first), 1);
    CHECK(first == &tasks[0] && first->next == NULL);
    CHECK_EQ(overflow_take_oldest(&overflow, 2 * BATCH, &first), BATCH - 1);
    CHECK(first == &tasks[1]);
    CHECK_EQ(overflow_count(&overflow), BATCH);
    CHECK_EQ(overflow_take_oldest(&overflow, 2 * BATCH, &first), BATCH);
    CHECK_EQ(overflow_take_oldest(&overflow, 1, &first), 0);
}

TEST(overflow, who_is_put_behind_comes_last_for_the_owner)
{
    struct overflow overflow;
    struct task tasks[2 * BATCH + 3] = { 0 }, *first;
    overflow_init(&overflow);
    CHECK(!overflow_put_behind(&overflow, &tasks[2 * BATCH])); /* there is nothing that it could be behind */
    CHECK_EQ(overflow_count(&overflow), 0);
    CHECK(put(&overflow, tasks, 0, BATCH));
    CHECK(put(&overflow, tasks, BATCH, BATCH));
    for (int i = 0; i < 2; i++)
        CHECK(overflow_put_behind(&overflow, &tasks[2 * BATCH + i]));
    CHECK_EQ(overflow_count(&overflow), 2 * BATCH + 2);
    CHECK_EQ(overflow_take_newest(&overflow, 2 * BATCH, &first), BATCH);
    CHECK(first == &tasks[BATCH]);
    CHECK_EQ(overflow_take_newest(&overflow, BATCH, &first), BATCH);
    CHECK(first == &tasks[0]);
    CHECK(overflow_put_behind(&overflow, &tasks[2 * BATCH + 2]));
    CHECK_EQ(overflow_take_newest(&overflow, BATCH, &first), 3);
    CHECK(first == &tasks[2 * BATCH] && first->next == &tasks[2 * BATCH + 1]);
    CHECK_EQ(length(first), 3);
    CHECK_EQ(overflow_count(&overflow), 0);
}

TEST(overflow, refuses_a_batch_when_full)
{
    struct overflow overflow;
    struct task tasks[OVERFLOW_BATCHES + 1] = { 0 }, *first;
    overflow_init(&overflow);
    for (uint32_t i = 0; i < OVERFLOW_BATCHES; i++)
        CHECK(put(&overflow, tasks, i, 1));
    CHECK(!put(&overflow, tasks, OVERFLOW_BATCHES, 1));
    CHECK_EQ(overflow_count(&overflow), OVERFLOW_BATCHES);
    CHECK_EQ(overflow_take_oldest(&overflow, 1, &first), 1);
    CHECK(put(&overflow, tasks, OVERFLOW_BATCHES, 1));
}

static struct overflow shared;
static _Atomic uint32_t robbed;
static atomic_bool finished;

static void *rob(void *unused)
{
    (void)unused;
    struct task *first;
    while (!atomic_load(&finished) || overflow_count(&shared) > 0) {
        uint32_t taken = overflow_take_oldest(&shared, BATCH, &first);
        if (taken > 0 && length(first) == taken)
            atomic_fetch_add(&robbed, taken);
        else
            sched_yield();
    }
    return NULL;
}

TEST(overflow, owner_and_thieves_get_each_task_once)
{
    struct task *tasks = calloc((size_t)CHURN_BATCHES * BATCH, sizeof *tasks), *first;
    struct task *again = calloc(CHURN_BATCHES, sizeof *again);
    pthread_t thieves[2];
    uint32_t own = 0, put_back = 0;
    CHECK(tasks != NULL && again != NULL);
    overflow_init(&shared);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&thieves[i], NULL, rob, NULL), 0);
    for (uint32_t i = 0; i < CHURN_BATCHES; i++) {
        while (!put(&shared, tasks, i * BATCH, BATCH))
            own += overflow_take_newest(&shared, BATCH, &first);
        if (i % 5 == 0)
            put_back += overflow_put_behind(&shared, &again[i / 5]);
        if (i % 3 == 0)
            own += overflow_take_newest(&shared, BATCH / 2, &first);
    }
    atomic_store(&finished, true);
    for (int i = 0; i < 2; i++)
        pthread_join(thieves[i], NULL);
    CHECK_EQ(own + atomic_load(&robbed), CHURN_BATCHES * BATCH + put_back);
    free(tasks);
    free(again);
}
