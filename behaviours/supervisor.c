/* supervisor.c: the supervisor's actor: its start, who handles which message, its end. */
#include "supervisor.h"

#include "launch.h"
#include "protocol.h"

/* ---- starting children */

struct started child_start_with(struct supervisor *supervisor, struct child *child, const void *arg, size_t arg_size)
{
    const struct spec *spec = child->spec;
    struct started started = { 0 };
    const struct launch launch = { .kind = (enum child_kind)spec->kind,
                                   .target = spec->target,
                                   .name = child_name(&supervisor->children, child),
                                   .arg = arg,
                                   .arg_size = arg_size,
                                   .start_timeout_ms = spec_start_timeout_ms(spec),
                                   .spawn = spec_spawn(spec) };
    started.status = launch_outcome(launch_start(&launch, TR_START_LINK, NULL, &started.pid), &started.why);
    if (started.status != TR_OK && started.status != TR_EALREADY_STARTED)
        started.pid = (tr_pid){ 0 };
    if (started.status == TR_OK) {
        children_set(&supervisor->children, child, CHILD_RUNNING, started.pid);
        if (supervisor->children.backs_off)
            child_backoff(&supervisor->children, child)->started_ns = tr_now_ns();
        report_progress(supervisor, child);
    }
    return started;
}

struct started child_start(struct supervisor *supervisor, struct child *child)
{
    size_t size;
    const void *arg = child_arg(&supervisor->children, child, &size);
    return child_start_with(supervisor, child, arg, size);
}

void child_gone(struct supervisor *supervisor, struct child *child)
{
    if (is_pooled(supervisor) || child->spec->restart == TR_TEMPORARY)
        children_remove(&supervisor->children, child);
    else
        children_set(&supervisor->children, child, CHILD_STOPPED, (tr_pid){ 0 });
}

/* ---- init: SUP-04, SUP-05, SUP-08 */

/* A temporary child's argument is needed for its first start, and not kept (SUP-28). */
static bool add_children(struct supervisor *supervisor, const struct tree *tree)
{
    const struct spec *spec = tree_first(tree);
    for (size_t i = 0; i < tree->child_count; i++, spec = spec_next(spec)) {
        struct child *child = child_new(&supervisor->children, spec, spec->restart != TR_TEMPORARY);
        if (child == NULL || !children_add(&supervisor->children, child))
            return false;
    }
    return true;
}

static int start_failed(struct supervisor *supervisor, const struct child *child, const tr_reason *reason)
{
    char text[sizeof reason->text];
    report_child(supervisor, child, "start_error", reason);
    tr_reason why = tr_because(TR_WHY_SHUTDOWN, 0, "failed_to_start_child %s: %s",
                               child_id(&supervisor->children, child), tr_reason_text(reason, text, sizeof text));
    children_stop(supervisor);
    return tr_stop(why);
}

/* The children stand in the order of the specs. */
static int start_children(struct supervisor *supervisor, const struct tree *tree)
{
    const struct spec *spec = tree_first(tree);
    for (struct child *child = supervisor->children.first, *after; child != NULL; child = after) {
        after = child_after(child);
        struct started started = child_start_with(supervisor, child, spec_arg(spec), spec->arg_size);
        if (started.status == TR_IGNORE)
            child_gone(supervisor, child);
        else if (started.status != TR_OK)
            return start_failed(supervisor, child, &started.why);
        spec = spec_next(spec);
    }
    return TR_OK;
}

static int start(void *state, const tr_msg *arg)
{
    struct supervisor *supervisor = state;
    const struct tree *tree = tr_body(arg);
    supervisor->is = *tree;
    supervisor->children.named = !is_pooled(supervisor);
    supervisor->children.shaped = tree->strategy == TR_DYNAMIC;
    supervisor->children.backs_off = tree->backoff_ms > 0;
    if (!intensity_init(&supervisor->intensity, tree->intensity, tree->period_s))
        return TR_ENOMEM;
    if (tree->strategy == TR_SIMPLE_ONE_FOR_ONE) {
        struct spec *template = tr_alloc(tree_first(tree)->size);
        if (template == NULL)
            return TR_ENOMEM;
        spec_copy(tree_first(tree), true, template);
        supervisor->template = template;
        return TR_OK;
    }
    return add_children(supervisor, tree) ? start_children(supervisor, tree) : TR_ENOMEM;
}

/* ---- dispatch and end */

static int handle(void *state, const tr_msg *message)
{
    struct supervisor *supervisor = state;
    if (tr_kind_of(message) == TR_KIND_CALL)
        return request_answer(supervisor, message, tr_from_of(message));
    if (tr_kind_of(message) == TR_KIND_INFO && tr_tag(message) == TR_MSG_EXIT)
        return restart_on_exit(supervisor, message);
    if (tr_kind_of(message) == TR_KIND_INFO && tr_tag(message) == SUP_RETRY)
        return restart_on_retry(supervisor, message);
    report_unexpected(message);
    return TR_OK;
}

static void ended(void *state, const tr_reason *reason)
{
    (void)reason;
    children_stop(state);
}

static void describe(const void *state, tr_out *out)
{
    static const char *const strategies[] = { "one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one",
                                              "dynamic" };
    const struct supervisor *supervisor = state;
    tr_print(out, "%s, %zu children, %zu restarting, intensity %d in %d s", strategies[supervisor->is.strategy],
             supervisor->children.count, supervisor->children.restarting, supervisor->is.intensity,
             supervisor->is.period_s);
}

/* Its state is its own business: tr_get_state shows none of it. */
const tr_actor supervisor_actor = {
    .label = "supervisor",
    .state_size = sizeof(struct supervisor),
    .state_offset = sizeof(struct supervisor),
    .start = start,
    .handle = handle,
    .ended = ended,
    .describe = describe,
};
