/* server.c: the servers of a scenario, and its supervisors, whose children they are. What a server does is in the
 * requests that it gets. */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELD_MOST = 8 };

struct server {
    struct server_arg is;
    uint64_t dice;
    tr_from held[HELD_MOST];
    size_t held_count;
};

static void note(const struct server *server, const char *text)
{
    see(server->is.place.run, server->is.place.index, "%s%s%s", server->is.name, server->is.name[0] == '\0' ? "" : ":",
        text);
}

static void delay(struct server *server) { run_delay(server->is.place.run, &server->dice); }

/* The letter of this start. */
static char turn_of(const struct server_arg *is)
{
    size_t number = atomic_fetch_add(&is->place.run->starts[(is->name[0] - 'a') % NAMES_MOST], 1);
    size_t length = is->init == NULL ? 0 : strlen(is->init);
    return length == 0 ? 'o' : is->init[number < length ? number : length - 1];
}

/* Who does not start has no name any more when its supervisor hears of it. */
static void give_up_name(const struct server_arg *is)
{
    if (is->registers)
        tr_must(tr_unregister(run_name(is->place.run, is->name).s));
}

static int server_init(void *state, const tr_msg *arg)
{
    struct server *server = state;
    const struct server_arg *is = &server->is;
    server->is = *(const struct server_arg *)tr_expect(arg, sizeof server->is);
    server->dice = is->place.run->seed ^ (uint64_t)is->place.index << 56 ^ tr_self().id;
    if (is->name[0] == '\0')
        return TR_OK;
    if (is->registers)
        tr_must(tr_register(run_name(is->place.run, is->name).s, tr_self()));
    delay(server);
    see(is->place.run, is->place.index, "+%s", is->name);
    delay(server);
    char turn = turn_of(is);
    if (turn == 'o')
        return TR_OK;
    give_up_name(is);
    if (turn == 'c')
        tr_exit(reason_of("r2"));
    return turn == 'i' ? TR_IGNORE : tr_stop(reason_of("r1"));
}

static void answer(tr_from from, const char *text)
{
    char reply[WORD_SIZE] = { 0 };
    strncpy(reply, text, sizeof reply - 1);
    tr_reply(from, reply, sizeof reply);
}

/* A client waits for ever, if nobody releases it: said for those who ask whether the run rests. */
static void hold(struct server *server, tr_from from, uint64_t call)
{
    struct run *run = server->is.place.run;
    tr_assert(server->held_count < HELD_MOST);
    server->held[server->held_count++] = from;
    for (size_t i = 0; i < run->scenario->count; i++)
        if (atomic_load(&run->pids[i]) == from.caller.id) {
            atomic_store(&run->held_by[i], tr_self().id);
            atomic_store(&run->held[i], call);
        }
}

static void release(struct server *server)
{
    struct run *run = server->is.place.run;
    for (size_t k = 0; k < server->held_count; k++) {
        for (size_t i = 0; i < run->scenario->count; i++)
            if (atomic_load(&run->pids[i]) == server->held[k].caller.id)
                atomic_store(&run->held[i], 0);
        answer(server->held[k], "late");
    }
    server->held_count = 0;
}

/* from is NULL for a cast. */
static int serve(struct server *server, const tr_msg *message, const tr_from *from)
{
    const struct request *body = tr_expect(message, sizeof *body);
    const char *request = body->text;
    delay(server);
    note(server, request);
    const char *colon = strchr(request, ':');
    size_t length = colon == NULL ? strlen(request) : (size_t)(colon - request);
    if (strcmp(request, "ping") == 0) {
        if (from != NULL)
            answer(*from, "ping");
    } else if (strcmp(request, "hold") == 0) {
        if (from != NULL)
            hold(server, *from, body->call);
    } else if (strcmp(request, "release") == 0) {
        release(server);
        if (from != NULL)
            answer(*from, "release");
    } else if (colon != NULL && strncmp(request, "die", length) == 0) {
        tr_exit(reason_of(colon + 1));
    } else if (colon != NULL && strncmp(request, "stopr", length) == 0 && length == 5 && from != NULL) {
        return tr_stop_reply(reason_of(colon + 1), *from, "stopr\0\0\0\0\0\0\0\0\0\0", WORD_SIZE);
    } else if (colon != NULL) {
        return tr_stop(reason_of(colon + 1));
    }
    return TR_OK;
}

static int server_call(void *state, const tr_msg *request, tr_from from)
{
    if (tr_tag(request) == LOOK)
        return tr_reply(from, NULL, 0);
    return serve(state, request, &from);
}

static int server_cast(void *state, const tr_msg *message) { return serve(state, message, NULL); }

static int server_info(void *state, const tr_msg *message)
{
    struct server *server = state;
    if (tr_tag(message) == WORD)
        note(server, ((const struct word *)tr_expect(message, sizeof(struct word)))->text);
    if (tr_tag(message) == TR_MSG_EXIT) {
        char text[SEEN_SIZE + sizeof(tr_text)];
        snprintf(text, sizeof text, "EXIT(%s,%s)", run_process_name(server->is.place.run, tr_sender(message)),
                 reason_name(tr_reason_of(message)).s);
        note(server, text);
    }
    return TR_OK;
}

static void server_terminate(void *state, const tr_reason *reason)
{
    char text[SEEN_SIZE + sizeof(tr_text)];
    snprintf(text, sizeof text, "end(%s)", reason_name(reason).s);
    note(state, text);
    if (((const struct server *)state)->is.stuck && reason->why == TR_WHY_SHUTDOWN)
        for (;;)
            tr_sleep(TR_INFINITY);
}

#define SERVER(trap)                                                                                      \
    {                                                                                                     \
        .label = "server", .state_size = sizeof(struct server), .trap_exit = (trap), .init = server_init, \
        .handle_call = server_call, .handle_cast = server_cast, .handle_info = server_info,               \
        .terminate = server_terminate                                                                     \
    }
static const tr_gen_server servers[2] = { SERVER(false), SERVER(true) };

tr_pid server_start(struct place place, bool trap, tr_ref *monitor)
{
    tr_pid pid;
    tr_start_options options = { .flags = TR_START_MONITOR, .monitor = monitor };
    tr_must(tr_start_server(&servers[trap], &(struct server_arg){ .place = place }, sizeof(struct server_arg), &options,
                            &pid));
    return pid;
}

static tr_restart restart_of(const char *name)
{
    return strcmp(name, "permanent") == 0 ? TR_PERMANENT : strcmp(name, "transient") == 0 ? TR_TRANSIENT : TR_TEMPORARY;
}

static int64_t shutdown_of(const struct op *line)
{
    const char *word = op_value(line, "shutdown");
    if (word == NULL)
        return 0;
    return strcmp(word, "kill") == 0 ? TR_BRUTAL_KILL : strcmp(word, "infinity") == 0 ? TR_INFINITY : atoi(word);
}

struct server_arg server_pooled(struct place place, const char *name, const struct op *line)
{
    struct server_arg arg = {
        .place = place, .init = op_value(line, "init"), .stuck = op_has(line, "stuck"), .registers = true
    };
    snprintf(arg.name, sizeof arg.name, "%s", name);
    return arg;
}

void server_child(struct child_spec *child, struct place place, const struct op *line, size_t at)
{
    const char *name = line->words[at];
    *child = (struct child_spec){ .name = run_name(place.run, name), .arg = server_pooled(place, name, line) };
    child->arg.registers = false;
    child->spec = (tr_child){ .id = child->arg.name,
                              .name = child->name.s,
                              .server = &servers[op_has(line, "trap")],
                              .arg = &child->arg,
                              .arg_size = sizeof child->arg,
                              .restart = restart_of(line->words[at + 1]),
                              .shutdown_ms = shutdown_of(line),
                              .significant = op_has(line, "significant") };
}

static tr_strategy strategy_of(const char *name)
{
    static const char *const names[] = { [TR_ONE_FOR_ONE] = "one_for_one",
                                         [TR_ONE_FOR_ALL] = "one_for_all",
                                         [TR_REST_FOR_ONE] = "rest_for_one",
                                         [TR_SIMPLE_ONE_FOR_ONE] = "simple_one_for_one" };
    size_t at = 0;
    while (at < TR_COUNT(names) && strcmp(names[at], name) != 0)
        at++;
    tr_assert(at < TR_COUNT(names));
    return (tr_strategy)at;
}

static tr_auto_shutdown auto_of(const struct op *line)
{
    const char *word = op_value(line, "auto");
    return word == NULL ? TR_NEVER : strcmp(word, "any") == 0 ? TR_ANY_SIGNIFICANT : TR_ALL_SIGNIFICANT;
}

tr_pid supervisor_start(struct place place, const struct process *process, tr_ref *monitor)
{
    struct child_spec children[CHILDREN_MOST];
    tr_child specs[CHILDREN_MOST];
    size_t count = process->count - 1;
    tr_assert(count <= CHILDREN_MOST);
    tr_strategy strategy = strategy_of(process->ops[0].words[1]);
    for (size_t i = 0; i < count; i++) {
        server_child(&children[i], place, &process->ops[i + 1], 0);
        specs[i] = children[i].spec;
        if (strategy == TR_SIMPLE_ONE_FOR_ONE)
            specs[i].name = NULL;
    }
    int intensity = atoi(process->ops[0].words[2]);
    tr_supervisor supervisor = { .strategy = strategy,
                                 .intensity = intensity == 0 ? TR_ZERO : intensity,
                                 .period_s = 3600,
                                 .auto_shutdown = auto_of(&process->ops[0]),
                                 .children = specs,
                                 .child_count = count };
    tr_pid pid;
    tr_must(tr_start_link(&(tr_child){ .id = process->name, .supervisor = &supervisor }, &pid));
    *monitor = tr_monitor(pid);
    return pid;
}
