/* sieve.c: `troupe bench savina.sieve` as plain sequential C: each candidate is divided by the primes found so far, as
 * its filters do, in one array. (A sieve that crosses out multiples is another computation.) */
#include "../savina/kernels.h"
#include "program.h"

/* By crossing out. */
static uint64_t primes_below(uint64_t n)
{
    bool *composite = calloc(n, sizeof *composite);
    uint64_t count = 0;
    must(composite != NULL, "no memory");
    for (uint64_t i = 2; i < n; i++) {
        count += !composite[i];
        for (uint64_t multiple = i * i; !composite[i] && multiple < n; multiple += i)
            composite[multiple] = true;
    }
    free(composite);
    return count;
}

int main(int argc, char **argv)
{
    uint64_t n = parameter(argc, argv, "n", 100000), count = 1;
    uint64_t *known = calloc(n, sizeof *known);
    char parameters[64];
    must(known != NULL && n > 2, "n from 3 on");
    int64_t start = now_ns();
    known[0] = 2;
    for (uint64_t candidate = 3; candidate < n; candidate += 2)
        if (sieve_passes(known, count, candidate))
            known[count++] = candidate;
    snprintf(parameters, sizeof parameters, "\"n\":%" PRIu64 ",", n);
    print_result("savina.sieve", parameters, n, start);
    must(count == primes_below(n), "wrong result");
    free(known);
    return 0;
}
