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
 * NULL, as task.run does: nobody is to be resumed. Apart from the blocked, which only have to be found, and quickly. */
struct fiber *handler_begin(struct actor *self);

/* After a callback: the message is done with. Returns the context, which may be another one than before the
 * callback. */
struct context *handler_finish(struct actor *self);

/* The start has succeeded: whoever waits for it is told. */
void handler_started(struct context *context, struct actor *self);

#endif
