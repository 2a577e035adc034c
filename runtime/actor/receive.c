/* receive.c: receive and selective receive, of straight-line processes and inside callbacks (RECV).
 *
 * A message is tested once for one receive: what does not match goes from the queue to the end of `saved`, behind
 * what was tested. A receive that finds nothing gives the run token up from the other side of the switch
 * (after_receive), so a sender that finds the mailbox empty schedules a process whose registers are saved. The
 * timeout is the actor's own timer, whose node wakes it like a message.
 *
 * What has been sent is there (RECV-04): so a receive whose time is over, or that had none, does not end at a node
 * whose sender is between its two stores. What others have sent since stands behind it, what the receiver sent itself,
 * too. */
#include "actor/receive.h"
#include "actor/end.h"
#include "actor/inbox.h"
#include "actor/mailbound.h"
#include "actor/names.h"
#include "actor/relation.h"
#include "actor/signal.h"
#include "actor/wait.h"

struct search {
    struct actor *self;
    const tr_match *match; /* NULL: anything */
    uint64_t from;         /* 0: anybody */
    tr_msg *tested;        /* the last message in `saved` that was tested; NULL: none */
    tr_msg *passed;        /* tested, too, when it was the head of the queue, wherever it is now; NULL */
    bool cut;              /* the last look ended at a node that is not linked yet */
};

static bool matches(const struct search *search, const tr_msg *message)
{
    const tr_match *match = search->match;
    if (UNLIKELY(message_kind(message) == KIND_SYSTEM))
        return false; /* the runtime's, though its tag is above 0: it is answered between messages, or not at all */
    if (match == NULL)
        return true;
    if ((match->tag != 0 && match->tag != message->tag) || (search->from != 0 && search->from != message->sender))
        return false;
    if (match->ref.serial != 0 && !tr_same_ref(tr_ref_of(message), match->ref) &&
        !(match->ref.owner == 0 && tr_ref_of(message).serial == match->ref.serial))
        return false;
    return match->accept == NULL || match->accept(message, match->arg);
}

/* It was flushed. */
static bool is_gone(const tr_msg *message)
{
    enum message_kind kind = message_kind(message);
    return (kind == KIND_DOWN || kind == KIND_EXIT) && (message_flags(message) & MESSAGE_DONE) != 0;
}

/* Of a mailbox that forgets: the oldest go first, and those are the ones that were passed over. True: each of them was
 * asked, so what comes next in the queue is the oldest that may go. */
static bool forget_passed(struct search *search)
{
    struct actor *self = search->self;
    tr_msg *before = NULL, *message = self->saved.first;
    for (tr_msg *next; message != NULL && mailbound_must_forget(self); message = next) {
        next = message_next(message);
        if (!mailbound_forgets(context_self(), self, message)) {
            before = message;
            continue;
        }
        inbox_unsave(self, before, message);
        if (search->tested == message)
            search->tested = before;
        if (search->passed == message)
            search->passed = NULL;
        message_free(context_self(), message);
    }
    return message == NULL;
}

static bool is_bounded(struct actor *self) { return UNLIKELY((load_relaxed(&self->flags) & ACTOR_BOUNDED) != 0); }

static tr_msg *find_saved(struct search *search)
{
    struct actor *self = search->self;
    if (is_bounded(self))
        forget_passed(search);
    tr_msg *before = search->tested, *message = before == NULL ? self->saved.first : message_next(before);
    while (message != NULL) {
        tr_msg *next = message_next(message);
        bool gone = is_gone(message), passed = message == search->passed;
        if (gone || (!passed && matches(search, message))) {
            inbox_unsave(self, before, message);
            if (!gone)
                return message;
            if (passed)
                search->passed = NULL; /* its block may come back as another message */
            message_free(context_self(), message);
        } else {
            before = message;
        }
        message = next;
    }
    search->tested = before;
    return NULL;
}

/* Whether the head, not consumed yet, is what is searched. Timeouts, signals and what is gone are consumed here. */
static bool head_matches(struct search *search, tr_msg *head)
{
    struct actor *self = search->self;
    if (UNLIKELY(message_kind(head) >= KIND_EXIT_SIGNAL)) {
        bool visible;
        struct notice *fatal = signal_apply(context_self(), self, head, &visible);
        if (!visible)
            inbox_use_head(self, head);
        if (fatal != NULL)
            actor_exit(self, fatal, false);
        if (!visible)
            return false;
    }
    if (message_kind(head) == KIND_TIMEOUT || is_gone(head) ||
        (is_bounded(self) && forget_passed(search) && mailbound_forgets(context_self(), self, head))) {
        inbox_use_head(self, head);
        return false;
    }
    return matches(search, head);
}

/* NULL: the last head is consumed, or passed over, and nothing is behind it; or, `cut`, what is has no link yet. */
static tr_msg *find_queued(struct search *search)
{
    struct actor *self = search->self;
    search->cut = true;
    for (tr_msg *head; (head = inbox_head(self)) != NULL;) {
        if (!self->head_used && head != search->passed) {
            if (head_matches(search, head)) {
                inbox_use_head(self, head);
                return head;
            }
            search->passed = self->head_used ? NULL : head;
        }
        struct mailbox_node *next = mailbox_next(&self->mailbox, &head->node);
        search->cut = next == MAILBOX_BUSY_NODE;
        if (next == NULL || search->cut)
            return NULL;
        if (!self->head_used)
            search->tested = head;
        inbox_advance(context_self(), self, head);
    }
    return NULL;
}

/* On another stack. After INBOX_LEFT the actor may run elsewhere. */
static void after_receive(void *argument)
{
    struct actor *self = argument;
    struct context *context = context_self();
    tr_msg *head = inbox_head(self);
    enum inbox_left left = head == NULL      ? INBOX_BUSY
                           : self->head_used ? inbox_leave(context, self)
                                             : inbox_leave_held(context, self, head);
    if (left != INBOX_LEFT)
        schedule_last(context, &self->task); /* a message came, or is being put: look again */
}

static void block(struct search *search, int64_t deadline)
{
    struct actor *self = search->self;
    wait_arm(self, deadline);
    if (!worker_block(&self->fiber, after_receive, self))
        actor_exit(self, notice_static(TR_WHY_SYSTEM_LIMIT), true);
    actor_note_worker(self, worker_here());
    store_relaxed(&self->cold->deadline, NEVER);
    if (self->cold->held != NULL)
        search->tested = self->cold->held;
    inbox_return(self);
}

static tr_msg *search_until(struct search *search, int64_t timeout_ms)
{
    int64_t deadline = timeout_ms < 0 ? NEVER : 0;
    for (;;) {
        actor_check_signals(search->self);
        tr_msg *message = find_saved(search);
        if (message == NULL)
            message = find_queued(search);
        bool over = timeout_ms == 0 || (deadline != 0 && deadline != NEVER && clock_now() >= deadline);
        if (message != NULL || (over && !search->cut))
            return message;
        if (over) { /* bound: a sender between its two stores */
            actor_yield(search->self);
            continue;
        }
        if (deadline == 0)
            deadline = deadline_after(clock_now(), timeout_ms);
        block(search, deadline);
    }
}

/* What the message is when it reaches the user. */
static void present(struct context *context, struct actor *self, tr_msg *message)
{
    self->cold->received = message;
    self->turns++;
    if (UNLIKELY(message->tag == TR_MSG_DOWN))
        relation_down_met(context, self, message);
    else if (UNLIKELY((load_relaxed(&self->flags) & ACTOR_BOUNDED) != 0) && message_kind(message) <= KIND_CONTINUE)
        mailbound_give_received(self, message);
}

API const tr_msg *tr_receive_match(const tr_match *match, int64_t timeout_ms)
{
    struct context *context = api_enter();
    struct actor *self = context == NULL ? NULL : actor_here(context);
    if (self == NULL)
        misuse("tr_receive", "only a process has a mailbox");
    if (timeout_ms < TR_INFINITY)
        tr_exit(tr_because(TR_WHY_STATUS, TR_EINVAL, "tr_receive: timeout %lld", (long long)timeout_ms));
    actor_check_blocking(context, self);
    struct cold *cold = actor_cold_or_exit(context, self);
    tr_msg *received = cold->received;
    cold->received = NULL;
    if (received != NULL)
        inbox_release(context, self, received);
    struct search search = { .self = self, .match = match };
    if (match != NULL && match->from.id != 0) {
        read_begin();
        search.from = actor_resolve(match->from);
        read_end();
        if (search.from == 0)
            search.from = PID_NAME_BIT; /* nobody has the name: nobody is the sender */
    }
    tr_msg *message = search_until(&search, timeout_ms);
    context = context_self();
    if (message != NULL)
        present(context, self, message);
    api_leave(context);
    return message;
}

API const tr_msg *tr_receive(int64_t timeout_ms) { return tr_receive_match(NULL, timeout_ms); }

/* ---- keeping */

/* A kept message is in the ledger, so that it ends with its owner. */
struct keeping {
    struct owned owned;
    tr_msg *message;
};

static void release_kept(struct context *context, struct owned *item)
{
    struct keeping *keeping = CONTAINER_OF(item, struct keeping, owned);
    tr_msg *message = keeping->message;
    message_unflag(message, MESSAGE_KEPT);
    pool_free(context->pool, keeping);
    struct task *task = load_relaxed(&context->worker->current);
    struct actor *self = task == NULL ? NULL : actor_of_task(task);
    bool used = self != NULL && (message == self->current || (self->cold != NULL && message == self->cold->received));
    if (!used && (message_flags(message) & MESSAGE_QUEUED) == 0)
        message_free(context, message);
}

bool message_keep(struct context *context, struct actor *self, tr_msg *message)
{
    struct keeping *keeping = pool_alloc(context->pool, sizeof *keeping);
    if (keeping == NULL)
        return false;
    *keeping = (struct keeping){ { .release = release_kept }, message };
    message_flag(message, MESSAGE_KEPT);
    ledger_add(self, &keeping->owned);
    return true;
}

static struct keeping *find_keeping(struct actor *self, const tr_msg *message)
{
    for (struct owned *item = self->ledger; item != NULL; item = item->next)
        if (item->release == release_kept && CONTAINER_OF(item, struct keeping, owned)->message == message)
            return CONTAINER_OF(item, struct keeping, owned);
    return NULL;
}

API tr_msg *tr_keep(const tr_msg *message)
{
    struct context *context = api_enter();
    struct actor *self = context == NULL ? NULL : actor_here(context);
    if (self == NULL)
        misuse("tr_keep", "only a process receives messages");
    tr_msg *mine = (tr_msg *)(uintptr_t)message;
    bool kept = (message_flags(mine) & MESSAGE_KEPT) != 0 || message_keep(context, self, mine);
    api_leave(context);
    return kept ? mine : NULL;
}

API void tr_drop(tr_msg *message)
{
    struct context *context = message == NULL ? NULL : api_enter();
    if (context == NULL)
        return;
    struct actor *self = actor_here(context);
    struct keeping *keeping = self == NULL || (message_flags(message) & MESSAGE_KEPT) == 0
                                  ? NULL
                                  : find_keeping(self, message);
    if (keeping != NULL) {
        ledger_remove(&keeping->owned);
        release_kept(context, &keeping->owned);
    } else {
        message_free(context, message);
    }
    api_leave(context);
}
