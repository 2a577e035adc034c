/* restart.c: what the end of a child leads to: SUP-11 to SUP-33, and the back-off option.
 *
 *     EXIT -> no restart:  the entry is dropped or kept, perhaps auto_shutdown
 *          -> restart:     [back-off's wait] -> attempt -> done
 *                                     ^            | failed
 *                                     +-- retry <--+          a message to itself: other requests come between (SUP-18)
 *
 * Each attempt counts toward the intensity. From EXIT to the attempt's success the child is RESTARTING. */
#include "supervisor.h"

#include "protocol.h"

enum { NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

/* ---- retry messages */

/* How long to wait before the next restart of the child; 0: not at all, always 0 without the option. */
static int64_t backoff_next(const struct supervisor *supervisor, struct child *child, bool lived)
{
    if (!supervisor->children.backs_off)
        return 0;
    struct backoff *backoff = child_backoff(&supervisor->children, child);
    int64_t wait_ms = supervisor->is.backoff_ms, max_ms = supervisor->is.backoff_max_ms;
    if (lived && (tr_now_ns() - backoff->started_ns) / NS_PER_MS >= max_ms)
        backoff->in_a_row = 0;
    if (backoff->in_a_row++ == 0)
        return 0;
    for (uint32_t i = 2; i < backoff->in_a_row && wait_ms < max_ms; i++)
        wait_ms *= 2;
    return wait_ms < max_ms ? wait_ms : max_ms;
}

/* The supervisor will hear of the child again after wait_ms; false: that can't be sent. */
static bool retry_in(const struct supervisor *supervisor, struct child *child, int64_t wait_ms)
{
    struct retry retry = { .pid = child->pid, .key = child->key };
    if (supervisor->children.backs_off)
        retry.serial = ++child_backoff(&supervisor->children, child)->serial;
    if (wait_ms > 0)
        return tr_send_after(wait_ms, tr_self(), SUP_RETRY, &retry, sizeof retry, NULL) == TR_OK;
    return tr_send(tr_self(), SUP_RETRY, &retry, sizeof retry) == TR_OK;
}

/* ---- attempts: each returns who is to be tried again, or NULL */

static struct child *restart_one(struct supervisor *supervisor, struct child *child)
{
    struct started started = child_start(supervisor, child);
    if (started.status == TR_OK)
        return NULL;
    if (started.status == TR_IGNORE) {
        child_gone(supervisor, child); /* SUP-19 */
        return NULL;
    }
    report_child(supervisor, child, "start_error", &started.why);
    return child;
}

/* Ends the children from the last one back to `first`, itself included. */
static void stop_back_to(struct supervisor *supervisor, const struct child *first)
{
    for (struct child *child = supervisor->children.last, *before; child != NULL; child = before) {
        before = child == first ? NULL : child_before(child);
        child_stop(supervisor, child);
        child_gone(supervisor, child); /* SUP-23: temporary ones don't come back */
    }
}

/* one_for_all and rest_for_one. */
static struct child *restart_group(struct supervisor *supervisor, struct child *failed, bool all)
{
    struct children *children = &supervisor->children;
    tr_pid last_pid = failed->pid;
    children_set(children, failed, CHILD_STOPPED, (tr_pid){ 0 });
    stop_back_to(supervisor, all ? NULL : failed);
    for (struct child *child = all ? children->first : failed, *after; child != NULL; child = after) {
        after = child_after(child);
        if (restart_one(supervisor, child) != NULL) {
            children_set(children, child, CHILD_RESTARTING, child == failed ? last_pid : (tr_pid){ 0 });
            return child; /* SUP-25: those after it stay stopped until a retry succeeds */
        }
    }
    return NULL;
}

static struct child *attempt(struct supervisor *supervisor, struct child *child)
{
    switch (supervisor->is.strategy) {
    case TR_ONE_FOR_ALL: return restart_group(supervisor, child, true);
    case TR_REST_FOR_ONE: return restart_group(supervisor, child, false);
    case TR_ONE_FOR_ONE:
    case TR_SIMPLE_ONE_FOR_ONE:
    case TR_DYNAMIC: break;
    }
    return restart_one(supervisor, child);
}

const tr_reason supervisor_gave_up = { .why = TR_WHY_SHUTDOWN, .text = "reached_max_restart_intensity" };

/* SUP-16: the child counts as gone; the rest is ended by the supervisor's own end. */
static int give_up(struct supervisor *supervisor, struct child *child)
{
    report_child(supervisor, child, "shutdown", &supervisor_gave_up);
    child_gone(supervisor, child);
    return tr_stop(supervisor->is.is_root ? supervisor_gave_up : TR_SHUTDOWN);
}

/* Restarts a RESTARTING child. The loop: if not even a message to itself can be had, the next attempt is at once. */
static int restart(struct supervisor *supervisor, struct child *child)
{
    do {
        if (!intensity_allows(&supervisor->intensity, tr_now_ns() / NS_PER_S))
            return give_up(supervisor, child);
        child = attempt(supervisor, child);
    } while (child != NULL && !retry_in(supervisor, child, backoff_next(supervisor, child, false)));
    return TR_OK;
}

/* ---- what leads there */

/* SUP-30: after a significant child ended by itself. */
static int auto_shutdown(const struct supervisor *supervisor)
{
    if (supervisor->is.auto_shutdown == TR_ANY_SIGNIFICANT || supervisor->children.significant_live == 0)
        return tr_stop(TR_SHUTDOWN);
    return TR_OK;
}

int restart_on_exit(struct supervisor *supervisor, const tr_msg *message)
{
    struct child *child = children_by_pid(&supervisor->children, tr_sender(message));
    const tr_reason *reason = tr_reason_of(message);
    if (child == NULL || child->state != CHILD_RUNNING)
        return TR_OK; /* SUP-13 */
    bool clean = tr_reason_clean(reason), significant = child->spec->significant;
    bool again = child->spec->restart == TR_PERMANENT || (child->spec->restart == TR_TRANSIENT && !clean);
    if (again || !clean)
        report_child(supervisor, child, "child_terminated", reason);
    if (!again) {
        child_gone(supervisor, child);
        return significant ? auto_shutdown(supervisor) : TR_OK;
    }
    children_set(&supervisor->children, child, CHILD_RESTARTING, child->pid);
    int64_t wait_ms = backoff_next(supervisor, child, true);
    if (wait_ms > 0 && retry_in(supervisor, child, wait_ms))
        return TR_OK;
    return restart(supervisor, child);
}

int restart_on_retry(struct supervisor *supervisor, const tr_msg *message)
{
    const struct children *children = &supervisor->children;
    if (tr_size(message) != sizeof(struct retry)) {
        report_unexpected(message);
        return TR_OK;
    }
    const struct retry *retry = tr_body(message);
    struct child *child = children->named ? children_by_key(children, retry->key)
                                          : children_by_pid(children, retry->pid);
    if (child == NULL || child->state != CHILD_RESTARTING ||
        (children->backs_off && child_backoff(children, child)->serial != retry->serial))
        return TR_OK; /* terminated, or started by somebody, meanwhile */
    return restart(supervisor, child);
}
