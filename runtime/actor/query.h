/* query.h: is_alive and info: questions about a process, answered by it in signal order (SIG-08), or by its end. */
#ifndef TROUPE_ACTOR_QUERY_H
#define TROUPE_ACTOR_QUERY_H

#include "actor/actor.h"

/* Owner: a KIND_QUERY was met. */
void query_answer(struct context *context, struct actor *self, tr_msg *query);
/* Whether a look-up finds it: without an order, without memory. Any thread with a context. */
bool query_exists(uint64_t pid);
/* Waits until the process has ended, after what the caller has sent it. Blocks; inside the runtime. */
void query_await_end(tr_pid pid);

#endif
