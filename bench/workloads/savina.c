/* savina.c: two of the Savina suite's concurrent workloads (Imam and Sarkar, 2014): big, chameneos. */
#include "workloads.h"

/* ---- big: each actor sends n pings to random others, one at a time, and waits for the pong; meanwhile it answers
 * pings */

enum { NEIGHBOURS = 1, PING, PONG, HOW_MANY };

struct big {
    tr_pid coordinator;
    uint64_t index, left, served, seed;
    tr_pid waiting_for;
    const tr_pid *neighbours;
    uint64_t neighbour_count;
};

static int big_start(void *state, const tr_msg *arg)
{
    *(struct big *)state = *(const struct big *)tr_expect(arg, sizeof(struct big));
    return TR_OK;
}

static void ping_somebody(struct big *me)
{
    me->seed = (me->seed * 1309 + 13849) & 65535;
    uint64_t choice = me->seed % (me->neighbour_count - 1);
    me->waiting_for = me->neighbours[choice < me->index ? choice : choice + 1]; /* never itself */
    tr_send(me->waiting_for, PING, NULL, 0);
}

static int big_handle(void *state, const tr_msg *message)
{
    struct big *me = state;
    switch (tr_tag(message)) {
    case NEIGHBOURS:
        me->neighbours = tr_body(tr_keep(message));
        me->neighbour_count = tr_size(message) / sizeof(tr_pid);
        ping_somebody(me);
        return TR_OK;
    case PING:
        me->served++;
        tr_send(tr_sender(message), PONG, NULL, 0);
        return TR_OK;
    case PONG:
        tr_assert(tr_same(tr_sender(message), me->waiting_for));
        if (--me->left > 0)
            ping_somebody(me);
        else
            bench_report(me->coordinator, 1);
        return TR_OK;
    case HOW_MANY: bench_report(me->coordinator, me->served); return TR_OK;
    default: return tr_unexpected(message);
    }
}

static const tr_actor big_actor = {
    .label = "big", .state_size = sizeof(struct big), .start = big_start, .handle = big_handle
};

static void big_run(struct bench *bench)
{
    uint64_t actors = bench_number(bench, "a"), n = bench_number(bench, "n");
    tr_pid *pids = tr_alloc(actors * sizeof *pids);
    tr_assert(pids != NULL && actors > 1 && n > 0);
    for (uint64_t i = 0; i < actors; i++) {
        struct big big = { .coordinator = tr_self(), .index = i, .left = n, .seed = i + 1 };
        pids[i] = bench_start(&big_actor, &big, sizeof big);
    }
    int64_t start = tr_now_ns();
    for (uint64_t i = 0; i < actors; i++)
        tr_send(pids[i], NEIGHBOURS, pids, actors * sizeof *pids);
    uint64_t done = bench_reports(actors);
    bench_result(bench, 2 * actors * n, start);
    bench_verify("actors that are done", done, actors);
    for (uint64_t i = 0; i < actors; i++)
        tr_send(pids[i], HOW_MANY, NULL, 0);
    bench_verify("pings served", bench_reports(actors), actors * n);
}

const struct workload bench_big = { .name = "big",
                                    .what = "a actors, n pings each to random others",
                                    .defaults = { { "a", "120" }, { "n", "20000" } },
                                    .run = big_run };

/* ---- chameneos: creatures meet in pairs at a mall, n times, and change colour */

enum { MEET = 1, CHANGE, GO_HOME, MEETINGS };
enum color { BLUE, RED, YELLOW, COLORS };

struct meeting {
    tr_pid creature;
    uint64_t color; /* of MEETINGS: how many */
};

struct mall {
    tr_pid coordinator;
    uint64_t left, creatures, meetings;
    tr_pid waiting;
};

struct creature {
    tr_pid mall;
    uint64_t color, meetings;
};

/* The color that both take after a meeting: the same stays, else the third. */
static uint64_t complement(uint64_t mine, uint64_t other)
{
    return mine == other ? mine : BLUE + RED + YELLOW - mine - other;
}

static int mall_start(void *state, const tr_msg *arg)
{
    *(struct mall *)state = *(const struct mall *)tr_expect(arg, sizeof(struct mall));
    return TR_OK;
}

static int mall_handle(void *state, const tr_msg *message)
{
    struct mall *mall = state;
    const struct meeting *came = tr_expect(message, sizeof *came);
    if (tr_tag(message) == MEETINGS) {
        mall->meetings += came->color;
        if (--mall->creatures == 0)
            bench_report(mall->coordinator, mall->meetings);
    } else if (mall->left == 0) {
        tr_send(came->creature, GO_HOME, NULL, 0);
    } else if (tr_nobody(mall->waiting)) {
        mall->waiting = came->creature;
    } else {
        tr_send(mall->waiting, MEET, came, sizeof *came);
        mall->waiting = (tr_pid){ 0 };
        mall->left--;
    }
    return TR_OK;
}

static void enter(const struct creature *me)
{
    struct meeting meeting = { .creature = tr_self(), .color = me->color };
    tr_send(me->mall, MEET, &meeting, sizeof meeting);
}

static int creature_start(void *state, const tr_msg *arg)
{
    *(struct creature *)state = *(const struct creature *)tr_expect(arg, sizeof(struct creature));
    return TR_OK;
}

static int creature_handle(void *state, const tr_msg *message)
{
    struct creature *me = state;
    if (tr_tag(message) == GO_HOME) {
        struct meeting last = { .creature = tr_self(), .color = me->meetings };
        tr_send(me->mall, MEETINGS, &last, sizeof last);
        return TR_OK;
    }
    if (tr_tag(message) == MEET) {
        const struct meeting *other = tr_expect(message, sizeof *other);
        me->color = complement(me->color, other->color);
        tr_send(other->creature, CHANGE, &me->color, sizeof me->color);
        me->meetings++;
    } else if (tr_tag(message) == CHANGE) {
        me->color = bench_number_in(message);
        me->meetings++;
    } else if (tr_tag(message) != BENCH_GO) {
        return tr_unexpected(message);
    }
    enter(me);
    return TR_OK;
}

static const tr_actor mall_actor = {
    .label = "mall", .state_size = sizeof(struct mall), .start = mall_start, .handle = mall_handle
};
static const tr_actor creature_actor = {
    .label = "creature", .state_size = sizeof(struct creature), .start = creature_start, .handle = creature_handle
};

static void chameneos_run(struct bench *bench)
{
    uint64_t creatures = bench_number(bench, "a"), n = bench_number(bench, "n");
    struct mall mall = { .coordinator = tr_self(), .left = n, .creatures = creatures };
    struct creature creature = { .mall = bench_start(&mall_actor, &mall, sizeof mall) };
    tr_pid *pids = tr_alloc(creatures * sizeof *pids);
    tr_assert(pids != NULL && creatures > 1);
    for (uint64_t i = 0; i < creatures; i++) {
        creature.color = i % COLORS;
        pids[i] = bench_start(&creature_actor, &creature, sizeof creature);
    }
    int64_t start = tr_now_ns();
    for (uint64_t i = 0; i < creatures; i++)
        bench_go(pids[i]);
    uint64_t meetings = bench_reports(1);
    bench_result(bench, n, start);
    bench_verify("meetings, counted by both sides", meetings, 2 * n);
}

const struct workload bench_chameneos = { .name = "chameneos",
                                          .what = "a creatures, one mall, n meetings",
                                          .defaults = { { "a", "100" }, { "n", "400000" } },
                                          .run = chameneos_run };
