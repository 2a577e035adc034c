/* selective.c: the floor of `troupe bench selective`: 1,000 calls by a client whose mailbox holds n messages that it
 * does not want yet. A reply comes to a slot of its own, so nobody looks at the n; they are there in their order
 * afterwards. */
#include "calls.h"

enum { FIRST = 1, UNWANTED, CALLS = 1000 };

/* The client is in its turn: the message that it began with is in its mailbox, so that further ones wake nobody. */
static void fill_mailbox(uint64_t n)
{
    uint64_t me = client_actor->pid;
    send_number(me, 0, FIRST, 0);
    must(next_actor() == client_actor, "somebody else was to run");
    for (uint64_t i = 0; i < n; i++)
        send_number(me, 0, UNWANTED, i);
}

/* Takes the first message out of the mailbox; true: it was the last. */
static bool take_first(uint32_t tag, uint64_t number)
{
    struct message *first = (struct message *)atomic_load_explicit(&client_actor->dummy.next, memory_order_acquire);
    must(first->tag == tag && first->body[0] == number, "what was sent is lost or out of order");
    bool last = mailbox_take(client_actor, first);
    message_free(first);
    return last;
}

static void empty_mailbox(uint64_t n)
{
    bool empty = take_first(FIRST, 0);
    for (uint64_t i = 0; i < n; i++) {
        must(!empty, "there are fewer than were sent");
        empty = take_first(UNWANTED, i);
    }
    must(empty, "there are more than were sent");
}

int main(int argc, char **argv)
{
    uint64_t n = parameter(argc, argv, "n", 20000), last = 0;
    char parameters[64];
    client_begin();
    struct actor *to = actor_new(server);
    fill_mailbox(n);
    int64_t start = now_ns();
    for (int i = 0; i < CALLS; i++)
        last = call(to->pid, INCREMENT);
    snprintf(parameters, sizeof parameters, "\"n\":%" PRIu64 ",", n);
    print_result("selective", parameters, CALLS, start);
    must(last == CALLS, "wrong result");
    empty_mailbox(n);
    return 0;
}
