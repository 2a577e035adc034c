/* socket_run.h: a body about sockets as the root process, run once: what is refused on request is counted. */
#ifndef TROUPE_TESTS_REFUSALS_SOCKET_RUN_H
#define TROUPE_TESTS_REFUSALS_SOCKET_RUN_H

#include "refuse.h"
#include "rules/socket_peer.h"

#include <time.h>

static inline void run_once(tr_entry *body)
{
    int before = descriptors();
    const tr_config config = { .workers = 2, .log_level = TR_ERROR };
    CHECK_EQ(tr_main(&config, body, NULL, 0), 0);
    CHECK_EQ(descriptors(), before);
}

static inline void rest(int64_t ms)
{
    struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    nanosleep(&pause, NULL);
}

#endif
