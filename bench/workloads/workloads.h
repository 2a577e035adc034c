/* workloads.h: the workloads, and the actors that several of them use. */
#ifndef TROUPE_BENCH_WORKLOADS_H
#define TROUPE_BENCH_WORKLOADS_H

#include "workload.h"

/* The workloads themselves. */
extern const struct workload bench_pingpong, bench_pairs, bench_ring, bench_rings, bench_counting, bench_fanin,
    bench_spawn, bench_spawnchain, bench_skynet, bench_big, bench_chameneos, bench_call, bench_calls, bench_callname,
    bench_cast, bench_timers, bench_idle, bench_idlecpu, bench_blocked, bench_restart, bench_children, bench_crash,
    bench_hog, bench_selective, bench_nqueens;

/* A number for an adder (messages.c), which takes `count` of them and reports their sum to the process that started it.
 */
enum { BENCH_NUMBER = 1 };
tr_pid bench_start_adder(uint64_t count);

/* The gen_server of all workloads that need one (server.c): its state is one number, which its start argument sets. */
enum { COUNTER_INCREMENT = 1, COUNTER_TOTAL };
extern const tr_gen_server bench_counter_server;

/* Starts one, linked to the caller; calls it, and crashes the caller if that fails. */
tr_pid bench_start_counter(uint64_t count, const char *name);
uint64_t bench_call_counter(tr_pid server, int tag);

#endif
