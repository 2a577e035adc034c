/* request.h: the requests of HTTP/1.0 and 1.1 (RFC 9112), as much of them as a server needs whose answers depend on
 * method and path only: where a request ends, what it asks for, and whether the connection stays. */
#ifndef HELLO_REQUEST_H
#define HELLO_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum request_status {
    REQUEST_MORE, /* the head is not whole yet */
    REQUEST_GOOD,
    REQUEST_BAD /* answer with `error`, then close: nobody knows where the next one would begin */
};

struct request {
    const char *method, *path; /* in the data; not terminated */
    size_t method_size, path_size;
    size_t head_size;   /* bytes up to the body */
    uint64_t body_size; /* bytes of the body, which follows the head */
    bool keep;          /* the connection stays open after the answer */
    bool old;           /* HTTP/1.0: a connection that stays has to be told so */
    int error;          /* of REQUEST_BAD: 400, 431, 501, 505 */
};

enum { REQUEST_HEAD_MAX = 8192 };

/* Reads the head of the request that data begins with; empty lines before it belong to it. */
enum request_status request_read(const char *data, size_t size, struct request *request);

#endif
