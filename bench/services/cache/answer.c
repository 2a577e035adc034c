/* answer.c: the end of a plan: the shards' replies become those of the requests, in the requests' order.
 *
 * Each lane's answer is read from front to back, in step with the operations: lane->at is the next reply, size_at its
 * size. A shard that is lost answers every operation with the same error; an error of one operation is the reply of its
 * whole command. */
#include <string.h>

#include "info.h"
#include "plan.h"

static const char lost[] = "-ERR shard restarted\r\n";

static void rewind_lane(struct lane *lane)
{
    size_t sizes = lane->operations * sizeof(uint32_t);
    if (lane->reply != NULL && lane->reply_size < sizes)
        lane->reply = NULL; /* no answer of ours */
    lane->at = 0;
    lane->size_at = lane->reply_size - sizes;
}

static struct slice next_reply(struct lane *lane)
{
    uint32_t size;
    if (lane->reply == NULL)
        return SLICE(lost);
    memcpy(&size, lane->reply + lane->size_at, sizeof size);
    struct slice reply = { lane->reply + lane->at, size };
    lane->size_at += sizeof size;
    lane->at += size;
    return reply;
}

static bool is_error(struct slice reply) { return reply.size > 0 && reply.data[0] == '-'; }

/* ":5\r\n" */
static int64_t integer_of(struct slice reply)
{
    int64_t number = 0;
    if (reply.size > 3)
        number_parse((struct slice){ reply.data + 1, reply.size - 3 }, &number);
    return number;
}

/* What is known of a reply that is made of several. */
struct merge {
    struct bytes *out;
    size_t begin;
    struct slice error; /* the first one */
    int64_t sum;
    uint32_t keys;
    struct bytes parts;
};

static void merge_reply(struct merge *merge, enum answer_kind kind, struct slice reply)
{
    uint32_t keys;
    if (is_error(reply) && kind == ANSWER_INFO)
        return; /* the others' statistics are worth showing */
    if (is_error(reply) && merge->error.size == 0)
        merge->error = reply;
    if (merge->error.size > 0)
        return;
    switch (kind) {
    case ANSWER_SUM: merge->sum += integer_of(reply); break;
    case ANSWER_ARRAY: bytes_add(merge->out, reply.data, reply.size); break;
    case ANSWER_INFO: bytes_add(&merge->parts, reply.data + 1, reply.size - 1); break;
    case ANSWER_KEYS:
        memcpy(&keys, reply.data + 1, sizeof keys);
        merge->keys += keys;
        bytes_add(&merge->parts, reply.data + 1 + sizeof keys, reply.size - 1 - sizeof keys);
        break;
    default: break;
    }
}

static void merge_end(struct merge *merge, const struct answer *answer)
{
    if (merge->error.size > 0) {
        merge->out->size = merge->begin;
        bytes_add(merge->out, merge->error.data, merge->error.size);
        return;
    }
    switch (answer->kind) {
    case ANSWER_SUM: reply_integer(merge->out, merge->sum); break;
    case ANSWER_OK: reply_ok(merge->out); break;
    case ANSWER_INFO: info_reply(answer->sections, merge->parts.data, merge->parts.size, merge->out); break;
    case ANSWER_KEYS:
        reply_array(merge->out, merge->keys);
        bytes_add(merge->out, merge->parts.data, merge->parts.size);
        break;
    default: break;
    }
}

/* Returns the first operation after those of this answer. */
static const struct planned *merge_answer(struct plan *plan, const struct answer *answer, const struct planned *planned,
                                          struct bytes *out)
{
    struct merge merge = { .out = out, .begin = out->size };
    if (answer->kind == ANSWER_ARRAY)
        reply_array(out, answer->count);
    for (const struct planned *end = planned + answer->count; planned < end; planned++)
        merge_reply(&merge, answer->kind, next_reply(&plan->lanes[planned->lane]));
    merge_end(&merge, answer);
    out->failed |= merge.parts.failed;
    bytes_release(&merge.parts);
    return planned;
}

void plan_answer(struct plan *plan, struct bytes *out)
{
    const struct planned *planned = plan->planned;
    size_t local = 0;
    for (size_t i = 0; i < plan->lane_count; i++)
        rewind_lane(&plan->lanes[i]);
    for (const struct answer *answer = plan->answers; answer < plan->answers + plan->answer_count; answer++) {
        if (answer->kind == ANSWER_LOCAL) {
            bytes_add(out, plan->local.data + local, answer->count);
            local += answer->count;
        } else if (answer->kind == ANSWER_ONE) {
            struct slice reply = next_reply(&plan->lanes[planned->lane]);
            bytes_add(out, reply.data, reply.size);
            planned++;
        } else {
            planned = merge_answer(plan, answer, planned, out);
        }
    }
}

struct slice plan_direct(const struct plan *plan)
{
    const struct lane *lane = plan->lanes;
    size_t sizes = lane->operations * sizeof(uint32_t);
    if (plan->mixed || plan->lane_count != 1 || lane->reply == NULL || lane->reply_size < sizes)
        return (struct slice){ NULL, 0 };
    return (struct slice){ lane->reply, lane->reply_size - sizes };
}
