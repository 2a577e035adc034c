/* idle.c: what waiting costs: idle (servers between messages: memory), idlecpu (the same: CPU time) and blocked
 * (straight-line processes in receive). */
#include "workloads.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static void report_bytes(struct bench *bench, uint64_t before, uint64_t n)
{
    uint64_t after = bench_resident_bytes();
    bench_extra(bench, "bytes_per_actor", after > before ? (double)(after - before) / (double)n : 0);
}

/* The pids are the workload's own, not the servers': their memory is touched before the first look at what is resident.
 */
static tr_pid *touched_pids(uint64_t n)
{
    tr_pid *pids = tr_alloc(n * sizeof *pids);
    tr_assert(pids != NULL);
    memset(pids, 0xFF, n * sizeof *pids);
    return pids;
}

/* ---- idle: n servers with 8 bytes of state, each of which has answered one call */

static tr_pid start_plain(tr_pid supervisor, uint64_t number)
{
    tr_pid pid;
    (void)supervisor;
    tr_must(tr_start_server(&bench_counter_server, &number, sizeof number, NULL, &pid));
    return pid;
}

static tr_pid start_supervised(tr_pid supervisor, uint64_t number)
{
    char name[32];
    tr_pid pid;
    snprintf(name, sizeof name, "idle-%llu", (unsigned long long)number);
    tr_child spec = { .name = name, .server = &bench_counter_server, .arg = &number, .arg_size = sizeof number };
    tr_must(tr_start_child(supervisor, &spec, &pid));
    return pid;
}

static void idle_run(struct bench *bench)
{
    static const tr_supervisor dynamic = { .strategy = TR_DYNAMIC };
    uint64_t n = bench_number(bench, "n"), sum = 0;
    bool supervised = strcmp(bench_text(bench, "variant"), "supervised") == 0;
    if (!supervised && strcmp(bench_text(bench, "variant"), "plain") != 0)
        tr_exit(tr_because(TR_WHY_USER, 0, "variant is plain or supervised"));
    tr_pid supervisor = { 0 }, *pids = touched_pids(n);
    tr_system_info system;
    if (supervised)
        tr_must(tr_start_link(&(tr_child){ .id = "idle", .supervisor = &dynamic }, &supervisor));
    uint64_t before = bench_resident_bytes();
    int64_t start = tr_now_ns();
    for (uint64_t i = 0; i < n; i++) {
        pids[i] = supervised ? start_supervised(supervisor, i + 1) : start_plain(supervisor, i + 1);
        sum += bench_call_counter(pids[i], COUNTER_TOTAL);
    }
    bench_result(bench, n, start);
    report_bytes(bench, before, n);
    bench_verify("the sum of states", sum, bench_sum_to(n));
    tr_must(tr_system(&system));
    bench_verify("fewer processes than servers", system.processes < n, 0);
    for (uint64_t i = 0; i < n; i++) /* each still holds its own state */
        bench_verify("a server's state", bench_call_counter(pids[i], COUNTER_INCREMENT), i + 2);
}

const struct workload bench_idle = { .name = "idle",
                                     .what = "n idle servers; variant=plain or supervised (and named)",
                                     .defaults = { { "n", "1000000" }, { "variant", "plain" } },
                                     .run = idle_run };

/* ---- idlecpu: the CPU time of a system in which nothing happens */

static void idlecpu_run(struct bench *bench)
{
    enum { SETTLE_MS = 1000 }; /* what the start leaves behind is cleared away meanwhile */
    uint64_t n = bench_number(bench, "n"), sum = 0;
    tr_pid *pids = touched_pids(n);
    for (uint64_t i = 0; i < n; i++) {
        pids[i] = start_plain((tr_pid){ 0 }, i + 1);
        sum += bench_call_counter(pids[i], COUNTER_TOTAL);
    }
    bench_verify("the sum of states", sum, bench_sum_to(n));
    tr_sleep(SETTLE_MS);
    double cpu_before = bench_cpu_seconds();
    int64_t start = tr_now_ns();
    tr_sleep((int64_t)bench_number(bench, "seconds") * 1000);
    double cpu = bench_cpu_seconds() - cpu_before, wall = (double)(tr_now_ns() - start) / 1e9;
    bench_result_seconds(bench, n, wall);
    bench_extra(bench, "cpu_seconds", cpu);
    bench_extra(bench, "cpu_percent", 100 * cpu / wall);
    for (uint64_t i = 0; i < n; i++) /* each is still there */
        bench_verify("a server's state", bench_call_counter(pids[i], COUNTER_INCREMENT), i + 2);
}

const struct workload bench_idlecpu = { .name = "idlecpu",
                                        .what = "CPU time while n servers wait (cpu_percent: of one core)",
                                        .defaults = { { "n", "100000" }, { "seconds", "10" } },
                                        .run = idlecpu_run };

/* ---- blocked: n straight-line processes in receive, each on a stack of its own; each answers one message and ends */

enum { QUESTION = 1, ANSWER };

static atomic_uint_least64_t arrived; /* how many have come to their receive */

static void blocked(const tr_msg *arg)
{
    uint64_t number = bench_number_in(arg);
    atomic_fetch_add_explicit(&arrived, 1, memory_order_relaxed);
    const tr_msg *question = tr_receive(TR_INFINITY);
    number += bench_number_in(question);
    tr_send(tr_sender(question), ANSWER, &number, sizeof number);
}

static uint64_t sum_of_answers(uint64_t count)
{
    uint64_t sum = 0;
    while (count-- > 0)
        sum += bench_number_in(tr_receive_match(&(tr_match){ .tag = ANSWER }, TR_INFINITY));
    return sum;
}

/* The questions go out in batches, so that the answers of one are taken before the next. */
static uint64_t ask_all(const tr_pid *pids, uint64_t n)
{
    enum { BATCH = 1000 };
    uint64_t sum = 0, one = 1;
    for (uint64_t first = 0; first < n; first += BATCH) {
        uint64_t count = n - first < BATCH ? n - first : BATCH;
        for (uint64_t i = 0; i < count; i++)
            tr_send(pids[first + i], QUESTION, &one, sizeof one);
        sum += sum_of_answers(count);
    }
    return sum;
}

static void blocked_run(struct bench *bench)
{
    uint64_t n = bench_number(bench, "n");
    tr_spawn_options options = { .label = "blocked", .stack_size = bench_number(bench, "stack") };
    tr_pid *pids = touched_pids(n);
    tr_system_info system;
    tr_must(tr_system(&system));
    size_t others = system.processes;
    uint64_t before = bench_resident_bytes();
    int64_t start = tr_now_ns();
    for (uint64_t i = 0; i < n; i++)
        pids[i] = tr_spawn_with(blocked, &i, sizeof i, &options);
    while (atomic_load_explicit(&arrived, memory_order_relaxed) < n)
        tr_sleep(1);
    double start_seconds = (double)(tr_now_ns() - start) / 1e9;
    report_bytes(bench, before, n);
    uint64_t sum = ask_all(pids, n);
    for (tr_must(tr_system(&system)); system.processes > others; tr_must(tr_system(&system)))
        tr_sleep(1);
    bench_result(bench, n, start);
    bench_extra(bench, "start_seconds", start_seconds);
    bench_extra(bench, "resident_after", (double)bench_resident_bytes());
    bench_verify("the sum of answers", sum, bench_sum_to(n));
}

const struct workload bench_blocked = { .name = "blocked",
                                        .what = "n processes blocked in receive, each answers once, ends",
                                        .defaults = { { "n", "1000000" }, { "stack", "0" } },
                                        .run = blocked_run,
                                        .own = true };
