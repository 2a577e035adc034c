/* fiber_keep_test.c: what a fiber keeps over a switch: registers, floating-point modes, a stack that can be unwound,
 * also in a signal's handler. */
#include "fibers.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <unwind.h>

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
