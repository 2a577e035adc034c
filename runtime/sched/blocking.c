/* blocking.c: the blocking pool. */
#include "sched/blocking.h"

#include <pthread.h>

static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct blocking_job *first, **last;     /* (l) */
    unsigned threads, idle;                 /* (l) idle: those that have been signalled, but not run since, too */
    unsigned queued;                        /* (l) jobs that nobody has taken: some are meant for idle threads */
    bool end;                               /* (l) */
    pthread_t ids[BLOCKING_MOST];           /* (l) */
    struct context contexts[BLOCKING_MOST]; /* (l) while it is prepared; then its thread's */
} blocking = { .lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER, .last = &blocking.first };

/* Under the lock: waits for a job; NULL: the end. */
static struct blocking_job *next_job(void)
{
    blocking.idle++;
    while (blocking.first == NULL && !blocking.end)
        pthread_cond_wait(&blocking.filled, &blocking.lock);
    blocking.idle--;
    struct blocking_job *job = blocking.first;
    if (job == NULL)
        return NULL;
    blocking.queued--;
    if ((blocking.first = job->next) == NULL)
        blocking.last = &blocking.first;
    return job;
}

static void *run_jobs(void *argument)
{
    struct context *context = argument;
    context_adopt(context);
    pthread_mutex_lock(&blocking.lock);
    for (struct blocking_job *job; (job = next_job()) != NULL;) {
        pthread_mutex_unlock(&blocking.lock);
        job->run(job);
        job->done(job, context);
        pthread_mutex_lock(&blocking.lock);
    }
    pthread_mutex_unlock(&blocking.lock);
    context_close(context);
    return NULL;
}

/* Under the lock: no memory or no thread to be had is no harm while there is another. */
static void start_thread(void)
{
    struct context *context = &blocking.contexts[blocking.threads];
    *context = (struct context){ .foreign = false };
    if (!context_prepare(context, NULL, TRACE_TRACK_BLOCKING))
        return;
    if (pthread_create(&blocking.ids[blocking.threads], NULL, run_jobs, context) == 0)
        blocking.threads++;
    else
        context_dismiss(context);
}

bool blocking_submit(struct blocking_job *job)
{
    pthread_mutex_lock(&blocking.lock);
    if (blocking.idle <= blocking.queued && blocking.threads < BLOCKING_MOST)
        start_thread();
    bool good = blocking.threads > 0;
    if (good) {
        job->next = NULL;
        *blocking.last = job;
        blocking.last = &job->next;
        blocking.queued++;
        pthread_cond_signal(&blocking.filled);
    }
    pthread_mutex_unlock(&blocking.lock);
    return good;
}

void blocking_stop(void)
{
    pthread_mutex_lock(&blocking.lock);
    blocking.end = true;
    pthread_cond_broadcast(&blocking.filled);
    unsigned threads = blocking.threads;
    pthread_mutex_unlock(&blocking.lock);
    for (unsigned i = 0; i < threads; i++)
        pthread_join(blocking.ids[i], NULL);
    blocking.threads = 0;
    blocking.end = false;
}
