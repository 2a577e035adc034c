/* sockets_active_test.c: what the system may say to sockets in active mode: interrupted calls, errors, and no memory
 * for what arrives. */
#include "socket_run.h"

#include "memory/pool.h"
#include "memory/source.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

WRAP(int, accept4, (int fd, struct sockaddr *from, socklen_t *size, int flags), (fd, from, size, flags), -1)
WRAP(ssize_t, recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags), -1)
WRAP(int, ioctl, (int fd, unsigned long request, void *argument), (fd, request, argument), -1)
WRAP(int, timerfd_create, (int clock, int flags), (clock, flags), -1)
WRAP(int, epoll_ctl, (int epoll, int what, int fd, struct epoll_event *event), (epoll, what, fd, event), -1)

static const tr_socket_event *next_event(tr_socket socket)
{
    const tr_msg *message = tr_receive_match(&(tr_match){ .tag = TR_MSG_SOCKET }, LONG_MS);
    CHECK(message != NULL);
    const tr_socket_event *event = tr_body(message);
    CHECK(event->socket.id == socket.id);
    return event;
}

static void active_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket here;
    int peer;
    make_half_pair(&here, &peer);
    REFUSE(timerfd_create, 1, EMFILE);
    CHECK_EQ(tr_socket_active(here, 10), TR_ELIMIT);
    REFUSE(epoll_ctl, 1, ENOSPC);
    CHECK_EQ(tr_socket_active(here, 10), TR_ELIMIT);
    CHECK_EQ(tr_socket_active(here, 10), TR_OK);
    REFUSE(recv, 2, EINTR);
    REFUSE(ioctl, 3, EINVAL); /* how much there is, is not known: byte by byte until it is */
    peer_send(peer, "abcd", 4);
    size_t have = 0;
    for (const char *expected = "abcd"; have < 4;) {
        const tr_socket_event *event = next_event(here);
        CHECK_EQ(event->what, TR_SOCKET_DATA);
        CHECK(memcmp(event + 1, expected + have, event->size) == 0);
        have += event->size;
    }
    CHECK_EQ(REFUSED(recv), 2);
    CHECK_EQ(REFUSED(ioctl), 3);
    REFUSE(recv, 1, ETIMEDOUT); /* keep-alive found nobody */
    peer_send(peer, "e", 1);
    const tr_socket_event *event = next_event(here);
    CHECK_EQ(event->what, TR_SOCKET_ERROR);
    CHECK_EQ(event->error, ETIMEDOUT);
    CHECK_EQ(tr_socket_error(here), ETIMEDOUT);
    close(peer);
}

TEST(refused_active_sockets, active_mode_goes_on_after_an_interrupt_and_ends_with_an_error) { run_once(active_body); }

static void active_listener_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket listener = must_listen("tcp://127.0.0.1:0");
    char byte;
    CHECK_EQ(tr_socket_active(listener, 10), TR_OK);
    REFUSE(epoll_ctl, 1, ENOSPC); /* the connection can't be watched: it is closed */
    int lost = peer_connect(tr_socket_port(listener));
    CHECK_EQ(peer_receive(lost, &byte, 1), 0);
    close(lost);
    CHECK_EQ(REFUSED(epoll_ctl), 1);
    int peer = peer_connect(tr_socket_port(listener)); /* the next one is served */
    CHECK_EQ(next_event(listener)->what, TR_SOCKET_CONNECTION);
    REFUSE(accept4, 1, EINVAL);
    int other = peer_connect(tr_socket_port(listener));
    const tr_socket_event *event = next_event(listener);
    CHECK_EQ(event->what, TR_SOCKET_ERROR);
    CHECK_EQ(event->error, EINVAL);
    tr_socket connection;
    CHECK_EQ(tr_accept(listener, LONG_MS, &connection), TR_OK); /* passive since then */
    close(peer);
    close(other);
}

TEST(refused_active_sockets, an_active_listener_drops_what_it_can_not_watch_and_goes_on)
{
    run_once(active_listener_body);
}

/* What a peer does while there is no memory, seen from a thread that needs none of Troupe's. */
struct drought {
    tr_pid receiver;
    int port, peer;
    bool ends;
};

static void *send_in_drought(void *arg)
{
    struct drought *drought = arg;
    static char data[64 * 1024];
    tr_process_info info;
    do
        CHECK_EQ(tr_peek(drought->receiver, &info), TR_OK);
    while (info.status != TR_STATUS_WAITING);       /* it is waiting already: that needs nothing more */
    source_fail_after(drought->ends ? 2 : 1, true); /* at the end: once after the look whether it has come */
    if (drought->port != 0)
        drought->peer = peer_connect(drought->port);
    else if (drought->ends)
        close(drought->peer);
    else
        peer_send(drought->peer, data, sizeof data);
    do
        rest(250);
    while (!source_failed()); /* until it has been noticed */
    source_fail_after(0, false);
    return NULL;
}

static size_t read_all(tr_socket socket, size_t wanted)
{
    size_t have = 0;
    while (have < wanted) {
        const tr_socket_event *event = next_event(socket);
        CHECK_EQ(event->what, TR_SOCKET_DATA);
        have += event->size;
    }
    return have;
}

static void drought_body(const tr_msg *unused)
{
    (void)unused;
    tr_socket here, listener;
    pthread_t thread;
    struct drought drought = { .receiver = tr_self() };
    make_half_pair(&here, &drought.peer);
    CHECK_EQ(tr_socket_active(here, 1000), TR_OK);
    CHECK_EQ(pthread_create(&thread, NULL, send_in_drought, &drought), 0);
    CHECK_EQ(read_all(here, 64 * 1024), 64 * 1024);
    pthread_join(thread, NULL);
    if (!POOL_COUNTS) { /* a small message comes out of what the pools have */
        close(drought.peer);
        return;
    }
    drought.ends = true;
    CHECK_EQ(pthread_create(&thread, NULL, send_in_drought, &drought), 0);
    CHECK_EQ(next_event(here)->what, TR_SOCKET_END);
    pthread_join(thread, NULL);
    drought.ends = false;
    listener = must_listen("tcp://127.0.0.1:0");
    drought.port = tr_socket_port(listener);
    CHECK_EQ(tr_socket_active(listener, 1000), TR_OK);
    CHECK_EQ(pthread_create(&thread, NULL, send_in_drought, &drought), 0);
    CHECK_EQ(next_event(listener)->what, TR_SOCKET_CONNECTION);
    pthread_join(thread, NULL);
    close(drought.peer);
}

TEST(refused_active_sockets, what_arrives_while_there_is_no_memory_is_told_when_there_is) { run_once(drought_body); }
