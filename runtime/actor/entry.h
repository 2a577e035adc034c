/* entry.h: where a worker enters an actor. */
#ifndef TROUPE_ACTOR_ENTRY_H
#define TROUPE_ACTOR_ENTRY_H

#include "actor/actor.h"

/* task.run of every actor. */
struct fiber *actor_run(struct task *task);

/* A straight-line process, from its start to its end; on a stack of its own if it asked for a size. */
void entry_begin(struct actor *self);

#endif
