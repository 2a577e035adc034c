/* explore.c: bounded exhaustive mode: every interleaving of what processes can see of each other, for small programs.
 *
 * Steps. The program runs on one virtual worker, whose threads are scheduled in one fixed way. A process runs from one
 * boundary to the next in one piece: a boundary is where it comes back to its own code, so after each call of Troupe
 * and before each message. At each boundary, and when the worker picks, who goes on is chosen: any process that can
 * run, or time, which fires the next timer. A run is the list of these choices.
 *
 * Search. Depth first, each run in a process of its own that repeats the choices so far and then takes the first that
 * is open; afterwards the last choice that has an alternative left takes it.
 *
 * Reduction: sleep sets (Godefroid, "Partial-order methods for the verification of concurrent systems", 1996). Of a
 * transition it is known what it touched: its own process, each process that it looked up (every way to another process
 * leads through actor_find), each name. Two transitions that touch nothing in common commute; time touches everything.
 * What was explored at a state and is independent of what is done instead sleeps below it: it need not be tried there,
 * since it leads to a state that was seen. Sleep sets leave out transitions, never states, so every deadlock and every
 * failed check that an interleaving can lead to is met. This holds as far as processes share nothing but Troupe: a
 * variable of the program that two of them write is not seen here.
 *
 * Bounds: STEPS_MOST choices in a run, most_runs runs; an exploration that hits one says that it is not complete. */
#include "sim/explore.h"

#include "actor/actor.h"
#include "sched/scheduler.h"
#include "sim/machine.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEPS_MOST = 600, ENABLED_MOST = 12, TOUCHED_MOST = 20, YIELDING_MOST = 64, TIME_MOST = 2 };

#define TIME_PASSES UINT64_C(1) /* no process has this number */

struct transition {
    uint64_t who;
    uint32_t count;
    bool everything;
    uint64_t touched[TOUCHED_MOST];
};

struct step {
    uint32_t enabled_count, chosen, done_count, sleep_count;
    uint64_t enabled[ENABLED_MOST];
    struct transition taken;
    struct transition done[ENABLED_MOST]; /* explored from here before */
    struct transition sleep[ENABLED_MOST];
};

struct exploration {
    uint32_t prefix; /* choices that are repeated */
    uint32_t count;  /* steps of the run */
    bool pruned;     /* the run ended where everybody slept */
    bool cut;        /* it was longer than STEPS_MOST, or wider than ENABLED_MOST */
    struct step steps[STEPS_MOST];
};

/* In memory that the runs share with their parent. */
static struct exploration *exploration;

/* TR_SIM_CHOICES: what a single run repeats. */
static uint32_t given[STEPS_MOST], given_count;

/* Of the run. */
static struct {
    bool on, fresh, lets_time_pass;
    uint32_t at, times;
    uint64_t forced;                  /* who is to be picked next; 0 */
    uint64_t yielding[YIELDING_MOST]; /* processes that stand in tr_yield for us */
    unsigned yielding_count;
} run;

bool sim_explore_start(void)
{
    memset(&run, 0, sizeof run);
    return exploration != NULL;
}

bool sim_exploring(void) { return run.on; }

void sim_explore_inject(bool on) { run.on = on && exploration != NULL; }

/* ---- transitions */

static bool touches(const struct transition *transition, uint64_t what)
{
    for (uint32_t i = 0; i < transition->count; i++)
        if (transition->touched[i] == what)
            return true;
    return transition->everything;
}

static void touch(struct transition *transition, uint64_t what)
{
    if (touches(transition, what))
        return;
    if (transition->count == TOUCHED_MOST)
        transition->everything = true;
    else
        transition->touched[transition->count++] = what;
}

void sim_touch(uint64_t what)
{
    if (run.on && run.at > 0)
        touch(&exploration->steps[run.at - 1].taken, what);
}

static bool independent(const struct transition *a, const struct transition *b)
{
    if (a->everything || b->everything) /* each touches who did it */
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (touches(b, a->touched[i]))
            return false;
    return true;
}

static bool contains(const struct transition *list, uint32_t count, uint64_t who)
{
    for (uint32_t i = 0; i < count; i++)
        if (list[i].who == who)
            return true;
    return false;
}

/* ---- choices */

/* What sleeps after the step before, which is over now. */
static void fall_asleep(struct step *step, const struct step *before)
{
    const struct transition *lists[2] = { before->sleep, before->done };
    const uint32_t counts[2] = { before->sleep_count, before->done_count };
    for (int list = 0; list < 2; list++)
        for (uint32_t i = 0; i < counts[list] && step->sleep_count < ENABLED_MOST; i++)
            if (independent(&lists[list][i], &before->taken) &&
                !contains(step->sleep, step->sleep_count, lists[list][i].who))
                step->sleep[step->sleep_count++] = lists[list][i];
}

/* The first that is neither asleep nor done; enabled_count: none. */
static uint32_t first_open(const struct step *step)
{
    uint32_t at = 0;
    while (at < step->enabled_count && (contains(step->sleep, step->sleep_count, step->enabled[at]) ||
                                        contains(step->done, step->done_count, step->enabled[at])))
        at++;
    return at;
}

static void open_step(struct step *step, const uint64_t *enabled, uint32_t count)
{
    memset(step, 0, offsetof(struct step, enabled));
    memcpy(step->enabled, enabled, count * sizeof *enabled);
    step->enabled_count = count;
    if (run.at > 0)
        fall_asleep(step, step - 1);
    step->chosen = run.at < given_count ? given[run.at] : first_open(step);
}

/* Everything from here on was seen before: the run ends. */
__attribute__((noreturn)) static void prune(void)
{
    exploration->pruned = true;
    _exit(0);
}

static uint64_t choose(const uint64_t *enabled, uint32_t count)
{
    if (run.at == STEPS_MOST || count > ENABLED_MOST) {
        exploration->cut = true;
        prune();
    }
    struct step *step = &exploration->steps[run.at];
    if (run.at >= exploration->prefix)
        open_step(step, enabled, count);
    else if (step->enabled_count != count || memcmp(step->enabled, enabled, count * sizeof *enabled) != 0)
        sim_fail("step %u is not the same when it is repeated", run.at);
    if (step->chosen >= step->enabled_count)
        prune();
    uint64_t who = step->enabled[step->chosen];
    step->taken = (struct transition){ .who = who, .everything = who == TIME_PASSES };
    touch(&step->taken, who);
    exploration->count = ++run.at;
    sim_trace_note("choice", who, step->chosen);
    return who;
}

static void sort(uint64_t *ids, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t j = i; j > 0 && ids[j] < ids[j - 1]; j--) {
            uint64_t id = ids[j];
            ids[j] = ids[j - 1];
            ids[j - 1] = id;
        }
}

/* ---- who can run */

/* Takes all runnable tasks of the worker; how many. */
static uint32_t take_tasks(struct worker *worker, struct task **tasks)
{
    uint32_t count = 0;
    struct task *task = load_relaxed(&worker->next);
    store_relaxed(&worker->next, NULL);
    if (task != NULL)
        tasks[count++] = task;
    while (count < ENABLED_MOST && (task = ring_take(&worker->ring)) != NULL)
        tasks[count++] = task;
    while (count < ENABLED_MOST && inject_count(&scheduler.inject) > 0 && inject_take(&scheduler.inject, 1, &task) == 1)
        tasks[count++] = task;
    return count;
}

static void put_tasks(struct worker *worker, struct task *const *tasks, uint32_t count, const struct task *but)
{
    for (uint32_t i = 0; i < count; i++)
        if (tasks[i] != but)
            tr_check(ring_push(&worker->ring, tasks[i]));
}

static bool time_could_pass(void) { return run.times < TIME_MOST && scheduler_next_due() != NEVER; }

static void pass_time(struct worker *worker)
{
    int64_t due = scheduler_next_due();
    run.lets_time_pass = false;
    if (due == NEVER)
        return;
    run.times++;
    if (machine.now_ns < due + 2 * NS_PER_MS)
        machine.now_ns = due + 2 * NS_PER_MS;
    worker->now_ns = machine.now_ns;
    scheduler_expire(&worker->context, machine.now_ns);
}

static uint64_t choose_among(struct task *const *tasks, uint32_t count, uint64_t self)
{
    uint64_t ids[ENABLED_MOST + 2];
    uint32_t enabled = 0;
    for (uint32_t i = 0; i < count; i++)
        ids[enabled++] = actor_of_task(tasks[i])->pid;
    if (self != 0)
        ids[enabled++] = self;
    if (time_could_pass())
        ids[enabled++] = TIME_PASSES;
    sort(ids, enabled);
    return choose(ids, enabled);
}

static struct task *task_of(struct task *const *tasks, uint32_t count, uint64_t pid)
{
    for (uint32_t i = 0; i < count; i++)
        if (actor_of_task(tasks[i])->pid == pid)
            return tasks[i];
    return NULL;
}

/* In the worker's loop: who runs; NULL: as usual. */
struct task *sim_pick_task(struct worker *worker)
{
    struct task *tasks[ENABLED_MOST], *task = NULL;
    if (!run.on)
        return NULL;
    for (;;) {
        if (run.lets_time_pass)
            pass_time(worker);
        uint32_t count = take_tasks(worker, tasks);
        if (count == 0)
            return NULL;
        uint64_t who = run.forced != 0 ? run.forced : choose_among(tasks, count, 0);
        run.forced = 0;
        task = task_of(tasks, count, who);
        put_tasks(worker, tasks, count, task);
        if (task != NULL)
            break;
        run.lets_time_pass = who == TIME_PASSES;
    }
    run.fresh = true;
    return task;
}

/* ---- boundaries */

static bool stands_in_yield(uint64_t pid)
{
    for (unsigned i = 0; i < run.yielding_count; i++)
        if (run.yielding[i] == pid)
            return true;
    return false;
}

static void yield_for_us(uint64_t pid)
{
    if (run.yielding_count == YIELDING_MOST) {
        exploration->cut = true;
        prune();
    }
    run.yielding[run.yielding_count++] = pid;
    tr_yield();
    for (unsigned i = 0; i < run.yielding_count; i++)
        if (run.yielding[i] == pid) {
            run.yielding[i] = run.yielding[--run.yielding_count];
            return;
        }
}

void sim_explore_boundary(struct actor *self)
{
    struct worker *worker = worker_self();
    struct task *tasks[ENABLED_MOST];
    uint64_t pid = self->pid;
    if (stands_in_yield(pid) || self->life == LIFE_DYING)
        return;
    if (run.fresh) { /* it was chosen just now */
        run.fresh = false;
        return;
    }
    uint32_t count = take_tasks(worker, tasks);
    put_tasks(worker, tasks, count, NULL);
    uint64_t who = choose_among(tasks, count, pid);
    if (who == pid)
        return;
    run.lets_time_pass = who == TIME_PASSES;
    run.forced = run.lets_time_pass ? 0 : who;
    yield_for_us(pid);
    run.fresh = false;
}

/* ---- the search */

static void write_choices(char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < exploration->count; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%u", i == 0 ? "" : ",", exploration->steps[i].chosen);
}

/* The last choice that has an alternative takes it. False: there is none left. */
static bool backtrack(void)
{
    for (uint32_t at = exploration->count; at-- > 0;) {
        struct step *step = &exploration->steps[at];
        step->done[step->done_count++] = step->taken;
        step->chosen = first_open(step);
        if (step->chosen < step->enabled_count) {
            exploration->prefix = at + 1;
            return true;
        }
    }
    return false;
}

static void read_choices(const char *text)
{
    char *rest;
    for (given_count = 0; text != NULL && given_count < STEPS_MOST; text = *rest == ',' ? rest + 1 : NULL)
        given[given_count++] = (uint32_t)strtoul(text, &rest, 10);
}

static void explore_all(const tr_sim_case *test, uint64_t most_runs, tr_sim_explored *explored)
{
    tr_sim_result result;
    char choices[4 * STEPS_MOST]; /* two digits and a comma each */
    _Static_assert(ENABLED_MOST < 100, "two digits");
    do {
        exploration->pruned = false;
        exploration->count = 0;
        tr_sim_options options = test->options;
        int status = tr_sim_try(&options, test->program, test->arg, &result);
        explored->runs++;
        explored->pruned += exploration->pruned;
        if (exploration->count > explored->longest)
            explored->longest = exploration->count;
        if (status == TR_OK || exploration->pruned)
            continue;
        explored->failures++;
        write_choices(choices, sizeof choices);
        fprintf(stderr, "simulation %s: order %llu: %s\nrerun: TR_SIM_CHOICES=%s", test->name,
                (unsigned long long)explored->runs, result.failure, choices);
        sim_print_command(stderr);
        return;
    } while (backtrack() && explored->runs < most_runs);
    explored->complete = explored->runs < most_runs && !exploration->cut;
}

/* The one order that is given, in this process. */
static int repeat(const tr_sim_case *test, tr_sim_explored *explored)
{
    explored->runs = 1;
    return tr_sim_run(&test->options, test->program, test->arg, NULL) == 0 ? TR_OK : TR_ECALLBACK;
}

TR_API int tr_sim_explore(const tr_sim_case *test, uint64_t most_runs, tr_sim_explored *explored)
{
    const char *only = getenv("TR_SIM_ONLY");
    *explored = (tr_sim_explored){ .complete = true };
    if (only != NULL && strcmp(only, test->name) != 0)
        return TR_OK;
    void *memory = mmap(NULL, sizeof *exploration, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    explored->complete = false;
    if (memory == MAP_FAILED)
        return TR_ENOMEM;
    sim_case_name = test->name;
    exploration = memory;
    read_choices(getenv("TR_SIM_CHOICES"));
    int status = TR_OK;
    if (given_count > 0)
        status = repeat(test, explored);
    else
        explore_all(test, most_runs, explored);
    exploration = NULL;
    munmap(memory, sizeof *exploration);
    return explored->failures > 0 ? TR_ECALLBACK : status;
}
