/* actor.c: parts of the control block. */
#include "actor/actor.h"

#include "actor/end.h"
#include "actor/names.h"
#include "actor/spawn.h"
#include "actor/wait.h"

#include <sched.h>

enum { LOCK_SPINS = 200 };

void actor_lock_slow(struct actor *actor)
{
    /* bound: the holder's few instructions; a preempted holder costs yields */
    for (unsigned spins = 0; !actor_try_lock(actor); spins++) {
        if (spins < LOCK_SPINS)
            spin_pause();
        else
            sched_yield();
    }
}

static inline bool slot_order(const struct actor *a, const struct actor *b)
{
    return (a->pid & SLOT_INDEX_MASK) < (b->pid & SLOT_INDEX_MASK);
}

void actor_lock_two(struct actor *a, struct actor *b)
{
    if (b != NULL && slot_order(b, a)) {
        actor_lock(b);
        actor_lock(a);
        return;
    }
    actor_lock(a);
    if (b != NULL && b != a)
        actor_lock(b);
}

void actor_unlock_two(struct actor *a, struct actor *b)
{
    actor_unlock(a);
    if (b != NULL && b != a)
        actor_unlock(b);
}

/* In pieces of constant size, as spawn.c's: for the whole a compiler takes an instruction that is slow to begin. */
static void clear_cold(struct cold *cold)
{
    enum { PIECE = 64, PIECES = sizeof *cold / PIECE, REST = sizeof *cold % PIECE };
    char *block = (char *)cold;
    _Static_assert(PIECES == 4, "these are all");
    memset(block, 0, PIECE);
    memset(block + PIECE, 0, PIECE);
    memset(block + 2 * PIECE, 0, PIECE);
    memset(block + 3 * PIECE, 0, PIECE + REST);
}

struct cold *actor_cold(struct context *context, struct actor *actor)
{
    if (LIKELY(actor->cold != NULL))
        return actor->cold;
    struct cold *cold = pool_alloc(context->pool, sizeof *cold);
    if (cold == NULL)
        return NULL;
    clear_cold(cold);
    wait_cold_init(actor, cold);
    actor->cold = cold;
    return cold;
}

struct cold *actor_cold_or_exit(struct context *context, struct actor *actor)
{
    struct cold *cold = actor_cold(context, actor);
    if (cold == NULL)
        actor_exit(actor, notice_static(TR_WHY_SYSTEM_LIMIT), true);
    return cold;
}

const char *actor_label(const struct actor *actor)
{
    if (actor->cold != NULL && actor->cold->label != NULL)
        return actor->cold->label;
    if (actor->behaviour == NULL)
        return "process";
    if (actor->behaviour->label_of != NULL)
        return actor->behaviour->label_of(actor->data);
    return actor->behaviour->label != NULL ? actor->behaviour->label : "actor";
}

size_t actor_block_size(const struct actor *actor) { return pool_block_size(actor); }
