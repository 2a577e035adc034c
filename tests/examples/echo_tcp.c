/* echo_tcp.c: a TCP echo server: an acceptor, and one process for each connection under a dynamic supervisor */
#include <stdio.h>
#include <string.h>
#include <troupe/troupe.h>

static void connection(const tr_msg *arg)
{
    tr_socket socket = *(const tr_socket *)tr_expect(arg, sizeof socket);
    char buffer[4096];
    size_t size;
    while (tr_read(socket, buffer, sizeof buffer, 60000, &size) == TR_OK)
        if (tr_write(socket, buffer, size, 10000) != TR_OK)
            return;
} /* its end closes the socket */

static void acceptor(const tr_msg *address)
{
    tr_socket listener, socket;
    tr_must(tr_listen(tr_string(address), &listener));
    printf("listening on port %d\n", tr_socket_port(listener));
    fflush(stdout);
    for (;;) {
        tr_pid pid;
        tr_must(tr_accept(listener, TR_INFINITY, &socket));
        const tr_child child = {
            .entry = connection, .arg = &socket, .arg_size = sizeof socket, .restart = TR_TEMPORARY
        };
        if (tr_start_child(tr_name("connections"), &child, &pid) != TR_OK || tr_socket_give(socket, pid) != TR_OK)
            tr_close(socket); /* too many, or it has ended already */
    }
}

static const tr_supervisor connections = { .strategy = TR_DYNAMIC, .max_children = 10000 };

int main(int argc, char **argv)
{
    const char *address = argc > 1 ? argv[1] : "tcp://127.0.0.1:7000";
    const tr_child children[] = {
        { .name = "connections", .supervisor = &connections },
        { .id = "acceptor", .entry = acceptor, .arg = address, .arg_size = strlen(address) + 1 },
    };
    return tr_run(
        &(tr_supervisor){ .strategy = TR_REST_FOR_ONE, .children = children, .child_count = TR_COUNT(children) });
}
