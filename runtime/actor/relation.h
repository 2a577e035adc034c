/* relation.h: links, monitors and aliases: records of two halves, made and removed synchronously under the lock bits
 * of both actors.
 *
 * A half is 64 bytes. Of a link, each actor holds one; of a monitor, the target holds one in `watchers` and the
 * watcher one in
 * cold->monitors. The half that an actor holds as the one who may die is the signal itself: EXIT to its link, DOWN to
 * its watcher; so
 * dying allocates nothing (D7).
 *
 *     field            link: half of A (peer B)    target's half            watcher's half, alias
 *     message.sender   A, who would die            the target               the watcher
 *     message.serial   0                           the monitor's handle     its handle, under which it is in the table
 *     of refs
 *     message.tag      TR_MSG_EXIT                 TR_MSG_DOWN              alias mode: 0, TR_ALIAS_...
 *     peer             B; 0: it has signalled      the watcher              the target; 0: it has signalled, or there
 *     is none
 *     twin             the half of B               the watcher's half       the target's half
 *
 * When X dies (end.c), each half that it holds is taken out of its list under both locks and sent; the twin's peer
 * becomes 0:
 * "signalled", its twin is on its way. Then
 *     unlink, demonitor(flush) by the twin's holder mark the one on its way DONE: it is dropped when it is met
 *     (LINK-05, MON-06)
 *     meeting it removes the twin
 * A half on its way belongs to its receiver's mailbox; a twin that is signalled belongs to its holder alone.
 *
 * Watchers' halves are found by other threads through their handle (aliases), so they are freed through RCU. */
#ifndef TROUPE_ACTOR_RELATION_H
#define TROUPE_ACTOR_RELATION_H

#include "actor/actor.h"

struct relation {
    tr_msg message;
    union {
        uint64_t peer;         /* (l) in a list */
        struct notice *notice; /* on its way: where message_notice expects it */
    };
    struct relation *twin; /* (l) */
    union {
        struct {
            struct relation *next, **link; /* (l) of the holder's list */
        };
        struct retired retired;
    };
};

_Static_assert(offsetof(struct relation, notice) == sizeof(tr_msg), "a half on its way is a message with a notice");
_Static_assert(sizeof(struct relation) == 64, "a half is one cache line");

#define REF_ALIAS_BIT \
    (UINT64_C(1) << 63) /* a call's serial with it is the handle of an alias, without it a wait's number */

/* Owner: meets a LINK_EXIT. False: the link is gone. */
bool relation_link_ended(struct context *context, struct actor *self, tr_msg *signal);
/* Owner: meets a DOWN: removes its own half. */
void relation_down_met(struct context *context, struct actor *self, tr_msg *down);

/* Links two processes that run or are made; TR_OK, TR_ENOPROC: b is gone, TR_ENOMEM. */
int relation_link(struct context *context, struct actor *a, struct actor *b);
/* A monitor of `watcher` (an owner) on a target: its handle; a dead or missing target: the DOWN with if_dead is in the
 * mailbox.
 * 0: no memory. */
uint64_t relation_monitor(struct context *context, struct actor *watcher, uint64_t target, int alias, tr_why if_dead);
/* Removes it. False: it was not active. */
bool relation_demonitor(struct context *context, struct actor *watcher, uint64_t handle, bool flush);
/* Owner: the alias is active no more; a pure one goes. False: it was not active. */
bool relation_unalias(struct context *context, struct actor *owner, uint64_t handle);
void relation_unlink(struct context *context, struct actor *self, uint64_t peer);

/* A message through an alias: the owner's if the alias is active; frees it if not. Any thread with a context. */
bool relation_alias_deliver(struct context *context, uint64_t owner, uint64_t handle, tr_msg *message);

/* Death: its own monitors go, then all links are signalled, then all watchers (D7, EXIT-12). GONE is set. */
void relation_release_all(struct context *context, struct actor *self, struct notice *notice);

#endif
