/* intensity.h: how many restarts in how many seconds: SUP-14, SUP-15.
 *
 * Times are whole seconds, as in OTP, so restarts of one second share an entry, and no more than
 * min(intensity, period + 1) entries are ever needed: all memory is taken at the start. */
#ifndef TROUPE_BEHAVIOURS_INTENSITY_H
#define TROUPE_BEHAVIOURS_INTENSITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct second {
    int64_t second;
    size_t restarts;
};

/* The seconds within the period that saw restarts: a ring, oldest at `first`. Invariant: total is their sum, at most
 * the intensity. */
struct intensity {
    struct second *seconds;
    size_t room, first, used, total, allowed;
    int64_t period_s;
};

/* false: no memory. */
bool intensity_init(struct intensity *intensity, int allowed, int period_s);
/* Records a restart at this time; false: it is one too many. */
bool intensity_allows(struct intensity *intensity, int64_t now_s);

#endif
