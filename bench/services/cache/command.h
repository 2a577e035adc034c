/* command.h: the commands: names, arities, and who plans or runs them. */
#ifndef CACHE_COMMAND_H
#define CACHE_COMMAND_H

#include "resp.h"

struct plan;
struct request;

enum command_flag {
    COMMAND_WRITE = 1,
    COMMAND_READ = 2,
    COMMAND_FAST = 4,
    COMMAND_DENY_OOM = 8,
    COMMAND_ADMIN = 16,
    COMMAND_ALONE = 32 /* run by the connection itself (admin.c), once all before it was answered */
};

struct command {
    const char *name; /* lower case */
    int arity;        /* with the name; negative: at least so many */
    int flags;
    int first_key, last_key, key_step;
    void (*plan)(struct plan *plan, const struct request *request); /* NULL with COMMAND_ALONE */
};

/* One request of a client; its arguments lie in the connection's buffer. */
struct request {
    const struct command *command;
    const char *data;
    const struct resp_argument *arguments;
    size_t count;
};

static inline struct slice request_argument(const struct request *request, size_t i)
{
    return (struct slice){ request->data + request->arguments[i].at, request->arguments[i].size };
}

/* Once, before the first command_find. */
void command_start(void);
/* The command of that name, in any case; NULL. */
const struct command *command_find(struct slice name);
/* Finds request->command and checks the number of arguments. false: the error was appended to `out`. */
bool command_check(struct request *request, struct bytes *out);
/* COMMAND and its subcommands. */
void command_reply(const struct request *request, struct bytes *out);

#endif
