/* behaviour.h: what the behaviour tests share: a root process to stand in, a record of what happened, and children that
 * do as they are told.
 *
 *     static void body(void) { ... CHECK_STR(happened(), "+a +b -b -a"); }
 *     TEST(supervisor, ends_children_in_reverse_order) { run(body); }
 *
 * `run` runs the body as the root process, once on one worker and once on more workers than this machine has cores;
 * each time nothing has happened yet and nothing is planned. */
#ifndef TROUPE_TESTS_BEHAVIOUR_H
#define TROUPE_TESTS_BEHAVIOUR_H

#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <troupe/troupe.h>

#include "harness.h"

#define UNUSED __attribute__((unused))

/* ---- what happened: words in the order in which they were noted, by anybody */

static struct {
    pthread_mutex_t lock;
    size_t used;
    char text[4096];
} history = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* What does not fit any more is left out. */
UNUSED __attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    char word[64];
    va_list arguments;
    va_start(arguments, format);
    size_t size = (size_t)vsnprintf(word, sizeof word, format, arguments);
    va_end(arguments);
    CHECK(size < sizeof word);
    pthread_mutex_lock(&history.lock);
    if (history.used + size + 2 <= sizeof history.text) {
        if (history.used > 0)
            history.text[history.used++] = ' ';
        memcpy(history.text + history.used, word, size + 1);
        history.used += size;
    }
    pthread_mutex_unlock(&history.lock);
}

/* All that was noted since the last call. */
UNUSED static const char *happened(void)
{
    static char text[sizeof history.text];
    pthread_mutex_lock(&history.lock);
    memcpy(text, history.text, history.used + 1);
    history.used = 0;
    history.text[0] = '\0';
    pthread_mutex_unlock(&history.lock);
    return text;
}

/* Waits until these words are all that happened, and forgets them. */
UNUSED static void await_words(const char *words)
{
    for (bool same = false; !same; tr_sleep(1)) {
        pthread_mutex_lock(&history.lock);
        same = strcmp(history.text, words) == 0;
        pthread_mutex_unlock(&history.lock);
    }
    happened();
}

/* ---- what was logged */

struct logged {
    tr_level level;
    tr_pid pid;
    char label[48], name[64], event[32], text[1024];
};

static struct {
    size_t count;
    struct logged records[128];
} journal;

static void take_record(const tr_log_record *record, void *arg)
{
    (void)arg;
    if (journal.count == sizeof journal.records / sizeof *journal.records)
        return;
    struct logged *logged = &journal.records[journal.count++];
    logged->level = record->level;
    logged->pid = record->pid;
    snprintf(logged->label, sizeof logged->label, "%s", record->label);
    snprintf(logged->name, sizeof logged->name, "%s", record->name);
    snprintf(logged->event, sizeof logged->event, "%s", record->event);
    snprintf(logged->text, sizeof logged->text, "%s", record->text);
}

/* How many records of this event there are by now, and the latest of them. */
UNUSED static size_t logged(const char *event, const struct logged **latest)
{
    size_t count = 0;
    tr_log_flush();
    for (size_t i = 0; i < journal.count; i++)
        if (strcmp(journal.records[i].event, event) == 0) {
            count++;
            if (latest != NULL)
                *latest = &journal.records[i];
        }
    return count;
}

/* ---- plans: what the next inits of a child do; "" is every child's */

enum outcome { START_OK, START_IGNORE, START_STOP, START_STOP_NORMAL, START_CRASH, START_EXIT };

static struct {
    char id[16];
    enum outcome outcome;
    int times;
} plan;

/* The next `times` inits of the child have this outcome. Set while nothing starts. */
UNUSED static void plan_start(const char *id, enum outcome outcome, int times)
{
    snprintf(plan.id, sizeof plan.id, "%s", id);
    plan.outcome = outcome;
    plan.times = times;
}

static enum outcome planned(const char *id)
{
    if (plan.times == 0 || (plan.id[0] != '\0' && strcmp(plan.id, id) != 0))
        return START_OK;
    plan.times--;
    return plan.outcome;
}

/* ---- running */

static void (*the_body)(void);

static void enter_body(const tr_msg *arg)
{
    (void)arg;
    the_body();
}

/* With settings: the log is collected unless they say otherwise; that the machine is slow is no record of it. */
UNUSED static void run_with(tr_config config, void (*body)(void))
{
    if (config.log == NULL)
        config.log = take_record;
    if (config.slow_turn_ms == 0 && !HARNESS_SIMULATED)
        config.slow_turn_ms = TR_INFINITY;
    the_body = body;
    history.used = 0;
    history.text[0] = '\0';
    journal.count = 0;
    plan.times = 0;
    CHECK_EQ(tr_main(&config, enter_body, NULL, 0), 0);
}

UNUSED static void run(void (*body)(void))
{
    run_with((tr_config){ .workers = 1 }, body);
    run_with((tr_config){ .workers = 8 }, body);
}

/* ---- children: start argument is their id; they note "+id" in init and "-id" in terminate */

enum { ECHO = 1, CRASH, STOP_NORMAL, STOP_SHUTDOWN, STOP_BAD, WHO };

struct who {
    char id[16];
};

static int child_init(void *state, const tr_msg *arg)
{
    struct who *child = state;
    if (tr_size(arg) > 0)
        snprintf(child->id, sizeof child->id, "%s", tr_string(arg));
    switch (planned(child->id)) {
    case START_OK: break;
    case START_IGNORE: note("?%s", child->id); return TR_IGNORE;
    case START_STOP: note("!%s", child->id); return tr_stop(tr_because(TR_WHY_USER, 1, "told to"));
    case START_STOP_NORMAL: note("!%s", child->id); return tr_stop(TR_NORMAL);
    case START_CRASH:
        note("!%s", child->id);
        tr_assert(plan.times < 0);
        break;
    case START_EXIT: note("!%s", child->id); tr_exit(tr_because(TR_WHY_USER, 2, "exit"));
    }
    note("+%s", child->id);
    return TR_OK;
}

static int child_do(const tr_msg *message)
{
    switch (tr_tag(message)) {
    case STOP_NORMAL: return tr_stop(TR_NORMAL);
    case STOP_SHUTDOWN: return tr_stop(TR_SHUTDOWN);
    case STOP_BAD: return tr_stop(tr_because(TR_WHY_USER, 3, "bad"));
    default: return tr_unexpected(message);
    }
}

static int child_call(void *state, const tr_msg *request, tr_from from)
{
    if (tr_tag(request) == ECHO)
        return tr_reply(from, tr_body(request), tr_size(request));
    if (tr_tag(request) == WHO)
        return tr_reply(from, state, sizeof(struct who));
    return child_do(request);
}

static int child_cast(void *state, const tr_msg *message)
{
    (void)state;
    return child_do(message);
}

static int child_info(void *state, const tr_msg *message)
{
    struct who *child = state;
    note("%s:%d", child->id, tr_tag(message));
    return TR_OK;
}

static void child_terminate(void *state, const tr_reason *reason)
{
    struct who *child = state;
    (void)reason;
    note("-%s", child->id);
}

/* Dies of exit signals at once, without its terminate. */
UNUSED static const tr_gen_server simple = { .label = "simple",
                                             .state_size = sizeof(struct who),
                                             .init = child_init,
                                             .handle_call = child_call,
                                             .handle_cast = child_cast,
                                             .handle_info = child_info,
                                             .terminate = child_terminate };
/* Traps exits, so its terminate runs. */
UNUSED static const tr_gen_server trapper = { .label = "trapper",
                                              .state_size = sizeof(struct who),
                                              .trap_exit = true,
                                              .init = child_init,
                                              .handle_call = child_call,
                                              .handle_cast = child_cast,
                                              .handle_info = child_info,
                                              .terminate = child_terminate };

/* The fields of a child that is one of them, known and registered as `id_`. */
#define AS(server_, id_) .name = id_, .server = &(server_), .arg = id_, .arg_size = sizeof id_

/* ---- shorthands */

/* Starts a supervisor linked to the caller, which traps exits from now on. */
UNUSED static tr_pid start_supervisor(const tr_supervisor *spec)
{
    tr_pid pid = { 0 };
    tr_trap_exit(true);
    CHECK_EQ(tr_start_link(&(tr_child){ .supervisor = spec }, &pid), TR_OK);
    return pid;
}

/* Sends an exit signal and waits until its receiver has ended: after that its supervisor has the EXIT (EXIT-12). */
UNUSED static void end_with(tr_pid pid, tr_reason reason)
{
    tr_ref monitor = tr_monitor(pid);
    tr_exit_signal(pid, reason);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, NULL), TR_OK);
}

/* Tells a child by a cast to end as the tag says, and waits until it has. */
UNUSED static void end_by(tr_pid pid, int tag)
{
    tr_ref monitor = tr_monitor(pid);
    tr_cast(pid, tag, NULL, 0);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, NULL), TR_OK);
}

/* Returns when the supervisor has dealt with all it was sent, retries that it sent to itself included. */
UNUSED static void settle(tr_pid supervisor)
{
    tr_child_counts counts;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(tr_count_children(supervisor, &counts), TR_OK);
}

/* Waits for the EXIT of a linked process. */
UNUSED static tr_reason await_exit(tr_pid pid)
{
    const tr_msg *message = tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT, .from = pid }, TR_INFINITY);
    return *tr_reason_of(message);
}

/* Whether nothing is in the caller's mailbox. */
UNUSED static bool mailbox_empty(void) { return tr_receive(0) == NULL; }

/* Ends a linked process with shutdown, as its parent, and takes its EXIT. */
UNUSED static void shut(tr_pid pid)
{
    tr_exit_signal(pid, TR_SHUTDOWN);
    await_exit(pid);
}

#endif
