/* socket_address.c: tcp://HOST:PORT and unix://PATH. HOST: an IPv4 address, an IPv6 address in brackets, or *. */
#include "actor/socket_address.h"

#include <troupe/base.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

enum { PORT_MOST = 65535, PORT_DIGITS = 5, HOST_MOST = INET6_ADDRSTRLEN };

static bool parse_port(const char *text, in_port_t *port)
{
    unsigned value = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > PORT_DIGITS || text[digits] != '\0')
        return false;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    *port = htons((uint16_t)value);
    return value <= PORT_MOST;
}

static void set_ipv4(struct socket_address *address, struct in_addr host, in_port_t port)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&address->room;
    *in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = host, .sin_port = port };
    address->size = sizeof *in;
}

static void set_ipv6(struct socket_address *address, struct in6_addr host, in_port_t port)
{
    struct sockaddr_in6 *in = (struct sockaddr_in6 *)&address->room;
    *in = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = host, .sin6_port = port };
    address->size = sizeof *in;
}

static int parse_tcp(const char *text, struct socket_address *address)
{
    const char *colon = strrchr(text, ':');
    char host[HOST_MOST + 2];
    in_port_t port;
    if (colon == NULL || colon == text || (size_t)(colon - text) >= sizeof host || !parse_port(colon + 1, &port))
        return TR_EINVAL;
    size_t length = (size_t)(colon - text);
    memcpy(host, text, length);
    host[length] = '\0';
    struct in_addr four;
    struct in6_addr six;
    if (strcmp(host, "*") == 0) {
        address->everywhere = true;
        set_ipv6(address, in6addr_any, port);
        return TR_OK;
    }
    if (host[0] == '[' && host[length - 1] == ']') {
        host[length - 1] = '\0';
        if (inet_pton(AF_INET6, host + 1, &six) != 1)
            return TR_EINVAL;
        set_ipv6(address, six, port);
        return TR_OK;
    }
    if (inet_pton(AF_INET, host, &four) != 1)
        return TR_EINVAL;
    set_ipv4(address, four, port);
    return TR_OK;
}

static int parse_unix(const char *path, struct socket_address *address)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&address->room;
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof un->sun_path)
        return TR_EINVAL;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, length + 1);
    address->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    return TR_OK;
}

int socket_address_parse(const char *text, struct socket_address *address)
{
    *address = (struct socket_address){ .size = 0 };
    if (text == NULL)
        return TR_EINVAL;
    if (strncmp(text, "tcp://", 6) == 0)
        return parse_tcp(text + 6, address);
    if (strncmp(text, "unix://", 7) == 0)
        return parse_unix(text + 7, address);
    return TR_EINVAL;
}

void socket_address_to_ipv4(struct socket_address *address)
{
    in_port_t port = ((struct sockaddr_in6 *)&address->room)->sin6_port;
    set_ipv4(address, (struct in_addr){ .s_addr = htonl(INADDR_ANY) }, port);
}

int socket_address_port(const struct socket_address *address)
{
    switch (address->any.sa_family) {
    case AF_INET: return ntohs(((const struct sockaddr_in *)&address->room)->sin_port);
    case AF_INET6: return ntohs(((const struct sockaddr_in6 *)&address->room)->sin6_port);
    default: return 0;
    }
}

/* An IPv4 peer of a socket that takes both has an address that says so. */
static bool print_ipv6(const struct sockaddr_in6 *in, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN];
    bool four = IN6_IS_ADDR_V4MAPPED(&in->sin6_addr);
    if (four)
        inet_ntop(AF_INET, &in->sin6_addr.s6_addr[12], host, sizeof host);
    else
        inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
    int length = snprintf(text, size, four ? "tcp://%s:%d" : "tcp://[%s]:%d", host, ntohs(in->sin6_port));
    return (size_t)length < size;
}

static bool print_ipv4(const struct sockaddr_in *in, char *text, size_t size)
{
    char host[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
    int length = snprintf(text, size, "tcp://%s:%d", host, ntohs(in->sin_port));
    return (size_t)length < size;
}

/* A path need not end with a zero byte; one without a name, or with an abstract one, is no path. */
static bool print_unix(const struct sockaddr_un *un, socklen_t given, char *text, size_t size)
{
    size_t room = given > offsetof(struct sockaddr_un, sun_path) ? given - offsetof(struct sockaddr_un, sun_path) : 0;
    int length = snprintf(text, size, "unix://%.*s", (int)room, un->sun_path);
    return (size_t)length < size;
}

bool socket_address_print(const struct socket_address *address, char *text, size_t size)
{
    switch (address->any.sa_family) {
    case AF_INET: return print_ipv4((const struct sockaddr_in *)&address->room, text, size);
    case AF_INET6: return print_ipv6((const struct sockaddr_in6 *)&address->room, text, size);
    case AF_UNIX: return print_unix((const struct sockaddr_un *)&address->room, address->size, text, size);
    default: return false;
    }
}

const char *socket_address_path(const struct socket_address *address)
{
    return address->any.sa_family == AF_UNIX ? ((const struct sockaddr_un *)&address->room)->sun_path : NULL;
}
