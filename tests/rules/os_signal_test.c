/* os_signal_test.c: the system's signals beside handlers that others have installed, before the start and after it, in
 * forked children, and while the main thread waits. */
#include "support.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static int plain_calls, info_calls;
static void plain_handler(int number)
{
    (void)number;
    __atomic_add_fetch(&plain_calls, 1, __ATOMIC_RELAXED);
}
static void info_handler(int number, siginfo_t *info, void *context)
{
    (void)context;
    __atomic_add_fetch(&info_calls, info->si_signo == number, __ATOMIC_RELAXED);
}

static void raise_both(void)
{
    CHECK_EQ(tr_signal_subscribe(SIGUSR1), TR_OK);
    CHECK_EQ(tr_signal_subscribe(SIGUSR2), TR_OK);
    kill(getpid(), SIGUSR1);
    CHECK_EQ(RECEIVE(int, TR_MSG_SIGNAL), SIGUSR1);
    kill(getpid(), SIGUSR2);
    CHECK_EQ(RECEIVE(int, TR_MSG_SIGNAL), SIGUSR2);
}
TEST(os_signal, handlers_from_before_are_called_too_and_come_back)
{
    struct sigaction plain = { .sa_handler = plain_handler };
    struct sigaction info = { .sa_sigaction = info_handler, .sa_flags = SA_SIGINFO }, after;
    if (HARNESS_SIMULATED)
        SKIP("the signals are the system's");
    sigaction(SIGUSR1, &plain, NULL);
    sigaction(SIGUSR2, &info, NULL);
    run_on(1, raise_both);
    CHECK_EQ(plain_calls, 1);
    CHECK_EQ(info_calls, 1);
    sigaction(SIGUSR1, NULL, &after);
    CHECK(after.sa_handler == plain_handler);
    sigaction(SIGUSR2, NULL, &after);
    CHECK(after.sa_sigaction == info_handler);
}

static void take_over(void)
{
    struct sigaction plain = { .sa_handler = plain_handler };
    struct sigaction info = { .sa_sigaction = info_handler, .sa_flags = SA_SIGINFO };
    CHECK_EQ(tr_signal_subscribe(SIGUSR1), TR_OK);
    CHECK_EQ(tr_signal_subscribe(SIGUSR2), TR_OK);
    sigaction(SIGUSR1, &plain, NULL);
    sigaction(SIGUSR2, &info, NULL);
}
TEST(os_signal, handlers_that_took_over_stay)
{
    struct sigaction after;
    if (HARNESS_SIMULATED)
        SKIP("the signals are the system's");
    run_on(1, take_over);
    sigaction(SIGUSR1, NULL, &after);
    CHECK(after.sa_handler == plain_handler);
    sigaction(SIGUSR2, NULL, &after);
    CHECK((after.sa_flags & SA_SIGINFO) != 0 && after.sa_sigaction == info_handler);
}

/* A child has the handlers, but not the runtime: a signal does there what it does in any program. */
static void fork_and_raise(void)
{
    int status;
    CHECK_EQ(tr_signal_subscribe(SIGUSR1), TR_OK);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        tr_config config = { .workers = 1 };
        if (tr_boot(&config) != TR_ESTOPPED)
            _exit(1);
        raise(SIGUSR1);
        _exit(2);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
    CHECK(tr_receive_match(&(tr_match){ .tag = TR_MSG_SIGNAL }, 0) == NULL);
}
TEST(os_signal, a_forked_child_has_no_runtime_and_its_signals_are_its_own)
{
    if (HARNESS_SIMULATED)
        SKIP("the signals are the system's");
    if (HARNESS_TSAN)
        SKIP("a child of several threads");
    run_on(1, fork_and_raise);
}

static pthread_t main_thread;
static void interrupt_main(void)
{
    for (int i = 0; i < 20; i++) {
        pthread_kill(main_thread, SIGUSR2);
        tr_sleep(1);
    }
}
TEST(os_signal, the_main_thread_waits_on_when_a_signal_interrupts_it)
{
    struct sigaction plain = { .sa_handler = plain_handler }; /* not SA_RESTART */
    if (HARNESS_SIMULATED)
        SKIP("the signals are the system's");
    sigaction(SIGUSR2, &plain, NULL);
    main_thread = pthread_self();
    run_on(1, interrupt_main);
    CHECK(plain_calls > 0);
}

/* ---- messages to processes of the runtime's own */

static void write_to_all(void)
{
    tr_pid *list;
    size_t count;
    CHECK_EQ(tr_processes(&list, &count), TR_OK);
    CHECK(count >= 2); /* this one, and who watches it */
    for (size_t i = 0; i < count; i++)
        if (!tr_same(list[i], tr_self()))
            tr_send(list[i], WORD, "x", 1);
    tr_free(list);
    tr_sleep(1);
}
TEST(os_signal, messages_to_the_runtimes_own_processes_do_nothing) { run(write_to_all); }

static void stop_early(const tr_msg *arg)
{
    (void)arg;
    tr_shutdown(); /* nobody is the root: nothing to stop */
    tr_send(tr_name("foreign"), WORD, NULL, 0);
}
TEST(os_signal, without_a_root_there_is_nothing_to_shut_down)
{
    CHECK_EQ(tr_boot(&(tr_config){ .workers = 1, .log = drop_record }), TR_OK);
    tr_shutdown();
    tr_pid pid = tr_spawn(stop_early, NULL, 0);
    while (tr_is_alive(pid))
        tr_sleep(1);
    CHECK_EQ(tr_halt(1000), TR_OK);
    CHECK_EQ(tr_boot(&(tr_config){ .log_level = (tr_level)-1 }), TR_EINVAL);
}
