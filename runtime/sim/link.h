/* link.h: connections of the simulated network: two ends, and a pipe in each direction. Seen by runtime/sim/ only.
 *
 *   client, end 0   -- pipe 0: SYN, DATA, CREDIT, FIN, RST -->   server, end 1
 *                   <-- pipe 1: SYN_ACK, DATA, CREDIT, FIN, RST --
 *
 * What is sent is cut into segments, each of which arrives at a time of its own; the network (network.c) says when.
 * What the reader has taken goes back as credit, so a slow reader stops the writer.
 *
 * A local link is one between Unix sockets: no network is between its ends, so that nothing delays, parts or cuts it.
 * It is made whole, and what is sent is there before the call returns.
 *
 * Invariants
 *   N1  A pipe keeps its order: no segment arrives before one that was sent earlier in the same direction. Nothing is
 *       promised between two pipes.
 *   N2  read <= arrived <= written; credited <= read; written - credited <= capacity: the bytes from `read` on are in
 *       the ring.
 *   N3  `first` is the only segment of a pipe that is due; none is while the pipe is held.
 *   N4  An end whose socket is NULL is closed, or not made yet (the server's, before SYN arrives). A link whose ends
 *       both are is freed: what was under way goes nowhere.
 *   N5  Whoever closes with unread bytes sends RST instead of FIN; bytes that arrive at a closed end are answered by
 *       RST. After a reset nothing is sent or arrives; what had arrived before can still be read, as on Linux. */
#ifndef TROUPE_SIM_LINK_H
#define TROUPE_SIM_LINK_H

#include "sim/due.h"
#include "sim/name.h"

#include <stddef.h>
#include <stdint.h>

enum { CLIENT, SERVER };

enum sim_segment_kind { SIM_SYN, SIM_SYN_ACK, SIM_DATA, SIM_CREDIT, SIM_FIN, SIM_RST };

struct sim_segment;
struct sim_socket;

struct sim_pipe {
    struct sim_due due; /* the arrival of `first` */
    struct sim_link *link;
    int from;                          /* which end sends */
    bool held;                         /* by a partition */
    struct sim_segment *first, **last; /* under way */
    int64_t latest_ns;                 /* when the last of them arrives */
    char *ring;                        /* capacity bytes */
    uint64_t written, arrived, read, credited;
};

struct sim_end {
    struct sim_socket *socket; /* NULL: see N4 */
    bool finished;             /* it has sent FIN */
    bool ended;                /* it has got FIN */
    bool reset;                /* the connection is no more */
    bool wants_room;           /* there was none: an edge is due when there is */
};

struct sim_link {
    unsigned number;
    struct sim_link *next, **link; /* of all, in the order of their making */
    struct sim_name name[2];
    int64_t latency_ns; /* of its segments, on the average */
    size_t capacity;    /* of each pipe */
    unsigned tries;     /* SYNs that found the listener's queue full */
    bool established;   /* SYN_ACK has arrived */
    bool local;
    struct sim_pipe pipe[2];
    struct sim_end end[2];
};

extern struct sim_link *sim_links; /* the oldest first */

void sim_links_start(void);

/* Sends SYN on behalf of the client. NULL: no memory. */
struct sim_link *sim_link_open(struct sim_socket *client, const struct sim_name *from, const struct sim_name *to);
/* A local one, without a server's end so far. NULL: no memory. */
struct sim_link *sim_link_join(struct sim_socket *client, const struct sim_name *from, const struct sim_name *to);
/* Of a local one: the other end is closed. */
bool sim_link_alone(const struct sim_link *link, int side);
/* How many bytes were taken: 0: no room now; an edge will tell. size > 0, the end is neither finished nor reset. */
size_t sim_link_write(struct sim_link *link, int side, const char *data, size_t size);
/* How many bytes there were. */
size_t sim_link_read(struct sim_link *link, int side, char *to, size_t size);
/* How many bytes a read would get. */
size_t sim_link_waiting(const struct sim_link *link, int side);
/* Sends FIN, once. */
void sim_link_finish(struct sim_link *link, int side);
/* The end's socket is no more. abort: by RST. Frees the link after the second. */
void sim_link_close(struct sim_link *link, int side, bool abort);
/* Both ends are reset, now. */
void sim_link_cut(struct sim_link *link);
/* EPOLL... bits that hold now. Asks for an edge if there is no room, as the system's does. */
uint32_t sim_link_ready(struct sim_link *link, int side);
/* Everything of a held pipe goes on. */
void sim_link_release(struct sim_link *link);

/* ---- network.c: what the network is like */

void sim_network_start(void);
/* Of a new connection. */
int64_t sim_network_latency(void);
size_t sim_network_capacity(void);
/* How long this segment takes. */
int64_t sim_network_delay(const struct sim_link *link);
/* What is sent arrives at once, in one piece. */
bool sim_network_ideal(void);
/* Whether nothing arrives at present. */
bool sim_network_parted(const struct sim_link *link);
/* 0 to below - 1; from a generator of the network's own, so that its choices are not the scheduler's. */
uint32_t sim_network_choose(uint32_t below);

/* ---- socket.c: what the links tell it */

enum sim_knock { SIM_TAKEN, SIM_REFUSED, SIM_FULL };
/* SYN has arrived: a listener takes the link's server end, or not. */
enum sim_knock sim_socket_knock(struct sim_link *link);
/* The client's end: SYN_ACK has arrived. */
void sim_socket_connected(struct sim_socket *socket);
/* The connection is no more, of this error. */
void sim_socket_lost(struct sim_socket *socket, int error);
/* Something may be ready that was not. */
void sim_socket_edge(struct sim_socket *socket);

#endif
