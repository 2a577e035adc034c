/* pi.c: Precise Pi: terms of the formula of Bailey, Borwein and Plouffe, computed by workers and added up by a master.
 *
 * A number is a row of 32-bit limbs, the whole part first. The formula needs nothing but division by small numbers:
 * 16^-k is a shift. What a division cuts off, less than one unit of the last limb each, the guard limbs take up. The
 * result is compared with Machin's formula. */
#include "savina.h"

#include <string.h>

enum { LIMB_BITS = 32, GUARD_LIMBS = 3 };

static size_t limbs_for(uint64_t digits) { return 1 + (size_t)(digits * 3322 / 1000 / LIMB_BITS) + 1 + GUARD_LIMBS; }

/* Divides what begins at limb `first`; returns what is left. */
static void divide(uint32_t *limbs, size_t first, size_t count, uint32_t divisor)
{
    uint64_t rest = 0;
    for (size_t i = first; i < count; i++) {
        uint64_t part = rest << LIMB_BITS | limbs[i];
        limbs[i] = (uint32_t)(part / divisor);
        rest = part % divisor;
    }
}

/* sum += tail, whose first limb has the weight of limb `first` and the last that of limb count - 1. */
static void add(uint32_t *sum, const uint32_t *tail, size_t first, size_t count)
{
    uint64_t carry = 0;
    for (size_t i = count; i > first || (carry != 0 && i > 0); i--) {
        carry += (uint64_t)sum[i - 1] + (i > first ? tail[i - 1 - first] : 0);
        sum[i - 1] = (uint32_t)carry;
        carry >>= LIMB_BITS;
    }
}

/* sum -= tail. Below zero it wraps around. */
static void subtract(uint32_t *sum, const uint32_t *tail, size_t first, size_t count)
{
    uint64_t borrow = 0;
    for (size_t i = count; i > first || (borrow != 0 && i > 0); i--) {
        uint64_t limb = (uint64_t)sum[i - 1] - (i > first ? tail[i - 1 - first] : 0) - borrow;
        sum[i - 1] = (uint32_t)limb;
        borrow = limb >> 63;
    }
}

/* ---- the workers: the k-th term, (4/(8k+1) - 2/(8k+4) - 1/(8k+5) - 1/(8k+6)) / 16^k */

enum { WANTED = 1, TERM, DIGITS };

/* The body of TERM: the limbs before the first are 0. */
struct term {
    size_t first, count;
    uint32_t limbs[];
};

struct worker {
    size_t limbs;
    uint32_t *sum, *part; /* room for two numbers */
};

static int worker_start(void *state, const tr_msg *arg)
{
    struct worker *me = state;
    savina_begin(state, arg);
    me->sum = savina_alloc(me->limbs * sizeof *me->sum);
    me->part = savina_alloc(me->limbs * sizeof *me->part);
    return TR_OK;
}

/* sum = the term, from limb `first` on. */
static void compute_term(const struct worker *me, uint64_t k, size_t first)
{
    static const uint32_t numerators[] = { 4, 2, 1, 1 }, offsets[] = { 1, 4, 5, 6 };
    memset(me->sum, 0, me->limbs * sizeof *me->sum);
    for (size_t i = 0; i < TR_COUNT(offsets); i++) {
        uint64_t number = (uint64_t)numerators[i] << (LIMB_BITS - 4 * k % LIMB_BITS);
        memset(me->part, 0, me->limbs * sizeof *me->part);
        me->part[first] = (uint32_t)(number >> LIMB_BITS);
        if (first + 1 < me->limbs)
            me->part[first + 1] = (uint32_t)number;
        divide(me->part, first, me->limbs, (uint32_t)(8 * k + offsets[i]));
        if (i == 0)
            add(me->sum, me->part + first, first, me->limbs);
        else
            subtract(me->sum, me->part + first, first, me->limbs);
    }
}

static int worker_handle(void *state, const tr_msg *message)
{
    const struct worker *me = state;
    uint64_t k = bench_number_in(message);
    size_t first = (size_t)(4 * k / LIMB_BITS), count = first < me->limbs ? me->limbs - first : 0;
    tr_msg *answer;
    struct term *term = tr_new(TERM, sizeof *term + count * sizeof *term->limbs, &answer);
    tr_assert(term != NULL);
    if (count > 0)
        compute_term(me, k, first);
    memcpy(term->limbs, me->sum + me->limbs - count, count * sizeof *term->limbs);
    term->first = first;
    term->count = count;
    tr_must(tr_give(tr_sender(message), answer));
    return TR_OK;
}

static const tr_actor worker_actor = {
    .label = "pi term", .state_size = sizeof(struct worker), .start = worker_start, .handle = worker_handle
};

/* ---- the master: hands out terms until one is too small to matter */

enum { AT_ONCE = 10 }; /* terms under way for each worker */

struct master {
    tr_pid coordinator;
    size_t limbs;
    uint64_t workers, asked, came;
    bool enough;
    uint32_t *sum;
};

static void ask(struct master *me, tr_pid worker)
{
    tr_send(worker, WANTED, &me->asked, sizeof me->asked);
    me->asked++;
}

static int master_start(void *state, const tr_msg *arg)
{
    struct master *me = state;
    savina_begin(state, arg);
    me->sum = savina_alloc(me->limbs * sizeof *me->sum);
    for (uint64_t i = 0; i < me->workers; i++) {
        tr_pid worker = savina_start(&worker_actor, &(struct worker){ .limbs = me->limbs });
        for (int n = 0; n < AT_ONCE; n++)
            ask(me, worker);
    }
    return TR_OK;
}

static int master_handle(void *state, const tr_msg *message)
{
    struct master *me = state;
    const struct term *term = tr_body(message);
    if (term->count > 0)
        add(me->sum, term->limbs, term->first, me->limbs);
    me->enough = me->enough || term->count < GUARD_LIMBS;
    if (!me->enough)
        ask(me, tr_sender(message));
    if (++me->came < me->asked)
        return TR_OK;
    tr_send(me->coordinator, DIGITS, me->sum, me->limbs * sizeof *me->sum);
    bench_report(me->coordinator, me->came);
    return tr_stop(TR_NORMAL);
}

static const tr_actor master_actor = {
    .label = "pi master", .state_size = sizeof(struct master), .start = master_start, .handle = master_handle
};

/* ---- the check */

/* sum += or -= factor * arctan(1 / x): factor/x - factor/(3 x^3) + factor/(5 x^5) ... */
static void add_arctan(uint32_t *sum, size_t count, uint32_t factor, uint32_t x, bool negative)
{
    uint32_t *power = savina_alloc(count * sizeof *power), *part = savina_alloc(count * sizeof *part);
    size_t first = 0;
    power[0] = factor;
    divide(power, 0, count, x);
    for (uint32_t n = 1; first < count; n += 2) {
        memcpy(part, power, count * sizeof *part);
        divide(part, first, count, n);
        if ((n % 4 == 1) != negative)
            add(sum, part + first, first, count);
        else
            subtract(sum, part + first, first, count);
        divide(power, first, count, x * x);
        while (first < count && power[first] == 0)
            first++;
    }
    tr_free(power);
    tr_free(part);
}

/* How many of the leading limbs of the difference are 0. */
static size_t same_limbs(const uint32_t *a, const uint32_t *b, size_t count)
{
    uint32_t *difference = savina_alloc(count * sizeof *difference);
    size_t same = 0;
    memcpy(difference, a, count * sizeof *difference);
    subtract(difference, b, 0, count);
    if (difference[0] == UINT32_MAX) { /* below zero */
        memcpy(difference, b, count * sizeof *difference);
        subtract(difference, a, 0, count);
    }
    while (same < count && difference[same] == 0)
        same++;
    tr_free(difference);
    return same;
}

static void pi_run(struct bench *bench)
{
    struct master master = { .coordinator = tr_self(), .limbs = limbs_for(bench_number(bench, "digits")) };
    uint32_t *got = savina_alloc(master.limbs * sizeof *got), *machin = savina_alloc(master.limbs * sizeof *machin);
    master.workers = bench_number(bench, "a");
    savina_require(master.workers > 0 && master.limbs < 10000000, "a worker, and not too many digits");
    int64_t start = tr_now_ns();
    savina_start(&master_actor, &master);
    memcpy(got, savina_await(DIGITS, master.limbs * sizeof *got), master.limbs * sizeof *got);
    bench_result(bench, bench_reports(1), start);
    add_arctan(machin, master.limbs, 16, 5, false);
    add_arctan(machin, master.limbs, 4, 239, true);
    bench_verify("the whole part", got[0], 3);
    size_t same = same_limbs(got, machin, master.limbs), want = master.limbs - GUARD_LIMBS;
    bench_verify("limbs like Machin's", same < want ? same : want, want);
}

const struct workload savina_pi = { .name = "savina.pi",
                                    .what = "so many digits of pi, by a workers",
                                    .defaults = { { "digits", "5000" }, { "a", "20" } },
                                    .run = pi_run };
