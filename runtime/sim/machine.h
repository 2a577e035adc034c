/* machine.h: the simulator's own state: its threads, its clock, its choices. Seen by runtime/sim/ only.
 *
 * Shape. One operating-system thread carries all threads of the simulation, each a stack and a set of thread-locals.
 * The machine runs one of them until its budget of points is used up or it waits; then it decides who is next.
 *
 * Invariants
 *   M1  Exactly one thread is RUNNING; it is `machine.current`, and its thread-locals are those in the section.
 *   M2  A thread is BLOCKED on one object, by its address, or on nothing but its deadline. Whoever changes what it
 *       waits for wakes it: there are no lost or early wakes but the ones that the policy makes on purpose.
 *   M3  The clock never goes back. It moves by the points that were used, and to the earliest deadline when nobody can
 *       run.
 *   M4  Choices (which thread, how long, which waiter, which fault) are functions of the seed and of what happened
 *       before. Nothing else is asked: no address is compared but for equality, no clock is read, no thread runs
 *       freely.
 *   M5  `ready` holds exactly those that are RUNNABLE or RUNNING and not stalled.
 * Determinism: by induction over the decisions. The first state is the program's; between two decisions one thread runs
 * code that sees only memory, virtual time and seeded chance (redirect.h; tests/simulation/imports), so it reaches the
 * same next point; by M4 the same choice follows. Addresses differ between processes, so nothing may order by them:
 * waiters are found in the order of their threads' numbers. */
#ifndef TROUPE_SIM_MACHINE_H
#define TROUPE_SIM_MACHINE_H

#include "sched/fiber.h"
#include "sim/point.h"

#include <troupe/sim.h>

#include <stdbool.h>
#include <stdio.h>

#define SIM_NEVER INT64_MAX

enum {
    SIM_THREADS_MOST = 1024,
    SIM_KEYS_MOST = 32,
    SIM_STACK_BYTES = 512 * 1024,
    SIM_NAME_BYTES = 16,
    SIM_RUN_MOST_S = 120
};

enum sim_state { SIM_FREE, SIM_RUNNABLE, SIM_RUNNING, SIM_BLOCKED, SIM_ENDED };

struct sim_thread {
    struct fiber *fiber; /* where it goes on; at the top of its stack */
    enum sim_state state;
    unsigned id;
    const char *waits_for; /* what kind of thing, for reports */
    const void *on;        /* the object that it is blocked on; NULL: time only */
    int64_t deadline;      /* SIM_NEVER; also of a stall */
    bool timed_out;        /* why it woke */
    bool stalled;          /* not blocked, but nobody lets it run until the deadline */
    uint64_t priority;     /* PCT: higher runs first */
    unsigned yields;       /* in a row */
    int64_t since_ns;      /* since when it could run and does not */
    uint32_t reading;      /* depth of read sections */
    uint64_t sections;     /* read sections begun */
    void *keys[SIM_KEYS_MOST];
    char *locals; /* its thread-locals while it does not run */
    char *stack;  /* NULL: the system's own */
    size_t stack_size;
    const void *low;  /* AddressSanitizer: the stack that it stands on while it does not run */
    size_t size;      /* the same */
    void *fake_stack; /* the same */
    int saved_errno;
    void *(*entry)(void *arg);
    void *arg, *result;
    char name[SIM_NAME_BYTES];
};

struct sim_machine {
    bool running;    /* inside tr_sim_run */
    bool forked;     /* this process is the runs' own: it ends with the one that fails */
    bool quiet;      /* who fails here is repeated alone, and explains itself then */
    unsigned frozen; /* > 0: no decision, e.g. in a handler of a hardware fault */
    struct sim_thread *current;
    struct sim_thread *threads[SIM_THREADS_MOST]; /* in the order of their making; [0] called tr_sim_run */
    unsigned count;
    uint64_t ready[SIM_THREADS_MOST / 64]; /* one bit a thread, by number: it can run, or runs, and is not stalled */
    int64_t next_due;                      /* no deadline is earlier; one that was taken back may have been */
    int64_t waiting_since;                 /* every thread that is ready became so, or ran, then or later */
    int64_t start_ns, now_ns;              /* now: when the budget was last given */
    int64_t point_ns;                      /* what a point costs */
    int64_t given;                         /* the budget that was given */
    uint64_t steps, switches, events;
    uint64_t hash;    /* of the trace */
    uint64_t choice;  /* state of the generator for choices */
    uint64_t entropy; /* the same for what the program asks for */
    uint64_t chance;  /* the same for faults */
    uint64_t network; /* the same for the network */
    tr_sim_options options;
    uint32_t mean;       /* random policy: points between decisions */
    uint32_t jump_rate;  /* one of so many decisions lets time pass; 0: none */
    uint32_t aside_rate; /* at one of so many decisions the thread is put aside for a while; 0: never */
    uint64_t change_at;  /* PCT: step of the next change of priorities */
    unsigned changes_left;
    uint64_t change_span, lowest;
    FILE *trace;
    char failure[256];
};

extern struct sim_machine machine;

/* ---- machine.c */

/* The virtual time of this moment. */
int64_t sim_now(void);
/* The running thread waits, until it is woken by sim_wake of the same object, or the deadline. False: the deadline. */
bool sim_block(const char *what, const void *on, int64_t deadline);
/* Up to `most` of those that are blocked on the object become runnable; which, is chosen. How many. */
unsigned sim_wake(const void *on, unsigned most);
/* Lets others go first. */
void sim_give_way(void);
/* A thread of the table can run from now on. */
void sim_begin_to_run(struct sim_thread *thread);
/* Leaves the running thread, which has ended, for good. */
__attribute__((noreturn)) void sim_leave(void);

/* ---- choice.c */
uint64_t sim_draw(uint64_t *state);
/* 0 to below - 1 */
uint32_t sim_choose(uint32_t below);
void sim_choice_start(uint64_t seed);
/* The budget for the thread that is about to run. */
int64_t sim_next_budget(void);
/* One of the candidates, in the order of their numbers. */
struct sim_thread *sim_pick(struct sim_thread *const *candidates, unsigned count);
/* At a decision: whether time passes although somebody could run. */
bool sim_lets_time_pass(void);

/* ---- trace.c */
void sim_trace_start(void);
void sim_trace_note(const char *kind, uint64_t a, uint64_t b);
/* The machine goes on with another thread. */
void sim_trace_switch(const struct sim_thread *next);
void sim_trace_end(void);

/* ---- thread.c */
void sim_threads_start(void);
/* How many threads, beside the first, have not ended. */
unsigned sim_threads_left(void);
void sim_threads_end(void);
void sim_locals_save(struct sim_thread *thread);
void sim_locals_load(const struct sim_thread *thread);

/* ---- memory.c */
/* From here on mappings of a run are kept for the next. False: they are not. */
bool sim_memory_keep(void);
/* A run has ended: nothing is lent any more. */
void sim_memory_settle(void);
/* What sim_mmap does when the request is not refused. */
void *sim_map(void *address, size_t size, int protection, int flags, int fd, off_t offset);
/* For a stack, given back by sim_munmap; MAP_FAILED: no memory. */
void *sim_map_stack(size_t size);

/* ---- net.c */
void sim_net_start(void);
/* Descriptors that are open. */
unsigned sim_files_open(void);

/* ---- signals.c */
void sim_signals_start(void);
void sim_signals_end(void);

/* ---- fault.c */
void sim_faults_start(void);
/* An opportunity for this kind of fault: whether it happens, and its parameter. */
enum sim_fault { SIM_CRASH, SIM_NOMEM, SIM_STALL, SIM_DELAY, SIM_CUT, SIM_NO_DESCRIPTOR, SIM_FAULT_KINDS };
bool sim_fault_now(enum sim_fault kind, int64_t *parameter);
/* The faults that happened, as a script. */
void sim_faults_write(char *out, size_t size);

/* ---- batch.c */
struct sim_batch {
    const tr_sim_options *options;
    int (*program)(void *arg);
    void *arg;
    uint64_t from; /* the first seed */
    unsigned count;
    uint64_t most_steps; /* no further run is begun when all together took that many; 0: no limit */
};
/* In memory that the process shares with its parent. */
struct sim_outcome {
    unsigned done; /* runs that have passed */
    bool complete; /* there were no others to do */
    tr_sim_result results[];
};
/* How many runs a process may do where so many are wanted. */
unsigned sim_batch_most(unsigned wanted);
/* In a process of its own, which ends here. */
__attribute__((noreturn)) void sim_batch_run(const struct sim_batch *batch, struct sim_outcome *outcome);

/* ---- run.c */
/* What the runtime finds in its environment. */
void sim_set_environment(void);
extern tr_sim_result *sim_shared_result; /* of a run in a process of its own: where its parent reads it */
extern const char *sim_case_name;
void sim_print_command(FILE *to);
void sim_print_rerun(FILE *to, uint64_t seed, const char *script);
__attribute__((noreturn, format(printf, 1, 2))) void sim_fail(const char *format, ...);
__attribute__((noreturn)) void sim_deadlock(void);

#endif
