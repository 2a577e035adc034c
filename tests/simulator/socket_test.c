/* socket_test.c: the calls on TCP's sockets: what they say of misuse, of names, and in each state of a socket, in
 * simulation as on Linux; and what the simulation has not, which fails the run by name. */
#include "simulator/system_calls.h"

#include <netinet/tcp.h>

/* ---- as on Linux */

static void names_body(void)
{
    struct sockaddr_storage un = { .ss_family = AF_UNIX };
    struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
    struct sockaddr_in address;
    socklen_t size = 4;
    int one = tcp(), two = tcp(), three = tcp();
    FAILS(os->bind(one, as_any(&un), 2), EINVAL);
    FAILS(os->bind(one, as_any(&un), sizeof un), EAFNOSUPPORT);
    FAILS(os->bind(one, as_any(&six), 20), EAFNOSUPPORT);
    FAILS(os->connect(one, as_any(&six), 10), EINVAL);
    FAILS(os->connect(one, as_any(&six), 20), EAFNOSUPPORT);
    MUST(port_of(one) == 0);
    MUST(bind_to(one, at(0)) == 0);
    int port = port_of(one);
    MUST(port > 0);
    FAILS(bind_to(one, at(0)), EINVAL);
    FAILS(bind_to(two, at(port)), EADDRINUSE);
    FAILS(bind_to(two, at_host(INADDR_ANY, port)), EADDRINUSE);
    MUST(bind_to(two, at_host(INADDR_LOOPBACK + 1, port)) == 0);
    FAILS(bind_to(three, at(port)), EADDRINUSE);
    int next = port == 60999 ? 32768 : port + 1, fourth = tcp();
    bool taken = bind_to(three, at(next)) == 0;
    MUST(bind_to(fourth, at(0)) == 0 && (!taken || port_of(fourth) != next));
    memset(&address, 'x', sizeof address);
    MUST(os->getsockname(one, (struct sockaddr *)&address, &size) == 0 && size == sizeof address);
    MUST(address.sin_family == AF_INET && ntohs(address.sin_port) == port && address.sin_zero[7] == 'x');
    MUST(address.sin_addr.s_addr == 0x78787878); /* it was cut */
    MUST(os->close(one) + os->close(two) + os->close(three) + os->close(fourth) == 0);
}

/* Who connects may be bound before; the listener's host decides whom it is for. */
static void hosts_body(void)
{
    int listener = listen_anywhere(5), port = port_of(listener), one = tcp(), two = tcp();
    struct sockaddr_in elsewhere = at_host(INADDR_LOOPBACK + 1, port), peer;
    socklen_t size = sizeof peer;
    FAILS(os->connect(one, as_any(&elsewhere), sizeof elsewhere), ECONNREFUSED);
    MUST(bind_to(two, at(0)) == 0 && connect_to(two, port) == 0);
    FAILS(bind_to(two, at(0)), EINVAL);
    int accepted;
    while ((accepted = os->accept(listener, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK)) < 0)
        MUST(errno == EAGAIN);
    MUST(ntohs(peer.sin_port) == port_of(two));
    MUST(os->getpeername(accepted, (struct sockaddr *)&peer, &size) == 0 && ntohs(peer.sin_port) == port_of(two));
    MUST(os->close(listener) + os->close(one) + os->close(two) + os->close(accepted) == 0);
}

static void six_body(void)
{
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_addr = in6addr_any };
    struct sockaddr_in four;
    socklen_t size = sizeof six;
    int only6 = os->socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1, client, accepted;
    if (only6 < 0 || os->setsockopt(only6, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0 ||
        os->bind(only6, as_any(&six), sizeof six) < 0) {
        MUST(os == &real); /* has no IPv6 */
        return;
    }
    MUST(os->getsockname(only6, (struct sockaddr *)&six, &size) == 0 && size == sizeof six);
    four = at(ntohs(six.sin6_port));
    int listener = impatient_tcp();
    MUST(os->listen(only6, 5) == 0 && bind_to(listener, four) == 0 && os->listen(listener, 5) == 0);
    client = tcp();
    MUST(connect_to(client, ntohs(four.sin_port)) == 0);
    FAILS(os->accept(only6, NULL, NULL, 0), EAGAIN);
    while ((accepted = os->accept(listener, NULL, NULL, 0)) < 0)
        MUST(errno == EAGAIN);
    MUST(os->close(client) + os->close(accepted) + os->close(listener) == 0);
    six.sin6_addr = in6addr_loopback;
    client = os->socket(AF_INET6, SOCK_STREAM, 0);
    bool reached = os->connect(client, as_any(&six), sizeof six) == 0;
    MUST(reached || os == &real); /* which may have no ::1 */
    MUST(os->close(client) + os->close(only6) == 0);
}

TEST(simulated_sockets, names_are_checked_chosen_and_given_as_by_linux)
{
    on_both(names_body);
    on_both(hosts_body);
    on_both(six_body);
}

static void states_body(void)
{
    char byte;
    int waiting = 1, fresh = impatient_tcp(), listener = listen_anywhere(-1), here = tcp(), there;
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    FAILS(os->accept(fresh, NULL, NULL, 0), EINVAL);
    FAILS(os->recv(fresh, &byte, 1, 0), ENOTCONN);
    FAILS(os->send(fresh, "a", 1, MSG_NOSIGNAL), EPIPE);
    FAILS(os->shutdown(fresh, SHUT_WR), ENOTCONN);
    FAILS(os->getpeername(fresh, (struct sockaddr *)&peer, &size), ENOTCONN);
    MUST(os->waiting(fresh, &waiting) == 0 && waiting == 0);
    MUST(os->listen(listener, 5) == 0); /* again: another backlog */
    FAILS(connect_to(listener, 1), EISCONN);
    FAILS(os->accept(listener, NULL, NULL, 0), EAGAIN);
    MUST(connect_to(here, port_of(listener)) == 0);
    FAILS(connect_to(here, port_of(listener)), EISCONN);
    FAILS(os->listen(here, 5), EINVAL);
    FAILS(bind_to(here, at(0)), EINVAL);
    while ((there = os->accept(listener, NULL, NULL, 0)) < 0)
        MUST(errno == EAGAIN);
    FAILS(os->recv(there, &byte, 1, MSG_DONTWAIT), EAGAIN);
    FAILS(os->recv(there, &byte, 0, MSG_DONTWAIT), EAGAIN);
    MUST(os->send(here, "", 0, MSG_NOSIGNAL) == 0);
    MUST(os->write(here, "abc", 3) == 3 && os->read(there, &byte, 1) == 1 && byte == 'a');
    MUST(os->recv(there, &byte, 0, MSG_DONTWAIT) == 0);
    MUST(os->waiting(there, &waiting) == 0 && waiting == 2);
    MUST(os->shutdown(here, SHUT_WR) == 0);
    FAILS(os->send(here, "a", 1, MSG_NOSIGNAL), EPIPE);
    MUST(os->close(fresh) + os->close(listener) + os->close(here) + os->close(there) == 0);
}

static void refused_body(void)
{
    int listener = listen_anywhere(5), port = port_of(listener), error = 0, one = impatient_tcp(), two = tcp();
    socklen_t size = sizeof error;
    MUST(os->close(listener) == 0);
    FAILS(connect_to(one, port), EINPROGRESS);
    while (error == 0)
        MUST(os->getsockopt(one, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && size == sizeof error);
    MUST(error == ECONNREFUSED);
    FAILS(connect_to(one, port), ECONNABORTED); /* the error was told */
    FAILS(connect_to(two, port), ECONNREFUSED);
    MUST(os->close(one) + os->close(two) == 0);
}

static void options_body(void)
{
    const struct linger gentle = { .l_onoff = 1, .l_linger = 5 }, off = { .l_onoff = 0 };
    int here, there, bytes = 65536, on = 1, got = 0;
    char byte;
    socklen_t size = sizeof got;
    make_pair(&here, &there);
    MUST(os->setsockopt(here, SOL_SOCKET, SO_LINGER, &gentle, sizeof gentle) == 0);
    MUST(os->setsockopt(here, SOL_SOCKET, SO_LINGER, &off, sizeof off) == 0);
    MUST(os->setsockopt(here, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    MUST(os->setsockopt(here, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) == 0);
    MUST(os->setsockopt(here, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) == 0);
    MUST(os->setsockopt(here, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    MUST(os->getsockopt(here, IPPROTO_TCP, TCP_NODELAY, &got, &size) == 0 && got != 0);
    MUST(os->close(here) == 0);
    MUST(os->recv(there, &byte, 1, 0) == 0); /* a close without a reset */
    MUST(os->close(there) == 0);
}

static void no_socket_body(void)
{
    char byte;
    int ends[2], value = 0;
    socklen_t size = sizeof value;
    struct sockaddr_in address = at(1);
    MUST(pipe(ends) == 0);
    FAILS(os->bind(ends[0], as_any(&address), sizeof address), ENOTSOCK);
    FAILS(os->listen(ends[0], 1), ENOTSOCK);
    FAILS(os->accept(ends[0], NULL, NULL, 0), ENOTSOCK);
    FAILS(os->connect(ends[0], as_any(&address), sizeof address), ENOTSOCK);
    FAILS(os->recv(ends[0], &byte, 1, 0), ENOTSOCK);
    FAILS(os->send(ends[1], "a", 1, MSG_NOSIGNAL), ENOTSOCK);
    FAILS(os->shutdown(ends[0], SHUT_WR), ENOTSOCK);
    FAILS(os->getsockname(ends[0], (struct sockaddr *)&address, &size), ENOTSOCK);
    FAILS(os->getpeername(ends[0], (struct sockaddr *)&address, &size), ENOTSOCK);
    FAILS(os->setsockopt(ends[0], SOL_SOCKET, SO_REUSEADDR, &value, sizeof value), ENOTSOCK);
    FAILS(os->getsockopt(ends[0], SOL_SOCKET, SO_ERROR, &value, &size), ENOTSOCK);
    MUST(os->write(ends[1], "a", 1) == 1 && os->waiting(ends[0], &value) == 0 && value == 1);
    MUST(os->close(ends[0]) + os->close(ends[1]) == 0);
}

TEST(simulated_sockets, each_state_has_the_errors_that_it_has_on_linux)
{
    on_both(states_body);
    on_both(refused_body);
    on_both(options_body);
    on_both(no_socket_body);
}

/* ---- what is not simulated */

static void other_family(void) { sim_socket(AF_PACKET, SOCK_STREAM, 0); }
static void other_type(void) { sim_socket(AF_INET, SOCK_DGRAM, 0); }
static void other_protocol(void) { sim_socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP); }
static void listens_unbound(void) { sim_listen(tcp(), 1); }
static void peeks(void)
{
    int here, there;
    make_pair(&here, &there);
    sim_recv(here, &there, 1, MSG_PEEK);
}
static void ends_reading(void) { sim_shutdown(tcp(), SHUT_RD); }
static void other_option(void)
{
    int on = 1;
    sim_setsockopt(tcp(), SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
}
static void short_linger(void)
{
    int on = 1;
    sim_setsockopt(tcp(), SOL_SOCKET, SO_LINGER, &on, sizeof on);
}
static void other_level(void)
{
    int on = 1;
    sim_setsockopt(tcp(), IPPROTO_IP, IP_TOS, &on, sizeof on);
}
static void other_of_six(void)
{
    int on = 1;
    sim_setsockopt(tcp(), IPPROTO_IPV6, IPV6_UNICAST_HOPS, &on, sizeof on);
}
static void other_of_tcp(void)
{
    int on = 1;
    sim_setsockopt(tcp(), IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}
static void asks_option(void)
{
    int value;
    socklen_t size = sizeof value;
    sim_getsockopt(tcp(), SOL_SOCKET, SO_TYPE, &value, &size);
}
static void asks_of_tcp(void)
{
    int value;
    socklen_t size = 2;
    int fd = tcp();
    FAILS(sim_getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size), EINVAL);
    size = sizeof value;
    sim_getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &value, &size);
}
static void asks_of_ip(void)
{
    int value;
    socklen_t size = sizeof value;
    sim_getsockopt(tcp(), IPPROTO_IP, IP_TOS, &value, &size);
}
static void uses_closed(void)
{
    int fd = tcp();
    sim_close(fd);
    sim_listen(fd, 1);
}
static void counts_bytes_of_epoll(void) { sim_ioctl(sim_epoll_create(0), FIONREAD, NULL); }
static void other_request(void) { sim_ioctl(tcp(), TIOCSTI, NULL); }
static void breaks_a_pipe(void)
{
    int here, there;
    make_pair(&here, &there);
    sim_shutdown(here, SHUT_WR);
    sim_send(here, "a", 1, 0);
}
static void epoll_is_no_socket(void)
{
    int epoll = sim_epoll_create(0);
    FAILS(sim_listen(epoll, 1), ENOTSOCK);
    sim_fail("as it should be");
}

TEST(simulated_sockets, what_is_not_simulated_fails_the_run_by_name)
{
    expect_failure(other_family, "sockets of family 17 are not simulated: only TCP's and Unix");
    expect_failure(other_type, "sockets of type 2, protocol 0 are not simulated");
    expect_failure(other_protocol, "sockets of type 1, protocol 132 are not simulated");
    expect_failure(listens_unbound, "listen on a socket that is not bound");
    expect_failure(peeks, "flags 0x2 of a socket's call are not simulated");
    expect_failure(ends_reading, "of shutdown only the half-close for writing is simulated");
    expect_failure(other_option, "a socket's option 6 of level 1 is not simulated");
    expect_failure(short_linger, "a socket's option 13 of level 1 is not simulated");
    expect_failure(other_level, "a socket's option 1 of level 0 is not simulated");
    expect_failure(other_of_six, "a socket's option 16 of level 41 is not simulated");
    expect_failure(other_of_tcp, "a socket's option 3 of level 6 is not simulated");
    expect_failure(asks_option, "a socket's option 3 of level 1 is not simulated");
    expect_failure(asks_of_tcp, "a socket's option 2 of level 6 is not simulated");
    expect_failure(asks_of_ip, "a socket's option 1 of level 0 is not simulated");
    expect_failure(uses_closed, "descriptor 1048576 is used, but closed: it may be another's by now");
    expect_failure(counts_bytes_of_epoll, "ioctl 21531 of descriptor 1048576 is not simulated");
    expect_failure(other_request, "ioctl 21522 of descriptor 1048576 is not simulated");
    expect_failure(breaks_a_pipe, "signal 13 ends the program");
    expect_failure(epoll_is_no_socket, "as it should be");
}

static int the_timer(void) { return sim_timer_create(CLOCK_MONOTONIC, 0); }
static const struct itimerspec once = { .it_value = { .tv_nsec = 1 } };
static void no_timer(void) { sim_timer_set(0, 0, &once, NULL); }
static void socket_as_timer(void) { sim_timer_set(tcp(), 0, &once, NULL); }
static void absolute_timer(void) { sim_timer_set(the_timer(), 1, &once, NULL); }
static void timer_before(void)
{
    struct itimerspec before;
    sim_timer_set(the_timer(), 0, &once, &before);
}
static void periodic_timer(void)
{
    sim_timer_set(the_timer(), 0, &(struct itimerspec){ .it_interval = { 1, 0 } }, NULL);
}
static void fast_timer(void) { sim_timer_set(the_timer(), 0, &(struct itimerspec){ .it_interval = { 0, 1 } }, NULL); }

TEST(simulated_sockets, other_timers_fail_the_run)
{
    static void (*const bodies[])(void) = { no_timer,     socket_as_timer, absolute_timer,
                                            timer_before, periodic_timer,  fast_timer };
    for (size_t i = 0; i < TR_COUNT(bodies); i++)
        expect_failure(bodies[i], i == 0
                                      ? "descriptor 0: only a timer that ends once, after a time, is simulated"
                                      : "descriptor 1048576: only a timer that ends once, after a time, is simulated");
}
