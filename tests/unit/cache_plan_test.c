/* cache_plan_test.c: requests planned, executed on several stores and answered in order: no process, no socket. */
#include "../../bench/services/cache/execute.h"
#include "../../bench/services/cache/hash.h"
#include "../../bench/services/cache/plan.h"
#include "harness.h"

#include <ctype.h>

enum { SHARDS = 5 };

/* A cache in one thread. */
struct world {
    struct store stores[SHARDS];
    struct execution executions[SHARDS];
    struct plan plan;
    int64_t now_ms;
    uint32_t lost; /* 1 + the shard that does not answer */
    size_t limit_bytes;
    bool evict;
};

static void world_start(struct world *world)
{
    static bool started;
    if (!started)
        command_start();
    started = true;
    memset(world, 0, sizeof *world);
    world->now_ms = 1000000;
    for (uint32_t i = 0; i < SHARDS; i++) {
        store_start(&world->stores[i]);
        world->executions[i] = (struct execution){ .store = &world->stores[i], .shard = i, .shards = SHARDS };
    }
}

static void world_stop(struct world *world)
{
    for (uint32_t i = 0; i < SHARDS; i++)
        store_stop(&world->stores[i]);
}

static void execute_lane(struct world *world, struct lane *lane, struct bytes *answer)
{
    struct execution *execution = &world->executions[lane->shard];
    execution->store->now_ms = world->now_ms;
    execution->limit_bytes = world->limit_bytes;
    execution->evict = world->evict;
    CHECK(execute_request(execution, lane->body, lane->size, answer));
    if (world->lost == lane->shard + 1)
        return;
    lane->reply = answer->data;
    lane->reply_size = answer->size;
}

/* Executes what is planned; replies are appended to out. */
static void finish(struct world *world, struct bytes *out)
{
    struct plan *plan = &world->plan;
    struct bytes answers[SHARDS] = { { 0 } };
    char *memory = malloc(plan->bytes + 1);
    CHECK(!plan->failed);
    plan_pack(plan, memory);
    for (size_t i = 0; i < plan->lane_count; i++)
        execute_lane(world, &plan->lanes[i], &answers[i]);
    struct slice direct = plan->lane_count > 0 ? plan_direct(plan) : (struct slice){ NULL, 0 };
    size_t begin = out->size;
    plan_answer(plan, out);
    if (direct.size > 0) {
        CHECK_EQ(out->size - begin, direct.size);
        CHECK(memcmp(out->data + begin, direct.data, direct.size) == 0);
    }
    for (size_t i = 0; i < SHARDS; i++)
        bytes_release(&answers[i]);
    free(memory);
    plan_stop(plan);
}

/* The replies to inline requests, one a line, planned together; to be freed. */
static char *ask(struct world *world, const char *lines)
{
    struct bytes in = { 0 }, out = { 0 };
    struct resp resp;
    size_t at = 0;
    bytes_add(&in, lines, strlen(lines));
    bytes_add(&in, "\n", 1);
    resp_start(&resp, 1024 * 1024);
    plan_start(&world->plan, SHARDS, world->now_ms);
    while (at < in.size) {
        size_t used = 0, begin = world->plan.local.size;
        CHECK_EQ(resp_next(&resp, in.data + at, in.size - at, &used), RESP_REQUEST);
        struct request request = { .data = in.data + at, .arguments = resp.arguments, .count = resp.count };
        if (request.count > 0) {
            if (!command_check(&request, &world->plan.local))
                plan_local(&world->plan, begin);
            else
                plan_add(&world->plan, &request);
        }
        resp_done(&resp);
        at += used;
    }
    finish(world, &out);
    resp_stop(&resp);
    bytes_release(&in);
    bytes_add(&out, "", 1);
    return out.data;
}

static void expect(struct world *world, const char *lines, const char *wanted)
{
    char *reply = ask(world, lines);
    CHECK_STR(reply, wanted);
    free(reply);
}

TEST(cache_plan, replies_are_in_the_order_of_the_requests)
{
    enum { MANY = 300 };
    struct world world;
    struct bytes lines = { 0 }, wanted = { 0 };
    world_start(&world);
    for (int i = 0; i < MANY; i++) {
        bytes_print(&lines, "SET key:%d value:%d\nPING %d\nGET key:%d\n", i, i, i, i);
        char text[32];
        reply_ok(&wanted);
        snprintf(text, sizeof text, "%d", i);
        reply_bulk_text(&wanted, text);
        snprintf(text, sizeof text, "value:%d", i);
        reply_bulk_text(&wanted, text);
    }
    bytes_add(&lines, "", 1);
    bytes_add(&wanted, "", 1);
    expect(&world, lines.data, wanted.data);
    bytes_release(&lines);
    bytes_release(&wanted);
    world_stop(&world);
}

TEST(cache_plan, commands_of_several_keys_are_put_together)
{
    struct world world;
    world_start(&world);
    expect(&world, "MSET a 1 b 2 c 3 d 4 e 5 f 6 g 7", "+OK\r\n");
    expect(&world, "MGET a x g b", "*4\r\n$1\r\n1\r\n$-1\r\n$1\r\n7\r\n$1\r\n2\r\n");
    expect(&world, "EXISTS a b x a", ":3\r\n");
    expect(&world, "DBSIZE", ":7\r\n");
    expect(&world, "DEL a b x", ":2\r\n");
    expect(&world, "DBSIZE\nFLUSHALL\nDBSIZE\nSET a 1\nDBSIZE", ":5\r\n+OK\r\n:0\r\n+OK\r\n:1\r\n");
    expect(&world, "KEYS *", "*1\r\n$1\r\na\r\n");
    expect(&world, "MSET a 1 b", "-ERR wrong number of arguments for 'mset' command\r\n");
    world_stop(&world);
}

TEST(cache_plan, a_lost_shard_fails_only_what_needs_it)
{
    struct world world;
    world_start(&world);
    uint32_t shard = hash_shard(hash_key((struct slice){ "a", 1 }), SHARDS);
    char other[2] = "b";
    while (hash_shard(hash_key((struct slice){ other, 1 }), SHARDS) == shard)
        other[0]++;
    struct bytes lines = { 0 };
    bytes_print(&lines, "SET a 1\nPING\nSET %s 2\nGET %s\nMGET %s a\nDBSIZE%c", other, other, other, '\0');
    world.lost = shard + 1;
    expect(&world, lines.data,
           "-ERR shard restarted\r\n+PONG\r\n+OK\r\n$1\r\n2\r\n-ERR shard restarted\r\n-ERR shard restarted\r\n");
    bytes_release(&lines);
    world_stop(&world);
}

TEST(cache_plan, scan_walks_through_all_shards)
{
    enum { MANY = 1000 };
    struct world world;
    struct bytes lines = { 0 };
    static bool seen[MANY];
    world_start(&world);
    for (int i = 0; i < MANY; i++)
        bytes_print(&lines, "SET key:%d v\n", i);
    bytes_add(&lines, "", 1);
    free(ask(&world, lines.data));
    bytes_release(&lines);
    char cursor[32] = "0";
    int calls = 0;
    memset(seen, 0, sizeof seen);
    do {
        char line[64];
        snprintf(line, sizeof line, "SCAN %s COUNT 7 MATCH key:*", cursor);
        char *reply = ask(&world, line), *at = strstr(reply, "\r\n");
        at = strstr(at + 2, "\r\n") + 2;
        size_t size = strcspn(at, "\r");
        memcpy(cursor, at, size);
        cursor[size] = '\0';
        while ((at = strstr(at, "key:")) != NULL)
            seen[strtoul(at += 4, NULL, 10)] = true;
        free(reply);
        CHECK(++calls < 10000);
    } while (strcmp(cursor, "0") != 0);
    for (int i = 0; i < MANY; i++)
        CHECK(seen[i]);
    world_stop(&world);
}

TEST(cache_execute, set_obeys_its_options)
{
    struct world world;
    world_start(&world);
    expect(&world, "SET k v XX\nSET k v NX\nSET k w NX\nGET k", "$-1\r\n+OK\r\n$-1\r\n$1\r\nv\r\n");
    expect(&world, "SET k w GET\nSET k u XX GET\nSET n v XX GET\nSET n v NX GET\nGET n",
           "$1\r\nv\r\n$1\r\nw\r\n$-1\r\n$-1\r\n$1\r\nv\r\n");
    expect(&world, "SET k v EX 10\nTTL k\nSET k w KEEPTTL\nTTL k\nSET k x\nTTL k",
           "+OK\r\n:10\r\n+OK\r\n:10\r\n+OK\r\n:-1\r\n");
    expect(&world, "SET k v PX 1500\nPTTL k\nGETEX k PERSIST\nPTTL k", "+OK\r\n:1500\r\n$1\r\nv\r\n:-1\r\n");
    expect(&world, "SETNX k 1\nSETNX m 1\nGETSET m 2\nGETDEL m\nGET m", ":0\r\n:1\r\n$1\r\n1\r\n$1\r\n2\r\n$-1\r\n");
    expect(&world, "SET k v EX 0", "-ERR invalid expire time in 'set' command\r\n");
    expect(&world, "SET k v EX x", "-ERR value is not an integer or out of range\r\n");
    expect(&world, "SET k v EX 1 PX 1\nSET k v NX XX\nSET k v EX\nSET k v EX 1 KEEPTTL",
           "-ERR syntax error\r\n-ERR syntax error\r\n-ERR syntax error\r\n-ERR syntax error\r\n");
    world_stop(&world);
}

TEST(cache_execute, keys_expire)
{
    struct world world;
    world_start(&world);
    expect(&world, "SET k v PX 100\nSET m v\nEXPIRE m 1\nEXPIRE none 1", "+OK\r\n+OK\r\n:1\r\n:0\r\n");
    world.now_ms += 99;
    expect(&world, "GET k\nPTTL k", "$1\r\nv\r\n:1\r\n");
    world.now_ms += 1;
    expect(&world, "GET k\nPTTL k\nEXISTS k m\nTTL m\nPERSIST m\nTTL m", "$-1\r\n:-2\r\n:1\r\n:1\r\n:1\r\n:-1\r\n");
    expect(&world, "EXPIRE m -1\nGET m", ":1\r\n$-1\r\n");
    expect(&world, "SET m v\nEXPIRE m 10 XX\nEXPIRE m 10 NX\nEXPIRE m 5 GT\nEXPIRE m 5 LT\nTTL m",
           "+OK\r\n:0\r\n:1\r\n:0\r\n:1\r\n:5\r\n");
    world_stop(&world);
}

TEST(cache_execute, numbers_are_counted_in_place)
{
    struct world world;
    world_start(&world);
    expect(&world, "INCR n\nINCRBY n 41\nDECR n\nDECRBY n 1\nGET n", ":1\r\n:42\r\n:41\r\n:40\r\n$2\r\n40\r\n");
    expect(&world, "SET s x\nINCR s\nINCRBY n y",
           "+OK\r\n-ERR value is not an integer or out of range\r\n"
           "-ERR value is not an integer or out of range\r\n");
    expect(&world, "SET n 9223372036854775807\nINCR n\nGET n",
           "+OK\r\n-ERR increment or decrement would overflow\r\n$19\r\n9223372036854775807\r\n");
    expect(&world, "APPEND a 12\nAPPEND a 345\nSTRLEN a\nGETRANGE a 1 -2\nGETRANGE a 3 1\nTYPE a\nTYPE none",
           ":2\r\n:5\r\n:5\r\n$3\r\n234\r\n$0\r\n\r\n+string\r\n+none\r\n");
    world_stop(&world);
}

TEST(cache_execute, a_full_memory_refuses_or_forgets)
{
    static const char oom[] = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    struct world world;
    world_start(&world);
    expect(&world, "MSET a 1 b 2 c 3", "+OK\r\n");
    world.limit_bytes = 1;
    expect(&world, "SET a 2", oom);
    expect(&world, "MSET a 2 b 3", oom);
    expect(&world, "APPEND a 2", oom);
    expect(&world, "INCR a", oom);
    expect(&world, "MGET a b c\nDEL a", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n:1\r\n");
    world.evict = true;
    world.limit_bytes = 100000;
    for (int i = 0; i < 5000; i++) {
        char line[64];
        snprintf(line, sizeof line, "SET key:%d 0123456789012345678901234567890123456789", i);
        expect(&world, line, "+OK\r\n");
    }
    for (int i = 0; i < SHARDS; i++)
        CHECK(store_used(&world.stores[i]) <= 100000 + 1024);
    world_stop(&world);
}

TEST(cache_command, every_command_is_found_in_any_case)
{
    struct world world;
    world_start(&world);
    static const char *const names[] = { "get",      "set",      "mget",   "del",     "expire", "pexpireat",
                                         "getrange", "incr",     "incrby", "flushdb", "select", "persist",
                                         "command",  "flushall", "quit",   "scan" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char upper[32];
        size_t size = strlen(names[i]);
        for (size_t j = 0; j <= size; j++)
            upper[j] = (char)toupper((unsigned char)names[i][j]);
        const struct command *command = command_find((struct slice){ upper, size });
        CHECK(command != NULL);
        CHECK_STR(command->name, names[i]);
        CHECK(command_find((struct slice){ upper, size - 1 }) != command);
    }
    expect(&world, "nonsense a b", "-ERR unknown command 'nonsense', with args beginning with: 'a' 'b' \r\n");
    expect(&world, "get", "-ERR wrong number of arguments for 'get' command\r\n");
    world_stop(&world);
}

TEST(cache_plan, a_plan_of_few_operations_allocates_nothing)
{
    struct world world;
    world_start(&world);
    plan_start(&world.plan, SHARDS, 0);
    for (int i = 0; i < PLAN_FEW; i++) {
        size_t begin = world.plan.planned_count;
        plan_key(&world.plan, OP_GET, (struct slice){ "key", 3 }, (struct slice){ "", 0 });
        plan_reply(&world.plan, ANSWER_ONE, begin);
    }
    CHECK(world.plan.planned == world.plan.few_planned);
    CHECK(world.plan.answers == world.plan.few_answers);
    CHECK(world.plan.lanes == world.plan.few_lanes);
    plan_stop(&world.plan);
    world_stop(&world);
}
