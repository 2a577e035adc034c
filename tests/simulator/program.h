/* program.h: the programs that the tests of whole runs give to the simulator. */
#ifndef TROUPE_TESTS_SIMULATOR_PROGRAM_H
#define TROUPE_TESTS_SIMULATOR_PROGRAM_H

#include "harness.h"

#include <troupe/sim.h>
#include <troupe/troupe.h>

static inline void drop_record(const tr_log_record *record, void *arg)
{
    (void)record;
    (void)arg;
}
static const tr_config quiet = { .workers = 2, .log = drop_record };

static inline int with_root(tr_entry *root) { return tr_main(&quiet, root, NULL, 0); }

static inline tr_sim_result failed_run(int (*program)(void *arg), void *arg, const tr_sim_options *options)
{
    static const tr_sim_options none = { .seed = 1 };
    tr_sim_result result;
    CHECK_EQ(tr_sim_try(options == NULL ? &none : options, program, arg, &result), TR_ECALLBACK);
    return result;
}

#define EXPECT_FAILURE(program, arg, options, expected) \
    CHECK_STR(failed_run((program), (arg), (options)).failure, (expected))

#endif
