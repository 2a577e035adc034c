/* timers.c: the workload timers: n one-shot timers, due uniformly over a second, each one message to its owner. */
#include "workloads.h"

enum { OWNERS = 1000, SPAN_MS = 1000 };

struct owner {
    tr_pid coordinator;
    uint64_t first, timers; /* it starts timers first, first + OWNERS, ... up to `timers` */
    uint64_t left, sum;
};

static int owner_start(void *state, const tr_msg *arg)
{
    *(struct owner *)state = *(const struct owner *)tr_expect(arg, sizeof(struct owner));
    return TR_OK;
}

static int owner_handle(void *state, const tr_msg *message)
{
    struct owner *me = state;
    if (tr_tag(message) == BENCH_GO) {
        for (uint64_t k = me->first; k <= me->timers; k += OWNERS, me->left++)
            tr_must(tr_send_after((int64_t)(k * SPAN_MS / me->timers), tr_self(), BENCH_NUMBER, &k, sizeof k, NULL));
    } else {
        me->sum += bench_number_in(message);
        me->left--;
    }
    if (me->left == 0)
        bench_report(me->coordinator, me->sum);
    return TR_OK;
}

static const tr_actor owner_actor = {
    .label = "owner", .state_size = sizeof(struct owner), .start = owner_start, .handle = owner_handle
};

static void timers_run(struct bench *bench)
{
    struct owner owner = { .coordinator = tr_self(), .timers = bench_number(bench, "n") };
    tr_pid *pids = tr_alloc(OWNERS * sizeof *pids);
    tr_assert(pids != NULL);
    for (int i = 0; i < OWNERS; i++) {
        owner.first = (uint64_t)i + 1;
        pids[i] = bench_start(&owner_actor, &owner, sizeof owner);
    }
    double cpu_before = bench_cpu_seconds();
    int64_t start = tr_now_ns();
    for (int i = 0; i < OWNERS; i++)
        bench_go(pids[i]);
    uint64_t sum = bench_reports(OWNERS);
    bench_result_seconds(bench, owner.timers, bench_cpu_seconds() - cpu_before);
    double wall_seconds = (double)(tr_now_ns() - start) / 1e9;
    bench_extra(bench, "wall_seconds", wall_seconds);
    bench_verify("sum", sum, bench_sum_to(owner.timers));
    bench_verify("the last timer was early", wall_seconds < (double)SPAN_MS / 1000, 0);
}

const struct workload bench_timers = { .name = "timers",
                                       .what = "n timers over a second (seconds: CPU time)",
                                       .defaults = { { "n", "500000" } },
                                       .run = timers_run };
