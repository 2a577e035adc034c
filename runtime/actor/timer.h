/* timer.h: timers that deliver messages: the public ones of troupe/timer.h. */
#ifndef TROUPE_ACTOR_TIMER_H
#define TROUPE_ACTOR_TIMER_H

#include "actor/actor.h"

/* Death, after EXITING: the timers for it are gone (TMR-05). */
void timer_release_for(struct context *context, struct actor *actor);
/* The scheduler's hook: a node of some wheel is due. */
int64_t timer_fire(struct wheel_node *node, void *context);

#endif
