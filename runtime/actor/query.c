/* query.c: is_alive, info and the listings. */
#include "actor/query.h"

#include "actor/call.h"
#include "actor/dictionary.h"
#include "actor/end.h"
#include "actor/inbox.h"
#include "actor/names.h"
#include "actor/relation.h"
#include "actor/wait.h"
#include "sched/scheduler.h"

#include <sched.h>
#include <stdio.h>

enum question { QUERY_ALIVE = 1, QUERY_INFO, QUERY_LINKS, QUERY_MONITORS, QUERY_MONITORED_BY, QUERY_MESSAGES };

/* ---- answers, by the process itself */

static size_t count_relations(const struct relation *half)
{
    size_t count = 0;
    for (; half != NULL; half = half->next)
        count++;
    return count;
}

static size_t count_links(const struct link_end *end)
{
    size_t count = 0;
    for (; end != NULL; end = end->next)
        count++;
    return count;
}

static size_t count_monitors(const struct relation *half)
{
    size_t count = 0;
    for (; half != NULL; half = half->next)
        count += half->peer != 0;
    return count;
}

/* A message that the user can still get. */
static bool waits(const tr_msg *message)
{
    enum message_kind kind = message_kind(message);
    if (kind == KIND_DOWN || kind == KIND_EXIT)
        return (message_flags(message) & MESSAGE_DONE) == 0; /* else it was flushed */
    return kind < KIND_TIMEOUT;
}

/* Lists the waiting messages, oldest first, at most `most` (more may come meanwhile), in out unless it is NULL; returns
 * how many. Owner. */
static size_t each_message(struct actor *self, tr_message_info *out, size_t most)
{
    size_t count = 0;
    for (tr_msg *message = self->saved.first; message != NULL && count < most; message = message_next(message)) {
        if (!waits(message))
            continue;
        if (out != NULL)
            out[count] = (tr_message_info){ message->tag, { message->sender }, tr_size(message) };
        count++;
    }
    bool used = self->head_used;
    for (struct mailbox_node *node = mailbox_peek(&self->mailbox);
         node != NULL && node != MAILBOX_BUSY_NODE && count < most;
         node = mailbox_next(&self->mailbox, node), used = false) {
        const tr_msg *message = message_of(node);
        if (used || !waits(message))
            continue;
        if (out != NULL)
            out[count] = (tr_message_info){ message->tag, { message->sender }, tr_size(message) };
        count++;
    }
    return count;
}

static tr_msg *list_messages(struct context *context, struct actor *self)
{
    size_t count = each_message(self, NULL, SIZE_MAX);
    tr_msg *reply = message_new(context, count * sizeof(tr_message_info));
    if (reply != NULL)
        each_message(self, message_body(reply), count);
    return reply;
}

/* Whether a worker runs it, a moment ago. Relaxed loads: a snapshot; the workers stay until the runtime stops. */
static bool seems_to_run(struct actor *actor)
{
    unsigned count = load_relaxed(&scheduler.worker_count);
    for (unsigned i = 0; i < count; i++) {
        struct worker *worker = load_acquire(&scheduler.workers[i]);
        if (worker != NULL && load_relaxed(&worker->current) == &actor->task)
            return true;
    }
    return false;
}

/* The states of actor.h as they are seen from outside: the run token is the mailbox that is not empty. */
static tr_process_status seen_status(struct actor *actor)
{
    if ((load_relaxed(&actor->flags) & ACTOR_EXITING) != 0)
        return TR_STATUS_EXITING;
    if (seems_to_run(actor))
        return TR_STATUS_RUNNING;
    if (wait_is_waiting(load_relaxed(&actor->wait)) || mailbox_seems_empty(&actor->mailbox))
        return TR_STATUS_WAITING;
    return TR_STATUS_RUNNABLE;
}

/* What anybody may read without order; inside a read section. */
static void peek(struct actor *actor, tr_process_info *info)
{
    *info = (tr_process_info){ .pid = { actor->pid }, .parent = { actor->parent } };
    info->status = seen_status(actor);
    info->trap_exit = actor_traps(actor);
    info->memory = actor_block_size(actor);
    names_copy(actor, info->name, sizeof info->name);
    actor_lock(actor);
    info->links = count_links(actor->links);
    info->monitored_by = count_relations(actor->watchers);
    actor_unlock(actor);
}

static void fill(struct actor *self, tr_process_info *info)
{
    peek(self, info);
    snprintf(info->label, sizeof info->label, "%s", actor_label(self));
    bool blocked = load_relaxed(&self->wait) != 0; /* it was woken out of a call to answer this */
    info->status = actor_is_suspended(self)           ? TR_STATUS_SUSPENDED
                   : blocked || self->current == NULL ? TR_STATUS_WAITING
                                                      : TR_STATUS_RUNNING;
    info->message_queue_len = each_message(self, NULL, SIZE_MAX);
    info->reductions = self->turns;
    if (self->behaviour == NULL || blocked || self->current != NULL)
        info->stack_size = self->cold != NULL && self->cold->stack_size != 0 ? self->cold->stack_size
                                                                             : STACK_DEFAULT_BYTES;
    info->memory += ledger_memory(self);
    if (self->cold != NULL) {
        actor_lock(self);
        info->monitors = count_monitors(self->cold->monitors);
        actor_unlock(self);
        info->dictionary = dictionary_count(self->cold->dictionary);
        info->memory += sizeof *self->cold;
    }
}

static tr_msg *list_watchers(struct context *context, struct actor *self)
{
    actor_lock(self);
    size_t at = 0;
    tr_msg *reply = message_new(context, count_relations(self->watchers) * sizeof(tr_pid));
    for (const struct relation *half = self->watchers; reply != NULL && half != NULL; half = half->next)
        ((tr_pid *)message_body(reply))[at++] = (tr_pid){ half->peer };
    actor_unlock(self);
    return reply;
}

/* Those whom it watches: not aliases, and not whose DOWN is on its way. */
static tr_msg *list_monitors(struct context *context, struct actor *self)
{
    actor_lock(self);
    size_t at = 0;
    const struct relation *monitors = self->cold == NULL ? NULL : self->cold->monitors;
    tr_msg *reply = message_new(context, count_monitors(monitors) * sizeof(tr_pid));
    for (const struct relation *half = monitors; reply != NULL && half != NULL; half = half->next)
        if (half->peer != 0)
            ((tr_pid *)message_body(reply))[at++] = (tr_pid){ half->peer };
    actor_unlock(self);
    return reply;
}

/* The EXIT of some may be on its way. */
static tr_msg *list_links(struct context *context, struct actor *self)
{
    actor_lock(self);
    size_t at = 0;
    tr_msg *reply = message_new(context, count_links(self->links) * sizeof(tr_pid));
    for (struct link_end *end = self->links; reply != NULL && end != NULL; end = end->next)
        ((tr_pid *)message_body(reply))[at++] = (tr_pid){ link_peer(end) };
    actor_unlock(self);
    return reply;
}

/* The answer, as a message; NULL: no memory. */
static tr_msg *answer(struct context *context, struct actor *self, enum question question)
{
    tr_msg *reply;
    switch (question) {
    case QUERY_INFO:
        reply = message_new(context, sizeof(tr_process_info));
        if (reply != NULL)
            fill(self, message_body(reply));
        return reply;
    case QUERY_LINKS: return list_links(context, self);
    case QUERY_MONITORED_BY: return list_watchers(context, self);
    case QUERY_MONITORS: return list_monitors(context, self);
    case QUERY_MESSAGES: return list_messages(context, self);
    default: return message_new(context, 0);
    }
}

void query_answer(struct context *context, struct actor *self, tr_msg *query)
{
    tr_msg *reply = answer(context, self, (enum question)query->tag);
    message_flag(query, MESSAGE_DONE);
    if (reply == NULL) {
        call_fail_memory(context, query->sender, query->serial);
        return;
    }
    message_set_kind(reply, KIND_REPLY);
    call_answer(context, query->sender, query->serial, reply);
}

/* ---- questions */

bool query_exists(uint64_t pid)
{
    read_begin();
    bool exists = actor_find(pid) != NULL;
    read_end();
    return exists;
}

void query_await_end(tr_pid pid)
{
    for (;;) { /* bound: the end that the caller has sent, a query behind it finds it; or memory comes back */
        tr_msg *reply = NULL;
        int status = call_request(pid, KIND_QUERY, QUERY_ALIVE, NULL, 0, TR_INFINITY, &reply);
        if (status == TR_OK)
            message_free(context_self(), reply);
        else if (status != TR_ENOMEM || !query_exists(pid.id))
            return;
        else
            sched_yield();
    }
}

static int ask(tr_pid pid, enum question question, tr_msg **reply)
{
    struct context *context = api_enter();
    if (context == NULL)
        return TR_ESTOPPED;
    int status = call_request(pid, KIND_QUERY, (int)question, NULL, 0, TR_INFINITY, reply);
    api_leave(context_self());
    return status == TR_EDOWN ? TR_ENOPROC : status;
}

/* Whether the caller itself is meant. What it has sent itself is to be seen then (SIG-02): a question from elsewhere
 * stands behind that, this one does not. */
static struct actor *asks_itself(struct context *context, tr_pid pid)
{
    struct actor *self = actor_here(context);
    read_begin();
    bool same = self != NULL && actor_resolve(pid) == self->pid;
    read_end();
    if (same)
        inbox_await_links(self);
    return same ? self : NULL;
}

API bool tr_is_alive(tr_pid pid)
{
    struct context *context = api_enter();
    if (context == NULL)
        return false;
    read_begin();
    struct actor *actor = actor_find(actor_resolve(pid));
    uint32_t flags = actor == NULL ? ACTOR_GONE : load_acquire(&actor->flags);
    read_end();
    bool alive = actor != NULL, sure = actor == NULL || (flags & (ACTOR_SIG | ACTOR_FETCHING | ACTOR_EXITING)) == 0;
    if (!sure && actor_here(context) != actor) { /* a signal of the caller's may be on its way: asked in order */
        tr_msg *reply = NULL;
        int status = call_request(pid, KIND_QUERY, QUERY_ALIVE, NULL, 0, TR_INFINITY, &reply);
        alive = status == TR_OK || status == TR_ENOMEM; /* it can't be asked: as it was seen */
        if (reply != NULL)
            message_free(context_self(), reply);
    }
    api_leave(context_self());
    return alive;
}

API int tr_info(tr_pid pid, tr_process_info *info)
{
    struct context *context = api_enter();
    if (context == NULL)
        return TR_ESTOPPED;
    struct actor *self = asks_itself(context, pid);
    if (self != NULL)
        fill(self, info);
    api_leave(context);
    if (self != NULL)
        return TR_OK;
    tr_msg *reply = NULL;
    int status = ask(pid, QUERY_INFO, &reply);
    if (status == TR_OK) {
        *info = *(const tr_process_info *)message_body(reply);
        tr_drop(reply);
    }
    return status;
}

API int tr_peek(tr_pid pid, tr_process_info *info)
{
    struct context *context = api_enter();
    if (context == NULL)
        return TR_ESTOPPED;
    read_begin();
    struct actor *actor = actor_find(actor_resolve(pid));
    bool process = actor != NULL && actor_shows(actor);
    if (process)
        peek(actor, info);
    read_end();
    api_leave(context);
    return process ? TR_OK : TR_ENOPROC;
}

/* A question whose answer is a list; of the caller itself, too. */
static int ask_list(tr_pid pid, enum question question, size_t item_size, void **list, size_t *count)
{
    struct context *context = api_enter();
    if (context == NULL)
        return TR_ESTOPPED;
    struct actor *self = asks_itself(context, pid);
    tr_msg *reply = NULL;
    int status = TR_OK;
    if (self != NULL)
        status = (reply = answer(context, self, question)) == NULL ? TR_ENOMEM : TR_OK;
    else
        status = call_request(pid, KIND_QUERY, (int)question, NULL, 0, TR_INFINITY, &reply);
    api_leave(context_self());
    if (status != TR_OK)
        return status == TR_EDOWN ? TR_ENOPROC : status;
    *count = message_size(reply) / item_size;
    *list = tr_alloc(message_size(reply));
    if (*list != NULL)
        memcpy(*list, message_body(reply), message_size(reply));
    tr_drop(reply);
    return *list == NULL ? TR_ENOMEM : TR_OK;
}

API int tr_info_links(tr_pid pid, tr_pid **list, size_t *count)
{
    return ask_list(pid, QUERY_LINKS, sizeof **list, (void **)list, count);
}

API int tr_info_monitors(tr_pid pid, tr_pid **list, size_t *count)
{
    return ask_list(pid, QUERY_MONITORS, sizeof **list, (void **)list, count);
}

API int tr_info_monitored_by(tr_pid pid, tr_pid **list, size_t *count)
{
    return ask_list(pid, QUERY_MONITORED_BY, sizeof **list, (void **)list, count);
}

API int tr_info_messages(tr_pid pid, tr_message_info **list, size_t *count)
{
    return ask_list(pid, QUERY_MESSAGES, sizeof **list, (void **)list, count);
}

API int tr_processes(tr_pid **list, size_t *count)
{
    struct context *context = api_enter();
    if (context == NULL)
        return TR_ESTOPPED;
    struct slots *pids = context_table(TABLE_PIDS);
    uint32_t touched = slots_touched(pids);
    api_leave(context);
    *list = tr_alloc((touched + 1) * sizeof **list);
    if (*list == NULL || (context = api_enter()) == NULL)
        return TR_ENOMEM;
    *count = 0;
    for (uint32_t i = 0; i < touched; i++) {
        read_begin();
        struct actor *actor = slots_at(pids, i);
        if (actor != NULL && actor_shows(actor))
            (*list)[(*count)++] = (tr_pid){ actor->pid };
        read_end();
    }
    api_leave(context);
    return TR_OK;
}
