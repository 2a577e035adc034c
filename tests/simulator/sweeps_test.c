/* sweeps_test.c: how runs that fail are run again: scripts of the faults that there were, and sweeps over seeds, which
 * shrink them and print the line that repeats the run. */
#include "refusals/refuse.h"
#include "simulator/program.h"
#include "simulator/said.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

WRAP(pid_t, fork, (void), (), -1)
WRAP(void *, mmap, (void *at, size_t size, int protection, int flags, int fd, off_t offset),
     (at, size, protection, flags, fd, offset), MAP_FAILED)
WRAP(FILE *, fopen, (const char *path, const char *mode), (path, mode), NULL)

/* ---- faults and their scripts */

static int counts(void *state, const tr_msg *message)
{
    (void)message;
    ++*(int *)state;
    return TR_OK;
}
static const tr_actor victim = { .label = "store", .state_size = sizeof(int), .handle = counts };
static const tr_actor bystander = { .label = "stores", .state_size = sizeof(int), .handle = counts };
static bool crashed;

static void needs_the_store(const tr_msg *unused)
{
    (void)unused;
    tr_ref monitor;
    tr_pid store = tr_spawn_actor(&victim, NULL, 0,
                                  &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR, .monitor = &monitor });
    tr_pid spared = tr_spawn_actor(&bystander, NULL, 0, NULL);
    tr_sim_inject(true);
    for (int i = 0; i < 60; i++) {
        tr_send(store, 1, NULL, 0);
        tr_send(spared, 1, NULL, 0);
        tr_sleep(1);
    }
    tr_sim_inject(false);
    crashed = !tr_is_alive(store);
    TR_SIM_CHECK(tr_is_alive(spared));
}

static int fails_if_the_store_crashed(void *unused)
{
    (void)unused;
    return with_root(needs_the_store) != 0 || crashed;
}
static int never_fails(void *unused) { return (void)unused, with_root(needs_the_store); }

#define FAULTS                                                                        \
    {                                                                                 \
        .crash = 30000, .stall = 20000, .most = 6, .victims = "storehouse,store,shop" \
    }

TEST(simulator_sweeps, the_script_of_what_happened_is_the_same_run)
{
    tr_sim_result drawn, scripted;
    int with_faults = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        tr_sim_options options = { .seed = seed, .faults = FAULTS };
        CHECK_EQ(tr_sim_try(&options, never_fails, NULL, &drawn), TR_OK);
        options.script = drawn.script;
        options.faults.crash = options.faults.stall = 0;
        CHECK_EQ(tr_sim_try(&options, never_fails, NULL, &scripted), TR_OK);
        CHECK_STR(drawn.script, scripted.script);
        CHECK(drawn.hash == scripted.hash);
        with_faults += drawn.script[0] != '\0';
    }
    CHECK(with_faults > 5);
}

static void keeps_injecting(const tr_msg *unused)
{
    (void)unused;
    tr_pid store = tr_spawn_actor(&victim, NULL, 0, NULL);
    tr_sim_inject(true); /* to its end, which its watcher hears of */
    tr_critical_begin();
    TR_SIM_CHECK(tr_is_alive(store)); /* nobody exits out of a critical section */
    tr_critical_end();
}
static int injects_to_the_end(void *unused) { return (void)unused, with_root(keeps_injecting); }

TEST(simulator_sweeps, who_watches_the_root_is_no_victim)
{
    for (uint64_t seed = 1; seed <= 10; seed++)
        CHECK_EQ(tr_sim_try(&(tr_sim_options){ .seed = seed, .faults = { .crash = 1000000, .most = 100 } },
                            injects_to_the_end, NULL, NULL),
                 TR_OK);
}

TEST(simulator_sweeps, what_is_no_script_is_refused)
{
    EXPECT_FAILURE(never_fails, NULL, (&(tr_sim_options){ .script = "explode@3" }), "not a fault: explode@3");
    EXPECT_FAILURE(never_fails, NULL, (&(tr_sim_options){ .script = "crash@2,crash" }), "not a fault: crash");
    CHECK_EQ(tr_sim_try(&(tr_sim_options){ .script = "crash@1," }, never_fails, NULL, NULL), TR_OK);
}

TEST(simulator_sweeps, a_script_holds_as_many_faults_as_fit)
{
    char many[2000] = "";
    for (int i = 1; i <= 80; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "%sstall@%d:%d", i > 1 ? "," : "", i * 3,
                 1000000 + i);
    tr_sim_result result, longest = { .seed = 0 };
    for (uint64_t seed = 1; seed <= 12; seed++) { /* some have too few decisions for so many */
        const tr_sim_options options = { .seed = seed, .policy = TR_SIM_RANDOM, .script = many };
        CHECK_EQ(tr_sim_try(&options, never_fails, NULL, &result), TR_OK);
        if (strlen(result.script) > strlen(longest.script))
            longest = result;
    }
    for (uint64_t seed = 1; seed <= 12; seed++) { /* nor do more than it holds do harm */
        const tr_sim_options options = { .seed = seed,
                                         .policy = TR_SIM_RANDOM,
                                         .faults = { .stall = 1000000, .most = 1000 } };
        CHECK_EQ(tr_sim_try(&options, never_fails, NULL, &result), TR_OK);
        CHECK(strncmp(result.script, "stall@1:", 8) == 0);
    }
    size_t length = strlen(longest.script);
    CHECK(length > 400 && length < sizeof longest.script);
    CHECK(strncmp(longest.script, many, length) == 0); /* whole faults */
    CHECK_EQ(many[length], ',');
}

/* ---- sweeps */

static const tr_sim_case shop = { .name = "shop",
                                  .program = fails_if_the_store_crashed,
                                  .options = { .faults = FAULTS } };

/* The value behind `name=` in what was said; "'" ends it, or a space. */
static void take(const char *name, char *to, size_t size)
{
    const char *at = strstr(text, name);
    CHECK(at != NULL);
    at += strlen(name);
    at += *at == '\'';
    size_t length = strcspn(at, "' \n");
    CHECK(length < size);
    memcpy(to, at, length);
    to[length] = '\0';
}

TEST(simulator_sweeps, a_failing_sweep_tells_the_seed_and_the_least_faults_which_fail_again)
{
    char seeds[64], script[256];
    unsigned failures = 0;
    for (uint64_t from = 1; from < 300; from += 30) { /* the first that fails has more faults than it needs, or none */
        listen_to_stderr();
        failures = tr_sim_sweep(&shop, from, from + 200);
        what_was_said();
        take("TR_SIM_FAULTS=", script, sizeof script);
        CHECK(strstr(script, "crash@") != NULL); /* and a stall at most that moves it to the store */
    }
    CHECK(failures > 0);
    CHECK_SAID("simulation shop: seed ");
    CHECK_SAID("TR_SIM_ONLY='shop'");
    take("TR_SIM_SEEDS=", seeds, sizeof seeds);
    take("TR_SIM_FAULTS=", script, sizeof script);
    CHECK(strstr(script, "crash@") != NULL);
    CHECK_EQ(setenv("TR_SIM_SEEDS", seeds, 1), 0);
    CHECK_EQ(setenv("TR_SIM_FAULTS", script, 1), 0);
    CHECK_EQ(setenv("TR_SIM_ONLY", "shop", 1), 0);
    listen_to_stderr();
    CHECK_EQ(tr_sim_sweep(&shop, 1, 200), 1); /* one seed: in this process */
    what_was_said();
    CHECK_SAID("the program returned 1");
    CHECK_EQ(setenv("TR_SIM_ONLY", "another", 1), 0);
    CHECK_EQ(tr_sim_sweep(&shop, 1, 200), 0);
}

static int fails_at_odd_seeds(void *unused)
{
    (void)unused;
    return (int)(tr_sim_seed() % 2);
}
static int passes_at_once(void *unused) { return (void)unused, 0; }

TEST(simulator_sweeps, several_runs_at_a_time_find_the_same)
{
    static const char *const jobs[] = { "4", "0", "1000", "-3" };
    const tr_sim_case odd = { .name = "odd", .program = fails_at_odd_seeds };
    const tr_sim_case good = { .name = "good", .program = passes_at_once };
    for (size_t i = 0; i < TR_COUNT(jobs); i++) {
        CHECK_EQ(setenv("TR_SIM_JOBS", jobs[i], 1), 0);
        CHECK_EQ(tr_sim_sweep(&good, 1, 100), 0);
        CHECK_EQ(tr_sim_sweep(&odd, 2, 2), 0);
        listen_to_stderr();
        unsigned failures = tr_sim_sweep(&odd, 1, 100);
        what_was_said();
        CHECK(failures > 0 && failures <= 64);
        CHECK_SAID("simulation odd: seed ");
        CHECK_SAID("the program returned 1");
        CHECK(strstr(text, "TR_SIM_FAULTS") == NULL); /* there were none */
    }
}

TEST(simulator_sweeps, seeds_are_a_range_or_one_number_and_all_else_is_refused)
{
    static const char *const wrong[] = { "many", "", "3..", "..3", "5..3", "-1", "1..2..3", "1..x", "4 " };
    const tr_sim_case odd = { .name = "odd", .program = fails_at_odd_seeds };
    const tr_sim_case good = { .name = "good", .program = passes_at_once };
    for (size_t i = 0; i < TR_COUNT(wrong); i++) {
        CHECK_EQ(setenv("TR_SIM_SEEDS", wrong[i], 1), 0);
        listen_to_stderr();
        CHECK_EQ(tr_sim_sweep(&good, 1, 10), 1);
        what_was_said();
        CHECK_SAID("simulation good: TR_SIM_SEEDS takes FROM..TO or one seed, not '");
    }
    CHECK_EQ(setenv("TR_SIM_SEEDS", "2..2", 1), 0);
    CHECK_EQ(tr_sim_sweep(&odd, 1, 100), 0);
    CHECK_EQ(setenv("TR_SIM_SEEDS", "4", 1), 0);
    CHECK_EQ(tr_sim_sweep(&odd, 1, 100), 0);
    CHECK_EQ(setenv("TR_SIM_SEEDS", "2..9", 1), 0);
    listen_to_stderr();
    CHECK(tr_sim_sweep(&odd, 2, 2) > 0);
    what_was_said();
    CHECK_SAID("simulation odd: seed 3: ");
}

TEST(simulator_sweeps, a_sweep_without_processes_memory_or_its_own_command_says_what_it_can)
{
    const tr_sim_case good = { .name = "good", .program = passes_at_once };
    listen_to_stderr();
    REFUSE(fork, 1, EAGAIN);
    CHECK_EQ(tr_sim_sweep(&good, 1, 10), 1);
    REFUSE(mmap, 1, ENOMEM);
    CHECK(tr_sim_sweep(&good, 1, 10) > 0);
    what_was_said();
    CHECK_SAID("no process to be had");
    listen_to_stderr();
    REFUSE(fopen, 1, EMFILE);
    REFUSE_AFTER(mmap, 1, 1, ENOMEM); /* the first is the run's, the second the shrinker's */
    CHECK(tr_sim_sweep(&shop, 1, 200) > 0);
    what_was_said();
    CHECK_SAID("rerun: TR_SIM_SEEDS=");
    listen_to_stderr();
    CHECK_EQ(setenv("TR_SIM_JOBS", "2", 1), 0);
    REFUSE_AFTER(mmap, 1, 1, ENOMEM);
    CHECK_EQ(tr_sim_sweep(&good, 1, 10), 0); /* with one place instead of two */
    pid_t stranger = fork();
    if (stranger == 0)
        _exit(7);
    CHECK_EQ(tr_sim_sweep(&good, 1, 50), 0); /* a child that is none of its own is waited for, and no failure */
    what_was_said();
}
