/* reclaim_test.c: retired items: nobody frees them too early, nothing forgets them. */
#include "base/clock.h"
#include "base/random.h"
#include "harness.h"
#include "memory/reclaim.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

struct item {
    struct retired retired;
    _Atomic int alive;
    int value; /* plain: ThreadSanitizer sees a release that did not wait for its readers */
};

static _Atomic int64_t released;
static _Atomic(void *) last_context;

static void release_item(struct retired *retired, void *context)
{
    struct item *item = CONTAINER_OF(retired, struct item, retired);
    CHECK_EQ(load_relaxed(&item->alive), 1);
    store_relaxed(&item->alive, 0);
    item->value = -1;
    free(item);
    store_relaxed(&last_context, context);
    atomic_fetch_add(&released, 1);
}

static struct item *new_item(int value)
{
    struct item *item = calloc(1, sizeof *item);
    CHECK(item != NULL);
    store_relaxed(&item->alive, 1);
    item->value = value;
    item->retired.release = release_item;
    return item;
}

static void retire_many(struct reclaim_bin *bin, int count)
{
    for (int i = 0; i < count; i++)
        reclaim_retire(bin, &new_item(i)->retired);
}

/* Nothing is ripe before it is handed off, however slow this thread is: it is a reader meanwhile. */
static void retire_and_hand_off(struct reclaim_bin *bin, int count)
{
    reclaim_thread_online();
    read_begin();
    retire_many(bin, count);
    reclaim_bin_handoff(bin, NULL);
    read_end();
}

static void wait_until_released(struct reclaim_bin *bin, void *context, int64_t count)
{
    while (atomic_load(&released) < count) {
        reclaim_release_ripe(bin, context);
        sched_yield();
    }
}

TEST(reclaim, full_batch_is_released_by_its_owner_with_its_context)
{
    struct reclaim_bin bin;
    int context;
    reclaim_bin_init(&bin);
    CHECK(reclaim_start(RECLAIM_THREAD, NULL, NULL));
    retire_many(&bin, RECLAIM_BATCH_LEAST - 1);
    reclaim_barrier(NULL);
    reclaim_release_ripe(&bin, &context);
    CHECK_EQ(released, 0); /* gathered, not submitted */
    retire_many(&bin, 1);
    wait_until_released(&bin, &context, RECLAIM_BATCH_LEAST);
    CHECK(last_context == &context);
    reclaim_stop(NULL);
    CHECK_EQ(released, RECLAIM_BATCH_LEAST);
}

TEST(reclaim, old_batch_is_submitted_by_a_tick)
{
    struct reclaim_bin bin;
    reclaim_bin_init(&bin);
    CHECK(reclaim_start(RECLAIM_THREAD, NULL, NULL));
    retire_many(&bin, 3);
    reclaim_tick(&bin, 1000);
    reclaim_tick(&bin, 1000 + RECLAIM_AGE_NS - 1);
    reclaim_barrier(NULL);
    reclaim_release_ripe(&bin, NULL);
    CHECK_EQ(released, 0);
    reclaim_tick(&bin, 1000 + RECLAIM_AGE_NS);
    wait_until_released(&bin, NULL, 3);
    reclaim_stop(NULL);
}

TEST(reclaim, nothing_is_released_while_a_reader_is_inside)
{
    struct reclaim_bin bin;
    reclaim_bin_init(&bin);
    reclaim_thread_online();
    CHECK(reclaim_start(RECLAIM_THREAD, NULL, NULL));
    read_begin();
    read_begin();
    CHECK(read_ongoing());
    retire_many(&bin, RECLAIM_BATCH_LEAST);
    read_end();
    CHECK(read_ongoing());
    for (int i = 0; i < 20; i++) {
        usleep(1000);
        CHECK(bin.state != BIN_RIPE);
    }
    CHECK_EQ(released, 0);
    read_end();
    CHECK(!read_ongoing());
    wait_until_released(&bin, NULL, RECLAIM_BATCH_LEAST);
    reclaim_stop(NULL);
}

TEST(reclaim, barrier_leaves_everything_ripe_or_released)
{
    struct reclaim_bin bin;
    reclaim_bin_init(&bin);
    CHECK(reclaim_start(RECLAIM_THREAD, NULL, NULL));
    for (int round = 1; round <= 20; round++) {
        retire_many(&bin, round * 40);
        int64_t before = atomic_load(&released);
        reclaim_barrier(&bin);
        reclaim_release_ripe(&bin, NULL);
        CHECK(atomic_load(&released) >= before + round * 40);
    }
    reclaim_stop(NULL);
}

TEST(reclaim, handed_off_items_are_released_by_another_bins_owner)
{
    struct reclaim_bin parked, other;
    int context;
    reclaim_bin_init(&parked);
    reclaim_bin_init(&other);
    CHECK(reclaim_start(RECLAIM_THREAD, NULL, NULL));
    retire_and_hand_off(&parked, RECLAIM_BATCH_LEAST + 10); /* one batch under way, the rest gathered */
    memset(&parked, 0xAA, sizeof parked);                   /* nobody knows it any more */
    CHECK_EQ(released, 0);
    wait_until_released(&other, &context, RECLAIM_BATCH_LEAST + 10);
    CHECK(last_context == &context);
    reclaim_stop(NULL);
}

static _Atomic int settled;
static void settle(void *context)
{
    (void)context;
    atomic_fetch_add(&settled, 1);
}

TEST(reclaim, reclaimer_with_a_context_releases_what_was_handed_off)
{
    struct reclaim_bin bin;
    int context;
    reclaim_bin_init(&bin);
    CHECK(reclaim_start(RECLAIM_THREAD, &context, settle));
    retire_and_hand_off(&bin, 700);
    while (atomic_load(&released) < 700 || atomic_load(&settled) == 0)
        sched_yield();
    CHECK(last_context == &context);
    reclaim_stop(NULL);
}

TEST(reclaim, reclaimer_with_a_context_may_do_without_settling)
{
    struct reclaim_bin bin;
    int context;
    reclaim_bin_init(&bin);
    CHECK(reclaim_start(RECLAIM_THREAD, &context, NULL));
    retire_and_hand_off(&bin, 700);
    while (atomic_load(&released) < 700)
        sched_yield();
    CHECK(last_context == &context);
    reclaim_stop(NULL);
}

TEST(reclaim, batches_grow_with_what_comes_up_to_a_limit_and_shrink_again)
{
    struct reclaim_bin bin;
    int64_t count = 0;
    reclaim_bin_init(&bin);
    reclaim_thread_online();
    CHECK(reclaim_start(RECLAIM_INLINE, NULL, NULL));
    reclaim_submit(&bin); /* nothing: nothing happens */
    for (int round = 0; round < 20; round++, count += 3 * RECLAIM_BATCH_MOST) {
        retire_many(&bin, 3 * RECLAIM_BATCH_MOST);
        reclaim_submit(&bin); /* the one before waits: this one, too */
        reclaim_release_ripe(&bin, NULL);
        CHECK(bin.limit <= RECLAIM_BATCH_MOST);
    }
    CHECK_EQ(bin.limit, RECLAIM_BATCH_MOST);
    for (int round = 0; round < 20; round++, count++) {
        retire_many(&bin, 1);
        reclaim_submit(&bin);
        reclaim_release_ripe(&bin, NULL);
    }
    CHECK_EQ(bin.limit, RECLAIM_BATCH_LEAST);
    reclaim_bin_handoff(&bin, NULL);
    reclaim_stop(NULL);
    CHECK_EQ(released, count);
}

static void *pass_barriers(void *nothing)
{
    for (int i = 0; i < 40; i++)
        reclaim_barrier(NULL);
    return nothing;
}

TEST(reclaim, barriers_of_several_threads_need_no_reclaimer)
{
    struct reclaim_bin bin;
    pthread_t threads[3];
    reclaim_bin_init(&bin);
    retire_many(&bin, 3);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, pass_barriers, NULL), 0);
    reclaim_barrier(&bin);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    reclaim_release_ripe(&bin, NULL);
    CHECK_EQ(released, 3);
}

TEST(reclaim, stop_releases_everything_and_start_works_again)
{
    for (int64_t round = 1; round <= 5; round++) {
        struct reclaim_bin bin;
        int context;
        reclaim_bin_init(&bin);
        CHECK(reclaim_start(round % 2 ? RECLAIM_THREAD : RECLAIM_INLINE, NULL, NULL));
        retire_many(&bin, 1000);
        reclaim_bin_handoff(&bin, &context);
        reclaim_stop(&context);
        CHECK_EQ(released, round * 1000);
        CHECK(last_context == &context);
    }
}

TEST(reclaim, inline_mode_needs_no_thread)
{
    struct reclaim_bin bin;
    reclaim_bin_init(&bin);
    reclaim_thread_online();
    CHECK(reclaim_start(RECLAIM_INLINE, NULL, NULL));
    read_begin();
    retire_many(&bin, RECLAIM_BATCH_LEAST);
    read_end();
    CHECK_EQ(released, 0);
    reclaim_release_ripe(&bin, NULL);
    CHECK_EQ(released, RECLAIM_BATCH_LEAST);
    retire_many(&bin, 5);
    reclaim_bin_handoff(&bin, NULL);
    CHECK_EQ(released, RECLAIM_BATCH_LEAST + 5);
    retire_many(&bin, 5);
    reclaim_barrier(&bin);
    reclaim_release_ripe(&bin, NULL);
    CHECK_EQ(released, RECLAIM_BATCH_LEAST + 10);
    reclaim_stop(NULL);
}

static struct reclaim_bin *release_bin;
static void retire_another(struct retired *retired, void *context)
{
    release_item(retired, context);
    reclaim_retire(release_bin, &new_item(0)->retired);
}

TEST(reclaim, release_may_retire_into_the_bin)
{
    struct reclaim_bin bin;
    reclaim_bin_init(&bin);
    release_bin = &bin;
    CHECK(reclaim_start(RECLAIM_THREAD, NULL, NULL));
    for (int i = 0; i < 2 * RECLAIM_BATCH_LEAST; i++) {
        struct item *item = new_item(i);
        item->retired.release = retire_another;
        reclaim_retire(&bin, &item->retired);
    }
    reclaim_barrier(&bin);
    reclaim_release_ripe(&bin, NULL);
    reclaim_bin_handoff(&bin, NULL);
    reclaim_bin_handoff(&bin, NULL);
    reclaim_stop(NULL);
    CHECK_EQ(released, 4 * RECLAIM_BATCH_LEAST);
}

static void *register_and_end(void *nothing)
{
    reclaim_thread_online();
    reclaim_thread_online();
    read_begin();
    read_end();
    if (nothing != NULL) {
        reclaim_thread_offline();
        reclaim_thread_offline();
        reclaim_thread_online();
    }
    return NULL; /* registered: it is unregistered at its end */
}

TEST(reclaim, thread_that_ends_registered_is_unregistered)
{
    CHECK(reclaim_start(RECLAIM_THREAD, NULL, NULL));
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, register_and_end, i % 2 ? &thread : NULL), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    reclaim_barrier(NULL);
    reclaim_stop(NULL);
}

static pthread_key_t keys[2];
static _Atomic int readings;

static void read_at_the_end(void *nothing)
{
    (void)nothing;
    CHECK(urcu_memb_reader.registered);
    read_begin();
    CHECK(read_ongoing());
    read_end();
    atomic_fetch_add(&readings, 1);
}

static void *end_with_readers(void *nothing)
{
    reclaim_thread_online();
    for (int i = 0; i < 2; i++)
        pthread_setspecific(keys[i], &keys[i]);
    return nothing;
}

TEST(reclaim, destructors_of_an_ending_thread_may_still_read)
{
    pthread_t thread;
    pthread_key_create(&keys[0], read_at_the_end);
    reclaim_thread_online(); /* makes its own key between the two */
    pthread_key_create(&keys[1], read_at_the_end);
    CHECK_EQ(pthread_create(&thread, NULL, end_with_readers, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(readings, 2);
}

TEST(reclaim, idle_reclaimer_does_not_wake_up)
{
    CHECK(reclaim_start(RECLAIM_THREAD, NULL, NULL));
    reclaim_barrier(NULL);
    /* this thread's own sleep; sanitizers have threads of theirs */
    const long few = WITH_TSAN || WITH_ASAN ? 20 : 3;
    long switches = LONG_MAX;
    for (int tries = 0; switches > few && tries < 20; tries++) { /* it may be held up on its way to rest */
        struct rusage before, after;
        usleep(50000);
        getrusage(RUSAGE_SELF, &before);
        usleep(300000);
        getrusage(RUSAGE_SELF, &after);
        switches = after.ru_nvcsw - before.ru_nvcsw;
    }
    CHECK(switches <= few);
    reclaim_stop(NULL);
}

/* --- stress ---------------------------------------------------------------------------------------------- */

enum { THREADS = 8, CELLS = 64, SEEDS = 6, STEPS = WITH_TSAN || WITH_ASAN ? 30000 : 200000 };

static _Atomic(struct item *) cells[CELLS];
static _Atomic int64_t retired_count;
static uint64_t base_seed;

static void *read_and_replace(void *arg)
{
    struct random random = { base_seed * 104729 + (uint64_t)(uintptr_t)arg + 1 };
    struct reclaim_bin bin;
    reclaim_bin_init(&bin);
    reclaim_thread_online();
    for (int i = 0; i < STEPS; i++) {
        _Atomic(struct item *) *cell = &cells[random_below(&random, CELLS)];
        uint32_t chance = random_below(&random, 20000);
        if (chance % 4 == 0) {
            struct item *old = atomic_exchange_explicit(cell, new_item(i), memory_order_acq_rel);
            if (old != NULL) {
                reclaim_retire(&bin, &old->retired);
                atomic_fetch_add(&retired_count, 1);
            }
        } else {
            read_begin();
            struct item *item = load_acquire(cell);
            if (item != NULL) {
                CHECK(item->value >= 0);
                if (chance % 128 == 1)
                    sched_yield();
                CHECK_EQ(load_relaxed(&item->alive), 1);
                CHECK(item->value >= 0);
            }
            read_end();
        }
        reclaim_release_ripe(&bin, NULL);
        if (chance == 1)
            reclaim_bin_handoff(&bin, NULL);
        else if (chance == 2)
            reclaim_barrier(&bin);
        else if (chance == 3)
            reclaim_thread_offline(), reclaim_thread_online();
        else if (chance < 100)
            reclaim_tick(&bin, clock_now());
    }
    reclaim_bin_handoff(&bin, NULL);
    return NULL;
}

TEST(reclaim, readers_never_see_a_released_item_and_all_are_released)
{
    const char *given = getenv("TR_SEED");
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        base_seed = given != NULL ? strtoull(given, NULL, 0) : seed;
        fprintf(stderr, "reclaim stress: TR_SEED=%" PRIu64 " reruns it\n", base_seed);
        int context;
        CHECK(reclaim_start(RECLAIM_THREAD, seed % 2 ? &context : NULL, settle));
        pthread_t threads[THREADS];
        for (uintptr_t i = 0; i < THREADS; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, read_and_replace, (void *)i), 0);
        for (size_t i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        reclaim_stop(NULL);
        CHECK_EQ(released, retired_count);
    }
    for (size_t i = 0; i < CELLS; i++)
        free(cells[i]);
}
