/* socket_starved.h: who could not go on because the system has no descriptor or no memory, and is told to try again.
 *
 * When any socket of this runtime is closed, all of them try again. That says nothing of descriptors that others free
 * (files), so nobody relies on it alone: an accepting process parks with a growing deadline, and an active socket,
 * which has no process waiting, is on a timer while one is on the list.
 *
 * Not lost: the starved one is listed first and then tries once more; the closer closes first and then looks at the
 * count. Both are read-modify-writes of the count, so one comes first. Starved first: the closer sees it. Closer first:
 * what it closed is free when the starved one tries.
 *
 *   [ST1] acquire and release by the starved one: listed before it tries; pairs with [ST2] acquire and release by the
 *   closer. */
#ifndef TROUPE_ACTOR_SOCKET_STARVED_H
#define TROUPE_ACTOR_SOCKET_STARVED_H

#include <stdbool.h>

/* Embedded in a listener or an active socket, which takes it off the list before its memory goes. */
struct starved {
    struct starved *next, **link;        /* (l) link NULL: not listed */
    void (*again)(struct starved *item); /* (c) while listed; under the list's lock: may not block, add or remove */
    bool timed;                          /* (c) while listed: nobody else makes it try again in time */
};

/* Any thread. Listing what is listed already changes nothing. */
void starved_add(struct starved *item, void (*again)(struct starved *item), bool timed);
void starved_remove(struct starved *item);

/* A descriptor or memory has become free. */
void starved_feed(void);

/* Before the first timed one: makes the timer, a descriptor that stays until the poller stops. TR_OK, TR_ELIMIT,
 * TR_ENOMEM. Any thread. */
int starved_timer_start(void);

#endif
