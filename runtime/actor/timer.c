/* timer.c: timers.
 *
 * A timer is in the wheel of its receiver (TMR-08), and the wheel's lock guards everything about it: whether it is in
 * the wheel, and its place in the receiver's list. So "fires" and "is cancelled" exclude each other (TMR-02), and a
 * receiver that dies finds all timers that are for it: start sets TIMED, then looks at EXITING under the wheel's lock;
 * death sets EXITING and, if it finds TIMED, takes the lock. The message is made at the start, so that firing allocates
 * nothing (but for periodic ones).
 *
 * Which wheel that is stands in the receiver's flags (ACTOR_WHEEL), set with TIMED: one of the worker's who starts its
 * first timer, so that workers which start timers at once do not want one lock. It changes only under the lock of the
 * wheel that it names, while the receiver has no timers: so who has that lock, and looks again, knows that it is the
 * one. Timers for a name are in the wheel of the name's number.
 *
 * Two kinds. One whose starter wants its id has a handle, and since cancel finds it by that, it is freed through RCU.
 * The other, of tr_send_after without an id, nobody can ever name: it lies in the block of its message, behind the
 * body, and leaves with it. */
#include "actor/timer.h"

#include "actor/call.h"
#include "actor/names.h"
#include "actor/relation.h"
#include "actor/signal.h"
#include "base/clock.h"
#include "sched/scheduler.h"

enum { BODY_WITH_TIMER_MOST = 4096 };

/* Behind a small body the second member starts a cache line: what the wheel and the lists touch is in that one. */
struct timer {
    uint64_t to;     /* (c) a pid or a name */
    tr_msg *message; /* (l) of the wheel; what is delivered */
    struct alarm alarm;
    struct timer *next, **link; /* (l) of the receiver's list; link NULL: a name's */
};

struct known_timer {
    uint64_t handle; /* (c) first: the rule of slots.h */
    struct timer timer;
    int64_t interval_ns;           /* (c) 0: one-shot */
    _Atomic(struct wheel *) wheel; /* where it is; NULL: it has not been started */
    struct retired retired;
};

/* ---- under the wheel's lock */

static void list_add(struct actor *receiver, struct timer *timer)
{
    timer->next = receiver->timers;
    timer->link = &receiver->timers;
    if (timer->next != NULL)
        timer->next->link = &timer->next;
    receiver->timers = timer;
}

static void list_remove(struct timer *timer)
{
    if (timer->link == NULL)
        return;
    *timer->link = timer->next;
    if (timer->next != NULL)
        timer->next->link = timer->link;
    timer->link = NULL;
}

static void release(struct retired *item, void *argument)
{
    struct context *context = argument;
    struct known_timer *known = CONTAINER_OF(item, struct known_timer, retired);
    if (known->timer.message != NULL)
        message_free(context, known->timer.message);
    pool_free(context->pool, known);
}

/* Out of the wheel and the list. */
static void retire(struct context *context, struct known_timer *known)
{
    slots_clear(context_table(TABLE_TIMERS), &context->caches[TABLE_TIMERS], known->handle);
    known->retired.release = release;
    reclaim_retire(context->bin, &known->retired);
}

static void deliver_now(struct context *context, uint64_t to, tr_msg *message)
{
    struct actor *receiver = actor_find((to & PID_NAME_BIT) == 0 ? to : names_find(to)); /* TMR-06 */
    if (receiver == NULL)
        message_free(context, message);
    else if (message_kind(message) == KIND_EXIT_SIGNAL)
        signal_deliver(context, receiver, message);
    else
        deliver_to(context, receiver, message);
}

/* The two kinds' alarms, inside a read section. */

static int64_t fire_unknown(struct alarm *alarm, struct context *context)
{
    struct timer *timer = CONTAINER_OF(alarm, struct timer, alarm);
    list_remove(timer);
    deliver_now(context, timer->to, timer->message); /* and the timer in its block */
    return NEVER;
}

static void deliver_copy(struct context *context, const struct known_timer *known)
{
    const tr_msg *message = known->timer.message;
    tr_msg *copy = message_copy(context, message_body(message), message_size(message));
    if (copy == NULL) {
        context_count(context, COUNT_LOST);
        return;
    }
    copy->tag = message->tag;
    copy->serial = known->handle;
    deliver_now(context, known->timer.to, copy);
}

static int64_t fire_known(struct alarm *alarm, struct context *context)
{
    struct timer *timer = CONTAINER_OF(alarm, struct timer, alarm);
    struct known_timer *known = CONTAINER_OF(timer, struct known_timer, timer);
    if (known->interval_ns > 0) {
        deliver_copy(context, known);
        return alarm->node.due_ns + known->interval_ns;
    }
    tr_msg *message = timer->message;
    timer->message = NULL;
    list_remove(timer);
    deliver_now(context, timer->to, message);
    retire(context, known);
    return NEVER;
}

/* Fetches what the firing of a timer will touch: one that was started long ago is out of the caches. */
static void foresee(const struct wheel_node *node)
{
    const struct alarm *alarm = CONTAINER_OF(node, struct alarm, node);
    if (alarm->fire != fire_unknown && alarm->fire != fire_known)
        return;
    const struct timer *timer = CONTAINER_OF(alarm, struct timer, alarm);
    __builtin_prefetch(timer, 1);
    __builtin_prefetch(timer->link, 1);
}

int64_t timer_fire(struct wheel_node *node, void *context)
{
    struct alarm *alarm = CONTAINER_OF(node, struct alarm, node);
    if (node->next != NULL && node->next->next != NULL)
        foresee(node->next->next);
    return alarm->fire(alarm, context);
}

/* ---- which wheel */

static unsigned home_of(uint32_t flags) { return (flags & ACTOR_WHEEL) >> ACTOR_WHEEL_SHIFT; }

/* Locks the wheel that has the timers for an actor that is TIMED; *flags: its flags under that lock. */
static struct wheel *lock_home(struct actor *actor, uint32_t *flags)
{
    uint32_t seen = load_relaxed(&actor->flags); /* relaxed: a guess, until the lock is held */
    for (;;) {                                   /* bound: each start moves it once at the most */
        struct wheel *wheel = scheduler.wheels[home_of(seen)];
        wheel_lock(wheel);
        *flags = load_acquire(&actor->flags); /* [TW2] acquire: pairs with [TW1] */
        if (LIKELY(home_of(*flags) == home_of(seen)))
            return wheel;
        wheel_unlock(wheel);
        seen = *flags;
    }
}

void timer_release_for(struct context *context, struct actor *actor)
{
    uint32_t flags;
    struct wheel *wheel = lock_home(actor, &flags);
    for (struct timer *timer; (timer = actor->timers) != NULL;) {
        list_remove(timer);
        wheel_remove_locked(wheel, &timer->alarm.node);
        if (timer->alarm.fire == fire_known)
            retire(context, CONTAINER_OF(timer, struct known_timer, timer));
        else
            message_free(context, timer->message);
    }
    wheel_unlock(wheel);
}

/* ---- starting */

static void prepare(struct timer *timer, int64_t (*fire)(struct alarm *, struct context *), tr_pid to, tr_msg *message)
{
    *timer = (struct timer){ .alarm.fire = fire, .to = to.id, .message = message };
    wheel_node_init(&timer->alarm.node);
}

static unsigned wheel_here(const struct context *context, const struct actor *receiver)
{
    return context->worker == NULL ? scheduler_wheel_number(receiver->pid)
                                   : scheduler_wheel_number_at(context->worker, receiver->pid);
}

/* The receiver's death will look for timers. False: it is dead, or ends. */
static NOINLINE bool announce(struct context *context, struct actor *receiver)
{
    uint32_t mark = ACTOR_TIMED | wheel_here(context, receiver) << ACTOR_WHEEL_SHIFT;
    uint32_t flags = load_relaxed(&receiver->flags); /* relaxed: the exchange decides */
    while ((flags & (ACTOR_TIMED | ACTOR_EXITING)) == 0)
        /* in one order with EXITING: death sees it, or it sees EXITING */
        if (atomic_compare_exchange_weak_explicit(&receiver->flags, &flags, flags | mark, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return true;
    return (flags & ACTOR_EXITING) == 0;
}

/* The receiver's wheel, locked; NULL: it is dead, or ends. */
static struct wheel *lock_for_start(struct context *context, struct actor *receiver)
{
    if (UNLIKELY((load_relaxed(&receiver->flags) & ACTOR_TIMED) == 0) && !announce(context, receiver))
        return NULL;
    for (bool moved = false;; moved = true) {
        uint32_t flags;
        struct wheel *wheel = lock_home(receiver, &flags);
        if (UNLIKELY((flags & ACTOR_EXITING) != 0)) {
            wheel_unlock(wheel);
            return NULL;
        }
        uint32_t change = receiver->timers != NULL || moved ? 0 : home_of(flags) ^ wheel_here(context, receiver);
        if (LIKELY(change == 0))
            return wheel;
        /* [TW1] release: the list of timers before the wheel that guards it from here on; pairs with [TW2] */
        atomic_fetch_xor_explicit(&receiver->flags, change << ACTOR_WHEEL_SHIFT, memory_order_acq_rel);
        wheel_unlock(wheel);
    }
}

/* Puts the timer into its receiver's wheel. False: the receiver is dead (TMR-05). Inside a read section. */
static bool set_going(struct context *context, struct timer *timer, int64_t due_ns)
{
    struct wheel *wheel;
    if (UNLIKELY((timer->to & PID_NAME_BIT) != 0)) {
        wheel = scheduler_wheel(timer->to);
        wheel_lock(wheel);
    } else {
        struct actor *receiver = actor_find(timer->to);
        wheel = receiver == NULL ? NULL : lock_for_start(context, receiver);
        if (wheel == NULL)
            return false;
        list_add(receiver, timer);
    }
    if (timer->alarm.fire == fire_known) /* relaxed: what is in it is under its lock */
        store_relaxed(&CONTAINER_OF(timer, struct known_timer, timer)->wheel, wheel);
    bool earlier = wheel_insert_locked(wheel, &timer->alarm.node, due_ns);
    wheel_unlock(wheel);
    if (earlier)
        scheduler_timer_earlier(due_ns);
    return true;
}

/* Takes the message, whatever comes of it. The time is the caller's: what a start takes does not put the timer off. */
static int start(struct context *context, int64_t due_ns, tr_pid to, tr_msg *message, int64_t interval_ns,
                 tr_timer *out)
{
    struct known_timer *known = message == NULL ? NULL : pool_alloc(context->pool, sizeof *known);
    uint64_t handle = known == NULL ? 0 : slots_take(context_table(TABLE_TIMERS), &context->caches[TABLE_TIMERS]);
    if (handle == 0) {
        if (known != NULL)
            pool_free(context->pool, known);
        if (message != NULL)
            message_free(context, message);
        return TR_ENOMEM;
    }
    known->handle = message->serial = handle;
    known->interval_ns = interval_ns;
    store_relaxed(&known->wheel, NULL); /* relaxed: published below */
    prepare(&known->timer, fire_known, to, message);
    if (out != NULL)
        out->id = handle;
    read_begin();
    slots_publish(context_table(TABLE_TIMERS), handle, known);
    if (!set_going(context, &known->timer, due_ns))
        retire(context, known);
    read_end();
    return TR_OK;
}

static int start_message(int64_t ms, tr_pid to, int tag, const void *body, size_t size, int64_t interval_ns,
                         tr_timer *timer)
{
    if (ms < 0)
        return TR_EINVAL;
    int64_t due_ns = deadline_after(clock_now(), ms);
    struct context *context = api_enter();
    if (context == NULL)
        return TR_ESTOPPED;
    tr_msg *message = message_copy(context, body, size);
    if (message != NULL)
        message->tag = tag;
    int status = start(context, due_ns, to, message, interval_ns, timer);
    api_leave(context);
    return status;
}

/* A message with a timer behind its body, in one block. NULL: no memory. */
static struct timer *message_with_timer(struct context *context, tr_pid to, int tag, const void *body, size_t size)
{
    size_t room = (size + 1 + sizeof(void *) - 1) & ~(sizeof(void *) - 1); /* the body and its zero byte */
    tr_msg *message = message_new(context, room + sizeof(struct timer));
    if (message == NULL)
        return NULL;
    char *bytes = message_body(message);
    message->tag = tag;
    message->meta = (uint32_t)size; /* what stands behind is no part of it */
    if (size > 0)
        memcpy(bytes, body, size);
    bytes[size] = 0;
    struct timer *timer = (struct timer *)(void *)(bytes + room);
    prepare(timer, fire_unknown, to, message);
    return timer;
}

/* A timer that nobody can name. */
static int start_unknown(int64_t ms, tr_pid to, int tag, const void *body, size_t size)
{
    int64_t due_ns = deadline_after(clock_now(), ms);
    struct context *context = api_enter();
    if (context == NULL)
        return TR_ESTOPPED;
    struct timer *timer = message_with_timer(context, to, tag, body, size);
    if (timer != NULL) {
        read_begin();
        if (!set_going(context, timer, due_ns))
            message_free(context, timer->message);
        read_end();
    }
    api_leave(context);
    return timer == NULL ? TR_ENOMEM : TR_OK;
}

API int tr_send_after(int64_t ms, tr_pid to, int tag, const void *body, size_t size, tr_timer *timer)
{
    if (tag < 1 || ms < 0)
        return TR_EINVAL;
    return timer == NULL && size <= BODY_WITH_TIMER_MOST ? start_unknown(ms, to, tag, body, size)
                                                         : start_message(ms, to, tag, body, size, 0, timer);
}

API int tr_start_timer(int64_t ms, tr_pid to, const void *body, size_t size, tr_timer *timer)
{
    return start_message(ms, to, TR_MSG_TIMEOUT, body, size, 0, timer);
}

API int tr_send_interval(int64_t ms, tr_pid to, int tag, const void *body, size_t size, tr_timer *timer)
{
    return tag < 1 || ms < 1 || ms > INT64_MAX / NS_PER_MS
               ? TR_EINVAL
               : start_message(ms, to, tag, body, size, ms * NS_PER_MS, timer);
}

API int tr_exit_after(int64_t ms, tr_pid to, tr_reason reason, tr_timer *timer)
{
    if (ms < 0)
        return TR_EINVAL;
    int64_t due_ns = deadline_after(clock_now(), ms);
    struct context *context = api_enter();
    if (context == NULL)
        return TR_ESTOPPED;
    struct actor *self = actor_here(context);
    tr_msg *signal = message_with_notice(context, KIND_EXIT_SIGNAL, self == NULL ? 0 : self->pid,
                                         notice_new(context, &reason, NULL, 0));
    int status = start(context, due_ns, to, signal, 0, timer);
    api_leave(context);
    return status;
}

/* ---- reading and cancelling */

static int64_t left_ms(const struct timer *timer)
{
    int64_t left = timer->alarm.node.due_ns - clock_now();
    return left <= 0 ? 0 : (left + NS_PER_MS - 1) / NS_PER_MS;
}

/* ms left, or -1; cancel: it is out of the wheel then. */
static int64_t look_up(struct context *context, tr_timer id, bool cancel)
{
    int64_t left = -1;
    read_begin();
    struct known_timer *known = slots_find(context_table(TABLE_TIMERS), id.id);
    struct wheel *wheel = known == NULL ? NULL : load_relaxed(&known->wheel); /* relaxed: as above */
    if (wheel != NULL) {
        struct timer *timer = &known->timer;
        wheel_lock(wheel);
        bool active = wheel_node_in(&timer->alarm.node);
        if (active)
            left = left_ms(timer);
        if (active && cancel) {
            wheel_remove_locked(wheel, &timer->alarm.node);
            list_remove(timer);
        }
        wheel_unlock(wheel);
        if (active && cancel)
            retire(context, known);
    }
    read_end();
    return left;
}

API int64_t tr_timer_cancel(tr_timer timer)
{
    struct context *context = api_enter();
    if (context == NULL)
        return -1;
    int64_t left = look_up(context, timer, true);
    api_leave(context);
    return left;
}

API int64_t tr_timer_read(tr_timer timer)
{
    struct context *context = api_enter();
    if (context == NULL)
        return -1;
    int64_t left = look_up(context, timer, false);
    api_leave(context);
    return left;
}

API int tr_timer_cancel_async(tr_timer timer)
{
    struct context *context = api_enter();
    if (context == NULL)
        return TR_ESTOPPED;
    struct actor *self = actor_here(context);
    tr_msg *result = self == NULL ? NULL : message_new(context, sizeof(int64_t));
    if (result != NULL) {
        *(int64_t *)message_body(result) = look_up(context, timer, true);
        result->tag = TR_MSG_TIMER;
        result->serial = timer.id;
        deliver((tr_pid){ self->pid }, result);
    }
    api_leave(context);
    return self == NULL ? TR_EFOREIGN : result == NULL ? TR_ENOMEM : TR_OK;
}

API int64_t tr_now_ns(void) { return clock_now(); }
