/* main.c: hello: an HTTP service that says "Hello, World!".
 *
 * A connection's process reads what is there, answers all whole requests in it with one write, and keeps the rest. So
 * pipelined requests are answered in order; a client that sends a head slowly holds its process and nobody else's. */
#include "../tcp/service.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "request.h"

enum {
    IN_BYTES = 2 * REQUEST_HEAD_MAX,
    OUT_BYTES = 8192,
    ANSWER_MAX = 512, /* bytes of one answer */
    IDLE_MS = 60000,  /* a client that sends nothing, or takes nothing, for so long is let go */
    LINGER_MS = 1000  /* for what it still sends after a mistake: closing at once would take the answer from it */
};

_Static_assert(OUT_BYTES > ANSWER_MAX, "an answer fits");

static const char greeting[] = "Hello, World!";

struct connection {
    tr_socket socket;
    uint64_t skip; /* bytes of a body that nobody reads */
    size_t in_size, out_size;
    time_t date_of; /* the second that `date` shows */
    char date[40];
    char in[IN_BYTES], out[OUT_BYTES];
};

static const char *phrase(int code)
{
    switch (code) {
    case 200: return "OK";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 505: return "HTTP Version Not Supported";
    default: return "Bad Request";
    }
}

static bool is(const char *text, size_t size, const char *word)
{
    return size == strlen(word) && memcmp(text, word, size) == 0;
}

static int code_for(const struct request *request)
{
    if (!is(request->method, request->method_size, "GET") && !is(request->method, request->method_size, "HEAD"))
        return 405;
    return is(request->path, request->path_size, "/") ? 200 : 404;
}

static const char *date(struct connection *connection)
{
    time_t now = time(NULL);
    if (now != connection->date_of) {
        struct tm utc;
        gmtime_r(&now, &utc);
        strftime(connection->date, sizeof connection->date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
        connection->date_of = now;
    }
    return connection->date;
}

/* Adds an answer to `out`; HEAD gets no body. */
static void answer(struct connection *connection, const struct request *request, int code)
{
    const char *body = code == 200 ? greeting : phrase(code);
    bool head_only = request->error == 0 && is(request->method, request->method_size, "HEAD");
    const char *stays = !request->keep ? "Connection: close\r\n" : request->old ? "Connection: keep-alive\r\n" : "";
    int size = snprintf(connection->out + connection->out_size, ANSWER_MAX,
                        "HTTP/1.1 %d %s\r\nServer: troupe\r\nDate: %s\r\nContent-Type: text/plain\r\n%s%s"
                        "Content-Length: %zu\r\n\r\n%s",
                        code, phrase(code), date(connection), code == 405 ? "Allow: GET, HEAD\r\n" : "", stays,
                        strlen(body), head_only ? "" : body);
    connection->out_size += (size_t)size;
}

static bool send_out(struct connection *connection)
{
    size_t size = connection->out_size;
    connection->out_size = 0;
    return size == 0 || tr_write(connection->socket, connection->out, size, IDLE_MS) == TR_OK;
}

/* Answers the whole requests in `in` and keeps the rest; false: no more will be read. */
static bool answer_requests(struct connection *connection)
{
    size_t used = 0;
    bool keep = true;
    while (keep && used < connection->in_size) {
        struct request request;
        size_t left = connection->in_size - used;
        if (connection->skip > 0) {
            size_t part = connection->skip < left ? (size_t)connection->skip : left;
            connection->skip -= part;
            used += part;
            continue;
        }
        enum request_status status = request_read(connection->in + used, left, &request);
        if (status == REQUEST_MORE)
            break;
        answer(connection, &request, status == REQUEST_BAD ? request.error : code_for(&request));
        used += request.head_size;
        connection->skip = request.body_size;
        keep = request.keep;
        if (OUT_BYTES - connection->out_size < ANSWER_MAX && !send_out(connection))
            return false;
    }
    connection->in_size -= used;
    memmove(connection->in, connection->in + used, connection->in_size);
    return send_out(connection) && keep;
}

/* The last answer was sent: waits until the client has closed its side, but not for long. */
static void linger(struct connection *connection)
{
    int64_t until_ms = tr_now_ns() / 1000000 + LINGER_MS, left_ms = LINGER_MS;
    size_t size;
    if (tr_shutdown_write(connection->socket) != TR_OK)
        return;
    while (left_ms > 0 && tr_read(connection->socket, connection->in, IN_BYTES, left_ms, &size) == TR_OK)
        left_ms = until_ms - tr_now_ns() / 1000000;
}

static void serve(const tr_msg *arg)
{
    struct connection connection;
    size_t size;
    connection.socket = service_socket(arg);
    connection.in_size = connection.out_size = 0;
    connection.skip = 0;
    connection.date_of = -1;
    while (tr_read(connection.socket, connection.in + connection.in_size, IN_BYTES - connection.in_size, IDLE_MS,
                   &size) == TR_OK) {
        connection.in_size += size;
        if (!answer_requests(&connection)) {
            linger(&connection);
            return;
        }
    }
}

static const struct service hello = { .name = "hello",
                                      .what = "says hello over HTTP",
                                      .next = "curl -i http://127.0.0.1:%d/",
                                      .port = 8080,
                                      .connection = serve };

int main(int argc, char **argv) { return service_main(&hello, argc, argv); }
