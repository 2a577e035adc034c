/* prodcons.c: Producer-Consumer with a bounded buffer: a manager between producers and consumers, which lets a producer
 * go on only while there is room.
 *
 * Invariants of the manager: items + producers told to produce <= buffer; no consumer waits while an item does. */
#include "savina.h"

#include <math.h>

enum { PRODUCE = 1, ITEM, CONSUMER_FREE, PRODUCER_DONE, CONSUMED };

struct item {
    double value;
    uint64_t id;
};

/* What an item costs to make or to use: so many times a hundred logarithms. */
static double process(double value, uint64_t cost)
{
    uint64_t seed = cost;
    for (uint64_t i = 0; i < 100 * cost; i++)
        value += log((double)(savina_random(&seed) >> 11) * 0x1p-53 + 0.01);
    return value;
}

/* ---- producers and consumers */

struct producer {
    tr_pid manager;
    uint64_t cost, left;
    struct item item; /* the latest */
};

static int producer_handle(void *state, const tr_msg *message)
{
    struct producer *me = state;
    if (tr_tag(message) != PRODUCE)
        return tr_unexpected(message);
    if (me->left-- == 0) {
        tr_send(me->manager, PRODUCER_DONE, NULL, 0);
        return tr_stop(TR_NORMAL);
    }
    me->item.value = process(me->item.value, me->cost);
    me->item.id++;
    tr_send(me->manager, ITEM, &me->item, sizeof me->item);
    return TR_OK;
}

static const tr_actor producer_actor = {
    .label = "producer", .state_size = sizeof(struct producer), .start = savina_begin, .handle = producer_handle
};

/* What was consumed, in a form that does not depend on who consumed what. */
struct consumed {
    uint64_t items, ids, values;
};

struct consumer {
    tr_pid manager;
    uint64_t cost;
    double value;
    struct consumed consumed;
};

static int consumer_handle(void *state, const tr_msg *message)
{
    struct consumer *me = state;
    if (tr_tag(message) == CONSUMED) {
        tr_send(tr_sender(message), CONSUMED, &me->consumed, sizeof me->consumed);
        return TR_OK;
    }
    if (tr_tag(message) == BENCH_GO) {
        tr_send(me->manager, CONSUMER_FREE, NULL, 0);
        return TR_OK;
    }
    const struct item *item = tr_expect(message, sizeof *item);
    me->consumed.items++;
    me->consumed.ids += savina_mix(item->id);
    me->consumed.values += savina_bits(item->value);
    me->value = process(me->value + item->value, me->cost);
    tr_send(me->manager, CONSUMER_FREE, NULL, 0);
    return TR_OK;
}

static const tr_actor consumer_actor = {
    .label = "consumer", .state_size = sizeof(struct consumer), .start = savina_begin, .handle = consumer_handle
};

/* ---- the manager, with three queues: rings, each long enough for all that there can be */

struct queue {
    uint64_t head, tail, capacity;
};

static uint64_t length(const struct queue *queue) { return queue->tail - queue->head; }
static uint64_t push(struct queue *queue) { return queue->tail++ % queue->capacity; }
static uint64_t pop(struct queue *queue) { return queue->head++ % queue->capacity; }

struct manager {
    tr_pid coordinator;
    uint64_t buffer, producers, consumers, at_work; /* at_work: producers that were told to produce */
    struct queue items, waiting, free;
    struct item *item;
    tr_pid *producer, *consumer;
};

static int manager_start(void *state, const tr_msg *arg)
{
    struct manager *me = state;
    savina_begin(state, arg);
    me->items.capacity = me->buffer;
    me->waiting.capacity = me->producers;
    me->free.capacity = me->consumers;
    me->item = savina_alloc(me->buffer * sizeof *me->item);
    me->producer = savina_alloc(me->producers * sizeof *me->producer);
    me->consumer = savina_alloc(me->consumers * sizeof *me->consumer);
    return TR_OK;
}

static void let_produce(struct manager *me)
{
    while (length(&me->waiting) > 0 && length(&me->items) + me->at_work < me->buffer) {
        tr_send(me->producer[pop(&me->waiting)], PRODUCE, NULL, 0);
        me->at_work++;
    }
}

static int manager_handle(void *state, const tr_msg *message)
{
    struct manager *me = state;
    switch (tr_tag(message)) {
    case ITEM:
        me->at_work--;
        tr_assert(length(&me->items) < me->buffer);
        me->item[push(&me->items)] = *(const struct item *)tr_expect(message, sizeof(struct item));
        me->producer[push(&me->waiting)] = tr_sender(message);
        break;
    case CONSUMER_FREE: me->consumer[push(&me->free)] = tr_sender(message); break;
    case PRODUCER_DONE:
        me->at_work--;
        me->producers--;
        break;
    case BENCH_GO: /* a producer that is ready */
        me->producer[push(&me->waiting)] = *(const tr_pid *)tr_expect(message, sizeof(tr_pid));
        break;
    default: return tr_unexpected(message);
    }
    while (length(&me->items) > 0 && length(&me->free) > 0)
        tr_send(me->consumer[pop(&me->free)], ITEM, &me->item[pop(&me->items)], sizeof(struct item));
    let_produce(me);
    if (me->producers > 0 || length(&me->free) < me->consumers)
        return TR_OK;
    bench_report(me->coordinator, 1);
    return tr_stop(TR_NORMAL);
}

static const tr_actor manager_actor = {
    .label = "buffer", .state_size = sizeof(struct manager), .start = manager_start, .handle = manager_handle
};

/* ---- the run */

/* What all items together add up to, by one producer's chain: all producers make the same values. */
static struct consumed expected(const struct bench *bench)
{
    uint64_t producers = bench_number(bench, "producers"), items = bench_number(bench, "items");
    struct consumed sum = { .items = producers * items };
    double value = 0;
    for (uint64_t i = 1; i <= items; i++) {
        value = process(value, bench_number(bench, "produce"));
        sum.values += producers * savina_bits(value);
    }
    for (uint64_t producer = 0; producer < producers; producer++)
        for (uint64_t i = 1; i <= items; i++)
            sum.ids += savina_mix(producer * items + i);
    return sum;
}

static void start_all(struct bench *bench, tr_pid manager, tr_pid *consumers)
{
    uint64_t producers = bench_number(bench, "producers"), items = bench_number(bench, "items");
    struct producer producer = { .manager = manager, .cost = bench_number(bench, "produce"), .left = items };
    struct consumer consumer = { .manager = manager, .cost = bench_number(bench, "consume") };
    for (uint64_t i = 0; i < bench_number(bench, "consumers"); i++)
        bench_go(consumers[i] = savina_start(&consumer_actor, &consumer));
    for (uint64_t i = 0; i < producers; i++) {
        producer.item.id = i * items;
        tr_pid pid = savina_start(&producer_actor, &producer);
        tr_send(manager, BENCH_GO, &pid, sizeof pid);
    }
}

static void prodcons_run(struct bench *bench)
{
    struct manager manager = { .coordinator = tr_self(), .buffer = bench_number(bench, "buffer") };
    struct consumed all = { 0 }, wanted = expected(bench);
    manager.producers = bench_number(bench, "producers");
    manager.consumers = bench_number(bench, "consumers");
    savina_require(manager.buffer > 0 && manager.producers > 0 && manager.consumers > 0,
                   "room for an item, a producer and a consumer");
    tr_pid *consumers = savina_alloc(manager.consumers * sizeof *consumers);
    int64_t start = tr_now_ns();
    tr_pid pid = savina_start(&manager_actor, &manager);
    start_all(bench, pid, consumers);
    bench_reports(1);
    bench_result(bench, wanted.items, start);
    for (uint64_t i = 0; i < manager.consumers; i++) {
        tr_send(consumers[i], CONSUMED, NULL, 0);
        const struct consumed *one = savina_await(CONSUMED, sizeof *one);
        all.items += one->items;
        all.ids += one->ids;
        all.values += one->values;
    }
    bench_verify("items consumed", all.items, wanted.items);
    bench_verify("checksum of the items' numbers", all.ids, wanted.ids);
    bench_verify("checksum of the items' values", all.values, wanted.values);
}

const struct workload savina_prodcons = { .name = "savina.prodcons",
                                          .what = "producers, a bounded buffer, consumers",
                                          .defaults = { { "buffer", "50" },
                                                        { "producers", "40" },
                                                        { "consumers", "40" },
                                                        { "items", "1000" },
                                                        { "produce", "25" },
                                                        { "consume", "25" } },
                                          .run = prodcons_run };
