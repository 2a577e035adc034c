/* plan.c: see plan.h. Replies are put together in answer.c. */
#include "plan.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"

void plan_start(struct plan *plan, uint32_t shards, int64_t now_ms)
{
    plan->shards = shards;
    plan->now_ms = now_ms;
    plan->failed = plan->mixed = plan->borrows = false;
    plan->planned = plan->few_planned;
    plan->answers = plan->few_answers;
    plan->lanes = plan->few_lanes;
    plan->planned_room = plan->answer_room = plan->lane_room = PLAN_FEW;
    plan->planned_count = plan->answer_count = plan->lane_count = 0;
    plan->bytes = 0;
    plan->local = (struct bytes){ 0 };
    memset(plan->lane_of, 0, shards);
}

void plan_stop(struct plan *plan)
{
    if (plan->planned != plan->few_planned)
        free(plan->planned);
    if (plan->answers != plan->few_answers)
        free(plan->answers);
    if (plan->lanes != plan->few_lanes)
        free(plan->lanes);
    bytes_release(&plan->local);
    plan->planned = plan->few_planned;
    plan->answers = plan->few_answers;
    plan->lanes = plan->few_lanes;
}

/* Makes room for one item more, in place of `few` or what grew out of it; NULL: no memory. */
static void *grow(void *items, const void *few, size_t count, size_t *room, size_t item_size)
{
    if (count < *room)
        return items;
    size_t larger = *room * 4;
    void *more = realloc(items == few ? NULL : items, larger * item_size);
    if (more == NULL)
        return NULL;
    if (items == few)
        memcpy(more, few, count * item_size);
    *room = larger;
    return more;
}

static uint32_t lane_for(struct plan *plan, uint32_t shard)
{
    if (plan->lane_of[shard] != 0)
        return plan->lane_of[shard] - 1u;
    struct lane *lanes = grow(plan->lanes, plan->few_lanes, plan->lane_count, &plan->lane_room, sizeof *lanes);
    if (lanes == NULL) {
        plan->failed = true;
        return 0;
    }
    plan->lanes = lanes;
    lanes[plan->lane_count] = (struct lane){ .shard = shard, .size = sizeof(struct operation_head) };
    plan->bytes += sizeof(struct operation_head);
    plan->lane_of[shard] = (uint8_t)(plan->lane_count + 1);
    return (uint32_t)plan->lane_count++;
}

/* Where an operation goes that has no memory: never executed, since `failed` is set. */
static struct operation *no_operation(struct plan *plan)
{
    plan->failed = true;
    return &plan->few_planned[0].operation;
}

static struct operation *add(struct plan *plan, uint32_t shard, const struct operation *operation, const char *key,
                             const char *value)
{
    struct planned *planned = grow(plan->planned, plan->few_planned, plan->planned_count, &plan->planned_room,
                                   sizeof *planned);
    if (planned == NULL)
        return no_operation(plan);
    plan->planned = planned;
    uint32_t lane = lane_for(plan, shard);
    if (plan->failed)
        return no_operation(plan);
    planned += plan->planned_count++;
    *planned = (struct planned){ .operation = *operation, .lane = lane, .key = key, .value = value };
    plan->lanes[lane].operations++;
    plan->lanes[lane].size += operation_size(operation);
    plan->bytes += operation_size(operation);
    return &planned->operation;
}

struct operation *plan_key(struct plan *plan, enum operation_code code, struct slice key, struct slice value)
{
    uint64_t hash = hash_key(key);
    struct operation operation = { .code = (uint8_t)code,
                                   .hash = (uint32_t)hash,
                                   .key_size = (uint32_t)key.size,
                                   .value_size = (uint32_t)value.size,
                                   .borrowed = value.size >= BORROW_SIZE };
    plan->borrows |= operation.borrowed != 0;
    return add(plan, hash_shard(hash, plan->shards), &operation, key.data, value.data);
}

struct operation *plan_on_shard(struct plan *plan, enum operation_code code, uint32_t shard, struct slice key)
{
    struct operation operation = { .code = (uint8_t)code, .key_size = (uint32_t)key.size };
    return add(plan, shard, &operation, key.data, NULL);
}

void plan_everywhere(struct plan *plan, enum operation_code code, struct slice key)
{
    for (uint32_t shard = 0; shard < plan->shards; shard++)
        plan_on_shard(plan, code, shard, key);
}

static void add_answer(struct plan *plan, struct answer answer)
{
    struct answer *answers = grow(plan->answers, plan->few_answers, plan->answer_count, &plan->answer_room,
                                  sizeof *answers);
    if (answers == NULL) {
        plan->failed = true;
        return;
    }
    plan->answers = answers;
    answers[plan->answer_count++] = answer;
    plan->mixed |= answer.kind != ANSWER_ONE;
}

void plan_reply(struct plan *plan, enum answer_kind kind, size_t begin)
{
    add_answer(plan, (struct answer){ .kind = kind, .count = (uint32_t)(plan->planned_count - begin) });
}

void plan_local(struct plan *plan, size_t begin)
{
    if (plan->local.failed)
        plan->failed = true;
    add_answer(plan, (struct answer){ .kind = ANSWER_LOCAL, .count = (uint32_t)(plan->local.size - begin) });
}

void plan_add(struct plan *plan, const struct request *request)
{
    size_t begin = plan->local.size;
    request->command->plan(plan, request);
    if (plan->local.size != begin || plan->local.failed)
        plan_local(plan, begin);
}

static char *put(char *at, const void *data, size_t size)
{
    if (size > 0)
        memcpy(at, data, size);
    return at + size;
}

static void pack(struct lane *lane, const struct planned *planned)
{
    char *begin = lane->body + lane->at, *end = begin + operation_size(&planned->operation);
    char *at = put(begin, &planned->operation, sizeof planned->operation);
    at = put(at, planned->key, planned->operation.key_size);
    if (planned->operation.borrowed)
        at = put(at, &planned->value, sizeof planned->value);
    else
        at = put(at, planned->value, planned->operation.value_size);
    memset(at, 0, (size_t)(end - at));
    lane->at = (size_t)(end - lane->body);
}

void plan_pack(struct plan *plan, char *memory)
{
    for (struct lane *lane = plan->lanes; lane < plan->lanes + plan->lane_count; lane++) {
        struct operation_head head = { .operations = lane->operations };
        if (lane == plan->lanes) /* the first shard counts the commands of all */
            head.commands = (uint32_t)plan->answer_count;
        lane->body = memory;
        memcpy(lane->body, &head, sizeof head);
        lane->at = sizeof head;
        memory += lane->size;
    }
    for (const struct planned *planned = plan->planned; planned < plan->planned + plan->planned_count; planned++)
        pack(&plan->lanes[planned->lane], planned);
}
