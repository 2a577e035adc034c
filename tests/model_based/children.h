/* children.h: the starts and ends of children: those that a command must lead to by the model, those that the children
 * have written down, and the ends that the driver must have heard of. */
#ifndef TROUPE_TESTS_MODEL_BASED_CHILDREN_H
#define TROUPE_TESTS_MODEL_BASED_CHILDREN_H

#include "puppet.h"

enum { EVENTS_MOST = 8192, GONE_MOST = 512, ENDED = 64 };

/* By the model, in order: a start is the slot, an end the slot and ENDED. */
static int events[EVENTS_MOST], event_count;

static void event(int what)
{
    if (event_count == EVENTS_MOST)
        DIFFERS("more than %d events in one command", EVENTS_MOST);
    events[event_count++] = what;
}

/* Children that the driver knows and that must have ended. */
static struct {
    int slot;
    tr_reason reason;
} gone[GONE_MOST];
static int gone_count;

static int real_events[EVENTS_MOST];
static int real_event_count, real_events_begun; /* atomic: those that are written down; those that have a place */

static void note(int what)
{
    int at = __atomic_fetch_add(&real_events_begun, 1, __ATOMIC_RELAXED); /* relaxed: only a place */
    if (at < EVENTS_MOST)
        real_events[at] = what;
    __atomic_fetch_add(&real_event_count, 1, __ATOMIC_RELEASE); /* release: the event; pairs in compare_events */
}

static int by_number(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

/* Those who must have ended have, which their monitors say, by slot; and everything in the model's order, unless it has
 * none: where all children end at once. */
static void compare_events(bool ordered, const char *const *ids, const tr_ref *monitors)
{
    for (int i = 0; i < gone_count; i++)
        expect_down(monitors[gone[i].slot], &gone[i].reason);
    gone_count = 0;
    for (struct patience p = { 0 };
         __atomic_load_n(&real_event_count, __ATOMIC_ACQUIRE) < event_count;) /* acquire: pairs in note */
        model_wait(&p, "a start or an end of a child");
    EXPECT_EQ(real_event_count, event_count);
    if (!ordered) {
        qsort(real_events, (size_t)event_count, sizeof real_events[0], by_number);
        qsort(events, (size_t)event_count, sizeof events[0], by_number);
    }
    for (int i = 0; i < event_count; i++)
        if (real_events[i] != events[i])
            DIFFERS("event %d of %d: %s of %s, the model says %s of %s", i, event_count,
                    real_events[i] >= ENDED ? "end" : "start", ids[real_events[i] % ENDED],
                    events[i] >= ENDED ? "end" : "start", ids[events[i] % ENDED]);
    event_count = real_event_count = real_events_begun = 0;
}

#endif
