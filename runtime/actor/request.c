/* request.c: the public functions for replies and asynchronous requests; call.c has the calls. */
#include "actor/call.h"
#include "actor/end.h"
#include "actor/mailbound.h"
#include "actor/receive.h"
#include "actor/relation.h"
#include "actor/signal.h"
#include "actor/wait.h"

/* ---- replies */

/* The request in the calling process's hands is answered by this: nothing will be owed. */
static ALWAYS_INLINE void mark_answered(struct actor *self, uint64_t caller, uint64_t serial)
{
    tr_msg *message = self->current;
    if (LIKELY(message != NULL && message->serial == serial && message->sender == caller))
        message_flag(message, MESSAGE_DONE);
    else if (self->cold != NULL && (message = self->cold->received) != NULL && message->serial == serial &&
             message->sender == caller)
        message_flag(message, MESSAGE_DONE);
}

/* The two words apart: as a struct, compilers write them one by one and read them back as a vector, which stalls. */
static ALWAYS_INLINE int reply(struct context *context, uint64_t caller, uint64_t serial, tr_msg *message)
{
    struct actor *self = actor_here(context);
    if (message == NULL) {
        context_count(context, COUNT_LOST);
        if (self != NULL)
            mark_answered(self, caller, serial);
        call_fail_memory(context, caller, serial);
        return TR_OK;
    }
    if (LIKELY(self != NULL))
        mark_answered(self, caller, serial);
    message->sender = self == NULL ? 0 : self->pid;
    message_set_kind(message, KIND_REPLY);
    call_answer(context, caller, serial, message);
    return TR_OK;
}

API int tr_reply(tr_from from, const void *body, size_t size)
{
    struct context *context = api_enter();
    if (UNLIKELY(context == NULL))
        return TR_OK;
    reply(context, from.caller.id, from.serial, message_copy(context, body, size));
    api_leave(context);
    return TR_OK;
}

API int tr_reply_give(tr_from from, tr_msg *message)
{
    struct context *context = message == NULL ? NULL : api_enter();
    if (context != NULL) {
        reply(context, from.caller.id, from.serial, message);
        api_leave(context);
    }
    return TR_OK;
}

/* ---- asynchronous requests */

/* The request could not be sent (no room, no memory, a bad tag): its response is a DOWN of system_limit, from nobody.
 * */
static void refuse(struct context *context, struct actor *self, tr_ref ref)
{
    context_count(context, COUNT_LOST);
    relation_demonitor(context, self, ref.serial, true);
    tr_msg *down = message_with_notice(context, KIND_EXIT, 0, notice_static(TR_WHY_SYSTEM_LIMIT));
    if (down == NULL)
        actor_exit(self, notice_static(TR_WHY_SYSTEM_LIMIT), true);
    down->tag = TR_MSG_DOWN;
    down->serial = ref.serial;
    self->cold->stray_downs++;
    deliver_to(context, self, down);
}

API tr_ref tr_send_request(tr_pid server, int tag, const void *body, size_t size)
{
    struct actor *self = actor_self();
    if (self == NULL)
        return (tr_ref){ 0, 0 };
    tr_ref ref = tr_monitor_alias(server, TR_ALIAS_REPLY);
    struct context *context = api_enter();
    tr_msg *message = tag < 1 ? NULL : message_copy(context, body, size);
    bool full = message == NULL;
    if (message != NULL) {
        message->sender = self->pid;
        message->serial = ref.serial | REF_ALIAS_BIT;
        message->tag = tag;
        message_set_kind(message, KIND_CALL);
        read_begin();
        uint64_t pid = actor_resolve(server);
        struct actor *actor = actor_find(pid);
        if (actor != NULL && mailbound_take(context, actor, size) == TR_OK) {
            if ((load_relaxed(&actor->flags) & ACTOR_BOUNDED) != 0)
                message_flag(message, MESSAGE_COUNTED);
            deliver_to(context, actor, message);
        } else {
            message_free(context, message);
            full = actor != NULL;
        }
        read_end();
    }
    if (full)
        refuse(context, self, ref);
    api_leave(context);
    return ref;
}

API int tr_check_response(const tr_msg *message, tr_ref request, int *status, tr_msg **reply)
{
    if (!tr_same_ref(tr_ref_of(message), request) || (message->tag != TR_MSG_REPLY && message->tag != TR_MSG_DOWN))
        return 0;
    struct context *context = api_enter();
    struct actor *self = context == NULL ? NULL : actor_here(context);
    if (self == NULL)
        misuse("tr_check_response", "only the process that sent the request has its response");
    if (message->tag == TR_MSG_REPLY) {
        relation_demonitor(context, self, request.serial, true); /* the reply has mostly done it already */
        api_leave(context);
        *reply = tr_keep(message);
        *status = *reply == NULL ? TR_ENOMEM : TR_OK;
        return 1;
    }
    *reply = NULL;
    *status = tr_reason_of(message)->why == TR_WHY_NOPROC ? TR_ENOPROC : TR_EDOWN;
    call_set_last(context, self, notice_take(*message_notice((tr_msg *)(uintptr_t)message)));
    api_leave(context);
    return 1;
}

API int tr_wait_response(tr_ref request, int64_t timeout_ms, tr_msg **reply)
{
    *reply = NULL;
    if (timeout_ms < TR_INFINITY)
        return TR_EINVAL;
    int status = TR_ETIMEDOUT;
    const tr_msg *message = tr_receive_match(&(tr_match){ .ref = request }, timeout_ms);
    if (message != NULL)
        tr_check_response(message, request, &status, reply);
    return status;
}

API int tr_receive_response(tr_ref request, int64_t timeout_ms, tr_msg **reply)
{
    int status = tr_wait_response(request, timeout_ms, reply);
    if (status != TR_ETIMEDOUT)
        return status;
    tr_demonitor(request, true);
    return tr_wait_response(request, 0, reply); /* ALIAS-02: it may have come in between */
}

API int tr_multi_call(const tr_pid *servers, size_t count, int tag, const void *body, size_t size, int64_t timeout_ms,
                      int *statuses, tr_msg **replies)
{
    if (tag < 1 || timeout_ms < TR_INFINITY || actor_self() == NULL)
        return actor_self() == NULL ? TR_EFOREIGN : TR_EINVAL;
    tr_ref *requests = tr_alloc(count * sizeof *requests + 1);
    if (requests == NULL)
        return TR_ENOMEM;
    int64_t deadline = deadline_after(clock_now(), timeout_ms);
    int answered = 0;
    for (size_t i = 0; i < count; i++)
        requests[i] = tr_send_request(servers[i], tag, body, size);
    for (size_t i = 0; i < count; i++) {
        int64_t left = deadline == NEVER ? TR_INFINITY : (deadline - clock_now() + NS_PER_MS - 1) / NS_PER_MS;
        statuses[i] = tr_receive_response(requests[i], deadline != NEVER && left < 0 ? 0 : left, &replies[i]);
        answered += statuses[i] == TR_OK;
    }
    tr_free(requests);
    return answered;
}
