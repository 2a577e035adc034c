/* callname.c: the floor of `troupe bench callname`: as call, and the server is looked up by its name at each call. */
#include "calls.h"
#include "names.h"

int main(int argc, char **argv)
{
    static char name[] = "counter"; /* not a constant: nobody hashes it beforehand */
    uint64_t n = parameter(argc, argv, "n", 500000), last = 0;
    char parameters[64];
    client_begin();
    name_set(name, actor_new(server)->pid);
    int64_t start = now_ns();
    for (uint64_t i = 0; i < n; i++)
        last = call(name_find(name), INCREMENT);
    snprintf(parameters, sizeof parameters, "\"n\":%" PRIu64 ",", n);
    print_result("callname", parameters, n, start);
    must(last == n, "wrong result");
    return 0;
}
