/* relation.h: links, monitors and aliases: made and removed synchronously under the lock bits of both actors.
 *
 * Who dies allocates nothing for those who are to hear of it: the record is the signal (D7).
 *
 * A link is one record of 64 bytes with an end for each of the two, in its holder's list.
 *     linked      notice is NULL; both ends are in their lists
 *     signalled   one has ended: its end has become the message, EXIT; the other's end is `last`, in front of its list
 * Edges: linked -> signalled: the death of either (link_signal). linked -> freed: unlink. signalled -> `last` in no
 * list: the EXIT is met, or its receiver has unlinked (DONE: it is dropped when it is met, LINK-05) or dies. From
 * signalled on the record belongs to the receiver's mailbox, as any message, and is freed as one.
 *
 * A monitor is two halves: the target holds one in `watchers`, the watcher one in cold->monitors. The target's half is
 * the DOWN.
 *
 *     field                   target's half            watcher's half, alias
 *     message.sender          the target               the watcher
 *     message.serial          the monitor's handle     its handle, under which it is in the table of refs
 *     message.tag             TR_MSG_DOWN              alias mode: 0, TR_ALIAS_...
 *     peer                    the watcher              the target; 0: it has signalled, or there is none
 *     twin                    the watcher's half       the target's half; itself: it is out of its list, for good
 *     link                    where the one before it has its `next`; of the first one: where the last one has it
 *
 * When the target dies (end.c), each half in `watchers`, the oldest first, is taken out and put into the watcher's
 * mailbox under both locks; its twin's peer becomes 0. So the DOWNs of one watcher arrive in the order of its monitors,
 * as OTP's do, and none arrives after a demonitor (MON-06): the watcher finds, by its lock, that the monitor is on and
 * takes it off, or that the DOWN is in its mailbox. What comes through an alias is put there under the owner's lock,
 * likewise: none comes after the owner has made it inactive (ALIAS-02). Then
 *     demonitor(flush) marks the one in the mailbox DONE
 *     meeting it removes the twin
 * A half that was sent belongs to its receiver's mailbox; a twin that is signalled belongs to its holder alone.
 *
 * Watchers' halves are found by other threads through their handle (aliases), so they are freed through RCU. */
#ifndef TROUPE_ACTOR_RELATION_H
#define TROUPE_ACTOR_RELATION_H

#include "actor/actor.h"

struct link_end {
    struct link_end *next, **link; /* (l) of the holder's list */
    uint64_t pid;                  /* (c) the holder's */
};

struct link {
    union {
        struct link_end first; /* linked */
        tr_msg message;        /* signalled */
    };
    struct notice *notice; /* (l) NULL until it is signalled; where message_notice expects it */
    struct link_end last;
};

_Static_assert(offsetof(struct link, notice) == sizeof(tr_msg), "a link that is signalled is a message with a notice");
_Static_assert(sizeof(struct link) == POOL_GRAIN, "a link is found by either end: link_of");

static inline struct link *link_of(struct link_end *end)
{
    return (struct link *)(void *)((char *)end - ((uintptr_t)end & (POOL_GRAIN - 1)));
}
static inline bool link_signalled(struct link_end *end) { return link_of(end)->notice != NULL; }
/* Of a link that is not signalled. */
static inline struct link_end *link_other_end(struct link_end *end)
{
    struct link *link = link_of(end);
    return end == &link->first ? &link->last : &link->first;
}
/* Who is linked to the end's holder, or was. */
static inline uint64_t link_peer(struct link_end *end)
{
    return link_signalled(end) ? link_of(end)->message.sender : link_other_end(end)->pid;
}

/* Half of a monitor, or an alias. */
struct relation {
    tr_msg message;
    union {
        uint64_t peer;         /* (l) in a list */
        struct notice *notice; /* sent: where message_notice expects it */
    };
    struct relation *twin; /* (l) */
    union {
        struct {
            struct relation *next, **link; /* (l) of the holder's list */
        };
        struct retired retired;
    };
};

_Static_assert(offsetof(struct relation, notice) == sizeof(tr_msg), "a half that was sent is a message with a notice");
_Static_assert(sizeof(struct relation) == 64, "a half is one cache line");

#define REF_ALIAS_BIT \
    (UINT64_C(1) << 63) /* a call's serial with it is the handle of an alias, without it a wait's number */

/* Owner: meets a LINK_EXIT. False: it has unlinked meanwhile. */
bool relation_link_ended(struct actor *self, tr_msg *signal);
/* Owner: meets a DOWN: removes its own half. */
void relation_down_met(struct context *context, struct actor *self, tr_msg *down);

/* Links two processes that run or are made; TR_OK, TR_ENOPROC: b is gone, TR_ENOMEM. */
int relation_link(struct context *context, struct actor *a, struct actor *b);
/* The same under the LOCK of b, which goes. */
int relation_link_and_unlock(struct context *context, struct actor *a, struct actor *b);
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

/* A request through an alias cannot be answered for lack of memory: its monitor's DOWN, which is there, says so now
 * (the notice is not taken). Any thread with a context. */
void relation_alias_fail(struct context *context, uint64_t owner, uint64_t handle, struct notice *notice);

/* Locks `other` for who holds self's lock. False: that one was let go meanwhile, for somebody has the other's: what was
 * seen under it may be gone. */
static inline bool relation_lock_other(struct actor *self, struct actor *other)
{
    if (actor_try_lock(other)) /* waits for nobody, so the order of the slots need not be kept */
        return true;
    actor_unlock(self);
    actor_lock_two(self, other);
    return false;
}

/* Which lists of an actor are not empty; under its lock. */
enum relation_list { RELATION_LINKS = 1, RELATION_WATCHERS = 2, RELATION_MONITORS = 4 };
static inline uint32_t relation_lists(const struct actor *self)
{
    return (self->links != NULL ? RELATION_LINKS : 0u) | (self->watchers != NULL ? RELATION_WATCHERS : 0u) |
           (self->cold != NULL && self->cold->monitors != NULL ? RELATION_MONITORS : 0u);
}

/* Death: its own monitors go, then all links are signalled, then all watchers (D7, EXIT-12). `lists` is what was there
 * when GONE was set: since then they only lose. */
void relation_release_all(struct context *context, struct actor *self, uint32_t lists, struct notice *notice);

/* The part of it that is about links. */
void link_release_all(struct context *context, struct actor *self, struct notice *notice);
/* Death, under self's LOCK, inside a read section: turns its one link into the signal for `*other`, for the caller to
 * deliver. NULL: it has more of them, or one that is signalled, or the other's LOCK is taken: nothing happened. */
tr_msg *link_signal_only(struct actor *self, struct notice *notice, struct actor **other);

#endif
