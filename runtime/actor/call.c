/* call.c: requests and replies. */
#include "actor/call.h"

#include "actor/end.h"
#include "actor/foreign.h"
#include "actor/mailbound.h"
#include "actor/relation.h"
#include "actor/signal.h"
#include "actor/wait.h"

enum { OWED_LEAST = 8 };

/* ---- answering */

void call_answer(struct context *context, uint64_t caller, uint64_t serial, tr_msg *reply)
{
    if ((serial & REF_ALIAS_BIT) != 0) {
        reply->tag = TR_MSG_REPLY;
        reply->serial = serial & ~REF_ALIAS_BIT;
        message_set_kind(reply, KIND_INFO);
        relation_alias_deliver(context, caller, serial & ~REF_ALIAS_BIT, reply);
        return;
    }
    read_begin();
    struct actor *actor = actor_find(caller);
    bool taken = actor != NULL && wait_answer(context, actor, serial, reply);
    read_end();
    if (!taken)
        message_free(context, reply);
}

void call_answer_bytes(struct context *context, tr_msg *request, const void *bytes, size_t size)
{
    if (!call_is_request(request))
        return;
    message_flag(request, MESSAGE_DONE);
    tr_msg *reply = message_copy(context, bytes, size);
    if (reply == NULL) {
        call_fail(context, request->sender, request->serial, notice_static(TR_WHY_SYSTEM_LIMIT), TR_ENOMEM);
        return;
    }
    message_set_kind(reply, KIND_REPLY);
    call_answer(context, request->sender, request->serial, reply);
}

void call_fail(struct context *context, uint64_t caller, uint64_t serial, struct notice *notice, int tag)
{
    if ((serial & REF_ALIAS_BIT) != 0)
        return; /* its monitor tells */
    tr_msg *failure = message_with_notice(context, KIND_FAILED, 0, notice_take(notice));
    if (failure == NULL) {
        context_count(context, COUNT_LOST); /* the caller is left to its timeout */
        return;
    }
    failure->tag = tag;
    call_answer(context, caller, serial, failure);
}

/* ---- what is owed */

static bool still_waits(const struct owed *owed)
{
    struct actor *caller = actor_find(owed->caller);
    uint64_t word = caller == NULL ? 0 : load_relaxed(&caller->wait);
    return word == WAIT_WAITING(owed->serial) || word == WAIT_BUSY(owed->serial);
}

static void prune_owed(struct cold *cold)
{
    uint32_t kept = 0;
    read_begin();
    for (uint32_t i = 0; i < cold->owed_count; i++)
        if (still_waits(&cold->owed[i]))
            cold->owed[kept++] = cold->owed[i];
    read_end();
    cold->owed_count = kept;
}

static bool grow_owed(struct context *context, struct cold *cold)
{
    uint32_t size = cold->owed_count < OWED_LEAST ? OWED_LEAST : 2 * cold->owed_count;
    struct owed *table = pool_alloc(context->pool, size * sizeof *table);
    if (table == NULL)
        return cold->owed_count < cold->owed_size;
    if (cold->owed != NULL) {
        memcpy(table, cold->owed, cold->owed_count * sizeof *table);
        pool_free(context->pool, cold->owed);
    }
    cold->owed = table;
    cold->owed_size = size;
    return true;
}

void call_owe_slow(struct context *context, struct actor *self, tr_msg *request)
{
    message_flag(request, MESSAGE_DONE);
    if ((request->serial & REF_ALIAS_BIT) != 0)
        return;
    struct cold *cold = actor_cold(context, self);
    if (cold != NULL && cold->owed_count == cold->owed_size) {
        prune_owed(cold);
        if (cold->owed_count * 2 >= cold->owed_size && !grow_owed(context, cold))
            cold = NULL;
    }
    if (cold == NULL)
        call_fail(context, request->sender, request->serial, notice_static(TR_WHY_SYSTEM_LIMIT), TR_ENOMEM);
    else
        cold->owed[cold->owed_count++] = (struct owed){ request->sender, request->serial };
}

void call_fail_owed(struct context *context, struct actor *self, struct notice *notice)
{
    struct cold *cold = self->cold;
    for (uint32_t i = 0; cold != NULL && i < cold->owed_count; i++)
        call_fail(context, cold->owed[i].caller, cold->owed[i].serial, notice, 0);
}

/* ---- requesting */

void call_set_last(struct context *context, struct actor *self, struct notice *notice)
{
    struct cold *cold = self->cold; /* who requests has one */
    notice_drop(context, cold->last);
    cold->last = notice;
}

int call_wait(struct actor *self, uint64_t serial, int64_t timeout_ms, void (*post)(void *arg), void *arg, tr_msg **reply,
              int *failure_tag)
{
    int64_t deadline = timeout_ms < 0 ? NEVER : deadline_after(clock_coarse(), timeout_ms);
    bool proxy = (load_relaxed(&self->flags) & ACTOR_PROXY) != 0;
    int result = proxy ? foreign_wait(self, serial, deadline, post, arg, reply)
                       : (int)wait_for(self, serial, deadline, false, post, arg, reply);
    if (result == WAIT_TIMEOUT)
        return TR_ETIMEDOUT;
    if (result == WAIT_NO_MEMORY)
        return TR_ENOMEM;
    if (LIKELY(message_kind(*reply) == KIND_REPLY))
        return TR_OK;
    struct context *context = context_self();
    tr_msg *failure = *reply;
    *reply = NULL;
    int tag = failure->tag;
    if (failure_tag != NULL)
        *failure_tag = tag;
    call_set_last(context, self, notice_take(*message_notice(failure)));
    message_free(context, failure);
    return tag < 0 ? tag : TR_EDOWN;
}

struct posting {
    uint64_t to;
    tr_msg *request;
};

/* From the other side of the switch, inside a read section. */
static void post_request(void *argument)
{
    struct posting posting = *(struct posting *)argument; /* once it is delivered, the poster's stack may be gone */
    ((struct posting *)argument)->request = NULL;
    struct context *context = context_self();
    tr_msg *request = posting.request;
    struct actor *server = actor_find(posting.to);
    if (server == NULL) {
        call_fail(context, request->sender, request->serial, notice_static(TR_WHY_NOPROC), TR_ENOPROC);
        message_free(context, request);
    } else if (message_kind(request) == KIND_QUERY) {
        signal_deliver(context, server, request);
    } else {
        deliver_to(context, server, request);
    }
}

/* The actor that requests: the caller, or a foreign thread's proxy, with its cold part. NULL: no memory. */
static struct actor *requester(struct context *context)
{
    struct actor *self = actor_here(context);
    if (self == NULL)
        return foreign_proxy(context);
    actor_check_blocking(context, self);
    return actor_cold(context, self) == NULL ? NULL : self;
}

/* Who `to` is, and room in its mailbox if that is bounded. */
static int take_room(tr_pid to, enum message_kind kind, size_t size, uint64_t *pid)
{
    for (int64_t deadline = 0;;) { /* bound: the receiver's overflow_wait_ms */
        struct context *context = context_self();
        read_begin();
        *pid = actor_resolve(to);
        struct actor *server = actor_find(*pid);
        int room = server == NULL ? TR_ENOPROC : kind == KIND_CALL ? mailbound_take(context, server, size) : TR_OK;
        read_end();
        if (room != TR_EFULL || !mailbound_wait(*pid, size, &deadline))
            return room;
    }
}

int call_request(tr_pid to, enum message_kind kind, int tag, const void *body, size_t size, int64_t timeout_ms, tr_msg **reply,
                 int *failure_tag)
{
    struct context *context = context_self();
    struct actor *self = requester(context);
    if (self == NULL)
        return TR_ENOMEM;
    uint64_t pid;
    int room = take_room(to, kind, size, &pid);
    if (pid == self->pid)
        room = TR_ESELF;
    context = context_self();
    tr_msg *request = room != TR_OK ? NULL : message_copy(context, body, size);
    if (request == NULL) {
        call_set_last(context, self, notice_static(room == TR_ENOPROC ? TR_WHY_NOPROC : TR_WHY_SYSTEM_LIMIT));
        return room != TR_OK ? room : TR_ENOMEM;
    }
    request->sender = self->pid;
    request->serial = wait_next_serial(self);
    request->tag = tag;
    message_set_kind(request, kind);
    struct posting posting = { pid, request };
    int status = call_wait(self, request->serial, timeout_ms, post_request, &posting, reply, failure_tag);
    if (posting.request != NULL)
        message_free(context_self(), request); /* no memory to block: it was not sent */
    return status;
}
