/* worker.c: a worker under one_for_all, ids, and a simple_one_for_one supervisor attached as a nested child */
#include <stdio.h>
#include <troupe/troupe.h>

enum { NUMBER = 1 };

static int worker_init(void *state, const tr_msg *arg)
{
    *(int *)state = *(const int *)tr_expect(arg, sizeof(int));
    return TR_OK;
}

static int worker_call(void *state, const tr_msg *request, tr_from from)
{
    if (tr_tag(request) != NUMBER)
        return tr_unexpected(request);
    return tr_reply(from, state, sizeof(int));
}

static const tr_gen_server worker = {
    .label = "worker",
    .state_size = sizeof(int),
    .init = worker_init,
    .handle_call = worker_call,
};

static const int zero, one = 1;
static const tr_child template = { .server = &worker, .arg = &zero, .arg_size = sizeof zero, .restart = TR_TEMPORARY };
static const tr_supervisor pool = { .strategy = TR_SIMPLE_ONE_FOR_ONE, .children = &template, .child_count = 1 };
static const tr_child first = { .server = &worker, .arg = &one, .arg_size = sizeof one };
static const tr_supervisor root = { .strategy = TR_ONE_FOR_ALL, .children = &first, .child_count = 1 };

static void show(tr_pid supervisor)
{
    tr_child_info *list;
    size_t count;
    tr_child_counts counts;
    tr_must(tr_which_children(supervisor, &list, &count));
    for (size_t i = 0; i < count; i++)
        printf("  %s: %s, %s\n", list[i].id, list[i].is_supervisor ? "supervisor" : "worker",
               tr_nobody(list[i].pid) ? "not running" : "running");
    tr_free(list);
    tr_must(tr_count_children(supervisor, &counts));
    printf("specs %zu, active %zu, supervisors %zu, workers %zu\n", counts.specs, counts.active, counts.supervisors,
           counts.workers);
}

static void session(const tr_msg *unused)
{
    (void)unused;
    tr_pid supervisor, nested, pid, again;
    tr_must(tr_start_link(&(tr_child){ .supervisor = &root }, &supervisor));
    show(supervisor);

    tr_child second = first;
    second.id = "another worker";
    tr_must(tr_start_child(supervisor, &second, &pid));
    if (tr_start_child(supervisor, &second, &again) ==
        TR_EALREADY_STARTED) /* the id is there, and `again` is who has it */
        printf("already started: %s\n", tr_same(pid, again) ? "the same process" : "another process");

    tr_must(tr_start_child(supervisor, &(tr_child){ .id = "pool", .supervisor = &pool }, &nested));
    for (int number = 0; number < 11; number++)
        tr_must(tr_start_child_with(nested, &number, sizeof number, &pid));
    show(supervisor);
    show(nested);
}

int main(void) { return tr_main(NULL, session, NULL, 0); }
