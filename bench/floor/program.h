/* program.h: what every floor program has: parameters, a clock, the line that it prints. */
#ifndef TROUPE_BENCH_FLOOR_PROGRAM_H
#define TROUPE_BENCH_FLOOR_PROGRAM_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline void must(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "floor: %s\n", what);
    exit(1);
}

/* The value of key=N among the arguments. */
static inline uint64_t parameter(int argc, char **argv, const char *key, uint64_t otherwise)
{
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], key, strlen(key)) == 0 && argv[i][strlen(key)] == '=')
            otherwise = strtoull(argv[i] + strlen(key) + 1, NULL, 10);
    return otherwise;
}

/* The line of a program on so many threads; the parameters are fields of JSON, each with a comma behind it, `more` are
 * fields of the result, each with a comma before it. */
static inline void print_line_with(const char *workload, const char *parameters, uint64_t workers, uint64_t ops,
                                   int64_t elapsed_ns, const char *more)
{
    printf("{\"peer\":\"floor\",\"version\":\"1\",\"workload\":\"%s\",\"params\":{%s\"workers\":%" PRIu64
           "},\"ops\":%" PRIu64 ",\"seconds\":%.6f%s}\n",
           workload, parameters, workers, ops, (double)elapsed_ns / 1e9, more);
}

static inline void print_line(const char *workload, const char *parameters, uint64_t workers, uint64_t ops,
                              int64_t elapsed_ns)
{
    print_line_with(workload, parameters, workers, ops, elapsed_ns, "");
}

/* The same of a program on one thread. */
static inline void print_result(const char *workload, const char *parameters, uint64_t ops, int64_t start_ns)
{
    print_line(workload, parameters, 1, ops, now_ns() - start_ns);
}

#endif
