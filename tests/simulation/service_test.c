/* service_test.c: a service as one writes it, under a supervisor: its listener crashes and opens its port again, its
 * connections go on, and a SIGTERM at any time stops all of it. */
#include "simulation/streams.h"

enum { PORT = 7000, USERS = 3, CALLS = 6 };

static int listeners;

static void take(tr_socket socket)
{
    const tr_child child = { .entry = echo_all, .arg = &socket, .arg_size = sizeof socket, .restart = TR_TEMPORARY };
    tr_pid pid;
    CHECK_EQ(tr_start_child(tr_name("connections"), &child, &pid), TR_OK);
    CHECK_EQ(tr_socket_give(socket, pid), TR_OK);
}

/* The one before has ended, and its port is free: else this fails. */
static void listener(const tr_msg *unused)
{
    (void)unused;
    tr_socket port = must_listen(PORT);
    listeners++;
    tr_started();
    for (;;)
        take(must_accept(port));
}

static const tr_spawn_options listener_options = { .label = "listener" };

static int start_listener(const tr_msg *arg, tr_pid *pid)
{
    (void)arg;
    return tr_start_entry(listener, NULL, 0, true,
                          &(tr_start_options){ .flags = TR_START_LINK, .spawn = &listener_options }, pid);
}

static const tr_supervisor connections = { .strategy = TR_DYNAMIC };
static const tr_child children[] = {
    { .name = "connections", .supervisor = &connections },
    { .id = "listener", .start = start_listener },
};
static const tr_supervisor service = {
    .strategy = TR_REST_FOR_ONE, .children = children, .child_count = TR_COUNT(children), .intensity = 100
};

/* Before its first answer a connection may be lost with the listener; afterwards it is nobody else's. */
static tr_socket find_service(void)
{
    for (;;) {
        tr_socket socket;
        char byte = 'h';
        int status = try_connect(PORT, TR_INFINITY, &socket);
        if (status == TR_OK)
            status = tr_write(socket, &byte, 1, TR_INFINITY);
        if (status == TR_OK)
            status = read_all(socket, &byte, 1);
        if (status == TR_OK)
            return socket;
        CHECK(status == TR_EEND || status == TR_EIO);
        tr_close(socket);
        tr_sleep(1);
    }
}

static void user(const tr_msg *unused)
{
    (void)unused;
    tr_socket socket = find_service();
    for (int64_t i = 0, answer; i < CALLS; i++) {
        CHECK_EQ(tr_write(socket, &i, sizeof i, TR_INFINITY), TR_OK);
        CHECK_EQ(read_all(socket, &answer, sizeof answer), TR_OK);
        CHECK_EQ(answer, i);
    }
}

static void listener_crashes(void)
{
    tr_pid tree;
    tr_ref monitors[USERS];
    CHECK_EQ(tr_start_link(&(tr_child){ .supervisor = &service, .id = "service" }, &tree), TR_OK);
    tr_sim_inject(true);
    for (int i = 0; i < USERS; i++)
        tr_spawn_monitor(user, NULL, 0, &monitors[i]);
    await_all(monitors, USERS);
    tr_sim_inject(false);
    CHECK(listeners >= 1 && listeners <= 7);
    tr_unlink(tree);
    tr_exit_signal(tree, TR_SHUTDOWN);
    await_end(tree);
}
SIM_TEST(service, a_listener_comes_back_on_its_port_and_connections_go_on,
         .faults = { .crash = 100000, .most = 6, .victims = "listener" }, .max_ms = 600000)
{
    simulate(0, listener_crashes);
}

/* ---- SIGTERM */

static int answers;

static void restless_user(const tr_msg *unused)
{
    (void)unused;
    tr_socket socket = must_connect(PORT);
    int status = TR_OK;
    for (int64_t i = 0, answer; status == TR_OK; i++) {
        status = tr_write(socket, &i, sizeof i, TR_INFINITY);
        if (status == TR_OK)
            status = read_all(socket, &answer, sizeof answer);
        if (status == TR_OK)
            CHECK_EQ(answer, i);
        answers += status == TR_OK;
    }
    check_over(socket, status);
    for (;;)
        tr_sleep(1000); /* until it is stopped */
}

static void terminate_later(void *arg)
{
    (void)arg;
    terminate_within(50000000, &listeners);
}

/* The users are started after the service and stopped before it, or are stopped with their connections under way. */
TEST(service, sigterm_at_any_time_closes_every_connection)
{
    const tr_child users = { .entry = restless_user, .restart = TR_TEMPORARY };
    tr_child all[2 + USERS] = { { .id = "service", .supervisor = &service } };
    const char *const names[] = { "a", "b", "c" };
    for (int i = 0; i < USERS; i++) {
        all[1 + i] = users;
        all[1 + i].id = names[i];
    }
    tr_config config = quiet_config;
    config.workers = 1 + (int)tr_sim_random(3);
    int thread = tr_sim_thread_start(terminate_later, NULL);
    CHECK_EQ(tr_run_with(&config, &(tr_supervisor){ .children = all, .child_count = 1 + USERS }), 0);
    tr_sim_thread_join(thread);
    CHECK_EQ(listeners, 1);
}
