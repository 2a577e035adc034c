/* hello_request_test.c: the HTTP service's request parser, alone: whole heads, heads in pieces, and what is refused. */
#include "../../bench/services/hello/request.h"
#include "harness.h"

#include <stdio.h>

static enum request_status parse(const char *text, struct request *request)
{
    return request_read(text, strlen(text), request);
}

static void expect_refused(const char *text, int error)
{
    struct request request;
    CHECK_EQ(parse(text, &request), REQUEST_BAD);
    CHECK_EQ(request.error, error);
    CHECK(!request.keep);
}

TEST(hello_request, a_head_is_read_up_to_its_empty_line)
{
    struct request request;
    const char *text = "GET /a?b HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n";
    CHECK_EQ(parse(text, &request), REQUEST_GOOD);
    CHECK_EQ(request.head_size, strlen("GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n"));
    CHECK(request.method_size == 3 && memcmp(request.method, "GET", 3) == 0);
    CHECK(request.path_size == 4 && memcmp(request.path, "/a?b", 4) == 0);
    CHECK(request.keep && !request.old);
    CHECK_EQ(request.body_size, 0);
}

TEST(hello_request, every_part_of_a_head_wants_more)
{
    struct request request;
    const char *text = "\r\nPOST / HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\n";
    size_t size = strlen(text);
    for (size_t part = 0; part < size; part++)
        CHECK_EQ(request_read(text, part, &request), REQUEST_MORE);
    CHECK_EQ(request_read(text, size, &request), REQUEST_GOOD);
    CHECK_EQ(request.head_size, size);
    CHECK_EQ(request.body_size, 3);
    CHECK(!request.keep);
}

TEST(hello_request, whether_the_connection_stays_is_as_the_version_says_or_the_client_asks)
{
    struct request request;
    CHECK_EQ(parse("GET / HTTP/1.0\r\n\r\n", &request), REQUEST_GOOD);
    CHECK(!request.keep && request.old);
    CHECK_EQ(parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", &request), REQUEST_GOOD);
    CHECK(request.keep && request.old);
    CHECK_EQ(parse("GET / HTTP/1.1\nconnection: upgrade ,\tCLOSE\n\n", &request), REQUEST_GOOD);
    CHECK(!request.keep);
    CHECK_EQ(parse("PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", &request), REQUEST_GOOD);
    CHECK(!request.keep);
}

TEST(hello_request, broken_heads_are_refused)
{
    expect_refused("GET\r\n\r\n", 400);
    expect_refused("GET /\r\n\r\n", 400);
    expect_refused("GET  HTTP/1.1\r\n\r\n", 400);
    expect_refused("G(T / HTTP/1.1\r\n\r\n", 400);
    expect_refused("GET / HTTX/1.1\r\n\r\n", 400);
    expect_refused("GET / HTTP/1.10\r\n\r\n", 400);
    expect_refused("GET / HTTP/2.0\r\n\r\n", 505);
    expect_refused("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400);
    expect_refused("GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400);
    expect_refused("GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n", 400);
    expect_refused("GET / HTTP/1.1\r\nHost: x\ry\r\n\r\n", 400);
}

TEST(hello_request, what_two_readers_could_understand_differently_is_refused)
{
    expect_refused("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400);
    expect_refused("POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 400);
    expect_refused("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400);
    expect_refused("POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", 400);
    expect_refused("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 501);
}

TEST(hello_request, a_head_without_end_is_refused_at_its_limit)
{
    static char text[REQUEST_HEAD_MAX + 100];
    struct request request;
    int size = snprintf(text, sizeof text, "GET /%0*d HTTP/1.1\r\n\r\n", REQUEST_HEAD_MAX, 0);
    CHECK(size > REQUEST_HEAD_MAX);
    CHECK_EQ(request_read(text, REQUEST_HEAD_MAX - 1, &request), REQUEST_MORE);
    CHECK_EQ(request_read(text, REQUEST_HEAD_MAX, &request), REQUEST_BAD);
    CHECK_EQ(request.error, 431);
    CHECK_EQ(request_read(text, (size_t)size, &request), REQUEST_BAD);
    CHECK_EQ(request.error, 431);
}
