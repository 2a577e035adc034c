/* work.c: tr_blocking, and the bracket in which faults are not contained.
 *
 * While its work runs the process is off its worker, keeps its run token, and its wait word is 0: nothing but the end
 * of the work schedules it, so a signal waits until then (the work may use the process's stack). */
#include "actor/end.h"
#include "actor/signal.h"
#include "sched/blocking.h"

struct work {
    struct blocking_job job;
    struct actor *actor;
    int (*work)(void *arg);
    void *arg;
    int result;
    bool refused;
};

static void run(struct blocking_job *job)
{
    struct work *work = CONTAINER_OF(job, struct work, job);
    work->result = work->work(work->arg);
}

static void done(struct blocking_job *job, struct context *context)
{
    schedule(context, &CONTAINER_OF(job, struct work, job)->actor->task);
}

/* On another stack: the process may be resumed from here on. */
static void submit(void *argument)
{
    struct work *work = argument;
    if (blocking_submit(&work->job))
        return;
    work->refused = true;
    schedule(context_self(), &work->actor->task);
}

API int tr_blocking(int (*work)(void *arg), void *arg)
{
    struct context *context = api_enter();
    if (context == NULL)
        return TR_ESTOPPED;
    struct actor *self = actor_here(context);
    struct work mine = { .job = { .run = run, .done = done }, .actor = self, .work = work, .arg = arg };
    if (self != NULL) {
        actor_check_blocking(context, self);
        if (!worker_block(&self->fiber, submit, &mine))
            mine.result = TR_ENOMEM;
        if (mine.refused)
            mine.result = TR_ELIMIT;
        actor_check_signals(self);
    }
    api_leave(context_self());
    return self != NULL ? mine.result : work(arg);
}

API void tr_critical_begin(void)
{
    struct worker *worker = worker_self();
    if (worker != NULL)
        worker->critical++;
}

API void tr_critical_end(void)
{
    struct worker *worker = worker_self();
    if (worker != NULL && worker->critical > 0)
        worker->critical--;
}
