/* micro.c: the suite's micro benchmarks: those that are workloads of their own (../workloads), with the suite's
 * parameters, and the two of fork-join: creation and throughput. */
#include "../workloads/workloads.h"
#include "savina.h"

#include <math.h>

/* ---- the same programs as pingpong, counting, ring, chameneos and big */

static void pingpong_run(struct bench *bench) { bench_pingpong.run(bench); }
static void counting_run(struct bench *bench) { bench_counting.run(bench); }
static void threadring_run(struct bench *bench) { bench_ring.run(bench); }
static void chameneos_run(struct bench *bench) { bench_chameneos.run(bench); }
static void big_run(struct bench *bench) { bench_big.run(bench); }

const struct workload savina_pingpong = { .name = "savina.pingpong",
                                          .what = "two actors, n round trips",
                                          .defaults = { { "n", "40000" } },
                                          .run = pingpong_run };
const struct workload savina_counting = { .name = "savina.counting",
                                          .what = "one producer, n increments",
                                          .defaults = { { "n", "1000000" } },
                                          .run = counting_run };
const struct workload savina_threadring = { .name = "savina.threadring",
                                            .what = "a token, n hops in a ring of a actors",
                                            .defaults = { { "a", "100" }, { "n", "100000" } },
                                            .run = threadring_run };
const struct workload savina_chameneos = { .name = "savina.chameneos",
                                           .what = "a creatures, one mall, n meetings",
                                           .defaults = { { "a", "100" }, { "n", "200000" } },
                                           .run = chameneos_run };
const struct workload savina_big = { .name = "savina.big",
                                     .what = "a actors, n pings each to random others",
                                     .defaults = { { "a", "120" }, { "n", "20000" } },
                                     .run = big_run };

/* ---- fork-join: what each message is worth in both */

enum { COMPUTE = 1 };

static double compute(double theta)
{
    double sine = sin(theta);
    return sine * sine;
}

/* ---- fork-join, creation: n actors; each gets one message, computes, ends */

static int once_handle(void *state, const tr_msg *message)
{
    tr_assert(compute(37.2) > 0);
    bench_report(*(const tr_pid *)state, bench_number_in(message));
    return tr_stop(TR_NORMAL);
}

static const tr_actor once_actor = {
    .label = "fork-join", .state_size = sizeof(tr_pid), .start = savina_begin, .handle = once_handle
};

static void create_run(struct bench *bench)
{
    uint64_t n = bench_number(bench, "n");
    tr_pid self = tr_self();
    int64_t start = tr_now_ns();
    for (uint64_t number = 1; number <= n; number++)
        tr_send(savina_start(&once_actor, &self), COMPUTE, &number, sizeof number);
    uint64_t sum = bench_reports(n);
    bench_result(bench, n, start);
    bench_verify("sum", sum, bench_sum_to(n));
}

const struct workload savina_forkjoin_create = { .name = "savina.forkjoin_create",
                                                 .what = "n actors, one message each",
                                                 .defaults = { { "n", "40000" } },
                                                 .run = create_run };

/* ---- fork-join, throughput: n messages to each of a actors, in turn */

struct worker {
    tr_pid coordinator;
    uint64_t wanted, handled;
};

static int worker_handle(void *state, const tr_msg *message)
{
    struct worker *me = state;
    tr_assert(compute(37.2) > 0 && bench_number_in(message) == me->handled);
    if (++me->handled < me->wanted)
        return TR_OK;
    bench_report(me->coordinator, me->handled);
    return tr_stop(TR_NORMAL);
}

static const tr_actor worker_actor = {
    .label = "fork-join", .state_size = sizeof(struct worker), .start = savina_begin, .handle = worker_handle
};

static void throughput_run(struct bench *bench)
{
    uint64_t n = bench_number(bench, "n"), actors = bench_number(bench, "a");
    struct worker worker = { .coordinator = tr_self(), .wanted = n };
    tr_pid *pids = savina_alloc(actors * sizeof *pids);
    for (uint64_t i = 0; i < actors; i++)
        pids[i] = savina_start(&worker_actor, &worker);
    int64_t start = tr_now_ns();
    for (uint64_t number = 0; number < n; number++)
        for (uint64_t i = 0; i < actors; i++)
            tr_send(pids[i], COMPUTE, &number, sizeof number);
    uint64_t handled = n > 0 ? bench_reports(actors) : 0;
    bench_result(bench, n * actors, start);
    bench_verify("messages handled", handled, n * actors);
}

const struct workload savina_forkjoin_throughput = { .name = "savina.forkjoin_throughput",
                                                     .what = "n messages to each of a actors",
                                                     .defaults = { { "n", "10000" }, { "a", "60" } },
                                                     .run = throughput_run };
