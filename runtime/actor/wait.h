/* wait.h: how an actor blocks without giving up the run token: calls, sleeps, sockets; and its one timer.
 *
 * The wait word is one of
 *     0             not waiting
 *     WAITING(s)    s << 2 | 1: blocked in wait number s, off its fiber: who makes it BUSY or a reply schedules it
 *     BUSY(s)       s << 2 | 3: the same wait, but already scheduled or running: a reply may come, nobody schedules
 *     reply         a pointer, even: the answer of wait s
 * Edges, each by compare-and-swap, except the first:
 *     0 -> WAITING        the owner's side of the switch (after_park): its registers are saved, it may be resumed
 *     WAITING -> reply    wait_answer: schedules          BUSY -> reply    wait_answer: does not
 *     WAITING -> BUSY     wait_wake (sockets), the timer, a signal: schedules
 *     BUSY -> WAITING     the owner again (after_park)    BUSY -> 0, reply -> 0   the owner, awake
 * Serials never repeat, so a late answer or wake fails its exchange: no late reply, no double wake, and nobody writes
 * to a stack that may be gone.
 *
 * Races, each with both halves:
 *  - signal against park: the signaller enqueues, sets SIG, then looks at the wait word [WT1]; the owner makes the
 *    word WAITING, then, behind a full barrier, looks at SIG [WT2]: one of them sees the other. The barrier of a call
 *    is the exchange that puts its request into the server's mailbox, with fence_after_rmw.
 *  - the timer's disarming against a new deadline: the timer makes `armed` NEVER, then looks at the deadline again
 *    [WT3]; the owner stores the deadline, then looks at `armed` [WT4]. Full barriers between.
 *  - a deadline that belongs to another wait: the owner stores it before the word is WAITING(s) [WT5] release; the
 *    timer reads the word [WT6] acquire, then the deadline: what it reads is of wait s or later, and if later, its
 *    exchange on WAITING(s) fails.
 * Reclamation: actor and cold part are freed a grace period after death; all who are not the owner come through a pid
 * in a read section, or are the timer, which death removes from its wheel under the wheel's lock. */
#ifndef TROUPE_ACTOR_WAIT_H
#define TROUPE_ACTOR_WAIT_H

#include "actor/signal.h"
#include "base/tick.h"

#define WAIT_WAITING(serial) ((serial) << 2 | 1)
#define WAIT_BUSY(serial)    ((serial) << 2 | 3)
static inline bool wait_is_waiting(uint64_t word) { return (word & 3) == 1; }
static inline bool wait_is_reply(uint64_t word) { return word != 0 && (word & 1) == 0; }

/* Owner: the number of its next wait. The cold part is there. */
static inline uint64_t wait_next_serial(struct actor *self) { return ++self->cold->serial; }

enum wait_result { WAIT_REPLY, WAIT_WOKEN, WAIT_TIMEOUT, WAIT_NO_MEMORY };

/* Parks the calling actor in wait `serial`. `post` (may be NULL) runs once it is parked, on another stack, inside a
 * read section: what makes the event possible is published there or before. By then the actor may have been woken, run
 * elsewhere, or have ended: arg is not on its stack. Returns
 *     WAIT_REPLY      *reply is the caller's
 *     WAIT_WOKEN      wait_wake was called: look again (only if `wakeable`; else such wakes are passed over)
 *     WAIT_TIMEOUT    the deadline (ns; NEVER) has passed, and no reply came; none will
 *     WAIT_NO_MEMORY  no fiber could be had; post was not called
 * Signals are handled meanwhile; a fatal one does not return. On return the worker may be another. */
enum wait_result wait_for(struct actor *self, uint64_t serial, int64_t deadline, bool wakeable, void (*post)(void *arg),
                          void *arg, tr_msg **reply);

/* Gives the waiting actor its answer: true, and it is the actor's; false: nobody waits any more, the message stays the
 * caller's. Any thread with a context; inside a read section. */
bool wait_answer_awake(struct context *context, struct actor *actor, uint64_t serial, tr_msg *reply);
/* The same of one that is blocked, whom the caller then has to schedule. False: it is not, and nothing happened. */
static ALWAYS_INLINE bool wait_answer_blocked(struct actor *actor, uint64_t serial, tr_msg *reply)
{
    uint64_t word = WAIT_WAITING(serial);
    /* release: the reply's contents; acquire: the fiber that was saved before the word was WAITING */
    return LIKELY(atomic_compare_exchange_strong_explicit(&actor->wait, &word, (uint64_t)(uintptr_t)reply,
                                                          memory_order_acq_rel, memory_order_relaxed));
}
static inline bool wait_answer(struct context *context, struct actor *actor, uint64_t serial, tr_msg *reply)
{
    if (UNLIKELY(!wait_answer_blocked(actor, serial, reply)))
        return wait_answer_awake(context, actor, serial, reply);
    trace_event_now(context->trace, TRACE_RUNNABLE, actor->pid);
    schedule(context, &actor->task);
    return true;
}

/* Owner, blocked or not: sets when its timer is to act, and sees that it will. Before a wait or before the actor gives
 * up the token. */
void wait_arm(struct actor *self, int64_t deadline);
/* Death: the timer is out of its wheel afterwards and stays out. */
void wait_disarm_for_good(struct actor *self);
void wait_cold_init(struct actor *self, struct cold *cold);
/* Owner: whether the deadline of the present wait has surely passed. */
bool wait_is_late(const struct cold *cold);

/* On the other side of the switch, when the word is WAITING and the request posted, with a full barrier after the
 * word. */
void wait_look_again(struct actor *actor, uint64_t serial, int64_t deadline);
static ALWAYS_INLINE bool wait_is_settled(struct actor *actor, int64_t deadline)
{
    /* [WT2] the word before SIG, pairs with [WT1]; [WT4] word and deadline before `armed`, pairs with [WT3] */
    return LIKELY((load_seq_cst(&actor->flags) & ACTOR_SIG) == 0 && load_relaxed(&actor->cold->armed) <= deadline);
}

/* wait_for in pieces, for calls, which are one function down to the switch. Owner, before the switch: the deadline of
 * the wait; stamp: tick_stamp, if it was computed from that, else 0. */
static ALWAYS_INLINE void wait_set_deadline(struct cold *cold, int64_t deadline, int64_t stamp)
{
    store_relaxed(&cold->deadline, deadline);
    store_relaxed(&cold->stamp, stamp);
}

/* Owner, awake after the switch: the answer, and the wait is over. NULL: wait_end tells what it is. */
static ALWAYS_INLINE tr_msg *wait_take_answer(struct actor *self)
{
    /* acquire: the reply's contents, and SIG, if its sender had set it; pairs with the exchange in wait_answer */
    uint64_t word = load_acquire(&self->wait);
    tr_debug_check(word != 0);
    if (UNLIKELY((word & 1) != 0 || signal_pending(self)))
        return NULL;
    store_relaxed(&self->cold->deadline, NEVER);
    store_relaxed(&self->wait, 0); /* relaxed: nobody exchanges a reply */
    return (tr_msg *)(uintptr_t)word;
}
/* What is rarer: waits on, if it must, as wait_for does. */
enum wait_result wait_end(struct actor *self, bool wakeable, tr_msg **reply);

/* For sockets: the calling actor, its pid, and a wait that is woken by number. */
struct actor *actor_self(void);
tr_pid actor_pid(const struct actor *actor);
uint64_t wait_serial(struct actor *self);
/* True: look again (woken, or for no reason); false: the deadline has passed, or there is no memory to block. */
bool wait_park(struct actor *self, uint64_t serial, int64_t deadline_ns, void (*post)(void *arg), void *arg);
/* Any thread with a context; stale serials are harmless. */
void wait_wake(tr_pid pid, uint64_t serial);

#endif
