/* shard.c: see shard.h. */
#include "shard.h"

#include <stdio.h>
#include <string.h>

#include "execute.h"
#include "settings.h"

enum {
    ANSWER_KEPT = 2 * ELSEWHERE_SIZE, /* an answer's memory that is kept for the next */
    TICK_NOW_MS = 1
};

struct shard {
    struct store store;
    struct execution execution;
    struct bytes answer;
    bool ticking; /* a SHARD_TICK is on its way */
};

static tr_pid ids[SHARDS_MAX];
static char names[SHARDS_MAX][24];
static uint32_t numbers[SHARDS_MAX];
static tr_child children[SHARDS_MAX];

static int64_t now_ms(void) { return tr_now_ns() / 1000000; }

/* At its end, whatever the end. */
static void release(void *arg)
{
    struct shard *shard = arg;
    store_stop(&shard->store);
    bytes_release(&shard->answer);
    settings_set(usage[shard->execution.shard].bytes, 0);
}

static int shard_init(void *state, const tr_msg *arg)
{
    struct shard *shard = state;
    store_start(&shard->store);
    shard->execution = (struct execution){ .store = &shard->store,
                                           .shard = *(const uint32_t *)tr_expect(arg, sizeof(uint32_t)),
                                           .shards = cache.shards,
                                           .started_ms = now_ms() };
    return tr_defer(release, shard);
}

/* What the others use is a moment old: the limit of all is kept within what fits into that moment. */
static void look_at_memory(struct execution *execution)
{
    execution->limit_bytes = settings_get(maxmemory);
    if (execution->limit_bytes == 0)
        return;
    execution->evict = settings_get(evict);
    execution->others_bytes = 0;
    for (uint32_t i = 0; i < execution->shards; i++)
        if (i != execution->shard)
            execution->others_bytes += settings_get(usage[i].bytes);
}

static int tick_after(struct shard *shard, int64_t ms)
{
    shard->ticking = true;
    return tr_send_after(ms, tr_self(), SHARD_TICK, NULL, 0, NULL);
}

/* A large answer becomes the receiver's as it is. */
static void reply(struct shard *shard, tr_from from)
{
    struct bytes *answer = &shard->answer;
    if (answer->size < ELSEWHERE_SIZE) {
        tr_reply(from, answer->data, answer->size);
        return;
    }
    struct elsewhere elsewhere = { .data = answer->data, .size = answer->size };
    *answer = (struct bytes){ 0 };
    tr_reply(from, &elsewhere, sizeof elsewhere);
}

static int execute(struct shard *shard, const tr_msg *request, tr_from from)
{
    struct execution *execution = &shard->execution;
    shard->store.now_ms = now_ms();
    look_at_memory(execution);
    bytes_clear(&shard->answer, ANSWER_KEPT);
    const char *body = tr_body(request);
    size_t size = tr_size(request);
    if (size == sizeof(struct elsewhere)) {
        const struct elsewhere *elsewhere = tr_body(request);
        body = elsewhere->data;
        size = elsewhere->size;
    }
    tr_assert(execute_request(execution, body, size, &shard->answer));
    settings_set(usage[execution->shard].bytes, store_used(&shard->store));
    reply(shard, from);
    return !shard->ticking && store_has_chores(&shard->store) ? tick_after(shard, TICK_NOW_MS) : TR_OK;
}

static int shard_call(void *state, const tr_msg *request, tr_from from)
{
    return tr_tag(request) == SHARD_EXECUTE ? execute(state, request, from) : tr_unexpected(request);
}

static int shard_info(void *state, const tr_msg *message)
{
    struct shard *shard = state;
    if (tr_tag(message) != SHARD_TICK)
        return TR_OK; /* a stranger's: none of ours */
    shard->ticking = false;
    shard->store.now_ms = now_ms();
    int64_t next_ms = store_tick(&shard->store);
    settings_set(usage[shard->execution.shard].bytes, store_used(&shard->store));
    return next_ms >= 0 ? tick_after(shard, next_ms) : TR_OK;
}

static void describe(const void *state, tr_out *out)
{
    const struct shard *shard = state;
    tr_print(out, "shard %u: %zu keys, %zu bytes", shard->execution.shard, store_count(&shard->store),
             store_used(&shard->store));
}

static const tr_message_type messages[] = {
    { .tag = SHARD_EXECUTE, .name = "execute" },
    { .tag = SHARD_TICK, .name = "tick" },
    { .tag = SHARD_CRASH, .name = "crash" },
};

const tr_gen_server shard_server = {
    .label = "shard",
    .state_size = sizeof(struct shard),
    .init = shard_init,
    .handle_call = shard_call,
    .handle_info = shard_info,
    .describe = describe,
    .messages = messages,
    .message_count = TR_COUNT(messages),
};

tr_pid shard_id(uint32_t shard) { return ids[shard]; }

const tr_child *shard_start(uint32_t shards)
{
    for (uint32_t i = 0; i < shards; i++) {
        snprintf(names[i], sizeof names[i], "shard:%u", i);
        ids[i] = tr_name(names[i]);
        numbers[i] = i;
        children[i] = (tr_child){
            .name = names[i], .server = &shard_server, .arg = &numbers[i], .arg_size = sizeof numbers[i]
        };
    }
    return children;
}
