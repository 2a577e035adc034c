/* socket_open.c: listening, accepting, connecting.
 *
 * All descriptors are made non-blocking and close-on-exec by the call that makes them. TCP_NODELAY is on: whoever
 * writes a reply wants it on its way; listeners have it for what they accept (Linux hands it down). Listeners have
 * SO_REUSEADDR, so that a restarted service gets its port while old connections linger.
 *
 * The path of a Unix listener is locked (socket_path.h) from before bind until it listens, or has failed.
 *
 * Out of descriptors or memory an accepting process does not spin: it is told when a socket of this runtime closes, and
 * looks by itself after 10 ms, then 20, up to a second (others may free descriptors, too). */
#include "actor/socket_address.h"
#include "actor/socket_path.h"
#include "actor/socket_record.h"

#include "base/clock.h"
#include "memory/source.h"
#include "sched/context.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,    /* the system cuts it to net.core.somaxconn */
    ABORTED_MOST = 64, /* connections that failed while they waited, skipped in one go */
};
#define FIRST_DELAY_NS (10 * NS_PER_MS)
#define LAST_DELAY_NS  NS_PER_S
#define QUEUE_DELAY_NS (64 * NS_PER_MS)

static int open_descriptor(int family) { return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

static bool is_exhaustion(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static int status_of_open(int error) { return error == ENOMEM ? TR_ENOMEM : is_exhaustion(error) ? TR_ELIMIT : TR_EIO; }

/* Closes fd (unless it is -1); the status and, for the caller of tr_socket_error, a dead id. */
static int give_up(int fd, int error, tr_socket *id)
{
    if (fd >= 0) {
        close(fd);
        starved_feed();
    }
    int status = status_of_open(error);
    if (status == TR_EIO)
        *id = socket_failure(error);
    return status;
}

static void set_option(int fd, int level, int option, int value)
{
    /* A socket without it still works: what is set here is never refused for a TCP socket. */
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

/* ---- listening */

/* A path is stale if nobody listens there any more: then it goes. */
static bool remove_stale(const struct socket_address *address)
{
    const char *path = socket_address_path(address);
    struct stat there;
    if (path == NULL || lstat(path, &there) < 0 || !S_ISSOCK(there.st_mode))
        return false;
    int probe = open_descriptor(AF_UNIX);
    bool stale = probe >= 0 && connect(probe, &address->any, address->size) < 0 && errno == ECONNREFUSED;
    if (probe >= 0)
        close(probe);
    return stale && unlink(path) == 0;
}

static int bind_to(int fd, const struct socket_address *address)
{
    if (bind(fd, &address->any, address->size) == 0)
        return 0;
    if (errno != EADDRINUSE)
        return -1;
    if (!remove_stale(address)) {
        errno = EADDRINUSE; /* whatever the look at the path met */
        return -1;
    }
    return bind(fd, &address->any, address->size);
}

static int open_listening(struct socket_address *address)
{
    int fd = open_descriptor(address->any.sa_family);
    if (fd < 0 && errno == EAFNOSUPPORT && address->everywhere) {
        socket_address_to_ipv4(address);
        fd = open_descriptor(AF_INET);
    }
    if (fd < 0 || address->any.sa_family == AF_UNIX)
        return fd;
    if (address->any.sa_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, !address->everywhere);
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    return fd;
}

/* Remembers what to remove when the listener is shut. */
static int remember_path(struct socket *socket, const struct socket_address *address)
{
    const char *path = socket_address_path(address);
    struct stat made;
    if (path == NULL || lstat(path, &made) < 0)
        return TR_OK;
    size_t size = strlen(path) + 1;
    socket->path = source_alloc(size);
    if (socket->path == NULL) {
        unlink(path);
        return TR_ENOMEM;
    }
    memcpy(socket->path, path, size);
    socket->path_device = made.st_dev;
    socket->path_inode = made.st_ino;
    return TR_OK;
}

/* The path's lock is held. */
static int listen_alone(struct actor *self, struct socket_address *address, tr_socket *listener)
{
    int fd = open_listening(address);
    if (fd < 0 || bind_to(fd, address) < 0 || listen(fd, BACKLOG) < 0)
        return give_up(fd, errno, listener);
    struct socket *socket;
    int status = socket_create(fd, SOCKET_LISTENER, self, self->pid, &socket);
    if (status != TR_OK) {
        if (socket_address_path(address) != NULL)
            unlink(socket_address_path(address));
        return status;
    }
    status = remember_path(socket, address);
    if (status != TR_OK)
        socket_close(socket);
    else
        listener->id = socket->source.handle;
    return status;
}

static int listen_at(struct actor *self, struct socket_address *address, tr_socket *listener)
{
    struct socket_path_lock lock;
    int error = socket_path_lock(&lock, socket_address_path(address));
    if (error != 0)
        return give_up(-1, error, listener);
    int status = listen_alone(self, address, listener);
    socket_path_unlock(&lock);
    return status;
}

API int tr_listen(const char *text, tr_socket *listener)
{
    struct actor *self;
    struct socket_address address;
    if (listener == NULL || socket_address_parse(text, &address) != TR_OK)
        return TR_EINVAL;
    *listener = (tr_socket){ 0 };
    int status = socket_enter(false, &self);
    if (status != TR_OK)
        return status;
    status = listen_at(self, &address, listener);
    if (status == TR_EIO)
        socket_explain(self, tr_socket_error(*listener), text);
    socket_leave();
    return status;
}

/* ---- accepting */

/* Errors of a connection that went away while it waited: accept(2) says to try the next. */
static bool is_aborted(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENETUNREACH:
    case ENONET:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ETIMEDOUT: return true;
    default: return false;
    }
}

NOINLINE int socket_try_accept(struct socket *listener, enum socket_kind *kind)
{
    for (int tries = 0; tries < ABORTED_MOST; tries++) {
        struct socket_address peer = { .size = sizeof peer.room };
        int fd = accept4(listener->source.fd, &peer.any, &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        *kind = peer.any.sa_family == AF_UNIX ? SOCKET_UNIX : SOCKET_TCP;
        if (fd >= 0)
            return fd;
        if (!is_aborted(errno))
            return errno == EAGAIN ? ACCEPT_NONE : is_exhaustion(errno) ? ACCEPT_STARVED : -errno;
    }
    return ACCEPT_STARVED; /* so many at once: later */
}

static void accept_again(struct starved *item) { socket_nudge(CONTAINER_OF(item, struct socket, starved)); }

struct patience {
    int64_t deadline;
    int64_t delay_ns; /* 0: not starved so far */
};

/* There is no descriptor, or no memory. TR_OK: try again. */
static int wait_for_food(struct actor *self, struct socket *listener, struct patience *patience)
{
    if (patience->delay_ns == 0) {
        patience->delay_ns = FIRST_DELAY_NS;
        starved_add(&listener->starved, accept_again, false);
        return TR_OK; /* listed first, then once more: see socket_starved.h */
    }
    int64_t until = clock_now() + patience->delay_ns;
    if (until > patience->deadline)
        until = patience->deadline;
    patience->delay_ns = patience->delay_ns * 2 > LAST_DELAY_NS ? LAST_DELAY_NS : patience->delay_ns * 2;
    int status = socket_wait(self, &listener->reader, until);
    if (status == TR_ETIMEDOUT)
        status = until != patience->deadline ? TR_OK : TR_ELIMIT;
    return status;
}

static int accept_one(struct actor *self, struct socket *listener, int64_t deadline, int *fd, enum socket_kind *kind)
{
    struct patience patience = { .deadline = deadline };
    int status = TR_OK;
    do {
        side_clear(&listener->reader);
        *fd = socket_try_accept(listener, kind);
        if (*fd == ACCEPT_NONE)
            status = socket_wait(self, &listener->reader, deadline);
        else if (*fd == ACCEPT_STARVED)
            status = wait_for_food(self, listener, &patience);
        else if (*fd < 0)
            status = socket_failed(listener, -*fd);
    } while (*fd < 0 && status == TR_OK);
    if (patience.delay_ns != 0)
        starved_remove(&listener->starved);
    return status == TR_EIO ? socket_explain(self, load_relaxed(&listener->error), NULL) : status; /* relaxed: own */
}

static int accept_from(struct actor *self, tr_socket id, int64_t deadline, tr_socket *connection)
{
    struct socket *listener, *socket;
    enum socket_kind kind;
    int fd;
    int status = socket_use(id, self, deadline, &listener);
    if (status != TR_OK)
        return status;
    /* [SA2] acquire: pairs with [SA1] */
    if (listener->kind != SOCKET_LISTENER || load_acquire(&listener->active))
        return TR_EINVAL;
    status = accept_one(self, listener, deadline, &fd, &kind);
    if (status == TR_OK)
        status = socket_create(fd, kind, self, self->pid, &socket);
    if (status == TR_OK)
        connection->id = socket->source.handle;
    return status;
}

API int tr_accept(tr_socket id, int64_t timeout_ms, tr_socket *connection)
{
    struct actor *self;
    if (connection == NULL || timeout_ms < TR_INFINITY)
        return TR_EINVAL;
    *connection = (tr_socket){ 0 };
    int status = socket_enter(true, &self);
    if (status != TR_OK)
        return status;
    status = accept_from(self, id, socket_deadline(timeout_ms), connection);
    socket_leave();
    return status;
}

/* ---- connecting */

/* A Unix listener's queue is full: the system tells nobody when that changes. */
static int wait_for_queue(struct actor *self, struct socket *socket, struct patience *patience)
{
    patience->delay_ns = patience->delay_ns == 0 ? NS_PER_MS : patience->delay_ns * 2;
    if (patience->delay_ns > QUEUE_DELAY_NS)
        patience->delay_ns = QUEUE_DELAY_NS;
    int64_t until = clock_now() + patience->delay_ns;
    if (until > patience->deadline)
        until = patience->deadline;
    int status = socket_wait(self, &socket->writer, until);
    return status == TR_ETIMEDOUT && until != patience->deadline ? TR_OK : status;
}

/* connect(2) repeated tells how far it is: made (0), or under way, or why not (the system's number). Not inlined: see
 * socket.c. */
static NOINLINE int try_connect(const struct socket *socket, const struct socket_address *address)
{
    return connect(socket->source.fd, &address->any, address->size) == 0 || errno == EISCONN ? 0 : errno;
}

static int finish_connecting(struct actor *self, struct socket *socket, const struct socket_address *address,
                             int64_t deadline)
{
    struct patience patience = { .deadline = deadline };
    int status = TR_OK;
    while (status == TR_OK) {
        side_clear(&socket->writer);
        int error = try_connect(socket, address);
        if (error == 0)
            return TR_OK;
        if (error == EAGAIN)
            status = wait_for_queue(self, socket, &patience);
        else if (error == EINPROGRESS || error == EALREADY)
            status = socket_wait(self, &socket->writer, deadline);
        else if (error != EINTR)
            status = socket_failed(socket, error);
    }
    return status;
}

static bool connectable(const struct socket_address *address)
{
    return !address->everywhere && (address->any.sa_family == AF_UNIX || socket_address_port(address) != 0);
}

static int connect_to(struct actor *self, const struct socket_address *address, int64_t deadline, tr_socket *connection)
{
    int fd = open_descriptor(address->any.sa_family);
    if (fd < 0)
        return give_up(fd, errno, connection);
    enum socket_kind kind = address->any.sa_family == AF_UNIX ? SOCKET_UNIX : SOCKET_TCP;
    if (kind == SOCKET_TCP)
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    /* Before the poller knows it, which would take a socket that has not begun to connect for one that is hung up. */
    if (connect(fd, &address->any, address->size) < 0 && errno != EINPROGRESS && errno != EAGAIN && errno != EINTR)
        return give_up(fd, errno, connection);
    struct socket *socket;
    int status = socket_create(fd, kind, self, self->pid, &socket);
    if (status != TR_OK)
        return status;
    status = finish_connecting(self, socket, address, deadline);
    if (status == TR_OK) {
        connection->id = socket->source.handle;
        return TR_OK;
    }
    if (status == TR_EIO)
        *connection = socket_failure(load_relaxed(&socket->error)); /* relaxed: the caller's own */
    socket_close(socket);
    return status;
}

API int tr_connect(const char *text, int64_t timeout_ms, tr_socket *connection)
{
    struct actor *self;
    struct socket_address address;
    if (connection == NULL || timeout_ms < TR_INFINITY || socket_address_parse(text, &address) != TR_OK ||
        !connectable(&address))
        return TR_EINVAL;
    *connection = (tr_socket){ 0 };
    int status = socket_enter(true, &self);
    if (status != TR_OK)
        return status;
    status = connect_to(self, &address, socket_deadline(timeout_ms), connection);
    if (status == TR_EIO)
        socket_explain(self, tr_socket_error(*connection), text);
    socket_leave();
    return status;
}
