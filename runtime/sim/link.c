/* link.c: see link.h. */
#include "sim/link.h"

#include "base/compiler.h"
#include "sim/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { TRIES_MOST = 6, ROOM_TOLD = 3 /* an edge for the writer from so many parts of the capacity on */ };
#define SYN_AGAIN_NS INT64_C(1000000000)

struct sim_segment {
    struct sim_segment *next;
    enum sim_segment_kind kind;
    int64_t at_ns;
    size_t size; /* of DATA and CREDIT */
};

struct sim_link *sim_links;
static struct sim_link **links_end = &sim_links;
static unsigned numbers;

/* ---- pipes */

static size_t room(const struct sim_link *link, int side)
{
    const struct sim_pipe *pipe = &link->pipe[side];
    return link->capacity - (size_t)(pipe->written - pipe->credited);
}

static void clear(struct sim_pipe *pipe)
{
    sim_due_drop(&pipe->due);
    while (pipe->first != NULL) {
        struct sim_segment *segment = pipe->first;
        pipe->first = segment->next;
        free(segment);
    }
    pipe->last = &pipe->first;
    pipe->held = false;
}

static void append(struct sim_pipe *pipe, enum sim_segment_kind kind, size_t size, int64_t at_ns)
{
    struct sim_segment *segment = malloc(sizeof *segment);
    if (segment == NULL)
        sim_fail("no memory for the simulator itself");
    if (at_ns < pipe->latest_ns)
        at_ns = pipe->latest_ns;
    pipe->latest_ns = at_ns;
    *segment = (struct sim_segment){ .kind = kind, .at_ns = at_ns, .size = size };
    *pipe->last = segment;
    pipe->last = &segment->next;
    if (pipe->first == segment && !pipe->held)
        sim_due_set(&pipe->due, at_ns);
}

/* Credit is no opportunity for a fault: a script counts what the program itself sends. */
static void transmit(struct sim_pipe *pipe, enum sim_segment_kind kind, size_t size)
{
    int64_t more_ns = 0, unused;
    bool counts = kind != SIM_CREDIT && kind != SIM_RST && !pipe->link->local;
    if (counts && sim_fault_now(SIM_DELAY, &more_ns) && more_ns < 0)
        more_ns = 0;
    append(pipe, kind, size, sim_now() + sim_network_delay(pipe->link) + more_ns);
    if (counts && sim_fault_now(SIM_CUT, &unused))
        sim_link_cut(pipe->link);
}

/* ---- arrivals */

static void edge(const struct sim_end *end)
{
    if (end->socket != NULL)
        sim_socket_edge(end->socket);
}

/* What this end had sent, and what is on its way to it, is void. */
static void reset(struct sim_link *link, int side, int error)
{
    struct sim_end *end = &link->end[side];
    if (end->reset)
        return;
    end->reset = true;
    clear(&link->pipe[side]);
    clear(&link->pipe[1 - side]);
    if (end->socket != NULL)
        sim_socket_lost(end->socket, error);
}

static void syn_arrived(struct sim_link *link)
{
    struct sim_pipe *pipe = &link->pipe[CLIENT];
    switch (sim_socket_knock(link)) {
    case SIM_TAKEN: transmit(&link->pipe[SERVER], SIM_SYN_ACK, 0); break;
    case SIM_REFUSED: transmit(&link->pipe[SERVER], SIM_RST, 0); break;
    case SIM_FULL:
        if (link->tries++ == TRIES_MOST)
            reset(link, CLIENT, ETIMEDOUT);
        else
            append(pipe, SIM_SYN, 0, sim_now() + (SYN_AGAIN_NS << (link->tries - 1)));
    }
}

static void data_arrived(struct sim_link *link, int side, size_t size)
{
    struct sim_end *end = &link->end[side];
    if (end->socket == NULL) {
        end->reset = true;
        clear(&link->pipe[1 - side]);
        transmit(&link->pipe[side], SIM_RST, 0);
        return;
    }
    link->pipe[1 - side].arrived += size;
    edge(end);
}

static void credit_arrived(struct sim_link *link, int side, size_t size)
{
    struct sim_end *end = &link->end[side];
    link->pipe[side].credited += size;
    if (end->wants_room && room(link, side) >= link->capacity / ROOM_TOLD) {
        end->wants_room = false;
        edge(end);
    }
}

static void syn_ack_arrived(struct sim_link *link)
{
    link->established = true;
    if (link->end[CLIENT].socket != NULL)
        sim_socket_connected(link->end[CLIENT].socket);
}

static int error_of_rst(const struct sim_link *link, int side)
{
    if (side == CLIENT && !link->established)
        return ECONNREFUSED;
    return link->end[side].ended && !link->local ? EPIPE : ECONNRESET;
}

static void deliver(struct sim_link *link, int side, const struct sim_segment *segment)
{
    static const char *const names[] = { "syn", "syn-ack", "data", "credit", "fin", "rst" };
    struct sim_end *end = &link->end[side];
    sim_trace_note(names[segment->kind], link->number * UINT64_C(2) + (unsigned)side, segment->size);
    switch (segment->kind) {
    case SIM_SYN: syn_arrived(link); break;
    case SIM_SYN_ACK: syn_ack_arrived(link); break;
    case SIM_DATA: data_arrived(link, side, segment->size); break;
    case SIM_CREDIT: credit_arrived(link, side, segment->size); break;
    case SIM_FIN:
        end->ended = true;
        edge(end);
        break;
    case SIM_RST: reset(link, side, error_of_rst(link, side)); break;
    }
}

static void arrive(struct sim_due *due)
{
    struct sim_pipe *pipe = CONTAINER_OF(due, struct sim_pipe, due);
    if (sim_network_parted(pipe->link)) {
        pipe->held = true;
        return;
    }
    struct sim_segment *segment = pipe->first;
    pipe->first = segment->next;
    if (pipe->first == NULL)
        pipe->last = &pipe->first;
    else
        sim_due_set(due, pipe->first->at_ns);
    deliver(pipe->link, 1 - pipe->from, segment);
    free(segment);
}

void sim_link_release(struct sim_link *link)
{
    for (int side = 0; side < 2; side++) {
        struct sim_pipe *pipe = &link->pipe[side];
        if (!pipe->held)
            continue;
        pipe->held = false;
        sim_due_set(&pipe->due, sim_now() + sim_network_delay(link));
    }
}

/* ---- life */

static void free_link(struct sim_link *link)
{
    *link->link = link->next;
    if (link->next != NULL)
        link->next->link = link->link;
    else
        links_end = link->link;
    for (int side = 0; side < 2; side++) {
        clear(&link->pipe[side]);
        free(link->pipe[side].ring);
    }
    free(link);
}

void sim_links_start(void)
{
    while (sim_links != NULL)
        free_link(sim_links);
    numbers = 0;
    sim_network_start();
}

static void list(struct sim_link *link)
{
    link->number = ++numbers;
    link->link = links_end;
    *links_end = link;
    links_end = &link->next;
}

static bool make_pipes(struct sim_link *link)
{
    bool made = true;
    for (int side = 0; side < 2; side++) {
        struct sim_pipe *pipe = &link->pipe[side];
        *pipe = (struct sim_pipe){ .due.happen = arrive, .link = link, .from = side, .last = &pipe->first };
        pipe->ring = malloc(link->capacity);
        made = made && pipe->ring != NULL;
    }
    return made;
}

static struct sim_link *make_link(struct sim_socket *client, const struct sim_name *from, const struct sim_name *to)
{
    struct sim_link *link = calloc(1, sizeof *link);
    if (link == NULL)
        return NULL;
    list(link);
    link->name[CLIENT] = *from;
    link->name[SERVER] = *to;
    link->capacity = sim_network_capacity();
    link->end[CLIENT].socket = client;
    if (make_pipes(link))
        return link;
    free_link(link);
    return NULL;
}

struct sim_link *sim_link_open(struct sim_socket *client, const struct sim_name *from, const struct sim_name *to)
{
    int64_t latency_ns = sim_network_latency();
    struct sim_link *link = make_link(client, from, to);
    if (link == NULL)
        return NULL;
    link->latency_ns = latency_ns;
    transmit(&link->pipe[CLIENT], SIM_SYN, 0);
    return link;
}

struct sim_link *sim_link_join(struct sim_socket *client, const struct sim_name *from, const struct sim_name *to)
{
    struct sim_link *link = make_link(client, from, to);
    if (link != NULL)
        link->local = link->established = true;
    return link;
}

bool sim_link_alone(const struct sim_link *link, int side) { return link->local && link->end[1 - side].socket == NULL; }

void sim_link_finish(struct sim_link *link, int side)
{
    struct sim_end *end = &link->end[side];
    if (end->finished || end->reset)
        return;
    end->finished = true;
    transmit(&link->pipe[side], SIM_FIN, 0);
    edge(end); /* Linux tells of one's own half-close, too */
}

void sim_link_close(struct sim_link *link, int side, bool abort)
{
    struct sim_end *end = &link->end[side];
    if (!end->reset && (abort || sim_link_waiting(link, side) > 0))
        transmit(&link->pipe[side], SIM_RST, 0);
    else
        sim_link_finish(link, side);
    end->socket = NULL;
    if (link->end[1 - side].socket == NULL)
        free_link(link);
}

void sim_link_cut(struct sim_link *link)
{
    sim_trace_note("cut", link->number, 0);
    for (int side = 0; side < 2; side++)
        reset(link, side, ECONNRESET);
}

/* ---- bytes */

static void copy_in(struct sim_pipe *pipe, size_t capacity, const char *data, size_t size)
{
    size_t at = (size_t)(pipe->written % capacity), whole = size < capacity - at ? size : capacity - at;
    memcpy(pipe->ring + at, data, whole);
    memcpy(pipe->ring, data + whole, size - whole);
    pipe->written += size;
}

static void copy_out(struct sim_pipe *pipe, size_t capacity, char *to, size_t size)
{
    size_t at = (size_t)(pipe->read % capacity), whole = size < capacity - at ? size : capacity - at;
    memcpy(to, pipe->ring + at, whole);
    memcpy(to + whole, pipe->ring, size - whole);
    pipe->read += size;
}

/* All of it, or less. */
static size_t part_of(size_t size)
{
    return sim_network_ideal() || sim_network_choose(4) > 0 ? size : 1 + sim_network_choose((uint32_t)size);
}

size_t sim_link_write(struct sim_link *link, int side, const char *data, size_t size)
{
    struct sim_end *end = &link->end[side];
    size_t free_bytes = room(link, side);
    if (free_bytes == 0) {
        end->wants_room = true;
        return 0;
    }
    size_t taken = part_of(size < free_bytes ? size : free_bytes);
    copy_in(&link->pipe[side], link->capacity, data, taken);
    for (size_t left = taken, part; left > 0 && !end->reset; left -= part) {
        part = part_of(left);
        transmit(&link->pipe[side], SIM_DATA, part);
    }
    return taken;
}

size_t sim_link_waiting(const struct sim_link *link, int side)
{
    const struct sim_pipe *pipe = &link->pipe[1 - side];
    return (size_t)(pipe->arrived - pipe->read);
}

size_t sim_link_read(struct sim_link *link, int side, char *to, size_t size)
{
    size_t waiting = sim_link_waiting(link, side), taken = size < waiting ? size : waiting;
    if (taken == 0)
        return 0;
    copy_out(&link->pipe[1 - side], link->capacity, to, taken);
    if (!link->end[side].reset && link->end[1 - side].socket != NULL)
        transmit(&link->pipe[side], SIM_CREDIT, taken);
    return taken;
}

uint32_t sim_link_ready(struct sim_link *link, int side)
{
    struct sim_end *end = &link->end[side];
    uint32_t seen = sim_link_waiting(link, side) > 0 ? (uint32_t)EPOLLIN : 0u;
    if (end->reset)
        return seen | EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP;
    if (end->ended)
        seen |= EPOLLIN | EPOLLRDHUP | (end->finished || sim_link_alone(link, side) ? (uint32_t)EPOLLHUP : 0u);
    if (end->finished || room(link, side) >= link->capacity / ROOM_TOLD)
        return seen | EPOLLOUT;
    end->wants_room = true;
    return seen;
}
