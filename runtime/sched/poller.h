/* poller.h: readiness of descriptors: one shared epoll, edge-triggered, that belongs to nobody.
 *
 * A source is registered once, for everything (readable, writable, hung up), and never re-armed: whoever uses the
 * descriptor tries the system call first and waits only after EAGAIN, so an edge that came earlier costs one more try
 * and a later one is told (epoll(7), "edge-triggered"). `poller_rearm` is for who stops before EAGAIN.
 *
 * Invariants:
 *
 *   P1  The kernel holds a source's handle, never its address; an event whose handle is stale is dropped. So an event
 *       of a batch that was fetched before `poller_remove` harms nobody, also when memory and descriptor are used anew.
 *   P2  ready() runs inside a read section, begun after the batch was fetched and before the handle is looked up: a
 *       source whose removal came later stays in memory until the section ends. Hence, after `poller_remove`, a source
 *       is freed only through reclaim_retire; until then ready() may run, with the descriptor closed perhaps.
 *   P3  A ring (`poller_interrupt`) is never lost: it ends the sleep in progress, else the next before it begins.
 *
 * Roles: poller_wait, poller_wait_on_time: one thread at a time, whoever holds the scheduler's poll token (its
 * hand-over orders one holder before the next). add, remove, rearm, interrupt, find, used: any thread with a context.
 * start, stop: alone.
 *
 * Sleep against ring, on one word; all are read-modify-writes of it, so they have one order:
 *
 *   sleeper: 0 -> SLEEPING; if it was RUNG, don't sleep. Afterwards: anything -> 0.
 *   ringer:  | RUNG; if it was exactly SLEEPING, write the eventfd; else another ringer has, or nobody needs to.
 *
 *   [PL1] release by the ringer: what it published before the ring; pairs with [PL2] acquire when the sleeper takes the
 *   ring, before it looks for work again.
 *
 * Progress: interrupt and find are wait-free; all else are system calls. */
#ifndef TROUPE_SCHED_POLLER_H
#define TROUPE_SCHED_POLLER_H

#include <stdbool.h>
#include <stdint.h>

enum { POLL_RESIDENTS_MOST = 4 };

enum poll_events {
    POLL_READABLE = 1,
    POLL_WRITABLE = 2,
    POLL_HUNG = 4, /* the peer ended or something failed: trying shows what; comes with READABLE, and WRITABLE if that
                      is over, too */
};

/* Embedded in what owns the descriptor. */
struct poll_source {
    uint64_t handle;                                            /* (c) from poller_add; first: the rule of slots.h */
    int fd;                                                     /* (c) */
    void (*ready)(struct poll_source *source, uint32_t events); /* (c) may not block; runs on the poller's thread */
    void (*stopped)(struct poll_source *source);                /* (c) residents: the poller has ended, close fd */
};

/* TR_OK, TR_ELIMIT (no descriptor left), TR_ENOMEM. */
int poller_start(void);

/* All sources but the residents were removed; they are told that they are stopped. */
void poller_stop(void);

/* Registers fd and ready, and sets the handle. An edge that is there already is told at once. TR_OK, TR_ELIMIT (handles
 * or the system's watches are used up), TR_ENOMEM. */
int poller_add(struct poll_source *source);

/* The same for a static source that stays until the poller stops. No context is needed. At most POLL_RESIDENTS_MOST. */
int poller_add_resident(struct poll_source *source);

/* No event that is fetched from now on reaches it: see P2. Before the descriptor is closed. */
void poller_remove(struct poll_source *source);

/* What is ready now is told once more. */
void poller_rearm(struct poll_source *source);

/* Inside a read section: the source with this handle; NULL: it was removed. */
struct poll_source *poller_find(uint64_t handle);

/* Holder of the poll token, outside read sections. Calls ready() for what is ready; returns how many calls. Sleeps up
 * to timeout_ns if nothing is; 0: only looks; negative: for ever. May return early, with 0. */
int poller_wait(int64_t timeout_ns);

/* The same for a timeout > 0 that is to end on time beside threads that compute, where the system wakes a sleeper 10 to
 * 40 us late: sleeps that much less, as it has learned from the sleeps before, and looks again and again for the rest,
 * which is 50 us and a sixteenth of the timeout at most. */
int poller_wait_on_time(int64_t timeout_ns);

/* Makes poller_wait return. */
void poller_interrupt(void);

/* Whether there is any source: when not, nobody needs to look. */
bool poller_used(void);

#endif
