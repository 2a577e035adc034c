/* socket.h: simulated stream sockets: their descriptors' side. Connections: link.h. Seen by runtime/sim/ only. */
#ifndef TROUPE_SIM_SOCKET_H
#define TROUPE_SIM_SOCKET_H

#include "sim/name.h"

#include <stdbool.h>
#include <stdint.h>

struct sim_link;

enum sim_socket_state { SIM_NEW, SIM_LISTENING, SIM_CONNECTING, SIM_CONNECTED, SIM_LOST };

struct sim_socket {
    enum sim_socket_state state;
    int fd; /* -1: in a listener's queue */
    sa_family_t family;
    bool blocking, only6, no_delay, abortive;
    bool unasked; /* SIM_CONNECTED, and no call of connect has said so yet */
    int error;
    struct sim_name name;
    struct sim_link *link; /* from SIM_CONNECTING on */
    int side;
    struct sim_socket *next;               /* in a queue, or of all that are bound */
    struct sim_socket *queue, **queue_end; /* SIM_LISTENING */
    unsigned queued, backlog;
};

void sim_sockets_start(void);
/* EPOLL... bits that hold now. */
uint32_t sim_socket_ready(struct sim_socket *socket);
/* How many bytes a read would get. */
int sim_socket_waiting(const struct sim_socket *socket);
/* Its descriptor is closed. */
void sim_socket_close(struct sim_socket *socket);

/* ---- for the calls */

/* -1, with errno. */
int sim_refuse(int error);
/* A call begins (net.h): the socket of the descriptor; NULL, with errno. */
struct sim_socket *sim_socket_enter(int fd);
/* Its error, which is told once; 0. */
int sim_socket_error(struct sim_socket *socket);
/* The call has to wait, or is not patient: then false, with EAGAIN. True: look again. */
bool sim_socket_await(const struct sim_socket *socket, bool patient);

#endif
