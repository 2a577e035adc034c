/* name.h: the name of one end of a simulated connection: host and port, or the path of a Unix socket. IPv4 is IPv6 that
 * says so (::ffff:127.0.0.1). Seen by runtime/sim/ only. */
#ifndef TROUPE_SIM_NAME_H
#define TROUPE_SIM_NAME_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

struct sim_name {
    struct in6_addr host;
    int port;                                                      /* 0: none */
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1]; /* "": none */
};

/* For a socket of this family. 0 or the system's error number. */
int sim_name_read(sa_family_t family, const struct sockaddr *address, socklen_t size, struct sim_name *name);
/* As the system's calls give it: cut to *size; then *size is what there is. */
void sim_name_write(const struct sim_name *name, sa_family_t family, struct sockaddr *address, socklen_t *size);

/* Whether who is bound to `host` is reached at `wanted`. only6: and takes no IPv4 if that is all of IPv6. */
bool sim_host_covers(const struct in6_addr *host, bool only6, const struct in6_addr *wanted);

#endif
