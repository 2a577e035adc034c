/* turn.c: where the turn of an actor with a behaviour begins, and the path of nearly all messages; handler.c has all
 * others.
 *
 * A plain message is the user's, stands at the head of the queue, and nothing else of the actor's is in hand. It is
 * consumed where it stands, handled, and taken. For what is rare there is a call, so that little is saved around the
 * callback: what is stored waits in front of the next locked instruction. */
#include "actor/call.h"
#include "actor/entry.h"
#include "actor/handler.h"
#include "actor/inbox.h"
#include "actor/signal.h"
#include "sched/scheduler.h"

/* Nothing but the head of the queue wants to be handled, and nothing but that head is in hand. */
static ALWAYS_INLINE bool is_plain(const struct actor *self)
{
    const struct cold *cold = self->cold;
    return (load_relaxed(&self->flags) & (ACTOR_SIG | ACTOR_BOUNDED)) == 0 && self->saved.first == NULL &&
           !actor_is_suspended(self) && !self->head_used &&
           (cold == NULL || (!cold->idle_on && !cold->continue_on && cold->received == NULL && cold->held == NULL));
}

/* Its end is not the end of its block: it is kept, or owes an answer. Of a message of the user's. */
static ALWAYS_INLINE bool is_in_use(const tr_msg *message)
{
    return UNLIKELY((message->meta & (MESSAGE_KEPT << 28 | (uint32_t)KIND_CALL << 24)) != 0) &&
           ((message_flags(message) & MESSAGE_KEPT) != 0 || call_is_request(message));
}

static NOINLINE enum turn finish_plain(struct actor *self, int disposition)
{
    if (!handler_apply(self, disposition))
        return TURN_OVER;
    handler_finish(self);
    return TURN_GOES_ON;
}

/* The callback has returned: with nothing else to do the head is taken. What it may have done to the actor shows in its
 * disposition or at the head of the queue: a receive that put messages aside or found one, and a signal that was met,
 * went beyond it. */
static ALWAYS_INLINE bool is_done(struct actor *self, const tr_msg *head, int disposition)
{
    return LIKELY(disposition == TR_OK && inbox_is_head(self, head) && !is_in_use(head));
}

/* Takes the head, which is handled. */
static ALWAYS_INLINE enum turn end_plain(struct worker *worker, struct actor *self, tr_msg *head)
{
    self->current = NULL;
    self->head_used = false; /* before the take, as below */
    enum mailbox_took took = mailbox_take_first(&self->mailbox, &head->node);
    if (UNLIKELY(took == MAILBOX_BUSY)) { /* a sender is in the middle of its put */
        self->head_used = true;
        schedule_last(&worker->context, &self->task);
        return TURN_OVER;
    }
    pool_free(worker->context.pool, head);
    return took == MAILBOX_LAST ? TURN_OVER : TURN_GOES_ON;
}

/* The same if it is the last message. False: nothing was done that end_plain does not do again. */
static ALWAYS_INLINE bool leave_plain(struct worker *worker, struct actor *self, tr_msg *head)
{
    if (inbox_linked(head) != NULL)
        return false;
    self->current = NULL;
    self->head_used = false; /* before the take: another worker may run the actor as soon as it is idle */
    bool last = mailbox_take_last(&self->mailbox, &head->node);
    if (LIKELY(last))
        pool_free(worker->context.pool, head);
    return last;
}

/* Has a plain message, the head, handled. The worker may be another one afterwards. */
static ALWAYS_INLINE int call_handle(struct worker **worker, struct actor *self, tr_msg *head)
{
    message_flag(head, MESSAGE_QUEUED);
    self->current = head;
    self->turns++;
    runtime_leave_turn(*worker);
    int disposition = self->behaviour->handle(self->state, head);
    *worker = worker_here();
    runtime_enter_turn(*worker);
    return disposition;
}

/* The same as handler_step for a plain message at the head of the queue, and for those that are linked to it: the path
 * of nearly all messages that come in numbers. */
static ALWAYS_INLINE enum turn step_plain(struct actor *self, tr_msg *head)
{
    struct worker *worker = worker_here();
    for (self->head_used = true;;) {
        int disposition = call_handle(&worker, self, head);
        if (UNLIKELY(!is_done(self, head, disposition)))
            return finish_plain(self, disposition);
        tr_msg *next = inbox_linked(head);
        if (next == NULL ||
            UNLIKELY(!message_is_plain(next) || signal_pending(self) || load_relaxed(&worker->yield) != 0))
            return end_plain(worker, self, head);
        mailbox_drop_first(&self->mailbox, &next->node);
        pool_free(worker->context.pool, head);
        head = next; /* and used: nobody has looked in between */
    }
}

/* The same for the start's argument, of a process that begins with nothing else in hand. */
static NOINLINE enum turn step_start(struct actor *self, tr_msg *head)
{
    inbox_use_head(self, head);
    self->current = head;
    self->turns++;
    int disposition = handler_call_start(self, head);
    struct worker *worker = worker_here();
    if (UNLIKELY(disposition != TR_OK))
        return handler_start_ended(&worker->context, self, disposition) ? finish_plain(self, TR_OK) : TURN_OVER;
    if (LIKELY(head->serial == 0)) /* nobody waits for it */
        self->life = LIFE_ALIVE;
    else
        handler_started(&worker->context, self);
    return is_done(self, head, TR_OK) ? end_plain(worker, self, head) : finish_plain(self, TR_OK);
}

/* What `take_turn` does again and again. */
static ALWAYS_INLINE enum turn take_step(struct actor *self)
{
    tr_msg *head = LIKELY(is_plain(self)) ? inbox_head(self) : NULL;
    if (LIKELY(head != NULL && message_is_plain(head)))
        return step_plain(self, head);
    return handler_step(context_self(), self);
}

static void take_turn(struct actor *self)
{
    inbox_return(self);
    for (;;) {
        if (take_step(self) == TURN_OVER)
            return;
        struct worker *worker = worker_here();
        if (UNLIKELY(worker_is_overdue(worker))) {
            schedule_behind(&worker->context, &self->task);
            return;
        }
    }
}

/* A turn that does not begin with a plain message; the head, if it is all that there is to look at. */
static NOINLINE struct fiber *begin_otherwise(struct actor *self, tr_msg *head)
{
    if (self->behaviour == NULL)
        entry_begin(self);
    else if (head == NULL || message_kind(head) != KIND_START || step_start(self, head) == TURN_GOES_ON)
        take_turn(self);
    return NULL;
}

/* A turn that is more than one plain message, of which the first is handled. */
static NOINLINE struct fiber *go_on(struct actor *self, tr_msg *head, int disposition)
{
    bool done = is_done(self, head, disposition);
    if ((done ? end_plain(worker_here(), self, head) : finish_plain(self, disposition)) == TURN_GOES_ON)
        take_turn(self);
    return NULL;
}

/* A turn of one plain message is had here, in one piece; any other is a call at the end. */
struct fiber *handler_begin(struct actor *self)
{
    struct worker *worker = worker_here();
    actor_note_worker(self, worker);
    tr_msg *head = LIKELY(self->behaviour != NULL && is_plain(self)) ? inbox_linked_head(self) : NULL;
    if (UNLIKELY(head == NULL || !message_is_plain(head)))
        return begin_otherwise(self, head);
    self->head_used = true;
    int disposition = call_handle(&worker, self, head);
    if (LIKELY(is_done(self, head, disposition) && leave_plain(worker, self, head)))
        return NULL;
    return go_on(self, head, disposition);
}
