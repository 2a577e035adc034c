/* tick_test.c: the published time: what is computed from it is never early, whatever happened to the thread that ticks. */
#include "base/tick.h"
#include "harness.h"

enum { TIMEOUT_MS = 1000 };
static const int64_t start = 5 * NS_PER_S, timeout_ns = TIMEOUT_MS * NS_PER_MS;

static int64_t far_deadline(int64_t stamp) { return deadline_after(stamp + TICK_SLACK_NS, TIMEOUT_MS); }

TEST(tick, nobody_ticks_after_a_pause)
{
    tick_publish(start);
    CHECK_EQ(tick_stamp(), start);
    tick_pause(start + NS_PER_MS);
    CHECK_EQ(tick_stamp(), 0);
}

TEST(tick, a_deadline_of_a_short_gap_stands)
{
    tick_publish(start);
    int64_t stamp = tick_stamp(), deadline = far_deadline(stamp);
    tick_publish(start + NS_PER_MS);
    CHECK_EQ(tick_due(stamp, deadline, deadline), deadline);
    tick_pause(start + 2 * NS_PER_MS);
}

TEST(tick, a_deadline_of_a_long_gap_is_put_off_until_none_that_was_stamped_in_it_is_early)
{
    tick_publish(start);
    int64_t stamp = tick_stamp(), deadline = far_deadline(stamp), end = start + 300 * NS_PER_MS;
    tick_publish(end); /* a call may have been stamped just before */
    CHECK(tick_due(stamp, deadline, deadline) >= end + timeout_ns);
    CHECK(tick_due(stamp, deadline, deadline) <= end + timeout_ns + TICK_SLACK_NS);
    tick_pause(end + NS_PER_MS);
}

TEST(tick, while_the_gap_goes_on_its_deadlines_wait)
{
    tick_publish(start);
    int64_t stamp = tick_stamp(), deadline = far_deadline(stamp), now = start + 2 * timeout_ns;
    CHECK(tick_due(stamp, deadline, now) > now);
    tick_pause(now);
    CHECK(tick_due(stamp, deadline, now) >= now + timeout_ns);
}

TEST(tick, a_gap_that_was_forgotten_counts_as_the_longest_of_those)
{
    enum { MANY = 1000 };
    int64_t now = start, first = 0, first_end = 0;
    tick_publish(now);
    for (int i = 0; i < MANY; i++) {
        int64_t stamp = tick_stamp();
        now += (i == 0 ? 900 : 50) * NS_PER_MS;
        tick_publish(now);
        if (i == 0) {
            first = stamp;
            first_end = now;
        }
    }
    CHECK(tick_due(first, far_deadline(first), far_deadline(first)) >= first_end + timeout_ns);
    tick_pause(now);
}

TEST(tick, an_exact_deadline_is_left_alone)
{
    tick_publish(start);
    CHECK_EQ(tick_due(0, start + 1, start + timeout_ns), start + 1);
    tick_pause(start + timeout_ns);
}
