/* idle.c: the floor of `troupe bench idle`: n servers with 8 bytes of state, each of which has answered one call. What
 * such a server is by hand: a record of one cache line (mailbox, handler, pid, state) and its slot in the pid table.
 * Left out: links, monitors, names, flags, who started it, what it would say of itself. */
#define FLOOR_SLOTS       (1 << 24)
#define FLOOR_STATE_WORDS 1
#include "calls.h"

#include <unistd.h>

_Static_assert(FLOOR_ACTOR_BYTES == 64, "a server is a cache line");

static uint64_t resident_bytes(void)
{
    unsigned long long size, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    must(file != NULL && fscanf(file, "%llu %llu", &size, &resident) == 2, "no /proc/self/statm");
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

int main(int argc, char **argv)
{
    uint64_t n = parameter(argc, argv, "n", 1000000), sum = 0;
    char parameters[64], more[64];
    must(n > 0 && n < FLOOR_SLOTS - 1, "n of 1 to 16 million");
    struct actor **servers = malloc(n * sizeof *servers);
    must(servers != NULL, "no memory");
    memset((void *)servers, 0xFF, n * sizeof *servers); /* the workload's own, touched before the first look */
    client_begin();
    uint64_t before = resident_bytes();
    int64_t start = now_ns();
    for (uint64_t i = 0; i < n; i++) {
        servers[i] = actor_new(server);
        servers[i]->state[0] = i;
        sum += call(servers[i]->pid, INCREMENT);
    }
    int64_t elapsed = now_ns() - start;
    uint64_t after = resident_bytes();
    must(sum == n * (n + 1) / 2, "wrong result");
    for (uint64_t i = 0; i < n; i++) /* each still holds its own state */
        must(call(servers[i]->pid, INCREMENT) == i + 2, "wrong state");
    snprintf(parameters, sizeof parameters, "\"n\":%" PRIu64 ",", n);
    snprintf(more, sizeof more, ",\"bytes_per_actor\":%.10g",
             after > before ? (double)(after - before) / (double)n : 0);
    print_line_with("idle", parameters, 1, n, elapsed, more);
    free(servers);
    return 0;
}
