/* main.c: the cache: a server that speaks the Redis protocol, as a tree of Troupe's processes.
 *
 *   root (one_for_one)
 *     shards (one_for_one)      shard:0, shard:1 ...     gen_servers, each a part of the key space
 *     clients                                            gen_server, who is connected
 *     connections (dynamic)     one process a client     temporary
 *     listener                                           accepts
 *
 * An orderly stop runs upward: no new connections, the present ones answer what they have read, then the shards end. */
#include <getopt.h>
#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "clients.h"
#include "hash.h"
#include "listener.h"
#include "settings.h"
#include "shard.h"

enum {
    DRAIN_MS = 10000,
    CRASHES = 1000 /* of shards in a second that are a nuisance; more, and something is wrong with all of it */
};

static const char usage[] =
    "cache: a server that speaks the Redis protocol; keys live in memory only\n"
    "usage: cache [options]\n"
    "  --port N          TCP port (6400); 0: any free one, it is printed\n"
    "  --bind ADDRESS    address to listen on (127.0.0.1); * for all\n"
    "  --workers N       threads (the cores this process may use)\n"
    "  --shards N        parts of the key space, each a process of its own (as many as workers, at most 128)\n"
    "  --maxclients N    connections at a time (10000)\n"
    "  --maxmemory SIZE  bytes of all keys together, as 100mb or 2gb (0: no limit)\n"
    "  --policy NAME     what a full memory does: noeviction (refuse to write) or allkeys-lru (forget)\n"
    "  --help            this\n";

static int number_option(const char *name, const char *text, int least, int most)
{
    int64_t number;
    if (number_parse((struct slice){ text, strlen(text) }, &number) && number >= least && number <= most)
        return (int)number;
    fprintf(stderr, "cache: --%s takes a number from %d to %d, not '%s'\n", name, least, most, text);
    exit(2);
}

static void size_option(const char *text)
{
    size_t bytes;
    if (!settings_read_bytes((struct slice){ text, strlen(text) }, &bytes)) {
        fprintf(stderr, "cache: --maxmemory takes a size as 100mb or 2gb, not '%s'\n", text);
        exit(2);
    }
    settings_set(maxmemory, bytes);
}

static void policy_option(const char *text)
{
    bool evict = strcmp(text, "allkeys-lru") == 0;
    if (!evict && strcmp(text, "noeviction") != 0) {
        fprintf(stderr, "cache: --policy is noeviction or allkeys-lru, not '%s'\n", text);
        exit(2);
    }
    settings_set(evict, evict);
}

static void read_options(int argc, char **argv)
{
    static const struct option options[] = {
        { "port", required_argument, NULL, 'p' },
        { "bind", required_argument, NULL, 'b' },
        { "workers", required_argument, NULL, 'w' },
        { "shards", required_argument, NULL, 's' },
        { "maxclients", required_argument, NULL, 'c' },
        { "maxmemory", required_argument, NULL, 'm' },
        { "policy", required_argument, NULL, 'l' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'p': cache.port = number_option("port", optarg, 0, 65535); break;
        case 'b': cache.bind = optarg; break;
        case 'w': cache.workers = number_option("workers", optarg, 1, 256); break;
        case 's': cache.shards = (uint32_t)number_option("shards", optarg, 1, SHARDS_MAX); break;
        case 'c': cache.maxclients = number_option("maxclients", optarg, 1, 10000000); break;
        case 'm': size_option(optarg); break;
        case 'l': policy_option(optarg); break;
        case 'h': fputs(usage, stdout); exit(0);
        default: fputs(usage, stderr); exit(2);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "cache: what is '%s'?\n%s", argv[optind], usage);
        exit(2);
    }
}

static int cores(void)
{
    cpu_set_t mine;
    int count = sched_getaffinity(0, sizeof mine, &mine) == 0 ? CPU_COUNT(&mine) : 0;
    return count > 0 ? count : 1;
}

static void choose_shards(void)
{
    if (cache.shards == 0)
        cache.shards = (uint32_t)(cache.workers > 0 ? cache.workers : cores());
    if (cache.shards > SHARDS_MAX)
        cache.shards = SHARDS_MAX;
}

/* As many descriptors as clients may come, if the system allows; else fewer clients. */
static void allow_clients(void)
{
    const rlim_t others = 32; /* the runtime's own, the listener, standard streams */
    rlim_t wanted = (rlim_t)cache.maxclients + others;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= wanted)
        return;
    getrlimit(RLIMIT_NOFILE, &limit);
    cache.maxclients = limit.rlim_cur > others ? (int)(limit.rlim_cur - others) : 1;
    fprintf(stderr, "cache: at most %d clients: the system allows no more open files (ulimit -n)\n", cache.maxclients);
}

/* Values of some 100 KB come and go with each request: without this each would be mapped, faulted in and unmapped. */
static void keep_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024);
    mallopt(M_TRIM_THRESHOLD, 32 * 1024 * 1024);
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    choose_shards();
    allow_clients();
    keep_memory();
    cache.started_s = time(NULL);
    hash_start();
    command_start();

    const tr_supervisor shards = {
        .children = shard_start(cache.shards), .child_count = cache.shards, .intensity = CRASHES, .period_s = 1
    };
    const tr_supervisor connections = { .strategy = TR_DYNAMIC, .max_children = cache.maxclients };
    const tr_child children[] = {
        { .name = "shards", .supervisor = &shards },
        { .name = "clients", .server = &clients_server },
        { .name = "connections", .supervisor = &connections },
        { .id = "listener", .start = listener_start, .shutdown_ms = DRAIN_MS },
    };
    const tr_supervisor root = { .children = children, .child_count = TR_COUNT(children), .intensity = 5 };
    const tr_config config = { .workers = cache.workers };
    return tr_run_with(&config, &root);
}
