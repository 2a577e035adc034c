/* inbox.c: the owner's side of the mailbox. */
#include "actor/inbox.h"

#include "actor/call.h"

#include <sched.h>

/* A consumed message that is out of the queue: whether its block is to be freed now. */
static bool is_garbage(const struct actor *self, const tr_msg *message)
{
    return message != self->current && (self->cold == NULL || message != self->cold->received) &&
           (message_flags(message) & MESSAGE_KEPT) == 0 && message_kind(message) != KIND_TIMEOUT;
}

void inbox_discard(struct context *context, struct actor *self, tr_msg *message)
{
    message_unflag(message, MESSAGE_QUEUED);
    if (message_kind(message) == KIND_TIMEOUT)
        store_release(&self->cold->timeout_queued,
                      0); /* [WT8] release: the node has left the queue; pairs with [WT7] in wait.c */
    else if (is_garbage(self, message))
        message_free(context, message);
}

void inbox_release(struct context *context, struct actor *self, tr_msg *message)
{
    call_owe(context, self, message);
    if ((message_flags(message) & (MESSAGE_KEPT | MESSAGE_QUEUED)) == 0 && message_kind(message) != KIND_TIMEOUT)
        message_free(context, message);
}

void inbox_advance(struct context *context, struct actor *self, tr_msg *head)
{
    struct mailbox_node *node;
    enum mailbox_took took = mailbox_take(&self->mailbox, &node);
    tr_check(took == MAILBOX_MORE);
    if (self->head_used || message_kind(head) == KIND_TIMEOUT) {
        self->head_used = false;
        inbox_discard(context, self, head);
    } else {
        message_append(&self->saved, head);
    }
}

enum inbox_left inbox_leave(struct context *context, struct actor *self)
{
    tr_debug_check(self->head_used);
    tr_msg *head = inbox_head(self);
    struct cold *cold = self->cold;
    bool garbage = is_garbage(self, head), timeout = message_kind(head) == KIND_TIMEOUT;
    struct mailbox_node *node;
    self->head_used = false; /* all before the take: afterwards another worker may run the actor */
    message_unflag(head, MESSAGE_QUEUED);
    read_begin(); /* the cold part outlives the section, whatever becomes of the actor */
    enum mailbox_took took = mailbox_take(&self->mailbox, &node);
    if (took != MAILBOX_BUSY && timeout)
        store_release(&cold->timeout_queued,
                      0); /* [WT8] release: the node has left the queue; pairs with [WT7] in wait.c */
    read_end();
    if (took == MAILBOX_BUSY) {
        self->head_used = true;
        message_flag(head, MESSAGE_QUEUED);
        return INBOX_BUSY;
    }
    if (garbage)
        message_free(context, head);
    return took == MAILBOX_LAST ? INBOX_LEFT : INBOX_MORE;
}

enum inbox_left inbox_leave_held(struct context *context, struct actor *self, tr_msg *head)
{
    (void)context;
    struct mailbox_node *node;
    self->cold->held = head; /* before the take, as above */
    switch (mailbox_take(&self->mailbox, &node)) {
    case MAILBOX_LAST: return INBOX_LEFT;
    case MAILBOX_MORE: inbox_return(self); return INBOX_MORE;
    default: self->cold->held = NULL; return INBOX_BUSY;
    }
}

void inbox_return_held(struct actor *self)
{
    message_append(&self->saved, self->cold->held);
    self->cold->held = NULL;
}

void inbox_unsave(struct actor *self, tr_msg *before, tr_msg *message)
{
    tr_msg *next = message_next(message);
    if (before == NULL)
        self->saved.first = next;
    else
        message_set_next(before, next);
    if (next == NULL)
        self->saved.last = before;
}

/* Each whether this message was it: then it is marked. */
static bool drop_exit(struct actor *self, tr_msg *message, uint64_t from)
{
    (void)self;
    if (message_kind(message) != KIND_EXIT || message->sender != from || (message_flags(message) & MESSAGE_DONE) != 0)
        return false;
    message_flag(message, MESSAGE_DONE);
    return true;
}

static bool drop_down(struct actor *self, tr_msg *message, uint64_t monitor)
{
    if (message->tag != TR_MSG_DOWN || message->serial != monitor || (message_flags(message) & MESSAGE_DONE) != 0)
        return false;
    message_flag(message, MESSAGE_DONE);
    self->cold->stray_downs--;
    return true;
}

/* The node behind this one (NULL: the first); NULL: it is the last. */
static struct mailbox_node *await_link(struct actor *self, struct mailbox_node *node)
{
    for (;;) { /* bound: a sender between its two stores */
        struct mailbox_node *next = node == NULL ? mailbox_peek(&self->mailbox) : mailbox_next(&self->mailbox, node);
        if (LIKELY(next != MAILBOX_BUSY_NODE))
            return next;
        sched_yield();
    }
}

void inbox_await_links(struct actor *self)
{
    struct mailbox_node *node = NULL;
    while ((node = await_link(self, node)) != NULL)
        ;
}

static void drop_oldest(struct actor *self, bool (*drop)(struct actor *, tr_msg *, uint64_t), uint64_t whose)
{
    for (tr_msg *message = self->saved.first; message != NULL; message = message_next(message))
        if (drop(self, message, whose))
            return;
    bool used = self->head_used;
    struct mailbox_node *node = NULL;
    for (; (node = await_link(self, node)) != NULL; used = false)
        if (!used && drop(self, message_of(node), whose))
            return;
}

void inbox_drop_down(struct actor *self, uint64_t monitor) { drop_oldest(self, drop_down, monitor); }

void inbox_drop_exit(struct actor *self, uint64_t from) { drop_oldest(self, drop_exit, from); }
