/* options.c: SET, SETEX, GETEX, EXPIRE and SCAN: options are read in Redis' order, so that the same mistake gets the
 * same error. Deadlines travel as ms of the clock that never jumps; a time of day is converted here. */
#include "options.h"

#include <time.h>

#include "verbs.h"

const char option_not_an_integer[] = "-ERR value is not an integer or out of range\r\n";
const char option_syntax_error[] = "-ERR syntax error\r\n";

enum time_unit { TIME_NONE, TIME_EX, TIME_PX, TIME_EXAT, TIME_PXAT };

static int64_t unix_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void invalid_expire(struct plan *plan, const struct request *request)
{
    reply_error(&plan->local, "ERR invalid expire time in '%s' command", request->command->name);
}

/* ---- SET and GETEX */

struct string_options {
    int flags; /* of the operation */
    bool persist;
    enum time_unit unit;
    struct slice time;
};

/* One word about time at argument i; false: it is none, or it does not go with the others. */
static bool read_time(struct string_options *options, const struct request *request, size_t *i)
{
    static const char *const words[] = { "ex", "px", "exat", "pxat" };
    struct slice word = request_argument(request, *i);
    for (int unit = TIME_EX; unit <= TIME_PXAT; unit++) {
        if (!slice_is(word, words[unit - 1]))
            continue;
        if ((options->unit != TIME_NONE && options->unit != (enum time_unit)unit) || options->persist ||
            (options->flags & OP_KEEP_TTL) || *i + 1 == request->count)
            return false;
        options->unit = (enum time_unit)unit;
        options->time = request_argument(request, ++*i);
        return true;
    }
    return false;
}

static bool read_set_option(struct string_options *options, const struct request *request, size_t *i)
{
    struct slice word = request_argument(request, *i);
    if (slice_is(word, "nx") && !(options->flags & OP_IF_THERE))
        options->flags |= OP_IF_NEW;
    else if (slice_is(word, "xx") && !(options->flags & OP_IF_NEW))
        options->flags |= OP_IF_THERE;
    else if (slice_is(word, "get"))
        options->flags |= OP_RETURN_OLD;
    else if (slice_is(word, "keepttl") && options->unit == TIME_NONE)
        options->flags |= OP_KEEP_TTL;
    else
        return read_time(options, request, i);
    return true;
}

/* The deadline that a positive time in this unit means; false: the error was replied. */
static bool read_deadline(struct plan *plan, const struct request *request, enum time_unit unit, struct slice text,
                          int64_t *deadline)
{
    int64_t time, now = unix_ms();
    bool absolute = unit == TIME_EXAT || unit == TIME_PXAT;
    if (!number_parse(text, &time)) {
        reply_text(&plan->local, option_not_an_integer);
        return false;
    }
    bool good = time > 0;
    if (unit == TIME_EX || unit == TIME_EXAT)
        good = good && !__builtin_mul_overflow(time, INT64_C(1000), &time);
    if (!absolute)
        good = good && time <= INT64_MAX - now;
    if (!good) {
        invalid_expire(plan, request);
        return false;
    }
    *deadline = absolute ? time - now + plan->now_ms : time + plan->now_ms;
    return true;
}

/* Plans SET or GETEX, once its options are read. */
static void plan_string(struct plan *plan, const struct request *request, enum operation_code code, struct slice value,
                        const struct string_options *options)
{
    int64_t deadline = 0;
    int flags = options->flags;
    size_t begin = plan->planned_count;
    if (options->unit != TIME_NONE) {
        if (!read_deadline(plan, request, options->unit, options->time, &deadline))
            return;
        flags |= OP_DEADLINE;
    }
    struct operation *operation = plan_key(plan, code, request_argument(request, 1), value);
    operation->flags = (uint8_t)flags;
    operation->number = deadline;
    plan_reply(plan, ANSWER_ONE, begin);
}

void verb_set(struct plan *plan, const struct request *request)
{
    struct string_options options = { 0 };
    for (size_t i = 3; i < request->count; i++) {
        if (!read_set_option(&options, request, &i)) {
            reply_text(&plan->local, option_syntax_error);
            return;
        }
    }
    plan_string(plan, request, OP_SET, request_argument(request, 2), &options);
}

void verb_setex(struct plan *plan, const struct request *request)
{
    struct string_options options = { .unit = TIME_EX, .time = request_argument(request, 2) };
    plan_string(plan, request, OP_SET, request_argument(request, 3), &options);
}

void verb_psetex(struct plan *plan, const struct request *request)
{
    struct string_options options = { .unit = TIME_PX, .time = request_argument(request, 2) };
    plan_string(plan, request, OP_SET, request_argument(request, 3), &options);
}

void verb_getex(struct plan *plan, const struct request *request)
{
    struct string_options options = { 0 };
    for (size_t i = 2; i < request->count; i++) {
        bool persist = slice_is(request_argument(request, i), "persist");
        options.persist |= persist;
        if (persist ? options.unit != TIME_NONE : !read_time(&options, request, &i)) {
            reply_text(&plan->local, option_syntax_error);
            return;
        }
    }
    options.flags = options.persist ? OP_DROP_TTL : 0;
    plan_string(plan, request, OP_GETEX, (struct slice){ "", 0 }, &options);
}

/* ---- EXPIRE and its kin */

static bool read_expire_options(struct plan *plan, const struct request *request, int *flags)
{
    for (size_t i = 3; i < request->count; i++) {
        struct slice word = request_argument(request, i);
        int flag = slice_is(word, "nx")   ? OP_IF_NEW
                   : slice_is(word, "xx") ? OP_IF_THERE
                   : slice_is(word, "gt") ? OP_LATER
                   : slice_is(word, "lt") ? OP_EARLIER
                                          : 0;
        if (flag == 0) {
            reply_error(&plan->local, "ERR Unsupported option %.*s", (int)(word.size < 128 ? word.size : 128),
                        word.data);
            return false;
        }
        *flags |= flag;
    }
    if ((*flags & OP_IF_NEW) && (*flags & (OP_IF_THERE | OP_LATER | OP_EARLIER))) {
        reply_error(&plan->local, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if ((*flags & OP_LATER) && (*flags & OP_EARLIER)) {
        reply_error(&plan->local, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* Unlike SET, these take times that have passed: the key is removed. */
static void plan_expire(struct plan *plan, const struct request *request, enum time_unit unit)
{
    int flags = 0;
    int64_t time, now = unix_ms(), deadline;
    bool absolute = unit == TIME_EXAT || unit == TIME_PXAT;
    size_t begin = plan->planned_count;
    if (!read_expire_options(plan, request, &flags))
        return;
    if (!number_parse(request_argument(request, 2), &time)) {
        reply_text(&plan->local, option_not_an_integer);
        return;
    }
    bool good = true;
    if (unit == TIME_EX || unit == TIME_EXAT)
        good = !__builtin_mul_overflow(time, INT64_C(1000), &time);
    if (!good || (!absolute && time > INT64_MAX - now)) {
        invalid_expire(plan, request);
        return;
    }
    if (__builtin_add_overflow(time, absolute ? plan->now_ms - now : plan->now_ms, &deadline))
        deadline = INT64_MIN; /* it has long passed */
    struct operation *operation = plan_key(plan, OP_EXPIRE, request_argument(request, 1), (struct slice){ "", 0 });
    operation->flags = (uint8_t)flags;
    operation->number = deadline;
    plan_reply(plan, ANSWER_ONE, begin);
}

void verb_expire(struct plan *plan, const struct request *request) { plan_expire(plan, request, TIME_EX); }

void verb_pexpire(struct plan *plan, const struct request *request) { plan_expire(plan, request, TIME_PX); }

void verb_expireat(struct plan *plan, const struct request *request) { plan_expire(plan, request, TIME_EXAT); }

void verb_pexpireat(struct plan *plan, const struct request *request) { plan_expire(plan, request, TIME_PXAT); }

/* ---- SCAN */

struct scan_options {
    int flags;
    int64_t count;
    struct slice pattern;
};

/* NULL, or the reply of the error. */
static const char *read_scan_option(struct scan_options *options, const struct request *request, size_t i)
{
    struct slice word = request_argument(request, i);
    if (i + 1 == request->count)
        return option_syntax_error;
    struct slice value = request_argument(request, i + 1);
    if (slice_is(word, "count")) {
        if (!number_parse(value, &options->count))
            return option_not_an_integer;
        return options->count < 1 ? option_syntax_error : NULL;
    }
    if (slice_is(word, "match")) {
        options->pattern = value;
        options->flags &= ~OP_NO_PATTERN;
        return NULL;
    }
    if (!slice_is(word, "type"))
        return option_syntax_error;
    if (!slice_is(value, "string"))
        options->flags |= OP_NO_SUCH_TYPE;
    return NULL;
}

static bool read_cursor(struct slice text, uint64_t *cursor)
{
    *cursor = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        if (__builtin_mul_overflow(*cursor, UINT64_C(10), cursor) ||
            __builtin_add_overflow(*cursor, (uint64_t)(text.data[i] - '0'), cursor))
            return false;
    }
    return text.size > 0;
}

void verb_scan(struct plan *plan, const struct request *request)
{
    struct scan_options options = { .flags = OP_NO_PATTERN, .count = 10, .pattern = { "", 0 } };
    uint64_t cursor;
    size_t begin = plan->planned_count;
    if (!read_cursor(request_argument(request, 1), &cursor)) {
        reply_error(&plan->local, "ERR invalid cursor");
        return;
    }
    for (size_t i = 2; i < request->count; i += 2) {
        const char *error = read_scan_option(&options, request, i);
        if (error != NULL) {
            reply_text(&plan->local, error);
            return;
        }
    }
    struct operation *operation = plan_on_shard(plan, OP_SCAN, (uint32_t)(cursor % plan->shards), options.pattern);
    operation->flags = (uint8_t)options.flags;
    operation->hash = (uint32_t)(options.count < UINT32_MAX ? options.count : UINT32_MAX);
    operation->number = (int64_t)cursor;
    plan_reply(plan, ANSWER_ONE, begin);
}
