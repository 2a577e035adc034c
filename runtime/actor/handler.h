/* handler.h: the turn of an actor: which message comes next, who handles it, and what its disposition means. */
#ifndef TROUPE_ACTOR_HANDLER_H
#define TROUPE_ACTOR_HANDLER_H

#include "actor/actor.h"

/* The dispositions besides TR_OK and TR_IGNORE: large odd numbers. */
enum disposition {
    DISPOSITION_STOP = 0x54520003,
    DISPOSITION_IDLE = 0x54520005,
    DISPOSITION_CONTINUE = 0x54520007,
    DISPOSITION_CRASH = 0x54520009
};

/* Of an actor that is not blocked, on the worker that runs it: a turn, or, without a behaviour, its entry. Returns
 * NULL, as task.run does: nobody is to be resumed. Apart from the blocked, which only have to be found, and quickly.
 * turn.c */
struct fiber *handler_begin(struct actor *self);

enum turn { TURN_GOES_ON, TURN_OVER };

/* The next message, whatever it is. */
enum turn handler_step(struct context *context, struct actor *self);

/* What a callback returned. False: the actor has ended. */
bool handler_apply(struct actor *self, int disposition);

static ALWAYS_INLINE int handler_call_start(struct actor *self, const tr_msg *message)
{
    if (self->behaviour->start == NULL)
        return TR_OK;
    runtime_leave_turn(worker_here());
    int disposition = self->behaviour->start(self->state, message);
    runtime_enter_turn(worker_here());
    return disposition;
}
/* What the start callback returned. False: the actor has ended. */
bool handler_start_ended(struct context *context, struct actor *self, int disposition);

/* After a callback: the message is done with. Returns the context, which may be another one than before the
 * callback. */
struct context *handler_finish(struct actor *self);

/* The start has succeeded: whoever waits for it is told. */
void handler_started(struct context *context, struct actor *self);

#endif
