/* system.c: the runtime as a whole: boot, stop, and the main program around it.
 *
 * Order of the start: recorder, tables, reclamation, names, log, scheduler; the stop goes the other way, after every
 * process has ended. What can fail
 * is undone step by step. One runtime at a time; `state` is changed under `lock`. */
#include "actor/actor.h"
#include "actor/end.h"
#include "actor/fault.h"
#include "actor/log.h"
#include "actor/names.h"
#include "actor/report.h"
#include "actor/settings.h"
#include "actor/signal.h"
#include "actor/signals_os.h"
#include "actor/timer.h"
#include "base/clock.h"
#include "sched/blocking.h"
#include "sched/scheduler.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <time.h>

enum system_state { SYSTEM_DOWN, SYSTEM_UP, SYSTEM_STOPPING, SYSTEM_OF_PARENT };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum system_state state;          /* (l) */
static struct context reclaimer_context; /* the reclaimer's */
static struct context stopper_context;   /* of whoever stops it: with memory set aside for signals */
static _Atomic uint64_t root;            /* the process whose end ends tr_main; 0 */
static _Atomic uint32_t stop_asked;      /* 1: a stop was asked for, perhaps before there was a root */

/* ---- boot */

static bool good_config(const tr_config *config)
{
    return config->workers >= 0 && config->workers <= 256 && config->stack_size <= STACK_LARGEST_BYTES &&
           config->max_processes < SLOTS_MOST && config->slow_turn_ms >= TR_INFINITY &&
           (unsigned)config->log_level <= TR_ERROR;
}

static void fill_defaults(const tr_config *config)
{
    settings = config == NULL ? (tr_config){ .workers = 0 } : *config;
    if (settings.workers == 0)
        settings.workers = (int)scheduler_cores();
    if (settings.slow_turn_ms == 0)
        settings.slow_turn_ms = 100;
    if (settings.max_processes == 0)
        settings.max_processes = SLOTS_MOST - 1;
}

static void settle_reclaimer(void *context)
{
    pool_flush(((struct context *)context)->pool);
    watchdog_see_memory();
}

/* One slab of small blocks: for a thousand signals, and those that they end give memory back. */
static bool prepare_stopper(void)
{
    if (!context_prepare(&stopper_context, NULL, TRACE_TRACK_FOREIGN))
        return false;
    tr_msg *signal = message_with_notice(&stopper_context, KIND_EXIT_SIGNAL, 0, notice_static(TR_WHY_KILL));
    if (signal == NULL) {
        context_dismiss(&stopper_context);
        return false;
    }
    message_free(&stopper_context, signal);
    return true;
}

static bool start_reclaimer(void)
{
    reclaimer_context = stopper_context = (struct context){ .foreign = false };
    if (!context_prepare(&reclaimer_context, NULL, TRACE_TRACK_RECLAIMER))
        return false;
    if (prepare_stopper()) {
        if (reclaim_start(RECLAIM_THREAD, &reclaimer_context, settle_reclaimer))
            return true;
        context_dismiss(&stopper_context);
    }
    context_dismiss(&reclaimer_context);
    return false;
}

static void stop_reclaimer(void)
{
    reclaim_stop(&reclaimer_context);
    context_dismiss(&reclaimer_context);
}

static int boot(void)
{
    struct scheduler_settings scheduling = { .workers = (unsigned)settings.workers,
                                             .slow_turn_ms = settings.slow_turn_ms,
                                             .hooks = { .fire = timer_fire,
                                                        .thread_start = fault_thread_start,
                                                        .thread_stop = fault_thread_stop,
                                                        .slow = report_slow,
                                                        .watch = report_memory } };
    report_memory_start();
    trace_start_from_environment();
    if (!context_tables_open((uint32_t)settings.max_processes + 1))
        return TR_ENOMEM;
    if (start_reclaimer()) {
        if (names_open()) {
            if (log_start()) {
                fault_start();
                if (scheduler_start(&scheduling)) {
                    context_open_to_foreign();
                    return TR_OK;
                }
                fault_stop();
                log_stop();
            }
            names_close();
        }
        context_dismiss(&stopper_context);
        stop_reclaimer();
    }
    context_tables_close();
    pool_system_release();
    trace_finish();
    return TR_ENOMEM;
}

static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }

/* A runtime whose threads are in the parent is none (D17); without one, the child may start its own. */
static void after_fork_in_child(void)
{
    if (state != SYSTEM_DOWN) {
        state = SYSTEM_OF_PARENT;
        context_forget();
        log_forget();
    }
    pthread_mutex_unlock(&lock);
}

static void watch_forks(void) { pthread_atfork(before_fork, after_fork, after_fork_in_child); }

API int tr_boot(const tr_config *config)
{
    static pthread_once_t forks_watched = PTHREAD_ONCE_INIT;
    if (config != NULL && !good_config(config))
        return TR_EINVAL;
    pthread_once(&forks_watched, watch_forks);
    pthread_mutex_lock(&lock);
    int status = state == SYSTEM_OF_PARENT ? TR_ESTOPPED : TR_EALREADY_STARTED;
    if (state == SYSTEM_DOWN) {
        fill_defaults(config);
        status = boot();
        state = status == TR_OK ? SYSTEM_UP : SYSTEM_DOWN;
    }
    pthread_mutex_unlock(&lock);
    return status;
}

/* ---- stop */

/* Sends every process an exit signal; how many there are. */
static size_t signal_all(struct notice *notice)
{
    struct context *context = api_enter();
    struct slots *pids = context_table(TABLE_PIDS);
    size_t count = 0;
    for (uint32_t i = 0, touched = slots_touched(pids); i < touched; i++) {
        read_begin();
        struct actor *actor = slots_at(pids, i);
        uint64_t pid = actor == NULL || (load_relaxed(&actor->flags) & ACTOR_PROXY) != 0 ? 0 : actor->pid;
        read_end();
        if (pid == 0)
            continue;
        count++;
        if (notice != NULL)
            signal_exit(context, 0, pid, notice);
    }
    api_leave(context);
    return count;
}

/* Until no process is left or the time is up. */
static bool await_all(int64_t timeout_ms)
{
    int64_t deadline = deadline_after(clock_now(), timeout_ms);
    struct timespec pause = { .tv_nsec = 50000 };
    while (signal_all(NULL) > 0) {
        if (clock_now() >= deadline)
            return false;
        nanosleep(&pause, NULL);
        pause.tv_nsec = pause.tv_nsec < 10 * NS_PER_MS ? 2 * pause.tv_nsec : pause.tv_nsec;
    }
    return true;
}

static void end_processes(int64_t grace_ms)
{
    log_hush(true);
    store_relaxed(&settings_halting, 1); /* relaxed: each signal carries it along */
    signal_all(notice_static(TR_WHY_SHUTDOWN));
    if (await_all(grace_ms))
        return;
    do {
        signal_all(notice_static(TR_WHY_KILL)); /* again and again: one that was just being made may have been missed */
    } while (!await_all(1000));
}

API int tr_halt(int64_t grace_ms)
{
    if (worker_self() != NULL)
        return TR_EINVAL;
    pthread_mutex_lock(&lock);
    bool mine = state == SYSTEM_UP;
    if (mine)
        state = SYSTEM_STOPPING;
    pthread_mutex_unlock(&lock);
    if (!mine)
        return TR_ESTOPPED;
    struct context *own = api_enter(); /* once for all calls below: the gate is shut behind it; NULL: no memory */
    if (own == NULL)
        context_adopt(&stopper_context);
    else
        context_change(&stopper_context);
    context_shut_to_foreign();
    end_processes(grace_ms);
    os_signals_stop();
    if (own == NULL) {
        context_close(&stopper_context);
    } else {
        context_change(own);
        context_dismiss(&stopper_context);
        api_leave(own);
    }
    context_close_foreign();
    blocking_stop();
    scheduler_stop();
    store_relaxed(&settings_halting, 0);
    stop_reclaimer();
    log_hush(false);
    log_stop();
    fault_stop();
    names_close();
    context_tables_close();
    pool_system_release();
    trace_finish();
    pthread_mutex_lock(&lock);
    state = SYSTEM_DOWN;
    pthread_mutex_unlock(&lock);
    return TR_OK;
}

/* ---- the main program */

/* What the watcher of the root tells the main thread. */
static struct {
    sem_t ended;
    tr_reason reason;
} outcome;

struct main_arg {
    tr_entry *entry;
    const void *arg;
    size_t size;
};

/* Starts the root and watches it: a handler-style process, so that the root has no parent and no link that is not its
 * own. By a start function, so that an end that makes the program fail is logged, whatever its reason (PLIB-08). */
static int watcher_start(void *unused, const tr_msg *message)
{
    (void)unused;
    const struct main_arg *arg = tr_body(message);
    tr_ref monitor;
    tr_pid pid;
    const tr_start_options options = { .flags = TR_START_MONITOR, .monitor = &monitor };
    int status = tr_start_entry(arg->entry, arg->arg, arg->size, false, &options, &pid);
    if (status != TR_OK)
        return status;
    store_seq_cst(&root, pid.id); /* [SY1] before the look at stop_asked; pairs with [SY2] */
    if (load_seq_cst(&stop_asked) != 0)
        tr_exit_signal(pid, TR_SHUTDOWN);
    return TR_OK;
}

static int watcher_handle(void *unused, const tr_msg *message)
{
    (void)unused;
    if (tr_tag(message) != TR_MSG_DOWN)
        return TR_OK;
    outcome.reason = *tr_reason_of(message);
    sem_post(&outcome.ended);
    return tr_stop(TR_NORMAL);
}

static const tr_actor watcher = { .label = "main", .start = watcher_start, .handle = watcher_handle };

static void ask_to_stop(struct context *context)
{
    store_seq_cst(&stop_asked, 1); /* [SY2] before the look at root; pairs with [SY1] */
    uint64_t pid = load_seq_cst(&root);
    if (pid != 0)
        signal_exit(context, 0, pid, notice_static(TR_WHY_SHUTDOWN));
}

API void tr_shutdown(void)
{
    struct context *context = api_enter();
    if (context == NULL)
        return;
    ask_to_stop(context);
    api_leave(context);
}

/* On a worker, from the poller. */
static void on_stop(int signal_number)
{
    (void)signal_number;
    ask_to_stop(context_self());
}

static int run_root(tr_entry *entry, const void *arg, size_t size)
{
    sem_init(&outcome.ended, 0, 0);
    store_relaxed(&stop_asked, 0);
    struct context *context = api_enter();
    int status = context == NULL ? TR_ENOMEM : os_signals_start(on_stop);
    if (context != NULL)
        api_leave(context);
    if (status != TR_OK) {
        fprintf(stderr, "troupe: no descriptor for signals: raise the limit of open files (ulimit -n)\n");
        return 1;
    }
    struct main_arg main_arg = { entry, arg, size };
    tr_pid pid;
    status = tr_start_actor(&watcher, &main_arg, sizeof main_arg, NULL, &pid);
    if (status != TR_OK) {
        fprintf(stderr, "troupe: the root process can't start: %s\n", tr_status_text(status));
        return 1;
    }
    while (sem_wait(&outcome.ended) != 0)
        ; /* a signal's handler ran on this thread */
    store_relaxed(&root, 0);
    if (tr_reason_clean(&outcome.reason))
        return 0;
    /* This end is no restart: a program does not fail without a word. tr_run has said why its root could not go on. */
    char text[128];
    if (settings.quiet_restarts && outcome.reason.why != TR_WHY_START)
        tr_log_event(TR_ERROR, "crash", "the root process ended: %s",
                     tr_reason_text(&outcome.reason, text, sizeof text));
    return 1;
}

API int tr_main(const tr_config *config, tr_entry *entry, const void *arg, size_t size)
{
    int status = tr_boot(config);
    if (status != TR_OK) {
        fprintf(stderr, "troupe: the runtime can't start: %s\n",
                status == TR_EALREADY_STARTED ? "one runs in this process already" : tr_status_text(status));
        return 1;
    }
    int result = run_root(entry, arg, size);
    int stopped = tr_halt(5000);
    tr_check(stopped == TR_OK);
    sem_destroy(&outcome.ended); /* only now: its poster has ended */
    return result;
}

/* ---- what can be known of it */

API int tr_system(tr_system_info *info)
{
    struct context *context = api_enter();
    if (context == NULL)
        return TR_ESTOPPED;
    unsigned workers = load_relaxed(&scheduler.worker_count);
    *info = (tr_system_info){ .workers = settings.workers, .workers_spare = (int)workers - settings.workers };
    info->exited = context_sum(COUNT_EXITED);
    info->spawned = context_sum(COUNT_SPAWNED);
    info->processes = (size_t)(info->spawned - info->exited);
    info->messages_lost = context_sum(COUNT_LOST);
    info->log_dropped = log_dropped();
    info->memory = pool_system_counts().bytes_mapped;
    info->steals = context_sum(COUNT_STEALS);
    info->parks = context_sum(COUNT_PARKS);
    info->takeovers = context_sum(COUNT_TAKEOVERS);
    api_leave(context);
    return TR_OK;
}
