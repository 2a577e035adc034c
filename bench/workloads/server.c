/* server.c: the gen_server that call, calls, callname, cast, idle and selective use: its state is one number, 8 bytes.
 */
#include "workloads.h"

static int counter_init(void *state, const tr_msg *arg)
{
    *(uint64_t *)state = bench_number_in(arg);
    return TR_OK;
}

static int counter_call(void *state, const tr_msg *request, tr_from from)
{
    uint64_t *count = state;
    if (tr_tag(request) == COUNTER_INCREMENT)
        (*count)++;
    else if (tr_tag(request) != COUNTER_TOTAL)
        return tr_unexpected(request);
    return tr_reply(from, count, sizeof *count);
}

static int counter_cast(void *state, const tr_msg *message)
{
    if (tr_tag(message) != COUNTER_INCREMENT)
        return tr_unexpected(message);
    (*(uint64_t *)state)++;
    return TR_OK;
}

const tr_gen_server bench_counter_server = { .label = "counter server",
                                             .state_size = sizeof(uint64_t),
                                             .init = counter_init,
                                             .handle_call = counter_call,
                                             .handle_cast = counter_cast };

tr_pid bench_start_counter(uint64_t count, const char *name)
{
    tr_pid server;
    tr_start_options options = { .flags = TR_START_LINK, .name = name };
    tr_must(tr_start_server(&bench_counter_server, &count, sizeof count, &options, &server));
    return server;
}

uint64_t bench_call_counter(tr_pid server, int tag)
{
    uint64_t count;
    tr_call_or_exit(server, tag, NULL, 0, &count, sizeof count, 5000);
    return count;
}
