/* system_test.c: the calls that the simulator stands in for, but for threads (threads_test.c), descriptors
 * (descriptors_test.c) and sockets: they do what the system's do, as far as the runtime uses them, and what it does not
 * use, or must not do, fails the run by name. */
#include "simulator/body.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <troupe/troupe.h>
#include <unistd.h>

#define MUST(condition) TR_SIM_CHECK(condition)

/* ---- by number */

static int word;

static void unknown_futex(void) { sim_syscall(SYS_futex, &word, FUTEX_REQUEUE, 1, NULL, NULL, 0); }
static void unknown_call(void) { sim_syscall(SYS_getppid); }
static void futex_body(void)
{
    const struct timespec brief = { .tv_nsec = 1000 };
    MUST(sim_syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0) == -1 && errno == EAGAIN);
    int64_t begin = tr_sim_now_ns();
    MUST(sim_syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &brief, NULL, 0) == -1 && errno == ETIMEDOUT);
    MUST(tr_sim_now_ns() - begin >= 1000);
    MUST(sim_syscall(SYS_gettid) == 1);
    unsigned char bytes[8] = { 0 };
    MUST(sim_getrandom(bytes, 5, 0) == 5); /* not one more */
    MUST(bytes[5] == 0 && bytes[6] == 0 && bytes[7] == 0 &&
         (bytes[0] | bytes[1] | bytes[2] | bytes[3] | bytes[4]) != 0);
    MUST(sim_getrandom((void *)8, 5, 0) == -1 && errno == EFAULT);
}

TEST(simulated_system, a_call_that_is_not_simulated_fails_the_run_by_its_number)
{
    simulate(futex_body);
    expect_failure(unknown_futex, "futex operation 3 is not simulated");
    char expected[64];
    snprintf(expected, sizeof expected, "system call %d is not simulated", (int)SYS_getppid);
    expect_failure(unknown_call, expected);
}

/* ---- signals */

static int signals_seen;
static void note_signal(int number) { signals_seen += number == SIGUSR1; }
static void note_with_info(int number, siginfo_t *info, void *context)
{
    (void)context;
    signals_seen += 10 * (number == SIGUSR2 && info->si_signo == number);
}

static void signals_body(void)
{
    struct sigaction before, plain = { .sa_handler = note_signal }, ignored = { .sa_handler = SIG_IGN };
    struct sigaction informed = { .sa_flags = SA_SIGINFO, .sa_sigaction = note_with_info };
    stack_t stack = { .ss_flags = 1 };
    MUST(sim_sigaction(SIGUSR1, &plain, NULL) == 0 && sim_sigaction(SIGUSR2, &informed, NULL) == 0);
    MUST(sim_sigaction(SIGHUP, &ignored, &before) == 0 && before.sa_handler == SIG_DFL);
    tr_sim_raise(SIGUSR1);
    MUST(signals_seen == 1);
    tr_sim_raise(SIGUSR2);
    MUST(signals_seen == 11);
    tr_sim_raise(SIGHUP);
    MUST(signals_seen == 11);
    MUST(sim_signal(SIGUSR1, SIG_IGN) == note_signal && sim_signal(SIGUSR2, SIG_IGN) == SIG_DFL);
    tr_sim_raise(SIGUSR1);
    MUST(signals_seen == 11);
    MUST(sim_sigaltstack(NULL, &stack) == 0 && stack.ss_flags == 0);
    MUST(sim_signal(SIGSEGV, SIG_IGN) == SIG_DFL); /* faults are the system's */
    MUST(signal(SIGSEGV, SIG_DFL) == SIG_IGN);
}
static void terminates(void) { tr_sim_raise(SIGTERM); }
static void raises_abort(void) { tr_sim_raise(SIGABRT); }

static void waits_in_handler(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    (void)context;
    sim_yield(); /* others are not let run, and that is no failure */
    sim_usleep(1);
}
static void waits_while_frozen(void)
{
    struct sigaction action = { .sa_flags = SA_SIGINFO, .sa_sigaction = waits_in_handler };
    sim_sigaction(SIGFPE, &action, NULL);
    tr_sim_raise(SIGFPE);
}

TEST(simulated_system, signals_are_kept_and_raised_on_the_calling_thread)
{
    simulate(signals_body);
    expect_failure(terminates, "signal 15 ends the program");
    expect_failure(raises_abort, "aborted");
    expect_failure(waits_while_frozen, "time: would wait inside a signal's handler");
}

/* ---- memory, in the turn of a process */

static void asks_for_memory(const tr_msg *unused)
{
    (void)unused;
    char *block = sim_malloc(8);
    MUST(block != NULL);
    tr_sim_inject(true);
    errno = 0;
    MUST(sim_malloc(8) == NULL && errno == ENOMEM);
    MUST(sim_calloc(1, 8) == NULL && sim_realloc(block, 16) == NULL);
    MUST(sim_mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    tr_sim_inject(false);
    block = sim_realloc(block, 16);
    MUST(block != NULL);
    free(block);
}
static void drop(const tr_log_record *record, void *arg)
{
    (void)record;
    (void)arg;
}
static void memory_body(void)
{
    const tr_config config = { .workers = 1, .log = drop };
    MUST(tr_main(&config, asks_for_memory, NULL, 0) == 0);
}

TEST(simulated_system, memory_is_refused_in_the_turn_of_a_process_alone)
{
    tr_sim_result result;
    the_body = memory_body;
    const tr_sim_options options = { .seed = 1, .faults = { .no_memory = 1000000, .most = 100 } };
    CHECK_EQ(tr_sim_try(&options, run_body, NULL, &result), TR_OK);
    CHECK_STR(result.script, "nomem@1,nomem@2,nomem@3,nomem@4");
}
