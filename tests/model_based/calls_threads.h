/* calls_threads.h: callers that are foreign threads: each has a process that takes the driver's orders in its place, as
 * a puppet does, and hands them to the thread, which carries them out and answers the driver. */
#ifndef TROUPE_TESTS_MODEL_BASED_CALLS_THREADS_H
#define TROUPE_TESTS_MODEL_BASED_CALLS_THREADS_H

#include "calls_real.h"

#include <pthread.h>

static struct thread {
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t wake;
    bool ordered, over;
    struct order order;
    tr_from from;
} threads[THREADS];

/* False: it is over. */
static bool next_order(struct thread *thread, struct order *order, tr_from *from)
{
    pthread_mutex_lock(&thread->lock);
    while (!thread->ordered && !thread->over)
        pthread_cond_wait(&thread->wake, &thread->lock);
    bool ordered = thread->ordered;
    *order = thread->order;
    *from = thread->from;
    thread->ordered = false;
    pthread_mutex_unlock(&thread->lock);
    return ordered;
}

static void *thread_main(void *arg)
{
    struct order order;
    tr_from from;
    while (next_order(arg, &order, &from)) {
        order.run(&order);
        tr_reply(from, &order, sizeof order);
    }
    return NULL;
}

static void agent(const tr_msg *arg)
{
    struct thread *thread = &threads[*(const int *)tr_expect(arg, sizeof(int))];
    for (;;) {
        const tr_msg *message = tr_receive_match(&(tr_match){ .tag = PUPPET_ORDER }, TR_INFINITY);
        pthread_mutex_lock(&thread->lock);
        thread->order = *(const struct order *)tr_expect(message, sizeof thread->order);
        thread->from = tr_from_of(message);
        thread->ordered = true;
        pthread_cond_signal(&thread->wake);
        pthread_mutex_unlock(&thread->lock);
    }
}

static void start_threads(void)
{
    for (int i = 0; i < THREADS; i++) {
        struct thread *thread = &threads[i];
        *thread = (struct thread){ .over = false };
        EXPECT_EQ(pthread_mutex_init(&thread->lock, NULL), 0);
        EXPECT_EQ(pthread_cond_init(&thread->wake, NULL), 0);
        EXPECT_EQ(pthread_create(&thread->thread, NULL, thread_main, thread), 0);
        caller_pids[PUPPETS + i] = tr_spawn(agent, &i, sizeof i);
        caller_downs[PUPPETS + i] = tr_monitor(caller_pids[PUPPETS + i]);
        world.callers[PUPPETS + i] = (struct caller){ .alive = true, .linked = NONE };
    }
}

/* Their agents have ended, and nobody waits. */
static void end_threads(void)
{
    for (int i = 0; i < THREADS; i++) {
        struct thread *thread = &threads[i];
        pthread_mutex_lock(&thread->lock);
        thread->over = true;
        pthread_cond_signal(&thread->wake);
        pthread_mutex_unlock(&thread->lock);
        EXPECT_EQ(pthread_join(thread->thread, NULL), 0);
        pthread_cond_destroy(&thread->wake);
        pthread_mutex_destroy(&thread->lock);
    }
}

#endif
