/* starved_test.c: sockets when the system has no descriptor or no memory: accepting goes on when there are some again,
 * whoever frees them; nothing is lost but what was refused. */
#include "simulation/streams.h"

enum { GUESTS = 4 };

static void guest(const tr_msg *arg)
{
    tr_socket socket = must_connect(port_of(arg));
    char byte;
    size_t size;
    CHECK_EQ(tr_write(socket, "?", 1, TR_INFINITY), TR_OK);
    CHECK_EQ(tr_read(socket, &byte, 1, TR_INFINITY, &size), TR_OK);
    CHECK_EQ(byte, '!');
}

static void host(const tr_msg *arg)
{
    tr_socket socket = socket_of(arg);
    char byte;
    size_t size;
    CHECK_EQ(tr_read(socket, &byte, 1, TR_INFINITY, &size), TR_OK);
    tr_sleep(tr_sim_random(30));
    CHECK_EQ(tr_write(socket, "!", 1, TR_INFINITY), TR_OK);
}

static void start_guests(int port, tr_ref *monitors)
{
    for (int i = 0; i < GUESTS; i++)
        tr_spawn_monitor(guest, &port, sizeof port, &monitors[i]);
}

/* One descriptor too few for two connections at a time: each accept waits until the one before is closed. */
static void one_at_a_time(void)
{
    tr_ref monitors[GUESTS];
    tr_socket listener = must_listen(0);
    start_guests(tr_socket_port(listener), monitors);
    tr_sleep(1000); /* all wait to be accepted */
    tr_sim_descriptors(1);
    for (int i = 0; i < GUESTS; i++)
        give_to_new(must_accept(listener), host);
    tr_sim_descriptors(-1);
    await_all(monitors, GUESTS);
}
TEST(starved, an_accept_without_descriptors_waits_for_one) { simulate(0, one_at_a_time); }

static void active_one_at_a_time(void)
{
    tr_ref monitors[GUESTS];
    tr_socket listener = must_listen(0);
    start_guests(tr_socket_port(listener), monitors);
    tr_sleep(1000);
    CHECK_EQ(tr_socket_active(listener, GUESTS), TR_OK);
    tr_sim_descriptors(1);
    for (int i = 0; i < GUESTS; i++) {
        const tr_socket_event *event = tr_body(await_tag(TR_MSG_SOCKET));
        CHECK_EQ(event->what, TR_SOCKET_CONNECTION);
        give_to_new(event->accepted, host);
    }
    CHECK_EQ(((const tr_socket_event *)tr_body(await_tag(TR_MSG_SOCKET)))->what, TR_SOCKET_PASSIVE);
    tr_sim_descriptors(-1);
    await_all(monitors, GUESTS);
}
TEST(starved, an_active_listener_without_descriptors_goes_on) { simulate(0, active_one_at_a_time); }

static void nothing_to_be_had(void)
{
    tr_socket listener = must_listen(0), connection, second;
    int port = tr_socket_port(listener);
    tr_ref monitor;
    tr_spawn_monitor(guest, &port, sizeof port, &monitor);
    tr_sleep(1000);
    tr_sim_descriptors(0);
    int64_t begin = tr_now_ns();
    CHECK_EQ(tr_accept(listener, 300, &connection), TR_ELIMIT);
    CHECK(tr_now_ns() - begin >= 300 * 1000000);
    CHECK_EQ(try_connect(port, TR_INFINITY, &connection), TR_ELIMIT);
    CHECK_EQ(try_listen(0, &second), TR_ELIMIT);
    tr_sim_descriptors(-1); /* nobody tells: it looks by itself */
    give_to_new(must_accept(listener), host);
    await_all(&monitor, 1);
}
TEST(starved, out_of_descriptors_is_a_limit_and_passes) { simulate(0, nothing_to_be_had); }

static void active_looks_again(void)
{
    tr_socket listener = must_listen(0), other = must_listen(0);
    int port = tr_socket_port(listener);
    tr_ref monitor;
    CHECK_EQ(tr_socket_active(other, 1), TR_OK); /* active mode has its own descriptor from here on */
    tr_spawn_monitor(guest, &port, sizeof port, &monitor);
    tr_sleep(1000);
    tr_sim_descriptors(0);
    CHECK_EQ(tr_socket_active(listener, 1), TR_OK);
    CHECK(tr_receive_match(&(tr_match){ .tag = TR_MSG_SOCKET }, 500) == NULL);
    tr_sim_descriptors(-1); /* nobody tells, and nothing is closed */
    const tr_socket_event *event = tr_body(await_tag(TR_MSG_SOCKET));
    CHECK_EQ(event->what, TR_SOCKET_CONNECTION);
    give_to_new(event->accepted, host);
    await_all(&monitor, 1);
}
TEST(starved, an_active_listener_looks_again_by_itself) { simulate(0, active_looks_again); }

static int64_t fed_ns;

static void feeder(const tr_msg *arg)
{
    (void)arg;
    await_tag(GO);
    tr_sleep(3000 + tr_sim_random(2000)); /* by now the acceptor looks only once in a second */
    fed_ns = tr_now_ns();
}

static void fed_at_once(void)
{
    tr_socket listener = must_listen(0), here, there;
    int port = tr_socket_port(listener);
    tr_ref monitor;
    make_pair(&here, &there);
    tr_spawn_monitor(guest, &port, sizeof port, &monitor);
    tr_sleep(1000);
    tr_sim_descriptors(0);
    give_to_new(here, feeder); /* its end closes it */
    tr_socket accepted = must_accept(listener);
    CHECK(fed_ns > 0 && tr_now_ns() - fed_ns < 100 * 1000000);
    tr_sim_descriptors(-1);
    give_to_new(accepted, host);
    await_all(&monitor, 1);
}
TEST(starved, a_socket_that_closes_feeds_who_waits) { simulate(0, fed_at_once); }

/* ---- now and then there is none, or no memory */

static void tolerant_guest(const tr_msg *arg)
{
    tr_socket socket;
    char byte;
    size_t size;
    for (;;) {
        int status = try_connect(port_of(arg), TR_INFINITY, &socket);
        if (status == TR_OK)
            status = tr_write(socket, "?", 1, TR_INFINITY);
        if (status == TR_OK)
            status = tr_read(socket, &byte, 1, TR_INFINITY, &size);
        tr_close(socket);
        if (status == TR_OK)
            return;
        CHECK(status == TR_ELIMIT || status == TR_ENOMEM || status == TR_EIO || status == TR_EEND);
        tr_sleep(1);
    }
}

static void tolerant_host(const tr_msg *arg)
{
    tr_socket socket = socket_of(arg);
    char byte;
    size_t size;
    if (tr_read(socket, &byte, 1, TR_INFINITY, &size) == TR_OK)
        (void)!tr_write(socket, "!", 1, TR_INFINITY);
}

static void tolerant_server(const tr_msg *arg)
{
    tr_socket listener = must_listen(0), accepted;
    int port = tr_socket_port(listener);
    tr_send(*(const tr_pid *)tr_expect(arg, sizeof(tr_pid)), READY, &port, sizeof port);
    for (;;) {
        int status = tr_accept(listener, TR_INFINITY, &accepted);
        CHECK(status == TR_OK || status == TR_ENOMEM || status == TR_ELIMIT);
        if (status == TR_OK)
            give_to_new(accepted, tolerant_host);
    }
}

static void with_shortages(void)
{
    tr_ref monitors[GUESTS];
    tr_pid self = tr_self(), server = tr_spawn(tolerant_server, &self, sizeof self);
    int port = port_of(await_tag(READY));
    tr_sim_inject(true);
    for (int i = 0; i < GUESTS; i++)
        tr_spawn_monitor(tolerant_guest, &port, sizeof port, &monitors[i]);
    for (int i = 0; i < GUESTS; i++) {
        tr_reason reason;
        CHECK_EQ(tr_await_down(monitors[i], TR_INFINITY, &reason), TR_OK);
        CHECK(reason.why == TR_WHY_NORMAL || reason.why == TR_WHY_SYSTEM_LIMIT);
    }
    tr_sim_inject(false);
    kill_and_await(server);
}
SIM_TEST(starved, guests_are_served_although_descriptors_are_short, .faults = { .no_descriptor = 300000, .most = 15 },
         .max_ms = 600000)
{
    simulate(0, with_shortages);
}
SIM_TEST(starved, guests_are_served_although_memory_is_short, .faults = { .no_memory = 200000, .most = 8 },
         .max_ms = 600000)
{
    simulate(0, with_shortages);
}
