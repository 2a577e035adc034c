/* signal.h: signals: how they reach an actor ahead of its messages, and what they do (EXIT-01).
 *
 * They go through the mailbox like messages, so the order per pair is kept; then the sender sets SIG, and wakes the
 * actor if it waits in a call. The owner, at each boundary, fetches all that is queued into `saved` but for the last
 * node, and applies signals as it meets them (D5). An actor dies in its own turn only.
 *
 * SIG may be set without a signal in the mailbox (it was met in normal order before), never the other way for longer
 * than the sender takes between its put and its set. A fetch that ends at a node without a link leaves SIG set.
 *
 * An exit signal to oneself takes no way through the mailbox, where it could stand behind such a node: it acts at once
 * (EXIT-04). That breaks no order: exit signals to oneself that came before have acted, and what else one has sent
 * oneself are messages, which its end drops, and behind which its EXIT is put. */
#ifndef TROUPE_ACTOR_SIGNAL_H
#define TROUPE_ACTOR_SIGNAL_H

#include "actor/actor.h"

/* After a put that found the mailbox empty. As deliver_to. */
static inline void deliver_wake(struct context *context, struct actor *actor)
{
    trace_event_now(context->trace, TRACE_RUNNABLE, actor->pid);
    schedule(context, &actor->task);
}
/* Puts a plain message into the mailbox. Any thread with a context; inside a read section in which the actor was
 * found. */
static inline void deliver_to(struct context *context, struct actor *actor, tr_msg *message)
{
    if (mailbox_put(&actor->mailbox, &message->node))
        deliver_wake(context, actor);
}

/* The same for a signal. */
void signal_deliver(struct context *context, struct actor *actor, tr_msg *signal);

/* Finds the actor and delivers; the message is freed if it is dead. Any thread with a context. */
void signal_send(struct context *context, uint64_t to, tr_msg *signal);

/* Sends the exit signal exit/2: takes the notice. False: no memory, it is lost and counted. */
bool signal_exit(struct context *context, uint64_t from, uint64_t to, struct notice *notice);

/* Owner, below a public function: the same to itself. A fatal one does not return. */
bool signal_exit_self(struct context *context, struct actor *self, struct notice *notice);

static inline bool signal_pending(struct actor *self)
{
    return UNLIKELY((load_relaxed(&self->flags) & ACTOR_SIG) != 0);
}

/* Owner. Fetches and applies; the fatal notice (the caller's reference), or NULL. */
struct notice *signal_fetch(struct context *context, struct actor *self);
/* Owner: a signal kind was met in the queue or in `saved`. *visible: it is a message now. The fatal notice (the
 * caller's), or NULL. */
struct notice *signal_apply(struct context *context, struct actor *self, tr_msg *signal, bool *visible);

/* In the user's code, below a public function: a cancellation point. A fatal signal does not return. */
static inline void actor_check_signals(struct actor *self);
void actor_check_signals_slow(struct actor *self);
static inline void actor_check_signals(struct actor *self)
{
    if (signal_pending(self))
        actor_check_signals_slow(self);
}

/* The same for who has an answer: what its sender sent before it has set SIG, and acts before it (SIG-01), though it
 * may stand behind another sender that is between its two stores. Waits for that one; the process may come back on
 * another thread. */
void actor_await_signals(struct actor *self);

/* For sockets: takes the message; TR_OK also if nobody is there. Any thread with a context. */
int deliver(tr_pid to, tr_msg *message);

#endif
