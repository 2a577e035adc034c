/* sor.c: `troupe bench savina.sor` as plain sequential C: the points of one colour after those of the other, in
 * place. */
#include "../savina/kernels.h"
#include "program.h"

int main(int argc, char **argv)
{
    uint64_t size = parameter(argc, argv, "size", 20), iterations = parameter(argc, argv, "iterations", 100);
    double *values = calloc(size * size, sizeof *values), largest = 0;
    char parameters[96];
    must(values != NULL && size > 1 && iterations > 0, "a size from 2 on, and an iteration");
    sor_fill(values, size);
    int64_t start = now_ns();
    sor_relax_all(values, size, iterations);
    snprintf(parameters, sizeof parameters, "\"size\":%" PRIu64 ",\"iterations\":%" PRIu64 ",", size, iterations);
    print_result("savina.sor", parameters, size * size * iterations, start);
    for (uint64_t i = 0; i < size * size; i++)
        largest = fabs(values[i]) > largest ? fabs(values[i]) : largest;
    must(largest > 0 && largest < 1e-6, "wrong result"); /* the edge is 0, so all of them shrink towards it */
    free(values);
    return 0;
}
