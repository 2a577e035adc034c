/* name.c: see name.h. */
#include "sim/name.h"

#include "sim/machine.h"

#include <errno.h>
#include <string.h>

#define PATH_AT offsetof(struct sockaddr_un, sun_path)

static struct in6_addr mapped(struct in_addr four)
{
    struct in6_addr six = { .s6_addr = { [10] = 0xff, [11] = 0xff } };
    memcpy(&six.s6_addr[12], &four, sizeof four);
    return six;
}

/* A path may end without a zero byte. */
static int read_path(const struct sockaddr *address, socklen_t size, struct sim_name *name)
{
    struct sockaddr_un un = { .sun_family = AF_UNSPEC };
    if (size < PATH_AT || size > sizeof un)
        return EINVAL;
    memcpy(&un, address, size);
    if (un.sun_family != AF_UNIX)
        return EINVAL;
    if (un.sun_path[0] == '\0')
        sim_fail("Unix sockets without a path are not simulated");
    *name = (struct sim_name){ .port = 0 };
    memcpy(name->path, un.sun_path, sizeof un.sun_path);
    return 0;
}

int sim_name_read(sa_family_t family, const struct sockaddr *address, socklen_t size, struct sim_name *name)
{
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    if (family == AF_UNIX)
        return read_path(address, size, name);
    if (size >= sizeof four && address->sa_family == AF_INET) {
        memcpy(&four, address, sizeof four);
        *name = (struct sim_name){ .host = mapped(four.sin_addr), .port = ntohs(four.sin_port) };
        return 0;
    }
    if (size >= sizeof six && address->sa_family == AF_INET6) {
        memcpy(&six, address, sizeof six);
        *name = (struct sim_name){ .host = six.sin6_addr, .port = ntohs(six.sin6_port) };
        return 0;
    }
    return size < sizeof four ? EINVAL : EAFNOSUPPORT;
}

static void give(const void *made, socklen_t whole, struct sockaddr *address, socklen_t *size)
{
    memcpy(address, made, *size < whole ? *size : whole);
    *size = whole;
}

void sim_name_write(const struct sim_name *name, sa_family_t family, struct sockaddr *address, socklen_t *size)
{
    struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons((uint16_t)name->port) };
    struct sockaddr_in6 six = { .sin6_family = AF_INET6,
                                .sin6_port = htons((uint16_t)name->port),
                                .sin6_addr = name->host };
    struct {
        struct sockaddr_un un;
        char end; /* of the longest path */
    } local = { .un.sun_family = AF_UNIX };
    size_t length = strlen(name->path);
    memcpy(&four.sin_addr, &name->host.s6_addr[12], sizeof four.sin_addr);
    memcpy((char *)&local + PATH_AT, name->path, length);
    if (family == AF_UNIX)
        give(&local, (socklen_t)(length == 0 ? PATH_AT : PATH_AT + length + 1), address, size);
    else if (family == AF_INET)
        give(&four, sizeof four, address, size);
    else
        give(&six, sizeof six, address, size);
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
