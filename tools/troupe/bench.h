/* bench.h: `troupe bench`: runs one workload of bench/workloads and prints what it measured as one line of JSON. */
#ifndef TROUPE_TOOLS_BENCH_H
#define TROUPE_TOOLS_BENCH_H

#include <stdio.h>

/* The arguments after "bench"; the exit status of troupe: 0; 1: the workload failed; 2: bad arguments; 3: no such
 * workload. */
int bench_command(int argc, char **argv);

/* The workloads and their parameters, for people. */
void bench_list(FILE *out);

#endif
