/* call.h: requests and their answers, between the runtime's parts.
 *
 * A request is a message of kind CALL, SYSTEM, START or QUERY with the caller's pid and serial. Each request that was
 * delivered is answered exactly once, or its caller has stopped waiting: by tr_reply; or by the server's end, which
 * answers
 *     what is queued or saved          end.c, from the messages
 *     what is handled at the moment    end.c, `current` and `received`
 *     what was handled and not answered (a deferred reply): cold->owed, a table of caller and serial
 * so failure detection needs no monitor (D6). A serial with REF_ALIAS_BIT is the alias of an asynchronous request,
 * which has a monitor of its own: its failure is the DOWN, and nothing is owed.
 *
 * `owed` is pruned when it has doubled: entries whose caller no longer waits for that serial go. So it holds at most
 * twice the requests that are really open. */
#ifndef TROUPE_ACTOR_CALL_H
#define TROUPE_ACTOR_CALL_H

#include "actor/relation.h"
#include "actor/wait.h"

struct owed {
    uint64_t caller, serial;
};

static inline bool call_is_request(const tr_msg *message)
{
    enum message_kind kind = message_kind(message);
    return (kind == KIND_CALL || kind == KIND_SYSTEM || kind == KIND_START || kind == KIND_QUERY) &&
           message->serial != 0 && (message_flags(message) & MESSAGE_DONE) == 0;
}

/* Sends the answer to whoever waits; frees it if nobody does. Any thread with a context. */
void call_answer_alias(struct context *context, uint64_t caller, uint64_t serial, tr_msg *reply);
static ALWAYS_INLINE void call_answer(struct context *context, uint64_t caller, uint64_t serial, tr_msg *reply)
{
    if (UNLIKELY((serial & REF_ALIAS_BIT) != 0)) {
        call_answer_alias(context, caller, serial, reply);
        return;
    }
    read_begin();
    struct actor *actor = actor_find(caller);
    bool taken = actor != NULL && wait_answer(context, actor, serial, reply);
    read_end();
    if (UNLIKELY(!taken))
        message_free(context, reply);
}
/* Answers a request with these bytes, and marks it answered. Owner of the request. */
void call_answer_bytes(struct context *context, tr_msg *request, const void *bytes, size_t size);
/* Answers that it failed: the server ended with the notice (not taken); tag: what the caller finds in its answer's
 * tag. */
void call_fail(struct context *context, uint64_t caller, uint64_t serial, struct notice *notice, int tag);

/* The same for want of memory for the answer; the server lives on. Needs none itself. */
void call_fail_memory(struct context *context, uint64_t caller, uint64_t serial);

/* Owner: a request was handled; if it has no answer yet, one is owed from now on. */
void call_owe_slow(struct context *context, struct actor *self, tr_msg *request);
static inline void call_owe(struct context *context, struct actor *self, tr_msg *message)
{
    if (UNLIKELY(call_is_request(message)))
        call_owe_slow(context, self, message);
}
/* Death, of an actor with a cold part: fails everything that is owed. */
void call_fail_owed(struct context *context, struct actor *self, struct notice *notice);

/* A failure's tag: there was no memory to block, post was not called. */
enum { CALL_NOT_SENT = 1 };

/* What a request brings back: a status, and the answer if TR_OK. On TR_EDOWN tr_last_reason is set. */
int call_request(tr_pid to, enum message_kind kind, int tag, const void *body, size_t size, int64_t timeout_ms,
                 tr_msg **reply);
/* Waits for the answer of serial; `post` sends the request, and must not touch the caller's stack (wait.h).
 * *failure_tag is the failure's tag. */
int call_wait(struct actor *self, uint64_t serial, int64_t timeout_ms, void (*post)(void *arg), void *arg,
              tr_msg **reply, int *failure_tag);
/* Remembers why: behind tr_last_reason. Takes the notice. */
void call_set_last(struct context *context, struct actor *self, struct notice *notice);

#endif
