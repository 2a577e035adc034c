/* operation.h: what connections ask of shards, and how a request and its answer lie in a message.
 *
 *   request:  struct operation_head, then `operations` times: struct operation, key, value, padding to 8
 *   answer:   the replies in RESP2, one after the other; the size of each, as uint32_t, not aligned
 *
 * What is large is not copied into messages. A value of BORROW_SIZE bytes or more stays in the connection's buffer, and
 * an operation names its place; a request of ELSEWHERE_SIZE bytes or more stays where it was packed, and the message
 * names that: the connection waits for the answer, or for the shard's end, before it touches either again. An answer of
 * ELSEWHERE_SIZE bytes or more is a block of malloc's that the message hands over.
 *
 * One message carries all that a batch of pipelined commands wants of one shard, so that a batch costs one call for
 * each shard it touches; and what one message asks for happens with nothing in between: MSET, MGET and the like are
 * atomic in each shard. */
#ifndef CACHE_OPERATION_H
#define CACHE_OPERATION_H

#include <stddef.h>
#include <stdint.h>

enum { BORROW_SIZE = 8 * 1024, ELSEWHERE_SIZE = 16 * 1024 };

enum operation_code {
    OP_GET,
    OP_SET,  /* number: the deadline, with OP_DEADLINE */
    OP_MSET, /* OP_FIRST: the first of its command in this shard, which decides for the others */
    OP_GETDEL,
    OP_GETEX,
    OP_GETRANGE, /* number: the start; value: the end as text */
    OP_DEL,
    OP_EXISTS,
    OP_INCRBY, /* number: by how much */
    OP_APPEND,
    OP_STRLEN,
    OP_EXPIRE, /* number: the deadline */
    OP_TTL,
    OP_PERSIST,
    OP_TYPE,
    /* of the whole shard, without a key */
    OP_KEYS,  /* key: the pattern; answer: '*', uint32_t count, then bulk strings */
    OP_SCAN,  /* key: the pattern; hash: COUNT; number: the cursor */
    OP_SIZE,  /* number of keys */
    OP_CLEAR, /* FLUSHALL */
    OP_STATS, /* answer: '*', struct operation_stats */
    OP_CODES
};

enum operation_flag {
    OP_IF_NEW = 1,      /* NX */
    OP_IF_THERE = 2,    /* XX */
    OP_RETURN_OLD = 4,  /* SET ... GET */
    OP_KEEP_TTL = 8,    /* SET ... KEEPTTL */
    OP_DEADLINE = 16,   /* number is a deadline, ms of tr_now_ns */
    OP_COUNTED = 32,    /* SETNX answers 1 or 0 */
    OP_LATER = 4,       /* EXPIRE ... GT */
    OP_EARLIER = 8,     /* EXPIRE ... LT */
    OP_SECONDS = 1,     /* TTL in seconds */
    OP_DROP_TTL = 1,    /* GETEX ... PERSIST */
    OP_FIRST = 1,       /* of an MSET */
    OP_NO_PATTERN = 1,  /* SCAN without MATCH */
    OP_NO_SUCH_TYPE = 2 /* SCAN ... TYPE with another type than string: walks, finds nothing */
};

struct operation_head {
    uint32_t operations;
    uint32_t commands; /* for the statistics */
};

struct operation {
    uint8_t code, flags;
    uint16_t borrowed; /* 1: in place of the value stands a pointer to it */
    uint32_t hash;     /* the lower half */
    uint32_t key_size, value_size;
    int64_t number;
};

static inline size_t operation_size(const struct operation *operation)
{
    size_t value = operation->borrowed ? sizeof(char *) : operation->value_size;
    return (sizeof *operation + operation->key_size + value + 7) & ~(size_t)7;
}

/* In place of a body that is elsewhere: a request is never so short, and a reply never begins with a 0. */
struct elsewhere {
    uint64_t zero;
    char *data;
    size_t size;
};

/* What a shard tells of itself. */
struct operation_stats {
    uint64_t keys, expires, used_bytes, commands, hits, misses, expired, evicted;
    int64_t started_ms;
};

#endif
