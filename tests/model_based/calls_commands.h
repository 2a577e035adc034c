/* calls_commands.h: the commands that ask and answer: each is worked out by the model first, and carried out if what
 * comes of it is clear. */
#ifndef TROUPE_TESTS_MODEL_BASED_CALLS_COMMANDS_H
#define TROUPE_TESTS_MODEL_BASED_CALLS_COMMANDS_H

#include "calls_threads.h"

enum { LONG, SHORTLY, OR_EXIT };
enum { WAIT, WAIT_SHORTLY, RECEIVE, RECEIVE_SHORTLY };

static int64_t next_id;

static bool is_free(const struct caller *caller) { return caller->alive && !caller->waits; }

/* ---- working a command out, and carrying it out if it is clear */

static struct world taken_back;

static void propose(void)
{
    taken_back = world;
    world.parallel = world.unclear = false;
    world.moving = world.sending = NONE;
    world.fired_count = 0;
}

/* False: it is not to be done. */
static bool is_clear(void)
{
    settle_world();
    if (world.unclear) {
        world = taken_back;
        return false;
    }
    world.sending = NONE;
    memcpy(fired, world.fired, sizeof fired);
    fired_count = world.fired_count;
    model_did();
    return true;
}

/* The caller does it at once, or ends by what it has done. */
static void let_caller(int which, struct order *order)
{
    order->number = which;
    int status = let(caller_pids[which], order);
    EXPECT(status == (world.callers[which].alive ? TR_OK : TR_EDOWN) ||
           (status == TR_OK && !world.callers[which].alive));
}

/* ---- calls */

static struct request request_of(enum what what, enum then then, int other)
{
    next_id += ID_STEP * SERVERS; /* as many as a multi-call has parts */
    return (struct request){ .id = next_id, .what = what, .then = then, .other = other };
}

/* Casts that a server handles at once must not lead to anything that the call behind them could come before. */
static void errand(int which, int target, struct errand what, int wait)
{
    struct caller *caller = &world.callers[which];
    struct order order = { .run = order_errand, .number = which };
    int to = holder_of(target);
    if (!is_free(caller) || (wait == OR_EXIT && is_foreign(which)))
        return;
    if (to == NONE || world.servers[to].blocked == FREE)
        what.casts_then = GO_ON;
    struct request before = { .id = what.request.id + 1, .what = DEFER, .then = what.casts_then };
    propose();
    caller->waits = true;
    caller->or_exit = wait == OR_EXIT;
    for (int i = 0; i < what.casts; i++, before.id++)
        cast(which, target, &before);
    call(which, target, &(struct message){ .kind = what.kind, .request = what.request, .reason = what.reason },
         wait == SHORTLY);
    if (!is_clear())
        return;
    what.to = pid_of(target);
    what.or_exit = wait == OR_EXIT;
    errands[which] = what;
    answers[which] = tr_send_request(caller_pids[which], PUPPET_ORDER, &order, sizeof order);
}

/* targets: a set of bits. What several of them mean is called once. */
static void multi(int which, int targets, const struct request *what, int wait)
{
    struct caller *caller = &world.callers[which];
    struct order order = { .run = order_multi, .number = which };
    struct errand to_do = { .kind = CALL, .request = *what };
    int to[PARTS], meant = 0, live = 0;
    if (!is_free(caller))
        return;
    for (int i = 0; i < TARGETS && to_do.parts < PARTS; i++) {
        int holder = holder_of(i), bit = holder == NONE ? 0 : 1 << holder;
        if ((targets & 1 << i) == 0 || (meant & bit) != 0)
            continue;
        meant |= bit;
        live += bit != 0;
        to[to_do.parts] = i;
        to_do.part_to[to_do.parts++] = pid_of(i);
    }
    if (to_do.parts == 0)
        return;
    propose();
    world.sending = which;
    world.parallel = live > 1;
    caller->waits = true;
    caller->or_exit = false;
    caller->parts = to_do.parts;
    caller->multi_id = what->id;
    for (int i = 0; i < to_do.parts; i++)
        caller->part_states[i] = PENDING;
    for (int i = 0; i < to_do.parts; i++) {
        struct message message = { .kind = CALL, .request = *what };
        message.request.id += holder_of(to[i]) * ID_STEP;
        call(as_part(which, i), to[i], &message, wait == SHORTLY);
    }
    if (!is_clear())
        return;
    to_do.request.shared = true;
    errands[which] = to_do;
    answers[which] = tr_send_request(caller_pids[which], PUPPET_ORDER, &order, sizeof order);
}

/* Of a foreign thread. */
static void multi_refused(int which)
{
    struct order order = { .run = order_multi };
    if (!is_free(&world.callers[which]))
        return;
    errands[which].parts = 0;
    let_caller(which, &order);
    EXPECT_EQ(order.status, TR_EFOREIGN);
}

static void cast_it(int target, const struct request *request)
{
    propose();
    cast(NONE, target, request);
    if (is_clear())
        tr_cast(pid_of(target), TAG_REQUEST, request, sizeof *request);
}

/* ref.serial: which of its requests. */
static void order_request(struct order *order)
{
    const struct errand *what = &errands[order->number];
    requests[order->number][order->ref.serial] = tr_send_request(what->to, TAG_REQUEST, &what->request,
                                                                 sizeof what->request);
}

static void request(int which, int target, const struct request *what, int number)
{
    struct caller *caller = &world.callers[which];
    struct order order = { .run = order_request, .ref = { .serial = (uint64_t)number } };
    if (!is_free(caller) || is_foreign(which) || caller->requests[number] != NO_REQUEST)
        return;
    propose();
    caller->requests[number] = PENDING;
    call(as_request(which, number), target, &(struct message){ .kind = CALL, .request = *what }, false);
    if (!is_clear())
        return;
    errands[which] = (struct errand){ .to = pid_of(target), .request = *what };
    let_caller(which, &order);
}

/* value: how. */
static void order_await(struct order *order)
{
    tr_ref ref = requests[order->number][order->ref.serial];
    int64_t ms = order->value == WAIT || order->value == RECEIVE ? 0 : SHORT_MS;
    tr_msg *reply;
    order->status = order->value < RECEIVE ? tr_wait_response(ref, ms, &reply) : tr_receive_response(ref, ms, &reply);
    if (order->status == TR_EDOWN)
        order->reason = *tr_last_reason();
    if (reply == NULL)
        return;
    order->value = tr_size(reply) == sizeof order->value ? *(const int64_t *)tr_body(reply) : -(int64_t)tr_size(reply);
    tr_drop(reply);
}

/* GS-27. */
static void await(int which, int number, int how)
{
    struct caller *caller = &world.callers[which];
    struct order order = { .run = order_await, .ref = { .serial = (uint64_t)number }, .value = how };
    if (!is_free(caller) || caller->requests[number] == NO_REQUEST)
        return;
    bool answered = caller->requests[number] == ANSWERED;
    let_caller(which, &order);
    if (answered)
        compare_result(order.status, order.value, &order.reason, &caller->responses[number]);
    else
        EXPECT_EQ(order.status, TR_ETIMEDOUT);
    if (!answered && how < RECEIVE)
        return;
    caller->requests[number] = NO_REQUEST;
    world.pending[as_request(which, number)].id = 0;
}

static void order_reply(struct order *order) { tr_reply(cells[order->ref.serial], &order->value, sizeof order->value); }

/* by: a caller, if it is free; else the driver. */
static void reply_to(int cell, int by)
{
    struct order order = { .run = order_reply, .ref = { .serial = (uint64_t)cell }, .value = world.cells[cell] };
    if (order.value == 0)
        return;
    propose();
    answer(order.value, TR_OK, order.value);
    if (!is_clear())
        return;
    if (by < CALLERS && is_free(&world.callers[by]) && taken_back.callers[by].alive && !taken_back.callers[by].waits)
        let_caller(by, &order);
    else
        order_reply(&order);
}

static void release(int which)
{
    if (!world.servers[which].alive || world.servers[which].blocked != HOLDS)
        return;
    propose();
    world.moving = which;
    goes_on(which);
    world.moving = NONE;
    if (is_clear())
        EXPECT_EQ(tr_send(pids[which], TAG_RELEASE, NULL, 0), TR_OK);
}

#endif
