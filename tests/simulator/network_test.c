/* network_test.c: simulated sockets whose calls wait, whose ends cross each other, on a network with conditions, and
 * without memory. */
#include "refusals/refuse.h"
#include "simulator/system_calls.h"

WRAP(void *, calloc, (size_t count, size_t size), (count, size), NULL)
WRAP(void *, malloc, (size_t size), (size), NULL)
WRAP(void *, realloc, (void *block, size_t size), (block, size), NULL)

/* ---- who waits: in simulation, where the other is a thread of the simulator's */

static int listening, peer_end;
static char sent[3000], received[sizeof sent];

static void accepts_and_reads(void *unused)
{
    (void)unused;
    MUST((peer_end = sim_accept(listening, NULL, NULL, 0)) >= 0);
    for (size_t have = 0; have < sizeof received;) {
        ssize_t got = sim_recv(peer_end, received + have, sizeof received - have, 0);
        MUST(got > 0);
        have += (size_t)got;
    }
}

static void waiting_body(void)
{
    char byte;
    int client = tcp();
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = client };
    int epoll = sim_epoll_create(0);
    MUST(sim_epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event) == 0);
    MUST(sim_epoll_wait(epoll, &event, 1, 0) == 1 && event.events == (EPOLLOUT | EPOLLHUP)); /* it is new */
    listening = tcp();
    MUST(bind_to(listening, at(4000)) == 0 && sim_listen(listening, 5) == 0);
    int thread = tr_sim_thread_start(accepts_and_reads, NULL);
    MUST(connect_to(client, 4000) == 0);
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (char)i;
    MUST(sim_send(client, sent, sizeof sent, 0) == sizeof sent); /* more than fits at once */
    tr_sim_thread_join(thread);
    MUST(memcmp(sent, received, sizeof sent) == 0);
    sim_close(epoll);
    sim_close(listening);
    sim_close(peer_end);
    MUST(sim_recv(client, &byte, 1, 0) == 0);
    sim_close(client);
}

/* Nobody accepts, and the queue holds one more than the backlog. */
static void full_body(void)
{
    int clients[4], listener = listen_anywhere(1);
    for (int i = 0; i < 2; i++) {
        clients[i] = tcp();
        MUST(connect_to(clients[i], port_of(listener)) == 0);
    }
    clients[2] = tcp();
    FAILS(connect_to(clients[2], port_of(listener)), ETIMEDOUT);
    MUST(tr_sim_now_ns() > INT64_C(60) * 1000000000);
    clients[3] = impatient_tcp();
    FAILS(connect_to(clients[3], port_of(listener)), EINPROGRESS);
    FAILS(connect_to(clients[3], port_of(listener)), EALREADY);
    sim_usleep(100000);
    sim_close(sim_accept(listener, NULL, NULL, 0));
    sim_usleep(2000000); /* it asks again after a second */
    MUST(connect_to(clients[3], port_of(listener)) == 0);
    sim_close(listener);
    for (int i = 0; i < 4; i++)
        sim_close(clients[i]);
}

static void many_body(void)
{
    int clients[100], listener = listen_anywhere(200);
    for (int i = 0; i < 100; i++) {
        clients[i] = impatient_tcp();
        FAILS(connect_to(clients[i], port_of(listener)), EINPROGRESS);
        char byte;
        FAILS(sim_recv(clients[i], &byte, 1, 0), EAGAIN);
        FAILS(sim_send(clients[i], "a", 1, MSG_NOSIGNAL), EAGAIN);
    }
    sim_usleep(1000000);
    for (int i = 0; i < 100; i++) {
        sim_close(sim_accept(listener, NULL, NULL, 0));
        sim_close(clients[i]);
    }
    sim_close(listener);
}

TEST(simulated_network, calls_that_block_wait_and_go_on)
{
    simulate_with((tr_sim_options){ .buffer_bytes = 1000 }, waiting_body);
    simulate_with((tr_sim_options){ .latency_ns = -1 }, full_body);
    simulate_with((tr_sim_options){ .latency_ns = 1000000 }, many_body);
}

/* ---- ends that cross each other, and the network's conditions */

static void crossing_body(void)
{
    int here, there;
    make_pair(&here, &there);
    int port = port_of(here);
    MUST(sim_send(here, "unread", 6, 0) == 6);
    sim_usleep(10000000);
    tr_sim_link_delay(port, 50000000);
    sim_close(there); /* a reset is under way */
    tr_sim_link_delay(port, 0);
    MUST(sim_send(here, "late", 4, 0) == 4); /* this is there before it, finds nobody, and is answered by another */
    sim_usleep(20000);
    MUST(tr_sim_link_cut(port) == 0); /* half of it is no more */
    MUST(sim_send(here, "later", 5, 0) == 5);
    sim_usleep(100000);
    FAILS(sim_send(here, "a", 1, MSG_NOSIGNAL), ECONNRESET);
    FAILS(sim_send(here, "a", 1, MSG_NOSIGNAL), EPIPE);
    sim_close(here);
}

static void cut_body(void)
{
    int here, there;
    make_pair(&here, &there);
    MUST(sim_send(here, "unread", 6, 0) == 6);
    sim_usleep(10000000);
    sim_close(there);
    tr_sim_inject(true);
    while (sim_send(here, "a", 1, MSG_NOSIGNAL) == 1)
        sim_usleep(50);
    tr_sim_inject(false);
    sim_close(here);
}

static void conditions_body(void)
{
    int here, there;
    char byte;
    make_pair(&here, &there);
    tr_sim_link_part(1); /* of others */
    tr_sim_link_delay(2, 1000000000);
    tr_sim_link_delay(port_of(here), -5);
    int64_t begin = tr_sim_now_ns();
    MUST(sim_send(here, "a", 1, 0) == 1 && sim_recv(there, &byte, 1, 0) == 1);
    MUST(tr_sim_now_ns() - begin < 500000000);
    tr_sim_link_part(port_of(here));
    tr_sim_link_part(port_of(there));
    MUST(sim_send(here, "b", 1, 0) == 1);
    sim_usleep(1000000);
    tr_sim_link_heal(port_of(here)); /* the other half of it is still said */
    sim_usleep(1000000);
    FAILS(sim_recv(there, &byte, 1, MSG_DONTWAIT), EAGAIN);
    tr_sim_link_heal(0);
    MUST(sim_recv(there, &byte, 1, 0) == 1 && byte == 'b');
    sim_close(here);
    sim_close(there);
}

static void too_many_conditions(void)
{
    for (int port = 1; port <= 65; port++)
        tr_sim_link_part(port);
}

static void no_limit_body(void)
{
    tr_sim_descriptors(1);
    int fd = tcp();
    FAILS(sim_timer_create(CLOCK_MONOTONIC, 0), EMFILE);
    tr_sim_descriptors(100000);
    int timer = sim_timer_create(CLOCK_MONOTONIC, 0);
    MUST(timer >= 0);
    sim_close(fd);
    sim_close(timer);
}

TEST(simulated_network, ends_may_cross_and_conditions_of_other_ports_change_nothing)
{
    simulate_with((tr_sim_options){ .latency_ns = 1000000 }, crossing_body);
    for (int cut = 1; cut <= 40; cut++) {
        char script[16];
        snprintf(script, sizeof script, "cut@%d", cut);
        simulate_with((tr_sim_options){ .latency_ns = 1000000, .script = script }, cut_body);
    }
    simulate_with((tr_sim_options){ .latency_ns = 1000000, .script = "delay@1:-5" }, cut_body);
    simulate_with((tr_sim_options){ .latency_ns = 1000000 }, conditions_body);
    simulate_with((tr_sim_options){ .latency_ns = -1 }, no_limit_body);
    expect_failure(too_many_conditions, "the program has said something of 64 ports already");
}

/* ---- no memory */

static void no_memory_body(void)
{
    REFUSE(calloc, 1, ENOMEM);
    FAILS(sim_socket(AF_INET, SOCK_STREAM, 0), ENOMEM);
    int listener = listen_anywhere(5), client = impatient_tcp(), port = port_of(listener), other = tcp();
    REFUSE(calloc, 1, ENOMEM);
    FAILS(connect_to(client, port), ENOMEM);
    REFUSE(malloc, 1, ENOMEM);
    FAILS(connect_to(client, port), ENOMEM);
    REFUSE_AFTER(calloc, 1, 1, ENOMEM); /* the listener's end: the client asks again */
    MUST(connect_to(other, port) == 0);
    MUST(tr_sim_now_ns() >= 1000000000);
    sim_close(client);
    sim_close(listener);
    sim_close(other);
}
static void no_segment(void)
{
    int here, there;
    make_pair(&here, &there);
    REFUSE(malloc, 1, ENOMEM);
    sim_send(here, "a", 1, 0);
}
static void no_heap(void)
{
    struct itimerspec soon = { .it_value = { .tv_nsec = 3000000 } };
    for (int i = 0; i < 200; i++) {
        REFUSE(realloc, i > 20 ? 1 : 0, ENOMEM);
        sim_timer_set(sim_timer_create(CLOCK_MONOTONIC, 0), 0, &soon, NULL);
    }
}

TEST(simulated_network, without_memory_a_call_fails_or_the_run)
{
    simulate_with((tr_sim_options){ .latency_ns = -1 }, no_memory_body);
    expect_failure(no_segment, "no memory for the simulator itself");
    expect_failure(no_heap, "no memory for the simulator itself");
}
