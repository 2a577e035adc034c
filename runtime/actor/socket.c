/* socket.c: the public calls on an open socket: reading, writing, closing, giving. Opening: socket_open.c; messages:
 * socket_active.c.
 *
 * A call that blocks tries the system call first and parks only after EAGAIN (socket_record.h says why no wake-up is
 * lost). SIGPIPE: MSG_NOSIGNAL on every send.
 *
 * A function that blocks may come back on another thread, and compilers keep the address of errno (D2): whoever reads
 * errno is not inlined into who blocks. */
#include "actor/socket_address.h"
#include "actor/socket_record.h"

#include <errno.h>
#include <sys/socket.h>

/* Bits of a failed connection's id, which is no handle: it only tells tr_socket_error why. */
#define FAILED_ID   (UINT64_C(1) << 63)
#define FAILED_MOST UINT64_C(0xFFFF)

static int latest_error(struct socket *socket) { return load_relaxed(&socket->error); /* relaxed: see socket_failed */ }

/* The status of a call of self's on its way out. */
static int explained(struct actor *self, struct socket *socket, int status)
{
    return UNLIKELY(status == TR_EIO) ? socket_explain(self, latest_error(socket), NULL) : status;
}

/* ---- reading */

/* The result of one try: TR_OK, TR_EEND, TR_EIO; 1: there is nothing now. After side_clear. */
enum { NOTHING_NOW = 1 };

static NOINLINE int try_read(struct socket *socket, void *buffer, size_t capacity, size_t *size)
{
    ssize_t got;
    do
        got = recv(socket->source.fd, buffer, capacity, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN) {
        socket->drained = true;
        return NOTHING_NOW;
    }
    /* Only data that came alone is followed by an edge; an end is there for good. relaxed: `hung` that is set later
     * comes with news. */
    socket->drained = got > 0 && (size_t)got < capacity && socket->kind == SOCKET_TCP && !load_relaxed(&socket->hung);
    if (got <= 0)
        return got == 0 ? TR_EEND : socket_failed(socket, errno);
    *size = (size_t)got;
    return TR_OK;
}

static int read_some(struct actor *self, struct socket *socket, void *buffer, size_t capacity, int64_t deadline,
                     size_t *size)
{
    for (;;) {
        bool news = side_clear(&socket->reader);
        if (news || !socket->drained || deadline == 0) {
            int status = try_read(socket, buffer, capacity, size);
            if (status != NOTHING_NOW)
                return status;
        }
        int status = socket_wait(self, &socket->reader, deadline);
        if (status != TR_OK)
            return status;
    }
}

static int read_from(struct actor *self, tr_socket id, void *buffer, size_t capacity, int64_t deadline, size_t *size)
{
    struct socket *socket;
    int status = socket_use(id, self, deadline, &socket);
    if (status != TR_OK)
        return status;
    /* [SA2] acquire: pairs with [SA1] */
    if (socket->kind == SOCKET_LISTENER || load_acquire(&socket->active))
        return TR_EINVAL;
    return explained(self, socket, read_some(self, socket, buffer, capacity, deadline, size));
}

API int tr_read(tr_socket id, void *buffer, size_t capacity, int64_t timeout_ms, size_t *size)
{
    struct actor *self;
    if (buffer == NULL || capacity == 0 || size == NULL || timeout_ms < TR_INFINITY)
        return TR_EINVAL;
    int status = socket_enter(true, &self);
    if (status != TR_OK)
        return status;
    status = read_from(self, id, buffer, capacity, socket_deadline(timeout_ms), size);
    socket_leave();
    return status;
}

/* ---- writing */

/* Sends what the system takes now: *sent of it. TR_EIO; NOTHING_NOW. */
static NOINLINE int try_write(struct socket *socket, const char *data, size_t size, size_t *sent)
{
    ssize_t done;
    do
        done = send(socket->source.fd, data, size, MSG_NOSIGNAL);
    while (done < 0 && errno == EINTR);
    *sent = done < 0 ? 0 : (size_t)done;
    return done >= 0 ? TR_OK : errno == EAGAIN ? NOTHING_NOW : socket_failed(socket, errno);
}

/* The word is cleared only after a first EAGAIN: most writes never see one, while every arrival of data is an edge for
 * both sides. */
static int write_all(struct actor *self, struct socket *socket, const char *data, size_t size, int64_t deadline)
{
    bool cleared = false;
    int status = TR_OK;
    while (size > 0 && status == TR_OK) {
        size_t sent;
        status = try_write(socket, data, size, &sent);
        data += sent;
        size -= sent;
        if (status == NOTHING_NOW) {
            status = cleared ? socket_wait(self, &socket->writer, deadline) : TR_OK;
            side_clear(&socket->writer);
            cleared = true;
        } else {
            cleared = false;
        }
    }
    return status;
}

static int write_to(struct actor *self, tr_socket id, const void *data, size_t size, int64_t deadline)
{
    struct socket *socket;
    int status = socket_use(id, self, deadline, &socket);
    if (status != TR_OK)
        return status;
    if (socket->kind == SOCKET_LISTENER)
        return TR_EINVAL;
    return explained(self, socket, write_all(self, socket, data, size, deadline));
}

API int tr_write(tr_socket id, const void *data, size_t size, int64_t timeout_ms)
{
    struct actor *self;
    if ((data == NULL && size > 0) || timeout_ms < TR_INFINITY)
        return TR_EINVAL;
    int status = socket_enter(true, &self);
    if (status != TR_OK)
        return status;
    status = write_to(self, id, data, size, socket_deadline(timeout_ms));
    socket_leave();
    return status;
}

/* ---- what needs the caller's socket and does not wait */

static int shutdown_write(struct socket *socket)
{
    if (socket->kind == SOCKET_LISTENER)
        return TR_EINVAL;
    return shutdown(socket->source.fd, SHUT_WR) == 0 ? TR_OK : socket_failed(socket, errno);
}

static int close_it(struct socket *socket)
{
    socket_close(socket);
    return TR_OK;
}

static int port(struct socket *socket)
{
    struct socket_address address = { .size = sizeof address.room };
    return getsockname(socket->source.fd, &address.any, &address.size) < 0 ? 0 : socket_address_port(&address);
}

/* What `look` makes of the socket; a status if it is not the caller's. */
static int with_own(tr_socket id, int (*look)(struct socket *socket))
{
    struct actor *self;
    struct socket *socket;
    int status = socket_enter(false, &self);
    if (status != TR_OK)
        return status;
    status = socket_mine(id, self, &socket);
    if (status == TR_OK)
        status = explained(self, socket, look(socket));
    socket_leave();
    return status;
}

API int tr_shutdown_write(tr_socket id) { return with_own(id, shutdown_write); }
API void tr_close(tr_socket id) { (void)with_own(id, close_it); }

API int tr_socket_port(tr_socket id)
{
    int port_or_status = with_own(id, port);
    return port_or_status < 0 ? 0 : port_or_status;
}

tr_socket socket_failure(int error) { return (tr_socket){ FAILED_ID | (uint64_t)error }; }

API int tr_socket_error(tr_socket id)
{
    if (id.id & FAILED_ID)
        return (int)(id.id & FAILED_MOST);
    int error_or_status = with_own(id, latest_error);
    return error_or_status < 0 ? 0 : error_or_status;
}

static int peer(struct socket *socket, char *text, size_t size)
{
    struct socket_address address = { .size = sizeof address.room };
    if (socket->kind == SOCKET_LISTENER)
        return TR_EINVAL;
    if (getpeername(socket->source.fd, &address.any, &address.size) < 0)
        return socket_failed(socket, errno);
    return socket_address_print(&address, text, size) ? TR_OK : TR_EINVAL;
}

API int tr_socket_peer(tr_socket id, char *address, size_t size)
{
    struct actor *self;
    struct socket *socket;
    if (address == NULL || size == 0)
        return TR_EINVAL;
    int status = socket_enter(false, &self);
    if (status != TR_OK)
        return status;
    status = socket_mine(id, self, &socket);
    if (status == TR_OK)
        status = explained(self, socket, peer(socket, address, size));
    socket_leave();
    return status;
}

static int give(struct actor *self, tr_socket id, tr_pid to)
{
    struct socket *socket;
    int status = socket_mine(id, self, &socket);
    if (status != TR_OK)
        return status;
    read_begin();
    uint64_t pid = actor_resolve(to);
    read_end();
    if (pid == 0)
        return TR_ENOPROC;
    return pid == self->pid ? TR_OK : socket_hand_over(socket, self, pid);
}

API int tr_socket_give(tr_socket id, tr_pid to)
{
    struct actor *self;
    int status = socket_enter(false, &self);
    if (status != TR_OK)
        return status;
    status = give(self, id, to);
    socket_leave();
    return status;
}
