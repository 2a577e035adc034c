/* shutdown.c: ending children: SUP-40 to SUP-44, DSUP-08.
 *
 * A child is asked to end by an exit signal and watched by a monitor, which also works for children that are not linked
 * any more; its EXIT, which comes before the DOWN (EXIT-12), says the reason even of one that died earlier. A signal
 * that there is no memory for ends the supervisor: then its links end the children. */
#include "supervisor.h"

enum { NS_PER_MS = 1000000 };

/* SUP-41. */
static bool is_expected(const struct spec *spec, const tr_reason *reason)
{
    if (tr_reason_same(reason, spec->shutdown_ms == TR_BRUTAL_KILL ? &TR_KILLED : &TR_SHUTDOWN))
        return true;
    return spec->restart != TR_PERMANENT && tr_reason_clean(reason);
}

static void judge(const struct supervisor *supervisor, const struct child *child, const tr_reason *reason)
{
    if (!is_expected(child->spec, reason))
        report_child(supervisor, child, "shutdown_error", reason);
}

static void ask(const struct child *child)
{
    tr_must(tr_exit_signal(child->pid, child->spec->shutdown_ms == TR_BRUTAL_KILL ? TR_KILL : TR_SHUTDOWN));
}

void child_stop(struct supervisor *supervisor, struct child *child)
{
    if (child->state == CHILD_RUNNING) {
        tr_pid pid = child->pid;
        int64_t patience_ms = child->spec->shutdown_ms;
        tr_reason reason;
        tr_ref monitor = tr_monitor(pid);
        ask(child);
        if (tr_await_down(monitor, patience_ms == TR_BRUTAL_KILL ? TR_INFINITY : patience_ms, &reason) != TR_OK) {
            tr_must(tr_exit_signal(pid, TR_KILL));
            tr_must(tr_await_down(monitor, TR_INFINITY, &reason));
        }
        tr_unlink(pid);
        const tr_msg *said = tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT, .from = pid }, 0);
        judge(supervisor, child, said == NULL ? &reason : tr_reason_of(said));
    }
    children_set(&supervisor->children, child, CHILD_STOPPED, (tr_pid){ 0 });
}

/* ---- all at once. While this goes on, RESTARTING means: not to be judged (any more): it was by its EXIT, or it did
 * not run. */

static bool is_about_a_child(const tr_msg *message, const void *supervisor)
{
    if (tr_tag(message) != TR_MSG_EXIT && tr_tag(message) != TR_MSG_DOWN)
        return false;
    return children_by_pid(&((const struct supervisor *)supervisor)->children, tr_sender(message)) != NULL;
}

/* Asks all; returns how many there are to wait for. */
static size_t ask_all(struct supervisor *supervisor)
{
    size_t left = 0, slot = 0;
    for (struct child *child = NULL; (child = children_walk(&supervisor->children, child, &slot)) != NULL;)
        if (child->state == CHILD_RUNNING) {
            (void)tr_monitor(child->pid);
            ask(child);
            left++;
        }
    return left;
}

/* Kills those whose time, more than `after_ms` and at most `until_ms`, is up; the next time, or TR_INFINITY. */
static int64_t kill_due(const struct supervisor *supervisor, int64_t after_ms, int64_t until_ms)
{
    int64_t next_ms = TR_INFINITY;
    size_t slot = 0;
    for (const struct child *child = NULL; (child = children_walk(&supervisor->children, child, &slot)) != NULL;) {
        int64_t patience_ms = child->spec->shutdown_ms;
        if (patience_ms <= after_ms)
            continue;
        if (patience_ms <= until_ms)
            tr_must(tr_exit_signal(child->pid, TR_KILL));
        else if (next_ms == TR_INFINITY || patience_ms < next_ms)
            next_ms = patience_ms;
    }
    return next_ms;
}

/* Takes an EXIT or DOWN of a child; whether the child has ended. */
static bool take(struct supervisor *supervisor, const tr_msg *message)
{
    struct child *child = children_by_pid(&supervisor->children, tr_sender(message));
    if (child->state == CHILD_RUNNING) {
        judge(supervisor, child, tr_reason_of(message));
        children_set(&supervisor->children, child, CHILD_RESTARTING, child->pid);
    }
    if (tr_tag(message) != TR_MSG_DOWN)
        return false;
    children_set(&supervisor->children, child, CHILD_STOPPED, (tr_pid){ 0 });
    return true;
}

/* What is left of due_ms after begin_ns, rounded up; TR_INFINITY: for ever, or nearly. */
static int64_t rest_ms(int64_t begin_ns, int64_t due_ms)
{
    if (due_ms == TR_INFINITY || due_ms > INT64_MAX / NS_PER_MS / 2)
        return TR_INFINITY;
    int64_t rest_ns = begin_ns + due_ms * NS_PER_MS - tr_now_ns();
    return rest_ns <= 0 ? 0 : (rest_ns + NS_PER_MS - 1) / NS_PER_MS;
}

static void stop_at_once(struct supervisor *supervisor)
{
    const tr_match match = { .accept = is_about_a_child, .arg = supervisor };
    int64_t begin_ns = tr_now_ns(), due_ms = kill_due(supervisor, TR_INFINITY, TR_INFINITY);
    size_t left = ask_all(supervisor);
    while (left > 0) {
        const tr_msg *message = tr_receive_match(&match, rest_ms(begin_ns, due_ms));
        if (message == NULL)
            due_ms = kill_due(supervisor, due_ms - 1, due_ms);
        else if (take(supervisor, message))
            left--;
    }
}

void children_stop(struct supervisor *supervisor)
{
    if (is_pooled(supervisor))
        stop_at_once(supervisor);
    else
        for (struct child *child = supervisor->children.last; child != NULL; child = child_before(child))
            child_stop(supervisor, child);
}
