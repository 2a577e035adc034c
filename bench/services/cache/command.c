/* command.c: see command.h. The table of places is filled once and constant afterwards. */
#include "command.h"

#include <string.h>

#include "verbs.h"

enum {
    PLACES = 256, /* at most half of them are used */
    W = COMMAND_WRITE,
    R = COMMAND_READ,
    F = COMMAND_FAST,
    O = COMMAND_WRITE | COMMAND_DENY_OOM,
    A = COMMAND_ALONE,
    ADMIN = COMMAND_ALONE | COMMAND_ADMIN
};

static const struct command commands[] = {
    { "get", 2, R | F, 1, 1, 1, verb_get },
    { "set", -3, O, 1, 1, 1, verb_set },
    { "setnx", 3, O | F, 1, 1, 1, verb_setnx },
    { "setex", 4, O, 1, 1, 1, verb_setex },
    { "psetex", 4, O, 1, 1, 1, verb_psetex },
    { "getset", 3, O | F, 1, 1, 1, verb_getset },
    { "getdel", 2, W | F, 1, 1, 1, verb_getdel },
    { "getex", -2, W | F, 1, 1, 1, verb_getex },
    { "getrange", 4, R, 1, 1, 1, verb_getrange },
    { "substr", 4, R, 1, 1, 1, verb_getrange },
    { "append", 3, O | F, 1, 1, 1, verb_append },
    { "strlen", 2, R | F, 1, 1, 1, verb_strlen },
    { "incr", 2, O | F, 1, 1, 1, verb_incr },
    { "decr", 2, O | F, 1, 1, 1, verb_decr },
    { "incrby", 3, O | F, 1, 1, 1, verb_incrby },
    { "decrby", 3, O | F, 1, 1, 1, verb_decrby },
    { "mget", -2, R | F, 1, -1, 1, verb_mget },
    { "mset", -3, O, 1, -1, 2, verb_mset },
    { "del", -2, W, 1, -1, 1, verb_del },
    { "unlink", -2, W | F, 1, -1, 1, verb_del },
    { "exists", -2, R | F, 1, -1, 1, verb_exists },
    { "touch", -2, R | F, 1, -1, 1, verb_exists },
    { "type", 2, R | F, 1, 1, 1, verb_type },
    { "expire", -3, W | F, 1, 1, 1, verb_expire },
    { "pexpire", -3, W | F, 1, 1, 1, verb_pexpire },
    { "expireat", -3, W | F, 1, 1, 1, verb_expireat },
    { "pexpireat", -3, W | F, 1, 1, 1, verb_pexpireat },
    { "ttl", 2, R | F, 1, 1, 1, verb_ttl },
    { "pttl", 2, R | F, 1, 1, 1, verb_pttl },
    { "persist", 2, W | F, 1, 1, 1, verb_persist },
    { "keys", 2, R, 0, 0, 0, verb_keys },
    { "scan", -2, R, 0, 0, 0, verb_scan },
    { "dbsize", 1, R | F, 0, 0, 0, verb_dbsize },
    { "flushall", -1, W, 0, 0, 0, verb_flush },
    { "flushdb", -1, W, 0, 0, 0, verb_flush },
    { "info", -1, 0, 0, 0, 0, verb_info },
    { "ping", -1, F, 0, 0, 0, verb_ping },
    { "echo", 2, F, 0, 0, 0, verb_echo },
    { "select", 2, F, 0, 0, 0, verb_select },
    { "time", 1, F, 0, 0, 0, verb_time },
    { "quit", -1, A | F, 0, 0, 0, NULL },
    { "reset", 1, A | F, 0, 0, 0, NULL },
    { "hello", -1, A | F, 0, 0, 0, NULL },
    { "client", -2, A, 0, 0, 0, NULL },
    { "command", -1, A, 0, 0, 0, NULL },
    { "config", -2, ADMIN, 0, 0, 0, NULL },
    { "debug", -2, ADMIN, 0, 0, 0, NULL },
};

static const struct command *places[PLACES];

/* The first eight letters in lower case, in one word: few names differ only behind them. */
static uint64_t word_of(struct slice name)
{
    uint64_t word = 0;
    memcpy(&word, name.data, name.size < 8 ? name.size : 8);
    return word | UINT64_C(0x2020202020202020);
}

static size_t place_of(struct slice name)
{
    return (size_t)((word_of(name) + name.size) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

void command_start(void)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        size_t place = place_of((struct slice){ commands[i].name, strlen(commands[i].name) });
        while (places[place] != NULL)
            place = (place + 1) % PLACES;
        places[place] = &commands[i];
    }
}

const struct command *command_find(struct slice name)
{
    for (size_t place = place_of(name); places[place] != NULL; place = (place + 1) % PLACES)
        if (slice_is(name, places[place]->name))
            return places[place];
    return NULL;
}

/* As Redis words it: the name and the arguments, each cut. */
static void reply_unknown(const struct request *request, struct bytes *out)
{
    struct bytes list = { 0 };
    struct slice name = request_argument(request, 0);
    for (size_t i = 1; i < request->count && list.size < 128; i++) {
        struct slice argument = request_argument(request, i);
        size_t left = 128 - list.size;
        bytes_print(&list, "'%.*s' ", (int)(argument.size < left ? argument.size : left), argument.data);
    }
    bytes_add(&list, "", 1);
    if (!list.failed)
        reply_error(out, "ERR unknown command '%.*s', with args beginning with: %s",
                    (int)(name.size < 128 ? name.size : 128), name.data, list.data);
    out->failed |= list.failed;
    bytes_release(&list);
}

bool command_check(struct request *request, struct bytes *out)
{
    request->command = command_find(request_argument(request, 0));
    if (request->command == NULL) {
        reply_unknown(request, out);
        return false;
    }
    int arity = request->command->arity, count = (int)request->count;
    if (arity > 0 ? count == arity : count >= -arity)
        return true;
    reply_error(out, "ERR wrong number of arguments for '%s' command", request->command->name);
    return false;
}

/* ---- COMMAND */

static void reply_command(const struct command *command, struct bytes *out)
{
    static const struct {
        int flag;
        const char *name;
    } flags[] = { { COMMAND_WRITE, "+write\r\n" },
                  { COMMAND_READ, "+readonly\r\n" },
                  { COMMAND_DENY_OOM, "+denyoom\r\n" },
                  { COMMAND_ADMIN, "+admin\r\n" },
                  { COMMAND_FAST, "+fast\r\n" } };
    size_t count = 0, all = sizeof flags / sizeof flags[0];
    for (size_t i = 0; i < all; i++)
        count += (command->flags & flags[i].flag) != 0;
    reply_array(out, 6);
    reply_bulk_text(out, command->name);
    reply_integer(out, command->arity);
    reply_array(out, count);
    for (size_t i = 0; i < all; i++)
        if (command->flags & flags[i].flag)
            reply_text(out, flags[i].name);
    reply_integer(out, command->first_key);
    reply_integer(out, command->last_key);
    reply_integer(out, command->key_step);
}

static void reply_info(const struct request *request, struct bytes *out)
{
    reply_array(out, request->count - 2);
    for (size_t i = 2; i < request->count; i++) {
        const struct command *command = command_find(request_argument(request, i));
        if (command == NULL)
            reply_nil(out);
        else
            reply_command(command, out);
    }
}

void command_reply(const struct request *request, struct bytes *out)
{
    size_t all = sizeof commands / sizeof commands[0];
    struct slice what = request->count > 1 ? request_argument(request, 1) : (struct slice){ "", 0 };
    bool list = request->count == 1 || (request->count == 2 && slice_is(what, "info"));
    if (list) {
        reply_array(out, all);
        for (size_t i = 0; i < all; i++)
            reply_command(&commands[i], out);
    } else if (slice_is(what, "count")) {
        reply_integer(out, (int64_t)all);
    } else if (slice_is(what, "docs")) {
        reply_array(out, 0);
    } else if (slice_is(what, "list")) {
        reply_array(out, all);
        for (size_t i = 0; i < all; i++)
            reply_bulk_text(out, commands[i].name);
    } else if (slice_is(what, "info")) {
        reply_info(request, out);
    } else {
        reply_error(out, "ERR unknown subcommand '%.*s'. Try COMMAND HELP.", (int)(what.size < 128 ? what.size : 128),
                    what.data);
    }
}
