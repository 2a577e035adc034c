/* report.c: reports. They are formatted in the ending actor's own turn, because the message and the state are its own,
 * and handed to the log. */
#include "actor/report.h"

#include "actor/log.h"
#include "actor/names.h"
#include "actor/settings.h"
#include "sched/scheduler.h"

#include <stdarg.h>
#include <stdio.h>

struct tr_out {
    char *at;
    size_t left; /* with room for the NUL */
};

API void tr_print(tr_out *out, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int written = vsnprintf(out->at, out->left, format, list);
    va_end(list);
    size_t used = written < 0 ? 0 : (size_t)written < out->left ? (size_t)written : out->left - 1;
    out->at += used;
    out->left -= used;
}

/* The user's callbacks run as their code: a fault in one is contained, and the report goes without it. */
static bool begin_callback(struct actor *self)
{
    if ((self->traits & TRAIT_REPORTING) != 0)
        return false; /* this very callback has just crashed */
    self->traits |= TRAIT_REPORTING;
    runtime_leave(worker_self());
    return true;
}

static void end_callback(struct actor *self)
{
    runtime_enter(worker_self());
    self->traits &= (uint8_t)~TRAIT_REPORTING;
}

static void print_state(struct actor *self, tr_out *out)
{
    const tr_actor *behaviour = self->behaviour;
    if (behaviour->describe == NULL || !begin_callback(self))
        return;
    behaviour->describe(self->state, out);
    end_callback(self);
}

void report_describe(struct actor *self, char *out, size_t size)
{
    tr_out text = { out, size };
    out[0] = '\0';
    print_state(self, &text);
}

const char *report_kind_text(const tr_msg *message)
{
    switch (message_kind(message)) {
    case KIND_CALL: return "call";
    case KIND_CAST: return "cast";
    case KIND_CONTINUE: return "continue";
    case KIND_EXIT: return "EXIT";
    case KIND_DOWN: return "DOWN";
    default: return "message";
    }
}

/* Kind, name or tag, and the body if its type prints it. */
static void print_what(struct actor *self, const tr_msg *message, tr_out *out, bool with_size)
{
    const tr_actor *behaviour = self->behaviour;
    const tr_message_type *type = NULL;
    if (behaviour != NULL && behaviour->type_of != NULL && begin_callback(self)) {
        type = behaviour->type_of(self->state, message->tag);
        end_callback(self);
    }
    if (type != NULL && type->name != NULL)
        tr_print(out, "%s %s", report_kind_text(message), type->name);
    else
        tr_print(out, "%s tag %d", report_kind_text(message), message->tag);
    if (type != NULL && type->print != NULL && begin_callback(self)) {
        tr_print(out, " ");
        type->print(message, out);
        end_callback(self);
    } else if (with_size) {
        tr_print(out, " (%zu bytes)", tr_size(message));
    }
}

void report_name_message(struct actor *self, const tr_msg *message, char *out, size_t size)
{
    tr_out text = { out, size };
    print_what(self, message, &text, false);
}

static void print_message(struct actor *self, const tr_msg *message, tr_out *out)
{
    if (message == NULL || message_kind(message) == KIND_START || message_kind(message) == KIND_SYSTEM)
        return;
    tr_print(out, ", last message: ");
    print_what(self, message, out, true);
}

static void print_who(struct actor *self, tr_out *out)
{
    char name[64];
    names_copy(self, name, sizeof name);
    if (name[0] != '\0')
        tr_print(out, "%s \"%s\" %s", actor_label(self), name, tr_pid_text((tr_pid){ self->pid }).s);
    else
        tr_print(out, "%s %s", actor_label(self), tr_pid_text((tr_pid){ self->pid }).s);
}

/* LOG-01 */
static void report_terminate(struct actor *self, const char *reason)
{
    char text[800];
    tr_out out = { text, sizeof text };
    print_who(self, &out);
    tr_print(&out, " terminates: %s", reason);
    print_message(self, self->current, &out);
    char state[256];
    report_describe(self, state, sizeof state);
    if (state[0] != '\0')
        tr_print(&out, ", state: %s", state);
    log_write(self, TR_ERROR, "terminate", text);
}

/* LOG-02 */
static void report_crash(struct actor *self, const char *reason)
{
    char text[800];
    tr_out out = { text, sizeof text };
    print_who(self, &out);
    tr_print(&out, " crashed: %s", reason);
    if (self->behaviour == NULL)
        print_message(self, self->cold == NULL ? NULL : self->cold->received, &out);
    tr_print(&out, "; %u messages handled, traps exits: %s", self->turns, actor_traps(self) ? "yes" : "no");
    if (self->parent != 0)
        tr_print(&out, ", parent %s", tr_pid_text((tr_pid){ self->parent }).s);
    log_write(self, TR_ERROR, "crash", text);
}

/* Whether an end is a runtime error, not a tr_exit with a reason of the user's (LOG-03). */
static bool is_error(const tr_reason *reason)
{
    return reason->why == TR_WHY_UNEXPECTED || reason->why == TR_WHY_ASSERT || reason->why == TR_WHY_FAULT ||
           reason->why == TR_WHY_STATUS || reason->why == TR_WHY_BAD_RETURN || reason->why == TR_WHY_SYSTEM_LIMIT;
}

void report_end_slow(struct actor *self, const struct notice *notice)
{
    const tr_reason *cause = &notice->reason;
    if (settings.quiet_restarts)
        return;
    if (self->behaviour == NULL && (self->traits & TRAIT_PROTOCOL) == 0 && !is_error(cause))
        return;
    char reason[128];
    tr_reason_text(cause, reason, sizeof reason);
    if (self->behaviour != NULL && self->life != LIFE_STARTING)
        report_terminate(self, reason);
    report_crash(self, reason);
    if (cause->why == TR_WHY_FAULT && notice->detail_size > 0)
        log_write(self, TR_ERROR, "backtrace", notice->detail);
}

static bool memory_told; /* the watchdog's while the runtime runs */

void report_memory_start(void) { memory_told = false; }

void report_memory(void)
{
    if (settings.memory_high_water == 0 || memory_told)
        return;
    size_t mapped = pool_system_counts().bytes_mapped;
    if (mapped < settings.memory_high_water)
        return;
    memory_told = true;
    char text[160];
    snprintf(text, sizeof text, "the runtime's pools have grown to %zu bytes; memory_high_water is %zu", mapped,
             settings.memory_high_water);
    log_write(NULL, TR_WARNING, "memory", text);
}

void report_pinned(struct actor *self, unsigned home)
{
    if (load_relaxed(&load_acquire(&scheduler.workers[home])->revoked) == REVOKED_NOT || !log_wanted(TR_WARNING))
        return;
    char text[256];
    tr_out out = { text, sizeof text };
    print_who(self, &out);
    tr_print(&out, " is pinned to worker %u, which is stuck in a long turn: it waits", home);
    log_write(self, TR_WARNING, "pinned", text);
}

void report_slow(struct task *task, unsigned worker, int64_t turn_ms)
{
    (void)task; /* it may end at this moment: not looked at */
    char text[256], pinned[64] = "";
    struct worker *in_turn = load_acquire(&scheduler.workers[worker]);
    unsigned waiting = inject_count(&in_turn->pinned);
    bool replaced = load_relaxed(&in_turn->revoked) != REVOKED_NOT; /* relaxed: for people */
    if (waiting > 0)
        snprintf(pinned, sizeof pinned, " (%u pinned to it wait)", waiting);
    snprintf(
        text, sizeof text,
        "worker %u has been in one turn for %lld ms%s%s. Let long work yield (tr_yield), or give it to tr_blocking",
        worker, (long long)turn_ms, replaced ? "; another goes on in its place" : "", pinned);
    log_write(NULL, TR_WARNING, "slow", text);
}
