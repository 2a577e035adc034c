/* socket_unix_test.c: Unix sockets: the same calls, and what becomes of the path. */
#include "socket_peer.h"
#include "unix_path.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>

static void remove_path(void)
{
    unlink(path);
    CHECK_EQ(rmdir(directory), 0);
}

static bool exists(void)
{
    struct stat there;
    return lstat(path, &there) == 0;
}

static void echo(const tr_msg *arg)
{
    (void)arg;
    tr_socket connection;
    CHECK_EQ(tr_connect(address, LONG_MS, &connection), TR_OK);
    static unsigned char buffer[70000];
    size_t size;
    while (tr_read(connection, buffer, sizeof buffer, LONG_MS, &size) == TR_OK)
        CHECK_EQ(tr_write(connection, buffer, size, LONG_MS), TR_OK);
}

static void echo_body(const tr_msg *unused)
{
    (void)unused;
    make_path();
    tr_socket listener = must_listen(address);
    CHECK_EQ(tr_socket_port(listener), 0);
    tr_spawn(echo, NULL, 0);
    tr_socket socket = must_accept(listener);
    char peer[TR_ADDRESS_MOST];
    CHECK_EQ(tr_socket_peer(socket, peer, sizeof peer), TR_OK);
    CHECK_STR(peer, "unix://"); /* who connects has no path */
    static unsigned char data[100 * 1000], back[sizeof data];
    for (size_t round = 0; round < 20; round++) {
        size_t size = round * 5003 % sizeof data + 1;
        fill_pattern(data, size, round);
        CHECK_EQ(tr_write(socket, data, size, LONG_MS), TR_OK);
        for (size_t have = 0, got; have < size; have += got)
            CHECK_EQ(tr_read(socket, back + have, size - have, LONG_MS, &got), TR_OK);
        CHECK(memcmp(data, back, size) == 0);
    }
    CHECK_EQ(tr_shutdown_write(socket), TR_OK);
    size_t size;
    CHECK_EQ(tr_read(socket, back, sizeof back, LONG_MS, &size), TR_EEND);
    tr_close(listener);
    CHECK(!exists());
    remove_path();
}

TEST(socket_unix, an_echo_gives_back_what_was_written_and_a_close_removes_the_path) { run_as_root(echo_body); }

static void end_body(const tr_msg *unused)
{
    (void)unused;
    must_listen(address);
    CHECK(exists());
}

TEST(socket_unix, the_owners_end_removes_the_path)
{
    make_path();
    run_as_root(end_body);
    CHECK(!exists());
    remove_path();
}

/* Without Troupe. */
static int bind_path(void)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    memcpy(at.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(fd >= 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static void stale_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket socket;
    make_path();
    close(bind_path()); /* as a crash leaves it */
    CHECK_EQ(tr_connect(address, LONG_MS, &socket), TR_EIO);
    CHECK_EQ(tr_socket_error(socket), ECONNREFUSED);
    tr_socket listener = must_listen(address);     /* nobody listens there: taken over */
    CHECK_EQ(tr_listen(address, &socket), TR_EIO); /* somebody does now */
    CHECK_EQ(tr_socket_error(socket), EADDRINUSE);
    CHECK_EQ(tr_connect(address, LONG_MS, &socket), TR_OK);
    CHECK_EQ(unlink(path), 0);
    tr_socket second = must_listen(address); /* another's path by now: not removed by the first */
    tr_close(listener);
    CHECK(exists());
    tr_close(second);
    CHECK(!exists());
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    fclose(file);
    CHECK_EQ(tr_listen(address, &socket), TR_EIO); /* no socket: never removed */
    CHECK_EQ(tr_socket_error(socket), EADDRINUSE);
    remove_path();
    CHECK_EQ(tr_connect(address, LONG_MS, &socket), TR_EIO);
    CHECK_EQ(tr_socket_error(socket), ENOENT);
}

TEST(socket_unix, a_stale_path_is_replaced_and_a_living_one_is_not) { run_as_root(stale_body); }

static void guarded_body(const tr_msg *unused)
{
    (void)unused;
    char lock[sizeof path + 16];
    tr_socket listener;
    make_path();
    snprintf(lock, sizeof lock, "%s.troupe-lock", path);
    close(bind_path());
    int other = open(lock, O_RDONLY | O_CREAT | O_CLOEXEC, 0600); /* another process is about to listen there */
    CHECK(other >= 0);
    CHECK_EQ(flock(other, LOCK_EX), 0);
    CHECK_EQ(tr_listen(address, &listener), TR_EIO);
    CHECK_EQ(tr_socket_error(listener), EADDRINUSE);
    CHECK(exists());                 /* what it found is as it was */
    CHECK_EQ(access(lock, F_OK), 0); /* and so is what guards it */
    close(other);                    /* it crashed: its file is left */
    listener = must_listen(address);
    CHECK(access(lock, F_OK) < 0 && errno == ENOENT);
    tr_close(listener);
    CHECK_EQ(symlink("nowhere", lock), 0); /* no lock to be had: not without one */
    CHECK_EQ(tr_listen(address, &listener), TR_EIO);
    CHECK_EQ(tr_socket_error(listener), ELOOP);
    CHECK_EQ(unlink(lock), 0);
    remove_path();
}

TEST(socket_unix, who_is_about_to_listen_keeps_others_from_the_path) { run_as_root(guarded_body); }

enum { RIVALS = 4, ANSWER = 1, LAST };

/* Tells whether it listens, and does so until it is told to end. */
static void rival(const tr_msg *arg)
{
    tr_pid root = *(const tr_pid *)tr_expect(arg, sizeof root);
    tr_socket listener;
    int status = tr_listen(address, &listener);
    CHECK(status == TR_OK || (status == TR_EIO && tr_socket_error(listener) == EADDRINUSE));
    tr_send(root, ANSWER, &status, sizeof status);
    CHECK_EQ(tr_tag(tr_receive(LONG_MS)), LAST);
}

static void rivals_body(const tr_msg *unused)
{
    enum { ROUNDS = HARNESS_SIMULATED ? 1 : 100 };
    tr_pid self = tr_self(), rivals[RIVALS];
    tr_socket socket;
    (void)unused;
    make_path();
    for (int round = 0; round < ROUNDS; round++) {
        int listening = 0;
        close(bind_path());
        for (int i = 0; i < RIVALS; i++)
            rivals[i] = tr_spawn(rival, &self, sizeof self);
        for (int i = 0; i < RIVALS; i++)
            listening += *(const int *)tr_expect(tr_receive(LONG_MS), sizeof(int)) == TR_OK;
        CHECK_EQ(listening, 1);
        CHECK_EQ(tr_connect(address, LONG_MS, &socket), TR_OK);
        tr_close(socket);
        for (int i = 0; i < RIVALS; i++) {
            tr_monitor(rivals[i]);
            tr_send(rivals[i], LAST, NULL, 0);
            CHECK_EQ(tr_tag(tr_receive(LONG_MS)), TR_MSG_DOWN);
        }
        CHECK(!exists());
    }
    remove_path();
}

TEST(socket_unix, of_rivals_at_a_stale_path_one_listens) { run_as_root(rivals_body); }

static void full_queue_body(const tr_msg *unused)
{
    (void)unused;
    make_path();
    int deaf = bind_path();
    CHECK_EQ(listen(deaf, 1), 0);
    tr_socket connections[4], last;
    int count = 0;
    while (count < 4 && tr_connect(address, 20, &connections[count]) == TR_OK)
        count++;
    CHECK(count < 4); /* the queue is full, and the system says nothing when that changes */
    CHECK_EQ(tr_connect(address, 0, &last), TR_ETIMEDOUT);
    for (int fd; (fd = accept4(deaf, NULL, NULL, SOCK_CLOEXEC)) >= 0;)
        close(fd);
    CHECK_EQ(tr_connect(address, LONG_MS, &last), TR_OK);
    close(deaf);
    remove_path();
}

TEST(socket_unix, a_full_queue_makes_a_connect_wait) { run_as_root(full_queue_body); }
