/* execute.h: what the operations of a request do to a store. Pure: no clock, no message, no global state. */
#ifndef CACHE_EXECUTE_H
#define CACHE_EXECUTE_H

#include "operation.h"
#include "store.h"

/* Where operations are executed; store->now_ms is the time. */
struct execution {
    struct store *store;
    uint32_t shard, shards; /* this one, and how many there are: cursors name the shard */
    size_t limit_bytes;     /* of all shards together; 0: none */
    size_t others_bytes;    /* what the other shards use */
    bool evict;             /* over the limit, forget old keys instead of refusing */
    bool refused;           /* the MSET that is under way was refused */
    uint64_t commands, hits, misses;
    int64_t started_ms;
};

/* Executes a request; `answer` is empty and becomes its answer. false: no memory for the answer, or not a request. */
bool execute_request(struct execution *execution, const void *body, size_t size, struct bytes *answer);

#endif
