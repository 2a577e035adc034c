/* unix_test.c: the calls on Unix sockets and their paths, in simulation as on Linux; and what the simulation has not. */
#include "refusals/refuse.h"
#include "simulator/system_calls.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>

WRAP(void *, calloc, (size_t count, size_t size), (count, size), NULL)
WRAP(void *, malloc, (size_t size), (size), NULL)
WRAP(int, access, (const char *path, int mode), (path, mode), -1)

static char directory[64];

static void make_directory(void)
{
    snprintf(directory, sizeof directory, "%s", "/tmp/troupe-unix-XXXXXX");
    MUST(mkdtemp(directory) != NULL);
}

/* In it. */
static const char *path_of(const char *name)
{
    static char path[4][256];
    static int next;
    char *made = path[next++ % 4];
    snprintf(made, sizeof path[0], "%s/%s", directory, name);
    return made;
}

static int look_at(const char *path, struct stat *to)
{
    return os == &simulated ? sim_lstat(path, to) : lstat(path, to);
}
static int remove_path(const char *path) { return os == &simulated ? sim_unlink(path) : unlink(path); }

static socklen_t unix_address(const char *path, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    size_t length = strlen(path);
    memcpy(address->sun_path, path, length);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static int local(int more)
{
    int fd = os->socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | more, 0);
    MUST(fd >= 0);
    return fd;
}

static int bind_at(int fd, const char *path)
{
    struct sockaddr_un address;
    socklen_t size = unix_address(path, &address);
    return os->bind(fd, as_any(&address), size);
}

static int connect_at(int fd, const char *path)
{
    struct sockaddr_un address;
    socklen_t size = unix_address(path, &address);
    return os->connect(fd, as_any(&address), size);
}

static int listen_at(const char *path, int backlog)
{
    int fd = local(SOCK_NONBLOCK);
    MUST(bind_at(fd, path) == 0 && os->listen(fd, backlog) == 0);
    return fd;
}

/* Both ends block; nobody listens there any more. */
static void make_unix_pair(int *here, int *there)
{
    int listener = listen_at(path_of("pair"), 5);
    *here = local(0);
    MUST(connect_at(*here, path_of("pair")) == 0);
    MUST((*there = os->accept(listener, NULL, NULL, 0)) >= 0);
    MUST(os->close(listener) == 0 && remove_path(path_of("pair")) == 0);
}

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

/* ---- who waits, and what the network does */

static int waiting_listener;

static void connects(void *unused)
{
    (void)unused;
    int fd = local(0), status = connect_at(fd, path_of("here"));
    MUST(status == 0 || errno == ECONNREFUSED);
    sim_close(fd);
}

static void waiting_body(void)
{
    int threads[3], first = local(0);
    make_directory();
    waiting_listener = listen_at(path_of("here"), 0);
    MUST(connect_at(first, path_of("here")) == 0);
    for (int i = 0; i < 3; i++)
        threads[i] = tr_sim_thread_start(connects, NULL);
    sim_usleep(1000);
    sim_close(sim_accept(waiting_listener, NULL, NULL, 0)); /* room for one of them */
    sim_usleep(1000);
    sim_close(waiting_listener); /* the others are refused */
    for (int i = 0; i < 3; i++)
        tr_sim_thread_join(threads[i]);
    sim_close(first);
    MUST(sim_unlink(path_of("here")) == 0 && rmdir(directory) == 0);
}

static void network_body(void)
{
    int here, there;
    char byte;
    make_directory();
    tr_sim_inject(true);
    make_unix_pair(&here, &there);
    tr_sim_link_delay(0, 1000000000);
    tr_sim_link_part(0);
    int64_t begin = tr_sim_now_ns();
    for (int i = 0; i < 10; i++)
        MUST(sim_send(here, "a", 1, 0) == 1 && sim_recv(there, &byte, 1, 0) == 1);
    MUST(tr_sim_link_cut(0) == 0);
    MUST(tr_sim_now_ns() - begin < 100000000);
    tr_sim_inject(false);
    sim_close(here);
    sim_close(there);
    MUST(rmdir(directory) == 0);
}

TEST(simulated_unix, who_waits_for_room_gets_it_or_is_refused)
{
    simulate_with((tr_sim_options){ .seed = 1 }, waiting_body);
}

TEST(simulated_unix, no_network_is_between_the_ends)
{
    simulate_with((tr_sim_options){ .latency_ns = 500000000 }, network_body);
    simulate_with((tr_sim_options){ .faults = { .cut = 1000000, .delay = 1000000, .most = 100 } }, network_body);
}

/* ---- no memory, no rights; what is not simulated */

static void no_memory_body(void)
{
    make_directory();
    int fd = local(SOCK_NONBLOCK), client = local(0);
    REFUSE(malloc, 1, ENOMEM);
    FAILS(bind_at(fd, path_of("here")), ENOMEM);
    REFUSE(access, 1, EACCES);
    FAILS(bind_at(fd, path_of("here")), EACCES);
    MUST(bind_at(fd, path_of("here")) == 0 && sim_listen(fd, 5) == 0);
    REFUSE(calloc, 1, ENOMEM);
    FAILS(connect_at(client, path_of("here")), ENOMEM);
    REFUSE_AFTER(calloc, 1, 1, ENOMEM); /* the listener's end */
    FAILS(connect_at(client, path_of("here")), ENOMEM);
    MUST(connect_at(client, path_of("here")) == 0);
    sim_close(fd);
    sim_close(client);
    char long_path[400] = "";
    memset(long_path, 'x', 300);
    snprintf(long_path + 300, sizeof long_path - 300, "/here");
    struct stat there;
    FAILS(sim_lstat(long_path, &there), ENAMETOOLONG);
    MUST(sim_unlink(path_of("here")) == 0 && rmdir(directory) == 0);
}

static void leaves_a_path(void)
{
    make_directory();
    int fd = local(0);
    MUST(bind_at(fd, path_of("left")) == 0);
    sim_close(fd);
    MUST(rmdir(directory) == 0); /* which does not know of it */
}

TEST(simulated_unix, a_path_that_is_left_is_not_there_in_the_next_run)
{
    if (HARNESS_ASAN)
        SKIP("the first thread's context of a run is left to the end of its process");
    the_body = leaves_a_path;
    for (int i = 0; i < 2; i++)
        CHECK_EQ(tr_sim_run(NULL, run_body, NULL, NULL), 0);
}

TEST(simulated_unix, without_memory_or_the_right_to_it_a_call_fails)
{
    simulate_with((tr_sim_options){ .seed = 1 }, no_memory_body);
}

static void another_protocol(void) { sim_socket(AF_UNIX, SOCK_STREAM, IPPROTO_TCP); }
static void abstract(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    sim_bind(local(0), as_any(&address), sizeof address);
}
static void shuts_a_new_one(void) { sim_shutdown(local(0), SHUT_WR); }

/* In the one: a socket of the system's. */
static char strangers_path[64];
static void connects_to_a_stranger(void) { connect_at(local(0), strangers_path); }

TEST(simulated_unix, what_is_not_simulated_fails_the_run_by_name)
{
    char expected[256];
    expect_failure(another_protocol, "sockets of type 1, protocol 6 are not simulated");
    expect_failure(abstract, "Unix sockets without a path are not simulated");
    expect_failure(shuts_a_new_one, "shutdown of a Unix socket that is not connected is not simulated");
    os = &real;
    make_directory();
    snprintf(strangers_path, sizeof strangers_path, "%s", path_of("theirs"));
    int fd = listen_at(strangers_path, 1);
    snprintf(expected, sizeof expected, "%s is no simulated socket, but the system's, or a link", strangers_path);
    expect_failure(connects_to_a_stranger, expected);
    close(fd);
    unlink(strangers_path);
    CHECK_EQ(symlink("nowhere", strangers_path), 0);
    expect_failure(connects_to_a_stranger, expected);
    unlink(strangers_path);
    CHECK_EQ(rmdir(directory), 0);
}
