/* supervisor_parts_test.c: the supervisor's own parts, below its API: the children's indexes, the restart window,
 * packed specs. */
#include "../../behaviours/children.h"
#include "../../behaviours/intensity.h"
#include "behaviour.h"

static uint64_t seed;

static uint32_t chance(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % below;
}

/* ---- children */

static struct child *add(struct children *children, int number, bool significant)
{
    char id[16];
    _Alignas(SPEC_ALIGN) char bytes[256];
    snprintf(id, sizeof id, "%d", number);
    tr_child spec = { .id = id, .server = &simple, .significant = significant };
    struct spec *packed = (struct spec *)(void *)bytes;
    CHECK(spec_size(&spec) <= sizeof bytes);
    spec_pack(&spec, packed);
    struct child *child = child_new(children, packed, true, true, NULL, 0);
    CHECK(child != NULL && children_add(children, child));
    return child;
}

enum { CHILDREN = 500, STEPS = 20000 };

static void random_children(bool named, bool backs_off)
{
    static struct child *present[CHILDREN];
    struct children children = { .named = named, .backs_off = backs_off };
    memset(present, 0, sizeof present);
    uint64_t pid = 1;
    for (int step = 0; step < STEPS; step++) {
        uint32_t i = chance(step < STEPS / 2 ? CHILDREN : CHILDREN / 20); /* then most of them go */
        struct child **child = &present[i];
        char id[16];
        snprintf(id, sizeof id, "%u", i);
        if (*child == NULL) {
            CHECK(!named || children_by_id(&children, id) == NULL);
            *child = add(&children, (int)i, i % 3 == 0);
        }
        CHECK(!named || children_by_id(&children, id) == *child);
        CHECK_STR(child_id(&children, *child), named ? id : "undefined");
        switch (chance(4)) {
        case 0: children_set(&children, *child, CHILD_RUNNING, (tr_pid){ ++pid }); break;
        case 1: children_set(&children, *child, CHILD_RESTARTING, (*child)->pid); break;
        case 2: children_set(&children, *child, CHILD_STOPPED, (tr_pid){ 0 }); break;
        default: children_remove(&children, *child); *child = NULL;
        }
        CHECK(*child == NULL || tr_nobody((*child)->pid) || children_by_pid(&children, (*child)->pid) == *child);
        if (step % 100 == 0)
            CHECK(children_valid(&children));
    }
    while (children.first != NULL)
        children_remove(&children, children.first);
    CHECK(children_valid(&children));
    tr_free(children.by_pid.slots);
    tr_free(children.by_id.slots);
}

static void indexes(void)
{
    for (seed = 1; seed < 4; seed++) {
        uint64_t start = seed;
        random_children(true, false);
        random_children(false, true);
        seed = start;
    }
}
TEST(supervisor_parts, children_are_found_after_any_history) { run_with((tr_config){ .workers = 1 }, indexes); }

/* ---- the window of restarts, against OTP's list of seconds */

static bool list_allows(int64_t *seconds, size_t *count, int64_t now, int allowed, int period)
{
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++)
        if (now <= seconds[i] + period)
            seconds[kept++] = seconds[i];
    seconds[kept++] = now;
    *count = kept;
    return kept <= (size_t)allowed;
}

static void windows(void)
{
    static int64_t seconds[1000];
    for (seed = 1; seed < 300; seed++) {
        uint64_t start = seed;
        int allowed = (int)chance(12), period = 1 + (int)chance(8);
        struct intensity intensity;
        size_t count = 0;
        CHECK(intensity_init(&intensity, allowed, period));
        int64_t now = chance(1000);
        for (int i = 0; i < 200; i++) {
            bool expected = list_allows(seconds, &count, now, allowed, period);
            RULE("SUP-14");
            CHECK_EQ(intensity_allows(&intensity, now), expected);
            if (!expected)
                break;
            now += chance(3) == 0 ? chance(10) : chance(2);
        }
        tr_free(intensity.seconds);
        seed = start;
    }
}
TEST(supervisor_parts, the_restart_window_is_exact) { run_with((tr_config){ .workers = 1 }, windows); }

/* ---- packed specs */

static void copies(void)
{
    _Alignas(SPEC_ALIGN) char bytes[512], copy_bytes[512];
    struct spec *packed = (struct spec *)(void *)bytes, *copy = (struct spec *)(void *)copy_bytes;
    const tr_child child = { .id = "id", .name = "name", .server = &simple, .arg = "argument", .arg_size = 9 };
    spec_pack(&child, packed);
    CHECK_EQ(packed->size, spec_size(&child));
    CHECK_EQ(packed->size % SPEC_ALIGN, 0);
    spec_copy(packed, false, copy);
    CHECK_EQ(copy->size, spec_copy_size(packed, false));
    CHECK(copy->size < packed->size && spec_arg(copy) == NULL);
    CHECK_STR(spec_id(copy), "id");
    CHECK_STR(spec_name(copy), "name");
    spec_copy(packed, true, copy);
    memset(bytes, 0xff, sizeof bytes); /* the copy has no pointer into the original */
    CHECK_STR((const char *)spec_arg(copy), "argument");
    CHECK_EQ(copy->shutdown_ms, 5000);
}
TEST(supervisor_parts, a_packed_spec_can_be_copied_with_or_without_its_argument)
{
    run_with((tr_config){ .workers = 1 }, copies);
}
