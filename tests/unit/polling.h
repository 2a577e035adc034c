/* polling.h: a poller in a runtime of nothing but contexts. */
#ifndef TROUPE_TESTS_UNIT_POLLING_H
#define TROUPE_TESTS_UNIT_POLLING_H

#include "harness.h"

#include "memory/reclaim.h"
#include "sched/context.h"
#include "sched/poller.h"

#include <time.h>
#include <troupe/base.h>

static struct context own;

static inline void begin(void)
{
    CHECK(context_tables_open(1024));
    CHECK(reclaim_start(RECLAIM_THREAD, NULL, NULL));
    CHECK(context_open(&own, NULL, 0));
    CHECK_EQ(poller_start(), TR_OK);
}

static inline void end(void)
{
    CHECK(!poller_used());
    poller_stop();
    context_close(&own);
    reclaim_stop(&own);
    context_tables_close();
}

/* A thread's body. */
static inline void *ring_later(void *unused)
{
    const struct timespec rest = { .tv_nsec = 20 * 1000 * 1000 };
    nanosleep(&rest, NULL);
    poller_interrupt();
    return unused;
}

#endif
