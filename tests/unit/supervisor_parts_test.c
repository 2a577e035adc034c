/* supervisor_parts_test.c: the supervisor's own parts, below its API: the children's indexes, the restart window,
 * packed specs. */
#include "../../behaviours/children.h"
#include "../../behaviours/intensity.h"
#include "behaviour/behaviour.h"

static uint64_t seed;

static uint32_t chance(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % below;
}

/* ---- children */

static struct child *add(struct children *children, uint32_t number)
{
    char id[16] = "";
    _Alignas(SPEC_ALIGN) char bytes[512];
    struct spec *packed = (struct spec *)(void *)bytes;
    snprintf(id, sizeof id, "%u", number);
    static const tr_spawn_options spawn = { .stack_size = 1 << 16 };
    const tr_child spec = { .name = id,
                            .server = &simple,
                            .arg = id,
                            .arg_size = number % 12,
                            .shutdown_ms = 1 + number % 20, /* more shapes than are compared */
                            .significant = number % 3 == 0,
                            .spawn = number % 5 == 0 ? &spawn : NULL };
    CHECK(spec_size(&spec) <= sizeof bytes);
    spec_pack(&spec, packed);
    struct child *child = children->named ? child_new(children, packed, true)
                                          : child_new_pooled(children, packed, id, spec_arg(packed), packed->arg_size);
    CHECK(child != NULL && children_add(children, child));
    return child;
}

static void check_child(const struct children *children, const struct child *child, uint32_t number)
{
    char id[16] = "";
    size_t size;
    snprintf(id, sizeof id, "%u", number);
    CHECK(!children->named || children_by_id(children, id) == child);
    CHECK_STR(child_id(children, child), children->named ? id : "undefined");
    CHECK_STR(child_name(children, child), id);
    CHECK_EQ(child->spec->shutdown_ms, 1 + number % 20);
    CHECK_EQ(child->spec->significant, number % 3 == 0);
    CHECK_EQ(spec_spawn(child->spec) != NULL, number % 5 == 0);
    const void *arg = child_arg(children, child, &size);
    CHECK_EQ(size, number % 12);
    CHECK(size == 0 || memcmp(arg, id, size) == 0);
    CHECK(tr_nobody(child->pid) || children_by_pid(children, child->pid) == child);
}

enum { CHILDREN = 500, STEPS = 20000 };

static void random_children(bool named, bool backs_off)
{
    static struct child *present[CHILDREN];
    struct children children = { .named = named, .shaped = !named, .backs_off = backs_off };
    memset(present, 0, sizeof present);
    uint64_t pid = 1;
    for (int step = 0; step < STEPS; step++) {
        uint32_t i = chance(step < STEPS / 2 ? CHILDREN : CHILDREN / 20); /* then most of them go */
        struct child **child = &present[i];
        if (*child == NULL) {
            *child = add(&children, i);
            children_set(&children, *child, CHILD_RUNNING, (tr_pid){ ++pid });
        }
        check_child(&children, *child, i);
        switch (chance(4)) {
        case 0: children_set(&children, *child, CHILD_RUNNING, (tr_pid){ ++pid }); break;
        case 1: children_set(&children, *child, CHILD_RESTARTING, (*child)->pid); break;
        case 2:
            if (named)
                children_set(&children, *child, CHILD_STOPPED, (tr_pid){ 0 });
            break;
        default: children_remove(&children, *child); *child = NULL;
        }
        if (step % 100 == 0)
            CHECK(children_valid(&children));
    }
    for (uint32_t i = 0; i < CHILDREN; i++)
        if (present[i] != NULL) {
            check_child(&children, present[i], i);
            children_remove(&children, present[i]);
        }
    CHECK(children_valid(&children) && children.count == 0 && children.shapes.latest == NULL);
    tr_free(children.by_pid.slots);
    tr_free(children.by_id.slots);
}

static void indexes(void)
{
    for (seed = 1; seed < 4; seed++) {
        uint64_t start = seed;
        random_children(true, false);
        random_children(false, true);
        random_children(true, true);
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
