/* rings.h: rings of actors, one token each, n hops: the floor of ring and rings. */
#ifndef TROUPE_BENCH_FLOOR_RINGS_H
#define TROUPE_BENCH_FLOOR_RINGS_H

#include "floor.h"

enum { TOKEN = 1 };
enum { NEXT, INDEX };

static uint64_t firsts[FLOOR_SLOTS], ring_count, ring_actors, hops, rings_done;

static void node(struct actor *me, const struct message *message)
{
    must(message->tag == TOKEN, "a node got something else");
    if (message->body[0] > 0) {
        send_number(me->state[NEXT], me->pid, TOKEN, message->body[0] - 1);
    } else {
        must(me->state[INDEX] == hops % ring_actors, "wrong result");
        finished = ++rings_done == ring_count;
    }
}

static inline uint64_t ring_new(uint64_t actors)
{
    struct actor *first = actor_new(node), *last = first;
    for (uint64_t i = 1; i < actors; i++) {
        struct actor *actor = actor_new(node);
        actor->state[INDEX] = i;
        last->state[NEXT] = actor->pid;
        last = actor;
    }
    last->state[NEXT] = first->pid;
    return first->pid;
}

static inline void rings_set_up(uint64_t count, uint64_t actors, uint64_t n)
{
    must(count < FLOOR_SLOTS, "too many rings");
    ring_count = count;
    ring_actors = actors;
    hops = n;
    for (uint64_t i = 0; i < count; i++)
        firsts[i] = ring_new(actors);
}

static inline void rings_run(void)
{
    for (uint64_t i = 0; i < ring_count; i++)
        send_number(firsts[i], 0, TOKEN, hops);
    run_all();
}

#endif
