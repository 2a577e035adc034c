/* quicksort.c: `troupe bench savina.quicksort` as plain sequential C: the C library's sort, which the program's actors
 * use for their last parts, too. */
#include "sorting.h"

int main(int argc, char **argv)
{
    uint64_t n = parameter(argc, argv, "n", 1000000), bits = parameter(argc, argv, "bits", 60),
             seed = parameter(argc, argv, "seed", 1024), at = seed;
    uint64_t *values = calloc(n, sizeof *values);
    char parameters[128];
    must(values != NULL && bits >= 1 && bits <= 63, "1 to 63 bits");
    for (uint64_t i = 0; i < n; i++)
        values[i] = kernel_draw(&at, bits);
    int64_t start = now_ns();
    qsort(values, n, sizeof *values, sort_by_value);
    snprintf(parameters, sizeof parameters, "\"n\":%" PRIu64 ",\"bits\":%" PRIu64 ",\"seed\":%" PRIu64 ",", n, bits,
             seed);
    print_result("savina.quicksort", parameters, n, start);
    check_sorted(values, n, bits, seed);
    free(values);
    return 0;
}
