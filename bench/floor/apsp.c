/* apsp.c: `troupe bench savina.apsp` as plain sequential C: Floyd and Warshall's three loops over the same graph. */
#include "../savina/kernels.h"
#include "program.h"

int main(int argc, char **argv)
{
    uint64_t nodes = parameter(argc, argv, "n", 300), heaviest = parameter(argc, argv, "w", 100);
    int32_t *graph = calloc(nodes * nodes, sizeof *graph);
    char parameters[96];
    must(graph != NULL && nodes > 1 && heaviest > 0, "two nodes or more, weights of 1 or more");
    paths_fill(graph, nodes, heaviest);
    int64_t start = now_ns();
    paths_shorten(graph, nodes);
    snprintf(parameters, sizeof parameters, "\"n\":%" PRIu64 ",\"w\":%" PRIu64 ",", nodes, heaviest);
    print_result("savina.apsp", parameters, nodes, start);
    for (uint64_t i = 0; i < nodes * nodes;
         i++) /* no way through a third node is shorter: the first of them suffices */
        must(graph[i] <= graph[i / nodes * nodes] + graph[i % nodes], "wrong result");
    free(graph);
    return 0;
}
