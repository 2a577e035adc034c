/* mailbound.c: bounded mailboxes. */
#include "actor/mailbound.h"

#include "actor/signal.h"
#include "actor/wait.h"

#include <time.h>

#define PAUSE_MOST_NS (16 * NS_PER_MS)

struct bound {
    _Atomic int64_t messages, bytes; /* left */
    tr_overflow policy;              /* (c) */
    int64_t wait_ms;                 /* (c) */
};

/* What is left at first; 0: no bound. */
static int64_t all_of(size_t limit) { return limit == 0 || limit > INT64_MAX / 2 ? INT64_MAX / 2 : (int64_t)limit; }

bool mailbound_init(struct context *context, struct actor *actor, const tr_spawn_options *options)
{
    if (options->mailbox_messages == 0 && options->mailbox_bytes == 0)
        return true;
    struct bound *bound = pool_alloc(context->pool, sizeof *bound);
    if (bound == NULL)
        return false;
    store_relaxed(&bound->messages, all_of(options->mailbox_messages));
    store_relaxed(&bound->bytes, all_of(options->mailbox_bytes));
    bound->policy = options->overflow;
    bound->wait_ms = options->overflow_wait_ms;
    actor->cold->bound = bound;
    atomic_fetch_or_explicit(&actor->flags, ACTOR_BOUNDED,
                             memory_order_relaxed); /* relaxed: nobody knows the actor yet */
    return true;
}

void mailbound_free(struct context *context, struct bound *bound)
{
    if (bound != NULL)
        pool_free(context->pool, bound);
}

static void put_back(struct bound *bound, size_t size)
{
    atomic_fetch_add_explicit(&bound->messages, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&bound->bytes, (int64_t)size, memory_order_relaxed);
}

static bool take(struct bound *bound, size_t size)
{
    /* relaxed: counters; what they count is ordered by the mailbox */
    int64_t messages = atomic_fetch_sub_explicit(&bound->messages, 1, memory_order_relaxed);
    int64_t bytes = atomic_fetch_sub_explicit(&bound->bytes, (int64_t)size, memory_order_relaxed);
    if (messages > 0 && bytes > 0 && bytes >= (int64_t)size)
        return true;
    if (bound->policy != TR_OVERFLOW_DROP_OLDEST)
        put_back(bound, size);
    return false;
}

int mailbound_take_slow(struct context *context, struct actor *actor, size_t size)
{
    struct bound *bound = actor->cold->bound;
    if (take(bound, size) || bound->policy == TR_OVERFLOW_DROP_OLDEST)
        return TR_OK;
    if (bound->policy == TR_OVERFLOW_WAIT)
        return MAILBOUND_WAITS;
    if (bound->policy == TR_OVERFLOW_STOP)
        signal_exit(context, 0, actor->pid, notice_static(TR_WHY_SYSTEM_LIMIT));
    return TR_EFULL;
}

void mailbound_return(struct actor *actor, size_t size)
{
    if ((load_relaxed(&actor->flags) & ACTOR_BOUNDED) != 0)
        put_back(actor->cold->bound, size);
}

/* ---- waiting */

static void pause_for(struct actor *self, int64_t ns)
{
    tr_msg *reply;
    if (self != NULL) {
        wait_for(self, wait_next_serial(self), clock_now() + ns, false, NULL, NULL, &reply);
    } else {
        struct timespec pause = { .tv_nsec = (long)ns };
        nanosleep(&pause, NULL);
    }
}

/* Whether there is room now, or the receiver has died; else *again: it may be worth waiting, until *deadline. */
static NOINLINE bool look(uint64_t pid, size_t size, int64_t *deadline, bool *again)
{
    read_begin();
    struct actor *actor = actor_find(pid);
    /* a name may belong to another process by now, one without a bound */
    bool bounded = actor != NULL && (load_relaxed(&actor->flags) & ACTOR_BOUNDED) != 0;
    struct bound *bound = bounded ? actor->cold->bound : NULL;
    bool room = bound == NULL || (load_relaxed(&bound->messages) > 0 && load_relaxed(&bound->bytes) >= (int64_t)size);
    if (bound != NULL && *deadline == 0)
        *deadline = deadline_after(clock_now(), bound->wait_ms);
    *again = !room && bound->policy == TR_OVERFLOW_WAIT && clock_now() < *deadline;
    read_end();
    return room;
}

bool mailbound_wait(uint64_t pid, size_t size, int64_t *deadline)
{
    for (int64_t pause = NS_PER_MS;; pause = pause < PAUSE_MOST_NS ? 2 * pause : pause) {
        struct context *context = context_self();
        struct actor *self = actor_here(context);
        bool again, room = look(pid, size, deadline, &again);
        if (!again)
            return room;
        if (self != NULL)
            actor_cold_or_exit(context, self);
        pause_for(self, pause);
    }
}

void mailbound_give_received(struct actor *self, tr_msg *message)
{
    if ((message_flags(message) & MESSAGE_COUNTED) == 0)
        return;
    message_unflag(message, MESSAGE_COUNTED);
    put_back(self->cold->bound, message_size(message));
}

bool mailbound_must_forget(const struct actor *self)
{
    const struct bound *bound = self->cold->bound;
    return bound->policy == TR_OVERFLOW_DROP_OLDEST &&
           (load_relaxed(&bound->messages) < 0 || load_relaxed(&bound->bytes) < 0);
}

bool mailbound_forgets(struct context *context, struct actor *self, tr_msg *message)
{
    if (!mailbound_must_forget(self) || (message_flags(message) & MESSAGE_COUNTED) == 0 ||
        message_kind(message) == KIND_CALL)
        return false;
    mailbound_give_received(self, message);
    context_count(context, COUNT_LOST);
    return true;
}

bool mailbound_give(struct context *context, struct actor *self, tr_msg *message)
{
    if (mailbound_forgets(context, self, message))
        return false;
    mailbound_give_received(self, message);
    return true;
}
