/* trapezoid.c: `troupe bench savina.trapezoid` with plain threads. */
#include "../savina/kernels.h"
#include "parallel.h"

static const double left = 1, right = 5;
static uint64_t pieces, parts;

static void add_part(uint64_t part, struct share *share)
{
    share->sum += trapezoid_sum(left, (right - left) / (double)pieces, pieces * part / parts,
                                pieces * (part + 1) / parts);
}

int main(int argc, char **argv)
{
    uint64_t threads = thread_count(argc, argv);
    struct share all = { 0 };
    char parameters[64];
    pieces = parameter(argc, argv, "n", 10000000);
    parts = parameter(argc, argv, "a", 100);
    must(pieces > 0 && parts > 0, "n and a from 1 on");
    int64_t elapsed = run_parallel(threads, parts, add_part, &all);
    snprintf(parameters, sizeof parameters, "\"n\":%" PRIu64 ",\"a\":%" PRIu64 ",", pieces, parts);
    print_line("savina.trapezoid", parameters, threads, pieces, elapsed);
    must(fabs(all.sum - trapezoid_known(left, right)) <= trapezoid_tolerance(left, right, pieces), "wrong result");
    return 0;
}
