/* process.c: the public functions about the calling process and about others: self, exits, links, monitors. */
#include "actor/actor.h"
#include "actor/call.h"
#include "actor/end.h"
#include "actor/inbox.h"
#include "actor/names.h"
#include "actor/relation.h"
#include "actor/signal.h"
#include "actor/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- the calling process */

API tr_pid tr_self(void)
{
    struct context *context = context_self();
    struct actor *self = context == NULL ? NULL : actor_here(context); /* no call: it is asked for at each message */
    return (tr_pid){ self == NULL ? 0 : self->pid };
}

API tr_pid tr_parent(void)
{
    struct actor *self = actor_self();
    return (tr_pid){ self == NULL ? 0 : self->parent };
}

API const void *tr_data(void)
{
    struct context *context = context_self();
    struct actor *self = context == NULL ? NULL : actor_here(context);
    if (UNLIKELY(self == NULL))
        return NULL;
    return LIKELY(self->behaviour != NULL) ? self->data : self->cold == NULL ? NULL : self->cold->entry_data;
}

API tr_text tr_pid_text(tr_pid pid)
{
    tr_text text;
    if (pid.id == 0)
        snprintf(text.s, sizeof text.s, "nobody");
    else if ((pid.id & PID_NAME_BIT) != 0)
        snprintf(text.s, sizeof text.s, "name#%016llx", (unsigned long long)pid.id);
    else
        snprintf(text.s, sizeof text.s, "<0.%llu.%llu>", (unsigned long long)(pid.id & SLOT_INDEX_MASK),
                 (unsigned long long)(pid.id >> SLOT_INDEX_BITS));
    return text;
}

/* The calling process, for functions that only a process may call. */
static struct actor *process(struct context *context, const char *function)
{
    struct actor *self = context == NULL ? NULL : actor_here(context);
    if (self == NULL)
        misuse(function, "only a process may call this: a foreign thread has no links, monitors or mailbox");
    return self;
}

API bool tr_trap_exit(bool on)
{
    struct context *context = api_enter();
    struct actor *self = process(context, "tr_trap_exit");
    actor_check_signals(self); /* EXIT-01: what arrived before is judged by the old value */
    uint32_t old = on ? atomic_fetch_or_explicit(&self->flags, ACTOR_TRAP, memory_order_relaxed)
                      : atomic_fetch_and_explicit(&self->flags, ~(uint32_t)ACTOR_TRAP, memory_order_relaxed);
    api_leave(context);
    return (old & ACTOR_TRAP) != 0;
}

API const tr_reason *tr_last_reason(void)
{
    struct context *context = context_self();
    struct actor *self = context == NULL ? NULL : actor_here(context);
    if (self == NULL && context != NULL)
        self = context->proxy;
    return self == NULL || self->cold == NULL || self->cold->last == NULL ? &TR_NORMAL : &self->cold->last->reason;
}

static void requeue(void *argument)
{
    struct actor *self = argument;
    schedule_behind(context_self(), &self->task);
}

void actor_yield(struct actor *self)
{
    worker_block(&self->fiber, requeue, self);
    actor_check_signals(self);
}

API void tr_yield(void)
{
    struct context *context = api_enter();
    struct actor *self = context == NULL ? NULL : actor_here(context);
    if (self != NULL) {
        actor_check_blocking(context, self);
        actor_yield(self);
    }
    if (context != NULL)
        api_leave(context_self());
}

/* A thread that is none of ours. A signal does not wake it. */
static void sleep_thread(int64_t ms)
{
    struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * NS_PER_MS };
    if (ms == TR_INFINITY)
        left = (struct timespec){ .tv_sec = TIMEOUT_MOST_MS / 1000 };
    while (nanosleep(&left, &left) != 0)
        continue;
}

API void tr_sleep(int64_t ms)
{
    if (ms < TR_INFINITY)
        tr_exit(tr_because(TR_WHY_STATUS, TR_EINVAL, "tr_sleep: timeout %lld", (long long)ms));
    struct context *context = api_enter();
    struct actor *self = context == NULL ? NULL : actor_here(context);
    if (self != NULL) {
        actor_check_blocking(context, self);
        actor_cold_or_exit(context, self);
        tr_msg *reply;
        int64_t deadline = deadline_after(clock_now(), ms);
        while (wait_for(self, wait_next_serial(self), deadline, false, NULL, NULL, &reply) == WAIT_NO_MEMORY &&
               clock_now() < deadline)
            sched_yield(); /* no stack for others now: this thread waits; bound: memory comes back or the deadline */
    }
    if (context != NULL)
        api_leave(context_self());
    if (self == NULL)
        sleep_thread(ms); /* outside: the stop waits for whoever is inside */
}

/* ---- ends */

API void tr_exit_with(tr_reason reason, const void *detail, size_t size)
{
    struct context *context = api_enter();
    struct actor *self = context == NULL ? NULL : actor_here(context);
    if (self == NULL) {
        char text[128];
        fprintf(stderr, "troupe: tr_exit outside a process: %s\n", tr_reason_text(&reason, text, sizeof text));
        exit(EXIT_FAILURE);
    }
    actor_exit(self, notice_new(context, &reason, detail, size), true);
}

API void tr_exit(tr_reason reason) { tr_exit_with(reason, NULL, 0); }

API void tr_assert_failed(const char *what, const char *file, int line)
{
    const char *slash = strrchr(file, '/');
    tr_exit(tr_because(TR_WHY_ASSERT, line, "%s:%d: %s", slash == NULL ? file : slash + 1, line, what));
}

/* Whether it is what the system said of a socket. */
static bool is_io_error(int status, const tr_reason *last)
{
    return status == TR_EIO && last->why == TR_WHY_STATUS && last->code == TR_EIO;
}

API int tr_must(int status)
{
    if (LIKELY(status >= 0))
        return status;
    const tr_reason *last = tr_last_reason();
    if (status == TR_EDOWN || status == TR_ESTART || is_io_error(status, last))
        tr_exit(*last);
    if (status == TR_ETIMEDOUT)
        tr_exit(tr_because(TR_WHY_TIMEOUT, 0, NULL));
    if (status == TR_ENOPROC)
        tr_exit(tr_because(TR_WHY_NOPROC, 0, NULL));
    tr_exit(tr_because(TR_WHY_STATUS, status, "%s", tr_status_text(status)));
}

API int tr_exit_signal(tr_pid to, tr_reason reason)
{
    struct context *context = api_enter();
    if (context == NULL)
        return TR_ESTOPPED;
    struct actor *self = actor_here(context);
    read_begin();
    uint64_t pid = actor_resolve(to);
    read_end();
    int status = pid == 0 && (to.id & PID_NAME_BIT) != 0 ? TR_ENOPROC : TR_OK;
    bool alive = self != NULL && self->life != LIFE_DYING, sent = true;
    if (alive && pid == self->pid) {
        actor_check_signals(self); /* the first one counts (EXIT-05) */
        sent = signal_exit_self(context, self, notice_new(context, &reason, NULL, 0));
    } else if (pid != 0) {
        sent = signal_exit(context, self == NULL ? 0 : self->pid, pid, notice_new(context, &reason, NULL, 0));
    }
    if (alive)
        actor_check_signals(self);
    api_leave(context);
    return sent ? status : TR_ENOMEM;
}

/* ---- links */

API int tr_link(tr_pid pid)
{
    struct context *context = api_enter();
    struct actor *self = process(context, "tr_link");
    actor_check_signals(self);
    int status = (pid.id & PID_NAME_BIT) != 0 || pid.id == 0 ? TR_EINVAL : TR_OK;
    if (status == TR_OK && pid.id != self->pid) { /* LINK-02 */
        read_begin();
        struct actor *other = actor_find(pid.id);
        status = other == NULL ? TR_ENOPROC : relation_link(context, self, other);
        read_end();
    }
    if (status == TR_ENOPROC && actor_traps(self)) { /* LINK-03 */
        tr_msg *message = message_with_notice(context, KIND_EXIT, pid.id, notice_static(TR_WHY_NOPROC));
        status = message == NULL ? TR_ENOMEM : TR_OK;
        if (message != NULL)
            deliver_to(context, self, message);
    }
    api_leave(context);
    return status;
}

API void tr_unlink(tr_pid pid)
{
    struct context *context = api_enter();
    struct actor *self = process(context, "tr_unlink");
    actor_check_signals(self);
    relation_unlink(context, self, pid.id);
    api_leave(context);
}

API void tr_unlink_flush(tr_pid pid)
{
    tr_unlink(pid);
    tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT, .from = pid }, 0);
}

/* ---- monitors and aliases */

API tr_ref tr_monitor_alias(tr_pid pid, int alias)
{
    struct context *context = api_enter();
    struct actor *self = process(context, "tr_monitor");
    actor_check_signals(self);
    read_begin();
    uint64_t target = actor_resolve(pid);
    read_end();
    uint64_t handle = relation_monitor(context, self, target == 0 ? pid.id : target, alias, TR_WHY_NOPROC);
    if (handle == 0)
        actor_exit(self, notice_static(TR_WHY_SYSTEM_LIMIT), true);
    api_leave(context);
    return (tr_ref){ self->pid, handle };
}

API tr_ref tr_monitor(tr_pid pid) { return tr_monitor_alias(pid, 0); }

API bool tr_demonitor(tr_ref monitor, bool flush)
{
    struct context *context = api_enter();
    struct actor *self = process(context, "tr_demonitor");
    bool active = monitor.owner == self->pid && relation_demonitor(context, self, monitor.serial, flush);
    api_leave(context);
    return active;
}

API tr_ref tr_alias(void)
{
    struct context *context = api_enter();
    struct actor *self = process(context, "tr_alias");
    uint64_t handle = relation_monitor(context, self, self->pid, TR_ALIAS_EXPLICIT, TR_WHY_NOPROC);
    api_leave(context);
    return handle == 0 ? (tr_ref){ 0, 0 } : (tr_ref){ self->pid, handle };
}

API bool tr_unalias(tr_ref alias)
{
    struct context *context = api_enter();
    struct actor *self = process(context, "tr_unalias");
    bool active = alias.owner == self->pid && relation_unalias(context, self, alias.serial);
    api_leave(context);
    return active;
}

API tr_ref tr_ref_of(const tr_msg *message)
{
    if (message->tag == TR_MSG_DOWN || message->tag == TR_MSG_REPLY) {
        struct actor *self = actor_self();
        return (tr_ref){ self == NULL ? 0 : self->pid, message->serial };
    }
    if (message->tag == TR_MSG_TIMEOUT || message->tag == TR_MSG_TIMER)
        return (tr_ref){ 0, message->serial };
    return (tr_ref){ 0, 0 };
}

API int tr_await_down(tr_ref monitor, int64_t timeout_ms, tr_reason *reason)
{
    const tr_msg *down = tr_receive_match(&(tr_match){ .tag = TR_MSG_DOWN, .ref = monitor }, timeout_ms);
    if (down == NULL)
        return TR_ETIMEDOUT;
    if (reason != NULL)
        *reason = *tr_reason_of(down);
    return TR_OK;
}
