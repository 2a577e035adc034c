/* socket_signals_test.c: signals of the operating system: as messages, and as the order to stop. */
#include "socket_peer.h"

#include <signal.h>
#include <sys/wait.h>

#if defined(__has_feature)
#define HAS_FEATURE(feature) __has_feature(feature)
#else
#define HAS_FEATURE(feature) 0
#endif
#if defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
#define UNDER_TSAN 1
#else
#define UNDER_TSAN 0
#endif

static void expect_signal(int number)
{
    const tr_msg *message = tr_receive_match(&(tr_match){ .tag = TR_MSG_SIGNAL }, LONG_MS);
    CHECK(message != NULL);
    CHECK_EQ(*(const int *)tr_expect(message, sizeof(int)), number);
    CHECK(tr_nobody(tr_sender(message)));
}

/* To the calling thread, whose turn it interrupts. */
static void send_signal(int number) { CHECK_EQ(raise(number), 0); }

static bool is_default(int number)
{
    struct sigaction now;
    CHECK_EQ(sigaction(number, NULL, &now), 0);
    return (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_DFL;
}

/* ---- subscribers */

static void subscribe_body(const tr_msg *unused)
{
    (void)unused;
    static const int numbers[] = { SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT };
    CHECK_EQ(tr_signal_subscribe(SIGKILL), TR_EINVAL);
    CHECK_EQ(tr_signal_subscribe(SIGPIPE), TR_EINVAL);
    for (size_t i = 0; i < TR_COUNT(numbers); i++) {
        CHECK_EQ(tr_signal_subscribe(numbers[i]), TR_OK);
        CHECK_EQ(tr_signal_subscribe(numbers[i]), TR_OK); /* once is enough: one message each */
    }
    for (size_t round = 0; round < 5; round++) { /* also SIGTERM and SIGINT more than twice: they stop nothing now */
        for (size_t i = 0; i < TR_COUNT(numbers); i++) {
            send_signal(numbers[i]);
            expect_signal(numbers[i]);
        }
    }
    CHECK(tr_receive_match(&(tr_match){ .tag = TR_MSG_SIGNAL }, 20) == NULL);
}

TEST(socket_signals, a_subscriber_gets_each_signal_as_a_message)
{
    run_as_root(subscribe_body);
    CHECK(is_default(SIGTERM) && is_default(SIGINT) && is_default(SIGHUP) && is_default(SIGUSR1));
}

static void listener_of_signals(const tr_msg *arg)
{
    tr_pid boss = *(const tr_pid *)tr_expect(arg, sizeof boss);
    CHECK_EQ(tr_signal_subscribe(SIGUSR1), TR_OK);
    tr_send(boss, 1, NULL, 0);
    expect_signal(SIGUSR1);
    tr_send(boss, 2, NULL, 0);
}

static void several_body(const tr_msg *unused)
{
    (void)unused;
    enum { LISTENERS = 5 };
    tr_pid self = tr_self(), listeners[LISTENERS];
    for (int i = 0; i < LISTENERS; i++) {
        listeners[i] = tr_spawn(listener_of_signals, &self, sizeof self);
        CHECK(tr_receive_match(&(tr_match){ .tag = 1 }, LONG_MS) != NULL);
    }
    CHECK(!is_default(SIGUSR1));
    send_signal(SIGUSR1);
    for (int i = 0; i < LISTENERS; i++)
        CHECK(tr_receive_match(&(tr_match){ .tag = 2 }, LONG_MS) != NULL);
    for (int i = 0; i < LISTENERS; i++)
        await_end(listeners[i]);
    CHECK(is_default(SIGUSR1)); /* the last subscriber's end puts back what was found */
}

TEST(socket_signals, all_subscribers_get_it_and_the_last_ones_end_restores_the_disposition)
{
    run_as_root(several_body);
}

static void from_outside_body(const tr_msg *unused)
{
    (void)unused;
    CHECK_EQ(tr_signal_subscribe(SIGHUP), TR_OK);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(kill(getpid(), SIGHUP), 0); /* taken by any thread that the system chooses */
        expect_signal(SIGHUP);
    }
}

TEST(socket_signals, a_signal_for_the_process_arrives_whichever_thread_takes_it)
{
    if (UNDER_TSAN)
        SKIP("ThreadSanitizer holds the signals of a thread that sleeps in a raw system call");
    run_as_root(from_outside_body);
}

/* ---- stopping */

static void asks_to_stop(const tr_msg *arg)
{
    send_signal(*(const int *)tr_expect(arg, sizeof(int)));
    tr_sleep(LONG_MS);
    CHECK(false);
}

static int runs_until_told(int number)
{
    const tr_config config = { .workers = 2, .log_level = TR_ERROR };
    return tr_main(&config, asks_to_stop, &number, sizeof number);
}

TEST(socket_signals, sigterm_and_sigint_stop_the_program_cleanly)
{
    CHECK_EQ(runs_until_told(SIGTERM), 0);
    CHECK_EQ(runs_until_told(SIGINT), 0);
    CHECK(is_default(SIGTERM) && is_default(SIGINT));
}

static volatile sig_atomic_t seen;
static void count_it(int number) { seen += number; }

TEST(socket_signals, a_handler_that_was_there_is_called_and_put_back)
{
    struct sigaction mine = { .sa_handler = count_it }, now;
    CHECK_EQ(sigaction(SIGTERM, &mine, NULL), 0);
    CHECK_EQ(runs_until_told(SIGTERM), 0);
    CHECK_EQ(seen, SIGTERM);
    CHECK_EQ(sigaction(SIGTERM, NULL, &now), 0);
    CHECK(now.sa_handler == count_it);
}

static void stuck(const tr_msg *arg)
{
    send_signal(SIGTERM);
    for (;;) /* those within 250 ms are the first one again */
        send_signal(*(const int *)tr_expect(arg, sizeof(int)));
}

/* How a program ends that gets SIGTERM and then the second signal again and again, in a turn that never ends. */
static int end_of_stuck_program(int second)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        const tr_config config = { .workers = 1, .log_level = TR_ERROR };
        _exit(tr_main(&config, stuck, &second, sizeof second));
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status));
    return WTERMSIG(status);
}

TEST(socket_signals, a_second_sigterm_or_sigint_ends_a_stuck_program_at_once)
{
    CHECK_EQ(end_of_stuck_program(SIGTERM), SIGTERM);
    CHECK_EQ(end_of_stuck_program(SIGINT), SIGINT);
}

static void told_twice(const tr_msg *unused)
{
    (void)unused;
    sigset_t both, before;
    sigemptyset(&both);
    sigaddset(&both, SIGTERM);
    sigaddset(&both, SIGINT);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &both, &before), 0);
    send_signal(SIGTERM);
    send_signal(SIGINT);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &before, NULL), 0); /* now they come, one straight after the other */
    tr_sleep(LONG_MS);
    CHECK(false);
}

TEST(socket_signals, two_orders_to_stop_at_once_are_one)
{
    const tr_config config = { .workers = 2, .log_level = TR_ERROR };
    CHECK_EQ(tr_main(&config, told_twice, NULL, 0), 0);
    CHECK(is_default(SIGTERM) && is_default(SIGINT));
}

static void booted(const tr_msg *unused)
{
    (void)unused;
    CHECK(is_default(SIGTERM)); /* tr_boot touches no signal */
    CHECK_EQ(tr_signal_subscribe(SIGTERM), TR_OK);
    send_signal(SIGTERM);
    expect_signal(SIGTERM);
}

TEST(socket_signals, a_booted_runtime_touches_only_what_is_subscribed)
{
    CHECK_EQ(tr_boot(NULL), TR_OK);
    tr_pid pid = tr_spawn(booted, NULL, 0);
    while (tr_is_alive(pid))
        tr_sleep(1);
    CHECK(is_default(SIGTERM));
    CHECK_EQ(tr_halt(1000), TR_OK);
}
