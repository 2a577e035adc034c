/* socket_address.h: the text of an address, as include/troupe/socket.h defines it, into what the system calls take. No
 * name is resolved, nothing blocks. */
#ifndef TROUPE_ACTOR_SOCKET_ADDRESS_H
#define TROUPE_ACTOR_SOCKET_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

struct socket_address {
    union {
        struct sockaddr any;
        struct sockaddr_storage room;
    };
    socklen_t size;
    bool everywhere; /* HOST is a star: only for listening; `any` holds [::], which takes IPv4, too */
};

/* TR_OK or TR_EINVAL. */
int socket_address_parse(const char *text, struct socket_address *address);

/* The same port on all IPv4 interfaces: for a system without IPv6. */
void socket_address_to_ipv4(struct socket_address *address);

int socket_address_port(const struct socket_address *address);

/* The text of an address that the system gave, in `size` bytes. False: it does not fit, or it is of another family. */
bool socket_address_print(const struct socket_address *address, char *text, size_t size);

/* The path of a Unix address, NULL for others. */
const char *socket_address_path(const struct socket_address *address);

#endif
