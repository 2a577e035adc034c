/* link.c: links: what relation.h says of them. */
#include "actor/relation.h"
#include "actor/signal.h"

/* ---- lists of ends; under the holder's lock */

static void insert(struct link_end **list, struct link_end *end)
{
    end->next = *list;
    end->link = list;
    if (*list != NULL)
        (*list)->link = &end->next;
    *list = end;
}

static void take_out(struct link_end *end)
{
    *end->link = end->next;
    if (end->next != NULL)
        end->next->link = end->link;
}

/* ---- made and removed */

/* Behind those that have signalled: these stay in front, for find_signalled. Bound: the EXITs that are on their way. */
static void insert_linked(struct link_end **list, struct link_end *end)
{
    while (*list != NULL && link_signalled(*list))
        list = &(*list)->next;
    insert(list, end);
}

/* The end of a in a link of a and b; both locked. Walks both lists at once: as long as the shorter one. */
static struct link_end *find_link(struct actor *a, struct actor *b)
{
    struct link_end *of_a = a->links, *of_b = b->links;
    for (; of_a != NULL && of_b != NULL; of_a = of_a->next, of_b = of_b->next) {
        if (!link_signalled(of_a) && link_other_end(of_a)->pid == b->pid)
            return of_a;
        if (!link_signalled(of_b) && link_other_end(of_b)->pid == a->pid)
            return link_other_end(of_b);
    }
    return NULL;
}

static struct link *new_link(struct context *context, const struct actor *a, const struct actor *b)
{
    struct link *link = pool_alloc(context->pool, sizeof *link);
    if (link != NULL) {
        link->notice = NULL;
        link->first.pid = a->pid;
        link->last.pid = b->pid;
    }
    return link;
}

/* Under the LOCK of b, which goes. */
static int join(struct context *context, struct link *link, struct actor *a, struct actor *b)
{
    (void)relation_lock_other(b, a); /* nothing was looked at before */
    bool gone = ((load_relaxed(&a->flags) | load_relaxed(&b->flags)) & ACTOR_GONE) != 0; /* relaxed: under both locks */
    bool made = !gone && find_link(a, b) == NULL;
    if (made) {
        insert_linked(&a->links, &link->first);
        insert_linked(&b->links, &link->last);
    }
    actor_unlock(a);
    actor_unlock(b);
    if (made)
        trace_event(context->trace, TRACE_LINK, b->pid);
    else
        pool_free(context->pool, link);
    return gone ? TR_ENOPROC : TR_OK;
}

int relation_link(struct context *context, struct actor *a, struct actor *b)
{
    struct link *link = new_link(context, a, b);
    if (link == NULL)
        return TR_ENOMEM;
    actor_lock(b);
    return join(context, link, a, b);
}

int relation_link_and_unlock(struct context *context, struct actor *a, struct actor *b)
{
    struct link *link = new_link(context, a, b);
    if (link != NULL)
        return join(context, link, a, b);
    actor_unlock(b);
    return TR_ENOMEM;
}

/* Its own end of a link whose EXIT is on its way; such ends stand in front. */
static struct link_end *find_signalled(struct actor *self, uint64_t peer)
{
    for (struct link_end *end = self->links; end != NULL && link_signalled(end); end = end->next)
        if (link_peer(end) == peer)
            return end;
    return NULL;
}

void relation_unlink(struct context *context, struct actor *self, uint64_t peer)
{
    read_begin();
    struct actor *other = actor_find(peer);
    actor_lock_two(self, other);
    struct link_end *linked = other == NULL || other == self ? NULL : find_link(self, other);
    struct link_end *signalled = linked != NULL ? NULL : find_signalled(self, peer);
    if (linked != NULL) {
        take_out(link_other_end(linked));
        take_out(linked);
    } else if (signalled != NULL) {
        /* LINK-05: it may be in the mailbox, but acts no more */
        message_flag(&link_of(signalled)->message, MESSAGE_DONE);
        take_out(signalled);
    }
    actor_unlock_two(self, other);
    read_end();
    if (linked != NULL)
        pool_free(context->pool, link_of(linked));
}

bool relation_link_ended(struct actor *self, tr_msg *signal)
{
    if ((message_flags(signal) & MESSAGE_DONE) != 0)
        return false;
    actor_lock(self);
    take_out(&((struct link *)(void *)signal)->last);
    actor_unlock(self);
    return true;
}

/* ---- death */

/* Turns a link into the signal for its other holder, at the death of the one whose end this is; both locked. */
static tr_msg *link_signal(struct link_end *mine, struct actor *other, struct notice *notice)
{
    struct link *link = link_of(mine);
    uint64_t self = mine->pid;
    take_out(link_other_end(mine));
    take_out(mine);
    link->last.pid = other->pid;
    insert(&other->links, &link->last);
    link->message = (tr_msg){ .sender = self, .tag = TR_MSG_EXIT, .meta = sizeof(struct notice *) };
    message_set_kind(&link->message, KIND_LINK_EXIT);
    link->notice = notice_take(notice);
    return &link->message;
}

/* Signals the first link, or lets go of it if it is signalled: its message is in the mailbox, or about to be. False:
 * there is none left. */
static bool release_link(struct context *context, struct actor *self, struct notice *notice)
{
    read_begin();
    actor_lock(self);
    struct link_end *mine = self->links;
    bool found = mine != NULL, signalled = found && link_signalled(mine);
    uint64_t peer = found && !signalled ? link_peer(mine) : 0;
    if (signalled)
        take_out(mine);
    struct actor *other = peer == 0 ? NULL : actor_find(peer);
    tr_msg *signal = NULL;
    if (other != NULL) { /* else: it is about to signal this link, or to remove it; look again */
        if (!relation_lock_other(self, other))
            mine = self->links;
        if (mine != NULL && !link_signalled(mine) && link_peer(mine) == peer)
            signal = link_signal(mine, other, notice);
        actor_unlock(other);
    }
    bool more = self->links != NULL;
    actor_unlock(self);
    if (signal != NULL)
        signal_deliver(context, other, signal);
    read_end();
    return more;
}

void link_release_all(struct context *context, struct actor *self, struct notice *notice)
{
    while (release_link(context, self, notice))
        ;
}

tr_msg *link_signal_only(struct actor *self, struct notice *notice, struct actor **other)
{
    struct link_end *mine = self->links;
    if (mine->next != NULL || link_signalled(mine))
        return NULL;
    *other = actor_find(link_peer(mine));
    if (*other == NULL || !actor_try_lock(*other)) /* waits for nobody: the order of the slots need not be kept */
        return NULL;
    tr_msg *signal = link_signal(mine, *other, notice);
    actor_unlock(*other);
    return signal;
}
