/* foreign_test.c: threads that are not the runtime's (D17): what they may do, eight at once, beside processes and
 * across stops. */
#include "child.h"
#include "support.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 8 };

static const tr_config quiet = { .workers = 4, .log = drop_record };

static void start_all(pthread_t *threads, void *(*run_thread)(void *))
{
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, run_thread, (void *)(intptr_t)i), 0);
}
static void join_all(const pthread_t *threads)
{
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- a server */

struct count {
    int64_t sum, messages;
};
static int count_handle(void *state, const tr_msg *message)
{
    struct count *count = state;
    if (tr_tag(message) == WORD) {
        CHECK(tr_nobody(tr_sender(message)));
        count->sum += *(const int64_t *)tr_expect(message, sizeof(int64_t));
        count->messages++;
        return TR_OK;
    }
    if (tr_tag(message) == QUESTION)
        return tr_reply(tr_from_of(message), count, sizeof *count);
    return TR_OK; /* a request with another tag is never answered */
}
static const tr_actor counter = { .label = "counter", .state_size = sizeof(struct count), .handle = count_handle };

/* ---- everything that is allowed */

static int number_of(void *arg) { return (int)(intptr_t)arg; }

static void *do_everything(void *arg)
{
    int number = (int)(intptr_t)arg;
    tr_pid server = tr_whereis("counter");
    CHECK(!tr_nobody(server));
    CHECK(tr_nobody(tr_self()));
    CHECK(tr_nobody(tr_parent()));
    char name[32];
    snprintf(name, sizeof name, "mine%d", number);
    for (int64_t i = 1; i <= 300; i++) {
        CHECK_EQ(tr_send(i % 2 == 0 ? server : tr_name("counter"), WORD, &i, sizeof i), TR_OK);
        struct count count;
        CHECK_EQ(tr_call(server, QUESTION, NULL, 0, &count, sizeof count, 60000), TR_OK);
        CHECK(count.messages >= i); /* its own sends came before its call */
        if (i % 10 != 0)
            continue;
        tr_pid pid = tr_spawn(waiter, NULL, 0);
        CHECK(tr_is_alive(pid));
        CHECK_EQ(tr_register(name, pid), TR_OK);
        CHECK(tr_same(tr_whereis(name), pid));
        tr_process_info info;
        CHECK_EQ(tr_info(pid, &info), TR_OK);
        CHECK_STR(info.name, name);
        CHECK_EQ(tr_exit_signal(pid, TR_KILL), TR_OK);
        RULE("SIG-08");
        CHECK(!tr_is_alive(pid));
        while (!tr_nobody(tr_whereis(name)))
            tr_yield();
        CHECK_EQ(tr_send(pid, WORD, &i, sizeof i), TR_OK);
        CHECK_EQ(tr_call(pid, QUESTION, NULL, 0, NULL, 0, 1000), TR_ENOPROC);
        void *memory = tr_alloc(100);
        CHECK(memory != NULL);
        tr_free(memory);
        CHECK_EQ(tr_defer(free, NULL), TR_EFOREIGN);
        CHECK_EQ(tr_send_request(server, QUESTION, NULL, 0).serial, 0);
        CHECK_EQ(tr_blocking(number_of, (void *)(intptr_t)i), (int)i);
        tr_pid started;
        CHECK_EQ(tr_start_actor(&counter, NULL, 0, NULL, &started), TR_OK);
        CHECK_EQ(tr_stop_server(started, TR_NORMAL, 60000), TR_OK);
    }
    return NULL;
}

TEST(foreign, eight_threads_send_call_spawn_register_and_look_up)
{
    CHECK_EQ(tr_boot(&quiet), TR_OK);
    tr_pid server = tr_spawn_actor(&counter, NULL, 0, NULL);
    CHECK_EQ(tr_register("counter", server), TR_OK);
    pthread_t threads[THREADS];
    start_all(threads, do_everything);
    join_all(threads);
    struct count count;
    CHECK_EQ(tr_call(server, QUESTION, NULL, 0, &count, sizeof count, 60000), TR_OK);
    CHECK_EQ(count.messages, THREADS * 300);
    CHECK_EQ(count.sum, THREADS * 300 * 301 / 2);
    tr_system_info info;
    CHECK_EQ(tr_system(&info), TR_OK);
    CHECK_EQ(tr_halt(1000), TR_OK);
}

/* ---- timeouts */

static void *time_out(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++) {
        int64_t before = now_ms();
        CHECK_EQ(tr_call(tr_name("counter"), LAST, NULL, 0, NULL, 0, 20), TR_ETIMEDOUT);
        CHECK(now_ms() - before >= 19);
        struct count count; /* a late answer of an earlier call never comes */
        CHECK_EQ(tr_call(tr_name("counter"), QUESTION, NULL, 0, &count, sizeof count, 60000), TR_OK);
        CHECK_EQ(tr_call(tr_name("counter"), QUESTION, NULL, 0, &count, sizeof count, -5), TR_EINVAL);
    }
    int64_t before = now_ms();
    tr_sleep(15);
    CHECK(now_ms() - before >= 15);
    return NULL;
}
TEST(foreign, calls_time_out_on_eight_threads_at_once)
{
    CHECK_EQ(tr_boot(&quiet), TR_OK);
    CHECK_EQ(tr_register("counter", tr_spawn_actor(&counter, NULL, 0, NULL)), TR_OK);
    pthread_t threads[THREADS];
    start_all(threads, time_out);
    join_all(threads);
    CHECK_EQ(tr_halt(1000), TR_OK);
}

/* Answers after about the time that its callers wait. */
static int slow_handle(void *state, const tr_msg *message)
{
    (void)state;
    tr_from from = tr_from_of(message);
    int64_t answer = *(const int64_t *)tr_expect(message, sizeof answer);
    tr_sleep(1);
    return tr_reply(from, &answer, sizeof answer);
}
static const tr_actor slow = { .label = "slow", .handle = slow_handle };
static int answered, late;
static void *race_timeouts(void *arg)
{
    (void)arg;
    for (int64_t i = 0; i < 200; i++) {
        int64_t answer = -1;
        int status = tr_call(tr_name("slow"), QUESTION, &i, sizeof i, &answer, sizeof answer, 1 + i % 12);
        CHECK(status == TR_OK || status == TR_ETIMEDOUT);
        CHECK(status == TR_ETIMEDOUT || answer == i);
        __atomic_add_fetch(status == TR_OK ? &answered : &late, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}
TEST(foreign, answers_and_timeouts_race_without_mixing_calls)
{
    CHECK_EQ(tr_boot(&quiet), TR_OK);
    CHECK_EQ(tr_register("slow", tr_spawn_actor(&slow, NULL, 0, NULL)), TR_OK);
    pthread_t threads[THREADS];
    start_all(threads, race_timeouts);
    join_all(threads);
    CHECK(late > 0);
    CHECK_EQ(answered + late, THREADS * 200);
    CHECK_EQ(tr_halt(1000), TR_OK);
}

/* ---- the server ends while they wait */

static void *call_the_dying(void *arg)
{
    (void)arg;
    int status = tr_call(tr_name("counter"), LAST, NULL, 0, NULL, 0, TR_INFINITY);
    CHECK_EQ(status, TR_EDOWN);
    CHECK_EQ(tr_last_reason()->why, TR_WHY_KILLED);
    return NULL;
}
TEST(foreign, learn_that_their_server_has_ended)
{
    for (int round = 0; round < 10; round++) {
        CHECK_EQ(tr_boot(&quiet), TR_OK);
        tr_pid server = tr_spawn_actor(&counter, NULL, 0, NULL);
        CHECK_EQ(tr_register("counter", server), TR_OK);
        pthread_t threads[THREADS];
        start_all(threads, call_the_dying);
        tr_process_info info;
        do
            CHECK_EQ(tr_info(server, &info), TR_OK);
        while (info.reductions < THREADS + 1); /* its start counts, too */
        tr_exit_signal(server, TR_KILL);
        join_all(threads);
        CHECK_EQ(tr_halt(1000), TR_OK);
    }
}

/* ---- threads and runtimes come and go */

static int over;
static uint64_t successes;
static void *call_whatever_runs(void *arg)
{
    (void)arg;
    uint64_t mine = 0;
    while (__atomic_load_n(&over, __ATOMIC_ACQUIRE) == 0) {
        int64_t one = 1;
        struct count count;
        int status = tr_send(tr_name("counter"), WORD, &one, sizeof one);
        CHECK(status == TR_OK || status == TR_ESTOPPED || status == TR_ENOPROC);
        status = tr_call(tr_name("counter"), QUESTION, NULL, 0, &count, sizeof count, 1000);
        CHECK(status == TR_OK || status == TR_ESTOPPED || status == TR_ENOPROC || status == TR_EDOWN ||
              status == TR_ETIMEDOUT);
        mine += status == TR_OK;
        if (status == TR_OK)
            __atomic_fetch_add(&successes, 1, __ATOMIC_RELAXED);
        tr_pid pid = tr_spawn(waiter, NULL, 0);
        tr_exit_signal(pid, TR_KILL);
        if (mine % 16 == 0)
            sched_yield();
    }
    return NULL;
}
TEST(foreign, call_while_fifty_runtimes_come_and_go)
{
    pthread_t threads[THREADS];
    start_all(threads, call_whatever_runs);
    const int rounds = HARNESS_SIMULATED ? 5 : 50;
    for (int round = 1; round <= rounds; round++) {
        CHECK_EQ(tr_boot(&quiet), TR_OK);
        tr_pid server = tr_spawn_actor(&counter, NULL, 0, NULL);
        CHECK(!tr_nobody(server));
        CHECK_EQ(tr_register("counter", server), TR_OK);
        do
            usleep(2000);
        while (round == rounds && __atomic_load_n(&successes, __ATOMIC_RELAXED) == 0); /* however slow they are */
        CHECK_EQ(tr_halt(200), TR_OK);
        CHECK_EQ(tr_send(server, WORD, NULL, 0), TR_ESTOPPED);
    }
    __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
    join_all(threads);
    CHECK(successes > 0);
}

static void *one_call(void *arg)
{
    (void)arg;
    struct count count;
    CHECK_EQ(tr_call(tr_name("counter"), QUESTION, NULL, 0, &count, sizeof count, 60000), TR_OK);
    return NULL;
}
TEST(foreign, threads_that_end_leave_nothing)
{
    CHECK_EQ(tr_boot(&quiet), TR_OK);
    CHECK_EQ(tr_register("counter", tr_spawn_actor(&counter, NULL, 0, NULL)), TR_OK);
    tr_system_info before, after;
    for (int round = 0; round < 40; round++) {
        pthread_t threads[THREADS];
        start_all(threads, one_call);
        join_all(threads);
        CHECK_EQ(tr_system(round < 20 ? &before : &after), TR_OK);
    }
    CHECK_EQ(after.processes, 1);
    CHECK(after.memory <= before.memory + (4 << 20)); /* two chunks: pools of threads that are gone are used again */
    CHECK_EQ(tr_halt(1000), TR_OK);
}

static pthread_barrier_t stopped;
static void *outlive_the_runtime(void *arg)
{
    one_call(arg);
    pthread_barrier_wait(&stopped); /* the runtime stops */
    pthread_barrier_wait(&stopped);
    CHECK_EQ(tr_send(tr_name("counter"), WORD, NULL, 0), TR_ESTOPPED);
    CHECK_EQ(tr_last_reason()->why, TR_WHY_NORMAL);
    return NULL;
}
TEST(foreign, threads_may_end_after_the_runtime_stopped)
{
    for (int round = 0; round < 5; round++) {
        pthread_barrier_init(&stopped, NULL, THREADS + 1);
        CHECK_EQ(tr_boot(&quiet), TR_OK);
        CHECK_EQ(tr_register("counter", tr_spawn_actor(&counter, NULL, 0, NULL)), TR_OK);
        pthread_t threads[THREADS];
        start_all(threads, outlive_the_runtime);
        pthread_barrier_wait(&stopped);
        CHECK_EQ(tr_halt(1000), TR_OK);
        pthread_barrier_wait(&stopped);
        join_all(threads);
        pthread_barrier_destroy(&stopped);
    }
}

/* ---- sleep */

enum { SLEEP_MS = 50 };
static _Atomic int interruptions;
static _Atomic bool slept, woke_up;

static void count_interruption(int number)
{
    (void)number;
    interruptions++;
}
static void *sleep_for_a_time(void *unused)
{
    do {
        int64_t before = now_ms();
        tr_sleep(SLEEP_MS);
        CHECK(now_ms() - before >= SLEEP_MS);
    } while (interruptions == 0); /* the signals come late */
    slept = true;
    return unused;
}
static void *sleep_for_ever(void *unused)
{
    tr_sleep(TR_INFINITY);
    woke_up = true;
    return unused;
}
TEST(foreign, a_thread_that_sleeps_is_not_woken_by_signals)
{
    if (HARNESS_SIMULATED)
        SKIP("signals are the system's");
    struct sigaction action = { .sa_handler = count_interruption };
    pthread_t threads[2];
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_EQ(pthread_create(&threads[0], NULL, sleep_for_a_time, NULL), 0);
    CHECK_EQ(pthread_create(&threads[1], NULL, sleep_for_ever, NULL), 0);
    while (!slept) {
        pthread_kill(threads[0], SIGUSR1);
        pthread_kill(threads[1], SIGUSR1);
        usleep(1000);
    }
    CHECK(interruptions > 0);
    CHECK_EQ(pthread_join(threads[0], NULL), 0);
    CHECK(!woke_up);
    CHECK_EQ(pthread_detach(threads[1]), 0); /* it sleeps on */
}

/* ---- misuse */

static void monitor_from_outside(void) { (void)tr_monitor(tr_spawn(waiter, NULL, 0)); }
static void link_from_outside(void) { CHECK_EQ(tr_link(tr_spawn(waiter, NULL, 0)), TR_OK); }
static void receive_outside(void) { tr_receive(0); }
static void trap_outside(void) { tr_trap_exit(true); }

static void (*misuse)(void);
static void boot_and_misuse(void)
{
    signal(SIGABRT, SIG_DFL);
    if (tr_boot(&quiet) != TR_OK)
        _exit(9);
    misuse();
    _exit(8);
}

TEST(foreign, links_monitors_and_receives_are_misuse_that_says_so)
{
    if (HARNESS_SIMULATED)
        SKIP("a simulation has no other processes");
    static void (*const wrongs[])(void) = { monitor_from_outside, link_from_outside, receive_outside, trap_outside };
    for (size_t i = 0; i < TR_COUNT(wrongs); i++) {
        misuse = wrongs[i];
        const struct outcome *outcome = without_runtime_in_child(boot_and_misuse);
        CHECK(strstr(outcome->text, "troupe: tr_") != NULL && strstr(outcome->text, "process") != NULL);
        CHECK(WIFSIGNALED(outcome->status) && WTERMSIG(outcome->status) == SIGABRT);
    }
}
