/* fiber_test.c: fibers switch, move between threads, are dropped and entered anew, and keep what is theirs. */
#include "harness.h"

#include "base/check.h"
#include "base/random.h"
#include "sched/fiber.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#define SANITIZED (WITH_ASAN || WITH_TSAN)
#ifdef TR_FIBER_UCONTEXT
#define UCONTEXT 1
#else
#define UCONTEXT 0
#endif

static struct fiber native; /* of the test's own thread */

static struct fiber *create(fiber_entry *entry, void *arg)
{
    struct fiber *fiber = fiber_create(0);
    CHECK(fiber != NULL);
    fiber_prepare(fiber, entry, arg);
    return fiber;
}

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

static struct fiber *one;
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

/* With 2,000 bytes of frames, as an actor that waits in a call has them. */
static void touch_and_wait(void *self)
{
    char frame[2000];
    memset(frame, 1, sizeof frame);
    __asm__ volatile("" ::"r"(frame) : "memory");
    for (;;)
        fiber_switch(self, &native, NULL, NULL);
}

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

/* ---- what a fiber keeps */

#if defined(__x86_64__)
#define KEPT 6
__asm__(".text\n"
        "keep_registers:\n" /* rdi: values to hold, rsi: a function to call meanwhile, rdx: where the values go */
        ".cfi_startproc\n"
        "pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n pushq %rdx\n"
        ".cfi_adjust_cfa_offset 56\n"
        "movq 0(%rdi), %rbp\n movq 8(%rdi), %rbx\n movq 16(%rdi), %r12\n"
        "movq 24(%rdi), %r13\n movq 32(%rdi), %r14\n movq 40(%rdi), %r15\n"
        "callq *%rsi\n"
        "movq (%rsp), %rdx\n"
        "movq %rbp, 0(%rdx)\n movq %rbx, 8(%rdx)\n movq %r12, 16(%rdx)\n"
        "movq %r13, 24(%rdx)\n movq %r14, 32(%rdx)\n movq %r15, 40(%rdx)\n"
        "popq %rdx\n popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n popq %rbp\n"
        ".cfi_adjust_cfa_offset -56\n"
        "retq\n"
        ".cfi_endproc\n");
#elif defined(__aarch64__)
#define KEPT 19
__asm__(".text\n"
        "keep_registers:\n" /* x0: values to hold, x1: a function to call meanwhile, x2: where the values go */
        ".cfi_startproc\n"
        "stp x29, x30, [sp, #-176]!\n"
        ".cfi_def_cfa_offset 176\n .cfi_rel_offset x29, 0\n .cfi_rel_offset x30, 8\n"
        "stp x19, x20, [sp, #16]\n stp x21, x22, [sp, #32]\n stp x23, x24, [sp, #48]\n stp x25, x26, [sp, #64]\n"
        "stp x27, x28, [sp, #80]\n stp d8, d9, [sp, #96]\n stp d10, d11, [sp, #112]\n stp d12, d13, [sp, #128]\n"
        "stp d14, d15, [sp, #144]\n str x2, [sp, #160]\n"
        "ldp x19, x20, [x0]\n ldp x21, x22, [x0, #16]\n ldp x23, x24, [x0, #32]\n ldp x25, x26, [x0, #48]\n"
        "ldp x27, x28, [x0, #64]\n ldr x29, [x0, #80]\n ldp d8, d9, [x0, #88]\n ldp d10, d11, [x0, #104]\n"
        "ldp d12, d13, [x0, #120]\n ldp d14, d15, [x0, #136]\n"
        "blr x1\n"
        "ldr x2, [sp, #160]\n"
        "stp x19, x20, [x2]\n stp x21, x22, [x2, #16]\n stp x23, x24, [x2, #32]\n stp x25, x26, [x2, #48]\n"
        "stp x27, x28, [x2, #64]\n str x29, [x2, #80]\n stp d8, d9, [x2, #88]\n stp d10, d11, [x2, #104]\n"
        "stp d12, d13, [x2, #120]\n stp d14, d15, [x2, #136]\n"
        "ldp x19, x20, [sp, #16]\n ldp x21, x22, [sp, #32]\n ldp x23, x24, [sp, #48]\n ldp x25, x26, [sp, #64]\n"
        "ldp x27, x28, [sp, #80]\n ldp d8, d9, [sp, #96]\n ldp d10, d11, [sp, #112]\n ldp d12, d13, [sp, #128]\n"
        "ldp d14, d15, [sp, #144]\n ldp x29, x30, [sp], #176\n"
        ".cfi_def_cfa_offset 0\n"
        "ret\n"
        ".cfi_endproc\n");
#endif

#ifdef KEPT
void keep_registers(const uint64_t *held, void (*meanwhile)(void), uint64_t *found) __asm__("keep_registers");

static NOINLINE void go_home(void) { fiber_switch(one, &native, NULL, NULL); }
static NOINLINE void go_away(void) { fiber_switch(&native, one, NULL, NULL); }

static void hold_and_check(uint64_t pattern, void (*meanwhile)(void))
{
    uint64_t held[KEPT], found[KEPT];
    for (unsigned i = 0; i < KEPT; i++)
        held[i] = pattern * (i + 1);
    keep_registers(held, meanwhile, found);
    for (unsigned i = 0; i < KEPT; i++)
        CHECK_EQ(found[i], held[i]);
}

static void hold_others(void *unused)
{
    (void)unused;
    for (;;)
        hold_and_check(UINT64_C(0x123456789abcdef), go_home);
}

TEST(fiber, callee_saved_registers_survive)
{
    fiber_native(&native);
    one = create(hold_others, NULL);
    for (int i = 0; i < 5; i++)
        hold_and_check(UINT64_C(0xfedcba987654321), go_away);
    fiber_destroy(one);
}
#endif

#if defined(__x86_64__)

/* All control bits that a program may want: rounding and flushing of SSE, rounding and precision of x87. */
static uint64_t modes(void)
{
    uint32_t mxcsr;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
    return (mxcsr & 0xffc0) | (uint64_t)x87 << 32;
}

static void set_rounding(uint64_t rounding)
{
    uint32_t mxcsr = (uint32_t)(0x1f80 | rounding << 13);
    uint16_t x87 = (uint16_t)(0x037f | rounding << 10);
    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" ::"m"(mxcsr), "m"(x87));
}

#elif defined(__aarch64__)

static uint64_t modes(void)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr;
}

static void set_rounding(uint64_t rounding) { __asm__ volatile("msr fpcr, %0" ::"r"(rounding << 22)); }

#endif

#ifdef KEPT
static uint64_t modes_of_preparer;

static void round_otherwise(void *unused)
{
    (void)unused;
    CHECK_EQ(modes(), modes_of_preparer);
    set_rounding(2);
    uint64_t mine = modes();
    CHECK(mine != modes_of_preparer);
    for (;;) {
        fiber_switch(one, &native, NULL, NULL);
        CHECK_EQ(modes(), mine);
    }
}

TEST(fiber, floating_point_modes_stay_with_their_fiber)
{
    fiber_native(&native);
    one = fiber_create(0);
    for (int i = 0; i < 2; i++) {
        set_rounding(3);
        modes_of_preparer = modes();
        fiber_prepare(one, round_otherwise, NULL);
        set_rounding(1);
        uint64_t mine = modes();
        CHECK(mine != modes_of_preparer);
        for (int turn = 0; turn < 3; turn++) {
            fiber_switch(&native, one, NULL, NULL);
            CHECK_EQ(modes(), mine);
        }
    }
    fiber_destroy(one);
}

static void round_and_drop(void *unused)
{
    (void)unused;
    set_rounding(2);
    fiber_abandon(one, &native, NULL, NULL);
}

TEST(fiber, a_dropped_fiber_leaves_no_floating_point_modes_behind)
{
    fiber_native(&native);
    uint64_t mine = modes();
    one = create(round_and_drop, NULL);
    fiber_switch(&native, one, NULL, NULL);
    CHECK_EQ(modes(), mine);
    fiber_destroy(one);
}
#endif

static int frames;
static bool at_entry;
static uintptr_t last_address; /* 0: the frame before knew that it has no caller */
static void unwound_entry(void *unused);

static _Unwind_Reason_Code see_frame(struct _Unwind_Context *context, void *unused)
{
    (void)unused;
    frames++;
    last_address = _Unwind_GetIP(context);
    at_entry |= _Unwind_GetRegionStart(context) == (uintptr_t)unwound_entry;
    return _URC_NO_REASON;
}

static _Unwind_Reason_Code unwound;
static NOINLINE void unwind(void *unused)
{
    (void)unused;
    frames = 0;
    at_entry = false;
    unwound = _Unwind_Backtrace(see_frame, NULL);
}

static void unwound_entry(void *unused)
{
    unwind(unused);
    for (;;)
        fiber_switch(one, &native, NULL, NULL);
}

TEST(fiber, unwinding_ends_at_the_base)
{
    fiber_native(&native);
    one = create(unwound_entry, NULL);
    fiber_switch(&native, one, unwind, NULL); /* before the entry ... */
    CHECK_EQ(unwound, _URC_END_OF_STACK);
    CHECK(UCONTEXT || last_address == 0);
    CHECK(frames >= 2 && frames < 8); /* ... and in it */
    CHECK(at_entry);
    fiber_switch(&native, one, unwind, NULL);
    CHECK_EQ(unwound, _URC_END_OF_STACK);
    CHECK(UCONTEXT || last_address == 0);
    CHECK(frames >= 2 && frames < 8);
    CHECK(at_entry);
    fiber_destroy(one);
}

static volatile sig_atomic_t ticks;
static timer_t timer;
static const struct itimerspec soon = { .it_value = { 0, 50000 } };

static void on_tick(int number)
{
    (void)number;
    ticks++;
    if (!UCONTEXT) { /* the C library's switch cannot be unwound everywhere */
        frames = 0;
        _Unwind_Backtrace(see_frame, NULL);
        if (frames > 50)
            _exit(6);
    }
    timer_settime(timer, 0, &soon, NULL);
}

TEST(fiber, signals_may_arrive_at_any_point_of_a_switch)
{
    struct sigaction action = { .sa_handler = on_tick };
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    if (WITH_TSAN)
        SKIP("ThreadSanitizer delivers signals only in blocking calls");
    fiber_native(&native);
    one = create(unwound_entry, NULL); /* and the unwinder has been loaded before the first signal */
    fiber_switch(&native, one, NULL, NULL);
    sigaction(SIGUSR1, &action, NULL);
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
    while (ticks < 2000)
        fiber_switch(&native, one, NULL, NULL);
    timer_delete(timer);
    fiber_destroy(one);
}

/* ---- threads: jobs on fibers wander over more threads than there are cores */

enum { THREADS = 8, JOBS = WITH_TSAN ? 64 : 300, STEPS = SANITIZED ? 60 : 600 };

struct job {
    struct fiber *fiber; /* NULL: not begun, or begun and ended */
    struct job *next;
    struct random random;
    long steps, migrations;
    bool running;
    unsigned last; /* the thread that it ran on, 1 and up; 0: not begun */
};

/* Not pthread_self(): compilers take that for a constant and keep it over a switch. */
static _Thread_local unsigned number_here;
static NOINLINE unsigned thread_number(void)
{
    __asm__ volatile("" ::: "memory");
    return number_here;
}

static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static struct job *queue_first, **queue_last = &queue_first;
static int jobs_left;

static void push(void *arg)
{
    struct job *job = arg;
    pthread_mutex_lock(&queue_lock);
    job->next = NULL;
    *queue_last = job;
    queue_last = &job->next;
    pthread_mutex_unlock(&queue_lock);
}

/* NULL: nothing now. */
static struct job *pop(bool *finished)
{
    pthread_mutex_lock(&queue_lock);
    struct job *job = queue_first;
    if (job != NULL && job->last == thread_number())
        job = NULL; /* another thread is to go on with it */
    if (job != NULL) {
        queue_first = job->next;
        if (queue_first == NULL)
            queue_last = &queue_first;
    }
    *finished = jobs_left == 0;
    pthread_mutex_unlock(&queue_lock);
    return job;
}

static void job_done(void)
{
    pthread_mutex_lock(&queue_lock);
    jobs_left--;
    pthread_mutex_unlock(&queue_lock);
}

/* A worker as the scheduler has it: the loop runs on pooled fibers, a job that blocks keeps its fiber, the loop goes
 * on, on another. */
struct loop_worker {
    struct fiber native;
    struct fiber *fiber; /* runs now */
    struct fiber_cache cache;
    struct fiber *reset; /* came to the native stack to be prepared anew */
};

static _Thread_local struct loop_worker *worker_here;
static NOINLINE struct loop_worker *worker_self(void)
{
    __asm__ volatile("" ::: "memory");
    return worker_here;
}

static struct fiber_pool *pool;
static pthread_barrier_t start;

static void block(struct job *job)
{
    struct loop_worker *worker = worker_self();
    struct fiber *mine = worker->fiber, *next = fiber_cache_get(&worker->cache);
    CHECK(next != NULL);
    job->fiber = mine;
    worker->fiber = next;
    fiber_switch(mine, next, push, job);
}

static void back_to_cache(void *fiber) { fiber_cache_put(&worker_self()->cache, fiber); }

static NOINLINE void run_job(struct job *job, int depth)
{
    volatile uint64_t frame[8];
    for (uint64_t i = 0; i < 8; i++)
        frame[i] = i * (uintptr_t)job + (uint64_t)depth;
    if (depth > 0) {
        run_job(job, depth - 1);
    } else {
        for (uint32_t step = random_below(&job->random, STEPS); step > 0; step--) {
            CHECK(!job->running);
            job->running = true;
            job->steps++;
            job->last = thread_number();
            job->running = false;
            block(job);
            CHECK(job->last != thread_number());
            job->migrations++;
        }
        if (random_below(&job->random, 3) == 0) { /* killed: its frames are dropped */
            struct loop_worker *worker = worker_self();
            job->fiber = NULL;
            job_done();
            worker->reset = worker->fiber;
            fiber_abandon(worker->fiber, &worker->native, NULL, NULL);
        }
    }
    for (uint64_t i = 0; i < 8; i++)
        CHECK_EQ(frame[i], i * (uintptr_t)job + (uint64_t)depth);
}

static void loop(void *unused)
{
    (void)unused;
    for (;;) {
        bool finished;
        struct job *job = pop(&finished);
        struct loop_worker *worker = worker_self();
        if (job == NULL && finished) {
            struct fiber *mine = worker->fiber;
            fiber_switch(mine, &worker->native, back_to_cache, mine);
        } else if (job == NULL) {
            sched_yield();
        } else if (job->fiber != NULL) {
            struct fiber *mine = worker->fiber;
            worker->fiber = job->fiber;
            fiber_switch(mine, job->fiber, back_to_cache, mine);
        } else {
            run_job(job, (int)random_below(&job->random, 6));
            job->fiber = NULL;
            job_done();
        }
    }
}

static void *work(void *number)
{
    struct loop_worker worker = { .fiber = NULL };
    number_here = (unsigned)(uintptr_t)number;
    worker_here = &worker;
    fiber_native(&worker.native);
    fiber_cache_init(&worker.cache, pool);
    worker.fiber = fiber_cache_get(&worker.cache);
    CHECK(worker.fiber != NULL);
    pthread_barrier_wait(&start);
    for (;;) {
        worker.reset = NULL;
        fiber_switch(&worker.native, worker.fiber, NULL, NULL);
        if (worker.reset == NULL)
            break;
        fiber_prepare(worker.reset, loop, NULL);
    }
    fiber_cache_drain(&worker.cache);
    return NULL;
}

static void run_jobs(uint64_t seed, size_t reserve)
{
    static struct job jobs[JOBS];
    pthread_t threads[THREADS];
    long steps = 0, migrations = 0;
    pool = fiber_pool_open(loop, NULL, reserve);
    jobs_left = JOBS;
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){ .random = { seed * 7919 + (uint64_t)i + 1 } };
        for (int warm = 0; warm < 5; warm++)
            random_next(&jobs[i].random);
        push(&jobs[i]);
    }
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)(i + 1)) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < JOBS; i++)
        steps += jobs[i].steps, migrations += jobs[i].migrations;
    pthread_barrier_destroy(&start);
    CHECK(steps > JOBS);
    CHECK_EQ(migrations, steps);
    CHECK_EQ(jobs_left, 0);
    fiber_pool_close(pool);
    struct stack_counts counts;
    stack_count(&counts);
    CHECK_EQ(counts.lent, 0);
}

TEST(fiber, jobs_block_on_one_thread_and_go_on_on_another)
{
    for (uint64_t seed = 1; seed <= (SANITIZED ? 4 : 20); seed++)
        run_jobs(seed, 1000);
}

TEST(fiber, a_small_pool_destroys_what_is_suspended_in_the_loop)
{
    for (uint64_t seed = 100; seed <= (SANITIZED ? 103 : 110); seed++)
        run_jobs(seed, 3);
}

/* ---- the cache */

static struct fiber_cache cache;

TEST(fiber_cache, the_last_one_put_is_the_first_one_out)
{
    struct fiber *fibers[10];
    pool = fiber_pool_open(touch_and_wait, NULL, 100);
    fiber_cache_init(&cache, pool);
    for (int i = 0; i < 10; i++)
        fibers[i] = fiber_cache_get(&cache);
    for (int i = 0; i < 10; i++)
        fiber_cache_put(&cache, fibers[i]);
    for (int i = 9; i >= 0; i--)
        CHECK(fiber_cache_get(&cache) == fibers[i]);
    for (int i = 0; i < 10; i++)
        fiber_cache_put(&cache, fibers[i]);
    fiber_cache_drain(&cache);
    CHECK_EQ(cache.count, 0);
    fiber_pool_close(pool);
}

TEST(fiber_cache, fibers_pass_through_the_pool_and_none_is_lost)
{
    enum { COUNT = 500 };
    static struct fiber *fibers[COUNT];
    static struct fiber_cache other;
    struct stack_counts counts;
    pool = fiber_pool_open(touch_and_wait, NULL, 200);
    fiber_cache_init(&cache, pool);
    fiber_cache_init(&other, pool);
    for (int i = 0; i < COUNT; i++)
        fibers[i] = fiber_cache_get(&cache);
    for (int i = 0; i < COUNT; i++)
        fiber_cache_put(&cache, fibers[i]);
    fiber_cache_drain(&cache);
    stack_count(&counts);
    CHECK_EQ(counts.lent, 200); /* the reserve; the rest is destroyed */
    for (int i = 0; i < 200; i++)
        fibers[i] = fiber_cache_get(&other);
    stack_count(&counts);
    CHECK_EQ(counts.lent, 200); /* nothing fresh was needed */
    for (int i = 0; i < 200; i++)
        for (int j = 0; j < i; j++)
            CHECK(fibers[i] != fibers[j]);
    for (int i = 0; i < 200; i++)
        fiber_cache_put(&other, fibers[i]);
    fiber_cache_drain(&other);
    fiber_pool_close(pool);
    stack_count(&counts);
    CHECK_EQ(counts.lent, 0);
}

static struct fiber *hit;
static long entered;

static void resume_in_the_middle(void *mark)
{
    *(long *)mark += 100;
    for (;;) {
        ++*(long *)mark;
        fiber_switch(hit, &native, NULL, NULL);
    }
}

TEST(fiber_cache, a_suspended_fiber_goes_on_where_it_was)
{
    fiber_native(&native);
    pool = fiber_pool_open(resume_in_the_middle, &entered, 10);
    fiber_cache_init(&cache, pool);
    hit = fiber_cache_get(&cache);
    fiber_switch(&native, hit, NULL, NULL);
    CHECK_EQ(entered, 101);
    fiber_cache_put(&cache, hit);
    fiber_cache_drain(&cache);
    CHECK(fiber_cache_get(&cache) == hit);
    fiber_switch(&native, hit, NULL, NULL);
    CHECK_EQ(entered, 102);
    fiber_destroy(hit);
    fiber_pool_close(pool);
}
