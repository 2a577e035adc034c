/* run.c: one run of a scenario, from its start to its rest, and its outcome. */
#include "run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- words */

static const struct {
    const char *name;
    tr_why why;
} reasons[] = { { "normal", TR_WHY_NORMAL }, { "shutdown", TR_WHY_SHUTDOWN }, { "kill", TR_WHY_KILL },
                { "killed", TR_WHY_KILLED }, { "noproc", TR_WHY_NOPROC },     { "timeout", TR_WHY_TIMEOUT } };

tr_reason reason_of(const char *name)
{
    for (size_t i = 0; i < TR_COUNT(reasons); i++)
        if (strcmp(reasons[i].name, name) == 0)
            return tr_because(reasons[i].why, 0, NULL);
    return tr_because(TR_WHY_USER, 0, "%s", name);
}

tr_text reason_name(const tr_reason *reason)
{
    tr_text text;
    for (size_t i = 0; i < TR_COUNT(reasons); i++)
        if (reason->why == (int32_t)reasons[i].why) {
            snprintf(text.s, sizeof text.s, "%s", reasons[i].name);
            return text;
        }
    if (reason->why == TR_WHY_USER)
        snprintf(text.s, sizeof text.s, "%s", reason->text);
    else
        tr_reason_text(reason, text.s, sizeof text.s);
    return text;
}

tr_text run_name(const struct run *run, const char *name)
{
    tr_text text;
    snprintf(text.s, sizeof text.s, "%s_%zu", name, run->slot);
    return text;
}

const char *run_process_name(struct run *run, tr_pid pid)
{
    for (size_t i = 0; i < run->scenario->count; i++)
        if (atomic_load(&run->pids[i]) == pid.id)
            return run->scenario->processes[i].name;
    return "child";
}

void see(struct run *run, size_t index, const char *format, ...)
{
    struct seen *seen = &run->seen[index];
    size_t at = atomic_fetch_add(&seen->count, 1);
    atomic_fetch_add(&run->steps, 1);
    if (at >= SEEN_MOST)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(seen->lines[at].text, sizeof seen->lines[at].text, format, args);
    va_end(args);
    atomic_store(&seen->lines[at].written, true);
}

/* ---- delays */

static uint32_t roll(uint64_t *dice, uint32_t below)
{
    uint64_t z = *dice += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ (z >> 31)) % below);
}

void run_delay(const struct run *run, uint64_t *dice)
{
    uint64_t style = run->seed % 4;
    if (style == 0 || roll(dice, 2) == 0)
        return;
    if (style == 3 && roll(dice, 2) == 0)
        tr_sleep(roll(dice, 5));
    for (uint32_t more = roll(dice, roll(dice, 4) == 0 ? 24 : 6); more > 0; more--)
        tr_yield();
}

/* ---- names that a run may use */

typedef void name_visit(struct run *run, const char *name, bool of_server, void *arg);

static void each_name(struct run *run, name_visit *visit, void *arg)
{
    for (size_t i = 0; i < run->scenario->count; i++) {
        const struct process *process = &run->scenario->processes[i];
        for (size_t k = 0; k < process->count; k++) {
            const struct op *op = &process->ops[k];
            if (process->kind == KIND_SUPERVISOR && k > 0)
                visit(run, op->words[0], true, arg);
            else if (strcmp(op->words[0], "start") == 0 || strcmp(op->words[0], "add") == 0)
                visit(run, op->words[2], true, arg);
            else if (strcmp(op->words[0], "register") == 0)
                visit(run, op->words[1], false, arg);
        }
    }
}

/* ---- at rest? */

struct look {
    uint64_t steps;
    uint32_t alive;
    size_t queued;
};

static void ask_server(tr_pid server)
{
    int status = tr_call(server, LOOK, NULL, 0, NULL, 0, TR_INFINITY);
    (void)status; /* that it is gone is an answer, too */
}

static void ask_named(struct run *run, const char *name, bool of_server, void *arg)
{
    (void)arg;
    if (of_server)
        ask_server(tr_name(run_name(run, name).s));
}

static bool timers_are_done(struct run *run)
{
    for (size_t i = 0; i < atomic_load(&run->timer_count); i++)
        if (!atomic_load(&run->far[i]) && tr_timer_read((tr_timer){ atomic_load(&run->timers[i]) }) >= 0)
            return false;
    return true;
}

/* Whether a script that is alive waits for ever, unless something happens elsewhere. */
static bool script_rests(struct run *run, size_t i, size_t queued)
{
    uint64_t call = atomic_load(&run->calls[i]);
    if (call != 0)
        return atomic_load(&run->held[i]) == call && tr_is_alive((tr_pid){ atomic_load(&run->held_by[i]) });
    return atomic_load(&run->waits[i]) && queued <= atomic_load(&run->passed[i]);
}

/* False: the supervisor has a child that is not alive, and will hear of its end. */
static bool children_rest(tr_pid supervisor, size_t *queued)
{
    tr_child_info *children;
    size_t count;
    bool rest = true;
    if (tr_which_children(supervisor, &children, &count) != TR_OK)
        return true; /* it has ended, which is looked at as well */
    for (size_t i = 0; i < count; i++)
        rest = rest && (tr_nobody(children[i].pid) || tr_is_alive(children[i].pid));
    tr_free(children);
    *queued += count;
    return rest;
}

/* Asks everybody; false: somebody is busy. */
static bool look_at(struct run *run, struct look *look)
{
    *look = (struct look){ .steps = atomic_load(&run->steps) };
    for (size_t i = 0; i < run->scenario->count; i++) {
        enum kind kind = run->scenario->processes[i].kind;
        tr_pid pid = { atomic_load(&run->pids[i]) };
        tr_process_info info;
        if (tr_nobody(pid))
            continue;
        if (kind == KIND_SERVER)
            ask_server(pid);
        if (kind == KIND_SUPERVISOR && !children_rest(pid, &look->queued))
            return false;
        if (tr_info(pid, &info) != TR_OK)
            continue;
        if (kind < KIND_SERVER && !script_rests(run, i, info.message_queue_len))
            return false;
        look->alive |= UINT32_C(1) << i;
        look->queued += info.message_queue_len << 16;
    }
    each_name(run, ask_named, NULL);
    return timers_are_done(run) && atomic_load(&run->steps) == look->steps;
}

static void settle(struct run *run)
{
    struct look last = { 0 }, look;
    for (int same = 0, busy = 0; same < 3;) {
        bool rests = look_at(run, &look);
        bool equal = look.steps == last.steps && look.alive == last.alive && look.queued == last.queued;
        same = rests && equal ? same + 1 : 0;
        last = look;
        busy += !rests;
        if (run->pause_ms > 0)
            tr_sleep(run->pause_ms);
        else if (rests || busy < 64)
            tr_yield();
        else
            tr_sleep(1); /* a timer runs */
    }
}

/* ---- from start to end */

static void start_all(struct run *run, tr_ref *monitors)
{
    const struct scenario *scenario = run->scenario;
    for (size_t i = 0; i < scenario->count; i++) {
        const struct process *process = &scenario->processes[i];
        struct place place = { run, i };
        tr_pid pid = { 0 };
        if (process->kind == KIND_SCRIPT)
            pid = tr_spawn_monitor(script_enter, &place, sizeof place, &monitors[i]);
        else if (process->kind == KIND_SERVER)
            pid = server_start(place, op_has(&process->ops[0], "trap"), &monitors[i]);
        else if (process->kind == KIND_SUPERVISOR)
            pid = supervisor_start(place, process, &monitors[i]);
        atomic_store(&run->pids[i], pid.id);
    }
    for (size_t i = 0; i < scenario->count; i++)
        if (scenario->processes[i].kind == KIND_SCRIPT)
            tr_send((tr_pid){ atomic_load(&run->pids[i]) }, GO, NULL, 0);
}

/* Everything ends, its names are free, its timers are gone. */
static void await_free(struct run *run, const char *name, bool of_server, void *arg)
{
    (void)of_server;
    (void)arg;
    tr_text text = run_name(run, name);
    for (tr_pid pid; !tr_nobody(pid = tr_whereis(text.s));) {
        tr_exit_signal(pid, TR_KILL);
        tr_yield();
    }
}

static void clean(struct run *run, const tr_ref *monitors)
{
    for (size_t i = 0; i < run->scenario->count; i++)
        tr_exit_signal((tr_pid){ atomic_load(&run->pids[i]) }, TR_KILL);
    for (size_t i = 0; i < run->scenario->count; i++)
        while (tr_is_alive((tr_pid){ atomic_load(&run->pids[i]) }))
            tr_yield();
    each_name(run, await_free, NULL);
    for (size_t i = 0; i < atomic_load(&run->timer_count); i++)
        tr_timer_cancel((tr_timer){ atomic_load(&run->timers[i]) });
    for (size_t i = 0; i < run->scenario->count; i++)
        if (run->scenario->processes[i].kind != KIND_SPAWNED)
            tr_demonitor(monitors[i], true);
    while (tr_receive(0) != NULL)
        ; /* EXITs of supervisors */
}

static void write_end(struct run *run, size_t i, tr_ref monitor, char *end, size_t size)
{
    tr_pid pid = { atomic_load(&run->pids[i]) };
    tr_reason reason;
    if (!tr_nobody(pid) && tr_is_alive(pid))
        snprintf(end, size, "...");
    else if (run->scenario->processes[i].kind == KIND_SPAWNED)
        snprintf(end, size, "!");
    else if (tr_await_down(monitor, TR_INFINITY, &reason) == TR_OK)
        snprintf(end, size, "!%s", reason_name(&reason).s);
}

/* Those that ended last may have written last, and that their names are free does not order it before what comes now;
 * that what they wrote is read does. */
static void catch_up(struct run *run)
{
    for (size_t i = 0; i < run->scenario->count; i++) {
        size_t count = atomic_load(&run->seen[i].count);
        for (size_t k = 0; k < count && k < SEEN_MOST; k++)
            while (!atomic_load(&run->seen[i].lines[k].written))
                tr_yield();
        atomic_load(&run->waits[i]);
        atomic_load(&run->passed[i]);
        atomic_load(&run->calls[i]);
        atomic_load(&run->held[i]);
        atomic_load(&run->held_by[i]);
    }
    atomic_load(&run->steps);
}

void run_once(struct run *run, char *outcome)
{
    tr_ref monitors[PROCESSES_MOST];
    size_t used = 0;
    start_all(run, monitors);
    if (run->begun != NULL) {
        run->begun();
        tr_receive_match(&(tr_match){ .tag = run->rest }, TR_INFINITY);
    }
    settle(run);
    for (size_t i = 0; i < run->scenario->count; i++) {
        char end[80] = "";
        write_end(run, i, monitors[i], end, sizeof end);
        used += (size_t)snprintf(outcome + used, OUTCOME_SIZE - used, "%s%s", i == 0 ? "" : " | ",
                                 run->scenario->processes[i].name);
        for (size_t k = 0; k < atomic_load(&run->seen[i].count) && k < SEEN_MOST && used < OUTCOME_SIZE - 200; k++)
            if (atomic_load(&run->seen[i].lines[k].written))
                used += (size_t)snprintf(outcome + used, OUTCOME_SIZE - used, " %s", run->seen[i].lines[k].text);
        used += (size_t)snprintf(outcome + used, OUTCOME_SIZE - used, " %s", end);
    }
    clean(run, monitors);
    catch_up(run);
}
