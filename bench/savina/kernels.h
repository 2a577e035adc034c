/* kernels.h: the sequential heart of the programs that are also written without actors (../floor), so that both compute
 * the same thing with the same code. No actor, no thread, no allocation. */
#ifndef TROUPE_BENCH_SAVINA_KERNELS_H
#define TROUPE_BENCH_SAVINA_KERNELS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* ---- numbers by chance: SplitMix64 */

static inline uint64_t kernel_mix(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

static inline uint64_t kernel_random(uint64_t *seed) { return kernel_mix(*seed += UINT64_C(0x9e3779b97f4a7c15)); }

/* The next one of so many bits. */
static inline uint64_t kernel_draw(uint64_t *seed, uint64_t bits) { return kernel_random(seed) >> (64 - bits); }

/* ---- queens */

enum { QUEENS_LARGEST = 14 };

/* A board whose first `queens` rows are filled. */
struct queens_board {
    int8_t queens;
    int8_t column[QUEENS_LARGEST];
};

static inline bool queens_is_safe(const struct queens_board *board, int8_t column)
{
    for (int8_t row = 0; row < board->queens; row++) {
        int distance = board->queens - row;
        if (board->column[row] == column || abs(board->column[row] - column) == distance)
            return false;
    }
    return true;
}

/* How many ways there are to fill the board up to this size; found(arg) is called for each, if it is not NULL. */
static inline uint64_t queens_solve(struct queens_board *board, int8_t size, void (*found)(void *arg), void *arg)
{
    uint64_t solutions = 0;
    if (board->queens == size) {
        if (found != NULL)
            found(arg);
        return 1;
    }
    for (int8_t column = 0; column < size; column++)
        if (queens_is_safe(board, column)) {
            board->column[board->queens++] = column;
            solutions += queens_solve(board, size, found, arg);
            board->queens--;
        }
    return solutions;
}

/* All solutions for a size, as they are known. */
static inline uint64_t queens_known(uint64_t size)
{
    static const uint64_t known[QUEENS_LARGEST + 1] = { 1,  1,   0,   0,    2,     10,    4,     40,
                                                        92, 352, 724, 2680, 14200, 73712, 365596 };
    return known[size];
}

/* ---- trapezoid: the suite's function */

static inline double trapezoid_f(double x) { return sin(x * x * x - 1) / (x + 1) * sqrt(1 + exp(sqrt(2 * x))); }

/* The sum of f over the pieces [first, end) of width h from left on, by the trapezoidal rule. */
static inline double trapezoid_sum(double left, double h, uint64_t first, uint64_t end)
{
    double sum = 0;
    for (uint64_t i = first; i < end; i++)
        sum += (trapezoid_f(left + (double)i * h) + trapezoid_f(left + (double)(i + 1) * h)) / 2;
    return sum * h;
}

/* The integral by Simpson's rule, which needs far fewer pieces for the same accuracy. */
static inline double trapezoid_known(double left, double right)
{
    enum { PIECES = 20000 };
    double h = (right - left) / PIECES, sum = trapezoid_f(left) + trapezoid_f(right);
    for (uint64_t i = 1; i < PIECES; i++)
        sum += (i % 2 == 1 ? 4 : 2) * trapezoid_f(left + (double)i * h);
    return sum * h / 3;
}

/* What n pieces may differ from it: the rule's own error, and rounding. */
static inline double trapezoid_tolerance(double left, double right, uint64_t n)
{
    double width = right - left;
    return width * width * width / ((double)n * (double)n) * 1000 + 1e-8;
}

/* ---- Fibonacci, by the definition */

static inline uint64_t fib_known(uint64_t n)
{
    uint64_t one = 0, next = 1;
    while (n-- > 0) {
        uint64_t sum = one + next;
        one = next;
        next = sum;
    }
    return one;
}

/* ---- matrices: row after row */

/* c += a * b for blocks of dim x dim within matrices of `stride` columns; c has c_stride columns. */
static inline void matmul_block(double *c, size_t c_stride, const double *a, const double *b, size_t stride, size_t dim)
{
    for (size_t row = 0; row < dim; row++)
        for (size_t k = 0; k < dim; k++) {
            double factor = a[row * stride + k];
            for (size_t column = 0; column < dim; column++)
                c[row * c_stride + column] += factor * b[k * stride + column];
        }
}

/* A whole number in -8 ... 7 for each place, so that products of matrices are exact. */
static inline void matmul_fill(double *matrix, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size * size; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        matrix[i] = (double)(seed >> 60) - 8;
    }
}

/* Whether c * x == a * (b * x) for a vector x of whole numbers; y and z are room for one vector each (Freivalds). A
 * wrong product passes by rare chance only. */
static inline bool matmul_is_product(const double *c, const double *a, const double *b, size_t size, double *y,
                                     double *z)
{
    for (size_t row = 0; row < size; row++) {
        y[row] = z[row] = 0;
        for (size_t column = 0; column < size; column++)
            y[row] += b[row * size + column] * (double)(column * column % 1021);
    }
    for (size_t row = 0; row < size; row++) {
        double product = 0;
        for (size_t column = 0; column < size; column++) {
            z[row] += c[row * size + column] * (double)(column * column % 1021);
            product += a[row * size + column] * y[column];
        }
        if (product != z[row])
            return false;
    }
    return true;
}

/* ---- shortest paths (Floyd and Warshall) */

/* Symmetric weights of 1 to `heaviest`; the diagonal is 0, as the matrix was before. */
static inline void paths_fill(int32_t *graph, uint64_t nodes, uint64_t heaviest)
{
    uint64_t seed = nodes;
    for (uint64_t i = 0; i < nodes; i++)
        for (uint64_t j = i + 1; j < nodes; j++)
            graph[i * nodes + j] = graph[j * nodes + i] = (int32_t)(kernel_random(&seed) % heaviest) + 1;
}

static inline void paths_shorten(int32_t *graph, uint64_t nodes)
{
    for (uint64_t k = 0; k < nodes; k++)
        for (uint64_t i = 0; i < nodes; i++)
            for (uint64_t j = 0; j < nodes; j++)
                if (graph[i * nodes + k] + graph[k * nodes + j] < graph[i * nodes + j])
                    graph[i * nodes + j] = graph[i * nodes + k] + graph[k * nodes + j];
}

/* ---- successive over-relaxation on a square */

enum { SOR_SIDES = 4 }; /* right, down, left, up: what goes out on one side arrives on the opposite */

static inline double sor_relax(const double *around, double value)
{
    const double omega = 1.25;
    double sum = 0;
    for (int side = 0; side < SOR_SIDES; side++)
        sum += around[side];
    return 0.25 * omega * sum + (1 - omega) * value;
}

/* The neighbour of a point on this side; size * size: there is none. */
static inline uint64_t sor_neighbour(uint64_t index, uint64_t side, uint64_t size)
{
    uint64_t row = index / size, column = index % size;
    switch (side) {
    case 0: return column + 1 < size ? index + 1 : size * size;
    case 1: return row + 1 < size ? index + size : size * size;
    case 2: return column > 0 ? index - 1 : size * size;
    default: return row > 0 ? index - size : size * size;
    }
}

static inline bool sor_is_red(uint64_t index, uint64_t size) { return (index / size + index % size) % 2 == 0; }

static inline void sor_fill(double *values, uint64_t size)
{
    uint64_t seed = 10101010;
    for (uint64_t i = 0; i < size * size; i++)
        values[i] = (double)(kernel_random(&seed) >> 11) * 0x1p-53 * 1e-6;
}

/* One colour after the other; the red ones begin with the value that they have. */
static inline void sor_relax_all(double *values, uint64_t size, uint64_t iterations)
{
    for (uint64_t half = 1; half < 2 * iterations; half++)
        for (uint64_t i = 0; i < size * size; i++) {
            double around[SOR_SIDES] = { 0 };
            if (sor_is_red(i, size) == (half % 2 == 1))
                continue;
            for (uint64_t side = 0; side < SOR_SIDES; side++)
                if (sor_neighbour(i, side, size) < size * size)
                    around[side] = values[sor_neighbour(i, side, size)];
            values[i] = sor_relax(around, values[i]);
        }
}

/* ---- primes */

static inline bool sieve_passes(const uint64_t *known, uint64_t count, uint64_t candidate)
{
    for (uint64_t i = 0; i < count; i++)
        if (candidate % known[i] == 0)
            return false;
    return true;
}

/* ---- sorting */

static inline int sort_by_value(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
    return (one > other) - (one < other);
}

#endif
