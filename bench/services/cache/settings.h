/* settings.h: what the command line says, and the few numbers that all parts of the program share.
 *
 * Written by main before the runtime starts, constant afterwards, except for the atomics: each of those is a number of
 * its own that no other data hangs on, so all are accessed relaxed. */
#ifndef CACHE_SETTINGS_H
#define CACHE_SETTINGS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plan.h"

#define CACHE_VERSION "7.0.0" /* of Redis, whose commands and texts these are: clients ask for it */

/* What a shard uses, on a cache line of its own: written by the shard after each request. */
struct settings_usage {
    _Alignas(64) _Atomic(size_t) bytes;
};

struct settings {
    int port;
    const char *bind;
    int workers; /* 0: the runtime's choice */
    uint32_t shards;
    int maxclients;
    int64_t started_s; /* since 1970 */
    _Atomic(int) listening_port;
    _Atomic(size_t) maxmemory; /* bytes; 0: no limit */
    _Atomic(bool) evict;       /* allkeys-lru; else noeviction */
    _Atomic(uint64_t) client_ids, connected, accepted, rejected, local_commands;
    struct settings_usage usage[SHARDS_MAX];
};

extern struct settings cache;

#define settings_get(field)     atomic_load_explicit(&cache.field, memory_order_relaxed)
#define settings_set(field, to) atomic_store_explicit(&cache.field, to, memory_order_relaxed)
#define settings_add(field, by) atomic_fetch_add_explicit(&cache.field, by, memory_order_relaxed)

/* The longest argument that is taken: Redis' 512 MB, or the whole memory limit if that is less, but 1 MB at least. */
int64_t settings_bulk_max(void);
/* "64mb", "1g", "1000": bytes as redis.conf writes them. */
bool settings_read_bytes(struct slice text, size_t *bytes);

/* CONFIG and its subcommands. */
void settings_reply(const struct request *request, struct bytes *out);

#endif
