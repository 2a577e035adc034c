/* overflow.c: what a worker's ring had no room for. */
#include "queue/overflow.h"

#include "queue/task.h"

#include <stddef.h>

void overflow_init(struct overflow *overflow)
{
    pthread_mutex_init(&overflow->lock, NULL);
    overflow->oldest = overflow->next = 0;
    store_relaxed(&overflow->tasks, 0);
}

/* Under the lock. */
static void count_tasks(struct overflow *overflow, uint32_t change)
{
    /* relaxed: the lock orders, the reader only hints */
    store_relaxed(&overflow->tasks, load_relaxed(&overflow->tasks) + change);
}

bool overflow_put(struct overflow *overflow, struct task *first, struct task *last, uint32_t count)
{
    last->next = NULL;
    pthread_mutex_lock(&overflow->lock);
    bool room = overflow->next - overflow->oldest < OVERFLOW_BATCHES;
    if (room) {
        uint32_t place = overflow->next++ % OVERFLOW_BATCHES;
        overflow->batches[place].first = first;
        overflow->batches[place].last = last;
        overflow->batches[place].count = count;
        count_tasks(overflow, count);
    }
    pthread_mutex_unlock(&overflow->lock);
    return room;
}

bool overflow_put_behind(struct overflow *overflow, struct task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&overflow->lock);
    bool any = overflow->next != overflow->oldest;
    if (any) {
        uint32_t place = overflow->oldest % OVERFLOW_BATCHES;
        overflow->batches[place].last->next = task;
        overflow->batches[place].last = task;
        overflow->batches[place].count++;
        count_tasks(overflow, 1);
    }
    pthread_mutex_unlock(&overflow->lock);
    return any;
}

/* Under the lock: up to `most` tasks of the batch in this place. */
static uint32_t cut(struct overflow *overflow, uint32_t place, uint32_t most, struct task **first)
{
    uint32_t there = overflow->batches[place].count, taken = 1;
    struct task *last = *first = overflow->batches[place].first;
    for (; taken < most && taken < there; taken++)
        last = last->next;
    overflow->batches[place].first = last->next;
    overflow->batches[place].count = there - taken;
    last->next = NULL;
    count_tasks(overflow, -taken);
    return taken;
}

uint32_t overflow_take_newest(struct overflow *overflow, uint32_t most, struct task **first)
{
    uint32_t taken = 0;
    pthread_mutex_lock(&overflow->lock);
    if (overflow->next != overflow->oldest) {
        uint32_t place = (overflow->next - 1) % OVERFLOW_BATCHES;
        taken = cut(overflow, place, most, first);
        if (overflow->batches[place].count == 0)
            overflow->next--;
    }
    pthread_mutex_unlock(&overflow->lock);
    return taken;
}

uint32_t overflow_take_oldest(struct overflow *overflow, uint32_t most, struct task **first)
{
    uint32_t taken = 0;
    pthread_mutex_lock(&overflow->lock);
    if (overflow->next != overflow->oldest) {
        uint32_t place = overflow->oldest % OVERFLOW_BATCHES;
        taken = cut(overflow, place, most, first);
        if (overflow->batches[place].count == 0)
            overflow->oldest++;
    }
    pthread_mutex_unlock(&overflow->lock);
    return taken;
}
