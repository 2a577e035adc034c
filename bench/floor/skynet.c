/* skynet.c: the floor of `troupe bench skynet`: a tree of actors, ten children each; leaves send their number up, the
 * others sum what their children send. A child runs as soon as it is spawned, so that few live at a time. */
#include "floor.h"

enum { START = 1, NUMBER };
enum { PARENT, FIRST, LEAVES, ANSWERS, SUM };
enum { CHILDREN = 10 };

static uint64_t result;

static void node(struct actor *me, const struct message *message);

static void spawn_child(const struct actor *me, uint64_t index)
{
    struct actor *child = actor_new(node);
    child->state[PARENT] = me->pid;
    child->state[LEAVES] = me->state[LEAVES] / CHILDREN;
    child->state[FIRST] = me->state[FIRST] + index * child->state[LEAVES];
    send_number(child->pid, me->pid, START, 0);
    run_actor(next_actor());
}

static void answer(struct actor *me, uint64_t number)
{
    me->ended = true;
    if (me->state[PARENT] != 0) {
        send_number(me->state[PARENT], me->pid, NUMBER, number);
    } else {
        result = number;
        finished = true;
    }
}

static void node(struct actor *me, const struct message *message)
{
    if (message->tag == NUMBER) {
        me->state[SUM] += message->body[0];
        if (++me->state[ANSWERS] == CHILDREN)
            answer(me, me->state[SUM]);
    } else if (me->state[LEAVES] == 1) {
        answer(me, me->state[FIRST]);
    } else {
        for (uint64_t i = 0; i < CHILDREN; i++)
            spawn_child(me, i);
    }
}

int main(int argc, char **argv)
{
    uint64_t leaves = parameter(argc, argv, "leaves", 1000000), actors = 1;
    char parameters[64];
    for (uint64_t level = leaves; level > 1; level /= CHILDREN) {
        must(level % CHILDREN == 0, "leaves must be a power of 10");
        actors += level;
    }
    int64_t start = now_ns();
    struct actor *root = actor_new(node);
    root->state[LEAVES] = leaves;
    send_number(root->pid, 0, START, 0);
    run_all();
    snprintf(parameters, sizeof parameters, "\"leaves\":%" PRIu64 ",", leaves);
    print_result("skynet", parameters, actors, start);
    must(result == leaves * (leaves - 1) / 2, "wrong result");
    return 0;
}
