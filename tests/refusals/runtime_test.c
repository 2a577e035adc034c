/* runtime_test.c: a whole runtime that is refused something: memory at each request of its start, main program and
 * stop, threads, descriptors, barriers; and main programs that are stopped, signalled or held up at odd moments. */
#include "refuse.h"

#include "memory/pool.h"
#include "memory/source.h"

#include <limits.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <troupe/troupe.h>
#include <unistd.h>

WRAP(int, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument),
     (thread, attributes, start, argument), errno)
WRAP(int, eventfd, (unsigned first, int flags), (first, flags), -1)
/* with any error: a thread's own clock stands still, as if others had its core */
WRAP(int, clock_gettime, (clockid_t clock, struct timespec *time), (clock, time),
     clock < 0 ? (time->tv_sec = 0, time->tv_nsec = 0, 0) : __real_clock_gettime(clock, time))
WRAP_NUMBER(SYS_membarrier)

enum { LONG_MS = 60000, WORD = 1 };

static _Atomic int slow_reports;

static void count_slow(const tr_log_record *record, void *arg)
{
    (void)arg;
    if (strcmp(record->event, "slow") == 0)
        atomic_fetch_add(&slow_reports, 1);
}

static const tr_config one_worker = { .workers = 1, .log = count_slow, .slow_turn_ms = TR_INFINITY };
static const tr_config two_workers = { .workers = 2, .log = count_slow };

static void rest_us(long us)
{
    struct timespec pause = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };
    nanosleep(&pause, NULL);
}

static void ends(const tr_msg *unused) { (void)unused; }

/* ---- memory at each request */

static void blocks_and_ends(const tr_msg *unused)
{
    (void)unused;
    tr_sleep(1);
}

static void refuse_each(bool onwards)
{
    size_t mapped = source_mapped_bytes();
    int failed = 0;
    for (int n = 1;; n++) {
        source_fail_after(n, onwards);
        int result = tr_main(&two_workers, blocks_and_ends, NULL, 0);
        bool refused = source_failed();
        source_fail_after(0, false);
        CHECK(result == 0 || refused);
        CHECK_EQ(source_mapped_bytes(), mapped);
        failed += result != 0;
        if (!refused)
            break;
    }
    CHECK(failed > 10); /* tables, wheels, pools, workers with their stacks */
    CHECK_EQ(tr_main(&two_workers, blocks_and_ends, NULL, 0), 0);
}

TEST(refused_runtime, a_program_that_is_refused_memory_once_says_so_and_leaves_nothing) { refuse_each(false); }

static void refuse_start(void)
{
    size_t mapped = source_mapped_bytes();
    int tries = 0;
    for (int status = TR_ENOMEM; status != TR_OK; tries++) {
        source_fail_after(tries + 1, true);
        status = tr_boot(&two_workers);
        source_fail_after(0, false);
        CHECK(status == TR_OK || status == TR_ENOMEM);
        CHECK(status == TR_OK || source_mapped_bytes() == mapped);
    }
    CHECK(tries > 10);
    source_fail_after(1, true); /* a stop with nothing to signal needs no memory */
    CHECK_EQ(tr_halt(LONG_MS), TR_OK);
    source_fail_after(0, false);
    CHECK_EQ(source_mapped_bytes(), mapped);
}

TEST(refused_runtime, a_start_that_runs_out_of_memory_is_undone_and_a_stop_needs_none) { refuse_start(); }

/* ---- a foreign thread's first call */

struct first_call {
    int refused_request, status;
    bool ever;
};

static void *call_first(void *arg)
{
    struct first_call *call = arg;
    tr_process_info info;
    source_fail_after(call->refused_request, false);
    call->status = tr_peek(tr_name("known"), &info);
    call->ever = source_failed();
    source_fail_after(0, false);
    if (call->status != TR_OK)
        CHECK_EQ(tr_peek(tr_name("known"), &info), TR_OK); /* memory is back */
    return NULL;
}

static struct first_call on_new_thread(int refused_request)
{
    pthread_t thread;
    struct first_call call = { .refused_request = refused_request };
    CHECK_EQ(pthread_create(&thread, NULL, call_first, &call), 0);
    pthread_join(thread, NULL);
    return call;
}

static void waits(const tr_msg *unused)
{
    (void)unused;
    tr_receive_match(&(tr_match){ .tag = WORD }, LONG_MS);
}

TEST(refused_runtime, a_threads_first_call_fails_without_memory_and_the_next_goes_through)
{
    CHECK_EQ(tr_boot(&two_workers), TR_OK);
    tr_pid pid = tr_spawn(waits, NULL, 0);
    CHECK_EQ(tr_register("known", pid), TR_OK);
    struct first_call call = { .ever = true };
    int failed = 0;
    for (int n = 1; call.ever; n++) {
        call = on_new_thread(n);
        CHECK(call.status == TR_OK || call.ever);
        failed += call.status != TR_OK;
    }
    CHECK(failed > 0);
    tr_send(pid, WORD, NULL, 0);
    CHECK_EQ(tr_halt(LONG_MS), TR_OK);
}

/* ---- descriptors and threads */

TEST(refused_runtime, a_main_program_without_a_descriptor_for_signals_does_not_start)
{
    REFUSE_AFTER(eventfd, 1, 1, EMFILE); /* the first is the poller's */
    CHECK_EQ(tr_main(&two_workers, ends, NULL, 0), 1);
    CHECK_EQ(REFUSED(eventfd), 1);
    CHECK_EQ(tr_main(&two_workers, ends, NULL, 0), 0);
}

static int work(void *arg) { return *(int *)arg; }

static void blocking_body(const tr_msg *unused)
{
    (void)unused;
    int number = 12, status = TR_ENOMEM;
    REFUSE(pthread_create, 1, EAGAIN);
    CHECK(tr_blocking(work, &number) < 0);
    CHECK_EQ(REFUSED(pthread_create), 1);
    for (int n = 1; status < 0; n++) {
        source_fail_after(n, false);
        status = tr_blocking(work, &number);
        CHECK(status == number || source_failed());
        source_fail_after(0, false);
    }
    CHECK_EQ(status, number);
}

TEST(refused_runtime, blocking_work_that_finds_no_thread_or_memory_says_so)
{
    CHECK_EQ(tr_main(&two_workers, blocking_body, NULL, 0), 0);
}

TEST(refused_runtime, more_workers_than_wheels_of_timers_serve_them_all)
{
    const tr_config many = { .workers = 40, .log = count_slow };
    CHECK_EQ(tr_main(&many, blocks_and_ends, NULL, 0), 0);
}

/* ---- takeover without what it takes */

static bool no_thread_was_had(void) { return REFUSED(pthread_create) > 0; }
static bool no_barrier_was_had(void) { return REFUSED(syscall) > 1; } /* the first is the start's */
static bool (*taken_over)(void);

static void hog(const tr_msg *unused)
{
    (void)unused;
    for (int i = 0; i < LONG_MS && !taken_over(); i++)
        rest_us(1000); /* the thread sleeps: it neither ends its turn nor blocks its process */
}

static void partner(const tr_msg *unused)
{
    (void)unused;
    for (int i = 0; i < 3; i++)
        tr_yield();
}

static void hogged_body(const tr_msg *unused)
{
    (void)unused;
    tr_system_info info;
    tr_reason reason;
    tr_ref monitors[2];
    tr_spawn_monitor(hog, NULL, 0, &monitors[0]);
    tr_spawn_monitor(partner, NULL, 0, &monitors[1]); /* waits behind it, with a single worker */
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(tr_await_down(monitors[i], LONG_MS, &reason), TR_OK);
        CHECK_EQ(reason.why, TR_WHY_NORMAL);
    }
    CHECK_EQ(tr_system(&info), TR_OK);
    CHECK(info.takeovers > 0);
    CHECK_EQ(info.workers_spare > 0, REFUSED(pthread_create) == 0);
}

TEST(refused_runtime, a_stuck_worker_that_nobody_can_replace_serves_the_others_afterwards)
{
    CHECK_EQ(tr_boot(&one_worker), TR_OK);
    taken_over = no_thread_was_had;
    REFUSE(pthread_create, 1000, EAGAIN);
    tr_pid body = tr_spawn(hogged_body, NULL, 0);
    while (tr_is_alive(body))
        rest_us(1000);
    CHECK(no_thread_was_had());
    CHECK_EQ(tr_halt(LONG_MS), TR_OK);
    CHECK_EQ(atomic_load(&slow_reports), 0); /* TR_INFINITY: never told */
}

enum { HELD_MS = 5000 };
static _Atomic bool others_ran, ran_beside_hog;

static void hog_until_others_run(const tr_msg *unused)
{
    (void)unused;
    for (int i = 0; i < HELD_MS && !atomic_load(&others_ran); i++)
        rest_us(1000);
    atomic_store(&ran_beside_hog, atomic_load(&others_ran));
}

static void tell_hog(const tr_msg *unused)
{
    (void)unused;
    atomic_store(&others_ran, true);
}

static void twice_hogged_body(const tr_msg *unused)
{
    tr_ref monitors[2];
    tr_reason reason;
    hogged_body(unused);
    REFUSE(pthread_create, 0, 0);
    tr_spawn_monitor(hog_until_others_run, NULL, 0, &monitors[0]);
    tr_spawn_monitor(tell_hog, NULL, 0, &monitors[1]);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(tr_await_down(monitors[i], LONG_MS, &reason), TR_OK);
    CHECK(atomic_load(&ran_beside_hog));
}

TEST(refused_runtime, a_worker_that_was_replaced_by_nobody_does_not_count_as_a_spare)
{
    CHECK_EQ(tr_boot(&one_worker), TR_OK);
    taken_over = no_thread_was_had;
    REFUSE(pthread_create, 1000, EAGAIN);
    tr_pid body = tr_spawn(twice_hogged_body, NULL, 0);
    while (tr_is_alive(body))
        rest_us(1000);
    CHECK(atomic_load(&ran_beside_hog));
    CHECK_EQ(tr_halt(LONG_MS), TR_OK);
}

TEST(refused_runtime, a_stuck_worker_keeps_its_next_process_where_there_are_no_barriers)
{
    if (HARNESS_EMULATED)
        SKIP("liburcu is linked into the program there, and its barriers would be refused, too");
    taken_over = no_barrier_was_had;
    REFUSE(syscall, 1000000, ENOSYS);
    CHECK_EQ(tr_main(&one_worker, hogged_body, NULL, 0), 0);
    CHECK(no_barrier_was_had());
}

/* ---- main programs at odd moments */

static _Atomic bool shutters_end;

static void *shut_down_always(void *unused)
{
    while (!atomic_load(&shutters_end)) {
        tr_shutdown();
        sched_yield();
    }
    return unused;
}

TEST(refused_runtime, a_shutdown_at_any_moment_ends_the_root_once_there_is_one)
{
    pthread_t thread;
    tr_shutdown(); /* there is nothing to stop */
    CHECK_EQ(tr_boot(&two_workers), TR_OK);
    tr_shutdown(); /* and no root */
    CHECK_EQ(tr_halt(LONG_MS), TR_OK);
    CHECK_EQ(pthread_create(&thread, NULL, shut_down_always, NULL), 0);
    for (int round = 0; round < 30; round++)
        CHECK_EQ(tr_main(&two_workers, waits, NULL, 0), 0);
    atomic_store(&shutters_end, true);
    pthread_join(thread, NULL);
}

static _Atomic int alarms;

static void note_alarm(int number)
{
    (void)number;
    atomic_fetch_add(&alarms, 1);
}

static pthread_t main_thread;

static void signals_main_thread(const tr_msg *unused)
{
    (void)unused;
    for (int i = 1; i <= 20; i++) {
        pthread_kill(main_thread, SIGALRM);
        while (atomic_load(&alarms) < i)
            tr_sleep(1);
    }
}

TEST(refused_runtime, signals_of_the_programs_own_do_not_end_a_main_program)
{
    struct sigaction action = { .sa_handler = note_alarm };
    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    main_thread = pthread_self();
    CHECK_EQ(tr_main(&two_workers, signals_main_thread, NULL, 0), 0);
    CHECK_EQ(atomic_load(&alarms), 20);
}

static void writes_to_all(const tr_msg *unused)
{
    (void)unused;
    tr_pid *list;
    size_t count;
    CHECK_EQ(tr_processes(&list, &count), TR_OK);
    CHECK(count >= 2); /* it and who watches it */
    for (size_t i = 0; i < count; i++)
        if (!tr_same(list[i], tr_self()))
            CHECK_EQ(tr_send(list[i], WORD, NULL, 0), TR_OK);
    tr_free(list);
    tr_sleep(20);
    tr_exit(tr_because(TR_WHY_USER, 3, "told by its exit status"));
}

TEST(refused_runtime, messages_to_who_watches_the_root_change_nothing)
{
    CHECK_EQ(tr_main(&two_workers, writes_to_all, NULL, 0), 1);
}

static _Atomic bool stuck_begun, stuck_over;

static void stuck(const tr_msg *unused)
{
    (void)unused;
    atomic_store(&stuck_begun, true);
    rest_us(1400 * 1000);
    atomic_store(&stuck_over, true);
}

TEST(refused_runtime, a_stop_waits_for_a_process_that_does_not_listen)
{
    CHECK_EQ(tr_boot(&two_workers), TR_OK);
    tr_spawn(stuck, NULL, 0);
    while (!atomic_load(&stuck_begun))
        rest_us(100);
    CHECK_EQ(tr_halt(0), TR_OK);
    CHECK(atomic_load(&stuck_over)); /* nobody is ended in the middle of its own code */
}

/* ---- turns that only have no core */

enum { SLOW_MS = 10 };
static const tr_config quick_to_tell = { .workers = 1, .log = count_slow, .slow_turn_ms = SLOW_MS };

static void compute_until_reported(const tr_msg *unused)
{
    (void)unused;
    while (atomic_load(&slow_reports) == 0)
        ;
}

static void rest_until_reported(const tr_msg *unused)
{
    (void)unused;
    while (atomic_load(&slow_reports) == 0)
        rest_us(1000);
}

static void compute_without_a_core(const tr_msg *unused)
{
    (void)unused;
    int64_t begin = tr_now_ns();
    while (tr_now_ns() - begin < 20 * SLOW_MS * INT64_C(1000000))
        ;
}

TEST(refused_runtime, a_turn_is_told_as_slow_when_it_computes_or_blocks_its_thread)
{
    atomic_store(&slow_reports, 0);
    CHECK_EQ(tr_main(&quick_to_tell, compute_until_reported, NULL, 0), 0);
    atomic_store(&slow_reports, 0);
    REFUSE(clock_gettime, INT_MAX, 1);
    CHECK_EQ(tr_main(&quick_to_tell, rest_until_reported, NULL, 0), 0);
    REFUSE(clock_gettime, 0, 0);
    atomic_store(&slow_reports, 0);
}

TEST(refused_runtime, a_turn_that_only_waits_for_a_core_is_not_told_as_slow)
{
    REFUSE(clock_gettime, INT_MAX, 1);
    CHECK_EQ(tr_main(&quick_to_tell, compute_without_a_core, NULL, 0), 0);
    CHECK(REFUSED(clock_gettime) > 0);
    REFUSE(clock_gettime, 0, 0);
    CHECK_EQ(atomic_load(&slow_reports), 0);
}
