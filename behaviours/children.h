/* children.h: a supervisor's children: in start order, and found by pid or by id in constant time.
 *
 *     first <-> ... <-> last      start order: `last` is the one that is terminated first
 *     by_pid                      pid -> child, for every child whose pid is not nobody
 *     by_id                       id -> child, for every child, where ids name children (`named`)
 *
 * Invariants, which children_valid checks:
 *     state STOPPED     pid is nobody
 *     state RUNNING     pid is the child's
 *     state RESTARTING  pid is the child's last one, or nobody if it had none
 *     count, restarting, significant_live are what counting would give (live: not STOPPED)
 *     capacities of the indexes suffice for `count` entries: so only children_add needs memory, and can fail */
#ifndef TROUPE_BEHAVIOURS_CHILDREN_H
#define TROUPE_BEHAVIOURS_CHILDREN_H

#include "spec.h"

enum child_state { CHILD_STOPPED, CHILD_RUNNING, CHILD_RESTARTING };

/* One block: this, then a struct backoff if the supervisor has that option, then the child's own spec, or, of a child
 * made from a template, its own argument. */
struct child {
    tr_pid pid;
    struct child *before, *after;
    const struct spec *spec;
    uint64_t state : 2;   /* enum child_state */
    uint64_t has_arg : 1; /* an argument of its own, key bytes of it */
    uint64_t key : 61;    /* hash of the id (named), or size of its own argument */
};

/* How often a child was restarted in a row, for the back-off option. */
struct backoff {
    int64_t started_ns;
    uint32_t in_a_row;
    uint32_t serial; /* of the retry that is awaited: others are stale */
};

/* A table of children under a 64-bit key, open addressing. */
struct index {
    struct child **slots;
    size_t size, used; /* size: 0 or a power of two */
};

struct children {
    struct child *first, *last;
    size_t count, restarting, significant_live;
    struct index by_pid, by_id;
    bool named, backs_off; /* constant after the supervisor's init */
};

/* Makes a child that is in no list. spec: copied into the child, with its argument or without (spec_copy), if `own`;
 * else the template. arg: a template child's own (NULL: none). NULL: no memory. */
struct child *child_new(const struct children *children, const struct spec *spec, bool own, bool keep_arg,
                        const void *arg, size_t arg_size);
/* Frees a child that is in no list. */
void child_free(struct child *child);
struct backoff *child_backoff(struct child *child);
/* The argument to start with: its own, else its spec's. */
const void *child_arg(const struct children *children, const struct child *child, size_t *size);
bool child_is_supervisor(const struct child *child);
/* For reports and lists; never NULL. */
const char *child_id(const struct children *children, const struct child *child);

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
/* Slow: for tests. */
bool children_valid(const struct children *children);

#endif
