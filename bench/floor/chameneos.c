/* chameneos.c: the floor of `troupe bench chameneos`: creatures meet in pairs at a mall, n times. */
#include "floor.h"

enum { MEET = 1, CHANGE, GO_HOME, MEETINGS };
enum { MALL, COLOR, MET };              /* of a creature */
enum { LEFT, CREATURES, WAITING, SUM }; /* of the mall */
enum { BLUE, RED, YELLOW, COLORS };

static void mall(struct actor *me, const struct message *message)
{
    if (message->tag == MEETINGS) {
        me->state[SUM] += message->body[0];
        finished = --me->state[CREATURES] == 0;
    } else if (me->state[LEFT] == 0) {
        send_number(message->sender, me->pid, GO_HOME, 0);
    } else if (me->state[WAITING] == 0) {
        me->state[WAITING] = message->sender;
    } else {
        send_number(me->state[WAITING], message->sender, MEET, message->body[0]); /* as if from the other */
        me->state[WAITING] = 0;
        me->state[LEFT]--;
    }
}

static void creature(struct actor *me, const struct message *message)
{
    uint64_t mine = me->state[COLOR], other = message->body[0];
    switch (message->tag) {
    case GO_HOME: send_number(me->state[MALL], me->pid, MEETINGS, me->state[MET]); return;
    case MEET:
        me->state[COLOR] = mine == other ? mine : BLUE + RED + YELLOW - mine - other;
        send_number(message->sender, me->pid, CHANGE, me->state[COLOR]);
        break;
    default: me->state[COLOR] = other;
    }
    me->state[MET]++;
    send_number(me->state[MALL], me->pid, MEET, me->state[COLOR]);
}

int main(int argc, char **argv)
{
    uint64_t a = parameter(argc, argv, "a", 100), n = parameter(argc, argv, "n", 400000);
    struct actor *place = actor_new(mall), *creatures[FLOOR_SLOTS];
    char parameters[96];
    must(a > 1 && a < FLOOR_SLOTS - 1, "too few or too many creatures");
    place->state[LEFT] = n;
    place->state[CREATURES] = a;
    for (uint64_t i = 0; i < a; i++) {
        creatures[i] = actor_new(creature);
        creatures[i]->state[MALL] = place->pid;
        creatures[i]->state[COLOR] = i % COLORS;
    }
    int64_t start = now_ns();
    for (uint64_t i = 0; i < a; i++)
        send_number(place->pid, creatures[i]->pid, MEET, creatures[i]->state[COLOR]);
    run_all();
    snprintf(parameters, sizeof parameters, "\"a\":%" PRIu64 ",\"n\":%" PRIu64 ",", a, n);
    print_result("chameneos", parameters, n, start);
    must(place->state[SUM] == 2 * n, "wrong result");
    return 0;
}
