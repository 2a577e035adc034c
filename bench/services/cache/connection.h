/* connection.h: a connection: the process that reads a client's requests, has the shards execute them and writes the
 * replies, in order.
 *
 * A straight-line process, temporary under the supervisor "connections":
 *
 *   read -> plan all whole requests -> one request to each shard -> put the replies in order -> write -> read
 *
 * While it waits for its client it holds a stack page or two and the bytes of a half-sent request, if there is one, and
 * nothing else. Its end, at any point, releases all of it.
 *
 * Exit signals (its supervisor's, at an orderly stop) are trapped while requests are under way and end it at once
 * while it reads: what was read is answered, then it ends. */
#ifndef CACHE_CONNECTION_H
#define CACHE_CONNECTION_H

#include <troupe/troupe.h>

#include "clients.h"
#include "plan.h"

/* The start argument. */
struct connection_start {
    tr_socket socket;
    uint64_t id;
};

struct connection {
    tr_socket socket;
    struct client client;
    bool closing; /* once `out` is written */
    bool lent;    /* a shard may be reading in `in` or `packed`: who is killed now leaves them behind */
    struct resp resp;
    struct bytes in;     /* what was read of a request that is not whole; capacity 0: nothing */
    struct bytes out;    /* replies to be written */
    struct bytes packed; /* the requests to shards */
    struct plan plan;
};

tr_entry connection_entry;

#endif
