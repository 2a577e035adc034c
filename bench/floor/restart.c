/* restart.c: the floor of `troupe bench restart`: a child is killed, its supervisor starts another, which is registered
 * under the name and tells the killer; n times.
 *
 * Per restart: the signal; the child's end, which gives up the name and tells the supervisor by a message (the link);
 * the clock, for the restarts of the last second; a new actor in the block and slot of the old, its name, its first
 * message (the start argument), its acknowledgement, its word to the killer, who looks the name up. Left out: child
 * specs, reasons, reports, locks against a death at the wrong moment. */
#include "floor.h"
#include "names.h"

enum { KILL = 1, EXIT, START, STARTED, REGISTERED };
/* The words of their states: SUPERVISOR is a child's, CHILD the others'. */
enum { SUPERVISOR, CHILD = SUPERVISOR, KILLER, LEFT, STARTS, LATEST_NS };

static char child_name[] = "restarted child";

static void child(struct actor *me, const struct message *message)
{
    if (message->tag == START) {
        me->state[SUPERVISOR] = message->sender;
        me->state[KILLER] = message->body[0];
        send_number(me->state[SUPERVISOR], me->pid, STARTED, 0);
        send_number(me->state[KILLER], me->pid, REGISTERED, me->pid);
        return;
    }
    must(message->tag == KILL, "the child got something else");
    name_set(child_name, 0);
    send_number(me->state[SUPERVISOR], me->pid, EXIT, me->pid);
    me->ended = true;
}

static void start_child(struct actor *me)
{
    struct actor *fresh = actor_new(child);
    name_set(child_name, fresh->pid);
    me->state[CHILD] = fresh->pid;
    send_number(fresh->pid, me->pid, START, me->state[KILLER]);
}

static void supervisor(struct actor *me, const struct message *message)
{
    if (message->tag == STARTED) {
        must(message->sender == me->state[CHILD], "somebody else has started");
        me->state[STARTS]++;
        return;
    }
    must(message->tag == START || message->body[0] == me->state[CHILD], "somebody else has ended");
    me->state[LATEST_NS] = (uint64_t)now_ns();
    start_child(me);
}

static void killer(struct actor *me, const struct message *message)
{
    uint64_t pid = message->body[0];
    must(message->tag == REGISTERED && name_find(child_name) == pid && pid != me->state[CHILD], "not the new child");
    me->state[CHILD] = pid;
    if (me->state[LEFT]-- > 0)
        send_number(pid, me->pid, KILL, 0);
    else
        finished = true;
}

int main(int argc, char **argv)
{
    uint64_t n = parameter(argc, argv, "n", 20000);
    char parameters[64];
    struct actor *root = actor_new(supervisor), *from = actor_new(killer);
    root->state[KILLER] = from->pid;
    from->state[LEFT] = n;
    int64_t start = now_ns();
    send_number(root->pid, 0, START, 0);
    run_all();
    snprintf(parameters, sizeof parameters, "\"n\":%" PRIu64 ",", n);
    print_result("restart", parameters, n, start);
    finished = false;
    run_all(); /* the last acknowledgement */
    must(root->state[STARTS] == n + 1 && name_find(child_name) == root->state[CHILD], "wrong result");
    return 0;
}
