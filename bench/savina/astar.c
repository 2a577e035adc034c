/* astar.c: A-Star Search: the shortest way through a grid, by workers that own its nodes.
 *
 * A node belongs to one worker, which alone knows the best distance to it. Edges that lead to others' nodes go to the
 * master, which deals them to the owners and counts the messages that are not done yet; when there is none, the best
 * distance to the target is final, since whatever is not expanded could not have led to a better one. Distances are in
 * thousandths, so that they are exact. */
#include "savina.h"

#include <string.h>

enum { MOVES = 6, UNKNOWN = INT32_MAX, EFFORT = 100 };

/* The grid: which moves lead on from a node, a bit each; constant. */
struct grid {
    uint32_t size, target;
    const uint8_t *moves;
};

struct position {
    uint32_t i, j, k;
};

static struct position position_of(const struct grid *grid, uint32_t node)
{
    return (struct position){ node / (grid->size * grid->size), node / grid->size % grid->size, node % grid->size };
}

/* Where a move leads, and what it costs: each of the three coordinates grows by 0 or 1 up to the edge. */
static uint32_t move_to(const struct grid *grid, uint32_t node, uint32_t move, uint32_t *cost)
{
    static const uint32_t costs[] = { 0, 1000, 1414, 1732 };
    struct position at = position_of(grid, node);
    uint32_t last = grid->size - 1, i = (move + 1) >> 2 & 1, j = (move + 1) >> 1 & 1, k = (move + 1) & 1;
    i = at.i < last ? i : 0;
    j = at.j < last ? j : 0;
    k = at.k < last ? k : 0;
    *cost = costs[i + j + k];
    return ((at.i + i) * grid->size + at.j + j) * grid->size + at.k + k;
}

/* The least that the rest of the way can cost; UNKNOWN: it leads nowhere. */
static uint32_t least_rest(const struct grid *grid, uint32_t node)
{
    struct position at = position_of(grid, node), to = position_of(grid, grid->target);
    if (at.i > to.i || at.j > to.j || at.k > to.k)
        return UNKNOWN;
    uint32_t i = to.i - at.i, j = to.j - at.j, k = to.k - at.k, most = i > j ? i : j;
    uint32_t straight = 1000 * (most > k ? most : k), diagonal = 707 * (i + j + k);
    return straight > diagonal ? straight : diagonal;
}

static uint8_t *make_grid(uint32_t size)
{
    uint8_t *moves = savina_constant((size_t)size * size * size);
    uint64_t seed = 123456;
    for (size_t node = 0; node < (size_t)size * size * size; node++) {
        moves[node] = (uint8_t)savina_below(&seed, 1 << MOVES);
        if (moves[node] == 0)
            moves[node] = 1 << (MOVES - 1);
    }
    return moves;
}

/* ---- a worker */

enum { EDGES = 1, DEAL, HANDLED, BOUND };

/* A way to a node that has this length. */
struct edge {
    uint32_t node, length;
};

/* The body of DEAL: for whom, then edges. */
struct deal_header {
    uint64_t worker;
};

struct queued {
    uint32_t estimate; /* of the whole way */
    struct edge edge;
};

struct outgoing {
    struct edge *edges;
    size_t count, capacity;
};

struct worker {
    tr_pid master;
    struct grid grid;
    uint64_t index, workers, threshold;
    uint32_t bound, *best; /* the best way to the target so far; to each own node, by node / workers */
    struct queued *heap;   /* the least estimate first */
    size_t count, capacity;
    struct outgoing *outgoing; /* for each worker */
    uint64_t expanded;
};

static int worker_start(void *state, const tr_msg *arg)
{
    struct worker *me = state;
    savina_begin(state, arg);
    uint64_t own = (uint64_t)me->grid.size * me->grid.size * me->grid.size / me->workers + 1;
    me->best = savina_alloc(own * sizeof *me->best);
    for (uint64_t i = 0; i < own; i++)
        me->best[i] = UNKNOWN;
    me->bound = UNKNOWN;
    me->outgoing = savina_alloc(me->workers * sizeof *me->outgoing);
    return TR_OK;
}

static void push(struct worker *me, struct queued queued)
{
    if (me->count == me->capacity) {
        me->capacity = me->capacity == 0 ? 64 : 2 * me->capacity;
        me->heap = tr_realloc(me->heap, me->capacity * sizeof *me->heap);
    }
    size_t at = me->count++;
    for (; at > 0 && me->heap[(at - 1) / 2].estimate > queued.estimate; at = (at - 1) / 2)
        me->heap[at] = me->heap[(at - 1) / 2];
    me->heap[at] = queued;
}

static struct edge pop(struct worker *me)
{
    struct edge first = me->heap[0].edge;
    struct queued last = me->heap[--me->count];
    size_t at = 0;
    for (size_t child = 1; child < me->count; child = 2 * at + 1) {
        if (child + 1 < me->count && me->heap[child + 1].estimate < me->heap[child].estimate)
            child++;
        if (me->heap[child].estimate >= last.estimate)
            break;
        me->heap[at] = me->heap[child];
        at = child;
    }
    if (me->count > 0)
        me->heap[at] = last;
    return first;
}

/* A way to an own node: is it the best, and may it lead to a better way to the target? */
static void consider(struct worker *me, struct edge edge)
{
    uint32_t *best = &me->best[edge.node / me->workers], rest = least_rest(&me->grid, edge.node);
    if (edge.length >= *best || rest == UNKNOWN || edge.length + rest >= me->bound)
        return;
    *best = edge.length;
    if (edge.node == me->grid.target) {
        me->bound = edge.length;
        tr_send(me->master, BOUND, &me->bound, sizeof me->bound);
    } else {
        push(me, (struct queued){ edge.length + rest, edge });
    }
}

static void put_out(struct outgoing *outgoing, struct edge edge)
{
    if (outgoing->count == outgoing->capacity) {
        outgoing->capacity = outgoing->capacity == 0 ? 64 : 2 * outgoing->capacity;
        outgoing->edges = tr_realloc(outgoing->edges, outgoing->capacity * sizeof *outgoing->edges);
    }
    outgoing->edges[outgoing->count++] = edge;
}

static void expand(struct worker *me, struct edge from)
{
    tr_assert(savina_busy(EFFORT) != 0);
    me->expanded++;
    for (uint32_t move = 0; move < MOVES; move++) {
        struct edge edge;
        uint32_t cost;
        if ((me->grid.moves[from.node] >> move & 1) == 0)
            continue;
        edge.node = move_to(&me->grid, from.node, move, &cost);
        edge.length = from.length + cost;
        if (cost == 0)
            continue;
        if (edge.node % me->workers == me->index)
            consider(me, edge);
        else
            put_out(&me->outgoing[edge.node % me->workers], edge);
    }
}

/* Everything that is for others goes out; and a message for itself, if it is not done. */
static void deal_out(struct worker *me)
{
    for (uint64_t i = 0; i < me->workers; i++) {
        struct outgoing *outgoing = &me->outgoing[i];
        if (outgoing->count == 0 && (i != me->index || me->count == 0))
            continue;
        tr_msg *message;
        struct deal_header *header = tr_new(DEAL, sizeof *header + outgoing->count * sizeof(struct edge), &message);
        tr_assert(header != NULL);
        header->worker = i;
        if (outgoing->count > 0)
            memcpy(header + 1, outgoing->edges, outgoing->count * sizeof(struct edge));
        tr_must(tr_give(me->master, message));
        outgoing->count = 0;
    }
}

static int worker_handle(void *state, const tr_msg *message)
{
    struct worker *me = state;
    const struct edge *edges = tr_body(message);
    if (tr_tag(message) == BOUND) {
        uint32_t bound = *(const uint32_t *)tr_expect(message, sizeof bound);
        me->bound = bound < me->bound ? bound : me->bound;
        return TR_OK;
    }
    for (size_t i = 0; i < tr_size(message) / sizeof *edges; i++)
        consider(me, edges[i]);
    for (uint64_t n = 0; n < me->threshold && me->count > 0; n++) {
        struct edge edge = pop(me);
        if (edge.length == me->best[edge.node / me->workers] &&
            edge.length + least_rest(&me->grid, edge.node) < me->bound)
            expand(me, edge);
    }
    deal_out(me);
    tr_send(me->master, HANDLED, &me->expanded, sizeof me->expanded);
    me->expanded = 0;
    return TR_OK;
}

static const tr_actor worker_actor = {
    .label = "search", .state_size = sizeof(struct worker), .start = worker_start, .handle = worker_handle
};

/* ---- the master */

enum { FOUND = 1 };

struct found {
    uint64_t length, expanded;
};

struct master {
    tr_pid coordinator, *workers;
    struct worker worker; /* as all of them begin */
    uint64_t open;        /* messages that were dealt and are not handled */
    struct found found;
};

static int master_start(void *state, const tr_msg *arg)
{
    struct master *me = state;
    struct edge origin = { 0, 0 };
    savina_begin(state, arg);
    me->worker.master = tr_self();
    me->workers = savina_alloc(me->worker.workers * sizeof *me->workers);
    for (uint64_t i = 0; i < me->worker.workers; i++) {
        me->worker.index = i;
        me->workers[i] = savina_start(&worker_actor, &me->worker);
    }
    me->found.length = UNKNOWN;
    me->open = 1;
    tr_send(me->workers[0], EDGES, &origin, sizeof origin);
    return TR_OK;
}

static int master_handle(void *state, const tr_msg *message)
{
    struct master *me = state;
    switch (tr_tag(message)) {
    case DEAL: {
        const struct deal_header *header = tr_body(message);
        tr_send(me->workers[header->worker], EDGES, header + 1, tr_size(message) - sizeof *header);
        me->open++;
        return TR_OK;
    }
    case BOUND:
        me->found.length = *(const uint32_t *)tr_expect(message, sizeof(uint32_t));
        for (uint64_t i = 0; i < me->worker.workers; i++)
            tr_send(me->workers[i], BOUND, tr_body(message), tr_size(message));
        return TR_OK;
    default:
        me->found.expanded += bench_number_in(message);
        if (--me->open > 0)
            return TR_OK;
        tr_send(me->coordinator, FOUND, &me->found, sizeof me->found);
        return tr_stop(TR_NORMAL);
    }
}

static const tr_actor master_actor = {
    .label = "search master", .state_size = sizeof(struct master), .start = master_start, .handle = master_handle
};

/* ---- the run */

/* The shortest way by one pass over the nodes: every move leads to a node with a higher number. */
static uint32_t shortest(const struct grid *grid)
{
    uint32_t nodes = grid->size * grid->size * grid->size, *lengths = savina_alloc(nodes * sizeof *lengths), length;
    for (uint32_t node = 0; node < nodes; node++)
        lengths[node] = UNKNOWN;
    lengths[0] = 0;
    for (uint32_t node = 0; node < grid->target; node++)
        for (uint32_t move = 0; move < MOVES && lengths[node] != UNKNOWN; move++) {
            uint32_t cost, to = move_to(grid, node, move, &cost);
            if ((grid->moves[node] >> move & 1) != 0 && lengths[node] + cost < lengths[to])
                lengths[to] = lengths[node] + cost;
        }
    length = lengths[grid->target];
    tr_free(lengths);
    return length;
}

static void astar_run(struct bench *bench)
{
    uint32_t size = (uint32_t)bench_number(bench, "grid"), axis = size * 4 / 5;
    struct grid grid = { .size = size, .target = (axis * size + axis) * size + axis };
    struct master master = { .coordinator = tr_self() };
    savina_require(size > 1 && size < 1000, "a grid of 2 to 999");
    grid.moves = make_grid(size);
    master.worker = (struct worker){ .grid = grid, .workers = bench_number(bench, "a") };
    master.worker.threshold = bench_number(bench, "threshold");
    savina_require(master.worker.workers > 0 && master.worker.threshold > 0, "a worker and a threshold");
    int64_t start = tr_now_ns();
    savina_start(&master_actor, &master);
    const struct found *found = savina_await(FOUND, sizeof *found);
    bench_result(bench, 1, start);
    bench_extra(bench, "expanded", (double)found->expanded);
    bench_verify("length of the way", found->length, shortest(&grid));
}

const struct workload savina_astar = { .name = "savina.astar",
                                       .what = "the shortest way through a grid, by a workers",
                                       .defaults = { { "grid", "30" }, { "a", "20" }, { "threshold", "1024" } },
                                       .run = astar_run };
