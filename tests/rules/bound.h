/* bound.h: a server whose mailbox has a bound: it counts WORDs, and can be held in a callback while its mailbox
 * fills. */
#ifndef TROUPE_TESTS_RULES_BOUND_H
#define TROUPE_TESTS_RULES_BOUND_H

#include "support.h"

struct server {
    int64_t count, sum, first;
    tr_pid owner;
};
UNUSED static int server_handle(void *state, const tr_msg *message)
{
    struct server *server = state;
    switch (tr_tag(message)) {
    case READY: /* holds the server until GO */
        server->owner = tr_sender(message);
        tr_send(server->owner, READY, NULL, 0);
        await_tag(GO);
        return TR_OK;
    case WORD: {
        int64_t number = *(const int64_t *)tr_expect(message, sizeof number);
        if (server->count++ == 0)
            server->first = number;
        server->sum += number;
        return TR_OK;
    }
    case QUESTION: return tr_reply(tr_from_of(message), server, sizeof *server);
    default: return TR_OK;
    }
}
static const tr_actor bounded = { .label = "bounded", .state_size = sizeof(struct server), .handle = server_handle };

UNUSED static int send_word(tr_pid to, int64_t number) { return tr_send(to, WORD, &number, sizeof number); }

UNUSED static uint64_t lost(void)
{
    tr_system_info info;
    CHECK_EQ(tr_system(&info), TR_OK);
    return info.messages_lost;
}

/* The server is inside its callback, waiting for GO. */
UNUSED static void hold(tr_pid pid)
{
    tr_send(pid, READY, NULL, 0);
    await_tag(READY);
}

#endif
