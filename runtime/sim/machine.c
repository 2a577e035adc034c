/* machine.c: decisions: who runs, until when, and how the clock moves. See machine.h for the state and its
 * invariants. */
#include "sim/machine.h"

#include "sim/due.h"

#include <errno.h>
#include <string.h>

enum { YIELDS_PATIENT = 64, YIELDS_MOST = 10 * 1000 * 1000 };

struct sim_machine machine;
int64_t sim_budget = INT64_MAX;
uint32_t sim_relaxed, sim_relaxed_mask;

static struct sim_thread *previous; /* who was left at the last switch */

void __sanitizer_start_switch_fiber(void **fake_stack_save, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *fake_stack_save, const void **bottom_old, size_t *size_old);

/* ---- budget and clock */

int64_t sim_now(void) { return machine.now_ns + (machine.given - sim_budget) * machine.point_ns; }

/* What was used of the budget becomes time. */
static void spend(void)
{
    int64_t used = machine.given - sim_budget;
    machine.now_ns += used * machine.point_ns;
    machine.steps += (uint64_t)used;
    machine.given = sim_budget;
}

static void check_limits(void)
{
    if (machine.steps > machine.options.max_steps)
        sim_fail("no end after %llu steps", (unsigned long long)machine.options.max_steps);
    if ((machine.now_ns - machine.start_ns) / 1000000 > machine.options.max_ms)
        sim_fail("no end after %lld ms of virtual time", (long long)machine.options.max_ms);
}

/* ---- who can run, and until when the others wait */

static void set_ready(const struct sim_thread *thread)
{
    machine.ready[thread->id / 64] |= UINT64_C(1) << thread->id % 64;
}

static void set_unready(const struct sim_thread *thread)
{
    machine.ready[thread->id / 64] &= ~(UINT64_C(1) << thread->id % 64);
}

static void set_deadline(struct sim_thread *thread, int64_t deadline)
{
    thread->deadline = deadline;
    if (deadline < machine.next_due)
        machine.next_due = deadline;
}

void sim_begin_to_run(struct sim_thread *thread)
{
    thread->state = SIM_RUNNABLE;
    thread->deadline = SIM_NEVER;
    thread->since_ns = sim_now();
    set_ready(thread);
}

/* Its deadline has come: a stall is over, or what it waited for has not happened in time. */
static void expire_one(struct sim_thread *thread)
{
    if (thread->stalled) {
        thread->stalled = false;
    } else if (thread->state == SIM_BLOCKED) {
        thread->state = SIM_RUNNABLE;
        thread->timed_out = true;
    } else {
        return;
    }
    thread->since_ns = machine.now_ns;
    thread->deadline = SIM_NEVER;
    set_ready(thread);
}

static void expire(void)
{
    sim_due_run(machine.now_ns);
    if (machine.next_due > machine.now_ns)
        return;
    machine.next_due = SIM_NEVER;
    for (unsigned i = 0; i < machine.count; i++) {
        struct sim_thread *thread = machine.threads[i];
        if (thread->deadline <= machine.now_ns)
            expire_one(thread);
        if (thread->deadline < machine.next_due)
            machine.next_due = thread->deadline;
    }
}

static int64_t earliest(void)
{
    int64_t deadline = sim_due_earliest();
    for (unsigned i = 0; i < machine.count; i++)
        if (machine.threads[i]->deadline < deadline)
            deadline = machine.threads[i]->deadline;
    return deadline;
}

/* False: nobody waits for a time, and nothing will come by itself. */
static bool let_time_pass(void)
{
    int64_t deadline = earliest();
    if (deadline == SIM_NEVER)
        return false;
    if (deadline > machine.now_ns)
        machine.now_ns = deadline;
    expire();
    return true;
}

/* ---- switching */

static ALWAYS_INLINE void take_off(struct sim_thread *from, const struct sim_thread *to)
{
    previous = from;
    if (WITH_ASAN)
        __sanitizer_start_switch_fiber(from->state == SIM_ENDED ? NULL : &from->fake_stack, to->low, to->size);
}

NO_ASAN void sim_land(void)
{
    struct sim_thread *self = machine.current;
    if (WITH_ASAN)
        __sanitizer_finish_switch_fiber(self->fake_stack, &previous->low, &previous->size);
    self->fake_stack = NULL;
}

static void change_locals(struct sim_thread *from, struct sim_thread *to)
{
    sim_locals_save(from);
    sim_locals_load(to);
}

static NOINLINE NO_ASAN void switch_to(struct sim_thread *to)
{
    struct sim_thread *from = machine.current;
    int saved = errno;
    change_locals(from, to);
    machine.current = to;
    take_off(from, to);
    fiber_jump(from->fiber, to->fiber, NULL, NULL);
    sim_land();
    errno = saved;
}

/* In the order of their numbers. */
static unsigned runnable(struct sim_thread **found)
{
    unsigned count = 0;
    for (unsigned first = 0; first < machine.count; first += 64)
        for (uint64_t bits = machine.ready[first / 64]; bits != 0; bits &= bits - 1)
            found[count++] = machine.threads[first + (unsigned)__builtin_ctzll(bits)];
    return count;
}

/* Everybody who could run only waits in a loop, for somebody who waits for a time. */
static bool all_give_way(struct sim_thread *const *candidates, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (candidates[i]->yields < YIELDS_PATIENT)
            return false;
    return true;
}

/* Who is next; time passes if it must. */
static struct sim_thread *next_thread(void)
{
    static struct sim_thread *candidates[SIM_THREADS_MOST];
    expire();
    if (sim_lets_time_pass()) {
        int64_t deadline = earliest();
        if (deadline - machine.now_ns <= machine.options.stall_ms * 1000000)
            let_time_pass();
    }
    unsigned count = runnable(candidates);
    if (count > 0 && all_give_way(candidates, count) && let_time_pass())
        count = runnable(candidates);
    while (count == 0) {
        if (!let_time_pass())
            sim_deadlock();
        count = runnable(candidates);
    }
    return sim_pick(candidates, count);
}

static struct sim_thread *decide_next(void)
{
    spend();
    check_limits();
    struct sim_thread *next = next_thread();
    if (next != machine.current) {
        machine.switches++;
        machine.current->since_ns = machine.now_ns;
        sim_trace_switch(next);
    }
    sim_budget = machine.given = sim_next_budget();
    next->state = SIM_RUNNING;
    return next;
}

static void go_on(void)
{
    struct sim_thread *next = decide_next();
    if (next != machine.current)
        switch_to(next);
}

/* A stall: the thread could run and is not let: so whatever it stands between meets what comes much later. */
static void maybe_stall(void)
{
    int64_t pause_ns = 0;
    if (machine.aside_rate != 0 && sim_choose(machine.aside_rate) == 0)
        pause_ns = (int64_t)sim_choose(1000) * machine.options.stall_ms * 1000;
    else if (!sim_fault_now(SIM_STALL, &pause_ns))
        return;
    spend();
    machine.current->stalled = true;
    set_unready(machine.current);
    set_deadline(machine.current, machine.now_ns + pause_ns);
}

void sim_decide(void)
{
    if (!machine.running || machine.frozen > 0) {
        spend();
        sim_budget = machine.given = machine.running ? 1000 : INT64_MAX;
        return;
    }
    machine.current->state = SIM_RUNNABLE;
    machine.current->yields = 0;
    maybe_stall();
    go_on();
}

bool sim_block(const char *what, const void *on, int64_t deadline)
{
    struct sim_thread *self = machine.current;
    if (!machine.running || machine.frozen > 0)
        sim_fail("%s: would wait %s", what, machine.running ? "inside a signal's handler" : "outside of a run");
    self->state = SIM_BLOCKED;
    self->waits_for = what;
    self->on = on;
    set_unready(self);
    set_deadline(self, deadline);
    self->timed_out = false;
    self->yields = 0;
    go_on();
    self->waits_for = NULL;
    self->on = NULL;
    return !self->timed_out;
}

void sim_give_way(void)
{
    struct sim_thread *self = machine.current;
    if (!machine.running || machine.frozen > 0)
        return;
    self->state = SIM_RUNNABLE;
    self->priority = --machine.lowest;
    if (++self->yields > YIELDS_MOST)
        sim_fail("thread %u gives way for ever", self->id);
    go_on();
}

static void wake(struct sim_thread *thread)
{
    sim_begin_to_run(thread);
    if (thread->priority > machine.current->priority && machine.options.policy == TR_SIM_PCT) {
        spend();
        sim_budget = machine.given = 0;
    }
}

unsigned sim_wake(const void *on, unsigned most)
{
    static struct sim_thread *waiters[SIM_THREADS_MOST];
    unsigned count = 0, woken = 0;
    for (unsigned i = 0; i < machine.count; i++)
        if (machine.threads[i]->state == SIM_BLOCKED && machine.threads[i]->on == on)
            waiters[count++] = machine.threads[i];
    for (; woken < most && woken < count; woken++) {
        unsigned which = count - woken > 1 && most < count ? woken + sim_choose(count - woken) : woken;
        wake(waiters[which]);
        waiters[which] = waiters[woken];
    }
    return woken;
}

NO_ASAN void sim_leave(void)
{
    struct sim_thread *self = machine.current;
    self->state = SIM_ENDED;
    self->deadline = SIM_NEVER;
    set_unready(self);
    struct sim_thread *next = decide_next();
    change_locals(self, next);
    machine.current = next;
    take_off(self, next);
    fiber_leave(next->fiber, NULL, NULL);
}
