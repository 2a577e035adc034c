/* philosophers.c: Dining Philosophers: an arbitrator has the forks; who is denied them asks again. */
#include "savina.h"

enum { HUNGRY = 1, EAT, DENIED, DONE, LEAVE };

/* ---- a philosopher */

struct philosopher {
    tr_pid arbitrator;
    uint64_t seat, left, denied;
};

static int philosopher_handle(void *state, const tr_msg *message)
{
    struct philosopher *me = state;
    switch (tr_tag(message)) {
    case DENIED: me->denied++; break;
    case EAT:
        tr_send(me->arbitrator, DONE, &me->seat, sizeof me->seat);
        if (--me->left > 0)
            break;
        tr_send(me->arbitrator, LEAVE, &me->denied, sizeof me->denied);
        return tr_stop(TR_NORMAL);
    case BENCH_GO: break;
    default: return tr_unexpected(message);
    }
    tr_send(me->arbitrator, HUNGRY, &me->seat, sizeof me->seat);
    return TR_OK;
}

static const tr_actor philosopher_actor = { .label = "philosopher",
                                            .state_size = sizeof(struct philosopher),
                                            .start = savina_begin,
                                            .handle = philosopher_handle };

/* ---- the arbitrator: fork i lies to the left of seat i */

enum { RESULT = 1 };

struct result {
    uint64_t meals, denied, forks_taken;
};

struct arbitrator {
    tr_pid coordinator;
    uint64_t seats, present;
    struct result result;
    tr_pid *holder; /* of each fork; nobody: it lies there */
};

static int arbitrator_start(void *state, const tr_msg *arg)
{
    struct arbitrator *me = state;
    savina_begin(state, arg);
    me->holder = savina_alloc(me->seats * sizeof *me->holder);
    return TR_OK;
}

static void answer_hungry(struct arbitrator *me, tr_pid philosopher, tr_pid *left, tr_pid *right)
{
    if (tr_nobody(*left) && tr_nobody(*right)) {
        *left = *right = philosopher;
        me->result.meals++;
        me->result.forks_taken += 2;
        tr_send(philosopher, EAT, NULL, 0);
    } else {
        tr_send(philosopher, DENIED, NULL, 0);
    }
}

static int arbitrator_handle(void *state, const tr_msg *message)
{
    struct arbitrator *me = state;
    uint64_t number = bench_number_in(message);
    if (tr_tag(message) == LEAVE) {
        me->result.denied += number;
        if (--me->present > 0)
            return TR_OK;
        tr_send(me->coordinator, RESULT, &me->result, sizeof me->result);
        return tr_stop(TR_NORMAL);
    }
    tr_pid *left = &me->holder[number], *right = &me->holder[(number + 1) % me->seats];
    if (tr_tag(message) == HUNGRY) {
        answer_hungry(me, tr_sender(message), left, right);
        return TR_OK;
    }
    tr_assert(tr_tag(message) == DONE);
    tr_assert(tr_same(*left, tr_sender(message)) && tr_same(*right, tr_sender(message)));
    *left = *right = (tr_pid){ 0 };
    me->result.forks_taken -= 2;
    return TR_OK;
}

static const tr_actor arbitrator_actor = { .label = "arbitrator",
                                           .state_size = sizeof(struct arbitrator),
                                           .start = arbitrator_start,
                                           .handle = arbitrator_handle };

static void philosophers_run(struct bench *bench)
{
    uint64_t seats = bench_number(bench, "a"), n = bench_number(bench, "n");
    struct arbitrator arbitrator = { .coordinator = tr_self(), .seats = seats, .present = seats };
    savina_require(seats > 1 && n > 0, "two philosophers and a meal");
    struct philosopher philosopher = { .arbitrator = savina_start(&arbitrator_actor, &arbitrator), .left = n };
    tr_pid *pids = savina_alloc(seats * sizeof *pids);
    for (uint64_t i = 0; i < seats; i++) {
        philosopher.seat = i;
        pids[i] = savina_start(&philosopher_actor, &philosopher);
    }
    int64_t start = tr_now_ns();
    for (uint64_t i = 0; i < seats; i++)
        bench_go(pids[i]);
    const struct result *result = savina_await(RESULT, sizeof *result);
    bench_result(bench, seats * n, start);
    bench_extra(bench, "denied", (double)result->denied);
    bench_verify("meals", result->meals, seats * n);
    bench_verify("forks that were not put back", result->forks_taken, 0);
}

const struct workload savina_philosophers = { .name = "savina.philosophers",
                                              .what = "a philosophers eat n times each",
                                              .defaults = { { "a", "20" }, { "n", "10000" } },
                                              .run = philosophers_run };
