/* stop.c: the dispositions that carry data: stored in the process, counted only if the callback returns them. */
#include "actor/call.h"
#include "actor/end.h"
#include "actor/foreign.h"
#include "actor/handler.h"
#include "actor/report.h"

#include <stdio.h>

static struct actor *caller(struct context *context, const char *function)
{
    struct actor *self = context == NULL ? NULL : actor_here(context);
    if (self == NULL)
        misuse(function, "only a callback of a process returns a disposition");
    return self;
}

static struct cold *cold_of_caller(struct context *context, const char *function)
{
    return actor_cold_or_exit(context, caller(context, function));
}

/* While it ends already the reason stands. */
static void set_stop(struct context *context, struct actor *self, const tr_reason *reason)
{
    if ((self->traits & TRAIT_ENDING) != 0)
        return;
    notice_drop(context, self->ending);
    self->ending = notice_new(context, reason, NULL, 0);
}

/* What a tr_stop_reply before has stored. */
static void drop_stop_reply(struct context *context, struct actor *self)
{
    if (self->cold == NULL || self->cold->stop_reply == NULL)
        return;
    message_free(context, self->cold->stop_reply);
    self->cold->stop_reply = NULL;
}

static NOINLINE int stop_for(const tr_reason *reason)
{
    struct context *context = api_enter();
    struct actor *self = caller(context, "tr_stop");
    set_stop(context, self, reason);
    if ((self->traits & TRAIT_ENDING) == 0) /* else the one that was returned stands */
        drop_stop_reply(context, self);
    api_leave(context);
    return DISPOSITION_STOP;
}

API int tr_stop(tr_reason reason)
{
    struct context *context = context_self();
    struct actor *self = context == NULL ? NULL : actor_here(context);
    bool normal = reason.why == TR_WHY_NORMAL && reason.code == 0 && reason.text[0] == '\0';
    /* without a reason yet it does not end yet, without a cold part no reply is stored: nothing but one word is
     * written */
    if (UNLIKELY(self == NULL || !normal || self->ending != NULL || self->cold != NULL))
        return stop_for(&reason);
    self->ending = &notice_normal;
    return DISPOSITION_STOP;
}

API int tr_stop_reply(tr_reason reason, tr_from from, const void *body, size_t size)
{
    struct context *context = api_enter();
    struct cold *cold = cold_of_caller(context, "tr_stop_reply");
    set_stop(context, cold->actor, &reason);
    if ((cold->actor->traits & TRAIT_ENDING) == 0) {
        drop_stop_reply(context, cold->actor);
        cold->stop_reply = message_copy(context, body, size);
        cold->stop_reply_to = from;
        if (cold->stop_reply != NULL)
            message_set_kind(cold->stop_reply, KIND_REPLY);
    }
    api_leave(context);
    return DISPOSITION_STOP;
}

API int tr_idle(int64_t ms)
{
    struct context *context = api_enter();
    cold_of_caller(context, "tr_idle")->idle_ms = ms;
    api_leave(context);
    return ms < TR_INFINITY ? TR_EINVAL : DISPOSITION_IDLE;
}

API int tr_continue(int tag, const void *body, size_t size)
{
    struct context *context = api_enter();
    struct cold *cold = cold_of_caller(context, "tr_continue");
    tr_msg *message = tag < 1 ? NULL : message_copy(context, body, size);
    if (message != NULL) {
        message->tag = tag;
        message->sender = cold->actor->pid;
        message_set_kind(message, KIND_CONTINUE);
        if (cold->continued != NULL)
            message_free(context, cold->continued);
        cold->continued = message;
    }
    api_leave(context);
    return message != NULL ? DISPOSITION_CONTINUE : tag < 1 ? TR_EINVAL : TR_ENOMEM;
}

API int tr_unexpected(const tr_msg *message)
{
    struct context *context = api_enter();
    struct actor *self = caller(context, "tr_unexpected");
    tr_reason reason = { .why = TR_WHY_UNEXPECTED, .code = message->tag };
    report_name_message(self, message, reason.text, sizeof reason.text);
    context = context_self();
    set_stop(context, self, &reason);
    api_leave(context);
    return DISPOSITION_CRASH;
}

/* ---- for those who write behaviours */

API const tr_reason *tr_stop_reason(int disposition)
{
    struct context *context = context_self();
    struct actor *self = context == NULL ? NULL : actor_here(context);
    if ((disposition != DISPOSITION_STOP && disposition != DISPOSITION_CRASH) || self == NULL || self->ending == NULL)
        return NULL;
    return &self->ending->reason;
}

API int tr_fail(int status, const tr_reason *reason)
{
    struct context *context = api_enter();
    struct actor *self = context == NULL ? NULL : actor_here(context);
    if (self == NULL && context != NULL)
        self = foreign_proxy(context);
    if (self != NULL && actor_cold(context, self) != NULL)
        call_set_last(context, self, notice_new(context, reason, NULL, 0));
    if (context != NULL)
        api_leave(context);
    return status;
}
