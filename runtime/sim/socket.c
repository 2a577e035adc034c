/* socket.c: the system's calls on simulated stream sockets, over TCP's addresses and Unix paths. What each does, and
 * which errors it gives in which state, is what Linux does: tests/rules/socket_*_test.c and tests/simulator/ hold for
 * both.
 *
 *   NEW -> LISTENING                                   bind, listen
 *   NEW -> CONNECTING -> CONNECTED, LOST               connect; SYN_ACK or RST arrives
 *   NEW -> CONNECTED                                   the same of a Unix socket, at once
 *   CONNECTED -> LOST                                  RST arrives, or the connection is cut
 *
 * A listener's queue holds sockets that are connected and have no descriptor yet. A LOST one has an error until that is
 * told, once. */
#include "sim/socket.h"

#include "sim/link.h"
#include "sim/machine.h"
#include "sim/net.h"
#include "sim/path.h"
#include "sim/system.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_PORT = 32768, LAST_PORT = 60999 };

static struct sim_socket *bound; /* to ports; not those that are connected */
static int latest_port;

void sim_sockets_start(void)
{
    bound = NULL; /* what a run that failed has left stays where it is: its process ends */
    latest_port = LAST_PORT;
    sim_links_start();
    sim_paths_start();
}

int sim_refuse(int error)
{
    errno = error;
    return -1;
}

struct sim_socket *sim_socket_enter(int fd)
{
    sim_net_enter();
    struct sim_file *file = sim_file_of(fd);
    if (file == NULL && fd >= SIM_FD_BASE)
        sim_fail("descriptor %d is used, but closed: it may be another's by now", fd);
    if (file != NULL && file->kind == SIM_SOCKET)
        return file->socket;
    errno = ENOTSOCK;
    return NULL;
}

int sim_socket_error(struct sim_socket *socket)
{
    int error = socket->error;
    socket->error = 0;
    return error;
}

/* ---- opening */

static struct sim_socket *make(sa_family_t family, bool blocking)
{
    struct sim_socket *socket = calloc(1, sizeof *socket);
    if (socket == NULL)
        return NULL;
    socket->fd = -1;
    socket->family = family;
    socket->blocking = blocking;
    socket->queue_end = &socket->queue;
    socket->name.host = in6addr_any;
    return socket;
}

static int give_descriptor(struct sim_socket *socket)
{
    socket->fd = sim_file_open(SIM_SOCKET, socket);
    return socket->fd;
}

int sim_socket(int family, int type, int protocol)
{
    sim_net_enter();
    if (family != AF_INET && family != AF_INET6 && family != AF_UNIX)
        sim_fail("sockets of family %d are not simulated: only TCP's and Unix", family);
    if ((type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_STREAM ||
        (protocol != 0 && (protocol != IPPROTO_TCP || family == AF_UNIX)))
        sim_fail("sockets of type %d, protocol %d are not simulated", type, protocol);
    struct sim_socket *socket = make((sa_family_t)family, (type & SOCK_NONBLOCK) == 0);
    if (socket == NULL)
        return sim_refuse(ENOMEM);
    if (give_descriptor(socket) < 0) {
        free(socket);
        return -1;
    }
    return socket->fd;
}

static bool has_name(const struct sim_socket *socket)
{
    return socket->family == AF_UNIX ? socket->name.path[0] != '\0' : socket->name.port != 0;
}

static struct sim_socket *holder_of(const struct sim_name *name, bool only6)
{
    for (struct sim_socket *each = bound; each != NULL; each = each->next)
        if (each->name.port == name->port && (sim_host_covers(&each->name.host, each->only6, &name->host) ||
                                              sim_host_covers(&name->host, only6, &each->name.host)))
            return each;
    return NULL;
}

static bool choose_port(struct sim_name *name, bool only6)
{
    for (int tries = FIRST_PORT; tries <= LAST_PORT; tries++) {
        latest_port = latest_port == LAST_PORT ? FIRST_PORT : latest_port + 1;
        name->port = latest_port;
        if (holder_of(name, only6) == NULL)
            return true;
    }
    return false;
}

/* 0 or the system's error number. */
static int bind_port(struct sim_socket *socket, struct sim_name *name)
{
    if (name->port == 0 ? !choose_port(name, socket->only6) : holder_of(name, socket->only6) != NULL)
        return EADDRINUSE;
    socket->next = bound;
    bound = socket;
    return 0;
}

int sim_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    struct sim_socket *socket = sim_socket_enter(fd);
    struct sim_name name;
    if (socket == NULL)
        return -1;
    int error = sim_name_read(socket->family, address, size, &name);
    if (error == 0 && has_name(socket))
        error = EINVAL;
    if (error == 0)
        error = socket->family == AF_UNIX ? sim_path_bind(name.path, socket) : bind_port(socket, &name);
    if (error != 0)
        return sim_refuse(error);
    socket->name = name;
    if (socket->link != NULL) /* a Unix socket may get its name late */
        socket->link->name[socket->side] = name;
    return 0;
}

int sim_listen(int fd, int backlog)
{
    struct sim_socket *socket = sim_socket_enter(fd);
    if (socket == NULL)
        return -1;
    if (!has_name(socket) && socket->family != AF_UNIX)
        sim_fail("listen on a socket that is not bound");
    if (!has_name(socket) || (socket->state != SIM_NEW && socket->state != SIM_LISTENING))
        return sim_refuse(EINVAL);
    socket->state = SIM_LISTENING;
    socket->backlog = (unsigned)backlog; /* as on Linux less than none is all that can be had */
    return 0;
}

static void unbind(const struct sim_socket *socket)
{
    for (struct sim_socket **at = &bound; *at != NULL; at = &(*at)->next)
        if (*at == socket) {
            *at = socket->next;
            return;
        }
}

/* ---- the way of a connection into the queue, and out of it */

static struct sim_socket *listener_of(const struct sim_name *name)
{
    for (struct sim_socket *each = bound; each != NULL; each = each->next)
        if (each->state == SIM_LISTENING && each->name.port == name->port &&
            sim_host_covers(&each->name.host, each->only6, &name->host))
            return each;
    return NULL;
}

/* As on Linux. */
static bool is_full(const struct sim_socket *listener) { return listener->queued > listener->backlog; }

/* The link's other end, in the listener's queue. False: no memory. */
static bool queue_up(struct sim_socket *listener, struct sim_link *link)
{
    struct sim_socket *socket = make(listener->family, true);
    if (socket == NULL)
        return false;
    socket->state = SIM_CONNECTED;
    socket->no_delay = listener->no_delay;
    socket->name = link->name[SERVER];
    socket->link = link;
    socket->side = SERVER;
    link->end[SERVER].socket = socket;
    *listener->queue_end = socket;
    listener->queue_end = &socket->next;
    listener->queued++;
    sim_file_edge(listener->fd);
    return true;
}

enum sim_knock sim_socket_knock(struct sim_link *link)
{
    struct sim_socket *listener = listener_of(&link->name[SERVER]);
    if (listener == NULL)
        return SIM_REFUSED;
    return !is_full(listener) && queue_up(listener, link) ? SIM_TAKEN : SIM_FULL;
}

static struct sim_socket *take_first(struct sim_socket *listener)
{
    struct sim_socket *socket = listener->queue;
    listener->queue = socket->next;
    if (listener->queue == NULL)
        listener->queue_end = &listener->queue;
    socket->next = NULL;
    listener->queued--;
    if (listener->family == AF_UNIX)
        sim_wake(listener, SIM_THREADS_MOST); /* who waits for room in it */
    return socket;
}

bool sim_socket_await(const struct sim_socket *socket, bool patient)
{
    if (!patient) {
        errno = EAGAIN;
        return false;
    }
    sim_block("socket", sim_file_of(socket->fd), SIM_NEVER);
    sim_net_enter();
    return true;
}

int sim_accept(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    struct sim_socket *listener = sim_socket_enter(fd);
    if (listener == NULL)
        return -1;
    if (listener->state != SIM_LISTENING)
        return sim_refuse(EINVAL);
    int made = sim_file_open(SIM_SOCKET, NULL); /* first, as Linux does: without one nothing is taken */
    if (made < 0)
        return -1;
    while (listener->queue == NULL)
        if (!sim_socket_await(listener, listener->blocking)) {
            sim_file_drop(made);
            return sim_refuse(EAGAIN);
        }
    struct sim_socket *socket = take_first(listener);
    socket->fd = made;
    socket->blocking = (flags & SOCK_NONBLOCK) == 0;
    sim_file_of(made)->socket = socket;
    if (address != NULL)
        sim_name_write(&socket->link->name[CLIENT], socket->family, address, size);
    return made;
}

/* ---- connecting */

static int start_connecting(struct sim_socket *socket, const struct sockaddr *address, socklen_t size)
{
    static const struct sim_name nobody = { .port = 0 };
    struct sim_name to;
    int error = sim_name_read(socket->family, address, size, &to);
    if (error != 0)
        return error;
    if (socket->name.port == 0) {
        socket->name = (struct sim_name){ .host = to.host };
        if (!choose_port(&socket->name, false))
            return EADDRNOTAVAIL;
    }
    socket->state = SIM_CONNECTING;
    socket->side = CLIENT;
    socket->link = sim_link_open(socket, &socket->name, &to);
    if (socket->link == NULL) {
        socket->state = SIM_NEW;
        socket->name = nobody;
        return ENOMEM;
    }
    return EINPROGRESS;
}

static int connecting_result(struct sim_socket *socket)
{
    int error;
    switch (socket->state) {
    case SIM_CONNECTED:
        error = socket->unasked ? 0 : EISCONN;
        socket->unasked = false;
        return error;
    case SIM_CONNECTING: return EALREADY;
    case SIM_LOST: return (error = sim_socket_error(socket)) == 0 ? ECONNABORTED : error;
    default: return EISCONN;
    }
}

static int connect_tcp(struct sim_socket *socket, const struct sockaddr *address, socklen_t size)
{
    int error = socket->state == SIM_NEW ? start_connecting(socket, address, size) : connecting_result(socket);
    sim_net_leave();
    while (socket->state == SIM_CONNECTING && socket->blocking)
        sim_socket_await(socket, true);
    return socket->blocking && error == EINPROGRESS ? connecting_result(socket) : error;
}

static int join(struct sim_socket *socket, struct sim_socket *listener)
{
    socket->side = CLIENT;
    struct sim_link *link = sim_link_join(socket, &socket->name, &listener->name);
    if (link == NULL)
        return ENOMEM;
    if (!queue_up(listener, link)) {
        sim_link_close(link, CLIENT, true);
        return ENOMEM;
    }
    socket->link = link;
    socket->state = SIM_CONNECTED;
    return 0;
}

static int connect_unix(struct sim_socket *socket, const struct sockaddr *address, socklen_t size)
{
    struct sim_name to;
    int error = sim_name_read(AF_UNIX, address, size, &to);
    if (error != 0)
        return error;
    for (;;) {
        struct sim_socket *listener = sim_path_socket(to.path, &error);
        if (listener == NULL)
            return error;
        if (listener->state != SIM_LISTENING)
            return ECONNREFUSED;
        if (socket->state != SIM_NEW)
            return socket->state == SIM_LISTENING ? EINVAL : EISCONN;
        if (!is_full(listener))
            return join(socket, listener);
        if (!socket->blocking)
            return EAGAIN;
        sim_block("room at a listener", listener, SIM_NEVER);
        sim_net_enter();
    }
}

int sim_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    struct sim_socket *socket = sim_socket_enter(fd);
    if (socket == NULL)
        return -1;
    int error = socket->family == AF_UNIX ? connect_unix(socket, address, size) : connect_tcp(socket, address, size);
    return error == 0 ? 0 : sim_refuse(error);
}

void sim_socket_connected(struct sim_socket *socket)
{
    socket->state = SIM_CONNECTED;
    socket->unasked = true;
    sim_file_edge(socket->fd);
}

void sim_socket_lost(struct sim_socket *socket, int error)
{
    socket->state = SIM_LOST;
    socket->error = error;
    sim_socket_edge(socket);
}

void sim_socket_edge(struct sim_socket *socket)
{
    if (socket->fd >= 0)
        sim_file_edge(socket->fd);
}

/* ---- readiness and end */

uint32_t sim_socket_ready(struct sim_socket *socket)
{
    switch (socket == NULL ? SIM_CONNECTING : socket->state) {
    case SIM_NEW: return EPOLLOUT | EPOLLHUP;
    case SIM_LISTENING: return socket->queue != NULL ? EPOLLIN : 0;
    case SIM_CONNECTING: return 0;
    default: return sim_link_ready(socket->link, socket->side) | (socket->error != 0 ? (uint32_t)EPOLLERR : 0u);
    }
}

int sim_socket_waiting(const struct sim_socket *socket)
{
    return socket->link == NULL ? 0 : (int)sim_link_waiting(socket->link, socket->side);
}

static void end(struct sim_socket *socket, bool abort)
{
    if (socket->link != NULL)
        sim_link_close(socket->link, socket->side, abort);
    free(socket);
}

void sim_socket_close(struct sim_socket *socket)
{
    while (socket->queue != NULL)
        end(take_first(socket), true);
    unbind(socket);
    sim_path_leave(socket);
    sim_wake(socket, SIM_THREADS_MOST); /* who waits for room in its queue is refused */
    end(socket, socket->abortive || socket->state == SIM_CONNECTING);
}
