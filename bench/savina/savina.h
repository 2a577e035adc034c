/* savina.h: the thirty programs of the Savina actor benchmark suite (Imam and Sarkar, AGERE 2014), and what they share.
 *
 * Each program is a workload of `troupe bench` named savina.NAME: the suite's work, with the suite's parameters as the
 * defaults, as somebody would write it who knows Troupe: messages between actors, and no memory that one actor writes
 * while another may look at it. What several actors read (a grid, a matrix) is complete before the first of them
 * starts, and outlives them. Every program compares its result with a sequential computation of the same thing, outside
 * of the measured time, and fails if they differ.
 *
 * Where the suite draws from Java's generators, these programs draw from SplitMix64: the values differ from the
 * suite's, their number and range do not. */
#ifndef TROUPE_BENCH_SAVINA_H
#define TROUPE_BENCH_SAVINA_H

#include "../workloads/workload.h"

/* Micro benchmarks. */
extern const struct workload savina_pingpong, savina_counting, savina_forkjoin_create, savina_forkjoin_throughput,
    savina_threadring, savina_chameneos, savina_big;
/* Concurrency. */
extern const struct workload savina_dictionary, savina_sortedlist, savina_prodcons, savina_philosophers, savina_barber,
    savina_smokers, savina_logmap, savina_banking;
/* Parallelism. */
extern const struct workload savina_radixsort, savina_filterbank, savina_sieve, savina_uct, savina_facility,
    savina_trapezoid, savina_pi, savina_matmul, savina_quicksort, savina_apsp, savina_sor, savina_astar, savina_nqueens,
    savina_fib, savina_bitonic;

/* Starts an actor, linked to the caller, whose state begins as a copy of *state. Its `start` is savina_begin. */
tr_pid savina_start(const tr_actor *actor, const void *state);
int savina_begin(void *state, const tr_msg *arg);

/* Ends the run with a complaint about its parameters: it needs something else. */
TR_NORETURN void savina_refuse(const char *needed);
static inline void savina_require(bool holds, const char *needed)
{
    if (!holds)
        savina_refuse(needed);
}

/* The same with so many bytes behind the state's in the start argument. Its `start` calls savina_begin_with, which
 * copies the state and returns where the rest is, as long as `start` runs. */
tr_pid savina_start_with(const tr_actor *actor, const void *state, const void *more, size_t size);
const void *savina_begin_with(void *state, size_t state_size, const tr_msg *arg);

/* Zeroed memory for what several actors read: the coordinator fills it before it starts them. It stays until the
 * program ends, since an interrupted coordinator may end before them. Only in the coordinator. */
void *savina_constant(size_t size);

/* tr_alloc that ends the caller if there is no memory. */
void *savina_alloc(size_t size);
/* Waits for a message with this tag and size; its body lives until the next receive. */
const void *savina_await(int tag, size_t size);

/* The next number of the sequence that *seed stands for (SplitMix64); one below limit. */
uint64_t savina_random(uint64_t *seed);
uint64_t savina_below(uint64_t *seed, uint64_t limit);
/* What one value or pair adds to a checksum that does not depend on order. */
uint64_t savina_mix(uint64_t value);

/* Computes for so many steps; the result must be used. */
uint64_t savina_busy(uint64_t steps);

/* Reads a double as the 64 bits that it is made of. */
uint64_t savina_bits(double value);
/* Ends the run if two numbers differ by more than so much. */
void savina_verify_near(const char *what, double got, double want, double tolerance);

#endif
