/* socket_peer.h: what the socket tests share: the other end of a connection without Troupe (plain system calls on the
 * loopback, which never wait for an actor), and running a body as the root process with one worker and with several. */
#ifndef TROUPE_TESTS_SOCKET_PEER_H
#define TROUPE_TESTS_SOCKET_PEER_H

#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <troupe/troupe.h>
#include <unistd.h>

#define LONG_MS 60000 /* far longer than anything here takes: a hang shows as a failure */

static inline int descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 4096; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static inline void run_with(int workers, tr_entry *body)
{
    const tr_config config = { .workers = workers, .log_level = TR_ERROR };
    CHECK_EQ(tr_main(&config, body, NULL, 0), 0);
}

/* And nothing stays open. In simulation each seed is another try, with one of the numbers. */
static inline void run_as_root(tr_entry *body)
{
    static const int workers[] = { 1, 4, 9 }; /* the last: more than cores */
    unsigned char drawn = 0;
    int before = descriptors();
    CHECK_EQ(getrandom(&drawn, sizeof drawn, 0), sizeof drawn);
    for (size_t i = 0; i < TR_COUNT(workers); i++) {
        if (HARNESS_SIMULATED && i != drawn % TR_COUNT(workers))
            continue;
        run_with(workers[i], body);
        CHECK_EQ(descriptors(), before);
    }
}

static inline tr_socket must_listen(const char *address)
{
    tr_socket listener;
    CHECK_EQ(tr_listen(address, &listener), TR_OK);
    return listener;
}

static inline tr_socket must_connect(int port)
{
    char address[64];
    tr_socket connection;
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", port);
    CHECK_EQ(tr_connect(address, LONG_MS, &connection), TR_OK);
    return connection;
}

static inline tr_socket must_accept(tr_socket listener)
{
    tr_socket connection;
    CHECK_EQ(tr_accept(listener, LONG_MS, &connection), TR_OK);
    return connection;
}

static inline int peer_connect(int port)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_EQ(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static inline void peer_send(int fd, const void *data, size_t size)
{
    CHECK_EQ(send(fd, data, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* Reads up to size bytes, what there is within LONG_MS; 0: the end; -1: an error. The calling process sleeps, its
 * thread does not. */
static inline ssize_t peer_receive(int fd, void *buffer, size_t size)
{
    for (int64_t end = tr_now_ns() + LONG_MS * INT64_C(1000000);;) {
        ssize_t got = recv(fd, buffer, size, MSG_DONTWAIT);
        if (got >= 0 || errno != EAGAIN)
            return got;
        CHECK(tr_now_ns() < end);
        tr_sleep(1);
    }
}

/* Both ends inside the calling process. */
static inline void make_pair(tr_socket *here, tr_socket *there)
{
    tr_socket listener = must_listen("tcp://127.0.0.1:0");
    *here = must_connect(tr_socket_port(listener));
    *there = must_accept(listener);
    tr_close(listener);
}

/* A Troupe socket and a plain descriptor. */
static inline void make_half_pair(tr_socket *here, int *peer)
{
    tr_socket listener = must_listen("tcp://127.0.0.1:0");
    *peer = peer_connect(tr_socket_port(listener));
    *here = must_accept(listener);
    tr_close(listener);
}

static inline unsigned char pattern(size_t at) { return (unsigned char)(at * 131 + at / 256 * 7); }

static inline void fill_pattern(unsigned char *data, size_t size, size_t from)
{
    for (size_t i = 0; i < size; i++)
        data[i] = pattern(from + i);
}

static inline void check_pattern(const unsigned char *data, size_t size, size_t from)
{
    for (size_t i = 0; i < size; i++)
        CHECK_EQ(data[i], pattern(from + i));
}

/* Waits until the process has ended. */
static inline void await_end(tr_pid pid)
{
    tr_reason reason;
    CHECK_EQ(tr_await_down(tr_monitor(pid), LONG_MS, &reason), TR_OK);
}

#endif
