/* requests.c: the API's requests, answered in the supervisor: SUP-50 to SUP-56, DSUP-01 to DSUP-07. */
#include "supervisor.h"

#include <string.h>

#include "protocol.h"

typedef int request_handler(struct supervisor *supervisor, const tr_msg *request, tr_from from);

static int answer(tr_from from, int status, tr_pid pid)
{
    const struct answer answer = { .status = status, .pid = pid };
    return tr_reply(from, &answer, sizeof answer);
}

static int answer_status(tr_from from, int status) { return answer(from, status, (tr_pid){ 0 }); }

static int answer_bad(tr_from from, const tr_reason *why)
{
    const struct answer answer = { .status = TR_ESPEC, .why = *why };
    return tr_reply(from, &answer, sizeof answer);
}

static int answer_started(tr_from from, const struct started *started)
{
    const struct answer answer = { .status = started->status, .pid = started->pid, .why = started->why };
    return tr_reply(from, &answer, sizeof answer);
}

/* ---- start_child */

/* Starts a new child, which is dropped if that fails (SUP-50). */
static int start_new(struct supervisor *supervisor, struct child *child, const void *arg, size_t arg_size, tr_from from)
{
    if (child == NULL)
        return answer_status(from, TR_ENOMEM);
    if (!children_add(&supervisor->children, child)) {
        child_free(&supervisor->children, child);
        return answer_status(from, TR_ENOMEM);
    }
    struct started started = child_start_with(supervisor, child, arg, arg_size);
    if (started.status == TR_IGNORE) {
        child_gone(supervisor, child);
        if (supervisor->is.strategy != TR_DYNAMIC)
            started.status = TR_OK; /* {ok, undefined} */
    } else if (started.status != TR_OK) {
        children_remove(&supervisor->children, child);
    }
    return answer_started(from, &started);
}

static int start_child(struct supervisor *supervisor, const tr_msg *request, tr_from from)
{
    const struct spec *spec = tr_body(request);
    tr_reason why;
    if (spec->size != tr_size(request)) {
        report_unexpected(request);
        return TR_OK;
    }
    if (supervisor->is.strategy == TR_SIMPLE_ONE_FOR_ONE)
        return answer_status(from, TR_EKIND);
    if (spec_suits(spec->id != 0, spec->significant, spec->shutdown_ms, supervisor->is.strategy,
                   supervisor->is.auto_shutdown, &why) != TR_OK)
        return answer_bad(from, &why);
    if (supervisor->is.strategy == TR_DYNAMIC) {
        if (supervisor->children.count >= (size_t)supervisor->is.max_children)
            return answer_status(from, TR_EMAX_CHILDREN);
    } else {
        const struct child *present = children_by_id(&supervisor->children, spec_id(spec));
        if (present != NULL && present->state == CHILD_RUNNING)
            return answer(from, TR_EALREADY_STARTED, present->pid);
        if (present != NULL)
            return answer_status(from, TR_EALREADY_PRESENT);
    }
    bool keep_arg = spec->restart != TR_TEMPORARY; /* SUP-28 */
    struct child *child = supervisor->children.named
                              ? child_new(&supervisor->children, spec, keep_arg)
                              : child_new_pooled(&supervisor->children, spec, spec_name(spec),
                                                 keep_arg ? spec_arg(spec) : NULL, spec->arg_size);
    return start_new(supervisor, child, spec_arg(spec), spec->arg_size, from);
}

/* SUP-55. */
static int start_with(struct supervisor *supervisor, const tr_msg *request, tr_from from)
{
    const struct spec *template = supervisor->template;
    if (supervisor->is.strategy != TR_SIMPLE_ONE_FOR_ONE)
        return answer_status(from, TR_EKIND);
    if (tr_tag(request) == SUP_START_TEMPLATE)
        return start_new(supervisor, child_new_pooled(&supervisor->children, template, NULL, NULL, 0),
                         spec_arg(template), template->arg_size, from);
    const void *arg = tr_body(request), *kept = template->restart == TR_TEMPORARY ? NULL : arg; /* SUP-28 */
    struct child *child = child_new_pooled(&supervisor->children, template, NULL, kept, tr_size(request));
    return start_new(supervisor, child, arg, tr_size(request), from);
}

/* ---- one child by its id */

/* The child that the request names, or NULL after the answer. */
static struct child *find_or_answer(struct supervisor *supervisor, const tr_msg *request, tr_from from)
{
    struct child *child = is_pooled(supervisor) ? NULL : children_by_id(&supervisor->children, tr_body(request));
    if (child == NULL)
        answer_status(from, is_pooled(supervisor) ? TR_EKIND : TR_ENOT_FOUND);
    return child;
}

static int terminate_child(struct supervisor *supervisor, const tr_msg *request, tr_from from)
{
    struct child *child = find_or_answer(supervisor, request, from);
    if (child == NULL)
        return TR_OK;
    child_stop(supervisor, child);
    child_gone(supervisor, child);
    return answer_status(from, TR_OK);
}

/* TR_OK, or why a child that is not stopped can't be restarted or deleted. */
static int not_stopped(const struct child *child)
{
    if (child->state == CHILD_STOPPED)
        return TR_OK;
    return child->state == CHILD_RUNNING ? TR_ERUNNING : TR_ERESTARTING;
}

static int restart_child(struct supervisor *supervisor, const tr_msg *request, tr_from from)
{
    struct child *child = find_or_answer(supervisor, request, from);
    if (child == NULL)
        return TR_OK;
    if (not_stopped(child) != TR_OK)
        return answer_status(from, not_stopped(child));
    struct started started = child_start(supervisor, child);
    if (started.status == TR_IGNORE)
        started.status = TR_OK; /* {ok, undefined} */
    return answer_started(from, &started);
}

static int delete_child(struct supervisor *supervisor, const tr_msg *request, tr_from from)
{
    struct child *child = find_or_answer(supervisor, request, from);
    if (child == NULL)
        return TR_OK;
    int status = not_stopped(child);
    if (status == TR_OK)
        children_remove(&supervisor->children, child);
    return answer_status(from, status);
}

/* ---- one child by its pid: SUP-55, DSUP-06 */

static int terminate_pid(struct supervisor *supervisor, const tr_msg *request, tr_from from)
{
    tr_pid pid = *(const tr_pid *)tr_body(request);
    tr_process_info who;
    if (!is_pooled(supervisor))
        return answer_status(from, TR_ENOT_FOUND);
    struct child *child = children_by_pid(&supervisor->children, pid);
    if (child == NULL && tr_peek(pid, &who) == TR_OK)
        child = children_by_pid(&supervisor->children, who.pid); /* it was a name */
    if (child != NULL) {
        child_stop(supervisor, child);
        child_gone(supervisor, child);
        return answer_status(from, TR_OK);
    }
    bool is_fine = supervisor->is.strategy == TR_SIMPLE_ONE_FOR_ONE && !tr_is_alive(pid);
    return answer_status(from, is_fine ? TR_OK : TR_ENOT_FOUND);
}

/* ---- what there is */

/* An empty reply says that there was no memory for it. */
static int which_children(struct supervisor *supervisor, const tr_msg *request, tr_from from)
{
    const struct children *children = &supervisor->children;
    size_t ids_size = sizeof "undefined", at = sizeof "undefined", slot = 0;
    tr_msg *reply;
    (void)request;
    if (children->named)
        for (const struct child *child = children->last; child != NULL; child = child_before(child))
            ids_size += strlen(child_id(children, child)) + 1;
    struct listing *listing = tr_new(1, sizeof *listing + children->count * sizeof(struct line) + ids_size, &reply);
    if (listing == NULL)
        return tr_reply(from, NULL, 0);
    *listing = (struct listing){ .count = children->count, .ids_size = ids_size };
    struct line *line = (struct line *)(void *)(listing + 1);
    char *ids = (char *)(line + children->count);
    memcpy(ids, "undefined", sizeof "undefined");
    for (const struct child *child = NULL; (child = children_walk(children, child, &slot)) != NULL; line++) {
        *line = (struct line){ .is_supervisor = child_is_supervisor(child),
                               .restarting = child->state == CHILD_RESTARTING };
        if (child->state == CHILD_RUNNING)
            line->pid = child->pid;
        if (children->named) {
            size_t size = strlen(child_id(children, child)) + 1;
            line->id = (uint32_t)at;
            memcpy(ids + at, child_id(children, child), size);
            at += size;
        }
    }
    return tr_reply_give(from, reply);
}

static int count_children(struct supervisor *supervisor, const tr_msg *request, tr_from from)
{
    const struct children *children = &supervisor->children;
    bool is_simple = supervisor->is.strategy == TR_SIMPLE_ONE_FOR_ONE;
    tr_child_counts counts = { .specs = is_simple ? 1 : children->count };
    (void)request;
    size_t slot = is_simple ? SIZE_MAX : 0; /* simple: all are like the template */
    for (const struct child *child = NULL; (child = children_walk(children, child, &slot)) != NULL;) {
        counts.supervisors += child_is_supervisor(child);
        counts.active += children->named && child->state == CHILD_RUNNING && tr_is_alive(child->pid); /* SUP-10 */
    }
    if (is_simple && supervisor->template->kind == CHILD_SUPERVISOR)
        counts.supervisors = children->count;
    counts.workers = children->count - counts.supervisors;
    if (!children->named)
        counts.active = children->count - children->restarting;
    return tr_reply(from, &counts, sizeof counts);
}

/* An empty reply says that there is none. */
static int get_childspec(struct supervisor *supervisor, const tr_msg *request, tr_from from)
{
    const char *id = tr_body(request);
    const struct spec *spec = supervisor->template;
    if (spec != NULL && (spec_id(spec) == NULL || strcmp(spec_id(spec), id) != 0))
        spec = NULL;
    const struct child *child = children_by_id(&supervisor->children, id);
    if (child != NULL)
        spec = child->spec;
    return tr_reply(from, spec, spec == NULL ? 0 : spec->size);
}

/* ---- dispatch: by tag, and the size that the body must at least have */

static const struct {
    request_handler *handler;
    size_t size;
} requests[] = {
    [SUP_START_CHILD - SUP_FIRST] = { start_child, sizeof(struct spec) },
    [SUP_START_WITH - SUP_FIRST] = { start_with, 0 },
    [SUP_START_TEMPLATE - SUP_FIRST] = { start_with, 0 },
    [SUP_TERMINATE_ID - SUP_FIRST] = { terminate_child, 1 },
    [SUP_TERMINATE_PID - SUP_FIRST] = { terminate_pid, sizeof(tr_pid) },
    [SUP_RESTART_CHILD - SUP_FIRST] = { restart_child, 1 },
    [SUP_DELETE_CHILD - SUP_FIRST] = { delete_child, 1 },
    [SUP_WHICH_CHILDREN - SUP_FIRST] = { which_children, 0 },
    [SUP_COUNT_CHILDREN - SUP_FIRST] = { count_children, 0 },
    [SUP_GET_CHILDSPEC - SUP_FIRST] = { get_childspec, 1 },
};

int request_answer(struct supervisor *supervisor, const tr_msg *request, tr_from from)
{
    int tag = tr_tag(request);
    if (tag < SUP_FIRST || tag >= SUP_FIRST + (int)TR_COUNT(requests) ||
        tr_size(request) < requests[tag - SUP_FIRST].size) {
        report_unexpected(request); /* SUP-48: no answer */
        return TR_OK;
    }
    return requests[tag - SUP_FIRST].handler(supervisor, request, from);
}
