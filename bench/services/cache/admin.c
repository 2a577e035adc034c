/* admin.c: see admin.h. */
#include "admin.h"

#include <string.h>

#include "settings.h"
#include "shard.h"

enum { RESTART_TRIES = 2000 };

static void reply_arity(struct bytes *out, const char *name)
{
    reply_error(out, "ERR wrong number of arguments for '%s' command", name);
}

static void reply_unknown(struct bytes *out, struct slice what, const char *command)
{
    reply_error(out, "ERR unknown subcommand '%.*s'. Try %s HELP.", (int)(what.size < 128 ? what.size : 128), what.data,
                command);
}

static void reply_lines(struct bytes *out, const char *const *lines, size_t count)
{
    reply_array(out, count);
    for (size_t i = 0; i < count; i++) {
        bytes_add(out, "+", 1);
        bytes_add(out, lines[i], strlen(lines[i]));
        bytes_add(out, "\r\n", 2);
    }
}

/* ---- CLIENT */

static void set_name(struct connection *connection, struct slice name)
{
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] < '!' || name.data[i] > '~') {
            reply_error(&connection->out, "ERR Client names cannot contain spaces, newlines or special characters.");
            return;
        }
    }
    if (name.size >= CLIENT_NAME_MAX) {
        reply_error(&connection->out, "ERR Client names have at most %d characters here.", CLIENT_NAME_MAX - 1);
        return;
    }
    memset(connection->client.name, 0, CLIENT_NAME_MAX);
    memcpy(connection->client.name, name.data, name.size);
    clients_enter(&connection->client);
    reply_ok(&connection->out);
}

static void reply_list(struct bytes *out, const struct request *request)
{
    struct bytes text = { 0 };
    int64_t id = 0;
    if (request->count == 4 && slice_is(request_argument(request, 2), "id")) {
        if (!number_parse(request_argument(request, 3), &id) || id <= 0) {
            reply_error(out, "ERR Invalid client ID");
            return;
        }
    } else if (request->count != 2) {
        reply_text(out, "-ERR syntax error\r\n");
        return;
    }
    clients_list((uint64_t)id, &text);
    reply_bulk(out, text.data, text.size);
    out->failed |= text.failed;
    bytes_release(&text);
}

static void reply_kill(struct bytes *out, const struct request *request)
{
    int64_t id;
    if (request->count != 4 || !slice_is(request_argument(request, 2), "id"))
        reply_text(out, "-ERR syntax error\r\n");
    else if (!number_parse(request_argument(request, 3), &id) || id <= 0)
        reply_error(out, "ERR client-id should be greater than 0");
    else
        reply_integer(out, clients_kill((uint64_t)id));
}

static void reply_self(struct connection *connection)
{
    struct bytes text = { 0 };
    clients_print(&connection->client, "client|info", &text);
    reply_bulk(&connection->out, text.data, text.size);
    connection->out.failed |= text.failed;
    bytes_release(&text);
}

static void run_client(struct connection *connection, const struct request *request)
{
    static const char *const help[] = { "CLIENT <subcommand> [<arg> ...]. Subcommands are:",
                                        "GETNAME, SETNAME <name>, ID, INFO, LIST [ID <id>], KILL ID <id>,",
                                        "SETINFO <option> <value>, NO-EVICT ON|OFF, NO-TOUCH ON|OFF, HELP" };
    struct bytes *out = &connection->out;
    struct slice what = request_argument(request, 1);
    size_t count = request->count;
    if (slice_is(what, "setname"))
        count == 3 ? set_name(connection, request_argument(request, 2)) : reply_arity(out, "client|setname");
    else if (slice_is(what, "getname") && count == 2 && connection->client.name[0] == '\0')
        reply_nil(out);
    else if (slice_is(what, "getname"))
        count == 2 ? reply_bulk_text(out, connection->client.name) : reply_arity(out, "client|getname");
    else if (slice_is(what, "id"))
        count == 2 ? reply_integer(out, (int64_t)connection->client.id) : reply_arity(out, "client|id");
    else if (slice_is(what, "info"))
        count == 2 ? reply_self(connection) : reply_arity(out, "client|info");
    else if (slice_is(what, "list"))
        reply_list(out, request);
    else if (slice_is(what, "kill"))
        reply_kill(out, request);
    else if (slice_is(what, "setinfo"))
        count == 4 ? reply_ok(out) : reply_arity(out, "client|setinfo");
    else if (slice_is(what, "no-evict") || slice_is(what, "no-touch"))
        count == 3 ? reply_ok(out)
                   : reply_arity(out, slice_is(what, "no-evict") ? "client|no-evict" : "client|no-touch");
    else if (slice_is(what, "help"))
        reply_lines(out, help, TR_COUNT(help));
    else
        reply_unknown(out, what, "CLIENT");
}

/* ---- DEBUG */

/* Really crashes it; the reply comes once it is down. */
static void crash_shard(struct bytes *out, struct slice number)
{
    int64_t shard;
    tr_msg *reply;
    if (!number_parse(number, &shard) || shard < 0 || shard >= cache.shards) {
        reply_error(out, "ERR no such shard, there are %u", cache.shards);
        return;
    }
    int status, tries = 0;
    do { /* it may be on its way back from an earlier crash */
        tr_sleep(tries > 0);
        status = tr_call_msg(shard_id((uint32_t)shard), SHARD_CRASH, NULL, 0, TR_INFINITY, &reply);
    } while (status == TR_ENOPROC && tries++ < RESTART_TRIES);
    if (status == TR_EDOWN)
        reply_ok(out);
    else
        reply_error(out, "ERR %s", tr_status_text(status));
}

static volatile int *volatile nowhere; /* what DEBUG SEGFAULT writes to: never set */

static void run_debug(struct connection *connection, const struct request *request)
{
    static const char *const help[] = { "DEBUG <subcommand> [<arg> ...]. Subcommands are:",
                                        "CRASH-SHARD <number>: the shard crashes on an unexpected message",
                                        "CRASH-CONNECTION: this connection crashes on a failed assertion",
                                        "SEGFAULT: this connection, and nothing else, writes to address 0" };
    struct slice what = request_argument(request, 1);
    if (slice_is(what, "crash-shard")) {
        if (request->count == 3)
            crash_shard(&connection->out, request_argument(request, 2));
        else
            reply_arity(&connection->out, "debug|crash-shard");
    } else if (slice_is(what, "crash-connection")) {
        const bool asked_to_crash = true;
        tr_assert(!asked_to_crash);
    } else if (slice_is(what, "segfault")) {
        *nowhere = 1;
    } else if (slice_is(what, "help")) {
        reply_lines(&connection->out, help, TR_COUNT(help));
    } else {
        reply_unknown(&connection->out, what, "DEBUG");
    }
}

/* ---- the rest */

/* HELLO [2 [SETNAME name]]: there is no third version of the protocol here, and no passwords. */
static void run_hello(struct connection *connection, const struct request *request)
{
    struct bytes *out = &connection->out;
    int64_t version = 2;
    if (request->count > 1 && !number_parse(request_argument(request, 1), &version)) {
        reply_error(out, "ERR Protocol version is not an integer or out of range");
        return;
    }
    if (version != 2) {
        reply_error(out, "NOPROTO unsupported protocol version");
        return;
    }
    if (request->count > 2) {
        if (request->count != 4 || !slice_is(request_argument(request, 2), "setname")) {
            reply_text(out, "-ERR syntax error\r\n");
            return;
        }
        size_t before = out->size;
        set_name(connection, request_argument(request, 3));
        if (out->size > before && out->data[before] == '-')
            return;
        out->size = before;
    }
    reply_array(out, 14);
    reply_bulk_text(out, "server");
    reply_bulk_text(out, "redis");
    reply_bulk_text(out, "version");
    reply_bulk_text(out, CACHE_VERSION);
    reply_bulk_text(out, "proto");
    reply_integer(out, 2);
    reply_bulk_text(out, "id");
    reply_integer(out, (int64_t)connection->client.id);
    reply_bulk_text(out, "mode");
    reply_bulk_text(out, "standalone");
    reply_bulk_text(out, "role");
    reply_bulk_text(out, "master");
    reply_bulk_text(out, "modules");
    reply_array(out, 0);
}

bool admin_run(struct connection *connection, const struct request *request)
{
    const char *name = request->command->name;
    settings_add(local_commands, 1);
    if (strcmp(name, "client") == 0) {
        run_client(connection, request);
    } else if (strcmp(name, "command") == 0) {
        command_reply(request, &connection->out);
    } else if (strcmp(name, "config") == 0) {
        settings_reply(request, &connection->out);
    } else if (strcmp(name, "debug") == 0) {
        run_debug(connection, request);
    } else if (strcmp(name, "hello") == 0) {
        run_hello(connection, request);
    } else if (strcmp(name, "reset") == 0) {
        memset(connection->client.name, 0, CLIENT_NAME_MAX);
        reply_text(&connection->out, "+RESET\r\n");
    } else { /* QUIT */
        reply_ok(&connection->out);
        connection->closing = true;
    }
    return true;
}
