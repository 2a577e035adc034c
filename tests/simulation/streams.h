/* streams.h: what the cases with sockets share. All waits are without limit: who waits in vain is a deadlock, which
 * fails the run. */
#ifndef TROUPE_TESTS_SIMULATION_STREAMS_H
#define TROUPE_TESTS_SIMULATION_STREAMS_H

#include "simulation/simulate.h"

#include <errno.h>

UNUSED static int try_listen(int port, tr_socket *listener)
{
    char address[64];
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", port);
    return tr_listen(address, listener);
}

UNUSED static tr_socket must_listen(int port)
{
    tr_socket listener;
    CHECK_EQ(try_listen(port, &listener), TR_OK);
    return listener;
}

UNUSED static int try_connect(int port, int64_t timeout_ms, tr_socket *connection)
{
    char address[64];
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", port);
    return tr_connect(address, timeout_ms, connection);
}

UNUSED static tr_socket must_connect(int port)
{
    tr_socket connection;
    CHECK_EQ(try_connect(port, TR_INFINITY, &connection), TR_OK);
    return connection;
}

UNUSED static tr_socket must_accept(tr_socket listener)
{
    tr_socket connection;
    CHECK_EQ(tr_accept(listener, TR_INFINITY, &connection), TR_OK);
    return connection;
}

/* Both ends are the calling process's. */
UNUSED static void make_pair(tr_socket *here, tr_socket *there)
{
    tr_socket listener = must_listen(0);
    *here = must_connect(tr_socket_port(listener));
    *there = must_accept(listener);
    tr_close(listener);
}

/* All of it: TR_OK, or why not. */
UNUSED static int read_all(tr_socket socket, void *to, size_t size)
{
    int status = TR_OK;
    for (size_t have = 0, got; have < size && status == TR_OK; have += status == TR_OK ? got : 0)
        status = tr_read(socket, (char *)to + have, size - have, TR_INFINITY, &got);
    return status;
}

/* A status of a connection that is over, in whichever way. */
UNUSED static void check_over(tr_socket socket, int status)
{
    CHECK(status == TR_EEND || status == TR_EIO);
    if (status == TR_EIO)
        CHECK(tr_socket_error(socket) == ECONNRESET || tr_socket_error(socket) == EPIPE);
}

static inline unsigned char pattern(size_t at) { return (unsigned char)(at * 131 + at / 256 * 7); }

UNUSED static void fill_pattern(unsigned char *data, size_t size, size_t from)
{
    for (size_t i = 0; i < size; i++)
        data[i] = pattern(from + i);
}

UNUSED static void check_pattern(const unsigned char *data, size_t size, size_t from)
{
    for (size_t i = 0; i < size; i++)
        CHECK_EQ(data[i], pattern(from + i));
}

/* Spawns a process that is to own the socket, its start argument; GO tells it that it does. */
UNUSED static tr_pid give_to_new(tr_socket socket, tr_entry *entry)
{
    tr_pid pid = tr_spawn(entry, &socket, sizeof socket);
    int status = tr_socket_give(socket, pid);
    CHECK(status == TR_OK || status == TR_ENOPROC);
    if (status != TR_OK)
        tr_close(socket);
    tr_send(pid, GO, NULL, 0);
    return pid;
}

static inline tr_socket socket_of(const tr_msg *arg) { return *(const tr_socket *)tr_expect(arg, sizeof(tr_socket)); }

/* Its start argument is a socket, its own by and by, or never: sends back what comes until that is over. */
UNUSED static void echo_all(const tr_msg *arg)
{
    tr_socket socket = socket_of(arg);
    char buffer[700];
    size_t size;
    while (tr_read(socket, buffer, sizeof buffer, TR_INFINITY, &size) == TR_OK)
        if (tr_write(socket, buffer, size, TR_INFINITY) != TR_OK)
            return;
}

static inline int port_of(const tr_msg *arg) { return *(const int *)tr_expect(arg, sizeof(int)); }

/* Waits until each of them has ended by itself. */
UNUSED static void await_all(const tr_ref *monitors, int count)
{
    for (int i = 0; i < count; i++) {
        tr_reason reason;
        CHECK_EQ(tr_await_down(monitors[i], TR_INFINITY, &reason), TR_OK);
        CHECK_EQ(reason.why, TR_WHY_NORMAL);
    }
}

#endif
