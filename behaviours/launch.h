/* launch.h: starting what a spec says, in the caller's process. */
#ifndef TROUPE_BEHAVIOURS_LAUNCH_H
#define TROUPE_BEHAVIOURS_LAUNCH_H

#include "spec.h"

/* What to start; pointers are borrowed until the call returns. A supervisor's argument is its packed tree. */
struct launch {
    enum child_kind kind;
    union child_target target;
    const char *name;
    const void *arg;
    size_t arg_size;
    int64_t start_timeout_ms;
    const tr_spawn_options *spawn;
};

/* Starts it: results as tr_start_actor. flags: TR_START_.... A start function must link (SUP-05): TR_EINVAL for it
 * without TR_START_LINK. */
int launch_start(const struct launch *launch, int flags, tr_ref *monitor, tr_pid *pid);
/* What came of it, in the words of the supervisor's API: TR_OK, TR_IGNORE, TR_EALREADY_STARTED, TR_ENOMEM, or
 * TR_ESTART; of the failures *why is the reason (SUP-06). result: what launch_start returned just before. */
int launch_outcome(int result, tr_reason *why);

#endif
