/* fault.c: hardware faults in a process's own code.
 *
 * A fault becomes an exit signal only if dropping the process's frames harms nobody else. All of these must hold; otherwise the program ends
 * with a crash report:
 *     the signal is synchronous: null or nearly null access, the guard of the process's own stack, or a division
 *     the thread is a worker inside a process, outside the runtime (in_runtime == 0) and outside a tr_critical bracket
 *     the stack pointer is in the process's stack, or the address in its guard
 *     the program counter is in the user's code: not in libc, the dynamic loader, liburcu or libtroupe.so, which may hold locks or half-made
 *     structures; or it is in a leaf of libc without a frame that the user's code has called (memcpy, strlen: *sp, or the link register, is the
 *     return address), or it is itself nearly null (a call through a null pointer)
 * A non-canonical address is reported as address 0 with a code of the kernel's own (SI_KERNEL): not a null access, refused.
 *
 * Recovery edits the interrupted context so that the thread goes on at `land`, on the base of the fiber, outside signal context; from there it is an
 * exit like others. Everything in the handler is async-signal-safe but backtrace(), which is called once before, so that it has
 * loaded what it needs, and which meets no lock that the user's code could hold at that point but the loader's (then the pc is not the user's).
 * The handlers stand in for what was there before, which gets what they refuse. */
#include "actor/fault.h"

#include "actor/actor.h"
#include "actor/end.h"
#include "actor/settings.h"
#include "memory/source.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

enum { FRAMES = 24, RANGES = 64, ALTERNATE_BYTES = 64 * 1024, NEAR_NULL = 64 * 1024 };

/* What the handler leaves for `land`; a worker's own. */
struct fault {
    int signal_number;
    uintptr_t address, pc;
    bool overflow;
    int frame_count;
    void *frames[FRAMES];
};

static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL };
static struct sigaction before[4];
static bool installed;

/* Code that is not the user's. Made at the start: libraries that are loaded later are the user's. */
static struct {
    uintptr_t start, end;
} closed[RANGES];
static int closed_count;

static _Thread_local void *alternate;
static _Thread_local struct fault last;

/* ---- where a pc is */

static bool is_closed_library(const char *name)
{
    static const char *const names[] = { "/libc.so", "/ld-linux", "/libpthread", "/liburcu", "/libtroupe.so", "linux-vdso", "/libasan", "/libtsan",
                                         "/libubsan" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strstr(name, names[i]) != NULL)
            return true;
    return false;
}

static int note_library(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size;
    (void)unused;
    for (int i = 0; is_closed_library(info->dlpi_name) && i < info->dlpi_phnum && closed_count < RANGES; i++) {
        if (info->dlpi_phdr[i].p_type != PT_LOAD || (info->dlpi_phdr[i].p_flags & PF_X) == 0)
            continue;
        closed[closed_count].start = (uintptr_t)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
        closed[closed_count].end = closed[closed_count].start + (uintptr_t)info->dlpi_phdr[i].p_memsz;
        closed_count++;
    }
    return 0;
}

static bool is_closed(uintptr_t pc)
{
    for (int i = 0; i < closed_count; i++)
        if (pc >= closed[i].start && pc < closed[i].end)
            return true;
    return false;
}

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

/* Where a function without a frame returns to. */
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

/* Goes on in function() on this stack. False: not known how on this architecture. */
static bool redirect(ucontext_t *context, void (*function)(void), void *stack)
{
#if defined(__x86_64__)
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)function;
    context->uc_mcontext.gregs[REG_RSP] = (greg_t)(((uintptr_t)stack & ~(uintptr_t)15) - 8);
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

static bool is_users_code(const ucontext_t *context)
{
    uintptr_t pc = context_pc(context);
    if (pc < NEAR_NULL || is_closed(pc)) {
        uintptr_t caller = leaf_return(context);
        return caller >= NEAR_NULL && !is_closed(caller);
    }
    return true;
}

/* The actor whose fault this is, if it may be contained; NULL. */
static struct actor *contained(struct worker *worker, const siginfo_t *info, const ucontext_t *context, bool overflow)
{
    if (settings.faults != TR_FAULTS_CONTAIN || worker == NULL || load_relaxed(&worker->in_runtime) != 0 || worker->critical > 0)
        return NULL;
    struct actor *actor = actor_here(&worker->context);
    if (actor == NULL || actor->life == LIFE_DYING || !is_harmless_kind(info, overflow))
        return NULL;
    if (!overflow && !fiber_owns(worker->fiber, (const void *)context_sp(context)))
        return NULL;
    return is_users_code(context) || (overflow && !is_closed(context_pc(context))) ? actor : NULL;
}

/* ---- contained */

static size_t print_frame(char *at, size_t left, void *frame)
{
    Dl_info where;
    int written;
    if (dladdr(frame, &where) != 0 && where.dli_sname != NULL)
        written = snprintf(at, left, "    %s+0x%zx\n", where.dli_sname, (size_t)((char *)frame - (char *)where.dli_saddr));
    else if (where.dli_fname != NULL)
        written = snprintf(at, left, "    %s+0x%zx\n", where.dli_fname, (size_t)((char *)frame - (char *)where.dli_fbase));
    else
        written = snprintf(at, left, "    %p\n", frame);
    return written < 0 ? 0 : (size_t)written < left ? (size_t)written : left - 1;
}

/* On the base of the fiber, outside signal context: the process's frames are gone. */
static NORETURN void land(void)
{
    struct worker *worker = worker_self();
    struct actor *self = actor_here(&worker->context);
    store_relaxed(&worker->in_runtime, 1);
    char trace[1500];
    size_t used = 0;
    trace[0] = '\0';
    for (int i = 0; i < last.frame_count && used < sizeof trace - 1; i++)
        used += print_frame(trace + used, sizeof trace - used, last.frames[i]);
    const char *what = last.overflow ? "stack overflow" : last.signal_number == SIGFPE ? "division" : "null access";
    tr_reason reason = tr_because(TR_WHY_FAULT, last.signal_number, "%s at 0x%llx", what, (unsigned long long)last.address);
    trace_event(worker->context.trace, TRACE_FAULT, self->pid);
    actor_exit_fault(self, notice_new(&worker->context, &reason, trace, used));
}

/* ---- refused */

static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        return;
}

static void crash_report(const struct worker *worker, const siginfo_t *info)
{
    char line[256];
    const struct actor *actor = worker == NULL ? NULL : actor_here((struct context *)(uintptr_t)&worker->context);
    snprintf(line, sizeof line, "troupe: signal %d at %p%s%s%s\n", info->si_signo, info->si_addr, actor == NULL ? "" : " in ",
             actor == NULL ? ", outside any process" : tr_pid_text((tr_pid){ actor->pid }).s,
             worker != NULL && load_relaxed(&worker->in_runtime) != 0 ? " (inside the runtime)" : "");
    say(line);
    void *frames[FRAMES];
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES), STDERR_FILENO);
    if (worker != NULL)
        trace_print(STDERR_FILENO, worker->context.trace, 32);
    trace_dump_to_file();
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
}

static void on_fault(int number, siginfo_t *info, void *argument)
{
    ucontext_t *context = argument;
    struct worker *worker = worker_self();
    bool overflow = number == SIGSEGV && worker != NULL && fiber_guards(worker->fiber, info->si_addr);
    struct actor *actor = contained(worker, info, context, overflow);
    if (actor != NULL) {
        last = (struct fault){ number, (uintptr_t)info->si_addr, context_pc(context), overflow, 0, { NULL } };
        last.frame_count = backtrace(last.frames, FRAMES);
        if (redirect(context, land, fiber_base(worker->fiber)))
            return;
    }
    crash_report(worker, info);
    pass_on(number, info, argument);
}

/* ---- set-up */

void fault_start(void)
{
    void *frame;
    closed_count = 0;
    dl_iterate_phdr(note_library, NULL);
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
