/* actor.h: the control block of a process, and who may touch what of it.
 *
 * An actor is in one of these states, seen by the scheduler:
 *     idle       its mailbox is empty; nobody has the run token; it has a fiber only if it is blocked in a receive
 *     runnable   somebody put the first node into its mailbox (or woke its wait) and scheduled its task; it is in one
 *                run queue
 *     running    on a worker; the mailbox holds at least one node, the token, consumed or not
 *     waiting    blocked in a call, a sleep or on a socket: it keeps the token, so messages do not wake it; its wait
 *                word does
 * Edges: idle -> runnable: mailbox_put of whoever finds it empty. runnable -> running: actor_run by a worker.
 * running -> idle: mailbox_take that reports LAST, as the last access. running -> waiting and back: actor/wait.c.
 * running -> runnable: the slice is over.
 *
 * Life (`life`): STARTING until the start callback has returned or the process counts as started; ALIVE; ENDING while
 * `ended` runs because of the process's own exit; DYING from then on: no user code runs any more (end.c).
 *
 * Field key: (s) senders and owner, atomically; (o) the owner: whoever runs the actor; (c) constant; (l) under LOCK,
 * by the owner or others.
 *
 * Budget of an idle server: 176 bytes and a state of up to 16 in a block of 192, and a slot of 8 in the table of
 * pids. What only some need is in the cold part, allocated at the first need. */
#ifndef TROUPE_ACTOR_ACTOR_H
#define TROUPE_ACTOR_ACTOR_H

#include "actor/ledger.h"
#include "actor/message.h"
#include "queue/task.h"
#include "queue/wheel.h"
#include "sched/scheduler.h"
#include "sched/worker.h"

enum { ACTOR_WHEEL_SHIFT = 16 };

enum actor_flag {
    ACTOR_SIG = 1,      /* (s) a signal is in the mailbox: fetch at the next boundary */
    ACTOR_LOCK = 2,     /* (l) spin lock over relations, name and GONE; held for a few instructions */
    ACTOR_EXITING = 4,  /* (l) set once: takes no name any more */
    ACTOR_GONE = 8,     /* (l) set once: takes no link and no monitor any more */
    ACTOR_TRAP = 16,    /* (o) writes: exit signals become messages */
    ACTOR_BOUNDED = 32, /* (c) the mailbox has a bound: cold->bound */
    ACTOR_PROXY = 64,   /* (c) a foreign thread's stand-in: its task wakes the thread */
    /* (o) writes: signals are being applied whose SIG is taken back already; stays set if one was fatal */
    ACTOR_FETCHING = 128,
    ACTOR_DEAD = 256,  /* (o) writes, once: its mailbox is drained for the last time before its block */
    ACTOR_TIMED = 512, /* (s) set once, before EXITING or never: a timer for it was started */
    ACTOR_MET = 1024,  /* (l) set once, by the first who gives LOCK back: only now can it have a name or a relation */
    /* (s) from TIMED on: which wheel has the timers that are for it; timer.c */
    ACTOR_WHEEL = (WHEELS_MOST - 1) << ACTOR_WHEEL_SHIFT
};

enum actor_trait {
    TRAIT_PINNED = 1,     /* TR_SPAWN_PIN_THREAD */
    TRAIT_PROTOCOL = 2,   /* started by a start function: a crash is reported whatever its reason (LOG-02) */
    TRAIT_REPORTING = 4,  /* a callback for a report runs */
    TRAIT_CHANGING = 8,   /* the user's function of tr_replace_state runs: an exit in it ends only the function */
    TRAIT_SUSPENDED = 16, /* SYS-01 */
    TRAIT_ENDING = 32,    /* `ending` is why it ends */
    TRAIT_WORKING = 64    /* where its receiver ran, too, it did more than send; send.c */
};

enum { RAN_NOWHERE = 255 }; /* or on a worker beyond */

enum actor_life { LIFE_STARTING, LIFE_ALIVE, LIFE_ENDING, LIFE_DYING };

struct relation;
struct link_end;
struct name_entry;
struct cold;
struct owed;
struct bound;
struct dictionary;
struct timer;

struct actor {
    /* line 0: what senders touch */
    uint64_t pid;           /* (c) first: the rule of slots.h */
    struct mailbox mailbox; /* (s) */
    _Atomic uint64_t wait;  /* (s) the wait word: wait.h */
    _Atomic uint32_t flags; /* (s) enum actor_flag */
    uint8_t life;           /* (o) enum actor_life */
    bool head_used;         /* (o) the first node of the mailbox is consumed: it is only the token */
    uint8_t traits;         /* (o) enum actor_trait */
    _Atomic uint8_t ran_on; /* (o) writes: the worker of its latest turn; RAN_NOWHERE */
    struct task task;       /* (c) run; (s) next, by whoever has scheduled it */
    struct fiber *fiber;    /* (o) its own while it is blocked; NULL */
    /* line 1: the owner's */
    const tr_actor *behaviour; /* (c) NULL: a straight-line process */
    const void *data;          /* (c) tr_spawn_options.data; of a straight-line process its entry */
    union {
        struct message_list saved; /* (o) taken out of the mailbox, not handled yet; oldest first */
        struct retired retired;    /* (o) after death */
    };
    tr_msg *current;         /* (o) what the callback handles; of a straight-line process its start argument */
    struct owned *ledger;    /* (o) what it owns */
    struct name_entry *name; /* (l) */
    struct cold *cold;       /* (o) NULL until it is needed */
    /* line 2 */
    struct link_end *links;    /* (l) */
    struct relation *watchers; /* (l) monitors on this actor: the targets' halves */
    uint64_t parent;           /* (c) from the start function that linked; 0 */
    uint32_t state_size;       /* (c) */
    uint32_t turns;            /* (o) messages handled: reductions */
    struct timer *timers;      /* those that are for it; under the lock of the wheel in `flags`: timer.c */
    struct notice
        *ending; /* (o) why it ends, until its block is freed; before TRAIT_ENDING: what tr_stop asked for; NULL */
    _Alignas(16) char state[]; /* (o) */
};

/* Something that a wheel fires. Under the wheel's lock, inside a read section; returns NEVER or when to fire again. */
struct alarm {
    struct wheel_node node;
    int64_t (*fire)(struct alarm *alarm, struct context *context);
};

/* What an actor needs only if it blocks, uses timeouts, watches others, ... */
struct cold {
    struct alarm timer;              /* wait.c; under the lock of its wheel, the one of the actor's pid */
    _Atomic int64_t armed;           /* written under the wheel's lock: when it fires; NEVER: not at all */
    _Atomic int64_t deadline;        /* (o) writes: when it is to act; NEVER: not at all */
    _Atomic int64_t stamp;           /* (o) writes: tick_stamp if the deadline was computed from it, else 0 */
    uint64_t serial;                 /* (o) of the latest wait */
    struct actor *actor;             /* (c) */
    _Atomic uint32_t timeout_queued; /* the node below is in the mailbox */
    tr_msg timeout;                  /* KIND_TIMEOUT: wakes an idle actor */
    tr_msg *received;                /* (o) by tr_receive, valid until the next */
    tr_msg *held;      /* (o) passed over, and still the first node of the mailbox when the actor gave itself up */
    struct owed *owed; /* (o) calls handled and not answered: call.h */
    uint32_t owed_count, owed_size; /* (o) */
    struct relation *monitors;      /* (l) the watcher's halves, and aliases */
    struct notice *last;            /* (o) behind tr_last_reason */
    int start_status;               /* (o) what the start callback asked for, if it was neither success nor a crash */
    unsigned home;                  /* (o) pinned: the worker where it first ran */
    tr_msg *continued;              /* (o) tr_continue: handled before any other; NULL */
    tr_msg *stop_reply;             /* (o) tr_stop_reply: sent after `ended` */
    tr_from stop_reply_to;          /* (o) */
    int64_t idle_ms;                /* (o) tr_idle, asked for by the callback that runs */
    tr_msg *changing;               /* (o) the copy of the state that tr_replace_state's function works on */
    bool continue_on;               /* (o) the callback has returned it */
    bool stop_reply_on;             /* (o) the callback has returned a stop */
    bool idle_on;                   /* (o) TR_MSG_TIMEOUT is due at `deadline` unless a message comes first */
    uint32_t stray_downs;           /* (o) DOWNs that it has still to meet and whose monitors are gone: relation.c */
    struct bound *bound;            /* (c) */
    const char *label;              /* (c) */
    struct dictionary *dictionary;  /* (o) */
    size_t stack_size;              /* (c) 0: default */
    const void *entry_data;         /* (c) tr_data of a straight-line process */
};

_Static_assert(offsetof(struct actor, behaviour) == 64, "what senders touch is one line");
_Static_assert(offsetof(struct actor, state) == 176, "the budget of an idle server");

static inline bool actor_is_suspended(const struct actor *actor) { return (actor->traits & TRAIT_SUSPENDED) != 0; }

static inline struct actor *actor_of_task(struct task *task) { return CONTAINER_OF(task, struct actor, task); }

/* The actor that runs on this thread; NULL: a foreign thread or the runtime itself. */
static inline struct actor *actor_here(struct context *context)
{
    struct worker *worker = (struct worker *)(void *)context; /* if it is one */
    struct task *task = context->worker != NULL ? load_relaxed(&worker->current) : NULL;
    return task == NULL ? NULL : actor_of_task(task);
}

static inline uint64_t actor_pid_of(const struct actor *actor) { return actor->pid; }

/* ---- into the runtime and out of it, around every public function that touches it */

static inline struct context *api_enter(void)
{
    struct context *context = context_self();
    if (UNLIKELY(context == NULL || context->worker == NULL))
        return context_enter_foreign();
    runtime_enter(context->worker);
    return context;
}

/* After a block the context is another one: api_leave(context_self()). */
static inline void api_leave(struct context *context)
{
    if (LIKELY(context->worker != NULL))
        runtime_leave(context->worker);
    else
        context_leave_foreign(context);
}

/* Owner: where it runs, for senders that would keep it company: at each turn, and after a block in a receive. */
static inline void actor_note_worker(struct actor *self, const struct worker *worker)
{
    unsigned index = worker->index;
    if (UNLIKELY(load_relaxed(&self->ran_on) != index))
        store_relaxed(&self->ran_on, (uint8_t)(index < RAN_NOWHERE ? index : RAN_NOWHERE));
}

/* ---- actor.c */

/* The actor with this pid; inside a read section. NULL: dead, or no pid. */
static inline struct actor *actor_find(uint64_t pid)
{
    uint64_t *found = slots_find(context_table(TABLE_PIDS), pid);
    return (struct actor *)(void *)found;
}

/* The same, but a foreign thread's proxy is nobody: it has no mailbox, and only the answer that it waits for reaches
 * it. */
static inline struct actor *actor_find_process(uint64_t pid)
{
    struct actor *actor = actor_find(pid);
    return actor == NULL || UNLIKELY((load_relaxed(&actor->flags) & ACTOR_PROXY) != 0) ? NULL : actor;
}

/* Whether lists and those who only look see it: DEAD may come before its slot is cleared. */
static inline bool actor_shows(const struct actor *actor)
{
    return (load_relaxed(&actor->flags) & (ACTOR_PROXY | ACTOR_DEAD)) == 0;
}

#define PID_NAME_BIT (UINT64_C(1) << 63) /* a name's hash, not a process */
uint64_t names_find(uint64_t hashed);

/* The pid that `to` means now: itself, or who has the name; 0: nobody. Inside a read section. */
static inline uint64_t actor_resolve(tr_pid to)
{
    return LIKELY((to.id & PID_NAME_BIT) == 0) ? to.id : names_find(to.id);
}

/* The cold part, made at the first need. NULL: no memory. Owner. */
struct cold *actor_cold(struct context *context, struct actor *actor);
/* The same; no memory ends the actor. */
struct cold *actor_cold_or_exit(struct context *context, struct actor *actor);

static inline bool actor_try_lock(struct actor *actor)
{
    return (atomic_fetch_or_explicit(&actor->flags, ACTOR_LOCK, memory_order_acquire) & ACTOR_LOCK) ==
           0; /* [AL1] pairs with [AL2] */
}
void actor_lock_slow(struct actor *actor);
static inline void actor_lock(struct actor *actor)
{
    if (UNLIKELY(!actor_try_lock(actor)))
        actor_lock_slow(actor);
}
static inline void actor_unlock(struct actor *actor)
{
    uint32_t unset = ACTOR_MET & ~load_relaxed(&actor->flags); /* relaxed: set under LOCK only */
    /* sets that bit, clears the other: one instruction. [AL2] pairs with [AL1] */
    atomic_fetch_add_explicit(&actor->flags, unset - ACTOR_LOCK, memory_order_release);
}
/* Both, in the order of their slots; b may be NULL. */
void actor_lock_two(struct actor *a, struct actor *b);
void actor_unlock_two(struct actor *a, struct actor *b);

static inline bool actor_traps(const struct actor *actor) { return (load_relaxed(&actor->flags) & ACTOR_TRAP) != 0; }
const char *actor_label(const struct actor *actor);
size_t actor_block_size(const struct actor *actor);

#endif
