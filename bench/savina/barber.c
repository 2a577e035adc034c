/* barber.c: Sleeping Barber and Cigarette Smokers: one actor that hands out work, one piece at a time. */
#include "savina.h"

/* ---- the barber: customers come from a street; who finds the waiting room full comes back later */

enum { ENTER = 1, FULL, WAIT, NEXT, CUT_BEGINS, CUT_ENDS, COMES_BACK, SERVED };

enum { SHORTEST_CUT = 10 };

struct customer {
    tr_pid street;
    uint64_t index;
    bool in_chair;
};

static int customer_handle(void *state, const tr_msg *message)
{
    struct customer *me = state;
    switch (tr_tag(message)) {
    case FULL: tr_send(me->street, COMES_BACK, NULL, 0); return TR_OK;
    case WAIT: return TR_OK;
    case CUT_BEGINS:
        tr_assert(!me->in_chair);
        me->in_chair = true;
        return TR_OK;
    case CUT_ENDS:
        tr_assert(me->in_chair);
        tr_send(me->street, SERVED, &me->index, sizeof me->index);
        return tr_stop(TR_NORMAL);
    default: return tr_unexpected(message);
    }
}

static const tr_actor customer_actor = {
    .label = "customer", .state_size = sizeof(struct customer), .start = savina_begin, .handle = customer_handle
};

struct barber {
    uint64_t seed, longest;
};

static int barber_handle(void *state, const tr_msg *message)
{
    struct barber *me = state;
    tr_pid customer = *(const tr_pid *)tr_expect(message, sizeof customer);
    tr_send(customer, CUT_BEGINS, NULL, 0);
    tr_assert(savina_busy(savina_below(&me->seed, me->longest) + SHORTEST_CUT) != 0);
    tr_send(customer, CUT_ENDS, NULL, 0);
    tr_send(tr_sender(message), NEXT, NULL, 0);
    return TR_OK;
}

static const tr_actor barber_actor = {
    .label = "barber", .state_size = sizeof(struct barber), .start = savina_begin, .handle = barber_handle
};

struct room {
    tr_pid barber;
    uint64_t seats, head, tail; /* a ring: tail - head customers wait, at most so many as there are seats */
    bool barber_sleeps;
    tr_pid *waiting;
};

static int room_start(void *state, const tr_msg *arg)
{
    struct room *me = state;
    savina_begin(state, arg);
    me->waiting = savina_alloc(me->seats * sizeof *me->waiting);
    return TR_OK;
}

static void send_to_barber(struct room *me)
{
    me->barber_sleeps = me->head == me->tail;
    if (!me->barber_sleeps)
        tr_send(me->barber, ENTER, &me->waiting[me->head++ % me->seats], sizeof(tr_pid));
}

static int room_handle(void *state, const tr_msg *message)
{
    struct room *me = state;
    if (tr_tag(message) == NEXT) {
        send_to_barber(me);
        return TR_OK;
    }
    tr_pid customer = *(const tr_pid *)tr_expect(message, sizeof customer);
    if (me->tail - me->head == me->seats) {
        tr_send(customer, FULL, NULL, 0);
        return TR_OK;
    }
    me->waiting[me->tail++ % me->seats] = customer;
    if (me->barber_sleeps)
        send_to_barber(me);
    else
        tr_send(customer, WAIT, NULL, 0);
    return TR_OK;
}

static const tr_actor room_actor = {
    .label = "waiting room", .state_size = sizeof(struct room), .start = room_start, .handle = room_handle
};

/* The coordinator is the street: sends customers to the room, and again those who come back. */
static void barber_run(struct bench *bench)
{
    uint64_t n = bench_number(bench, "n"), pause = bench_number(bench, "pause"), served = 0, sum = 0, attempts = n;
    uint64_t seed = 1;
    struct barber barber = { .seed = 2, .longest = bench_number(bench, "cut") };
    struct room room = { .seats = bench_number(bench, "seats"), .barber_sleeps = true };
    struct customer customer = { .street = tr_self() };
    savina_require(pause > 0 && barber.longest > 0 && room.seats > 0, "a pause, a cut and a seat");
    room.barber = savina_start(&barber_actor, &barber);
    tr_pid room_pid = savina_start(&room_actor, &room);
    int64_t start = tr_now_ns();
    for (customer.index = 1; customer.index <= n; customer.index++) {
        tr_pid pid = savina_start(&customer_actor, &customer);
        tr_send(room_pid, ENTER, &pid, sizeof pid);
        tr_assert(savina_busy(savina_below(&seed, pause) + SHORTEST_CUT) != 0);
    }
    while (served < n) {
        const tr_msg *message = tr_receive(TR_INFINITY);
        if (tr_tag(message) == COMES_BACK) {
            tr_pid pid = tr_sender(message);
            tr_send(room_pid, ENTER, &pid, sizeof pid);
            attempts++;
        } else {
            tr_assert(tr_tag(message) == SERVED);
            sum += bench_number_in(message);
            served++;
        }
    }
    bench_result(bench, n, start);
    bench_extra(bench, "attempts", (double)attempts);
    bench_verify("sum of the customers served", sum, bench_sum_to(n));
}

const struct workload savina_barber = {
    .name = "savina.barber",
    .what = "n haircuts, a waiting room with seats",
    .defaults = { { "n", "5000" }, { "seats", "1000" }, { "pause", "1000" }, { "cut", "1000" } },
    .run = barber_run
};

/* ---- cigarette smokers: an arbiter chooses who smokes next; that one says so and smokes for a while */

enum { SMOKE = 1, SMOKES, HOW_OFTEN, SMOKERS };

enum { SHORTEST_SMOKE = 10, LONGEST_SMOKE = 1000 };

static int smoker_handle(void *state, const tr_msg *message)
{
    uint64_t *times = state;
    switch (tr_tag(message)) {
    case SMOKE:
        tr_send(tr_sender(message), SMOKES, NULL, 0);
        (*times)++;
        tr_assert(savina_busy(bench_number_in(message)) != 0);
        return TR_OK;
    case HOW_OFTEN: bench_report(tr_sender(message), *times); return TR_OK;
    default: return tr_unexpected(message);
    }
}

static const tr_actor smoker_actor = { .label = "smoker", .state_size = sizeof(uint64_t), .handle = smoker_handle };

struct arbiter {
    tr_pid coordinator;
    const tr_pid *smokers; /* in a kept message */
    uint64_t count, left, seed;
};

static int arbiter_handle(void *state, const tr_msg *message)
{
    struct arbiter *me = state;
    if (tr_tag(message) == SMOKERS) {
        me->smokers = tr_body(tr_keep(message));
        me->count = tr_size(message) / sizeof *me->smokers;
    }
    if (me->left-- == 0) {
        bench_report(me->coordinator, 1);
        return tr_stop(TR_NORMAL);
    }
    tr_assert(tr_tag(message) == SMOKES || tr_tag(message) == SMOKERS);
    tr_pid smoker = me->smokers[savina_below(&me->seed, me->count)];
    uint64_t steps = savina_below(&me->seed, LONGEST_SMOKE) + SHORTEST_SMOKE;
    tr_send(smoker, SMOKE, &steps, sizeof steps);
    return TR_OK;
}

static const tr_actor arbiter_actor = {
    .label = "arbiter", .state_size = sizeof(struct arbiter), .start = savina_begin, .handle = arbiter_handle
};

static void smokers_run(struct bench *bench)
{
    uint64_t smokers = bench_number(bench, "a"), n = bench_number(bench, "n"), seed = 3;
    tr_pid *pids = savina_alloc(smokers * sizeof *pids);
    uint64_t *times = savina_alloc(smokers * sizeof *times);
    savina_require(smokers > 0, "a smoker");
    for (uint64_t i = 0; i < smokers; i++)
        pids[i] = bench_start(&smoker_actor, NULL, 0);
    struct arbiter arbiter = { .coordinator = tr_self(), .left = n, .seed = seed };
    tr_pid pid = savina_start(&arbiter_actor, &arbiter);
    int64_t start = tr_now_ns();
    tr_send(pid, SMOKERS, pids, smokers * sizeof *pids);
    bench_reports(1);
    bench_result(bench, n, start);
    for (uint64_t i = 0; i < n; i++) {
        times[savina_below(&seed, smokers)]++;
        savina_random(&seed);
    }
    for (uint64_t i = 0; i < smokers; i++) {
        tr_send(pids[i], HOW_OFTEN, NULL, 0);
        bench_verify("how often one smoked", bench_reports(1), times[i]);
    }
}

const struct workload savina_smokers = { .name = "savina.smokers",
                                         .what = "n rounds among a smokers",
                                         .defaults = { { "n", "1000" }, { "a", "200" } },
                                         .run = smokers_run };
