/* spawning.c: workloads that start and end actors: spawn, spawnchain, skynet. */
#include "workloads.h"

/* ---- spawn: n actors; each gets one message, sends one to a collector, ends */

static int short_lived_start(void *state, const tr_msg *arg)
{
    *(tr_pid *)state = *(const tr_pid *)tr_expect(arg, sizeof(tr_pid));
    return TR_OK;
}

static int short_lived_handle(void *state, const tr_msg *message)
{
    uint64_t number = bench_number_in(message);
    tr_send(*(const tr_pid *)state, BENCH_NUMBER, &number, sizeof number);
    return tr_stop(TR_NORMAL);
}

static const tr_actor short_lived_actor = {
    .label = "short-lived", .state_size = sizeof(tr_pid), .start = short_lived_start, .handle = short_lived_handle
};

static void spawn_run(struct bench *bench)
{
    uint64_t n = bench_number(bench, "n");
    int64_t start = tr_now_ns();
    tr_pid collector = bench_start_adder(n);
    for (uint64_t number = 1; number <= n; number++) {
        tr_pid actor = tr_spawn_actor(&short_lived_actor, &collector, sizeof collector, NULL);
        tr_send(actor, BENCH_NUMBER, &number, sizeof number);
    }
    uint64_t sum = bench_reports(1);
    bench_result(bench, n, start);
    bench_verify("sum", sum, bench_sum_to(n));
}

const struct workload bench_spawn = { .name = "spawn",
                                      .what = "n actors, one message in, one out, end",
                                      .defaults = { { "n", "1000000" } },
                                      .run = spawn_run };

/* ---- spawnchain: each actor spawns its successor, passes a counter, ends */

struct chain {
    tr_pid coordinator;
    uint64_t length;
};

static int chain_start(void *state, const tr_msg *arg)
{
    *(struct chain *)state = *(const struct chain *)tr_expect(arg, sizeof(struct chain));
    return TR_OK;
}

static int chain_handle(void *state, const tr_msg *message);

static const tr_actor chain_actor = {
    .label = "chain", .state_size = sizeof(struct chain), .start = chain_start, .handle = chain_handle
};

static int chain_handle(void *state, const tr_msg *message)
{
    const struct chain *chain = state;
    uint64_t count = bench_number_in(message);
    if (count == chain->length) {
        bench_report(chain->coordinator, count);
    } else {
        count++;
        tr_send(tr_spawn_actor(&chain_actor, chain, sizeof *chain, NULL), BENCH_NUMBER, &count, sizeof count);
    }
    return tr_stop(TR_NORMAL);
}

static void spawnchain_run(struct bench *bench)
{
    struct chain chain = { .coordinator = tr_self(), .length = bench_number(bench, "n") };
    uint64_t first = 1;
    int64_t start = tr_now_ns();
    tr_send(tr_spawn_actor(&chain_actor, &chain, sizeof chain, NULL), BENCH_NUMBER, &first, sizeof first);
    uint64_t count = bench_reports(1);
    bench_result(bench, chain.length, start);
    bench_verify("count", count, chain.length);
}

const struct workload bench_spawnchain = { .name = "spawnchain",
                                           .what = "n actors, each spawned by the one before",
                                           .defaults = { { "n", "1000000" } },
                                           .run = spawnchain_run };

/* ---- skynet: a 10-way tree; leaves send their number up, inner nodes sum their ten children */

enum { CHILDREN = 10 };

struct place {
    tr_pid parent;
    uint64_t first, leaves; /* the numbers of the leaves below: first, first + 1, ... */
};

struct inner {
    tr_pid parent;
    uint64_t left, sum;
};

static void leaf(const tr_msg *arg)
{
    const struct place *place = tr_expect(arg, sizeof *place);
    tr_send(place->parent, BENCH_NUMBER, &place->first, sizeof place->first);
}

static void spawn_tree(const struct place *place);

static int inner_start(void *state, const tr_msg *arg)
{
    struct inner *inner = state;
    const struct place *mine = tr_expect(arg, sizeof *mine);
    struct place child = { .parent = tr_self(), .first = mine->first, .leaves = mine->leaves / CHILDREN };
    inner->parent = mine->parent;
    inner->left = CHILDREN;
    for (int i = 0; i < CHILDREN; i++, child.first += child.leaves)
        spawn_tree(&child);
    return TR_OK;
}

static int inner_handle(void *state, const tr_msg *message)
{
    struct inner *inner = state;
    inner->sum += bench_number_in(message);
    if (--inner->left > 0)
        return TR_OK;
    tr_send(inner->parent, BENCH_NUMBER, &inner->sum, sizeof inner->sum);
    return tr_stop(TR_NORMAL);
}

static const tr_actor inner_actor = {
    .label = "skynet", .state_size = sizeof(struct inner), .start = inner_start, .handle = inner_handle
};

static void spawn_tree(const struct place *place)
{
    if (place->leaves == 1)
        tr_spawn(leaf, place, sizeof *place);
    else
        tr_spawn_actor(&inner_actor, place, sizeof *place, NULL);
}

static void skynet_run(struct bench *bench)
{
    struct place root = { .parent = tr_self(), .leaves = bench_number(bench, "leaves") };
    uint64_t actors = 1, level = 1;
    while (level < root.leaves)
        actors += level *= CHILDREN;
    bench_verify("leaves, rounded to a power of 10", level, root.leaves);
    int64_t start = tr_now_ns();
    spawn_tree(&root);
    uint64_t sum = bench_number_in(tr_receive(TR_INFINITY));
    bench_result(bench, actors, start);
    bench_verify("sum", sum, bench_sum_to(root.leaves - 1));
}

const struct workload bench_skynet = { .name = "skynet",
                                       .what = "a tree of actors that sums its leaves",
                                       .defaults = { { "leaves", "1000000" } },
                                       .run = skynet_run };
