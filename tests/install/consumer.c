/* consumer.c: a user's program: one process sends itself a message through the installed library. */
#include <stdio.h>
#include <string.h>
#include <troupe/troupe.h>

enum { HELLO = 1 };

static void root(const tr_msg *arg)
{
    tr_send(tr_self(), HELLO, tr_body(arg), tr_size(arg));
    const tr_msg *message = tr_receive(TR_INFINITY);
    tr_assert(tr_tag(message) == HELLO && strcmp(tr_string(message), "hello") == 0);
    puts(tr_string(message));
}

int main(void) { return tr_main(NULL, root, "hello", sizeof "hello"); }
