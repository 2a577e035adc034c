/* calls.c: workloads that are requests to gen_servers: call, calls, callname, cast, selective. */
#include "workloads.h"

/* ---- call, callname: one client, one server, n calls */

static inline uint64_t increment(tr_pid server)
{
    uint64_t count = 0;
    tr_assert(tr_call(server, COUNTER_INCREMENT, NULL, 0, &count, sizeof count, 5000) == TR_OK);
    return count;
}

static void call_in_turn(struct bench *bench, const char *name)
{
    uint64_t n = bench_number(bench, "n"), last = 0;
    tr_pid server = bench_start_counter(0, name);
    int64_t start = tr_now_ns();
    for (uint64_t i = 0; i < n; i++)
        last = increment(name != NULL ? tr_name(name) : server);
    bench_result(bench, n, start);
    bench_verify("the last reply", last, n);
    bench_verify("the server's count", bench_call_counter(server, COUNTER_TOTAL), n);
}

static void call_run(struct bench *bench) { call_in_turn(bench, NULL); }

static void callname_run(struct bench *bench) { call_in_turn(bench, "counter"); }

const struct workload bench_call = {
    .name = "call", .what = "one client, n calls to one server", .defaults = { { "n", "500000" } }, .run = call_run
};
const struct workload bench_callname = {
    .name = "callname", .what = "the same, by registered name", .defaults = { { "n", "500000" } }, .run = callname_run
};

/* ---- calls: c clients, each calls its own server n times */

struct client {
    tr_pid coordinator, server;
    uint64_t calls;
};

static void client(const tr_msg *arg)
{
    const struct client *me = tr_expect(arg, sizeof *me);
    uint64_t last = 0;
    bench_wait_for_go();
    for (uint64_t i = 0; i < me->calls; i++) {
        uint64_t count = increment(me->server);
        tr_assert(count > last);
        last = count;
    }
    bench_report(me->coordinator, me->calls);
}

static void calls_run(struct bench *bench)
{
    uint64_t clients = bench_number(bench, "c"), servers = bench_number(bench, "s"), n = bench_number(bench, "n"),
             total = 0;
    tr_pid *server_pids = tr_alloc(servers * sizeof *server_pids),
           *client_pids = tr_alloc(clients * sizeof *client_pids);
    tr_assert(server_pids != NULL && client_pids != NULL && servers > 0);
    for (uint64_t i = 0; i < servers; i++)
        server_pids[i] = bench_start_counter(0, NULL);
    for (uint64_t i = 0; i < clients; i++) {
        struct client arg = { .coordinator = tr_self(), .server = server_pids[i % servers], .calls = n };
        client_pids[i] = bench_start_entry(client, &arg, sizeof arg);
    }
    int64_t start = tr_now_ns();
    for (uint64_t i = 0; i < clients; i++)
        bench_go(client_pids[i]);
    uint64_t calls = bench_reports(clients);
    bench_result(bench, calls, start);
    for (uint64_t i = 0; i < servers; i++)
        total += bench_call_counter(server_pids[i], COUNTER_TOTAL);
    bench_verify("the servers' counts", total, clients * n);
}

const struct workload bench_calls = { .name = "calls",
                                      .what = "c clients, n calls each to one of s servers",
                                      .defaults = { { "c", "64" }, { "s", "64" }, { "n", "20000" } },
                                      .run = calls_run };

/* ---- cast: n casts, then one call */

static void cast_run(struct bench *bench)
{
    uint64_t n = bench_number(bench, "n"), total;
    tr_pid server = bench_start_counter(0, NULL);
    int64_t start = tr_now_ns();
    for (uint64_t i = 0; i < n; i++)
        tr_cast(server, COUNTER_INCREMENT, NULL, 0);
    tr_call_or_exit(server, COUNTER_TOTAL, NULL, 0, &total, sizeof total, TR_INFINITY); /* the backlog may be long */
    bench_result(bench, n, start);
    bench_verify("the server's count", total, n);
}

const struct workload bench_cast = {
    .name = "cast", .what = "n casts to one server, then one call", .defaults = { { "n", "3000000" } }, .run = cast_run
};

/* ---- selective: 1,000 calls by a process whose mailbox holds n messages that it does not want yet */

static void selective_run(struct bench *bench)
{
    enum { UNWANTED = 1, CALLS = 1000 };
    uint64_t n = bench_number(bench, "n"), last = 0;
    tr_pid server = bench_start_counter(0, NULL);
    tr_process_info info;
    for (uint64_t i = 0; i < n; i++)
        tr_send(tr_self(), UNWANTED, &i, sizeof i);
    int64_t start = tr_now_ns();
    for (int i = 0; i < CALLS; i++)
        last = increment(server);
    bench_result(bench, CALLS, start);
    bench_verify("the last reply", last, CALLS);
    tr_must(tr_info(tr_self(), &info));
    bench_verify("the mailbox", info.message_queue_len, n);
    for (uint64_t i = 0; i < n; i++)
        bench_verify("the order of the unwanted", bench_number_in(tr_receive(TR_INFINITY)), i);
}

const struct workload bench_selective = { .name = "selective",
                                          .what = "1000 calls past n unmatched messages",
                                          .defaults = { { "n", "20000" } },
                                          .run = selective_run };
