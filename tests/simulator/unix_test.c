/* unix_test.c: the calls on Unix sockets and their paths, in simulation as on Linux. */
#include "simulator/unix_calls.h"

#include <signal.h>

/* ---- paths */

static void paths_body(void)
{
    struct stat there, again;
    const struct sockaddr_storage long_one = { .ss_family = AF_UNIX };
    struct sockaddr_in tcp_address = at(1);
    make_directory();
    int one = local(0), two = local(0), client = local(0);
    FAILS(os->bind(one, as_any(&tcp_address), sizeof tcp_address), EINVAL);
    FAILS(os->bind(one, as_any(&long_one), sizeof long_one), EINVAL);
    FAILS(os->connect(one, as_any(&long_one), 1), EINVAL);
    FAILS(bind_at(one, path_of("no/where")), ENOENT);
    FAILS(bind_at(one, path_of("")), EADDRINUSE);
    FAILS(connect_at(client, path_of("none")), ENOENT);
    FAILS(connect_at(client, path_of("no/where")), ENOENT);
    FAILS(look_at(path_of("here"), &there), ENOENT);
    FAILS(remove_path(path_of("here")), ENOENT);
    FAILS(os->listen(one, 1), EINVAL);
    MUST(bind_at(one, path_of("here")) == 0);
    FAILS(bind_at(one, path_of("twice")), EINVAL);
    FAILS(remove_path(path_of("twice")), ENOENT);
    FAILS(bind_at(two, path_of("here")), EADDRINUSE);
    FAILS(bind_at(two, path_of("../")), EADDRINUSE);
    MUST(look_at(path_of("here"), &there) == 0 && S_ISSOCK(there.st_mode));
    FAILS(connect_at(client, path_of("here")), ECONNREFUSED); /* nobody listens there so far */
    MUST(os->listen(one, 1) == 0);
    FAILS(connect_at(one, path_of("here")), EINVAL);
    MUST(connect_at(client, path_of("here")) == 0);
    FAILS(connect_at(client, path_of("here")), EISCONN);
    MUST(os->close(one) == 0 && os->close(client) == 0);
    client = local(0);
    FAILS(connect_at(client, path_of("here")), ECONNREFUSED); /* nor any more */
    FAILS(bind_at(two, path_of("here")), EADDRINUSE);
    MUST(remove_path(path_of("here")) == 0 && bind_at(two, path_of("here")) == 0);
    MUST(look_at(path_of("here"), &again) == 0 && again.st_dev == there.st_dev);
    MUST(os->close(two) == 0 && os->close(client) == 0 && remove_path(path_of("here")) == 0);
    MUST(rmdir(directory) == 0);
}

/* A file is no socket, and a directory has several paths. */
static void files_body(void)
{
    char link_path[256];
    make_directory();
    FILE *file = fopen(path_of("file"), "w");
    MUST(file != NULL && fclose(file) == 0);
    int fd = local(0), client = local(0);
    struct stat there;
    FAILS(bind_at(fd, path_of("file")), EADDRINUSE);
    FAILS(bind_at(fd, path_of("file/below")), ENOTDIR);
    FAILS(connect_at(client, path_of("file")), ECONNREFUSED);
    MUST(look_at(path_of("file"), &there) == 0 && S_ISREG(there.st_mode));
    MUST(remove_path(path_of("file")) == 0);
    snprintf(link_path, sizeof link_path, "%s", path_of("link"));
    MUST(symlink(directory, link_path) == 0);
    MUST(bind_at(fd, path_of("here")) == 0 && os->listen(fd, 1) == 0);
    MUST(connect_at(client, path_of("link/here")) == 0);
    FAILS(bind_at(client, path_of("link/here")), EADDRINUSE);
    FAILS(bind_at(client, path_of("no/where")), ENOENT);
    MUST(remove_path(link_path) == 0);
    MUST(os->close(client) == 0);
    char before[256];
    MUST(getcwd(before, sizeof before) != NULL && chdir(directory) == 0);
    client = local(0);
    MUST(connect_at(client, "here") == 0); /* beside the process */
    MUST(chdir(before) == 0);
    MUST(os->close(fd) == 0 && os->close(client) == 0 && remove_path(path_of("here")) == 0);
    MUST(rmdir(directory) == 0);
}

static void names_body(void)
{
    struct sockaddr_un address;
    socklen_t size = sizeof address;
    const socklen_t unnamed = offsetof(struct sockaddr_un, sun_path);
    make_directory();
    int listener = listen_at(path_of("here"), 1), client = local(0), accepted;
    MUST(os->getsockname(client, (struct sockaddr *)&address, &size) == 0 && size == unnamed);
    MUST(bind_at(client, path_of("peer")) == 0 && connect_at(client, path_of("here")) == 0);
    size = sizeof address;
    MUST((accepted = os->accept(listener, (struct sockaddr *)&address, &size, 0)) >= 0);
    MUST(size == unnamed + strlen(path_of("peer")) + 1 && strcmp(address.sun_path, path_of("peer")) == 0);
    size = sizeof address;
    MUST(os->getpeername(client, (struct sockaddr *)&address, &size) == 0);
    MUST(address.sun_family == AF_UNIX && strcmp(address.sun_path, path_of("here")) == 0);
    MUST(os->close(accepted) == 0 && remove_path(path_of("peer")) == 0);
    size = sizeof address;
    MUST(os->getpeername(client, (struct sockaddr *)&address, &size) == 0); /* it is closed, and has a name */
    MUST(os->close(client) == 0);
    client = local(0);
    MUST(connect_at(client, path_of("here")) == 0 && (accepted = os->accept(listener, NULL, NULL, 0)) >= 0);
    size = sizeof address;
    MUST(os->getpeername(accepted, (struct sockaddr *)&address, &size) == 0 && size == unnamed);
    MUST(bind_at(client, path_of("late")) == 0); /* it may have one later */
    size = sizeof address;
    MUST(os->getpeername(accepted, (struct sockaddr *)&address, &size) == 0);
    MUST(strcmp(address.sun_path, path_of("late")) == 0 && remove_path(path_of("late")) == 0);
    FAILS(bind_at(accepted, path_of("other")), EINVAL); /* has the listener's */
    MUST(os->close(client) == 0 && os->close(accepted) == 0);
    MUST(os->close(listener) == 0 && remove_path(path_of("here")) == 0);
    MUST(rmdir(directory) == 0);
}

TEST(simulated_unix, paths_are_made_taken_and_removed_as_by_linux)
{
    on_both(paths_body);
    on_both(files_body);
    on_both(names_body);
}

/* ---- states */

static void new_body(void)
{
    char byte;
    int fd = local(SOCK_NONBLOCK), on = 1;
    struct sockaddr_un address;
    socklen_t size = sizeof address;
    make_directory();
    FAILS(os->recv(fd, &byte, 1, 0), EINVAL);
    FAILS(os->send(fd, "a", 1, MSG_NOSIGNAL), ENOTCONN);
    FAILS(os->getpeername(fd, (struct sockaddr *)&address, &size), ENOTCONN);
    FAILS(os->accept(fd, NULL, NULL, 0), EINVAL);
    FAILS(os->setsockopt(fd, IPPROTO_TCP, 1, &on, sizeof on), EOPNOTSUPP);
    size = sizeof on;
    FAILS(os->getsockopt(fd, IPPROTO_TCP, 1, &on, &size), EOPNOTSUPP);
    MUST(os->getsockopt(fd, SOL_SOCKET, SO_ERROR, &on, &size) == 0 && on == 0);
    MUST(os->close(fd) == 0);
    MUST(rmdir(directory) == 0);
}

/* The queue holds one more than the backlog; who does not wait is told so. */
static void full_body(void)
{
    make_directory();
    int listener = listen_at(path_of("here"), 0), first = local(0), second = local(SOCK_NONBLOCK), accepted;
    MUST(connect_at(first, path_of("here")) == 0);
    FAILS(connect_at(second, path_of("here")), EAGAIN);
    MUST((accepted = os->accept(listener, NULL, NULL, 0)) >= 0);
    FAILS(os->accept(listener, NULL, NULL, 0), EAGAIN);
    MUST(connect_at(second, path_of("here")) == 0);
    MUST(os->close(listener) == 0); /* who waits in the queue is cut off */
    char byte;
    FAILS(os->send(second, "a", 1, MSG_NOSIGNAL), EPIPE);
    FAILS(os->recv(second, &byte, 1, 0), ECONNRESET);
    MUST(os->recv(second, &byte, 1, 0) == 0);
    MUST(os->close(first) == 0 && os->close(second) == 0 && os->close(accepted) == 0);
    MUST(remove_path(path_of("here")) == 0 && rmdir(directory) == 0);
}

/* What one end sends is at the other when the call returns. */
static void bytes_body(void)
{
    int here, there, waiting = 0;
    char bytes[8];
    make_directory();
    make_unix_pair(&here, &there);
    FAILS(os->recv(there, bytes, 1, MSG_DONTWAIT), EAGAIN);
    FAILS(os->recv(there, bytes, 0, MSG_DONTWAIT), EAGAIN);
    MUST(os->write(here, "abc", 3) == 3 && os->waiting(there, &waiting) == 0 && waiting == 3);
    MUST(os->recv(there, bytes, 0, MSG_DONTWAIT) == 0);
    MUST(os->read(there, bytes, 2) == 2 && memcmp(bytes, "ab", 2) == 0);
    MUST(os->shutdown(here, SHUT_WR) == 0 && os->shutdown(here, SHUT_WR) == 0);
    FAILS(os->send(here, "d", 1, MSG_NOSIGNAL), EPIPE);
    MUST(os->recv(there, bytes, 8, 0) == 1 && os->recv(there, bytes, 8, 0) == 0);
    MUST(os->send(there, "back", 4, 0) == 4 && os->recv(here, bytes, 8, 0) == 4);
    MUST(os->close(there) == 0 && os->recv(here, bytes, 8, 0) == 0);
    MUST(os->shutdown(here, SHUT_WR) == 0);
    MUST(os->close(here) == 0);
    MUST(rmdir(directory) == 0);
}

static void ends_body(void)
{
    int here, there;
    char bytes[8];
    const struct linger reset = { .l_onoff = 1 };
    make_directory();
    make_unix_pair(&here, &there);
    MUST(os->setsockopt(there, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0); /* says nothing here */
    MUST(os->send(there, "last", 4, 0) == 4 && os->close(there) == 0);
    FAILS(os->send(here, "a", 1, MSG_NOSIGNAL), EPIPE); /* at once */
    MUST(os->recv(here, bytes, 8, 0) == 4 && os->recv(here, bytes, 8, 0) == 0);
    MUST(os->close(here) == 0);
    make_unix_pair(&here, &there);
    MUST(os->send(here, "unread", 6, 0) == 6 && os->send(there, "last", 4, 0) == 4);
    MUST(os->shutdown(there, SHUT_WR) == 0 && os->close(there) == 0);
    FAILS(os->send(here, "a", 1, MSG_NOSIGNAL), EPIPE);
    MUST(os->recv(here, bytes, 8, 0) == 4);
    struct sockaddr_un peer;
    socklen_t size = sizeof peer;
    MUST(os->getpeername(here, (struct sockaddr *)&peer, &size) == 0 && peer.sun_family == AF_UNIX);
    FAILS(os->recv(here, bytes, 8, 0), ECONNRESET); /* told once, and by reading */
    MUST(os->recv(here, bytes, 8, 0) == 0);
    MUST(os->shutdown(here, SHUT_WR) == 0);
    MUST(os->close(here) == 0);
    MUST(rmdir(directory) == 0);
}

/* The system's epoll, or the simulation's, of one descriptor. */
static uint32_t ready(int fd)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };
    bool sim = os == &simulated;
    int epoll = sim ? sim_epoll_create(0) : epoll_create1(0);
    MUST((sim ? sim_epoll_ctl : epoll_ctl)(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
    event.events = 0;
    MUST((sim ? sim_epoll_wait : epoll_wait)(epoll, &event, 1, 0) <= 1);
    MUST(os->close(epoll) == 0);
    return event.events;
}

static void readiness_body(void)
{
    int here, there, fresh = local(0);
    make_directory();
    MUST(ready(fresh) == (EPOLLOUT | EPOLLHUP));
    int listener = listen_at(path_of("here"), 1);
    MUST(ready(listener) == 0);
    MUST(connect_at(fresh, path_of("here")) == 0 && ready(listener) == EPOLLIN && ready(fresh) == EPOLLOUT);
    MUST(os->close(listener) == 0 && remove_path(path_of("here")) == 0);
    MUST(ready(fresh) == (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP | EPOLLERR));
    make_unix_pair(&here, &there);
    MUST(os->send(there, "a", 1, 0) == 1 && ready(here) == (EPOLLIN | EPOLLOUT));
    MUST(os->shutdown(there, SHUT_WR) == 0 && ready(here) == (EPOLLIN | EPOLLOUT | EPOLLRDHUP));
    MUST(os->close(there) == 0 && ready(here) == (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP));
    MUST(os->close(here) == 0 && os->close(fresh) == 0);
    MUST(rmdir(directory) == 0);
}

TEST(simulated_unix, each_state_has_the_errors_that_it_has_on_linux)
{
    on_both(new_body);
    on_both(full_body);
    on_both(bytes_body);
    on_both(ends_body);
    on_both(readiness_body);
}
