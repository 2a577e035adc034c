/* spawn.c: the floor of `troupe bench spawn`: n actors; each gets one message, sends one to a collector, ends. The
 * spawner yields every few hundred, so that an actor's memory is used again while it is warm. */
#include "floor.h"

enum { NUMBER = 1, GO_ON };
enum { COLLECTOR, LEFT, SUM };
enum { AT_ONCE = 256 };

static void collector(struct actor *me, const struct message *message)
{
    me->state[SUM] += message->body[0];
    if (--me->state[LEFT] == 0)
        finished = true;
}

static void short_lived(struct actor *me, const struct message *message)
{
    send_number(me->state[COLLECTOR], me->pid, NUMBER, message->body[0]);
    me->ended = true;
}

static void spawner(struct actor *me, const struct message *message)
{
    must(message->tag == GO_ON, "the spawner got something else");
    for (int i = 0; i < AT_ONCE && me->state[LEFT] > 0; i++) {
        struct actor *actor = actor_new(short_lived);
        actor->state[COLLECTOR] = me->state[COLLECTOR];
        send_number(actor->pid, me->pid, NUMBER, me->state[LEFT]--);
    }
    if (me->state[LEFT] > 0)
        send_number(me->pid, me->pid, GO_ON, 0);
}

int main(int argc, char **argv)
{
    uint64_t n = parameter(argc, argv, "n", 1000000);
    struct actor *to = actor_new(collector), *from = actor_new(spawner);
    char parameters[64];
    to->state[LEFT] = from->state[LEFT] = n;
    from->state[COLLECTOR] = to->pid;
    from->turn = 1;
    int64_t start = now_ns();
    send_number(from->pid, 0, GO_ON, 0);
    run_all();
    snprintf(parameters, sizeof parameters, "\"n\":%" PRIu64 ",", n);
    print_result("spawn", parameters, n, start);
    must(to->state[SUM] == n * (n + 1) / 2, "wrong result");
    return 0;
}
