/* workers.h: messages on several cores without a runtime: a process for each worker, with a share of the work and
 * nothing in common with the others. It is the least that spreading independent work costs. */
#ifndef TROUPE_BENCH_FLOOR_WORKERS_H
#define TROUPE_BENCH_FLOOR_WORKERS_H

#include "program.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* This worker's part of a whole. */
static inline uint64_t share_of(uint64_t whole, uint64_t index, uint64_t workers)
{
    return whole / workers + (index < whole % workers);
}

/* A process for each worker: set_up(its index), then all run work() at once. The time in ns until the last was done. */
static inline int64_t on_workers(uint64_t workers, void (*set_up)(uint64_t index, uint64_t workers), void (*work)(void))
{
    size_t size = workers * sizeof(int64_t);
    int ready[2], go[2], status;
    char byte = 0;
    int64_t *ends = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), last = 0;
    must(workers > 0 && ends != MAP_FAILED && pipe(ready) == 0 && pipe(go) == 0, "no memory or no pipe");
    for (uint64_t i = 0; i < workers; i++) {
        pid_t child = fork();
        must(child >= 0, "no process");
        if (child == 0) {
            set_up(i, workers);
            close(go[1]);
            must(write(ready[1], &byte, 1) == 1 && read(go[0], &byte, 1) == 0, "the pipe is broken");
            work();
            ends[i] = now_ns();
            _exit(0);
        }
    }
    for (uint64_t i = 0; i < workers; i++)
        must(read(ready[0], &byte, 1) == 1, "a worker ended early");
    int64_t start = now_ns();
    close(go[1]);
    for (uint64_t i = 0; i < workers; i++)
        must(wait(&status) > 0 && status == 0, "a worker failed");
    for (uint64_t i = 0; i < workers; i++)
        last = ends[i] > last ? ends[i] : last;
    munmap(ends, size);
    return last - start;
}

#endif
