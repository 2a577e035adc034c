/* stack_test.c: stacks are as large as asked for, guarded, reused, and their memory goes back. */
#include "harness.h"

#include "base/random.h"
#include "sched/stack.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE ((size_t)sysconf(_SC_PAGESIZE))

static struct stack take(size_t bytes)
{
    struct stack stack;
    CHECK(stack_take(bytes, &stack));
    return stack;
}

static void touch(const struct stack *stack, size_t pages)
{
    for (size_t page = 1; page <= pages; page++)
        *(volatile char *)(stack->high - page * PAGE) = 1;
}

static size_t resident_pages(const struct stack *stack)
{
    size_t pages = (size_t)(stack->high - stack->low) / PAGE, resident = 0;
    unsigned char *in = malloc(pages);
    CHECK(in != NULL);
    CHECK(mincore(stack->low, pages * PAGE, in) == 0);
    for (size_t i = 0; i < pages; i++)
        resident += in[i] & 1;
    free(in);
    return resident;
}

/* Whether this machine has guards that fault under the given policy. */
static bool real_guard(const struct stack *stack) { return stack->guard != STACK_GUARD_CANARY; }

static char *volatile guard_of_handler;
static void in_guard(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    const char *low = guard_of_handler;
    const char *at = info->si_addr;
    _exit(at < low && at >= low - stack_guard_bytes() ? 0 : 3);
}

/* In a child: writes to the address and expects the fault. */
static int fault_at(const struct stack *stack, char *address)
{
    pid_t child = fork();
    if (child == 0) {
        struct sigaction action = { .sa_flags = SA_SIGINFO };
        action.sa_sigaction = in_guard;
        sigaction(SIGSEGV, &action, NULL);
        guard_of_handler = stack->low;
        *(volatile char *)address = 1;
        _exit(4);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

/* In a child whose stderr is captured: writes below the stack and gives it back. */
static int overflow_and_give(const struct stack *stack, char *said, size_t size)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        *(volatile uint64_t *)(void *)(stack->low - 64) = 1;
        stack_give(stack);
        _exit(0);
    }
    close(ends[1]);
    size_t got = 0;
    for (ssize_t more = 1; more > 0 && got<size - 1; got += more> 0 ? (size_t)more : 0)
        more = read(ends[0], said + got, size - 1 - got);
    said[got] = '\0';
    close(ends[0]);
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

TEST(stack, is_at_least_as_large_as_asked_for)
{
    static const size_t sizes[] = { 0, 1, 100000, 256 << 10, (256 << 10) + 1, 1 << 20, 5 << 20, 64 << 20 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct stack stack = take(sizes[i]);
        size_t bytes = (size_t)(stack.high - stack.low);
        CHECK(bytes >= sizes[i]);
        CHECK(bytes >= STACK_DEFAULT_BYTES);
        CHECK(bytes < 2 * sizes[i] || bytes == STACK_DEFAULT_BYTES);
        CHECK_EQ((uintptr_t)stack.high % PAGE, 0);
        stack.low[0] = 1;
        stack.high[-1] = 1;
        stack_give(&stack);
    }
    struct stack none;
    CHECK(!stack_take(STACK_LARGEST_BYTES + 1, &none));
    CHECK(!stack_take(SIZE_MAX, &none));
}

TEST(stack, stacks_do_not_overlap)
{
    enum { COUNT = 1000 };
    static struct stack stacks[COUNT];
    for (int i = 0; i < COUNT; i++) {
        stacks[i] = take(i % 10 == 0 ? 1 << 20 : 0);
        memset(stacks[i].low, i, 16);
        memset(stacks[i].high - 16, i, 16);
    }
    for (int i = 0; i < COUNT; i++)
        for (int at = 0; at < 16; at++) {
            CHECK_EQ((unsigned char)stacks[i].low[at], i % 256);
            CHECK_EQ((unsigned char)stacks[i].high[at - 16], i % 256);
        }
    for (int i = 0; i < COUNT; i++)
        stack_give(&stacks[i]);
    struct stack_counts counts;
    stack_count(&counts);
    CHECK_EQ(counts.lent, 0);
}

TEST(stack, a_write_below_the_stack_faults)
{
    struct stack stack = take(0);
    if (!real_guard(&stack))
        SKIP("no guards here");
    CHECK_EQ(fault_at(&stack, stack.low - 1), 0);
    CHECK_EQ(fault_at(&stack, stack.low - stack_guard_bytes()), 0);
    stack_give(&stack);
}

TEST(stack, guards_by_mprotect_serve_where_the_kernel_has_no_better)
{
    struct stack_policy policy = stack_policy();
    policy.kernel_guards = false;
    stack_set_policy(policy);
    struct stack stack = take(0), large = take(1 << 20);
    CHECK_EQ(stack.guard, STACK_GUARD_PROTECT);
    CHECK_EQ(fault_at(&stack, stack.low - 1), 0);
    CHECK_EQ(fault_at(&stack, stack.low - stack_guard_bytes()), 0);
    CHECK_EQ(fault_at(&large, large.low - 1), 0);
    stack_give(&stack);
    stack_give(&large);
}

TEST(stack, beyond_the_limit_of_mprotect_there_are_canaries)
{
    stack_set_policy((struct stack_policy){ .kernel_guards = false, .protected_guards = 3, .reserve_bytes = 1 << 20 });
    struct stack stacks[6];
    for (int i = 0; i < 6; i++) {
        stacks[i] = take(0);
        CHECK_EQ(stacks[i].guard, i < 3 ? STACK_GUARD_PROTECT : STACK_GUARD_CANARY);
    }
    struct stack_counts counts;
    stack_count(&counts);
    CHECK_EQ(counts.guards[STACK_GUARD_PROTECT], 3);
    CHECK_EQ(counts.guards[STACK_GUARD_CANARY], 3);
    for (int i = 0; i < 6; i++) {
        memset(stacks[i].low, 0xff, STACK_DEFAULT_BYTES); /* to the last byte: no overflow */
        stack_verify(&stacks[i]);
        stack_give(&stacks[i]);
    }
}

TEST(stack, a_canary_ends_the_process_with_a_message)
{
    char said[512];
    stack_set_policy((struct stack_policy){ .reserve_bytes = 1 << 20 });
    struct stack stack = take(0);
    CHECK_EQ(stack.guard, STACK_GUARD_CANARY);
    int status = overflow_and_give(&stack, said, sizeof said);
    CHECK(status != 0);
    CHECK(strstr(said, "overflowed its stack") != NULL);
    stack_give(&stack);
}

TEST(stack, idle_stacks_beyond_the_reserve_give_their_pages_back)
{
    enum { COUNT = 100, RESERVE = 10 };
    static struct stack stacks[COUNT];
    struct stack_policy policy = stack_policy();
    policy.reserve_bytes = RESERVE * STACK_DEFAULT_BYTES;
    stack_set_policy(policy);
    struct stack keeps_the_region = take(0);
    for (int i = 0; i < COUNT; i++) {
        stacks[i] = take(0);
        touch(&stacks[i], 5);
        CHECK(resident_pages(&stacks[i]) >= 5);
    }
    for (int i = 0; i < COUNT; i++)
        stack_give(&stacks[i]);
    struct stack_counts counts;
    stack_count(&counts);
    CHECK_EQ(counts.idle, COUNT);
    CHECK_EQ(counts.warm, RESERVE);
    size_t resident = 0;
    for (int i = 0; i < COUNT; i++)
        resident += resident_pages(&stacks[i]);
    CHECK(resident <= 2 * 5 * RESERVE);
    stack_give(&keeps_the_region);
}

TEST(stack, a_stack_that_kept_its_pages_is_lent_first)
{
    struct stack_policy policy = stack_policy();
    policy.reserve_bytes = 2 * STACK_DEFAULT_BYTES;
    stack_set_policy(policy);
    struct stack stacks[5];
    for (int i = 0; i < 5; i++) {
        stacks[i] = take(0);
        touch(&stacks[i], 1);
    }
    for (int i = 0; i < 4; i++)
        stack_give(&stacks[i]); /* 0 and 1 fill the reserve */
    struct stack first = take(0), second = take(0), third = take(0);
    CHECK(first.low == stacks[1].low);
    CHECK(second.low == stacks[0].low);
    CHECK_EQ(*third.low, 0);
    CHECK_EQ(third.high[-1], 0);
    struct stack_counts counts;
    stack_count(&counts);
    CHECK_EQ(counts.warm, 0);
    CHECK_EQ(counts.idle, 1);
    CHECK_EQ(counts.lent, 4);
}

TEST(stack, regions_without_a_borrower_are_unmapped)
{
    enum { COUNT = 3000 };
    static struct stack stacks[COUNT];
    struct stack_counts before, full, after;
    stack_count(&before);
    for (int i = 0; i < COUNT; i++)
        stacks[i] = take(0);
    stack_count(&full);
    CHECK(full.regions > 10);
    CHECK_EQ(full.lent, COUNT);
    for (int i = 0; i < COUNT; i++)
        stack_give(&stacks[i]);
    stack_count(&after);
    CHECK_EQ(after.lent, 0);
    CHECK(after.regions <= 3);
    CHECK(after.idle <= 3 * 64 * 4);
    CHECK_EQ(after.guards[0] + after.guards[1] + after.guards[2], after.idle);
    for (int i = 0; i < 3; i++)
        stacks[i] = take(STACK_LARGEST_BYTES);
    for (int i = 0; i < 3; i++)
        stack_give(&stacks[i]);
    stack_count(&full);
    CHECK_EQ(full.regions, after.regions + 1);
}

enum { THREADS = 8, HELD = 50, ROUNDS = 20000 };

static void *take_and_give(void *seed)
{
    struct random random = { (uint64_t)(uintptr_t)seed };
    struct stack held[HELD] = { { .low = NULL } };
    for (int round = 0; round < ROUNDS; round++) {
        struct stack *stack = &held[random_below(&random, HELD)];
        if (stack->low == NULL) {
            *stack = take(random_below(&random, 8) == 0 ? 1 << 20 : 0);
            *(struct stack **)(void *)(stack->high - 64) = stack;
        } else {
            CHECK(*(struct stack **)(void *)(stack->high - 64) == stack);
            stack_give(stack);
            stack->low = NULL;
        }
    }
    for (int i = 0; i < HELD; i++)
        if (held[i].low != NULL)
            stack_give(&held[i]);
    return NULL;
}

TEST(stack, threads_never_share_a_stack)
{
    struct stack_policy policy = stack_policy();
    policy.reserve_bytes = 100 * STACK_DEFAULT_BYTES;
    stack_set_policy(policy);
    for (uintptr_t seed = 1; seed <= 4; seed++) {
        pthread_t threads[THREADS];
        for (uintptr_t i = 0; i < THREADS; i++)
            CHECK(pthread_create(&threads[i], NULL, take_and_give, (void *)(seed * 1000 + i)) == 0);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        struct stack_counts counts;
        stack_count(&counts);
        CHECK_EQ(counts.lent, 0);
    }
}
