/* fiber_ucontext.c: the switch for architectures without one of their own, on the C library's ucontext.
 *
 * A saved context is a ucontext_t: of a suspended fiber in the frame of fiber_jump that it is suspended in, of a fresh
 * one at the top of its stack. Each switch asks the kernel for the signal mask, which here belongs to the fiber.
 *
 * `after` travels in the fiber that is switched to, which is the switcher's alone at that time. */
#include "sched/fiber.h"

#include <ucontext.h>

static NO_ASAN NO_TSAN void hand_over(struct fiber *fiber)
{
    if (fiber->after != NULL)
        fiber->after(fiber->after_arg);
}

NO_ASAN NO_TSAN void fiber_jump(struct fiber *from, struct fiber *to, fiber_after *after, void *arg)
{
    ucontext_t here;
    ucontext_t *there = to->sp;
    from->sp = &here;
    to->after = after;
    to->after_arg = arg;
    swapcontext(&here, there);
    hand_over(from);
}

NO_ASAN NO_TSAN void fiber_leave(struct fiber *to, fiber_after *after, void *arg)
{
    to->after = after;
    to->after_arg = arg;
    setcontext(to->sp);
    __builtin_trap();
}

/* makecontext passes ints only. */
static NO_ASAN NO_TSAN void start(unsigned high, unsigned low)
{
    struct fiber *fiber = (struct fiber *)((uintptr_t)high << 16 << 16 | low);
    hand_over(fiber);
    fiber->entry(fiber->arg);
    __builtin_trap(); /* an entry never returns */
}

void fiber_build(struct fiber *fiber, fiber_entry *entry, void *arg)
{
    ucontext_t *context = (ucontext_t *)(void *)fiber - 1;
    uintptr_t self = (uintptr_t)fiber;
    fiber->entry = entry;
    fiber->arg = arg;
    getcontext(context);
    context->uc_link = NULL;
    context->uc_stack.ss_sp = fiber->stack.low;
    context->uc_stack.ss_size = (size_t)((char *)context - fiber->stack.low);
    makecontext(context, (void (*)(void))start, 2, (unsigned)(self >> 16 >> 16), (unsigned)self);
    fiber->sp = context;
}
