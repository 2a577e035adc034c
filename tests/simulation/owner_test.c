/* owner_test.c: who owns a socket, and active mode: gifts, closes and ends while data or connections arrive. */
#include "simulation/streams.h"

/* ---- a gift that comes, or does not */

enum fate { GIVEN, GIVEN_AWAY, USED, CLOSED, ENDED, FATES };

struct hope {
    tr_socket socket;
    enum fate fate;
};

static void hopeful(const tr_msg *arg)
{
    const struct hope *hope = tr_expect(arg, sizeof *hope);
    tr_socket socket = hope->socket;
    enum fate fate = hope->fate;
    char byte;
    size_t size;
    if (tr_sim_random(2) == 0)
        tr_sleep(tr_sim_random(3));
    int status = tr_read(socket, &byte, 1, TR_INFINITY, &size);
    if (fate == GIVEN)
        CHECK_EQ(status, TR_OK);
    else if (fate == GIVEN_AWAY) /* who asks only now waits on: the other may give it, too; until that is gone */
        CHECK(status == TR_EINVAL || status == TR_EEND);
    else if (fate == USED)
        CHECK_EQ(status, TR_EINVAL);
    else /* closed is the last use, and for a moment it is still the other's */
        CHECK(status == TR_EINVAL || status == TR_EEND);
}

static void waiting_owner(const tr_msg *arg)
{
    (void)arg;
    await_tag(LAST);
}

static void accepting_owner(const tr_msg *arg)
{
    tr_socket client, accepted;
    int port = port_of(arg);
    tr_socket listener = must_listen(port);
    client = must_connect(port);
    accepted = must_accept(listener);
    struct hope hope = { accepted, tr_sim_random(FATES) };
    tr_ref monitor;
    tr_pid reader = tr_spawn_monitor(hopeful, &hope, sizeof hope, &monitor);
    tr_pid other = tr_spawn(waiting_owner, NULL, 0);
    if (tr_sim_random(2) == 0)
        tr_sleep(tr_sim_random(3));
    switch (hope.fate) {
    case GIVEN:
        CHECK_EQ(tr_socket_give(accepted, reader), TR_OK);
        CHECK_EQ(tr_write(client, "x", 1, TR_INFINITY), TR_OK);
        break;
    case GIVEN_AWAY: CHECK_EQ(tr_socket_give(accepted, other), TR_OK); break;
    case USED: CHECK_EQ(tr_write(accepted, "y", 1, TR_INFINITY), TR_OK); break;
    case CLOSED: tr_close(accepted); break;
    default: tr_send(other, LAST, NULL, 0); return;
    }
    if (hope.fate == GIVEN_AWAY)
        tr_exit_signal(other, TR_KILL);
    tr_reason reason;
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    tr_send(other, LAST, NULL, 0);
}

static void hopes(void)
{
    for (int port = 7000; port < 7006; port++)
        await_end(tr_spawn(accepting_owner, &port, sizeof port));
    tr_sleep(20); /* those whose owner ended */
}
TEST(owner, who_waits_for_a_gift_in_vain_is_told) { simulate(0, hopes); }

/* ---- active mode and its end */

enum { STREAM = 12000 };

static void stream_writer(const tr_msg *arg)
{
    static unsigned char data[STREAM];
    fill_pattern(data, STREAM, 0);
    for (size_t at = 0, size; at < STREAM; at += size) {
        size = 1 + tr_sim_random(700);
        size = size > STREAM - at ? STREAM - at : size;
        CHECK_EQ(tr_write(socket_of(arg), data + at, size, TR_INFINITY), TR_OK);
    }
}

/* The size of the next data; 0: something else, or nothing in time. */
static size_t take_event(size_t have, int64_t timeout_ms)
{
    const tr_msg *message = tr_receive_match(&(tr_match){ .tag = TR_MSG_SOCKET }, timeout_ms);
    const tr_socket_event *event = message == NULL ? NULL : tr_body(message);
    if (event == NULL || event->what != TR_SOCKET_DATA)
        return 0;
    check_pattern((const unsigned char *)(event + 1), event->size, have);
    return event->size;
}

static void heir(const tr_msg *arg)
{
    unsigned char data[1000];
    size_t size, have = *(const size_t *)tr_expect(await_tag(GO), sizeof have);
    int status;
    while ((status = tr_read(socket_of(arg), data, sizeof data, TR_INFINITY, &size)) == TR_OK) {
        check_pattern(data, size, have);
        have += size;
    }
    CHECK_EQ(status, TR_EEND);
    CHECK_EQ(have, STREAM);
}

static void active_gift(void)
{
    tr_socket here, there;
    tr_ref monitor;
    size_t have = 0, more;
    make_pair(&here, &there);
    CHECK_EQ(tr_socket_active(here, 1000000), TR_OK);
    give_to_new(there, stream_writer);
    for (uint32_t events = 1 + tr_sim_random(4); events > 0 && have < STREAM; events--)
        have += take_event(have, TR_INFINITY);
    tr_pid to = tr_spawn_monitor(heir, &here, sizeof here, &monitor);
    CHECK_EQ(tr_socket_give(here, to), TR_OK); /* passive from here on: what is in the mailbox is all */
    while ((more = take_event(have, 0)) > 0)
        have += more;
    CHECK(tr_receive_match(&(tr_match){ .tag = TR_MSG_SOCKET }, tr_sim_random(100)) == NULL);
    tr_send(to, GO, &have, sizeof have);
    await_all(&monitor, 1);
}
/* at least two more reads are left for the heir */
SIM_TEST(owner, a_gift_ends_active_mode_in_the_middle_of_a_stream, .buffer_bytes = 1024) { simulate(0, active_gift); }

static void endless_writer(const tr_msg *arg)
{
    static char data[300];
    int status;
    while ((status = tr_write(socket_of(arg), data, 1 + tr_sim_random(sizeof data), TR_INFINITY)) == TR_OK)
        if (tr_sim_random(4) == 0)
            tr_sleep(1);
    check_over(socket_of(arg), status);
}

static void closed_under_data(void)
{
    for (int round = 0; round < 5; round++) {
        tr_socket here, there;
        make_pair(&here, &there);
        CHECK_EQ(tr_socket_active(here, 1000000), TR_OK);
        tr_pid writer = give_to_new(there, endless_writer);
        tr_sleep(tr_sim_random(40));
        tr_close(here);
        await_end(writer);
        while (tr_receive_match(&(tr_match){ .tag = TR_MSG_SOCKET }, 0) != NULL)
            ;
        CHECK(tr_receive_match(&(tr_match){ .tag = TR_MSG_SOCKET }, 50) == NULL);
    }
}
TEST(owner, an_active_socket_may_be_closed_under_arriving_data) { simulate(0, closed_under_data); }

/* ---- more than the poller takes at a time */

enum { CROWD = 40 };

static void one_of_many(const tr_msg *arg)
{
    tr_socket socket = must_connect(port_of(arg));
    char byte;
    size_t size;
    CHECK_EQ(tr_read(socket, &byte, 1, TR_INFINITY, &size), TR_EEND);
}

static void crowd(void)
{
    tr_ref monitors[CROWD];
    tr_socket listener = must_listen(0);
    int port = tr_socket_port(listener);
    for (int i = 0; i < CROWD; i++)
        tr_spawn_monitor(one_of_many, &port, sizeof port, &monitors[i]);
    tr_sleep(1000); /* all wait to be accepted: no further edge will come */
    CHECK_EQ(tr_socket_active(listener, CROWD), TR_OK);
    for (int i = 0; i < CROWD; i++) {
        const tr_socket_event *event = tr_body(await_tag(TR_MSG_SOCKET));
        CHECK_EQ(event->what, TR_SOCKET_CONNECTION);
        tr_close(event->accepted);
    }
    await_all(monitors, CROWD);
}
TEST(owner, an_active_listener_tells_of_all_who_wait) { simulate(0, crowd); }

/* ---- whoever crashes */

enum { RELAY = 4000 };

static void relay_sender(const tr_msg *arg)
{
    char data[400] = { 0 };
    size_t size;
    tr_socket socket = socket_of(arg);
    int status = TR_OK;
    for (size_t sent = 0; sent < RELAY && status == TR_OK; sent += sizeof data)
        status = tr_write(socket, data, sizeof data, TR_INFINITY);
    if (status == TR_OK)
        status = tr_shutdown_write(socket);
    while (status == TR_OK)
        status = tr_read(socket, data, sizeof data, TR_INFINITY, &size);
    CHECK(status == TR_EEND || status == TR_EIO);
}

static void relay(const tr_msg *arg);

/* Linked: who gives and crashes before it has said so takes the other with it. */
static void hand_on(tr_socket socket)
{
    tr_pid to = tr_spawn_with(relay, &socket, sizeof socket,
                              &(tr_spawn_options){ .label = "relay", .flags = TR_SPAWN_LINK });
    int status = tr_socket_give(socket, to);
    CHECK(status == TR_OK || status == TR_ENOPROC);
    if (status != TR_OK)
        tr_close(socket);
    tr_send(to, GO, NULL, 0);
}

/* Reads a while, by call or by messages, and hands the socket on; each may crash at any of this. */
static void relay(const tr_msg *arg)
{
    char data[300];
    size_t size;
    tr_socket socket = socket_of(arg);
    await_tag(GO);
    for (uint32_t reads = 1 + tr_sim_random(4); reads > 0; reads--)
        if (tr_read(socket, data, sizeof data, TR_INFINITY, &size) != TR_OK)
            return;
    CHECK_EQ(tr_socket_active(socket, 2), TR_OK);
    for (const tr_socket_event *event; (event = tr_body(await_tag(TR_MSG_SOCKET)))->what != TR_SOCKET_PASSIVE;)
        if (event->what != TR_SOCKET_DATA)
            return;
    hand_on(socket);
}

static void crashing_relays(void)
{
    enum { CHAINS = 3 };
    tr_ref monitors[CHAINS];
    tr_socket listener = must_listen(0);
    tr_trap_exit(true);
    tr_sim_inject(true);
    for (int i = 0; i < CHAINS; i++) {
        tr_socket here = must_connect(tr_socket_port(listener));
        tr_pid sender = tr_spawn_monitor(relay_sender, &here, sizeof here, &monitors[i]);
        CHECK_EQ(tr_socket_give(here, sender), TR_OK);
        hand_on(must_accept(listener));
    }
    await_all(monitors, CHAINS);
}
SIM_TEST(owner, who_crashes_with_a_socket_leaves_nobody_waiting,
         .faults = { .crash = 20000, .most = 5, .victims = "relay" })
{
    simulate(0, crashing_relays);
}
