/* socket_edges_test.c: sockets at the edges of the contract: who may call, paths that change under a listener, gifts
 * and modes that change while somebody else is at it. */
#include "socket_peer.h"
#include "unix_path.h"

#include <sys/stat.h>
#include <sys/un.h>

/* ---- who may call, and with what */

TEST(socket_edges, only_processes_of_a_running_runtime_may_use_sockets)
{
    tr_socket socket = { 1 }, other;
    char byte;
    size_t size;
    static const int expected[] = { TR_ESTOPPED, TR_EFOREIGN };
    for (int up = 0; up < 2; up++) {
        if (up == 1)
            CHECK_EQ(tr_boot(NULL), TR_OK);
        CHECK_EQ(tr_read(socket, &byte, 1, 0, &size), expected[up]);
        CHECK_EQ(tr_write(socket, "x", 1, 0), expected[up]);
        CHECK_EQ(tr_accept(socket, 0, &other), expected[up]);
        CHECK_EQ(tr_connect("tcp://127.0.0.1:1", 0, &other), expected[up]);
        CHECK_EQ(tr_socket_active(socket, 1), expected[up]);
        CHECK_EQ(tr_socket_give(socket, (tr_pid){ 1 }), expected[up]);
        CHECK_EQ(tr_socket_peer(socket, &byte, 1), expected[up]);
        CHECK_EQ(tr_shutdown_write(socket), expected[up]);
        CHECK_EQ(tr_signal_subscribe(15), expected[up]);
    }
    CHECK_EQ(tr_halt(1000), TR_OK);
}

static void argument_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket listener = must_listen("tcp://127.0.0.1:0"), here, there, other;
    char byte, text[TR_ADDRESS_MOST];
    size_t size;
    make_pair(&here, &there);
    CHECK_EQ(tr_read(here, &byte, 1, 0, NULL), TR_EINVAL);
    CHECK_EQ(tr_write(here, NULL, 1, 0), TR_EINVAL);
    CHECK_EQ(tr_write(here, "x", 1, -2), TR_EINVAL);
    CHECK_EQ(tr_accept(listener, -2, &other), TR_EINVAL);
    CHECK_EQ(tr_accept(listener, 0, NULL), TR_EINVAL);
    CHECK_EQ(tr_connect("tcp://127.0.0.1:1", 0, NULL), TR_EINVAL);
    CHECK_EQ(tr_listen("tcp://127.0.0.1:0", NULL), TR_EINVAL);
    CHECK_EQ(tr_listen("tcp://127.0.0.1:000001", &other), TR_EINVAL);
    CHECK_EQ(tr_listen("tcp://[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:1", &other), TR_EINVAL);
    CHECK_EQ(tr_socket_peer(here, text, 0), TR_EINVAL);
    CHECK_EQ(tr_socket_peer(here, NULL, sizeof text), TR_EINVAL);
    CHECK_EQ(tr_socket_peer(here, text, 4), TR_EINVAL); /* too short for the text */
    CHECK_EQ(tr_write(here, "y", 1, LONG_MS), TR_OK);   /* none of it did harm */
    CHECK_EQ(tr_read(there, &byte, 1, LONG_MS, &size), TR_OK);
    CHECK_EQ(byte, 'y');
    tr_close(listener);
    CHECK_EQ(tr_accept(listener, LONG_MS, &other), TR_EEND);
}

TEST(socket_edges, bad_arguments_are_told_and_do_no_harm) { run_as_root(argument_body); }

static void reset_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket here;
    int peer;
    char byte, text[TR_ADDRESS_MOST];
    size_t size;
    const struct linger reset = { .l_onoff = 1 };
    make_half_pair(&here, &peer);
    CHECK_EQ(setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    close(peer);
    CHECK_EQ(tr_read(here, &byte, 1, LONG_MS, &size), TR_EIO);
    CHECK_EQ(tr_shutdown_write(here), TR_EIO);
    CHECK_EQ(tr_socket_error(here), ENOTCONN);
    CHECK_EQ(tr_read(here, &byte, 1, LONG_MS, &size), TR_EEND);
    CHECK_EQ(tr_socket_peer(here, text, sizeof text), TR_EIO);
    CHECK_EQ(tr_socket_error(here), ENOTCONN);
    CHECK(tr_socket_port(here) > 0); /* its own end is still there */
}

TEST(socket_edges, a_connection_that_was_reset_has_no_peer) { run_as_root(reset_body); }

/* ---- Unix paths */

static int bound_to(const char *at)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    memcpy(name.sun_path, at, strlen(at) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

static void names_body(const tr_msg *unused)
{
    (void)unused;
    char other[128], text[TR_ADDRESS_MOST], expected[160];
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    make_path();
    snprintf(other, sizeof other, "%s/peer", directory);
    memcpy(to.sun_path, path, strlen(path) + 1);
    tr_socket listener = must_listen(address), connection;
    int peer = bound_to(other);
    CHECK_EQ(connect(peer, (struct sockaddr *)&to, sizeof to), 0);
    connection = must_accept(listener);
    snprintf(expected, sizeof expected, "unix://%s", other);
    CHECK_EQ(tr_socket_peer(connection, text, sizeof text), TR_OK);
    CHECK_STR(text, expected);
    CHECK_EQ(tr_socket_peer(connection, text, strlen(expected)), TR_EINVAL);
    close(peer);
    unlink(other);
    CHECK_EQ(tr_connect(address, LONG_MS, &connection), TR_OK);
    CHECK_EQ(tr_socket_peer(connection, text, sizeof text), TR_OK);
    CHECK_STR(text, address);
    CHECK_EQ(unlink(path), 0); /* somebody was faster: closing finds nothing to remove */
    tr_close(listener);
    CHECK_EQ(rmdir(directory), 0);
}

TEST(socket_edges, a_unix_peer_has_the_path_that_it_is_bound_to) { run_as_root(names_body); }

static void busy_path_body(const tr_msg *unused)
{
    (void)unused;
    make_path();
    int deaf = bound_to(path);
    CHECK_EQ(listen(deaf, 1), 0);
    tr_socket connections[4], second;
    int count = 0;
    while (count < 4 && tr_connect(address, 0, &connections[count]) == TR_OK)
        count++;
    CHECK(count < 4); /* its queue is full, so that it can't be asked whether it lives */
    CHECK_EQ(tr_listen(address, &second), TR_EIO);
    CHECK_EQ(tr_socket_error(second), EADDRINUSE);
    struct stat there;
    CHECK_EQ(lstat(path, &there), 0);
    close(deaf);
    unlink(path);
    CHECK_EQ(rmdir(directory), 0);
}

TEST(socket_edges, a_path_whose_listener_is_busy_is_in_use) { run_as_root(busy_path_body); }

static void patience_body(const tr_msg *unused)
{
    (void)unused;
    make_path();
    int deaf = bound_to(path);
    CHECK_EQ(listen(deaf, 1), 0);
    tr_socket connection;
    int64_t begin;
    do
        begin = tr_now_ns();
    while (tr_connect(address, 200, &connection) == TR_OK); /* until the queue is full */
    CHECK(tr_now_ns() - begin >= 200 * INT64_C(1000000));
    close(deaf);
    unlink(path);
    CHECK_EQ(rmdir(directory), 0);
}

TEST(socket_edges, a_connect_to_a_full_queue_looks_now_and_then_until_its_time_is_up) { run_as_root(patience_body); }

/* The same path, but on another file system by the time that the listener is closed. */
static void moved_body(const tr_msg *unused)
{
    (void)unused;
    char link_path[100], elsewhere[] = "/dev/shm/troupe-socket-XXXXXX", file[96];
    make_path();
    CHECK(mkdtemp(elsewhere) != NULL);
    snprintf(link_path, sizeof link_path, "%s/link", directory);
    snprintf(address, sizeof address, "unix://%s/there", link_path);
    snprintf(file, sizeof file, "%s/there", elsewhere);
    CHECK_EQ(symlink(directory, link_path), 0);
    tr_socket listener = must_listen(address);
    CHECK_EQ(unlink(link_path), 0);
    CHECK_EQ(symlink(elsewhere, link_path), 0);
    close(bound_to(file));
    tr_close(listener);
    struct stat there;
    CHECK_EQ(lstat(file, &there), 0); /* another's */
    unlink(file);
    CHECK_EQ(rmdir(elsewhere), 0);
    unlink(link_path);
    snprintf(file, sizeof file, "%s/there", directory);
    unlink(file);
    CHECK_EQ(rmdir(directory), 0);
}

TEST(socket_edges, a_path_that_leads_elsewhere_by_now_is_left_alone)
{
    if (access("/dev/shm", W_OK) != 0)
        SKIP("no second file system to write to");
    run_as_root(moved_body);
}

/* ---- who uses a socket while somebody else gives, uses or closes it */

enum { TRIES = HARNESS_SIMULATED ? 30 : 400 };

struct wish {
    tr_socket socket;
    int round;
};

static int begun; /* atomic: the round whose reader runs */

static void wisher(const tr_msg *arg)
{
    struct wish wish = *(const struct wish *)tr_expect(arg, sizeof wish);
    char byte;
    size_t size;
    __atomic_store_n(&begun, wish.round, __ATOMIC_RELEASE);
    int status = tr_read(wish.socket, &byte, 1, LONG_MS, &size);
    if (wish.round % 3 == 0)
        CHECK(status == TR_OK && byte == 'x'); /* it was given */
    else
        CHECK(status == TR_EINVAL || status == TR_EEND); /* its owner has used it; it was closed */
}

static void race_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket listener = must_listen("tcp://127.0.0.1:0");
    for (int round = 1; round <= TRIES; round++) {
        int peer = peer_connect(tr_socket_port(listener));
        struct wish wish = { must_accept(listener), round };
        tr_ref monitor;
        tr_pid reader = tr_spawn_monitor(wisher, &wish, sizeof wish, &monitor);
        tr_reason reason;
        while (__atomic_load_n(&begun, __ATOMIC_ACQUIRE) != round)
            tr_yield();
        for (int spin = 0; spin < round % 64; spin++)
            tr_now_ns(); /* so that it comes at each moment of the reader's call */
        if (round % 3 == 0)
            CHECK_EQ(tr_socket_give(wish.socket, reader), TR_OK);
        else if (round % 3 == 1)
            CHECK_EQ(tr_write(wish.socket, "mine", 4, LONG_MS), TR_OK);
        else
            tr_close(wish.socket);
        if (round % 3 == 0)
            peer_send(peer, "x", 1);
        CHECK_EQ(tr_await_down(monitor, LONG_MS, &reason), TR_OK);
        CHECK_EQ(reason.why, TR_WHY_NORMAL);
        if (round % 3 == 1)
            tr_close(wish.socket);
        close(peer);
    }
}

TEST(socket_edges, who_waits_for_a_gift_is_told_what_became_of_it_at_any_moment) { run_as_root(race_body); }

/* ---- signals that do not end who waits */

enum { SIGNALS = 3 };

static void expect_exits(void)
{
    for (int i = 0; i < SIGNALS; i++)
        CHECK(tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT }, LONG_MS) != NULL);
}

static void send_exits(tr_pid to)
{
    for (int i = 0; i < SIGNALS; i++) {
        tr_sleep(10);
        CHECK_EQ(tr_exit_signal(to, tr_because(TR_WHY_USER, i, "trapped")), TR_OK);
    }
    tr_sleep(10);
}

static void waits_for_gift(const tr_msg *arg)
{
    tr_socket socket = *(const tr_socket *)tr_expect(arg, sizeof socket);
    char byte;
    size_t size;
    CHECK_EQ(tr_read(socket, &byte, 1, LONG_MS, &size), TR_OK);
    expect_exits();
}

static void waits_for_connection(const tr_msg *arg)
{
    tr_socket connection;
    int64_t begin = tr_now_ns();
    CHECK_EQ(tr_connect(tr_string(arg), 200, &connection), TR_ETIMEDOUT);
    CHECK(tr_now_ns() - begin >= 200 * INT64_C(1000000));
    expect_exits();
}

static void signals_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket here, connection;
    int peer, status;
    make_half_pair(&here, &peer);
    /* from the first moment: the first signal may come before they have begun */
    const tr_spawn_options traps = { .flags = TR_SPAWN_TRAP_EXIT };
    tr_pid child = tr_spawn_with(waits_for_gift, &here, sizeof here, &traps);
    send_exits(child);
    CHECK_EQ(tr_socket_give(here, child), TR_OK);
    peer_send(peer, "x", 1);
    await_end(child);
    close(peer);
    /* a listener whose queue is full drops what comes */
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof at;
    char to[64];
    int deaf = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(deaf, (struct sockaddr *)&at, sizeof at), 0);
    CHECK_EQ(listen(deaf, 0), 0);
    CHECK_EQ(getsockname(deaf, (struct sockaddr *)&at, &size), 0);
    snprintf(to, sizeof to, "tcp://127.0.0.1:%d", ntohs(at.sin_port));
    do
        status = tr_connect(to, 500, &connection); /* far longer than one takes that finds room */
    while (status == TR_OK);
    CHECK_EQ(status, TR_ETIMEDOUT);
    child = tr_spawn_with(waits_for_connection, to, strlen(to) + 1, &traps);
    send_exits(child);
    await_end(child);
    close(deaf);
}

TEST(socket_edges, a_signal_that_does_not_end_a_process_does_not_end_its_wait) { run_as_root(signals_body); }

/* ---- active mode on and off under data */

enum { STREAM = HARNESS_SIMULATED ? 20 * 1000 : 400 * 1000 };

static void streamer(const tr_msg *arg)
{
    tr_socket socket = *(const tr_socket *)tr_expect(arg, sizeof socket);
    unsigned char data[997];
    for (size_t at = 0; at < STREAM;) {
        size_t size = sizeof data < STREAM - at ? sizeof data : STREAM - at;
        fill_pattern(data, size, at);
        CHECK_EQ(tr_write(socket, data, size, LONG_MS), TR_OK);
        at += size;
        if (at % 7 == 0)
            tr_yield();
    }
}

/* What has come in active mode, in order; true: the end. */
static bool take_events(size_t *have, int64_t timeout_ms)
{
    const tr_msg *message;
    while ((message = tr_receive_match(&(tr_match){ .tag = TR_MSG_SOCKET }, timeout_ms)) != NULL) {
        const tr_socket_event *event = tr_body(message);
        if (event->what == TR_SOCKET_END)
            return true;
        CHECK_EQ(event->what, TR_SOCKET_DATA);
        check_pattern((const unsigned char *)(event + 1), event->size, *have);
        *have += event->size;
        timeout_ms = 0;
    }
    return false;
}

static void toggle_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket here, there;
    size_t have = 0;
    bool ended = false;
    make_pair(&here, &there);
    tr_pid writer = tr_spawn(streamer, &there, sizeof there);
    CHECK_EQ(tr_socket_give(there, writer), TR_OK);
    for (int round = 0; !ended && round < 3000; round++) {
        unsigned char data[4096];
        size_t size;
        CHECK_EQ(tr_socket_active(here, 1000000), TR_OK);
        for (int spin = 0; spin < round % 50; spin++)
            tr_now_ns();
        CHECK_EQ(tr_socket_active(here, 0), TR_OK);
        ended = take_events(&have, 0);
        int status = ended ? TR_ETIMEDOUT : tr_read(here, data, sizeof data, 0, &size);
        CHECK(status == TR_OK || status == TR_ETIMEDOUT || status == TR_EEND);
        ended = ended || status == TR_EEND;
        if (status == TR_OK) {
            check_pattern(data, size, have);
            have += size;
        }
    }
    if (!ended) {
        CHECK_EQ(tr_socket_active(here, 1000000), TR_OK);
        while (!take_events(&have, LONG_MS))
            ;
    }
    CHECK_EQ(have, STREAM);
}

TEST(socket_edges, active_mode_may_change_at_any_moment_and_nothing_is_lost) { run_as_root(toggle_body); }
