/* service.h: a TCP service as a supervision tree: what the small services of this folder share.
 *
 *   root (rest_for_one)
 *     connections (dynamic)     one straight-line process a client, temporary
 *     listener                  accepts; restarted, it opens the same port again, and the connections go on
 *
 * SIGTERM or SIGINT stops it in order: first the listener, then the connections. Public headers only, as a user would
 * write it. */
#ifndef SERVICE_H
#define SERVICE_H

#include <troupe/troupe.h>

struct service {
    const char *name, *what; /* what it is, and what it does in half a line */
    const char *next;        /* a command to try; %d is the port */
    int port;                /* the default */
    tr_entry *connection;    /* a client's process: its argument is the socket (tr_socket), which is its own */
};

/* Reads the options (--port, --bind, --workers, --connections), runs the service, returns main's status. */
int service_main(const struct service *service, int argc, char **argv);

/* The socket in a connection's start argument. */
tr_socket service_socket(const tr_msg *arg);

#endif
