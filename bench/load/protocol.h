/* protocol.h: what the load generator says and hears: a request, and when its answer is whole. */
#ifndef LOAD_PROTOCOL_H
#define LOAD_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct protocol {
    const char *name;
    /* Writes request number `turn` of a connection into at most capacity bytes; its size. */
    size_t (*request)(char *buffer, size_t capacity, uint64_t turn);
    /* Bytes of the whole answer to request `turn` that data begins with; 0: more is needed; -1: it is wrong. */
    long (*answer)(const char *data, size_t size, uint64_t turn);
};

/* By name: echo, http, redis (SET and GET in turn); NULL: there is none. */
const struct protocol *protocol_find(const char *name);

#endif
