/* lookups.c: many clients, one actor that holds the data: Concurrent Dictionary and Concurrent Sorted Linked List.
 *
 * Each client asks, waits for the answer, asks again. What the data are at the end does not depend on the order of the
 * writes (the value that is written is a function of the key; a list is sorted), so the coordinator replays all clients
 * one after the other and compares. */
#include "savina.h"

#include <stdlib.h>
#include <string.h>

enum { READ = 1, WRITE, SIZE, ANSWER, WHAT_IS_THERE };

/* What a client does next, drawn from its seed. */
struct plan {
    uint64_t seed, keys;
    uint32_t write_percent, size_percent;
};

struct request {
    int what;
    uint32_t key;
};

static struct request next_request(struct plan *plan)
{
    uint64_t chance = savina_below(&plan->seed, 100);
    struct request request = { .what = READ };
    if (chance < plan->size_percent)
        request.what = SIZE;
    else if (chance < plan->size_percent + plan->write_percent)
        request.what = WRITE;
    request.key = (uint32_t)savina_below(&plan->seed, plan->keys);
    return request;
}

/* What belongs to a key that somebody has written. */
static uint32_t written(uint32_t key) { return (uint32_t)savina_mix(key) | 1; }

/* ---- the client of both */

struct client {
    tr_pid coordinator, data;
    struct plan plan;
    uint64_t left;
    struct request asked;
    uint32_t initial;       /* keys below it were there from the start, with themselves as the value */
    unsigned char *written; /* its own writes, a bit for each key */
    uint64_t writes;        /* how many they are */
};

static bool has_written(const struct client *me, uint32_t key) { return (me->written[key / 8] >> key % 8 & 1) != 0; }

/* Whether this answer is possible, whatever the other clients did. */
static bool is_possible(const struct client *me, uint64_t answer)
{
    uint32_t key = me->asked.key;
    switch (me->asked.what) {
    case WRITE: return answer == written(key);
    case READ:
        if (has_written(me, key))
            return answer == written(key);
        return answer == written(key) || answer == (key < me->initial ? key + UINT64_C(1) : 0);
    default: return answer >= me->writes;
    }
}

static int client_handle(void *state, const tr_msg *message)
{
    struct client *me = state;
    if (tr_tag(message) == BENCH_GO)
        me->written = savina_alloc(me->plan.keys / 8 + 1);
    else
        tr_assert(is_possible(me, bench_number_in(message)));
    if (me->left-- == 0) {
        bench_report(me->coordinator, 1);
        return tr_stop(TR_NORMAL);
    }
    me->asked = next_request(&me->plan);
    tr_send(me->data, me->asked.what, &me->asked.key, sizeof me->asked.key);
    if (me->asked.what == WRITE) {
        me->written[me->asked.key / 8] |= (unsigned char)(1 << me->asked.key % 8);
        me->writes++;
    }
    return TR_OK;
}

static const tr_actor client_actor = {
    .label = "client", .state_size = sizeof(struct client), .start = savina_begin, .handle = client_handle
};

/* The plan of the client with this index. */
static struct plan plan_of(const struct plan *all, uint64_t index)
{
    struct plan plan = *all;
    plan.seed = savina_mix(index + 1);
    return plan;
}

/* Runs all clients against the actor with the data; returns what that says is there at the end. */
static uint64_t run_clients(struct bench *bench, tr_pid data, const struct plan *all, uint32_t initial)
{
    uint64_t clients = bench_number(bench, "clients"), n = bench_number(bench, "n");
    tr_pid *pids = savina_alloc(clients * sizeof *pids);
    for (uint64_t i = 0; i < clients; i++) {
        struct client client = { .coordinator = tr_self(), .data = data, .left = n, .initial = initial };
        client.plan = plan_of(all, i);
        pids[i] = savina_start(&client_actor, &client);
    }
    int64_t start = tr_now_ns();
    for (uint64_t i = 0; i < clients; i++)
        bench_go(pids[i]);
    uint64_t done = bench_reports(clients);
    bench_result(bench, clients * n, start);
    bench_verify("clients that are done", done, clients);
    tr_send(data, WHAT_IS_THERE, NULL, 0);
    return bench_reports(1);
}

/* ---- the dictionary: open addressing; a key is kept as key + 1, since 0 marks a free place */

struct dictionary {
    uint64_t initial;
    uint64_t size, capacity; /* capacity: a power of two, at least twice the size */
    struct entry {
        uint64_t key, value;
    } * entries;
};

static struct entry *find(struct dictionary *me, uint64_t key)
{
    uint64_t at = savina_mix(key) & (me->capacity - 1);
    while (me->entries[at].key != 0 && me->entries[at].key != key + 1)
        at = (at + 1) & (me->capacity - 1);
    return &me->entries[at];
}

static void put(struct dictionary *me, uint64_t key, uint64_t value);

static void grow(struct dictionary *me)
{
    struct entry *old = me->entries;
    uint64_t count = me->capacity;
    me->capacity = count == 0 ? 1024 : 2 * count;
    me->entries = savina_alloc(me->capacity * sizeof *me->entries);
    me->size = 0;
    for (uint64_t i = 0; i < count; i++)
        if (old[i].key != 0)
            put(me, old[i].key - 1, old[i].value);
    tr_free(old);
}

static void put(struct dictionary *me, uint64_t key, uint64_t value)
{
    if (2 * me->size >= me->capacity)
        grow(me);
    struct entry *entry = find(me, key);
    me->size += entry->key == 0;
    *entry = (struct entry){ .key = key + 1, .value = value };
}

static uint64_t checksum(const struct dictionary *me)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < me->capacity; i++)
        if (me->entries[i].key != 0)
            sum += savina_mix(me->entries[i].key << 32 ^ me->entries[i].value);
    return sum + me->size;
}

static void fill(struct dictionary *me, uint64_t initial)
{
    *me = (struct dictionary){ .initial = initial };
    grow(me);
    for (uint64_t key = 0; key < initial; key++)
        put(me, key, key + 1);
}

static int dictionary_start(void *state, const tr_msg *arg)
{
    fill(state, bench_number_in(arg));
    return TR_OK;
}

static int dictionary_handle(void *state, const tr_msg *message)
{
    struct dictionary *me = state;
    if (tr_tag(message) == WHAT_IS_THERE) {
        bench_report(tr_sender(message), checksum(me));
        return TR_OK;
    }
    uint32_t key = *(const uint32_t *)tr_expect(message, sizeof key);
    if (tr_tag(message) == WRITE)
        put(me, key, written(key));
    tr_send(tr_sender(message), ANSWER, &find(me, key)->value, sizeof(uint64_t));
    return TR_OK;
}

static const tr_actor dictionary_actor = { .label = "dictionary",
                                           .state_size = sizeof(struct dictionary),
                                           .start = dictionary_start,
                                           .handle = dictionary_handle };

static void dictionary_run(struct bench *bench)
{
    uint64_t initial = bench_number(bench, "initial");
    struct plan all = { .keys = 4 * initial + 1, .write_percent = (uint32_t)bench_number(bench, "writes") };
    tr_pid data = bench_start(&dictionary_actor, &initial, sizeof initial);
    uint64_t got = run_clients(bench, data, &all, (uint32_t)initial);
    struct dictionary replayed;
    fill(&replayed, initial);
    for (uint64_t i = 0; i < bench_number(bench, "clients"); i++) {
        struct plan plan = plan_of(&all, i);
        for (uint64_t n = bench_number(bench, "n"); n > 0; n--) {
            struct request request = next_request(&plan);
            if (request.what == WRITE)
                put(&replayed, request.key, written(request.key));
        }
    }
    bench_verify("checksum of the dictionary", got, checksum(&replayed));
}

const struct workload savina_dictionary = {
    .name = "savina.dictionary",
    .what = "a dictionary, n requests from each client",
    .defaults = { { "clients", "20" }, { "n", "10000" }, { "writes", "10" }, { "initial", "524287" } },
    .run = dictionary_run
};

/* ---- the sorted linked list: every request walks along it */

enum { LIST_VALUES = 65536 };

struct list {
    struct item {
        struct item *next;
        uint32_t value;
    } * first;
    uint64_t size;
};

static struct item **place(struct list *me, uint32_t value)
{
    struct item **at = &me->first;
    while (*at != NULL && (*at)->value < value)
        at = &(*at)->next;
    return at;
}

static void insert(struct list *me, uint32_t value)
{
    struct item **at = place(me, value), *item = savina_alloc(sizeof *item);
    *item = (struct item){ .next = *at, .value = value };
    *at = item;
    me->size++;
}

static uint64_t add_up(uint64_t sum, uint64_t value) { return savina_mix(sum ^ value); }

static uint64_t list_checksum(const struct list *me)
{
    uint64_t sum = 0;
    for (const struct item *item = me->first; item != NULL; item = item->next)
        sum = add_up(sum, item->value);
    return sum;
}

static uint64_t list_size(const struct list *me)
{
    uint64_t size = 0;
    for (const struct item *item = me->first; item != NULL; item = item->next)
        size++;
    return size;
}

static int list_handle(void *state, const tr_msg *message)
{
    struct list *me = state;
    uint64_t answer = 0;
    if (tr_tag(message) == WHAT_IS_THERE) {
        bench_report(tr_sender(message), list_checksum(me));
        return TR_OK;
    }
    uint32_t value = *(const uint32_t *)tr_expect(message, sizeof value);
    if (tr_tag(message) == WRITE) {
        insert(me, value);
        answer = written(value);
    } else if (tr_tag(message) == READ) {
        const struct item *item = *place(me, value);
        answer = item != NULL && item->value == value ? written(value) : 0;
    } else {
        answer = list_size(me);
        tr_assert(answer == me->size);
    }
    tr_send(tr_sender(message), ANSWER, &answer, sizeof answer);
    return TR_OK;
}

static const tr_actor list_actor = { .label = "sorted list", .state_size = sizeof(struct list), .handle = list_handle };

static int by_value(const void *a, const void *b)
{
    uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;
    return (one > other) - (one < other);
}

static void list_run(struct bench *bench)
{
    uint64_t clients = bench_number(bench, "clients"), n = bench_number(bench, "n"), count = 0, sum = 0;
    struct plan all = { .keys = LIST_VALUES,
                        .write_percent = (uint32_t)bench_number(bench, "writes"),
                        .size_percent = (uint32_t)bench_number(bench, "sizes") };
    uint64_t got = run_clients(bench, bench_start(&list_actor, NULL, 0), &all, 0);
    uint32_t *values = savina_alloc((clients * n + 1) * sizeof *values);
    for (uint64_t i = 0; i < clients; i++) {
        struct plan plan = plan_of(&all, i);
        for (uint64_t left = n; left > 0; left--) {
            struct request request = next_request(&plan);
            if (request.what == WRITE)
                values[count++] = request.key;
        }
    }
    qsort(values, count, sizeof *values, by_value);
    for (uint64_t i = 0; i < count; i++)
        sum = add_up(sum, values[i]);
    bench_verify("checksum of the list", got, sum);
}

const struct workload savina_sortedlist = {
    .name = "savina.sortedlist",
    .what = "a sorted linked list, n requests from each client",
    .defaults = { { "clients", "20" }, { "n", "8000" }, { "writes", "10" }, { "sizes", "1" } },
    .run = list_run
};
