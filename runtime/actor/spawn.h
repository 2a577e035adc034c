/* spawn.h: making processes. */
#ifndef TROUPE_ACTOR_SPAWN_H
#define TROUPE_ACTOR_SPAWN_H

#include "actor/actor.h"

/* What is to be made. */
struct making {
    const tr_actor *behaviour; /* NULL: a straight-line process of `entry` */
    tr_entry *entry;
    const void *arg;
    size_t arg_size;
    const tr_spawn_options *options; /* or NULL */
    const char *name;                /* or NULL */
    uint64_t starter, serial;        /* of a start function that waits; 0: nobody */
    bool protocol;                   /* by a start function */
    bool waits;                      /* a straight-line process: tr_started answers, not the spawn */
    struct actor *parent;            /* the caller that it is linked to as its parent; NULL */
    struct actor *watcher;           /* the caller that monitors it; NULL */
    struct actor *peer;              /* the caller that it is linked to; NULL */
    uint64_t monitor;                /* out */
};

/* All of it. Field by field: a compiler clears the whole first, by an instruction that is slow to begin. */
static ALWAYS_INLINE void making_init(struct making *making, const tr_actor *behaviour, tr_entry *entry,
                                      const void *arg, size_t arg_size)
{
    making->behaviour = behaviour;
    making->entry = entry;
    making->arg = arg;
    making->arg_size = arg_size;
    making->options = NULL;
    making->name = NULL;
    making->starter = making->serial = making->monitor = 0;
    making->protocol = making->waits = false;
    making->parent = making->watcher = making->peer = NULL;
}

/* Makes an actor that is found, named, linked and monitored, but not scheduled yet: its start message is the token in
 * its mailbox, which is the caller's to schedule. TR_ENOMEM, TR_ELIMIT; TR_ETAKEN: the name; then nothing is left of
 * it. */
int spawn_make(struct context *context, struct making *making, struct actor **made);
/* Has it run. */
void spawn_go(struct context *context, struct actor *actor);

#endif
