/* socket_owner_test.c: whose a socket is: giving, the owner's end, and many connections at once. */
#include "socket_peer.h"

#include <netinet/tcp.h>
#include <sys/resource.h>

static void expect_end(int peer)
{
    char byte;
    CHECK_EQ(peer_receive(peer, &byte, 1), 0);
    close(peer);
}

/* ---- giving */

static void new_owner(const tr_msg *arg)
{
    tr_socket socket = *(const tr_socket *)tr_expect(arg, sizeof socket);
    CHECK(tr_receive_match(&(tr_match){ .tag = 1 }, LONG_MS) != NULL);
    char buffer[16];
    size_t size;
    CHECK_EQ(tr_read(socket, buffer, sizeof buffer, LONG_MS, &size), TR_OK); /* was there before the gift */
    CHECK_EQ(size, 5);
    CHECK_EQ(tr_write(socket, buffer, size, LONG_MS), TR_OK);
}

static void give_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket here;
    int peer;
    char buffer[16];
    size_t size;
    make_half_pair(&here, &peer);
    CHECK_EQ(tr_read(here, buffer, sizeof buffer, 0, &size), TR_ETIMEDOUT);
    peer_send(peer, "early", 5);
    tr_pid owner = tr_spawn(new_owner, &here, sizeof here);
    CHECK_EQ(tr_socket_give(here, tr_self()), TR_OK);
    CHECK_EQ(tr_socket_give(here, owner), TR_OK);
    CHECK_EQ(tr_read(here, buffer, sizeof buffer, LONG_MS, &size), TR_EINVAL);
    CHECK_EQ(tr_write(here, "x", 1, LONG_MS), TR_EINVAL);
    CHECK_EQ(tr_socket_give(here, tr_self()), TR_EINVAL);
    tr_close(here); /* does nothing */
    tr_send(owner, 1, NULL, 0);
    CHECK_EQ(peer_receive(peer, buffer, sizeof buffer), 5);
    expect_end(peer); /* with its owner */
}

TEST(socket_owner, a_gift_loses_no_data_and_no_readiness) { run_as_root(give_body); }

static void ends_at_once(const tr_msg *unused) { (void)unused; }

static void give_to_dead_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket here;
    int peer;
    make_half_pair(&here, &peer);
    tr_pid dead = tr_spawn(ends_at_once, NULL, 0);
    await_end(dead);
    CHECK_EQ(tr_socket_give(here, dead), TR_ENOPROC);
    CHECK_EQ(tr_socket_give(here, tr_name("nobody has this name")), TR_ENOPROC);
    CHECK_EQ(tr_write(here, "mine", 4, LONG_MS), TR_OK);
    close(peer);
}

TEST(socket_owner, what_a_dead_process_does_not_take_stays_the_givers) { run_as_root(give_to_dead_body); }

static void waits_for_message(const tr_msg *unused)
{
    (void)unused;
    CHECK(tr_receive_match(&(tr_match){ .tag = 1 }, LONG_MS) != NULL);
}

static void unused_gift_body(const tr_msg *unused)
{
    (void)unused;
    for (int round = 0; round < 50; round++) { /* the gift may come while it is ending */
        tr_socket here;
        int peer;
        make_half_pair(&here, &peer);
        tr_pid owner = tr_spawn(waits_for_message, NULL, 0);
        if (round % 2 == 0)
            tr_send(owner, 1, NULL, 0);
        if (tr_socket_give(here, owner) != TR_OK)
            tr_close(here);
        if (round % 2 == 1)
            tr_send(owner, 1, NULL, 0);
        expect_end(peer);
        await_end(owner);
    }
}

TEST(socket_owner, a_gift_that_was_never_used_ends_with_its_owner) { run_as_root(unused_gift_body); }

/* A child that was started with a socket may use it before its starter has given it. */
static void eager(const tr_msg *arg)
{
    tr_socket socket = *(const tr_socket *)tr_expect(arg, sizeof socket);
    char buffer[16];
    size_t size;
    CHECK_EQ(tr_read(socket, buffer, sizeof buffer, LONG_MS, &size), TR_OK);
    CHECK_EQ(tr_write(socket, buffer, size, LONG_MS), TR_OK);
}

static void eager_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket listener = must_listen("tcp://127.0.0.1:0");
    for (int round = 0; round < 20; round++) {
        char buffer[16];
        int peer = peer_connect(tr_socket_port(listener));
        tr_socket connection = must_accept(listener);
        tr_pid child = tr_spawn(eager, &connection, sizeof connection);
        if (round % 2 == 0)
            tr_sleep(2); /* it waits already */
        CHECK_EQ(tr_socket_give(connection, child), TR_OK);
        peer_send(peer, "ping", 4);
        CHECK_EQ(peer_receive(peer, buffer, sizeof buffer), 4);
        expect_end(peer);
    }
}

TEST(socket_owner, a_process_may_read_a_fresh_socket_before_it_is_given) { run_as_root(eager_body); }

static tr_pid root; /* who hears that it has waited in vain */

static void impatient(const tr_msg *arg)
{
    tr_socket socket = *(const tr_socket *)tr_expect(arg, sizeof socket);
    char buffer[16];
    size_t size;
    CHECK_EQ(tr_read(socket, buffer, sizeof buffer, 0, &size), TR_EINVAL);
    CHECK_EQ(tr_read(socket, buffer, sizeof buffer, 10, &size), TR_ETIMEDOUT);
    tr_send(root, 1, NULL, 0);
    CHECK_EQ(tr_read(socket, buffer, sizeof buffer, LONG_MS, &size), TR_EINVAL);
}

/* Starts one that has waited in vain already, and waits again. */
static tr_pid spawn_impatient(tr_socket socket)
{
    root = tr_self();
    tr_pid pid = tr_spawn(impatient, &socket, sizeof socket);
    CHECK(tr_receive_match(&(tr_match){ .tag = 1, .from = pid }, LONG_MS) != NULL);
    tr_sleep(20);
    return pid;
}

static void used_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket here, other;
    int peer, second;
    make_half_pair(&here, &peer);
    tr_pid child = spawn_impatient(here);
    CHECK_EQ(tr_write(here, "mine", 4, LONG_MS), TR_OK); /* used by its owner: nobody else waits for it */
    await_end(child);
    make_half_pair(&other, &second);
    child = spawn_impatient(other);
    tr_pid taker = tr_spawn(waits_for_message, NULL, 0);
    CHECK_EQ(tr_socket_give(other, taker), TR_OK);
    await_end(child);
    tr_send(taker, 1, NULL, 0);
    close(peer);
    expect_end(second);
}

TEST(socket_owner, who_waits_for_a_gift_in_vain_is_told) { run_as_root(used_body); }

/* ---- the owner's end */

static void parked_reader(const tr_msg *arg)
{
    tr_socket socket = *(const tr_socket *)tr_expect(arg, sizeof socket);
    char byte;
    size_t size;
    (void)!tr_read(socket, &byte, 1, TR_INFINITY, &size);
    CHECK(false); /* it was killed */
}

static void kill_body(const tr_msg *unused)
{
    (void)unused;
    for (int round = 0; round < 20; round++) {
        tr_socket here;
        int peer;
        make_half_pair(&here, &peer);
        tr_pid owner = tr_spawn(parked_reader, &here, sizeof here);
        CHECK_EQ(tr_socket_give(here, owner), TR_OK);
        if (round % 2 == 0)
            tr_sleep(2);
        CHECK_EQ(tr_exit_signal(owner, TR_KILL), TR_OK);
        RULE("PROC-09");
        expect_end(peer);
        await_end(owner);
    }
}

TEST(socket_owner, a_process_that_is_killed_in_a_read_closes_its_socket) { run_as_root(kill_body); }

/* ---- details of accepted sockets */

static void options_body(const tr_msg *unused)
{
    (void)unused;
    /* the descriptor numbers are not public: whoever has the peer's address is it */
    tr_socket here;
    int peer, found = 0;
    make_half_pair(&here, &peer);
    struct sockaddr_in mine = { .sin_family = AF_INET }, other = mine;
    socklen_t size = sizeof mine;
    CHECK_EQ(getsockname(peer, (struct sockaddr *)&mine, &size), 0);
    for (int fd = 0; fd < 1000; fd++) {
        size = sizeof other;
        if (getpeername(fd, (struct sockaddr *)&other, &size) < 0 || other.sin_port != mine.sin_port)
            continue;
        int on = 0;
        size = sizeof on;
        CHECK_EQ(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
        CHECK(on);
        found++;
    }
    CHECK_EQ(found, 1);
    close(peer);
}

TEST(socket_owner, accepted_connections_do_not_delay_small_writes)
{
    if (HARNESS_SIMULATED)
        SKIP("simulated descriptors have other numbers");
    run_as_root(options_body);
}

/* ---- many */

enum { MANY = HARNESS_SIMULATED ? 100 : 1000, ROUNDS = 3 };

static void connection(const tr_msg *arg)
{
    tr_socket socket = *(const tr_socket *)tr_expect(arg, sizeof socket);
    char buffer[64];
    size_t size;
    while (tr_read(socket, buffer, sizeof buffer, LONG_MS, &size) == TR_OK)
        CHECK_EQ(tr_write(socket, buffer, size, LONG_MS), TR_OK);
}

static void acceptor(const tr_msg *arg)
{
    tr_socket listener = must_listen("tcp://127.0.0.1:0");
    int port = tr_socket_port(listener);
    tr_send(*(const tr_pid *)tr_expect(arg, sizeof(tr_pid)), 1, &port, sizeof port);
    for (int i = 0; i < MANY; i++) {
        tr_socket accepted = must_accept(listener);
        tr_pid owner = tr_spawn(connection, &accepted, sizeof accepted);
        CHECK_EQ(tr_socket_give(accepted, owner), TR_OK);
    }
}

struct order {
    tr_pid boss;
    int port, number;
};

static void client(const tr_msg *arg)
{
    struct order order = *(const struct order *)tr_expect(arg, sizeof order);
    tr_socket socket = must_connect(order.port);
    tr_send(order.boss, 2, NULL, 0);
    CHECK(tr_receive_match(&(tr_match){ .tag = 3 }, LONG_MS) != NULL); /* all are connected */
    for (int round = 0; round < ROUNDS; round++) {
        int sent = order.number * ROUNDS + round, back = -1;
        CHECK_EQ(tr_write(socket, &sent, sizeof sent, LONG_MS), TR_OK);
        for (size_t have = 0, size; have < sizeof back; have += size)
            CHECK_EQ(tr_read(socket, (char *)&back + have, sizeof back - have, LONG_MS, &size), TR_OK);
        CHECK_EQ(back, sent);
    }
    tr_send(order.boss, 4, NULL, 0);
}

static void many_body(const tr_msg *unused)
{
    (void)unused;
    static tr_pid clients[MANY];
    tr_pid self = tr_self();
    tr_spawn(acceptor, &self, sizeof self);
    const tr_msg *told = tr_receive_match(&(tr_match){ .tag = 1 }, LONG_MS);
    CHECK(told != NULL);
    struct order order = { .boss = self, .port = *(const int *)tr_expect(told, sizeof(int)) };
    for (order.number = 0; order.number < MANY; order.number++)
        clients[order.number] = tr_spawn(client, &order, sizeof order);
    for (int i = 0; i < MANY; i++)
        CHECK(tr_receive_match(&(tr_match){ .tag = 2 }, LONG_MS) != NULL);
    for (int i = 0; i < MANY; i++)
        tr_send(clients[i], 3, NULL, 0);
    for (int i = 0; i < MANY; i++)
        CHECK(tr_receive_match(&(tr_match){ .tag = 4 }, LONG_MS) != NULL);
}

TEST(socket_owner, a_thousand_connections_are_served_at_once)
{
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 2 * MANY + 100)
        SKIP("the limit of descriptors is too low");
    run_as_root(many_body);
}
