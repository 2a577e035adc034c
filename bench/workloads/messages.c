/* messages.c: workloads that only pass messages between a few actors: pingpong, pairs, ring, rings, counting, fanin. */
#include "workloads.h"

/* ---- pingpong, pairs: two actors, n round trips of one message */

enum { PING = 1, PONG };

struct ping {
    tr_pid coordinator, pong;
    uint64_t trips, left;
};

static int pong_handle(void *state, const tr_msg *message)
{
    uint64_t *served = state;
    if (tr_tag(message) != PING)
        return tr_unexpected(message);
    (*served)++;
    tr_send(tr_sender(message), PONG, served, sizeof *served);
    return TR_OK;
}

static int ping_start(void *state, const tr_msg *arg)
{
    struct ping *ping = state;
    *ping = *(const struct ping *)tr_expect(arg, sizeof *ping);
    ping->left = ping->trips;
    return TR_OK;
}

static int ping_handle(void *state, const tr_msg *message)
{
    struct ping *ping = state;
    if (tr_tag(message) == PONG)
        tr_assert(bench_number_in(message) == ping->trips - --ping->left);
    else if (tr_tag(message) != BENCH_GO)
        return tr_unexpected(message);
    if (ping->left > 0)
        tr_send(ping->pong, PING, NULL, 0);
    else
        bench_report(ping->coordinator, ping->trips);
    return TR_OK;
}

static const tr_actor pong_actor = { .label = "pong", .state_size = sizeof(uint64_t), .handle = pong_handle };
static const tr_actor ping_actor = {
    .label = "ping", .state_size = sizeof(struct ping), .start = ping_start, .handle = ping_handle
};

static void run_pairs(struct bench *bench, uint64_t pairs, uint64_t trips)
{
    tr_pid *pings = tr_alloc(pairs * sizeof *pings);
    tr_assert(pings != NULL);
    for (uint64_t i = 0; i < pairs; i++) {
        struct ping ping = { .coordinator = tr_self(), .pong = bench_start(&pong_actor, NULL, 0), .trips = trips };
        pings[i] = bench_start(&ping_actor, &ping, sizeof ping);
    }
    int64_t start = tr_now_ns();
    for (uint64_t i = 0; i < pairs; i++)
        bench_go(pings[i]);
    uint64_t done = bench_reports(pairs);
    bench_result(bench, 2 * pairs * trips, start);
    bench_verify("round trips", done, pairs * trips);
}

static void pingpong_run(struct bench *bench) { run_pairs(bench, 1, bench_number(bench, "n")); }

static void pairs_run(struct bench *bench) { run_pairs(bench, bench_number(bench, "p"), bench_number(bench, "n")); }

const struct workload bench_pingpong = {
    .name = "pingpong", .what = "two actors, n round trips", .defaults = { { "n", "1000000" } }, .run = pingpong_run
};
const struct workload bench_pairs = { .name = "pairs",
                                      .what = "p independent pairs, n round trips each",
                                      .defaults = { { "p", "32" }, { "n", "100000" } },
                                      .run = pairs_run };

/* ---- ring, rings: a actors in a ring, one token, n hops */

enum { TOKEN = 1, NEXT };

struct node {
    tr_pid coordinator, next;
    uint64_t index;
};

static int node_start(void *state, const tr_msg *arg)
{
    *(struct node *)state = *(const struct node *)tr_expect(arg, sizeof(struct node));
    return TR_OK;
}

static int node_handle(void *state, const tr_msg *message)
{
    struct node *node = state;
    if (tr_tag(message) == NEXT) {
        node->next = *(const tr_pid *)tr_expect(message, sizeof(tr_pid));
        return TR_OK;
    }
    if (tr_tag(message) != TOKEN)
        return tr_unexpected(message);
    uint64_t hops_left = bench_number_in(message);
    if (hops_left == 0) {
        bench_report(node->coordinator, node->index);
        return TR_OK;
    }
    hops_left--;
    tr_send(node->next, TOKEN, &hops_left, sizeof hops_left);
    return TR_OK;
}

static const tr_actor node_actor = {
    .label = "node", .state_size = sizeof(struct node), .start = node_start, .handle = node_handle
};

static tr_pid start_ring(uint64_t actors)
{
    struct node node = { .coordinator = tr_self() };
    tr_pid first = bench_start(&node_actor, &node, sizeof node);
    node.next = first;
    for (node.index = actors - 1; node.index > 0; node.index--) /* each knows the one made before it */
        node.next = bench_start(&node_actor, &node, sizeof node);
    tr_send(first, NEXT, &node.next, sizeof node.next);
    return first;
}

static void run_rings(struct bench *bench, uint64_t rings, uint64_t actors, uint64_t hops)
{
    tr_pid *entries = tr_alloc(rings * sizeof *entries);
    tr_assert(entries != NULL && actors > 0);
    for (uint64_t i = 0; i < rings; i++)
        entries[i] = start_ring(actors);
    int64_t start = tr_now_ns();
    for (uint64_t i = 0; i < rings; i++)
        tr_send(entries[i], TOKEN, &hops, sizeof hops);
    uint64_t last_nodes = bench_reports(rings);
    bench_result(bench, rings * hops, start);
    bench_verify("where the tokens stopped", last_nodes, rings * (hops % actors));
}

static void ring_run(struct bench *bench) { run_rings(bench, 1, bench_number(bench, "a"), bench_number(bench, "n")); }

static void rings_run(struct bench *bench)
{
    run_rings(bench, bench_number(bench, "r"), bench_number(bench, "a"), bench_number(bench, "n"));
}

const struct workload bench_ring = { .name = "ring",
                                     .what = "a token, n hops in a ring of a actors",
                                     .defaults = { { "a", "503" }, { "n", "5000000" } },
                                     .run = ring_run };
const struct workload bench_rings = { .name = "rings",
                                      .what = "r rings at once",
                                      .defaults = { { "r", "16" }, { "a", "503" }, { "n", "500000" } },
                                      .run = rings_run };

/* ---- counting: one producer, one counter; fanin: s senders, one receiver */

enum { INCREMENT = 1, TOTAL };

static int counter_handle(void *state, const tr_msg *message)
{
    uint64_t *count = state;
    if (tr_tag(message) == INCREMENT)
        (*count)++;
    else if (tr_tag(message) == TOTAL)
        bench_report(tr_sender(message), *count);
    else
        return tr_unexpected(message);
    return TR_OK;
}

static const tr_actor counter_actor = { .label = "counter", .state_size = sizeof(uint64_t), .handle = counter_handle };

static void counting_run(struct bench *bench)
{
    uint64_t n = bench_number(bench, "n");
    tr_pid counter = bench_start(&counter_actor, NULL, 0);
    int64_t start = tr_now_ns();
    for (uint64_t i = 0; i < n; i++)
        tr_send(counter, INCREMENT, NULL, 0);
    tr_send(counter, TOTAL, NULL, 0);
    uint64_t total = bench_reports(1);
    bench_result(bench, n, start);
    bench_verify("total", total, n);
}

const struct workload bench_counting = {
    .name = "counting", .what = "one producer, n increments", .defaults = { { "n", "5000000" } }, .run = counting_run
};

struct adder {
    tr_pid coordinator;
    uint64_t left, sum;
};

static int adder_start(void *state, const tr_msg *arg)
{
    *(struct adder *)state = *(const struct adder *)tr_expect(arg, sizeof(struct adder));
    return TR_OK;
}

/* Adds up numbers, and reports their sum once it has them all. */
static int adder_handle(void *state, const tr_msg *message)
{
    struct adder *adder = state;
    adder->sum += bench_number_in(message);
    if (--adder->left == 0)
        bench_report(adder->coordinator, adder->sum);
    return TR_OK;
}

static const tr_actor adder_actor = {
    .label = "adder", .state_size = sizeof(struct adder), .start = adder_start, .handle = adder_handle
};

tr_pid bench_start_adder(uint64_t count)
{
    struct adder adder = { .coordinator = tr_self(), .left = count };
    return bench_start(&adder_actor, &adder, sizeof adder);
}

struct sender {
    tr_pid to;
    uint64_t count;
};

static void send_numbers(const tr_msg *arg)
{
    const struct sender *sender = tr_expect(arg, sizeof *sender);
    bench_wait_for_go();
    for (uint64_t number = 1; number <= sender->count; number++)
        tr_send(sender->to, BENCH_NUMBER, &number, sizeof number);
}

static void fanin_run(struct bench *bench)
{
    uint64_t senders = bench_number(bench, "s"), n = bench_number(bench, "n");
    struct sender sender = { .to = bench_start_adder(senders * n), .count = n };
    tr_pid *pids = tr_alloc(senders * sizeof *pids);
    tr_assert(pids != NULL);
    for (uint64_t i = 0; i < senders; i++)
        pids[i] = bench_start_entry(send_numbers, &sender, sizeof sender);
    int64_t start = tr_now_ns();
    for (uint64_t i = 0; i < senders; i++)
        bench_go(pids[i]);
    uint64_t sum = bench_reports(1);
    bench_result(bench, senders * n, start);
    bench_verify("sum", sum, senders * bench_sum_to(n));
}

const struct workload bench_fanin = { .name = "fanin",
                                      .what = "s senders, n messages each to one receiver",
                                      .defaults = { { "s", "100" }, { "n", "50000" } },
                                      .run = fanin_run };
