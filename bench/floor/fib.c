/* fib.c: `troupe bench savina.fib` with plain threads: the calls at one depth of the recursion are the parts, and each
 * is computed by plain recursion. There is no counterpart of an actor for each call, so only its speed-up compares. */
#include "../savina/kernels.h"
#include "parallel.h"

enum { DEPTH = 10 };

static uint64_t n;

/* By the definition, and not in-lined into a loop. */
static __attribute__((noinline)) uint64_t fib(uint64_t number)
{
    return number <= 2 ? 1 : fib(number - 1) + fib(number - 2);
}

/* The bits of the part say which of the two calls was taken at each level. */
static void compute(uint64_t part, struct share *share)
{
    uint64_t number = n;
    for (int level = 0; level < DEPTH; level++)
        number -= part >> level & 1 ? 2 : 1;
    share->count += fib(number);
}

int main(int argc, char **argv)
{
    uint64_t threads = thread_count(argc, argv);
    struct share all = { 0 };
    char parameters[64];
    n = parameter(argc, argv, "n", 36);
    must(n > 2 * DEPTH && n < 90, "n of 21 to 89");
    int64_t elapsed = run_parallel(threads, UINT64_C(1) << DEPTH, compute, &all);
    snprintf(parameters, sizeof parameters, "\"n\":%" PRIu64 ",", n);
    print_line("savina.fib", parameters, threads, 2 * fib_known(n) - 1, elapsed);
    must(all.count == fib_known(n), "wrong result");
    return 0;
}
