/* info.c: see info.h. Names of fields are Redis' own where the thing is the same; # Shards is ours. */
#include "info.h"

#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "settings.h"

static const struct {
    const char *name;
    uint32_t section;
} names[] = {
    { "server", INFO_SERVER },  { "clients", INFO_CLIENTS },
    { "memory", INFO_MEMORY },  { "persistence", INFO_PERSISTENCE },
    { "stats", INFO_STATS },    { "replication", INFO_REPLICATION },
    { "shards", INFO_SHARDS },  { "keyspace", INFO_KEYSPACE },
    { "all", INFO_ALL },        { "default", INFO_ALL },
    { "everything", INFO_ALL },
};

uint32_t info_section(struct slice name)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slice_is(name, names[i].name))
            return names[i].section;
    return 0;
}

struct totals {
    struct operation_stats all;
    struct operation_stats shard[SHARDS_MAX];
    uint32_t count;
};

static void add_up(struct totals *totals, const char *stats, size_t size)
{
    for (; size >= sizeof totals->all && totals->count < SHARDS_MAX; size -= sizeof totals->all) {
        struct operation_stats *one = &totals->shard[totals->count++];
        memcpy(one, stats, sizeof *one);
        stats += sizeof *one;
        totals->all.keys += one->keys;
        totals->all.expires += one->expires;
        totals->all.used_bytes += one->used_bytes;
        totals->all.commands += one->commands;
        totals->all.hits += one->hits;
        totals->all.misses += one->misses;
        totals->all.expired += one->expired;
        totals->all.evicted += one->evicted;
    }
}

static long resident_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss * 1024 : 0;
}

static void print_server(struct bytes *text)
{
    bytes_print(text,
                "# Server\r\nredis_version:%s\r\nredis_mode:standalone\r\nserver_name:troupe-cache\r\n"
                "arch_bits:%d\r\nprocess_id:%ld\r\ntcp_port:%d\r\nuptime_in_seconds:%" PRId64 "\r\nshards:%u\r\n\r\n",
                CACHE_VERSION, (int)sizeof(void *) * 8, (long)getpid(), settings_get(listening_port),
                (int64_t)time(NULL) - cache.started_s, cache.shards);
}

static void print_clients(struct bytes *text)
{
    bytes_print(text, "# Clients\r\nconnected_clients:%" PRIu64 "\r\nmaxclients:%d\r\nblocked_clients:0\r\n\r\n",
                settings_get(connected), cache.maxclients);
}

static void print_memory(struct bytes *text, const struct totals *totals)
{
    bytes_print(text,
                "# Memory\r\nused_memory:%" PRIu64
                "\r\nused_memory_peak_rss:%ld\r\nmaxmemory:%zu\r\nmaxmemory_policy:%s\r\n\r\n",
                totals->all.used_bytes, resident_bytes(), settings_get(maxmemory),
                settings_get(evict) ? "allkeys-lru" : "noeviction");
}

static void print_stats(struct bytes *text, const struct totals *totals)
{
    const struct operation_stats *all = &totals->all;
    bytes_print(text,
                "# Stats\r\ntotal_connections_received:%" PRIu64 "\r\ntotal_commands_processed:%" PRIu64 "\r\n"
                "rejected_connections:%" PRIu64 "\r\nexpired_keys:%" PRIu64 "\r\nevicted_keys:%" PRIu64
                "\r\nkeyspace_hits:%" PRIu64 "\r\n"
                "keyspace_misses:%" PRIu64 "\r\n\r\n",
                settings_get(accepted), all->commands + settings_get(local_commands), settings_get(rejected),
                all->expired, all->evicted, all->hits, all->misses);
}

static void print_shards(struct bytes *text, const struct totals *totals)
{
    bytes_print(text, "# Shards\r\n");
    for (uint32_t i = 0; i < totals->count; i++)
        bytes_print(text, "shard%u:keys=%" PRIu64 ",used=%" PRIu64 ",commands=%" PRIu64 ",started_ms=%" PRId64 "\r\n",
                    i, totals->shard[i].keys, totals->shard[i].used_bytes, totals->shard[i].commands,
                    totals->shard[i].started_ms);
    bytes_print(text, "\r\n");
}

static void print_keyspace(struct bytes *text, const struct totals *totals)
{
    bytes_print(text, "# Keyspace\r\n");
    if (totals->all.keys > 0)
        bytes_print(text, "db0:keys=%" PRIu64 ",expires=%" PRIu64 ",avg_ttl=0\r\n", totals->all.keys,
                    totals->all.expires);
    bytes_print(text, "\r\n");
}

void info_reply(uint32_t sections, const char *stats, size_t size, struct bytes *out)
{
    struct totals totals = { .count = 0 };
    struct bytes text = { 0 };
    add_up(&totals, stats, size);
    if (sections & INFO_SERVER)
        print_server(&text);
    if (sections & INFO_CLIENTS)
        print_clients(&text);
    if (sections & INFO_MEMORY)
        print_memory(&text, &totals);
    if (sections & INFO_PERSISTENCE)
        bytes_print(&text, "# Persistence\r\nloading:0\r\nrdb_changes_since_last_save:0\r\naof_enabled:0\r\n\r\n");
    if (sections & INFO_STATS)
        print_stats(&text, &totals);
    if (sections & INFO_REPLICATION)
        bytes_print(&text, "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n\r\n");
    if (sections & INFO_SHARDS)
        print_shards(&text, &totals);
    if (sections & INFO_KEYSPACE)
        print_keyspace(&text, &totals);
    if (text.size >= 2)
        text.size -= 2; /* no blank line after the last section */
    reply_bulk(out, text.data, text.size);
    out->failed |= text.failed;
    bytes_release(&text);
}
