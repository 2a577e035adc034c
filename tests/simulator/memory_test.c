/* memory_test.c: mappings that are kept from run to run: each reads as zero when it is lent again, guards stay guards,
 * and what can't be kept is the system's. */
#include "refusals/refuse.h"

#include "sim/machine.h"
#include "sim/system.h"

#include <string.h>
#include <sys/mman.h>

WRAP(void *, mmap, (void *at, size_t size, int protection, int flags, int fd, off_t offset),
     (at, size, protection, flags, fd, offset), MAP_FAILED)
WRAP(int, mincore, (void *at, size_t size, unsigned char *resident), (at, size, resident), -1)
WRAP(int, madvise, (void *at, size_t size, int advice), (at, size, advice), -1)

#define PAGE ((size_t)4096)
enum { SMALL = 4, SOME = 100, TABLE = 3000, REGION = 5000, TOO_LARGE = 20000 /* pages, as memory.c sorts them */ };

static char *map(size_t pages)
{
    char *memory = sim_map(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    return memory;
}

static char *map_stack(size_t pages)
{
    char *memory = sim_map_stack(pages * PAGE);
    CHECK(memory != MAP_FAILED);
    return memory;
}

static void unmap(char *memory, size_t pages) { CHECK_EQ(sim_munmap(memory, pages * PAGE), 0); }

static void guard(char *memory, size_t page) { CHECK_EQ(sim_mprotect(memory + page * PAGE, PAGE, PROT_NONE), 0); }

static bool is_mapped(char *memory)
{
    unsigned char resident;
    return mincore(memory, PAGE, &resident) == 0;
}

static bool is_zero(const char *memory, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (memory[i] != 0)
            return false;
    return true;
}

TEST(simulated_memory, what_is_lent_again_reads_as_zero)
{
    CHECK(sim_memory_keep());
    const size_t sizes[] = { SMALL, SOME, TABLE };
    for (size_t i = 0; i < TR_COUNT(sizes); i++) {
        char *memory = map(sizes[i]);
        memset(memory, 'x', 2 * PAGE);
        memory[sizes[i] * PAGE - 1] = 'x';
        unmap(memory, sizes[i]);
        CHECK(is_mapped(memory));
        CHECK(map(sizes[i]) == memory);
        CHECK(is_zero(memory, sizes[i] * PAGE));
        CHECK(map(sizes[i]) != memory); /* it is lent */
    }
}

TEST(simulated_memory, what_a_run_left_is_lent_to_the_next)
{
    CHECK(sim_memory_keep());
    char *memory = map(SOME);
    *memory = 'x';
    sim_memory_settle();
    CHECK(map(SOME) == memory && *memory == 0);
}

TEST(simulated_memory, a_piece_that_is_cut_is_free_when_all_of_it_was_given_back)
{
    CHECK(sim_memory_keep());
    char *memory = map(SOME);
    unmap(memory, 10);
    unmap(memory + (SOME - 5) * PAGE, 5);
    CHECK(map(SOME) != memory);
    unmap(memory + 10 * PAGE, SOME - 15);
    CHECK(map(SOME) == memory);
}

TEST(simulated_memory, a_stack_is_lent_as_a_stack_and_keeps_its_guard)
{
    CHECK(sim_memory_keep());
    const size_t sizes[] = { SMALL, SOME };
    for (size_t i = 0; i < TR_COUNT(sizes); i++) {
        char *stack = map_stack(sizes[i]);
        memset(stack, 'x', 3 * PAGE);
        guard(stack, 0); /* its page is there, and must not be written */
        unmap(stack, sizes[i]);
        CHECK(map(sizes[i]) != stack);
        CHECK(map_stack(sizes[i]) == stack);
        CHECK(is_zero(stack + PAGE, (sizes[i] - 1) * PAGE));
        guard(stack, 0); /* it is one already */
    }
}

TEST(simulated_memory, a_region_with_guards_in_any_order_is_cleared_between_them)
{
    CHECK(sim_memory_keep());
    char *region = map(REGION);
    guard(region, 0);
    guard(region, 40);
    guard(region, 20);
    memset(region + PAGE, 'x', 19 * PAGE);
    memset(region + 21 * PAGE, 'x', 19 * PAGE);
    memset(region + 41 * PAGE, 'x', 19 * PAGE); /* as far as a stack goes behind its guard */
    unmap(region, REGION);
    CHECK(map(REGION) == region);
    CHECK(is_zero(region + PAGE, 19 * PAGE) && is_zero(region + 21 * PAGE, 19 * PAGE));
    CHECK(is_zero(region + 41 * PAGE, (REGION - 41) * PAGE));
}

/* Whose pages differ in what they are, but for stacks and regions. */
TEST(simulated_memory, other_pieces_with_guards_are_not_kept)
{
    CHECK(sim_memory_keep());
    char *small = map(SOME), *large = map(TOO_LARGE), *readable = map(SOME), *left = map(SMALL);
    guard(small, 1);
    guard(large, TOO_LARGE - 1);
    guard(large, TOO_LARGE - 1); /* so far behind nothing is noted */
    CHECK_EQ(sim_mprotect(readable, PAGE, PROT_READ), 0);
    guard(left, 0);
    unmap(small, SOME);
    unmap(large, TOO_LARGE);
    unmap(readable, SOME);
    CHECK(is_mapped(left));
    sim_memory_settle();
    CHECK(!is_mapped(small) && !is_mapped(large) && !is_mapped(readable) && !is_mapped(left));
}

TEST(simulated_memory, advice_and_protection_that_are_refused_change_nothing)
{
    CHECK(sim_memory_keep());
    char *memory = map(SOME);
    REFUSE(madvise, 1, EINVAL);
    CHECK_EQ(sim_madvise(memory, PAGE, 102), -1); /* MADV_GUARD_INSTALL on an older kernel */
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(sim_mprotect(memory + 1, PAGE, PROT_NONE), -1);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(sim_madvise(memory, SOME * PAGE, MADV_NOHUGEPAGE), 0);
    CHECK_EQ(sim_madvise(memory, SOME * PAGE, MADV_NOHUGEPAGE), 0);
    CHECK_EQ(sim_madvise(memory, SOME * PAGE, MADV_DONTNEED), 0);
    unmap(memory, SOME);
    CHECK(map(SOME) == memory);
}

TEST(simulated_memory, what_is_not_plain_is_the_systems)
{
    CHECK(sim_memory_keep());
    const int all = PROT_READ | PROT_WRITE, plain = MAP_PRIVATE | MAP_ANONYMOUS;
    FILE *file = tmpfile();
    CHECK(file != NULL);
    char *wanted = map(SOME), *others[] = {
        sim_map(wanted, PAGE, all, plain, -1, 0), /* somewhere else: it is taken */
        sim_map(NULL, PAGE, all, MAP_PRIVATE, fileno(file), 0),
        sim_map(NULL, PAGE, PROT_READ, plain, -1, 0),
        sim_map(NULL, PAGE, all, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
    };
    for (size_t i = 0; i < TR_COUNT(others); i++) {
        CHECK(others[i] != MAP_FAILED && others[i] != wanted);
        CHECK_EQ(sim_mprotect(others[i], PAGE, PROT_NONE), 0);
        CHECK_EQ(sim_madvise(others[i], PAGE, MADV_NOHUGEPAGE), 0);
        unmap(others[i], 1);
        CHECK(!is_mapped(others[i]));
    }
    fclose(file);
}

TEST(simulated_memory, without_a_shelf_or_room_on_it_nothing_is_kept)
{
    REFUSE(mmap, 1, ENOMEM);
    CHECK(!sim_memory_keep());
    char *memory = map(SOME);
    unmap(memory, SOME);
    CHECK(!is_mapped(memory));
    CHECK(sim_memory_keep());
    for (int i = 0; i < 1024; i++)
        map(1);
    memory = map(SOME);
    unmap(memory, SOME);
    CHECK(!is_mapped(memory));
    REFUSE(mmap, 1, ENOMEM);
    CHECK(sim_map(NULL, SOME * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
}

TEST(simulated_memory, a_piece_that_can_not_be_cleared_is_not_lent)
{
    CHECK(sim_memory_keep());
    char *memory = map(SOME);
    *memory = 'x';
    unmap(memory, SOME);
    REFUSE(mincore, 1, EAGAIN);
    char *other = map(SOME);
    CHECK(other != memory && *other == 0);
    CHECK(map(SOME) == memory && *memory == 0);
}
