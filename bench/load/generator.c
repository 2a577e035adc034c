/* generator.c: see generator.h. One epoll for the connections and for a timer that is set to the next planned time.
 *
 * Invariants: a connection is either in the stack of the free or has one request under way; the requests planned by now
 * and not sent yet are those from `next` on, in order, and there are some only while no connection is free. */
#include "generator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER_BYTES = 4096, EVENTS = 64, BILLION = 1000000000 };
static const int64_t grace_ns = INT64_C(2) * BILLION;

struct connection {
    int fd;
    uint64_t turn;
    int64_t planned_ns;
    size_t have;
    char answer[BUFFER_BYTES];
};

struct generator {
    const struct generator_plan *plan;
    struct generator_result *result;
    struct connection *connections;
    int *free, free_count;
    int epoll, timer;
    int64_t next_ns; /* when the next request is planned */
    uint64_t random;
    uint64_t under_way; /* counted ones that are sent and not answered */
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * BILLION + now.tv_nsec;
}

/* An interval of the mean 1 / rate, by inversion; xorshift64* in between. */
static int64_t interval_ns(struct generator *generator)
{
    uint64_t x = generator->random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    generator->random = x;
    double uniform = (double)((x * UINT64_C(0x2545F4914F6CDD1D) >> 11) + 1) / 9007199254740992.0; /* in (0, 1] */
    return (int64_t)(-log(uniform) * BILLION / generator->plan->rate);
}

static bool fail(struct generator *generator, const char *why)
{
    generator->result->failure = why;
    return false;
}

static bool counts(const struct generator *generator, int64_t planned_ns)
{
    return planned_ns >= generator->plan->warm_ns;
}

/* Sends the next planned request on a free connection. A request is small and the connection is empty: it goes
 * whole. */
static bool send_one(struct generator *generator)
{
    struct connection *connection = &generator->connections[generator->free[--generator->free_count]];
    char request[512];
    size_t size = generator->plan->protocol->request(request, sizeof request, connection->turn);
    connection->planned_ns = generator->next_ns;
    connection->have = 0;
    if (counts(generator, connection->planned_ns)) {
        generator->result->planned++;
        generator->under_way++;
    }
    generator->next_ns += interval_ns(generator);
    ssize_t sent = send(connection->fd, request, size, MSG_NOSIGNAL);
    return sent == (ssize_t)size || fail(generator, "a request could not be sent");
}

static bool receive(struct generator *generator, int index)
{
    struct connection *connection = &generator->connections[index];
    ssize_t got = recv(connection->fd, connection->answer + connection->have, BUFFER_BYTES - connection->have, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (got <= 0)
        return fail(generator, "the server closed a connection");
    connection->have += (size_t)got;
    long whole = generator->plan->protocol->answer(connection->answer, connection->have, connection->turn);
    if (whole == 0)
        return connection->have < BUFFER_BYTES || fail(generator, "an answer is too long");
    if (whole < 0 || (size_t)whole != connection->have)
        return fail(generator, "a wrong answer");
    if (counts(generator, connection->planned_ns)) {
        int64_t now = now_ns();
        histogram_add(&generator->result->latencies, now - connection->planned_ns);
        generator->result->last_ns = now;
        generator->result->answered++;
        generator->under_way--;
    }
    connection->turn++;
    generator->free[generator->free_count++] = index;
    return true;
}

static bool set_timer(struct generator *generator, int64_t at_ns)
{
    struct itimerspec when = { .it_value = { .tv_sec = at_ns / BILLION, .tv_nsec = at_ns % BILLION } };
    return timerfd_settime(generator->timer, TFD_TIMER_ABSTIME, &when, NULL) == 0 || fail(generator, "no timer");
}

static bool wait_for_something(struct generator *generator)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(generator->epoll, events, EVENTS, -1);
    if (count < 0 && errno != EINTR)
        return fail(generator, "epoll_wait");
    for (int i = 0; i < count; i++) {
        uint64_t expirations;
        if (events[i].data.u32 == UINT32_MAX) {
            if (read(generator->timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
                return fail(generator, "no timer");
        } else if (!receive(generator, (int)events[i].data.u32)) {
            return false;
        }
    }
    return true;
}

static bool drive(struct generator *generator)
{
    int64_t end_ns = generator->plan->end_ns, give_up_ns = end_ns + grace_ns;
    for (;;) {
        int64_t now = now_ns();
        while (generator->free_count > 0 && generator->next_ns <= now && generator->next_ns < end_ns)
            if (!send_one(generator))
                return false;
        bool more = generator->next_ns < end_ns;
        if (now >= give_up_ns || (!more && generator->under_way == 0))
            break;
        int64_t wake_ns = more && generator->free_count > 0 ? generator->next_ns : give_up_ns;
        if (!set_timer(generator, wake_ns) || !wait_for_something(generator))
            return false;
    }
    generator->result->lost = generator->under_way;
    for (; generator->next_ns < end_ns; generator->next_ns += interval_ns(generator)) { /* never sent */
        generator->result->planned += counts(generator, generator->next_ns);
        generator->result->lost += counts(generator, generator->next_ns);
    }
    return true;
}

/* ---- set-up */

static bool watch(struct generator *generator, int fd, uint32_t number)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = number };
    return epoll_ctl(generator->epoll, EPOLL_CTL_ADD, fd, &event) == 0 || fail(generator, "epoll_ctl");
}

static bool connect_one(struct generator *generator, int index)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)generator->plan->port) };
    struct connection *connection = &generator->connections[index];
    int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0)
        return fail(generator, errno == EMFILE         ? "can't connect: more connections than open files (ulimit -n)"
                               : errno == ECONNREFUSED ? "can't connect: nobody listens on that port"
                                                       : "can't connect");
    generator->free[generator->free_count++] = index;
    return watch(generator, connection->fd, (uint32_t)index);
}

static bool prepare(struct generator *generator)
{
    size_t count = (size_t)generator->plan->connections;
    generator->connections = calloc(count, sizeof *generator->connections);
    generator->free = calloc(count, sizeof *generator->free);
    if (generator->connections == NULL || generator->free == NULL)
        return fail(generator, "no memory");
    for (size_t i = 0; i < count; i++)
        generator->connections[i].fd = -1;
    generator->epoll = epoll_create1(EPOLL_CLOEXEC);
    generator->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (generator->epoll < 0 || generator->timer < 0 || !watch(generator, generator->timer, UINT32_MAX))
        return fail(generator, "no epoll or no timer");
    for (int i = 0; i < (int)count; i++)
        if (!connect_one(generator, i))
            return false;
    return true;
}

void generator_run(const struct generator_plan *plan, struct generator_result *result)
{
    struct generator generator = {
        .plan = plan, .result = result, .next_ns = plan->start_ns, .random = plan->seed | 1, .epoll = -1, .timer = -1
    };
    memset(result, 0, sizeof *result);
    if (prepare(&generator))
        drive(&generator);
    for (int i = 0; generator.connections != NULL && i < plan->connections; i++)
        if (generator.connections[i].fd >= 0)
            close(generator.connections[i].fd);
    if (generator.epoll >= 0)
        close(generator.epoll);
    if (generator.timer >= 0)
        close(generator.timer);
    free(generator.connections);
    free(generator.free);
}
