/* launch.c: starting what a spec says; tr_start and its kin. */
#include "launch.h"

#include "supervisor.h"

#include <string.h>

static int start_supervisor(const struct launch *launch, tr_start_options *options, tr_pid *pid)
{
    tr_spawn_options spawn = { 0 };
    if (options->spawn != NULL)
        spawn = *options->spawn;
    spawn.flags |= TR_SPAWN_TRAP_EXIT; /* SUP-09 */
    options->spawn = &spawn;
    return tr_start_actor(&supervisor_actor, launch->arg, launch->arg_size, options, pid);
}

/* A start function gets its argument as a message. */
static int start_by_function(const struct launch *launch, tr_pid *pid)
{
    tr_msg *arg;
    void *body = tr_new(1, launch->arg_size, &arg);
    if (body == NULL)
        return TR_ENOMEM;
    if (launch->arg_size > 0)
        memcpy(body, launch->arg, launch->arg_size);
    *pid = (tr_pid){ 0 };
    int result = launch->target.start(arg, pid);
    tr_drop(arg);
    return result == TR_OK && tr_nobody(*pid) ? TR_IGNORE : result;
}

int launch_start(const struct launch *launch, int flags, tr_ref *monitor, tr_pid *pid)
{
    tr_start_options options = { .flags = flags,
                                 .name = launch->name,
                                 .timeout_ms = launch->start_timeout_ms,
                                 .monitor = monitor,
                                 .spawn = launch->spawn };
    switch (launch->kind) {
    case CHILD_SERVER: return tr_start_server(launch->target.server, launch->arg, launch->arg_size, &options, pid);
    case CHILD_ACTOR: return tr_start_actor(launch->target.actor, launch->arg, launch->arg_size, &options, pid);
    case CHILD_SUPERVISOR: return start_supervisor(launch, &options, pid);
    case CHILD_ENTRY: return tr_start_entry(launch->target.entry, launch->arg, launch->arg_size, false, &options, pid);
    case CHILD_START: return start_by_function(launch, pid); /* who starts it otherwise than linked is refused before */
    }
    return TR_EINVAL;
}

int launch_outcome(int result, tr_reason *why)
{
    const tr_reason *stopped = tr_stop_reason(result);
    if (result == TR_OK || result == TR_IGNORE)
        return result;
    if (stopped != NULL)
        *why = *stopped;
    else if (result == TR_ESTART || result == TR_EDOWN)
        *why = *tr_last_reason();
    else if (result == TR_ETIMEDOUT)
        *why = tr_because(TR_WHY_TIMEOUT, 0, "start timed out");
    else if (result > 0)
        *why = tr_because(TR_WHY_BAD_RETURN, result, NULL);
    else
        *why = tr_because(TR_WHY_STATUS, result, "%s", tr_status_text(result));
    return result == TR_EALREADY_STARTED || result == TR_ENOMEM ? result : TR_ESTART;
}

/* ---- tr_start, tr_start_link, tr_start_monitor */

static int start_tree(const tr_child *spec, struct launch *launch, int flags, tr_ref *monitor, tr_pid *pid)
{
    size_t size = tree_size(spec->supervisor);
    struct tree *tree = tr_alloc(size);
    if (tree == NULL)
        return TR_ENOMEM;
    tree_pack(spec->supervisor, tree);
    launch->arg = tree;
    launch->arg_size = size;
    int status = launch_start(launch, flags, monitor, pid);
    tr_free(tree);
    return status;
}

static int start(const tr_child *spec, int flags, tr_ref *monitor, tr_pid *pid)
{
    tr_reason why;
    if (spec == NULL)
        return TR_EINVAL;
    int status = spec_check(spec, &why);
    if (status == TR_OK && spec->start != NULL && flags != TR_START_LINK)
        status = spec_bad(&why, "invalid_mfa: a start function links");
    if (status != TR_OK)
        return tr_fail(status, &why);
    struct launch launch = { .name = spec->name,
                             .arg = spec->arg,
                             .arg_size = spec->arg_size,
                             .start_timeout_ms = spec->start_timeout_ms,
                             .spawn = spec->spawn };
    launch.kind = spec_target(spec, &launch.target);
    if (launch.kind == CHILD_SUPERVISOR)
        return start_tree(spec, &launch, flags, monitor, pid);
    if (launch.kind != CHILD_START)
        return launch_start(&launch, flags, monitor, pid);
    status = launch_outcome(launch_start(&launch, flags, monitor, pid), &why);
    return status == TR_ESTART ? tr_fail(status, &why) : status;
}

int tr_start(const tr_child *spec, tr_pid *pid) { return start(spec, 0, NULL, pid); }

int tr_start_link(const tr_child *spec, tr_pid *pid) { return start(spec, TR_START_LINK, NULL, pid); }

int tr_start_monitor(const tr_child *spec, tr_pid *pid, tr_ref *monitor)
{
    return start(spec, TR_START_MONITOR, monitor, pid);
}
