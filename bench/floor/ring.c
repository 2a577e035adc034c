/* ring.c: the floor of `troupe bench ring`: a actors, one token, n hops. */
#include "floor.h"

enum { TOKEN = 1 };
enum { NEXT, INDEX };

static uint64_t stopped_at;

static void node(struct actor *me, const struct message *message)
{
    must(message->tag == TOKEN, "a node got something else");
    if (message->body[0] > 0) {
        send_number(me->state[NEXT], me->pid, TOKEN, message->body[0] - 1);
    } else {
        stopped_at = me->state[INDEX];
        finished = true;
    }
}

int main(int argc, char **argv)
{
    uint64_t a = parameter(argc, argv, "a", 503), n = parameter(argc, argv, "n", 5000000);
    struct actor *first = actor_new(node), *last = first;
    char parameters[64];
    for (uint64_t i = 1; i < a; i++) {
        struct actor *actor = actor_new(node);
        actor->state[INDEX] = i;
        last->state[NEXT] = actor->pid;
        last = actor;
    }
    last->state[NEXT] = first->pid;
    int64_t start = now_ns();
    send_number(first->pid, 0, TOKEN, n);
    run_all();
    snprintf(parameters, sizeof parameters, "\"a\":%" PRIu64 ",\"n\":%" PRIu64 ",", a, n);
    print_result("ring", parameters, n, start);
    must(stopped_at == n % a, "wrong result");
    return 0;
}
