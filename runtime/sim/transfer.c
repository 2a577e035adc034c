/* transfer.c: the system's calls on a simulated socket that is connected, or is to be: its bytes, names and options.
 * See socket.c. */
#include "sim/link.h"
#include "sim/machine.h"
#include "sim/net.h"
#include "sim/socket.h"
#include "sim/system.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>

/* ---- bytes */

static bool is_patient(const struct sim_socket *socket, int flags)
{
    if ((flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL)) != 0)
        sim_fail("flags %#x of a socket's call are not simulated", (unsigned)flags);
    return socket->blocking && (flags & MSG_DONTWAIT) == 0;
}

static bool has_link(const struct sim_socket *socket)
{
    return socket->state == SIM_CONNECTED || socket->state == SIM_LOST;
}

static bool is_local(const struct sim_socket *socket) { return socket->family == AF_UNIX; }

static int error_without_link(const struct sim_socket *socket)
{
    return socket->state == SIM_CONNECTING ? EAGAIN : is_local(socket) ? EINVAL : ENOTCONN;
}

/* Bytes, 0 at the end, -1 with errno; EAGAIN: nothing there. Of a Unix socket an error comes before the end. */
static ssize_t read_once(struct sim_socket *socket, char *to, size_t size)
{
    if (!has_link(socket))
        return sim_refuse(error_without_link(socket));
    bool waiting = sim_link_waiting(socket->link, socket->side) > 0, ended = socket->link->end[socket->side].ended;
    size_t got = sim_link_read(socket->link, socket->side, to, size);
    if (waiting || (ended && !is_local(socket)))
        return (ssize_t)got;
    if (socket->error != 0)
        return sim_refuse(sim_socket_error(socket));
    return ended || socket->state == SIM_LOST ? 0 : sim_refuse(EAGAIN);
}

ssize_t sim_recv(int fd, void *to, size_t size, int flags)
{
    struct sim_socket *socket = sim_socket_enter(fd);
    if (socket == NULL)
        return -1;
    ssize_t got;
    do
        got = read_once(socket, to, size);
    while (got < 0 && errno == EAGAIN && sim_socket_await(socket, is_patient(socket, flags)));
    sim_net_leave();
    return got;
}

/* Whether writing has an end: its error. A Unix socket's is left to who reads. */
static int error_of_writing(struct sim_socket *socket)
{
    if (socket->state == SIM_CONNECTING)
        return EAGAIN;
    if (!has_link(socket))
        return is_local(socket) ? ENOTCONN : EPIPE;
    if (socket->error != 0 && !is_local(socket))
        return sim_socket_error(socket);
    bool over = socket->link->end[socket->side].finished || sim_link_alone(socket->link, socket->side);
    return socket->state == SIM_LOST || over ? EPIPE : 0;
}

static ssize_t write_once(struct sim_socket *socket, const char *from, size_t size)
{
    int error = error_of_writing(socket);
    if (error != 0)
        return sim_refuse(error);
    size_t sent = size == 0 ? 0 : sim_link_write(socket->link, socket->side, from, size);
    return sent > 0 || size == 0 ? (ssize_t)sent : sim_refuse(EAGAIN);
}

ssize_t sim_send(int fd, const void *from, size_t size, int flags)
{
    struct sim_socket *socket = sim_socket_enter(fd);
    if (socket == NULL)
        return -1;
    bool patient = is_patient(socket, flags);
    size_t done = 0;
    ssize_t sent;
    do {
        sent = write_once(socket, (const char *)from + done, size - done);
        done += sent > 0 ? (size_t)sent : 0;
        sim_net_leave();
    } while (sent >= 0 ? patient && done < size : errno == EAGAIN && sim_socket_await(socket, patient));
    if (done > 0)
        return (ssize_t)done;
    if (sent < 0 && errno == EPIPE && (flags & MSG_NOSIGNAL) == 0)
        sim_raise(SIGPIPE);
    return sent;
}

int sim_shutdown(int fd, int how)
{
    struct sim_socket *socket = sim_socket_enter(fd);
    if (socket == NULL)
        return -1;
    if (how != SHUT_WR)
        sim_fail("of shutdown only the half-close for writing is simulated");
    if (is_local(socket) && !has_link(socket))
        sim_fail("shutdown of a Unix socket that is not connected is not simulated");
    if (socket->state != SIM_CONNECTED && !is_local(socket))
        return sim_refuse(ENOTCONN);
    sim_link_finish(socket->link, socket->side);
    sim_net_leave();
    return 0;
}

/* ---- names and options */

int sim_getsockname(int fd, struct sockaddr *address, socklen_t *size)
{
    struct sim_socket *socket = sim_socket_enter(fd);
    if (socket == NULL)
        return -1;
    sim_name_write(&socket->name, socket->family, address, size);
    return 0;
}

int sim_getpeername(int fd, struct sockaddr *address, socklen_t *size)
{
    struct sim_socket *socket = sim_socket_enter(fd);
    if (socket == NULL)
        return -1;
    if (socket->state != SIM_CONNECTED && !(is_local(socket) && has_link(socket)))
        return sim_refuse(ENOTCONN);
    sim_name_write(&socket->link->name[1 - socket->side], socket->family, address, size);
    return 0;
}

/* What is remembered, or what has no meaning here; anything else is not simulated. */
int sim_setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
    struct sim_socket *socket = sim_socket_enter(fd);
    if (socket == NULL)
        return -1;
    if (is_local(socket) && level != SOL_SOCKET)
        return sim_refuse(EOPNOTSUPP);
    if (level == SOL_SOCKET && option == SO_LINGER && size >= sizeof(struct linger))
        socket->abortive = !is_local(socket) && ((const struct linger *)value)->l_onoff != 0 &&
                           ((const struct linger *)value)->l_linger == 0;
    else if (level == IPPROTO_IPV6 && option == IPV6_V6ONLY)
        socket->only6 = *(const int *)value != 0;
    else if (level == IPPROTO_TCP && option == TCP_NODELAY)
        socket->no_delay = *(const int *)value != 0;
    else if (level != SOL_SOCKET || (option != SO_REUSEADDR && option != SO_SNDBUF && option != SO_RCVBUF))
        sim_fail("a socket's option %d of level %d is not simulated", option, level);
    return 0;
}

int sim_getsockopt(int fd, int level, int option, void *value, socklen_t *size)
{
    struct sim_socket *socket = sim_socket_enter(fd);
    if (socket == NULL)
        return -1;
    if (*size < sizeof(int))
        return sim_refuse(EINVAL);
    if (is_local(socket) && level != SOL_SOCKET)
        return sim_refuse(EOPNOTSUPP);
    *size = sizeof(int);
    if (level == SOL_SOCKET && option == SO_ERROR)
        *(int *)value = sim_socket_error(socket);
    else if (level == IPPROTO_TCP && option == TCP_NODELAY)
        *(int *)value = socket->no_delay;
    else
        sim_fail("a socket's option %d of level %d is not simulated", option, level);
    return 0;
}
