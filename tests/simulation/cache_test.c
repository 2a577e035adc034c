/* cache_test.c: the cache of bench/services, all of it but its main, and clients that speak its protocol, over
 * simulated connections: what it answers while shards crash, connections are cut and SIGTERM comes. */
#include "simulation/streams.h"

#include "../../bench/services/cache/clients.h"
#include "../../bench/services/cache/command.h"
#include "../../bench/services/cache/hash.h"
#include "../../bench/services/cache/listener.h"
#include "../../bench/services/cache/settings.h"
#include "../../bench/services/cache/shard.h"

#include <signal.h>
#include <time.h>

enum { PORT = 6400, CLIENTS = 3, ROUNDS = 5, PIPELINE = 6 };

/* ---- the cache, as its main starts it */

static tr_supervisor shards, connections, service;
static tr_child parts[4];

static void make_cache(void)
{
    cache.shards = 1 + tr_sim_random(3);
    settings_set(listening_port, PORT); /* as if it had been opened before: it says nothing */
    hash_start();
    command_start();
    shards = (tr_supervisor){
        .children = shard_start(cache.shards), .child_count = cache.shards, .intensity = 1000, .period_s = 1
    };
    connections = (tr_supervisor){ .strategy = TR_DYNAMIC };
    parts[0] = (tr_child){ .name = "shards", .supervisor = &shards };
    parts[1] = (tr_child){ .name = "clients", .server = &clients_server };
    parts[2] = (tr_child){ .name = "connections", .supervisor = &connections };
    parts[3] = (tr_child){ .id = "listener", .start = listener_start, .shutdown_ms = 10000 };
    service = (tr_supervisor){ .children = parts, .child_count = TR_COUNT(parts), .intensity = 5 };
}

static tr_pid start_cache(void)
{
    tr_pid tree;
    make_cache();
    CHECK_EQ(tr_start_link(&(tr_child){ .supervisor = &service, .id = "cache" }, &tree), TR_OK);
    return tree;
}

static void stop_cache(tr_pid tree)
{
    tr_unlink(tree);
    tr_exit_signal(tree, TR_SHUTDOWN);
    await_end(tree);
    CHECK_EQ(settings_get(connected), 0);
}

/* ---- clients */

struct client_end {
    tr_socket socket;
    char buffer[512];
    size_t have;
    char line[128]; /* the latest, without its end */
};

static int read_line(struct client_end *client)
{
    char *end;
    while ((end = memmem(client->buffer, client->have, "\r\n", 2)) == NULL) {
        size_t got;
        CHECK(client->have < sizeof client->buffer);
        int status = tr_read(client->socket, client->buffer + client->have, sizeof client->buffer - client->have,
                             TR_INFINITY, &got);
        if (status != TR_OK)
            return status;
        client->have += got;
    }
    size_t size = (size_t)(end - client->buffer);
    CHECK(size < sizeof client->line);
    memcpy(client->line, client->buffer, size);
    client->line[size] = '\0';
    client->have -= size + 2;
    memmove(client->buffer, end + 2, client->have);
    return TR_OK;
}

static int say(const struct client_end *client, const char *text)
{
    return tr_write(client->socket, text, strlen(text), TR_INFINITY);
}

static void expect_line(struct client_end *client, const char *expected)
{
    CHECK_EQ(read_line(client), TR_OK);
    CHECK_STR(client->line, expected);
}

static void run_clients(tr_entry *client)
{
    tr_ref monitors[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        tr_spawn_monitor(client, &i, sizeof i, &monitors[i]);
    await_all(monitors, CLIENTS);
}

static int number_of(const tr_msg *arg) { return *(const int *)tr_expect(arg, sizeof(int)); }

/* ---- without faults */

static void set_and_get(const tr_msg *arg)
{
    struct client_end client = { .socket = must_connect(PORT) };
    int number = number_of(arg);
    char text[512], value[128];
    for (int round = 0; round < ROUNDS; round++) {
        int size = snprintf(
            value, sizeof value, "value-%d-%d-%.*s", number, round, (int)tr_sim_random(90),
            "the quick brown fox jumps over the lazy dog the quick brown fox jumps over the lazy dog again");
        snprintf(text, sizeof text,
                 "*3\r\n$3\r\nSET\r\n$2\r\nk%d\r\n$%d\r\n%s\r\nGET k%d\r\nDEL k%d nothing\r\nGET k%d\r\n", number, size,
                 value, number, number, number);
        CHECK_EQ(say(&client, text), TR_OK);
        expect_line(&client, "+OK");
        snprintf(text, sizeof text, "$%d", size);
        expect_line(&client, text);
        expect_line(&client, value);
        expect_line(&client, ":1");
        expect_line(&client, "$-1");
    }
}

static void clients_with_keys(void)
{
    tr_pid tree = start_cache();
    run_clients(set_and_get);
    stop_cache(tree);
}
TEST(cache, each_client_reads_what_it_wrote) { simulate(0, clients_with_keys); }

/* ---- shards that crash */

static void count_through_crashes(const tr_msg *arg)
{
    struct client_end client = { .socket = must_connect(PORT) };
    char text[64];
    long long last = 0, value;
    snprintf(text, sizeof text, "INCR counter%d\r\n", number_of(arg));
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < PIPELINE; i++)
            CHECK_EQ(say(&client, text), TR_OK);
        for (int i = 0; i < PIPELINE; i++) {
            CHECK_EQ(read_line(&client), TR_OK);
            if (strcmp(client.line, "-ERR shard restarted") == 0)
                continue;
            CHECK_EQ(sscanf(client.line, ":%lld", &value), 1);
            CHECK(value == last + 1 || value == 1); /* the next, or of a shard that came back empty */
            last = value;
        }
    }
}

static void crashing_shards(void)
{
    tr_pid tree = start_cache();
    tr_sim_inject(true);
    run_clients(count_through_crashes);
    tr_sim_inject(false);
    stop_cache(tree);
}
SIM_TEST(cache, every_request_is_answered_while_shards_crash,
         .faults = { .crash = 30000, .most = 5, .victims = "shard" })
{
    simulate(0, crashing_shards);
}

/* ---- connections that are cut */

static void count_through_cuts(const tr_msg *arg)
{
    struct client_end client = { .have = 0 };
    char text[64];
    long long sent = 0, answered = 0, value;
    bool open = false;
    snprintf(text, sizeof text, "INCR counter%d\r\n", number_of(arg));
    while (answered < ROUNDS * 2) {
        int status = open ? TR_OK : try_connect(PORT, TR_INFINITY, &client.socket);
        if (status == TR_OK) {
            sent += PIPELINE;
            for (int i = 0; i < PIPELINE && status == TR_OK; i++)
                status = say(&client, text);
        }
        for (int i = 0; i < PIPELINE && status == TR_OK && (status = read_line(&client)) == TR_OK; i++) {
            CHECK_EQ(sscanf(client.line, ":%lld", &value), 1);
            CHECK(value > answered && value <= sent);
            answered = value;
        }
        open = status == TR_OK;
        if (!open) {
            check_over(client.socket, status);
            tr_close(client.socket);
            client.have = 0;
        }
    }
}

static void cut_connections(void)
{
    tr_pid tree = start_cache();
    tr_sim_inject(true);
    run_clients(count_through_cuts);
    tr_sim_inject(false);
    stop_cache(tree);
}
SIM_TEST(cache, no_increment_is_lost_or_doubled_over_cut_connections,
         .faults = { .cut = 20000, .delay = 20000, .most = 10 })
{
    simulate(0, cut_connections);
}

/* ---- SIGTERM */

static void count_until_the_end(const tr_msg *arg)
{
    struct client_end client = { .have = 0 };
    char text[64];
    long long last = 0, value;
    int status;
    snprintf(text, sizeof text, "INCR counter%d\r\n", number_of(arg));
    while ((status = try_connect(PORT, TR_INFINITY, &client.socket)) != TR_OK && tr_socket_error(client.socket) != 0)
        tr_sleep(1);
    while (status == TR_OK) {
        for (int i = 0; i < PIPELINE && status == TR_OK; i++)
            status = say(&client, text);
        for (int i = 0; i < PIPELINE && (status = read_line(&client)) == TR_OK; i++) {
            CHECK_EQ(sscanf(client.line, ":%lld", &value), 1);
            CHECK_EQ(value, ++last);
        }
    }
    check_over(client.socket, status);
    CHECK_EQ(client.have, 0); /* no half of a reply */
    tr_exit(TR_NORMAL);
}

static void terminate_later(void *arg)
{
    (void)arg;
    struct timespec pause = { .tv_nsec = 20000 };
    while (settings_get(accepted) == 0) /* the runtime has its handler */
        nanosleep(&pause, NULL);
    pause.tv_nsec = (long)tr_sim_random(30000000);
    nanosleep(&pause, NULL);
    tr_sim_raise(SIGTERM);
}

static const int client_numbers[CLIENTS] = { 0, 1, 2 };

TEST(cache, sigterm_ends_each_connection_after_a_whole_reply)
{
    static const char *const names[CLIENTS] = { "a", "b", "c" };
    tr_child all[1 + CLIENTS];
    make_cache();
    all[CLIENTS] = (tr_child){ .id = "cache", .supervisor = &service };
    for (int i = 0; i < CLIENTS; i++) /* first, so that they are stopped last */
        all[i] = (tr_child){ .id = names[i],
                             .entry = count_until_the_end,
                             .arg = &client_numbers[i],
                             .arg_size = sizeof(int),
                             .restart = TR_TEMPORARY };
    tr_config config = quiet_config;
    config.workers = 1 + (int)tr_sim_random(3);
    int thread = tr_sim_thread_start(terminate_later, NULL);
    CHECK_EQ(tr_run_with(&config, &(tr_supervisor){ .children = all, .child_count = TR_COUNT(all) }), 0);
    tr_sim_thread_join(thread);
}
