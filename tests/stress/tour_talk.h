/* tour_talk.h: the tour's rules (what may be refused, and how that must look), and its parts about messages and
 * calls. */
#ifndef TROUPE_TESTS_STRESS_TOUR_TALK_H
#define TROUPE_TESTS_STRESS_TOUR_TALK_H

#include "stress.h"

static bool (*refused)(void);
static bool lasting; /* what is refused once is refused until the end */

/* Far longer than anything here takes, and still shorter than the alarm. */
enum { LONG_MS = 20000, TRIES = 4 };

static bool limit_status(int status)
{
    return status == TR_ENOMEM || status == TR_ELIMIT || status == TR_EDOWN || status == TR_ENOPROC ||
           status == TR_ESTART || status == TR_EIO;
}

/* True: it was done. False: it was not, which is only right if something was refused. */
#define fine(status) fine_at((status), __LINE__)
static bool fine_at(int status, int line)
{
    if (status >= 0)
        return true;
    if (!limit_status(status) || !refused())
        fprintf(stderr, "line %d: status %d (%s)\n", line, status, tr_status_text(status));
    MUST(limit_status(status));
    MUST(refused());
    return false;
}

static bool limit_reason(const tr_reason *reason)
{
    return reason->why == TR_WHY_SYSTEM_LIMIT || reason->why == TR_WHY_NOPROC || reason->why == TR_WHY_START ||
           (reason->why == TR_WHY_STATUS && limit_status(reason->code));
}

static void must_be_limit(const tr_reason *reason)
{
    char text[128];
    if (!limit_reason(reason) || !refused())
        fprintf(stderr, "ended with: %s\n", tr_reason_text(reason, text, sizeof text));
    MUST(limit_reason(reason));
    MUST(refused());
}

/* ---- messages */

static void collector(const tr_msg *arg)
{
    int64_t count = 0;
    (void)arg;
    for (;;) {
        const tr_msg *message = tr_receive(TR_INFINITY);
        if (tr_kind_of(message) == TR_KIND_CALL) {
            tr_reply(tr_from_of(message), &count, sizeof count);
            continue;
        }
        MUST_EQ(*(const int64_t *)tr_body(message), count);
        count++;
    }
}

/* Asks a collector until it answers; -1: it has ended, or memory does not come back. */
static int64_t collected(tr_pid to)
{
    int64_t count;
    for (int i = 0; i < TRIES; i++) {
        int status = tr_call(to, QUESTION, NULL, 0, &count, sizeof count, LONG_MS);
        if (fine(status))
            return count;
        if (status == TR_EDOWN || status == TR_ENOPROC)
            return -1;
    }
    return -1;
}

static void collected_all(tr_pid to, int64_t accepted)
{
    int64_t count = collected(to);
    MUST(count < 0 || count == accepted);
}

static void tour_messages(void)
{
    static const char bytes[40000];
    int64_t accepted = 0;
    tr_pid to = tr_spawn(collector, NULL, 0);
    for (size_t i = 0; i < 40; i++) {
        size_t size = sizeof accepted + i * i * 20; /* the last ones are mappings of their own */
        tr_msg *message;
        int64_t *body = tr_new(WORD, size, &message);
        MUST((body == NULL) == (message == NULL));
        if (body != NULL) {
            *body = accepted;
            memcpy(body + 1, bytes, size - sizeof *body);
            accepted += fine(tr_give(to, message));
        }
        accepted += fine(tr_send(to, WORD, &accepted, sizeof accepted));
    }
    collected_all(to, accepted);
    tr_exit_signal(to, TR_KILL);
}

/* With room for one message: what was taken for a message that there was no memory for must have been given back. */
static void tour_narrow(void)
{
    int64_t accepted = 0;
    tr_pid to = tr_spawn_with(collector, NULL, 0, &(tr_spawn_options){ .mailbox_messages = 1 });
    for (int tries = 0; accepted < 10 && tr_is_alive(to); tries++) {
        int status = tr_send(to, WORD, &accepted, sizeof accepted);
        MUST(tries < LONG_MS);
        if (status == TR_EFULL)
            tr_sleep(1);
        else if (fine(status))
            accepted++;
        else if (lasting)
            break;
    }
    tr_exit_signal(to, TR_KILL);
}

static void tour_bounds(void)
{
    tour_narrow();
    for (int policy = TR_OVERFLOW_FAIL; policy <= TR_OVERFLOW_STOP; policy++) {
        tr_ref monitor;
        tr_pid to = tr_spawn_with(waiter, NULL, 0,
                                  &(tr_spawn_options){ .mailbox_messages = 3,
                                                       .flags = TR_SPAWN_MONITOR,
                                                       .monitor = &monitor,
                                                       .overflow = (tr_overflow)policy,
                                                       .overflow_wait_ms = 1 });
        for (int i = 0; i < 20; i++) {
            int status = tr_send(to, WORD, NULL, 0);
            MUST(status == TR_EFULL || fine(status) || refused());
        }
        if (!fine(tr_exit_signal(to, TR_KILL)))
            return;
        tr_reason reason;
        MUST_EQ(tr_await_down(monitor, LONG_MS, &reason), TR_OK);
    }
}

/* ---- calls */

static int double_it(void *state, const tr_msg *request, tr_from from)
{
    int64_t number = *(const int64_t *)tr_expect(request, sizeof number);
    ++*(int64_t *)state;
    number *= 2;
    return tr_reply(from, &number, sizeof number);
}

static int count_it(void *state, const tr_msg *message)
{
    (void)message;
    ++*(int64_t *)state;
    return TR_OK;
}

static const tr_gen_server doubler = {
    .label = "doubler", .state_size = sizeof(int64_t), .handle_call = double_it, .handle_cast = count_it
};

static void is_double(tr_msg *reply, int64_t number)
{
    MUST_EQ(tr_size(reply), sizeof number);
    MUST_EQ(*(const int64_t *)tr_body(reply), 2 * number);
    tr_drop(reply);
}

static void call_all_ways(tr_pid server)
{
    int64_t number = 21, result = 0;
    tr_msg *reply = NULL;
    if (fine(tr_call(server, QUESTION, &number, sizeof number, &result, sizeof result, LONG_MS)))
        MUST_EQ(result, 42);
    if (fine(tr_call_msg(server, QUESTION, &number, sizeof number, LONG_MS, &reply)))
        is_double(reply, number);
    MUST_EQ(tr_cast(server, WORD, NULL, 0), TR_OK);
    tr_ref request = tr_send_request(server, QUESTION, &number, sizeof number);
    if (fine(tr_wait_response(request, LONG_MS, &reply)))
        is_double(reply, number);
    int statuses[2];
    tr_msg *replies[2];
    int answered = tr_multi_call(&(const tr_pid[]){ server, server }[0], 2, QUESTION, &number, sizeof number, LONG_MS,
                                 statuses, replies);
    if (!fine(answered))
        return;
    for (int i = 0; i < 2; i++)
        if (fine(statuses[i]))
            is_double(replies[i], number);
}

static void tour_calls(void)
{
    tr_pid server;
    if (!fine(tr_start_server(&doubler, NULL, 0, &(tr_start_options){ .name = "doubler" }, &server)))
        return;
    call_all_ways(server);
    call_all_ways(tr_name("doubler"));
    int64_t state;
    if (fine(tr_suspend(server, LONG_MS)))
        while (!fine(tr_resume(server, LONG_MS)) && tr_is_alive(server) && refused())
            if (tr_send(server, WORD, NULL, 0) != TR_OK) /* memory does not come back */
                break;
    (void)fine(tr_get_state(server, &state, sizeof state, LONG_MS));
    tr_status_info info;
    (void)fine(tr_get_status(server, &info, LONG_MS));
    int status = tr_stop_server(server, TR_NORMAL, LONG_MS);
    if (!fine(status))
        tr_exit_signal(server, TR_KILL);
}

#endif
