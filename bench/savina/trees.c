/* trees.c: Unbalanced Cobwebbed Tree and Online Facility Location: trees of actors that grow while they work. */
#include "savina.h"

#include <string.h>

/* ---- uct: each node does some work and asks the root whether it may have children, until there are enough nodes;
 * then all nodes are visited, and work as much as they were told to */

enum { TRY = 1, ASK, GROW, VISIT, VISITED };

enum { MOST_CHILDREN = 16, WORK_TO_ASK = 100 };

/* What a node that may have children is told. */
struct grant {
    uint64_t work;   /* of each child */
    uint64_t urgent; /* the child that is visited first; the number of children: none */
};

struct visited {
    uint64_t nodes, work;
};

struct node {
    tr_pid parent, root;
    uint64_t children, height, work;
    struct grant grant;
    tr_pid child[MOST_CHILDREN]; /* the first is nobody: no children */
    uint64_t answers;
    struct visited visited;
};

static const tr_actor node_actor;

static void grow(struct node *me, struct grant grant)
{
    struct node node = { .parent = tr_self(), .root = me->root, .children = me->children, .work = grant.work };
    node.height = me->height + 1;
    me->grant = grant;
    for (uint64_t i = 0; i < me->children; i++)
        me->child[i] = savina_start(&node_actor, &node);
    for (uint64_t i = 0; i < me->children; i++)
        tr_send(me->child[i], TRY, NULL, 0);
}

/* The urgent child goes first. */
static void visit_children(struct node *me)
{
    if (me->grant.urgent < me->children)
        tr_send(me->child[me->grant.urgent], VISIT, NULL, 0);
    for (uint64_t i = 0; i < me->children; i++)
        if (i != me->grant.urgent)
            tr_send(me->child[i], VISIT, NULL, 0);
}

static int answer_visit(const struct node *me)
{
    tr_send(me->parent, VISITED, &me->visited, sizeof me->visited);
    return tr_stop(TR_NORMAL);
}

static void add_visited(struct visited *sum, const tr_msg *message)
{
    const struct visited *one = tr_expect(message, sizeof *one);
    sum->nodes += one->nodes;
    sum->work += one->work;
}

static int node_handle(void *state, const tr_msg *message)
{
    struct node *me = state;
    switch (tr_tag(message)) {
    case TRY:
        tr_assert(savina_busy(WORK_TO_ASK) != 0);
        tr_send(me->root, ASK, &me->height, sizeof me->height);
        return TR_OK;
    case GROW: grow(me, *(const struct grant *)tr_expect(message, sizeof me->grant)); return TR_OK;
    case VISIT:
        tr_assert(savina_busy(me->work) != 0 || me->work == 0);
        me->visited = (struct visited){ 1, me->work };
        if (tr_nobody(me->child[0]))
            return answer_visit(me);
        visit_children(me);
        return TR_OK;
    case VISITED: add_visited(&me->visited, message); return ++me->answers == me->children ? answer_visit(me) : TR_OK;
    default: return tr_unexpected(message);
    }
}

static const tr_actor node_actor = {
    .label = "tree node", .state_size = sizeof(struct node), .start = savina_begin, .handle = node_handle
};

/* The root decides; every node asks exactly once, so the tree is complete when size - 1 have asked. */
struct root {
    struct node node;
    uint64_t most, average, deviation, urgent_percent, seed;
    uint64_t size, height, asked;
    struct visited granted;
};

/* Roughly normally distributed: twelve uniform numbers have a deviation of 1. */
static uint64_t draw_work(struct root *me)
{
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += (double)(savina_random(&me->seed) >> 11) * 0x1p-53;
    double work = (double)me->average + (sum - 6) * (double)me->deviation;
    return work < 1 ? 1 : (uint64_t)work;
}

static struct grant draw_grant(struct root *me)
{
    struct grant grant = { draw_work(me), me->node.children };
    if (savina_below(&me->seed, 100) < me->urgent_percent)
        grant.urgent = savina_below(&me->seed, me->node.children);
    me->size += me->node.children;
    me->granted.nodes += me->node.children;
    me->granted.work += me->node.children * grant.work;
    return grant;
}

static int answer_ask(struct root *me, const tr_msg *message)
{
    uint64_t height = bench_number_in(message);
    me->asked++;
    me->height = height > me->height ? height : me->height;
    if (me->size + me->node.children <= me->most && savina_below(&me->seed, 2) == 1) {
        struct grant grant = draw_grant(me);
        tr_send(tr_sender(message), GROW, &grant, sizeof grant);
    }
    if (me->asked == me->size - 1)
        visit_children(&me->node);
    return TR_OK;
}

enum { TREE = 1 };

struct tree {
    struct visited granted, visited;
    uint64_t height;
};

static int root_handle(void *state, const tr_msg *message)
{
    struct root *me = state;
    switch (tr_tag(message)) {
    case BENCH_GO:
        me->node.root = tr_self();
        me->size = me->node.height = 1;
        grow(&me->node, draw_grant(me));
        return TR_OK;
    case ASK: return answer_ask(me, message);
    case VISITED: {
        add_visited(&me->node.visited, message);
        if (++me->node.answers < me->node.children)
            return TR_OK;
        struct tree tree = { me->granted, me->node.visited, me->height };
        tr_send(me->node.parent, TREE, &tree, sizeof tree);
        return tr_stop(TR_NORMAL);
    }
    default: return tr_unexpected(message);
    }
}

static const tr_actor root_actor = {
    .label = "tree root", .state_size = sizeof(struct root), .start = savina_begin, .handle = root_handle
};

static void uct_run(struct bench *bench)
{
    struct root root = { .node = { .parent = tr_self(), .children = bench_number(bench, "children") }, .seed = 2 };
    root.most = bench_number(bench, "nodes");
    root.average = bench_number(bench, "work");
    root.deviation = bench_number(bench, "deviation");
    root.urgent_percent = bench_number(bench, "urgent");
    savina_require(root.node.children >= 1 && root.node.children <= MOST_CHILDREN, "1 to 16 children");
    savina_require(root.most > root.node.children, "more nodes than children");
    tr_pid pid = savina_start(&root_actor, &root);
    int64_t start = tr_now_ns();
    bench_go(pid);
    const struct tree *tree = savina_await(TREE, sizeof *tree);
    bench_result(bench, tree->visited.nodes + 1, start);
    bench_extra(bench, "height", (double)tree->height);
    bench_verify("nodes visited", tree->visited.nodes, tree->granted.nodes);
    bench_verify("work done", tree->visited.work, tree->granted.work);
}

const struct workload savina_uct = { .name = "savina.uct",
                                     .what = "an unbalanced tree grows, and is visited",
                                     .defaults = { { "nodes", "200000" },
                                                   { "work", "500" },
                                                   { "deviation", "100" },
                                                   { "children", "10" },
                                                   { "urgent", "50" } },
                                     .run = uct_run };
