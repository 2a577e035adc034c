/* grids.c: All-Pairs Shortest Path and Successive Over-Relaxation: actors on a grid that exchange values with their
 * neighbours in each round.
 *
 * Nobody is more than one round ahead of a neighbour, since each round needs a value from every neighbour. */
#include "kernels.h"
#include "savina.h"

#include <string.h>

/* ---- apsp: Floyd and Warshall's algorithm, a block of the matrix for each actor.
 *
 * Before step k an actor sends its block to the others of its row and column of blocks, and goes on when it has theirs.
 */

enum { START = 1, BLOCK, CHECKSUM };

struct place {
    uint64_t row, column; /* in blocks */
};

/* The body of BLOCK: then the distances, row after row. */
struct block_header {
    struct place from;
    uint64_t step;
};

struct block {
    tr_pid coordinator;
    struct place place;
    uint64_t size, blocks, nodes; /* rows in a block, blocks in a row, nodes == size * blocks */
    const tr_pid *pids;           /* all blocks', kept; NULL until the start */
    uint64_t step, came[2];       /* of this step and the next, by step % 2 */
    int32_t *distances;
    tr_msg **rows[2], **columns[2]; /* kept: what came from which block of the own column, of the own row */
};

static int block_start(void *state, const tr_msg *arg)
{
    struct block *me = state;
    const void *distances = savina_begin_with(state, sizeof *me, arg);
    size_t bytes = me->size * me->size * sizeof *me->distances;
    me->distances = savina_alloc(bytes);
    memcpy(me->distances, distances, bytes);
    for (int i = 0; i < 2; i++) {
        me->rows[i] = savina_alloc(me->blocks * sizeof(tr_msg *));
        me->columns[i] = savina_alloc(me->blocks * sizeof(tr_msg *));
    }
    return TR_OK;
}

static void send_block(const struct block *me, struct place to)
{
    size_t bytes = me->size * me->size * sizeof *me->distances;
    tr_msg *message;
    struct block_header *header = tr_new(BLOCK, sizeof *header + bytes, &message);
    tr_assert(header != NULL);
    *header = (struct block_header){ .from = me->place, .step = me->step };
    memcpy(header + 1, me->distances, bytes);
    tr_must(tr_give(me->pids[to.row * me->blocks + to.column], message));
}

static void send_blocks(const struct block *me)
{
    for (uint64_t i = 0; i < me->blocks; i++) {
        if (i != me->place.row)
            send_block(me, (struct place){ i, me->place.column });
        if (i != me->place.column)
            send_block(me, (struct place){ me->place.row, i });
    }
}

/* The distances in a block that came, or the own. */
static const int32_t *distances_in(const struct block *me, const tr_msg *kept)
{
    return kept == NULL ? me->distances : (const int32_t *)((const struct block_header *)tr_body(kept) + 1);
}

static void relax(struct block *me)
{
    uint64_t pivot = me->step / me->size, within = me->step % me->size, parity = me->step % 2, size = me->size;
    const int32_t *to_pivot = distances_in(me, me->columns[parity][pivot]); /* of the own row of blocks */
    const int32_t *from_pivot = distances_in(me, me->rows[parity][pivot]) + within * size;
    for (uint64_t i = 0; i < size; i++) {
        int32_t first = to_pivot[i * size + within];
        for (uint64_t j = 0; j < size; j++) {
            int32_t through = first + from_pivot[j];
            if (through < me->distances[i * size + j])
                me->distances[i * size + j] = through;
        }
    }
    for (uint64_t i = 0; i < me->blocks; i++) {
        tr_drop(me->rows[parity][i]);
        tr_drop(me->columns[parity][i]);
        me->rows[parity][i] = me->columns[parity][i] = NULL;
    }
    me->came[parity] = 0;
}

static uint64_t cell_checksum(uint64_t nodes, uint64_t row, uint64_t column, int32_t distance)
{
    return savina_mix((row * nodes + column) << 32 ^ (uint64_t)distance);
}

static int report_block(const struct block *me)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < me->size; i++)
        for (uint64_t j = 0; j < me->size; j++)
            sum += cell_checksum(me->nodes, me->place.row * me->size + i, me->place.column * me->size + j,
                                 me->distances[i * me->size + j]);
    bench_report(me->coordinator, sum);
    return tr_stop(TR_NORMAL);
}

static int block_handle(void *state, const tr_msg *message)
{
    struct block *me = state;
    if (tr_tag(message) == START) {
        me->pids = tr_body(tr_keep(message));
        send_blocks(me);
    } else {
        const struct block_header *header = tr_body(message);
        uint64_t parity = header->step % 2;
        bool same_column = header->from.column == me->place.column;
        tr_msg **slot = same_column ? &me->rows[parity][header->from.row] : &me->columns[parity][header->from.column];
        tr_assert(*slot == NULL && (header->step == me->step || header->step == me->step + 1));
        *slot = tr_keep(message);
        me->came[parity]++;
    }
    while (me->pids != NULL && me->came[me->step % 2] == 2 * (me->blocks - 1)) {
        relax(me);
        if (++me->step == me->nodes)
            return report_block(me);
        send_blocks(me);
    }
    return TR_OK;
}

static const tr_actor block_actor = {
    .label = "apsp block", .state_size = sizeof(struct block), .start = block_start, .handle = block_handle
};

static int32_t *make_graph(uint64_t nodes, uint64_t heaviest)
{
    int32_t *graph = savina_alloc(nodes * nodes * sizeof *graph);
    paths_fill(graph, nodes, heaviest);
    return graph;
}

/* Starts an actor for each block of the graph. */
static void start_blocks(struct block block, const int32_t *graph, tr_pid *pids)
{
    size_t count = block.size * block.size;
    int32_t *distances = savina_alloc(count * sizeof *distances);
    for (uint64_t i = 0; i < block.blocks * block.blocks; i++) {
        block.place = (struct place){ i / block.blocks, i % block.blocks };
        for (uint64_t row = 0; row < block.size; row++)
            memcpy(distances + row * block.size,
                   graph + (block.place.row * block.size + row) * block.nodes + block.place.column * block.size,
                   block.size * sizeof *distances);
        pids[i] = savina_start_with(&block_actor, &block, distances, count * sizeof *distances);
    }
    tr_free(distances);
}

static uint64_t shortest_paths(int32_t *graph, uint64_t nodes)
{
    uint64_t sum = 0;
    paths_shorten(graph, nodes);
    for (uint64_t i = 0; i < nodes; i++)
        for (uint64_t j = 0; j < nodes; j++)
            sum += cell_checksum(nodes, i, j, graph[i * nodes + j]);
    return sum;
}

static void apsp_run(struct bench *bench)
{
    struct block block = { .coordinator = tr_self(), .nodes = bench_number(bench, "n") };
    block.size = bench_number(bench, "b");
    savina_require(block.size > 0 && block.nodes % block.size == 0 && block.nodes / block.size >= 2,
                   "n that is b times 2 or more");
    uint64_t count = block.nodes / block.size * (block.nodes / block.size), sum = 0;
    int32_t *graph = make_graph(block.nodes, bench_number(bench, "w"));
    tr_pid *pids = savina_alloc(count * sizeof *pids);
    block.blocks = block.nodes / block.size;
    int64_t start = tr_now_ns();
    start_blocks(block, graph, pids);
    for (uint64_t i = 0; i < count; i++)
        tr_send(pids[i], START, pids, count * sizeof *pids);
    sum = bench_reports(count);
    bench_result(bench, block.nodes, start);
    bench_verify("checksum of the distances", sum, shortest_paths(graph, block.nodes));
}

const struct workload savina_apsp = { .name = "savina.apsp",
                                      .what = "shortest paths among n nodes, in blocks of b",
                                      .defaults = { { "n", "300" }, { "b", "50" }, { "w", "100" } },
                                      .run = apsp_run };

/* ---- sor: an actor for each point; red points and black points take turns */

enum { NEIGHBOURS = 1, VALUE, FINAL };

enum { SIDES = SOR_SIDES }; /* what goes out on one side arrives on the opposite, (side + 2) % 4 */

struct point {
    tr_pid coordinator;
    uint64_t index, iterations, round;
    bool red;
    double value, values[SIDES];
    tr_pid neighbours[SIDES]; /* nobody: the edge */
    uint64_t count, came;     /* neighbours: 0 until they are known; values of them */
};

struct side_value {
    uint64_t side; /* the receiver's */
    double value;
};

struct final {
    uint64_t index;
    double value;
};

static int finish_round(struct point *me)
{
    for (uint64_t side = 0; side < SIDES; side++)
        if (!tr_nobody(me->neighbours[side]))
            tr_send(me->neighbours[side], VALUE, &(struct side_value){ (side + 2) % SIDES, me->value },
                    sizeof(struct side_value));
    if (++me->round < me->iterations)
        return TR_OK;
    tr_send(me->coordinator, FINAL, &(struct final){ me->index, me->value }, sizeof(struct final));
    return tr_stop(TR_NORMAL);
}

static int point_handle(void *state, const tr_msg *message)
{
    struct point *me = state;
    if (tr_tag(message) == NEIGHBOURS) {
        memcpy(me->neighbours, tr_expect(message, sizeof me->neighbours), sizeof me->neighbours);
        for (int side = 0; side < SIDES; side++)
            me->count += !tr_nobody(me->neighbours[side]);
        if (me->red)
            return finish_round(me);
    } else {
        const struct side_value *side = tr_expect(message, sizeof *side);
        me->values[side->side] = side->value;
        me->came++;
    }
    if (me->count == 0 || me->came < me->count)
        return TR_OK;
    me->came = 0;
    me->value = sor_relax(me->values, me->value);
    return finish_round(me);
}

static const tr_actor point_actor = {
    .label = "sor point", .state_size = sizeof(struct point), .start = savina_begin, .handle = point_handle
};

static void start_points(const struct bench *bench, const double *values, uint64_t size)
{
    tr_pid *pids = savina_alloc(size * size * sizeof *pids);
    struct point point = { .coordinator = tr_self(), .iterations = bench_number(bench, "iterations") };
    for (uint64_t i = 0; i < size * size; i++) {
        point.index = i;
        point.red = sor_is_red(i, size);
        point.value = values[i];
        pids[i] = savina_start(&point_actor, &point);
    }
    for (uint64_t i = 0; i < size * size; i++) {
        tr_pid neighbours[SIDES] = { { 0 } };
        for (uint64_t side = 0; side < SIDES; side++)
            if (sor_neighbour(i, side, size) < size * size)
                neighbours[side] = pids[sor_neighbour(i, side, size)];
        tr_send(pids[i], NEIGHBOURS, neighbours, sizeof neighbours);
    }
}

static void sor_run(struct bench *bench)
{
    uint64_t size = bench_number(bench, "size"), iterations = bench_number(bench, "iterations");
    double *values = savina_alloc(size * size * sizeof *values), *got = savina_alloc(size * size * sizeof *got);
    savina_require(size > 1 && iterations > 0, "a size from 2 on, and an iteration");
    sor_fill(values, size);
    int64_t start = tr_now_ns();
    start_points(bench, values, size);
    for (uint64_t i = 0; i < size * size; i++) {
        const struct final *final = savina_await(FINAL, sizeof *final);
        got[final->index] = final->value;
    }
    bench_result(bench, size * size * iterations, start);
    sor_relax_all(values, size, iterations);
    for (uint64_t i = 0; i < size * size; i++)
        savina_verify_near("a point", got[i], values[i], 0);
}

const struct workload savina_sor = { .name = "savina.sor",
                                     .what = "size x size points relax, an actor each",
                                     .defaults = { { "size", "20" }, { "iterations", "100" } },
                                     .run = sor_run };
