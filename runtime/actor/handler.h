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

/* task.run of every actor. */
struct fiber *actor_run(struct task *task);

/* After a callback: the message is done with. Returns the context, which may be another one than before the
 * callback. */
struct context *handler_finish(struct actor *self);

/* The start has succeeded: whoever waits for it is told. */
void handler_started(struct context *context, struct actor *self);

#endif
