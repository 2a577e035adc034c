/* unix_simulated_test.c: Unix sockets in simulation alone: who waits, no network between the ends, no memory, and what
 * the simulation has not. */
#include "refusals/refuse.h"
#include "simulator/unix_calls.h"

WRAP(void *, calloc, (size_t count, size_t size), (count, size), NULL)
WRAP(void *, malloc, (size_t size), (size), NULL)
WRAP(int, access, (const char *path, int mode), (path, mode), -1)

/* ---- who waits, and what the network does */

static int waiting_listener;

static void connects(void *unused)
{
    (void)unused;
    int fd = local(0), status = connect_at(fd, path_of("here"));
    MUST(status == 0 || errno == ECONNREFUSED);
    sim_close(fd);
}

static void waiting_body(void)
{
    int threads[3], first = local(0);
    make_directory();
    waiting_listener = listen_at(path_of("here"), 0);
    MUST(connect_at(first, path_of("here")) == 0);
    for (int i = 0; i < 3; i++)
        threads[i] = tr_sim_thread_start(connects, NULL);
    sim_usleep(1000);
    sim_close(sim_accept(waiting_listener, NULL, NULL, 0)); /* room for one of them */
    sim_usleep(1000);
    sim_close(waiting_listener); /* the others are refused */
    for (int i = 0; i < 3; i++)
        tr_sim_thread_join(threads[i]);
    sim_close(first);
    MUST(sim_unlink(path_of("here")) == 0 && rmdir(directory) == 0);
}

static void network_body(void)
{
    int here, there;
    char byte;
    make_directory();
    tr_sim_inject(true);
    make_unix_pair(&here, &there);
    tr_sim_link_delay(0, 1000000000);
    tr_sim_link_part(0);
    int64_t begin = tr_sim_now_ns();
    for (int i = 0; i < 10; i++)
        MUST(sim_send(here, "a", 1, 0) == 1 && sim_recv(there, &byte, 1, 0) == 1);
    MUST(tr_sim_link_cut(0) == 0);
    MUST(tr_sim_now_ns() - begin < 100000000);
    tr_sim_inject(false);
    sim_close(here);
    sim_close(there);
    MUST(rmdir(directory) == 0);
}

TEST(simulated_unix, who_waits_for_room_gets_it_or_is_refused)
{
    simulate_with((tr_sim_options){ .seed = 1 }, waiting_body);
}

TEST(simulated_unix, no_network_is_between_the_ends)
{
    simulate_with((tr_sim_options){ .latency_ns = 500000000 }, network_body);
    simulate_with((tr_sim_options){ .faults = { .cut = 1000000, .delay = 1000000, .most = 100 } }, network_body);
}

/* ---- no memory, no rights; what is not simulated */

static void no_memory_body(void)
{
    make_directory();
    int fd = local(SOCK_NONBLOCK), client = local(0);
    REFUSE(malloc, 1, ENOMEM);
    FAILS(bind_at(fd, path_of("here")), ENOMEM);
    REFUSE(access, 1, EACCES);
    FAILS(bind_at(fd, path_of("here")), EACCES);
    MUST(bind_at(fd, path_of("here")) == 0 && sim_listen(fd, 5) == 0);
    REFUSE(calloc, 1, ENOMEM);
    FAILS(connect_at(client, path_of("here")), ENOMEM);
    REFUSE_AFTER(calloc, 1, 1, ENOMEM); /* the listener's end */
    FAILS(connect_at(client, path_of("here")), ENOMEM);
    MUST(connect_at(client, path_of("here")) == 0);
    sim_close(fd);
    sim_close(client);
    char long_path[400] = "";
    memset(long_path, 'x', 300);
    snprintf(long_path + 300, sizeof long_path - 300, "/here");
    struct stat there;
    FAILS(sim_lstat(long_path, &there), ENAMETOOLONG);
    MUST(sim_unlink(path_of("here")) == 0 && rmdir(directory) == 0);
}

static void leaves_a_path(void)
{
    make_directory();
    int fd = local(0);
    MUST(bind_at(fd, path_of("left")) == 0);
    sim_close(fd);
    MUST(rmdir(directory) == 0); /* which does not know of it */
}

TEST(simulated_unix, a_path_that_is_left_is_not_there_in_the_next_run)
{
    if (HARNESS_ASAN)
        SKIP("the first thread's context of a run is left to the end of its process");
    the_body = leaves_a_path;
    for (int i = 0; i < 2; i++)
        CHECK_EQ(tr_sim_run(NULL, run_body, NULL, NULL), 0);
}

TEST(simulated_unix, without_memory_or_the_right_to_it_a_call_fails)
{
    simulate_with((tr_sim_options){ .seed = 1 }, no_memory_body);
}

static void another_protocol(void) { sim_socket(AF_UNIX, SOCK_STREAM, IPPROTO_TCP); }
static void abstract(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    sim_bind(local(0), as_any(&address), sizeof address);
}
static void shuts_a_new_one(void) { sim_shutdown(local(0), SHUT_WR); }

/* In the one: a socket of the system's. */
static char strangers_path[64];
static void connects_to_a_stranger(void) { connect_at(local(0), strangers_path); }

TEST(simulated_unix, what_is_not_simulated_fails_the_run_by_name)
{
    char expected[256];
    expect_failure(another_protocol, "sockets of type 1, protocol 6 are not simulated");
    expect_failure(abstract, "Unix sockets without a path are not simulated");
    expect_failure(shuts_a_new_one, "shutdown of a Unix socket that is not connected is not simulated");
    os = &real;
    make_directory();
    snprintf(strangers_path, sizeof strangers_path, "%s", path_of("theirs"));
    int fd = listen_at(strangers_path, 1);
    os = &simulated;
    snprintf(expected, sizeof expected, "%s is no simulated socket, but the system's, or a link", strangers_path);
    expect_failure(connects_to_a_stranger, expected);
    close(fd);
    unlink(strangers_path);
    CHECK_EQ(symlink("nowhere", strangers_path), 0);
    expect_failure(connects_to_a_stranger, expected);
    unlink(strangers_path);
    CHECK_EQ(rmdir(directory), 0);
}
