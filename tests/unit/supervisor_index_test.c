/* supervisor_index_test.c: the children's indexes and shared specs where chance does not lead: children far from their
 * home, ids of one hash, specs that differ in one thing only; and that the walker sees whatever is broken. */
#include "../../behaviours/children.h"
#include "behaviour/behaviour.h"

static _Alignas(SPEC_ALIGN) char packed_bytes[512];

static const struct spec *pack(const tr_child *child)
{
    struct spec *packed = (struct spec *)(void *)packed_bytes;
    CHECK(spec_size(child) <= sizeof packed_bytes);
    spec_pack(child, packed);
    return packed;
}

static struct child *add(struct children *children, const char *id, bool significant)
{
    const struct spec *spec = pack(&(tr_child){ .id = id, .server = &simple, .significant = significant });
    struct child *child = children->named ? child_new(children, spec, true)
                                          : child_new_pooled(children, spec, NULL, NULL, 0);
    CHECK(child != NULL && children_add(children, child));
    return child;
}

static void end(struct children *children)
{
    tr_free(children->by_pid.slots);
    tr_free(children->by_id.slots);
}

/* ---- the walker: each invariant of children.h, broken and mended */

enum { THREE = 3 };

static void make_three(struct children *children, struct child **three)
{
    for (int i = 0; i < THREE; i++) {
        three[i] = add(children, (const char *[]){ "a", "b", "c" }[i], i == 1);
        children_set(children, three[i], CHILD_RUNNING, (tr_pid){ 100 + (uint64_t)i });
    }
    children_set(children, three[2], CHILD_RESTARTING, three[2]->pid);
    CHECK(children_valid(children));
}

/* Changes a number, which the walker must see, and puts it back. */
#define BREAK(children_, place, wrong)     \
    do {                                   \
        __typeof__(place) right = (place); \
        (place) = (wrong);                 \
        CHECK(!children_valid(children_)); \
        (place) = right;                   \
        CHECK(children_valid(children_));  \
    } while (0)

static void break_state(struct children *children, struct child *child, enum child_state wrong)
{
    enum child_state right = (enum child_state)child->state;
    child->state = (unsigned)wrong & 3U;
    CHECK(!children_valid(children));
    child->state = (unsigned)right & 3U;
    CHECK(children_valid(children));
}

static void broken_in_common(struct children *children, struct child **three)
{
    BREAK(children, children->count, children->count + 1);
    BREAK(children, children->restarting, 0);
    BREAK(children, children->significant_live, 0);
    BREAK(children, children->by_pid.used, 2);
    break_state(children, three[0], CHILD_STOPPED);    /* with a pid */
    break_state(children, three[0], CHILD_RESTARTING); /* one more than is counted */
}

static void broken_by_name(struct children *children, struct child **three)
{
    BREAK(children, children->first, three[1]);
    BREAK(children, children->last, three[1]);
    BREAK(children, children->by_id.used, 2);
    BREAK(children, three[0]->pid.id, 0); /* runs as nobody */
    struct order *order = (struct order *)(three[1] + 1);
    BREAK(children, order->after, three[0]);
    for (size_t i = 0; i < children->by_id.size; i++)
        if (children->by_id.slots[i] == three[1])
            BREAK(children, children->by_id.slots[i], three[0]); /* not found by its id */
}

static void walked(void)
{
    for (int named = 0; named < 2; named++) {
        struct children children = { .named = named != 0 };
        struct child *three[THREE];
        _Alignas(SPEC_ALIGN) char own[512];
        if (!named) { /* the template: it must stay */
            memcpy(own, pack(&(tr_child){ .id = "t", .server = &simple, .significant = true }), sizeof own);
            for (int i = 0; i < THREE; i++) {
                three[i] = child_new_pooled(&children, (struct spec *)(void *)own, NULL, NULL, 0);
                CHECK(three[i] != NULL && children_add(&children, three[i]));
                children_set(&children, three[i], CHILD_RUNNING, (tr_pid){ 100 + (uint64_t)i });
            }
            children_set(&children, three[2], CHILD_RESTARTING, three[2]->pid);
        } else {
            make_three(&children, three);
            broken_by_name(&children, three);
        }
        broken_in_common(&children, three);
        for (int i = 0; i < THREE; i++)
            children_remove(&children, three[i]);
        CHECK(children_valid(&children));
        end(&children);
    }
}
TEST(supervisor_index, the_walker_sees_each_broken_invariant) { run_with((tr_config){ .workers = 1 }, walked); }

/* ---- children far from their home */

enum { CROWD = 300, SLOTS = 512, MARK_FAR = 255 };

/* Children.c's home of a pid in a table of SLOTS; if it were another, no mark would say FAR. */
static bool is_at_home_in_0(uint64_t pid) { return ((pid * UINT64_C(0x9E3779B97F4A7C15)) >> 32 & (SLOTS - 1)) == 0; }

static size_t far_marks(const struct index *index)
{
    size_t far = 0;
    for (size_t i = 0; i < index->size; i++)
        far += index->slots[i] != NULL && index->marks[i] >> 8 == MARK_FAR;
    return far;
}

static void crowded(void)
{
    static struct child *crowd[CROWD];
    struct children children = { .named = false };
    _Alignas(SPEC_ALIGN) char own[512];
    memcpy(own, pack(&(tr_child){ .id = "t", .server = &simple }), sizeof own);
    uint64_t pid = 0;
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = child_new_pooled(&children, (struct spec *)(void *)own, NULL, NULL, 0);
        CHECK(crowd[i] != NULL && children_add(&children, crowd[i]));
        while (!is_at_home_in_0(++pid))
            ;
        children_set(&children, crowd[i], CHILD_RUNNING, (tr_pid){ pid });
    }
    CHECK_EQ(children.by_pid.size, SLOTS);
    CHECK_EQ(far_marks(&children.by_pid), CROWD - MARK_FAR);
    for (int i = 0; i < CROWD; i += 2) { /* those behind move up, most of them from far to near */
        children_remove(&children, crowd[i]);
        for (int j = 1; j < CROWD; j += 2)
            CHECK(children_by_pid(&children, crowd[j]->pid) == crowd[j]);
    }
    CHECK(far_marks(&children.by_pid) == 0 && children_valid(&children));
    for (int i = 1; i < CROWD; i += 2)
        children_remove(&children, crowd[i]);
    end(&children);
}
TEST(supervisor_index, children_far_from_home_are_found_whatever_goes)
{
    run_with((tr_config){ .workers = 1 }, crowded);
}

/* ---- ids of one hash */

static void same_hash(void)
{
    struct children children = { .named = true };
    struct child *a = add(&children, "a", false), *b = add(&children, "b", false);
    const struct spec *spec_of_b = b->spec;
    CHECK(children_by_id(&children, "b") == b);
    b->spec = a->spec; /* as if the hashes of "a" and "b" were the same, and only "a" were there */
    CHECK(children_by_id(&children, "b") == NULL);
    CHECK(children_by_key(&children, b->key) == b);
    b->spec = spec_of_b;
    children_remove(&children, a);
    children_remove(&children, b);
    end(&children);
}
TEST(supervisor_index, an_id_of_the_same_hash_is_another_id) { run_with((tr_config){ .workers = 1 }, same_hash); }

/* ---- shared specs */

static void shapes_differ(void)
{
    static const tr_spawn_options large = { .stack_size = 1 << 17 }, larger = { .stack_size = 1 << 18 };
    const tr_child specs[] = {
        { .id = "x", .server = &simple },
        { .id = "x", .server = &trapper },
        { .id = "x", .server = &simple, .restart = TR_TEMPORARY },
        { .id = "x", .server = &simple, .restart = TR_TEMPORARY, .significant = true },
        { .id = "x", .server = &simple, .shutdown_ms = 7 },
        { .id = "x", .supervisor = &(tr_supervisor){ .intensity = 1 } },
        { .id = "x", .server = &simple, .spawn = &large },
        { .id = "x", .server = &simple, .spawn = &larger },
    };
    enum { SPECS = sizeof specs / sizeof *specs };
    struct shapes shapes = { NULL };
    const struct spec *taken[SPECS];
    for (int i = 0; i < SPECS; i++) {
        taken[i] = shape_take(&shapes, pack(&specs[i]));
        for (int j = 0; j < i; j++)
            CHECK(taken[i] != taken[j]);
    }
    for (int i = 0; i < SPECS; i++) {
        CHECK(shape_take(&shapes, pack(&specs[i])) == taken[i]);
        shape_drop(&shapes, taken[i]);
        shape_drop(&shapes, taken[i]);
    }
    CHECK(shapes.latest == NULL);
}
TEST(supervisor_index, only_equal_specs_share_a_shape) { run_with((tr_config){ .workers = 1 }, shapes_differ); }
