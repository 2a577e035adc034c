/* calls.c: the floor of `troupe bench calls`: c clients, each doing n calls to its own server, spread over the workers;
 * of those of one worker each does its calls when the one before it is through. */
#include "calls.h"
#include "workers.h"

static uint64_t c, n, mine;
static struct actor *servers[FLOOR_SLOTS];

static void set_up(uint64_t index, uint64_t workers)
{
    mine = share_of(c, index, workers);
    for (uint64_t i = 0; i < mine; i++)
        servers[i] = actor_new(server);
}

static void work(void) { calls_run_all(servers, mine, n); }

int main(int argc, char **argv)
{
    uint64_t workers = parameter(argc, argv, "workers", 1);
    char parameters[96];
    c = parameter(argc, argv, "c", 64);
    n = parameter(argc, argv, "n", 20000);
    must(c < FLOOR_SLOTS - 1, "too many clients");
    int64_t elapsed = on_workers(workers, set_up, work);
    snprintf(parameters, sizeof parameters, "\"c\":%" PRIu64 ",\"s\":%" PRIu64 ",\"n\":%" PRIu64 ",", c, c, n);
    print_line("calls", parameters, workers, c * n, elapsed);
    return 0;
}
