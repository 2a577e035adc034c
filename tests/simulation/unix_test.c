/* unix_test.c: Unix sockets: bytes under back-pressure, ends by crashes, paths that are taken over and given back, by
 * several at once. */
#include "simulation/streams.h"

#include "rules/unix_path.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { USERS = 3, BYTES = 3000, ROUNDS = 8, RIVALS = 3 };

/* Nobody has left the path. */
static void remove_directory(void)
{
    struct stat there;
    CHECK(lstat(path, &there) < 0 && errno == ENOENT);
    CHECK_EQ(rmdir(directory), 0);
}

static tr_socket listen_here(void)
{
    tr_socket listener;
    CHECK_EQ(tr_listen(address, &listener), TR_OK);
    return listener;
}

/* ---- bytes */

static void echo(const tr_msg *arg)
{
    tr_socket socket = socket_of(arg);
    char buffer[700];
    size_t size;
    int status = TR_OK;
    await_tag(GO);
    while (status == TR_OK) {
        status = tr_read(socket, buffer, sizeof buffer, TR_INFINITY, &size);
        if (status == TR_OK)
            status = tr_write(socket, buffer, size, TR_INFINITY);
    }
    check_over(socket, status);
}

static void writer(const tr_msg *arg)
{
    tr_socket socket = socket_of(arg);
    unsigned char data[BYTES];
    await_tag(GO);
    fill_pattern(data, sizeof data, 0);
    for (size_t done = 0, part; done < sizeof data; done += part) {
        part = 1 + tr_sim_random(900);
        part = part < sizeof data - done ? part : sizeof data - done;
        CHECK_EQ(tr_write(socket, data + done, part, TR_INFINITY), TR_OK);
    }
    CHECK_EQ(tr_shutdown_write(socket), TR_OK);
    CHECK_EQ(tr_socket_give(socket, *(const tr_pid *)tr_body(await_tag(WORD))), TR_OK);
}

static void pair_of(tr_socket listener, tr_socket *here, tr_socket *there)
{
    CHECK_EQ(tr_connect(address, TR_INFINITY, here), TR_OK);
    *there = must_accept(listener);
}

static void reads_late(void)
{
    tr_socket here, there;
    unsigned char data[BYTES];
    size_t rest;
    make_path();
    tr_socket listener = listen_here();
    pair_of(listener, &here, &there);
    tr_close(listener);
    tr_sim_link_part(0); /* concerns networks */
    tr_sim_link_delay(0, INT64_C(3600) * 1000000000);
    int64_t begin = tr_sim_now_ns();
    tr_pid pid = give_to_new(there, writer);
    tr_sleep(1 + tr_sim_random(20)); /* it stands before a full buffer, or is done */
    CHECK_EQ(read_all(here, data, sizeof data), TR_OK);
    check_pattern(data, sizeof data, 0);
    CHECK_EQ(tr_read(here, data, 1, TR_INFINITY, &rest), TR_EEND);
    CHECK_EQ(tr_sim_link_cut(0), 0);
    CHECK_EQ(tr_write(here, "back", 4, TR_INFINITY), TR_OK); /* the other direction is open */
    tr_pid self = tr_self();
    tr_send(pid, WORD, &self, sizeof self);
    await_end(pid);
    CHECK_EQ(read_all(there, data, 4), TR_OK);
    CHECK(tr_sim_now_ns() - begin < INT64_C(60) * 1000000000);
    tr_close(here);
    tr_close(there);
    remove_directory();
}
TEST(unix_sockets, every_byte_comes_in_order_to_a_late_reader_whatever_the_network_does) { simulate(0, reads_late); }

static void user(const tr_msg *unused)
{
    (void)unused;
    tr_socket socket;
    unsigned char data[250], back[sizeof data]; /* at least so much is taken before any is read */
    CHECK_EQ(tr_connect(address, TR_INFINITY, &socket), TR_OK);
    for (int i = 0; i < ROUNDS; i++) {
        size_t size = 1 + tr_sim_random(sizeof data);
        fill_pattern(data, size, (size_t)i);
        CHECK_EQ(tr_write(socket, data, size, TR_INFINITY), TR_OK);
        CHECK_EQ(read_all(socket, back, size), TR_OK);
        check_pattern(back, size, (size_t)i);
    }
}

static void users_crash(void)
{
    tr_pid users[USERS], servers[USERS];
    make_path();
    tr_socket listener = listen_here();
    tr_sim_inject(true);
    for (int i = 0; i < USERS; i++) {
        users[i] = tr_spawn_with(user, NULL, 0, &(tr_spawn_options){ .label = "user" });
        servers[i] = (tr_pid){ 0 };
    }
    for (int i = 0; i < USERS; i++) {
        tr_socket socket;
        if (tr_accept(listener, 1000, &socket) == TR_OK) /* some crash before they connect */
            servers[i] = give_to_new(socket, echo);
    }
    for (int i = 0; i < USERS; i++)
        await_end(users[i]);
    tr_sim_inject(false);
    for (int i = 0; i < USERS; i++)
        if (servers[i].id != 0)
            await_end(servers[i]); /* each hears of its user's end */
    tr_close(listener);
    remove_directory();
}
SIM_TEST(unix_sockets, who_serves_a_user_that_crashes_hears_of_it,
         .faults = { .crash = 20000, .most = 3, .victims = "user" })
{
    simulate(0, users_crash);
}

/* ---- paths */

static int listeners;

/* The one before has ended, and its path is free, or stale: else this fails. */
static void serve(const tr_msg *unused)
{
    (void)unused;
    tr_socket listener = listen_here();
    listeners++;
    tr_started();
    for (;;)
        give_to_new(must_accept(listener), echo_all);
}

static const tr_spawn_options serve_options = { .label = "listener" };

static int start_serving(const tr_msg *arg, tr_pid *pid)
{
    (void)arg;
    return tr_start_entry(serve, NULL, 0, true, &(tr_start_options){ .flags = TR_START_LINK, .spawn = &serve_options },
                          pid);
}

static const tr_child children[] = { { .id = "listener", .start = start_serving } };
static const tr_supervisor service = { .children = children, .child_count = TR_COUNT(children), .intensity = 100 };

/* Until it is answered: the listener may crash before, and is away for a while. */
static void insistent_user(const tr_msg *unused)
{
    (void)unused;
    for (int answered = 0; answered < 3;) {
        tr_socket socket;
        char byte = 'h';
        int status = tr_connect(address, TR_INFINITY, &socket);
        if (status == TR_EIO)
            CHECK(tr_socket_error(socket) == ECONNREFUSED || tr_socket_error(socket) == ENOENT);
        if (status == TR_OK) {
            status = tr_write(socket, &byte, 1, TR_INFINITY);
            if (status == TR_OK)
                status = read_all(socket, &byte, 1);
            if (status != TR_OK)
                check_over(socket, status);
            tr_close(socket);
        }
        answered += status == TR_OK;
        if (status != TR_OK)
            tr_sleep(1);
    }
}

static void listener_crashes(void)
{
    tr_pid tree;
    tr_ref monitors[USERS];
    make_path();
    CHECK_EQ(tr_start_link(&(tr_child){ .supervisor = &service, .id = "service" }, &tree), TR_OK);
    tr_sim_inject(true);
    for (int i = 0; i < USERS; i++)
        tr_spawn_monitor(insistent_user, NULL, 0, &monitors[i]);
    await_all(monitors, USERS);
    tr_sim_inject(false);
    CHECK(listeners >= 1 && listeners <= 7);
    tr_unlink(tree);
    tr_exit_signal(tree, TR_SHUTDOWN);
    await_end(tree);
    remove_directory();
}
SIM_TEST(unix_sockets, a_listener_that_crashed_has_its_path_again,
         .faults = { .crash = 50000, .most = 6, .victims = "listener" }, .max_ms = 600000)
{
    simulate(0, listener_crashes);
}

/* Tells whether it listens, and does so until it is told to end. */
static void rival(const tr_msg *arg)
{
    tr_pid root = *(const tr_pid *)tr_expect(arg, sizeof root);
    tr_socket listener;
    int status = tr_listen(address, &listener);
    if (status != TR_OK)
        CHECK(status == TR_EIO && tr_socket_error(listener) == EADDRINUSE);
    tr_send(root, ANSWER, &status, sizeof status);
    await_tag(LAST);
}

static void rivals_at_a_stale_path(void)
{
    tr_pid self = tr_self(), rivals[RIVALS];
    int listening = 0;
    tr_socket socket;
    make_path();
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    memcpy(at.sun_path, path, strlen(path) + 1);
    int left = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(left >= 0);
    CHECK_EQ(bind(left, (struct sockaddr *)&at, sizeof at), 0);
    close(left);
    for (int i = 0; i < RIVALS; i++)
        rivals[i] = tr_spawn(rival, &self, sizeof self);
    for (int i = 0; i < RIVALS; i++)
        listening += *(const int *)tr_expect(await_tag(ANSWER), sizeof(int)) == TR_OK;
    CHECK_EQ(listening, 1);
    CHECK_EQ(tr_connect(address, TR_INFINITY, &socket), TR_OK); /* whose path it became listens */
    tr_close(socket);
    for (int i = 0; i < RIVALS; i++) {
        tr_ref monitor = tr_monitor(rivals[i]);
        tr_send(rivals[i], LAST, NULL, 0);
        await_all(&monitor, 1);
    }
    remove_directory();
}
TEST(unix_sockets, of_rivals_at_a_stale_path_one_is_reached_and_nothing_is_left)
{
    simulate(0, rivals_at_a_stale_path);
}
