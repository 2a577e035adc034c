/* calls_world.h: the model of servers and of those who call them: who waits for whose answer, what lies in which
 * mailbox, and what a request leads to (GS-07 to GS-36, SYS-01, SYS-02).
 *
 * A command's consequences are worked out until nothing moves any more: one server after another takes a message. Where
 * several could, each must keep to itself: if one of them then reaches for another server, the order is the scheduler's
 * to choose, so the command is `unclear` and is not carried out. For that the driver works it out on the world itself
 * and takes the world back if it has to. Time passes only when nothing moves: then what waits but shortly is told that
 * its time is up (`fired`), and the driver has the real call wait shortly exactly then. */
#ifndef TROUPE_TESTS_MODEL_BASED_CALLS_WORLD_H
#define TROUPE_TESTS_MODEL_BASED_CALLS_WORLD_H

#include "puppet.h"

enum { PUPPETS = 6, THREADS = 2, CALLERS = PUPPETS + THREADS, REQUESTS = 2, PARTS = 4 /* of a multi-call */ };
enum { SERVERS = 4, NAMES = 3, TARGETS = SERVERS + NAMES, CELLS = 4, NONE = -1 };
enum { QUEUE_MOST = 24, EVENTS_MOST = 96, FIRED_MOST = 8, SENDERS = CALLERS * (1 + REQUESTS + PARTS) + SERVERS };
enum { ID_STEP = 4 /* from one request's id to the next one's: what it leads to has the ids between */ };
enum { SHORT_ANSWER = -1 /* the value of a response of one byte */ };

/* What a server does with a request. NEST...: it calls `other` first, which replies, defers, or holds; ANSWER: it
 * replies to the request that was handed to it. */
enum what {
    REPLY,
    REPLY_TWICE,
    REPLY_SHORT,
    DEFER,
    HAND_OVER,
    HOLD,
    NEST_REPLY,
    NEST_DEFER,
    NEST_HOLD,
    NEST_SHORTLY,
    WHATS,
    ANSWER = WHATS
};

/* And then. */
enum then {
    GO_ON,
    IDLE_NOW,
    IDLE_LONG,
    CONTINUE,
    CONTINUE_TWICE,
    STOP_NORMAL,
    STOP_SHUTDOWN,
    STOP_OTHER,
    STOP_REPLY,
    STOP_REPLY_CRASH,
    STOP_REPLY_FAULT,
    EXIT,
    FAULT,
    BAD_RETURN,
    STATUS,
    THENS
};

enum kind { CALL, CAST, EXITED, STOP, SUSPEND, RESUME, GET_STATE };

struct request {
    int64_t id;
    enum what what;
    enum then then;
    int other;  /* a target: of NEST... and HAND_OVER; a cell: of DEFER */
    tr_from to; /* of ANSWER; the model has `whose` */
    int64_t whose;
    bool shared; /* of a multi-call: each server adds its number, times ID_STEP, to the id; done already in the model */
};

struct message {
    enum kind kind;
    struct request request;
    tr_reason reason; /* of STOP and EXITED */
};

struct result {
    int status;
    int64_t value;
    tr_reason reason;
};

enum blocked { FREE, HOLDS, CALLS, RESUMES };
enum idle { IDLE_OFF, IDLE_SHORT, IDLE_HOURS };
enum event { SEEN_CALL, SEEN_CAST, SEEN_EXIT, SEEN_TIMEOUT, SEEN_CONTINUE, NESTED, TERMINATED };

/* A thing that a server has seen, and its number. */
struct seen {
    enum event event;
    int64_t value;
};

struct server {
    bool alive, trap, calm, suspended, unseen /* it has ended in this command */;
    int name;
    int64_t handled;
    enum blocked blocked;
    struct message current; /* of one that is blocked */
    struct result nested;   /* of one that resumes */
    int continues;
    enum idle idle;
    struct message queue[QUEUE_MOST];
    int queued;
    tr_reason ended;
    struct seen seen[EVENTS_MOST];
    int seen_count;
};

enum response { NO_REQUEST, PENDING, ANSWERED };

struct caller {
    bool alive, trap, unseen, waits, told /* in this command */, or_exit;
    int linked; /* to a server */
    int exits;  /* messages EXIT in its mailbox */
    tr_reason ended;
    struct result result;
    enum response requests[REQUESTS];
    struct result responses[REQUESTS];
    int parts; /* of the multi-call in which it waits; 0: none */
    int64_t multi_id;
    enum response part_states[PARTS];
    struct result part_results[PARTS];
};

/* Who waits for an answer: a caller, a server, one of a caller's asynchronous requests, or a part of its multi-call. */
struct pending {
    int64_t id; /* 0: nobody waits */
    int at;     /* the server that owes it */
    bool shortly;
};

static struct world {
    struct server servers[SERVERS];
    struct caller callers[CALLERS];
    struct pending pending[SENDERS];
    int64_t cells[CELLS]; /* ids of requests */
    int64_t fired[FIRED_MOST];
    int fired_count;
    int moving;  /* the server that is at it, or NONE */
    int sending; /* the caller that begins a multi-call, or NONE: its parts are sent while others move */
    bool parallel, unclear;
} world;

static int as_server(int server) { return CALLERS + server; }
static int as_request(int caller, int number) { return CALLERS + SERVERS + caller * REQUESTS + number; }
static int as_part(int caller, int part) { return as_request(CALLERS, 0) + caller * PARTS + part; }
/* Whose part it is; NONE: it is none. */
static int multi_caller(int who) { return who < as_part(0, 0) ? NONE : (who - as_part(0, 0)) / PARTS; }
/* Not a process but a foreign thread, which calls and casts, replies and stops. */
static bool is_foreign(int caller) { return caller >= PUPPETS; }

static void see(struct server *server, enum event event, int64_t value)
{
    if (server->seen_count == EVENTS_MOST)
        world.unclear = true;
    else
        server->seen[server->seen_count++] = (struct seen){ event, value };
}

/* What a calm server does, which does not end by a request. */
static enum then calmly(enum then then) { return then >= STOP_NORMAL ? GO_ON : then; }

/* A reason as a number to be seen by; of a fault only that it was one. */
static int64_t number_of(const tr_reason *reason)
{
    return (int64_t)reason->why << 32 | (reason->why == TR_WHY_FAULT ? 0 : (uint32_t)reason->code);
}

static int64_t number_of_result(const struct result *result)
{
    if (result->status == TR_EDOWN)
        return number_of(&result->reason);
    return result->status == TR_OK ? result->value : result->status;
}

/* Who is meant by a target: a server that lives, or NONE. */
static int holder_of(int target)
{
    for (int i = 0; i < SERVERS; i++)
        if (world.servers[i].alive && (target < SERVERS ? target == i : world.servers[i].name == target - SERVERS))
            return i;
    return NONE;
}

/* ---- answers */

static void caller_ends(int caller, tr_reason reason);

/* Whether it does something, or is about to. */
static bool is_busy(int which)
{
    const struct server *server = &world.servers[which];
    return which == world.moving || server->blocked == CALLS || server->blocked == RESUMES || server->continues > 0 ||
           server->queued > 0;
}

/* GS-21, tr_call_or_exit. Its end may reach a server that is in the middle of something. */
static void caller_is_told(int which, const struct result *result)
{
    struct caller *caller = &world.callers[which];
    static const tr_reason noproc = { .why = TR_WHY_NOPROC }, timeout = { .why = TR_WHY_TIMEOUT };
    caller->waits = false;
    caller->told = true;
    caller->result = *result;
    if (!caller->or_exit || result->status == TR_OK)
        return;
    bool linked = caller->linked != NONE;
    world.unclear |= linked && (world.parallel || is_busy(caller->linked));
    if (result->status == TR_EDOWN)
        caller_ends(which, result->reason);
    else if (result->status == TR_ENOPROC || result->status == TR_ETIMEDOUT)
        caller_ends(which, result->status == TR_ENOPROC ? noproc : timeout);
    else
        caller_ends(which, tr_because(TR_WHY_STATUS, result->status, "%s", tr_status_text(result->status)));
    world.parallel |= linked; /* whoever else is told now must keep off that server */
}

/* GS-28. The last answer ends it. */
static void part_is_told(int which, int part, const struct result *result)
{
    struct caller *caller = &world.callers[which];
    int answered = 0;
    caller->part_states[part] = ANSWERED;
    caller->part_results[part] = *result;
    for (int i = 0; i < caller->parts; i++) {
        if (caller->part_states[i] == PENDING)
            return;
        answered += caller->part_results[i].status == TR_OK;
    }
    caller_is_told(which, &(struct result){ .status = answered });
}

/* A response may have any size, and a DOWN says no more than noproc. */
static struct result response_of(struct result result)
{
    if (result.status == TR_ESIZE)
        result = (struct result){ .value = SHORT_ANSWER };
    if (result.status == TR_EDOWN && result.reason.why == TR_WHY_NOPROC)
        result.status = TR_ENOPROC;
    return result;
}

static void is_told(int who, struct result result)
{
    world.pending[who].id = 0;
    if (who < CALLERS) {
        caller_is_told(who, &result);
    } else if (who < CALLERS + SERVERS) {
        world.servers[who - CALLERS].blocked = RESUMES;
        world.servers[who - CALLERS].nested = result;
    } else if (multi_caller(who) != NONE) {
        result = response_of(result);
        part_is_told(multi_caller(who), (who - as_part(0, 0)) % PARTS, &result);
    } else {
        struct caller *caller = &world.callers[(who - CALLERS - SERVERS) / REQUESTS];
        int number = (who - CALLERS - SERVERS) % REQUESTS;
        caller->requests[number] = ANSWERED;
        caller->responses[number] = response_of(result);
    }
}

/* GS-24: whoever waits no longer does not hear of it. */
static void answer(int64_t id, int status, int64_t value)
{
    for (int i = 0; i < SENDERS; i++)
        if (world.pending[i].id == id && id != 0)
            is_told(i, (struct result){ .status = status, .value = value });
}

/* ---- sending */

/* by: NONE, the driver or a caller; they begin a command. */
static void put(int by, int to, struct message message)
{
    struct server *server = &world.servers[to];
    world.unclear |= (by >= CALLERS && world.parallel) || server->queued == QUEUE_MOST;
    if (server->queued < QUEUE_MOST)
        server->queue[server->queued++] = message;
}

static void cast(int by, int target, const struct request *request)
{
    int to = holder_of(target);
    world.unclear |= by >= CALLERS && world.parallel; /* also if it is dead: since when? */
    if (to != NONE)
        put(by, to, (struct message){ .kind = CAST, .request = *request });
}

/* A call, or something else that is answered. */
static void call(int who, int target, const struct message *message, bool shortly)
{
    int to = holder_of(target);
    world.unclear |= who >= CALLERS && who < CALLERS + SERVERS && world.parallel;
    if (to == NONE || to == who - CALLERS) {
        is_told(who, (struct result){ .status = to == NONE ? TR_ENOPROC : TR_ESELF });
        return;
    }
    world.pending[who] = (struct pending){ message->request.id, to, shortly };
    put(who < CALLERS + SERVERS ? who : NONE, to, *message);
}

/* ---- ends */

/* GS-25, EXIT-01. */
static void link_breaks(int server, const tr_reason *reason)
{
    for (int i = 0; i < CALLERS; i++) {
        struct caller *caller = &world.callers[i];
        if (!caller->alive || caller->linked != server)
            continue;
        caller->linked = NONE;
        if (caller->trap)
            caller->exits++;
        else if (reason->why != TR_WHY_NORMAL)
            caller_ends(i, *reason);
    }
}

/* Whether the server would end before it has taken its part of the multi-call that begins: perhaps before that is
 * sent. */
static bool ends_too_early(const struct server *server)
{
    for (int i = 0; world.sending != NONE && i < PARTS; i++)
        for (int k = 0; k < server->queued; k++)
            if (server->queue[k].request.id == world.pending[as_part(world.sending, i)].id)
                return true;
    return false;
}

/* GS-22: also those who wait in its mailbox. */
static void server_ends(int which, tr_reason reason)
{
    struct server *server = &world.servers[which];
    world.unclear |= ends_too_early(server);
    server->alive = false;
    server->unseen = true;
    server->ended = reason;
    server->name = NONE;
    server->queued = 0;
    world.pending[as_server(which)].id = 0;
    link_breaks(which, &reason);
    for (int i = 0; i < SENDERS; i++)
        if (world.pending[i].id != 0 && world.pending[i].at == which)
            is_told(i, (struct result){ .status = TR_EDOWN, .reason = reason });
}

static void caller_ends(int which, tr_reason reason)
{
    struct caller *caller = &world.callers[which];
    int server = caller->linked;
    caller->told |= caller->waits;
    caller->alive = caller->waits = false;
    caller->unseen = true;
    caller->ended = reason;
    caller->linked = NONE;
    world.pending[which].id = 0;
    world.unclear |= which == world.sending;
    for (int i = 0; i < PARTS; i++)
        world.pending[as_part(which, i)].id = 0;
    for (int i = 0; i < REQUESTS; i++) {
        world.pending[as_request(which, i)].id = 0;
        caller->requests[i] = NO_REQUEST;
    }
    if (server == NONE)
        return;
    world.unclear |= world.parallel;
    if (world.servers[server].trap)
        put(NONE, server, (struct message){ .kind = EXITED, .reason = reason });
    else if (reason.why != TR_WHY_NORMAL)
        server_ends(server, reason);
}

/* GS-30, GS-33, GS-34. crash: of terminate. */
static void server_stops(int which, tr_reason reason, enum then how, int64_t id)
{
    static const tr_reason fault = { .why = TR_WHY_FAULT };
    see(&world.servers[which], TERMINATED, number_of(&reason));
    if (how == STOP_REPLY || how == STOP_REPLY_CRASH || how == STOP_REPLY_FAULT)
        answer(id, TR_OK, id);
    if (how == STOP_REPLY_CRASH)
        reason = tr_because(TR_WHY_USER, -1, "terminate");
    server_ends(which, how == STOP_REPLY_FAULT ? fault : reason);
}

static tr_reason other_reason(int64_t id) { return tr_because(TR_WHY_USER, (int)id, "as request %d says", (int)id); }

static tr_reason stop_reason(enum then then, int64_t id)
{
    switch (then) {
    case STOP_NORMAL: return TR_NORMAL;
    case STOP_SHUTDOWN: return TR_SHUTDOWN;
    case BAD_RETURN: return tr_because(TR_WHY_BAD_RETURN, (int)id + 1, NULL);
    case STATUS: return tr_because(TR_WHY_STATUS, TR_EIO, "%s", tr_status_text(TR_EIO));
    default: return other_reason(id);
    }
}

#endif
