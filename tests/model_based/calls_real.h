/* calls_real.h: the real servers and callers, and how they are compared with the model.
 *
 * Servers write down what they see, each in a list of its own, and a thing only when nothing that the driver might do
 * next can come before it. Callers are puppets: the driver's order is an asynchronous request, whose response is what
 * became of the call. */
#ifndef TROUPE_TESTS_MODEL_BASED_CALLS_REAL_H
#define TROUPE_TESTS_MODEL_BASED_CALLS_REAL_H

#include "calls_rules.h"

enum { TAG_REQUEST = 0x4361, TAG_RELEASE, TAG_CONTINUE, SHORT_MS = 1, HOURS_MS = 3600000 };
enum init { INIT_OK, INIT_CONTINUE, INIT_IDLE, INIT_IGNORE, INIT_STOP, INIT_EXIT, INITS };
enum crash { NO_CRASH, CRASH_EXIT, CRASH_FAULT };

static const char *const names[NAMES] = { "ada", "bob", "cyd" };

/* Written by the driver when nothing moves. */
static tr_pid pids[SERVERS];
static int64_t fired[FIRED_MOST];
static int fired_count;

static tr_from cells[CELLS];

/* ---- servers */

struct one {
    int slot;
    bool calm;
    enum crash crash; /* of terminate */
    int64_t handled;
};

struct beginning {
    int slot;
    bool calm;
    enum init init;
};

static struct {
    struct seen seen[EVENTS_MOST];
    int count; /* atomic */
} real_seen[SERVERS];

static void note(int slot, enum event event, int64_t value)
{
    int at = __atomic_load_n(&real_seen[slot].count, __ATOMIC_RELAXED); /* relaxed: its own */
    if (at < EVENTS_MOST)
        real_seen[slot].seen[at] = (struct seen){ event, value };
    __atomic_store_n(&real_seen[slot].count, at + 1,
                     __ATOMIC_RELEASE); /* release: what was seen; pairs in compare_seen */
}

static tr_pid pid_of(int target) { return target < SERVERS ? pids[target] : tr_name(names[target - SERVERS]); }

/* What waits until something happens that the model does not foresee would wait for hours. */
static int64_t timeout_of(int64_t id)
{
    for (int i = 0; i < fired_count; i++)
        if (fired[i] == id)
            return SHORT_MS;
    return id % 3 == 0 ? HOURS_MS : TR_INFINITY;
}

__attribute__((no_sanitize("undefined"))) static void fault(void) { *(volatile int *)0 = 1; }

static int go_on_with(int left) { return tr_continue(TAG_CONTINUE, &left, sizeof left); }

static int then_of(struct one *one, const struct request *request, tr_from from)
{
    enum then then = one->calm ? calmly(request->then) : request->then;
    tr_reason reason = stop_reason(then, request->id);
    switch (then) {
    case GO_ON: return TR_OK;
    case IDLE_NOW: return tr_idle(request->id % 8 == 0 ? 0 : SHORT_MS);
    case IDLE_LONG: return tr_idle(HOURS_MS);
    case CONTINUE: return go_on_with(0);
    case CONTINUE_TWICE: return go_on_with(1);
    case STOP_REPLY_CRASH:
    case STOP_REPLY_FAULT: one->crash = then == STOP_REPLY_CRASH ? CRASH_EXIT : CRASH_FAULT; break;
    case EXIT: tr_exit(reason);
    case FAULT: fault(); break;
    case BAD_RETURN: return (int)request->id + 1;
    case STATUS: return TR_EIO;
    default: break;
    }
    if (then >= STOP_REPLY && then <= STOP_REPLY_FAULT)
        return tr_stop_reply(reason, from, &request->id, sizeof request->id);
    return tr_stop(reason);
}

static void nest(const struct one *one, const struct request *request)
{
    struct result result = { 0 };
    const struct request inner = { .id = request->id + 1,
                                   .what = request->what == NEST_REPLY   ? REPLY
                                           : request->what == NEST_DEFER ? DEFER
                                                                         : HOLD,
                                   .other = request->other };
    result.status = tr_call(pid_of(request->other), TAG_REQUEST, &inner, sizeof inner, &result.value,
                            sizeof result.value, timeout_of(inner.id));
    if (result.status == TR_EDOWN)
        result.reason = *tr_last_reason();
    note(one->slot, NESTED, number_of_result(&result));
}

static int serve(struct one *one, const struct request *request, tr_from from)
{
    const struct request answer = { .id = request->id + 1, .what = ANSWER, .to = from, .whose = request->id };
    const int64_t id = request->id;
    switch (request->what) {
    case REPLY: tr_reply(from, &id, sizeof id); break;
    case REPLY_TWICE:
        tr_reply(from, &id, sizeof id);
        tr_reply(from, &one->handled, sizeof one->handled);
        break;
    case REPLY_SHORT: tr_reply(from, "", 1); break;
    case DEFER: break;
    case ANSWER: tr_reply(request->to, &request->whose, sizeof request->whose); break;
    case HAND_OVER: tr_cast(pid_of(request->other), TAG_REQUEST, &answer, sizeof answer); break;
    case HOLD:
        tr_receive_match(&(tr_match){ .tag = TAG_RELEASE }, TR_INFINITY);
        tr_reply(from, &id, sizeof id);
        break;
    default:
        nest(one, request);
        tr_reply(from, &id, sizeof id);
        break;
    }
    return then_of(one, request, from);
}

static int one_call(void *state, const tr_msg *message, tr_from from)
{
    struct one *one = state;
    struct request request = *(const struct request *)tr_expect(message, sizeof request);
    request.id += request.shared ? one->slot * ID_STEP : 0;
    one->handled++;
    if (request.what == DEFER)
        cells[request.other % CELLS] = from;
    note(one->slot, SEEN_CALL, request.id);
    return serve(one, &request, from);
}

static int one_cast(void *state, const tr_msg *message)
{
    struct one *one = state;
    const struct request request = *(const struct request *)tr_expect(message, sizeof request);
    one->handled++;
    note(one->slot, SEEN_CAST, request.id);
    return serve(one, &request, (tr_from){ .serial = 0 });
}

static int one_info(void *state, const tr_msg *message)
{
    struct one *one = state;
    one->handled++;
    if (tr_tag(message) == TR_MSG_TIMEOUT)
        note(one->slot, SEEN_TIMEOUT, 0);
    else if (tr_tag(message) == TR_MSG_EXIT)
        note(one->slot, SEEN_EXIT, number_of(tr_reason_of(message)));
    else
        return tr_unexpected(message);
    return TR_OK;
}

static int one_continue(void *state, const tr_msg *message)
{
    struct one *one = state;
    int left = *(const int *)tr_expect(message, sizeof left);
    one->handled++;
    note(one->slot, SEEN_CONTINUE, left);
    return left == 0 ? TR_OK : go_on_with(left - 1);
}

static void one_terminate(void *state, const tr_reason *reason)
{
    const struct one *one = state;
    note(one->slot, TERMINATED, number_of(reason));
    if (one->crash == CRASH_EXIT)
        tr_exit(tr_because(TR_WHY_USER, -1, "terminate"));
    if (one->crash == CRASH_FAULT)
        fault();
}

static int one_init(void *state, const tr_msg *arg)
{
    const struct beginning *beginning = tr_expect(arg, sizeof *beginning);
    *(struct one *)state = (struct one){ .slot = beginning->slot, .calm = beginning->calm };
    switch (beginning->init) {
    case INIT_CONTINUE: return go_on_with(1);
    case INIT_IDLE: return tr_idle(0);
    case INIT_IGNORE: return TR_IGNORE;
    case INIT_STOP: return tr_stop(other_reason(INIT_STOP));
    case INIT_EXIT: tr_exit(other_reason(INIT_EXIT));
    case INIT_OK:
    case INITS: break;
    }
    return TR_OK;
}

static const tr_gen_server one_server = { .label = "one",
                                          .state_size = sizeof(struct one),
                                          .init = one_init,
                                          .handle_call = one_call,
                                          .handle_cast = one_cast,
                                          .handle_info = one_info,
                                          .handle_continue = one_continue,
                                          .terminate = one_terminate };

/* ---- callers */

/* What a caller is to do: casts first, then something that is answered. */
static struct errand {
    enum kind kind;
    tr_pid to;
    struct request request;
    tr_reason reason; /* of STOP */
    int casts;
    enum then casts_then;
    bool or_exit;
    int parts; /* of a multi-call: what it came to */
    tr_pid part_to[PARTS];
    int statuses[PARTS];
    int64_t values[PARTS];
} errands[CALLERS];

static tr_pid caller_pids[CALLERS];
static tr_ref caller_downs[CALLERS], server_downs[SERVERS], answers[CALLERS], requests[CALLERS][REQUESTS];

/* number: which caller. */
static void order_errand(struct order *order)
{
    const struct errand *errand = &errands[order->number];
    struct request before = { .id = errand->request.id + 1, .what = DEFER, .then = errand->casts_then };
    int64_t timeout_ms = timeout_of(errand->request.id);
    struct one one = { 0 };
    order->value = 0;
    for (int i = 0; i < errand->casts; i++, before.id++)
        tr_cast(errand->to, TAG_REQUEST, &before, sizeof before);
    switch (errand->kind) {
    case STOP: order->status = tr_stop_server(errand->to, errand->reason, timeout_ms); break;
    case SUSPEND: order->status = tr_suspend(errand->to, timeout_ms); break;
    case RESUME: order->status = tr_resume(errand->to, timeout_ms); break;
    case GET_STATE:
        order->status = tr_get_state(errand->to, &one, sizeof one, timeout_ms);
        order->value = one.handled;
        break;
    default:
        if (errand->or_exit)
            tr_call_or_exit(errand->to, TAG_REQUEST, &errand->request, sizeof errand->request, &order->value,
                            sizeof order->value, timeout_ms);
        else
            order->status = tr_call(errand->to, TAG_REQUEST, &errand->request, sizeof errand->request, &order->value,
                                    sizeof order->value, timeout_ms);
        break;
    }
    if (order->status == TR_EDOWN)
        order->reason = *tr_last_reason();
}

/* The value of a response, which is dropped; of one of another size that, negative. */
static int64_t value_of(tr_msg *reply)
{
    int64_t value = 0;
    if (reply != NULL)
        value = tr_size(reply) == sizeof value ? *(const int64_t *)tr_body(reply) : -(int64_t)tr_size(reply);
    tr_drop(reply);
    return value;
}

/* number: which caller. */
static void order_multi(struct order *order)
{
    struct errand *errand = &errands[order->number];
    tr_msg *replies[PARTS] = { NULL };
    order->status = tr_multi_call(errand->part_to, (size_t)errand->parts, TAG_REQUEST, &errand->request,
                                  sizeof errand->request, timeout_of(errand->request.id), errand->statuses, replies);
    for (int i = 0; i < errand->parts; i++)
        errand->values[i] = value_of(replies[i]);
    order->reason = *tr_last_reason();
}

/* ---- comparing */

static const char *const event_words[] = { "call", "cast", "EXIT", "timeout", "continue", "own call", "end" };

static void compare_seen(int which)
{
    struct server *server = &world.servers[which];
    for (struct patience p = { 0 };
         __atomic_load_n(&real_seen[which].count, __ATOMIC_ACQUIRE) < server->seen_count;) /* acquire: pairs in note */
        model_wait(&p, "what a server must see");
    for (int i = 0; i < server->seen_count; i++) {
        const struct seen *real = &real_seen[which].seen[i], *expected = &server->seen[i];
        if (real->event != expected->event || real->value != expected->value)
            DIFFERS("server %d saw %s %" PRId64 ", the model says %s %" PRId64, which, event_words[real->event],
                    real->value, event_words[expected->event], expected->value);
    }
    int count = __atomic_load_n(&real_seen[which].count, __ATOMIC_ACQUIRE);
    if (count > server->seen_count)
        DIFFERS("server %d saw %s %" PRId64 ", the model says nothing more", which,
                event_words[real_seen[which].seen[server->seen_count].event],
                real_seen[which].seen[server->seen_count].value);
    __atomic_store_n(&real_seen[which].count, 0, __ATOMIC_RELAXED); /* relaxed: nothing moves */
    server->seen_count = 0;
}

static void compare_result(int status, int64_t value, const tr_reason *reason, const struct result *expected)
{
    RULE("GS-22");
    EXPECT_EQ(status, expected->status);
    if (status == TR_EDOWN && expected->reason.why == TR_WHY_FAULT)
        EXPECT_EQ(reason->why, TR_WHY_FAULT);
    else if (status == TR_EDOWN)
        EXPECT_REASON(reason, &expected->reason);
    if (status == TR_OK)
        EXPECT_EQ(value, expected->value);
}

/* GS-28. The reason is that of the last one that failed of an end. */
static void compare_multi(int which, const struct order *order)
{
    const struct errand *errand = &errands[which];
    const struct result *last = NULL;
    EXPECT_EQ(order->status, world.callers[which].result.status);
    for (int i = 0; i < errand->parts; i++) {
        const struct result *expected = &world.callers[which].part_results[i];
        EXPECT_EQ(errand->statuses[i], expected->status);
        if (expected->status == TR_OK)
            EXPECT_EQ(errand->values[i], expected->value);
        if (expected->status == TR_EDOWN || expected->status == TR_ENOPROC)
            last = expected;
    }
    if (last != NULL && last->status == TR_EDOWN)
        compare_result(TR_EDOWN, 0, &order->reason, last);
    world.callers[which].parts = 0;
}

/* The response to the driver's order: what the caller found, or that it has ended over it, perhaps before it could say
 * what it had found. */
static void compare_answer(int which)
{
    struct caller *caller = &world.callers[which];
    struct result expected = caller->result;
    tr_msg *reply = NULL;
    int status = tr_wait_response(answers[which], model_patience_ms(), &reply);
    caller->told = false;
    EXPECT(status == TR_OK || !caller->alive);
    if (status != TR_OK) {
        EXPECT_EQ(status, caller->ended.why == TR_WHY_NOPROC ? TR_ENOPROC : TR_EDOWN);
        return;
    }
    const struct order *order = tr_expect(reply, sizeof *order);
    if (errands[which].parts > 0)
        compare_multi(which, order);
    if (errands[which].kind == STOP && expected.status == TR_EDOWN &&
        tr_reason_same(&expected.reason, &errands[which].reason))
        expected = (struct result){ .status = TR_OK }; /* GS-36 */
    if (errands[which].parts == 0)
        compare_result(order->status, order->value, &order->reason, &expected);
    tr_drop(reply);
}

/* It may be asked before it has taken what it was sent. */
static void await_queue(tr_pid pid, int length, const char *what)
{
    tr_process_info info;
    for (struct patience p = { 0 };; model_wait(&p, what)) {
        EXPECT_EQ(tr_info(pid, &info), TR_OK);
        if (info.message_queue_len == (size_t)length)
            return;
    }
}

/* A multi-call takes its responses in order: what came before its turn is there. */
static int caller_queue(const struct caller *caller)
{
    int length = caller->exits;
    bool early = false;
    for (int i = 0; i < caller->parts; i++) {
        early |= caller->part_states[i] == PENDING;
        length += early && caller->part_states[i] == ANSWERED;
    }
    for (int i = 0; i < REQUESTS; i++)
        length += caller->requests[i] == ANSWERED;
    return length;
}

static void settle_server(int which)
{
    struct server *server = &world.servers[which];
    compare_seen(which);
    if (server->unseen)
        expect_down(server_downs[which], &server->ended);
    server->unseen = false;
}

/* A caller that dies in a call gives the driver no answer but its end. */
static void settle_caller(int which)
{
    struct caller *caller = &world.callers[which];
    if (caller->told)
        compare_answer(which);
    if (caller->unseen)
        expect_down(caller_downs[which], &caller->ended);
    caller->unseen = false;
}

static void settle(void)
{
    for (int i = 0; i < CALLERS; i++)
        settle_caller(i);
    for (int i = 0; i < SERVERS; i++)
        settle_server(i);
    for (int i = 0; i < CALLERS; i++)
        if (world.callers[i].alive)
            await_queue(caller_pids[i], caller_queue(&world.callers[i]), "the length of a caller's mailbox");
    for (int i = 0; i < SERVERS; i++)
        if (world.servers[i].alive)
            await_queue(pids[i], world.servers[i].queued, "the length of a server's mailbox");
}

#endif
