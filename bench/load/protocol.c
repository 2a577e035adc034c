/* protocol.c: see protocol.h. Answers are checked as far as the request says what they must be. */
#include "protocol.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ECHO_BYTES = 64, VALUE_BYTES = 16, KEYS = 10000 };

/* ---- echo: 64 bytes that begin with the turn */

static size_t echo_request(char *buffer, size_t capacity, uint64_t turn)
{
    int size = snprintf(buffer, capacity, "%-63" PRIu64 "\n", turn);
    return (size_t)size;
}

static long echo_answer(const char *data, size_t size, uint64_t turn)
{
    char wanted[ECHO_BYTES + 1];
    echo_request(wanted, sizeof wanted, turn);
    if (memcmp(data, wanted, size < ECHO_BYTES ? size : ECHO_BYTES) != 0)
        return -1;
    return size < ECHO_BYTES ? 0 : ECHO_BYTES;
}

/* ---- http: GET /, 200, a Content-Length */

static size_t http_request(char *buffer, size_t capacity, uint64_t turn)
{
    (void)turn;
    return (size_t)snprintf(buffer, capacity, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
}

static long http_answer(const char *data, size_t size, uint64_t turn)
{
    static const char good[] = "HTTP/1.1 200 ", length[] = "\r\ncontent-length:", end[] = "\r\n\r\n";
    (void)turn;
    if (memcmp(data, good, size < sizeof good - 1 ? size : sizeof good - 1) != 0)
        return -1;
    const char *head_end = memmem(data, size, end, sizeof end - 1);
    if (head_end == NULL)
        return 0;
    for (const char *at = data; at < head_end; at++) {
        if (*at == '\r' && strncasecmp(at, length, sizeof length - 1) == 0) {
            unsigned long body = strtoul(at + sizeof length - 1, NULL, 10);
            size_t whole = (size_t)(head_end - data) + sizeof end - 1 + body;
            return size < whole ? 0 : (long)whole;
        }
    }
    return -1;
}

/* ---- redis: SET of a value, then GET of the same key */

static uint64_t key_of(uint64_t turn) { return (turn / 2) % KEYS; }

static size_t redis_request(char *buffer, size_t capacity, uint64_t turn)
{
    char key[24];
    int key_size = snprintf(key, sizeof key, "key:%" PRIu64, key_of(turn)), size;
    if (turn % 2 == 0)
        size = snprintf(buffer, capacity, "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%016" PRIu64 "\r\n", key_size, key,
                        VALUE_BYTES, key_of(turn));
    else
        size = snprintf(buffer, capacity, "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n", key_size, key);
    return (size_t)size;
}

static long redis_answer(const char *data, size_t size, uint64_t turn)
{
    char wanted[VALUE_BYTES + 16];
    int length = turn % 2 == 0
                     ? snprintf(wanted, sizeof wanted, "+OK\r\n")
                     : snprintf(wanted, sizeof wanted, "$%d\r\n%016" PRIu64 "\r\n", VALUE_BYTES, key_of(turn));
    if (memcmp(data, wanted, size < (size_t)length ? size : (size_t)length) != 0)
        return -1;
    return size < (size_t)length ? 0 : length;
}

static const struct protocol protocols[] = {
    { "echo", echo_request, echo_answer },
    { "http", http_request, http_answer },
    { "redis", redis_request, redis_answer },
};

const struct protocol *protocol_find(const char *name)
{
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
        if (strcmp(protocols[i].name, name) == 0)
            return &protocols[i];
    return NULL;
}
