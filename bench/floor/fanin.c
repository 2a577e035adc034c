/* fanin.c: the floor of `troupe bench fanin`: s senders each send n messages to one receiver. Senders yield every few
 * hundred messages, as in counting. */
#include "floor.h"

enum { NUMBER = 1, GO_ON };
enum { TO, NEXT, LAST };
enum { EXPECTED, SUM };
enum { AT_ONCE = 256 };

static void receiver(struct actor *me, const struct message *message)
{
    me->state[SUM] += message->body[0];
    if (--me->state[EXPECTED] == 0)
        finished = true;
}

static void sender(struct actor *me, const struct message *message)
{
    must(message->tag == GO_ON, "a sender got something else");
    for (int i = 0; i < AT_ONCE && me->state[NEXT] <= me->state[LAST]; i++)
        send_number(me->state[TO], me->pid, NUMBER, me->state[NEXT]++);
    if (me->state[NEXT] <= me->state[LAST])
        send_number(me->pid, me->pid, GO_ON, 0);
}

int main(int argc, char **argv)
{
    uint64_t s = parameter(argc, argv, "s", 100), n = parameter(argc, argv, "n", 50000);
    struct actor *to = actor_new(receiver), *from[FLOOR_SLOTS];
    char parameters[96];
    must(s < FLOOR_SLOTS - 1, "too many senders");
    to->state[EXPECTED] = s * n;
    for (uint64_t i = 0; i < s; i++) {
        from[i] = actor_new(sender);
        from[i]->state[TO] = to->pid;
        from[i]->state[NEXT] = 1;
        from[i]->state[LAST] = n;
        from[i]->turn = 1;
    }
    int64_t start = now_ns();
    for (uint64_t i = 0; i < s; i++)
        send_number(from[i]->pid, 0, GO_ON, 0);
    run_all();
    snprintf(parameters, sizeof parameters, "\"s\":%" PRIu64 ",\"n\":%" PRIu64 ",", s, n);
    print_result("fanin", parameters, s * n, start);
    must(to->state[SUM] == s * (n * (n + 1) / 2), "wrong result");
    return 0;
}
