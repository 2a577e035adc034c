/* net.h: simulated descriptors: what epoll watches. Seen by runtime/sim/ only. Their sockets: socket.h. */
#ifndef TROUPE_SIM_NET_H
#define TROUPE_SIM_NET_H

#include "sim/due.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/* Numbers below are the system's own descriptors. */
enum { SIM_FD_BASE = 1 << 20, SIM_FILES_MOST = 4096 };

enum sim_file_kind { SIM_NO_FILE, SIM_EVENT, SIM_EPOLL, SIM_TIMER, SIM_SOCKET };

struct sim_socket;

struct sim_file {
    enum sim_file_kind kind;
    uint64_t counter;          /* SIM_EVENT; SIM_TIMER: how often it ended and was not read */
    struct sim_due due;        /* SIM_TIMER */
    struct sim_socket *socket; /* SIM_SOCKET */
};

/* A new descriptor, the lowest that is free; -1 with errno EMFILE. */
int sim_file_open(enum sim_file_kind kind, struct sim_socket *socket);
/* The number is free again; nothing else happens. */
void sim_file_drop(int fd);
/* NULL: not a simulated descriptor that is open. */
struct sim_file *sim_file_of(int fd);
/* Something has happened at the descriptor: an edge for whoever watches it, and whoever is blocked on it looks
 * again. */
void sim_file_edge(int fd);

/* Each call on a descriptor begins with this: others may go first, and what was due by now has happened. */
void sim_net_enter(void);
/* And ends with this: what takes no time has happened. */
void sim_net_leave(void);

#endif
