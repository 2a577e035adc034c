/* matmul.c: `troupe bench savina.matmul` with plain threads: the blocks of the result are the parts. */
#include "../savina/kernels.h"
#include "parallel.h"

static double *a, *b, *c;
static size_t size, dim;

static void multiply(uint64_t part, struct share *share)
{
    size_t row = part / (size / dim) * dim, column = part % (size / dim) * dim;
    for (size_t middle = 0; middle < size; middle += dim)
        matmul_block(c + row * size + column, size, a + row * size + middle, b + middle * size + column, size, dim);
    share->count++;
}

static double *new_matrix(size_t count)
{
    double *matrix = calloc(count, sizeof *matrix);
    must(matrix != NULL, "no memory");
    return matrix;
}

int main(int argc, char **argv)
{
    uint64_t threads = thread_count(argc, argv), threshold = parameter(argc, argv, "threshold", 16384);
    struct share all = { 0 };
    char parameters[64];
    size = parameter(argc, argv, "size", 1024);
    must(size > 0 && size < 100000, "a size");
    for (dim = size; dim * dim > threshold && dim % 2 == 0;)
        dim /= 2;
    a = new_matrix(size * size);
    b = new_matrix(size * size);
    c = new_matrix(size * size);
    double *room = new_matrix(2 * size);
    matmul_fill(a, size, 1);
    matmul_fill(b, size, 2);
    int64_t elapsed = run_parallel(threads, size / dim * (size / dim), multiply, &all);
    snprintf(parameters, sizeof parameters, "\"size\":%zu,\"threshold\":%" PRIu64 ",", size, threshold);
    print_line("savina.matmul", parameters, threads, 1, elapsed);
    must(matmul_is_product(c, a, b, size, room, room + size), "wrong result");
    free(a);
    free(b);
    free(c);
    free(room);
    return 0;
}
