/* supervisor.h: the supervisor's own parts, and what they do for one another.
 *
 *     supervisor.c        the actor: init, dispatch, end
 *     requests.c          the API's requests, answered in the supervisor
 *     supervisor_api.c    the API's functions, in the caller
 *     restart.c           what an EXIT leads to: SUP-11 to SUP-33
 *     shutdown.c          ending children: SUP-40 to SUP-45, DSUP-08
 *     report.c            what is logged: LOG-04, LOG-05
 *     children.h          who the children are
 *     intensity.h         how often they may be restarted
 *     launch.h, spec.h    starting what a spec says
 *
 * It is an ordinary actor that traps exits; while it starts or ends a child it answers nobody (SUP-05). All its memory
 * is from tr_alloc: its end, whatever it is, leaves nothing. Out of memory, a request fails with TR_ENOMEM and nothing
 * changes. */
#ifndef TROUPE_BEHAVIOURS_SUPERVISOR_H
#define TROUPE_BEHAVIOURS_SUPERVISOR_H

#include <troupe/info.h>
#include <troupe/runtime.h>
#include <troupe/timer.h>

#include "children.h"
#include "intensity.h"

/* What is reported when there were too many restarts. The supervisor ends with plain TR_SHUTDOWN then (SUP-16), but the
 * root of tr_run with this, so that the program can tell that it failed. */
extern const tr_reason supervisor_gave_up;

/* A supervisor's state. */
struct supervisor {
    struct tree is;              /* its settings; the children are in `children` */
    const struct spec *template; /* simple_one_for_one */
    struct children children;
    struct intensity intensity;
};

/* Whether children are known by their pids only. */
static inline bool is_pooled(const struct supervisor *supervisor)
{
    return supervisor->is.strategy == TR_SIMPLE_ONE_FOR_ONE || supervisor->is.strategy == TR_DYNAMIC;
}

/* Its start argument is a struct tree. */
extern const tr_actor supervisor_actor;

/* What came of starting a child. */
struct started {
    int status; /* as launch_outcome */
    tr_pid pid; /* TR_OK; TR_EALREADY_STARTED: who has the name */
    tr_reason why;
};

/* Starts a stopped or restarting child with the argument it keeps. TR_OK makes it RUNNING; else its state stays. */
struct started child_start(struct supervisor *supervisor, struct child *child);
/* The same with another argument: of a temporary child, whose argument is not kept. */
struct started child_start_with(struct supervisor *supervisor, struct child *child, const void *arg, size_t arg_size);
/* A child that is not running any more: its entry is dropped, or kept as stopped (SUP-07, SUP-11, DSUP-05). */
void child_gone(struct supervisor *supervisor, struct child *child);

/* What an EXIT and a retry message lead to: dispositions of the supervisor. */
int restart_on_exit(struct supervisor *supervisor, const tr_msg *message);
int restart_on_retry(struct supervisor *supervisor, const tr_msg *message);

/* Ends a child, running or not, and waits for that (SUP-40). Its state is then STOPPED. */
void child_stop(struct supervisor *supervisor, struct child *child);
/* Ends all, in reverse start order or, if they are pooled, at once (SUP-42, DSUP-08). */
void children_stop(struct supervisor *supervisor);

/* Answers a request of the API; an unknown one is logged. A disposition. */
int request_answer(struct supervisor *supervisor, const tr_msg *request, tr_from from);

/* Reports: LOG-04. */
void report_progress(const struct supervisor *supervisor, const struct child *child);
void report_child(const struct supervisor *supervisor, const struct child *child, const char *context,
                  const tr_reason *reason);
void report_unexpected(const tr_msg *message);

#endif
