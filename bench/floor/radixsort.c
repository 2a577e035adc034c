/* radixsort.c: `troupe bench savina.radixsort` as plain sequential C: for each bit, values without it before those with
 * it, from one array into another. */
#include "sorting.h"

static void pass(const uint64_t *from, uint64_t *to, uint64_t n, uint64_t bit)
{
    uint64_t clear = 0, set = 0;
    for (uint64_t i = 0; i < n; i++)
        set += (from[i] >> bit & 1) == 0;
    for (uint64_t i = 0; i < n; i++)
        to[(from[i] >> bit & 1) == 0 ? clear++ : set++] = from[i];
}

int main(int argc, char **argv)
{
    uint64_t n = parameter(argc, argv, "n", 100000), bits = parameter(argc, argv, "bits", 60),
             seed = parameter(argc, argv, "seed", 2048), at = seed;
    uint64_t *from = calloc(n, sizeof *from), *to = calloc(n, sizeof *to);
    char parameters[128];
    must(from != NULL && to != NULL && bits >= 1 && bits <= 63, "1 to 63 bits");
    int64_t start = now_ns();
    for (uint64_t i = 0; i < n; i++)
        from[i] = kernel_draw(&at, bits);
    for (uint64_t bit = 0; bit < bits; bit++) {
        uint64_t *sorted = to;
        pass(from, to, n, bit);
        to = from;
        from = sorted;
    }
    snprintf(parameters, sizeof parameters, "\"n\":%" PRIu64 ",\"bits\":%" PRIu64 ",\"seed\":%" PRIu64 ",", n, bits,
             seed);
    print_result("savina.radixsort", parameters, n * (bits + 1), start);
    check_sorted(from, n, bits, seed);
    free(from);
    free(to);
    return 0;
}
