/* clients.h: the list of connected clients: a gen_server that connections tell about themselves; it watches them, so
 * that one that crashed leaves the list like any other. For CLIENT LIST and CLIENT KILL; nothing waits for it
 * otherwise. */
#ifndef CACHE_CLIENTS_H
#define CACHE_CLIENTS_H

#include <troupe/troupe.h>

#include "bytes.h"

enum { CLIENT_NAME_MAX = 64 };

/* What is known of a client. */
struct client {
    uint64_t id;
    tr_pid pid;
    int64_t since_ms; /* of tr_now_ns */
    char name[CLIENT_NAME_MAX];
};

extern const tr_gen_server clients_server;

/* The caller is this client from now on; again after a change. */
void clients_enter(const struct client *client);
/* The lines of CLIENT LIST, of all (id 0) or one. */
void clients_list(uint64_t id, struct bytes *text);
/* Ends a client's connection; false: there is none. */
bool clients_kill(uint64_t id);
/* One line of CLIENT LIST. */
void clients_print(const struct client *client, const char *command, struct bytes *text);

#endif
