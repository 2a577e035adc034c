/* bench.h: `troupe bench`: runs workloads of bench/workloads and prints what each measured as one line of JSON. */
#ifndef TROUPE_TOOLS_BENCH_H
#define TROUPE_TOOLS_BENCH_H

#include <stdio.h>

/* The arguments after "bench"; the exit status of troupe: 0; 1: a workload failed; 2: bad settings, nothing was run; 3:
 * no such workload, nothing was run. */
int bench_command(int argc, char **argv);

/* Prints what they may be: the workloads with their parameters, and how several are run. */
void bench_help(FILE *out);

#endif
