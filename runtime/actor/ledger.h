/* ledger.h: what an actor owns besides its block: memory, clean-ups, sockets, kept messages. Released at its end, the
 * latest first.
 *
 * A doubly linked list through the items. Owner only; at death by the dying actor's worker. `release` must not block
 * and must take the item out of nothing: it is out already. */
#ifndef TROUPE_ACTOR_LEDGER_H
#define TROUPE_ACTOR_LEDGER_H

#include <stddef.h>
#include <stdint.h>

struct actor;
struct context;

struct owned {
    struct owned *next, **link; /* link NULL: in no ledger */
    void (*release)(struct context *context, struct owned *item);
};

void ledger_add(struct actor *self, struct owned *item);
void ledger_remove(struct owned *item);
/* Bytes of memory in it (tr_alloc). */
size_t ledger_memory(const struct actor *self);
/* The end: releases everything. */
void ledger_release(struct context *context, struct actor *self);

#endif
