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

static NOINLINE int reply_any(uint64_t caller, uint64_t serial, const void *body, size_t size)
{
    struct context *context = api_enter();
    if (UNLIKELY(context == NULL))
        return TR_OK;
    reply(context, caller, serial, message_copy(context, body, size));
    api_leave(context);
    return TR_OK;
}

/* The ways out of reply_word, each of them a call at its end.
 *
 * The caller has its answer, and is still to be scheduled. */
static NOINLINE int reply_schedule(struct actor *caller)
{
    struct context *context = context_self();
    trace_event_now(context->trace, TRACE_RUNNABLE, caller->pid);
    schedule(context, &caller->task);
    read_end();
    runtime_leave_turn(worker_here());
    return TR_OK;
}

/* The same, and the read section is to be ended at length. */
static NOINLINE int reply_end(void)
{
    read_end_rest();
    runtime_leave_turn(worker_here());
    return TR_OK;
}

/* Nobody blocks for it: the caller has been woken otherwise, or waits no longer, or is dead. */
static NOINLINE int reply_awake(struct actor *caller, uint64_t serial, tr_msg *message)
{
    struct context *context = context_self();
    bool taken = caller != NULL && wait_answer_awake(context, caller, serial, message);
    read_end();
    if (!taken)
        message_free(context, message);
    runtime_leave_turn(worker_here());
    return TR_OK;
}

/* From a process to a call, a word or nothing, in one piece: as send_word in send.c. */
static ALWAYS_INLINE int reply_word(uint64_t caller, uint64_t serial, const void *body, size_t size)
{
    struct worker *worker = worker_self();
    struct task *task = worker == NULL ? NULL : load_relaxed(&worker->current);
    if (UNLIKELY(task == NULL || (serial & REF_ALIAS_BIT) != 0 || load_relaxed(&worker->in_runtime) != 0))
        return reply_any(caller, serial, body, size);
    struct actor *self = actor_of_task(task);
    runtime_enter_turn(worker);
    tr_msg *message = pool_alloc_at_hand(worker->context.pool);
    if (UNLIKELY(message == NULL)) {
        runtime_leave_turn(worker);
        return reply_any(caller, serial, body, size);
    }
    mark_answered(self, caller, serial);
    message->sender = self->pid;
    message->serial = 0;
    message->tag = 0;
    message->meta = (uint32_t)size | (uint32_t)KIND_REPLY << 24;
    ((char *)(message + 1))[size] = 0;
    if (size > 0)
        memcpy(message + 1, body, 8);
    read_begin_outer();
    struct actor *waiting = actor_find(caller);
    if (UNLIKELY(waiting == NULL || !wait_answer_blocked(waiting, serial, message)))
        return reply_awake(waiting, serial, message);
    if (UNLIKELY(trace_on(TRACE_RUNNABLE) || !schedule_next(worker, &waiting->task)))
        return reply_schedule(waiting);
    if (UNLIKELY(!read_end_outer()))
        return reply_end();
    runtime_leave_turn(worker);
    return TR_OK;
}

API int tr_reply(tr_from from, const void *body, size_t size)
{
    return LIKELY(size == 8 || size == 0) ? reply_word(from.caller.id, from.serial, body, size)
                                          : reply_any(from.caller.id, from.serial, body, size);
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
        struct actor *actor = actor_find_process(pid);
        if (actor != NULL && mailbound_take(context, actor, size) == TR_OK) { /* who asks so does not want to wait */
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
