/* client.c: call, cast, selective receive, monitor, timers and late replies, from a straight-line process */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <troupe/troupe.h>

enum { ADD = 1, TOTAL, SLOW, TICK, CRASH };

struct counter {
    int64_t total;
    tr_from waiting;
};

static int counter_call(void *state, const tr_msg *request, tr_from from)
{
    struct counter *counter = state;
    switch (tr_tag(request)) {
    case TOTAL: return tr_reply(from, &counter->total, sizeof counter->total);
    case SLOW: /* answered later, in handle_info */
        counter->waiting = from;
        return tr_send_after(1000, tr_self(), TICK, NULL, 0, NULL);
    case CRASH:
        return tr_stop_reply(tr_because(TR_WHY_USER, 7, "asked to"), from, &counter->total, sizeof counter->total);
    default: return tr_unexpected(request);
    }
}

static int counter_cast(void *state, const tr_msg *message)
{
    struct counter *counter = state;
    counter->total += *(const int64_t *)tr_expect(message, sizeof(int64_t));
    return TR_OK;
}

static int counter_info(void *state, const tr_msg *message)
{
    struct counter *counter = state;
    if (tr_tag(message) == TICK)
        return tr_reply(counter->waiting, &counter->total, sizeof counter->total);
    return TR_OK;
}

static const tr_gen_server counter = {
    .label = "counter",
    .state_size = sizeof(struct counter),
    .handle_call = counter_call,
    .handle_cast = counter_cast,
    .handle_info = counter_info,
};

static bool is_big(const tr_msg *message, const void *limit)
{
    return tr_tag(message) == ADD && *(const int64_t *)tr_expect(message, sizeof(int64_t)) > *(const int64_t *)limit;
}

static void client(const tr_msg *unused)
{
    (void)unused;
    tr_pid pid;
    tr_reason reason;
    tr_timer timer;
    int64_t total, limit = 10;
    tr_must(tr_start(&(tr_child){ .name = "counter", .server = &counter }, &pid));
    tr_ref monitor = tr_monitor(pid);

    for (int64_t i = 1; i <= 100; i++)
        tr_cast(tr_name("counter"), ADD, &i, sizeof i);
    tr_call_or_exit(pid, TOTAL, NULL, 0, &total, sizeof total, 5000);
    printf("total %" PRId64 "\n", total);

    int status = tr_call(pid, SLOW, NULL, 0, &total, sizeof total, 10);
    printf("%s\n", tr_status_text(status)); /* timed out; the reply that comes later vanishes */
    tr_must(tr_call(pid, SLOW, NULL, 0, &total, sizeof total, 5000));

    for (int64_t i = 1; i <= 20; i++)
        tr_send(tr_self(), ADD, &i, sizeof i);
    tr_must(tr_send_after(100, tr_self(), TICK, NULL, 0, &timer));
    const tr_msg *big = tr_receive_match(&(tr_match){ .accept = is_big, .arg = &limit },
                                         0); /* 11 comes before the older 1..10 */
    printf("first above %" PRId64 ": %" PRId64 "\n", limit, *(const int64_t *)tr_body(big));
    tr_receive_match(&(tr_match){ .tag = TICK }, TR_INFINITY);

    tr_must(
        tr_call(pid, CRASH, NULL, 0, &total, sizeof total, 5000)); /* the reply comes after terminate, then the DOWN */
    tr_must(tr_await_down(monitor, 1000, &reason));
    printf("down: %s, code %d\n", reason.text, (int)reason.code);
}

int main(void) { return tr_main(NULL, client, NULL, 0); }
