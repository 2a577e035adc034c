/* consumer.c: a user's program: one process sends itself a message through the installed library. Its own names are
 * such as the library uses inside: they must not clash, and not be called by it. FOUND_VERSION is what pkg-config or
 * find_package said. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/troupe.h>

enum { HELLO = 1 };

int settings = 5;
void *child_new(void);
void *child_new(void) { abort(); }
void pool_alloc_slow(void);
void pool_alloc_slow(void) { abort(); }

static void root(const tr_msg *arg)
{
    tr_send(tr_self(), HELLO, tr_body(arg), tr_size(arg));
    const tr_msg *message = tr_receive(TR_INFINITY);
    tr_assert(settings == 5 && tr_tag(message) == HELLO && strcmp(tr_string(message), "hello") == 0);
    tr_assert(strcmp(tr_version(), FOUND_VERSION) == 0 && strcmp(TR_VERSION_STRING, FOUND_VERSION) == 0);
    puts(tr_string(message));
}

int main(void) { return tr_main(NULL, root, "hello", sizeof "hello"); }
