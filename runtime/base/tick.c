/* tick.c: the published time, and the record of the gaps in it that were too long. */
#include "base/tick.h"

#include <pthread.h>

/* A stamp may have been read a moment after its gap ended: what one core wrote, another sees a little later. */
#define RESERVE_NS NS_PER_MS
enum { GAPS_KEPT = 256 };

struct gap {
    int64_t begin, length;
};

_Atomic int64_t tick_latest;

static pthread_mutex_t gaps_lock = PTHREAD_MUTEX_INITIALIZER;
static struct gap gaps[GAPS_KEPT]; /* under the lock, as the next two: the latest long ones */
static uint64_t gaps_seen;
static struct gap forgotten; /* begin: of the latest that was overwritten; length: of the longest of them */

/* Under the lock. */
static void write_down(int64_t begin, int64_t length)
{
    struct gap *place = &gaps[gaps_seen++ % GAPS_KEPT];
    if (place->begin != 0)
        forgotten = (struct gap){ place->begin, place->length > forgotten.length ? place->length : forgotten.length };
    *place = (struct gap){ begin, length };
}

/* The clock is read after the store, since up to then stamps of the old gap are taken; and all under the lock, so that
 * who sees the new stamp finds the record of the old one. */
static void end_gap(int64_t next, int64_t (*clock)(void))
{
    pthread_mutex_lock(&gaps_lock);
    int64_t begin = load_relaxed(&tick_latest);
    store_release(&tick_latest, next); /* [TC1] release: pairs with [TC2] */
    int64_t length = clock() - begin;
    if (begin != 0 && length > TICK_SLACK_NS - RESERVE_NS)
        write_down(begin, length + RESERVE_NS);
    pthread_mutex_unlock(&gaps_lock);
}

void tick_publish(int64_t now, int64_t (*clock)(void)) { end_gap(now, clock); }

void tick_pause(int64_t (*clock)(void)) { end_gap(0, clock); }

/* The length of the gap that began at `stamp`, if it has ended: at most so much. */
static int64_t gap_length(int64_t stamp)
{
    int64_t length = 0;
    pthread_mutex_lock(&gaps_lock);
    if (stamp <= forgotten.begin)
        length = forgotten.length;
    for (int i = 0; i < GAPS_KEPT; i++)
        if (gaps[i].begin == stamp)
            length = gaps[i].length;
    pthread_mutex_unlock(&gaps_lock);
    return length;
}

int64_t tick_due(int64_t stamp, int64_t deadline, int64_t now)
{
    if (stamp == 0 || now < deadline)
        return deadline;
    if (load_acquire(&tick_latest) == stamp)                             /* [TC2] acquire: pairs with [TC1] */
        return now - stamp > TICK_SLACK_NS ? now + NS_PER_MS : deadline; /* its gap goes on: look again */
    int64_t length = gap_length(stamp);
    return length > TICK_SLACK_NS ? deadline + length - TICK_SLACK_NS : deadline;
}
