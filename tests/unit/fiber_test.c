/* fiber_test.c: fibers switch, are dropped and entered anew; the limits of their stacks, and what many of them cost. */
#include "fibers.h"

#include <signal.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static size_t resident_bytes(void)
{
    size_t total, resident;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL);
    CHECK_EQ(fscanf(file, "%zu %zu", &total, &resident), 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* ---- one thread */

static struct fiber *ping_fiber, *pong_fiber;
static long pings, pongs, handed_over;

static void count_hand_over(void *arg) { ++*(long *)arg; }

static void ping(void *rounds)
{
    for (long i = 0; i < *(long *)rounds; i++) {
        CHECK_EQ(pings, pongs);
        pings++;
        fiber_switch(ping_fiber, pong_fiber, count_hand_over, &handed_over);
    }
    fiber_switch(ping_fiber, &native, NULL, NULL);
}

static void pong(void *unused)
{
    (void)unused;
    for (;;) {
        CHECK_EQ(pings, pongs + 1);
        pongs++;
        fiber_switch(pong_fiber, ping_fiber, count_hand_over, &handed_over);
    }
}

TEST(fiber, two_fibers_take_turns)
{
    long rounds = SANITIZED ? 20000 : 1000000;
    fiber_native(&native);
    ping_fiber = create(ping, &rounds);
    pong_fiber = create(pong, NULL);
    fiber_switch(&native, ping_fiber, NULL, NULL);
    CHECK_EQ(pings, rounds);
    CHECK_EQ(pongs, rounds);
    CHECK_EQ(handed_over, 2 * rounds);
    fiber_destroy(ping_fiber);
    fiber_destroy(pong_fiber);
}

static const char *ran_on;

static void note_stack(void *fiber) { ran_on = fiber_owns(fiber, __builtin_frame_address(0)) ? "there" : "elsewhere"; }

static void back_and_forth(void *unused)
{
    (void)unused;
    CHECK_STR(ran_on, "there"); /* `after` ran before the entry */
    for (;;) {
        ran_on = "nowhere";
        fiber_switch(one, &native, note_stack, &native);
        CHECK_STR(ran_on, "there");
    }
}

TEST(fiber, after_runs_first_and_on_the_other_stack)
{
    fiber_native(&native);
    one = create(back_and_forth, NULL);
    for (int i = 0; i < 3; i++) {
        fiber_switch(&native, one, note_stack, one);
        CHECK_STR(ran_on, "there");
    }
    fiber_destroy(one);
}

static long dropped;
static volatile bool always = true; /* compilers see through the recursions below otherwise */

static NOINLINE void drop_deep_down(int depth)
{
    char buffer[512];
    memset(buffer, depth, sizeof buffer);
    __asm__ volatile("" ::"r"(buffer) : "memory");
    if (depth > 0)
        drop_deep_down(depth - 1);
    else if (always)
        fiber_abandon(one, &native, count_hand_over, &dropped);
    __asm__ volatile("" ::"r"(buffer) : "memory");
}

static void dropper(void *depth)
{
    drop_deep_down((int)(intptr_t)depth);
    CHECK(false);
}

TEST(fiber, a_fiber_is_dropped_and_prepared_a_million_times)
{
    long rounds = WITH_TSAN ? 20000 : WITH_ASAN ? 200000 : 1000000;
    fiber_native(&native);
    one = create(dropper, NULL);
    size_t before = 0;
    for (long i = 0; i < rounds; i++) {
        fiber_prepare(one, dropper, (void *)(intptr_t)(i % 20));
        fiber_switch(&native, one, NULL, NULL);
        if (i == rounds / 2)
            before = resident_bytes();
    }
    CHECK_EQ(dropped, rounds);
    if (!WITH_TSAN) /* it keeps a record of each fiber for a while */
        CHECK(resident_bytes() < before + (1 << 20));
    fiber_destroy(one);
}

static NOINLINE void suspend_deep_down(int depth)
{
    char buffer[3000];
    __asm__ volatile("" ::"r"(buffer) : "memory");
    if (depth > 0)
        suspend_deep_down(depth - 1);
    while (always)
        fiber_switch(one, &native, NULL, NULL);
    __asm__ volatile("" ::"r"(buffer) : "memory");
}

static void suspender(void *depth) { suspend_deep_down((int)(intptr_t)depth); }

/* Where the frames were that were dropped there is one frame of another shape. */
static void fill(void *unused)
{
    char buffer[30000];
    (void)unused;
    for (;;) {
        memset(buffer, 1, sizeof buffer);
        __asm__ volatile("" ::"r"(buffer) : "memory");
        fiber_switch(one, &native, NULL, NULL);
    }
}

TEST(fiber, a_suspended_fiber_is_dropped_by_prepare_and_by_destroy)
{
    size_t before = 0;
    fiber_native(&native);
    for (int i = 0; i < 2000; i++) {
        one = create(suspender, (void *)(intptr_t)(i % 10));
        fiber_switch(&native, one, NULL, NULL);
        fiber_prepare(one, fill, NULL);
        fiber_switch(&native, one, NULL, NULL);
        fiber_switch(&native, one, NULL, NULL);
        fiber_destroy(one);
        if (i == 200)
            before = resident_bytes();
    }
    if (!WITH_TSAN)
        CHECK(resident_bytes() < before + (16 << 20)); /* AddressSanitizer's fake stacks are dropped as well */
    struct stack_counts counts;
    stack_count(&counts);
    CHECK_EQ(counts.lent, 0);
    CHECK_EQ(counts.idle, 1);
}

/* ---- limits of the stack */

static size_t left_at_entry, left_deeper, left_after;

static NOINLINE size_t left_here(void) { return fiber_stack_left(one); }

static NOINLINE size_t left_below(void)
{
    char buffer[20000];
    __asm__ volatile("" ::"r"(buffer) : "memory");
    size_t left = left_here();
    __asm__ volatile("" ::"r"(buffer) : "memory");
    return left;
}

static void measure(void *unused)
{
    (void)unused;
    left_at_entry = fiber_stack_left(one);
    left_deeper = left_below();
    left_after = fiber_stack_left(one);
    fiber_abandon(one, &native, NULL, NULL);
}

TEST(fiber, stack_left_is_what_lies_between_here_and_the_guard)
{
    static const size_t sizes[] = { 0, 1 << 20, 16 << 20 };
    fiber_native(&native);
    for (int i = 0; i < 3; i++) {
        size_t size = sizes[i] == 0 ? STACK_DEFAULT_BYTES : sizes[i];
        one = fiber_create(sizes[i]);
        fiber_prepare(one, measure, NULL);
        fiber_switch(&native, one, NULL, NULL);
        CHECK(left_at_entry < size);
        CHECK(left_at_entry > size - 16384);
        CHECK_EQ(left_at_entry, left_after);
        if (!WITH_ASAN) { /* whose fake stacks hold the buffer */
            CHECK(left_deeper < left_at_entry - 20000);
            CHECK(left_deeper > left_at_entry - 24000);
        }
        fiber_destroy(one);
    }
    CHECK(fiber_stack_left(&native) > 65536);
    CHECK(fiber_owns(&native, __builtin_frame_address(0)));
    CHECK(fiber_create(STACK_LARGEST_BYTES + 1) == NULL);
}

TEST(fiber, addresses_are_told_apart)
{
    one = fiber_create(0);
    CHECK(fiber_owns(one, one));
    CHECK(fiber_owns(one, one->stack.low));
    CHECK(fiber_owns(one, one->stack.high - 1));
    CHECK(!fiber_owns(one, one->stack.high));
    CHECK(!fiber_owns(one, one->stack.low - 1));
    CHECK(fiber_guards(one, one->stack.low - 1));
    CHECK(fiber_guards(one, one->stack.low - stack_guard_bytes()));
    CHECK(!fiber_guards(one, one->stack.low - stack_guard_bytes() - 1));
    CHECK(!fiber_guards(one, one->stack.low));
    CHECK(!fiber_owns(one, NULL));
    CHECK(!fiber_guards(one, NULL));
    fiber_destroy(one);
}

static NOINLINE int recurse(int depth)
{
    volatile char buffer[500];
    buffer[0] = (char)depth;
    return depth < 0 ? 0 : recurse(depth + 1) + buffer[0];
}

static void overflow(void *unused)
{
    (void)unused;
    recurse(1);
    _exit(4);
}

static void expect_guard(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    _exit(fiber_guards(one, info->si_addr) && !fiber_owns(one, info->si_addr) ? 0 : 3);
}

TEST(fiber, deep_recursion_hits_the_guard)
{
    pid_t child = fork();
    if (child ==
        0) { /* makes its fiber itself: after a fork ThreadSanitizer no longer follows those that were there before */
        fiber_native(&native);
        one = create(overflow, NULL);
        if (one->stack.guard == STACK_GUARD_CANARY)
            _exit(77);
        static char handler_stack[65536];
        stack_t other = { .ss_sp = handler_stack, .ss_size = sizeof handler_stack };
        struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK };
        action.sa_sigaction = expect_guard;
        sigaltstack(&other, NULL);
        sigaction(SIGSEGV, &action, NULL);
        fiber_switch(&native, one, NULL, NULL);
        _exit(5);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        SKIP("no guards here");
    CHECK_EQ(status, 0);
}

#if defined(__x86_64__) || defined(__aarch64__)

static long survived;
static char *volatile nowhere = (char *)8;

static NO_ASAN NO_TSAN void give_up(void)
{
    survived++;
    fiber_abandon(one, &native, NULL, NULL);
}

/* Lets the thread go on in give_up, as if called at the upper end of the fiber's stack. */
static NO_ASAN NO_TSAN void divert(int number, siginfo_t *info, void *raw)
{
    ucontext_t *context = raw;
    (void)number;
    if (info->si_addr != nowhere && !fiber_guards(one, info->si_addr))
        _exit(3);
#if defined(__x86_64__)
    context->uc_mcontext.gregs[REG_RSP] = (greg_t)(uintptr_t)fiber_base(one) - 8;
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)give_up;
#else
    context->uc_mcontext.sp = (uintptr_t)fiber_base(one);
    context->uc_mcontext.pc = (uintptr_t)give_up;
#endif
}

static void write_nowhere(void *unused)
{
    (void)unused;
    if (always)
        *nowhere = 1;
    _exit(4);
}

TEST(fiber, a_fault_and_an_overflow_are_survived_by_dropping_the_fiber)
{
    static char handler_stack[65536];
    stack_t other = { .ss_sp = handler_stack, .ss_size = sizeof handler_stack };
    struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK };
    action.sa_sigaction = divert;
    CHECK(sigaltstack(&other, NULL) == 0);
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    fiber_native(&native);
    one = fiber_create(0);
    if (one->stack.guard == STACK_GUARD_CANARY)
        SKIP("no guards here");
    long rounds = WITH_TSAN ? 200 : 1000;
    for (long i = 0; i < rounds; i++) {
        fiber_prepare(one, i % 2 ? overflow : write_nowhere, NULL);
        fiber_switch(&native, one, NULL, NULL);
    }
    CHECK_EQ(survived, rounds);
    fiber_destroy(one);
}

#endif

/* ---- many */

TEST(fiber, a_blocked_fiber_costs_one_page_and_its_memory_returns)
{
    long count = WITH_TSAN ? 2000 : WITH_ASAN ? 10000 : 200000;
    struct fiber **fibers = calloc((size_t)count, sizeof *fibers);
    CHECK(fibers != NULL);
    fiber_native(&native);
    memset(fibers, 1, (size_t)count * sizeof *fibers);
    size_t page = (size_t)sysconf(_SC_PAGESIZE), before = resident_bytes();
    for (long i = 0; i < count; i++) {
        fibers[i] = fiber_create(0);
        CHECK(fibers[i] != NULL);
        fiber_prepare(fibers[i], touch_and_wait, fibers[i]);
        fiber_switch(&native, fibers[i], NULL, NULL);
    }
    size_t full = resident_bytes();
    for (long i = 0; i < count; i++)
        fiber_switch(&native, fibers[i], NULL, NULL);
    for (long i = 0; i < count; i++)
        fiber_destroy(fibers[i]);
    size_t after = resident_bytes();
    struct stack_counts counts;
    stack_count(&counts);
    if (!SANITIZED && counts.guards[STACK_GUARD_KERNEL] > 0) { /* else an emulator may keep books of its own */
        CHECK((full - before) / (size_t)count <= (UCONTEXT ? 2 : 1) * page + page / 50);
        CHECK(after - before <= (full - before) / 20);
    }
    free(fibers);
}
