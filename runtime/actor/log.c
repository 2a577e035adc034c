/* log.c: the log.
 *
 * A ring of LOG_RECORDS under a lock that is held for a copy; full: the record is dropped and counted, and the sink
 * hears of it in its turn. The sink is the user's, so it runs on the logger's thread: it may be slow, but blocks and
 * crashes no process (LOG-05). Before the runtime starts and after it stops a record goes to stderr at once. */
#include "actor/log.h"

#include "actor/names.h"
#include "actor/settings.h"
#include "base/clock.h"
#include "memory/source.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

enum { LOG_RECORDS = 1024, LOG_TEXT = 900 };

struct tr_config settings;
_Atomic uint32_t settings_halting;

struct record {
    tr_level level;
    int64_t time_ns;
    tr_pid pid;
    const char *event;
    char label[48], name[64], text[LOG_TEXT];
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled, emptied;
    pthread_t thread;
    struct record *ring;               /* (l) NULL: the log does not run */
    uint64_t written, taken, finished; /* (l) counts of records */
    uint64_t dropped, dropped_told;    /* (l) */
    bool end;                          /* (l) */
} logger = { .lock = PTHREAD_MUTEX_INITIALIZER,
             .filled = PTHREAD_COND_INITIALIZER,
             .emptied = PTHREAD_COND_INITIALIZER };

static const char *level_text(tr_level level)
{
    static const char *const texts[] = { "", "debug", "info", "warning", "error" };
    return texts[level <= TR_ERROR ? level : 0]; /* log_wanted has let it pass, so it is at least TR_DEBUG */
}

/* The sink that is used when the user has none. */
static void to_stderr(const tr_log_record *record, void *unused)
{
    (void)unused;
    char when[32];
    time_t seconds = (time_t)(record->time_ns / NS_PER_S);
    struct tm broken;
    strftime(when, sizeof when, "%H:%M:%S", localtime_r(&seconds, &broken));
    fprintf(stderr, "%s.%03d %s %s%s%s%s: %s\n", when, (int)(record->time_ns / NS_PER_MS % 1000),
            level_text(record->level), record->event, record->name[0] != '\0' ? " \"" : "", record->name,
            record->name[0] != '\0' ? "\"" : "", record->text);
}

static void give_to(void (*sink)(const tr_log_record *record, void *arg), const struct record *record)
{
    tr_log_record shown = { record->level, record->time_ns, record->pid, record->label,
                            record->name,  record->event,   record->text };
    sink(&shown, settings.log_arg);
}

static void give_to_sink(const struct record *record)
{
    give_to(settings.log != NULL ? settings.log : to_stderr, record);
}

static void tell_dropped(uint64_t count)
{
    struct record record = { .level = TR_WARNING, .time_ns = clock_wall(), .event = "lost" };
    snprintf(record.text, sizeof record.text, "%llu log records were dropped: the sink is too slow",
             (unsigned long long)count);
    give_to_sink(&record);
}

static void *run_logger(void *unused)
{
    (void)unused;
    static struct record record; /* only this thread */
    pthread_mutex_lock(&logger.lock);
    for (;;) {
        while (logger.taken == logger.written && !logger.end)
            pthread_cond_wait(&logger.filled, &logger.lock);
        if (logger.taken == logger.written)
            break;
        record = logger.ring[logger.taken % LOG_RECORDS];
        logger.taken++;
        uint64_t lost = logger.dropped - logger.dropped_told;
        logger.dropped_told = logger.dropped;
        pthread_mutex_unlock(&logger.lock);
        if (lost > 0)
            tell_dropped(lost);
        give_to_sink(&record);
        pthread_mutex_lock(&logger.lock);
        logger.finished++;
        pthread_cond_broadcast(&logger.emptied);
    }
    pthread_mutex_unlock(&logger.lock);
    return NULL;
}

bool log_start(void)
{
    struct record *ring = source_alloc(LOG_RECORDS * sizeof *ring);
    if (ring == NULL)
        return false;
    pthread_mutex_lock(&logger.lock);
    logger.ring = ring;
    logger.end = false;
    logger.dropped = logger.dropped_told = 0;
    bool good = pthread_create(&logger.thread, NULL, run_logger, NULL) == 0;
    if (!good)
        logger.ring = NULL;
    pthread_mutex_unlock(&logger.lock);
    if (!good)
        source_free(ring);
    return good;
}

void log_stop(void)
{
    pthread_mutex_lock(&logger.lock);
    logger.end = true;
    pthread_cond_signal(&logger.filled);
    pthread_mutex_unlock(&logger.lock);
    pthread_join(logger.thread, NULL);
    pthread_mutex_lock(&logger.lock);
    source_free(logger.ring);
    logger.ring = NULL;
    pthread_mutex_unlock(&logger.lock);
}

void log_forget(void)
{
    pthread_mutex_init(&logger.lock, NULL); /* whoever held it is in the parent */
    logger.ring = NULL;
}

static _Atomic uint32_t hushed;

void log_hush(bool on) { store_relaxed(&hushed, on); }

bool log_wanted(tr_level level) { return level >= (settings.log_level == 0 ? TR_WARNING : settings.log_level); }

uint64_t log_dropped(void)
{
    pthread_mutex_lock(&logger.lock);
    uint64_t dropped = logger.dropped;
    pthread_mutex_unlock(&logger.lock);
    return dropped;
}

static void fill(struct record *record, struct actor *actor, tr_level level, const char *event, const char *text)
{
    record->level = level;
    record->time_ns = clock_wall();
    record->event = event;
    record->pid = (tr_pid){ actor == NULL ? 0 : actor->pid };
    snprintf(record->label, sizeof record->label, "%s", actor == NULL ? "" : actor_label(actor));
    record->name[0] = '\0';
    if (actor != NULL)
        names_copy(actor, record->name, sizeof record->name);
    snprintf(record->text, sizeof record->text, "%s", text);
}

void log_write(struct actor *actor, tr_level level, const char *event, const char *text)
{
    if (!log_wanted(level))
        return;
    pthread_mutex_lock(&logger.lock);
    if (logger.ring == NULL) {
        struct record record;
        fill(&record, actor, level, event, text);
        give_to(to_stderr, &record);
    } else if (logger.written - logger.taken == LOG_RECORDS) {
        logger.dropped++;
    } else {
        fill(&logger.ring[logger.written % LOG_RECORDS], actor, level, event, text);
        logger.written++;
        pthread_cond_signal(&logger.filled);
    }
    pthread_mutex_unlock(&logger.lock);
}

/* ---- the public functions */

/* The events of supervisors (LOG-04), which tr_config.quiet_restarts turns off together with crash reports. */
static bool is_report(const char *event)
{
    static const char *const reports[] = { "progress", "child_terminated", "start_error", "shutdown_error",
                                           "shutdown" };
    for (size_t i = 0; i < TR_COUNT(reports); i++)
        if (strcmp(event, reports[i]) == 0)
            return true;
    return false;
}

API bool tr_log_wanted(tr_level level, const char *event)
{
    return log_wanted(level) && !((settings.quiet_restarts || load_relaxed(&hushed) != 0) && is_report(event));
}

static void write_list(tr_level level, const char *event, const char *format, va_list list)
{
    if (!tr_log_wanted(level, event))
        return;
    char text[LOG_TEXT];
    vsnprintf(text, sizeof text, format, list);
    struct context *context = api_enter();
    log_write(context == NULL ? NULL : actor_here(context), level, event, text);
    if (context != NULL)
        api_leave(context);
}

API void tr_log(tr_level level, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    write_list(level, "log", format, list);
    va_end(list);
}

API void tr_log_event(tr_level level, const char *event, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    write_list(level, event, format, list);
    va_end(list);
}

API void tr_log_flush(void)
{
    struct context *context = api_enter(); /* a fault in the sink is on the logger's thread, not here */
    pthread_mutex_lock(&logger.lock);
    uint64_t until = logger.written;
    while (logger.ring != NULL && logger.finished < until)
        pthread_cond_wait(&logger.emptied, &logger.lock);
    pthread_mutex_unlock(&logger.lock);
    if (context != NULL)
        api_leave(context);
}
