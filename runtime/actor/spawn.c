/* spawn.c: making processes.
 *
 * Order: block; mailbox with the start message in it (so the maker has the token, and the message is the first); pid;
 * visible, with its LOCK taken if it is to have a name or a link: name, link, and LOCK goes; monitor; schedule. Whoever
 * finds the actor before the last step enqueues behind the start message and schedules nothing. */
#include "actor/spawn.h"

#include "actor/end.h"
#include "actor/entry.h"
#include "actor/mailbound.h"
#include "actor/names.h"
#include "actor/relation.h"
#include "actor/signal.h"

/* ---- making */

static bool needs_cold(const struct making *making)
{
    const tr_spawn_options *options = making->options;
    return options->label != NULL || options->stack_size != 0 || options->mailbox_messages != 0 ||
           options->mailbox_bytes != 0 || (making->behaviour == NULL && options->data != NULL) ||
           (options->flags & TR_SPAWN_PIN_THREAD) != 0;
}

static bool set_options(struct context *context, struct actor *actor, const struct making *making)
{
    const tr_spawn_options *options = making->options;
    if (options == NULL)
        return true;
    if ((options->flags & TR_SPAWN_TRAP_EXIT) != 0)
        store_relaxed(&actor->flags, ACTOR_TRAP); /* relaxed: nobody knows it yet */
    if (making->behaviour != NULL)
        actor->data = options->data;
    if (!needs_cold(making))
        return true;
    struct cold *cold = actor_cold(context, actor);
    if (cold == NULL)
        return false;
    cold->label = options->label;
    cold->stack_size = options->stack_size;
    cold->entry_data = options->data;
    if ((options->flags & TR_SPAWN_PIN_THREAD) != 0)
        actor->traits |= TRAIT_PINNED;
    cold->home = WORKERS_MOST;
    return mailbound_init(context, actor, options);
}

enum { STATE_IN_BUDGET = 16 };
_Static_assert((sizeof(struct actor) + STATE_IN_BUDGET) % POOL_GRAIN == 0,
               "any block has room for a state of the budget");

/* In pieces of constant size: a compiler writes those in place, where it would call a function for the whole. */
static ALWAYS_INLINE void clear(struct actor *actor, size_t state_size)
{
    char *block = (char *)actor;
    _Static_assert(sizeof *actor == 176, "the three pieces are the actor");
    memset(block, 0, 64);
    memset(block + 64, 0, 64);
    memset(block + 128, 0, 48);
    if (state_size <= STATE_IN_BUDGET && !BLOCK_MARKS)
        memset(actor->state, 0, STATE_IN_BUDGET);
    else
        memset(actor->state, 0, state_size);
}

/* A block with all that a process begins with, but for its pid and its mailbox. NULL: no memory, or too large. */
static ALWAYS_INLINE struct actor *new_block(struct context *context, const tr_actor *behaviour, tr_entry *entry,
                                             size_t extra_state)
{
    size_t state_size = (behaviour == NULL ? 0 : behaviour->state_size) + extra_state;
    if (extra_state > UINT32_MAX || state_size > UINT32_MAX)
        return NULL;
    struct actor *actor = pool_alloc(context->pool, sizeof *actor + state_size);
    if (UNLIKELY(actor == NULL))
        return NULL;
    clear(actor, state_size);
    actor->task.run = actor_run;
    actor->behaviour = behaviour;
    actor->state_size = (uint32_t)state_size;
    store_relaxed(&actor->ran_on, RAN_NOWHERE);
    if (behaviour == NULL)
        memcpy(&actor->data, &entry, sizeof entry);
    return actor;
}

static struct actor *new_actor(struct context *context, const struct making *making)
{
    size_t extra = making->options == NULL ? 0 : making->options->extra_state;
    struct actor *actor = new_block(context, making->behaviour, making->entry, extra);
    if (actor == NULL)
        return NULL;
    actor->traits = making->protocol ? TRAIT_PROTOCOL : 0;
    if (!set_options(context, actor, making)) {
        if (actor->cold != NULL)
            pool_free(context->pool, actor->cold);
        pool_free(context->pool, actor);
        return NULL;
    }
    return actor;
}

static ALWAYS_INLINE tr_msg *new_start(struct context *context, const void *arg, size_t size)
{
    tr_msg *start = message_copy(context, arg, size);
    if (LIKELY(start != NULL))
        message_set_kind(start, KIND_START);
    return start;
}

static void unmake(struct context *context, struct actor *actor, tr_msg *start)
{
    if (start != NULL)
        message_free(context, start);
    if (actor == NULL)
        return;
    if (actor->cold != NULL) {
        mailbound_free(context, actor->cold->bound);
        pool_free(context->pool, actor->cold);
    }
    pool_free(context->pool, actor);
}

/* Name and link, under its LOCK, which it was made with and which goes. */
static int introduce(struct context *context, struct actor *actor, const struct making *making)
{
    int status = making->name == NULL ? TR_OK : names_register(context, making->name, actor);
    bool named = actor->name != NULL;
    if (status != TR_OK || making->peer == NULL)
        actor_unlock(actor);
    else if (relation_link_and_unlock(context, making->peer, actor) != TR_OK)
        status = TR_ENOMEM;
    if (named)
        names_registered(context);
    return status;
}

/* Takes block and start message (each may be NULL) and makes them a process that is found. TR_ENOMEM, TR_ELIMIT: they
 * are freed. */
static ALWAYS_INLINE int appear(struct context *context, struct actor *actor, tr_msg *start)
{
    struct slots *pids = context_table(TABLE_PIDS);
    uint64_t pid = UNLIKELY(start == NULL) ? 0 : slots_take(pids, &context->caches[TABLE_PIDS]);
    if (UNLIKELY(pid == 0)) {
        unmake(context, actor, start);
        return start == NULL ? TR_ENOMEM : TR_ELIMIT;
    }
    actor->pid = pid;
    mailbox_init_with(&actor->mailbox, &start->node);
    context_count(context, COUNT_SPAWNED);
    trace_spawn(context->trace, pid, actor_label(actor));
    slots_publish(pids, pid, actor);
    return TR_OK;
}

int spawn_make(struct context *context, struct making *making, struct actor **made)
{
    struct actor *actor = new_actor(context, making);
    tr_msg *start = actor == NULL ? NULL : new_start(context, making->arg, making->arg_size);
    if (start != NULL) {
        start->sender = making->starter;
        start->serial = making->serial;
        start->tag = making->waits;
    }
    bool introduced = making->name != NULL || making->peer != NULL;
    if (actor != NULL && introduced) /* relaxed: nobody knows it yet */
        store_relaxed(&actor->flags, load_relaxed(&actor->flags) | ACTOR_LOCK);
    if (actor != NULL && making->parent != NULL)
        actor->parent = making->parent->pid;
    int status = appear(context, actor, start);
    if (status != TR_OK)
        return status;
    if (introduced)
        status = introduce(context, actor, making);
    if (status == TR_OK && making->watcher != NULL) {
        making->monitor = relation_monitor(context, making->watcher, actor->pid, 0, TR_WHY_NOPROC);
        status = making->monitor == 0 ? TR_ENOMEM : TR_OK;
    }
    if (status != TR_OK)
        actor_die(context, actor,
                  notice_static(TR_WHY_SYSTEM_LIMIT)); /* visible, but still the caller's to run: it never begins */
    *made = status == TR_OK ? actor : NULL;
    return status;
}

void spawn_go(struct context *context, struct actor *actor) { schedule(context, &actor->task); }

/* ---- the public functions */

/* No process could be made: a pid that is dead, and what links and monitors would have said. No memory for that,
 * either: the caller ends. */
static tr_pid dead_on_arrival(struct context *context, struct actor *self, struct making *making, int flags)
{
    uint64_t pid = slots_take(context_table(TABLE_PIDS), &context->caches[TABLE_PIDS]);
    if (pid != 0)
        slots_clear(context_table(TABLE_PIDS), &context->caches[TABLE_PIDS], pid);
    else
        pid = SLOT_INDEX_MASK; /* generation 0: nobody ever has it */
    bool told = true;
    if ((flags & TR_SPAWN_LINK) != 0 && self != NULL)
        told = signal_exit(context, pid, self->pid, notice_static(TR_WHY_SYSTEM_LIMIT));
    if ((flags & TR_SPAWN_MONITOR) != 0 && self != NULL)
        making->monitor = relation_monitor(context, self, pid, 0, TR_WHY_SYSTEM_LIMIT);
    if (!told || ((flags & TR_SPAWN_MONITOR) != 0 && self != NULL && making->monitor == 0))
        actor_exit(self, notice_static(TR_WHY_SYSTEM_LIMIT), true);
    return (tr_pid){ pid };
}

static tr_pid spawn(struct making *making)
{
    struct context *context = api_enter();
    if (context == NULL)
        return (tr_pid){ 0 };
    int flags = making->options->flags;
    struct actor *self = actor_here(context), *made;
    if ((flags & TR_SPAWN_LINK) != 0)
        making->peer = self;
    if ((flags & TR_SPAWN_MONITOR) != 0)
        making->watcher = self;
    tr_pid pid;
    if (spawn_make(context, making, &made) == TR_OK) {
        pid.id = made->pid;
        spawn_go(context, made);
    } else {
        pid = dead_on_arrival(context, self, making, flags);
    }
    if ((flags & TR_SPAWN_MONITOR) != 0 && making->options->monitor != NULL)
        *making->options->monitor = (tr_ref){ self == NULL ? 0 : self->pid, making->monitor };
    api_leave(context);
    return pid;
}

/* The same of a process that is neither linked nor watched nor anything else that options say. */
static ALWAYS_INLINE tr_pid spawn_plain(const tr_actor *behaviour, tr_entry *entry, const void *arg, size_t size)
{
    struct context *context = api_enter();
    if (UNLIKELY(context == NULL))
        return (tr_pid){ 0 };
    struct actor *actor = new_block(context, behaviour, entry, 0);
    tr_msg *start = actor == NULL ? NULL : new_start(context, arg, size);
    tr_pid pid;
    if (LIKELY(appear(context, actor, start) == TR_OK)) {
        pid.id = actor->pid;
        spawn_go(context, actor);
    } else {
        pid = dead_on_arrival(context, NULL, NULL, 0);
    }
    api_leave(context);
    return pid;
}

static ALWAYS_INLINE tr_pid spawn_of(const tr_actor *behaviour, tr_entry *entry, const void *arg, size_t size,
                                     const tr_spawn_options *options)
{
    if (LIKELY(options == NULL))
        return spawn_plain(behaviour, entry, arg, size);
    struct making making;
    making_init(&making, behaviour, entry, arg, size);
    making.options = options;
    return spawn(&making);
}

API tr_pid tr_spawn_with(tr_entry *entry, const void *arg, size_t size, const tr_spawn_options *options)
{
    return spawn_of(NULL, entry, arg, size, options);
}

API tr_pid tr_spawn(tr_entry *entry, const void *arg, size_t size) { return tr_spawn_with(entry, arg, size, NULL); }

API tr_pid tr_spawn_link(tr_entry *entry, const void *arg, size_t size)
{
    static const tr_spawn_options linked = { .flags = TR_SPAWN_LINK };
    return tr_spawn_with(entry, arg, size, &linked);
}

API tr_pid tr_spawn_monitor(tr_entry *entry, const void *arg, size_t size, tr_ref *monitor)
{
    return tr_spawn_with(entry, arg, size, &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR, .monitor = monitor });
}

API tr_pid tr_spawn_actor(const tr_actor *actor, const void *arg, size_t size, const tr_spawn_options *options)
{
    return spawn_of(actor, NULL, arg, size, options);
}
