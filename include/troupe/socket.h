/* troupe/socket.h: TCP and Unix sockets for processes, in two styles: calls that park the process, and messages.
 *
 * A socket belongs to a process and is closed at its end. Addresses: "tcp://127.0.0.1:7000", "tcp://[::1]:7000",
 * "tcp://0.0.0.0:7000" (all interfaces), "unix:///path/to/socket"; port 0 lets the system choose. Only the owner may
 * use a socket: TR_EINVAL otherwise; a closed one is TR_EEND. After TR_EIO tr_socket_error tells the system's number,
 * and tr_last_reason, as which tr_must ends the caller, its text: "Address already in use (tcp://127.0.0.1:7000)". A
 * peer that is gone is an error, never a SIGPIPE. Any call that opens or waits may return TR_ENOMEM. On a foreign
 * thread: TR_EFOREIGN.
 *
 * TCP_NODELAY is on: what is written goes out at once, so write a reply in one piece.
 *
 * A process may be told of a connection before it is given to it: as long as nobody has used the connection, its
 * tr_read and tr_write wait for the gift, within their timeout. */
#ifndef TROUPE_SOCKET_H
#define TROUPE_SOCKET_H

#include <troupe/message.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Listens. TR_EINVAL: a bad address; TR_ELIMIT: no descriptor left; TR_EIO: for example the address is in use;
 * *listener is then no socket, and good for tr_socket_error only. A Unix socket's path goes with the listener; one at
 * which nobody listens any more is taken over, by one of those who try at once: a file beside it, PATH.troupe-lock,
 * guards it meanwhile. */
TR_API TR_MUST_CHECK int tr_listen(const char *address, tr_socket *listener);
/* Waits for a connection, the caller's. Out of descriptors it waits, without spinning, until one is free or time is up
 * (then TR_ELIMIT). TR_ETIMEDOUT. Blocks. */
TR_API TR_MUST_CHECK int tr_accept(tr_socket listener, int64_t timeout_ms, tr_socket *connection);
/* Connects. TR_ETIMEDOUT, TR_ELIMIT, TR_EINVAL; TR_EIO: *connection is then no socket, and good for tr_socket_error
 * only. Names are not resolved: see tr_blocking. Blocks. */
TR_API TR_MUST_CHECK int tr_connect(const char *address, int64_t timeout_ms, tr_socket *connection);
/* Reads what is there, at least one byte and at most capacity: *size. TR_EEND: the peer sent all it will. Blocks. */
TR_API TR_MUST_CHECK int tr_read(tr_socket socket, void *buffer, size_t capacity, int64_t timeout_ms, size_t *size);
/* Writes it all; back-pressure parks the caller. TR_ETIMEDOUT: some of it may have been written. Blocks. */
TR_API TR_MUST_CHECK int tr_write(tr_socket socket, const void *data, size_t size, int64_t timeout_ms);
/* Half-close: the peer reads the end of the stream; reading goes on. TR_EINVAL: a listener; TR_EEND: it is closed. */
TR_API TR_MUST_CHECK int tr_shutdown_write(tr_socket socket);
/* The process `to` owns it from now on; its active mode is off. TR_ENOPROC: it is dead, the socket stays the caller's;
 * TR_EEND: it is closed. */
TR_API TR_MUST_CHECK int tr_socket_give(tr_socket socket, tr_pid to);
/* Closes it; anything of a closed socket that was on its way as a message may still arrive. */
TR_API void tr_close(tr_socket socket);
/* The port it is bound to, or 0. */
TR_API int tr_socket_port(tr_socket socket);
enum { TR_ADDRESS_MOST = 128 }; /* bytes; enough for the text of any address */
/* The peer's address, in the form that tr_connect takes; "unix://" if it is a Unix socket without a path. size: of
 * `address`. TR_EINVAL: a listener, or it does not fit; TR_EIO: for example it is connected no more. */
TR_API TR_MUST_CHECK int tr_socket_peer(tr_socket socket, char *address, size_t size);
/* The system's error number behind the latest TR_EIO of this socket, or 0. */
TR_API int tr_socket_error(tr_socket socket);

/* What TR_MSG_SOCKET tells. */
typedef enum tr_socket_what {
    TR_SOCKET_DATA,       /* size bytes follow the event in the body */
    TR_SOCKET_CONNECTION, /* of a listener: `accepted` is the receiver's */
    TR_SOCKET_END,        /* the peer sent all it will */
    TR_SOCKET_ERROR,      /* error: the system's number; the socket is of no more use */
    TR_SOCKET_PASSIVE     /* the flow limit is used up: call tr_socket_active again */
} tr_socket_what;

/* The body of TR_MSG_SOCKET begins with this. */
typedef struct tr_socket_event {
    tr_socket socket;
    tr_socket accepted;
    int32_t what; /* enum tr_socket_what */
    int32_t error;
    size_t size;
} tr_socket_event;

/* From now on what arrives at the socket comes to its owner as messages, `limit` of them (then TR_SOCKET_PASSIVE); 0:
 * no more. It replaces the limit before. While it is active, tr_read and tr_accept are TR_EINVAL. */
TR_API TR_MUST_CHECK int tr_socket_active(tr_socket socket, int limit);

/* The calling process gets the signal (SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2) as TR_MSG_SIGNAL until its end.
 * SIGTERM and SIGINT then no longer stop the program by themselves. TR_EINVAL: another signal. */
TR_API TR_MUST_CHECK int tr_signal_subscribe(int signal_number);

#ifdef __cplusplus
}
#endif
#endif
