/* troupe/supervisor.h: supervisors: processes that start, watch, restart and stop others. Source: SUP, DSUP, OTP's
 * supervisor, Elixir's DynamicSupervisor.
 *
 * Specs are copied deeply when they are given (ids, names, arguments, the whole tree); servers, supervisors' callbacks
 * and functions are static. A zero field is the default; TR_ZERO says zero where zero would mean something else. */
#ifndef TROUPE_SUPERVISOR_H
#define TROUPE_SUPERVISOR_H

#include <troupe/gen_server.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tr_restart { TR_PERMANENT, TR_TRANSIENT, TR_TEMPORARY } tr_restart;
typedef enum tr_strategy {
    TR_ONE_FOR_ONE,
    TR_ONE_FOR_ALL,
    TR_REST_FOR_ONE,
    TR_SIMPLE_ONE_FOR_ONE, /* children are copies of one template, with arguments of their own */
    TR_DYNAMIC             /* Elixir's DynamicSupervisor: starts empty, each start_child brings a whole spec */
} tr_strategy;
typedef enum tr_auto_shutdown { TR_NEVER, TR_ANY_SIGNIFICANT, TR_ALL_SIGNIFICANT } tr_auto_shutdown;

#define TR_BRUTAL_KILL INT64_C(-2) /* shutdown_ms: killed at once */
#define TR_ZERO        (-3)        /* a literal zero where 0 means "the default" */

typedef struct tr_child tr_child;

/* What a supervisor is; all zero: one_for_one, at most 1 restart in 5 s, no children. */
typedef struct tr_supervisor {
    tr_strategy strategy;
    int intensity;    /* restarts within period_s that are allowed; 0: the default, 1 (TR_DYNAMIC: 3); TR_ZERO: none */
    int period_s;     /* 0: 5 */
    int max_children; /* TR_DYNAMIC only; 0: no limit; TR_ZERO: none at all */
    tr_auto_shutdown auto_shutdown;
    const tr_child *children; /* simple_one_for_one: exactly one, the template; dynamic: none */
    size_t child_count;
    int64_t backoff_ms;     /* 0: restart at once, as OTP; else wait this long before a child's second restart in a row,
                               doubling up to ... */
    int64_t backoff_max_ms; /* ... this; 0: 60,000. A child that lives this long starts over. An extension */
} tr_supervisor;

/* What a child is. */
struct tr_child {
    const char *id;   /* NULL: the name, else the label of server, actor or spawn options; unique among its siblings,
                         except under TR_DYNAMIC, which ignores it */
    const char *name; /* registered before init; NULL: none */
    const tr_gen_server *server; /* exactly one of these five */
    const tr_supervisor *supervisor;
    const tr_actor *actor;
    tr_entry *entry;
    /* Runs in the supervisor, and links: TR_OK and *pid (nobody: as TR_IGNORE), TR_IGNORE, tr_stop(reason), TR_E... (of
     * TR_ESTART and TR_EDOWN the reason behind it). If it exits or crashes, it is the supervisor that does. */
    int (*start)(const tr_msg *arg, tr_pid *pid);
    const void *arg; /* copied, kept for restarts */
    size_t arg_size;
    tr_restart restart;
    int64_t
        shutdown_ms; /* 0: 5000, of a supervisor TR_INFINITY; TR_ZERO: no time at all; TR_INFINITY; TR_BRUTAL_KILL */
    int64_t start_timeout_ms; /* 0: TR_INFINITY */
    bool significant;
    const tr_spawn_options *spawn; /* stack size, mailbox bound; NULL: defaults; of a server or supervisor without data
                                      and extra_state, which are taken */
};

/* A line of tr_which_children. */
typedef struct tr_child_info {
    const char *id; /* never NULL; "undefined" for children of simple_one_for_one and dynamic supervisors */
    tr_pid pid;     /* nobody: not running */
    bool restarting, is_supervisor;
} tr_child_info;

/* What tr_count_children tells (SUP-53, DSUP-07). */
typedef struct tr_child_counts {
    size_t specs, active, supervisors, workers;
} tr_child_counts;

/* Starts what the spec says, not linked, and waits until it has started: results as tr_start_actor; TR_ESPEC: a bad
 * spec (tr_last_reason says what is bad). Restart, shutdown and significance are not looked at. Blocks. Any thread. */
TR_API TR_MUST_CHECK int tr_start(const tr_child *spec, tr_pid *pid);
/* tr_start, linked to the calling process, which becomes its parent. */
TR_API TR_MUST_CHECK int tr_start_link(const tr_child *spec, tr_pid *pid);
/* tr_start, monitored by the calling process. */
TR_API TR_MUST_CHECK int tr_start_monitor(const tr_child *spec, tr_pid *pid, tr_ref *monitor);

/* The calls below wait without limit (SUP-54) and fail with TR_ENOPROC or TR_EDOWN when the supervisor is gone or goes,
 * with TR_ESIZE when what answers is no supervisor. All block; any thread. */

/* Adds a child, last in order, and starts it: TR_OK and *pid (nobody if it was ignored; TR_DYNAMIC: then TR_IGNORE),
 * TR_EALREADY_STARTED (*pid is who runs under the id), TR_EALREADY_PRESENT, TR_ESTART (tr_last_reason), TR_ESPEC,
 * TR_EMAX_CHILDREN, TR_EKIND, TR_ENOMEM. Source: SUP-50, SUP-51, DSUP-01. */
TR_API TR_MUST_CHECK int tr_start_child(tr_pid supervisor, const tr_child *spec, tr_pid *pid);
/* Starts a child of the template, with this argument in place of the template's (NULL: the template's). Only for
 * simple_one_for_one: else TR_EKIND. Source: SUP-55. */
TR_API TR_MUST_CHECK int tr_start_child_with(tr_pid supervisor, const void *arg, size_t size, tr_pid *pid);
/* Stops a child; its spec is kept (temporary: dropped). TR_ENOT_FOUND; TR_EKIND: simple_one_for_one or dynamic. */
TR_API TR_MUST_CHECK int tr_terminate_child(tr_pid supervisor, const char *id);
/* Stops a child by its pid: only simple_one_for_one and dynamic supervisors; else TR_ENOT_FOUND. The calling process
 * may be the child: then it does not return. */
TR_API TR_MUST_CHECK int tr_terminate_child_pid(tr_pid supervisor, tr_pid child);
/* Starts a child that is not running: TR_ERUNNING, TR_ERESTARTING, TR_ENOT_FOUND, TR_ESTART, TR_EKIND. */
TR_API TR_MUST_CHECK int tr_restart_child(tr_pid supervisor, const char *id, tr_pid *pid);
/* Forgets a child that is not running: TR_ERUNNING, TR_ERESTARTING, TR_ENOT_FOUND, TR_EKIND. */
TR_API TR_MUST_CHECK int tr_delete_child(tr_pid supervisor, const char *id);
/* The children, the latest in start order first (SUP-52): *list is the caller's: tr_free (one block, ids included). */
TR_API TR_MUST_CHECK int tr_which_children(tr_pid supervisor, tr_child_info **list, size_t *count);
/* Counts them. */
TR_API TR_MUST_CHECK int tr_count_children(tr_pid supervisor, tr_child_counts *counts);
/* The spec of a child (or, by its id, the template) with its defaults filled in: *spec is the caller's: tr_free (one
 * block, what it points to included). TR_ENOT_FOUND, always of TR_DYNAMIC. */
TR_API TR_MUST_CHECK int tr_get_childspec(tr_pid supervisor, const char *id, tr_child **spec);
/* Whether a supervisor's spec is good, its children's and theirs included: TR_OK, TR_ESPEC, TR_ENOMEM; why (may be
 * NULL) says what is bad: TR_WHY_STATUS, and OTP's words for it. Any thread. Source: SUP-03, SUP-04. */
TR_API TR_MUST_CHECK int tr_check_spec(const tr_supervisor *spec, tr_reason *why);

#ifdef __cplusplus
}
#endif
#endif
