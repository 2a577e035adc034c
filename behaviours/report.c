/* report.c: what a supervisor logs: LOG-04, SUP-48. The supervisor's own name and pid are the record's.
 *
 * A progress report is made at each start and mostly thrown away, and so are all where restarts are quiet: nothing is
 * formatted here before the log has looked at the level. */
#include "supervisor.h"

#include <stdio.h>

static const char *const restart_types[] = { "permanent", "transient", "temporary" };

static const char *start_name(const struct spec *spec)
{
    const char *label = NULL;
    switch ((enum child_kind)spec->kind) {
    case CHILD_SERVER: label = spec->target.server->label; break;
    case CHILD_ACTOR: label = spec->target.actor->label; break;
    case CHILD_SUPERVISOR: return "supervisor";
    case CHILD_ENTRY: return "entry";
    case CHILD_START: return "start function";
    }
    return label == NULL ? "unlabelled" : label;
}

static tr_text shutdown_text(int64_t shutdown_ms)
{
    tr_text text = { "brutal_kill" };
    if (shutdown_ms == TR_INFINITY)
        snprintf(text.s, sizeof text.s, "infinity");
    else if (shutdown_ms != TR_BRUTAL_KILL)
        snprintf(text.s, sizeof text.s, "%lld ms", (long long)shutdown_ms);
    return text;
}

/* Its id, or else its name. */
static const char *known_as(const struct supervisor *supervisor, const struct child *child)
{
    const char *name = child_name(&supervisor->children, child);
    return supervisor->children.named || name == NULL ? child_id(&supervisor->children, child) : name;
}

void report_progress(const struct supervisor *supervisor, const struct child *child)
{
    enum { SLOT_BITS = 26 };
    if (!tr_log_wanted(TR_INFO, "progress"))
        return;
    unsigned slot = child->pid.id & ((1U << SLOT_BITS) - 1);
    tr_log_event(TR_INFO, "progress", "started child %.60s <0.%u.%llu> (%.40s, %s)", known_as(supervisor, child), slot,
                 (unsigned long long)(child->pid.id >> SLOT_BITS), start_name(child->spec),
                 restart_types[child->spec->restart]);
}

void report_child(const struct supervisor *supervisor, const struct child *child, const char *context,
                  const tr_reason *reason)
{
    const struct spec *spec = child->spec;
    char text[128];
    if (!tr_log_wanted(TR_ERROR, context))
        return;
    tr_log_event(TR_ERROR, context, "%s: child %.60s %s (%.40s, %s, %sshutdown %s, %s)",
                 tr_reason_text(reason, text, sizeof text), known_as(supervisor, child),
                 tr_nobody(child->pid) ? "not started" : tr_pid_text(child->pid).s, start_name(spec),
                 restart_types[spec->restart], spec->significant ? "significant, " : "",
                 shutdown_text(spec->shutdown_ms).s, child_is_supervisor(child) ? "supervisor" : "worker");
}

void report_unexpected(const tr_msg *message)
{
    tr_log(TR_ERROR, "supervisor: unexpected %s %d of %zu bytes from %s",
           tr_kind_of(message) == TR_KIND_CALL ? "request" : "message", tr_tag(message), tr_size(message),
           tr_pid_text(tr_sender(message)).s);
}
