/* listener.h: the process that accepts: each connection becomes a child of the supervisor "connections". */
#ifndef CACHE_LISTENER_H
#define CACHE_LISTENER_H

#include <troupe/troupe.h>

/* A child's start function: TR_OK once the port is open. */
int listener_start(const tr_msg *arg, tr_pid *pid);

#endif
