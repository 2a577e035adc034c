/* spawnchain.c: the floor of `troupe bench spawnchain`: an actor spawns its successor, passes a counter, ends; n
 * deep. */
#include "floor.h"

enum { COUNT = 1 };
enum { LENGTH };

static uint64_t reached;

static void chain_link(struct actor *me, const struct message *message)
{
    uint64_t count = message->body[0];
    me->ended = true;
    if (count == me->state[LENGTH]) {
        reached = count;
        finished = true;
        return;
    }
    struct actor *next = actor_new(chain_link);
    next->state[LENGTH] = me->state[LENGTH];
    send_number(next->pid, me->pid, COUNT, count + 1);
}

int main(int argc, char **argv)
{
    uint64_t n = parameter(argc, argv, "n", 1000000);
    char parameters[64];
    int64_t start = now_ns();
    struct actor *first = actor_new(chain_link);
    first->state[LENGTH] = n;
    send_number(first->pid, 0, COUNT, 1);
    run_all();
    snprintf(parameters, sizeof parameters, "\"n\":%" PRIu64 ",", n);
    print_result("spawnchain", parameters, n, start);
    must(reached == n, "wrong result");
    return 0;
}
