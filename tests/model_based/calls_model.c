/* calls_model.c: gen_server's calls: with and without a timeout, by pid and by name, answered at once, late, twice, by
 * somebody else or never, from inside handlers and from foreign threads, to several servers at once; servers that stop,
 * crash, are busy, suspended, dead; casts, asynchronous requests, continues and timeouts between them (GS-07 to GS-36,
 * SYS-01, SYS-02).
 *
 * A command is first worked out by the model. If what comes of it depends on the scheduler (calls_world.h), it is taken
 * back and nothing happens; else it is carried out, and what every server has seen, what every caller was told, who has
 * ended of what and how long the mailboxes are must be as the model says. */
#include "calls_commands.h"

enum {
    SPAWN,
    START,
    NAME,
    CALL_IT,
    DEFERRED,
    BURST,
    MULTI,
    CAST_IT,
    REQUEST,
    AWAIT,
    REPLY_TO,
    RELEASE,
    STOP_IT,
    SYSTEM,
    END,
    END_CALLER,
    LINK,
    UNLINK,
    TAKE,
    LOOK
};

static const char *const trap_words[] = { "plain", "trap" };
static const char *const nature_words[] = { "plain", "trap", "calm", "calm_trap" };
static const char *const init_words[] = { "well", "continue", "idle", "ignore", "stop", "exit" };
static const char *const what_words[] = { "reply", "reply_twice", "reply_short", "defer",     "hand_over",
                                          "hold",  "nest_reply",  "nest_defer",  "nest_hold", "nest_shortly" };
static const char *const then_words[] = {
    "go_on",         "idle_now",   "idle_long",  "continue",         "continue_2",       "stop_normal",
    "stop_shutdown", "stop",       "stop_reply", "stop_reply_crash", "stop_reply_fault", "exit",
    "fault",         "bad_return", "status"
};
static const char *const wait_words[] = { "long", "shortly", "or_exit" };
static const char *const patient_words[] = { "long", "shortly" };
static const char *const await_words[] = { "wait", "wait_shortly", "receive", "receive_shortly" };
static const char *const system_words[] = { "suspend", "resume", "get_state" };
static const char *const burst_words[] = { "call", "suspend", "resume", "get_state", "stop_server" };
static const char *const why_words[] = { "normal", "shutdown", "other", "kill" };

enum { WHY_NORMAL, WHY_SHUTDOWN, WHY_OTHER, WHY_KILL };

#define A_CALLER UPTO(CALLERS)
#define A_SERVER UPTO(SERVERS)
#define A_TARGET UPTO(TARGETS)

static const struct operation operations[] = {
    [SPAWN] = { "spawn", 8, { A_CALLER, ONE_OF(trap_words) } },
    [START] = { "start", 16, { A_SERVER, UPTO(NAMES + 1), ONE_OF(nature_words), ONE_OF(init_words) } },
    [NAME] = { "name", 5, { A_SERVER, UPTO(NAMES) } },
    [CALL_IT] = { "call",
                  30,
                  { A_CALLER, A_TARGET, ONE_OF(what_words), ONE_OF(then_words), A_TARGET, ONE_OF(wait_words) } },
    [DEFERRED] = { "call_deferred", 24, { A_CALLER, A_TARGET, UPTO(CELLS), ONE_OF(wait_words) } },
    [BURST] = { "casts_and", 10, { A_CALLER, A_TARGET, ONE_OF(burst_words), UPTO(3), UPTO(STOP_NORMAL) } },
    [MULTI] = { "multi_call",
                12,
                { A_CALLER, UPTO(1 << TARGETS), ONE_OF(what_words), ONE_OF(then_words), A_TARGET,
                  ONE_OF(patient_words) } },
    [CAST_IT] = { "cast", 10, { A_TARGET, ONE_OF(what_words), ONE_OF(then_words), A_TARGET } },
    [REQUEST] = { "request",
                  8,
                  { A_CALLER, A_TARGET, ONE_OF(what_words), ONE_OF(then_words), A_TARGET, UPTO(REQUESTS) } },
    [AWAIT] = { "await", 6, { A_CALLER, UPTO(REQUESTS), ONE_OF(await_words) } },
    [REPLY_TO] = { "reply", 16, { UPTO(CELLS), UPTO(CALLERS + 1) } },
    [RELEASE] = { "release", 14, { A_SERVER } },
    [STOP_IT] = { "stop_server", 3, { A_CALLER, A_TARGET, UPTO(WHY_KILL), ONE_OF(patient_words) } },
    [SYSTEM] = { "system", 6, { A_CALLER, A_TARGET, ONE_OF(system_words), ONE_OF(patient_words) } },
    [END] = { "end_server", 3, { A_SERVER, ONE_OF(why_words) } },
    [END_CALLER] = { "end_caller", 3, { A_CALLER, ONE_OF(why_words) } },
    [LINK] = { "link", 4, { A_CALLER, A_SERVER } },
    [UNLINK] = { "unlink", 1, { A_CALLER } },
    [TAKE] = { "take", 2, { A_CALLER } },
    [LOOK] = { "look", 2, { UPTO(1) } },
};

static size_t processes;

static tr_reason reason_of(int why)
{
    static const tr_reason *const reasons[] = { &TR_NORMAL, &TR_SHUTDOWN, NULL, &TR_KILL };
    return reasons[why] != NULL ? *reasons[why] : tr_because(TR_WHY_USER, 7, "a reason of one's own");
}

/* ---- processes and names */

static void spawn(int which, bool trap)
{
    if (world.callers[which].alive)
        return;
    caller_pids[which] = tr_spawn_with(puppet, NULL, 0, &(tr_spawn_options){ .flags = trap ? TR_SPAWN_TRAP_EXIT : 0 });
    caller_downs[which] = tr_monitor(caller_pids[which]);
    world.callers[which] = (struct caller){ .alive = true, .trap = trap, .linked = NONE };
}

/* GS-02, GS-04, GS-12. */
/* nature: bit 0: it traps exits; bit 1: it is calm. */
static void start(int which, int name, int nature, enum init init)
{
    struct server *server = &world.servers[which];
    int holder = name == NAMES ? NONE : holder_of(SERVERS + name), expected = TR_OK;
    bool trap = (nature & 1) != 0, calm = (nature & 2) != 0;
    tr_pid pid = { 0 };
    if (server->alive)
        return;
    propose();
    if (holder != NONE) {
        expected = TR_EALREADY_STARTED;
    } else if (init >= INIT_IGNORE) {
        expected = init == INIT_IGNORE ? TR_IGNORE : TR_ESTART;
    } else {
        *server = (struct server){ .alive = true, .trap = trap, .calm = calm, .name = name == NAMES ? NONE : name };
        server->continues = init == INIT_CONTINUE ? 2 : 0;
        server->idle = init == INIT_IDLE ? IDLE_SHORT : IDLE_OFF;
    }
    if (!is_clear())
        return;
    const struct beginning beginning = { which, calm, init };
    const tr_spawn_options spawn = { .flags = trap ? TR_SPAWN_TRAP_EXIT : 0 };
    const tr_start_options options = { .name = name == NAMES ? NULL : names[name], .spawn = &spawn };
    EXPECT_EQ(tr_start_server(&one_server, &beginning, sizeof beginning, &options, &pid), expected);
    if (expected == TR_EALREADY_STARTED)
        EXPECT_PID(pid, pids[holder]);
    if (expected == TR_ESTART) {
        tr_reason reason = other_reason(init);
        EXPECT_REASON(tr_last_reason(), &reason);
    }
    if (expected != TR_OK)
        return;
    pids[which] = pid;
    server_downs[which] = tr_monitor(pid);
}

/* The name changes hands: from whoever has it to this server, which gives up its own. */
static void name_it(int which, int name)
{
    struct server *server = &world.servers[which];
    int holder = holder_of(SERVERS + name);
    if (holder != NONE) {
        EXPECT_EQ(tr_unregister(names[name]), TR_OK);
        world.servers[holder].name = NONE;
    }
    if (!server->alive)
        return;
    if (server->name != NONE)
        EXPECT_EQ(tr_unregister(names[server->name]), TR_OK);
    EXPECT_EQ(tr_register(names[name], pids[which]), TR_OK);
    server->name = name;
}

/* ---- ends and links */

/* EXIT-01. */
static void end_server(int which, int why)
{
    struct server *server = &world.servers[which];
    tr_reason reason = reason_of(why);
    if (!server->alive)
        return;
    propose();
    if (why == WHY_KILL)
        server_ends(which, TR_KILLED);
    else if (server->trap)
        put(NONE, which, (struct message){ .kind = EXITED, .reason = reason });
    else if (why != WHY_NORMAL)
        server_ends(which, reason);
    if (is_clear())
        EXPECT_EQ(tr_exit_signal(pids[which], reason), TR_OK);
}

static void end_caller(int which, int why)
{
    struct caller *caller = &world.callers[which];
    tr_reason reason = reason_of(why);
    if (!caller->alive || is_foreign(which))
        return;
    propose();
    if (why == WHY_KILL)
        caller_ends(which, TR_KILLED);
    else if (caller->trap)
        caller->exits++;
    else if (why != WHY_NORMAL)
        caller_ends(which, reason);
    if (is_clear())
        EXPECT_EQ(tr_exit_signal(caller_pids[which], reason), TR_OK);
}

static void order_link(struct order *order) { order->status = tr_link(order->pid); }
static void order_unlink(struct order *order) { tr_unlink(order->pid); }

static void link_to(int which, int to)
{
    struct caller *caller = &world.callers[which];
    struct order order = { .run = order_link, .pid = pids[to] };
    if (!is_free(caller) || is_foreign(which) || caller->linked != NONE || tr_nobody(pids[to]))
        return;
    let_caller(which, &order);
    EXPECT_EQ(order.status, world.servers[to].alive || caller->trap ? TR_OK : TR_ENOPROC);
    if (world.servers[to].alive)
        caller->linked = to;
    else
        caller->exits += caller->trap;
}

static void unlink_it(int which)
{
    struct caller *caller = &world.callers[which];
    if (!is_free(caller) || caller->linked == NONE)
        return;
    let_caller(which, &(struct order){ .run = order_unlink, .pid = pids[caller->linked] });
    caller->linked = NONE;
}

/* ---- what is there */

static void take(int which)
{
    struct caller *caller = &world.callers[which];
    struct order order = { .run = order_take };
    int exits = 0;
    if (!is_free(caller) || is_foreign(which))
        return;
    let_caller(which, &order);
    EXPECT_EQ(order.taken_count, caller_queue(caller));
    for (int i = 0; i < order.taken_count; i++)
        exits += took[i].tag == TR_MSG_EXIT;
    EXPECT_EQ(exits, caller->exits);
    caller->exits = 0;
    for (int i = 0; i < REQUESTS; i++)
        if (caller->requests[i] == ANSWERED)
            caller->requests[i] = NO_REQUEST;
}

static void look(void)
{
    for (int i = 0; i < NAMES; i++) {
        int holder = holder_of(SERVERS + i);
        EXPECT_PID(tr_whereis(names[i]), holder == NONE ? (tr_pid){ 0 } : pids[holder]);
    }
    for (int i = 0; i < SERVERS; i++)
        EXPECT_EQ(tr_is_alive(pids[i]), world.servers[i].alive);
}

/* Commands of a caller to somebody. */
static void apply_call(int operation, const int *arguments)
{
    int which = arguments[0], target = arguments[1];
    static const enum kind kinds[] = { SUSPEND, RESUME, GET_STATE },
                           burst_kinds[] = { CALL, SUSPEND, RESUME, GET_STATE, STOP };
    struct request what = request_of((enum what)arguments[2], (enum then)arguments[3], arguments[4]);
    struct errand to_do = { .kind = CALL, .request = { .id = what.id } };
    switch (operation) {
    case CALL_IT:
        to_do.request = what;
        errand(which, target, to_do, arguments[5]);
        break;
    case DEFERRED:
        to_do.request.what = DEFER;
        to_do.request.other = arguments[2];
        errand(which, target, to_do, arguments[3]);
        break;
    case BURST:
        to_do.kind = burst_kinds[arguments[2]];
        to_do.casts = arguments[3];
        to_do.casts_then = (enum then)arguments[4];
        errand(which, target, to_do, LONG);
        break;
    case MULTI: is_foreign(which) ? multi_refused(which) : multi(which, target, &what, arguments[5]); break;
    case REQUEST: request(which, target, &what, arguments[5]); break;
    case STOP_IT:
        to_do.kind = STOP;
        to_do.reason = reason_of(arguments[2]);
        errand(which, target, to_do, arguments[3]);
        break;
    case SYSTEM:
        to_do.kind = kinds[arguments[2]];
        errand(which, target, to_do, arguments[3]);
        break;
    }
}

static void apply(const struct command *command)
{
    const int *arguments = command->arguments;
    int first = arguments[0], second = arguments[1];
    struct request what;
    switch (command->operation) {
    case SPAWN: spawn(first, second == 1); break;
    case START: start(first, second, arguments[2], (enum init)arguments[3]); break;
    case NAME: name_it(first, second); break;
    case CAST_IT:
        what = request_of((enum what)second, (enum then)arguments[2], arguments[3]);
        cast_it(first, &what);
        break;
    case AWAIT: await(first, second, arguments[2]); break;
    case REPLY_TO: reply_to(first, second); break;
    case RELEASE: release(first); break;
    case END: end_server(first, second); break;
    case END_CALLER: end_caller(first, second); break;
    case LINK: link_to(first, second); break;
    case UNLINK: unlink_it(first); break;
    case TAKE: take(first); break;
    case LOOK: look(); break;
    default: apply_call(command->operation, arguments); break;
    }
    settle();
}

static void begin(void)
{
    processes = settled_processes();
    memset(&world, 0, sizeof world);
    memset(pids, 0, sizeof pids);
    for (int i = 0; i < SERVERS; i++)
        world.servers[i].name = NONE;
    next_id = 0;
    start_threads();
}

/* Whoever still waits is told, or ends: in any order, so the model has no say. */
static void end(void)
{
    tr_reason reason;
    tr_msg *reply;
    look();
    for (int i = 0; i < SERVERS; i++)
        if (world.servers[i].alive)
            EXPECT_EQ(tr_exit_signal(pids[i], TR_KILL), TR_OK);
    for (int i = 0; i < SERVERS; i++)
        if (world.servers[i].alive)
            EXPECT_EQ(tr_await_down(server_downs[i], model_patience_ms(), &reason), TR_OK);
    for (int i = 0; i < CALLERS; i++) {
        if (world.callers[i].waits) {
            EXPECT(tr_wait_response(answers[i], model_patience_ms(), &reply) != TR_ETIMEDOUT);
            tr_drop(reply);
        }
        if (!world.callers[i].alive)
            continue;
        EXPECT_EQ(tr_exit_signal(caller_pids[i], TR_KILL), TR_OK);
        EXPECT_EQ(tr_await_down(caller_downs[i], model_patience_ms(), &reason), TR_OK);
    }
    end_threads();
    for (int i = 0; i < SERVERS; i++)
        __atomic_store_n(&real_seen[i].count, 0, __ATOMIC_RELAXED); /* relaxed: nobody is left */
    expect_processes(processes);
    EXPECT(tr_receive(0) == NULL);
}

int main(int argc, char **argv)
{
    static const struct model model = { "calls", operations, TR_COUNT(operations), 500, 100000, begin, apply, end };
    return model_main(argc, argv, &model);
}
