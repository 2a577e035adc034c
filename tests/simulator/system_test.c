/* system_test.c: the calls that the simulator stands in for: they do what the system's do, as far as the runtime uses
 * them, and what it does not use, or must not do, fails the run by name. */
#include "refusals/refuse.h"

#include "sim/machine.h"
#include "sim/net.h"
#include "sim/system.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <troupe/troupe.h>
#include <unistd.h>

WRAP(void *, mmap, (void *at, size_t size, int protection, int flags, int fd, off_t offset),
     (at, size, protection, flags, fd, offset), MAP_FAILED)
WRAP(void *, calloc, (size_t count, size_t size), (count, size), NULL)
WRAP(void *, malloc, (size_t size), (size), NULL)

static const tr_sim_options seeded = { .seed = 1 };
static void (*the_body)(void);
static int run_body(void *unused)
{
    (void)unused;
    the_body();
    return 0;
}

/* Under some seeds: the body's own checks hold. */
static void simulate(void (*body)(void))
{
    the_body = body;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        tr_sim_result result;
        int status = tr_sim_try(&(tr_sim_options){ .seed = seed }, run_body, NULL, &result);
        if (status != TR_OK)
            harness_fail(__FILE__, __LINE__, "seed %d: %s", (int)seed, result.failure);
    }
}

static void expect_failure(void (*body)(void), const char *expected)
{
    tr_sim_result result;
    the_body = body;
    CHECK_EQ(tr_sim_try(&seeded, run_body, NULL, &result), TR_ECALLBACK);
    CHECK_STR(result.failure, expected);
}

#define MUST(condition) TR_SIM_CHECK(condition)

/* ---- locks and other things to wait for */

static pthread_mutex_t mutex, second_mutex;
static sem_t semaphore;
static pthread_once_t once;
static int count, ready;

static void locks_later(void *unused)
{
    (void)unused;
    MUST(sim_mutex_trylock(&mutex) == EBUSY);
    sim_mutex_lock(&mutex);
    MUST(count == 1);
    count = 2;
    sim_mutex_unlock(&mutex);
}

static void mutex_body(void)
{
    sim_mutex_init(&mutex, NULL);
    sim_mutex_lock(&mutex);
    int thread = tr_sim_thread_start(locks_later, NULL);
    sim_usleep(100);
    count = 1;
    sim_mutex_unlock(&mutex);
    tr_sim_thread_join(thread);
    MUST(count == 2);
    MUST(sim_mutex_trylock(&mutex) == 0);
    sim_mutex_unlock(&mutex);
    sim_mutex_destroy(&mutex);
}

static void locks_twice(void)
{
    sim_mutex_lock(&mutex);
    sim_mutex_lock(&mutex);
}
static void unlocks_anothers(void) { sim_mutex_unlock(&mutex); }
static void destroys_a_locked_one(void)
{
    sim_mutex_lock(&second_mutex);
    sim_mutex_destroy(&second_mutex);
}

TEST(simulated_system, a_mutex_has_one_owner_and_its_misuse_fails_the_run)
{
    simulate(mutex_body);
    expect_failure(locks_twice, "thread 0 locks a mutex twice");
    expect_failure(unlocks_anothers, "thread 0 unlocks a mutex that it has not locked");
    expect_failure(destroys_a_locked_one, "a locked mutex is destroyed");
}

static void initialize(void)
{
    sim_usleep(1000); /* long enough for the others to come */
    count++;
}
static void needs_it(void *unused)
{
    (void)unused;
    sim_once(&once, initialize);
    MUST(count == 1);
    sim_sem_post(&semaphore);
}
static void once_body(void)
{
    int threads[3];
    sim_sem_init(&semaphore, 0, 0);
    MUST(sim_sem_trywait(&semaphore) == -1 && errno == EAGAIN);
    for (int i = 0; i < 3; i++)
        threads[i] = tr_sim_thread_start(needs_it, NULL);
    for (int i = 0; i < 3; i++)
        sim_sem_wait(&semaphore);
    for (int i = 0; i < 3; i++)
        tr_sim_thread_join(threads[i]);
    sim_sem_post(&semaphore);
    MUST(sim_sem_trywait(&semaphore) == 0);
    MUST(sim_sem_trywait(&semaphore) == -1);
    sim_sem_destroy(&semaphore);
}

TEST(simulated_system, once_is_once_and_a_semaphore_counts) { simulate(once_body); }

static void unknown_futex(void) { sim_syscall(SYS_futex, &ready, FUTEX_REQUEUE, 1, NULL, NULL, 0); }
static void unknown_call(void) { sim_syscall(SYS_getppid); }
static void futex_body(void)
{
    const struct timespec brief = { .tv_nsec = 1000 };
    MUST(sim_syscall(SYS_futex, &ready, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0) == -1 && errno == EAGAIN);
    int64_t begin = tr_sim_now_ns();
    MUST(sim_syscall(SYS_futex, &ready, FUTEX_WAIT_PRIVATE, 0, &brief, NULL, 0) == -1 && errno == ETIMEDOUT);
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

/* ---- read sections */

static void reader(void *unused)
{
    (void)unused;
    sim_read_lock();
    sim_read_lock();
    MUST(sim_read_ongoing());
    ready = 1;
    sim_usleep(500);
    count = 1;
    sim_read_unlock();
    MUST(sim_read_ongoing());
    sim_read_unlock();
    MUST(!sim_read_ongoing());
}
static void grace_body(void)
{
    int thread = tr_sim_thread_start(reader, NULL);
    while (ready == 0)
        sim_usleep(10);
    sim_synchronize();
    MUST(count == 1); /* the section that was open is closed */
    tr_sim_thread_join(thread);
}
static void leaves_none(void) { sim_read_unlock(); }
static void waits_in_section(void)
{
    sim_read_lock();
    sim_synchronize();
}
static void enters_section(void *unused)
{
    (void)unused;
    sim_read_lock();
}
static void ends_in_section(void) { tr_sim_thread_join(tr_sim_thread_start(enters_section, NULL)); }

TEST(simulated_system, a_grace_period_waits_for_readers_and_misuse_of_sections_fails_the_run)
{
    simulate(grace_body);
    expect_failure(leaves_none, "thread 0 leaves a read section that it is not in");
    expect_failure(waits_in_section, "a grace period is awaited inside a read section");
    expect_failure(ends_in_section, "thread 1 ended in a read section");
}

/* ---- threads and their keys */

static int destroyed;
static void note_destroyed(void *value) { destroyed += value == &destroyed; }
static pthread_key_t plain_key, gone_key, watched_key;

static void sets_keys(void *unused)
{
    (void)unused;
    MUST(sim_key_get(watched_key) == NULL);
    MUST(sim_key_set(plain_key, &destroyed) == 0 && sim_key_set(gone_key, &destroyed) == 0);
    MUST(sim_key_set(watched_key, &destroyed) == 0);
    MUST(sim_key_get(watched_key) == &destroyed);
    sim_key_delete(gone_key);
}
static void keys_body(void)
{
    pthread_key_t keys[64];
    MUST(sim_key_create(&plain_key, NULL) == 0 && sim_key_create(&gone_key, note_destroyed) == 0);
    MUST(sim_key_create(&watched_key, note_destroyed) == 0);
    tr_sim_thread_join(tr_sim_thread_start(sets_keys, NULL));
    MUST(destroyed == 1);
    int more = 0;
    while (sim_key_create(&keys[more], NULL) == 0)
        more++;
    MUST(more > 0 && more < SIM_KEYS_MOST);
}

static void *returns_itself(void *arg) { return arg; }
static void nothing(void *unused) { (void)unused; }
static void threads_body(void)
{
    pthread_t thread;
    void *result, *low;
    size_t size;
    pthread_attr_t attributes;
    MUST(sim_thread_create(&thread, NULL, returns_itself, &count) == 0);
    sim_thread_attributes(thread, &attributes);
    MUST(sim_attributes_stack(&attributes, &low, &size) == 0 && size > 4096);
    MUST(sim_thread_join(thread, &result) == 0 && result == &count);
    MUST(sim_thread_self() == 1);
    REFUSE(calloc, 1, ENOMEM);
    MUST(tr_sim_thread_start(nothing, NULL) == TR_ELIMIT);
    REFUSE_AFTER(calloc, 1, 1, ENOMEM);
    MUST(tr_sim_thread_start(nothing, NULL) == TR_ELIMIT);
    REFUSE(mmap, 1, ENOMEM);
    MUST(tr_sim_thread_start(nothing, NULL) == TR_ELIMIT);
    REFUSE(malloc, 1, ENOMEM);
    MUST(tr_sim_thread_start(nothing, NULL) == TR_ENOMEM);
    int threads = 2, last = 0; /* this one and that which has ended */
    for (int made; (made = tr_sim_thread_start(nothing, NULL)) > 0; threads++)
        last = made;
    MUST(threads == SIM_THREADS_MOST);
    MUST(last == SIM_THREADS_MOST);
}
static void joins_nobody(void) { tr_sim_thread_join(40); }
static void joins_zero(void) { tr_sim_thread_join(0); }
static void stack_of_first(void)
{
    pthread_attr_t attributes;
    void *low;
    size_t size;
    sim_thread_attributes(1, &attributes);
    sim_attributes_stack(&attributes, &low, &size);
}

TEST(simulated_system, threads_have_keys_results_and_limits)
{
    simulate(keys_body);
    the_body = threads_body;
    tr_sim_result result;
    CHECK_EQ(tr_sim_try(&(tr_sim_options){ .seed = 1, .policy = TR_SIM_FIXED }, run_body, NULL, &result), TR_ECALLBACK);
    CHECK(strstr(result.failure, "threads are left") != NULL); /* nobody joined them; all else held */
    expect_failure(joins_nobody, "no thread has the number 40");
    expect_failure(joins_zero, "no thread has the number 0");
    expect_failure(stack_of_first, "the first thread can't be a worker");
}

static void gives_way_for_ever(void)
{
    for (;;)
        sim_yield();
}

TEST(simulated_system, who_gives_way_for_ever_alone_fails_the_run)
{
    expect_failure(gives_way_for_ever, "thread 0 gives way for ever");
}

/* ---- outside of a run */

TEST(simulated_system, outside_of_a_run_there_is_one_thread_that_can_not_wait)
{
    pthread_key_t key;
    pthread_t thread;
    int value, status;
    CHECK_EQ(sim_thread_self(), 1);
    CHECK_EQ(sim_thread_create(&thread, NULL, returns_itself, NULL), EAGAIN);
    CHECK_EQ(sim_key_create(&key, NULL), 0);
    CHECK(sim_key_get(key) == NULL);
    CHECK_EQ(sim_key_set(key, &value), ENOMEM);
    sim_read_lock();
    CHECK(!sim_read_ongoing());
    sim_read_unlock();
    sim_mutex_lock(&mutex);
    sim_mutex_unlock(&mutex);
    sim_yield();
    sim_event(1, 2);
    tr_sim_inject(true); /* there is nothing to inject into */
    sim_budget = -1;
    sim_point(); /* no decision is made */
    CHECK(sim_budget > 0);
    pid_t child = fork();
    if (child == 0) {
        sim_usleep(1);
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* ---- descriptors */

static struct epoll_event event_of(int fd, uint32_t events)
{
    return (struct epoll_event){ .events = events | EPOLLET, .data.fd = fd };
}

static void epoll_body(void)
{
    struct epoll_event event, events[4];
    int epoll = sim_epoll_create(0), elsewhere = sim_epoll_create(0), bells[3];
    uint64_t value = 3;
    for (int i = 0; i < 3; i++) {
        bells[i] = sim_eventfd(i == 0 ? 5 : 0, 0);
        event = event_of(bells[i], EPOLLIN);
        MUST(sim_epoll_ctl(epoll, EPOLL_CTL_ADD, bells[i], &event) == 0);
    }
    MUST(sim_epoll_ctl(epoll, EPOLL_CTL_ADD, bells[0], &event) == -1 && errno == EEXIST);
    MUST(sim_epoll_ctl(elsewhere, EPOLL_CTL_MOD, bells[0], &event) == -1 && errno == ENOENT);
    MUST(sim_epoll_wait(elsewhere, events, 4, 0) == 0);
    MUST(sim_epoll_wait(epoll, events, 4, 0) == 1 && events[0].data.fd == bells[0]); /* it had counted before */
    MUST(sim_epoll_wait(epoll, events, 4, 0) == 0);                                  /* an edge is told once */
    event = event_of(bells[0], EPOLLIN);
    MUST(sim_epoll_ctl(epoll, EPOLL_CTL_MOD, bells[0], &event) == 0);
    MUST(sim_epoll_wait(epoll, events, 4, 20) == 1); /* until it is armed again */
    MUST(sim_read(bells[0], &value, sizeof value) == 8 && value == 5);
    MUST(sim_read(bells[0], &value, sizeof value) == -1 && errno == EAGAIN);
    value = 1;
    for (int i = 0; i < 3; i++)
        MUST(sim_write(bells[i], &value, sizeof value) == 8);
    MUST(sim_read(bells[2], &value, sizeof value) == 8); /* no longer ready when it is looked at */
    int seen = sim_epoll_wait(epoll, events, 1, -1);     /* as many as there is room for */
    seen += sim_epoll_wait(epoll, events, 1, -1);
    MUST(seen == 2 && sim_epoll_wait(epoll, events, 1, 0) == 0);
    MUST(sim_epoll_ctl(epoll, EPOLL_CTL_DEL, bells[1], &event) == 0);
    MUST(sim_write(bells[1], &value, sizeof value) == 8);
    MUST(sim_epoll_wait(epoll, events, 4, 0) == 0);
    int64_t begin = tr_sim_now_ns();
    MUST(sim_epoll_wait(epoll, events, 4, 7) == 0 && tr_sim_now_ns() - begin >= 7000000);
    event = event_of(bells[1], EPOLLIN);
    MUST(sim_epoll_ctl(elsewhere, EPOLL_CTL_ADD, bells[1], &event) == 0);
    MUST(sim_epoll_wait(epoll, events, 4, 0) == 0 && sim_epoll_wait(elsewhere, events, 4, 0) == 1);
    sim_close(elsewhere); /* and nobody watches any more */
    MUST(sim_epoll_ctl(epoll, EPOLL_CTL_ADD, bells[1], &event) == 0);
    for (int i = 0; i < 3; i++)
        sim_close(bells[i]);
    MUST(sim_file_of(bells[1]) == NULL && sim_file_of(SIM_FD_BASE + SIM_FILES_MOST) == NULL);
    MUST(sim_epoll_wait(epoll, events, 4, 0) == 0);
    sim_close(epoll);
}

static void timer_body(void)
{
    struct epoll_event events[2];
    int epoll = sim_epoll_create(0), timer = sim_timer_create(CLOCK_MONOTONIC, 0);
    struct epoll_event event = event_of(timer, EPOLLIN);
    struct itimerspec soon = { .it_value = { .tv_nsec = 3000000 } }, never = { .it_value = { .tv_nsec = 0 } };
    uint64_t ends;
    MUST(sim_epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event) == 0);
    event = event_of(epoll, EPOLLIN);
    MUST(sim_epoll_ctl(epoll, EPOLL_CTL_ADD, epoll, &event) == 0); /* an epoll is never ready itself */
    MUST(sim_epoll_wait(epoll, events, 2, 0) == 0);
    MUST(sim_timer_set(timer, 0, &soon, NULL) == 0 && sim_timer_set(timer, 0, &never, NULL) == 0);
    MUST(sim_epoll_wait(epoll, events, 2, 10) == 0);
    int64_t begin = tr_sim_now_ns();
    MUST(sim_timer_set(timer, 0, &soon, NULL) == 0);
    MUST(sim_epoll_wait(epoll, events, 2, -1) == 1 && events[0].data.fd == timer);
    MUST(tr_sim_now_ns() - begin >= 3000000);
    MUST(sim_read(timer, &ends, sizeof ends) == 8 && ends == 1);
    MUST(sim_timer_set(timer, 0, &soon, NULL) == 0);
    sim_close(timer); /* it does not end any more */
    MUST(sim_epoll_wait(epoll, events, 2, 10) == 0);
    sim_close(epoll);
}

static void others_body(void)
{
    int ends[2];
    char byte = 'a';
    MUST(pipe(ends) == 0); /* the system's own descriptors stay the system's */
    MUST(sim_write(ends[1], &byte, 1) == 1);
    byte = 0;
    MUST(sim_read(ends[0], &byte, 1) == 1 && byte == 'a');
    MUST(sim_close(ends[0]) == 0 && sim_close(ends[1]) == 0);
    MUST(fcntl(ends[0], F_GETFD) < 0);
}

static void many_body(void)
{
    int files = 0;
    while (sim_eventfd(0, 0) >= 0)
        files++;
    MUST(errno == EMFILE && files == SIM_FILES_MOST);
    sim_close(SIM_FD_BASE + 7);
    MUST(sim_eventfd(0, 0) == SIM_FD_BASE + 7); /* the lowest that is free */
    for (int i = 0; i < SIM_FILES_MOST; i++)
        sim_close(SIM_FD_BASE + i);
    tr_sim_descriptors(2);
    int one = sim_eventfd(0, 0), two = sim_eventfd(0, 0);
    MUST(one >= 0 && two >= 0 && sim_eventfd(0, 0) == -1 && errno == EMFILE);
    sim_close(one);
    tr_sim_descriptors(-1);
    one = sim_eventfd(0, 0);
    MUST(one >= 0);
    sim_close(one);
    sim_close(two);
}

static void leaves_one(void) { sim_eventfd(0, 0); }
static void closes_twice(void)
{
    int fd = sim_eventfd(0, 0);
    sim_close(fd);
    sim_close(fd);
}
static void watches_twice(void)
{
    int fd = sim_eventfd(0, 0);
    struct epoll_event event = event_of(fd, EPOLLIN);
    sim_epoll_ctl(sim_epoll_create(0), EPOLL_CTL_ADD, fd, &event);
    sim_epoll_ctl(sim_epoll_create(0), EPOLL_CTL_ADD, fd, &event);
}

static void watches_a_stranger(void)
{
    struct epoll_event event = event_of(0, EPOLLIN);
    sim_epoll_ctl(sim_epoll_create(0), EPOLL_CTL_ADD, 0, &event);
}
static void writes_to_epoll(void) { sim_write(sim_epoll_create(0), &count, sizeof count); }
static void reads_from_epoll(void) { sim_read(sim_epoll_create(0), &count, sizeof count); }

TEST(simulated_system, epoll_tells_each_edge_once)
{
    simulate(epoll_body);
    simulate(others_body);
}

TEST(simulated_system, a_timer_ends_once_unless_it_is_stopped) { simulate(timer_body); }

TEST(simulated_system, descriptors_run_out)
{
    the_body = many_body;
    tr_sim_result result;
    CHECK_EQ(tr_sim_try(&seeded, run_body, NULL, &result), TR_OK);
    CHECK_STR(result.failure, "");
}

TEST(simulated_system, what_is_no_event_counter_fails_the_run)
{
    expect_failure(watches_a_stranger, "descriptor 0 is watched, but not simulated");
    expect_failure(writes_to_epoll, "write to descriptor 1048576, which is no event counter");
    expect_failure(reads_from_epoll, "read from descriptor 1048576, which is an epoll set");
}

TEST(simulated_system, descriptors_that_are_left_or_used_too_late_fail_the_run)
{
    expect_failure(leaves_one, "1 descriptors are left: somebody has not closed them");
    expect_failure(closes_twice, "descriptor 1048576 is used, but closed: it may be another's by now");
    expect_failure(watches_twice, "descriptor 1048576 is watched twice");
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
