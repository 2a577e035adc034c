/* random.h: the seam of chance (D15): every random choice of the runtime comes from a generator that is seeded through
 * here.
 *
 * xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled", 2016): for victims
 * and jitter,
 * not for secrets. `random_seed` gives the process' seed: the kernel's, or what a simulation set. */
#ifndef TROUPE_BASE_RANDOM_H
#define TROUPE_BASE_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state; /* never 0 */
};

uint64_t random_seed(void);

static inline uint64_t random_next(struct random *random)
{
    uint64_t x = random->state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    random->state = x;
    return x * UINT64_C(2685821657736338717);
}

/* Uniform enough in 0..bound-1 for scheduling choices; bound > 0. */
static inline uint32_t random_below(struct random *random, uint32_t bound)
{
    return (uint32_t)(((random_next(random) >> 32) * bound) >> 32);
}

#endif
