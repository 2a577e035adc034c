/* cache_resp_test.c: the cache's request parser, alone: whole, in pieces, and broken; and the numbers and replies. */
#include "../../bench/services/cache/resp.h"
#include "harness.h"

enum { BULK_MAX = 1024 * 1024 };

/* Parses what is in text, expected to be one whole request; returns it as "a|b|c" in out. */
static enum resp_result parse(const char *text, size_t size, char *out, struct resp *resp, size_t *used)
{
    static char buffer[1024 * 1024];
    memcpy(buffer, text, size);
    resp_start(resp, BULK_MAX);
    enum resp_result result = resp_next(resp, buffer, size, used);
    size_t at = 0;
    for (size_t i = 0; result == RESP_REQUEST && i < resp->count; i++) {
        if (i > 0)
            out[at++] = '|';
        memcpy(out + at, buffer + resp->arguments[i].at, resp->arguments[i].size);
        at += resp->arguments[i].size;
    }
    out[at] = '\0';
    return result;
}

static void expect(const char *text, const char *wanted)
{
    struct resp resp;
    char out[4096];
    size_t used = 0;
    CHECK_EQ(parse(text, strlen(text), out, &resp, &used), RESP_REQUEST);
    CHECK_STR(out, wanted);
    CHECK_EQ(used, strlen(text));
    resp_stop(&resp);
}

static void expect_error(const char *text, const char *wanted)
{
    struct resp resp;
    char out[4096];
    size_t used = 0;
    CHECK_EQ(parse(text, strlen(text), out, &resp, &used), RESP_ERROR);
    CHECK_STR(resp.error, wanted);
    resp_stop(&resp);
}

TEST(cache_resp, reads_arrays_of_bulk_strings)
{
    expect("*1\r\n$4\r\nPING\r\n", "PING");
    expect("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n", "SET|k|");
    expect("*2\r\n$4\r\nECHO\r\n$4\r\na\r\nb\r\n", "ECHO|a\r\nb");
    expect("*0\r\n", "");
    expect("*-1\r\n", "");
}

TEST(cache_resp, reads_inline_requests)
{
    expect("PING\r\n", "PING");
    expect("PING\n", "PING");
    expect("  SET \t k   v  \r\n", "SET|k|v");
    expect("\r\n", "");
    expect("SET k \"a b\\n\\x41\\\"\"\r\n", "SET|k|a b\nA\"");
    expect("SET k 'a \\'b\\n'\r\n", "SET|k|a 'b\\n");
    expect("SET k \"\" ''\r\n", "SET|k||");
    expect("SET k x\"y\"\r\n", "SET|k|xy");
}

TEST(cache_resp, errors_are_those_of_redis)
{
    expect_error("*x\r\n", "ERR Protocol error: invalid multibulk length");
    expect_error("*1048577\r\n", "ERR Protocol error: invalid multibulk length");
    expect_error("*1\r\n!4\r\nPING\r\n", "ERR Protocol error: expected '$', got '!'");
    expect_error("*1\r\n\r\n", "ERR Protocol error: expected '$', got '\r'");
    expect_error("*1\r\n$x\r\n", "ERR Protocol error: invalid bulk length");
    expect_error("*1\r\n$-1\r\n", "ERR Protocol error: invalid bulk length");
    expect_error("*1\r\n$1048577\r\n", "ERR Protocol error: invalid bulk length");
    expect_error("SET k \"v\r\n", "ERR Protocol error: unbalanced quotes in request");
    expect_error("SET k \"v\"x\r\n", "ERR Protocol error: unbalanced quotes in request");
    expect_error("SET k 'v\r\n", "ERR Protocol error: unbalanced quotes in request");
}

static void expect_long_line_error(char first, size_t before, const char *wanted)
{
    static char text[RESP_LINE_MAX * 2];
    struct resp resp;
    char out[64];
    size_t used;
    memset(text, '1', sizeof text);
    text[0] = first;
    if (before > 0)
        memcpy(text, "*1\r\n$", before);
    CHECK_EQ(parse(text, sizeof text, out, &resp, &used), RESP_ERROR);
    CHECK_STR(resp.error, wanted);
    resp_stop(&resp);
}

TEST(cache_resp, lines_without_end_are_refused)
{
    expect_long_line_error('1', 0, "ERR Protocol error: too big inline request");
    expect_long_line_error('*', 0, "ERR Protocol error: too big mbulk count string");
    expect_long_line_error('*', 5, "ERR Protocol error: too big bulk count string");
}

/* The same stream, cut at every place, into a buffer that moves each time. */
TEST(cache_resp, any_cut_gives_the_same_requests)
{
    static const char stream[] = "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nva\r\nl\r\n"
                                 "PING \"x y\"\r\n"
                                 "*12\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n"
                                 "$1\r\ng\r\n$1\r\nh\r\n$1\r\ni\r\n$1\r\nj\r\n$2\r\nkk\r\n$0\r\n\r\n";
    size_t size = sizeof stream - 1;
    for (size_t cut = 1; cut < size; cut++) {
        struct resp resp;
        char seen[256] = "";
        size_t begin = 0;
        resp_start(&resp, BULK_MAX);
        for (size_t end = cut; end <= size;) {
            char *piece = malloc(end - begin + 1);
            size_t used = 0;
            memcpy(piece, stream + begin, end - begin);
            enum resp_result result = resp_next(&resp, piece, end - begin, &used);
            CHECK(result == RESP_REQUEST || result == RESP_MORE);
            for (size_t i = 0; result == RESP_REQUEST && i < resp.count; i++) {
                strncat(seen, piece + resp.arguments[i].at, resp.arguments[i].size);
                strcat(seen, "|");
            }
            free(piece);
            if (result == RESP_MORE) {
                end = end == size ? size + 1 : end + cut > size ? size : end + cut;
                continue;
            }
            begin += used;
            resp_done(&resp);
        }
        resp_stop(&resp);
        CHECK_STR(seen, "SET|key|va\r\nl|PING|x y|a|b|c|d|e|f|g|h|i|j|kk||");
    }
}

/* xorshift; the seed is printed when a check fails, since it is in the text of that check. */
static uint64_t draw(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

TEST(cache_resp, garbage_ends_in_an_error_or_a_wait)
{
    static const char letters[] = "*$-0123456789\r\n \"'\\xPINGSET";
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15);
        size_t size = 1 + draw(&state) % 60, at = 0;
        char *text = malloc(size);
        struct resp resp;
        for (size_t i = 0; i < size; i++)
            text[i] = letters[draw(&state) % (sizeof letters - 1)];
        resp_start(&resp, BULK_MAX);
        for (;;) {
            size_t used = 0;
            if (resp_next(&resp, text + at, size - at, &used) != RESP_REQUEST)
                break;
            for (size_t i = 0; i < resp.count; i++)
                CHECK(at + resp.arguments[i].at + resp.arguments[i].size <= size);
            CHECK(used > 0 && used <= size - at);
            at += used;
            resp_done(&resp);
        }
        resp_stop(&resp);
        free(text);
    }
}

static bool parse_number(const char *text, int64_t *number)
{
    return number_parse((struct slice){ text, strlen(text) }, number);
}

TEST(cache_bytes, numbers_are_read_as_redis_reads_them)
{
    int64_t number;
    CHECK(parse_number("0", &number) && number == 0);
    CHECK(parse_number("-1", &number) && number == -1);
    CHECK(parse_number("9223372036854775807", &number) && number == INT64_MAX);
    CHECK(parse_number("-9223372036854775808", &number) && number == INT64_MIN);
    static const char *const bad[] = { "",
                                       "-",
                                       "+1",
                                       "01",
                                       "-0",
                                       " 1",
                                       "1 ",
                                       "1x",
                                       "9223372036854775808",
                                       "-9223372036854775809",
                                       "99999999999999999999" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(!parse_number(bad[i], &number));
}

TEST(cache_bytes, numbers_are_written_as_they_are_read)
{
    static const int64_t numbers[] = { 0, 1, -1, 42, INT64_MAX, INT64_MIN, 1000000, -999 };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char text[NUMBER_MAX];
        int64_t number;
        size_t size = number_write(text, numbers[i]);
        CHECK(number_parse((struct slice){ text, size }, &number));
        CHECK_EQ(number, numbers[i]);
    }
}

TEST(cache_bytes, a_reply_never_breaks_a_line_early)
{
    struct bytes out = { 0 };
    reply_error(&out, "ERR %s", "a\r\nb");
    reply_bulk(&out, "x\r\ny", 4);
    bytes_add(&out, "", 1);
    CHECK_STR(out.data, "-ERR a  b\r\n$4\r\nx\r\ny\r\n");
    bytes_release(&out);
}
