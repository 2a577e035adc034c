/* mailbox.h: an actor's mailbox: liburcu's wfcqueue with the run token in it (D4).
 *
 * Shape: a singly linked list with a dummy node in the mailbox: dummy.next is the first message, tail the last node
 * (the dummy when empty). 16 bytes; the node is embedded in the message, 8 bytes.
 *
 * THE NON-EMPTY QUEUE IS THE RUN TOKEN. Invariants:
 *   I1  tail == &dummy  <=>  nobody runs the owner and nobody has it scheduled.
 *   I2  The `mailbox_put` that turns tail away from &dummy returns true, and its caller schedules the owner; no other
 *       put does.
 *   I3  The owner handles the first message while it is still in the queue (peek, handle, take), so the queue does
 *       not look empty while the owner runs, and no sender schedules it a second time.
 *   I4  The `mailbox_take` that returns MAILBOX_LAST turns tail back to &dummy: from that instant another thread may
 *       run the actor, so the owner touches nothing of it afterwards but the node that it took.
 *
 * Hence every wake-up of an idle actor is a put of some node, and there is no schedule flag that could be forgotten.
 *
 * Roles: put: any thread that keeps the mailbox alive (inside a read section). All others: the owner, whoever holds the
 * token. Progress: put is wait-free; peek, next and take may have to be retried (MAILBOX_BUSY). Reclamation: a taken
 * node is the owner's at once; the mailbox goes after a grace period, since a sender that found the actor may still
 * put.
 *
 * Races, each with its outcome:
 *   put, put         The exchange on tail orders them; exactly one sees &dummy.
 *   put, last take   Both change tail atomically. Put first: the take's compare-and-swap fails, it returns MAILBOX_MORE
 *                    or MAILBOX_BUSY and the owner keeps the token. Take first: the put sees &dummy and schedules.
 *   half-linked      Between a sender's exchange and its store of the link the new node can't be reached. The owner
 *                    gets MAILBOX_BUSY, has taken nothing, keeps the token and must come back: it requeues itself at
 *                    its run queue's tail, as the sender may be preempted on this very core. liburcu's blocking
 *                    calls, which sleep, are not used.
 *
 * Synchronization: wfcqueue.h of liburcu 0.13 uses volatile accesses and full barriers, which ThreadSanitizer can't
 * follow and which are dearer than needed on weakly ordered machines. Its four primitives are mapped here, always, to
 * C11 orderings:
 *
 *   uatomic_xchg(tail), in put: acq_rel
 *       [MB1] release: node.next = NULL before the node is the tail; pairs with [MB2] and [MB5].
 *       [MB2] acquire: the former tail is initialized before its link is stored; and what the former owner did before
 *       it gave the actor up is seen by the sender that schedules it anew; pairs with [MB1] and [MB5].
 *   CMM_STORE_SHARED(old->next), in put: release
 *       [MB3] release: body before link; pairs with [MB4].
 *   CMM_LOAD_SHARED(next or tail), in peek, next; and the same in take: acquire
 *       [MB4] acquire: link before body; pairs with [MB3]. Of tail only "empty or not" is used, for which relaxed would
 *       do: one macro serves both.
 *   uatomic_cmpxchg(tail, node, dummy), in take: acq_rel, acquire if it fails
 *       [MB5] release: dummy.next = NULL, and all that the owner did to the actor, before the mailbox is empty;
 *       acquire: the tail that made it fail; pairs with [MB2] and [MB1].
 *   plain stores to dummy.next, in take: none needed
 *       only the token's holder writes it while tail != &dummy; a sender writes it only after its exchange saw dummy.
 */
#ifndef TROUPE_QUEUE_MAILBOX_H
#define TROUPE_QUEUE_MAILBOX_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef _URCU_WFCQUEUE_H
#error "include queue/mailbox.h before liburcu's wfcqueue.h or rculfhash.h: it sets the queue's memory orderings"
#endif

#include <urcu/compiler.h>
#include <urcu/system.h>
#include <urcu/uatomic.h>

#pragma push_macro("_LGPL_SOURCE")
#pragma push_macro("uatomic_xchg")
#pragma push_macro("uatomic_cmpxchg")
#pragma push_macro("CMM_LOAD_SHARED")
#pragma push_macro("CMM_STORE_SHARED")
#undef _LGPL_SOURCE
#undef uatomic_xchg
#undef uatomic_cmpxchg
#undef CMM_LOAD_SHARED
#undef CMM_STORE_SHARED
#define _LGPL_SOURCE                   1 /* Troupe may be relinked with another liburcu: the inline half is LGPL */
#define uatomic_xchg(address, value)   __atomic_exchange_n((address), (value), __ATOMIC_ACQ_REL)
#define CMM_LOAD_SHARED(place)         __atomic_load_n(&(place), __ATOMIC_ACQUIRE)
#define CMM_STORE_SHARED(place, value) __atomic_store_n(&(place), (value), __ATOMIC_RELEASE)
#define uatomic_cmpxchg(address, old, value)                                                                \
    __extension__({                                                                                         \
        __typeof__(*(address)) seen_ = (old);                                                               \
        __atomic_compare_exchange_n((address), &seen_, (value), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE); \
        seen_;                                                                                              \
    })
#include <urcu/wfcqueue.h>
#pragma pop_macro("CMM_STORE_SHARED")
#pragma pop_macro("CMM_LOAD_SHARED")
#pragma pop_macro("uatomic_cmpxchg")
#pragma pop_macro("uatomic_xchg")
#pragma pop_macro("_LGPL_SOURCE")

struct mailbox_node {
    struct cds_wfcq_node link;
};

struct mailbox {
    struct __cds_wfcq_head head; /* (o) the dummy node; (s) its next, by the sender that finds tail == &dummy */
    struct cds_wfcq_tail tail;   /* (s) and the owner's last take */
};

_Static_assert(sizeof(struct mailbox_node) == 8 && sizeof(struct mailbox) == 16,
               "an idle actor pays 16 bytes for its mailbox");

/* peek and next: a node that is not linked yet stands where the answer would be */
#define MAILBOX_BUSY_NODE ((struct mailbox_node *)CDS_WFCQ_WOULDBLOCK)

enum mailbox_took {
    MAILBOX_MORE, /* taken, and at least one more is there: the caller still runs the actor */
    MAILBOX_LAST, /* taken, and the actor is given up: touch nothing of it any more */
    MAILBOX_BUSY, /* nothing taken, the caller still runs the actor: try again later */
};

/* A new mailbox is empty, that is: idle. */
static inline void mailbox_init(struct mailbox *box) { __cds_wfcq_init(&box->head, &box->tail); }

/* The same with a first node in it: whoever makes it has the token. Nobody knows the mailbox yet. */
static inline void mailbox_init_with(struct mailbox *box, struct mailbox_node *node)
{
    mailbox_init(box);
    cds_wfcq_node_init(&node->link);
    box->head.node.next = &node->link;
    box->tail.p = &node->link;
}

/* Any thread. The node becomes the mailbox'. True: it was empty, so the caller now must schedule the owner, and nobody
 * else may. */
static inline bool mailbox_put(struct mailbox *box, struct mailbox_node *node)
{
    cds_wfcq_node_init(&node->link);
    return !cds_wfcq_enqueue(&box->head, &box->tail, &node->link);
}

/* Any thread, for tools: whether the owner was idle, a moment ago. */
static inline bool mailbox_seems_empty(struct mailbox *box)
{
    /* I1; the tail alone, since the owner writes the dummy's link plainly; relaxed: a look */
    return __atomic_load_n(&box->tail.p, __ATOMIC_RELAXED) == &box->head.node;
}

/* Owner. The first node, which stays; MAILBOX_BUSY_NODE; or NULL: empty, which the holder of the token never sees. */
static inline struct mailbox_node *mailbox_peek(struct mailbox *box)
{
    /* acquire: [MB4] */
    struct cds_wfcq_node *first = __atomic_load_n(&box->head.node.next, __ATOMIC_ACQUIRE);
    if (UNLIKELY(first == NULL))
        first = __cds_wfcq_first_nonblocking(&box->head, &box->tail);
    return (struct mailbox_node *)first;
}

/* Owner. Whether this node is the first; the mailbox is not empty. */
static inline bool mailbox_is_first(struct mailbox *box, const struct mailbox_node *node)
{
    return __atomic_load_n(&box->head.node.next, __ATOMIC_RELAXED) == &node->link; /* relaxed: nothing is read of it */
}

/* Owner. The node after `node`, which must be in the mailbox; NULL: it is the last one for now; or MAILBOX_BUSY_NODE. A
 * successor of the first node is a promise: the next `mailbox_take` returns MAILBOX_MORE. */
static inline struct mailbox_node *mailbox_next(struct mailbox *box, struct mailbox_node *node)
{
    return (struct mailbox_node *)__cds_wfcq_next_nonblocking(&box->head, &box->tail, &node->link);
}

/* Owner. What is linked to a node that is in the mailbox, or to the dummy; NULL: nothing, or a sender is in the middle
 * of its put. */
static inline struct mailbox_node *mailbox_linked(const struct cds_wfcq_node *node)
{
    return (struct mailbox_node *)__atomic_load_n(&node->next, __ATOMIC_ACQUIRE); /* [MB4] */
}

/* Owner. Takes the first node out, to which `next` is linked. */
static ALWAYS_INLINE void mailbox_drop_first(struct mailbox *box, struct mailbox_node *next)
{
    box->head.node.next = &next->link;
}

/* Owner. Takes the first node out, which is `node`, if it is the last one, too, and gives the actor up. False: nothing
 * was done. */
static ALWAYS_INLINE bool mailbox_take_last(struct mailbox *box, struct mailbox_node *node)
{
    struct cds_wfcq_node *last = &node->link;
    box->head.node.next = NULL;
    if (LIKELY(__atomic_compare_exchange_n(&box->tail.p, &last, &box->head.node, false, __ATOMIC_ACQ_REL,
                                           __ATOMIC_ACQUIRE))) /* [MB5] */
        return true;
    box->head.node.next = &node->link;
    return false;
}

/* Owner. Takes the first node out, which is `node`: what liburcu's dequeue does once it has found it. */
static ALWAYS_INLINE enum mailbox_took mailbox_take_first(struct mailbox *box, struct mailbox_node *node)
{
    struct cds_wfcq_node *first = &node->link, *next = __atomic_load_n(&first->next, __ATOMIC_ACQUIRE); /* [MB4] */
    if (next == NULL) {
        if (LIKELY(mailbox_take_last(box, node)))
            return MAILBOX_LAST;
        next = __atomic_load_n(&first->next, __ATOMIC_ACQUIRE); /* [MB4] */
        if (UNLIKELY(next == NULL))
            return MAILBOX_BUSY;
    }
    box->head.node.next = next;
    return MAILBOX_MORE;
}

/* Owner. Takes the first node out; the mailbox must not be empty. */
static inline enum mailbox_took mailbox_take(struct mailbox *box, struct mailbox_node **node)
{
    struct mailbox_node *first = mailbox_peek(box);
    if (UNLIKELY(first == MAILBOX_BUSY_NODE))
        return MAILBOX_BUSY;
    enum mailbox_took took = mailbox_take_first(box, first);
    if (LIKELY(took != MAILBOX_BUSY))
        *node = first;
    return took;
}

#endif
