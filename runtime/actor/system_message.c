/* system_message.c: system messages, both ends. */
#include "actor/system_message.h"

#include "actor/call.h"
#include "actor/end.h"
#include "actor/handler.h"
#include "actor/names.h"
#include "actor/report.h"
#include "actor/wait.h"

#include <stdio.h>

enum operation {
    SYSTEM_SUSPEND = 1,
    SYSTEM_RESUME,
    SYSTEM_GET_STATE,
    SYSTEM_REPLACE_STATE,
    SYSTEM_STATUS,
    SYSTEM_STOP
};

/* The body of REPLACE_STATE, then the argument. */
struct replacement {
    int (*change)(void *state, const void *arg);
};

/* ---- in the actor */

static size_t visible_state(struct actor *self, char **state)
{
    *state = self->state + self->behaviour->state_offset;
    return self->state_size - self->behaviour->state_offset;
}

static void set_suspended(struct context *context, struct actor *self, tr_msg *request, bool on)
{
    self->traits = (uint8_t)(on ? self->traits | TRAIT_SUSPENDED : self->traits & ~TRAIT_SUSPENDED);
    if (self->cold->idle_on && on)
        store_relaxed(&self->cold->deadline, NEVER); /* GS-10: while suspended the timeout does not run */
    call_answer_bytes(context, request, NULL, 0);
}

static void answer_change(struct context *context, struct actor *self, int status)
{
    int32_t answer = status == TR_OK || status == TR_ENOMEM ? status : TR_ECALLBACK;
    if (self->cold->changing != NULL)
        message_free(context, self->cold->changing);
    self->cold->changing = NULL;
    self->traits &= (uint8_t)~TRAIT_CHANGING;
    call_answer_bytes(context, self->current, &answer, sizeof answer);
}

/* Runs the user's function on a copy of the state: if it does not come back, the state is unchanged. */
static void replace_state(struct context *context, struct actor *self, tr_msg *request)
{
    const struct replacement *replacement = message_body(request);
    char *state;
    size_t size = visible_state(self, &state);
    tr_msg *copy = self->cold->changing = message_copy(context, state, size);
    int status = TR_ENOMEM;
    if (copy != NULL) {
        self->traits |= TRAIT_CHANGING;
        runtime_leave(context->worker);
        status = replacement->change(message_body(copy), replacement + 1);
        context = context_self();
        runtime_enter(context->worker);
        if (status == TR_OK)
            memcpy(state, message_body(copy), size);
    }
    answer_change(context, self, status);
}

static void restart_idle(struct actor *self)
{
    if (self->cold->idle_on && !actor_is_suspended(self)) /* GS-10 */
        store_relaxed(&self->cold->deadline, deadline_after(clock_now(), self->cold->idle_ms));
}

void system_message_change_failed(void *argument)
{
    struct actor *self = argument;
    struct worker *worker = worker_self();
    store_relaxed(&worker->current, &self->task);
    worker->critical = 0;
    answer_change(&worker->context, self, TR_ECALLBACK);
    restart_idle(self);
    struct context *context = handler_finish(self);
    schedule_last(context, &self->task); /* it still has the token: its turn goes on */
}

static void answer_status(struct context *context, struct actor *self, tr_msg *request)
{
    tr_status_info info = { .pid = { self->pid }, .parent = { self->parent }, .suspended = actor_is_suspended(self) };
    snprintf(info.label, sizeof info.label, "%s", actor_label(self));
    names_copy(self, info.name, sizeof info.name);
    report_describe(self, info.state, sizeof info.state);
    call_answer_bytes(context, request, &info, sizeof info);
}

bool system_message_handle(struct context *context, struct actor *self, tr_msg *request)
{
    char *state;
    size_t size = visible_state(self, &state);
    actor_cold_or_exit(context, self);
    switch (request->tag) {
    case SYSTEM_SUSPEND: set_suspended(context, self, request, true); break;
    case SYSTEM_RESUME: set_suspended(context, self, request, false); break;
    case SYSTEM_GET_STATE: call_answer_bytes(context, request, state, size); break;
    case SYSTEM_REPLACE_STATE: replace_state(context, self, request); break;
    case SYSTEM_STATUS: answer_status(context, self, request); break;
    default: /* GS-36; who asked learns of it by the end of the process */
        actor_stop(self, notice_new(context, message_body(request), NULL, 0));
        return false;
    }
    restart_idle(self);
    return true;
}

/* ---- the callers */

static int ask(tr_pid pid, enum operation operation, const void *body, size_t size, int64_t timeout_ms, tr_msg **reply)
{
    if (timeout_ms < TR_INFINITY)
        return TR_EINVAL;
    struct context *context = api_enter();
    if (context == NULL)
        return TR_ESTOPPED;
    int status = call_request(pid, KIND_SYSTEM, (int)operation, body, size, timeout_ms, reply);
    api_leave(context_self());
    return status;
}

/* Takes the answer of exactly this size. */
static int take_answer(int status, tr_msg *reply, void *out, size_t size)
{
    if (status != TR_OK)
        return status;
    if (message_size(reply) != size)
        status = TR_ESIZE;
    else if (size > 0)
        memcpy(out, message_body(reply), size);
    tr_drop(reply);
    return status;
}

API int tr_suspend(tr_pid pid, int64_t timeout_ms)
{
    tr_msg *reply = NULL;
    int status = ask(pid, SYSTEM_SUSPEND, NULL, 0, timeout_ms, &reply);
    return take_answer(status, reply, NULL, 0);
}

API int tr_resume(tr_pid pid, int64_t timeout_ms)
{
    tr_msg *reply = NULL;
    int status = ask(pid, SYSTEM_RESUME, NULL, 0, timeout_ms, &reply);
    return take_answer(status, reply, NULL, 0);
}

API int tr_get_state(tr_pid pid, void *state, size_t size, int64_t timeout_ms)
{
    tr_msg *reply = NULL;
    int status = ask(pid, SYSTEM_GET_STATE, NULL, 0, timeout_ms, &reply);
    return take_answer(status, reply, state, size);
}

API int tr_replace_state(tr_pid pid, int (*change)(void *state, const void *arg), const void *arg, size_t size,
                         int64_t timeout_ms)
{
    struct context *context = api_enter();
    if (context == NULL)
        return TR_ESTOPPED;
    bool fits = size <= SIZE_MAX - sizeof(struct replacement);
    tr_msg *body = fits ? message_new(context, sizeof(struct replacement) + size) : NULL;
    api_leave(context);
    if (body == NULL)
        return TR_ENOMEM;
    *(struct replacement *)message_body(body) = (struct replacement){ change };
    if (size > 0)
        memcpy((struct replacement *)message_body(body) + 1, arg, size);
    tr_msg *reply = NULL;
    int32_t answer = TR_OK;
    int status = ask(pid, SYSTEM_REPLACE_STATE, message_body(body), message_size(body), timeout_ms, &reply);
    tr_drop(body);
    status = take_answer(status, reply, &answer, sizeof answer);
    return status == TR_OK ? answer : status;
}

API int tr_get_status(tr_pid pid, tr_status_info *info, int64_t timeout_ms)
{
    tr_msg *reply = NULL;
    int status = ask(pid, SYSTEM_STATUS, NULL, 0, timeout_ms, &reply);
    return take_answer(status, reply, info, sizeof *info);
}

API int tr_stop_server(tr_pid server, tr_reason reason, int64_t timeout_ms)
{
    tr_msg *reply = NULL;
    int status = ask(server, SYSTEM_STOP, &reason, sizeof reason, timeout_ms, &reply); /* never answered */
    return status == TR_EDOWN && tr_reason_same(tr_last_reason(), &reason) ? TR_OK : status;
}
