/* requests.c: actors that need an answer of another in the middle of their work: Logistic Map Series, Bank Transaction.
 * The suite's actors put by what comes meanwhile; here the handler calls, and what comes waits in the mailbox. */
#include "savina.h"

/* ---- logistic map: each series asks its computer for the next term, n times */

enum { NEXT_TERM = 1, COMPUTE, TERM };

static double next_term(double term, double rate) { return rate * term * (1 - term); }

static int rate_init(void *state, const tr_msg *arg) { return savina_begin(state, arg); }

static int rate_call(void *state, const tr_msg *request, tr_from from)
{
    double term = next_term(*(const double *)tr_expect(request, sizeof term), *(const double *)state);
    return tr_reply(from, &term, sizeof term);
}

static const tr_gen_server rate_server = {
    .label = "rate computer", .state_size = sizeof(double), .init = rate_init, .handle_call = rate_call
};

struct series {
    tr_pid computer;
    double term;
};

static int series_handle(void *state, const tr_msg *message)
{
    struct series *me = state;
    if (tr_tag(message) == NEXT_TERM) {
        tr_call_or_exit(me->computer, COMPUTE, &me->term, sizeof me->term, &me->term, sizeof me->term, TR_INFINITY);
        return TR_OK;
    }
    tr_send(tr_sender(message), TERM, &me->term, sizeof me->term);
    return TR_OK;
}

static const tr_actor series_actor = {
    .label = "series", .state_size = sizeof(struct series), .start = savina_begin, .handle = series_handle
};

static void logmap_run(struct bench *bench)
{
    uint64_t terms = bench_number(bench, "terms"), count = bench_number(bench, "series");
    double first = (double)bench_number(bench, "rate_e4") / 1e4, step = (double)bench_number(bench, "step_e4") / 1e4;
    tr_pid *pids = savina_alloc(count * sizeof *pids);
    for (uint64_t i = 0; i < count; i++) {
        double rate = first + (double)i * step;
        struct series series = { .term = (double)i * step };
        tr_must(tr_start_server(&rate_server, &rate, sizeof rate, &(tr_start_options){ .flags = TR_START_LINK },
                                &series.computer));
        pids[i] = savina_start(&series_actor, &series);
    }
    int64_t start = tr_now_ns();
    for (uint64_t n = 0; n < terms; n++)
        for (uint64_t i = 0; i < count; i++)
            tr_send(pids[i], NEXT_TERM, NULL, 0);
    for (uint64_t i = 0; i < count; i++)
        tr_send(pids[i], TERM, NULL, 0);
    double *got = savina_alloc(count * sizeof *got);
    for (uint64_t i = 0; i < count; i++)
        got[i] = *(const double *)tr_expect(tr_receive_match(&(tr_match){ .from = pids[i] }, TR_INFINITY), sizeof *got);
    bench_result(bench, terms * count, start);
    for (uint64_t i = 0; i < count; i++) {
        double term = (double)i * step;
        for (uint64_t n = 0; n < terms; n++)
            term = next_term(term, first + (double)i * step);
        savina_verify_near("a series' last term", got[i], term, 0);
    }
}

const struct workload savina_logmap = {
    .name = "savina.logmap",
    .what = "logistic maps, each term by a call",
    .defaults = { { "terms", "25000" }, { "series", "10" }, { "rate_e4", "34600" }, { "step_e4", "25" } },
    .run = logmap_run
};

/* ---- banking: a teller sends transfers to accounts; an account calls the other one, which takes the money.
 *
 * Money goes from an account to one with a higher number only, so no two accounts wait for each other. */

enum { TRANSFER = 1, DEPOSIT, BALANCE };

enum { INITIAL_CENTS = 1000000000, LARGEST_CENTS = 100000 };

struct transfer {
    tr_pid to;
    int64_t cents;
};

static int account_init(void *state, const tr_msg *arg) { return savina_begin(state, arg); }

static int account_call(void *state, const tr_msg *request, tr_from from)
{
    int64_t *balance = state;
    if (tr_tag(request) == DEPOSIT)
        *balance += *(const int64_t *)tr_expect(request, sizeof *balance);
    else if (tr_tag(request) != BALANCE)
        return tr_unexpected(request);
    return tr_reply(from, balance, sizeof *balance);
}

static int account_cast(void *state, const tr_msg *message)
{
    const struct transfer *transfer = tr_expect(message, sizeof *transfer);
    int64_t *balance = state, theirs;
    *balance -= transfer->cents;
    tr_call_or_exit(transfer->to, DEPOSIT, &transfer->cents, sizeof transfer->cents, &theirs, sizeof theirs,
                    TR_INFINITY);
    bench_report(tr_sender(message), 1);
    return TR_OK;
}

static const tr_gen_server account_server = { .label = "account",
                                              .state_size = sizeof(int64_t),
                                              .init = account_init,
                                              .handle_call = account_call,
                                              .handle_cast = account_cast };

static void banking_run(struct bench *bench)
{
    uint64_t accounts = bench_number(bench, "a"), n = bench_number(bench, "n"), seed = 4;
    tr_pid *pids = savina_alloc(accounts * sizeof *pids);
    int64_t *balances = savina_alloc(accounts * sizeof *balances), balance;
    savina_require(accounts > 1, "two accounts");
    for (uint64_t i = 0; i < accounts; i++) {
        balances[i] = INITIAL_CENTS;
        tr_must(tr_start_server(&account_server, &balances[i], sizeof balances[i],
                                &(tr_start_options){ .flags = TR_START_LINK }, &pids[i]));
    }
    int64_t start = tr_now_ns();
    for (uint64_t i = 0; i < n; i++) {
        uint64_t from = savina_below(&seed, accounts < 10 ? 1 : accounts / 10 * 8);
        uint64_t to = from + 1 + savina_below(&seed, accounts - from - 1);
        struct transfer transfer = { .to = pids[to], .cents = (int64_t)savina_below(&seed, LARGEST_CENTS) };
        balances[from] -= transfer.cents;
        balances[to] += transfer.cents;
        tr_cast(pids[from], TRANSFER, &transfer, sizeof transfer);
    }
    uint64_t done = bench_reports(n);
    bench_result(bench, n, start);
    bench_verify("transfers that are done", done, n);
    for (uint64_t i = 0; i < accounts; i++) {
        tr_call_or_exit(pids[i], BALANCE, NULL, 0, &balance, sizeof balance, TR_INFINITY);
        bench_verify("an account's balance", (uint64_t)balance, (uint64_t)balances[i]);
    }
}

const struct workload savina_banking = { .name = "savina.banking",
                                         .what = "n transfers among a accounts",
                                         .defaults = { { "a", "1000" }, { "n", "50000" } },
                                         .run = banking_run };
