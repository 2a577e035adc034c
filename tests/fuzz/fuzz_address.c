/* fuzz_address.c: addresses of sockets: what is accepted fits what the system calls take. */
#include "fuzz.h"

#include "actor/socket_address.h"

#include <troupe/base.h>

#include <netinet/in.h>
#include <sys/un.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct socket_address address;
    char *text = fuzz_text(data, size);
    int status = socket_address_parse(text, &address);
    HOLDS(status == TR_OK || status == TR_EINVAL);
    if (status == TR_OK) {
        int port = socket_address_port(&address);
        const char *path = socket_address_path(&address);
        HOLDS(port >= 0 && port <= 65535 && address.size > 0 && address.size <= sizeof address.room);
        HOLDS((path != NULL) == (address.any.sa_family == AF_UNIX));
        if (path != NULL)
            HOLDS(strcmp(path, text + strlen("unix://")) == 0);
        if (address.everywhere) {
            socket_address_to_ipv4(&address);
            HOLDS(socket_address_port(&address) == port && address.size == sizeof(struct sockaddr_in));
        }
    }
    free(text);
    return 0;
}
