/* system_calls.h: the calls on sockets by a table: the simulated ones, or the system's own on its loopback. A body that
 * holds with both says that the one is like the other. */
#ifndef TROUPE_TESTS_SIMULATOR_SYSTEM_CALLS_H
#define TROUPE_TESTS_SIMULATOR_SYSTEM_CALLS_H

#include "simulator/body.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct calls {
    int (*socket)(int family, int type, int protocol);
    int (*bind)(int fd, const struct sockaddr *address, socklen_t size);
    int (*listen)(int fd, int backlog);
    int (*accept)(int fd, struct sockaddr *address, socklen_t *size, int flags);
    int (*connect)(int fd, const struct sockaddr *address, socklen_t size);
    ssize_t (*recv)(int fd, void *to, size_t size, int flags);
    ssize_t (*send)(int fd, const void *from, size_t size, int flags);
    int (*shutdown)(int fd, int how);
    int (*getsockname)(int fd, struct sockaddr *address, socklen_t *size);
    int (*getpeername)(int fd, struct sockaddr *address, socklen_t *size);
    int (*setsockopt)(int fd, int level, int option, const void *value, socklen_t size);
    int (*getsockopt)(int fd, int level, int option, void *value, socklen_t *size);
    ssize_t (*read)(int fd, void *to, size_t size);
    ssize_t (*write)(int fd, const void *from, size_t size);
    int (*close)(int fd);
    int (*waiting)(int fd, int *bytes); /* FIONREAD */
};

/* The C library's take a union of pointers to addresses. */
static inline int real_bind(int fd, const struct sockaddr *address, socklen_t size) { return bind(fd, address, size); }
static inline int real_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    return connect(fd, address, size);
}
static inline int real_accept(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    return accept4(fd, address, size, flags);
}
static inline int real_name(int fd, struct sockaddr *address, socklen_t *size)
{
    return getsockname(fd, address, size);
}
static inline int real_peer(int fd, struct sockaddr *address, socklen_t *size)
{
    return getpeername(fd, address, size);
}
static inline int real_waiting(int fd, int *bytes) { return ioctl(fd, FIONREAD, bytes); }
static inline int simulated_waiting(int fd, int *bytes) { return sim_ioctl(fd, FIONREAD, bytes); }

static const struct calls real = { socket, real_bind, listen,    real_accept, real_connect, recv,
                                   send,   shutdown,  real_name, real_peer,   setsockopt,   getsockopt,
                                   read,   write,     close,     real_waiting };
static const struct calls simulated = { sim_socket,      sim_bind,        sim_listen,     sim_accept,
                                        sim_connect,     sim_recv,        sim_send,       sim_shutdown,
                                        sim_getsockname, sim_getpeername, sim_setsockopt, sim_getsockopt,
                                        sim_read,        sim_write,       sim_close,      simulated_waiting };
static const struct calls *os = &simulated; /* those of the body that runs */

static inline void failed(const char *file, int line, const char *what)
{
    if (os == &simulated)
        tr_sim_fail("%s:%d: %s: errno %d", file, line, what, errno);
    harness_fail(file, line, "%s, with the system's own calls: errno %d", what, errno);
}

#define MUST(condition)     ((condition) ? (void)0 : failed(__FILE__, __LINE__, #condition))
#define FAILS(call, number) MUST((call) == -1 && errno == (number))

/* With the system's calls, and with the simulated ones on a network that is as fast as the loopback. */
static inline void on_both(void (*body)(void))
{
    os = &real;
    body();
    os = &simulated;
    simulate_with((tr_sim_options){ .latency_ns = -1, .buffer_bytes = 65536 }, body);
}

/* ---- TCP */

static inline const struct sockaddr *as_any(const void *address) { return address; }

static inline struct sockaddr_in at_host(unsigned host, int port)
{
    return (
        struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(host), .sin_port = htons((uint16_t)port) };
}
static inline struct sockaddr_in at(int port) { return at_host(INADDR_LOOPBACK, port); }

static inline int tcp(void)
{
    int fd = os->socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    MUST(fd >= 0);
    return fd;
}
static inline int impatient_tcp(void)
{
    int fd = os->socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    MUST(fd >= 0);
    return fd;
}

static inline int bind_to(int fd, struct sockaddr_in address) { return os->bind(fd, as_any(&address), sizeof address); }
static inline int connect_to(int fd, int port)
{
    struct sockaddr_in address = at(port);
    return os->connect(fd, as_any(&address), sizeof address);
}

static inline int port_of(int fd)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    MUST(os->getsockname(fd, (struct sockaddr *)&address, &size) == 0 && size == sizeof address);
    return ntohs(address.sin_port);
}

/* Listens at a port of its own. */
static inline int listen_anywhere(int backlog)
{
    int fd = impatient_tcp();
    MUST(bind_to(fd, at(0)) == 0 && os->listen(fd, backlog) == 0);
    return fd;
}

/* Both ends block. */
static inline void make_pair(int *here, int *there)
{
    int listener = listen_anywhere(5);
    *here = tcp();
    MUST(connect_to(*here, port_of(listener)) == 0);
    while ((*there = os->accept(listener, NULL, NULL, 0)) < 0)
        MUST(errno == EAGAIN);
    MUST(os->close(listener) == 0);
}

#endif
