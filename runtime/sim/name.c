/* name.c: see name.h. */
#include "sim/name.h"

#include <errno.h>
#include <string.h>

static struct in6_addr mapped(struct in_addr four)
{
    struct in6_addr six = { .s6_addr = { [10] = 0xff, [11] = 0xff } };
    memcpy(&six.s6_addr[12], &four, sizeof four);
    return six;
}

int sim_name_read(const struct sockaddr *address, socklen_t size, struct sim_name *name)
{
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    if (size >= sizeof four && address->sa_family == AF_INET) {
        memcpy(&four, address, sizeof four);
        *name = (struct sim_name){ mapped(four.sin_addr), ntohs(four.sin_port) };
        return 0;
    }
    if (size >= sizeof six && address->sa_family == AF_INET6) {
        memcpy(&six, address, sizeof six);
        *name = (struct sim_name){ six.sin6_addr, ntohs(six.sin6_port) };
        return 0;
    }
    return size < sizeof four ? EINVAL : EAFNOSUPPORT;
}

void sim_name_write(const struct sim_name *name, sa_family_t family, struct sockaddr *address, socklen_t *size)
{
    struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons((uint16_t)name->port) };
    struct sockaddr_in6 six = { .sin6_family = AF_INET6,
                                .sin6_port = htons((uint16_t)name->port),
                                .sin6_addr = name->host };
    memcpy(&four.sin_addr, &name->host.s6_addr[12], sizeof four.sin_addr);
    socklen_t whole = family == AF_INET ? sizeof four : sizeof six;
    const void *made = family == AF_INET ? (const void *)&four : (const void *)&six;
    memcpy(address, made, *size < whole ? *size : whole);
    *size = whole;
}

bool sim_host_covers(const struct in6_addr *host, bool only6, const struct in6_addr *wanted)
{
    static const struct in_addr none = { INADDR_ANY };
    const struct in6_addr all4 = mapped(none);
    bool four = IN6_IS_ADDR_V4MAPPED(wanted);
    if (IN6_IS_ADDR_UNSPECIFIED(host))
        return !four || !only6;
    if (memcmp(host, &all4, sizeof all4) == 0)
        return four;
    return memcmp(host, wanted, sizeof *host) == 0;
}
