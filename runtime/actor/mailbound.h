/* mailbound.h: bounded mailboxes and what happens when they are full (D13). Signals, replies, timers and the runtime's
 * messages are never refused.
 *
 * `messages` and `bytes` count down what is left; a send takes, handling or dropping gives back, both by plain
 * messages, casts and calls only. A sender may overshoot by what other senders take at the same moment, never more
 * than one message each. A sender that waits looks again after 1 ms, then 2, up to 16: a list of waiters on stacks
 * that may be dropped would cost every bounded receiver more than overload, which is what this is for, is worth. */
#ifndef TROUPE_ACTOR_MAILBOUND_H
#define TROUPE_ACTOR_MAILBOUND_H

#include "actor/actor.h"

/* Sets the bound from the options, if there is one. False: no memory. */
bool mailbound_init(struct context *context, struct actor *actor, const tr_spawn_options *options);
void mailbound_free(struct context *context, struct bound *bound);

enum { MAILBOUND_WAITS = 1 /* beside the statuses, which are negative */ };

int mailbound_take_slow(struct context *context, struct actor *actor, size_t size);
/* A send takes room: TR_OK; TR_EFULL: there is none; MAILBOUND_WAITS: there is none, but by the receiver's policy the
 * sender waits (mailbound_wait). Who then does not send counts the message as lost. Inside a read section. */
static inline int mailbound_take(struct context *context, struct actor *actor, size_t size)
{
    return LIKELY((load_relaxed(&actor->flags) & ACTOR_BOUNDED) == 0) ? TR_OK
                                                                      : mailbound_take_slow(context, actor, size);
}
/* A send that took room has no message after all. As mailbound_take. */
void mailbound_return(struct actor *actor, size_t size);
/* After MAILBOUND_WAITS: true: there was room a moment ago, or nobody who has too little: try again; false: the time is
 * over, so TR_EFULL it is. *deadline is 0 at the first call and kept between calls. Blocks; outside
 * read sections. */
bool mailbound_wait(uint64_t pid, size_t size, int64_t *deadline);
/* Owner: a message is about to be handled: its room is free. False: it is dropped instead (TR_OVERFLOW_DROP_OLDEST). */
bool mailbound_give(struct context *context, struct actor *self, tr_msg *message);
/* Owner: whether messages are to be dropped by that policy until it is false. */
bool mailbound_must_forget(const struct actor *self);
/* Owner, in a receive, of the oldest message that is left: true: it is dropped, by the same policy; its room is free.
 * Calls and what is not counted are never dropped: then the next one is asked for. */
bool mailbound_forgets(struct context *context, struct actor *self, tr_msg *message);
/* Owner: a message was received: its room is free. */
void mailbound_give_received(struct actor *self, tr_msg *message);

#endif
