/* info.h: the text of INFO. */
#ifndef CACHE_INFO_H
#define CACHE_INFO_H

#include "bytes.h"
#include "operation.h"

enum info_sections {
    INFO_SERVER = 1,
    INFO_CLIENTS = 2,
    INFO_MEMORY = 4,
    INFO_PERSISTENCE = 8,
    INFO_STATS = 16,
    INFO_REPLICATION = 32,
    INFO_SHARDS = 64,
    INFO_KEYSPACE = 128,
    INFO_ALL = 255
};

/* The section of that name; 0: none. */
uint32_t info_section(struct slice name);
/* The reply; stats: struct operation_stats of each shard that is not lost, one after the other. */
void info_reply(uint32_t sections, const char *stats, size_t size, struct bytes *out);

#endif
