/* list.c: all workloads, in the order of their definitions. */
#include "workloads.h"

const struct workload *const bench_workloads[] = {
    &bench_pingpong, &bench_pairs,      &bench_ring,   &bench_rings,     &bench_counting,  &bench_fanin,
    &bench_spawn,    &bench_spawnchain, &bench_skynet, &bench_big,       &bench_chameneos, &bench_call,
    &bench_calls,    &bench_callname,   &bench_cast,   &bench_timers,    &bench_idle,      &bench_blocked,
    &bench_restart,  &bench_crash,      &bench_hog,    &bench_selective, &bench_nqueens,   NULL,
};
