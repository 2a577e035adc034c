/* sockets_test.c: what the system may say to sockets at any time: interrupted calls, connections that failed while they
 * waited, no descriptors, no memory, errors of every kind. In active mode: sockets_active_test.c. */
#include "socket_run.h"

#include "actor/actor.h"
#include "actor/socket_address.h"
#include "actor/socket_gift.h"
#include "memory/pool.h"
#include "memory/source.h"

#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>

WRAP(int, socket, (int family, int type, int protocol), (family, type, protocol), -1)
WRAP(int, bind, (int fd, const struct sockaddr *at, socklen_t size), (fd, at, size), -1)
WRAP(int, listen, (int fd, int backlog), (fd, backlog), -1)
WRAP(int, accept4, (int fd, struct sockaddr *from, socklen_t *size, int flags), (fd, from, size, flags), -1)
WRAP(int, connect, (int fd, const struct sockaddr *to, socklen_t size), (fd, to, size), -1)
WRAP(ssize_t, recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags), -1)
WRAP(ssize_t, send, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags), -1)
WRAP(int, getsockname, (int fd, struct sockaddr *name, socklen_t *size), (fd, name, size), -1)
WRAP(int, lstat, (const char *path, struct stat *there), (path, there), -1)
WRAP(int, unlink, (const char *path), (path), -1)
WRAP(int, epoll_ctl, (int epoll, int what, int fd, struct epoll_event *event), (epoll, what, fd, event), -1)

/* ---- accepting */

static void skips_body(const tr_msg *unused)
{
    (void)unused;
    static const int errors[] = { EINTR,  ECONNABORTED, EPROTO,    EPERM,      ENETDOWN,     ENETUNREACH,
                                  ENONET, ENOPROTOOPT,  EHOSTDOWN, EOPNOTSUPP, EHOSTUNREACH, ETIMEDOUT };
    tr_socket listener = must_listen("tcp://127.0.0.1:0"), connection;
    for (size_t i = 0; i < TR_COUNT(errors); i++) {
        int peer = peer_connect(tr_socket_port(listener));
        REFUSE(accept4, 3, errors[i]);
        CHECK_EQ(tr_accept(listener, LONG_MS, &connection), TR_OK);
        CHECK_EQ(REFUSED(accept4), 3);
        tr_close(connection);
        close(peer);
    }
}

TEST(refused_sockets, connections_that_failed_while_they_waited_are_skipped) { run_once(skips_body); }

static void aborted_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket listener = must_listen("tcp://127.0.0.1:0"), connection;
    int peer = peer_connect(tr_socket_port(listener));
    REFUSE(accept4, 200, ECONNABORTED);
    CHECK_EQ(tr_accept(listener, 0, &connection), TR_ELIMIT); /* it gives up for now, and nothing is lost */
    CHECK_EQ(tr_accept(listener, LONG_MS, &connection), TR_OK);
    CHECK_EQ(REFUSED(accept4), 200);
    close(peer);
}

TEST(refused_sockets, hundreds_of_failed_connections_only_delay_an_accept) { run_once(aborted_body); }

static void starved_body(const tr_msg *unused)
{
    (void)unused;
    static const int errors[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM };
    tr_socket listener = must_listen("tcp://127.0.0.1:0"), connection;
    for (size_t i = 0; i < TR_COUNT(errors); i++) {
        int peer = peer_connect(tr_socket_port(listener));
        REFUSE(accept4, 4, errors[i]);
        CHECK_EQ(tr_accept(listener, 0, &connection), TR_ELIMIT);
        CHECK_EQ(tr_accept(listener, LONG_MS, &connection), TR_OK);
        CHECK_EQ(REFUSED(accept4), 4);
        tr_close(connection);
        close(peer);
    }
    REFUSE(accept4, 1, EINVAL); /* what nothing helps against */
    CHECK_EQ(tr_accept(listener, LONG_MS, &connection), TR_EIO);
    CHECK_EQ(tr_socket_error(listener), EINVAL);
}

TEST(refused_sockets, an_accept_waits_for_descriptors_and_memory_but_not_out_of_errors) { run_once(starved_body); }

static void hungry(const tr_msg *arg)
{
    tr_socket listener = must_listen("tcp://127.0.0.1:0"), connection;
    int port = tr_socket_port(listener);
    tr_send(*(const tr_pid *)tr_expect(arg, sizeof(tr_pid)), 1, &port, sizeof port);
    CHECK_EQ(tr_accept(listener, LONG_MS, &connection), TR_OK);
}

static void several_body(const tr_msg *unused)
{
    (void)unused;
    enum { SEVERAL = 3 };
    tr_pid self = tr_self(), acceptors[SEVERAL];
    int peers[SEVERAL], ports[SEVERAL];
    for (int i = 0; i < SEVERAL; i++) {
        acceptors[i] = tr_spawn(hungry, &self, sizeof self);
        const tr_msg *told = tr_receive_match(&(tr_match){ .tag = 1 }, LONG_MS);
        CHECK(told != NULL);
        ports[i] = *(const int *)tr_expect(told, sizeof(int));
    }
    REFUSE(accept4, 6 * SEVERAL, EMFILE); /* all of them are on the list of the starved for a while, then leave it */
    for (int i = 0; i < SEVERAL; i++)
        peers[i] = peer_connect(ports[i]);
    for (int i = 0; i < SEVERAL; i++) {
        await_end(acceptors[i]);
        close(peers[i]);
    }
    CHECK_EQ(REFUSED(accept4), 6 * SEVERAL);
}

TEST(refused_sockets, several_acceptors_starve_and_recover_together) { run_once(several_body); }

/* ---- opening */

static void opening_body(const tr_msg *unused)
{
    (void)unused;
    static const struct {
        int error, status;
    } cases[] = {
        { EMFILE, TR_ELIMIT }, { ENFILE, TR_ELIMIT }, { ENOBUFS, TR_ELIMIT }, { ENOMEM, TR_ENOMEM }, { EACCES, TR_EIO }
    };
    tr_socket socket;
    for (size_t i = 0; i < TR_COUNT(cases); i++) {
        REFUSE(socket, 1, cases[i].error);
        CHECK_EQ(tr_listen("tcp://127.0.0.1:0", &socket), cases[i].status);
        CHECK_EQ(tr_socket_error(socket), cases[i].status == TR_EIO ? cases[i].error : 0);
        REFUSE(socket, 1, cases[i].error);
        CHECK_EQ(tr_connect("tcp://127.0.0.1:1", 0, &socket), cases[i].status);
        CHECK_EQ(tr_socket_error(socket), cases[i].status == TR_EIO ? cases[i].error : 0);
        REFUSE(listen, 1, cases[i].error);
        CHECK_EQ(tr_listen("tcp://127.0.0.1:0", &socket), cases[i].status);
        REFUSE(bind, 1, cases[i].error);
        CHECK_EQ(tr_listen("tcp://127.0.0.1:0", &socket), cases[i].status);
    }
}

TEST(refused_sockets, what_can_not_be_opened_says_why_and_leaves_no_descriptor) { run_once(opening_body); }

static void ipv4_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket listener, connection;
    REFUSE(socket, 1, EAFNOSUPPORT);
    CHECK_EQ(tr_listen("tcp://[::1]:0", &listener), TR_EIO); /* it was asked for */
    CHECK_EQ(tr_socket_error(listener), EAFNOSUPPORT);
    REFUSE(socket, 1, EAFNOSUPPORT);
    listener = must_listen("tcp://*:0");
    CHECK_EQ(REFUSED(socket), 1);
    connection = must_connect(tr_socket_port(listener));
    char peer[TR_ADDRESS_MOST], expected[64];
    tr_socket accepted = must_accept(listener);
    snprintf(expected, sizeof expected, "tcp://127.0.0.1:%d", tr_socket_port(connection));
    CHECK_EQ(tr_socket_peer(accepted, peer, sizeof peer), TR_OK);
    CHECK_STR(peer, expected);
    REFUSE(getsockname, 1, ENOBUFS);
    CHECK_EQ(tr_socket_port(accepted), 0);
    CHECK(tr_socket_port(accepted) > 0);
}

TEST(refused_sockets, all_interfaces_are_those_of_ipv4_where_there_is_no_ipv6) { run_once(ipv4_body); }

static void connect_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket listener = must_listen("tcp://127.0.0.1:0"), connection;
    char address[64];
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", tr_socket_port(listener));
    REFUSE(connect, 2, EINTR); /* it goes on by itself; the second question how far it is, is interrupted, too */
    CHECK_EQ(tr_connect(address, LONG_MS, &connection), TR_OK);
    CHECK_EQ(REFUSED(connect), 2);
    tr_close(connection);
    REFUSE(connect, 1, ENETUNREACH);
    CHECK_EQ(tr_connect(address, LONG_MS, &connection), TR_EIO);
    CHECK_EQ(tr_socket_error(connection), ENETUNREACH);
    REFUSE(epoll_ctl, 1, ENOSPC); /* fs.epoll.max_user_watches */
    CHECK_EQ(tr_connect(address, LONG_MS, &connection), TR_ELIMIT);
    REFUSE(epoll_ctl, 1, ENOMEM);
    CHECK_EQ(tr_connect(address, LONG_MS, &connection), TR_ENOMEM);
    REFUSE(epoll_ctl, 1, ENOSPC);
    CHECK_EQ(tr_listen("tcp://127.0.0.1:0", &connection), TR_ELIMIT);
}

TEST(refused_sockets, a_connect_goes_on_after_an_interrupt_and_tells_other_errors) { run_once(connect_body); }

/* ---- reading and writing */

static void interrupted_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket here, there;
    char byte;
    size_t size;
    make_pair(&here, &there);
    REFUSE(send, 3, EINTR);
    CHECK_EQ(tr_write(here, "x", 1, LONG_MS), TR_OK);
    CHECK_EQ(REFUSED(send), 3);
    REFUSE(recv, 3, EINTR);
    CHECK_EQ(tr_read(there, &byte, 1, LONG_MS, &size), TR_OK);
    CHECK_EQ(byte, 'x');
    CHECK_EQ(REFUSED(recv), 3);
    REFUSE(send, 1, ENOBUFS);
    CHECK_EQ(tr_write(here, "y", 1, LONG_MS), TR_EIO);
    CHECK_EQ(tr_socket_error(here), ENOBUFS);
    REFUSE(recv, 1, ENOMEM);
    CHECK_EQ(tr_read(there, &byte, 1, LONG_MS, &size), TR_EIO);
    CHECK_EQ(tr_socket_error(there), ENOMEM);
}

TEST(refused_sockets, interrupted_reads_and_writes_go_on) { run_once(interrupted_body); }

/* ---- memory at each point of a call */

static void memory_body(const tr_msg *unused)
{
    (void)unused;
    char directory[] = "/tmp/troupe-socket-XXXXXX", address[128];
    struct stat there;
    CHECK(mkdtemp(directory) != NULL);
    snprintf(address, sizeof address, "unix://%s/here", directory);
    int status = TR_ENOMEM, tries = 0, open = descriptors();
    tr_socket listener = { 0 }, connection;
    for (; status != TR_OK; tries++) {
        CHECK(tries < 100);
        source_fail_after(tries + 1, false);
        status = tr_listen(address, &listener);
        source_fail_after(0, false);
        if (status == TR_OK)
            break;
        CHECK(status == TR_ENOMEM || status == TR_ELIMIT);
        CHECK(lstat(address + 7, &there) < 0); /* nothing is left of it */
        CHECK_EQ(descriptors(), open);
    }
    int refusals = tries;
    for (status = TR_ENOMEM, tries = 0; status != TR_OK; tries++) {
        source_fail_after(tries + 1, false);
        status = tr_connect(address, LONG_MS, &connection);
        source_fail_after(0, false);
        CHECK(status == TR_OK || status == TR_ENOMEM || status == TR_ELIMIT);
        CHECK_EQ(descriptors(), open + 1 + (status == TR_OK));
    }
    refusals += tries - 1;
    for (status = TR_ENOMEM, tries = 0; status != TR_OK; tries++) { /* each refusal costs one of those that wait */
        CHECK(tries < 100);
        if (tries > 0)
            CHECK_EQ(tr_connect(address, LONG_MS, &connection), TR_OK);
        source_fail_after(tries + 1, false);
        status = tr_accept(listener, LONG_MS, &connection);
        source_fail_after(0, false);
        CHECK(status == TR_OK || status == TR_ENOMEM || status == TR_ELIMIT);
    }
    refusals += tries - 1;
    /* another thread may have been refused instead, once; where blocks do not count there may be no need for a
     * mapping */
    CHECK(refusals > 0 || !POOL_COUNTS);
    REFUSE(lstat, 1, ENOENT);
    tr_close(listener);
    CHECK_EQ(unlink(address + 7), 0); /* what could not be looked at was not removed */
    REFUSE(lstat, 1, ENOENT);
    listener = must_listen(address); /* somebody removes it just then: nothing to remember */
    tr_close(listener);
    CHECK_EQ(unlink(address + 7), 0);
    REFUSE(bind, 1, EADDRINUSE); /* and there is nothing where it was in use */
    CHECK_EQ(tr_listen(address, &listener), TR_EIO);
    CHECK_EQ(tr_socket_error(listener), EADDRINUSE);
    CHECK_EQ(rmdir(directory), 0);
}

TEST(refused_sockets, a_refused_request_for_memory_is_told_and_leaves_nothing_open) { run_once(memory_body); }

static void stale_body(const tr_msg *unused)
{
    (void)unused;
    char directory[] = "/tmp/troupe-socket-XXXXXX", address[128];
    CHECK(mkdtemp(directory) != NULL);
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    snprintf(at.sun_path, sizeof at.sun_path, "%s/here", directory);
    snprintf(address, sizeof address, "unix://%s", at.sun_path);
    int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(dead, (struct sockaddr *)&at, sizeof at), 0);
    close(dead);
    tr_socket listener;
    REFUSE_AFTER(socket, 1, 1, EMFILE); /* no descriptor to find out with: it might be in use */
    CHECK_EQ(tr_listen(address, &listener), TR_EIO);
    CHECK_EQ(tr_socket_error(listener), EADDRINUSE);
    CHECK_EQ(REFUSED(socket), 1);
    REFUSE(unlink, 1, EACCES); /* a path that can't be removed */
    CHECK_EQ(tr_listen(address, &listener), TR_EIO);
    CHECK_EQ(tr_socket_error(listener), EADDRINUSE);
    CHECK_EQ(REFUSED(unlink), 1);
    tr_close(must_listen(address));
    CHECK_EQ(rmdir(directory), 0);
}

TEST(refused_sockets, a_path_that_can_not_be_asked_or_removed_is_in_use) { run_once(stale_body); }

/* ---- gifts */

static void ends(const tr_msg *unused) { (void)unused; }

static void waits_on(const tr_msg *unused)
{
    (void)unused;
    tr_receive_match(&(tr_match){ .tag = 1 }, LONG_MS);
}

static void gift_body(const tr_msg *unused)
{
    (void)unused;
    tr_pid dead = tr_spawn(ends, NULL, 0), alive, all[200];
    size_t count = 0;
    await_end(dead);
    do /* one of the same bucket */
        alive = all[count++] = tr_spawn(waits_on, NULL, 0);
    while (slot_index(alive.id) % 64 != slot_index(dead.id) % 64);
    static struct gift stays_there, comes_back;
    uint32_t before = load_relaxed(&gift_count);
    read_begin();
    CHECK(gift_offer(alive.id, &stays_there)); /* behind which the other has to be found */
    read_end();
    CHECK_EQ(load_relaxed(&gift_count), before + 1);
    read_begin();
    CHECK(!gift_offer(dead.id, &comes_back));
    read_end();
    CHECK_EQ(load_relaxed(&gift_count), before + 1);
    struct actor *receiver;
    read_begin();
    receiver = actor_find(alive.id);
    gift_take_all(receiver);
    read_end();
    CHECK_EQ(load_relaxed(&gift_count), before);
    ledger_remove(&stays_there.owned);
    for (size_t i = 0; i < count; i++)
        tr_send(all[i], 1, NULL, 0);
    for (size_t i = 0; i < count; i++)
        await_end(all[i]);
}

TEST(refused_sockets, a_gift_to_the_dead_comes_back_and_others_stay) { run_once(gift_body); }

TEST(refused_sockets, an_address_of_another_family_has_no_text_and_no_port)
{
    struct socket_address address = { .size = sizeof address.room };
    char text[TR_ADDRESS_MOST];
    address.any.sa_family = AF_UNSPEC;
    CHECK(!socket_address_print(&address, text, sizeof text));
    CHECK_EQ(socket_address_port(&address), 0);
    CHECK(socket_address_path(&address) == NULL);
}
