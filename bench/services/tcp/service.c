/* service.c: see service.h. The settings are written by service_main before the runtime starts and only read after. The
 * one exception is the port: the listener, of which there is one at a time, stores the one that the system chose, for
 * its successors. */
#include "service.h"

#include <errno.h>
#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { OTHER_DESCRIPTORS = 32 /* the runtime's own, the listener, standard streams */ };

static struct {
    const struct service *service;
    const char *bind;
    int workers, connections;
    _Atomic int port;
} settings = { .bind = "127.0.0.1", .connections = 10000 };

/* ---- the listener */

/* Nobody can do anything about a port that can't be opened: said plainly, then the program ends. */
static TR_NORETURN void give_up(const char *address, const char *why)
{
    fprintf(stderr, "%s: can't listen on %s: %s\n", settings.service->name, address, why);
    tr_exit(tr_because(TR_WHY_USER, 1, "%s", why));
}

static tr_socket open_port(void)
{
    char address[128];
    tr_socket listener;
    snprintf(address, sizeof address, strchr(settings.bind, ':') ? "tcp://[%s]:%d" : "tcp://%s:%d", settings.bind,
             atomic_load_explicit(&settings.port, memory_order_relaxed)); /* of a dead process: its end was seen */
    int status = tr_listen(address, &listener);
    if (status != TR_OK)
        give_up(address, status == TR_EIO ? strerror(tr_socket_error(listener)) : tr_status_text(status));
    return listener;
}

static void say_what_it_is(int port)
{
    const struct service *service = settings.service;
    printf("%s: %s on %s port %d\nnext: ", service->name, service->what, settings.bind, port);
    for (const char *at = service->next; *at != '\0'; at++) {
        if (at[0] == '%' && at[1] == 'd') {
            printf("%d", port);
            at++;
        } else {
            putchar(*at);
        }
    }
    printf("\nstop: Ctrl-C, or kill %ld\n", (long)getpid());
    fflush(stdout);
}

static void take(tr_socket socket)
{
    const tr_child child = {
        .entry = settings.service->connection, .arg = &socket, .arg_size = sizeof socket, .restart = TR_TEMPORARY
    };
    tr_pid pid;
    if (tr_start_child(tr_name("connections"), &child, &pid) != TR_OK || tr_socket_give(socket, pid) != TR_OK)
        tr_close(socket); /* too many, or it has ended already */
}

static void listener(const tr_msg *unused)
{
    (void)unused;
    static atomic_flag said = ATOMIC_FLAG_INIT;
    tr_socket socket, port = open_port();
    atomic_store_explicit(&settings.port, tr_socket_port(port), memory_order_relaxed);
    if (!atomic_flag_test_and_set_explicit(&said, memory_order_relaxed))
        say_what_it_is(tr_socket_port(port));
    tr_started();
    for (;;) {
        int status = tr_accept(port, TR_INFINITY, &socket);
        if (status == TR_OK)
            take(socket);
        else if (status != TR_EIO) /* that was a connection which ended before it was accepted */
            tr_must(status);
    }
}

static int start_listener(const tr_msg *arg, tr_pid *pid)
{
    (void)arg;
    return tr_start_entry(listener, NULL, 0, true, &(tr_start_options){ .flags = TR_START_LINK }, pid);
}

/* ---- connections */

/* The socket arrives just behind the process's start: tr_read waits for it. */
tr_socket service_socket(const tr_msg *arg) { return *(const tr_socket *)tr_expect(arg, sizeof(tr_socket)); }

/* ---- options */

static void usage(FILE *out)
{
    fprintf(out,
            "%s: %s\nusage: %s [options]\n"
            "  --port N         TCP port (%d); 0: any free one, it is printed\n"
            "  --bind ADDRESS   address to listen on (127.0.0.1)\n"
            "  --workers N      threads (the cores this process may use)\n"
            "  --connections N  clients at a time (10000)\n"
            "  --help           this\n",
            settings.service->name, settings.service->what, settings.service->name, settings.service->port);
}

static int number(const char *option, const char *text, long least, long most)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno == 0 && end != text && *end == '\0' && value >= least && value <= most)
        return (int)value;
    fprintf(stderr, "%s: --%s takes a number from %ld to %ld, not '%s'\n", settings.service->name, option, least, most,
            text);
    exit(2);
}

static void read_options(int argc, char **argv)
{
    static const struct option options[] = {
        { "port", required_argument, NULL, 'p' },    { "bind", required_argument, NULL, 'b' },
        { "workers", required_argument, NULL, 'w' }, { "connections", required_argument, NULL, 'c' },
        { "help", no_argument, NULL, 'h' },          { NULL, 0, NULL, 0 },
    };
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'p': atomic_init(&settings.port, number("port", optarg, 0, 65535)); break;
        case 'b': settings.bind = optarg; break;
        case 'w': settings.workers = number("workers", optarg, 1, 256); break;
        case 'c': settings.connections = number("connections", optarg, 1, 1000000); break;
        case 'h': usage(stdout); exit(0);
        default: usage(stderr); exit(2);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: what is '%s'?\n", settings.service->name, argv[optind]);
        usage(stderr);
        exit(2);
    }
}

/* As many descriptors as clients may come, as far as the system allows; beyond, tr_accept waits for one. */
static void allow_clients(void)
{
    rlim_t wanted = (rlim_t)settings.connections + OTHER_DESCRIPTORS;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
        fprintf(stderr, "%s: the system allows fewer open files than %d clients need (ulimit -n)\n",
                settings.service->name, settings.connections);
}

int service_main(const struct service *service, int argc, char **argv)
{
    settings.service = service;
    atomic_init(&settings.port, service->port);
    read_options(argc, argv);
    allow_clients();
    const tr_supervisor connections = { .strategy = TR_DYNAMIC, .max_children = settings.connections };
    const tr_child children[] = {
        { .name = "connections", .supervisor = &connections },
        { .id = "listener", .start = start_listener },
    };
    const tr_supervisor root = {
        .strategy = TR_REST_FOR_ONE, .children = children, .child_count = TR_COUNT(children), .intensity = 5
    };
    return tr_run_with(&(tr_config){ .workers = settings.workers }, &root);
}
