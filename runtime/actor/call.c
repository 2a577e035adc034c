/* call.c: requests: sending one to a process and waiting, blocked, for its answer. answer.c has the other side; request.c
 * the replies, and the requests that are not waited for. */
#include "actor/call.h"

#include "actor/end.h"
#include "actor/foreign.h"
#include "actor/mailbound.h"
#include "actor/receive.h"
#include "actor/relation.h"
#include "actor/signal.h"
#include "actor/wait.h"

enum { LONG_TIMEOUT_MS = 1000 /* from here on TICK_SLACK_NS does not matter */ };

void call_set_last(struct context *context, struct actor *self, struct notice *notice)
{
    struct cold *cold = self->cold; /* who requests has one */
    notice_drop(context, cold->last);
    cold->last = notice;
}

/* ---- sending a request and waiting for its answer */

/* From the other side of the switch, inside the read section in which the server was found. The caller may run again, or
 * have ended, by now: nothing on its stack is touched; the request itself says where to. Ends with a full barrier.
 * Against the server's death: [DE2] the put, then the look at DEAD; pairs with [DE1], DEAD, then the drain: one of the
 * two sees the other, and the request fails at once. If both do, the second failure finds nobody waiting. */
static void post_request(void *argument)
{
    tr_msg *request = argument;
    struct context *context = context_self();
    struct actor *server = (struct actor *)(void *)message_next(request);
    uint64_t caller = request->sender, serial = request->serial;
    if (UNLIKELY(message_kind(request) == KIND_QUERY))
        signal_deliver(context, server, request);
    else
        deliver_to(context, server, request);
    fence_after_rmw(); /* [DE2] pairs with [DE1] */
    if (UNLIKELY((load_seq_cst(&server->flags) & ACTOR_DEAD) != 0))
        call_fail(context, caller, serial, server->ending, 0);
}

/* The slow ends of after_park. */
static NOINLINE void post_and_check(struct actor *actor, uint64_t serial, int64_t deadline, tr_msg *request)
{
    post_request(request);
    wait_check(actor, serial, deadline);
}

static NOINLINE void posted(struct actor *actor, uint64_t serial, int64_t deadline, struct actor *server)
{
    if ((load_seq_cst(&server->flags) & ACTOR_DEAD) != 0) /* [DE2] pairs with [DE1] */
        call_fail(context_self(), actor->pid, serial, server->ending, 0);
    wait_check(actor, serial, deadline);
}

static NOINLINE void schedule_posted(struct actor *actor, uint64_t serial, int64_t deadline, struct actor *server)
{
    schedule(context_self(), &server->task);
    fence_after_rmw();
    posted(actor, serial, deadline, server);
}

/* The same as wait_after_park with post_request. Nothing is called on the short way: what would have to be saved for it
 * has to leave the store buffer before the exchange in the mailbox. */
static void after_park(void *argument)
{
    const struct parking *parking = argument;
    struct actor *actor = parking->actor;
    uint64_t serial = parking->serial;
    int64_t deadline = parking->deadline;
    tr_msg *request = parking->arg;
    struct actor *server = (struct actor *)(void *)message_next(request);
    struct worker *worker = worker_self();
    /* [WT5] release: the deadline, the saved fiber; pairs with [WT6] and the waker's acquire */
    store_release(&actor->wait, WAIT_WAITING(serial));
    if (UNLIKELY(message_kind(request) == KIND_QUERY || trace_on(TRACE_RUNNABLE))) {
        post_and_check(actor, serial, deadline, request);
        return;
    }
    if (LIKELY(mailbox_put(&server->mailbox, &request->node))) {
        if (UNLIKELY(load_relaxed(&worker->next) != NULL || load_relaxed(&worker->revoked) != 0)) {
            schedule_posted(actor, serial, deadline, server);
            return;
        }
        store_relaxed(&worker->next, &server->task); /* as `schedule` */
    }
    fence_after_rmw(); /* [DE2] the put before the look at DEAD; pairs with [DE1] */
    if (UNLIKELY(((load_seq_cst(&server->flags) & ACTOR_DEAD) | (load_seq_cst(&actor->flags) & ACTOR_SIG)) != 0 ||
                 load_relaxed(&actor->cold->armed) > deadline)) {
        posted(actor, serial, deadline, server);
        return;
    }
    read_end();
}

/* The actor that requests: the caller, or a foreign thread's proxy, with its cold part. NULL: no memory. */
static ALWAYS_INLINE struct actor *requester(struct context *context)
{
    struct actor *self = actor_here(context);
    if (UNLIKELY(self == NULL))
        return foreign_proxy(context);
    actor_check_blocking(context, self);
    return LIKELY(self->cold != NULL) || actor_cold(context, self) != NULL ? self : NULL;
}

/* Waits until there may be room in a bounded mailbox. False: the time is over. */
static NOINLINE bool await_room(tr_pid to, size_t size, int64_t *deadline)
{
    read_begin();
    uint64_t pid = actor_resolve(to);
    read_end();
    return mailbound_wait(pid, size, deadline);
}

/* Begins a read section that lasts, and finds the server with room in its mailbox; on failure the section has ended. */
static ALWAYS_INLINE int find_server(struct context *context, struct actor *self, tr_pid to, enum message_kind kind,
                                     size_t size, struct actor **server)
{
    for (int64_t deadline = 0;;) { /* bound: the receiver's overflow_wait_ms */
        if (LIKELY(deadline == 0))
            read_begin();
        else
            read_begin_apart(); /* it has blocked: the thread may be another one */
        uint64_t pid = actor_resolve(to);
        *server = actor_find_process(pid);
        int status = UNLIKELY(*server == NULL) ? TR_ENOPROC : UNLIKELY(*server == self) ? TR_ESELF : TR_OK;
        uint32_t flags = LIKELY(status == TR_OK) ? load_relaxed(&(*server)->flags) : 0;
        /* who has its EXIT may still find its pid: relaxed, the EXIT orders; a query is answered at its very end */
        if (UNLIKELY((flags & ACTOR_GONE) != 0) && kind != KIND_QUERY)
            status = TR_ENOPROC;
        else if (UNLIKELY((flags & ACTOR_BOUNDED) != 0) && kind == KIND_CALL)
            status = mailbound_take(context, *server, size);
        if (LIKELY(status == TR_OK))
            return TR_OK;
        read_end_apart();
        if (status != MAILBOUND_WAITS)
            return status;
        if (!await_room(to, size, &deadline))
            return TR_EFULL;
        context = context_self();
    }
}

static NOINLINE int refused(struct context *context, struct actor *self, int status)
{
    if (status == TR_EFULL)
        context_count(context, COUNT_LOST);
    call_set_last(context, self, notice_static(status == TR_ENOPROC ? TR_WHY_NOPROC : TR_WHY_SYSTEM_LIMIT));
    return status;
}

static NOINLINE int failed(struct actor *self, int result, tr_msg **reply, int *failure_tag)
{
    if (result == WAIT_TIMEOUT)
        return TR_ETIMEDOUT;
    if (result == WAIT_NO_MEMORY) {
        *failure_tag = CALL_NOT_SENT;
        return TR_ENOMEM;
    }
    struct context *context = context_self();
    tr_msg *failure = *reply;
    *reply = NULL;
    int tag = failure->tag;
    *failure_tag = tag;
    call_set_last(context, self, notice_take(*message_notice(failure)));
    message_free(context, failure);
    return tag < 0 ? tag : TR_EDOWN;
}

static ALWAYS_INLINE int waited(struct actor *self, int result, tr_msg **reply, int *failure_tag)
{
    return LIKELY(result == WAIT_REPLY && message_kind(*reply) == KIND_REPLY)
               ? TR_OK
               : failed(self, result, reply, failure_tag);
}

int call_wait(struct actor *self, uint64_t serial, int64_t timeout_ms, void (*post)(void *arg), void *arg,
              tr_msg **reply, int *failure_tag)
{
    int64_t deadline = timeout_ms == TR_INFINITY ? NEVER : deadline_after(clock_now(), timeout_ms);
    if ((load_relaxed(&self->flags) & ACTOR_PROXY) == 0)
        return waited(self, (int)wait_for(self, serial, deadline, false, post, arg, reply), reply, failure_tag);
    read_begin();
    return waited(self, (int)foreign_wait(self, serial, deadline, post, arg, reply), reply, failure_tag);
}

/* TR_INFINITY is. */
static ALWAYS_INLINE bool is_long(int64_t timeout_ms) { return (uint64_t)timeout_ms >= LONG_TIMEOUT_MS; }

/* Sends the request and waits, inside a read section that ends on the way. In one piece down to the switch: each frame
 * that returns after it is a mispredicted return. */
static ALWAYS_INLINE int post_and_wait(struct actor *self, tr_msg *request, int64_t timeout_ms, tr_msg **reply,
                                       int *failure_tag)
{
    uint64_t serial = request->serial;
    bool proxy = (load_relaxed(&self->flags) & ACTOR_PROXY) != 0;
    int64_t stamp = LIKELY(is_long(timeout_ms) && !proxy) ? tick_stamp() : 0;
    int64_t deadline = LIKELY(stamp != 0) ? deadline_after(stamp + TICK_SLACK_NS, timeout_ms)
                                          : deadline_after(clock_now(), timeout_ms);
    int result = LIKELY(!proxy) ? (int)wait_for_inline(self, serial, deadline, stamp, false, after_park, NULL, request,
                                                       reply, true)
                                : (int)foreign_wait(self, serial, deadline, post_request, request, reply);
    return waited(self, result, reply, failure_tag);
}

/* A request that was not sent: its room, if the server is still there, and its block are given back. */
static NOINLINE void take_back(uint64_t pid, tr_msg *request)
{
    read_begin();
    struct actor *found = actor_find(pid);
    if (found != NULL && (message_flags(request) & MESSAGE_COUNTED) != 0)
        mailbound_return(found, message_size(request));
    read_end();
    message_free(context_self(), request);
}

static ALWAYS_INLINE int request_inline(struct context *context, tr_pid to, enum message_kind kind, int tag,
                                        const void *body, size_t size, int64_t timeout_ms, tr_msg **reply)
{
    struct actor *self = requester(context), *server;
    if (UNLIKELY(self == NULL))
        return TR_ENOMEM;
    int status = find_server(context, self, to, kind, size, &server);
    if (UNLIKELY(status != TR_OK))
        return refused(context_self(), self, status);
    context = context_self(); /* it may have blocked */
    bool bounded = (load_relaxed(&server->flags) & ACTOR_BOUNDED) != 0;
    tr_msg *request = message_copy(context, body, size);
    if (UNLIKELY(request == NULL)) {
        if (kind == KIND_CALL)
            mailbound_return(server, size);
        read_end_apart();
        return refused(context, self, TR_ENOMEM);
    }
    request->sender = self->pid;
    request->serial = wait_next_serial(self);
    request->tag = tag;
    request->meta |= (uint32_t)kind << 24;
    if (UNLIKELY(bounded) && kind == KIND_CALL)
        message_flag(request, MESSAGE_COUNTED);
    message_set_next(request, (tr_msg *)(void *)server); /* until it is in the mailbox */
    uint64_t server_pid = server->pid;                   /* the section ends on the way */
    int tag_of_failure = 0;
    status = post_and_wait(self, request, timeout_ms, reply, &tag_of_failure);
    if (UNLIKELY(tag_of_failure == CALL_NOT_SENT))
        take_back(server_pid, request);
    return status;
}

int call_request(tr_pid to, enum message_kind kind, int tag, const void *body, size_t size, int64_t timeout_ms,
                 tr_msg **reply)
{
    return request_inline(context_self(), to, kind, tag, body, size, timeout_ms, reply);
}

/* ---- the public calls */

/* What tr_call does with the answer, and with the block that it came in. */
static ALWAYS_INLINE int take_answer(tr_msg *answer, void *reply, size_t reply_size)
{
    int status = TR_OK;
    if (UNLIKELY(message_size(answer) != reply_size))
        status = TR_ESIZE;
    else if (LIKELY(reply_size == 8))
        memcpy(reply, answer + 1, 8);
    else if (reply_size > 0)
        memcpy(reply, message_body(answer), reply_size);
    pool_free(context_self()->pool, answer);
    return status;
}

static NOINLINE int call_any(tr_pid server, int tag, const void *body, size_t size, void *reply, size_t reply_size,
                             int64_t timeout_ms)
{
    struct context *context = api_enter();
    if (UNLIKELY(context == NULL))
        return TR_ESTOPPED;
    tr_msg *answer = NULL;
    int status = request_inline(context, server, KIND_CALL, tag, body, size, timeout_ms, &answer);
    if (LIKELY(status == TR_OK))
        status = take_answer(answer, reply, reply_size);
    api_leave(context_self());
    return status;
}

/* From a process that has called before to one whose mailbox has no bound: a word or nothing, a timeout for which the
 * tick is good enough, and memory at hand. False: it is not so, and nothing happened. Where it is, less is to be looked
 * at, and less to be kept over the switch. */
static ALWAYS_INLINE bool call_word(struct worker *worker, struct actor *self, tr_pid to, int tag, const void *body,
                                    size_t size, int64_t timeout_ms, int *status, tr_msg **answer)
{
    int64_t stamp = tick_stamp();
    if (UNLIKELY(stamp == 0 || self->cold == NULL))
        return false;
    actor_check_blocking(&worker->context, self);
    read_begin();
    struct actor *server = actor_find(actor_resolve(to));
    bool plain = server != NULL && server != self &&
                 (load_relaxed(&server->flags) & (ACTOR_GONE | ACTOR_BOUNDED)) == 0; /* relaxed: as in find_server */
    tr_msg *request = LIKELY(plain) ? pool_alloc_at_hand(worker->context.pool) : NULL;
    if (UNLIKELY(request == NULL)) {
        read_end();
        return false;
    }
    uint64_t serial = wait_next_serial(self);
    request->sender = self->pid;
    request->serial = serial;
    request->tag = tag;
    request->meta = (uint32_t)size | (uint32_t)KIND_CALL << 24;
    ((char *)(request + 1))[size] = 0;
    if (size > 0)
        memcpy(request + 1, body, 8);
    message_set_next(request, (tr_msg *)(void *)server); /* until it is in the mailbox */
    int64_t deadline = deadline_after(stamp + TICK_SLACK_NS, timeout_ms);
    int failure_tag = 0,
        result = (int)wait_for_inline(self, serial, deadline, stamp, false, after_park, NULL, request, answer, true);
    *status = waited(self, result, answer, &failure_tag);
    if (UNLIKELY(failure_tag == CALL_NOT_SENT))
        message_free(context_self(), request);
    return true;
}

API int tr_call(tr_pid server, int tag, const void *body, size_t size, void *reply, size_t reply_size,
                int64_t timeout_ms)
{
    if (UNLIKELY(tag < 1 || timeout_ms < TR_INFINITY))
        return TR_EINVAL;
    struct worker *worker = worker_self();
    struct task *task = worker == NULL ? NULL : load_relaxed(&worker->current);
    if (UNLIKELY(task == NULL || (size != 8 && size != 0) || !is_long(timeout_ms)))
        return call_any(server, tag, body, size, reply, reply_size, timeout_ms);
    tr_msg *answer = NULL;
    int status = TR_OK;
    runtime_enter(worker);
    bool called = call_word(worker, actor_of_task(task), server, tag, body, size, timeout_ms, &status, &answer);
    if (LIKELY(called && status == TR_OK))
        status = take_answer(answer, reply, reply_size);
    runtime_leave(worker_here());
    return LIKELY(called) ? status : call_any(server, tag, body, size, reply, reply_size, timeout_ms);
}

API int tr_call_msg(tr_pid server, int tag, const void *body, size_t size, int64_t timeout_ms, tr_msg **reply)
{
    *reply = NULL;
    if (tag < 1 || timeout_ms < TR_INFINITY)
        return TR_EINVAL;
    struct context *context = api_enter();
    if (context == NULL)
        return TR_ESTOPPED;
    tr_msg *answer = NULL;
    int status = request_inline(context, server, KIND_CALL, tag, body, size, timeout_ms, &answer);
    context = context_self();
    struct actor *self = actor_here(context);
    if (status == TR_OK && self != NULL && !message_keep(context, self, answer)) {
        message_free(context, answer);
        status = TR_ENOMEM;
    }
    if (status == TR_OK)
        *reply = answer;
    api_leave(context);
    return status;
}

API void tr_call_or_exit(tr_pid server, int tag, const void *body, size_t size, void *reply, size_t reply_size,
                         int64_t timeout_ms)
{
    (void)tr_must(tr_call(server, tag, body, size, reply, reply_size, timeout_ms));
}
