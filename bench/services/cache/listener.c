/* listener.c: see listener.h. When it is restarted it opens the same port again; connections don't notice. */
#include "listener.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "connection.h"
#include "settings.h"

/* Nobody can do anything about a port that can't be opened: said plainly, then the program ends. */
static TR_NORETURN void give_up(const char *address, int status, const char *why)
{
    fprintf(stderr, "cache: can't listen on %s: %s\n", address, why);
    tr_exit(tr_because(TR_WHY_USER, status, "%s", why));
}

static tr_socket open_port(void)
{
    char address[128];
    tr_socket listener;
    int port = settings_get(listening_port) != 0 ? settings_get(listening_port) : cache.port;
    snprintf(address, sizeof address, strchr(cache.bind, ':') ? "tcp://[%s]:%d" : "tcp://%s:%d", cache.bind, port);
    int status = tr_listen(address, &listener);
    if (status == TR_EIO)
        give_up(address, status, strerror(tr_socket_error(listener)));
    if (status != TR_OK)
        give_up(address, status, tr_status_text(status));
    return listener;
}

static void say_hello(int port)
{
    tr_system_info system;
    int workers = tr_system(&system) == TR_OK ? system.workers : 0;
    printf("cache: speaks the Redis protocol on %s port %d; %u shards on %d workers, keys live in memory only\n"
           "next:  redis-cli -p %d set greeting hello\n"
           "       redis-cli -p %d get greeting\n"
           "       redis-cli -p %d debug crash-shard 0    (it comes back empty, all else goes on)\n"
           "stop:  Ctrl-C, or kill %ld\n",
           cache.bind, port, cache.shards, workers, port, port, port, (long)getpid());
    fflush(stdout);
}

static void refuse(tr_socket socket)
{
    static const char text[] = "-ERR max number of clients reached\r\n";
    settings_add(rejected, 1);
    int unused = tr_write(socket, text, sizeof text - 1, 0); /* if it can't be said, it is not said */
    (void)unused;
    tr_close(socket);
}

static void take(tr_socket socket)
{
    struct connection_start with = { .socket = socket, .id = settings_add(client_ids, 1) + 1 };
    tr_child child = { .entry = connection_entry, .arg = &with, .arg_size = sizeof with, .restart = TR_TEMPORARY };
    tr_pid pid;
    settings_add(accepted, 1);
    int status = tr_start_child(tr_name("connections"), &child, &pid);
    if (status == TR_EMAX_CHILDREN)
        refuse(socket);
    else if (status != TR_OK || tr_socket_give(socket, pid) != TR_OK)
        tr_close(socket); /* no memory, or it has ended already */
}

static void listener(const tr_msg *unused)
{
    (void)unused;
    tr_socket socket, port = open_port();
    bool again = settings_get(listening_port) != 0;
    settings_set(listening_port, tr_socket_port(port));
    if (!again)
        say_hello(settings_get(listening_port));
    tr_started();
    for (;;) {
        int status = tr_accept(port, TR_INFINITY, &socket);
        if (status == TR_OK)
            take(socket);
        else if (status != TR_EIO) /* that was a connection which ended before it was accepted */
            tr_must(status);
    }
}

int listener_start(const tr_msg *arg, tr_pid *pid)
{
    (void)arg;
    return tr_start_entry(listener, NULL, 0, true, &(tr_start_options){ .flags = TR_START_LINK }, pid);
}
