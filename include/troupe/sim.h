/* troupe/sim.h: simulation: a whole program, its runtime included, in one thread, under a seed.
 *
 * Link with libtroupe_sim (CMake: troupe::troupe_sim) in place of libtroupe: it is the same runtime, compiled so that
 * its threads, clocks, chance and sockets are simulated. A program is a function that boots the runtime, does something
 * with it, checks what came out, and stops it (tr_run, tr_main, or tr_boot and tr_halt). Time is virtual: a day of
 * timers takes seconds. Every atomic operation of the runtime is a place where another thread may go on; which one is
 * drawn from the seed. The same seed and binary give the same trace of events, byte for byte.
 *
 *     static int program(void *arg) { ...; return tr_main(&config, root, NULL, 0); }
 *     int main(void)
 *     {
 *         const tr_sim_case test = { .name = "transfer", .program = program };
 *         return tr_sim_sweep(&test, 1, 1000) == 0 ? 0 : 1;
 *     }
 *
 * A run fails if the program returns other than 0, a check fails (tr_sim_fail, abort, an assertion, a fatal signal), if
 * nobody can go on (a deadlock: who waits for what is printed), if a thread or a simulated descriptor is left, or at a
 * limit. A failed run prints its seed and the line that runs it again, in one process, so that the same line works
 * under gdb.
 *
 * Sockets (troupe/socket.h) are Troupe's own code over simulated connections: servers and clients are processes of the
 * one program, and every tcp:// address is the program itself; what nobody listens at is refused. A connection is a
 * stream, as TCP's: bounded buffers, so that a writer waits for a slow reader; data that arrive in parts, each after a
 * latency of its own; refusals, half-closes, ends, resets. Latency (none to 20 ms on the average) and size of buffers
 * (512 bytes to 256 KB) are the seed's.
 *
 * A unix:// address is the program itself, too. Its directory is the system's and must be there; the socket in it is
 * the simulator's, so that the directory does not show it, but a path that a file or a socket has is in use, and one
 * whose listener is gone stays until it is removed. No network is between the ends: connections are made or refused at
 * once, what is sent has arrived, and no fault of the network, delay or partition concerns them; the size of buffers is
 * the seed's. Opening a connection to a socket of the system's, or by a symbolic link to a socket, or an address
 * without a path fails the run.
 *
 * What a network does to packets, a stream shows as time: one that is lost, or overtaken, is sent again or waited for,
 * and what comes behind it on the same connection waits, too. So there are no faults for loss and reordering: a delay
 * (tr_sim_faults, tr_sim_link_delay) is both of them. It changes the order between connections, and between the two
 * directions of one, never that of the bytes. A cut is a connection that both ends see reset; a partition, a network
 * that takes nothing anywhere and loses nothing that it can send again later. tr_sim_explore does not explore what the
 * network does: that stays the seed's.
 *
 * Environment, for tr_sim_sweep:
 *     TR_SIM_SEEDS=from..to   these seeds instead; one alone (7..7, or 7) runs in this process. If all pass, a line on
 *                             stderr says how many, and what they took
 *     TR_SIM_ONLY=name        this case alone, all others pass at once
 *     TR_SIM_FAULTS=script    these faults instead of those that the seed draws
 *     TR_SIM_JOBS=n           n processes at a time; 1 if unset
 *     TR_SIM_BATCH=n          n runs in a process, instead of the case's own number
 *     TR_SIM_TRACE=file       the trace of the last run as text: virtual time in ns, the simulated thread, what
 *                             happened, two numbers (of processes: the id's own, tr_pid.id; of tr_sim_note: its number)
 *
 * What the program does by itself must be a function of the seed, too: no clock, chance, thread, descriptor, socket or
 * path of one but through Troupe (tr_sim_random, tr_sim_now_ns, tr_sim_thread_start here), and no order by address. The
 * simulated memory is sequentially consistent: weak orderings are for ThreadSanitizer. */
#ifndef TROUPE_SIM_H
#define TROUPE_SIM_H

#include <troupe/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How it is decided who goes on. */
typedef enum tr_sim_policy {
    TR_SIM_ANY,    /* by the seed */
    TR_SIM_RANDOM, /* anybody, after a number of points that is drawn anew each time around a mean of the seed's */
    TR_SIM_PCT,    /* the highest of random priorities, changed at `changes` points */
    TR_SIM_FIXED   /* who runs goes on until it waits; then the next in turn: for tr_sim_explore */
} tr_sim_policy;

/* How often a fault happens where it could, in a million; 0: never. */
typedef struct tr_sim_faults {
    uint32_t crash;      /* a victim exits, where it handles a message or comes back from a call of Troupe */
    uint32_t no_memory;  /* in the turn of a process, a request for memory fails */
    uint32_t stall;      /* a thread is not scheduled for up to 20 ms */
    unsigned most;       /* of all kinds together, in a run; 0: 3 */
    const char *victims; /* labels of processes that may crash, with commas; NULL: all but straight-line ones */
    uint32_t delay;      /* what is sent on a connection, its begin and its end included, arrives up to 400 ms late */
    uint32_t cut;        /* a connection on which something is sent is reset, at both ends */
    uint32_t no_descriptor; /* a socket cannot be opened or accepted: there is no descriptor (EMFILE) */
} tr_sim_faults;

/* A run; all zero is the default. */
typedef struct tr_sim_options {
    uint64_t seed;
    tr_sim_policy policy;
    unsigned changes;   /* PCT: changes of priority; 0: 5 */
    uint64_t max_steps; /* 0: 200 million points */
    int64_t max_ms;     /* of virtual time; 0: 100 days */
    int64_t stall_ms;   /* how long, at most, the policy itself keeps a thread waiting that could run; 0: 2 */
    tr_sim_faults faults;
    const char *script;    /* faults by number instead ("crash@17,stall@203:5000000,cut@9"; also nomem, delay, nofile);
                              NULL: by the rates */
    int64_t latency_ns;    /* of what is sent on a connection, on the average; 0: by the seed; -1: none, and it
                              arrives in one piece */
    uint32_t buffer_bytes; /* that a connection holds in each direction, at least half of it and at most one and a half
                              times; 0: by the seed */
} tr_sim_options;

/* What came out. */
typedef struct tr_sim_result {
    uint64_t seed;
    uint64_t hash;   /* of the trace of events */
    uint64_t events; /* in the trace */
    uint64_t steps;  /* points passed */
    uint64_t switches;
    int64_t virtual_ns;
    int status;        /* what the program returned; -1: it failed before */
    char script[512];  /* the faults that happened */
    char failure[256]; /* "" if it passed */
} tr_sim_result;

/* What is run. */
typedef struct tr_sim_case {
    const char *name;
    int (*program)(void *arg); /* 0: passed */
    void *arg;
    tr_sim_options options; /* the seed is the sweep's */
    uint64_t all_steps;     /* no further seed is begun when all runs together took that many; 0: no limit */
    unsigned batch;         /* runs that one process may do, one after another; 0: 1 */
    void (*each)(const tr_sim_result *result, void *arg); /* after each run that passed, in the sweep's process; NULL */
} tr_sim_case;

/* Runs the program once, in this process, and fills *result (may be NULL). Returns what the program returned; a run
 * that fails otherwise ends the process by SIGABRT. Not inside a run; threads of the system see nothing of it. */
TR_API int tr_sim_run(const tr_sim_options *options, int (*program)(void *arg), void *arg, tr_sim_result *result);
/* The same in a process of its own, so that nothing ends the caller: TR_OK if it passed; TR_ECALLBACK and
 * result->failure if not; TR_ELIMIT if there is no process to be had. */
TR_API TR_MUST_CHECK int tr_sim_try(const tr_sim_options *options, int (*program)(void *arg), void *arg,
                                    tr_sim_result *result);
/* Runs the case under each seed, in processes of their own. After the first failure it looks for the least faults that
 * still fail, prints them with the seed and the line that runs it again, and stops. The number of failed runs.
 *
 * With `batch` a process does several runs, which saves most of the time of short ones: between them the variables of
 * the executable are put back as they were before the first, and what the runtime had mapped is cleared; so each run is
 * the same as alone. That holds if the program keeps nothing elsewhere that matters to it: in variables of shared
 * libraries, in files. In a sanitizer's build each run has a process of its own whatever `batch` says. */
TR_API TR_MUST_CHECK unsigned tr_sim_sweep(const tr_sim_case *test, uint64_t from, uint64_t to);

/* What an exploration has seen. */
typedef struct tr_sim_explored {
    uint64_t runs, pruned; /* runs; those of them that ended early, since what follows was seen before */
    uint64_t longest;      /* choices in a run */
    uint64_t failures;     /* 0 or 1: it stops at the first */
    bool complete;         /* false: it hit a bound; what it did not see may fail */
} tr_sim_explored;

/* Bounded exhaustive mode, for small programs with one worker: runs the case under every order in which its processes
 * can see what they do to each other, between tr_sim_inject(true) and (false); at most so many runs. Processes go on in
 * one piece from one call of Troupe to the next; orders that differ only in calls that have nothing to do with each
 * other are tried once, which is sound as long as the processes share nothing but Troupe. TR_OK: none of them failed;
 * TR_ECALLBACK: one did, and it is printed with the line that runs it again (TR_SIM_CHOICES); TR_ENOMEM. */
TR_API TR_MUST_CHECK int tr_sim_explore(const tr_sim_case *test, uint64_t most_runs, tr_sim_explored *explored);

/* ---- inside of a run, on any of its threads */

/* Fails the run. */
TR_API TR_NORETURN void tr_sim_fail(const char *format, ...) TR_PRINTF(1, 2);
/* Fails the run unless the condition holds. */
#define TR_SIM_CHECK(condition) ((condition) ? (void)0 : tr_sim_fail("%s:%d: %s", __FILE__, __LINE__, #condition))
/* From here on faults happen, or no longer: for the time of the start and the end, which are not expected to survive
 * them. They are off at first. */
TR_API void tr_sim_inject(bool on);
/* A number from the seed, 0 to below - 1. */
TR_API uint32_t tr_sim_random(uint32_t below);
/* The seed. */
TR_API uint64_t tr_sim_seed(void);
/* Virtual time since the start of the run. */
TR_API int64_t tr_sim_now_ns(void);
/* Puts an event of the program's own into the trace. */
TR_API void tr_sim_note(const char *text, uint64_t number);
/* A foreign thread of the simulation that runs entry(arg): its number, for the join; TR_ENOMEM, TR_ELIMIT. */
TR_API TR_MUST_CHECK int tr_sim_thread_start(void (*entry)(void *arg), void *arg);
/* Waits until it has ended. */
TR_API void tr_sim_thread_join(int thread);
/* Resets connections, at both ends: those of this port, the listener's or the client's own (tr_socket_port); 0: all.
 * How many there were. Neither this nor the next ones concern Unix sockets. */
TR_API int tr_sim_link_cut(int port);
/* What is sent from now on over connections of this port (0: all) takes so much longer; 0: no longer. */
TR_API void tr_sim_link_delay(int port, int64_t delay_ns);
/* Partition: from now on nothing arrives over connections of this port (0: all), also of those that are opened later,
 * until tr_sim_link_heal. Nothing is lost: it arrives afterwards. A connect just takes long; give it a timeout. */
TR_API void tr_sim_link_part(int port);
/* Ends delay and partition of this port; 0: of all ports. */
TR_API void tr_sim_link_heal(int port);
/* From now on there can be so many more simulated descriptors than are open now (a socket is one; active mode takes one
 * for all of them); -1: enough. */
TR_API void tr_sim_descriptors(int more);
/* As if the system had sent the program this signal (SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2). */
TR_API void tr_sim_raise(int signal_number);

#ifdef __cplusplus
}
#endif
#endif
