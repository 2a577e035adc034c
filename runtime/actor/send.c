/* send.c: sending plain messages and casts. */
#include "actor/call.h"
#include "actor/end.h"
#include "actor/mailbound.h"
#include "actor/names.h"
#include "actor/relation.h"
#include "actor/signal.h"
#include "base/clock.h"
#include "sched/scheduler.h"

/* A budget that was used up sooner than this after the last was spent on little but sends, with their handling: 250 ns
 * each where the receiver runs on the same worker; 2 us where several cores send to one mailbox of another. */
#define CHATTY_NS      INT64_C(64000)
#define CHATTY_AWAY_NS INT64_C(512000)

struct move {
    struct actor *actor;
    unsigned to;
};

static void move(void *argument)
{
    struct move move = *(struct move *)argument;
    schedule_with(context_self(), move.to, &move.actor->task);
}

/* Where the receiver ran last, if that is a worker that the sender may be given to. */
static unsigned worker_of(tr_pid to)
{
    read_begin();
    struct actor *receiver = actor_find(actor_resolve(to));
    unsigned index = receiver == NULL ? RAN_NOWHERE : load_relaxed(&receiver->ran_on);
    read_end();
    struct worker *worker = index < scheduler.settings.workers && index < RAN_NOWHERE
                                ? load_acquire(&scheduler.workers[index])
                                : NULL;
    return worker != NULL && load_relaxed(&worker->revoked) == 0 ? index : RAN_NOWHERE;
}

/* The worker that a sender is to be the guest of, who used up its budget in `since` ns; RAN_NOWHERE: none. Away from
 * its receiver nobody can tell work from waiting for the mailbox's cache line; who was found to work at home is
 * believed. */
static unsigned host_of(struct worker *worker, struct actor *self, tr_pid to, int64_t since)
{
    if (since >= CHATTY_AWAY_NS || (self->traits & TRAIT_PINNED) != 0)
        return RAN_NOWHERE;
    unsigned host = worker_of(to);
    if (since < CHATTY_NS)
        return host;
    if (host == worker->index)
        self->traits |= TRAIT_WORKING;
    return host == worker->index || (self->traits & TRAIT_WORKING) != 0 ? RAN_NOWHERE : host;
}

/* Makes room for others. Who does little but send goes to its receiver and is not robbed from there: many senders on
 * other cores than their receiver are slower than all of them on its core (D9). */
static void rest(struct worker *worker, struct actor *self, tr_pid to)
{
    int64_t now = clock_now(), since = now - worker->tired_ns;
    worker->tired_ns = now;
    worker->budget = SEND_BUDGET;
    struct move where = { self, host_of(worker, self, to, since) };
    if (where.to == RAN_NOWHERE)
        actor_yield(self);
    else
        worker_block(&self->fiber, move, &where);
}

static NOINLINE void pause_sender(struct worker *worker, struct actor *self, tr_pid to, bool tired)
{
    if (load_relaxed(&worker->in_runtime) != 1 || worker->critical > 0 || self->life == LIFE_DYING) {
        worker->budget += tired; /* then the next send asks again */
        return;
    }
    if (tired)
        rest(worker, self, to);
    actor_check_signals(self);
}

/* A sender of many makes room for its receivers before its backlog leaves the caches, and dies at a send if it must. */
static inline void after_send(struct context *context, struct actor *self, tr_pid to)
{
    struct worker *worker = context->worker;
    bool tired = --worker->budget == 0;
    if (UNLIKELY(tired || signal_pending(self)))
        pause_sender(worker, self, to, tired);
}

/* Sends what `message` is, or, if it is NULL, a copy of the body. TR_OK: the message is the runtime's. */
static NOINLINE int send(struct context *context, struct actor *self, tr_pid to, enum message_kind kind, int tag,
                         const void *body, size_t size, tr_msg *message)
{
    read_begin();
    uint64_t pid = actor_resolve(to);
    struct actor *receiver = actor_find_process(pid);
    int status = receiver != NULL                          ? mailbound_take(context, receiver, size)
                 : (to.id & PID_NAME_BIT) != 0 && pid == 0 ? TR_ENOPROC
                                                           : TR_OK;
    tr_msg *mine = message;
    if (LIKELY(receiver != NULL && status == TR_OK)) {
        if (mine == NULL)
            mine = message_copy(context, body, size);
        if (LIKELY(mine != NULL)) {
            mine->sender = self == NULL ? 0 : self->pid;
            mine->tag = tag;
            message_set_kind(mine, kind);
            if (UNLIKELY((load_relaxed(&receiver->flags) & ACTOR_BOUNDED) != 0))
                message_flag(mine, MESSAGE_COUNTED);
            deliver_to(context, receiver, mine);
            trace_event(context->trace, TRACE_SEND, pid);
        } else {
            mailbound_return(receiver, size);
            context_count(context, COUNT_LOST);
            status = TR_ENOMEM;
        }
    }
    read_end();
    if (receiver == NULL && status == TR_OK && message != NULL)
        message_free(context, message);
    return status;
}

static int send_or_wait(tr_pid to, enum message_kind kind, int tag, const void *body, size_t size, tr_msg *message)
{
    struct context *context = api_enter();
    if (UNLIKELY(context == NULL))
        return TR_ESTOPPED;
    struct actor *self = actor_here(context);
    int status = send(context, self, to, kind, tag, body, size, message);
    for (int64_t deadline = 0; UNLIKELY(status == MAILBOUND_WAITS);) { /* bound: the receiver's overflow_wait_ms */
        read_begin_apart();
        uint64_t pid = actor_resolve(to);
        read_end_apart();
        bool room = mailbound_wait(pid, size, &deadline);
        context = context_self();
        status = room ? send(context, self, to, kind, tag, body, size, message) : TR_EFULL;
    }
    if (UNLIKELY(status == TR_EFULL))
        context_count(context, COUNT_LOST);
    context = context_self();
    if (LIKELY(self != NULL)) {
        after_send(context, self, to);
        context = context_self();
    }
    api_leave(context);
    return status;
}

/* The common case: a worker sends a copy to a process whose mailbox has no bound. False: nothing was done, take the
 * long way. */
static ALWAYS_INLINE bool send_short(tr_pid to, enum message_kind kind, int tag, const void *body, size_t size)
{
    struct context *context = context_self();
    if (UNLIKELY(context == NULL || context->worker == NULL || (to.id & PID_NAME_BIT) != 0))
        return false;
    runtime_enter(context->worker);
    read_begin();
    struct actor *self = actor_here(context), *receiver = actor_find(to.id);
    bool plain = receiver != NULL && (load_relaxed(&receiver->flags) & (ACTOR_BOUNDED | ACTOR_PROXY)) == 0;
    tr_msg *message = UNLIKELY(!plain) ? NULL : message_copy(context, body, size);
    if (LIKELY(message != NULL)) {
        message->sender = self == NULL ? 0 : self->pid;
        message->tag = tag;
        message->meta |= (uint32_t)kind << 24;
        deliver_to(context, receiver, message);
        trace_event(context->trace, TRACE_SEND, to.id);
    }
    read_end();
    if (LIKELY(message != NULL && self != NULL)) {
        after_send(context, self, to);
        context = context_self();
    }
    runtime_leave(context->worker);
    return message != NULL;
}

static NOINLINE int send_any(tr_pid to, enum message_kind kind, int tag, const void *body, size_t size)
{
    return LIKELY(send_short(to, kind, tag, body, size)) ? TR_OK : send_or_wait(to, kind, tag, body, size, NULL);
}

/* The ways out of send_words, each of them a call at its end.
 *
 * Nothing was sent. */
static NOINLINE int send_otherwise(tr_pid to, enum message_kind kind, int tag, const void *body, size_t size)
{
    read_end();
    runtime_leave(worker_self());
    return send_any(to, kind, tag, body, size);
}

/* It was; there may be something to record. */
static NOINLINE int send_recorded(tr_pid to)
{
    struct context *context = context_self();
    trace_event(context->trace, TRACE_SEND, to.id);
    read_end();
    after_send(context, actor_here(context), to);
    runtime_leave(worker_self());
    return TR_OK;
}

/* The same, and the receiver is still to be scheduled. */
static NOINLINE int send_scheduled(struct task *receiver, tr_pid to)
{
    struct context *context = context_self();
    trace_event_now(context->trace, TRACE_RUNNABLE, to.id);
    schedule(context, receiver);
    return send_recorded(to);
}

/* It was; the end of the read section is more than a store. */
static NOINLINE int send_ends(void)
{
    read_end_rest();
    runtime_leave(worker_self());
    return TR_OK;
}

/* It was; the sender is tired, or has a signal. */
static NOINLINE int send_pause(tr_pid to)
{
    read_end();
    struct worker *worker = worker_here();
    pause_sender(worker, actor_here(&worker->context), to, worker->budget == 0);
    runtime_leave(worker_self());
    return TR_OK;
}

/* What send_words sends: up to three words of 8 bytes. */
#define IS_WORDS(size) (((size) & ~(size_t)24) == 0)

/* The second word and the last, which may be the same. */
static ALWAYS_INLINE void copy_rest(tr_msg *message, const char *body, size_t size)
{
    char *to = (char *)(message + 1);
    memcpy(to + 8, body + 8, 8);
    memcpy(to + size - 8, body + size - 8, 8);
}

/* From a process to a pid, a few words or nothing, in one piece and without a call in its middle: so no register has to
 * be saved, and few stores stand before the mailbox's exchange, which waits for all of them. Only from the user's code,
 * not from a callback in the middle of the runtime's work: so no read section is open, and what is entered is left at
 * once. */
static ALWAYS_INLINE int send_words(tr_pid to, enum message_kind kind, int tag, const void *body, size_t size)
{
    struct context *context = context_self();
    struct worker *worker = (struct worker *)(void *)context; /* if it is one */
    if (UNLIKELY((to.id & PID_NAME_BIT) != 0 || context == NULL || context->worker == NULL ||
                 load_relaxed(&worker->in_runtime) != 0))
        return send_any(to, kind, tag, body, size);
    runtime_enter_turn(worker);
    read_begin_outer();
    struct actor *receiver = actor_find(to.id);
    bool plain = receiver != NULL && (load_relaxed(&receiver->flags) & (ACTOR_BOUNDED | ACTOR_PROXY)) == 0;
    tr_msg *message = LIKELY(plain) ? pool_alloc_at_hand(worker->context.pool) : NULL;
    if (UNLIKELY(message == NULL))
        return send_otherwise(to, kind, tag, body, size);
    message->sender = actor_of_task(load_relaxed(&worker->current))->pid;
    message->serial = 0;
    message->tag = tag;
    message->meta = (uint32_t)size | (uint32_t)kind << 24;
    ((char *)(message + 1))[size] = 0;
    if (size > 0)
        memcpy(message + 1, body, 8);
    if (UNLIKELY(size > 8))
        copy_rest(message, body, size);
    bool idle = mailbox_put(&receiver->mailbox, &message->node);
    bool recorded = trace_on_either(TRACE_RUNNABLE, TRACE_SEND);
    if (LIKELY(idle)) {
        if (UNLIKELY(recorded || !schedule_next(worker, &receiver->task)))
            return send_scheduled(&receiver->task, to);
    } else if (UNLIKELY(recorded)) {
        return send_recorded(to);
    }
    if (UNLIKELY(--worker->budget == 0 || signal_pending(actor_of_task(load_relaxed(&worker->current)))))
        return send_pause(to);
    if (UNLIKELY(!read_end_outer()))
        return send_ends();
    runtime_leave_turn(worker);
    return TR_OK;
}

API int tr_send(tr_pid to, int tag, const void *body, size_t size)
{
    if (UNLIKELY(tag < 1))
        return TR_EINVAL;
    return LIKELY(IS_WORDS(size)) ? send_words(to, KIND_INFO, tag, body, size)
                                  : send_any(to, KIND_INFO, tag, body, size);
}

API int tr_cast(tr_pid to, int tag, const void *body, size_t size)
{
    if (UNLIKELY(tag < 1))
        return TR_EINVAL;
    if (LIKELY(IS_WORDS(size)))
        send_words(to, KIND_CAST, tag, body, size);
    else
        send_any(to, KIND_CAST, tag, body, size);
    return TR_OK;
}

API void *tr_new(int tag, size_t size, tr_msg **message)
{
    struct context *context = tag < 1 ? NULL : api_enter();
    *message = context == NULL ? NULL : message_new(context, size);
    if (*message != NULL)
        (*message)->tag = tag;
    if (context != NULL)
        api_leave(context);
    return *message == NULL ? NULL : message_body(*message);
}

API int tr_give(tr_pid to, tr_msg *message)
{
    if (message == NULL || message->tag < 1)
        return TR_EINVAL;
    return send_or_wait(to, KIND_INFO, message->tag, NULL, message_size(message), message);
}

API int tr_send_alias(tr_ref alias, int tag, const void *body, size_t size)
{
    struct context *context = tag < 1 ? NULL : api_enter();
    if (context == NULL)
        return tag < 1 ? TR_EINVAL : TR_ESTOPPED;
    struct actor *self = actor_here(context);
    tr_msg *message = message_copy(context, body, size);
    if (message != NULL) {
        message->tag = tag;
        message->sender = self == NULL ? 0 : self->pid;
        relation_alias_deliver(context, alias.owner, alias.serial, message);
    } else {
        context_count(context, COUNT_LOST);
    }
    api_leave(context);
    return message == NULL ? TR_ENOMEM : TR_OK;
}
