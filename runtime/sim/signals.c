/* signals.c: signals of a simulated program.
 *
 * Hardware faults are real: the runtime's handler runs, frozen, so that no other thread goes on while it stands on the
 * signal's stack. All other signals are kept in a table; tr_sim_raise calls their handler on the calling thread, as the
 * system might. An abort is reported with the seed. */
#include "sim/machine.h"
#include "sim/system.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIGNALS_MOST = 65, STACK_BYTES = 128 * 1024 };

static struct sigaction actions[SIGNALS_MOST];
static void *handler_stack;

static bool is_fault(int number)
{
    return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    machine.frozen++;
    actions[number].sa_sigaction(number, info, context); /* the others' handlers are the system's to call */
    machine.frozen--;
}

/* Nothing here is safe in a signal's handler but for the fact that the process is about to end. */
static void on_abort(int number)
{
    machine.frozen++;
    signal(number, SIG_DFL);
    sim_fail("aborted"); /* NOLINT(bugprone-signal-handler): see above */
}

int sim_sigaction(int number, const struct sigaction *action, struct sigaction *before)
{
    if (before != NULL)
        *before = actions[number];
    if (action == NULL)
        return 0;
    actions[number] = *action;
    if (!is_fault(number))
        return 0;
    bool handled = (action->sa_flags & SA_SIGINFO) != 0;
    struct sigaction real = { .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER, .sa_sigaction = on_fault };
    return sigaction(number, handled ? &real : action, NULL);
}

int sim_sigaltstack(const stack_t *stack, stack_t *before)
{
    (void)stack;
    if (before != NULL)
        memset(before, 0, sizeof *before);
    return 0;
}

static void (*handler_of(int number))(int)
{
    return (actions[number].sa_flags & SA_SIGINFO) != 0 ? SIG_DFL : actions[number].sa_handler;
}

void (*sim_signal(int number, void (*handler)(int)))(int)
{
    void (*before)(int) = handler_of(number);
    memset(&actions[number], 0, sizeof actions[number]);
    actions[number].sa_handler = handler;
    if (is_fault(number))
        signal(number, handler);
    return before;
}

int sim_raise(int number)
{
    if (is_fault(number) || number == SIGABRT)
        return raise(number);
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = number;
    if (actions[number].sa_flags & SA_SIGINFO)
        actions[number].sa_sigaction(number, &info, NULL);
    else if (actions[number].sa_handler == SIG_DFL)
        sim_fail("signal %d ends the program", number);
    else if (actions[number].sa_handler != SIG_IGN)
        actions[number].sa_handler(number);
    return 0;
}

unsigned sim_alarm(unsigned seconds) { return (void)seconds, 0; }

TR_API void tr_sim_raise(int signal_number)
{
    sim_point();
    sim_raise(signal_number);
    sim_point();
}

void sim_signals_start(void)
{
    memset(actions, 0, sizeof actions);
    handler_stack = sim_map(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = { .ss_sp = handler_stack, .ss_size = STACK_BYTES };
    sigaltstack(&stack, NULL);
    signal(SIGABRT, on_abort);
}

void sim_signals_end(void)
{
    signal(SIGABRT, SIG_DFL);
    stack_t none = { .ss_flags = SS_DISABLE };
    sigaltstack(&none, NULL);
    sim_munmap(handler_stack, STACK_BYTES);
    handler_stack = NULL;
}
