/* inbox.h: the owner's side of the mailbox: which message is next, what is consumed, what is passed over.
 *
 * The order of an actor's messages is: `saved`, oldest first, then the queue from its head. The head of the queue is
 * the run token, so it stays there while it is handled and, consumed (`head_used`), until its successor is known or
 * the actor gives itself up.
 *
 * Invariants, for an actor that runs:
 *   - the queue is not empty;
 *   - head_used == the head of the queue is consumed: handled, being handled (then it is `current` or `received`), or
 *     an applied signal;
 *   - a consumed head has the flag QUEUED; its block is freed when it leaves the queue, unless it is `current`,
 *     `received` or KEPT;
 *   - messages in `saved` have left the queue and are not consumed;
 *   - held != NULL: the head was passed over by a receive, and the actor gave itself up with it; it belongs at the end
 *     of `saved`.
 *
 * Owner only, all of it. */
#ifndef TROUPE_ACTOR_INBOX_H
#define TROUPE_ACTOR_INBOX_H

#include "actor/actor.h"

/* The head of the queue, consumed or not; NULL: it is not linked yet, look again later. */
static inline tr_msg *inbox_head(struct actor *self)
{
    struct mailbox_node *node = mailbox_peek(&self->mailbox);
    return UNLIKELY(node == MAILBOX_BUSY_NODE) ? NULL : message_of(node);
}

/* The first message that is linked, and the one that is linked to a message; NULL: look closer. */
static inline tr_msg *inbox_linked_head(struct actor *self)
{
    return message_of(mailbox_linked(&self->mailbox.head.node));
}
static inline tr_msg *inbox_linked(const tr_msg *message) { return message_of(mailbox_linked(&message->node.link)); }

static inline bool inbox_is_head(struct actor *self, const tr_msg *message)
{
    return mailbox_is_first(&self->mailbox, &message->node);
}

/* The head becomes consumed. */
static inline void inbox_use_head(struct actor *self, tr_msg *head)
{
    self->head_used = true;
    message_flag(head, MESSAGE_QUEUED);
}

/* A consumed message that has left the queue and that nobody holds. */
void inbox_discard(struct context *context, struct actor *self, tr_msg *message);

/* The user is done with a message that it received or handled: frees it, unless it is kept, or still queued, or a
 * call that waits for its answer: that one goes to the pending list. */
void inbox_release(struct context *context, struct actor *self, tr_msg *message);

/* Takes the head out of the queue; only if its successor is known, so that the token stays: mailbox_next was neither
 * NULL nor busy. A consumed one is discarded, another goes to `saved`; but not the timeout's node, which is gone:
 * whoever waits looks at the deadline, and arms the timer again. */
void inbox_advance(struct context *context, struct actor *self, tr_msg *head);

enum inbox_left { INBOX_LEFT /* the actor is idle: not the caller's any more */, INBOX_MORE, INBOX_BUSY };
/* Gives the actor up if nothing is left: takes the consumed head. On LEFT nothing of the actor may be touched. */
enum inbox_left inbox_leave(struct context *context, struct actor *self);
/* The same for a head that is not consumed but passed over: it becomes `held`. */
enum inbox_left inbox_leave_held(struct context *context, struct actor *self, tr_msg *head);
/* The actor runs again after it was given up. */
void inbox_return_held(struct actor *self);
static inline void inbox_return(struct actor *self)
{
    if (UNLIKELY(self->cold != NULL) && self->cold->held != NULL)
        inbox_return_held(self);
}

/* Marks a DOWN that waits, one of cold->stray_downs: it is dropped when it is met. Looks through all messages. */
void inbox_drop_down(struct actor *self, uint64_t monitor);
/* The same of the oldest EXIT from a process that is linked no more; it need not be there. */
void inbox_drop_exit(struct actor *self, uint64_t from);

/* Waits until all that was put before is linked. */
void inbox_await_links(struct actor *self);

/* Removes a message from `saved`; before: the one before it, or NULL. */
void inbox_unsave(struct actor *self, tr_msg *before, tr_msg *message);

#endif
