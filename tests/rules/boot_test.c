/* boot_test.c: several runtimes one after another, their stop with whatever processes are there, pinned processes and
 * thread-locals. */
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const tr_config quiet = { .workers = 4, .log = drop_record };

/* ---- stop */

static void looper(const tr_msg *arg)
{
    (void)arg;
    for (;;)
        tr_yield();
}
static void sleeper(const tr_msg *arg)
{
    (void)arg;
    tr_sleep(3600000);
}
static void trapper(const tr_msg *arg)
{
    (void)arg;
    tr_trap_exit(true);
    for (;;)
        tr_receive(TR_INFINITY);
}
static void spawner(const tr_msg *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        tr_spawn(waiter, NULL, 0);
        tr_sleep(1);
    }
}
static void caller(const tr_msg *arg)
{
    tr_pid server = *(const tr_pid *)tr_expect(arg, sizeof server);
    int status = tr_call(server, QUESTION, NULL, 0, NULL, 0, TR_INFINITY);
    (void)status;
}
static int sleep_in_thread(void *arg)
{
    (void)arg;
    usleep(20000);
    return 0;
}
static void blocker(const tr_msg *arg)
{
    (void)arg;
    tr_blocking(sleep_in_thread, NULL);
}

/* ---- who has no parent ends in order, too */

static int64_t ended_in_order; /* atomic */
static void note_end(void *state, const tr_reason *reason)
{
    (void)state;
    if (reason->why == TR_WHY_SHUTDOWN)
        __atomic_fetch_add(&ended_in_order, 1, __ATOMIC_RELAXED);
}
static const tr_gen_server orderly = { .label = "orderly", .trap_exit = true, .terminate = note_end };

TEST(boot, halt_is_the_parents_word_for_who_has_none)
{
    static const tr_child child = { .id = "child", .server = &orderly };
    static const tr_supervisor tree = { .children = &child, .child_count = 1 };
    tr_pid supervisor, server;
    CHECK_EQ(tr_boot(&quiet), TR_OK);
    CHECK_EQ(tr_start(&(tr_child){ .id = "tree", .supervisor = &tree }, &supervisor), TR_OK);
    CHECK_EQ(tr_start_server(&orderly, NULL, 0, NULL, &server), TR_OK);
    CHECK_EQ(tr_exit_signal(server, TR_SHUTDOWN), TR_OK); /* before, from a thread: a stranger's */
    CHECK(tr_is_alive(server));
    CHECK_EQ(tr_halt(3600000), TR_OK);
    CHECK_EQ(__atomic_load_n(&ended_in_order, __ATOMIC_RELAXED), 2);
}

TEST(boot, halt_ends_whatever_processes_there_are)
{
    for (int round = 0; round < 10; round++) {
        CHECK_EQ(tr_boot(&quiet), TR_OK);
        CHECK_EQ(tr_boot(&quiet), TR_EALREADY_STARTED);
        for (int i = 0; i < 20; i++) {
            tr_spawn(looper, NULL, 0);
            tr_spawn(sleeper, NULL, 0);
            tr_pid deaf = tr_spawn(trapper, NULL, 0);
            tr_spawn(spawner, NULL, 0);
            tr_spawn(blocker, NULL, 0);
            tr_spawn(caller, &deaf, sizeof deaf);
        }
        usleep(3000);
        CHECK_EQ(tr_halt(30), TR_OK);
        CHECK_EQ(tr_halt(30), TR_ESTOPPED);
        tr_system_info info;
        CHECK_EQ(tr_system(&info), TR_ESTOPPED);
        CHECK_EQ(tr_send(tr_name("x"), 1, NULL, 0), TR_ESTOPPED);
    }
}

static void never_entered(const tr_msg *arg)
{
    (void)arg;
    CHECK(false);
}
TEST(boot, a_second_runtime_is_refused_and_its_root_not_run)
{
    CHECK_EQ(tr_boot(&quiet), TR_OK);
    CHECK_EQ(tr_main(&quiet, never_entered, NULL, 0), 1);
    CHECK_EQ(tr_halt(30), TR_OK); /* the first one is still there */
}

static void halt_inside(void) { CHECK_EQ(tr_halt(0), TR_EINVAL); }
TEST(boot, halt_is_refused_in_a_process) { run(halt_inside); }

/* What a process of one runtime knows: itself, a child, a monitor, a timer and a socket. */
struct ids {
    tr_pid self, child;
    tr_ref monitor;
    tr_timer timer;
    tr_socket socket;
};
static struct ids of_first, of_second;

static void make_ids(struct ids *ids)
{
    ids->self = tr_self();
    ids->child = tr_spawn(waiter, NULL, 0);
    ids->monitor = tr_monitor(ids->child);
    CHECK_EQ(tr_send_after(3600000, ids->child, WORD, NULL, 0, &ids->timer), TR_OK);
    CHECK_EQ(tr_listen("tcp://127.0.0.1:0", &ids->socket), TR_OK);
}

static void first_run(void) { make_ids(&of_first); }

static void second_run(void)
{
    make_ids(&of_second);
    CHECK(!tr_same(of_first.self, of_second.self) && !tr_is_alive(of_first.self));
    CHECK(!tr_same(of_first.child, of_second.child) && !tr_is_alive(of_first.child));
    CHECK(!tr_same_ref(of_first.monitor, of_second.monitor));
    CHECK(of_first.timer.id != of_second.timer.id);
    CHECK(of_first.socket.id != of_second.socket.id);
    CHECK_EQ(tr_timer_cancel(of_first.timer), -1);
}

TEST(boot, ids_of_an_earlier_runtime_are_stale_in_a_later_one)
{
    if (HARNESS_SIMULATED)
        SKIP("the listeners are the system's");
    run_on(1, first_run);
    run_on(1, second_run);
}

TEST(boot, refuses_bad_settings)
{
    CHECK_EQ(tr_boot(&(tr_config){ .workers = -1 }), TR_EINVAL);
    CHECK_EQ(tr_boot(&(tr_config){ .workers = 257 }), TR_EINVAL);
    CHECK_EQ(tr_boot(&(tr_config){ .stack_size = SIZE_MAX }), TR_EINVAL);
    CHECK_EQ(tr_boot(&(tr_config){ .slow_turn_ms = -2 }), TR_EINVAL);
    CHECK_EQ(tr_boot(&(tr_config){ .log_level = (tr_level)9 }), TR_EINVAL);
    CHECK_EQ(tr_boot(&(tr_config){ .log_level = (tr_level)-1 }), TR_EINVAL);
    CHECK_EQ(tr_halt(0), TR_ESTOPPED);
}

/* ---- fork */

static void waiting_root(void)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        bool stopped = tr_send(tr_name("x"), 1, NULL, 0) == TR_ESTOPPED && tr_halt(0) != TR_OK;
        _exit(stopped ? 0 : 1);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

TEST(boot, calls_of_a_forked_child_return_stopped)
{
    if (HARNESS_SIMULATED)
        SKIP("a simulation has no other processes");
    CHECK_EQ(tr_boot(&quiet), TR_OK);
    tr_pid pid = tr_spawn(waiter, NULL, 0);
    CHECK_EQ(tr_send(pid, 1, NULL, 0), TR_OK);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        int64_t reply;
        tr_system_info info;
        bool stopped = tr_boot(&quiet) == TR_ESTOPPED && tr_send(pid, 1, NULL, 0) == TR_ESTOPPED &&
                       tr_call(pid, 1, NULL, 0, &reply, 8, 100) == TR_ESTOPPED &&
                       tr_nobody(tr_spawn(waiter, NULL, 0)) && tr_nobody(tr_whereis("x")) &&
                       tr_system(&info) == TR_ESTOPPED && tr_register("x", pid) == TR_ESTOPPED &&
                       tr_cast(pid, 1, NULL, 0) == TR_OK && !tr_is_alive(pid);
        _exit(stopped ? 0 : 1);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_EQ(tr_halt(100), TR_OK);
    run_on(2, waiting_root);
}

TEST(boot, a_child_that_was_forked_between_two_runtimes_may_have_its_own)
{
    if (HARNESS_SIMULATED)
        SKIP("a simulation has no other processes");
    CHECK_EQ(tr_boot(&quiet), TR_OK);
    CHECK_EQ(tr_halt(100), TR_OK);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(tr_boot(&quiet) == TR_OK && tr_halt(100) == TR_OK ? 0 : 1);
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_EQ(tr_boot(&quiet), TR_OK);
    CHECK_EQ(tr_halt(100), TR_OK);
}

/* ---- the most processes */

static void few_body(void)
{
    static tr_pid some[600];
    int alive = 2; /* this process and its watcher */
    for (int i = 0; i < 600; i++) {
        some[i] = tr_spawn(waiter, NULL, 0);
        alive += tr_is_alive(some[i]);
    }
    CHECK(alive > 480 && alive <= 512); /* a few places may rest with the other worker */
    tr_reason reason;
    CHECK_EQ(tr_await_down(tr_monitor(some[599]), TR_INFINITY, &reason), TR_OK);
    CHECK_EQ(reason.why, TR_WHY_NOPROC);
    CHECK_EQ(end_with(some[0], TR_KILL).why, TR_WHY_KILLED);
}
TEST(boot, no_more_processes_live_than_the_setting_allows)
{
    the_body = few_body;
    CHECK_EQ(tr_main(&(tr_config){ .workers = 2, .log = drop_record, .max_processes = 500 }, enter_body, NULL, 0), 0);
}

/* ---- pinned processes, thread-locals, errno */

static _Thread_local int local;

/* Not inlined, so that the address is computed anew: what the header asks of an unpinned process. */
__attribute__((noinline)) static int *local_address(void)
{
    int *address = &local;
    __asm__ __volatile__("" : "+r"(address));
    return address;
}
__attribute__((noinline)) static int *errno_address(void)
{
    int *address = &errno;
    __asm__ __volatile__("" : "+r"(address));
    return address;
}

static int work_a_little(void *arg)
{
    (void)arg;
    return 3;
}

static void block_somehow(int i)
{
    int64_t answer;
    switch (i % 4) {
    case 0: tr_yield(); break;
    case 1: tr_sleep(i % 3); break;
    case 2:
        CHECK_EQ(tr_call(tr_name("echo"), QUESTION, &answer, sizeof answer, &answer, sizeof answer, TR_INFINITY),
                 TR_OK);
        break;
    default: CHECK_EQ(tr_blocking(work_a_little, NULL), 3); break;
    }
}

static void pinned(const tr_msg *arg)
{
    (void)arg;
    long thread = syscall(SYS_gettid);
    int *where = local_address(), *error = errno_address();
    for (int i = 0; i < 60; i++) {
        block_somehow(i);
        CHECK_EQ(syscall(SYS_gettid), thread);
        CHECK(local_address() == where);
        CHECK(errno_address() == error);
    }
}

static int pinned_moves;
static int pinned_handle(void *state, const tr_msg *message)
{
    (void)message;
    long *thread = state;
    if (*thread == 0)
        *thread = syscall(SYS_gettid);
    CHECK_EQ(syscall(SYS_gettid), *thread);
    tr_sleep(1);
    CHECK_EQ(syscall(SYS_gettid), *thread);
    return TR_OK;
}
static const tr_actor pinned_actor = { .label = "pinned", .state_size = sizeof(long), .handle = pinned_handle };

static void moves(const tr_msg *arg)
{
    (void)arg;
    for (int i = 0; i < 60; i++) {
        long before = syscall(SYS_gettid);
        *local_address() = 5;
        *errno_address() = ENOENT;
        block_somehow(i);
        if (syscall(SYS_gettid) != before)
            __atomic_add_fetch(&pinned_moves, 1, __ATOMIC_RELAXED);
        *errno_address() = EPERM;
        CHECK_EQ(*errno_address(), EPERM);
    }
}

static int echo_handle(void *state, const tr_msg *message)
{
    (void)state;
    int64_t answer = 0;
    return tr_reply(tr_from_of(message), &answer, sizeof answer);
}
static const tr_actor echo = { .label = "echo", .handle = echo_handle };

static void pinned_stay(void)
{
    tr_pid server = tr_spawn_actor(&echo, NULL, 0, NULL);
    CHECK_EQ(tr_register("echo", server), TR_OK);
    static tr_ref monitors[24];
    for (size_t i = 0; i < TR_COUNT(monitors); i++)
        tr_spawn_with(i % 2 == 0 ? pinned : moves, NULL, 0,
                      &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR | (i % 2 == 0 ? TR_SPAWN_PIN_THREAD : 0),
                                           .monitor = &monitors[i],
                                           .stack_size = i % 4 == 0 ? 1 << 20 : 0 });
    tr_pid handler = tr_spawn_actor(&pinned_actor, NULL, 0, &(tr_spawn_options){ .flags = TR_SPAWN_PIN_THREAD });
    for (int i = 0; i < 50; i++) {
        tr_send(handler, WORD, NULL, 0);
        tr_yield();
    }
    for (size_t i = 0; i < TR_COUNT(monitors); i++)
        CHECK_EQ(await_down(monitors[i]).why, TR_WHY_NORMAL);
    CHECK(tr_is_alive(handler));
    end_with(handler, TR_KILL);
    end_with(server, TR_KILL);
}
TEST(boot, pinned_processes_keep_their_thread)
{
    race(pinned_stay);
    run(pinned_stay);
}

/* ---- a pinned process behind a stuck worker */

static int pinned_logged;
static void note_pinned(const tr_log_record *record, void *arg)
{
    (void)arg;
    if (strcmp(record->event, "pinned") == 0 ||
        (strcmp(record->event, "slow") == 0 && strstr(record->text, "pinned to it") != NULL))
        __atomic_add_fetch(&pinned_logged, 1, __ATOMIC_RELAXED);
}
static int hogs_end;
static long home_thread, hogs_thread; /* atomic */
static void hog(const tr_msg *arg)
{
    (void)arg;
    __atomic_store_n(&hogs_thread, syscall(SYS_gettid), __ATOMIC_RELAXED);
    while (__atomic_load_n(&hogs_end, __ATOMIC_RELAXED) == 0)
        if (HARNESS_SIMULATED)
            usleep(100); /* it holds its worker as well, and virtual time need not be spent in steps */
}
static void pinned_sleeper(const tr_msg *arg)
{
    (void)arg;
    __atomic_store_n(&home_thread, syscall(SYS_gettid), __ATOMIC_RELAXED);
    tr_spawn(hog, NULL, 0); /* what is spawned here runs here next, as soon as this process sleeps */
    for (int i = 0; i < 40; i++) {
        tr_sleep(10);
        CHECK_EQ(syscall(SYS_gettid), home_thread);
    }
}
/* Logged; or the hog was robbed in time, and harms nobody. */
static bool pinned_told(void)
{
    long hogs = __atomic_load_n(&hogs_thread, __ATOMIC_RELAXED);
    return __atomic_load_n(&pinned_logged, __ATOMIC_RELAXED) >= 1 ||
           (hogs != 0 && hogs != __atomic_load_n(&home_thread, __ATOMIC_RELAXED));
}
static void stuck_home(void)
{
    tr_ref monitor;
    tr_spawn_with(pinned_sleeper, NULL, 0,
                  &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR | TR_SPAWN_PIN_THREAD, .monitor = &monitor });
    for (int i = 0; i < 2000 && !pinned_told(); i++) /* however late the watchdog is */
        tr_sleep(10);
    __atomic_store_n(&hogs_end, 1, __ATOMIC_RELAXED);
    CHECK_EQ(await_down(monitor).why, TR_WHY_NORMAL);
}
TEST(boot, pinned_process_behind_a_stuck_worker_waits_and_is_logged)
{
    the_body = stuck_home;
    CHECK_EQ(tr_main(&(tr_config){ .workers = 2, .log = note_pinned, .slow_turn_ms = 50 }, enter_body, NULL, 0), 0);
    CHECK(pinned_told());
}
