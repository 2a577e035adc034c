/* connection.c: see connection.h. Commands that are not about keys: admin.c. */
#include "connection.h"

#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "settings.h"
#include "shard.h"

enum {
    SMALL = 2048,                /* bytes read at once while nothing is pending */
    LARGE = 16 * 1024,           /* the first size of `in` */
    AHEAD = 1024 * 1024,         /* how much of a promised argument gets room before it arrives */
    SEND_AT = 256 * 1024,        /* replies are written at the latest when there are so many bytes */
    WRITE_TIMEOUT_MS = 60000,    /* a client that takes nothing for so long is gone */
    RESTART_WAIT_MS = 2000,      /* how long a request waits for a shard that is being restarted */
    REQUEST_EXTRA = 1024 * 1024, /* a request may be so much longer than its longest argument may be */
    BODY_FEW = 1024              /* a request to shards that needs no allocation */
};

/* ---- shards */

/* What the message to a lane's shard says: the body, or where it is. */
struct letter {
    const void *body;
    size_t size;
    struct elsewhere elsewhere;
};

static void write_letter(struct letter *letter, const struct lane *lane)
{
    letter->body = lane->body;
    letter->size = lane->size;
    if (lane->size < ELSEWHERE_SIZE)
        return;
    letter->elsewhere = (struct elsewhere){ .data = lane->body, .size = lane->size };
    letter->body = &letter->elsewhere;
    letter->size = sizeof letter->elsewhere;
}

/* The answer of a lane's shard, or NULL: it is lost. Nothing was executed of a request that found nobody under the
 * name: so it is asked again while the shard is being restarted. */
static tr_msg *call(const struct lane *lane)
{
    struct letter letter;
    write_letter(&letter, lane);
    for (int waited_ms = 0;; waited_ms++) {
        tr_msg *reply;
        int status = tr_call_msg(shard_id(lane->shard), SHARD_EXECUTE, letter.body, letter.size, TR_INFINITY, &reply);
        if (status == TR_OK)
            return reply;
        if (status != TR_ENOPROC || waited_ms == RESTART_WAIT_MS)
            return NULL;
        tr_sleep(1);
    }
}

/* The answer that was handed over, or NULL: it is in the message. */
static const struct elsewhere *handed_over(const tr_msg *reply)
{
    return tr_size(reply) == sizeof(struct elsewhere) && *(const char *)tr_body(reply) == '\0' ? tr_body(reply) : NULL;
}

static void take_answer(struct lane *lane, const tr_msg *reply)
{
    if (reply == NULL)
        return;
    const struct elsewhere *elsewhere = handed_over(reply);
    lane->reply = elsewhere != NULL ? elsewhere->data : tr_body(reply);
    lane->reply_size = elsewhere != NULL ? elsewhere->size : tr_size(reply);
}

static void drop_answer(tr_msg *reply)
{
    if (reply != NULL && handed_over(reply) != NULL)
        free(handed_over(reply)->data);
    tr_drop(reply);
}

static bool send_out(struct connection *connection)
{
    bool good = !connection->out.failed;
    if (good && connection->out.size > 0)
        good = tr_write(connection->socket, connection->out.data, connection->out.size, WRITE_TIMEOUT_MS) == TR_OK;
    bytes_release(&connection->out);
    return good;
}

/* Everything for one shard: the answer is written as it lies, if that is possible. */
static bool exchange_one(struct connection *connection, struct plan *plan)
{
    struct lane *lane = plan->lanes;
    tr_msg *reply = call(lane);
    bool good = true;
    connection->lent = false;
    take_answer(lane, reply);
    struct slice direct = plan_direct(plan);
    if (direct.size > 0 && connection->out.size == 0)
        good = tr_write(connection->socket, direct.data, direct.size, WRITE_TIMEOUT_MS) == TR_OK;
    else
        plan_answer(plan, &connection->out);
    drop_answer(reply);
    return good;
}

/* A request to each shard, all under way at once. */
static void exchange_many(struct connection *connection, struct plan *plan, tr_ref *requests, tr_msg **replies)
{
    size_t count = plan->lane_count;
    for (size_t i = 0; i < count; i++) {
        struct letter letter;
        write_letter(&letter, &plan->lanes[i]);
        requests[i] = tr_send_request(shard_id(plan->lanes[i].shard), SHARD_EXECUTE, letter.body, letter.size);
    }
    for (size_t i = 0; i < count; i++) {
        struct lane *lane = &plan->lanes[i];
        int status = tr_receive_response(requests[i], TR_INFINITY, &replies[i]);
        if (status == TR_ENOPROC)
            replies[i] = call(lane);
        else if (status != TR_OK)
            replies[i] = NULL;
        take_answer(lane, replies[i]);
    }
    connection->lent = false;
    plan_answer(plan, &connection->out);
    for (size_t i = 0; i < count; i++)
        drop_answer(replies[i]);
}

/* Has the plan executed and its replies written or added to `out`. */
static bool exchange(struct connection *connection, struct plan *plan)
{
    uint64_t few[BODY_FEW / sizeof(uint64_t)];
    size_t lanes = plan->lane_count, beside = lanes * (sizeof(tr_ref) + sizeof(tr_msg *));
    if (plan->failed)
        return false;
    if (lanes == 0) {
        settings_add(local_commands, plan->answer_count);
        plan_answer(plan, &connection->out);
        return true;
    }
    char *memory = (char *)few;
    if (plan->bytes + beside > sizeof few) {
        if (!bytes_reserve(&connection->packed, plan->bytes + beside))
            return false;
        memory = connection->packed.data;
    }
    plan_pack(plan, memory);
    connection->lent = plan->borrows || plan->bytes >= ELSEWHERE_SIZE;
    bool good = true;
    if (lanes == 1) {
        good = exchange_one(connection, plan);
    } else {
        tr_ref *requests = (tr_ref *)(void *)(memory + plan->bytes);
        exchange_many(connection, plan, requests, (tr_msg **)(void *)(requests + lanes));
    }
    bytes_release(&connection->packed);
    return good;
}

/* ---- requests */

/* Why planning stopped. */
enum stop {
    STOP_MORE,  /* no whole request is left */
    STOP_FULL,  /* execute these first */
    STOP_ALONE, /* `request` is to be run by itself once these are answered */
    STOP_CLOSE  /* the reply that closes the connection is planned */
};

static void plan_error(struct plan *plan, const char *text)
{
    size_t begin = plan->local.size;
    reply_error(&plan->local, "%s", text);
    plan_local(plan, begin);
}

/* Plans the whole requests that data begins with; *used of it. */
static enum stop plan_requests(struct connection *connection, char *data, size_t size, size_t *used,
                               struct request *request)
{
    struct resp *resp = &connection->resp;
    struct plan *plan = &connection->plan;
    for (;;) {
        size_t length = 0;
        if (plan_full(plan))
            return STOP_FULL;
        switch (resp_next(resp, data + *used, size - *used, &length)) {
        case RESP_MORE: return STOP_MORE;
        case RESP_ERROR: plan_error(plan, resp->error); return STOP_CLOSE;
        case RESP_NOMEM: plan->failed = true; return STOP_CLOSE;
        case RESP_REQUEST: break;
        }
        *request = (struct request){ .data = data + *used, .arguments = resp->arguments, .count = resp->count };
        *used += length;
        if (request->count > 0) {
            size_t begin = plan->local.size;
            if (!command_check(request, &plan->local))
                plan_local(plan, begin);
            else if (request->command->flags & COMMAND_ALONE)
                return STOP_ALONE;
            else
                plan_add(plan, request);
        }
        resp_done(resp);
    }
}

/* Answers the whole requests that data begins with; false: the connection is over. */
static bool answer_requests(struct connection *connection, char *data, size_t size, size_t *used)
{
    enum stop stop;
    do {
        struct request request;
        plan_start(&connection->plan, cache.shards, tr_now_ns() / 1000000);
        stop = plan_requests(connection, data, size, used, &request);
        bool good = exchange(connection, &connection->plan);
        plan_stop(&connection->plan);
        if (good && stop == STOP_ALONE) {
            good = admin_run(connection, &request);
            resp_done(&connection->resp);
        }
        if (good && (stop == STOP_MORE || stop == STOP_CLOSE || connection->closing || connection->out.size >= SEND_AT))
            good = send_out(connection);
        if (!good || connection->closing || stop == STOP_CLOSE)
            return false;
    } while (stop != STOP_MORE);
    return true;
}

/* ---- the stream */

/* Keeps what was not used of data for the next read, in `in`; data may be there already. */
static bool keep_rest(struct connection *connection, const char *data, size_t size, size_t used)
{
    struct bytes *in = &connection->in;
    size_t rest = size - used;
    if (rest == 0) {
        bytes_release(in);
        return true;
    }
    if (data == in->data) {
        memmove(in->data, in->data + used, used == 0 ? 0 : rest);
        in->size = rest;
        return true;
    }
    if (!bytes_reserve(in, LARGE))
        return false;
    memcpy(in->data, data + used, rest);
    in->size = rest;
    return true;
}

/* Room to read into: for the whole request, if it is not too long. Memory is committed when bytes arrive, so that a
 * promise costs addresses only. */
static bool make_room(struct connection *connection)
{
    struct bytes *in = &connection->in;
    size_t wanted = resp_wanted(&connection->resp), missing = wanted > in->size ? wanted - in->size : 0;
    if (in->size > (size_t)connection->resp.bulk_max + REQUEST_EXTRA)
        return false;
    missing = missing < SMALL ? SMALL : missing > AHEAD ? AHEAD : missing;
    return bytes_reserve(in, missing);
}

/* An exit signal that came while requests were under way. */
static void heed_exit(void)
{
    tr_trap_exit(false);
    const tr_msg *exit = tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT }, 0);
    if (exit != NULL)
        tr_exit(*tr_reason_of(exit));
}

static bool serve(struct connection *connection, char *data, size_t size)
{
    size_t used = 0;
    tr_trap_exit(true);
    bool good = answer_requests(connection, data, size, &used) && keep_rest(connection, data, size, used);
    heed_exit();
    return good;
}

static void release(void *arg)
{
    struct connection *connection = arg;
    plan_stop(&connection->plan);
    resp_stop(&connection->resp);
    if (!connection->lent) {
        bytes_release(&connection->in);
        bytes_release(&connection->packed);
    }
    bytes_release(&connection->out);
    settings_add(connected, (uint64_t)-1);
}

static struct connection *start(const struct connection_start *with)
{
    struct connection *connection = tr_alloc(sizeof *connection);
    tr_assert(connection != NULL);
    connection->socket = with->socket;
    connection->client = (struct client){ .id = with->id, .pid = tr_self(), .since_ms = tr_now_ns() / 1000000 };
    resp_start(&connection->resp, settings_bulk_max());
    plan_start(&connection->plan, 0, 0);
    settings_add(connected, 1);
    tr_must(tr_defer(release, connection));
    clients_enter(&connection->client);
    return connection;
}

void connection_entry(const tr_msg *arg)
{
    struct connection *connection = start(tr_expect(arg, sizeof(struct connection_start)));
    struct bytes *in = &connection->in;
    char small[SMALL];
    size_t got;
    for (;;) {
        bool pending = in->size > 0;
        char *room = pending ? in->data + in->size : small;
        size_t capacity = pending ? in->capacity - in->size : sizeof small;
        if (tr_read(connection->socket, room, capacity, TR_INFINITY, &got) != TR_OK)
            return;
        if (pending)
            in->size += got;
        if (!serve(connection, pending ? in->data : small, pending ? in->size : got))
            return;
        if (in->size > 0 && !make_room(connection))
            return;
    }
}
