/* verbs.c: see verbs.h; commands with options are in options.c. */
#include "verbs.h"

#include <string.h>
#include <time.h>

#include "info.h"
#include "options.h"

static const struct slice nothing = { "", 0 };

void verb_ping(struct plan *plan, const struct request *request)
{
    if (request->count > 2) {
        reply_error(&plan->local, "ERR wrong number of arguments for 'ping' command");
    } else if (request->count == 2) {
        struct slice text = request_argument(request, 1);
        reply_bulk(&plan->local, text.data, text.size);
    } else {
        reply_text(&plan->local, "+PONG\r\n");
    }
}

void verb_echo(struct plan *plan, const struct request *request)
{
    struct slice text = request_argument(request, 1);
    reply_bulk(&plan->local, text.data, text.size);
}

/* There is one key space. */
void verb_select(struct plan *plan, const struct request *request)
{
    int64_t index;
    if (!number_parse(request_argument(request, 1), &index))
        reply_text(&plan->local, option_not_an_integer);
    else if (index != 0)
        reply_error(&plan->local, "ERR DB index is out of range");
    else
        reply_ok(&plan->local);
}

void verb_time(struct plan *plan, const struct request *request)
{
    (void)request;
    struct timespec now;
    char text[NUMBER_MAX];
    clock_gettime(CLOCK_REALTIME, &now);
    reply_array(&plan->local, 2);
    reply_bulk(&plan->local, text, number_write(text, now.tv_sec));
    reply_bulk(&plan->local, text, number_write(text, now.tv_nsec / 1000));
}

/* ---- one key */

static struct operation *one_key(struct plan *plan, const struct request *request, enum operation_code code,
                                 struct slice value)
{
    size_t begin = plan->planned_count;
    struct operation *operation = plan_key(plan, code, request_argument(request, 1), value);
    plan_reply(plan, ANSWER_ONE, begin);
    return operation;
}

void verb_get(struct plan *plan, const struct request *request) { one_key(plan, request, OP_GET, nothing); }

void verb_setnx(struct plan *plan, const struct request *request)
{
    one_key(plan, request, OP_SET, request_argument(request, 2))->flags = OP_IF_NEW | OP_COUNTED;
}

void verb_getset(struct plan *plan, const struct request *request)
{
    one_key(plan, request, OP_SET, request_argument(request, 2))->flags = OP_RETURN_OLD;
}

void verb_getdel(struct plan *plan, const struct request *request) { one_key(plan, request, OP_GETDEL, nothing); }

void verb_getrange(struct plan *plan, const struct request *request)
{
    int64_t first, last;
    if (!number_parse(request_argument(request, 2), &first) || !number_parse(request_argument(request, 3), &last))
        reply_text(&plan->local, option_not_an_integer);
    else
        one_key(plan, request, OP_GETRANGE, request_argument(request, 3))->number = first;
}

void verb_incr(struct plan *plan, const struct request *request)
{
    one_key(plan, request, OP_INCRBY, nothing)->number = 1;
}

void verb_decr(struct plan *plan, const struct request *request)
{
    one_key(plan, request, OP_INCRBY, nothing)->number = -1;
}

void verb_incrby(struct plan *plan, const struct request *request)
{
    int64_t by;
    if (!number_parse(request_argument(request, 2), &by))
        reply_text(&plan->local, option_not_an_integer);
    else
        one_key(plan, request, OP_INCRBY, nothing)->number = by;
}

void verb_decrby(struct plan *plan, const struct request *request)
{
    int64_t by;
    if (!number_parse(request_argument(request, 2), &by))
        reply_text(&plan->local, option_not_an_integer);
    else if (by == INT64_MIN)
        reply_error(&plan->local, "ERR decrement would overflow");
    else
        one_key(plan, request, OP_INCRBY, nothing)->number = -by;
}

void verb_append(struct plan *plan, const struct request *request)
{
    one_key(plan, request, OP_APPEND, request_argument(request, 2));
}

void verb_strlen(struct plan *plan, const struct request *request) { one_key(plan, request, OP_STRLEN, nothing); }

void verb_type(struct plan *plan, const struct request *request) { one_key(plan, request, OP_TYPE, nothing); }

void verb_ttl(struct plan *plan, const struct request *request)
{
    one_key(plan, request, OP_TTL, nothing)->flags = OP_SECONDS;
}

void verb_pttl(struct plan *plan, const struct request *request) { one_key(plan, request, OP_TTL, nothing); }

void verb_persist(struct plan *plan, const struct request *request) { one_key(plan, request, OP_PERSIST, nothing); }

/* ---- several keys: an operation for each */

static void each_key(struct plan *plan, const struct request *request, enum operation_code code, enum answer_kind kind)
{
    size_t begin = plan->planned_count;
    for (size_t i = 1; i < request->count; i++)
        plan_key(plan, code, request_argument(request, i), nothing);
    plan_reply(plan, kind, begin);
}

void verb_del(struct plan *plan, const struct request *request) { each_key(plan, request, OP_DEL, ANSWER_SUM); }

void verb_exists(struct plan *plan, const struct request *request) { each_key(plan, request, OP_EXISTS, ANSWER_SUM); }

void verb_mget(struct plan *plan, const struct request *request) { each_key(plan, request, OP_GET, ANSWER_ARRAY); }

void verb_mset(struct plan *plan, const struct request *request)
{
    uint8_t seen[SHARDS_MAX] = { 0 }; /* by lane */
    size_t begin = plan->planned_count;
    if (request->count % 2 == 0) {
        reply_error(&plan->local, "ERR wrong number of arguments for 'mset' command");
        return;
    }
    for (size_t i = 1; i < request->count; i += 2) {
        struct operation *operation = plan_key(plan, OP_MSET, request_argument(request, i),
                                               request_argument(request, i + 1));
        if (plan->failed)
            return;
        uint32_t lane = plan->planned[plan->planned_count - 1].lane;
        operation->flags = seen[lane] ? 0 : OP_FIRST;
        seen[lane] = 1;
    }
    plan_reply(plan, ANSWER_OK, begin);
}

/* ---- all keys */

void verb_keys(struct plan *plan, const struct request *request)
{
    size_t begin = plan->planned_count;
    plan_everywhere(plan, OP_KEYS, request_argument(request, 1));
    plan_reply(plan, ANSWER_KEYS, begin);
}

void verb_dbsize(struct plan *plan, const struct request *request)
{
    size_t begin = plan->planned_count;
    (void)request;
    plan_everywhere(plan, OP_SIZE, nothing);
    plan_reply(plan, ANSWER_SUM, begin);
}

/* FLUSHALL, FLUSHDB; both words mean the same here: the keys are gone at once, their memory follows. */
void verb_flush(struct plan *plan, const struct request *request)
{
    size_t begin = plan->planned_count;
    bool good = request->count == 1;
    if (request->count == 2) {
        struct slice how = request_argument(request, 1);
        good = slice_is(how, "sync") || slice_is(how, "async");
    }
    if (!good) {
        reply_text(&plan->local, option_syntax_error);
        return;
    }
    plan_everywhere(plan, OP_CLEAR, nothing);
    plan_reply(plan, ANSWER_OK, begin);
}

void verb_info(struct plan *plan, const struct request *request)
{
    size_t begin = plan->planned_count;
    uint32_t sections = request->count == 1 ? INFO_ALL : 0;
    for (size_t i = 1; i < request->count; i++)
        sections |= info_section(request_argument(request, i));
    plan_everywhere(plan, OP_STATS, nothing);
    plan_reply(plan, ANSWER_INFO, begin);
    if (!plan->failed)
        plan->answers[plan->answer_count - 1].sections = sections;
}
