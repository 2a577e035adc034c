/* system_message.h: the requests that every handler-style actor answers by itself, in mailbox order: suspend, resume,
 * get_state, replace_state, get_status, stop (SYS, GS-36). */
#ifndef TROUPE_ACTOR_SYSTEM_MESSAGE_H
#define TROUPE_ACTOR_SYSTEM_MESSAGE_H

#include "actor/actor.h"

/* Owner, in its turn: a KIND_SYSTEM is `current`. False: the actor has ended. */
bool system_message_handle(struct context *context, struct actor *self, tr_msg *request);
/* After a reset, in the loop: the function of tr_replace_state has exited or crashed. argument: the actor. */
void system_message_change_failed(void *argument);

#endif
