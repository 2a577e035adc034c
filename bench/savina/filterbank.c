/* filterbank.c: Filter Bank: a source's values through channels of delays and filters, put together again at the sink.
 *
 * A channel is delay, filter H, down-sampling, delay, filter F, all over `columns` values. Every number is a whole one
 * and, with the suite's parameters, small enough to be exact in a double, so the checks compare for equality. */
#include "savina.h"

enum { VALUE = 1, END, OUTPUT };

enum { VALUES_UNTIL_REPEAT = 1000, CHANNELS_MOST = 64, COLUMNS_MOST = 16384 };

static double coefficient(bool first, uint64_t channel, uint64_t i, uint64_t columns, uint64_t channels)
{
    if (first)
        return (double)(i * columns + channel * channels + channel + i + channel + 1);
    return (double)(i * channel + channel * channel + channel + i);
}

/* What a stage passed on, weighted by order: of the first filters as whole numbers, at the sink as bits. */
struct checksum {
    uint64_t count, sum;
};

static void add(struct checksum *checksum, uint64_t value) { checksum->sum += ++checksum->count * value; }
static void add_bits(struct checksum *checksum, double value) { add(checksum, savina_bits(value)); }

/* ---- the stages of a channel, each with its successor; END goes through all of them */

struct stage {
    tr_pid next, coordinator;
    uint64_t channel, channels, columns;
    bool first; /* of the two filters: H */
    uint64_t at, seen;
    double *values; /* a ring */
    double *coefficients;
    struct checksum passed;
};

static int end_stage(const struct stage *me)
{
    tr_send(me->next, END, NULL, 0);
    return tr_stop(TR_NORMAL);
}

static double value_in(const tr_msg *message) { return *(const double *)tr_expect(message, sizeof(double)); }

static int delay_start(void *state, const tr_msg *arg)
{
    struct stage *me = state;
    savina_begin(state, arg);
    me->values = savina_alloc((me->columns - 1) * sizeof *me->values);
    return TR_OK;
}

static int delay_handle(void *state, const tr_msg *message)
{
    struct stage *me = state;
    if (tr_tag(message) == END)
        return end_stage(me);
    tr_send(me->next, VALUE, &me->values[me->at], sizeof(double));
    me->values[me->at] = value_in(message);
    me->at = me->at + 1 == me->columns - 1 ? 0 : me->at + 1;
    return TR_OK;
}

static int fir_start(void *state, const tr_msg *arg)
{
    struct stage *me = state;
    savina_begin(state, arg);
    me->values = savina_alloc(me->columns * sizeof *me->values);
    me->coefficients = savina_alloc(me->columns * sizeof *me->coefficients);
    for (uint64_t i = 0; i < me->columns; i++)
        me->coefficients[me->columns - 1 - i] = coefficient(me->first, me->channel, i, me->columns, me->channels);
    return TR_OK;
}

static double product(const double *a, const double *b, uint64_t count)
{
    double sum[4] = { 0 };
    uint64_t i = 0;
    for (; i + 4 <= count; i += 4)
        for (uint64_t lane = 0; lane < 4; lane++)
            sum[lane] += a[i + lane] * b[i + lane];
    for (; i < count; i++)
        sum[0] += a[i] * b[i];
    return sum[0] + sum[1] + sum[2] + sum[3];
}

/* coefficients[0] is for the oldest value, which is at `at` once the ring is full. */
static int fir_handle(void *state, const tr_msg *message)
{
    struct stage *me = state;
    if (tr_tag(message) == END) {
        if (me->first)
            tr_send(me->coordinator, OUTPUT, &me->passed, sizeof me->passed);
        return end_stage(me);
    }
    me->values[me->at] = value_in(message);
    me->at = me->at + 1 == me->columns ? 0 : me->at + 1;
    if (++me->seen < me->columns)
        return TR_OK;
    uint64_t older = me->columns - me->at;
    double sum = product(me->values + me->at, me->coefficients, older) +
                 product(me->values, me->coefficients + older, me->at);
    if (me->first)
        add(&me->passed, (uint64_t)sum);
    tr_send(me->next, VALUE, &sum, sizeof sum);
    return TR_OK;
}

static int sample_handle(void *state, const tr_msg *message)
{
    struct stage *me = state;
    if (tr_tag(message) == END)
        return end_stage(me);
    double value = me->seen++ % me->columns == 0 ? value_in(message) : 0;
    tr_send(me->next, VALUE, &value, sizeof value);
    return TR_OK;
}

struct tagged {
    uint64_t channel;
    double value;
};

static int tag_handle(void *state, const tr_msg *message)
{
    struct stage *me = state;
    if (tr_tag(message) == END)
        return end_stage(me);
    struct tagged tagged = { me->channel, value_in(message) };
    tr_send(me->next, VALUE, &tagged, sizeof tagged);
    return TR_OK;
}

static const tr_actor delay_stage = {
    .label = "delay", .state_size = sizeof(struct stage), .start = delay_start, .handle = delay_handle
};
static const tr_actor fir_stage = {
    .label = "filter", .state_size = sizeof(struct stage), .start = fir_start, .handle = fir_handle
};
static const tr_actor sample_stage = {
    .label = "sampler", .state_size = sizeof(struct stage), .start = savina_begin, .handle = sample_handle
};
static const tr_actor tag_stage = {
    .label = "tagger", .state_size = sizeof(struct stage), .start = savina_begin, .handle = tag_handle
};

/* ---- before the channels: a source that is asked for each value, and branches that give it to all channels */

struct source {
    tr_pid next, producer;
    uint64_t n, made;
};

static int source_handle(void *state, const tr_msg *message)
{
    struct source *me = state;
    double value = (double)(me->made % VALUES_UNTIL_REPEAT);
    (void)message;
    if (me->made++ == me->n) {
        tr_send(me->next, END, NULL, 0);
        return tr_stop(TR_NORMAL);
    }
    tr_send(me->next, VALUE, &value, sizeof value);
    tr_send(me->producer, BENCH_GO, NULL, 0);
    return TR_OK;
}

static const tr_actor source_actor = {
    .label = "source", .state_size = sizeof(struct source), .start = savina_begin, .handle = source_handle
};

/* Asks for the next value when it has been asked itself. */
static int producer_handle(void *state, const tr_msg *message)
{
    if (tr_tag(message) == VALUE)
        *(tr_pid *)state = *(const tr_pid *)tr_expect(message, sizeof(tr_pid));
    tr_send(*(const tr_pid *)state, BENCH_GO, NULL, 0);
    return TR_OK;
}

static const tr_actor producer_actor = { .label = "producer", .state_size = sizeof(tr_pid), .handle = producer_handle };

struct branches {
    uint64_t channels;
    tr_pid first[CHANNELS_MOST];
};

static int branches_handle(void *state, const tr_msg *message)
{
    const struct branches *me = state;
    for (uint64_t i = 0; i < me->channels; i++)
        tr_send(me->first[i], tr_tag(message), tr_body(message), tr_size(message));
    return tr_tag(message) == END ? tr_stop(TR_NORMAL) : TR_OK;
}

static const tr_actor branches_actor = {
    .label = "branches", .state_size = sizeof(struct branches), .start = savina_begin, .handle = branches_handle
};

/* ---- behind the channels: the integrator makes a row of one value of each; combine adds the row up; the sink */

struct integrator {
    tr_pid next;
    uint64_t channels, ended, capacity;
    struct row {
        double *values;
        uint64_t head, tail; /* values[head .. tail): came, not yet put together */
    } rows[CHANNELS_MOST];
};

static int integrator_start(void *state, const tr_msg *arg)
{
    struct integrator *me = state;
    savina_begin(state, arg);
    for (uint64_t i = 0; i < me->channels; i++)
        me->rows[i].values = savina_alloc((me->capacity + 1) * sizeof(double));
    return TR_OK;
}

static bool is_complete(const struct integrator *me)
{
    for (uint64_t i = 0; i < me->channels; i++)
        if (me->rows[i].head == me->rows[i].tail)
            return false;
    return true;
}

static int integrator_handle(void *state, const tr_msg *message)
{
    struct integrator *me = state;
    if (tr_tag(message) == END) {
        if (++me->ended < me->channels)
            return TR_OK;
        tr_send(me->next, END, NULL, 0);
        return tr_stop(TR_NORMAL);
    }
    const struct tagged *tagged = tr_expect(message, sizeof *tagged);
    struct row *row = &me->rows[tagged->channel];
    tr_assert(row->tail < me->capacity);
    row->values[row->tail++] = tagged->value;
    while (is_complete(me)) {
        double together[CHANNELS_MOST];
        for (uint64_t i = 0; i < me->channels; i++)
            together[i] = me->rows[i].values[me->rows[i].head++];
        tr_send(me->next, VALUE, together, me->channels * sizeof *together);
    }
    return TR_OK;
}

static const tr_actor integrator_actor = { .label = "integrator",
                                           .state_size = sizeof(struct integrator),
                                           .start = integrator_start,
                                           .handle = integrator_handle };

static int combine_handle(void *state, const tr_msg *message)
{
    tr_pid next = *(const tr_pid *)state;
    const double *together = tr_body(message);
    double sum = 0;
    for (size_t i = 0; i < tr_size(message) / sizeof *together; i++)
        sum += together[i];
    tr_send(next, tr_tag(message), &sum, sizeof sum);
    return tr_tag(message) == END ? tr_stop(TR_NORMAL) : TR_OK;
}

static const tr_actor combine_actor = {
    .label = "combine", .state_size = sizeof(tr_pid), .start = savina_begin, .handle = combine_handle
};

struct sink {
    tr_pid coordinator;
    struct checksum got;
};

static int sink_handle(void *state, const tr_msg *message)
{
    struct sink *me = state;
    if (tr_tag(message) != END) {
        add_bits(&me->got, value_in(message));
        return TR_OK;
    }
    tr_send(me->coordinator, OUTPUT, &me->got, sizeof me->got);
    return tr_stop(TR_NORMAL);
}

static const tr_actor sink_actor = {
    .label = "sink", .state_size = sizeof(struct sink), .start = savina_begin, .handle = sink_handle
};

/* ---- the same numbers without the stages */

/* What comes out of a channel's first delay at time t, and out of its first filter at time t (0 until it is full). */
static uint64_t delayed(uint64_t t, uint64_t columns)
{
    return t < columns - 1 ? 0 : (t - (columns - 1)) % VALUES_UNTIL_REPEAT;
}

static uint64_t filtered(uint64_t t, uint64_t channel, uint64_t columns, uint64_t channels)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < columns; i++)
        sum += (uint64_t)coefficient(true, channel, i, columns, channels) * delayed(t - i, columns);
    return sum;
}

/* The checksum of filter H: each coefficient meets a window of the values, whose sums come from running sums. */
static struct checksum expected_filter(uint64_t channel, uint64_t channels, uint64_t columns, uint64_t n)
{
    struct checksum checksum = { .count = n < columns ? 0 : n - columns + 1 };
    uint64_t *sums = savina_alloc((n + 1) * sizeof *sums), *weighted = savina_alloc((n + 1) * sizeof *weighted);
    for (uint64_t t = 0; t < n; t++) {
        sums[t + 1] = sums[t] + delayed(t, columns);
        weighted[t + 1] = weighted[t] + t * delayed(t, columns);
    }
    for (uint64_t i = 0; i < columns && checksum.count > 0; i++) {
        uint64_t from = columns - 1 - i, to = n - i; /* output t >= columns - 1 has the number t - columns + 2 */
        checksum.sum += (uint64_t)coefficient(true, channel, i, columns, channels) *
                        (weighted[to] - weighted[from] + (i + 2 - columns) * (sums[to] - sums[from]));
    }
    tr_free(sums);
    tr_free(weighted);
    return checksum;
}

/* What arrives at the sink: of filter H every columns-th value, delayed, weighted by F: each time only one is not 0. */
static struct checksum expected_sink(uint64_t channels, uint64_t columns, uint64_t n)
{
    struct checksum checksum = { 0 };
    uint64_t inputs = n < columns ? 0 : n - columns + 1, samples = inputs / columns + 1; /* of the second delay */
    double *sampled = savina_alloc(channels * samples * sizeof *sampled);
    for (uint64_t i = 0; i < channels * samples && inputs > 0; i++)
        sampled[i] = (double)filtered(i / channels * columns + columns - 1, i % channels, columns, channels);
    for (uint64_t t = 0; t + columns - 1 < inputs; t++) {
        double sum = 0;
        for (uint64_t channel = 0; channel < channels; channel++)
            sum += coefficient(false, channel, t % columns, columns, channels) *
                   sampled[t / columns * channels + channel];
        add_bits(&checksum, sum);
    }
    tr_free(sampled);
    return checksum;
}

/* ---- the run */

static tr_pid start_channel(const struct stage *common, tr_pid integrator)
{
    const tr_actor *const stages[] = { &tag_stage, &fir_stage, &delay_stage, &sample_stage, &fir_stage, &delay_stage };
    struct stage stage = *common;
    stage.next = integrator;
    for (size_t i = 0; i < TR_COUNT(stages); i++) { /* from the last one to the first */
        stage.first = i > 1;
        stage.next = savina_start(stages[i], &stage);
    }
    return stage.next;
}

/* Starts everything; returns the sink. */
static tr_pid start_bank(const struct stage *common, uint64_t n)
{
    struct stage stage = *common;
    struct integrator integrator = { .channels = stage.channels, .capacity = n };
    struct branches branches = { .channels = stage.channels };
    tr_pid sink = savina_start(&sink_actor, &(struct sink){ .coordinator = tr_self() });
    integrator.next = savina_start(&combine_actor, &sink);
    tr_pid pid = savina_start(&integrator_actor, &integrator);
    for (stage.channel = 0; stage.channel < stage.channels; stage.channel++)
        branches.first[stage.channel] = start_channel(&stage, pid);
    struct source source = { .n = n, .producer = bench_start(&producer_actor, NULL, 0) };
    source.next = savina_start(&branches_actor, &branches);
    pid = savina_start(&source_actor, &source);
    tr_send(source.producer, VALUE, &pid, sizeof pid);
    return sink;
}

static void filterbank_run(struct bench *bench)
{
    uint64_t n = bench_number(bench, "n"), channels = bench_number(bench, "channels");
    struct stage stage = { .coordinator = tr_self(), .channels = channels, .columns = bench_number(bench, "columns") };
    struct checksum want = { 0 }, filters = { 0 }, sink = { 0 };
    savina_require(channels >= 1 && channels <= CHANNELS_MOST, "1 to 64 channels");
    savina_require(stage.columns >= 2 && stage.columns <= COLUMNS_MOST, "2 to 16384 columns");
    int64_t start = tr_now_ns();
    tr_pid sink_pid = start_bank(&stage, n);
    for (uint64_t i = 0; i <= channels; i++) {
        const tr_msg *message = tr_receive_match(&(tr_match){ .tag = OUTPUT }, TR_INFINITY);
        const struct checksum *one = tr_expect(message, sizeof *one);
        struct checksum *sum = tr_same(tr_sender(message), sink_pid) ? &sink : &filters;
        sum->count += one->count;
        sum->sum += one->sum;
    }
    bench_result(bench, n, start);
    for (uint64_t channel = 0; channel < channels; channel++) {
        struct checksum one = expected_filter(channel, channels, stage.columns, n);
        want.count += one.count;
        want.sum += one.sum;
    }
    bench_verify("values of the first filters", filters.count, want.count);
    bench_verify("checksum of the first filters", filters.sum, want.sum);
    want = expected_sink(channels, stage.columns, n);
    bench_verify("values at the sink", sink.count, want.count);
    bench_verify("checksum at the sink", sink.sum, want.sum);
}

const struct workload savina_filterbank = {
    .name = "savina.filterbank",
    .what = "n values through channels of filters",
    .defaults = { { "n", "34816" }, { "columns", "16384" }, { "channels", "8" } },
    .run = filterbank_run
};
