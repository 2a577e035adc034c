/* net.h: simulated descriptors: what epoll watches. Seen by runtime/sim/ only. */
#ifndef TROUPE_SIM_NET_H
#define TROUPE_SIM_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/* Numbers below are the system's own descriptors. */
enum { SIM_FD_BASE = 1 << 20, SIM_FILES_MOST = 4096, SIM_WATCHES_MOST = 4096 };

enum sim_file_kind { SIM_NO_FILE, SIM_EVENT, SIM_EPOLL, SIM_OTHER };

struct sim_file {
    enum sim_file_kind kind;
    uint64_t counter;                   /* SIM_EVENT */
    const struct sim_file_calls *calls; /* SIM_OTHER */
    void *of;                           /* SIM_OTHER */
};

/* What another kind of descriptor does. */
struct sim_file_calls {
    uint32_t (*ready)(void *of); /* EPOLL... bits that hold now */
    void (*closed)(void *of);
};

/* A new descriptor; -1 with errno EMFILE. */
int sim_file_open(enum sim_file_kind kind, const struct sim_file_calls *calls, void *of);
/* NULL: not a simulated descriptor that is open. */
struct sim_file *sim_file_of(int fd);
/* Something has happened at the descriptor: an edge for whoever watches it. */
void sim_file_edge(int fd);

#endif
