/* runs_test.c: what is said of runs: verdicts, traces as text, and who can't go on in a run that nobody ends. */
#include "refusals/refuse.h"
#include "simulator/program.h"
#include "simulator/said.h"

#include "base/trace.h"
#include "sim/machine.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

WRAP(pid_t, fork, (void), (), -1)
WRAP(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options), -1)
WRAP(void *, mmap, (void *at, size_t size, int protection, int flags, int fd, off_t offset),
     (at, size, protection, flags, fd, offset), MAP_FAILED)

/* ---- verdicts */

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

/* Makes the file of mkstemp's template. */
static void trace_to(char *path)
{
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    CHECK_EQ(setenv("TR_SIM_TRACE", path, 1), 0);
}

static int tells_of_something_new(void *unused) { return (void)unused, sim_event(200, 0), 0; }

TEST(simulator_runs, the_trace_as_text_is_the_same_twice)
{
    static char first[1 << 20], second[1 << 20];
    char path[] = "/tmp/sim-trace-XXXXXX";
    trace_to(path);
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
    trace_to(path);
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
