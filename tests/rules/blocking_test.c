/* blocking_test.c: tr_blocking: results, many at once beside timers, and exit signals that come while the work runs. */
#include "support.h"

#include <pthread.h>
#include <unistd.h>

static int return_number(void *arg) { return *(const int *)arg; }
static int sleep_ms(void *arg)
{
    usleep((useconds_t)(uintptr_t)arg * 1000);
    return (int)(uintptr_t)arg;
}

static void results_come_back(void)
{
    for (int i = -100; i < 100; i++)
        CHECK_EQ(tr_blocking(return_number, &i), i);
}
TEST(blocking, returns_what_the_work_returned) { run(results_come_back); }

/* ---- many */

enum { MANY = 200 };
static int inside, most_inside;
static int count_inside(void *arg)
{
    int now = __atomic_add_fetch(&inside, 1, __ATOMIC_RELAXED), most = __atomic_load_n(&most_inside, __ATOMIC_RELAXED);
    while (now > most &&
           !__atomic_compare_exchange_n(&most_inside, &most, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
    usleep(5000);
    __atomic_sub_fetch(&inside, 1, __ATOMIC_RELAXED);
    return *(const int *)arg;
}
static void block_once(const tr_msg *arg)
{
    int number = *(const int *)tr_expect(arg, sizeof number);
    CHECK_EQ(tr_blocking(count_inside, &number), number);
}
static void many_at_once(void)
{
    static tr_ref monitors[MANY];
    most_inside = 0;
    for (int i = 0; i < MANY; i++)
        tr_spawn_monitor(block_once, &i, sizeof i, &monitors[i]);
    for (int i = 0; i < 10; i++) /* the workers are free meanwhile */
        CHECK(tr_receive_match(&(tr_match){ .tag = WORD }, 1) == NULL);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(await_down(monitors[i]).why, TR_WHY_NORMAL);
    CHECK(most_inside > 1 && most_inside <= 64);
}
TEST(blocking, two_hundred_at_once_share_sixty_four_threads) { run(many_at_once); }

/* ---- those that wait for each other */

enum { MEET_MOST = 5 };
static int expected, met;
static int meet(void *unused)
{
    (void)unused;
    __atomic_add_fetch(&met, 1, __ATOMIC_RELAXED);
    int ms = 0;
    while (__atomic_load_n(&met, __ATOMIC_RELAXED) < expected && ms++ < 20000)
        usleep(1000);
    return __atomic_load_n(&met, __ATOMIC_RELAXED) == expected;
}
static void block_to_meet(const tr_msg *unused)
{
    (void)unused;
    CHECK(tr_blocking(meet, NULL));
}
static void all_meet(void)
{
    tr_ref monitors[MEET_MOST];
    for (expected = 1; expected <= MEET_MOST; expected++) { /* each time all threads but one are there, and idle */
        met = 0;
        for (int i = 0; i < expected; i++)
            tr_spawn_monitor(block_to_meet, NULL, 0, &monitors[i]);
        for (int i = 0; i < expected; i++)
            CHECK_EQ(await_down(monitors[i]).why, TR_WHY_NORMAL);
    }
}
TEST(blocking, no_work_waits_behind_another_while_there_are_threads_to_be_had) { run(all_meet); }

/* ---- signals */

static int work_may_end, work_ended;
static int note_work(void *arg)
{
    tr_send(*(const tr_pid *)arg, READY, NULL, 0); /* from here on the work has begun */
    while (__atomic_load_n(&work_may_end, __ATOMIC_ACQUIRE) == 0)
        usleep(1000);
    __atomic_store_n(&work_ended, 1, __ATOMIC_RELEASE);
    return 0;
}
static int went_on;
static void works_and_goes_on(const tr_msg *arg)
{
    tr_pid root = *(const tr_pid *)tr_expect(arg, sizeof root);
    tr_blocking(note_work, &root);
    went_on = 1;
}
static void killed_meanwhile(void)
{
    work_may_end = work_ended = went_on = 0;
    tr_pid self = tr_self();
    tr_ref monitor;
    tr_pid pid = tr_spawn_monitor(works_and_goes_on, &self, sizeof self, &monitor);
    await_tag(READY);
    tr_exit_signal(pid, TR_KILL);
    CHECK_EQ(tr_await_down(monitor, 30, NULL), TR_ETIMEDOUT);
    __atomic_store_n(&work_may_end, 1, __ATOMIC_RELEASE);
    RULE("EXIT-02");
    CHECK_EQ(await_down(monitor).why, TR_WHY_KILLED);
    CHECK_EQ(__atomic_load_n(&work_ended, __ATOMIC_ACQUIRE), 1);
    CHECK_EQ(went_on, 0);
}
TEST(blocking, exit_signal_acts_when_the_work_has_returned) { run(killed_meanwhile); }

static void messages_wait(void)
{
    tr_send(tr_self(), WORD, NULL, 0);
    CHECK_EQ(tr_blocking(sleep_ms, (void *)(uintptr_t)2), 2);
    CHECK(tr_receive_match(&(tr_match){ .tag = WORD }, 0) != NULL);
}
TEST(blocking, messages_wait_meanwhile) { run(messages_wait); }

/* ---- in the pool the caller is a foreign thread */

static int use_the_runtime(void *arg)
{
    tr_pid to = *(const tr_pid *)arg;
    CHECK(tr_nobody(tr_self()));
    CHECK_EQ(tr_send(to, WORD, NULL, 0), TR_OK);
    CHECK(tr_is_alive(to));
    tr_pid pid = tr_spawn(waiter, NULL, 0);
    CHECK_EQ(tr_exit_signal(pid, TR_KILL), TR_OK);
    return 5;
}
static void work_uses_the_runtime(void)
{
    tr_pid bystander = tr_spawn(waiter, NULL, 0);
    CHECK_EQ(tr_blocking(use_the_runtime, &bystander), 5);
    end_with(bystander, TR_KILL);
}
TEST(blocking, work_may_send_and_spawn_as_a_foreign_thread) { run(work_uses_the_runtime); }

TEST(blocking, foreign_thread_runs_the_work_itself)
{
    int number = 9;
    CHECK_EQ(tr_blocking(return_number, &number), TR_ESTOPPED);
    CHECK_EQ(tr_boot(&(tr_config){ .workers = 1 }), TR_OK);
    CHECK_EQ(tr_blocking(return_number, &number), 9);
    CHECK_EQ(tr_halt(100), TR_OK);
}
