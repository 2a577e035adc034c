/* reset_churn.c: connections that come and go by thousands, most of them reset (RST) in the middle of a request or of
 * the answer, by peers that know no Troupe; and no descriptor is left at times.
 *
 * Exact: each accepted connection has one process, which ends with the connection; an answer that a peer has read whole
 * is right; peers that go on to the end all get theirs; no descriptor is left open, memory is flat. */
#include "stress.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST = 64, ANSWER_BYTES = 4096 };

static int64_t accepted, ended, whole, limits; /* atomic */

static void count(int64_t *counter) { __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }

/* ---- the server */

static void note_end(void *unused)
{
    (void)unused;
    count(&ended);
}

static void connection(const tr_msg *arg)
{
    char request[REQUEST], answer[ANSWER_BYTES];
    tr_socket socket = *(const tr_socket *)tr_expect(arg, sizeof socket);
    count(&accepted);
    MUST_EQ(tr_defer(note_end, NULL), TR_OK);
    await(GO);
    for (;;) {
        for (size_t have = 0, size; have < sizeof request; have += size)
            if (tr_read(socket, request + have, sizeof request - have, TR_INFINITY, &size) != TR_OK)
                return;
        memset(answer, request[0], sizeof answer);
        if (tr_write(socket, answer, sizeof answer, TR_INFINITY) != TR_OK)
            return;
    }
}

static void listener(const tr_msg *arg)
{
    tr_pid root = *(const tr_pid *)tr_expect(arg, sizeof root);
    tr_socket listening, socket;
    MUST_EQ(tr_listen("tcp://127.0.0.1:0", &listening), TR_OK);
    int port = tr_socket_port(listening);
    tr_send(root, READY, &port, sizeof port);
    for (;;) {
        int status = tr_accept(listening, TR_INFINITY, &socket);
        if (status == TR_EIO)
            continue; /* reset before it was accepted */
        MUST_EQ(status, TR_OK);
        tr_pid pid = tr_spawn(connection, &socket, sizeof socket);
        MUST_EQ(tr_socket_give(socket, pid), TR_OK);
        tr_send(pid, GO, NULL, 0);
    }
}

/* ---- the peers: plain system calls, which on the loopback do not wait for long */

static int connect_to(int port)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    MUST(fd >= 0 || errno == EMFILE);
    if (fd >= 0)
        close(fd);
    else
        count(&limits);
    return -1;
}

static void reset(int fd)
{
    const struct linger now = { .l_onoff = 1 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

/* Reads a whole answer, without holding the thread. */
static void read_answer(int fd, char letter)
{
    char buffer[ANSWER_BYTES];
    for (size_t have = 0; have < ANSWER_BYTES;) {
        ssize_t size = recv(fd, buffer, sizeof buffer - have, MSG_DONTWAIT);
        if (size < 0) {
            MUST(errno == EAGAIN);
            tr_sleep(1);
            continue;
        }
        MUST(size > 0);
        for (ssize_t i = 0; i < size; i++)
            MUST_EQ(buffer[i], letter);
        have += (size_t)size;
    }
    count(&whole);
}

static int64_t talk(int port, struct dice *dice)
{
    char request[REQUEST], letter = (char)('a' + roll(dice, 26));
    int fd;
    while ((fd = connect_to(port)) < 0)
        tr_sleep(1);
    memset(request, letter, sizeof request);
    uint32_t how = roll(dice, 5);
    size_t sent = how == 0 ? roll(dice, sizeof request) : sizeof request;
    MUST_EQ(send(fd, request, sent, MSG_NOSIGNAL), (ssize_t)sent);
    if (how == 1)
        tr_sleep(roll(dice, 2)); /* reset in the middle of the answer */
    if (how >= 3)
        read_answer(fd, letter);
    if (how == 4)
        close(fd);
    else
        reset(fd);
    return how >= 3;
}

static void peer(const tr_msg *arg)
{
    const int *numbers = tr_expect(arg, 2 * sizeof(int));
    struct dice dice = dice_of((uint64_t)numbers[0]);
    int port = numbers[1];
    int64_t expected = 0;
    for (int64_t i = 0; i < setting("count"); i++)
        expected += talk(port, &dice);
    __atomic_fetch_sub(&whole, expected, __ATOMIC_RELAXED);
}

/* ---- all together */

static void peers(int port)
{
    int64_t many = setting("peers");
    tr_ref *monitors = tr_alloc((size_t)many * sizeof *monitors);
    for (int64_t i = 0; i < many; i++)
        tr_spawn_monitor(peer, (const int[]){ (int)i, port }, 2 * sizeof(int), &monitors[i]);
    for (int64_t i = 0; i < many; i++)
        MUST_EQ(tr_await_down(monitors[i], TR_INFINITY, NULL), TR_OK);
    while (__atomic_load_n(&accepted, __ATOMIC_RELAXED) != __atomic_load_n(&ended, __ATOMIC_RELAXED))
        tr_sleep(1);
    MUST_EQ(__atomic_load_n(&whole, __ATOMIC_RELAXED), 0); /* as many as were to be */
    tr_free(monitors);
}

static void churn(void)
{
    tr_pid self = tr_self();
    struct rlimit limit;
    size_t first = 0, last = 0, before = processes_now();
    tr_pid listening = tr_spawn(listener, &self, sizeof self);
    int port = *(const int *)tr_expect(await(READY), sizeof port), open = 0;
    MUST_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int64_t i = 0; i < setting("rounds"); i++) {
        bool scarce = i % 2 != 0; /* every second round with some descriptors more than peers, which all hold one */
        rlim_t few = (rlim_t)(descriptors() + setting("peers") + 4);
        MUST_EQ(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ scarce ? few : limit.rlim_cur, limit.rlim_max }), 0);
        peers(port);
        MUST_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
        must_count(before + 1);
        last = memory_now();
        if (i == 0) {
            first = last;
            open = descriptors();
        }
        for (int tries = 0; descriptors() > open + 1 && tries < 5000; tries++)
            tr_sleep(1);
        MUST(descriptors() <= open + 1); /* one more: the timer of whoever waits for a descriptor */
    }
    must_be_flat(first, last);
    tr_exit_signal(listening, TR_KILL);
    printf("accepted %" PRId64 ", out of descriptors %" PRId64 " times\n", __atomic_load_n(&accepted, __ATOMIC_RELAXED),
           __atomic_load_n(&limits, __ATOMIC_RELAXED));
}

int main(int argc, char **argv)
{
    known("count", 100);
    known("peers", 24);
    known("rounds", 4);
    return stress_main(argc, argv, churn);
}
