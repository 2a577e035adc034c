/* simulate.h: how cases of the simulation are written: as tests (harness.h), with the options of their runs.
 *
 *     SIM_TEST(crash, clients_see_every_answer_or_an_error, .faults = { .crash = 20000, .victims = "store" })
 *     {
 *         simulate(2, body);
 *     }
 *
 * (TEST where there are none.) `simulate` runs the body as the root process, by tr_main, on so many virtual workers (0:
 * 1 to 4, by the seed). Faults happen between inject(true) and inject(false). What the cases cause on purpose is not
 * logged. */
#ifndef TROUPE_TESTS_SIMULATION_SIMULATE_H
#define TROUPE_TESTS_SIMULATION_SIMULATE_H

#include "harness.h"

#include <signal.h>
#include <time.h>
#include <troupe/sim.h>
#include <troupe/troupe.h>

#define UNUSED __attribute__((unused))

enum { READY = 1001, GO, QUESTION, ANSWER, WORD, LAST };

/* The options of one test's runs. */
struct sim_setting {
    const char *suite, *name;
    tr_sim_options options;
    uint64_t explored; /* > 0: all its orders, in at most so many runs, instead of seeds */
    struct sim_setting *next;
};
void sim_setting_add(struct sim_setting *setting);

#define SIM_SETTING(suite_name, test_name, explored_, ...)                                                \
    __attribute__((constructor)) static void suite_name##_##test_name##_set(void)                         \
    {                                                                                                     \
        static struct sim_setting setting = {                                                             \
            .suite = #suite_name, .name = #test_name, .explored = (explored_), .options = { __VA_ARGS__ } \
        };                                                                                                \
        sim_setting_add(&setting);                                                                        \
    }                                                                                                     \
    TEST(suite_name, test_name)

#define SIM_TEST(suite_name, test_name, ...) SIM_SETTING(suite_name, test_name, 0, __VA_ARGS__)

/* Every order of what its processes do between inject(true) and inject(false), in at most so many runs; an exploration
 * that does not get through within them fails. */
#define EXPLORE_TEST(suite_name, test_name, most_runs) SIM_SETTING(suite_name, test_name, most_runs, .seed = 1)

static void (*simulated_body)(void);

static void enter_simulated(const tr_msg *arg)
{
    (void)arg;
    simulated_body();
    tr_sim_inject(false);
}

static void drop_record(const tr_log_record *record, void *arg)
{
    (void)record;
    (void)arg;
}

static const tr_config quiet_config = { .workers = 1, .log = drop_record, .quiet_restarts = true };

UNUSED static void simulate(int workers, void (*body)(void))
{
    tr_config config = quiet_config;
    config.workers = workers > 0 ? workers : 1 + (int)tr_sim_random(4);
    simulated_body = body;
    CHECK_EQ(tr_main(&config, enter_simulated, NULL, 0), 0);
}

/* Waits until the process has ended; why. */
UNUSED static tr_reason await_end(tr_pid pid)
{
    tr_reason reason;
    CHECK_EQ(tr_await_down(tr_monitor(pid), TR_INFINITY, &reason), TR_OK);
    return reason;
}

UNUSED static void kill_and_await(tr_pid pid)
{
    tr_exit_signal(pid, TR_KILL);
    await_end(pid);
}

UNUSED static const tr_msg *await_tag(int tag) { return tr_receive_match(&(tr_match){ .tag = tag }, TR_INFINITY); }

/* Waits for ever. */
UNUSED static void waiter(const tr_msg *arg)
{
    (void)arg;
    for (;;)
        tr_receive(TR_INFINITY);
}

/* From a thread of the simulator's: SIGTERM at some time within so many ns, once *begun says that the runtime has its
 * handler. */
UNUSED static void terminate_within(uint32_t ns, const int *begun)
{
    struct timespec pause = { .tv_nsec = 20000 };
    while (*begun == 0)
        nanosleep(&pause, NULL);
    pause.tv_nsec = (long)tr_sim_random(ns);
    nanosleep(&pause, NULL);
    tr_sim_raise(SIGTERM);
}

#endif
