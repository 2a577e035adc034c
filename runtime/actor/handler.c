/* handler.c: the turn of an actor with a behaviour: all kinds of messages. turn.c has the turn's beginning and the
 * plain messages, entry.c what comes before it.
 *
 * A turn handles messages until the mailbox is empty (the actor is given up), the slice is over (it goes to the end of
 * the run queue, keeping the token), or it ends. A callback that blocks leaves the turn on its fiber; the turn goes on
 * from there later, perhaps on another worker, so the context is read again after every callback. */
#include "actor/handler.h"

#include "actor/call.h"
#include "actor/end.h"
#include "actor/entry.h"
#include "actor/inbox.h"
#include "actor/mailbound.h"
#include "actor/relation.h"
#include "actor/report.h"
#include "actor/settings.h"
#include "actor/signal.h"
#include "actor/system_message.h"
#include "actor/wait.h"
#include "sched/scheduler.h"

/* ---- dispositions */

static struct notice *status_notice(struct context *context, struct actor *self, int status)
{
    struct notice *last = self->cold == NULL ? NULL : self->cold->last;
    if (last != NULL && (status == TR_EDOWN || status == TR_ESTART ||
                         (status == TR_EIO && last->reason.why == TR_WHY_STATUS && last->reason.code == TR_EIO)))
        return notice_take(last);
    tr_reason reason = tr_because(status < 0 ? TR_WHY_STATUS : TR_WHY_BAD_RETURN, status, status < 0 ? "%s" : NULL,
                                  tr_status_text(status));
    return notice_new(context, &reason, NULL, 0);
}

static void set_idle(struct actor *self)
{
    struct cold *cold = self->cold;
    cold->idle_on = cold->idle_ms >= 0;
    if (cold->idle_on)
        store_relaxed(&cold->deadline, deadline_after(clock_now(), cold->idle_ms));
}

/* The reason that tr_stop was given. */
static struct notice *take_stop(struct actor *self)
{
    struct notice *notice = self->ending;
    self->ending = NULL;
    return notice;
}

bool handler_apply(struct actor *self, int disposition)
{
    if (LIKELY(disposition == TR_OK))
        return true;
    struct context *context = context_self();
    struct notice *notice;
    switch (disposition) {
    case DISPOSITION_IDLE: set_idle(self); return true;
    case DISPOSITION_CONTINUE: self->cold->continue_on = true; return true;
    case DISPOSITION_STOP:
        if (self->cold != NULL)
            self->cold->stop_reply_on = true;
        /* fall through */
    case DISPOSITION_CRASH:
        notice = take_stop(self);
        actor_stop(self, notice);
        return false;
    default: actor_stop(self, status_notice(context, self, disposition)); return false;
    }
}

/* ---- starting */

void handler_started(struct context *context, struct actor *self)
{
    self->life = LIFE_ALIVE;
    tr_msg *start = self->current;
    if (start == NULL || message_kind(start) != KIND_START || !call_is_request(start))
        return;
    message_flag(start, MESSAGE_DONE);
    call_answer(context, start->sender, start->serial, message_started());
}

/* The start callback asked for no start, or failed: what the starter is told, and why the process ends. */
static void refuse_start(struct context *context, struct actor *self, int disposition)
{
    /* without memory for it the starter learns less: that the process has ended */
    struct cold *cold = call_is_request(self->current) ? actor_cold(context, self) : NULL;
    bool ignored = disposition == TR_IGNORE,
         stopped = disposition == DISPOSITION_STOP || disposition == DISPOSITION_CRASH;
    struct notice *notice = ignored   ? notice_static(TR_WHY_NORMAL)
                            : stopped ? take_stop(self)
                                      : status_notice(context, self, disposition);
    if (cold != NULL)
        cold->start_status = ignored ? TR_IGNORE : TR_ESTART;
    if (!ignored)
        report_end(self, notice);
    actor_die(context, self, notice);
}

bool handler_start_ended(struct context *context, struct actor *self, int disposition)
{
    if (disposition != TR_OK && disposition != DISPOSITION_IDLE && disposition != DISPOSITION_CONTINUE) {
        refuse_start(context, self, disposition);
        return false;
    }
    handler_started(context, self);
    return handler_apply(self, disposition);
}

/* ---- handling */

static bool run_handle(struct context *context, struct actor *self, tr_msg *message)
{
    runtime_leave(context->worker);
    int disposition = self->behaviour->handle(self->state, message);
    runtime_enter(worker_self());
    return handler_apply(self, disposition);
}

/* Who was started without a link has no parent: then it is the runtime that asks, when it stops. */
static bool is_parents_exit(const struct actor *self, const tr_msg *message)
{
    return message_kind(message) == KIND_EXIT && message->sender == self->parent &&
           (self->parent != 0 || load_relaxed(&settings_halting) != 0); /* relaxed: the signal came after it */
}

/* Its own timer has fired. What stands behind it is handled first, for the timer may have been of an earlier wait
 * (GS-09): a message cancels, else the timer is armed again. */
static bool handle_timeout(struct context *context, struct actor *self)
{
    struct cold *cold = self->cold;
    if (!cold->idle_on || mailbox_next(&self->mailbox, &cold->timeout.node) != NULL ||
        clock_now() < load_relaxed(&cold->deadline))
        return true;
    cold->idle_on = false;
    store_relaxed(&cold->deadline, NEVER);
    tr_msg *message = message_new(context, 0);
    if (message == NULL) {
        actor_stop(self, notice_take(notice_static(TR_WHY_SYSTEM_LIMIT)));
        return false;
    }
    message->tag = TR_MSG_TIMEOUT;
    self->current = message;
    return run_handle(context, self, message);
}

static void cancel_idle(struct actor *self)
{
    if (UNLIKELY(self->cold != NULL) && self->cold->idle_on) {
        self->cold->idle_on = false;
        store_relaxed(&self->cold->deadline, NEVER);
    }
}

/* A message that is out of the way of all others. False: the actor has ended. */
static bool handle(struct context *context, struct actor *self, tr_msg *message)
{
    enum message_kind kind = message_kind(message);
    if (UNLIKELY(kind == KIND_TIMEOUT))
        return handle_timeout(context, self);
    self->current = message;
    self->turns++;
    if (LIKELY(kind <= KIND_CONTINUE)) {
        cancel_idle(self);
        if (UNLIKELY((load_relaxed(&self->flags) & ACTOR_BOUNDED) != 0) && !mailbound_give(context, self, message))
            return true;
        return run_handle(context, self, message);
    }
    if (kind == KIND_START) {
        int disposition = handler_call_start(self, message);
        return handler_start_ended(context_self(), self, disposition);
    }
    if (kind == KIND_SYSTEM)
        return system_message_handle(context, self, message);
    if (message->tag == TR_MSG_DOWN)
        relation_down_met(context, self, message);
    if ((message_flags(message) & MESSAGE_DONE) != 0)
        return true; /* flushed while it was on its way */
    cancel_idle(self);
    if (is_parents_exit(self, message)) { /* GS-31 */
        actor_stop(self, notice_take(*message_notice(message)));
        return false;
    }
    return run_handle(context, self, message);
}

struct context *handler_finish(struct actor *self)
{
    struct context *context = context_self();
    tr_msg *message = self->current;
    self->current = NULL;
    if (UNLIKELY(self->cold != NULL) && self->cold->received != NULL) {
        tr_msg *received = self->cold->received;
        self->cold->received = NULL;
        inbox_release(context, self, received);
    }
    if (message != NULL)
        inbox_release(context, self, message);
    return context;
}

/* ---- the turn */

/* While suspended only system messages and the parent's EXIT are handled (SYS-01); its timer's node is no message. */
static bool passes(const struct actor *self, const tr_msg *message)
{
    enum message_kind kind = message_kind(message);
    return LIKELY(!actor_is_suspended(self)) || kind == KIND_SYSTEM || kind == KIND_TIMEOUT ||
           is_parents_exit(self, message);
}

static enum turn handle_continue(struct context *context, struct actor *self)
{
    tr_msg *message = self->cold->continued;
    self->cold->continued = NULL;
    self->cold->continue_on = false;
    if (!handle(context, self, message))
        return TURN_OVER;
    handler_finish(self);
    return TURN_GOES_ON;
}

/* The oldest saved message that may be handled now. */
static tr_msg *take_saved(struct actor *self)
{
    tr_msg *before = NULL;
    for (tr_msg *message = self->saved.first; message != NULL; before = message, message = message_next(message))
        if (passes(self, message)) {
            inbox_unsave(self, before, message);
            return message;
        }
    return NULL;
}

static enum turn die_of(struct context *context, struct actor *self, struct notice *fatal)
{
    notice_drop(context, self->ending);
    self->ending = NULL;
    actor_die(context, self, fatal);
    return TURN_OVER;
}

/* A signal was met at the head before its sender could set SIG. */
static enum turn meet_signal(struct context *context, struct actor *self, tr_msg *head)
{
    bool visible;
    struct notice *fatal = signal_apply(context, self, head, &visible);
    if (!visible)
        inbox_use_head(self, head);
    return fatal == NULL ? TURN_GOES_ON : die_of(context, self, fatal);
}

static enum turn give_up(struct context *context, struct actor *self, tr_msg *passed_over)
{
    if (UNLIKELY(self->cold != NULL) && self->cold->idle_on && passed_over == NULL)
        wait_arm(self, load_relaxed(&self->cold->deadline));
    switch (passed_over == NULL ? inbox_leave(context, self) : inbox_leave_held(context, self, passed_over)) {
    case INBOX_LEFT: return TURN_OVER;
    case INBOX_MORE: return TURN_GOES_ON;
    default: schedule_last(context, &self->task); return TURN_OVER; /* a sender is in the middle of its put */
    }
}

static enum turn handle_head(struct context *context, struct actor *self)
{
    tr_msg *head = inbox_head(self);
    if (UNLIKELY(head == NULL)) {
        schedule_last(context, &self->task);
        return TURN_OVER;
    }
    if (self->head_used)
        return give_up(context, self, NULL);
    if (UNLIKELY(message_kind(head) >= KIND_EXIT_SIGNAL))
        return meet_signal(context, self, head);
    if (UNLIKELY(!passes(self, head)))
        return give_up(context, self, head);
    inbox_use_head(self, head);
    if (UNLIKELY(!handle(context, self, head)))
        return TURN_OVER;
    context = handler_finish(self);
    if (UNLIKELY(self->saved.first != NULL || (self->cold != NULL && self->cold->continue_on)))
        return TURN_GOES_ON; /* they come before what is queued; the consumed head stays as the token */
    if (UNLIKELY(!self->head_used))
        return TURN_GOES_ON; /* the callback looked further (a signal came, a receive passed over it): the head is the next message */
    return give_up(context, self, NULL);
}

enum turn handler_step(struct context *context, struct actor *self)
{
    if (signal_pending(self)) {
        struct notice *fatal = signal_fetch(context, self);
        if (fatal != NULL)
            return die_of(context, self, fatal);
    }
    if (UNLIKELY(self->cold != NULL) && self->cold->continue_on && !actor_is_suspended(self))
        return handle_continue(context, self);
    if (UNLIKELY(self->saved.first != NULL)) {
        tr_msg *message = take_saved(self);
        if (message != NULL) {
            if (!handle(context, self, message))
                return TURN_OVER;
            handler_finish(self);
            return TURN_GOES_ON;
        }
    }
    return handle_head(context, self);
}
