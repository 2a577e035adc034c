/* nqueens.c: the workload nqueens, after Savina: a master deals boards to workers, which extend them up to the cutoff
 * and then solve them. */
#include "workloads.h"

#include <stdlib.h>

enum { WORK = 1, SOLUTIONS, CUTOFF = 4, LARGEST = 14, WORKERS_PER_CORE = 4 };

struct board {
    int8_t queens; /* so many rows are filled */
    int8_t column[LARGEST];
};

struct order {
    tr_pid coordinator;
    uint64_t workers;
    int8_t size;
};

struct master {
    tr_pid coordinator, *workers;
    uint64_t worker_count, next, open, solutions;
};

static bool is_safe(const struct board *board, int8_t column)
{
    for (int8_t row = 0; row < board->queens; row++) {
        int distance = board->queens - row;
        if (board->column[row] == column || abs(board->column[row] - column) == distance)
            return false;
    }
    return true;
}

static uint64_t solve(struct board *board, int8_t size)
{
    uint64_t solutions = 0;
    if (board->queens == size)
        return 1;
    for (int8_t column = 0; column < size; column++)
        if (is_safe(board, column)) {
            board->column[board->queens++] = column;
            solutions += solve(board, size);
            board->queens--;
        }
    return solutions;
}

static int worker_start(void *state, const tr_msg *arg)
{
    *(int8_t *)state = *(const int8_t *)tr_expect(arg, sizeof(int8_t));
    return TR_OK;
}

/* Short of the cutoff a board's extensions go back to the master as new work; from there on it is solved here. */
static int worker_handle(void *state, const tr_msg *message)
{
    int8_t size = *(const int8_t *)state;
    struct board board = *(const struct board *)tr_expect(message, sizeof board);
    uint64_t solutions = 0;
    if (board.queens >= CUTOFF || board.queens == size)
        solutions = solve(&board, size);
    else
        for (int8_t column = 0; column < size; column++)
            if (is_safe(&board, column)) {
                struct board more = board;
                more.column[more.queens++] = column;
                tr_send(tr_sender(message), WORK, &more, sizeof more);
            }
    tr_send(tr_sender(message), SOLUTIONS, &solutions, sizeof solutions);
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
    if (tr_tag(message) == WORK) {
        tr_send(master->workers[master->next++ % master->worker_count], WORK, tr_body(message), tr_size(message));
        master->open++;
    } else {
        master->solutions += bench_number_in(message);
        if (--master->open == 0)
            bench_report(master->coordinator, master->solutions);
    }
    return TR_OK;
}

static const tr_actor master_actor = {
    .label = "queens master", .state_size = sizeof(struct master), .start = master_start, .handle = master_handle
};

static void nqueens_run(struct bench *bench)
{
    static const uint64_t known[LARGEST + 1] = { 1, 1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2680, 14200, 73712, 365596 };
    uint64_t size = bench_number(bench, "size");
    struct board empty = { .queens = 0 };
    if (size < 1 || size > LARGEST)
        bench_verify("size, up to 14", size, LARGEST);
    struct order order = { .coordinator = tr_self(), .size = (int8_t)size };
    order.workers = bench_number(bench, "workers") * WORKERS_PER_CORE;
    int64_t start = tr_now_ns();
    tr_send(bench_start(&master_actor, &order, sizeof order), WORK, &empty, sizeof empty);
    uint64_t solutions = bench_reports(1);
    bench_result(bench, 1, start);
    bench_verify("solutions", solutions, known[size]);
}

const struct workload bench_nqueens = { .name = "nqueens",
                                        .what = "all solutions, by a master and its workers",
                                        .defaults = { { "size", "12" } },
                                        .run = nqueens_run };
