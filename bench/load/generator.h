/* generator.h: one thread of the load: requests at planned times, whether or not the server keeps up.
 *
 * Open loop: request i is planned at start + its place in a random (exponential, so Poisson arrivals) sequence of
 * intervals. When its time comes it goes out on a connection that waits for no answer; if there is none, it waits for
 * one. Its latency is counted from the planned time, so a server that stalls is charged for everybody who had to wait
 * (no "coordinated omission"). What is planned after the warm-up and was answered is in the histogram; what was still
 * unanswered `grace` after the end is counted as lost. */
#ifndef LOAD_GENERATOR_H
#define LOAD_GENERATOR_H

#include "histogram.h"
#include "protocol.h"

struct generator_plan {
    const struct protocol *protocol;
    int port;                          /* of 127.0.0.1 */
    int connections;                   /* of this thread */
    double rate;                       /* requests a second of this thread */
    int64_t start_ns, warm_ns, end_ns; /* of CLOCK_MONOTONIC; counted are those planned from warm_ns on */
    uint64_t seed;
};

struct generator_result {
    uint64_t planned, answered, lost; /* of those that count */
    const char *failure;              /* NULL, or what went wrong: the run is void */
    int64_t last_ns;                  /* when the last counted answer came */
    struct histogram latencies;       /* ns */
};

/* Runs the plan to its end on the calling thread. */
void generator_run(const struct generator_plan *plan, struct generator_result *result);

#endif
