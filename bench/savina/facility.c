/* facility.c: Online Facility Location: a tree of quadrants; a leaf whose customers are too far from facilities divides
 * in four and opens a facility in its middle.
 *
 * When facilities become known in other quadrants depends on timing, so where leaves divide does, too. What does not:
 * every customer is in exactly one leaf, inside its bounds; there are 3 * divided + 1 leaves; the root hears of every
 * facility but its own. */
#include "savina.h"

#include <math.h>
#include <string.h>

enum { CUSTOMER = 1, NEXT, FACILITY_BELOW, FACILITY, CLOSE, CLOSED };

struct point {
    double x, y;
};

struct box {
    struct point low, high; /* low <= point < high */
};

struct points {
    struct point *at;
    size_t count, capacity;
};

static void add_point(struct points *points, struct point point)
{
    if (points->count == points->capacity) {
        points->capacity = points->capacity == 0 ? 16 : 2 * points->capacity;
        points->at = tr_realloc(points->at, points->capacity * sizeof *points->at);
    }
    points->at[points->count++] = point;
}

static uint64_t point_checksum(struct point point)
{
    return savina_mix(savina_bits(point.x) ^ savina_mix(savina_bits(point.y)));
}

/* What a closed quadrant says of itself and those below. */
struct census {
    uint64_t customers, checksum, leaves, divided;
};

static void add_census(struct census *sum, const struct census *one)
{
    sum->customers += one->customers;
    sum->checksum += one->checksum;
    sum->leaves += one->leaves;
    sum->divided += one->divided;
}

/* ---- a quadrant */

enum { QUARTERS = 4, OUTSIDE = QUARTERS }; /* quarters: 0 top left, 1 top right, 2 bottom left, 3 bottom right */

struct place {
    tr_pid parent, producer; /* nobody: not the root, which asks for the next customer */
    uint64_t quarter;
    struct box box;
    double threshold;
    size_t facilities, customers; /* points that follow in the start argument */
};

struct quadrant {
    struct place place;
    struct point middle;
    double cost;
    struct points facilities, customers;
    tr_pid children[QUARTERS]; /* the first is nobody: a leaf */
    uint64_t closed, heard;
    struct census census;
};

/* The middle of the tree above: what the quadrant itself hands on of a facility that opened below. */
struct opened {
    uint64_t quarter; /* of the sender; OUTSIDE: from above */
    struct point at;
};

static double distance(struct point a, struct point b)
{
    double x = a.x - b.x, y = a.y - b.y;
    return sqrt(x * x + y * y);
}

static bool contains(const struct box *box, struct point point)
{
    return box->low.x <= point.x && point.x < box->high.x && box->low.y <= point.y && point.y < box->high.y;
}

static uint64_t quarter_of(const struct quadrant *me, struct point point)
{
    return (point.y >= me->middle.y ? 0U : 2U) + (point.x >= me->middle.x ? 1U : 0U);
}

static struct box quarter_box(const struct quadrant *me, uint64_t quarter)
{
    struct box box = me->place.box;
    *(quarter < 2 ? &box.low.y : &box.high.y) = me->middle.y;
    *(quarter % 2 == 1 ? &box.low.x : &box.high.x) = me->middle.x;
    return box;
}

static void serve(struct quadrant *me, struct point customer)
{
    double least = INFINITY;
    tr_assert(contains(&me->place.box, customer));
    add_point(&me->customers, customer);
    for (size_t i = 0; i < me->facilities.count; i++)
        least = fmin(least, distance(me->facilities.at[i], customer));
    me->cost += least;
}

static int quadrant_start(void *state, const tr_msg *arg)
{
    struct quadrant *me = state;
    const struct place *place = tr_body(arg);
    const struct point *points = (const struct point *)(place + 1);
    me->place = *place;
    me->middle.x = (place->box.low.x + place->box.high.x) / 2;
    me->middle.y = (place->box.low.y + place->box.high.y) / 2;
    for (size_t i = 0; i < place->facilities; i++)
        add_point(&me->facilities, points[i]);
    add_point(&me->facilities, me->middle);
    for (size_t i = 0; i < place->customers; i++)
        serve(me, points[place->facilities + i]);
    return TR_OK;
}

static int quadrant_handle(void *state, const tr_msg *message);

static const tr_actor quadrant_actor = {
    .label = "quadrant", .state_size = sizeof(struct quadrant), .start = quadrant_start, .handle = quadrant_handle
};

static tr_pid start_quarter(const struct quadrant *me, uint64_t quarter)
{
    size_t most = me->facilities.count + me->customers.count;
    struct place *place = savina_alloc(sizeof *place + most * sizeof(struct point));
    struct point *points = (struct point *)(place + 1);
    *place = me->place;
    place->parent = tr_self();
    place->producer = (tr_pid){ 0 };
    place->quarter = quarter;
    place->box = quarter_box(me, quarter);
    place->facilities = me->facilities.count;
    place->customers = 0;
    memcpy(points, me->facilities.at, me->facilities.count * sizeof *points);
    for (size_t i = 0; i < me->customers.count; i++)
        if (quarter_of(me, me->customers.at[i]) == quarter)
            points[place->facilities + place->customers++] = me->customers.at[i];
    size_t size = sizeof *place + (place->facilities + place->customers) * sizeof *points;
    tr_pid child = bench_start(&quadrant_actor, place, size);
    tr_free(place);
    return child;
}

static void tell_parent(const struct quadrant *me, struct point facility)
{
    struct opened opened = { me->place.quarter, facility };
    if (tr_nobody(me->place.producer))
        tr_send(me->place.parent, FACILITY_BELOW, &opened, sizeof opened);
}

static void divide(struct quadrant *me)
{
    tell_parent(me, me->middle);
    for (uint64_t i = 0; i < QUARTERS; i++)
        me->children[i] = start_quarter(me, i);
    me->customers.count = 0;
    me->census.divided = 1;
}

static void take_customer(struct quadrant *me, const tr_msg *message)
{
    struct point customer = *(const struct point *)tr_expect(message, sizeof customer);
    if (!tr_nobody(me->children[0])) {
        tr_send(me->children[quarter_of(me, customer)], CUSTOMER, &customer, sizeof customer);
    } else {
        serve(me, customer);
        if (me->cost > me->place.threshold)
            divide(me);
    }
    if (!tr_nobody(me->place.producer))
        tr_send(me->place.producer, NEXT, NULL, 0);
}

/* A facility that opened below goes up, and to the quarter opposite of where it came from; one from above goes down. */
static void take_facility(struct quadrant *me, const tr_msg *message)
{
    struct opened opened = *(const struct opened *)tr_expect(message, sizeof opened);
    uint64_t from = opened.quarter;
    add_point(&me->facilities, opened.at);
    opened.quarter = OUTSIDE;
    if (tr_tag(message) == FACILITY_BELOW) {
        me->heard++;
        tell_parent(me, opened.at);
        tr_send(me->children[QUARTERS - 1 - from], FACILITY, &opened, sizeof opened);
    } else {
        for (uint64_t i = 0; i < QUARTERS && !tr_nobody(me->children[0]); i++)
            tr_send(me->children[i], FACILITY, &opened, sizeof opened);
    }
}

static int close_up(struct quadrant *me)
{
    if (tr_nobody(me->children[0])) {
        me->census.leaves = 1;
        me->census.customers = me->customers.count;
        for (size_t i = 0; i < me->customers.count; i++)
            me->census.checksum += point_checksum(me->customers.at[i]);
    }
    if (!tr_nobody(me->place.producer)) /* the root has heard of all facilities but its own */
        tr_assert(me->heard + 1 == me->census.divided || me->census.divided == 0);
    tr_send(me->place.parent, CLOSED, &me->census, sizeof me->census);
    return tr_stop(TR_NORMAL);
}

static int quadrant_handle(void *state, const tr_msg *message)
{
    struct quadrant *me = state;
    switch (tr_tag(message)) {
    case CUSTOMER: take_customer(me, message); return TR_OK;
    case FACILITY_BELOW:
    case FACILITY: take_facility(me, message); return TR_OK;
    case CLOSE:
        if (tr_nobody(me->children[0]))
            return close_up(me);
        for (uint64_t i = 0; i < QUARTERS; i++)
            tr_send(me->children[i], CLOSE, NULL, 0);
        return TR_OK;
    case CLOSED:
        add_census(&me->census, tr_expect(message, sizeof(struct census)));
        return ++me->closed == QUARTERS ? close_up(me) : TR_OK;
    default: return tr_unexpected(message);
    }
}

/* ---- the producer of customers, and the run */

struct producer {
    tr_pid root;
    uint64_t left, seed;
    double grid;
};

static struct point draw_customer(uint64_t *seed, double grid)
{
    double x = (double)(savina_random(seed) >> 11) * 0x1p-53, y = (double)(savina_random(seed) >> 11) * 0x1p-53;
    return (struct point){ x * grid, y * grid };
}

static int producer_handle(void *state, const tr_msg *message)
{
    struct producer *me = state;
    if (tr_tag(message) == BENCH_GO) /* from the coordinator: who is the root */
        me->root = *(const tr_pid *)tr_expect(message, sizeof me->root);
    if (me->left-- == 0) {
        tr_send(me->root, CLOSE, NULL, 0);
        return tr_stop(TR_NORMAL);
    }
    struct point customer = draw_customer(&me->seed, me->grid);
    tr_send(me->root, CUSTOMER, &customer, sizeof customer);
    return TR_OK;
}

static const tr_actor producer_actor = {
    .label = "producer", .state_size = sizeof(struct producer), .start = savina_begin, .handle = producer_handle
};

static void facility_run(struct bench *bench)
{
    uint64_t n = bench_number(bench, "points"), seed = bench_number(bench, "seed"), checksum = 0;
    double grid = (double)bench_number(bench, "grid");
    struct producer producer = { .left = n, .seed = seed, .grid = grid };
    struct place place = { .parent = tr_self(), .box = { { 0, 0 }, { grid, grid } } };
    place.threshold = (double)bench_number(bench, "alpha") * sqrt(2) * grid;
    savina_require(grid > 0, "a grid");
    int64_t start = tr_now_ns();
    place.producer = savina_start(&producer_actor, &producer);
    tr_pid root = bench_start(&quadrant_actor, &place, sizeof place);
    tr_send(place.producer, BENCH_GO, &root, sizeof root);
    const struct census *census = savina_await(CLOSED, sizeof *census);
    bench_result(bench, n, start);
    bench_extra(bench, "facilities", (double)census->divided);
    for (uint64_t i = 0; i < n; i++)
        checksum += point_checksum(draw_customer(&seed, grid));
    bench_verify("customers", census->customers, n);
    bench_verify("checksum of the customers", census->checksum, checksum);
    bench_verify("leaves", census->leaves, 3 * census->divided + 1);
}

const struct workload savina_facility = {
    .name = "savina.facility",
    .what = "quadrants divide as customers come",
    .defaults = { { "points", "100000" }, { "grid", "500" }, { "alpha", "2" }, { "seed", "123456" } },
    .run = facility_run
};
