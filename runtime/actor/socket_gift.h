/* socket_gift.h: what another gave to a process that has not taken it into its ledger yet.
 *
 * A ledger is its owner's alone, and a process may get a socket (tr_socket_give, an active listener) at any moment,
 * blocked or never to look at it. Until it does, the gift waits here under its pid; at its death the core takes what is
 * left into the ledger, which releases it: between the mark EXITING and the release of the ledger it calls gift_take.
 *
 * A gift against the receiver's death: the giver lists it, then looks under the receiver's lock whether it is EXITING;
 * the dying one is marked EXITING under its lock, then looks at the count. The lock orders them: either the giver sees
 * EXITING and takes the gift back, or the dying one sees the gift. */
#ifndef TROUPE_ACTOR_SOCKET_GIFT_H
#define TROUPE_ACTOR_SOCKET_GIFT_H

#include "actor/actor.h"

/* Embedded in what is given. */
struct gift {
    struct gift *next;
    uint64_t to;
    struct owned owned; /* the ledger's item; what this is about */
};

/* Any thread inside a read section: `to` owns it from now on; false: it is dead, and nothing happened. */
bool gift_offer(uint64_t to, struct gift *gift);

/* Slow half of the next. */
void gift_take_all(struct actor *self);

extern _Atomic uint32_t gift_count;

/* Owner, before it uses its ledger for something that was given; at death, once no gift can come (EXITING): all of its
 * gifts are in its ledger. Relaxed: a gift that it has heard of, and each that came before EXITING, is counted already.
 */
static inline void gift_take(struct actor *self)
{
    if (UNLIKELY(load_relaxed(&gift_count) != 0))
        gift_take_all(self);
}

#endif
