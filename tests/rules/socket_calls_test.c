/* socket_calls_test.c: the calls that park their process: listen, connect, accept, read, write, half-close, close,
 * errors. */
#include "socket_peer.h"

/* ---- echo */

static void echo(tr_socket socket)
{
    char buffer[4096];
    size_t size;
    while (tr_read(socket, buffer, sizeof buffer, LONG_MS, &size) == TR_OK)
        CHECK_EQ(tr_write(socket, buffer, size, LONG_MS), TR_OK);
    tr_close(socket);
}

static void echo_once(const tr_msg *arg)
{
    tr_socket listener;
    CHECK_EQ(tr_listen("tcp://127.0.0.1:0", &listener), TR_OK);
    int port = tr_socket_port(listener);
    CHECK(port > 0);
    tr_send(*(const tr_pid *)tr_expect(arg, sizeof(tr_pid)), 1, &port, sizeof port);
    echo(must_accept(listener));
}

static int port_of(void (*server)(const tr_msg *arg))
{
    tr_pid self = tr_self();
    tr_spawn(server, &self, sizeof self);
    const tr_msg *port = tr_receive_match(&(tr_match){ .tag = 1 }, LONG_MS);
    CHECK(port != NULL);
    return *(const int *)tr_expect(port, sizeof(int));
}

static void read_exactly(tr_socket socket, unsigned char *data, size_t size)
{
    for (size_t have = 0, got; have < size; have += got)
        CHECK_EQ(tr_read(socket, data + have, size - have, LONG_MS, &got), TR_OK);
}

static void echo_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket socket = must_connect(port_of(echo_once));
    static unsigned char data[3000];
    for (size_t round = 0; round < 200; round++) {
        size_t size = round * 13 % sizeof data + 1;
        fill_pattern(data, size, round);
        CHECK_EQ(tr_write(socket, data, size, LONG_MS), TR_OK);
        memset(data, 0, sizeof data);
        read_exactly(socket, data, size);
        check_pattern(data, size, round);
    }
    tr_close(socket);
}

TEST(socket_calls, an_echo_gives_back_what_was_written) { run_as_root(echo_body); }

/* ---- timeouts */

static void read_timeout_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket here;
    int peer;
    char buffer[16];
    size_t size;
    make_half_pair(&here, &peer);
    for (int round = 0; round < 5; round++) {
        int64_t begin = tr_now_ns();
        CHECK_EQ(tr_read(here, buffer, sizeof buffer, 20, &size), TR_ETIMEDOUT);
        CHECK(tr_now_ns() - begin >= 20 * 1000 * 1000);
        CHECK_EQ(tr_read(here, buffer, sizeof buffer, 0, &size), TR_ETIMEDOUT);
        peer_send(peer, "abc", 3);
        CHECK_EQ(tr_read(here, buffer, sizeof buffer, LONG_MS, &size), TR_OK);
        CHECK_EQ(size, 3);
        peer_send(peer, "de", 2);
        int status;
        while ((status = tr_read(here, buffer, sizeof buffer, 0, &size)) == TR_ETIMEDOUT)
            tr_sleep(1); /* the loopback delivers at once, except on a busy machine */
        CHECK_EQ(status, TR_OK);
        CHECK_EQ(size, 2);
    }
    close(peer);
}

TEST(socket_calls, a_read_times_out_never_early_and_loses_nothing) { run_as_root(read_timeout_body); }

static void accept_timeout_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket listener = must_listen("tcp://127.0.0.1:0"), connection;
    CHECK_EQ(tr_accept(listener, 0, &connection), TR_ETIMEDOUT);
    CHECK_EQ(tr_accept(listener, 20, &connection), TR_ETIMEDOUT);
    int peer = peer_connect(tr_socket_port(listener));
    CHECK_EQ(tr_accept(listener, LONG_MS, &connection), TR_OK);
    CHECK_EQ(tr_accept(listener, 20, &connection), TR_ETIMEDOUT);
    close(peer);
}

TEST(socket_calls, an_accept_times_out_and_takes_the_next_connection) { run_as_root(accept_timeout_body); }

/* ---- half-close and ends */

static void half_close_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket here, there;
    char buffer[16];
    size_t size;
    make_pair(&here, &there);
    CHECK_EQ(tr_write(here, "ab", 2, LONG_MS), TR_OK);
    CHECK_EQ(tr_shutdown_write(here), TR_OK);
    CHECK_EQ(tr_read(there, buffer, sizeof buffer, LONG_MS, &size), TR_OK);
    CHECK_EQ(size, 2);
    CHECK_EQ(tr_read(there, buffer, sizeof buffer, LONG_MS, &size), TR_EEND);
    CHECK_EQ(tr_read(there, buffer, sizeof buffer, LONG_MS, &size), TR_EEND); /* and again */
    CHECK_EQ(tr_write(there, "cde", 3, LONG_MS), TR_OK);
    CHECK_EQ(tr_read(here, buffer, sizeof buffer, LONG_MS, &size), TR_OK);
    CHECK_EQ(size, 3);
    CHECK_EQ(tr_write(here, "x", 1, LONG_MS), TR_EIO);
    CHECK_EQ(tr_socket_error(here), EPIPE);
    tr_close(there);
    CHECK_EQ(tr_read(here, buffer, sizeof buffer, LONG_MS, &size), TR_EEND);
}

TEST(socket_calls, a_half_close_ends_one_direction_and_the_other_goes_on) { run_as_root(half_close_body); }

static void fin_with_data_body(const tr_msg *unused)
{
    (void)unused;
    char buffer[64];
    size_t size;
    for (int round = 0; round < 200;
         round++) { /* the end may come with the data, after it, or while the reader parks */
        tr_socket here;
        int peer;
        make_half_pair(&here, &peer);
        if (round % 2 == 0)
            CHECK_EQ(tr_read(here, buffer, sizeof buffer, 0, &size), TR_ETIMEDOUT);
        peer_send(peer, "last words", 10);
        close(peer);
        CHECK_EQ(tr_read(here, buffer, sizeof buffer, LONG_MS, &size), TR_OK);
        CHECK_EQ(size, 10);
        CHECK_EQ(tr_read(here, buffer, sizeof buffer, LONG_MS, &size), TR_EEND);
        tr_close(here);
    }
}

TEST(socket_calls, an_end_that_comes_with_data_is_not_missed) { run_as_root(fin_with_data_body); }

static void reset_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket here;
    int peer;
    char buffer[16];
    size_t size;
    const struct linger reset = { .l_onoff = 1 };
    make_half_pair(&here, &peer);
    CHECK_EQ(setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    close(peer);
    CHECK_EQ(tr_read(here, buffer, sizeof buffer, LONG_MS, &size), TR_EIO);
    CHECK_EQ(tr_socket_error(here), ECONNRESET);
    CHECK_STR(tr_last_reason()->text, "Connection reset by peer");
    CHECK_EQ(tr_write(here, "x", 1, LONG_MS), TR_EIO); /* and no SIGPIPE */
    CHECK_EQ(tr_socket_error(here), EPIPE);
    CHECK_STR(tr_last_reason()->text, "Broken pipe");
}

TEST(socket_calls, a_reset_is_an_error_with_its_number_and_no_signal) { run_as_root(reset_body); }

/* ---- back-pressure */

enum { MUCH = HARNESS_SIMULATED ? 1024 * 1024 : 8 * 1024 * 1024 };

static void slow_reader(const tr_msg *arg)
{
    tr_socket socket = *(const tr_socket *)tr_expect(arg, sizeof socket);
    static unsigned char data[100 * 1000];
    size_t have = 0, size;
    tr_sleep(30); /* until the writer is stuck */
    for (int status; (status = tr_read(socket, data, sizeof data, LONG_MS, &size)) != TR_EEND; have += size) {
        CHECK_EQ(status, TR_OK);
        check_pattern(data, size, have);
        if (have % 7 == 0)
            tr_yield();
    }
    CHECK_EQ(have, MUCH);
}

static void back_pressure_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket here, there;
    unsigned char *data = malloc(MUCH);
    CHECK(data != NULL);
    fill_pattern(data, MUCH, 0);
    make_pair(&here, &there);
    tr_pid reader = tr_spawn(slow_reader, &there, sizeof there);
    CHECK_EQ(tr_socket_give(there, reader), TR_OK);
    CHECK_EQ(tr_write(here, data, MUCH, LONG_MS), TR_OK);
    CHECK_EQ(tr_shutdown_write(here), TR_OK);
    await_end(reader);
    free(data);
}

TEST(socket_calls, a_write_to_a_slow_reader_parks_and_arrives_whole) { run_as_root(back_pressure_body); }

static void write_timeout_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket here;
    int peer;
    char *data = calloc(1, MUCH);
    CHECK(data != NULL);
    make_half_pair(&here, &peer);
    int64_t begin = tr_now_ns();
    int status = TR_OK;
    for (int i = 0; i < 100 && status == TR_OK; i++)
        status = tr_write(here, data, MUCH, 30);
    CHECK_EQ(status, TR_ETIMEDOUT);
    CHECK(tr_now_ns() - begin >= 30 * 1000 * 1000);
    CHECK_EQ(tr_write(here, data, MUCH, 0), TR_ETIMEDOUT);
    close(peer);
    free(data);
}

TEST(socket_calls, a_write_times_out_when_nobody_reads) { run_as_root(write_timeout_body); }

static void closing_reader(const tr_msg *arg)
{
    tr_socket socket = *(const tr_socket *)tr_expect(arg, sizeof socket);
    char data[1000];
    size_t size;
    CHECK_EQ(tr_read(socket, data, sizeof data, LONG_MS, &size), TR_OK);
    tr_sleep(20);
    tr_close(socket);
    CHECK_EQ(tr_read(socket, data, sizeof data, LONG_MS, &size), TR_EEND);
}

static void close_under_writer_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket here, there;
    char *data = calloc(1, MUCH);
    CHECK(data != NULL);
    make_pair(&here, &there);
    tr_pid reader = tr_spawn(closing_reader, &there, sizeof there);
    CHECK_EQ(tr_socket_give(there, reader), TR_OK);
    CHECK_EQ(tr_write(here, data, MUCH, LONG_MS), TR_EIO);
    CHECK(tr_socket_error(here) == ECONNRESET || tr_socket_error(here) == EPIPE);
    await_end(reader);
    free(data);
}

TEST(socket_calls, a_close_wakes_the_peer_that_is_parked_in_a_write) { run_as_root(close_under_writer_body); }

/* ---- misuse */

static void misuse_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket listener = must_listen("tcp://127.0.0.1:0"), here, there, other;
    char byte;
    size_t size;
    make_pair(&here, &there);
    CHECK_EQ(tr_read(listener, &byte, 1, 0, &size), TR_EINVAL);
    CHECK_EQ(tr_write(listener, "x", 1, 0), TR_EINVAL);
    CHECK_EQ(tr_shutdown_write(listener), TR_EINVAL);
    CHECK_EQ(tr_accept(here, 0, &other), TR_EINVAL);
    CHECK_EQ(tr_read(here, &byte, 0, 0, &size), TR_EINVAL);
    CHECK_EQ(tr_read(here, NULL, 1, 0, &size), TR_EINVAL);
    CHECK_EQ(tr_read(here, &byte, 1, -5, &size), TR_EINVAL);
    CHECK_EQ(tr_write(here, NULL, 0, 0), TR_OK);
    tr_close(here);
    tr_close(here);
    CHECK_EQ(tr_write(here, "x", 1, 0), TR_EEND);
    CHECK_EQ(tr_shutdown_write(here), TR_EEND);
    CHECK_EQ(tr_socket_give(here, tr_self()), TR_EEND);
    CHECK_EQ(tr_socket_port(here), 0);
    CHECK_EQ(tr_socket_error(here), 0);
    CHECK_EQ(tr_read((tr_socket){ 0 }, &byte, 1, 0, &size), TR_EEND);
    CHECK_EQ(tr_read((tr_socket){ UINT64_MAX >> 1 }, &byte, 1, 0, &size), TR_EEND);
}

TEST(socket_calls, closed_sockets_and_wrong_kinds_are_told) { run_as_root(misuse_body); }

TEST(socket_calls, without_a_process_nothing_opens)
{
    tr_socket socket = { 0 };
    CHECK_EQ(tr_listen("tcp://127.0.0.1:0", &socket), TR_ESTOPPED);
    CHECK_EQ(tr_boot(NULL), TR_OK);
    CHECK_EQ(tr_listen("tcp://127.0.0.1:0", &socket), TR_EFOREIGN);
    CHECK_EQ(tr_connect("tcp://127.0.0.1:1", 0, &socket), TR_EFOREIGN);
    CHECK_EQ(tr_signal_subscribe(15), TR_EFOREIGN);
    tr_close(socket);
    CHECK_EQ(tr_halt(1000), TR_OK);
}
