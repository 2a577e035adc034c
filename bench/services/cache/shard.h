/* shard.h: a shard: the gen_server that owns one part of the key space.
 *
 * It is registered as "shard:0" and so on. It never waits for anybody, so that a call to it is as long as its work. A
 * crash takes its keys with it; its supervisor starts an empty one under the same name. */
#ifndef CACHE_SHARD_H
#define CACHE_SHARD_H

#include <troupe/troupe.h>

enum shard_tag {
    SHARD_EXECUTE = 1, /* call; body and answer: operation.h */
    SHARD_TICK,        /* to itself */
    SHARD_CRASH        /* a call that no clause is for */
};

/* Its start argument is its number, uint32_t. */
extern const tr_gen_server shard_server;

/* The name of a shard as an id. After shard_start. */
tr_pid shard_id(uint32_t shard);
/* Once, by main, before the runtime starts: the ids, and the children of the shards' supervisor, which live as long as
 * the program. */
const tr_child *shard_start(uint32_t shards);

#endif
