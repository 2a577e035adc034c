/* hash.h: SipHash-1-3 (Aumasson, Bernstein), keyed once at start, so that nobody outside can choose keys that collide.
 *
 * The upper half of a hash chooses the shard, the lower half the place in the shard's table. */
#ifndef CACHE_HASH_H
#define CACHE_HASH_H

#include "bytes.h"

/* Takes a new random key; before any hash is kept. */
void hash_start(void);
uint64_t hash_key(struct slice key);
/* Which of `shards` a hash belongs to. */
static inline uint32_t hash_shard(uint64_t hash, uint32_t shards) { return (uint32_t)(((hash >> 32) * shards) >> 32); }

#endif
