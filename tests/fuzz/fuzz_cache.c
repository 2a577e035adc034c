/* fuzz_cache.c: whole connections: requests are parsed, checked, planned, executed on five stores and answered, with no
 * process and no socket. There are as many replies as requests, each of well-formed RESP; the stores agree with
 * themselves. */
#include "fuzz.h"

#include "../../bench/services/cache/execute.h"
#include "../../bench/services/cache/plan.h"
#include "../../bench/services/cache/settings.h"

enum { SHARDS = 5, DEEPEST = 8 };

static struct {
    struct store stores[SHARDS];
    struct execution executions[SHARDS];
} world;

static void start(void)
{
    static bool started;
    if (!started)
        command_start();
    started = true;
    for (uint32_t i = 0; i < SHARDS; i++) {
        store_start(&world.stores[i]);
        world.executions[i] = (struct execution){ .store = &world.stores[i], .shard = i, .shards = SHARDS };
        world.stores[i].now_ms = 1000000;
    }
}

static void finish(struct plan *plan, struct bytes *out)
{
    struct bytes answers[SHARDS] = { { 0 } };
    HOLDS(!plan->failed);
    char *memory = malloc(plan->bytes + 1);
    HOLDS(memory != NULL);
    plan_pack(plan, memory);
    for (size_t i = 0; i < plan->lane_count; i++) {
        struct lane *lane = &plan->lanes[i];
        HOLDS(lane->shard < SHARDS);
        HOLDS(execute_request(&world.executions[lane->shard], lane->body, lane->size, &answers[lane->shard]));
        lane->reply = answers[lane->shard].data;
        lane->reply_size = answers[lane->shard].size;
    }
    plan_answer(plan, out);
    for (size_t i = 0; i < SHARDS; i++)
        bytes_release(&answers[i]);
    free(memory);
    plan_stop(plan);
}

/* Passes over one reply. */
static const char *reply_end(const char *at, const char *end, int depth)
{
    int64_t number = 0;
    HOLDS(at < end && depth < DEEPEST);
    const char *line = memchr(at, '\r', (size_t)(end - at));
    HOLDS(line != NULL && line + 1 < end && line[1] == '\n');
    bool is_number = number_parse((struct slice){ at + 1, (size_t)(line - at - 1) }, &number);
    const char *next = line + 2;
    switch (*at) {
    case '+':
    case '-': return next;
    case ':': HOLDS(is_number); return next;
    case '$': HOLDS(is_number && number >= -1 && number <= end - next); return number < 0 ? next : next + number + 2;
    default:
        HOLDS(*at == '*' && is_number && number >= -1);
        for (; number > 0; number--)
            next = reply_end(next, end, depth + 1);
        return next;
    }
}

static void answer(const struct resp *resp, const char *data, struct bytes *out)
{
    struct request request = { .data = data, .arguments = resp->arguments, .count = resp->count };
    struct plan plan;
    size_t begin = out->size;
    if (!command_check(&request, out))
        return;
    if (request.command->flags & COMMAND_ALONE) {
        if (strcmp(request.command->name, "config") == 0)
            settings_reply(&request, out);
        else if (strcmp(request.command->name, "command") == 0)
            command_reply(&request, out);
        else
            reply_ok(out);
    } else {
        plan_start(&plan, SHARDS, 1000000);
        plan_add(&plan, &request);
        finish(&plan, out);
    }
    HOLDS(out->size > begin);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes out = { 0 };
    struct resp resp;
    size_t used, requests = 0, replies = 0;
    char *buffer = fuzz_text(data, size), *at = buffer;
    start();
    resp_start(&resp, 1 << 16);
    while (size > 0 && resp_next(&resp, at, size, &used) == RESP_REQUEST) {
        if (resp.count > 0) {
            answer(&resp, at, &out);
            requests++;
        }
        resp_done(&resp);
        at += used;
        size -= used;
    }
    resp_stop(&resp);
    HOLDS(!out.failed);
    for (const char *reply = out.data; out.size > 0 && reply < out.data + out.size; replies++)
        reply = reply_end(reply, out.data + out.size, 0);
    HOLDS(replies == requests);
    bytes_release(&out);
    for (uint32_t i = 0; i < SHARDS; i++)
        store_stop(&world.stores[i]);
    free(buffer);
    return 0;
}
