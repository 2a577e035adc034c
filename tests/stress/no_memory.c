/* no_memory.c: the n-th request for memory fails, for n = 1, 2, ... until a whole program (boot, everything that there
 * is, stop) goes through without one; once each fails alone, once with all that follow.
 *
 * Each n is a child process: it boots the runtime and takes the tour (tour.h). A refused boot must say so and leave
 * nothing behind. Afterwards memory is there again: then the same process must take the whole tour. At both ends no
 * mapping and no descriptor may be left. Debug builds count each block of a pool as a request, release builds those to
 * the system. from, to, step: which n; step=0 takes such that some 100 n are tried. */
#include "refusal.h"

static bool refused_before; /* atomic; what source_fail_after forgets */

static bool memory_refused(void) { return __atomic_load_n(&refused_before, __ATOMIC_RELAXED) || source_failed(); }

static void memory_is_back(void)
{
    __atomic_store_n(&refused_before, memory_refused(), __ATOMIC_RELAXED);
    source_fail_after(0, false);
}

/* Where each block counts, the stop finds memory again: it needs some for its signals, and what is set aside for them
 * would be refused, too. */
static int child(int64_t n, bool onwards)
{
    size_t mapped = source_mapped_bytes();
    refused = memory_refused;
    source_fail_after(n, onwards);
    bool ran = run_once(POOL_COUNTS ? memory_is_back : NULL);
    MUST_EQ(source_mapped_bytes(), mapped);
    memory_is_back();
    MUST(refused() || (ran && tour_complete()));
    MUST(run_once(NULL) && tour_complete());
    MUST_EQ(source_mapped_bytes(), mapped);
    return refused() ? SOME_REFUSED : ALL_DONE;
}

/* How many requests there are, roughly: by doubling. */
static int64_t requests(void)
{
    int64_t n = 64;
    while (try_refusal(child, n, false))
        n *= 2;
    return n;
}

int main(int argc, char **argv)
{
    known("from", 1);
    known("to", 0);
    known("step", 0);
    stress_start(argc, argv);
    int64_t to = setting("to"), step = setting("step"), tried = 0;
    if (to == 0)
        to = requests();
    if (step == 0)
        step = to / 100 + 1;
    for (int64_t n = setting("from"); n <= to; n += step)
        for (int onwards = 0; onwards < 2; onwards++, tried++)
            (void)try_refusal(child, n, onwards != 0);
    printf("%" PRId64 " refusals of the first %" PRId64 " requests survived\nok\n", tried, to);
    return 0;
}
