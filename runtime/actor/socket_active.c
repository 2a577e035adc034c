/* socket_active.c: active mode: what arrives is read, or accepted, in the poller's dispatch and sent to the owner as
 * messages.
 *
 * Only dispatch reads, so there is one reader at a time and the order of messages is the order of the stream;
 * tr_socket_active changes the limit and rearms the source, which makes dispatch look. Each dispatch is bounded
 * (STEPS_MOST messages of at most CHUNK bytes) and never blocks; if more is there, it rearms, which puts the socket
 * behind the others. The record's lock excludes dispatch against tr_socket_active, giving and closing; once the limit
 * is down to nothing, the last message is TR_SOCKET_PASSIVE.
 *
 * Nothing is lost when memory or descriptors are short: memory for the message is there before the data or the
 * connection is taken; without it, or without a descriptor, the socket waits on the list of socket_starved.h. */
#include "actor/signal.h"
#include "actor/socket_record.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    STEPS_MOST = 16,
    CHUNK = 64 * 1024,
};

/* What a step came to. */
enum step {
    STEP_MORE,    /* a message was sent: look again */
    STEP_DRY,     /* nothing there: an edge will tell */
    STEP_STARVED, /* no memory or no descriptor */
};

static struct tr_msg *event_message(struct socket *socket, enum tr_socket_what what, size_t size)
{
    struct tr_msg *message = message_new(context_self(), sizeof(tr_socket_event) + size);
    if (message == NULL)
        return NULL;
    message->tag = TR_MSG_SOCKET;
    tr_socket_event *event = message_body(message);
    *event = (tr_socket_event){ .socket = { socket->source.handle }, .what = (int32_t)what, .size = size };
    return message;
}

/* Down to a body of `size` bytes. */
static void shrink(struct tr_msg *message, size_t size)
{
    _Static_assert(CHUNK < MESSAGE_WIDE / 2, "the size is in the message's meta word");
    message->meta = (message->meta & ~MESSAGE_WIDE) | (uint32_t)size;
    ((char *)message_body(message))[size] = 0;
}

static void send_event(struct socket *socket, struct tr_msg *message)
{
    deliver((tr_pid){ load_relaxed(&socket->owner) }, message); /* relaxed: under the lock */
}

/* END, ERROR or PASSIVE: the last message; from then on the socket is passive. */
static enum step last_step(struct socket *socket, enum tr_socket_what what, int error)
{
    struct tr_msg *message = event_message(socket, what, 0);
    if (message == NULL)
        return STEP_STARVED;
    ((tr_socket_event *)message_body(message))->error = error;
    if (error != 0)
        socket_failed(socket, error);
    store_release(&socket->active, false); /* [SA1] release: dispatch has done with the descriptor; pairs with [SA2] */
    send_event(socket, message);
    return STEP_DRY;
}

static enum step accept_step(struct socket *listener)
{
    struct tr_msg *message = event_message(listener, TR_SOCKET_CONNECTION, 0);
    if (message == NULL)
        return STEP_STARVED;
    tr_socket_event *event = message_body(message);
    enum socket_kind kind;
    struct socket *made;
    uint64_t owner = load_relaxed(&listener->owner); /* relaxed: under the lock */
    int fd = socket_try_accept(listener, &kind);
    if (fd >= 0 && socket_create(fd, kind, NULL, owner, &made) == TR_OK) {
        event->accepted.id = made->source.handle;
        listener->limit--;
        send_event(listener, message);
        return STEP_MORE;
    }
    message_free(context_self(), message);
    if (fd >= 0)
        return STEP_STARVED; /* that one is lost: closed at once, as a peer sees it from a server that is full */
    return fd == ACCEPT_NONE      ? STEP_DRY
           : fd == ACCEPT_STARVED ? STEP_STARVED
                                  : last_step(listener, TR_SOCKET_ERROR, -fd);
}

/* How much to ask for: what is there; one byte when that is nothing, which tells the end from a pause. */
static size_t bytes_waiting(const struct socket *socket)
{
    int there = 0;
    if (ioctl(socket->source.fd, FIONREAD, &there) < 0 || there <= 0)
        return 1;
    return there > CHUNK ? CHUNK : (size_t)there;
}

static enum step read_step(struct socket *socket)
{
    size_t asked = bytes_waiting(socket);
    struct tr_msg *message = event_message(socket, TR_SOCKET_DATA, asked);
    if (message == NULL)
        return STEP_STARVED;
    tr_socket_event *event = message_body(message);
    ssize_t got = recv(socket->source.fd, event + 1, asked, 0);
    int error = errno;
    if (got > 0) {
        event->size = (size_t)got;
        shrink(message, sizeof *event + (size_t)got);
        socket->limit--;
        send_event(socket, message);
        return STEP_MORE;
    }
    message_free(context_self(), message);
    if (got == 0)
        return last_step(socket, TR_SOCKET_END, 0);
    if (error == EINTR)
        return STEP_MORE;
    return error == EAGAIN ? STEP_DRY : last_step(socket, TR_SOCKET_ERROR, error);
}

static enum step one_step(struct socket *socket)
{
    if (socket->limit == 0)
        return last_step(socket, TR_SOCKET_PASSIVE, 0);
    return socket->kind == SOCKET_LISTENER ? accept_step(socket) : read_step(socket);
}

static void active_again(struct starved *item) { poller_rearm(&CONTAINER_OF(item, struct socket, starved)->source); }

/* Under the lock. */
static void set_starving(struct socket *socket, bool starving)
{
    if (starving)
        starved_add(&socket->starved, active_again, true);
    else if (socket->starving)
        starved_remove(&socket->starved);
    socket->starving = starving;
}

static void run(struct socket *socket)
{
    enum step came = STEP_MORE;
    for (int steps = 0; came == STEP_MORE; steps++) {
        if (!load_relaxed(&socket->active)) /* relaxed: under the lock; a socket that was shut is not active */
            return;
        if (steps == STEPS_MOST) {
            poller_rearm(&socket->source);
            return;
        }
        came = one_step(socket);
        set_starving(socket, came == STEP_STARVED);
    }
}

void socket_active_run(struct socket *socket)
{
    pthread_mutex_lock(&socket->lock);
    run(socket);
    pthread_mutex_unlock(&socket->lock);
}

static void set_limit(struct socket *socket, int limit)
{
    pthread_mutex_lock(&socket->lock);
    socket->limit = limit;
    store_relaxed(&socket->active, limit > 0); /* relaxed: dispatch looks again under the lock */
    if (limit == 0)
        set_starving(socket, false);
    pthread_mutex_unlock(&socket->lock);
}

void socket_active_stop(struct socket *socket)
{
    if (load_acquire(&socket->active)) /* [SA2] acquire: pairs with [SA1] */
        set_limit(socket, 0);
}

static int activate(struct actor *self, tr_socket id, int limit)
{
    struct socket *socket;
    int status = socket_use(id, self, 0, &socket);
    if (status == TR_OK && limit > 0)
        status = starved_timer_start();
    if (status != TR_OK)
        return status;
    socket->drained = false;
    set_limit(socket, limit);
    if (limit > 0)
        poller_rearm(&socket->source);
    return TR_OK;
}

API int tr_socket_active(tr_socket id, int limit)
{
    struct actor *self;
    if (limit < 0)
        return TR_EINVAL;
    int status = socket_enter(false, &self);
    if (status != TR_OK)
        return status;
    status = activate(self, id, limit);
    socket_leave();
    return status;
}
