/* rings.c: the floor of `troupe bench rings`: r independent rings at once, spread over the workers. */
#include "rings.h"
#include "workers.h"

static uint64_t r, a, n;

static void set_up(uint64_t index, uint64_t workers) { rings_set_up(share_of(r, index, workers), a, n); }

int main(int argc, char **argv)
{
    uint64_t workers = parameter(argc, argv, "workers", 1);
    char parameters[96];
    r = parameter(argc, argv, "r", 16);
    a = parameter(argc, argv, "a", 503);
    n = parameter(argc, argv, "n", 500000);
    int64_t elapsed = on_workers(workers, set_up, rings_run);
    snprintf(parameters, sizeof parameters, "\"r\":%" PRIu64 ",\"a\":%" PRIu64 ",\"n\":%" PRIu64 ",", r, a, n);
    print_line("rings", parameters, workers, r * n, elapsed);
    return 0;
}
