/* random.c: where seeds come from. */
#include "base/random.h"

#include "base/clock.h"

#include <sys/random.h>

uint64_t random_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
        seed = (uint64_t)clock_now(); /* early boot: no entropy yet; scheduling choices need none */
    return seed | 1;
}
