/* wait.c: parking and waking, and the actor's own timer. */
#include "actor/wait.h"

#include "actor/end.h"
#include "actor/signal.h"
#include "sched/scheduler.h"

#include <sched.h>

/* ---- the timer */

static int64_t set_armed(struct cold *cold, int64_t due)
{
    store_relaxed(&cold->armed, due); /* relaxed: under the wheel's lock; who reads without it has a fence [WT4] */
    return due;
}

/* The deadline has passed: wakes whatever the actor is blocked in. False: not now, its timeout node is still queued. */
static bool act(struct actor *actor, struct cold *cold, uint64_t word, struct context *context)
{
    if (wait_is_waiting(word)) {
        uint64_t expected = word;
        if (atomic_compare_exchange_strong_explicit(&actor->wait, &expected, word | 2, memory_order_acq_rel,
                                                    memory_order_relaxed))
            schedule(context, &actor->task);
        return true;
    }
    if (word != 0)
        return true; /* awake already */
    uint32_t queued = 0;
    if (!atomic_compare_exchange_strong_explicit(&cold->timeout_queued, &queued, 1, memory_order_acquire,
                                                 memory_order_relaxed))
        return false; /* [WT7] acquire: pairs with [WT8], the node is out of the queue */
    if (mailbox_put(&actor->mailbox, &cold->timeout.node))
        schedule(context, &actor->task);
    return true;
}

/* Under the wheel's lock. */
static int64_t fire(struct alarm *alarm, struct context *context)
{
    struct cold *cold = CONTAINER_OF(alarm, struct cold, timer);
    set_armed(cold, NEVER);
    atomic_thread_fence(memory_order_seq_cst);        /* [WT3] disarmed before the look; pairs with [WT4] */
    uint64_t word = load_acquire(&cold->actor->wait); /* [WT6] acquire: pairs with [WT5] */
    int64_t deadline = load_relaxed(&cold->deadline);
    if (deadline == NEVER)
        return NEVER;
    int64_t now = clock_now(), due = tick_due(load_relaxed(&cold->stamp), deadline, now);
    if (due > now)
        return set_armed(cold, due);
    return act(cold->actor, cold, word, context) ? NEVER : set_armed(cold, now + NS_PER_MS);
}

bool wait_is_late(const struct cold *cold)
{
    int64_t deadline = load_relaxed(&cold->deadline);
    if (deadline == NEVER)
        return false;
    int64_t now = clock_now();
    return tick_due(load_relaxed(&cold->stamp), deadline, now) <= now;
}

/* Under the wheel's lock: whether the actor can still be waiting for this deadline. */
static void arm_locked(struct wheel *wheel, struct cold *cold, int64_t deadline, bool *earlier)
{
    if (load_relaxed(&cold->armed) <= deadline)
        return;
    wheel_remove_locked(wheel, &cold->timer.node);
    *earlier = wheel_insert_locked(wheel, &cold->timer.node, deadline);
    set_armed(cold, deadline);
}

static void arm_now(struct actor *actor, struct cold *cold, int64_t deadline, uint64_t if_word)
{
    struct wheel *wheel = scheduler_wheel(actor->pid);
    bool earlier = false;
    wheel_lock(wheel);
    if (if_word == 0 || load_relaxed(&actor->wait) ==
                            if_word) /* not the owner: only while it is still blocked, so that death finds it */
        arm_locked(wheel, cold, deadline, &earlier);
    wheel_unlock(wheel);
    if (earlier)
        scheduler_timer_earlier(deadline);
}

void wait_arm(struct actor *self, int64_t deadline)
{
    struct cold *cold = self->cold;
    store_relaxed(&cold->deadline, deadline);
    store_relaxed(&cold->stamp, 0);
    if (deadline == NEVER)
        return;
    atomic_thread_fence(memory_order_seq_cst); /* [WT4] the deadline before `armed`; pairs with [WT3] */
    if (load_relaxed(&cold->armed) > deadline)
        arm_now(self, cold, deadline, 0);
}

void wait_disarm_for_good(struct actor *self)
{
    struct cold *cold = self->cold;
    store_relaxed(&cold->deadline, NEVER);
    struct wheel *wheel = scheduler_wheel(self->pid);
    wheel_lock(wheel);
    wheel_remove_locked(wheel, &cold->timer.node);
    set_armed(cold, NEVER);
    wheel_unlock(wheel);
}

void wait_cold_init(struct actor *self, struct cold *cold)
{
    wheel_node_init(&cold->timer.node);
    cold->timer.fire = fire;
    store_relaxed(&cold->armed, NEVER);
    store_relaxed(&cold->deadline, NEVER);
    cold->actor = self;
    cold->timeout.tag = TR_MSG_TIMEOUT;
    message_set_kind(&cold->timeout, KIND_TIMEOUT);
}

/* ---- parking */

void wait_look_again(struct actor *actor, uint64_t serial, int64_t deadline)
{
    uint64_t waiting = WAIT_WAITING(serial), expected = waiting;
    if ((load_relaxed(&actor->flags) & ACTOR_SIG) != 0) {
        if (atomic_compare_exchange_strong_explicit(&actor->wait, &expected, WAIT_BUSY(serial), memory_order_acq_rel,
                                                    memory_order_relaxed))
            schedule(context_self(), &actor->task);
    } else if (deadline != NEVER) {
        arm_now(actor, actor->cold, deadline, waiting);
    }
}

/* A wait that goes on found no other stack: the thread itself waits a moment, and what was to run here next runs
 * elsewhere. */
static void wait_without_stack(void)
{
    struct worker *worker = worker_self();
    struct task *next = load_relaxed(&worker->next);
    store_relaxed(&worker->next, NULL);
    if (next != NULL)
        schedule_global(next);
    sched_yield();
}

/* What the other side of the switch has to do. */
struct parking {
    struct actor *actor;
    uint64_t serial;
    int64_t deadline;
    void (*post)(void *arg); /* NULL: nothing is posted */
    void *arg;
    bool again; /* the wait goes on, the word is BUSY; nothing is posted */
};

/* On another stack: the actor's registers are saved. Once the word is WAITING, the actor may run elsewhere and its
 * stack be gone, with the caller's *argument. The read section was begun before the switch, on this thread. */
static void after_park(void *argument)
{
    struct parking parking = *(struct parking *)argument;
    struct actor *actor = parking.actor;
    uint64_t waiting = WAIT_WAITING(parking.serial), busy = WAIT_BUSY(parking.serial);
    if (LIKELY(!parking.again)) {
        store_release(&actor->wait, waiting); /* [WT5] release: the deadline, the saved fiber; pairs with [WT6] and
                                                 the waker's acquire */
        if (parking.post != NULL)
            parking.post(parking.arg);
    } else if (!atomic_compare_exchange_strong_explicit(&actor->wait, &busy, waiting, memory_order_release,
                                                        memory_order_relaxed)) {
        schedule(context_self(), &actor->task); /* a reply came meanwhile */
        read_end();
        return;
    }
    atomic_thread_fence(memory_order_seq_cst); /* the barrier of wait_is_settled */
    if (!wait_is_settled(actor, parking.deadline))
        wait_look_again(actor, parking.serial, parking.deadline);
    read_end();
}

/* False: no stack, and nothing happened. After it the thread may be another one. */
static bool park(struct actor *self, struct parking *parking)
{
    read_begin_apart();
    if (LIKELY(worker_block(&self->fiber, after_park, parking)))
        return true;
    read_end_apart();
    return false;
}

/* The same once more, after it was woken for nothing. */
static void park_again(struct actor *self, uint64_t serial)
{
    struct parking parking = {
        .actor = self, .serial = serial, .deadline = load_relaxed(&self->cold->deadline), .again = true
    };
    if (!park(self, &parking))
        wait_without_stack(); /* what it waits for is under way; bound: that, or memory comes back */
}

NOINLINE enum wait_result wait_end(struct actor *self, bool wakeable, tr_msg **reply)
{
    struct cold *cold = self->cold;
    for (;;) {
        uint64_t word = load_acquire(&self->wait); /* acquire: as in wait_take_answer */
        if (!wait_is_reply(word)) {
            actor_check_signals(self);
            bool late = wait_is_late(cold);
            if (!wakeable && !late) {
                park_again(self, word >> 2);
                continue;
            }
            /* acquire: as above, if a reply came */
            if (atomic_compare_exchange_strong_explicit(&self->wait, &word, 0, memory_order_acquire,
                                                        memory_order_acquire)) {
                store_relaxed(&cold->deadline, NEVER);
                return late ? WAIT_TIMEOUT : WAIT_WOKEN;
            }
        }
        /* before the answer: a signal that came before it, such as a link's end (SIG-01, LINK-08) */
        if (UNLIKELY(signal_pending(self)))
            actor_await_signals(self);
        store_relaxed(&cold->deadline, NEVER);
        store_relaxed(&self->wait, 0); /* relaxed: nobody exchanges a reply */
        *reply = (tr_msg *)(uintptr_t)word;
        return WAIT_REPLY;
    }
}

enum wait_result wait_for(struct actor *self, uint64_t serial, int64_t deadline, bool wakeable, void (*post)(void *arg),
                          void *arg, tr_msg **reply)
{
    struct parking parking = { .actor = self, .serial = serial, .deadline = deadline, .post = post, .arg = arg };
    wait_set_deadline(self->cold, deadline, 0);
    if (UNLIKELY(!park(self, &parking)))
        return WAIT_NO_MEMORY;
    return wait_end(self, wakeable, reply);
}

bool wait_answer_awake(struct context *context, struct actor *actor, uint64_t serial, tr_msg *reply)
{
    uint64_t word = WAIT_BUSY(serial);
    return atomic_compare_exchange_strong_explicit(&actor->wait, &word, (uint64_t)(uintptr_t)reply,
                                                   memory_order_acq_rel, memory_order_relaxed) ||
           (word == WAIT_WAITING(serial) && wait_answer(context, actor, serial, reply)); /* it parked again just now */
}

/* ---- for sockets */

struct actor *actor_self(void)
{
    struct context *context = context_self();
    return context == NULL ? NULL : actor_here(context);
}

tr_pid actor_pid(const struct actor *actor) { return (tr_pid){ actor->pid }; }

uint64_t wait_serial(struct actor *self)
{
    actor_cold_or_exit(context_self(), self);
    return wait_next_serial(self);
}

bool wait_park(struct actor *self, uint64_t serial, int64_t deadline_ns, void (*post)(void *arg), void *arg)
{
    tr_msg *reply;
    return wait_for(self, serial, deadline_ns, true, post, arg, &reply) == WAIT_WOKEN;
}

void wait_wake(tr_pid pid, uint64_t serial)
{
    read_begin();
    struct actor *actor = actor_find(pid.id);
    uint64_t word = WAIT_WAITING(serial);
    if (actor != NULL && atomic_compare_exchange_strong_explicit(&actor->wait, &word, WAIT_BUSY(serial),
                                                                 memory_order_acq_rel, memory_order_relaxed))
        schedule(context_self(), &actor->task);
    read_end();
}
