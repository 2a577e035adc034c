/* main.c: echo: a TCP service that sends back what it gets. */
#include "../tcp/service.h"

enum { AT_ONCE = 8192, WRITE_MS = 30000 /* a client that takes nothing for so long is let go */ };

static void connection(const tr_msg *arg)
{
    tr_socket socket = service_socket(arg);
    char buffer[AT_ONCE];
    size_t size;
    while (tr_read(socket, buffer, sizeof buffer, TR_INFINITY, &size) == TR_OK)
        if (tr_write(socket, buffer, size, WRITE_MS) != TR_OK)
            return;
} /* its end closes the socket */

static const struct service echo = {
    .name = "echo", .what = "sends back what it gets", .next = "nc 127.0.0.1 %d", .port = 7000, .connection = connection
};

int main(int argc, char **argv) { return service_main(&echo, argc, argv); }
