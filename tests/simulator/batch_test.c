/* batch_test.c: several runs in one process: what is said of the one that fails, and what a process that can't do them
 * all leaves undone. That each run is what it is alone: tests/simulation/batches.c. */
#include "refusals/refuse.h"
#include "simulator/said.h"

#include "sim/machine.h"

#include <troupe/troupe.h>

WRAP(void *, mmap, (void *at, size_t size, int protection, int flags, int fd, off_t offset),
     (at, size, protection, flags, fd, offset), (void *)-1)
WRAP(void *, malloc, (size_t size), (size), NULL)
WRAP(pid_t, wait, (int *status), (status), -1)

enum { MISTAKE = 4, BATCH = 10 };

static uint64_t runs;
static void count_run(const tr_sim_result *result, void *arg)
{
    (void)result;
    (void)arg;
    runs++;
}

static unsigned sweep(int (*program)(void *arg), uint64_t to)
{
    const tr_sim_case test = { .name = "several", .program = program, .batch = BATCH, .each = count_run };
    runs = 0;
    return tr_sim_sweep(&test, 1, to);
}

static int passes(void *unused) { return (void)unused, 0; }

/* ---- a run that fails */

static void joins_its_maker(void *unused)
{
    (void)unused;
    tr_sim_thread_join(1); /* the first thread's number */
}

static int joins_each_other(void *unused)
{
    (void)unused;
    if (tr_sim_seed() == MISTAKE)
        tr_sim_thread_join(tr_sim_thread_start(joins_its_maker, NULL));
    return 0;
}

TEST(simulator_batch, a_deadlock_is_explained_once_by_the_run_that_repeats_it_alone)
{
    listen_to_stderr();
    CHECK_EQ(sweep(joins_each_other, BATCH), 1);
    what_was_said();
    CHECK_EQ(runs, MISTAKE - 1);
    CHECK_SAID("simulation several: seed 4: deadlock");
    const char *explained = strstr(text, "nobody can go on");
    CHECK(explained != NULL && strstr(explained + 1, "nobody can go on") == NULL);
}

static ssize_t ends_the_process(void *unused, const char *from, size_t size)
{
    (void)unused;
    (void)from;
    (void)size;
    _exit(7);
}

/* What it printed comes to nothing when its process flushes its files: behind the last run. */
static int prints_in_vain(void *unused)
{
    (void)unused;
    const cookie_io_functions_t functions = { .write = ends_the_process };
    FILE *file = tr_sim_seed() == BATCH ? fopencookie(NULL, "w", functions) : NULL;
    return file != NULL && fputc('a', file) == EOF;
}

TEST(simulator_batch, a_process_that_ends_badly_behind_its_last_run_fails_that_one)
{
    listen_to_stderr();
    CHECK_EQ(sweep(prints_in_vain, BATCH), 1);
    what_was_said();
    CHECK_SAID("simulation several: seed 10: ended with status 7");
}

/* ---- what the process has not */

TEST(simulator_batch, without_memory_to_keep_the_variables_the_runs_fail_instead_of_being_left_out)
{
    if (HARNESS_ASAN)
        SKIP("a process for each run");
    listen_to_stderr();
    REFUSE_AFTER(mmap, 1, 1, ENOMEM); /* the first is the outcome's */
    CHECK_EQ(sweep(passes, BATCH), 1);
    what_was_said();
    CHECK_SAID("seed 1: no memory for several runs in a process");
    listen_to_stderr();
    REFUSE(malloc, 1, ENOMEM);
    CHECK_EQ(sweep(passes, BATCH), 1);
    REFUSE(malloc, 0, 0); /* it was refused in the child */
    what_was_said();
    CHECK_SAID("seed 1: no memory for several runs in a process");
    CHECK_EQ(sweep(passes, BATCH + 3), 0);
    CHECK_EQ(runs, BATCH + 3);
}

TEST(simulator_batch, an_interrupted_wait_is_done_again)
{
    REFUSE(wait, 1, EINTR);
    CHECK_EQ(sweep(passes, 3 * BATCH), 0);
    CHECK_EQ(REFUSED(wait), 1);
    CHECK_EQ(runs, 3 * BATCH);
}
