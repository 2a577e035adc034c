/* restart.c: the workload restart: a supervisor's one child is killed, and is there again under its name, n times. */
#include "workloads.h"

enum { ANNOUNCE = 1, REGISTERED };

static int child_init(void *state, const tr_msg *arg)
{
    *(tr_pid *)state = *(const tr_pid *)tr_expect(arg, sizeof(tr_pid));
    return tr_continue(ANNOUNCE, NULL, 0);
}

/* Runs once the supervisor knows of the child, so that it is not killed while it starts. */
static int child_continue(void *state, const tr_msg *message)
{
    (void)message;
    tr_pid self = tr_self();
    return tr_send(*(const tr_pid *)state, REGISTERED, &self, sizeof self);
}

static const tr_gen_server child_server = {
    .label = "restarted", .state_size = sizeof(tr_pid), .init = child_init, .handle_continue = child_continue
};

static tr_pid registered_child(void)
{
    tr_pid child = *(const tr_pid *)tr_expect(tr_receive_match(&(tr_match){ .tag = REGISTERED }, TR_INFINITY),
                                              sizeof(tr_pid));
    tr_assert(tr_same(child, tr_whereis("restarted child")));
    return child;
}

static void restart_run(struct bench *bench)
{
    uint64_t n = bench_number(bench, "n");
    tr_pid coordinator = tr_self(), supervisor;
    tr_child child = {
        .name = "restarted child", .server = &child_server, .arg = &coordinator, .arg_size = sizeof coordinator
    };
    tr_supervisor root = { .intensity = (int)n + 1, .period_s = 1, .children = &child, .child_count = 1 };
    tr_must(tr_start_link(&(tr_child){ .id = "root", .supervisor = &root }, &supervisor));
    tr_pid last = registered_child();
    int64_t start = tr_now_ns();
    for (uint64_t i = 0; i < n; i++) {
        tr_exit_signal(last, TR_KILL);
        tr_pid next = registered_child();
        tr_assert(!tr_same(next, last));
        last = next;
    }
    bench_result(bench, n, start);
    tr_child_info *list;
    size_t count;
    tr_must(tr_which_children(supervisor, &list, &count));
    bench_verify("children", count, 1);
    bench_verify("the child that the supervisor knows", list[0].pid.id, last.id);
    tr_free(list);
}

const struct workload bench_restart = { .name = "restart",
                                        .what = "a child is killed and restarted n times",
                                        .defaults = { { "n", "20000" } },
                                        .run = restart_run,
                                        .quiet = true };
