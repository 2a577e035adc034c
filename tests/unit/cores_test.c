/* cores_test.c: what a thread gets of the cores, as another sees it. */
#include "base/clock.h"
#include "harness.h"
#include "sched/scheduler.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct core_use use;
static atomic_bool noted, end;
static atomic_long rounds;
static int pipe_ends[2];

static void *compute(void *unused)
{
    cores_note_thread(&use);
    atomic_store(&noted, true);
    while (!atomic_load(&end))
        atomic_fetch_add(&rounds, 1);
    return unused;
}

static void *wait_for_a_byte(void *unused)
{
    char byte;
    cores_note_thread(&use);
    atomic_store(&noted, true);
    CHECK_EQ(read(pipe_ends[0], &byte, 1), 1);
    return unused;
}

static pthread_t start(void *(*what)(void *))
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, what, NULL), 0);
    while (!atomic_load(&noted))
        sched_yield();
    return thread;
}

TEST(cores, a_thread_that_computes_has_a_core_or_waits_for_one)
{
    pthread_t thread = start(compute);
    int64_t begin = cores_time(&use);
    while (atomic_load(&rounds) < 1000) /* an emulator has translated it by then, and has no lock for it to wait for */
        sched_yield();
    for (int i = 0; i < 100; i++)
        CHECK(cores_waits(&use));
    while (cores_time(&use) - begin < NS_PER_MS)
        sched_yield();
    atomic_store(&end, true);
    pthread_join(thread, NULL);
}

TEST(cores, a_thread_that_sleeps_waits_for_no_core)
{
    CHECK_EQ(pipe(pipe_ends), 0);
    pthread_t thread = start(wait_for_a_byte);
    while (cores_waits(&use)) /* until it is in the read */
        sched_yield();
    CHECK_EQ(write(pipe_ends[1], "", 1), 1);
    pthread_join(thread, NULL);
}

TEST(cores, a_thread_that_has_ended_waits_for_no_core)
{
    pthread_t thread = start(compute);
    atomic_store(&end, true);
    pthread_join(thread, NULL);
    CHECK(use.known);
    while (cores_waits(&use)) /* until the kernel has finished with it: that may be after the join */
        sched_yield();
    int64_t before = cores_time(&use); /* its clock is gone: as if it had a core all the time */
    CHECK(before > 0 && cores_time(&use) >= before);
}

TEST(cores, what_is_not_known_of_a_thread_is_no_wait)
{
    const struct core_use nobody = { .thread = -1 };
    CHECK(!cores_waits(&nobody));
    int64_t before = cores_time(&nobody); /* as if it had a core all the time */
    CHECK(before > 0 && cores_time(&nobody) >= before);
}

/* sched_getattr(2): the runtime stands behind six words; 0: a system that has no slices of a thread's own. */
static uint64_t slice_ns(void)
{
    uint32_t words[12] = { 0 };
    uint64_t slice;
    syscall(SYS_sched_getattr, 0, words, sizeof words, 0);
    memcpy(&slice, &words[6], sizeof slice);
    return slice;
}

/* Whether the system lets a thread choose: asks for another one than the runtime does. */
static bool may_choose(void)
{
    const uint64_t slice = 200000;
    uint32_t words[12] = { 0 };
    syscall(SYS_sched_getattr, 0, words, sizeof words, 0);
    memcpy(&words[6], &slice, sizeof slice);
    return syscall(SYS_sched_setattr, 0, words, 0) == 0 && slice_ns() == slice;
}

static void *ask_twice(void *unused)
{
    const struct sched_param none = { 0 };
    CHECK_EQ(sched_setscheduler(0, SCHED_BATCH, &none), 0);
    uint64_t before = slice_ns();
    cores_ask_short_slice();
    CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
    CHECK_EQ(slice_ns(), before);
    CHECK_EQ(sched_setscheduler(0, SCHED_OTHER, &none), 0);
    bool may = may_choose();
    before = slice_ns();
    cores_ask_short_slice();
    CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
    CHECK_EQ(slice_ns(), may ? 100000 : before);
    return unused;
}

TEST(cores, a_short_slice_is_asked_for_where_the_policy_is_the_usual_one)
{
    pthread_t thread; /* the others keep theirs */
    CHECK_EQ(pthread_create(&thread, NULL, ask_twice, NULL), 0);
    pthread_join(thread, NULL);
}
