/* socket_open_test.c: listening and connecting: addresses, refusals, ports, and running out of descriptors. */
#include "socket_peer.h"

#include <sys/resource.h>
#include <time.h>

/* ---- connecting */

static void refused_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket listener = must_listen("tcp://127.0.0.1:0"), connection;
    char address[64];
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", tr_socket_port(listener));
    tr_close(listener);
    CHECK_EQ(tr_connect(address, LONG_MS, &connection), TR_EIO);
    CHECK_EQ(tr_socket_error(connection), ECONNREFUSED);
    char byte;
    size_t size;
    CHECK_EQ(tr_read(connection, &byte, 1, LONG_MS, &size), TR_EEND);
    tr_close(connection);
}

TEST(socket_calls, a_refused_connection_tells_the_number) { run_as_root(refused_body); }

static void connect_timeout_body(const tr_msg *unused)
{
    (void)unused;
    /* a listener whose queue is full drops what comes: the loopback's connections stay under way */
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof at;
    int deaf = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(deaf, (struct sockaddr *)&at, sizeof at), 0);
    CHECK_EQ(listen(deaf, 0), 0);
    CHECK_EQ(getsockname(deaf, (struct sockaddr *)&at, &size), 0);
    char address[64];
    tr_socket connections[8];
    int status = TR_OK;
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", ntohs(at.sin_port));
    for (size_t i = 0; i < TR_COUNT(connections) && status == TR_OK; i++)
        status = tr_connect(address, 50, &connections[i]);
    CHECK_EQ(status, TR_ETIMEDOUT);
    close(deaf);
}

TEST(socket_calls, a_connect_that_nobody_answers_times_out) { run_as_root(connect_timeout_body); }

#define TEN "0123456789"

static void addresses_body(const tr_msg *unused)
{
    (void)unused;
    static const char *const bad[] = {
        "",
        "127.0.0.1:7000",
        "tcp://",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:",
        "tcp://127.0.0.1:65536",
        "tcp://127.0.0.1:x",
        "tcp://127.0.0.1:1x",
        "tcp://127.0.0.1:-1",
        "tcp://:1",
        "tcp://localhost:1",
        "tcp://[::1:1",
        "tcp://[]:1",
        "tcp://::1:1",
        "udp://127.0.0.1:1",
        "unix://",
        "unix:///" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN,
    };
    tr_socket socket;
    for (size_t i = 0; i < TR_COUNT(bad); i++) {
        CHECK_EQ(tr_listen(bad[i], &socket), TR_EINVAL);
        CHECK_EQ(tr_connect(bad[i], 0, &socket), TR_EINVAL);
    }
    CHECK_EQ(tr_listen(NULL, &socket), TR_EINVAL);
    CHECK_EQ(tr_connect("tcp://127.0.0.1:0", 0, &socket), TR_EINVAL);
    CHECK_EQ(tr_connect("tcp://*:80", 0, &socket), TR_EINVAL);
    CHECK_EQ(tr_connect("tcp://127.0.0.1:80", -2, &socket), TR_EINVAL);
    static const char *const good[] = { "tcp://127.0.0.1:0", "tcp://*:0", "tcp://0.0.0.0:0" };
    for (size_t i = 0; i < TR_COUNT(good); i++) {
        socket = must_listen(good[i]);
        tr_socket connection = must_connect(tr_socket_port(socket));
        tr_close(connection);
        tr_close(socket);
    }
}

TEST(socket_calls, bad_addresses_are_refused_and_a_star_takes_all_interfaces) { run_as_root(addresses_body); }

static void ipv6_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket listener, connection;
    char address[64];
    if (tr_listen("tcp://[::1]:0", &listener) != TR_OK)
        return; /* a machine without IPv6 */
    snprintf(address, sizeof address, "tcp://[::1]:%d", tr_socket_port(listener));
    CHECK_EQ(tr_connect(address, LONG_MS, &connection), TR_OK);
    tr_socket accepted = must_accept(listener);
    char byte, peer[TR_ADDRESS_MOST];
    size_t size;
    CHECK_EQ(tr_socket_peer(connection, peer, sizeof peer), TR_OK);
    CHECK_STR(peer, address);
    CHECK_EQ(tr_write(connection, "6", 1, LONG_MS), TR_OK);
    CHECK_EQ(tr_read(accepted, &byte, 1, LONG_MS, &size), TR_OK);
    CHECK_EQ(byte, '6');
}

TEST(socket_calls, ipv6_addresses_stand_in_brackets) { run_as_root(ipv6_body); }

static void peer_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket listener = must_listen("tcp://*:0"), connection = must_connect(tr_socket_port(listener));
    tr_socket accepted = must_accept(listener);
    char address[TR_ADDRESS_MOST], expected[64];
    snprintf(expected, sizeof expected, "tcp://127.0.0.1:%d", tr_socket_port(listener));
    CHECK_EQ(tr_socket_peer(connection, address, sizeof address), TR_OK);
    CHECK_STR(address, expected);
    snprintf(expected, sizeof expected, "tcp://127.0.0.1:%d", tr_socket_port(connection));
    CHECK_EQ(tr_socket_peer(accepted, address, sizeof address), TR_OK); /* not ::ffff:127.0.0.1 */
    CHECK_STR(address, expected);
    CHECK_EQ(tr_socket_peer(accepted, address, strlen(expected) + 1), TR_OK);
    CHECK_EQ(tr_socket_peer(accepted, address, strlen(expected)), TR_EINVAL);
    CHECK_EQ(tr_socket_peer(accepted, NULL, 0), TR_EINVAL);
    CHECK_EQ(tr_socket_peer(listener, address, sizeof address), TR_EINVAL);
    tr_close(accepted);
    CHECK_EQ(tr_socket_peer(accepted, address, sizeof address), TR_EEND);
}

TEST(socket_calls, the_peers_address_is_as_one_would_connect_to_it) { run_as_root(peer_body); }

static void reuse_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket listener = must_listen("tcp://127.0.0.1:0"), second;
    char address[64];
    int port = tr_socket_port(listener);
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", port);
    CHECK_EQ(tr_listen(address, &second), TR_EIO);
    CHECK_EQ(tr_socket_error(second), EADDRINUSE);
    int peer = peer_connect(port);
    tr_socket accepted = must_accept(listener);
    tr_close(accepted); /* we close first: our end lingers in TIME_WAIT */
    tr_close(listener);
    close(peer);
    second = must_listen(address);
    CHECK_EQ(tr_socket_port(second), port);
}

TEST(socket_calls, a_port_in_use_is_an_error_and_a_port_left_is_free_at_once) { run_as_root(reuse_body); }

static void must_listen_there(const tr_msg *address)
{
    tr_socket listener;
    tr_must(tr_listen(tr_string(address), &listener));
}

static int init_there(void *unused, const tr_msg *address)
{
    (void)unused;
    tr_socket listener;
    return tr_listen(tr_string(address), &listener);
}

static void expect_in_use(const tr_reason *reason, const char *address)
{
    char expected[56];
    snprintf(expected, sizeof expected, "Address already in use (%s)", address);
    CHECK_EQ(reason->why, TR_WHY_STATUS);
    CHECK_EQ(reason->code, TR_EIO);
    CHECK_STR(reason->text, expected);
}

static void told_body(const tr_msg *unused)
{
    (void)unused;
    static const tr_gen_server server = { .label = "listens", .init = init_there };
    tr_socket listener = must_listen("tcp://127.0.0.1:0");
    char address[64];
    int size = snprintf(address, sizeof address, "tcp://127.0.0.1:%d", tr_socket_port(listener)) + 1;
    tr_ref monitor;
    tr_reason reason;
    tr_pid pid;
    tr_spawn_monitor(must_listen_there, address, (size_t)size, &monitor);
    CHECK_EQ(tr_await_down(monitor, LONG_MS, &reason), TR_OK);
    expect_in_use(&reason, address);
    CHECK_EQ(tr_start_server(&server, address, (size_t)size, NULL, &pid), TR_ESTART);
    expect_in_use(tr_last_reason(), address);
    CHECK_EQ(tr_connect("tcp://127.0.0.1:1", LONG_MS, &listener), TR_EIO);
    CHECK_STR(tr_last_reason()->text, "Connection refused (tcp://127.0.0.1:1)");
}

TEST(socket_calls, who_ends_by_a_failed_call_says_what_the_system_said) { run_as_root(told_body); }

/* ---- out of descriptors */

static struct rlimit before;

/* No further descriptor can be had. */
static void exhaust(void)
{
    int lowest = dup(0);
    CHECK(lowest >= 0);
    close(lowest);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit tight = { .rlim_cur = (rlim_t)lowest, .rlim_max = before.rlim_max };
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
}

static void relax(void) { CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0); }

static int64_t cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

static void exhausted_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket listener = must_listen("tcp://127.0.0.1:0"), connection;
    int peer = peer_connect(tr_socket_port(listener));
    exhaust();
    CHECK_EQ(tr_accept(listener, 0, &connection), TR_ELIMIT);
    int64_t begin = tr_now_ns(), used = cpu_ns();
    CHECK_EQ(tr_accept(listener, 300, &connection), TR_ELIMIT);
    int64_t took = tr_now_ns() - begin;
    CHECK(took >= 300 * 1000 * 1000);
    CHECK(cpu_ns() - used < took / 2);
    CHECK_EQ(tr_connect("tcp://127.0.0.1:1", LONG_MS, &connection), TR_ELIMIT);
    tr_socket second;
    CHECK_EQ(tr_listen("tcp://127.0.0.1:0", &second), TR_ELIMIT);
    relax();
    CHECK_EQ(tr_accept(listener, LONG_MS, &connection), TR_OK);
    close(peer);
}

TEST(socket_calls, accept_waits_without_spinning_when_descriptors_run_out)
{
    if (HARNESS_SIMULATED)
        SKIP("the limit of the system's descriptors; simulation/starved_test.c has the simulator's");
    run_as_root(exhausted_body);
}

static void closer(const tr_msg *arg)
{
    tr_socket socket = *(const tr_socket *)tr_expect(arg, sizeof socket);
    char byte;
    size_t size;
    CHECK_EQ(tr_read(socket, &byte, 1, 1500, &size),
             TR_ETIMEDOUT); /* by now the acceptor's own delay is at its longest */
    tr_close(socket);
}

static void fed_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket listener = must_listen("tcp://127.0.0.1:0"), here, there, connection;
    make_pair(&here, &there);
    int64_t begin = tr_now_ns();
    tr_pid other = tr_spawn(closer, &here, sizeof here);
    CHECK_EQ(tr_socket_give(here, other), TR_OK);
    int peer = peer_connect(tr_socket_port(listener));
    exhaust();
    CHECK_EQ(tr_accept(listener, LONG_MS, &connection), TR_OK);
    CHECK(tr_now_ns() - begin >= 1500 * INT64_C(1000000));
    relax();
    close(peer);
    await_end(other);
}

TEST(socket_calls, a_socket_that_closes_feeds_an_acceptor_without_descriptors)
{
    if (HARNESS_SIMULATED)
        SKIP("the limit of the system's descriptors; simulation/starved_test.c has the simulator's");
    run_as_root(fed_body);
}
