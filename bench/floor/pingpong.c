/* pingpong.c: the floor of `troupe bench pingpong`: two actors, n round trips. */
#include "pairs.h"

int main(int argc, char **argv)
{
    uint64_t n = parameter(argc, argv, "n", 1000000);
    char parameters[64];
    pairs_set_up(1, n);
    int64_t start = now_ns();
    pairs_run();
    snprintf(parameters, sizeof parameters, "\"n\":%" PRIu64 ",", n);
    print_result("pingpong", parameters, 2 * n, start);
    return 0;
}
