/* machine_test.c: what the machine may be like: its cores and their quota, a kernel without the newer calls, without
 * guard pages, without chance. Each test is a process of its own, so what is found out once is found out anew. */
#include "refuse.h"
#include "unit/polling.h"

#include "base/clock.h"
#include "base/random.h"
#include "sched/scheduler.h"
#include "sched/stack.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <troupe/base.h>
#include <unistd.h>

/* ---- the cores of a machine that the test makes up */

static char folder[] = "/tmp/cores-test-XXXXXX";
static char found_at[128];

/* Files of control groups are those in the test's own folder, by their last names. */
static const char *in_folder(const char *path)
{
    if (strncmp(path, "/sys/fs/cgroup", 14) != 0)
        return path;
    snprintf(found_at, sizeof found_at, "%s%s", folder, strrchr(path, '/'));
    return found_at;
}

/* Eight cores; with an error: that. */
static int eight_cores(size_t size, cpu_set_t *set)
{
    if (errno != 0)
        return -1;
    CPU_ZERO_S(size, set);
    for (size_t i = 0; i < 8; i++)
        CPU_SET_S(i, size, set);
    return 0;
}

WRAP(FILE *, fopen, (const char *path, const char *mode), (in_folder(path), mode), NULL)
WRAP(int, sched_getaffinity, (pid_t pid, size_t size, cpu_set_t *set), (pid, size, set), eight_cores(size, set))
WRAP(int, madvise, (void *at, size_t size, int advice), (at, size, advice), -1)
WRAP(int, mprotect, (void *at, size_t size, int protection), (at, size, protection), -1)
WRAP(void *, mmap, (void *at, size_t size, int protection, int flags, int fd, off_t offset),
     (at, size, protection, flags, fd, offset), MAP_FAILED)
/* with no error: it is done, as an emulator says that knows no guards */
WRAP(ssize_t, getrandom, (void *to, size_t size, unsigned flags), (to, size, flags), errno == 0 ? (ssize_t)size : -1)
WRAP(int, epoll_wait, (int epoll, struct epoll_event *events, int most, int ms), (epoll, events, most, ms), -1)

WRAP_NUMBER(SYS_epoll_pwait2)

static void put(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
    if (text == NULL)
        return;
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    fputs(text, file);
    fclose(file);
}

static unsigned cores_with(const char *second, const char *quota, const char *period)
{
    put("cpu.max", second);
    put("cpu.cfs_quota_us", quota);
    put("cpu.cfs_period_us", period);
    REFUSE(sched_getaffinity, 1, 0);
    unsigned cores = scheduler_cores();
    CHECK_EQ(REFUSED(sched_getaffinity), 1);
    return cores;
}

TEST(machine, a_quota_of_control_groups_is_so_many_cores_rounded_up)
{
    CHECK(mkdtemp(folder) != NULL);
    CHECK_EQ(cores_with(NULL, NULL, NULL), 8);
    CHECK_EQ(cores_with("max 100000\n", NULL, NULL), 8);
    CHECK_EQ(cores_with("100000 100000\n", NULL, NULL), 1);
    CHECK_EQ(cores_with("100001 100000\n", NULL, NULL), 2);
    CHECK_EQ(cores_with("1000 100000\n", NULL, NULL), 1);
    CHECK_EQ(cores_with("900000 100000\n", NULL, NULL), 8); /* not more than there are */
    CHECK_EQ(cores_with("300000 0\n", NULL, NULL), 8);
    CHECK_EQ(cores_with(NULL, "-1\n", "100000\n"), 8); /* version 1 */
    CHECK_EQ(cores_with(NULL, "250000\n", "100000\n"), 3);
    CHECK_EQ(cores_with(NULL, "250000\n", ""), 8);
    CHECK_EQ(cores_with(NULL, "250000\n", NULL), 8);
    CHECK_EQ(cores_with(NULL, "", "100000\n"), 8);
    CHECK_EQ(cores_with("200000 100000\n", "100000\n", "100000\n"), 2); /* version 2 goes first */
    put("cpu.max", NULL);
    put("cpu.cfs_quota_us", NULL);
    put("cpu.cfs_period_us", NULL);
    REFUSE(sched_getaffinity, 1, EINVAL);
    CHECK_EQ(scheduler_cores(), 1); /* nobody knows: one there is */
    CHECK_EQ(rmdir(folder), 0);
}

/* ---- chance */

TEST(machine, where_there_is_no_chance_yet_the_time_is_the_seed)
{
    REFUSE(getrandom, 1, EAGAIN);
    uint64_t before = (uint64_t)clock_now(), seed = random_seed(), after = (uint64_t)clock_now();
    CHECK_EQ(REFUSED(getrandom), 1);
    CHECK_EQ(seed & 1, 1);
    CHECK(seed >= before && seed <= (after | 1));
    CHECK(random_seed() != random_seed());
}

/* ---- guards of stacks: the first advice is about large pages of the region, the second tries the guard out */

static void expect_guard(enum stack_guard expected)
{
    struct stack stack;
    CHECK(stack_take(0, &stack));
    CHECK_EQ(stack.guard, expected);
    memset(stack.low, 1, 4096); /* the stack itself is all there */
    stack_give(&stack);
}

TEST(machine, a_kernel_without_guards_protects_pages)
{
    REFUSE_AFTER(madvise, 1, 1, EINVAL);
    expect_guard(STACK_GUARD_PROTECT);
    CHECK_EQ(REFUSED(madvise), 1);
}

TEST(machine, an_advice_that_is_taken_and_does_nothing_is_found_out)
{
    if (HARNESS_ASAN)
        SKIP("the sanitizer looks at the page first");
    REFUSE(getrandom, 1, 0);
    expect_guard(STACK_GUARD_PROTECT);
}

TEST(machine, without_memory_to_try_guards_out_they_are_not_used)
{
    REFUSE_AFTER(mmap, 1, 1, ENOMEM);
    expect_guard(STACK_GUARD_PROTECT);
    CHECK_EQ(REFUSED(mmap), 1);
}

TEST(machine, a_guard_that_is_refused_after_all_is_a_protected_page)
{
    REFUSE_AFTER(madvise, 2, 1, ENOMEM);
    expect_guard(STACK_GUARD_PROTECT);
}

TEST(machine, where_no_page_can_be_protected_there_are_canaries)
{
    REFUSE_AFTER(madvise, 1, 1, EINVAL);
    REFUSE(mprotect, 1, ENOMEM);
    expect_guard(STACK_GUARD_CANARY);
    CHECK_EQ(REFUSED(mprotect), 1);
}

/* ---- an older kernel's poller */

TEST(machine, without_exact_waits_the_poller_sleeps_whole_milliseconds_and_is_never_early)
{
    REFUSE(syscall, 1000, ENOSYS);
    begin();
    for (int64_t ns = 1; ns < 20 * NS_PER_MS; ns = ns * 5 + 1) {
        int64_t before = clock_now();
        CHECK_EQ(poller_wait(ns), 0);
        CHECK(clock_now() - before >= ns);
    }
    CHECK_EQ(REFUSED(syscall), 1); /* it is not asked again */
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, ring_later, NULL), 0);
    CHECK_EQ(poller_wait(INT64_MAX / 2), 0); /* longer than the call can say */
    pthread_join(thread, NULL);
    CHECK_EQ(pthread_create(&thread, NULL, ring_later, NULL), 0);
    CHECK_EQ(poller_wait(-1), 0);
    pthread_join(thread, NULL);
    REFUSE(epoll_wait, 1, EINTR);
    CHECK_EQ(poller_wait(5 * NS_PER_MS), 0); /* interrupted: nothing has happened */
    CHECK_EQ(REFUSED(epoll_wait), 1);
    end();
}

static void ignore(struct poll_source *source, uint32_t events)
{
    (void)source;
    (void)events;
}

TEST(machine, a_source_beyond_the_last_handle_is_refused)
{
    int ends[2];
    begin();
    CHECK_EQ(pipe(ends), 0);
    struct poll_source source = { .fd = ends[0], .ready = ignore };
    while (slots_take(context_table(TABLE_SOCKETS), &own.caches[TABLE_SOCKETS]) != 0)
        ;
    CHECK_EQ(poller_add(&source), TR_ELIMIT);
    CHECK(!poller_used());
    close(ends[0]);
    close(ends[1]);
    end();
}
