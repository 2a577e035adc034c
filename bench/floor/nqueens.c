/* nqueens.c: `troupe bench nqueens` and savina.nqueens with plain threads: the boards that are filled up to the cutoff
 * are the parts. Finding them is in the measured time, and so is little that it does not matter. */
#include "../savina/kernels.h"
#include "parallel.h"

static struct queens_board *boards;
static uint64_t board_count, board_room;
static int8_t size, cutoff;

static void find_boards(struct queens_board *board)
{
    if (board->queens == cutoff) {
        if (board_count == board_room) {
            board_room = 2 * board_room + 1024;
            boards = realloc(boards, board_room * sizeof *boards);
            must(boards != NULL, "no memory");
        }
        boards[board_count++] = *board;
        return;
    }
    for (int8_t column = 0; column < size; column++)
        if (queens_is_safe(board, column)) {
            board->column[board->queens++] = column;
            find_boards(board);
            board->queens--;
        }
}

static void solve(uint64_t part, struct share *share)
{
    struct queens_board board = boards[part];
    share->count += queens_solve(&board, size, NULL, NULL);
}

int main(int argc, char **argv)
{
    uint64_t wanted = parameter(argc, argv, "size", 12), threads = thread_count(argc, argv);
    struct queens_board empty = { .queens = 0 };
    struct share all = { 0 };
    char parameters[64];
    must(wanted >= 1 && wanted <= QUEENS_LARGEST, "a size of 1 to 14");
    size = (int8_t)wanted;
    cutoff = size < 4 ? size : 4;
    int64_t start = now_ns();
    find_boards(&empty);
    int64_t elapsed = now_ns() - start;
    elapsed += run_parallel(threads, board_count, solve, &all);
    snprintf(parameters, sizeof parameters, "\"size\":%" PRIu64 ",", wanted);
    print_line("nqueens", parameters, threads, 1, elapsed);
    must(all.count == queens_known(wanted), "wrong result");
    free(boards);
    return 0;
}
