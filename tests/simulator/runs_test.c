/* runs_test.c: what is said of runs that fail, and how they are run again: verdicts, sweeps, scripts of faults, the
 * exhaustive mode and its bounds. */
#include "refusals/refuse.h"
#include "simulator/said.h"

#include "base/trace.h"
#include "sim/machine.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <troupe/troupe.h>
#include <unistd.h>

WRAP(pid_t, fork, (void), (), -1)
WRAP(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options), -1)
WRAP(void *, mmap, (void *at, size_t size, int protection, int flags, int fd, off_t offset),
     (at, size, protection, flags, fd, offset), MAP_FAILED)
WRAP(FILE *, fopen, (const char *path, const char *mode), (path, mode), NULL)

/* ---- programs */

static const tr_config quiet = { .workers = 2 };

static void drop(const tr_log_record *record, void *arg)
{
    (void)record;
    (void)arg;
}

static int with_root(tr_entry *root)
{
    tr_config config = quiet;
    config.log = drop;
    return tr_main(&config, root, NULL, 0);
}

static void sleeps(const tr_msg *unused)
{
    (void)unused;
    tr_sleep(100);
}
static int passes(void *unused) { return (void)unused, with_root(sleeps); }

static int returns_three(void *unused) { return (void)unused, 3; }
static int ends_with_five(void *unused)
{
    (void)unused;
    _exit(5);
}
static int kills_itself(void *signal_number)
{
    kill(getpid(), *(int *)signal_number);
    return 0;
}
static int aborts(void *unused)
{
    (void)unused;
    abort();
}
static int leaves_a_runtime(void *unused) { return (void)unused, tr_boot(&quiet); }
static int runs_a_run(void *unused) { return (void)unused, tr_sim_run(NULL, passes, NULL, NULL); }

static tr_sim_result failed_run(int (*program)(void *arg), void *arg, const tr_sim_options *options)
{
    static const tr_sim_options none = { .seed = 1 };
    tr_sim_result result;
    CHECK_EQ(tr_sim_try(options == NULL ? &none : options, program, arg, &result), TR_ECALLBACK);
    return result;
}

#define EXPECT_FAILURE(program, arg, options, expected) \
    CHECK_STR(failed_run((program), (arg), (options)).failure, (expected))

TEST(simulator_runs, the_verdict_says_how_a_run_ended)
{
    static int alarm_signal = SIGALRM, kill_signal = SIGKILL;
    EXPECT_FAILURE(returns_three, NULL, NULL, "the program returned 3");
    EXPECT_FAILURE(ends_with_five, NULL, NULL, "ended with status 5");
    EXPECT_FAILURE(kills_itself, &kill_signal, NULL, "ended by signal 9");
    EXPECT_FAILURE(kills_itself, &alarm_signal, NULL, "no end after 120 s of real time");
    EXPECT_FAILURE(aborts, NULL, NULL, "aborted");
    EXPECT_FAILURE(runs_a_run, NULL, NULL, "a run inside of a run");
    tr_sim_result left = failed_run(leaves_a_runtime, NULL, NULL);
    CHECK(strstr(left.failure, "threads are left") != NULL);
    CHECK_EQ(left.status, -1);
    CHECK_EQ(tr_sim_try(&(tr_sim_options){ .seed = 1 }, passes, NULL, NULL), TR_OK);
}

TEST(simulator_runs, a_run_has_limits)
{
    EXPECT_FAILURE(passes, NULL, (&(tr_sim_options){ .max_steps = 500 }), "no end after 500 steps");
    EXPECT_FAILURE(passes, NULL, (&(tr_sim_options){ .max_ms = 20 }), "no end after 20 ms of virtual time");
    CHECK_EQ(tr_sim_try(&(tr_sim_options){ .max_ms = 2000, .max_steps = 50000000, .changes = 9, .stall_ms = 5 }, passes,
                        NULL, NULL),
             TR_OK);
}

TEST(simulator_runs, without_a_process_or_memory_there_is_no_verdict)
{
    const tr_sim_options options = { .seed = 1 };
    tr_sim_result result;
    REFUSE(fork, 1, EAGAIN);
    CHECK_EQ(tr_sim_try(&options, passes, NULL, &result), TR_ELIMIT);
    REFUSE(mmap, 1, ENOMEM);
    CHECK_EQ(tr_sim_try(&options, passes, NULL, &result), TR_ENOMEM);
    REFUSE(waitpid, 1, ECHILD); /* somebody else has waited for it */
    CHECK_EQ(tr_sim_try(&options, passes, NULL, &result), TR_ELIMIT);
    CHECK_EQ(tr_sim_try(&options, passes, NULL, &result), TR_OK);
}

/* ---- here, and again */

TEST(simulator_runs, a_run_in_this_process_may_follow_another)
{
    if (HARNESS_ASAN)
        SKIP("the first thread's context of a run is left to the end of its process");
    tr_sim_result first, second;
    CHECK_EQ(tr_sim_run(NULL, passes, NULL, NULL), 0);
    CHECK_EQ(tr_sim_run(&(tr_sim_options){ .seed = 9 }, passes, NULL, &first), 0);
    CHECK_EQ(tr_sim_run(&(tr_sim_options){ .seed = 9 }, returns_three, NULL, &second), 3);
    CHECK_EQ(second.status, 3);
    CHECK_EQ(tr_sim_run(&(tr_sim_options){ .seed = 9 }, passes, NULL, &second), 0);
    CHECK_EQ(second.status, 0);
    CHECK(second.virtual_ns >= 100 * INT64_C(1000000));
    CHECK(first.virtual_ns >= 100 * INT64_C(1000000));
}

static void read_file(const char *path, char *to, size_t size)
{
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    to[fread(to, 1, size - 1, file)] = '\0';
    fclose(file);
}

static int tells_of_something_new(void *unused) { return (void)unused, sim_event(200, 0), 0; }

TEST(simulator_runs, the_trace_as_text_is_the_same_twice)
{
    static char first[1 << 20], second[1 << 20];
    char path[] = "/tmp/sim-trace-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    CHECK_EQ(setenv("TR_SIM_TRACE", path, 1), 0);
    CHECK_EQ(tr_sim_try(&(tr_sim_options){ .seed = 4 }, passes, NULL, NULL), TR_OK);
    read_file(path, first, sizeof first);
    CHECK_EQ(tr_sim_try(&(tr_sim_options){ .seed = 4 }, passes, NULL, NULL), TR_OK);
    read_file(path, second, sizeof second);
    CHECK(strstr(first, " spawn ") != NULL && strstr(first, " run ") != NULL);
    CHECK_STR(first, second);
    CHECK_EQ(tr_sim_try(&(tr_sim_options){ .seed = 4 }, tells_of_something_new, NULL, NULL), TR_OK);
    read_file(path, first, sizeof first);
    unlink(path);
    CHECK(strstr(first, " ? ") != NULL);
    tr_sim_result result;
    CHECK_EQ(setenv("TR_SIM_TRACE", "/tmp/sim-trace-none/trace", 1), 0);
    CHECK_EQ(tr_sim_try(&(tr_sim_options){ .seed = 4 }, passes, NULL, &result), TR_ECALLBACK);
    CHECK_STR(result.failure, "TR_SIM_TRACE: /tmp/sim-trace-none/trace: No such file or directory");
}

static int has_every_event(void *unused)
{
    (void)unused;
#define TRACE_X(kind, number, name, word) sim_event(kind, 7);
    TRACE_KINDS(TRACE_X)
#undef TRACE_X
    sim_event(UINT8_MAX, 7);
    return 0;
}

TEST(simulator_runs, the_trace_as_text_names_every_kind_of_event)
{
    static char all[1 << 16];
    char path[] = "/tmp/sim-trace-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    CHECK_EQ(setenv("TR_SIM_TRACE", path, 1), 0);
    CHECK_EQ(tr_sim_try(&(tr_sim_options){ .seed = 4 }, has_every_event, NULL, NULL), TR_OK);
    read_file(path, all, sizeof all);
    unlink(path);
#define TRACE_X(kind, number, name, word) \
    CHECK(strstr(all, (kind) == TRACE_LABEL ? " " name " 0 " : " " name " 7 ") != NULL);
    TRACE_KINDS(TRACE_X)
#undef TRACE_X
    CHECK(strstr(all, " ? 7 ") != NULL);
}

/* ---- who can't go on */

static int keeps_quiet(void *state, const tr_msg *message)
{
    (void)state;
    (void)message;
    return TR_OK;
}
static const tr_actor deaf = { .label = "deaf", .handle = keeps_quiet },
                      other = { .label = "other", .handle = keeps_quiet };
static tr_pid deaf_one;

static void calls_for_ever(void *unused)
{
    (void)unused;
    int status = tr_call(deaf_one, 1, NULL, 0, NULL, 0, TR_INFINITY);
    tr_sim_fail("answered: %d", status);
}

static void process_that_calls(const tr_msg *unused)
{
    (void)unused;
    calls_for_ever(NULL);
}

static void waits_for_ever(const tr_msg *unused)
{
    (void)unused;
    tr_receive(TR_INFINITY);
}

static int deadlocks(void *unused)
{
    (void)unused;
    CHECK_EQ(tr_boot(&quiet), TR_OK);
    deaf_one = tr_spawn_actor(&deaf, NULL, 0, NULL);
    tr_pid suspended = tr_spawn_actor(&other, NULL, 0, NULL);
    CHECK_EQ(tr_suspend(suspended, 1000), TR_OK);
    CHECK_EQ(tr_send(suspended, 1, NULL, 0), TR_OK);
    tr_spawn(process_that_calls, NULL, 0);
    int thread = tr_sim_thread_start(calls_for_ever, NULL);
    for (int i = 0; i < 50; i++)
        tr_spawn(waits_for_ever, NULL, 0);
    tr_sim_thread_join(thread);
    return 0;
}

static void ends_at_once(const tr_msg *unused) { (void)unused; }
static void nothing(void *unused) { (void)unused; }

static int deadlocks_with_few(void *unused)
{
    (void)unused;
    tr_sim_thread_join(tr_sim_thread_start(nothing, NULL)); /* an ended thread and an ended process are not listed */
    CHECK_EQ(tr_boot(&quiet), TR_OK);
    tr_pid ended = tr_spawn(ends_at_once, NULL, 0);
    while (tr_is_alive(ended))
        tr_sleep(1);
    deaf_one = tr_spawn_actor(&deaf, NULL, 0, NULL);
    calls_for_ever(NULL);
    return 0;
}

static void joins_its_maker(void *unused)
{
    (void)unused;
    tr_sim_thread_join(1); /* the first thread's number */
}

static int joins_each_other(void *unused)
{
    (void)unused;
    tr_sim_thread_join(tr_sim_thread_start(joins_its_maker, NULL));
    return 0;
}

TEST(simulator_runs, a_deadlock_lists_threads_and_processes)
{
    listen_to_stderr();
    tr_sim_result result = failed_run(deadlocks, NULL, NULL);
    what_was_said();
    CHECK_STR(result.failure, "deadlock");
    CHECK_SAID("nobody can go on");
    CHECK_SAID("thread 0 waits for: end of a thread");
    CHECK_SAID("(deaf) is idle");
    CHECK_SAID("(other) ");
    CHECK_SAID("is blocked");
    int listed = 0;
    for (const char *at = text; (at = strstr(at, "    process ")) != NULL; at++)
        listed++;
    CHECK_EQ(listed, 40);
    listen_to_stderr();
    result = failed_run(deadlocks_with_few, NULL, NULL);
    what_was_said();
    CHECK_STR(result.failure, "deadlock");
    CHECK_SAID("(deaf) is idle");
    CHECK(strstr(text, "thread 1 ") == NULL && strstr(text, "<0.0.1>") == NULL);
    listen_to_stderr();
    result = failed_run(joins_each_other, NULL, NULL);
    what_was_said();
    CHECK_STR(result.failure, "deadlock");
    CHECK_SAID("thread 1 waits for: end of a thread");
    CHECK(strstr(text, "process") == NULL); /* there is no runtime */
}

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

TEST(simulator_runs, the_script_of_what_happened_is_the_same_run)
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

TEST(simulator_runs, who_watches_the_root_is_no_victim)
{
    for (uint64_t seed = 1; seed <= 10; seed++)
        CHECK_EQ(tr_sim_try(&(tr_sim_options){ .seed = seed, .faults = { .crash = 1000000, .most = 100 } },
                            injects_to_the_end, NULL, NULL),
                 TR_OK);
}

TEST(simulator_runs, what_is_no_script_is_refused)
{
    EXPECT_FAILURE(never_fails, NULL, (&(tr_sim_options){ .script = "explode@3" }), "not a fault: explode@3");
    EXPECT_FAILURE(never_fails, NULL, (&(tr_sim_options){ .script = "crash@2,crash" }), "not a fault: crash");
    CHECK_EQ(tr_sim_try(&(tr_sim_options){ .script = "crash@1," }, never_fails, NULL, NULL), TR_OK);
}

TEST(simulator_runs, a_script_holds_as_many_faults_as_fit)
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

TEST(simulator_runs, a_failing_sweep_tells_the_seed_and_the_least_faults_which_fail_again)
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

TEST(simulator_runs, several_runs_at_a_time_find_the_same)
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

TEST(simulator_runs, seeds_are_a_range_or_one_number_and_all_else_is_refused)
{
    static const char *const wrong[] = { "many", "", "3..", "..3", "5..3", "-1", "1..2..3", "4 " };
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

TEST(simulator_runs, a_sweep_without_processes_memory_or_its_own_command_says_what_it_can)
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

/* In a child: fails here, which ends the process. */
TEST(simulator_runs, a_failed_run_in_this_process_aborts_it_and_says_how_to_repeat_it)
{
    int status;
    listen_to_stderr();
    pid_t child = fork();
    if (child == 0) {
        tr_sim_run(&(tr_sim_options){ .seed = 77, .max_ms = 20 }, passes, NULL, NULL);
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    what_was_said();
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK_SAID("simulation: seed 77: no end after 20 ms of virtual time");
    CHECK_SAID("rerun: TR_SIM_SEEDS=77..77");
    CHECK(strstr(text, "TR_SIM_ONLY") == NULL);
    listen_to_stderr();
    child = fork();
    if (child == 0) {
        const tr_sim_case limited = { .name = "limited", .program = passes, .options = { .max_ms = 20 } };
        _exit((int)tr_sim_sweep(&limited, 5, 5));
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    what_was_said();
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK_SAID("simulation limited: seed 5: no end");
    CHECK_SAID("TR_SIM_ONLY='limited'");
}
