/* depot_test.c: which slabs the depot keeps, and when it gives their pages back to the system. */
#include "memory/depot.h"

#include "harness.h"
#include "memory/shadow.h"
#include "memory/source.h"

enum { CHUNK_SLABS = 32, SLABS = 6 * CHUNK_SLABS, SOME = 3 * CHUNK_SLABS, KEPT = 48 };

struct taken {
    struct chunk *chunk;
    unsigned char *slab;
};

static void take(struct taken *taken, size_t count)
{
    depot_lock();
    for (size_t i = 0; i < count; i++) {
        CHECK((taken[i].slab = depot_take(&taken[i].chunk)) != NULL);
        shadow_open(taken[i].slab, SLAB_BYTES);
    }
    depot_unlock();
}

static void give(const struct taken *taken, size_t count)
{
    depot_lock();
    for (size_t i = 0; i < count; i++)
        depot_give(taken[i].chunk, taken[i].slab);
    depot_unlock();
}

/* A period ends, and all that is due by then goes. */
static void age(void)
{
    depot_lock();
    depot_age();
    while (depot_trim())
        continue;
    depot_unlock();
}

static bool settled(void)
{
    depot_lock();
    bool is = depot_settled();
    depot_unlock();
    return is;
}

static size_t chunks(void)
{
    depot_lock();
    size_t count = depot_bytes() / (CHUNK_SLABS * SLAB_BYTES);
    depot_unlock();
    return count;
}

static void mark(const struct taken *taken, size_t count)
{
    for (size_t i = 0; i < count; i++)
        taken[i].slab[0] = 7;
}

/* How many of the slabs still have what was written into them: the system gives zeroed pages. */
static size_t marked(const struct taken *taken, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += taken[i].slab[0] == 7;
    return found;
}

static void clear(void)
{
    depot_lock();
    depot_clear();
    depot_unlock();
}

static struct taken taken[SLABS * 4];

TEST(depot, what_was_given_back_is_taken_again_with_its_pages)
{
    take(taken, SOME);
    for (int round = 0; round < 20; round++) {
        mark(taken, SOME);
        give(taken, SOME);
        take(taken, SOME);
        CHECK_EQ(marked(taken, SOME), SOME);
        age(); /* in use: nothing goes */
    }
    give(taken, SOME);
    clear();
}

TEST(depot, what_nobody_takes_for_a_whole_period_goes_back)
{
    take(taken, SLABS);
    mark(taken, SLABS);
    give(taken, SLABS);
    CHECK(!settled());
    age(); /* the period in which it was given back */
    CHECK(!settled());
    CHECK(chunks() > 1);
    age();
    CHECK(settled());
    CHECK_EQ(chunks(), 1);
    take(taken, SLABS);
    CHECK(marked(taken, SLABS) <= KEPT);
    give(taken, SLABS);
    clear();
}

TEST(depot, what_is_used_in_every_period_stays_while_the_rest_goes)
{
    take(taken, SLABS);
    mark(taken, SLABS);
    give(taken, SLABS);
    for (int period = 0; period < 3; period++) {
        take(taken, SOME);
        give(taken, SOME);
        age();
    }
    CHECK(chunks() <= SOME / CHUNK_SLABS + 1);
    take(taken, SOME);
    CHECK_EQ(marked(taken, SOME), SOME);
    give(taken, SOME);
    clear();
}

TEST(depot, much_at_once_does_not_wait)
{
    take(taken, SLABS * 4);
    mark(taken, SLABS * 4);
    give(taken, SLABS * 4);
    CHECK(chunks() <= 8);
    age();
    age();
    CHECK(settled() && chunks() == 1);
    clear();
}

TEST(depot, chunk_with_a_slab_in_use_gives_the_others_back)
{
    struct taken in_use[SLABS * 4 / CHUNK_SLABS];
    take(taken, SLABS * 4);
    mark(taken, SLABS * 4);
    size_t kept = 0;
    for (size_t i = 0; i < SLABS * 4; i++)
        if (i % CHUNK_SLABS == 0)
            in_use[kept++] = taken[i];
        else
            give(&taken[i], 1);
    age();
    age();
    CHECK(settled());
    CHECK_EQ(chunks(), kept);
    take(taken, SLABS * 4 - kept);
    CHECK(marked(taken, SLABS * 4 - kept) <= KEPT);
    give(taken, SLABS * 4 - kept);
    give(in_use, kept);
    clear();
    CHECK_EQ(chunks(), 0);
}
