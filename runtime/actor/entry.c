/* entry.c: where a worker enters an actor, and the straight-line processes, which it enters but once; handler.c has the
 * turns of all others.
 *
 * A straight-line process has no turns: its one function runs from the start message to the end of the process, on the
 * worker's fiber or, if it asked for a size, on a stack of its own. What it blocks in leaves it on that fiber. */
#include "actor/entry.h"

#include "actor/end.h"
#include "actor/handler.h"
#include "actor/inbox.h"
#include "actor/report.h"
#include "sched/scheduler.h"

/* ---- straight-line processes */

static void run_entry(struct actor *self)
{
    struct context *context = context_self();
    tr_msg *start = inbox_head(self);
    tr_entry *entry;
    memcpy(&entry, &self->data, sizeof entry);
    inbox_use_head(self, start);
    self->current = start;
    if (start->serial == 0 || start->tag == 0)
        handler_started(context, self);
    runtime_leave(context->worker);
    entry(start);
    runtime_enter(worker_self());
}

/* On a stack of its own size. */
static void large_entry(void *argument)
{
    struct actor *self = argument;
    run_entry(self);
    actor_exit(self, notice_static(TR_WHY_NORMAL), false);
}

void entry_begin(struct actor *self)
{
    size_t stack_size = self->cold == NULL ? 0 : self->cold->stack_size;
    if (stack_size > 0) {
        if (!worker_enter_large(stack_size, large_entry, self))
            actor_die(context_self(), self, notice_static(TR_WHY_SYSTEM_LIMIT));
        return;
    }
    run_entry(self);
    actor_die(context_self(), self, notice_static(TR_WHY_NORMAL));
}

/* ---- every actor */

/* A pinned process runs on the worker of its first turn alone, which is no spare. False: it was handed there. */
static NOINLINE bool at_home(struct actor *self)
{
    struct worker *worker = worker_self();
    struct cold *cold = self->cold;
    if (cold->home == WORKERS_MOST)
        cold->home = worker->spare ? (unsigned)(self->pid % scheduler.settings.workers) : worker->index;
    if (cold->home == worker->index)
        return true;
    report_pinned(self, cold->home);
    schedule_on(&worker->context, cold->home, &self->task);
    return false;
}

/* Debug builds move what was blocked whenever they can: whoever keeps the address of a thread-local over a block is
 * found out (D2). */
static bool moves_on(struct actor *self)
{
    if (!TR_DEBUG_ON || self->fiber == NULL || random_below(&worker_self()->random, 2) == 0)
        return false;
    schedule_global(&self->task);
    return true;
}

static ALWAYS_INLINE struct fiber *go_on(struct actor *self)
{
    struct fiber *fiber = self->fiber;
    if (fiber == NULL)
        return handler_begin(self);
    self->fiber = NULL;
    return fiber;
}

static NOINLINE struct fiber *run_specially(struct actor *self)
{
    if ((self->traits & TRAIT_PINNED) != 0 ? !at_home(self) : moves_on(self))
        return NULL;
    if (trace_on(TRACE_RUN_BEGIN))
        trace_event_now(context_self()->trace, TRACE_RUN_BEGIN, self->pid);
    return go_on(self);
}

struct fiber *actor_run(struct task *task)
{
    struct actor *self = actor_of_task(task);
    bool special = (self->traits & TRAIT_PINNED) != 0 || trace_on(TRACE_RUN_BEGIN) || TR_DEBUG_ON;
    return UNLIKELY(special) ? run_specially(self) : go_on(self);
}
