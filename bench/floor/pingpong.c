/* pingpong.c: the floor of `troupe bench pingpong`: two actors, n round trips. */
#include "floor.h"

enum { PING = 1, PONG };
enum { PARTNER, TRIPS, LEFT };

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
        finished = true;
}

int main(int argc, char **argv)
{
    uint64_t n = parameter(argc, argv, "n", 1000000);
    struct actor *pinger = actor_new(ping), *ponger = actor_new(pong);
    char parameters[64];
    pinger->state[PARTNER] = ponger->pid;
    pinger->state[TRIPS] = pinger->state[LEFT] = n;
    int64_t start = now_ns();
    send_number(pinger->pid, 0, PONG, 0);
    run_all();
    snprintf(parameters, sizeof parameters, "\"n\":%" PRIu64 ",", n);
    print_result("pingpong", parameters, 2 * n, start);
    must(ponger->state[TRIPS] == n, "wrong result");
    return 0;
}
