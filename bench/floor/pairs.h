/* pairs.h: pairs of actors, n round trips each: the floor of pingpong and pairs. */
#ifndef TROUPE_BENCH_FLOOR_PAIRS_H
#define TROUPE_BENCH_FLOOR_PAIRS_H

#include "floor.h"

enum { PING = 1, PONG };
enum { PARTNER, TRIPS, LEFT };

static struct actor *pingers[FLOOR_SLOTS];
static uint64_t pair_count, pairs_done;

static void pong(struct actor *me, const struct message *message)
{
    must(message->tag == PING, "pong got something else");
    send_number(message->sender, me->pid, PONG, ++me->state[TRIPS]);
}

static void ping(struct actor *me, const struct message *message)
{
    must(message->tag == PONG && message->body[0] == me->state[TRIPS] - me->state[LEFT], "ping got something else");
    if (me->state[LEFT]-- > 0)
        send_number(me->state[PARTNER], me->pid, PING, 0);
    else
        finished = ++pairs_done == pair_count;
}

static inline void pairs_set_up(uint64_t count, uint64_t n)
{
    must(count < FLOOR_SLOTS / 2, "too many pairs");
    pair_count = count;
    for (uint64_t i = 0; i < count; i++) {
        pingers[i] = actor_new(ping);
        pingers[i]->state[PARTNER] = actor_new(pong)->pid;
        pingers[i]->state[TRIPS] = pingers[i]->state[LEFT] = n;
    }
}

static inline void pairs_run(void)
{
    for (uint64_t i = 0; i < pair_count; i++)
        send_number(pingers[i]->pid, 0, PONG, 0);
    run_all();
    for (uint64_t i = 0; i < pair_count; i++)
        must(actor_of(pingers[i]->state[PARTNER])->state[TRIPS] == pingers[i]->state[TRIPS], "wrong result");
}

#endif
