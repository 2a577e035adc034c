/* wheel_test.c: timers fire once, never early, in order; removed ones never; against a sorted list as the model. */
#include "base/random.h"
#include "harness.h"
#include "queue/wheel.h"

#include <pthread.h>
#include <sched.h>

#define MS NS_PER_MS

struct timer {
    struct wheel_node node;
    int64_t due_ns;
    int64_t again_ns;    /* NEVER, or when to fire next */
    int64_t interval_ns; /* not 0: fires again so much later */
    int fired;
};

struct firing {
    int64_t now_ns;
    int64_t last_due_ns;
    uint32_t count;
};

static int64_t fire(struct wheel_node *node, void *arg)
{
    struct timer *timer = CONTAINER_OF(node, struct timer, node);
    struct firing *firing = arg;
    CHECK(node->due_ns <= firing->now_ns);
    CHECK(node->due_ns >= firing->last_due_ns);
    firing->last_due_ns = node->due_ns;
    firing->count++;
    timer->fired++;
    return timer->interval_ns > 0 ? node->due_ns + timer->interval_ns : timer->again_ns;
}

static uint32_t expire(struct wheel *wheel, int64_t now_ns)
{
    struct firing firing = { .now_ns = now_ns, .last_due_ns = INT64_MIN };
    uint32_t fired = wheel_expire(wheel, now_ns, fire, &firing);
    CHECK_EQ(fired, firing.count);
    return fired;
}

static bool start(struct wheel *wheel, struct timer *timer, int64_t due_ns)
{
    *timer = (struct timer){ .due_ns = due_ns, .again_ns = NEVER };
    wheel_node_init(&timer->node);
    return wheel_insert(wheel, &timer->node, due_ns);
}

static struct wheel wheel;
static const int64_t start_ns = INT64_C(123456789012345);

TEST(wheel, timer_fires_at_its_nanosecond_and_not_before)
{
    static const int64_t delays[] = { 0,
                                      1,
                                      999,
                                      MS,
                                      5 * MS,
                                      63 * MS,
                                      64 * MS,
                                      67108864,
                                      300 * MS,
                                      4096 * MS,
                                      100000 * MS,
                                      3600 * 1000 * MS,
                                      INT64_C(86400000) * MS,
                                      INT64_C(31536000000) * MS,
                                      INT64_C(31536000000) * MS * 40 };
    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
        struct timer timer;
        int64_t due_ns = start_ns + delays[i];
        wheel_init(&wheel, start_ns);
        CHECK_EQ(wheel_next_due(&wheel), NEVER);
        CHECK(start(&wheel, &timer, due_ns));
        CHECK_EQ(wheel_next_due(&wheel), due_ns);
        CHECK_EQ(expire(&wheel, due_ns - 1), 0);
        CHECK_EQ(wheel_next_due(&wheel), due_ns);
        CHECK_EQ(expire(&wheel, due_ns), 1);
        CHECK_EQ(wheel_next_due(&wheel), NEVER);
        CHECK(!wheel_remove(&wheel, &timer.node));
        CHECK_EQ(expire(&wheel, due_ns + 1000000 * MS), 0);
    }
}

TEST(wheel, removed_timer_never_fires)
{
    struct timer timers[3];
    wheel_init(&wheel, start_ns);
    for (int i = 0; i < 3; i++)
        start(&wheel, &timers[i], start_ns + i * 70 * MS);
    CHECK(wheel_remove(&wheel, &timers[1].node));
    CHECK(!wheel_remove(&wheel, &timers[1].node));
    CHECK_EQ(expire(&wheel, start_ns + 1000 * MS), 2);
    CHECK_EQ(timers[1].fired, 0);
    CHECK(wheel_insert(&wheel, &timers[1].node, start_ns)); /* overdue: it fires at the next look */
    CHECK_EQ(expire(&wheel, start_ns + 1000 * MS), 1);
}

TEST(wheel, insert_tells_whether_a_sleeper_must_look_again)
{
    struct timer timers[4];
    wheel_init(&wheel, start_ns);
    CHECK(start(&wheel, &timers[0], start_ns + 100 * MS));
    CHECK(!start(&wheel, &timers[1], start_ns + 200 * MS));
    CHECK(!start(&wheel, &timers[2], start_ns + 100 * MS));
    CHECK(start(&wheel, &timers[3], start_ns + 99 * MS));
    CHECK_EQ(wheel_next_due_recheck(&wheel), start_ns + 99 * MS);
}

TEST(wheel, removal_of_all_leaves_nothing_due)
{
    static struct timer timers[500];
    wheel_init(&wheel, start_ns);
    for (int i = 0; i < 500; i++)
        start(&wheel, &timers[i], start_ns + i * i * MS);
    for (int i = 499; i >= 0; i--)
        CHECK(wheel_remove(&wheel, &timers[i].node));
    CHECK_EQ(wheel_next_due(&wheel), NEVER);
    CHECK_EQ(expire(&wheel, start_ns + 1000000 * MS), 0);
}

TEST(wheel, due_timers_fire_in_order_of_their_deadlines)
{
    static struct timer timers[3000];
    struct random random = { 42 };
    wheel_init(&wheel, start_ns);
    for (int i = 0; i < 3000; i++)
        start(&wheel, &timers[i], start_ns + random_below(&random, 50 * MS) * (int64_t)(i % 7));
    RULE("TMR-08");
    CHECK_EQ(expire(&wheel, start_ns + 1000 * MS), 3000); /* `fire` checks the order */
}

TEST(wheel, timers_of_the_running_tick_fire_in_order_whenever_they_were_started)
{
    static struct timer timers[300];
    struct random random = { 11 };
    int64_t tick_ns = ((start_ns >> WHEEL_TICK_BITS) + 1) << WHEEL_TICK_BITS;
    wheel_init(&wheel, start_ns);
    for (int i = 0; i < 100; i++)
        start(&wheel, &timers[i], tick_ns + random_below(&random, 1 << WHEEL_TICK_BITS));
    uint32_t fired = expire(&wheel, tick_ns); /* the wheel enters the tick: they are sorted */
    for (int i = 100; i < 300; i++) {
        int64_t now_ns = tick_ns + i * 2000;
        start(&wheel, &timers[i], now_ns + random_below(&random, 1 << (WHEEL_TICK_BITS - 1)));
        fired += expire(&wheel, now_ns); /* `fire` checks the order and that none is early */
        for (int k = 0; k <= i; k++)
            CHECK_EQ(timers[k].fired, timers[k].due_ns <= now_ns);
    }
    for (int i = 0; i < 300; i += 3) /* from the sorted list, too */
        fired += wheel_remove(&wheel, &timers[i].node);
    fired += expire(&wheel, tick_ns + 2 * MS);
    CHECK_EQ(fired, 300);
    CHECK_EQ(wheel_next_due(&wheel), NEVER);
}

static int64_t fire_in_turn(struct wheel_node *node, void *next)
{
    struct timer *timer = CONTAINER_OF(node, struct timer, node), **turn = next;
    if (timer->again_ns != NEVER)
        return NEVER; /* only there so that the wheel's time went on */
    CHECK_EQ(timer - *turn, 0);
    (*turn)++;
    return NEVER;
}

TEST(wheel, timers_of_one_deadline_fire_in_the_order_of_their_starts)
{
    enum { COUNT = 40 };
    static const int64_t steps[] = { 1, 7, 26, 27, 100, 1073, 1074, 1075, 5000, 68719, 100000 };
    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
        static struct timer timers[COUNT], passing;
        struct timer *turn = timers;
        int64_t due_ns = start_ns + COUNT * steps[k] * MS;
        wheel_init(&wheel, start_ns);
        for (int i = 0; i < COUNT; i++) { /* from further and further away to near */
            int64_t now_ns = start_ns + i * steps[k] * MS;
            start(&wheel, &passing, now_ns);
            passing.again_ns = 0;
            wheel_expire(&wheel, now_ns, fire_in_turn, &turn);
            start(&wheel, &timers[i], due_ns);
        }
        CHECK_EQ(wheel_expire(&wheel, due_ns, fire_in_turn, &turn), COUNT);
        CHECK_EQ(turn - timers, COUNT);
    }
}

TEST(wheel, near_timers_fire_in_order_wherever_the_wheel_stands)
{
    static struct timer timers[200];
    struct random random = { 5 };
    int64_t now_ns = start_ns;
    wheel_init(&wheel, now_ns);
    for (int round = 0; round < 300; round++) { /* around the near level some hundred times */
        for (int i = 0; i < 200; i++)
            start(&wheel, &timers[i], now_ns + random_below(&random, 1100 * MS));
        for (int64_t end_ns = now_ns + 1100 * MS; now_ns < end_ns;) {
            now_ns += 1 + random_below(&random, 300 * MS);
            expire(&wheel, now_ns); /* `fire` checks the order and that none is early */
            for (int i = 0; i < 200; i++)
                CHECK_EQ(timers[i].fired, timers[i].due_ns <= now_ns);
        }
        CHECK_EQ(wheel_next_due(&wheel), NEVER);
    }
}

TEST(wheel, fire_may_ask_for_another_time)
{
    struct timer timer;
    wheel_init(&wheel, start_ns);
    start(&wheel, &timer, start_ns + 10 * MS);
    timer.again_ns = start_ns + 500 * MS;
    CHECK_EQ(expire(&wheel, start_ns + 10 * MS), 1);
    CHECK_EQ(wheel_next_due(&wheel), start_ns + 500 * MS);
    CHECK_EQ(expire(&wheel, start_ns + 499 * MS), 0);
    CHECK_EQ(expire(&wheel, start_ns + 500 * MS), 1 + WHEEL_AGAIN); /* due at once, always: the round must end */
    CHECK(wheel_next_due(&wheel) <= start_ns + 500 * MS);
    timer.again_ns = NEVER;
    CHECK_EQ(expire(&wheel, start_ns + 500 * MS), 1);
    CHECK_EQ(wheel_next_due(&wheel), NEVER);
    CHECK_EQ(timer.fired, 3 + WHEEL_AGAIN);
}

TEST(wheel, who_fires_again_and_is_late_catches_up_in_order)
{
    struct timer ticks, other;
    wheel_init(&wheel, start_ns);
    start(&wheel, &ticks, start_ns + 10 * MS);
    ticks.interval_ns = 7 * MS;
    start(&wheel, &other, start_ns + 26 * MS);
    CHECK_EQ(expire(&wheel, start_ns + 50 * MS), 7); /* at 10, 17, 24, 31, 38, 45; and the other */
    CHECK_EQ(ticks.fired, 6);
    CHECK_EQ(wheel_next_due(&wheel), start_ns + 52 * MS);
    CHECK(wheel_remove(&wheel, &ticks.node));
    CHECK_EQ(wheel_next_due(&wheel), NEVER);
}

TEST(wheel, next_due_is_exact_after_inserts_and_expiry)
{
    static struct timer timers[200];
    struct random random = { 7 };
    wheel_init(&wheel, start_ns);
    for (int i = 0; i < 200; i++)
        start(&wheel, &timers[i], start_ns + (int64_t)(random_next(&random) % (uint64_t)(INT64_C(100000) * MS)));
    int64_t now = start_ns;
    for (int left = 200; left > 0;) {
        int64_t due = NEVER;
        for (int i = 0; i < 200; i++)
            if (timers[i].fired == 0 && timers[i].due_ns < due)
                due = timers[i].due_ns;
        CHECK_EQ(wheel_next_due(&wheel), due); /* so a sleeper wakes up once a timer, not once a level */
        now = due;
        left -= (int)expire(&wheel, now);
    }
    CHECK_EQ(wheel_next_due(&wheel), NEVER);
}

TEST(wheel, clock_that_stands_or_goes_back_does_no_harm)
{
    struct timer timers[2];
    wheel_init(&wheel, start_ns);
    start(&wheel, &timers[0], start_ns + 100 * MS);
    CHECK_EQ(expire(&wheel, start_ns + 200 * MS), 1);
    start(&wheel, &timers[1], start_ns + 150 * MS);
    CHECK_EQ(expire(&wheel, start_ns + 149 * MS), 0);
    CHECK_EQ(expire(&wheel, start_ns + 150 * MS), 1);
}

TEST(wheel, timers_at_the_end_of_time_are_kept)
{
    struct timer timers[3];
    wheel_init(&wheel, 0);
    start(&wheel, &timers[0], INT64_MAX - 1);
    start(&wheel, &timers[1], INT64_C(1) << 62);
    start(&wheel, &timers[2], -5);
    CHECK_EQ(expire(&wheel, 0), 1);
    CHECK_EQ(expire(&wheel, INT64_C(1) << 61), 0);
    CHECK_EQ(expire(&wheel, INT64_C(1) << 62), 1);
    CHECK(wheel_remove(&wheel, &timers[0].node));
}

/* --- against a model ------------------------------------------------------------------------------------- */

enum { MODEL = 300 };

static int64_t some_delay(struct random *random)
{
    uint32_t bits = random_below(random, 44); /* up to 4.8 hours */
    return (int64_t)(random_next(random) >> 1 & ((UINT64_C(1) << bits) - 1));
}

static void model_round(uint64_t seed)
{
    static struct timer timers[MODEL];
    struct random random = { seed * 31 + 1 };
    int64_t now = start_ns;
    wheel_init(&wheel, now);
    for (int i = 0; i < MODEL; i++)
        wheel_node_init(&timers[i].node);
    for (int step = 0; step < 3000; step++) {
        struct timer *timer = &timers[random_below(&random, MODEL)];
        switch (random_below(&random, 4)) {
        case 0:
        case 1:
            if (!wheel_node_in(&timer->node))
                start(&wheel, timer, now - MS + some_delay(&random));
            break;
        case 2: {
            bool was_in = wheel_node_in(&timer->node);
            CHECK_EQ(wheel_remove(&wheel, &timer->node), was_in);
            break;
        }
        default: now += some_delay(&random) >> random_below(&random, 20);
        }
        uint32_t due = 0;
        for (int i = 0; i < MODEL; i++) {
            bool in = wheel_node_in(&timers[i].node);
            due += in && timers[i].due_ns <= now;
            CHECK(!in || timers[i].due_ns >= wheel_next_due(&wheel));
        }
        if (random_below(&random, 3) == 0)
            CHECK_EQ(expire(&wheel, now), due);
    }
}

TEST(wheel, agrees_with_a_list_of_timers)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        model_round(seed);
}

/* --- stress: threads start, cancel and expire; each timer ends exactly once ------------------------------- */

enum { THREADS = 8, TIMERS = 64, SEEDS = 6, STEPS = WITH_TSAN || WITH_ASAN ? 10000 : 60000 };

struct shared_timer {
    struct wheel_node node;
    int ended; /* plain: written under the wheel's lock, or by the thread that removed it */
    int repeats;
};

static _Atomic int64_t clock_ns;
static uint64_t base_seed;

static int64_t fire_shared(struct wheel_node *node, void *arg)
{
    struct shared_timer *timer = CONTAINER_OF(node, struct shared_timer, node);
    CHECK(node->due_ns <= *(int64_t *)arg);
    if (timer->repeats-- > 0)
        return node->due_ns + 3 * MS;
    timer->ended++;
    return NEVER;
}

static void *use_wheel(void *arg)
{
    struct random random = { base_seed * 6151 + (uint64_t)(uintptr_t)arg + 1 };
    static _Thread_local struct shared_timer timers[TIMERS];
    for (int i = 0; i < TIMERS; i++)
        wheel_node_init(&timers[i].node);
    for (int i = 0; i < STEPS; i++) {
        struct shared_timer *timer = &timers[random_below(&random, TIMERS)];
        int64_t now = load_relaxed(&clock_ns);
        switch (random_below(&random, 4)) {
        case 0:
            wheel_lock(&wheel); /* look and insert in one step */
            if (!wheel_node_in(&timer->node)) {
                CHECK(timer->ended <= 1);
                timer->ended = 0;
                timer->repeats = (int)random_below(&random, 3);
                wheel_insert_locked(&wheel, &timer->node, now + random_below(&random, 90 * MS));
            }
            wheel_unlock(&wheel);
            break;
        case 1:
            if (wheel_remove(&wheel, &timer->node)) {
                CHECK_EQ(timer->ended, 0);
                timer->ended++;
            }
            break;
        case 2:
            now = atomic_fetch_add(&clock_ns, random_below(&random, MS));
            wheel_expire(&wheel, now, fire_shared, &now);
            break;
        default: wheel_next_due(&wheel);
        }
    }
    for (int i = 0; i < TIMERS; i++) {
        if (wheel_remove(&wheel, &timers[i].node))
            timers[i].ended++;
        CHECK(timers[i].ended <= 1);
    }
    return NULL;
}

TEST(wheel, each_timer_ends_once_whoever_starts_cancels_or_expires)
{
    const char *given = getenv("TR_SEED");
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        base_seed = given != NULL ? strtoull(given, NULL, 0) : seed;
        fprintf(stderr, "wheel stress: TR_SEED=%" PRIu64 " reruns it\n", base_seed);
        store_relaxed(&clock_ns, start_ns);
        wheel_init(&wheel, start_ns);
        pthread_t threads[THREADS];
        for (uintptr_t i = 0; i < THREADS; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, use_wheel, (void *)i), 0);
        for (size_t i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        CHECK_EQ(wheel.count, 0);
        CHECK_EQ(wheel_next_due(&wheel), NEVER);
    }
}
