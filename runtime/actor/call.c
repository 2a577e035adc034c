/* call.c: requests: sending one to a process and waiting, blocked, for its answer. answer.c has the other side;
 * request.c the replies, and the requests that are not waited for. */
#include "actor/call.h"

#include "actor/end.h"
#include "actor/foreign.h"
#include "actor/mailbound.h"
#include "actor/query.h"
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

/* From the other side of the switch, inside the read section in which the server was found. The caller may run again,
 * or have ended, by now: nothing on its stack is touched; the request itself says where to. Ends with a full barrier.
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
static NOINLINE void posted(struct actor *actor, uint64_t serial, int64_t deadline, struct actor *server)
{
    if ((load_seq_cst(&server->flags) & ACTOR_DEAD) != 0) /* [DE2] pairs with [DE1] */
        call_fail(context_self(), actor->pid, serial, server->ending, 0);
    if (!wait_is_settled(actor, deadline))
        wait_look_again(actor, serial, deadline);
    read_end();
}

static NOINLINE void schedule_posted(struct actor *actor, uint64_t serial, int64_t deadline, struct actor *server)
{
    deliver_wake(context_self(), server);
    fence_after_rmw();
    posted(actor, serial, deadline, server);
}

/* On the other side of the switch, on which the caller is what ran last. What parks it goes through its registers and
 * the request alone: its stack may be gone once the word is WAITING. Nothing is called on the short way: what would
 * have to be saved for it has to leave the store buffer before the exchange in the mailbox. */
static void after_park(void *argument)
{
    tr_msg *request = argument;
    struct worker *worker = worker_here();
    struct actor *actor = actor_of_task(load_relaxed(&worker->current));
    uint64_t serial = request->serial;
    struct actor *server = (struct actor *)(void *)message_next(request);
    int64_t deadline = load_relaxed(&actor->cold->deadline);
    /* [WT5] release: the deadline, the saved fiber; pairs with [WT6] and the waker's acquire */
    store_release(&actor->wait, WAIT_WAITING(serial));
    if (LIKELY(mailbox_put(&server->mailbox, &request->node))) {
        if (UNLIKELY(trace_on(TRACE_RUNNABLE) || !schedule_next(worker, &server->task))) {
            schedule_posted(actor, serial, deadline, server);
            return;
        }
    }
    fence_after_rmw(); /* [DE2] the put before the look at DEAD; pairs with [DE1] */
    if (UNLIKELY((load_seq_cst(&server->flags) & ACTOR_DEAD) != 0 || !wait_is_settled(actor, deadline))) {
        posted(actor, serial, deadline, server);
        return;
    }
    if (UNLIKELY(!read_end_outer()))
        read_end_rest();
}

/* The same for a query, which is a signal. */
static void after_park_query(void *argument)
{
    tr_msg *request = argument;
    struct actor *actor = actor_here(context_self());
    uint64_t serial = request->serial;
    int64_t deadline = load_relaxed(&actor->cold->deadline);
    store_release(&actor->wait, WAIT_WAITING(serial)); /* [WT5] as above */
    post_request(request);
    if (!wait_is_settled(actor, deadline))
        wait_look_again(actor, serial, deadline);
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
        /* Who has its EXIT may still find its pid: relaxed, the EXIT orders. Who has not, and is told that it is not
         * there, may rely on its signals (EXIT-12): so that is said at its very end, when a query is answered. */
        if (UNLIKELY((flags & ACTOR_GONE) != 0) && kind != KIND_QUERY) {
            read_end_apart();
            query_await_end((tr_pid){ pid });
            return TR_ENOPROC;
        }
        if (UNLIKELY((flags & ACTOR_BOUNDED) != 0) && kind == KIND_CALL)
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

static int waited(struct actor *self, int result, tr_msg **reply, int *failure_tag)
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

/* Sends the request and waits, inside a read section that ends on the way. In one piece down to the switch: each frame
 * that returns after it is a mispredicted return. */
static ALWAYS_INLINE int post_and_wait(struct actor *self, tr_msg *request, int64_t timeout_ms, tr_msg **reply,
                                       int *failure_tag)
{
    bool proxy = (load_relaxed(&self->flags) & ACTOR_PROXY) != 0;
    int64_t stamp = LIKELY((uint64_t)timeout_ms >= LONG_TIMEOUT_MS && !proxy) ? tick_stamp()
                                                                              : 0; /* TR_INFINITY is long */
    int64_t deadline = LIKELY(stamp != 0) ? deadline_after(stamp + TICK_SLACK_NS, timeout_ms)
                                          : deadline_after(clock_now(), timeout_ms);
    if (UNLIKELY(proxy))
        return waited(self, (int)foreign_wait(self, request->serial, deadline, post_request, request, reply), reply,
                      failure_tag);
    wait_set_deadline(self->cold, deadline, stamp);
    bool query = message_kind(request) == KIND_QUERY;
    if (UNLIKELY(!worker_block(&self->fiber, query ? after_park_query : after_park, request))) {
        read_end_apart();
        return waited(self, WAIT_NO_MEMORY, reply, failure_tag);
    }
    *reply = wait_take_answer(self);
    return waited(self, LIKELY(*reply != NULL) ? WAIT_REPLY : (int)wait_end(self, false, reply), reply, failure_tag);
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
static ALWAYS_INLINE int take_answer(struct context *context, tr_msg *answer, void *reply, size_t reply_size)
{
    int status = TR_OK;
    if (UNLIKELY(message_size(answer) != reply_size))
        status = TR_ESIZE;
    else if (LIKELY(reply_size == 8))
        memcpy(reply, answer + 1, 8); /* no call */
    else if (reply_size > 0)
        memcpy(reply, message_body(answer), reply_size);
    pool_free(context->pool, answer);
    return status;
}

static NOINLINE int call_any(tr_pid server, int tag, const void *body, size_t size, void *reply, size_t reply_size,
                             int64_t timeout_ms)
{
    if (UNLIKELY(tag < 1 || timeout_ms < TR_INFINITY))
        return TR_EINVAL;
    struct context *context = api_enter();
    if (UNLIKELY(context == NULL))
        return TR_ESTOPPED;
    tr_msg *answer = NULL;
    int status = request_inline(context, server, KIND_CALL, tag, body, size, timeout_ms, &answer);
    context = context_self();
    if (LIKELY(status == TR_OK))
        status = take_answer(context, answer, reply, reply_size);
    api_leave(context);
    return status;
}

/* The end of tr_call when no word was answered; answer: NULL if there is none yet. */
static NOINLINE int end_call(struct actor *self, tr_msg *answer, void *reply, size_t reply_size)
{
    int failure_tag = 0, result = answer != NULL ? WAIT_REPLY : (int)wait_end(self, false, &answer),
        status = waited(self, result, &answer, &failure_tag);
    struct worker *worker = worker_here();
    if (LIKELY(status == TR_OK))
        status = take_answer(&worker->context, answer, reply, reply_size);
    runtime_leave(worker);
    return status;
}

/* Whether the process may block here and now, and a stack is at hand: nothing that call_any would find is in its
 * way. */
static ALWAYS_INLINE bool may_block(struct worker *worker, struct actor *self)
{
    return LIKELY(load_relaxed(&worker->in_runtime) == 0 && worker->critical == 0 && !signal_pending(self) &&
                  worker->fibers.count > 0 && fiber_has_left(worker->fiber, STACK_RESERVE));
}

/* Of a word or nothing, with a timeout (not for ever) for which the tick is good enough, to one whose mailbox has no
 * bound, by a process that has called before: in one piece, where less is to be looked at, and less to be kept over the
 * switch. All others, and all that is rare: call_any. */
API int tr_call(tr_pid to, int tag, const void *body, size_t size, void *reply, size_t reply_size, int64_t timeout_ms)
{
    struct worker *worker = worker_self();
    struct task *task = worker == NULL ? NULL : load_relaxed(&worker->current);
    if (UNLIKELY(task == NULL || tag < 1 || (size != 8 && size != 0) ||
                 (uint64_t)timeout_ms - LONG_TIMEOUT_MS > (uint64_t)TIMEOUT_MOST_MS - LONG_TIMEOUT_MS))
        return call_any(to, tag, body, size, reply, reply_size, timeout_ms);
    struct actor *self = actor_of_task(task);
    struct cold *cold = self->cold;
    int64_t stamp = tick_stamp();
    if (UNLIKELY(cold == NULL || stamp == 0 || !may_block(worker, self)))
        return call_any(to, tag, body, size, reply, reply_size, timeout_ms);
    runtime_enter_turn(worker);
    read_begin_outer();
    struct actor *server = actor_find(actor_resolve(to));
    /* relaxed: as in find_server; a stand-in of a foreign thread is GONE, too */
    bool plain = server != NULL && server != self && (load_relaxed(&server->flags) & (ACTOR_GONE | ACTOR_BOUNDED)) == 0;
    tr_msg *request = LIKELY(plain) ? pool_alloc_at_hand(worker->context.pool) : NULL;
    if (UNLIKELY(request == NULL)) {
        read_end();
        runtime_leave_turn(worker);
        return call_any(to, tag, body, size, reply, reply_size, timeout_ms);
    }
    uint64_t serial = wait_next_serial(self);
    wait_set_deadline(cold, stamp + TICK_SLACK_NS + timeout_ms * NS_PER_MS, stamp);
    message_set_next(request, (tr_msg *)(void *)server); /* until it is in the mailbox */
    request->sender = self->pid;
    request->serial = serial;
    request->tag = tag;
    request->meta = (uint32_t)size | (uint32_t)KIND_CALL << 24;
    ((char *)(request + 1))[size] = 0;
    if (size > 0)
        memcpy(request + 1, body, 8);
    worker_block_on(worker, fiber_cache_take(&worker->fibers), &self->fiber, after_park, request);
    tr_msg *answer = wait_take_answer(self);
    if (UNLIKELY(answer == NULL || reply_size != 8 || answer->meta != ((uint32_t)KIND_REPLY << 24 | 8)))
        return end_call(self, answer, reply, reply_size);
    memcpy(reply, answer + 1, 8);
    worker = worker_here();
    pool_free(worker->context.pool, answer);
    runtime_leave_turn(worker);
    return TR_OK;
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
