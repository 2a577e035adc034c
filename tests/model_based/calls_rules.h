/* calls_rules.h: what a server of calls_world.h does with what it gets, one message after another, until nothing
 * moves. */
#ifndef TROUPE_TESTS_MODEL_BASED_CALLS_RULES_H
#define TROUPE_TESTS_MODEL_BASED_CALLS_RULES_H

#include "calls_world.h"

/* ---- who can move */

/* The message that is next: its index, or NONE. */
static int next_message(const struct server *server)
{
    for (int i = 0; i < server->queued; i++)
        if (!server->suspended || server->queue[i].kind >= STOP)
            return i;
    return NONE;
}

static bool can_move(const struct server *server)
{
    if (!server->alive || server->blocked == HOLDS || server->blocked == CALLS)
        return false;
    return server->blocked == RESUMES || server->continues > 0 || next_message(server) != NONE;
}

/* ---- what a server does */

static void do_then(int which, const struct request *request)
{
    struct server *server = &world.servers[which];
    static const tr_reason fault = { .why = TR_WHY_FAULT };
    enum then then = server->calm ? calmly(request->then) : request->then;
    for (int i = 0; then != GO_ON && then != IDLE_LONG && i < SERVERS; i++)
        world.parallel |= i != which && can_move(&world.servers[i]);
    switch (then) {
    case GO_ON: break;
    case IDLE_NOW: server->idle = IDLE_SHORT; break;
    case IDLE_LONG: server->idle = IDLE_HOURS; break;
    case CONTINUE: server->continues = 1; break;
    case CONTINUE_TWICE: server->continues = 2; break;
    case FAULT: server_ends(which, fault); break;
    default: server_stops(which, stop_reason(then, request->id), then, request->id); break;
    }
}

/* What a handled request leads to; NONE of it after a block. True: it is over. */
static bool do_what(int which, const struct message *message)
{
    const struct request *request = &message->request;
    struct request inner = { .id = request->id + 1, .other = request->other };
    switch (request->what) {
    case REPLY:
    case REPLY_TWICE: answer(request->id, TR_OK, request->id); break;
    case REPLY_SHORT: answer(request->id, TR_ESIZE, 0); break;
    case DEFER:
        world.unclear |= world.parallel;
        if (message->kind == CALL)
            world.cells[request->other % CELLS] = request->id;
        break;
    case ANSWER:
        world.unclear |= world.parallel && request->whose != 0; /* the one that owes it may be ending */
        answer(request->whose, TR_OK, request->whose);
        break;
    case HAND_OVER:
        inner.what = ANSWER;
        inner.whose = message->kind == CALL ? request->id : 0;
        cast(as_server(which), request->other, &inner);
        break;
    case HOLD: world.servers[which].blocked = HOLDS; return false;
    default:
        inner.what = request->what == NEST_REPLY ? REPLY : request->what == NEST_DEFER ? DEFER : HOLD;
        world.servers[which].blocked = CALLS;
        call(as_server(which), request->other, &(struct message){ .kind = CALL, .request = inner },
             request->what == NEST_SHORTLY);
        return false;
    }
    return true;
}

/* SYS-01, GS-36. True: it was a system message. */
static bool handle_system(int which, const struct message *message)
{
    struct server *server = &world.servers[which];
    switch (message->kind) {
    case STOP: server_stops(which, message->reason, GO_ON, 0); return true;
    case SUSPEND:
    case RESUME:
        server->suspended = message->kind == SUSPEND;
        answer(message->request.id, TR_OK, 0);
        return true;
    case GET_STATE: answer(message->request.id, TR_OK, server->handled); return true;
    default: return false;
    }
}

/* It holds no more, or its own call is over: the rest of what it was doing. */
static void goes_on(int which)
{
    struct server *server = &world.servers[which];
    struct message current = server->current;
    if (server->blocked == RESUMES)
        see(server, NESTED, number_of_result(&server->nested));
    server->blocked = FREE;
    answer(current.request.id, TR_OK, current.request.id);
    do_then(which, &current.request);
}

static void handle(int which, const struct message *message)
{
    static const enum event events[] = { [CALL] = SEEN_CALL, [CAST] = SEEN_CAST, [EXITED] = SEEN_EXIT };
    struct server *server = &world.servers[which];
    if (handle_system(which, message))
        return;
    server->idle = IDLE_OFF;
    server->handled++;
    see(server, events[message->kind], message->kind == EXITED ? number_of(&message->reason) : message->request.id);
    if (message->kind == EXITED)
        return;
    server->current = *message;
    if (do_what(which, message) && server->alive)
        do_then(which, &message->request);
}

/* ---- until nothing moves */

/* GS-12: what is continued comes before what is queued. */
static void move(int which)
{
    struct server *server = &world.servers[which];
    int at = next_message(server);
    world.moving = which;
    if (server->blocked == RESUMES) {
        goes_on(which);
    } else if (server->continues > 0) {
        server->continues--;
        server->handled++;
        see(server, SEEN_CONTINUE, server->continues);
    } else {
        struct message message = server->queue[at];
        server->queued--;
        memmove(&server->queue[at], &server->queue[at + 1], (size_t)(server->queued - at) * sizeof server->queue[0]);
        handle(which, &message);
    }
    world.moving = NONE;
}

/* GS-28: what of a multi-call is not answered in its time. What of it was answered might have come too late, too. */
static void multi_is_late(int which)
{
    struct caller *caller = &world.callers[which];
    for (int i = 0; i < caller->parts; i++)
        world.unclear |= caller->part_states[i] == ANSWERED && caller->part_results[i].status != TR_ENOPROC;
    for (int i = 0; i < caller->parts; i++)
        if (caller->part_states[i] == PENDING)
            is_told(as_part(which, i), (struct result){ .status = TR_ETIMEDOUT });
}

/* GS-09, GS-10, GS-23. False: nothing was due. */
static bool time_passes(void)
{
    int due = 0, late = NONE;
    for (int i = 0; i < SERVERS; i++) {
        struct server *server = &world.servers[i];
        if (!server->alive || server->blocked != FREE || server->idle != IDLE_SHORT || server->suspended)
            continue;
        server->idle = IDLE_OFF;
        server->handled++;
        see(server, SEEN_TIMEOUT, 0);
        due++;
    }
    for (int i = 0; i < SENDERS; i++)
        if (world.pending[i].id != 0 && world.pending[i].shortly) {
            bool same_call = late != NONE && multi_caller(i) != NONE && multi_caller(i) == multi_caller(late);
            world.unclear |= (late != NONE && !same_call) || world.fired_count == FIRED_MOST;
            late = i;
        }
    if (late == NONE || world.unclear)
        return due > 0 && !world.unclear;
    int multi = multi_caller(late);
    world.fired[world.fired_count++] = multi == NONE ? world.pending[late].id : world.callers[multi].multi_id;
    /* the time may have been up long before: what it leads to must not meet anybody */
    world.parallel = true;
    if (multi == NONE)
        is_told(late, (struct result){ .status = TR_ETIMEDOUT });
    else
        multi_is_late(multi);
    return true;
}

static void settle_world(void)
{
    for (;;) {
        int who = NONE, count = 0;
        for (int i = 0; i < SERVERS; i++)
            if (can_move(&world.servers[i])) {
                who = i;
                count++;
            }
        world.parallel |= count > 1;
        if (world.unclear || (count == 0 && !time_passes()))
            return;
        if (count > 0)
            move(who);
    }
}

#endif
