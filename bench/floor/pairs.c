/* pairs.c: the floor of `troupe bench pairs`: p independent pairs, n round trips each, spread over the workers. */
#include "pairs.h"
#include "workers.h"

static uint64_t p, n;

static void set_up(uint64_t index, uint64_t workers) { pairs_set_up(share_of(p, index, workers), n); }

int main(int argc, char **argv)
{
    uint64_t workers = parameter(argc, argv, "workers", 1);
    char parameters[96];
    p = parameter(argc, argv, "p", 32);
    n = parameter(argc, argv, "n", 100000);
    int64_t elapsed = on_workers(workers, set_up, pairs_run);
    snprintf(parameters, sizeof parameters, "\"p\":%" PRIu64 ",\"n\":%" PRIu64 ",", p, n);
    print_line("pairs", parameters, workers, 2 * p * n, elapsed);
    return 0;
}
