/* workload.h: what all workloads of `troupe bench` share: parameters, results, and the coordinator's helpers.
 *
 * A workload runs in the coordinator, the straight-line process that tr_main starts. It starts its actors, linked to
 * itself so that a crash in any of them fails the run, tells them to go, waits for their reports, and says what it
 * measured. The workloads are written as a user of Troupe would write them, on the public headers only; what each one
 * measures is defined for all peers alike: `ops` operations in `seconds` of wall time, set-up excluded, result
 * verified. */
#ifndef TROUPE_BENCH_WORKLOAD_H
#define TROUPE_BENCH_WORKLOAD_H

#include <troupe/troupe.h>

enum { BENCH_PARAMETERS = 6, BENCH_EXTRA_BYTES = 512 };

/* name=value; a number unless the workload reads it as text. */
struct bench_parameter {
    const char *name, *value;
};

/* One run: its parameters, and what it measured. */
struct bench {
    const struct workload *workload;
    struct bench_parameter parameters[BENCH_PARAMETERS + 1]; /* as the workload declares them, then `workers` */
    int parameter_count;
    bool done;
    uint64_t ops;
    double seconds;
    char extra[BENCH_EXTRA_BYTES]; /* further fields of the result, as JSON, each after a comma */
};

struct workload {
    const char *name;
    const char *what; /* for the list */
    struct bench_parameter defaults[BENCH_PARAMETERS];
    void (*run)(struct bench *bench);
    bool own;   /* Troupe's: not defined for all peers alike */
    bool quiet; /* crashes are its work: no reports of them, and none of those that are made is shown */
};

extern const struct workload *const bench_workloads[]; /* NULL-terminated */

/* ---- in the coordinator */

/* The value of a parameter. */
uint64_t bench_number(const struct bench *bench, const char *name);
const char *bench_text(const struct bench *bench, const char *name);

/* The result: ops in the time from start_ns (tr_now_ns) to now; or in so many seconds. */
void bench_result(struct bench *bench, uint64_t ops, int64_t start_ns);
void bench_result_seconds(struct bench *bench, uint64_t ops, double seconds);
/* A further field of the result, a number. */
void bench_extra(struct bench *bench, const char *name, double value);
/* Ends the run with a complaint if a figure is wrong. */
void bench_verify(const char *what, uint64_t got, uint64_t want);

/* ---- reports: one number from an actor to the coordinator */

enum { BENCH_REPORT = 1000, BENCH_GO };

/* Starts an actor or a straight-line process, linked to the caller. */
tr_pid bench_start(const tr_actor *actor, const void *arg, size_t size);
tr_pid bench_start_entry(tr_entry *entry, const void *arg, size_t size);
/* Tells it to go; waits to be told. */
void bench_go(tr_pid pid);
void bench_wait_for_go(void);
/* Sends one number to the coordinator; receives so many and adds them up. */
void bench_report(tr_pid coordinator, uint64_t number);
uint64_t bench_reports(uint64_t count);
/* The number in a message's body. */
uint64_t bench_number_in(const tr_msg *message);
/* 1 + 2 + ... + n */
uint64_t bench_sum_to(uint64_t n);

/* ---- the process as the system sees it */

uint64_t bench_resident_bytes(void);
uint64_t bench_descriptors(void);
double bench_cpu_seconds(void); /* of all threads, in user mode and in the kernel */

#endif
