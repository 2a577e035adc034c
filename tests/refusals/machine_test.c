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
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <troupe/base.h>
#include <unistd.h>

/* ---- the cores of a machine that the test makes up */

static char folder[] = "/tmp/cores-test-XXXXXX";
static char found_at[128];

/* What the system says of this process's control groups is in the test's own folder, and so are the groups. */
static const char *in_folder(const char *path)
{
    if (strcmp(path, "/proc/self/cgroup") != 0 && strcmp(path, "/proc/self/mountinfo") != 0)
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
WRAP(int, mincore, (void *at, size_t size, unsigned char *pages), (at, size, pages), -1)
WRAP(ssize_t, read, (int fd, void *to, size_t size), (fd, to, size), -1)
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

static unsigned cores(void)
{
    REFUSE(sched_getaffinity, 1, 0);
    unsigned count = scheduler_cores();
    CHECK_EQ(REFUSED(sched_getaffinity), 1);
    return count;
}

static void make_folder(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK_EQ(mkdir(path, 0700), 0);
}

/* Version 2 is mounted at "two groups", version 1 at "one", of each the part of the hierarchy below `root`. */
static void mount_below(const char *root)
{
    char text[1024];
    snprintf(text, sizeof text,
             "22 1 8:1 / / rw,relatime - ext4 /dev/root rw\n"
             "30 22 0:28 / /not-there rw - cgroup cgroup rw,cpuset,cpuacct\n"
             "31 22 0:29 %s %s/two\\040groups rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"
             "32 22 0:30 %s %s/one rw,nosuid - cgroup cgroup rw,cpuacct,cpu\n",
             root, folder, root, folder);
    put("mountinfo", text);
}

static unsigned cores_with(const char *second, const char *quota, const char *period)
{
    put("two groups/cpu.max", second);
    put("one/cpu.cfs_quota_us", quota);
    put("one/cpu.cfs_period_us", period);
    return cores();
}

static void make_groups(void)
{
    CHECK(mkdtemp(folder) != NULL);
    make_folder("two groups");
    make_folder("two groups/slice");
    make_folder("two groups/slice/service");
    make_folder("one");
    make_folder("one/slice");
}

/* Nothing of it is left. */
static void remove_groups(void)
{
    static const char *const all[] = { "two groups/cpu.max",
                                       "two groups/slice/cpu.max",
                                       "two groups/slice/service/cpu.max",
                                       "one/slice/cpu.cfs_quota_us",
                                       "one/slice/cpu.cfs_period_us",
                                       "one/cpu.cfs_quota_us",
                                       "one/cpu.cfs_period_us",
                                       "cgroup",
                                       "mountinfo",
                                       "two groups/slice/service",
                                       "two groups/slice",
                                       "two groups",
                                       "one/slice",
                                       "one",
                                       "" };
    char path[128];
    for (size_t i = 0; i < TR_COUNT(all); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, all[i]);
        CHECK(remove(path) == 0 || errno == ENOENT);
    }
}

TEST(machine, a_quota_of_control_groups_is_so_many_cores_rounded_up)
{
    make_groups();
    mount_below("/");
    put("cgroup", "5:cpuset:/\n4:cpuacct,cpu:/\n0::/\n");
    CHECK_EQ(cores_with(NULL, NULL, NULL), 8);
    CHECK_EQ(cores_with("max 100000\n", NULL, NULL), 8);
    CHECK_EQ(cores_with("100000 100000\n", NULL, NULL), 1);
    CHECK_EQ(cores_with("100001 100000\n", NULL, NULL), 2);
    CHECK_EQ(cores_with("1000 100000\n", NULL, NULL), 1);
    CHECK_EQ(cores_with("900000 100000\n", NULL, NULL), 8); /* not more than there are */
    CHECK_EQ(cores_with("300000 0\n", NULL, NULL), 8);
    CHECK_EQ(cores_with("", NULL, NULL), 8);
    CHECK_EQ(cores_with(NULL, "-1\n", "100000\n"), 8); /* version 1 */
    CHECK_EQ(cores_with(NULL, "250000\n", "100000\n"), 3);
    CHECK_EQ(cores_with(NULL, "250000\n", ""), 8);
    CHECK_EQ(cores_with(NULL, "250000\n", NULL), 8);
    CHECK_EQ(cores_with(NULL, "", "100000\n"), 8);
    CHECK_EQ(cores_with("200000 100000\n", "100000\n", "100000\n"), 1); /* the smaller one */
    CHECK_EQ(cores_with("200000 100000\n", "300000\n", "100000\n"), 2);
    REFUSE(sched_getaffinity, 1, EINVAL);
    CHECK_EQ(scheduler_cores(), 1); /* nobody knows: one there is */
    remove_groups();
}

TEST(machine, a_quota_counts_at_every_level_between_the_process_and_the_mount)
{
    make_groups();
    mount_below("/");
    put("cgroup", "4:cpu,cpuacct:/slice\n0::/slice/service\n");
    put("two groups/slice/service/cpu.max", "500000 100000\n"); /* CPUQuota=500% of a service */
    CHECK_EQ(cores(), 5);
    put("two groups/slice/cpu.max", "300000 100000\n");
    CHECK_EQ(cores(), 3);
    put("two groups/cpu.max", "400000 100000\n");
    CHECK_EQ(cores(), 3);
    put("one/slice/cpu.cfs_quota_us", "200000\n");
    put("one/slice/cpu.cfs_period_us", "100000\n");
    CHECK_EQ(cores(), 2);
    put("cgroup", "0::/slice/service\n"); /* none of version 1 */
    CHECK_EQ(cores(), 3);
    put("cgroup", "0::/slic\n"); /* a group that is not there: what it would be in */
    CHECK_EQ(cores(), 4);
    remove_groups();
}

TEST(machine, a_container_that_sees_a_part_of_the_groups_has_its_quota)
{
    make_groups();
    mount_below("/docker/1234");
    put("two groups/cpu.max", "600000 100000\n");
    put("two groups/slice/cpu.max", "200000 100000\n");
    put("cgroup", "0::/docker/1234\n");
    CHECK_EQ(cores(), 6);
    put("cgroup", "0::/docker/1234/slice\n");
    CHECK_EQ(cores(), 2);
    put("cgroup", "0::/docker/12345/slice\n"); /* not in what is mounted */
    CHECK_EQ(cores(), 6);
    put("cgroup", "0::/docker/1234/../slice\n");
    CHECK_EQ(cores(), 6);
    remove_groups();
}

TEST(machine, groups_that_nobody_can_understand_are_no_quota)
{
    make_groups();
    put("two groups/cpu.max", "100000 100000\n");
    CHECK_EQ(cores(), 8); /* neither file is there */
    mount_below("/");
    CHECK_EQ(cores(), 8);
    static const char *const groups[] = { "", "\n", "0\n", "0:\n", "0:/\n", "1:cpuset:/\n", "1:cpus:/\n" };
    for (size_t i = 0; i < TR_COUNT(groups); i++) {
        put("cgroup", groups[i]);
        CHECK_EQ(cores(), 8);
    }
    put("cgroup", "0::/\n");
    CHECK_EQ(cores(), 1);
    static const char *const mounts[] = { "",
                                          "\n",
                                          " - \n",
                                          "31 22 0:29 / - cgroup2 cgroup2 rw\n",
                                          " - cgroup2 cgroup2 rw\n",
                                          "31 22 0:29 / /\\0 rw\n",
                                          "31 22 0:29 / /none - cgroup2\n" };
    for (size_t i = 0; i < TR_COUNT(mounts); i++) {
        put("mountinfo", mounts[i]);
        CHECK_EQ(cores(), 8);
    }
    remove_groups();
}

TEST(machine, a_thread_that_ends_while_it_is_asked_for_waits_for_no_core)
{
    struct core_use use;
    cores_note_thread(&use);
    CHECK(cores_waits(&use)); /* it runs: so it has one, or waits for it */
    REFUSE(read, 1, ESRCH);
    CHECK(!cores_waits(&use));
    CHECK_EQ(REFUSED(read), 1);
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

TEST(machine, a_stack_that_nobody_can_look_at_is_not_trimmed)
{
    if (HARNESS_EMULATED)
        SKIP("an emulator may drop no pages");
    struct stack stack;
    CHECK(stack_take(0, &stack));
    memset(stack.low, 1, (size_t)(stack.high - stack.low));
    REFUSE(mincore, 1, ENOMEM);
    stack_trim(&stack);
    CHECK_EQ(REFUSED(mincore), 1);
    CHECK_EQ(*stack.low, 1);
    stack_trim(&stack);
    CHECK_EQ(*stack.low, 0);
    CHECK_EQ(stack.high[-1], 1); /* what is used again first */
    stack_give(&stack);
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
