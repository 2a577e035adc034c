/* ring.c: the floor of `troupe bench ring`: a actors, one token, n hops. */
#include "rings.h"

int main(int argc, char **argv)
{
    uint64_t a = parameter(argc, argv, "a", 503), n = parameter(argc, argv, "n", 5000000);
    char parameters[64];
    rings_set_up(1, a, n);
    int64_t start = now_ns();
    rings_run();
    snprintf(parameters, sizeof parameters, "\"a\":%" PRIu64 ",\"n\":%" PRIu64 ",", a, n);
    print_result("ring", parameters, n, start);
    return 0;
}
