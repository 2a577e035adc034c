/* sorting.c: Radix Sort, a pipeline with an actor for each bit; Quicksort, a tree of actors.
 *
 * Both are checked in the same way: the result is in order, and its values have the checksum of those that were drawn.
 */
#include "kernels.h"
#include "savina.h"

#include <stdlib.h>
#include <string.h>

enum { RESULT = 1 };

struct result {
    uint64_t count, disorder, checksum;
};

static void check_result(const struct result *result, uint64_t n, uint64_t bits, uint64_t seed)
{
    uint64_t checksum = 0;
    for (uint64_t i = 0; i < n; i++)
        checksum += savina_mix(kernel_draw(&seed, bits));
    bench_verify("values", result->count, n);
    bench_verify("values out of order", result->disorder, 0);
    bench_verify("checksum of the values", result->checksum, checksum);
}

/* ---- radix sort: each actor passes values without its bit on at once, those with it when all have come */

enum { VALUE = 1 };

struct sorter {
    tr_pid next;
    uint64_t bit, n, seen, kept;
    uint64_t *values; /* those with the bit */
};

static int sorter_start(void *state, const tr_msg *arg)
{
    struct sorter *me = state;
    savina_begin(state, arg);
    me->values = savina_alloc(me->n * sizeof *me->values);
    return TR_OK;
}

static int sorter_handle(void *state, const tr_msg *message)
{
    struct sorter *me = state;
    uint64_t value = bench_number_in(message);
    if ((value >> me->bit & 1) == 0)
        tr_send(me->next, VALUE, &value, sizeof value);
    else
        me->values[me->kept++] = value;
    if (++me->seen < me->n)
        return TR_OK;
    for (uint64_t i = 0; i < me->kept; i++)
        tr_send(me->next, VALUE, &me->values[i], sizeof value);
    return tr_stop(TR_NORMAL);
}

static const tr_actor sorter_actor = {
    .label = "radix sort", .state_size = sizeof(struct sorter), .start = sorter_start, .handle = sorter_handle
};

struct reader {
    tr_pid coordinator;
    uint64_t n, latest;
    struct result result;
};

static int reader_handle(void *state, const tr_msg *message)
{
    struct reader *me = state;
    uint64_t value = bench_number_in(message);
    me->result.disorder += value < me->latest;
    me->result.checksum += savina_mix(value);
    me->latest = value;
    if (++me->result.count < me->n)
        return TR_OK;
    tr_send(me->coordinator, RESULT, &me->result, sizeof me->result);
    return tr_stop(TR_NORMAL);
}

static const tr_actor reader_actor = {
    .label = "radix sort reader", .state_size = sizeof(struct reader), .start = savina_begin, .handle = reader_handle
};

static void radixsort_run(struct bench *bench)
{
    uint64_t n = bench_number(bench, "n"), bits = bench_number(bench, "bits"), seed = bench_number(bench, "seed");
    uint64_t at = seed;
    savina_require(n > 0 && bits >= 1 && bits <= 63, "a value, of 1 to 63 bits");
    tr_pid next = savina_start(&reader_actor, &(struct reader){ .coordinator = tr_self(), .n = n });
    for (uint64_t bit = bits; bit-- > 0;)
        next = savina_start(&sorter_actor, &(struct sorter){ .next = next, .bit = bit, .n = n });
    int64_t start = tr_now_ns();
    for (uint64_t i = 0; i < n; i++) {
        uint64_t value = kernel_draw(&at, bits);
        tr_send(next, VALUE, &value, sizeof value);
    }
    const struct result *result = savina_await(RESULT, sizeof *result);
    bench_result(bench, n * (bits + 1), start);
    check_result(result, n, bits, seed);
}

const struct workload savina_radixsort = { .name = "savina.radixsort",
                                           .what = "n values through an actor for each bit",
                                           .defaults = { { "n", "100000" }, { "bits", "60" }, { "seed", "2048" } },
                                           .run = radixsort_run };

/* ---- quicksort: who gets more values than the threshold divides them between two others. Values travel as messages
 * that are handed on, never copied whole. */

enum { SORT = 1, LOWER, UPPER }; /* LOWER, UPPER: sorted; the tag says from which side, or to whom it is sent */

struct sort {
    tr_pid parent;
    int side; /* the tag of its result */
    uint64_t threshold;
    uint64_t pivot, equal;
    tr_msg *lower, *upper; /* sorted, kept */
};

static size_t count_of(const tr_msg *message) { return tr_size(message) / sizeof(uint64_t); }

/* A message for so many values. */
static uint64_t *new_values(int tag, size_t count, tr_msg **message)
{
    uint64_t *values = tr_new(tag, count * sizeof *values, message);
    if (values == NULL)
        tr_exit(tr_because(TR_WHY_STATUS, TR_ENOMEM, "no memory"));
    return values;
}

static int sort_here(struct sort *me, const tr_msg *message)
{
    tr_msg *sorted;
    uint64_t *values = new_values(me->side, count_of(message), &sorted);
    memcpy(values, tr_body(message), tr_size(message));
    qsort(values, count_of(message), sizeof *values, sort_by_value);
    tr_must(tr_give(me->parent, sorted));
    return tr_stop(TR_NORMAL);
}

static const tr_actor sort_actor;

static int divide(struct sort *me, const tr_msg *message)
{
    const uint64_t *values = tr_body(message);
    size_t count = count_of(message), lower = 0, upper = 0;
    tr_msg *parts[2];
    me->pivot = values[count / 2];
    for (size_t i = 0; i < count; i++) {
        lower += values[i] < me->pivot;
        upper += values[i] > me->pivot;
    }
    me->equal = count - lower - upper;
    uint64_t *low = new_values(SORT, lower, &parts[0]), *high = new_values(SORT, upper, &parts[1]);
    for (size_t i = 0; i < count; i++)
        if (values[i] < me->pivot)
            *low++ = values[i];
        else if (values[i] > me->pivot)
            *high++ = values[i];
    for (int i = 0; i < 2; i++) {
        struct sort child = { .parent = tr_self(), .side = i == 0 ? LOWER : UPPER, .threshold = me->threshold };
        tr_must(tr_give(savina_start(&sort_actor, &child), parts[i]));
    }
    return TR_OK;
}

static int join(struct sort *me)
{
    size_t lower = count_of(me->lower), upper = count_of(me->upper);
    tr_msg *sorted;
    uint64_t *values = new_values(me->side, lower + me->equal + upper, &sorted);
    memcpy(values, tr_body(me->lower), lower * sizeof *values);
    for (size_t i = 0; i < me->equal; i++)
        values[lower + i] = me->pivot;
    memcpy(values + lower + me->equal, tr_body(me->upper), upper * sizeof *values);
    tr_must(tr_give(me->parent, sorted));
    return tr_stop(TR_NORMAL);
}

static int sort_handle(void *state, const tr_msg *message)
{
    struct sort *me = state;
    if (tr_tag(message) == SORT)
        return count_of(message) < me->threshold || count_of(message) < 3 ? sort_here(me, message)
                                                                          : divide(me, message);
    tr_msg **kept = tr_tag(message) == LOWER ? &me->lower : &me->upper;
    tr_assert(*kept == NULL);
    *kept = tr_keep(message);
    return me->lower != NULL && me->upper != NULL ? join(me) : TR_OK;
}

static const tr_actor sort_actor = {
    .label = "quicksort", .state_size = sizeof(struct sort), .start = savina_begin, .handle = sort_handle
};

static void quicksort_run(struct bench *bench)
{
    uint64_t n = bench_number(bench, "n"), bits = bench_number(bench, "bits"), seed = bench_number(bench, "seed");
    uint64_t at = seed;
    struct sort root = { .parent = tr_self(), .side = LOWER, .threshold = bench_number(bench, "threshold") };
    struct result result = { 0 };
    tr_msg *unsorted;
    savina_require(bits >= 1 && bits <= 63, "1 to 63 bits");
    uint64_t *values = new_values(SORT, n, &unsorted);
    for (uint64_t i = 0; i < n; i++)
        values[i] = kernel_draw(&at, bits);
    int64_t start = tr_now_ns();
    tr_must(tr_give(savina_start(&sort_actor, &root), unsorted));
    const tr_msg *sorted = tr_receive_match(&(tr_match){ .tag = LOWER }, TR_INFINITY);
    bench_result(bench, n, start);
    const uint64_t *got = tr_body(sorted);
    for (result.count = 0; result.count < count_of(sorted); result.count++) {
        result.disorder += result.count > 0 && got[result.count] < got[result.count - 1];
        result.checksum += savina_mix(got[result.count]);
    }
    check_result(&result, n, bits, seed);
}

const struct workload savina_quicksort = {
    .name = "savina.quicksort",
    .what = "n values, an actor for each part",
    .defaults = { { "n", "1000000" }, { "bits", "60" }, { "threshold", "2048" }, { "seed", "1024" } },
    .run = quicksort_run
};
