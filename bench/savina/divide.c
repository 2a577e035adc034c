/* divide.c: programs that divide one problem among actors and add up what comes back: Trapezoidal Approximation,
 * Fibonacci, NQueens. */
#include "kernels.h"
#include "savina.h"

/* ---- trapezoid: each worker gets a part of the interval */

enum { PART = 1, AREA };

struct part {
    double left, h;
    uint64_t first, end;
};

static int part_handle(void *state, const tr_msg *message)
{
    const struct part *part = tr_expect(message, sizeof *part);
    double area = trapezoid_sum(part->left, part->h, part->first, part->end);
    (void)state;
    tr_send(tr_sender(message), AREA, &area, sizeof area);
    return tr_stop(TR_NORMAL);
}

static const tr_actor part_actor = { .label = "trapezoid", .handle = part_handle };

static void trapezoid_run(struct bench *bench)
{
    uint64_t n = bench_number(bench, "n"), parts = bench_number(bench, "a");
    double left = (double)bench_number(bench, "left"), right = (double)bench_number(bench, "right"), sum = 0;
    savina_require(n > 0 && parts > 0, "a piece and an actor");
    int64_t start = tr_now_ns();
    for (uint64_t i = 0; i < parts; i++) {
        struct part part = { left, (right - left) / (double)n, n * i / parts, n * (i + 1) / parts };
        tr_send(bench_start(&part_actor, NULL, 0), PART, &part, sizeof part);
    }
    for (uint64_t i = 0; i < parts; i++)
        sum += *(const double *)savina_await(AREA, sizeof sum);
    bench_result(bench, n, start);
    savina_verify_near("integral", sum, trapezoid_known(left, right), trapezoid_tolerance(left, right, n));
}

const struct workload savina_trapezoid = {
    .name = "savina.trapezoid",
    .what = "an integral from n pieces by a actors",
    .defaults = { { "n", "10000000" }, { "a", "100" }, { "left", "1" }, { "right", "5" } },
    .run = trapezoid_run
};

/* ---- fib: an actor for each call of the recursive definition */

enum { NUMBER = 1 };

struct call {
    tr_pid caller;
    uint64_t n;
};

struct fib {
    tr_pid caller;
    uint64_t sum, answers;
};

static int fib_start(void *state, const tr_msg *arg);

/* Adds up what the two that it has called answer. */
static int fib_handle(void *state, const tr_msg *message)
{
    struct fib *me = state;
    me->sum += bench_number_in(message);
    if (++me->answers < 2)
        return TR_OK;
    tr_send(me->caller, NUMBER, &me->sum, sizeof me->sum);
    return tr_stop(TR_NORMAL);
}

static const tr_actor fib_actor = {
    .label = "fib", .state_size = sizeof(struct fib), .start = fib_start, .handle = fib_handle
};

static int fib_start(void *state, const tr_msg *arg)
{
    const struct call *call = tr_expect(arg, sizeof *call);
    uint64_t one = 1;
    ((struct fib *)state)->caller = call->caller;
    if (call->n <= 2) {
        tr_send(call->caller, NUMBER, &one, sizeof one);
        return tr_stop(TR_NORMAL);
    }
    bench_start(&fib_actor, &(struct call){ tr_self(), call->n - 1 }, sizeof *call);
    bench_start(&fib_actor, &(struct call){ tr_self(), call->n - 2 }, sizeof *call);
    return TR_OK;
}

static void fib_run(struct bench *bench)
{
    struct call call = { .caller = tr_self(), .n = bench_number(bench, "n") };
    savina_require(call.n > 0, "n from 1 on");
    int64_t start = tr_now_ns();
    bench_start(&fib_actor, &call, sizeof call);
    uint64_t got = *(const uint64_t *)savina_await(NUMBER, sizeof got);
    bench_result(bench, 2 * fib_known(call.n) - 1, start);
    bench_verify("the number", got, fib_known(call.n));
}

const struct workload savina_fib = { .name = "savina.fib",
                                     .what = "Fibonacci's n-th, an actor for each call",
                                     .defaults = { { "n", "25" } },
                                     .run = fib_run };

/* ---- nqueens: a master deals boards to workers, until there is no board left or the limit is reached */

enum { BOARD = 1, SOLUTION, BOARD_DONE };

struct order {
    tr_pid master;
    int8_t size, cutoff;
};

static void found(void *arg) { tr_send(((const struct order *)arg)->master, SOLUTION, NULL, 0); }

/* Short of the cutoff a board's extensions go back to the master; from there on it is solved here. */
static int queens_handle(void *state, const tr_msg *message)
{
    struct order *me = state;
    struct queens_board board = *(const struct queens_board *)tr_expect(message, sizeof board);
    if (board.queens >= me->cutoff || board.queens == me->size)
        queens_solve(&board, me->size, found, me);
    else
        for (int8_t column = 0; column < me->size; column++)
            if (queens_is_safe(&board, column)) {
                struct queens_board more = board;
                more.column[more.queens++] = column;
                tr_send(me->master, BOARD, &more, sizeof more);
            }
    tr_send(me->master, BOARD_DONE, NULL, 0);
    return TR_OK;
}

static const tr_actor queens_actor = {
    .label = "queens", .state_size = sizeof(struct order), .start = savina_begin, .handle = queens_handle
};

struct master {
    tr_pid coordinator, *workers;
    struct order order;
    uint64_t count, limit, next, open, solutions;
};

static int master_start(void *state, const tr_msg *arg)
{
    struct master *me = state;
    savina_begin(state, arg);
    me->order.master = tr_self();
    me->workers = savina_alloc(me->count * sizeof *me->workers);
    for (uint64_t i = 0; i < me->count; i++)
        me->workers[i] = savina_start(&queens_actor, &me->order);
    return TR_OK;
}

/* The workers may still have boards: they are told to end, and do so at their next solution or board. */
static int finish(struct master *me)
{
    for (uint64_t i = 0; i < me->count; i++) {
        tr_unlink(me->workers[i]);
        tr_exit_signal(me->workers[i], TR_SHUTDOWN);
    }
    bench_report(me->coordinator, me->solutions);
    return tr_stop(TR_NORMAL);
}

static int master_handle(void *state, const tr_msg *message)
{
    struct master *me = state;
    switch (tr_tag(message)) {
    case BOARD:
        tr_send(me->workers[me->next++ % me->count], BOARD, tr_body(message), tr_size(message));
        me->open++;
        return TR_OK;
    case SOLUTION: return ++me->solutions == me->limit ? finish(me) : TR_OK;
    case BOARD_DONE: return --me->open == 0 ? finish(me) : TR_OK;
    default: return tr_unexpected(message);
    }
}

static const tr_actor master_actor = {
    .label = "queens master", .state_size = sizeof(struct master), .start = master_start, .handle = master_handle
};

static void nqueens_run(struct bench *bench)
{
    uint64_t size = bench_number(bench, "size"), cutoff = bench_number(bench, "cutoff");
    struct queens_board empty = { .queens = 0 };
    struct master master = { .coordinator = tr_self(), .count = bench_number(bench, "a") };
    savina_require(size >= 1 && size <= QUEENS_LARGEST && cutoff <= QUEENS_LARGEST,
                   "a size of 1 to 14, a cutoff up to 14");
    savina_require(master.count > 0, "a worker");
    master.order = (struct order){ .size = (int8_t)size, .cutoff = (int8_t)cutoff };
    master.limit = bench_number(bench, "limit");
    int64_t start = tr_now_ns();
    tr_send(savina_start(&master_actor, &master), BOARD, &empty, sizeof empty);
    uint64_t solutions = bench_reports(1), all = queens_known(size);
    bench_result(bench, 1, start);
    bench_verify("solutions", solutions, master.limit > 0 && master.limit < all ? master.limit : all);
}

const struct workload savina_nqueens = {
    .name = "savina.nqueens",
    .what = "the first solutions, by a master and a workers",
    .defaults = { { "size", "12" }, { "a", "20" }, { "cutoff", "4" }, { "limit", "1500000" } },
    .run = nqueens_run
};
