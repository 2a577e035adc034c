/* receive.h: keeping messages, for the runtime's own use. */
#ifndef TROUPE_ACTOR_RECEIVE_H
#define TROUPE_ACTOR_RECEIVE_H

#include "actor/actor.h"

/* The message is the process's until tr_drop or its end. False: no memory, nothing changed. Owner. */
bool message_keep(struct context *context, struct actor *self, tr_msg *message);

#endif
