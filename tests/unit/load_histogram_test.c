/* load_histogram_test.c: the load generator's histogram and its protocols, alone. */
#include "../../bench/load/histogram.h"
#include "../../bench/load/protocol.h"
#include "harness.h"

static struct histogram histogram;

TEST(load_histogram, a_value_is_in_a_bucket_less_than_two_percent_above_it)
{
    int last = 0;
    for (uint64_t value = 0; value < UINT64_C(1) << 39; value += value / 1000 + 1) {
        int bucket = histogram_bucket(value);
        uint64_t end = histogram_bucket_max(bucket);
        CHECK(bucket >= last && bucket < HISTOGRAM_BUCKETS);
        CHECK(end >= value && (double)(end - value) <= (double)value * 0.016);
        last = bucket;
    }
}

TEST(load_histogram, buckets_leave_no_gap)
{
    for (int bucket = 0; bucket + 1 < HISTOGRAM_BUCKETS; bucket++)
        CHECK_EQ(histogram_bucket(histogram_bucket_max(bucket) + 1), bucket + 1);
}

TEST(load_histogram, quantiles_are_those_of_what_was_added)
{
    memset(&histogram, 0, sizeof histogram);
    CHECK_EQ(histogram_quantile(&histogram, 0.5), 0);
    for (int64_t i = 1; i <= 60; i++)
        histogram_add(&histogram, i);
    CHECK_EQ(histogram_quantile(&histogram, 0.5), 30);
    CHECK_EQ(histogram_quantile(&histogram, 0), 1);
    CHECK_EQ(histogram_quantile(&histogram, 1), 60);
}

TEST(load_histogram, no_quantile_is_above_the_maximum)
{
    memset(&histogram, 0, sizeof histogram);
    histogram_add(&histogram, 1000001);
    CHECK_EQ(histogram_quantile(&histogram, 0.99), 1000001);
    histogram_add(&histogram, -5);
    CHECK_EQ(histogram_quantile(&histogram, 0.1), 0);
}

TEST(load_histogram, merging_adds_counts_and_keeps_the_maximum)
{
    static struct histogram other;
    memset(&histogram, 0, sizeof histogram);
    memset(&other, 0, sizeof other);
    histogram_add(&histogram, 10);
    histogram_add(&other, 20);
    histogram_add(&other, 30);
    histogram_merge(&histogram, &other);
    CHECK_EQ(histogram.total, 3);
    CHECK_EQ(histogram.max, 30);
    CHECK_EQ(histogram_quantile(&histogram, 0.5), 20);
}

static void check_answer(const char *name, uint64_t turn, const char *answer)
{
    const struct protocol *protocol = protocol_find(name);
    long size = (long)strlen(answer);
    CHECK(protocol != NULL);
    CHECK_EQ(protocol->answer(answer, (size_t)size, turn), size);
    for (long part = 1; part < size; part++)
        CHECK_EQ(protocol->answer(answer, (size_t)part, turn), 0);
}

TEST(load_protocol, an_answer_is_whole_at_its_last_byte)
{
    char request[512];
    check_answer("http", 0, "HTTP/1.1 200 OK\r\nServer: x\r\ncontent-LENGTH: 5\r\n\r\nhello");
    check_answer("redis", 0, "+OK\r\n");
    check_answer("redis", 5, "$16\r\n0000000000000002\r\n");
    request[protocol_find("echo")->request(request, sizeof request, 7)] = '\0';
    check_answer("echo", 7, request);
}

TEST(load_protocol, a_wrong_answer_is_seen)
{
    CHECK_EQ(protocol_find("http")->answer("HTTP/1.1 404 Not Found\r\n", 24, 0), -1);
    CHECK_EQ(protocol_find("http")->answer("HTTP/1.1 200 OK\r\n\r\n", 19, 0), -1);
    CHECK_EQ(protocol_find("redis")->answer("$-1\r\n", 5, 1), -1);
    CHECK_EQ(protocol_find("echo")->answer("8", 1, 7), -1);
    CHECK(protocol_find("gopher") == NULL);
}
