/* nqueens.c: the workload nqueens, after Savina: a master deals boards to workers, which extend them up to the cutoff
 * and then solve them. A message says each solution, and one that a board is done, as in the suite and in the peers. */
#include "../savina/kernels.h"
#include "workloads.h"

enum { WORK = 1, SOLUTION, DONE, CUTOFF = 4, WORKERS_PER_CORE = 4 };

struct order {
    tr_pid coordinator;
    uint64_t workers;
    int8_t size;
};

struct master {
    tr_pid coordinator, *workers;
    uint64_t worker_count, next, open, solutions;
};

static int worker_start(void *state, const tr_msg *arg)
{
    *(int8_t *)state = *(const int8_t *)tr_expect(arg, sizeof(int8_t));
    return TR_OK;
}

static void found(void *master) { tr_send(*(const tr_pid *)master, SOLUTION, NULL, 0); }

/* Short of the cutoff a board's extensions go back to the master as new work; from there on it is solved here. */
static int worker_handle(void *state, const tr_msg *message)
{
    int8_t size = *(const int8_t *)state;
    struct queens_board board = *(const struct queens_board *)tr_expect(message, sizeof board);
    tr_pid master = tr_sender(message);
    if (board.queens >= CUTOFF || board.queens == size)
        queens_solve(&board, size, found, &master);
    else
        for (int8_t column = 0; column < size; column++)
            if (queens_is_safe(&board, column)) {
                struct queens_board more = board;
                more.column[more.queens++] = column;
                tr_send(master, WORK, &more, sizeof more);
            }
    tr_send(master, DONE, NULL, 0);
    return TR_OK;
}

static const tr_actor worker_actor = {
    .label = "queens", .state_size = sizeof(int8_t), .start = worker_start, .handle = worker_handle
};

static int master_start(void *state, const tr_msg *arg)
{
    const struct order *wanted = tr_expect(arg, sizeof *wanted);
    struct master *master = state;
    master->coordinator = wanted->coordinator;
    master->worker_count = wanted->workers;
    master->workers = tr_alloc(wanted->workers * sizeof *master->workers);
    tr_assert(master->workers != NULL);
    for (uint64_t i = 0; i < wanted->workers; i++)
        master->workers[i] = bench_start(&worker_actor, &wanted->size, sizeof wanted->size);
    return TR_OK;
}

static int master_handle(void *state, const tr_msg *message)
{
    struct master *master = state;
    switch (tr_tag(message)) {
    case WORK:
        tr_send(master->workers[master->next++ % master->worker_count], WORK, tr_body(message), tr_size(message));
        master->open++;
        return TR_OK;
    case SOLUTION: master->solutions++; return TR_OK;
    case DONE:
        if (--master->open == 0)
            bench_report(master->coordinator, master->solutions);
        return TR_OK;
    default: return tr_unexpected(message);
    }
}

static const tr_actor master_actor = {
    .label = "queens master", .state_size = sizeof(struct master), .start = master_start, .handle = master_handle
};

static void nqueens_run(struct bench *bench)
{
    uint64_t size = bench_number(bench, "size");
    struct queens_board empty = { .queens = 0 };
    if (size < 1 || size > QUEENS_LARGEST)
        bench_verify("size, up to 14", size, QUEENS_LARGEST);
    struct order order = { .coordinator = tr_self(), .size = (int8_t)size };
    order.workers = bench_number(bench, "workers") * WORKERS_PER_CORE;
    int64_t start = tr_now_ns();
    tr_send(bench_start(&master_actor, &order, sizeof order), WORK, &empty, sizeof empty);
    uint64_t solutions = bench_reports(1);
    bench_result(bench, 1, start);
    bench_verify("solutions", solutions, queens_known(size));
}

const struct workload bench_nqueens = { .name = "nqueens",
                                        .what = "all solutions, by a master and its workers",
                                        .defaults = { { "size", "12" } },
                                        .run = nqueens_run };
