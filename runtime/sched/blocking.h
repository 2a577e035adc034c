/* blocking.h: the pool of threads for calls that block a thread (files, DNS, a database client).
 *
 * A job lives on the stack of whoever waits for it. It is done when done() has been called, on the pool's thread, as
 * its last access.
 * Threads are started when a job finds none idle, or only as many as jobs before it wait for, up to BLOCKING_MOST, and
 * stay until the runtime stops. */
#ifndef TROUPE_SCHED_BLOCKING_H
#define TROUPE_SCHED_BLOCKING_H

#include "sched/context.h"

struct blocking_job {
    struct blocking_job *next;
    void (*run)(struct blocking_job *job);
    void (*done)(struct blocking_job *job, struct context *context);
};

enum { BLOCKING_MOST = 64 };

/* Queues a job. False: there is no thread for it and none can be started. Any thread. */
bool blocking_submit(struct blocking_job *job);
/* No job is left. */
void blocking_stop(void);

#endif
