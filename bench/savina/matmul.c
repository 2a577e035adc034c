/* matmul.c: Recursive Matrix Multiplication: products of blocks, divided in eight until they are small enough.
 *
 * The master sends each small product to the worker that has that block of the result, so a block is summed up in one
 * place. At the end the workers hand their blocks over. The two factors are constant. */
#include "kernels.h"
#include "savina.h"

#include <string.h>

enum { PRODUCT = 1, PRODUCT_DONE, HAND_OVER, BLOCK };

/* c[row_c.., column_c..] += a[row_c.., middle..] * b[middle.., column_c..], all of dim x dim. */
struct product {
    size_t row, column, middle, dim;
};

struct work {
    tr_pid coordinator;
    const double *a, *b;
    size_t size, threshold; /* products of more than so many places are divided */
    uint64_t workers;
};

/* The body of BLOCK: where it belongs, then dim * dim numbers. */
struct block {
    size_t row, column, dim;
    double values[];
};

/* ---- a worker: has blocks, each a message that is filled until it is handed over */

struct owned {
    tr_msg *message;
    struct block *block;
};

struct worker {
    struct work work;
    tr_pid master;
    uint64_t count, capacity;
    struct owned *owned;
};

static struct block *block_of(struct worker *me, const struct product *product)
{
    for (uint64_t i = 0; i < me->count; i++)
        if (me->owned[i].block->row == product->row && me->owned[i].block->column == product->column)
            return me->owned[i].block;
    if (me->count == me->capacity) {
        me->capacity = me->capacity == 0 ? 4 : 2 * me->capacity;
        me->owned = tr_realloc(me->owned, me->capacity * sizeof *me->owned);
    }
    struct owned *owned = &me->owned[me->count++];
    size_t bytes = sizeof(struct block) + product->dim * product->dim * sizeof(double);
    owned->block = tr_new(BLOCK, bytes, &owned->message);
    tr_assert(owned->block != NULL);
    memset(owned->block, 0, bytes);
    owned->block->row = product->row;
    owned->block->column = product->column;
    owned->block->dim = product->dim;
    return owned->block;
}

static void divide(tr_pid master, const struct product *product)
{
    size_t half = product->dim / 2;
    for (size_t i = 0; i < 8; i++) {
        struct product part = { product->row + (i >> 2 & 1) * half, product->column + (i >> 1 & 1) * half,
                                product->middle + (i & 1) * half, half };
        tr_send(master, PRODUCT, &part, sizeof part);
    }
}

static int worker_handle(void *state, const tr_msg *message)
{
    struct worker *me = state;
    if (tr_tag(message) == HAND_OVER) {
        for (uint64_t i = 0; i < me->count; i++)
            tr_must(tr_give(me->work.coordinator, me->owned[i].message));
        return tr_stop(TR_NORMAL);
    }
    const struct product *product = tr_expect(message, sizeof *product);
    if (product->dim * product->dim > me->work.threshold && product->dim % 2 == 0) {
        divide(me->master, product);
    } else {
        size_t size = me->work.size;
        matmul_block(block_of(me, product)->values, product->dim, me->work.a + product->row * size + product->middle,
                     me->work.b + product->middle * size + product->column, size, product->dim);
    }
    tr_send(me->master, PRODUCT_DONE, NULL, 0);
    return TR_OK;
}

static const tr_actor worker_actor = {
    .label = "matmul", .state_size = sizeof(struct worker), .start = savina_begin, .handle = worker_handle
};

/* ---- the master: deals products to the owners of their blocks */

struct master {
    struct work work;
    tr_pid *workers;
    uint64_t open;
};

static int master_start(void *state, const tr_msg *arg)
{
    struct master *me = state;
    savina_begin(state, arg);
    struct worker worker = { .work = me->work, .master = tr_self() };
    me->workers = savina_alloc(me->work.workers * sizeof *me->workers);
    for (uint64_t i = 0; i < me->work.workers; i++)
        me->workers[i] = savina_start(&worker_actor, &worker);
    return TR_OK;
}

static int master_handle(void *state, const tr_msg *message)
{
    struct master *me = state;
    if (tr_tag(message) == PRODUCT) {
        const struct product *product = tr_expect(message, sizeof *product);
        size_t number = product->row / product->dim * (me->work.size / product->dim) + product->column / product->dim;
        tr_send(me->workers[number % me->work.workers], PRODUCT, product, sizeof *product);
        me->open++;
        return TR_OK;
    }
    if (--me->open > 0)
        return TR_OK;
    for (uint64_t i = 0; i < me->work.workers; i++)
        tr_send(me->workers[i], HAND_OVER, NULL, 0);
    return tr_stop(TR_NORMAL);
}

static const tr_actor master_actor = {
    .label = "matmul master", .state_size = sizeof(struct master), .start = master_start, .handle = master_handle
};

/* ---- the run */

static void put_block(double *c, size_t size, const struct block *block)
{
    for (size_t row = 0; row < block->dim; row++)
        memcpy(&c[(block->row + row) * size + block->column], &block->values[row * block->dim],
               block->dim * sizeof(double));
}

static void matmul_run(struct bench *bench)
{
    size_t size = bench_number(bench, "size"), covered = 0;
    double *a = savina_constant(size * size * sizeof *a), *b = savina_constant(size * size * sizeof *b);
    double *c = savina_alloc(size * size * sizeof *c), *room = savina_alloc(2 * size * sizeof *room);
    struct master master = { .work = { tr_self(), a, b, size, bench_number(bench, "threshold"),
                                       bench_number(bench, "a") } };
    struct product whole = { .dim = size };
    savina_require(size > 0 && master.work.workers > 0, "a size and a worker");
    matmul_fill(a, size, 1);
    matmul_fill(b, size, 2);
    int64_t start = tr_now_ns();
    tr_send(savina_start(&master_actor, &master), PRODUCT, &whole, sizeof whole);
    while (covered < size * size) {
        const struct block *block = tr_body(tr_receive_match(&(tr_match){ .tag = BLOCK }, TR_INFINITY));
        put_block(c, size, block);
        covered += block->dim * block->dim;
    }
    bench_result(bench, 1, start);
    bench_verify("the product is right", matmul_is_product(c, a, b, size, room, room + size), true);
}

const struct workload savina_matmul = { .name = "savina.matmul",
                                        .what = "a product of two matrices, in blocks, by a workers",
                                        .defaults = { { "size", "1024" }, { "a", "20" }, { "threshold", "16384" } },
                                        .run = matmul_run };
