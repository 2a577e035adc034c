/* fault.c: hardware faults in a process's own code.
 *
 * A fault becomes an exit signal only if dropping the process's frames harms nobody else. All of these must hold;
 * otherwise the program ends with a crash report that says which one did not:
 *   - the signal is synchronous: null or nearly null access, the guard of the process's own stack, or a division;
 *   - the thread is a worker inside a process, outside the runtime (in_runtime == 0) and outside a tr_critical bracket;
 *   - the stack pointer is in the process's stack, or the address in its guard;
 *   - the program counter is in the user's code (fault_code.h): not in libc, the dynamic loader, the allocator, liburcu
 *     or libtroupe.so, which may hold locks or half-made structures; or it is in a leaf of libc without a frame that
 *     the user's code has called (memcpy, strlen: *sp, or the link register, is the return address), or it is itself
 *     nearly null (a call through a null pointer);
 *   - no frame of libc is among the callers, as far as the backtrace goes: a callback of pthread_once or of qsort is
 *     inside of it.
 * A non-canonical address is reported as address 0 with a code of the kernel's own (SI_KERNEL): no null access,
 * refused.
 *
 * Recovery edits the interrupted context so that the thread goes on at `land`, on the base of the fiber, outside
 * signal context; `land` drops the fiber and the rest happens on a fresh one, as for other exits. Everything in the
 * handler is async-signal-safe but backtrace(), which is called once before, so that it has loaded what it needs, and
 * which meets no lock that the user's code could hold at that point but the loader's (then the pc is not the user's).
 * The crash report may meet one: an alarm bounds it. The handlers stand in for what was there before, which gets what
 * they refuse. */
#include "actor/fault.h"

#include "actor/actor.h"
#include "actor/end.h"
#include "actor/fault_code.h"
#include "actor/report.h"
#include "actor/settings.h"
#include "memory/source.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

enum { FRAMES = 32, FRAMES_SHOWN = 20, ALTERNATE_BYTES = 64 * 1024, NEAR_NULL = 64 * 1024, REPORT_MOST_S = 10 };

/* What the handler leaves for `landed`; a worker's own. */
struct fault {
    int signal_number;
    uintptr_t address;
    bool overflow;
    int frame_count;
    void *frames[FRAMES];
};

static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL };
static struct sigaction before[4];
static bool installed;

static _Thread_local void *alternate;
static _Thread_local struct fault last;

/* ---- the interrupted context */

static uintptr_t context_pc(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)context->uc_mcontext.pc;
#else
    (void)context;
    return 0;
#endif
}

static uintptr_t context_sp(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
    return (uintptr_t)context->uc_mcontext.sp;
#else
    (void)context;
    return 0;
#endif
}

/* Where a function without a frame returns to. The stack pointer was looked at. */
static uintptr_t leaf_return(const ucontext_t *context)
{
#if defined(__x86_64__)
    return *(const uintptr_t *)context_sp(context);
#elif defined(__aarch64__)
    return (uintptr_t)context->uc_mcontext.regs[30];
#else
    (void)context;
    return 0;
#endif
}

/* As if that function had returned: what the unwinder can begin with. */
static void return_from_leaf(ucontext_t *context)
{
#if defined(__x86_64__)
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)leaf_return(context);
    context->uc_mcontext.gregs[REG_RSP] += (greg_t)sizeof(uintptr_t);
#elif defined(__aarch64__)
    context->uc_mcontext.pc = context->uc_mcontext.regs[30];
#else
    (void)context;
#endif
}

/* Flags that a call leaves clear (x86-64). */
enum { DIRECTION = 0x400, ALIGNMENT = 0x40000 };

/* Goes on in function() on this stack. False: not known how on this architecture. */
static bool redirect(ucontext_t *context, void (*function)(void), void *stack)
{
#if defined(__x86_64__)
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)function;
    context->uc_mcontext.gregs[REG_RSP] = (greg_t)(((uintptr_t)stack & ~(uintptr_t)15) - 8);
    context->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)(DIRECTION | ALIGNMENT); /* as functions expect them */
    return true;
#elif defined(__aarch64__)
    context->uc_mcontext.pc = (uintptr_t)function;
    context->uc_mcontext.sp = (uintptr_t)stack & ~(uintptr_t)15;
    return true;
#else
    (void)context, (void)function, (void)stack;
    return false;
#endif
}

/* ---- the decision */

static bool is_harmless_kind(const siginfo_t *info, bool overflow)
{
    if (info->si_signo == SIGFPE)
        return info->si_code == FPE_INTDIV || info->si_code == FPE_INTOVF;
    if (info->si_signo != SIGSEGV || (info->si_code != SEGV_MAPERR && info->si_code != SEGV_ACCERR))
        return false;
    return overflow || (uintptr_t)info->si_addr < NEAR_NULL;
}

/* NULL: the program counter is where frames may be dropped; else where it is. */
static const char *wrong_place(const ucontext_t *context, bool overflow)
{
    uintptr_t pc = context_pc(context);
    if (fault_code_is_users(pc))
        return NULL;
    if (overflow) /* the stack can't be read, and libc's leaves do not overflow it */
        return "in a library that may hold locks";
    if (pc >= NEAR_NULL && !fault_code_is_leaf(pc))
        return "in a library that may hold locks";
    return fault_code_is_return(leaf_return(context)) ? NULL : "called by a library that may hold locks";
}

/* Why the fault can't be contained; NULL: it can. */
static const char *objection(struct worker *worker, const siginfo_t *info, const ucontext_t *context, bool overflow)
{
    if (settings.faults != TR_FAULTS_CONTAIN)
        return "tr_config.faults says so";
    if (worker == NULL || actor_here(&worker->context) == NULL)
        return "outside any process";
    if (load_relaxed(&worker->in_runtime) != 0)
        return "inside the runtime, or in a callback that may not fail"; /* as a clean-up */
    if (worker->critical > 0)
        return "inside tr_critical_begin";
    if (!is_harmless_kind(info, overflow))
        return "not a null access, a division or the end of the stack: memory may be damaged";
    if (!overflow && !fiber_owns(worker->fiber, (const void *)context_sp(context)))
        return "the stack pointer is outside the process's stack";
    return wrong_place(context, overflow);
}

/* ---- contained */

static size_t print_frame(char *at, size_t left, void *frame)
{
    Dl_info where = { 0 }; /* left alone if no file holds the frame */
    int written;
    if (dladdr(frame, &where) != 0 && where.dli_sname != NULL)
        written = snprintf(at, left, "    %s+0x%zx\n", where.dli_sname,
                           (size_t)((char *)frame - (char *)where.dli_saddr));
    else if (where.dli_fname != NULL)
        written = snprintf(at, left, "    %s+0x%zx\n", where.dli_fname,
                           (size_t)((char *)frame - (char *)where.dli_fbase));
    else
        written = snprintf(at, left, "    %p\n", frame);
    return written < 0 ? 0 : (size_t)written < left ? (size_t)written : left - 1;
}

/* On a fresh fiber, in the loop. */
static void landed(void *argument)
{
    struct actor *self = argument;
    struct worker *worker = worker_self();
    char trace[1500];
    size_t used = 0;
    trace[0] = '\0';
    for (int i = 0; i < last.frame_count && i < FRAMES_SHOWN && used < sizeof trace - 1; i++)
        used += print_frame(trace + used, sizeof trace - used, last.frames[i]);
    const char *what = last.overflow ? "stack overflow" : last.signal_number == SIGFPE ? "division" : "null access";
    tr_reason reason = tr_because(TR_WHY_FAULT, last.signal_number, "%s at 0x%llx", what,
                                  (unsigned long long)last.address);
    trace_event(worker->context.trace, TRACE_FAULT, self->pid);
    actor_faulted(self, notice_new(&worker->context, &reason, trace, used));
}

/* On the base of the fiber, outside signal context, above frames that are given up: AddressSanitizer still has their
 * red zones, so nothing here may be instrumented or have arrays. */
static NO_ASAN NO_TSAN NORETURN void land(void)
{
    struct worker *worker = worker_self();
    store_relaxed(&worker->in_runtime, 1);
    worker_reset(landed, actor_here(&worker->context));
}

/* The callers, from the place of the fault on. */
static void take_frames(struct fault *fault, uintptr_t pc)
{
    int count = backtrace(fault->frames, FRAMES), first = 0;
    while (first < count && (uintptr_t)fault->frames[first] != pc)
        first++;
    if (first == count)
        first = 0; /* the unwinder gives another address: with the handler's own frames, then */
    fault->frame_count = count - first;
    memmove(fault->frames, fault->frames + first, (size_t)fault->frame_count * sizeof *fault->frames);
}

static bool called_by_library(const struct fault *fault)
{
    for (int i = 1; i < fault->frame_count; i++)
        if (fault_code_is_library((uintptr_t)fault->frames[i]))
            return true;
    return false;
}

/* ---- refused */

static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        return;
}

/* Who, and what it was handling. The memory may be damaged: what is most telling comes first, and a fault in here ends
 * the program at once. */
static void report_actor(const struct actor *actor)
{
    char line[256];
    snprintf(line, sizeof line, "troupe:   process %s, %s\n", tr_pid_text((tr_pid){ actor->pid }).s,
             actor_label(actor));
    say(line);
    const tr_msg *message = actor->current;
    if (actor->cold != NULL && actor->cold->received != NULL)
        message = actor->cold->received;
    if (message == NULL || message_kind(message) == KIND_START)
        return;
    snprintf(line, sizeof line, "troupe:   last message: %s, tag %d, %zu bytes, from %s\n", report_kind_text(message),
             message->tag, message_size(message), tr_pid_text((tr_pid){ message->sender }).s);
    say(line);
}

static const char *signal_name(int number)
{
    return number == SIGSEGV ? "SIGSEGV" : number == SIGBUS ? "SIGBUS" : number == SIGFPE ? "SIGFPE" : "SIGILL";
}

static void crash_report(const struct worker *worker, const siginfo_t *info, const char *why)
{
    static _Atomic uint32_t reporting;
    if (atomic_exchange_explicit(&reporting, 1, memory_order_acquire) != 0)
        pause();              /* another thread is at it, and ends the program */
    signal(SIGALRM, SIG_DFL); /* the backtrace may wait for a lock of the code that has failed */
    alarm(REPORT_MOST_S);
    char line[256];
    if (info->si_code > 0 && info->si_code != SI_KERNEL)
        snprintf(line, sizeof line, "troupe: %s at %p, not contained: %s\n", signal_name(info->si_signo), info->si_addr,
                 why);
    else
        snprintf(line, sizeof line, "troupe: %s, not contained: %s\n", signal_name(info->si_signo), why);
    say(line);
    const struct actor *actor = worker == NULL ? NULL : actor_here((struct context *)(uintptr_t)&worker->context);
    if (actor != NULL)
        report_actor(actor);
    say("troupe:   backtrace:\n");
    void *frames[FRAMES];
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES), STDERR_FILENO);
    if (worker != NULL) {
        say("troupe:   latest events of this worker:\n");
        trace_print(STDERR_FILENO, worker->context.trace, 32);
    }
    trace_dump_to_file();
    alarm(0);
    store_release(&reporting, 0); /* what was there before may go on */
}

/* Whatever was installed before decides; the default ends the program with this signal. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    for (size_t i = 0; i < TR_COUNT(faults); i++) {
        if (faults[i] != number)
            continue;
        if ((before[i].sa_flags & SA_SIGINFO) != 0 && before[i].sa_sigaction != NULL) {
            before[i].sa_sigaction(number, info, context);
            return;
        }
        sigaction(number, &before[i], NULL); /* the instruction runs again, and faults again */
    }
    if (info->si_code <= 0)
        raise(number); /* sent by somebody: no instruction does it again */
}

static void on_fault(int number, siginfo_t *info, void *argument)
{
    ucontext_t *context = argument;
    struct worker *worker = worker_self();
    bool overflow = number == SIGSEGV && worker != NULL && fiber_guards(worker->fiber, info->si_addr);
    const char *why = objection(worker, info, context, overflow);
    if (why == NULL) {
        ucontext_t found = *context;
        if (context_pc(context) < NEAR_NULL)
            return_from_leaf(context); /* a call through a null pointer: the caller is the first frame */
        last = (struct fault){ number, (uintptr_t)info->si_addr, overflow, 0, { NULL } };
        take_frames(&last, context_pc(context));
        if (called_by_library(&last)) {
            why = "in a callback of a library that may hold locks";
        } else if (redirect(context, land, fiber_base(worker->fiber))) {
            const struct stack *stack = &worker->fiber->stack;
            ASAN_FORGET(stack->low, (size_t)(stack->high - stack->low));
            return;
        }
        *context = found;
    }
    crash_report(worker, info, why == NULL ? "not known how on this architecture" : why);
    pass_on(number, info, argument);
}

/* ---- set-up */

void fault_start(void)
{
    void *frame;
    fault_code_start();
    backtrace(&frame, 1); /* loads libgcc now, not in a handler */
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < TR_COUNT(faults); i++)
        sigaction(faults[i], &action, &before[i]);
    installed = true;
}

void fault_stop(void)
{
    for (size_t i = 0; installed && i < TR_COUNT(faults); i++)
        sigaction(faults[i], &before[i], NULL);
    installed = false;
}

void fault_thread_start(void)
{
    alternate = source_map(ALTERNATE_BYTES, 4096);
    stack_t stack = { .ss_sp = alternate, .ss_size = ALTERNATE_BYTES };
    if (alternate != NULL)
        sigaltstack(&stack, NULL);
}

void fault_thread_stop(void)
{
    stack_t none = { .ss_flags = SS_DISABLE };
    sigaltstack(&none, NULL);
    if (alternate != NULL)
        source_unmap(alternate, ALTERNATE_BYTES);
    alternate = NULL;
}
