/* answer.c: answers to requests, and what a process owes: the requests that it has handled and not answered, in a table
 * of its cold part (call.h says when one is owed, and how large the table may be). Owner only, but for the answering,
 * which any thread with a context may do. */
#include "actor/call.h"

#include "actor/relation.h"
#include "actor/wait.h"

enum { OWED_LEAST = 8 };

/* ---- answering */

void call_answer_alias(struct context *context, uint64_t caller, uint64_t serial, tr_msg *reply)
{
    reply->tag = TR_MSG_REPLY;
    reply->serial = serial & ~REF_ALIAS_BIT;
    message_set_kind(reply, KIND_INFO);
    relation_alias_deliver(context, caller, serial & ~REF_ALIAS_BIT, reply);
}

void call_answer_bytes(struct context *context, tr_msg *request, const void *bytes, size_t size)
{
    if (!call_is_request(request))
        return;
    message_flag(request, MESSAGE_DONE);
    tr_msg *reply = message_copy(context, bytes, size);
    if (reply == NULL) {
        call_fail_memory(context, request->sender, request->serial);
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
    if (failure == NULL)
        failure = message_no_memory();
    else
        failure->tag = tag;
    call_answer(context, caller, serial, failure);
}

void call_fail_memory(struct context *context, uint64_t caller, uint64_t serial)
{
    if ((serial & REF_ALIAS_BIT) != 0)
        relation_alias_fail(context, caller, serial & ~REF_ALIAS_BIT, notice_static(TR_WHY_SYSTEM_LIMIT));
    else
        call_answer(context, caller, serial, message_no_memory());
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
        call_fail_memory(context, request->sender, request->serial);
    else
        cold->owed[cold->owed_count++] = (struct owed){ request->sender, request->serial };
}

void call_fail_owed(struct context *context, struct actor *self, struct notice *notice)
{
    struct cold *cold = self->cold;
    for (uint32_t i = 0; i < cold->owed_count; i++)
        call_fail(context, cold->owed[i].caller, cold->owed[i].serial, notice, 0);
}
