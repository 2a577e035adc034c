/* foreign.h: how a thread that is no worker waits for an answer: through a stand-in among the actors, a proxy.
 *
 * A proxy is an actor with a pid and a wait word, but without mailbox, code or messages: its task, when a worker runs
 * it, wakes the thread. It is made at the thread's first request and ends with the thread's context. Owner: its
 * thread. */
#ifndef TROUPE_ACTOR_FOREIGN_H
#define TROUPE_ACTOR_FOREIGN_H

#include "actor/actor.h"

/* The calling thread's proxy; NULL: no memory or no slot. */
struct actor *foreign_proxy(struct context *context);
/* As wait_for, on the thread: blocks it. In a read section, which ends when post has run. Returns WAIT_REPLY or
 * WAIT_TIMEOUT. */
int foreign_wait(struct actor *proxy, uint64_t serial, int64_t deadline, void (*post)(void *arg), void *arg,
                 tr_msg **reply);

#endif
