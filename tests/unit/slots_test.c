/* slots_test.c: handles: uniqueness, staleness, reuse order, retirement, and finds against clears. */
#include "base/random.h"
#include "harness.h"
#include "memory/reclaim.h"
#include "memory/slots.h"
#include "memory/source.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

struct object {
    uint64_t handle; /* first, as slots.h asks */
    _Atomic uint64_t alive;
    struct retired retired;
};

static uint64_t add(struct slots *slots, struct slot_cache *cache, struct object *object)
{
    uint64_t handle = slots_take(slots, cache);
    CHECK(handle != 0);
    object->handle = handle;
    slots_publish(slots, handle, object);
    return handle;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

TEST(slots, object_is_found_from_publish_to_clear)
{
    struct slots *slots = slots_create(1000);
    struct slot_cache cache = { 0 };
    struct object object = { 0 };
    uint64_t handle = slots_take(slots, &cache);
    CHECK(handle != 0);
    CHECK(slots_find(slots, handle) == NULL);
    object.handle = handle;
    slots_publish(slots, handle, &object);
    CHECK(slots_find(slots, handle) == &object);
    CHECK(slots_at(slots, slot_index(handle)) == &object);
    slots_clear(slots, &cache, handle);
    CHECK(slots_find(slots, handle) == NULL);
    CHECK(slots_at(slots, slot_index(handle)) == NULL);
    slot_cache_return(slots, &cache);
    slots_destroy(slots);
}

TEST(slots, made_up_handles_find_nothing)
{
    struct slots *slots = slots_create(1000);
    struct slot_cache cache = { 0 };
    struct object object = { 0 };
    uint64_t handle = add(slots, &cache, &object);
    CHECK(slots_find(slots, 0) == NULL);
    CHECK(slots_find(slots, UINT64_MAX) == NULL);
    CHECK(slots_find(slots, handle + (UINT64_C(1) << SLOT_INDEX_BITS)) == NULL);
    CHECK(slots_find(slots, handle | UINT64_C(1) << 63) == NULL);
    CHECK(slots_find(slots, handle + 1) == NULL);
    CHECK(slots_at(slots, UINT32_MAX) == NULL);
    CHECK(slots_at(slots, slots_capacity(slots)) == NULL);
    slots_clear(slots, &cache, handle);
    slot_cache_return(slots, &cache);
    slots_destroy(slots);
}

TEST(slots, stale_handle_does_not_find_the_slots_next_holder)
{
    struct slots *slots = slots_create(512);
    struct slot_cache cache = { 0 };
    static struct object objects[3000];
    for (size_t i = 0; i < 3000; i++) {
        uint64_t handle = add(slots, &cache, &objects[i]);
        CHECK(slots_find(slots, handle) == &objects[i]);
        for (size_t k = i > 600 ? i - 600 : 0; k < i; k++)
            CHECK(slots_find(slots, objects[k].handle) == NULL);
        slots_clear(slots, &cache, handle);
    }
    CHECK(slots_touched(slots) <= 8); /* little memory: recycled before touched anew */
    slot_cache_return(slots, &cache);
    slots_destroy(slots);
}

TEST(slots, full_table_gives_no_handle_and_recovers)
{
    enum { COUNT = 1024 };
    struct slots *slots = slots_create(COUNT);
    struct slot_cache cache = { 0 };
    static struct object objects[COUNT];
    CHECK_EQ(slots_capacity(slots), COUNT);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT; i++)
            add(slots, &cache, &objects[i]);
        CHECK_EQ(slots_take(slots, &cache), 0);
        CHECK_EQ(slots_live(slots), COUNT);
        for (size_t i = 0; i < COUNT; i++)
            CHECK(slots_find(slots, objects[i].handle) == &objects[i]);
        for (size_t i = 0; i < COUNT; i++)
            slots_clear(slots, &cache, objects[i].handle);
        CHECK_EQ(slots_live(slots), 0);
    }
    slot_cache_return(slots, &cache);
    slots_destroy(slots);
}

TEST(slots, free_slot_is_reused_after_those_that_were_freed_before)
{
    enum { COUNT = 512 };
    struct slots *slots = slots_create(COUNT); /* batches of 2 */
    struct slot_cache cache = { 0 };
    static struct object objects[COUNT];
    static uint32_t last_use[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        add(slots, &cache, &objects[i]);
    for (size_t i = 0; i < COUNT; i++)
        slots_clear(slots, &cache, objects[i].handle);
    for (uint32_t i = 1; i < 20 * COUNT; i++) {
        uint64_t handle = add(slots, &cache, &objects[0]);
        uint32_t index = slot_index(handle);
        CHECK(last_use[index] == 0 || i - last_use[index] > COUNT - 8);
        last_use[index] = i;
        slots_clear(slots, &cache, handle);
    }
    slot_cache_return(slots, &cache);
    slots_destroy(slots);
}

TEST(slots, reserved_slot_can_be_given_back_unpublished)
{
    struct slots *slots = slots_create(512);
    struct slot_cache cache = { 0 };
    for (int i = 0; i < 5000; i++) {
        uint64_t handle = slots_take(slots, &cache);
        CHECK(handle != 0 && slots_find(slots, handle) == NULL);
        slots_clear(slots, &cache, handle);
        CHECK(slots_find(slots, handle) == NULL);
    }
    CHECK_EQ(slots_live(slots), 0);
    slot_cache_return(slots, &cache);
    slots_destroy(slots);
}

TEST(slots, a_later_table_gives_out_no_handle_of_an_earlier_one)
{
    enum { COUNT = 512, USES = 5, TABLES = 3 };
    static uint64_t seen[TABLES * COUNT * USES];
    size_t count = 0;
    uint64_t generation = 1;
    for (int t = 0; t < TABLES; t++) {
        struct slots *slots = slots_create_at(COUNT, generation);
        struct slot_cache cache = { 0 };
        struct object object = { 0 };
        for (int i = 0; i < COUNT * USES; i++) {
            seen[count] = add(slots, &cache, &object);
            slots_clear(slots, &cache, seen[count++]);
        }
        slot_cache_return(slots, &cache);
        generation = slots_next_generation(slots);
        slots_destroy(slots);
    }
    qsort(seen, count, sizeof *seen, by_value);
    for (size_t i = 1; i < count; i++)
        CHECK(seen[i] != seen[i - 1]);
    struct slots *last = slots_create_at(COUNT, SLOT_LAST_GENERATION);
    CHECK_EQ(slots_next_generation(last), 1);
    slots_destroy(last);
}

TEST(slots, slot_is_retired_when_its_generation_would_wrap)
{
    enum { COUNT = 512, USES = 3 };
    struct slots *slots = slots_create_at(COUNT, SLOT_LAST_GENERATION - USES + 1);
    struct slot_cache cache = { 0 };
    struct object object = { 0 };
    for (int i = 0; i < COUNT * USES; i++) {
        uint64_t handle = add(slots, &cache, &object);
        CHECK(slot_generation(handle) > SLOT_LAST_GENERATION - USES);
        CHECK(slots_find(slots, handle) == &object);
        slots_clear(slots, &cache, handle);
        CHECK(slots_find(slots, handle) == NULL);
    }
    CHECK_EQ(slots_take(slots, &cache), 0);
    CHECK_EQ(slots_live(slots), 0);
    slot_cache_return(slots, &cache);
    CHECK_EQ(slots_take(slots, &cache), 0);
    slot_cache_return(slots, &cache);
    slots_destroy(slots);
}

TEST(slots, handles_move_between_caches_and_the_live_count_is_exact)
{
    struct slots *slots = slots_create(4096);
    struct slot_cache takes = { 0 }, clears = { 0 };
    static struct object objects[3000];
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < 3000; i++)
            add(slots, &takes, &objects[i]);
        CHECK_EQ(slots_live(slots), 3000);
        for (size_t i = 0; i < 3000; i++)
            slots_clear(slots, &clears, objects[i].handle);
        CHECK_EQ(slots_live(slots), 0);
        slot_cache_return(slots, round % 2 ? &takes : &clears);
        CHECK_EQ(slots_live(slots), 0);
    }
    slot_cache_return(slots, &takes);
    slot_cache_return(slots, &clears);
    slots_destroy(slots);
}

TEST(slots, largest_table_costs_no_memory_until_it_is_used)
{
    struct slots *slots = slots_create(SLOTS_MOST);
    struct slot_cache cache = { 0 };
    CHECK(slots != NULL);
    CHECK_EQ(slots_capacity(slots), SLOTS_MOST);
    struct object object = { 0 };
    slots_clear(slots, &cache, add(slots, &cache, &object));
    slot_cache_return(slots, &cache);
    slots_destroy(slots);
}

TEST(slots, failing_allocation_gives_no_table)
{
    size_t before = source_mapped_bytes();
    for (int64_t n = 1;; n++) {
        source_fail_after(n, false);
        struct slots *slots = slots_create(100);
        bool failed = source_failed();
        source_fail_after(0, false);
        CHECK_EQ(slots == NULL, failed);
        CHECK_EQ(source_mapped_bytes() == before, failed);
        if (slots != NULL) {
            CHECK_EQ(n, 4);
            slots_destroy(slots);
            return;
        }
    }
}

/* --- stress: threads add, find and remove each other's objects; what is found is alive ------------------- */

enum { THREADS = 8, SHARED = 256, SEEDS = 6, STEPS = WITH_TSAN || WITH_ASAN ? 20000 : 120000 };

static struct slots *table;
static _Atomic uint64_t shared[SHARED];
static uint64_t base_seed;

static void free_object(struct retired *item, void *context)
{
    (void)context;
    struct object *object = CONTAINER_OF(item, struct object, retired);
    CHECK_EQ(load_relaxed(&object->alive), 1);
    store_relaxed(&object->alive, 0);
    free(object);
}

/* Whoever takes a handle out of its cell removes the object. */
static void remove_object(uint64_t handle, struct slot_cache *cache, struct reclaim_bin *bin)
{
    if (handle == 0)
        return;
    read_begin();
    struct object *object = slots_find(table, handle);
    CHECK(object != NULL && object->handle == handle);
    slots_clear(table, cache, handle);
    CHECK(slots_find(table, handle) == NULL);
    read_end();
    object->retired.release = free_object;
    reclaim_retire(bin, &object->retired);
}

static void step(struct random *random, struct slot_cache *cache, struct reclaim_bin *bin)
{
    _Atomic uint64_t *cell = &shared[random_below(random, SHARED)];
    if (random_below(random, 4) == 0) {
        struct object *object = calloc(1, sizeof *object);
        CHECK(object != NULL);
        store_relaxed(&object->alive, 1);
        uint64_t handle = add(table, cache, object);
        remove_object(atomic_exchange_explicit(cell, handle, memory_order_acq_rel), cache, bin);
        return;
    }
    uint64_t handle = load_acquire(cell);
    read_begin();
    struct object *object = slots_find(table, handle);
    if (object != NULL) {
        if (random_below(random, 64) == 0)
            sched_yield();
        CHECK_EQ(load_relaxed(&object->alive), 1);
        CHECK_EQ(object->handle, handle);
    }
    read_end();
}

static void *work(void *arg)
{
    struct random random = { base_seed * 7919 + (uint64_t)(uintptr_t)arg + 1 };
    struct slot_cache cache = { 0 };
    struct reclaim_bin bin;
    reclaim_bin_init(&bin);
    reclaim_thread_online();
    for (int i = 0; i < STEPS; i++) {
        step(&random, &cache, &bin);
        reclaim_release_ripe(&bin, NULL);
        if (random_below(&random, 5000) == 0) {
            slot_cache_return(table, &cache);
            reclaim_bin_handoff(&bin, NULL);
        }
    }
    slot_cache_return(table, &cache);
    reclaim_bin_handoff(&bin, NULL);
    reclaim_thread_offline();
    return NULL;
}

TEST(slots, what_is_found_in_a_read_section_is_alive)
{
    const char *given = getenv("TR_SEED");
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        base_seed = given != NULL ? strtoull(given, NULL, 0) : seed;
        fprintf(stderr, "slots stress: TR_SEED=%" PRIu64 " reruns it\n", base_seed);
        table = slots_create_at(8192, seed % 2 ? 1 : SLOT_LAST_GENERATION - 1000);
        CHECK(reclaim_start(RECLAIM_THREAD, NULL, NULL));
        pthread_t threads[THREADS];
        for (uintptr_t i = 0; i < THREADS; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, work, (void *)i), 0);
        for (size_t i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        struct slot_cache cache = { 0 };
        struct reclaim_bin bin;
        reclaim_bin_init(&bin);
        reclaim_thread_online();
        for (size_t i = 0; i < SHARED; i++)
            remove_object(atomic_exchange(&shared[i], 0), &cache, &bin);
        CHECK_EQ(slots_live(table), 0);
        slot_cache_return(table, &cache);
        reclaim_bin_handoff(&bin, NULL);
        reclaim_stop(NULL);
        slots_destroy(table);
    }
}
