/* socket_active_test.c: active mode: data and connections as messages, with a flow limit. */
#include "socket_peer.h"

#include <sys/resource.h>

static const tr_socket_event *next_event(tr_socket socket)
{
    const tr_msg *message = tr_receive_match(&(tr_match){ .tag = TR_MSG_SOCKET }, LONG_MS);
    CHECK(message != NULL);
    CHECK(tr_size(message) >= sizeof(tr_socket_event));
    const tr_socket_event *event = tr_body(message);
    CHECK(event->socket.id == socket.id);
    CHECK_EQ(tr_size(message), sizeof *event + event->size);
    return event;
}

static void expect_nothing(void) { CHECK(tr_receive_match(&(tr_match){ .tag = TR_MSG_SOCKET }, 30) == NULL); }

static void limit_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket here;
    int peer;
    char byte;
    size_t size;
    make_half_pair(&here, &peer);
    CHECK_EQ(tr_socket_active(here, -1), TR_EINVAL);
    CHECK_EQ(tr_socket_active(here, 2), TR_OK);
    CHECK_EQ(tr_read(here, &byte, 1, 0, &size), TR_EINVAL);
    for (int i = 0; i < 2; i++) {
        peer_send(peer, "a", 1); /* which cannot come in two pieces */
        const tr_socket_event *event = next_event(here);
        CHECK_EQ(event->what, TR_SOCKET_DATA);
        CHECK_EQ(event->size, 1);
        CHECK(memcmp(event + 1, "a", 1) == 0);
    }
    CHECK_EQ(next_event(here)->what, TR_SOCKET_PASSIVE);
    peer_send(peer, "d", 1);
    expect_nothing();
    CHECK_EQ(tr_read(here, &byte, 1, LONG_MS, &size), TR_OK); /* passive: by call again */
    CHECK_EQ(byte, 'd');
    peer_send(peer, "e", 1);
    tr_sleep(10);
    CHECK_EQ(tr_socket_active(here, 100), TR_OK); /* what was there before comes, too */
    CHECK_EQ(next_event(here)->what, TR_SOCKET_DATA);
    CHECK_EQ(tr_socket_active(here, 0), TR_OK);
    peer_send(peer, "f", 1);
    expect_nothing();
    CHECK_EQ(tr_read(here, &byte, 1, LONG_MS, &size), TR_OK);
    CHECK_EQ(byte, 'f');
    CHECK_EQ(tr_write(here, "back", 4, LONG_MS), TR_OK);
    close(peer);
}

TEST(socket_active, the_flow_limit_is_kept_and_ends_with_passive) { run_as_root(limit_body); }

/* ---- a stream in order, with every limit */

enum { STREAM = HARNESS_SIMULATED ? 100 * 1000 : 3 * 1000 * 1000 };

static void streamer(const tr_msg *arg)
{
    tr_socket socket = *(const tr_socket *)tr_expect(arg, sizeof socket);
    unsigned char *data = malloc(STREAM);
    CHECK(data != NULL);
    fill_pattern(data, STREAM, 0);
    for (size_t at = 0, size; at < STREAM; at += size) {
        size = at % 50001 + 1;
        if (size > STREAM - at)
            size = STREAM - at;
        CHECK_EQ(tr_write(socket, data + at, size, LONG_MS), TR_OK);
    }
    free(data);
}

static size_t receive_stream(tr_socket socket, int limit)
{
    size_t have = 0;
    CHECK_EQ(tr_socket_active(socket, limit), TR_OK);
    for (int messages = 0;;) {
        const tr_socket_event *event = next_event(socket);
        if (event->what == TR_SOCKET_END)
            return have;
        if (event->what == TR_SOCKET_PASSIVE) {
            CHECK_EQ(messages, limit);
            messages = 0;
            CHECK_EQ(tr_socket_active(socket, limit), TR_OK);
            continue;
        }
        CHECK_EQ(event->what, TR_SOCKET_DATA);
        CHECK(event->size > 0);
        check_pattern((const unsigned char *)(event + 1), event->size, have);
        have += event->size;
        messages++;
    }
}

static void stream_body(const tr_msg *unused)
{
    (void)unused;
    static const int limits[] = { 1, 3, 1000000 };
    for (size_t i = 0; i < TR_COUNT(limits); i++) {
        tr_socket here, there;
        make_pair(&here, &there);
        tr_pid writer = tr_spawn(streamer, &there, sizeof there);
        CHECK_EQ(tr_socket_give(there, writer), TR_OK);
        CHECK_EQ(receive_stream(here, limits[i]), STREAM);
        char byte;
        size_t size;
        CHECK_EQ(tr_read(here, &byte, 1, LONG_MS, &size), TR_EEND);
        tr_close(here);
    }
}

TEST(socket_active, a_stream_arrives_whole_in_order_and_then_its_end) { run_as_root(stream_body); }

static void reset_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket here;
    int peer;
    const struct linger reset = { .l_onoff = 1 };
    make_half_pair(&here, &peer);
    CHECK_EQ(tr_socket_active(here, 10), TR_OK);
    CHECK_EQ(setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    close(peer);
    const tr_socket_event *event = next_event(here);
    CHECK_EQ(event->what, TR_SOCKET_ERROR);
    CHECK_EQ(event->error, ECONNRESET);
    CHECK_EQ(tr_socket_error(here), ECONNRESET);
    expect_nothing();
}

TEST(socket_active, a_reset_is_an_error_message) { run_as_root(reset_body); }

/* ---- changes under way */

static void close_body(const tr_msg *unused)
{
    (void)unused;
    for (int round = 0; round < 100; round++) {
        tr_socket here;
        int peer;
        make_half_pair(&here, &peer);
        CHECK_EQ(tr_socket_active(here, 1000), TR_OK);
        for (int i = 0; i < round % 8; i++)
            peer_send(peer, "data", 4);
        if (round % 3 == 0)
            tr_yield();
        if (round % 2 == 0)
            CHECK_EQ(tr_socket_active(here, 0), TR_OK);
        tr_close(here);
        close(peer);
        while (tr_receive_match(&(tr_match){ .tag = TR_MSG_SOCKET }, 0) != NULL)
            ;
    }
}

TEST(socket_active, closing_under_arriving_data_is_safe) { run_as_root(close_body); }

static void takes_over(const tr_msg *arg)
{
    tr_socket socket = *(const tr_socket *)tr_expect(arg, sizeof socket);
    CHECK(tr_receive_match(&(tr_match){ .tag = 1 }, LONG_MS) != NULL);
    CHECK_EQ(tr_socket_active(socket, 5), TR_OK);
    const tr_socket_event *event = next_event(socket);
    CHECK_EQ(event->what, TR_SOCKET_DATA);
    CHECK_EQ(event->size, 4);
    CHECK_EQ(next_event(socket)->what, TR_SOCKET_END);
}

static void give_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket here;
    int peer;
    make_half_pair(&here, &peer);
    CHECK_EQ(tr_socket_active(here, 100), TR_OK);
    tr_pid other = tr_spawn(takes_over, &here, sizeof here);
    CHECK_EQ(tr_socket_give(here, other), TR_OK); /* passive from here on, until its owner says otherwise */
    CHECK_EQ(tr_socket_active(here, 100), TR_EINVAL);
    peer_send(peer, "data", 4);
    close(peer);
    expect_nothing();
    tr_send(other, 1, NULL, 0);
    await_end(other);
}

TEST(socket_active, a_gift_ends_active_mode) { run_as_root(give_body); }

/* ---- listeners */

static void listener_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket listener = must_listen("tcp://127.0.0.1:0"), connection;
    int port = tr_socket_port(listener), peers[4];
    peers[0] = peer_connect(port); /* before it is active */
    CHECK_EQ(tr_socket_active(listener, 3), TR_OK);
    CHECK_EQ(tr_accept(listener, 0, &connection), TR_EINVAL);
    for (int i = 1; i < 4; i++)
        peers[i] = peer_connect(port);
    tr_socket accepted[4];
    for (int i = 0; i < 3; i++) {
        const tr_socket_event *event = next_event(listener);
        CHECK_EQ(event->what, TR_SOCKET_CONNECTION);
        accepted[i] = event->accepted;
    }
    CHECK_EQ(next_event(listener)->what, TR_SOCKET_PASSIVE);
    accepted[3] = must_accept(listener);
    tr_close(listener); /* they stay */
    for (int i = 0; i < 4; i++) {
        char byte;
        CHECK_EQ(tr_write(accepted[i], "x", 1, LONG_MS), TR_OK);
        CHECK_EQ(peer_receive(peers[i], &byte, 1), 1);
        close(peers[i]);
    }
}

TEST(socket_active, a_listener_sends_connections_that_are_the_receivers) { run_as_root(listener_body); }

static void accepts_and_ends(const tr_msg *arg)
{
    tr_socket listener = must_listen("tcp://127.0.0.1:0");
    int port = tr_socket_port(listener);
    CHECK_EQ(tr_socket_active(listener, 1000), TR_OK);
    tr_send(*(const tr_pid *)tr_expect(arg, sizeof(tr_pid)), 1, &port, sizeof port);
    CHECK_EQ(next_event(listener)->what, TR_SOCKET_CONNECTION);
} /* without a look at what was accepted */

static void end_body(const tr_msg *unused)
{
    (void)unused;
    for (int round = 0; round < 20; round++) {
        tr_pid self = tr_self();
        tr_pid owner = tr_spawn(accepts_and_ends, &self, sizeof self);
        const tr_msg *told = tr_receive_match(&(tr_match){ .tag = 1 }, LONG_MS);
        CHECK(told != NULL);
        int peer = peer_connect(*(const int *)tr_expect(told, sizeof(int)));
        char byte;
        CHECK_EQ(peer_receive(peer, &byte, 1), 0);
        close(peer);
        await_end(owner);
    }
}

TEST(socket_active, connections_that_nobody_looked_at_end_with_their_owner) { run_as_root(end_body); }

static void exhausted_body(const tr_msg *unused)
{
    (void)unused;
    struct rlimit before;
    tr_socket listener = must_listen("tcp://127.0.0.1:0");
    int peers[2] = { peer_connect(tr_socket_port(listener)), peer_connect(tr_socket_port(listener)) };
    CHECK_EQ(tr_socket_active(listener, 1), TR_OK);
    CHECK_EQ(next_event(listener)->what, TR_SOCKET_CONNECTION);
    CHECK_EQ(next_event(listener)->what, TR_SOCKET_PASSIVE);
    int lowest = dup(0);
    CHECK(lowest >= 0);
    close(lowest);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit tight = { .rlim_cur = (rlim_t)lowest, .rlim_max = before.rlim_max };
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
    CHECK_EQ(tr_socket_active(listener, 1), TR_OK);
    expect_nothing();
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0); /* nobody tells the runtime */
    CHECK_EQ(next_event(listener)->what, TR_SOCKET_CONNECTION);
    close(peers[0]);
    close(peers[1]);
}

TEST(socket_active, a_listener_without_descriptors_goes_on_when_there_are_some)
{
    if (HARNESS_SIMULATED)
        SKIP("the limit of the system's descriptors; simulation/starved_test.c has the simulator's");
    run_as_root(exhausted_body);
}
