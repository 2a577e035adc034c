/* call.c: the floor of `troupe bench call`: a straight-line client calls a server n times and waits for each reply. */
#include "calls.h"

int main(int argc, char **argv)
{
    uint64_t n = parameter(argc, argv, "n", 500000);
    struct actor *one = actor_new(server);
    char parameters[64];
    int64_t start = now_ns();
    calls_run_all(&one, 1, n);
    snprintf(parameters, sizeof parameters, "\"n\":%" PRIu64 ",", n);
    print_result("call", parameters, n, start);
    return 0;
}
