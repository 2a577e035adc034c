/* pipelines.c: Sieve of Eratosthenes and Bitonic Sort: values that stream through actors which are wired up in a line
 * or a network. */
#include "kernels.h"
#include "savina.h"

#include <string.h>

/* ---- sieve: each filter knows up to m primes; what none of them divides goes to the next filter */

enum { CANDIDATE = 1, END, PRIMES };

struct primes {
    uint64_t count, sum;
};

struct filter {
    tr_pid coordinator, next; /* nobody: the last filter */
    uint64_t limit, count;
    uint64_t *known;
};

static const tr_actor filter_actor;

static tr_pid start_filter(tr_pid coordinator, uint64_t limit, uint64_t prime)
{
    tr_pid pid = savina_start(&filter_actor, &(struct filter){ .coordinator = coordinator, .limit = limit });
    tr_send(pid, CANDIDATE, &prime, sizeof prime);
    return pid;
}

static int filter_start(void *state, const tr_msg *arg)
{
    struct filter *me = state;
    savina_begin(state, arg);
    me->known = savina_alloc(me->limit * sizeof *me->known);
    return TR_OK;
}

/* END collects each filter's primes on its way. */
static int end_filter(struct filter *me, const tr_msg *message)
{
    struct primes primes = *(const struct primes *)tr_expect(message, sizeof primes);
    for (uint64_t i = 0; i < me->count; i++)
        primes.sum += me->known[i];
    primes.count += me->count;
    if (tr_nobody(me->next))
        tr_send(me->coordinator, PRIMES, &primes, sizeof primes);
    else
        tr_send(me->next, END, &primes, sizeof primes);
    return tr_stop(TR_NORMAL);
}

static int filter_handle(void *state, const tr_msg *message)
{
    struct filter *me = state;
    if (tr_tag(message) == END)
        return end_filter(me, message);
    uint64_t candidate = bench_number_in(message);
    if (!sieve_passes(me->known, me->count, candidate))
        return TR_OK;
    if (!tr_nobody(me->next))
        tr_send(me->next, CANDIDATE, &candidate, sizeof candidate);
    else if (me->count < me->limit)
        me->known[me->count++] = candidate;
    else
        me->next = start_filter(me->coordinator, me->limit, candidate);
    return TR_OK;
}

static const tr_actor filter_actor = {
    .label = "prime filter", .state_size = sizeof(struct filter), .start = filter_start, .handle = filter_handle
};

/* The primes below n, by a sieve. */
static struct primes primes_below(uint64_t n)
{
    struct primes primes = { 0 };
    bool *composite = savina_alloc(n * sizeof *composite);
    for (uint64_t i = 2; i < n; i++) {
        if (composite[i])
            continue;
        primes.count++;
        primes.sum += i;
        for (uint64_t multiple = i * i; multiple < n; multiple += i)
            composite[multiple] = true;
    }
    tr_free(composite);
    return primes;
}

static void sieve_run(struct bench *bench)
{
    uint64_t n = bench_number(bench, "n"), limit = bench_number(bench, "m");
    struct primes none = { 0 };
    savina_require(n > 2 && limit > 0, "n from 3 on, and room for a prime");
    tr_pid first = start_filter(tr_self(), limit, 2);
    int64_t start = tr_now_ns();
    for (uint64_t candidate = 3; candidate < n; candidate += 2)
        tr_send(first, CANDIDATE, &candidate, sizeof candidate);
    tr_send(first, END, &none, sizeof none);
    const struct primes *got = savina_await(PRIMES, sizeof *got);
    bench_result(bench, n, start);
    struct primes want = primes_below(n);
    bench_verify("primes", got->count, want.count);
    bench_verify("sum of the primes", got->sum, want.sum);
}

const struct workload savina_sieve = { .name = "savina.sieve",
                                       .what = "primes below n, m in each filter",
                                       .defaults = { { "n", "100000" }, { "m", "1000" } },
                                       .run = sieve_run };

/* ---- bitonic sort: a sorting network with an actor for each comparator.
 *
 * A step is a row of n / 2 comparators. A joiner behind each row puts the values in order of their wires again, and
 * deals them, one after the other, to the next row; the last one is the result. */

enum { VALUE = 1, SORTED };

struct wired {
    uint64_t wire, value;
};

struct sorted {
    uint64_t count, disorder, checksum;
};

/* Comparator (low, low + distance): the smaller value leaves on the wire `low`, or on the other one if it descends. */
struct comparator {
    tr_pid joiner;
    uint64_t low, distance;
    bool descends, waits;
    uint64_t value;
};

static int comparator_handle(void *state, const tr_msg *message)
{
    struct comparator *me = state;
    uint64_t value = bench_number_in(message);
    if (!me->waits) {
        me->value = value;
        me->waits = true;
        return TR_OK;
    }
    bool swap = (me->value > value) != me->descends;
    struct wired low = { me->low, swap ? value : me->value };
    struct wired high = { me->low + me->distance, swap ? me->value : value };
    me->waits = false;
    tr_send(me->joiner, VALUE, &low, sizeof low);
    tr_send(me->joiner, VALUE, &high, sizeof high);
    return TR_OK;
}

static const tr_actor comparator_actor = {
    .label = "comparator", .state_size = sizeof(struct comparator), .start = savina_begin, .handle = comparator_handle
};

struct joiner {
    tr_pid coordinator;
    uint64_t n, distance;  /* of the row behind it; 0: there is none, the result goes to the coordinator */
    tr_pid *comparators;   /* of that row, by wire without the bit `distance` */
    uint64_t next, latest; /* the next wire to deal; the latest value */
    struct sorted sorted;
    uint64_t *values;
    bool *came;
};

/* Which comparator of a row has this wire. */
static uint64_t comparator_of(uint64_t wire, uint64_t distance)
{
    return wire / (2 * distance) * distance + wire % distance;
}

static int joiner_start(void *state, const tr_msg *arg)
{
    struct joiner *me = state;
    const void *comparators = savina_begin_with(state, sizeof *me, arg);
    size_t bytes = tr_size(arg) - sizeof *me; /* nothing for the last joiner */
    if (bytes > 0)
        memcpy(me->comparators = savina_alloc(bytes), comparators, bytes);
    me->values = savina_alloc(me->n * sizeof *me->values);
    me->came = savina_alloc(me->n * sizeof *me->came);
    return TR_OK;
}

static void deal(struct joiner *me, uint64_t wire)
{
    uint64_t value = me->values[wire];
    me->came[wire] = false;
    if (me->distance > 0) {
        tr_send(me->comparators[comparator_of(wire, me->distance)], VALUE, &value, sizeof value);
        return;
    }
    me->sorted.count++;
    me->sorted.disorder += wire > 0 && value < me->latest;
    me->sorted.checksum += savina_mix(value);
    me->latest = value;
    if (me->sorted.count == me->n)
        tr_send(me->coordinator, SORTED, &me->sorted, sizeof me->sorted);
}

static int joiner_handle(void *state, const tr_msg *message)
{
    struct joiner *me = state;
    const struct wired *wired = tr_expect(message, sizeof *wired);
    tr_assert(!me->came[wired->wire]);
    me->came[wired->wire] = true;
    me->values[wired->wire] = wired->value;
    for (; me->next < me->n && me->came[me->next]; me->next++)
        deal(me, me->next);
    return TR_OK;
}

static const tr_actor joiner_actor = {
    .label = "joiner", .state_size = sizeof(struct joiner), .start = joiner_start, .handle = joiner_handle
};

/* Starts the row of this distance, which merges sequences of `sequence` values; `row` gets its comparators' pids. */
static void start_row(tr_pid *row, tr_pid joiner, uint64_t n, uint64_t sequence, uint64_t distance)
{
    for (uint64_t i = 0; i < n / 2; i++) {
        struct comparator comparator = { .joiner = joiner, .distance = distance };
        comparator.low = i / distance * 2 * distance + i % distance;
        comparator.descends = (comparator.low & sequence) != 0;
        row[i] = savina_start(&comparator_actor, &comparator);
    }
}

static void bitonic_run(struct bench *bench)
{
    uint64_t n = bench_number(bench, "n"), seed = bench_number(bench, "seed"), at = seed, steps = 0, checksum = 0;
    uint64_t bits = bench_number(bench, "bits");
    struct joiner joiner = { .coordinator = tr_self(), .n = n };
    savina_require(n >= 2 && (n & (n - 1)) == 0, "n that is a power of two");
    savina_require(bits >= 1 && bits <= 63, "1 to 63 bits");
    tr_pid next = savina_start(&joiner_actor, &joiner), *row = savina_alloc(n / 2 * sizeof *row);
    for (uint64_t sequence = n; sequence >= 2; sequence /= 2) /* from the last row to the first */
        for (uint64_t distance = 1; distance < sequence; distance *= 2, steps++) {
            start_row(row, next, n, sequence, distance);
            joiner.distance = distance;
            next = savina_start_with(&joiner_actor, &joiner, row, n / 2 * sizeof *row);
            tr_yield(); /* there are many rows */
        }
    int64_t start = tr_now_ns();
    for (uint64_t wire = 0; wire < n; wire++) {
        struct wired wired = { wire, savina_random(&at) >> (64 - bits) };
        tr_send(next, VALUE, &wired, sizeof wired);
    }
    const struct sorted *sorted = savina_await(SORTED, sizeof *sorted);
    bench_result(bench, steps * n / 2, start);
    for (uint64_t i = 0; i < n; i++)
        checksum += savina_mix(savina_random(&seed) >> (64 - bits));
    bench_verify("values", sorted->count, n);
    bench_verify("values out of order", sorted->disorder, 0);
    bench_verify("checksum of the values", sorted->checksum, checksum);
}

const struct workload savina_bitonic = { .name = "savina.bitonic",
                                         .what = "n values through a sorting network",
                                         .defaults = { { "n", "4096" }, { "bits", "60" }, { "seed", "2048" } },
                                         .run = bitonic_run };
