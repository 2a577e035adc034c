/* end.h: how a process ends.
 *
 *     who                                         edge                          function
 *     its own tr_exit, assert, crash              ALIVE -> ENDING               actor_exit(own), after it run_ended
 *     a callback's disposition                    ALIVE -> ENDING               actor_stop
 *     a fatal signal at a cancellation point      any -> DYING                  actor_exit(not own)
 *     a fatal signal at a message boundary        any -> DYING                  actor_die
 *     `ended` has returned, or has exited itself  ENDING -> DYING               actor_die
 *     a straight-line process returns             ALIVE -> DYING                actor_die
 *
 * Death (actor_die), in its own turn, on a worker's fiber that is not the process's; the lock held at each step:
 *     1 -         the wait word is emptied, the timer leaves its wheel for good
 *     2 LOCK      EXITING: it takes no name from here on
 *     3 -         the ledger is released (sockets, clean-ups, memory), the name is freed, timers for it are removed
 *     4 LOCK      GONE: it takes no link and no monitor from here on
 *     5 two LOCKs its own monitors go; its links are signalled, then its watchers     (relation.c)
 *     6 -         the pid's slot is cleared: nobody finds it any more
 *     7 -         DEAD; requests in its hands, owed, saved and queued fail. A caller that enqueues later finds DEAD and fails
 *                 by itself (post_request), so nobody waits for the grace period, which a stuck worker may hold up
 *     8 -         retired; a grace period later what senders still enqueued fails, too, and the block is freed
 * Step 5 is before 6 and 7: who finds a process dead, or has a call to its pid fail, may rely on its signals (EXIT-12).
 * Its name is free before (EXIT-06); and a monitor that comes after GONE is told noproc at once.
 * Who owns nothing does, under one LOCK: if it has a name or one link, steps 2 to 4 and takes the link out of both
 * (leave_at_once); else, without a name, steps 2 and 4. Whose LOCK nobody has ever held, and for whom no timer was,
 * does steps 2 to 7 by one exchange (leave_quietly).
 * The token stays in the queue, so nobody schedules it again; only a sender that found it before step 6 enqueues
 * between 7 and 8. Nothing of this allocates but the failures of step 7, which then say TR_ENOMEM. */
#ifndef TROUPE_ACTOR_END_H
#define TROUPE_ACTOR_END_H

#include "actor/actor.h"

/* From the user's code below a public function, or from a callback: drops all frames, and the process ends. Takes the
 * notice. own: by its own doing, so `ended` runs and a crash is reported; false: by a signal. */
NORETURN void actor_exit(struct actor *self, struct notice *notice, bool own);

/* In the process's turn, outside the user's code. Takes the notice. Nothing of the actor may be touched afterwards. */
void actor_die(struct context *context, struct actor *self, struct notice *notice);

/* The same after a report (LOG-01), if the reason is one to report, and after `ended` has run. */
void actor_stop(struct actor *self, struct notice *notice);

/* After a hardware fault, on a fresh fiber in the loop, the frames being gone: like an own exit, without `ended`; in
 * the function of tr_replace_state the end of that alone. Takes the notice. */
void actor_faulted(struct actor *self, struct notice *notice);

/* What the runtime may need of a process's stack in a call that blocks; the guard is no place to find out. */
enum { STACK_RESERVE = 4096 };

/* The caller is about to block: not inside a callback that may not, and with a stack that is left. Else it ends. A
 * clean-up runs inside the runtime, so for its calls in_runtime is more than 1. */
void actor_check_blocking_slow(struct context *context, struct actor *self);
static ALWAYS_INLINE void actor_check_blocking(struct context *context, struct actor *self)
{
    if (UNLIKELY(load_relaxed(&context->worker->in_runtime) != 1 || (load_relaxed(&self->flags) & ACTOR_SIG) != 0 ||
                 fiber_stack_left(context->worker->fiber) < STACK_RESERVE))
        actor_check_blocking_slow(context, self);
}

/* Lets others run, from inside a public function; a cancellation point. */
void actor_yield(struct actor *self);

#endif
