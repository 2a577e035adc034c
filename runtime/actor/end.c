/* end.c: exits and death. */
#include "actor/end.h"

#include "actor/call.h"
#include "actor/dictionary.h"
#include "actor/inbox.h"
#include "actor/mailbound.h"
#include "actor/names.h"
#include "actor/relation.h"
#include "actor/report.h"
#include "actor/signal.h"
#include "actor/socket_gift.h"
#include "actor/system_message.h"
#include "actor/timer.h"
#include "actor/wait.h"

#include <sched.h>
#include <signal.h>

/* ---- death */

/* Frees a message that nobody will handle; a request fails. */
static ALWAYS_INLINE void fail_message(struct context *context, tr_msg *message, struct notice *notice, int tag)
{
    if (call_is_request(message))
        call_fail(context, message->sender, message->serial, notice, tag);
    message_flag(message, MESSAGE_DONE);
    if (message_kind(message) != KIND_TIMEOUT && (message_flags(message) & (MESSAGE_KEPT | MESSAGE_QUEUED)) == 0)
        message_free(context, message);
}

static void fail_list(struct context *context, struct message_list *list, struct notice *notice)
{
    for (tr_msg *message = list->first, *next; message != NULL; message = next) {
        next = message_next(message);
        fail_message(context, message, notice, 0);
    }
    list->first = NULL;
}

/* Fails what is in the queue. The last node stays: it is the token. What is not linked yet is waited for: who asks may
 * block the thread that the grace period needs. */
static void drain_queue(struct context *context, struct actor *self, struct notice *notice)
{
    for (;;) { /* bound: a sender between its two stores */
        tr_msg *head = inbox_head(self);
        if (head == NULL) {
            sched_yield();
            continue;
        }
        if (!self->head_used) {
            inbox_use_head(self, head);
            fail_message(context, head, notice, 0);
        }
        struct mailbox_node *next = mailbox_next(&self->mailbox, &head->node);
        if (next == NULL)
            return;
        if (next == MAILBOX_BUSY_NODE)
            sched_yield();
        else
            inbox_advance(context, self, head);
    }
}

/* After the grace period: no sender is left, so the queue is only a list. */
static void release_actor(struct retired *item, void *argument)
{
    struct context *context = argument;
    struct actor *self = CONTAINER_OF(item, struct actor, retired);
    for (struct mailbox_node *node = mailbox_peek(&self->mailbox), *next; node != NULL; node = next) {
        next = mailbox_next(&self->mailbox, node);
        tr_check(next != MAILBOX_BUSY_NODE);
        tr_msg *message = message_of(node);
        message_unflag(message, MESSAGE_QUEUED);
        fail_message(context, message, self->ending, 0);
    }
    notice_drop(context, self->ending);
    if (self->cold != NULL) {
        mailbound_free(context, self->cold->bound); /* not before: senders look at it in their read sections */
        pool_free(context->pool, self->cold);
    }
    pool_free(context->pool, self);
}

static void release_cold(struct context *context, struct actor *self)
{
    struct cold *cold = self->cold;
    if (cold->held != NULL)
        inbox_return(self);
    if (cold->continued != NULL)
        message_free(context, cold->continued);
    if (cold->changing != NULL)
        message_free(context, cold->changing);
    if (cold->stop_reply != NULL)
        message_free(context, cold->stop_reply);
    notice_drop(context, cold->last);
    dictionary_free(context, cold->dictionary);
}

/* Step 7. */
static void fail_requests(struct context *context, struct actor *self)
{
    struct notice *notice = self->ending;
    int start_tag = self->cold == NULL ? 0 : self->cold->start_status;
    tr_msg *current = self->current, *received = self->cold == NULL ? NULL : self->cold->received;
    self->current = NULL;
    if (received != NULL)
        self->cold->received = NULL;
    if (current != NULL)
        fail_message(context, current, notice, message_kind(current) == KIND_START ? start_tag : 0);
    if (received != NULL)
        fail_message(context, received, notice, 0);
    if (UNLIKELY(self->cold != NULL))
        call_fail_owed(context, self, notice);
    fail_list(context, &self->saved, notice);
    drain_queue(context, self, notice);
    if (UNLIKELY(self->cold != NULL) && self->cold->owed != NULL)
        pool_free(context->pool, self->cold->owed);
}

static void empty_wait(struct context *context, struct actor *self)
{
    if (load_relaxed(&self->wait) != 0) { /* relaxed: only the owner makes it other than 0 */
        uint64_t word = atomic_exchange_explicit(&self->wait, 0,
                                                 memory_order_acquire); /* acquire: the reply, if it is one */
        if (wait_is_reply(word))
            message_free(context, (tr_msg *)(uintptr_t)word);
    }
    if (self->cold != NULL)
        wait_disarm_for_good(self);
}

/* Takes the notice. What tr_stop was given and nobody returned goes. */
static void set_ending(struct context *context, struct actor *self, struct notice *notice)
{
    if (self->ending != notice)
        notice_drop(context, self->ending);
    self->ending = notice;
    self->traits |= TRAIT_ENDING;
}

/* Under LOCK, which goes: sets the marks that are not set yet. Returns the flags as they were. Sequentially consistent:
 * [DE1] is among them. */
static uint32_t mark_and_unlock(struct actor *self, uint32_t marks)
{
    uint32_t unset = marks &
                     ~load_relaxed(&self->flags); /* relaxed: all of them are set under LOCK only, or by the owner */
    return atomic_fetch_add_explicit(&self->flags,
                                     unset - ACTOR_LOCK,    /* sets these bits, clears that: one instruction */
                                     memory_order_seq_cst); /* [AL2] pairs with [AL1] */
}

/* Steps 3 and 4 of one that owns something or has a name. The lists that it has then. */
static NOINLINE uint32_t give_up_all(struct context *context, struct actor *self, bool named)
{
    gift_take(self); /* sockets that were given to it and that it has not seen yet */
    ledger_release(context, self);
    if (named)
        names_release(context, self);
    actor_lock(self);
    uint32_t lists = relation_lists(self);
    mark_and_unlock(self, ACTOR_GONE);
    return lists;
}

/* Step 6, and DEAD: whoever comes from now on finds it gone. */
static ALWAYS_INLINE void go_under(struct context *context, struct actor *self)
{
    slots_clear(context_table(TABLE_PIDS), &context->caches[TABLE_PIDS], self->pid);
    atomic_fetch_or_explicit(&self->flags, ACTOR_DEAD, memory_order_seq_cst); /* [DE1] */
}

/* Under LOCK, of one that owns nothing and has, besides a name, one link or none: steps 2 to 6 under one hold, and
 * DEAD; LOCK goes. Its signal leaves when all but the pid is free, and before that is gone: who finds it dead may rely
 * on the signal (EXIT-12). False: it cannot be, and nothing happened. */
static bool leave_at_once(struct context *context, struct actor *self, struct notice *notice)
{
    struct actor *other = NULL;
    tr_msg *signal = NULL;
    read_begin(); /* for the name's table, and for `other` until it has its signal */
    if (self->links != NULL && (signal = link_signal_only(self, notice, &other)) == NULL) {
        read_end();
        return false;
    }
    struct name_entry *name = names_take_out(self);
    uint32_t flags = mark_and_unlock(self, ACTOR_EXITING | ACTOR_GONE);
    if (UNLIKELY((flags & ACTOR_TIMED) != 0))
        timer_release_for(context, self);
    if (signal != NULL)
        signal_deliver(context, other, signal);
    read_end();
    go_under(context, self);
    if (name != NULL)
        names_retire(context, name);
    return true;
}

/* Steps 2 to 6, and DEAD. Once it is EXITING, a name that it has can only be taken away. Who owns nothing and has no
 * name is GONE at once: a gift is counted before its giver takes the lock. */
static void leave(struct context *context, struct actor *self, struct notice *notice)
{
    actor_lock(self);
    bool named = self->name != NULL;
    bool owns = self->ledger != NULL || load_relaxed(&gift_count) != 0;
    uint32_t lists = relation_lists(self);
    if (LIKELY(!owns && (lists & ~(uint32_t)RELATION_LINKS) == 0) && leave_at_once(context, self, notice))
        return;
    owns = owns || named;
    uint32_t flags = mark_and_unlock(self, owns ? ACTOR_EXITING : ACTOR_EXITING | ACTOR_GONE);
    if (owns)
        lists = give_up_all(context, self, named);
    if ((flags & ACTOR_TIMED) != 0)
        timer_release_for(context, self);
    relation_release_all(context, self, lists, notice);
    go_under(context, self);
}

/* The same at once, if it owns nothing, no timer was ever for it and nobody has ever had its lock: then it has no name,
 * no relation and no gift, and whoever comes for one of these finds it gone. One exchange sets all three marks; the
 * slot is cleared after it, so who sees DEAD may still find the pid: actor_shows. False: it is not so, and nothing
 * happened. */
static bool leave_quietly(struct context *context, struct actor *self)
{
    uint32_t flags = load_relaxed(&self->flags); /* relaxed: the exchange compares */
    do {
        if (self->ledger != NULL || (flags & (ACTOR_LOCK | ACTOR_MET | ACTOR_TIMED)) != 0)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&self->flags, &flags,
                                                    flags | ACTOR_EXITING | ACTOR_GONE | ACTOR_DEAD,
                                                    memory_order_seq_cst, memory_order_relaxed)); /* [AL1], [DE1] */
    slots_clear(context_table(TABLE_PIDS), &context->caches[TABLE_PIDS], self->pid);
    return true;
}

void actor_die(struct context *context, struct actor *self, struct notice *notice)
{
    self->life = LIFE_DYING;
    set_ending(context, self, notice);
    empty_wait(context, self);
    if (!leave_quietly(context, self))
        leave(context, self, notice);
    trace_event(context->trace, TRACE_EXIT, self->pid);
    context_count(context, COUNT_EXITED);
    if (self->cold != NULL)
        release_cold(context, self);
    fence_after_rmw(); /* [DE1] DEAD before the drain; pairs with [DE2] in call.c */
    fail_requests(context, self);
    self->retired.release = release_actor;
    reclaim_retire(context->bin, &self->retired);
}

/* ---- ends by its own doing */

static void run_ended(struct actor *self)
{
    struct context *context = context_self();
    runtime_leave(context->worker);
    self->behaviour->ended(self->state, &self->ending->reason);
    runtime_enter(worker_self());
}

static void send_stop_reply(struct context *context, struct actor *self)
{
    struct cold *cold = self->cold;
    if (cold == NULL || cold->stop_reply == NULL || !cold->stop_reply_on)
        return;
    tr_msg *reply = cold->stop_reply;
    cold->stop_reply = NULL;
    call_answer(context, cold->stop_reply_to.caller.id, cold->stop_reply_to.serial, reply);
}

/* With a report, the callback `ended`, or an answer. */
static NOINLINE void stop_slowly(struct actor *self, struct notice *notice, bool runs)
{
    set_ending(context_self(), self, notice);
    report_end(self, notice);
    if (runs) {
        self->life = LIFE_ENDING;
        run_ended(self);
    }
    struct context *context = context_self();
    send_stop_reply(context, self); /* GS-33: after `ended`, before the end; only if it was returned */
    actor_die(context, self, self->ending);
}

void actor_stop(struct actor *self, struct notice *notice)
{
    bool runs = self->life == LIFE_ALIVE && self->behaviour != NULL && self->behaviour->ended != NULL;
    if (UNLIKELY(runs || self->cold != NULL || report_wants_end(notice)))
        stop_slowly(self, notice, runs);
    else
        actor_die(context_self(), self, notice);
}

/* On a fresh fiber, in the loop: the frames of the process are gone. */
static void after_own_exit(void *argument)
{
    struct actor *self = argument;
    struct worker *worker = worker_here();
    store_relaxed(&worker->current, &self->task);
    worker->critical = 0;
    actor_stop(self, self->ending);
}

static void after_signal(void *argument)
{
    struct actor *self = argument;
    struct worker *worker = worker_here();
    store_relaxed(&worker->current, &self->task);
    worker->critical = 0;
    actor_die(&worker->context, self, self->ending);
}

void actor_exit(struct actor *self, struct notice *notice, bool own)
{
    struct worker *worker = worker_here();
    if (own && (self->traits & TRAIT_CHANGING) != 0) {
        notice_drop(&worker->context, notice);
        store_relaxed(&worker->in_runtime, 1);
        worker_reset(system_message_change_failed, self);
    }
    if (self->life == LIFE_DYING)
        misuse("tr_exit", "a clean-up (tr_defer) may not exit, send or block");
    if (self->ending != NULL)
        notice_drop(&worker->context, self->ending); /* GS-34: `ended` itself has crashed */
    self->ending = notice;
    store_relaxed(&worker->in_runtime, 1);
    worker_reset(own ? after_own_exit : after_signal, self);
}

void actor_faulted(struct actor *self, struct notice *notice)
{
    struct worker *worker = worker_here();
    bool stops = (self->traits & TRAIT_ENDING) != 0;
    store_relaxed(&worker->current, &self->task);
    worker->critical = 0;
    if ((self->traits & TRAIT_CHANGING) != 0) { /* as an exit there */
        notice_drop(&worker->context, notice);
        system_message_change_failed(self);
        return;
    }
    if (stops && (self->traits & TRAIT_REPORTING) != 0) {
        notice_drop(&worker->context,
                    notice); /* the callback that was to show its state has failed: it ends for its first reason */
    } else {
        set_ending(&worker->context, self, notice); /* GS-34: `ended` itself may have failed */
    }
    report_end(self, self->ending);
    if (stops)
        send_stop_reply(&worker->context, self); /* GS-33: whatever becomes of `ended` */
    actor_die(&worker->context, self, self->ending);
}

/* Nothing is damaged, but what the process does needs more stack than it has: as after a fault. */
static void after_overflow(void *argument)
{
    struct actor *self = argument;
    struct context *context = context_self();
    tr_reason reason = tr_because(TR_WHY_FAULT, SIGSEGV, "stack overflow");
    actor_faulted(self, notice_new(context, &reason, NULL, 0));
}

void actor_check_blocking_slow(struct context *context, struct actor *self)
{
    if (load_relaxed(&context->worker->in_runtime) != 1)
        misuse("a call that blocks", "not allowed in a clean-up (tr_defer), tr_match.accept, print or describe");
    if (UNLIKELY(fiber_stack_left(context->worker->fiber) < STACK_RESERVE))
        worker_reset(after_overflow, self);
    actor_check_signals(self);
}
