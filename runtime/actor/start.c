/* start.c: start functions: spawn, and wait until the new process says that its start is over (PLIB).
 *
 * The start message is a request: success answers it (handler_started), failure leaves it to the end of the process,
 * which fails it after the name is free, the links have been told and the pid is gone. So on every failure the
 * process has ended when the starter knows (PLIB-05). The tag of the failure tells what kind: 0: it ended before it
 * answered; TR_ESTART, TR_IGNORE: its start callback said so. */
#include "actor/call.h"
#include "actor/end.h"
#include "actor/foreign.h"
#include "actor/handler.h"
#include "actor/inbox.h"
#include "actor/names.h"
#include "actor/query.h"
#include "actor/relation.h"
#include "actor/signal.h"
#include "actor/spawn.h"
#include "actor/wait.h"

#include <sched.h>

static void post_start(void *argument) { spawn_go(context_self(), argument); }

static bool bad_options(const struct making *making, const tr_start_options *options, const struct actor *self)
{
    int spawn_flags = making->options == NULL ? 0 : making->options->flags;
    return options->timeout_ms < TR_INFINITY || (spawn_flags & (TR_SPAWN_LINK | TR_SPAWN_MONITOR)) != 0 ||
           (options->flags != 0 && self == NULL);
}

/* Makes the process; if its name is taken: TR_EALREADY_STARTED and by whom. */
static int make(struct context *context, struct making *making, struct actor **made, tr_pid *pid)
{
    for (;;) {
        int status = spawn_make(context, making, made);
        if (status != TR_ETAKEN)
            return status;
        read_begin();
        pid->id = names_find(tr_name(making->name).id);
        read_end();
        if (pid->id != 0)
            return TR_EALREADY_STARTED;
        /* its holder has just ended: once more; bound: another start must have had the name in between */
    }
}

/* PLIB-04: it took too long: it ends without a word, and is gone afterwards. */
static void give_up(struct actor *self, uint64_t child)
{
    struct context *context = context_self();
    if (self != NULL)
        relation_unlink(context, self, child);
    while (query_exists(child) &&
           !signal_exit(context, self == NULL ? 0 : self->pid, child, notice_static(TR_WHY_KILL)))
        sched_yield(); /* this thread waits; bound: memory comes back, or the child ends by itself */
    query_await_end((tr_pid){ child });
}

/* The EXIT of the child does not reach the starter (PLIB-02, PLIB-04); what it has received stays. */
static void consume_exit(struct actor *self, uint64_t child)
{
    relation_unlink(context_self(), self, child);
    inbox_drop_exit(self, child);
}

static int settle(struct actor *self, const struct making *making, uint64_t child, int status, int failure_tag)
{
    if (status == TR_OK)
        return TR_OK;
    bool linked = making->peer != NULL;
    if (status == TR_ETIMEDOUT || status == TR_ENOMEM) /* no memory for its answer: it may live */
        give_up(linked ? self : NULL, child);
    if ((failure_tag == 0 || status == TR_ENOMEM) && linked && actor_traps(self))
        consume_exit(self, child);
    if (making->monitor != 0)
        relation_demonitor(context_self(), self, making->monitor, true); /* PLIB-07 */
    if (failure_tag == TR_IGNORE)
        return TR_IGNORE;
    return status == TR_EDOWN ? TR_ESTART : status;
}

static int start(struct making *making, const tr_start_options *options, tr_pid *pid)
{
    struct context *context = context_self();
    struct actor *self = actor_here(context);
    static const tr_start_options none = { .flags = 0 };
    options = options == NULL ? &none : options;
    making->options = options->spawn;
    if (bad_options(making, options, self))
        return self == NULL && options->flags != 0 ? TR_EFOREIGN : TR_EINVAL;
    struct actor *waiter = self != NULL ? self : foreign_proxy(context);
    if (self != NULL)
        actor_check_blocking(context, self);
    if (waiter == NULL || actor_cold(context, waiter) == NULL)
        return TR_ENOMEM;
    making->name = options->name;
    making->protocol = true;
    making->starter = waiter->pid;
    making->serial = wait_next_serial(waiter);
    making->parent = making->peer = (options->flags & TR_START_LINK) != 0 ? self : NULL;
    making->watcher = (options->flags & TR_START_MONITOR) != 0 ? self : NULL;
    struct actor *made;
    int status = make(context, making, &made, pid), failure_tag = 0;
    if (status != TR_OK)
        return status;
    uint64_t child = made->pid;
    tr_msg *reply = NULL;
    int64_t timeout_ms = options->timeout_ms == 0 ? TR_INFINITY : options->timeout_ms;
    status = call_wait(waiter, making->serial, timeout_ms, post_start, made, &reply, &failure_tag);
    if (reply != NULL)
        message_free(context_self(), reply);
    if (failure_tag == CALL_NOT_SENT) { /* no memory to wait: it ends before it has begun */
        actor_die(context_self(), made, notice_static(TR_WHY_SYSTEM_LIMIT));
        return TR_ENOMEM;
    }
    pid->id = child;
    if (status == TR_OK && options->monitor != NULL && self != NULL)
        *options->monitor = (tr_ref){ self->pid, making->monitor };
    return settle(self, making, child, status, failure_tag);
}

static ALWAYS_INLINE int start_of(const tr_actor *behaviour, tr_entry *entry, const void *arg, size_t size, bool waits,
                                  const tr_start_options *options, tr_pid *pid)
{
    if (api_enter() == NULL)
        return TR_ESTOPPED;
    struct making making;
    making_init(&making, behaviour, entry, arg, size);
    making.waits = waits;
    int status = start(&making, options, pid);
    api_leave(context_self());
    return status;
}

API int tr_start_actor(const tr_actor *actor, const void *arg, size_t size, const tr_start_options *options,
                       tr_pid *pid)
{
    return start_of(actor, NULL, arg, size, false, options, pid);
}

API int tr_start_entry(tr_entry *entry, const void *arg, size_t size, bool wait, const tr_start_options *options,
                       tr_pid *pid)
{
    return start_of(NULL, entry, arg, size, wait, options, pid);
}

API void tr_started(void)
{
    struct context *context = api_enter();
    struct actor *self = context == NULL ? NULL : actor_here(context);
    if (self != NULL && self->life == LIFE_STARTING)
        handler_started(context, self);
    if (context != NULL)
        api_leave(context);
}
