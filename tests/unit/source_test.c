/* source_test.c: memory of the system: what is too much is refused, what was asked to fail fails, once or from then
 * on. */
#include "harness.h"

#include "memory/source.h"

TEST(source, more_than_there_are_addresses_for_is_refused)
{
    CHECK(source_map(SIZE_MAX - 8192, (size_t)1 << 20) == NULL); /* with the alignment it would wrap */
    CHECK(source_reserve((size_t)1 << 62, 4096) == NULL);        /* the system says no */
    CHECK_EQ(source_mapped_bytes(), 0);
}

TEST(source, the_request_with_the_number_fails_alone_or_with_all_that_follow)
{
    void *blocks[4];
    for (int onwards = 0; onwards < 2; onwards++) {
        source_fail_after(2, onwards == 1);
        for (int i = 0; i < 4; i++)
            blocks[i] = source_alloc(16);
        CHECK(source_failed());
        for (int i = 0; i < 4; i++) {
            CHECK_EQ(blocks[i] == NULL, i == 1 || (onwards == 1 && i > 1));
            source_free(blocks[i]);
        }
    }
    source_fail_after(0, false);
    blocks[0] = source_map(10000, 1 << 16);
    CHECK(blocks[0] != NULL && ((uintptr_t)blocks[0] & 0xFFFF) == 0);
    CHECK_EQ(source_mapped_bytes(), 10000);
    source_unmap(blocks[0], 10000);
    CHECK(!source_failed());
}
