/* batch.c: several runs in one process, one after another, each from the state in which the first one began.
 *
 * A process for each run costs as much as a short run. What a run could leave to the next, and why it does not:
 *     variables            those of the executable, so of the program, the runtime and the simulator, are put back
 *     mappings             go back to the shelf and are cleared (memory.c)
 *     blocks of the heap   are lost if the run did not free them; what is in a new block nobody may rely on anyway
 *     signals' handlers    the run's end takes them back
 *     the C library, descriptors, the environment   the simulated runtime keeps nothing there
 * What a program under test keeps elsewhere (in a shared library of its own, in a file) is not put back: such a case
 * says batch = 1. A failed run is the last of its process: the sweep repeats it in a process of its own.
 *
 * In a build that instruments variables (AddressSanitizer), and where pages are not of the usual size, each process
 * does one run. Counters of coverage lie in a mapping of their file (tools/coverage), so they are not put back. */
#include "sim/machine.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LARGE_BYTES = 64 * 1024, PART_BYTES = 2048 };

/* The linker's: the writable variables of the executable. */
extern char data_start[], _end[];

static size_t variables_bytes(void) { return (size_t)((uintptr_t)_end - (uintptr_t)data_start); }

unsigned sim_batch_most(unsigned wanted)
{
    bool possible = !WITH_ASAN && sysconf(_SC_PAGESIZE) == 4096;
    return possible && wanted > 1 ? wanted : 1;
}

/* The address is hidden from the compiler: it must not conclude that nothing but one array is written. */
static char *variables(void)
{
    char *start = data_start;
    __asm__ volatile("" : "+r"(start)::"memory");
    return start;
}

/* From here on: the mappings. The variables as they are now. */
static char *keep(const struct sim_batch *batch, struct sim_outcome *outcome)
{
    char *kept = sim_memory_keep() ? malloc(variables_bytes()) : NULL;
    if (kept == NULL) {
        sim_shared_result = &outcome->results[0];
        machine.options.seed = batch->from;
        sim_fail("no memory for several runs in a process");
    }
    memcpy(kept, variables(), variables_bytes());
    return kept;
}

/* Most pages were not written: to compare them is cheaper. */
static void put_variables_back(const char *kept)
{
    char *start = variables();
    for (size_t at = 0, size = variables_bytes(); at < size; at += PART_BYTES) {
        size_t part = size - at < PART_BYTES ? size - at : PART_BYTES;
        if (memcmp(start + at, kept + at, part) != 0)
            memcpy(start + at, kept + at, part);
    }
    __asm__ volatile("" : : : "memory");
}

/* One run; its result is in `result`. If it fails, it does not return. */
static void run_one(const struct sim_batch *batch, unsigned number, struct sim_outcome *outcome)
{
    tr_sim_options options = *batch->options;
    options.seed = batch->from + number;
    sim_shared_result = &outcome->results[number];
    alarm(SIM_RUN_MOST_S);
    tr_sim_run(&options, batch->program, batch->arg, &outcome->results[number]);
}

void sim_batch_run(const struct sim_batch *batch, struct sim_outcome *outcome)
{
    uint64_t steps = 0;
    const char *kept = NULL;
    machine.forked = true;
    machine.quiet = batch->count > 1;
    sim_set_environment();
    mallopt(M_MMAP_THRESHOLD,
            LARGE_BYTES); /* else it grows, and large blocks are cleared whenever they are had again */
    if (batch->count > 1)
        kept = keep(batch, outcome);
    for (unsigned i = 0; i < batch->count; i++) {
        if (i > 0)
            put_variables_back(kept);
        run_one(batch, i, outcome);
        sim_memory_settle();
        steps += outcome->results[i].steps;
        outcome->done = i + 1;
        if (batch->most_steps != 0 && steps >= batch->most_steps)
            break;
    }
    fflush(NULL);
    outcome->complete = true;
    _exit(0);
}
