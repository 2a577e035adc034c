/* run.c: one run: its begin, its end, and what is said when it fails. */
#include "sim/machine.h"

#include "actor/actor.h"
#include "sim/explore.h"
#include "sim/net.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { START_S = 1000, LISTED_MOST = 40 };

tr_sim_result *sim_shared_result;
const char *sim_case_name;

/* ---- the end of a run */

static void fill_result(tr_sim_result *result, int status)
{
    *result = (tr_sim_result){ .seed = machine.options.seed,
                               .hash = machine.hash,
                               .events = machine.events,
                               .steps = machine.steps,
                               .switches = machine.switches,
                               .virtual_ns = machine.now_ns - machine.start_ns,
                               .status = status };
    sim_faults_write(result->script, sizeof result->script);
    memcpy(result->failure, machine.failure, sizeof result->failure);
}

static void print_words(FILE *to, const char *text, size_t size)
{
    for (size_t at = 0; at < size; at += strlen(text + at) + 1)
        fprintf(to, " %s", text + at);
}

/* The command of this process, with the case. */
void sim_print_command(FILE *to)
{
    char words[4096];
    FILE *file = fopen("/proc/self/cmdline", "re");
    size_t size = file == NULL ? 0 : fread(words, 1, sizeof words - 1, file);
    words[size] = '\0';
    if (file != NULL)
        fclose(file);
    if (sim_case_name != NULL)
        fprintf(to, " TR_SIM_ONLY='%s'", sim_case_name);
    print_words(to, words, size);
    fputc('\n', to);
}

/* The line that runs this seed again. */
void sim_print_rerun(FILE *to, uint64_t seed, const char *script)
{
    fprintf(to, "rerun: TR_SIM_SEEDS=%llu..%llu", (unsigned long long)seed, (unsigned long long)seed);
    if (script[0] != '\0')
        fprintf(to, " TR_SIM_FAULTS='%s'", script);
    sim_print_command(to);
}

static void end_failed(void)
{
    machine.frozen++;
    sim_trace_end();
    fflush(NULL);
    if (machine.forked) {
        fill_result(sim_shared_result, -1);
        _exit(1);
    }
    char script[512];
    sim_faults_write(script, sizeof script);
    fprintf(stderr, "simulation%s%s: seed %llu: %s\n", sim_case_name == NULL ? "" : " ",
            sim_case_name == NULL ? "" : sim_case_name, (unsigned long long)machine.options.seed, machine.failure);
    sim_print_rerun(stderr, machine.options.seed, script);
    signal(SIGABRT, SIG_DFL);
    abort();
}

static void keep_failure(const char *format, va_list list)
{
    if (machine.failure[0] == '\0')
        vsnprintf(machine.failure, sizeof machine.failure, format, list);
}

void sim_fail(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    keep_failure(format, list);
    va_end(list);
    end_failed();
    abort();
}

TR_API void tr_sim_fail(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    keep_failure(format, list);
    va_end(list);
    end_failed();
    abort();
}

/* ---- deadlock */

static void list_threads(FILE *to)
{
    for (unsigned i = 0; i < machine.count; i++) {
        const struct sim_thread *thread = machine.threads[i];
        if (thread->state == SIM_BLOCKED)
            fprintf(to, "    thread %u waits for: %s\n", thread->id, thread->waits_for);
    }
}

static const char *doing(const struct actor *actor)
{
    uint64_t word = load_relaxed(&actor->wait);
    if ((word & 1) != 0)
        return "is blocked";
    return actor->mailbox.tail.p == &actor->mailbox.head.node ? "is idle" : "has messages";
}

static void list_actors(FILE *to)
{
    struct slots *pids = context_table(TABLE_PIDS);
    unsigned listed = 0;
    for (uint32_t i = 0; pids != NULL && i < slots_touched(pids) && listed < LISTED_MOST; i++) {
        const struct actor *actor = slots_at(pids, i);
        if (actor == NULL || (load_relaxed(&actor->flags) & ACTOR_PROXY) != 0)
            continue;
        listed++;
        fprintf(to, "    process %s (%s) %s\n", tr_pid_text((tr_pid){ actor->pid }).s, actor_label(actor),
                doing(actor));
    }
}

void sim_deadlock(void)
{
    machine.frozen++;
    if (!machine.quiet) {
        fprintf(stderr, "simulation: nobody can go on:\n");
        list_threads(stderr);
        list_actors(stderr);
    }
    sim_fail("deadlock");
}

/* ---- a run */

static void fill_options(const tr_sim_options *options)
{
    machine.options = options == NULL ? (tr_sim_options){ .seed = 0 } : *options;
    tr_sim_options *filled = &machine.options;
    if (filled->changes == 0)
        filled->changes = 5;
    if (filled->max_steps == 0)
        filled->max_steps = 200 * 1000 * 1000;
    if (filled->max_ms == 0)
        filled->max_ms = INT64_C(100) * 24 * 3600 * 1000;
    if (filled->stall_ms == 0)
        filled->stall_ms = 2;
    if (filled->faults.most == 0)
        filled->faults.most = 3;
}

/* The recorder's events are the trace's: all of them, in rings that take no time to make. */
void sim_set_environment(void)
{
    setenv("TROUPE_TRACE", "all", 1);
    setenv("TROUPE_TRACE_EVENTS", "64", 1);
}

static void begin(const tr_sim_options *options)
{
    bool forked = machine.forked, quiet = machine.quiet;
    memset(&machine, 0, sizeof machine);
    machine.forked = forked;
    machine.quiet = quiet;
    fill_options(options);
    if (sim_explore_start())
        machine.options.policy = TR_SIM_FIXED;
    machine.start_ns = machine.now_ns = machine.waiting_since = START_S * INT64_C(1000000000);
    machine.next_due = SIM_NEVER;
    sim_budget = machine.given = 0;
    sim_choice_start(machine.options.seed);
    sim_threads_start();
    sim_faults_start();
    sim_net_start();
    sim_signals_start();
    sim_trace_start();
    sim_set_environment();
    machine.running = true;
    sim_budget = machine.given = sim_next_budget();
}

static void end(void)
{
    unsigned left = sim_threads_left();
    tr_sim_inject(false);
    if (left > 0)
        sim_fail("%u threads are left: the runtime was not stopped", left);
    if (sim_files_open() > 0)
        sim_fail("%u descriptors are left: somebody has not closed them", sim_files_open());
    machine.running = false;
    machine.now_ns = sim_now();
    sim_budget = machine.given = INT64_MAX;
    sim_signals_end();
    sim_threads_end();
    sim_trace_end();
}

TR_API int tr_sim_run(const tr_sim_options *options, int (*program)(void *arg), void *arg, tr_sim_result *result)
{
    if (machine.running)
        sim_fail("a run inside of a run");
    begin(options);
    int status = program(arg);
    if (status != 0 && machine.forked)
        sim_fail("the program returned %d", status);
    end();
    if (result != NULL)
        fill_result(result, status);
    return status;
}

/* ---- for the program */

TR_API uint32_t tr_sim_random(uint32_t below) { return (uint32_t)(((sim_draw(&machine.entropy) >> 32) * below) >> 32); }

TR_API uint64_t tr_sim_seed(void) { return machine.options.seed; }

TR_API int64_t tr_sim_now_ns(void) { return sim_now() - machine.start_ns; }

TR_API void tr_sim_note(const char *text, uint64_t number) { sim_trace_note(text, number, 0); }
