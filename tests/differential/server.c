/* server.c: the servers of a scenario, and its supervisors, whose children they are. What a server does is in the
 * requests that it gets. */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELD_MOST = 8 };

struct server {
    struct place place;
    char name[8]; /* of a supervisor's child; "" */
    uint64_t dice;
    tr_from held[HELD_MOST];
    size_t held_count;
};

static void note(const struct server *server, const char *text)
{
    see(server->place.run, server->place.index, "%s%s%s", server->name, server->name[0] == '\0' ? "" : ":", text);
}

static void delay(struct server *server) { run_delay(server->place.run, &server->dice); }

static int server_init(void *state, const tr_msg *arg)
{
    struct server *server = state;
    const struct server *from = tr_body(arg);
    memcpy(server, from, tr_size(arg));
    server->dice = server->place.run->seed ^ (uint64_t)server->place.index << 56 ^ tr_self().id;
    if (server->name[0] == '\0')
        return TR_OK;
    delay(server);
    see(server->place.run, server->place.index, "+%s", server->name);
    delay(server);
    return TR_OK;
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
    struct run *run = server->place.run;
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
    struct run *run = server->place.run;
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
        snprintf(text, sizeof text, "EXIT(%s,%s)", run_process_name(server->place.run, tr_sender(message)),
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
    tr_must(tr_start_server(&servers[trap], &(struct server){ .place = place }, sizeof(struct server), &options, &pid));
    return pid;
}

static tr_restart restart_of(const char *name)
{
    return strcmp(name, "permanent") == 0 ? TR_PERMANENT : strcmp(name, "transient") == 0 ? TR_TRANSIENT : TR_TEMPORARY;
}

void server_child(struct child_spec *child, struct place place, const char *name, const char *restart, bool trap)
{
    *child = (struct child_spec){ .name = run_name(place.run, name) };
    child->arg.place = place;
    snprintf(child->arg.name, sizeof child->arg.name, "%s", name);
    child->spec = (tr_child){ .id = child->arg.name,
                              .name = child->name.s,
                              .server = &servers[trap],
                              .arg = &child->arg,
                              .arg_size = sizeof child->arg,
                              .restart = restart_of(restart) };
}

tr_pid supervisor_start(struct place place, const struct process *process, tr_ref *monitor)
{
    struct child_spec children[CHILDREN_MOST];
    tr_child specs[CHILDREN_MOST];
    size_t count = process->count - 1;
    for (size_t i = 0; i < count; i++) {
        const struct op *line = &process->ops[i + 1];
        server_child(&children[i], place, line->words[0], line->words[1], op_has(line, "trap"));
        specs[i] = children[i].spec;
    }
    const char *strategy = process->ops[0].words[1];
    int intensity = atoi(process->ops[0].words[2]);
    tr_supervisor supervisor = { .strategy = strcmp(strategy, "one_for_one") == 0   ? TR_ONE_FOR_ONE
                                             : strcmp(strategy, "one_for_all") == 0 ? TR_ONE_FOR_ALL
                                                                                    : TR_REST_FOR_ONE,
                                 .intensity = intensity == 0 ? TR_ZERO : intensity,
                                 .period_s = 3600,
                                 .children = specs,
                                 .child_count = count };
    tr_pid pid;
    tr_must(tr_start_link(&(tr_child){ .id = process->name, .supervisor = &supervisor }, &pid));
    *monitor = tr_monitor(pid);
    return pid;
}
