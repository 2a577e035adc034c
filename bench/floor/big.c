/* big.c: the floor of `troupe bench big`: a actors, each sends n pings to random others, one at a time, and waits for
 * the pong; meanwhile it answers pings. */
#include "floor.h"

enum { PING = 1, PONG };
enum { INDEX, LEFT, SERVED, SEED };

static uint64_t pids[FLOOR_SLOTS], actor_count, done;

static void ping_somebody(struct actor *me)
{
    me->state[SEED] = (me->state[SEED] * 1309 + 13849) & 65535;
    uint64_t choice = me->state[SEED] % (actor_count - 1);
    send_number(pids[choice < me->state[INDEX] ? choice : choice + 1], me->pid, PING, 0); /* never itself */
}

static void big_actor(struct actor *me, const struct message *message)
{
    if (message->tag == PING) {
        me->state[SERVED]++;
        send_number(message->sender, me->pid, PONG, 0);
    } else if (me->state[LEFT]-- > 0) {
        ping_somebody(me);
    } else {
        finished = ++done == actor_count;
    }
}

int main(int argc, char **argv)
{
    uint64_t a = parameter(argc, argv, "a", 120), n = parameter(argc, argv, "n", 20000), served = 0;
    char parameters[96];
    must(a > 1 && a < FLOOR_SLOTS, "too few or too many actors");
    actor_count = a;
    for (uint64_t i = 0; i < a; i++) {
        struct actor *actor = actor_new(big_actor);
        actor->state[INDEX] = i;
        actor->state[LEFT] = n;
        actor->state[SEED] = i + 1;
        pids[i] = actor->pid;
    }
    int64_t start = now_ns();
    for (uint64_t i = 0; i < a; i++)
        send_number(pids[i], 0, PONG, 0);
    run_all();
    snprintf(parameters, sizeof parameters, "\"a\":%" PRIu64 ",\"n\":%" PRIu64 ",", a, n);
    print_result("big", parameters, 2 * a * n, start);
    for (uint64_t i = 0; i < a; i++)
        served += actor_of(pids[i])->state[SERVED];
    must(served == a * n, "wrong result");
    return 0;
}
