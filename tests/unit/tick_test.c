/* tick_test.c: the published time: what is computed from it is never early, whatever happened to the thread that
 * ticks. */
#include "base/tick.h"
#include "harness.h"

enum { TIMEOUT_MS = 1000 };
static const int64_t start = 5 * NS_PER_S, timeout_ns = TIMEOUT_MS * NS_PER_MS;

/* The clock of these tests: what it says when a tick is being published. */
static int64_t time_is;
static int64_t clock_of_test(void) { return time_is; }

static void publish(int64_t now)
{
    time_is = now;
    tick_publish(now, clock_of_test);
}

static void pause_at(int64_t now)
{
    time_is = now;
    tick_pause(clock_of_test);
}

static int64_t far_deadline(int64_t stamp) { return deadline_after(stamp + TICK_SLACK_NS, TIMEOUT_MS); }

TEST(tick, nobody_ticks_after_a_pause)
{
    publish(start);
    CHECK_EQ(tick_stamp(), start);
    pause_at(start + NS_PER_MS);
    CHECK_EQ(tick_stamp(), 0);
}

TEST(tick, a_deadline_of_a_short_gap_stands)
{
    publish(start);
    int64_t stamp = tick_stamp(), deadline = far_deadline(stamp);
    publish(start + NS_PER_MS);
    CHECK_EQ(tick_due(stamp, deadline, deadline), deadline);
    pause_at(start + 2 * NS_PER_MS);
}

TEST(tick, a_deadline_of_a_long_gap_is_put_off_until_none_that_was_stamped_in_it_is_early)
{
    publish(start);
    int64_t stamp = tick_stamp(), deadline = far_deadline(stamp), end = start + 300 * NS_PER_MS;
    publish(end); /* a call may have been stamped just before */
    CHECK(tick_due(stamp, deadline, deadline) >= end + timeout_ns);
    CHECK(tick_due(stamp, deadline, deadline) <= end + timeout_ns + TICK_SLACK_NS);
    pause_at(end + NS_PER_MS);
}

TEST(tick, while_the_gap_goes_on_its_deadlines_wait)
{
    publish(start);
    int64_t stamp = tick_stamp(), deadline = far_deadline(stamp), now = start + 2 * timeout_ns;
    CHECK(tick_due(stamp, deadline, now) > now);
    pause_at(now);
    CHECK(tick_due(stamp, deadline, now) >= now + timeout_ns);
}

TEST(tick, a_gap_that_was_forgotten_counts_as_the_longest_of_those)
{
    enum { MANY = 1000 };
    int64_t now = start, first = 0, first_end = 0;
    publish(now);
    for (int i = 0; i < MANY; i++) {
        int64_t stamp = tick_stamp();
        now += (i == 0 ? 900 : 50) * NS_PER_MS;
        publish(now);
        if (i == 0) {
            first = stamp;
            first_end = now;
        }
    }
    CHECK(tick_due(first, far_deadline(first), far_deadline(first)) >= first_end + timeout_ns);
    pause_at(now);
}

TEST(tick, a_deadline_that_is_not_due_or_within_the_slack_stands)
{
    publish(start);
    int64_t deadline = start + 5 * NS_PER_MS;
    CHECK_EQ(tick_due(start, deadline, deadline - 1), deadline);
    CHECK_EQ(tick_due(start, deadline, deadline + NS_PER_MS), deadline); /* its gap is short so far */
    pause_at(start + 10 * NS_PER_MS);
}

TEST(tick, an_exact_deadline_is_left_alone)
{
    publish(start);
    CHECK_EQ(tick_due(0, start + 1, start + timeout_ns), start + 1);
    pause_at(start + timeout_ns);
}

TEST(tick, a_tick_that_is_held_up_before_it_is_published_lengthens_its_gap)
{
    publish(start);
    int64_t stamp = tick_stamp(), late = start + 500 * NS_PER_MS;
    time_is = late; /* the ticking thread read the clock, and went on only then: up to here the old stamp was taken */
    tick_publish(start + NS_PER_MS, clock_of_test);
    CHECK(tick_due(stamp, far_deadline(stamp), far_deadline(stamp)) >= late + timeout_ns);
    pause_at(late);
}
