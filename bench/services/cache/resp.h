/* resp.h: the requests of RESP2 and inline commands, taken from a buffer that may grow and move between two calls.
 *
 * Arguments are places in the buffer, not copies. What has been read is not read again: a parser that said RESP_MORE
 * goes on where it stopped. `data` is always where the current request begins; it may be at another address each time.
 *
 * States: between requests (at == 0, awaited == 0) -> in a request (awaited > 0: arguments to come) -> between. An
 * error is final. Limits and the texts of errors are Redis' own, except for the number of arguments
 * (RESP_ARGUMENTS_MAX). Between two calls only `at`, `awaited`, `bulk`, `arguments` and `count` matter; they are all
 * that a half-sent request costs besides its bytes. */
#ifndef CACHE_RESP_H
#define CACHE_RESP_H

#include "bytes.h"

enum {
    RESP_LINE_MAX = 64 * 1024,        /* an inline request, or the line before an argument */
    RESP_ARGUMENTS_MAX = 1024 * 1024, /* of one request */
    RESP_INLINE_ARGUMENTS = 8         /* that are kept without an allocation */
};

struct resp_argument {
    size_t at, size;
};

struct resp {
    size_t at;       /* offset in the request of what is read next */
    int64_t awaited; /* arguments that are still to come */
    int64_t bulk;    /* size of the argument that comes next; -1: its header comes next */
    int64_t bulk_max;
    struct resp_argument *arguments; /* room for `capacity`; first, or on the heap */
    size_t count, capacity;
    char error[64]; /* after RESP_ERROR: the reply's text */
    struct resp_argument first[RESP_INLINE_ARGUMENTS];
};

enum resp_result {
    RESP_REQUEST, /* the arguments are there; *used bytes belong to the request */
    RESP_MORE,    /* not whole yet */
    RESP_ERROR,   /* `error` says why; the connection is of no more use */
    RESP_NOMEM
};

void resp_start(struct resp *resp, int64_t bulk_max);
/* Frees what it holds. Not to be used again before resp_start. */
void resp_stop(struct resp *resp);
/* Reads on. RESP_REQUEST with count 0 is an empty request: nothing to do, nothing to answer. The bytes of an inline
 * request are changed in place (its quotes are resolved). */
enum resp_result resp_next(struct resp *resp, char *data, size_t size, size_t *used);
/* After RESP_REQUEST, and after its arguments were used: ready for the next. */
void resp_done(struct resp *resp);

/* After RESP_MORE: how many bytes the request has at least. */
size_t resp_wanted(const struct resp *resp);

#endif
