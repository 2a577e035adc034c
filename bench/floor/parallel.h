/* parallel.h: plain threads that share out the parts of one problem: what a machine's cores give without a runtime.
 *
 * The threads exist before the clock starts, as a runtime's do. Each takes the next part's number from one counter
 * until there is none, and works into memory of its own, a cache line apart from the others'. */
#ifndef TROUPE_BENCH_FLOOR_PARALLEL_H
#define TROUPE_BENCH_FLOOR_PARALLEL_H

#include "program.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { THREADS_MOST = 256 };

/* What a thread adds up; whole numbers or others, as the problem has it. */
struct share {
    _Alignas(128) uint64_t count;
    double sum;
};

static void (*work_on)(uint64_t part, struct share *share);
static uint64_t part_count;
static _Atomic uint64_t next_part;
static pthread_barrier_t line_up;
static struct share shares[THREADS_MOST];

static void *thread_main(void *share)
{
    uint64_t part;
    pthread_barrier_wait(&line_up);
    while ((part = atomic_fetch_add_explicit(&next_part, 1, memory_order_relaxed)) < part_count)
        work_on(part, share);
    pthread_barrier_wait(&line_up);
    return NULL;
}

/* How many threads the arguments ask for. */
static inline uint64_t thread_count(int argc, char **argv)
{
    uint64_t threads = parameter(argc, argv, "workers", (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
    must(threads >= 1 && threads <= THREADS_MOST, "1 to 256 workers");
    return threads;
}

/* Works on all parts; *sum is what the threads added up. Returns the time in ns. */
static inline int64_t run_parallel(uint64_t threads, uint64_t parts, void (*work)(uint64_t part, struct share *share),
                                   struct share *sum)
{
    pthread_t pthreads[THREADS_MOST];
    work_on = work;
    part_count = parts;
    must(pthread_barrier_init(&line_up, NULL, (unsigned)threads + 1) == 0, "no barrier");
    for (uint64_t i = 0; i < threads; i++)
        must(pthread_create(&pthreads[i], NULL, thread_main, &shares[i]) == 0, "no thread");
    int64_t start = now_ns();
    pthread_barrier_wait(&line_up);
    pthread_barrier_wait(&line_up);
    int64_t elapsed = now_ns() - start;
    for (uint64_t i = 0; i < threads; i++) {
        must(pthread_join(pthreads[i], NULL) == 0, "a thread is lost");
        sum->count += shares[i].count;
        sum->sum += shares[i].sum;
    }
    pthread_barrier_destroy(&line_up);
    return elapsed;
}

#endif
