/* counting.h: a producer sends n increments, then asks for the total: the floor of counting and cast.
 *
 * The producer is an actor that sends a few hundred and then lets the counter run, as the runtime's senders yield: a
 * producer that never does builds its backlog in cold memory and takes four times as long. */
#ifndef TROUPE_BENCH_FLOOR_COUNTING_H
#define TROUPE_BENCH_FLOOR_COUNTING_H

#include "floor.h"

enum { INCREMENT = 1, TOTAL, GO_ON };
enum { TO, LEFT };
enum { AT_ONCE = 256 };

static uint64_t total;

static void counter(struct actor *me, const struct message *message)
{
    if (message->tag == INCREMENT)
        me->state[0]++;
    else
        send_number(message->sender, me->pid, TOTAL, me->state[0]);
}

static void producer(struct actor *me, const struct message *message)
{
    if (message->tag == TOTAL) {
        total = message->body[0];
        finished = true;
        return;
    }
    uint64_t count = me->state[LEFT] < AT_ONCE ? me->state[LEFT] : AT_ONCE;
    me->state[LEFT] -= count;
    while (count-- > 0)
        send_number(me->state[TO], me->pid, INCREMENT, 0);
    if (me->state[LEFT] == 0)
        send_number(me->state[TO], me->pid, TOTAL, 0);
    else
        send_number(me->pid, me->pid, GO_ON, 0);
}

static inline int counting_main(const char *workload, uint64_t n)
{
    struct actor *to = actor_new(counter), *from = actor_new(producer);
    char parameters[64];
    from->state[TO] = to->pid;
    from->state[LEFT] = n;
    from->turn = 1;
    int64_t start = now_ns();
    send_number(from->pid, 0, GO_ON, 0);
    run_all();
    snprintf(parameters, sizeof parameters, "\"n\":%" PRIu64 ",", n);
    print_result(workload, parameters, n, start);
    must(total == n, "wrong result");
    return 0;
}

#endif
