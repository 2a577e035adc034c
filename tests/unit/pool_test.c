/* pool_test.c: block pools: sizes, homes, orphans, what goes back to the system, and failing allocations. */
#include "base/check.h"
#include "base/random.h"
#include "harness.h"
#include "memory/pool.h"
#include "memory/source.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MIB = 1024 * 1024 };

static void fill(void *block, size_t size, unsigned char with) { memset(block, with, size); }

static bool filled(const void *block, size_t size, unsigned char with)
{
    const unsigned char *bytes = block;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != with)
            return false;
    return true;
}

static void *run(void *(*body)(void *), void *arg)
{
    pthread_t thread;
    void *result;
    CHECK_EQ(pthread_create(&thread, NULL, body, arg), 0);
    CHECK_EQ(pthread_join(thread, &result), 0);
    return result;
}

TEST(pool, blocks_of_all_sizes_are_aligned_and_large_enough_and_do_not_overlap)
{
    enum { COUNT = 1200 };
    static void *blocks[COUNT];
    struct pool *pool = pool_create();
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = pool_alloc(pool, i * 37);
        CHECK(blocks[i] != NULL && ((uintptr_t)blocks[i] & 63) == 0);
        CHECK(pool_block_size(blocks[i]) >= i * 37);
        fill(blocks[i], i * 37, (unsigned char)i);
    }
    CHECK_EQ(pool_system_counts().blocks_in_use, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        CHECK(filled(blocks[i], i * 37, (unsigned char)i));
        pool_free(pool, blocks[i]);
    }
    CHECK_EQ(pool_system_counts().blocks_in_use, 0);
    CHECK_EQ(pool_system_counts().bytes_in_use, 0);
}

TEST(pool, block_just_freed_is_the_next_one_given_out)
{
    struct pool *pool = pool_create();
    void *keep = pool_alloc(pool, 100);
    void *block = pool_alloc(pool, 100);
    pool_free(pool, block);
    CHECK(pool_alloc(pool, 100) == block);
    pool_free(pool, block);
    pool_free(pool, keep);
}

static size_t resident_bytes(void)
{
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%*s %zu", &pages) == 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* What the watchdog does while nothing happens. */
static void let_memory_settle(void)
{
    depot_lock();
    for (int period = 0; period < 2; period++) {
        depot_age();
        while (depot_trim())
            continue;
    }
    CHECK(depot_settled());
    depot_unlock();
}

TEST(pool, memory_returns_to_the_system_after_a_burst)
{
    enum { COUNT = 300000 };
    void **blocks = calloc(COUNT, sizeof *blocks);
    memset(blocks, 1, COUNT * sizeof *blocks);
    size_t before = resident_bytes();
    struct pool *pool = pool_create();
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT; i++)
            CHECK((blocks[i] = pool_alloc(pool, 64)) != NULL);
        CHECK(pool_counts(pool).bytes_mapped >= COUNT * 64);
        for (size_t i = 0; i < COUNT; i++)
            pool_free(pool, blocks[i]);
        CHECK(pool_counts(pool).bytes_mapped <= MIB);
        CHECK(WITH_ASAN || WITH_TSAN || resident_bytes() <= before + 40 * MIB); /* at once; then: */
        let_memory_settle();
        CHECK(pool_system_counts().bytes_mapped <= 8 * MIB); /* address space; a fraction of it is committed: */
        CHECK(WITH_ASAN || WITH_TSAN || resident_bytes() <= before + 4 * MIB);
    }
    free(blocks);
}

TEST(pool, slab_that_becomes_free_serves_another_size)
{
    struct pool *pool = pool_create();
    enum { COUNT = 4000 };
    static void *blocks[COUNT];
    static const size_t sizes[] = { 64, 1000, 200, 16000, 5000 };
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t count = COUNT * 64 / sizes[s];
        for (size_t i = 0; i < count; i++)
            fill(blocks[i] = pool_alloc(pool, sizes[s]), sizes[s], (unsigned char)i);
        for (size_t i = 0; i < count; i++) {
            CHECK(filled(blocks[i], sizes[s], (unsigned char)i));
            pool_free(pool, blocks[i]);
        }
    }
    CHECK(pool_counts(pool).bytes_mapped <= 12 * SLAB_BYTES);
}

TEST(pool, large_blocks_are_mappings_of_their_own)
{
    struct pool *pool = pool_create();
    size_t before = source_mapped_bytes();
    char *block = pool_alloc(pool, 3 * MIB);
    fill(block, 3 * MIB, 7);
    CHECK(pool_block_size(block) >= 3 * MIB);
    CHECK_EQ(pool_system_counts().blocks_in_use, 1);
    CHECK(source_mapped_bytes() >= before + 3 * MIB);
    pool_free(pool, block);
    CHECK_EQ(source_mapped_bytes(), before);
    CHECK(pool_alloc(pool, SIZE_MAX) == NULL);
    CHECK(pool_alloc(pool, SIZE_MAX / 2 + 1) == NULL);
}

/* --- homes ---------------------------------------------------------------------------------------------- */

struct handover {
    void **blocks;
    size_t count;
};

static void *free_elsewhere(void *arg)
{
    struct handover *handover = arg;
    struct pool *pool = pool_create();
    for (size_t i = 0; i < handover->count; i++)
        pool_free(pool, handover->blocks[i]);
    CHECK_EQ(pool_counts(pool).bytes_mapped, 0); /* nothing of it became this pool's */
    pool_destroy(pool);
    return NULL;
}

TEST(pool, block_freed_elsewhere_comes_home_and_is_used_again)
{
    enum { COUNT = 5000 };
    static void *blocks[COUNT];
    struct pool *pool = pool_create();
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < COUNT; i++)
            fill(blocks[i] = pool_alloc(pool, 150), 150, 1);
        run(free_elsewhere, &(struct handover){ blocks, COUNT });
    }
    CHECK(pool_counts(pool).bytes_mapped < 3 * COUNT * 192);
    pool_flush(pool);
    CHECK_EQ(pool_counts(pool).blocks_in_use, 0);
}

TEST(pool, blocks_freed_elsewhere_travel_in_batches_or_with_a_flush)
{
    struct pool *home = pool_create();
    struct pool *other = pool_create();
    void *blocks[POOL_BATCH + 1];
    for (size_t i = 0; i <= POOL_BATCH; i++)
        blocks[i] = pool_alloc(home, 64);
    for (size_t i = 0; i <= POOL_BATCH; i++)
        pool_free(other, blocks[i]);
    pool_flush(home);
    CHECK_EQ(pool_counts(home).blocks_in_use, 1);
    pool_flush(other);
    pool_flush(home);
    CHECK_EQ(pool_counts(home).blocks_in_use, 0);
}

TEST(pool, blocks_of_more_homes_than_outboxes_all_come_home)
{
    enum { HOMES = 3 * POOL_OUTBOXES };
    struct pool *homes[HOMES];
    void *blocks[HOMES][8];
    for (size_t i = 0; i < HOMES; i++) {
        homes[i] = pool_create();
        for (size_t k = 0; k < 8; k++)
            blocks[i][k] = pool_alloc(homes[i], 64 * (k + 1));
    }
    struct pool *other = pool_create();
    for (size_t k = 0; k < 8; k++)
        for (size_t i = 0; i < HOMES; i++)
            pool_free(other, blocks[i][k]);
    pool_flush(other);
    for (size_t i = 0; i < HOMES; i++) {
        pool_flush(homes[i]);
        CHECK_EQ(pool_counts(homes[i]).blocks_in_use, 0);
    }
}

TEST(pool, no_batch_waits_at_a_parked_home_whatever_is_sent_next)
{
    enum { HOMES = 2 * POOL_OUTBOXES };
    struct pool *mine = pool_create(), *homes[HOMES];
    void *blocks[HOMES], *batch[POOL_BATCH];
    for (size_t i = 0; i < HOMES; i++) {
        homes[i] = pool_create();
        blocks[i] = pool_alloc(homes[i], 64);
        pool_park(homes[i]);
    }
    for (size_t i = 0; i < HOMES; i++)
        pool_free(mine, blocks[i]); /* the second half needs the outboxes of the first */
    for (size_t i = 0; i < HOMES - POOL_OUTBOXES; i++)
        CHECK_EQ(pool_counts(homes[i]).blocks_in_use, 0);
    pool_flush(mine);
    CHECK_EQ(pool_system_counts().blocks_in_use, 0);
    pool_resume(homes[0]);
    for (size_t i = 0; i < POOL_BATCH; i++)
        batch[i] = pool_alloc(homes[0], 64);
    pool_park(homes[0]);
    for (size_t i = 0; i < POOL_BATCH; i++)
        pool_free(mine, batch[i]); /* the last one sends them */
    CHECK_EQ(pool_counts(homes[0]).blocks_in_use, 0);
}

TEST(pool, what_comes_home_to_a_parked_pool_is_taken_in_by_the_sender)
{
    enum { COUNT = 100000 };
    static void *blocks[COUNT];
    struct pool *home = pool_create();
    for (size_t i = 0; i < COUNT; i++)
        blocks[i] = pool_alloc(home, 64);
    pool_park(home);
    run(free_elsewhere, &(struct handover){ blocks, COUNT });
    CHECK_EQ(pool_counts(home).blocks_in_use, 0);
    CHECK(pool_counts(home).bytes_mapped <= MIB);
    pool_resume(home);
    void *block = pool_alloc(home, 64);
    CHECK(block != NULL);
    pool_free(home, block);
}

static void *alloc_and_leave(void *arg)
{
    struct handover *handover = arg;
    struct pool *pool = pool_create();
    for (size_t i = 0; i < handover->count; i++)
        fill(handover->blocks[i] = pool_alloc(pool, 200), 200, 3);
    pool_destroy(pool);
    return pool;
}

TEST(pool, blocks_outlive_the_thread_and_its_pool_is_adopted)
{
    enum { COUNT = 3000 };
    static void *blocks[COUNT];
    struct pool *mine = pool_create();
    struct pool *orphan = run(alloc_and_leave, &(struct handover){ blocks, COUNT });
    for (size_t i = 0; i < COUNT; i++) {
        CHECK(filled(blocks[i], 200, 3));
        pool_free(mine, blocks[i]);
    }
    pool_flush(mine);
    CHECK_EQ(pool_counts(orphan).blocks_in_use, 0);
    CHECK(pool_create() == orphan);
}

TEST(pool, release_at_the_end_unmaps_everything)
{
    size_t before = source_mapped_bytes();
    for (int round = 0; round < 3; round++) {
        struct pool *pool = pool_create();
        for (size_t i = 0; i < 1000; i++)
            CHECK(pool_alloc(pool, 64 * i) != NULL);
        pool_destroy(pool);
        pool_system_release();
        CHECK_EQ(source_mapped_bytes(), before);
        CHECK_EQ(pool_system_counts().bytes_mapped, 0);
    }
}

/* --- failures ------------------------------------------------------------------------------------------- */

static bool survives_failure(int64_t n, bool onwards)
{
    static const size_t sizes[] = { 64, 500, 21000, 15000, 30000 };
    void *blocks[200];
    size_t count = 0;
    source_fail_after(n, onwards);
    struct pool *pool = pool_create();
    for (size_t i = 0; pool != NULL && i < 200; i++) {
        void *block = pool_alloc(pool, sizes[i % 5]);
        if (block != NULL)
            fill(blocks[count++] = block, sizes[i % 5], 9);
    }
    bool failed = source_failed();
    source_fail_after(0, false);
    CHECK(failed || count == 200);
    while (count > 0)
        pool_free(pool, blocks[--count]);
    if (pool != NULL) {
        void *block = pool_alloc(pool, 64); /* it works again */
        CHECK(block != NULL);
        pool_free(pool, block);
        CHECK_EQ(pool_counts(pool).blocks_in_use, 0);
        pool_destroy(pool);
    }
    pool_system_release();
    return failed;
}

TEST(pool, each_failing_request_for_memory_is_survived)
{
    size_t before = source_mapped_bytes();
    for (int onwards = 0; onwards < 2; onwards++) {
        int64_t n = 1;
        while (survives_failure(n, onwards))
            n++;
        CHECK(n > 40); /* each large block is a request of its own */
    }
    CHECK_EQ(source_mapped_bytes(), before);
}

TEST(pool, debug_builds_notice_a_write_to_a_free_block)
{
    if (!TR_DEBUG_ON || WITH_ASAN || WITH_TSAN)
        SKIP("only debug builds without a sanitizer fill free blocks and abort");
    pid_t child = fork();
    if (child == 0) {
        close(STDERR_FILENO);
        struct pool *pool = pool_create();
        char *block = pool_alloc(pool, 64);
        pool_free(pool, block);
        block[20] = 1;
        pool_alloc(pool, 64);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* --- stress --------------------------------------------------------------------------------------------- */

enum { THREADS = 8, CELLS = 512, SEEDS = 6, STEPS = WITH_TSAN || WITH_ASAN ? 20000 : 150000 };

struct parcel {
    uint32_t size;
    unsigned char with;
    unsigned char body[];
};

static _Atomic(struct parcel *) cells[CELLS];

static void open_parcel(struct pool *pool, struct parcel *parcel)
{
    if (parcel == NULL)
        return;
    CHECK(filled(parcel->body, parcel->size, parcel->with));
    pool_free(pool, parcel);
}

static void *exchange_parcels(void *arg)
{
    struct random random = { *(uint64_t *)arg };
    struct pool *pool = pool_create();
    for (int i = 0; i < STEPS; i++) {
        uint32_t size = random_below(&random, 100) == 0 ? random_below(&random, 40000) : random_below(&random, 700);
        struct parcel *parcel = pool_alloc(pool, sizeof *parcel + size);
        CHECK(parcel != NULL);
        parcel->size = size;
        parcel->with = (unsigned char)random_next(&random);
        fill(parcel->body, size, parcel->with);
        _Atomic(struct parcel *) *cell = &cells[random_below(&random, CELLS)];
        open_parcel(pool, atomic_exchange_explicit(cell, parcel, memory_order_acq_rel));
        uint32_t chance = random_below(&random, 3000);
        if (chance == 0) {
            pool_destroy(pool);
            CHECK((pool = pool_create()) != NULL);
        } else if (chance == 1) {
            pool_flush(pool);
        } else if (chance == 2) {
            pool_park(pool);
            sched_yield();
            pool_resume(pool);
        }
    }
    pool_destroy(pool);
    return NULL;
}

TEST(pool, blocks_survive_any_exchange_between_threads)
{
    const char *given = getenv("TR_SEED");
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t seeds[THREADS];
        pthread_t threads[THREADS];
        uint64_t base = given != NULL ? strtoull(given, NULL, 0) : seed;
        fprintf(stderr, "pool stress: TR_SEED=%" PRIu64 " reruns it\n", base);
        for (uint64_t i = 0; i < THREADS; i++) {
            seeds[i] = base * 1000003 + i + 1;
            CHECK_EQ(pthread_create(&threads[i], NULL, exchange_parcels, &seeds[i]), 0);
        }
        for (int i = 0; i < 100; i++) /* counters may be read while others work */
            CHECK(pool_system_counts().bytes_mapped < 2048u * MIB);
        for (size_t i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        struct pool *pool = pool_create();
        for (size_t i = 0; i < CELLS; i++)
            open_parcel(pool, atomic_exchange(&cells[i], NULL));
        pool_destroy(pool);
        CHECK_EQ(pool_system_counts().blocks_in_use, 0);
        pool_system_release();
    }
}
