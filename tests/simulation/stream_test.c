/* stream_test.c: sockets over simulated connections: what goes in comes out, in order, whoever reads and however; ends
 * are ends, and nobody waits in vain. Latency and buffers are the seed's. */
#include "simulation/streams.h"

/* ---- an echo server with many clients */

enum { CLIENTS = 6, ROUNDS = 6, ECHO_MOST = 160 /* what a connection takes although nobody reads */ };

/* Tells its port, and gives each connection to a new process. */
static void serve(const tr_msg *arg, tr_entry *connection)
{
    tr_socket listener = must_listen(0);
    int port = tr_socket_port(listener);
    tr_send(*(const tr_pid *)tr_expect(arg, sizeof(tr_pid)), READY, &port, sizeof port);
    for (;;)
        give_to_new(must_accept(listener), connection);
}

static void echo_server(const tr_msg *arg) { serve(arg, echo_all); }

static int start_server(tr_entry *server, tr_pid *pid)
{
    tr_pid self = tr_self();
    *pid = tr_spawn(server, &self, sizeof self);
    return port_of(await_tag(READY));
}

static void echo_client(const tr_msg *arg)
{
    tr_socket socket = must_connect(port_of(arg));
    unsigned char data[ECHO_MOST];
    for (int round = 0; round < ROUNDS; round++) {
        size_t size = 1 + tr_sim_random(ECHO_MOST), from = tr_sim_random(10000);
        fill_pattern(data, size, from);
        CHECK_EQ(tr_write(socket, data, size, TR_INFINITY), TR_OK);
        memset(data, 0, size);
        CHECK_EQ(read_all(socket, data, size), TR_OK);
        check_pattern(data, size, from);
    }
}

static void start_clients(tr_entry *client, int port, tr_ref *monitors, int count)
{
    for (int i = 0; i < count; i++)
        tr_spawn_monitor(client, &port, sizeof port, &monitors[i]);
}

static void many_clients(void)
{
    tr_pid server;
    tr_ref monitors[CLIENTS];
    int port = start_server(echo_server, &server);
    start_clients(echo_client, port, monitors, CLIENTS);
    await_all(monitors, CLIENTS);
    kill_and_await(server);
}
TEST(stream, each_client_of_an_echo_gets_back_its_own) { simulate(0, many_clients); }

/* ---- connections come and go, each end in its own way */

enum { CHURNERS = 4, VISITS = 6 };

static int visits_begun, visits_ended;

static void note_end(void *arg)
{
    (void)arg;
    visits_ended++;
}

/* One end of a connection does one of the things that one can do before its own end. */
static void misbehave(tr_socket socket)
{
    char data[300] = { 0 };
    size_t size;
    int status = TR_OK;
    switch (tr_sim_random(5)) {
    case 0: return;
    case 1: status = tr_write(socket, data, 1 + tr_sim_random(sizeof data), 50); break; /* both may, and nobody read */
    case 2: status = tr_read(socket, data, sizeof data, tr_sim_random(5), &size); break;
    case 3:
        status = tr_shutdown_write(socket);
        while (status == TR_OK)
            status = tr_read(socket, data, sizeof data, 50, &size);
        break;
    default: tr_close(socket);
    }
    if (status != TR_OK && status != TR_ETIMEDOUT && !(status == TR_EIO && tr_socket_error(socket) == ENOTCONN))
        check_over(socket, status);
}

static void visited(const tr_msg *arg)
{
    tr_must(tr_defer(note_end, NULL));
    visits_begun++;
    await_tag(GO);
    misbehave(socket_of(arg));
}

static void visited_server(const tr_msg *arg) { serve(arg, visited); }

static void visitor(const tr_msg *arg)
{
    for (int i = 0; i < VISITS; i++) {
        tr_socket socket = must_connect(port_of(arg));
        misbehave(socket);
        tr_close(socket);
    }
}

static void churn(void)
{
    tr_pid server;
    tr_ref monitors[CHURNERS];
    int port = start_server(visited_server, &server);
    start_clients(visitor, port, monitors, CHURNERS);
    await_all(monitors, CHURNERS);
    while (visits_ended < CHURNERS * VISITS)
        tr_sleep(1);
    CHECK_EQ(visits_begun, CHURNERS * VISITS);
    kill_and_await(server);
}
SIM_TEST(stream, every_connection_is_accepted_and_ends, .max_ms = 60000) { simulate(0, churn); }

/* ---- a socket goes from hand to hand, in active mode and by call */

enum { STREAM = 20000 };

struct stage {
    tr_socket socket;
    tr_pid root;
    size_t have;
};

static void stream_writer(const tr_msg *arg)
{
    static unsigned char data[STREAM];
    fill_pattern(data, STREAM, 0);
    tr_socket socket = socket_of(arg);
    for (size_t at = 0, size; at < STREAM; at += size) {
        size = 1 + tr_sim_random(2000);
        size = size > STREAM - at ? STREAM - at : size;
        CHECK_EQ(tr_write(socket, data + at, size, TR_INFINITY), TR_OK);
    }
}

/* Takes some messages; false: the stream has ended. */
static bool take_events(struct stage *stage)
{
    CHECK_EQ(tr_socket_active(stage->socket, 1 + (int)tr_sim_random(4)), TR_OK);
    for (;;) {
        const tr_socket_event *event = tr_body(await_tag(TR_MSG_SOCKET));
        CHECK(event->socket.id == stage->socket.id);
        if (event->what != TR_SOCKET_DATA) {
            CHECK(event->what == TR_SOCKET_PASSIVE || event->what == TR_SOCKET_END);
            return event->what == TR_SOCKET_PASSIVE;
        }
        check_pattern((const unsigned char *)(event + 1), event->size, stage->have);
        stage->have += event->size;
    }
}

static bool take_by_call(struct stage *stage)
{
    unsigned char data[1500];
    size_t size;
    int status = tr_read(stage->socket, data, 1 + tr_sim_random(sizeof data), tr_sim_random(3), &size);
    CHECK(status == TR_OK || status == TR_ETIMEDOUT || status == TR_EEND);
    if (status == TR_OK) {
        check_pattern(data, size, stage->have);
        stage->have += size;
    }
    return status != TR_EEND;
}

static void holder(const tr_msg *arg)
{
    struct stage stage = *(const struct stage *)tr_expect(arg, sizeof stage);
    await_tag(GO);
    while (tr_sim_random(3) == 0 ? take_events(&stage) : take_by_call(&stage)) {
        if (tr_sim_random(8) > 0)
            continue;
        tr_pid heir = tr_spawn(holder, &stage, sizeof stage);
        CHECK_EQ(tr_socket_give(stage.socket, heir), TR_OK);
        tr_send(heir, GO, NULL, 0);
        return;
    }
    CHECK_EQ(stage.have, STREAM);
    tr_send(stage.root, ANSWER, NULL, 0);
}

static void hand_over(void)
{
    tr_socket here, there;
    make_pair(&here, &there);
    struct stage stage = { .socket = there, .root = tr_self() };
    tr_pid first = tr_spawn(holder, &stage, sizeof stage);
    CHECK_EQ(tr_socket_give(there, first), TR_OK);
    tr_send(first, GO, NULL, 0);
    give_to_new(here, stream_writer);
    await_tag(ANSWER);
}
TEST(stream, a_stream_from_hand_to_hand_loses_nothing) { simulate(0, hand_over); }

/* A process that was told of a fresh connection reads before it owns it. */
static void eager(const tr_msg *arg)
{
    char word[4];
    CHECK_EQ(read_all(socket_of(arg), word, sizeof word), TR_OK);
    CHECK(memcmp(word, "good", sizeof word) == 0);
}

static void told_first(void)
{
    tr_socket listener = must_listen(0), client = must_connect(tr_socket_port(listener));
    tr_socket accepted = must_accept(listener);
    tr_ref monitor;
    tr_pid reader = tr_spawn_monitor(eager, &accepted, sizeof accepted, &monitor);
    CHECK_EQ(tr_write(client, "good", 4, TR_INFINITY), TR_OK);
    tr_sleep(tr_sim_random(3));
    CHECK_EQ(tr_socket_give(accepted, reader), TR_OK);
    await_all(&monitor, 1);
}
TEST(stream, a_fresh_connection_may_be_read_before_it_is_given) { simulate(0, told_first); }

/* ---- a slow reader */

enum { MUCH = 600 * 1024, IN_BUFFERS = 450 * 1024 /* more than a connection and its reader ever hold */ };

static size_t written, taken;

static void flood(const tr_msg *arg)
{
    enum { PART = 20 * 1024 };
    static unsigned char data[PART];
    tr_socket socket = socket_of(arg);
    for (size_t at = 0; at < MUCH; at += PART) {
        fill_pattern(data, PART, at);
        CHECK_EQ(tr_write(socket, data, PART, TR_INFINITY), TR_OK);
        written += PART;
        CHECK(written - taken <= IN_BUFFERS);
    }
}

static void slow_reader(void)
{
    static unsigned char data[50 * 1024];
    tr_socket here, there;
    make_pair(&here, &there);
    give_to_new(there, flood);
    tr_sleep(200);
    int status;
    for (size_t size; (status = tr_read(here, data, sizeof data, TR_INFINITY, &size)) == TR_OK; taken += size) {
        check_pattern(data, size, taken);
        if (tr_sim_random(4) == 0)
            tr_sleep(tr_sim_random(10));
    }
    CHECK_EQ(status, TR_EEND);
    CHECK_EQ(taken, MUCH);
}
TEST(stream, a_slow_reader_stops_the_writer) { simulate(0, slow_reader); }

static void stuck_writer(void)
{
    static char data[MUCH];
    tr_socket here, there;
    make_pair(&here, &there);
    int64_t begin = tr_now_ns();
    CHECK_EQ(tr_write(here, data, sizeof data, 30), TR_ETIMEDOUT);
    CHECK(tr_now_ns() - begin >= 30 * 1000000);
    CHECK_EQ(tr_write(here, data, sizeof data, 0), TR_ETIMEDOUT);
    tr_close(there); /* with what was not read */
    int status = tr_write(here, data, sizeof data, TR_INFINITY);
    CHECK_EQ(status, TR_EIO);
    check_over(here, status);
}
TEST(stream, a_write_that_nobody_reads_times_out_and_a_close_ends_it) { simulate(0, stuck_writer); }

/* ---- ends */

static void summer(const tr_msg *arg)
{
    tr_socket socket = socket_of(arg);
    unsigned char data[128];
    uint64_t sum = 0;
    int status;
    for (size_t size; (status = tr_read(socket, data, sizeof data, TR_INFINITY, &size)) == TR_OK;)
        for (size_t i = 0; i < size; i++)
            sum += data[i];
    CHECK_EQ(status, TR_EEND);
    CHECK_EQ(tr_write(socket, &sum, sizeof sum, TR_INFINITY), TR_OK);
}

static void half_close(void)
{
    tr_socket here, there;
    unsigned char data[3000], more;
    uint64_t sum = 0, told;
    size_t size;
    make_pair(&here, &there);
    give_to_new(there, summer);
    fill_pattern(data, sizeof data, 0);
    for (size_t i = 0; i < sizeof data; i++)
        sum += data[i];
    CHECK_EQ(tr_write(here, data, sizeof data, TR_INFINITY), TR_OK);
    CHECK_EQ(tr_shutdown_write(here), TR_OK);
    CHECK_EQ(read_all(here, &told, sizeof told), TR_OK);
    CHECK_EQ(told, sum);
    CHECK_EQ(tr_read(here, &more, 1, TR_INFINITY, &size), TR_EEND);
    CHECK_EQ(tr_write(here, "x", 1, TR_INFINITY), TR_EIO);
    CHECK_EQ(tr_socket_error(here), EPIPE);
}
TEST(stream, a_half_close_ends_one_direction_only) { simulate(0, half_close); }

static void unread(const tr_msg *arg)
{
    char byte;
    size_t size;
    CHECK_EQ(tr_read(socket_of(arg), &byte, 1, TR_INFINITY, &size), TR_OK);
    tr_sleep(200); /* the rest has arrived, and nobody takes it */
}

static void reset_seen(void)
{
    tr_socket here, there;
    char byte;
    size_t size;
    make_pair(&here, &there);
    tr_pid reader = give_to_new(there, unread);
    CHECK_EQ(tr_write(here, "abcdefgh", 8, TR_INFINITY), TR_OK);
    await_end(reader);
    CHECK_EQ(tr_read(here, &byte, 1, TR_INFINITY, &size), TR_EIO);
    CHECK_EQ(tr_socket_error(here), ECONNRESET);
    CHECK_EQ(tr_write(here, "x", 1, TR_INFINITY), TR_EIO);
    CHECK_EQ(tr_socket_error(here), EPIPE);
}
TEST(stream, who_ends_with_unread_data_resets_its_peer) { simulate(0, reset_seen); }

static void brief_listener(const tr_msg *arg)
{
    tr_socket listener = must_listen(7000), accepted;
    (void)arg;
    tr_sleep(tr_sim_random(3));
    while (tr_sim_random(3) > 0 && tr_accept(listener, 1, &accepted) == TR_OK)
        ;
} /* its end closes what it has accepted, and what waits */

static void knocker(const tr_msg *arg)
{
    tr_socket socket;
    char byte;
    size_t size;
    (void)arg;
    for (int tries = 0; tries < 8; tries++) {
        int status = try_connect(7000, TR_INFINITY, &socket);
        if (status == TR_OK) {
            status = tr_read(socket, &byte, 1, TR_INFINITY, &size);
            check_over(socket, status);
            tr_close(socket);
        } else {
            CHECK_EQ(status, TR_EIO);
            CHECK(tr_socket_error(socket) == ECONNREFUSED || tr_socket_error(socket) == ECONNRESET);
            tr_sleep(1);
        }
    }
}

static void closing_listener(void)
{
    tr_ref monitors[3];
    for (int i = 0; i < 3; i++)
        tr_spawn_monitor(knocker, NULL, 0, &monitors[i]);
    for (int i = 0; i < 4; i++)
        await_end(tr_spawn(brief_listener, NULL, 0));
    await_all(monitors, 3);
}
TEST(stream, a_listener_that_closes_leaves_nobody_waiting) { simulate(0, closing_listener); }
