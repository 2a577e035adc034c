/* intensity.c: the window of restarts. */
#include "intensity.h"

#include <troupe/process.h>

bool intensity_init(struct intensity *intensity, int allowed, int period_s)
{
    size_t room = (size_t)allowed < (size_t)period_s + 1 ? (size_t)allowed : (size_t)period_s + 1;
    *intensity = (struct intensity){ .room = room, .allowed = (size_t)allowed, .period_s = period_s };
    if (room > 0)
        intensity->seconds = tr_alloc(room * sizeof *intensity->seconds);
    return room == 0 || intensity->seconds != NULL;
}

/* The entry that is `after` behind the oldest one; at most `room`. No division: it is slow beside the rest. */
static struct second *entry(struct intensity *intensity, size_t after)
{
    size_t at = intensity->first + after;
    return &intensity->seconds[at < intensity->room ? at : at - intensity->room];
}

static void forget_before(struct intensity *intensity, int64_t oldest)
{
    while (intensity->used > 0 && intensity->seconds[intensity->first].second < oldest) {
        intensity->total -= intensity->seconds[intensity->first].restarts;
        intensity->first = intensity->first + 1 < intensity->room ? intensity->first + 1 : 0;
        intensity->used--;
    }
}

bool intensity_allows(struct intensity *intensity, int64_t now_s)
{
    forget_before(intensity, now_s - intensity->period_s);
    if (intensity->total == intensity->allowed)
        return false;
    intensity->total++;
    if (intensity->used > 0) {
        struct second *newest = entry(intensity, intensity->used - 1);
        if (newest->second == now_s) {
            newest->restarts++;
            return true;
        }
    }
    /* a new second: there is room, since each entry holds at least one of at most `allowed` restarts, and all lie
     * within period + 1 seconds */
    *entry(intensity, intensity->used) = (struct second){ now_s, 1 };
    intensity->used++;
    return true;
}
