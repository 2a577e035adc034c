/* floor.h: what messages between actors cost without a runtime: the least that one has to do, by hand, on one thread.
 *
 * The same work as a runtime's: the receiver is found in a table by its pid (generation checked), the message comes
 * from a pool, the mailbox is an atomic exchange on its tail, the non-empty mailbox is the run token, a woken actor
 * goes to a next slot or to a ring, and its handler is called through a pointer. Left out: everything else (read
 * sections, signals, budgets, stealing, tracing, links, headers that say more than tag and sender). One thread runs it,
 * but every operation that would have to be atomic is.
 *
 * Work that is parallel by nature (pairs, rings, calls) is shared out by workers.h.
 *
 * Each floor program prints the same line as `troupe bench` with the peer "floor"; compare.sh and bench/compare set the
 * two side by side. */
#ifndef TROUPE_BENCH_FLOOR_H
#define TROUPE_BENCH_FLOOR_H

#include "program.h"

#include <stdatomic.h>
#include <string.h>

/* How many actors there may be, a power of two, and the words of state that each has: a program that needs others says
 * so before it includes this. */
#ifndef FLOOR_SLOTS
#define FLOOR_SLOTS (1 << 14)
#endif
#ifndef FLOOR_STATE_WORDS
#define FLOOR_STATE_WORDS 6
#endif

enum { FLOOR_RING = 1 << 12, FLOOR_SLOT_BITS = 26, FLOOR_TURN = 4096, FLOOR_AT_ONCE = 64 };

struct link {
    _Atomic(struct link *) next;
};

struct message {
    struct link link; /* first, so that a link is its message */
    uint64_t sender;
    uint32_t tag, size;
    _Alignas(16) uint64_t body[4];
};

_Static_assert(sizeof(struct message) == 64, "a message is a cache line");

/* The mailbox: tail == &dummy if and only if the actor is idle. As the runtime's own, from liburcu's wfcqueue. */
struct actor {
    struct link dummy;
    _Atomic(struct link *) tail;
    void (*handle)(struct actor *actor, const struct message *message);
    uint64_t pid;
    uint32_t turn; /* so many messages at most before others run */
    bool ended;    /* its handler wants it to end */
    uint64_t state[FLOOR_STATE_WORDS];
};

enum { FLOOR_ACTOR_BYTES = (sizeof(struct actor) + 63) / 64 * 64 }; /* whole cache lines */

struct slot {
    _Atomic(struct actor *) actor;
    _Atomic uint64_t pid;
};

static struct slot slots[FLOOR_SLOTS];
static uint64_t slot_count = 1;
static struct message *pool;
static struct actor *ended_actors; /* to be used again, each with its slot */
static struct actor *next_slot, *run_ring[FLOOR_RING];
static uint64_t ring_head, ring_tail;
static bool finished;

static inline struct message *message_new(void)
{
    struct message *message = pool;
    if (__builtin_expect(message == NULL, 0)) {
        struct message *fresh = aligned_alloc(64, FLOOR_AT_ONCE * sizeof *fresh);
        must(fresh != NULL, "no memory");
        for (int i = 0; i < FLOOR_AT_ONCE; i++)
            atomic_init(&fresh[i].link.next, i + 1 < FLOOR_AT_ONCE ? &fresh[i + 1].link : NULL);
        message = fresh;
    }
    pool = (struct message *)atomic_load_explicit(&message->link.next, memory_order_relaxed);
    return message;
}

static inline void message_free(struct message *message)
{
    atomic_store_explicit(&message->link.next, pool == NULL ? NULL : &pool->link, memory_order_relaxed);
    pool = message;
}

/* A woken actor runs next; who was to run next goes to the ring's tail. */
static inline void make_runnable(struct actor *actor)
{
    if (next_slot != NULL)
        run_ring[ring_tail++ % FLOOR_RING] = next_slot;
    next_slot = actor;
}

static inline void mailbox_put(struct actor *actor, struct message *message)
{
    atomic_store_explicit(&message->link.next, NULL, memory_order_relaxed);
    struct link *old = atomic_exchange_explicit(&actor->tail, &message->link, memory_order_acq_rel);
    atomic_store_explicit(&old->next, &message->link, memory_order_release);
    if (old == &actor->dummy)
        make_runnable(actor);
}

static inline struct actor *actor_of(uint64_t pid)
{
    struct slot *slot = &slots[pid & ((UINT64_C(1) << FLOOR_SLOT_BITS) - 1) & (FLOOR_SLOTS - 1)];
    struct actor *actor = atomic_load_explicit(&slot->actor, memory_order_acquire);
    return atomic_load_explicit(&slot->pid, memory_order_relaxed) == pid ? actor : NULL;
}

static inline void send_number(uint64_t to, uint64_t sender, uint32_t tag, uint64_t number)
{
    struct actor *actor = actor_of(to);
    if (actor == NULL)
        return;
    struct message *message = message_new();
    message->sender = sender;
    message->tag = tag;
    message->size = sizeof number;
    memcpy(message->body, &number, sizeof number);
    mailbox_put(actor, message);
}

/* Room for one that has not been used yet. */
static inline struct actor *actor_block(void)
{
    static char *fresh, *end;
    if (fresh == end) {
        fresh = aligned_alloc(64, FLOOR_AT_ONCE * FLOOR_ACTOR_BYTES);
        must(fresh != NULL && slot_count < FLOOR_SLOTS, "no memory");
        end = fresh + FLOOR_AT_ONCE * FLOOR_ACTOR_BYTES;
    }
    struct actor *actor = (struct actor *)(void *)fresh;
    fresh += FLOOR_ACTOR_BYTES;
    return actor;
}

static inline struct actor *actor_new(void (*handle)(struct actor *actor, const struct message *message))
{
    struct actor *actor = ended_actors;
    uint64_t pid;
    if (actor != NULL) {
        ended_actors = (struct actor *)atomic_load_explicit(&actor->dummy.next, memory_order_relaxed);
        pid = actor->pid + (UINT64_C(1) << FLOOR_SLOT_BITS); /* the next generation */
    } else {
        actor = actor_block();
        pid = slot_count++ | UINT64_C(1) << FLOOR_SLOT_BITS;
    }
    struct slot *slot = &slots[pid & (FLOOR_SLOTS - 1)];
    memset((void *)actor, 0, FLOOR_ACTOR_BYTES);
    atomic_init(&actor->tail, &actor->dummy);
    actor->handle = handle;
    actor->turn = FLOOR_TURN;
    actor->pid = pid;
    atomic_store_explicit(&slot->pid, pid, memory_order_relaxed);
    atomic_store_explicit(&slot->actor, actor, memory_order_release);
    return actor;
}

/* What it has not received goes back to the pool; it is not in the ring, since it runs. */
static inline void actor_free(struct actor *actor)
{
    struct link *at = atomic_load_explicit(&actor->dummy.next, memory_order_relaxed);
    atomic_store_explicit(&slots[actor->pid & (FLOOR_SLOTS - 1)].actor, NULL, memory_order_release);
    while (at != NULL) {
        struct link *next = atomic_load_explicit(&at->next, memory_order_acquire);
        message_free((struct message *)at);
        at = next;
    }
    atomic_store_explicit(&actor->dummy.next, (struct link *)(void *)ended_actors, memory_order_relaxed);
    ended_actors = actor;
}

/* Takes the first message out; true: it was the last one and the actor is given up. */
static inline bool mailbox_take(struct actor *actor, struct message *first)
{
    struct link *next = atomic_load_explicit(&first->link.next, memory_order_acquire), *last = &first->link;
    atomic_store_explicit(&actor->dummy.next, next, memory_order_relaxed);
    return next == NULL && atomic_compare_exchange_strong_explicit(&actor->tail, &last, &actor->dummy,
                                                                   memory_order_acq_rel, memory_order_acquire);
}

/* A turn: handles messages until the mailbox is empty. */
static inline void run_actor(struct actor *actor)
{
    for (uint32_t i = 0; i < actor->turn; i++) {
        struct message *first = (struct message *)atomic_load_explicit(&actor->dummy.next, memory_order_acquire);
        actor->handle(actor, first);
        bool last = mailbox_take(actor, first), ended = actor->ended;
        message_free(first);
        if (ended)
            actor_free(actor);
        if (last || ended)
            return;
    }
    run_ring[ring_tail++ % FLOOR_RING] = actor;
}

static inline struct actor *next_actor(void)
{
    struct actor *actor = next_slot;
    next_slot = NULL;
    if (actor == NULL && ring_head != ring_tail)
        actor = run_ring[ring_head++ % FLOOR_RING];
    return actor;
}

static inline void run_all(void)
{
    struct actor *actor;
    while (!finished && (actor = next_actor()) != NULL)
        run_actor(actor);
}

#endif
