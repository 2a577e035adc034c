/* troupe/runtime.h: the program: starting and stopping the runtime, its settings, its log, work that blocks a thread.
 *
 * One runtime at a time in a process; several one after another are fine. After fork only exec: in the child every call
 * returns TR_ESTOPPED. All descriptors are closed on exec. Foreign threads (not the runtime's) may spawn, send, call,
 * register and look up; they have no self, links or mailbox. */
#ifndef TROUPE_RUNTIME_H
#define TROUPE_RUNTIME_H

#include <troupe/process.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How grave a log record is; 0 is no level. */
typedef enum tr_level { TR_DEBUG = 1, TR_INFO, TR_WARNING, TR_ERROR } tr_level;

/* A log record; its strings live until the sink returns. */
typedef struct tr_log_record {
    tr_level level;
    int64_t time_ns;          /* since 1970 */
    tr_pid pid;               /* whom it is about; nobody: the runtime */
    const char *label, *name; /* of that process; "" if none */
    const char *event;        /* "crash", "terminate", "progress", "child_terminated", "start_error", "shutdown_error",
                                 "shutdown", "slow", "lost", "log", ... */
    const char *text;
} tr_log_record;

/* What a hardware fault in an actor does. Its backtrace is logged: functions have names in it if the program was linked
 * with -rdynamic (CMake: ENABLE_EXPORTS), else addresses for addr2line. */
typedef enum tr_faults {
    TR_FAULTS_CONTAIN, /* where it is sound: an exit signal TR_WHY_FAULT; else as ..._ABORT */
    TR_FAULTS_ABORT    /* always a crash report and the end of the program */
} tr_faults;

/* Settings; all zero is the default. */
typedef struct tr_config {
    int workers;       /* 0: the cores that this process may use (affinity, cgroup quota); at most 256 */
    size_t stack_size; /* bytes reserved for a straight-line or blocked process; 0: 256 KiB; a process that needs more
                          uses tr_spawn_options */
    size_t max_processes; /* 0: 2^26 - 1; rounded up to 511, 1023, ... */
    int64_t slow_turn_ms; /* a turn that computes or blocks its thread for longer is logged; 0: 100; TR_INFINITY: never.
                         Whatever it says, a turn of 3 ms that keeps others waiting gets a spare worker beside it: more
                         than `workers` threads compute */
    tr_faults faults;
    tr_level log_level; /* records below it are not made; 0: TR_WARNING */
    void (*log)(const tr_log_record *record,
                void *arg); /* called on the logger's own thread, one at a time; NULL: a line on stderr */
    void *log_arg;
    size_t memory_high_water; /* bytes in the runtime's pools at which one warning is logged; 0: none */
    bool quiet_restarts; /* crash and supervisor reports are not made, but for the root's end that fails the program */
} tr_config;

/* Runs a supervision tree until SIGTERM, SIGINT or the root's end; then children are stopped in order, and everything
 * is released. For main's return: 0 after a signal or a clean end, 1 otherwise: also when the root gives up because its
 * children failed too often, and when it could not start (the reason goes to stderr). Installs handlers for SIGTERM and
 * SIGINT while it runs and puts back what it found; a second SIGTERM or SIGINT, 250 ms after the first or later, ends
 * the program at once. Not from a process. */
struct tr_supervisor;
TR_API int tr_run(const struct tr_supervisor *root);
/* tr_run with settings. */
TR_API int tr_run_with(const tr_config *config, const struct tr_supervisor *root);
/* The same with one straight-line process as the root (config NULL: defaults): ends when it ends; other processes are
 * killed then. A root that ends with a reason that is not clean is logged, and the result is 1. */
TR_API int tr_main(const tr_config *config, tr_entry *entry, const void *arg, size_t size);

/* Starts the runtime beside the caller's own main, touching no signal: TR_OK, TR_EALREADY_STARTED, TR_ENOMEM,
 * TR_ELIMIT, TR_EINVAL. */
TR_API TR_MUST_CHECK int tr_boot(const tr_config *config);
/* Stops it: every process gets an exit signal (shutdown, then kill after grace_ms), then threads and memory are
 * released. Behaviours that were started without a link, supervisors among them, take the shutdown as their parent's
 * word: they end in order. Not from a process: TR_EINVAL. TR_ESTOPPED: it does not run. */
TR_API TR_MUST_CHECK int tr_halt(int64_t grace_ms);
/* Asks for the end of tr_run or tr_main, as SIGTERM would. Any thread. */
TR_API void tr_shutdown(void);

/* Runs work(arg) on a thread of the blocking pool while the calling process waits: for calls that block a thread
 * (files, DNS, a database client). Returns what work returned; TR_ENOMEM, TR_ELIMIT or TR_ESTOPPED if it could not run.
 * An exit signal for the caller acts when work has returned: its end is not awaited by killing it. Blocks. On a foreign
 * thread: called directly. */
TR_API int tr_blocking(int (*work)(void *arg), void *arg);
/* Inside the bracket a hardware fault is never contained (C code that holds locks or half-made structures). Nests. */
TR_API void tr_critical_begin(void);
/* Ends the bracket. */
TR_API void tr_critical_end(void);

/* Writes a log record of event "log". Never blocks: what finds the ring full is counted. Any thread. */
TR_API void tr_log(tr_level level, const char *format, ...) TR_PRINTF(2, 3);
/* The same with an event of one's own (static text). */
TR_API void tr_log_event(tr_level level, const char *event, const char *format, ...) TR_PRINTF(3, 4);
/* Whether tr_log_event with this level and event makes a record now: for who would have to format much for it. Any
 * thread. */
TR_API bool tr_log_wanted(tr_level level, const char *event);
/* Waits until what was logged before has reached the sink. Blocks the thread for that moment. */
TR_API void tr_log_flush(void);

#ifdef __cplusplus
}
#endif
#endif
