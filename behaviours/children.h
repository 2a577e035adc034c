/* children.h: a supervisor's children: found by pid or by id in constant time, and in start order where that matters.
 *
 *     by_pid                      pid -> child, for every child whose pid is not nobody
 * and, where ids name children (`named`; else they are known by their pids only, and always have one once they
 * started):
 *     first <-> ... <-> last      start order: `last` is the one that is terminated first
 *     by_id                       id -> child, for every child
 *
 * Invariants, which children_valid checks:
 *     state STOPPED     pid is nobody
 *     state RUNNING     pid is the child's
 *     state RESTARTING  pid is the child's last one, or nobody if it had none
 *     count, restarting, significant_live are what counting would give (live: not STOPPED)
 *     capacities of the indexes suffice for `count` entries: so only children_add needs memory, and can fail */
#ifndef TROUPE_BEHAVIOURS_CHILDREN_H
#define TROUPE_BEHAVIOURS_CHILDREN_H

#include "blocks.h"
#include "shapes.h"
#include "spec.h"

enum child_state { CHILD_STOPPED, CHILD_RUNNING, CHILD_RESTARTING };

/* One block: this; a struct order if named; a struct backoff if the supervisor has that option; then, if named, its own
 * spec, else its own argument and its own name. */
struct child {
    tr_pid pid;
    const struct spec *spec; /* its own, the template, or a shape */
    uint64_t state : 2;      /* enum child_state */
    uint64_t has_arg : 1;    /* an argument of its own, key bytes of it */
    uint64_t has_name : 1;   /* a name of its own */
    uint64_t key : 60;       /* hash of the id (named), or size of its own argument */
};

struct order {
    struct child *before, *after;
};

/* How often a child was restarted in a row, for the back-off option. */
struct backoff {
    int64_t started_ns;
    uint32_t in_a_row;
    uint32_t serial; /* of the retry that is awaited: others are stale */
};

/* A table of children under a 64-bit key, open addressing. A slot's mark says how far it is from its home, and a part
 * of
 * its hash: so searching and closing gaps look into no child but the right one, all others being cold where there are
 * many. */
struct index {
    struct child **slots;
    uint16_t *marks;   /* behind the slots, in one block */
    size_t size, used; /* size: 0 or a power of two */
};

struct children {
    struct child *first, *last;
    size_t count, restarting, significant_live;
    struct index by_pid, by_id;
    struct blocks blocks;
    struct shapes shapes;
    bool named, shaped, backs_off; /* constant after the supervisor's init; shaped: specs are shapes */
};

/* Makes a named child, which is in no list yet, with a copy of the spec, with its argument or without. NULL: no
 * memory. */
struct child *child_new(struct children *children, const struct spec *spec, bool keep_arg);
/* Makes a child that is not named. spec: of `shaped` children what they are started from, else the template, which must
 * stay. name, arg: its own, copied; NULL: none. NULL: no memory. */
struct child *child_new_pooled(struct children *children, const struct spec *spec, const char *name, const void *arg,
                               size_t arg_size);
/* Frees a child that is in no list. */
void child_free(struct children *children, struct child *child);
struct backoff *child_backoff(const struct children *children, struct child *child);
/* The argument to start with: its own, else its spec's; and the name, or NULL. */
const void *child_arg(const struct children *children, const struct child *child, size_t *size);
const char *child_name(const struct children *children, const struct child *child);
bool child_is_supervisor(const struct child *child);
/* For reports and lists; never NULL. */
const char *child_id(const struct children *children, const struct child *child);
/* Only of named children: the neighbours in start order, or NULL. */
static inline struct child *child_before(const struct child *child)
{
    return ((const struct order *)(child + 1))->before;
}
static inline struct child *child_after(const struct child *child)
{
    return ((const struct order *)(child + 1))->after;
}

/* Adds a stopped child as the last; false: no memory, nothing changed. The id must be new. */
bool children_add(struct children *children, struct child *child);
/* Takes a child out and frees it. */
void children_remove(struct children *children, struct child *child);
/* Moves a child to a state; pid as the invariants say. */
void children_set(struct children *children, struct child *child, enum child_state state, tr_pid pid);
/* NULL: none. */
struct child *children_by_pid(const struct children *children, tr_pid pid);
struct child *children_by_id(const struct children *children, const char *id);
struct child *children_by_key(const struct children *children, uint64_t key);
/* Walks all children: named ones from the last to the first, others, if they have a pid, in no order. Begins with NULL
 * and a
 * *slot of 0. Nothing may be added, removed or set meanwhile. */
struct child *children_walk(const struct children *children, const struct child *child, size_t *slot);
/* Slow: for tests. */
bool children_valid(const struct children *children);

#endif
