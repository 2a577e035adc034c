/* body.h: a body that runs in simulation: under some seeds, where all that it checks must hold; or once, where the run
 * must fail and say why. */
#ifndef TROUPE_TESTS_SIMULATOR_BODY_H
#define TROUPE_TESTS_SIMULATOR_BODY_H

#include "harness.h"

#include "sim/machine.h"
#include "sim/system.h"

static void (*the_body)(void);
static inline int run_body(void *unused)
{
    (void)unused;
    the_body();
    return 0;
}

static inline void simulate_with(tr_sim_options options, void (*body)(void))
{
    the_body = body;
    for (options.seed = 1; options.seed <= 10; options.seed++) {
        tr_sim_result result;
        if (tr_sim_try(&options, run_body, NULL, &result) != TR_OK)
            harness_fail(__FILE__, __LINE__, "seed %d: %s", (int)options.seed, result.failure);
    }
}
static inline void simulate(void (*body)(void)) { simulate_with((tr_sim_options){ .seed = 1 }, body); }

static inline void expect_failure(void (*body)(void), const char *expected)
{
    tr_sim_result result;
    the_body = body;
    CHECK_EQ(tr_sim_try(&(tr_sim_options){ .seed = 1 }, run_body, NULL, &result), TR_ECALLBACK);
    CHECK_STR(result.failure, expected);
}

#endif
