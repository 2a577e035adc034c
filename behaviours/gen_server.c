/* gen_server.c: the generic server: a tr_actor that sorts messages by how they were sent.
 *
 * One actor serves every server; which server it is, is the process's spawn data, so that the state is the user's alone
 * and costs nothing. All else (name, init's acknowledgement, parent, system messages, dispositions, reports) is the
 * actor's. */
#include <troupe/gen_server.h>
#include <troupe/runtime.h>

static int start(void *state, const tr_msg *arg)
{
    const tr_gen_server *server = tr_data();
    return server->init == NULL ? TR_OK : server->init(state, arg);
}

/* Nobody has a clause for it: GS-16. */
static int drop(const tr_msg *message)
{
    tr_log(TR_WARNING, "no handle_info: dropped message %d of %zu bytes from %s", tr_tag(message), tr_size(message),
           tr_pid_text(tr_sender(message)).s);
    return TR_OK;
}

static int handle(void *state, const tr_msg *message)
{
    const tr_gen_server *server = tr_data();
    int (*callback)(void *, const tr_msg *) = NULL;
    switch (tr_kind_of(message)) {
    case TR_KIND_CALL:
        if (server->handle_call == NULL)
            return tr_unexpected(message);
        return server->handle_call(state, message, tr_from_of(message));
    case TR_KIND_CAST: callback = server->handle_cast; break;
    case TR_KIND_CONTINUE: callback = server->handle_continue; break;
    case TR_KIND_INFO: return server->handle_info == NULL ? drop(message) : server->handle_info(state, message);
    }
    return callback == NULL ? tr_unexpected(message) : callback(state, message);
}

static void ended(void *state, const tr_reason *reason)
{
    const tr_gen_server *server = tr_data();
    if (server->terminate != NULL)
        server->terminate(state, reason);
}

static void describe(const void *state, tr_out *out)
{
    const tr_gen_server *server = tr_data();
    if (server->describe != NULL)
        server->describe(state, out);
}

static const tr_message_type *type_of(const void *state, int tag)
{
    const tr_gen_server *server = tr_data();
    (void)state;
    for (size_t i = 0; i < server->message_count; i++)
        if (server->messages[i].tag == tag)
            return &server->messages[i];
    return NULL;
}

static const char *label_of(const void *data)
{
    const tr_gen_server *server = data;
    return server->label != NULL ? server->label : "gen_server";
}

static const tr_actor gen_server = {
    .label = "gen_server",
    .start = start,
    .handle = handle,
    .ended = ended,
    .describe = describe,
    .type_of = type_of,
    .label_of = label_of,
};

int tr_start_server(const tr_gen_server *server, const void *arg, size_t size, const tr_start_options *options,
                    tr_pid *pid)
{
    tr_start_options how = { 0 };
    tr_spawn_options spawn = { 0 };
    if (server == NULL)
        return TR_EINVAL;
    if (options != NULL)
        how = *options;
    if (how.spawn != NULL)
        spawn = *how.spawn;
    if (spawn.data != NULL || spawn.extra_state != 0)
        return TR_EINVAL; /* both are taken */
    spawn.data = server;
    spawn.extra_state = server->state_size;
    if (server->trap_exit)
        spawn.flags |= TR_SPAWN_TRAP_EXIT;
    how.spawn = &spawn;
    return tr_start_actor(&gen_server, arg, size, &how, pid);
}
