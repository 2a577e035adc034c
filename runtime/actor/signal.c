/* signal.c: sending and receiving signals. */
#include "actor/signal.h"

#include "actor/end.h"
#include "actor/inbox.h"
#include "actor/query.h"
#include "actor/relation.h"
#include "actor/wait.h"

void signal_deliver(struct context *context, struct actor *actor, tr_msg *signal)
{
    bool first = mailbox_put(&actor->mailbox, &signal->node);
    atomic_fetch_or_explicit(&actor->flags, ACTOR_SIG,
                             memory_order_seq_cst); /* [WT1] before the look at the wait word; pairs with [WT2] */
    if (first) {
        schedule(context, &actor->task);
        return;
    }
    uint64_t word = load_seq_cst(&actor->wait);
    if (wait_is_waiting(word) && atomic_compare_exchange_strong_explicit(&actor->wait, &word, word | 2,
                                                                         memory_order_acq_rel, memory_order_relaxed))
        schedule(context, &actor->task);
}

void signal_send(struct context *context, uint64_t to, tr_msg *signal)
{
    read_begin();
    struct actor *actor = actor_find_process(to);
    if (actor != NULL)
        signal_deliver(context, actor, signal);
    read_end();
    if (actor == NULL)
        message_free(context, signal);
}

bool signal_exit(struct context *context, uint64_t from, uint64_t to, struct notice *notice)
{
    tr_msg *signal = message_with_notice(context, KIND_EXIT_SIGNAL, from, notice);
    if (signal == NULL)
        context_count(context, COUNT_LOST);
    else
        signal_send(context, to, signal);
    return signal != NULL;
}

bool signal_exit_self(struct context *context, struct actor *self, struct notice *notice)
{
    bool killed = notice->reason.why == TR_WHY_KILL;
    if (killed) {
        notice_drop(context, notice);
        notice = notice_static(TR_WHY_KILLED);
    }
    if (killed || !actor_traps(self))
        actor_exit(self, notice, false);
    tr_msg *message = message_with_notice(context, KIND_EXIT, self->pid, notice);
    if (message == NULL)
        context_count(context, COUNT_LOST);
    else
        deliver_to(context, self, message);
    return message != NULL;
}

int deliver(tr_pid to, tr_msg *message)
{
    struct context *context = context_self();
    read_begin();
    struct actor *actor = actor_find(to.id);
    if (actor != NULL)
        deliver_to(context, actor, message);
    read_end();
    if (actor == NULL)
        message_free(context, message);
    return TR_OK;
}

/* ---- receiving */

static void become_message(tr_msg *signal)
{
    signal->tag = TR_MSG_EXIT;
    message_set_kind(signal, KIND_EXIT);
}

/* EXIT-01, the rows of exit/2. */
static struct notice *apply_exit(struct actor *self, tr_msg *signal, bool *visible)
{
    struct notice *notice = *message_notice(signal);
    if (notice->reason.why == TR_WHY_KILL)
        return notice_static(TR_WHY_KILLED);
    if (actor_traps(self)) {
        become_message(signal);
        *visible = true;
        return NULL;
    }
    if (notice->reason.why == TR_WHY_NORMAL && signal->sender != self->pid)
        return NULL;
    return notice_take(notice);
}

/* EXIT-01, the rows of links. */
static struct notice *apply_link_exit(struct actor *self, tr_msg *signal, bool *visible)
{
    struct notice *notice = *message_notice(signal);
    if (!relation_link_ended(self, signal))
        return NULL;
    if (actor_traps(self)) {
        become_message(signal);
        *visible = true;
        return NULL;
    }
    return notice->reason.why == TR_WHY_NORMAL ? NULL : notice_take(notice);
}

struct notice *signal_apply(struct context *context, struct actor *self, tr_msg *signal, bool *visible)
{
    *visible = false;
    switch (message_kind(signal)) {
    case KIND_EXIT_SIGNAL: return apply_exit(self, signal, visible);
    case KIND_LINK_EXIT: return apply_link_exit(self, signal, visible);
    default: query_answer(context, self, signal); return NULL;
    }
}

struct notice *signal_fetch(struct context *context, struct actor *self)
{
    tr_debug_check((load_relaxed(&self->flags) & (ACTOR_SIG | ACTOR_FETCHING)) == ACTOR_SIG);
    /* SIG, which is set and which only the owner clears, becomes FETCHING, which is not set, at once: whoever looks at
     * the word sees one of them. acquire: pairs with the release half of [WT1] */
    atomic_fetch_add_explicit(&self->flags, ACTOR_FETCHING - ACTOR_SIG, memory_order_acq_rel);
    for (;;) {
        tr_msg *head = inbox_head(self);
        if (head != NULL && !self->head_used && message_kind(head) >= KIND_EXIT_SIGNAL) {
            bool visible;
            struct notice *fatal = signal_apply(context, self, head, &visible);
            if (!visible)
                inbox_use_head(self, head);
            if (fatal != NULL)
                return fatal;
        }
        struct mailbox_node *next = head == NULL ? MAILBOX_BUSY_NODE : mailbox_next(&self->mailbox, &head->node);
        if (next ==
            MAILBOX_BUSY_NODE) /* a signal may stand behind the node that is not linked yet: look again at the next boundary */
            atomic_fetch_or_explicit(&self->flags, ACTOR_SIG, memory_order_relaxed);
        if (next == NULL || next == MAILBOX_BUSY_NODE) {
            /* release: what the signals did, before whoever finds neither flag */
            atomic_fetch_and_explicit(&self->flags, ~(uint32_t)ACTOR_FETCHING, memory_order_release);
            return NULL;
        }
        inbox_advance(context, self, head);
    }
}

NOINLINE void actor_check_signals_slow(struct actor *self)
{
    if (self->life == LIFE_DYING)
        return; /* in a clean-up: it ends already (EXIT-05) */
    struct notice *fatal = signal_fetch(context_self(), self);
    if (fatal != NULL)
        actor_exit(self, fatal, false);
}

NOINLINE void actor_await_signals(struct actor *self)
{
    actor_check_signals(self);
    while (signal_pending(self)) /* bound: senders between their two stores */
        actor_yield(self);
}
