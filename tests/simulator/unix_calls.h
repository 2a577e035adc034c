/* unix_calls.h: the calls on Unix sockets at paths in a directory of the test's own, the simulated ones or the
 * system's. */
#ifndef TROUPE_TESTS_SIMULATOR_UNIX_CALLS_H
#define TROUPE_TESTS_SIMULATOR_UNIX_CALLS_H

#include "simulator/system_calls.h"

#include <sys/stat.h>
#include <sys/un.h>

static char directory[64];

static inline void make_directory(void)
{
    snprintf(directory, sizeof directory, "%s", "/tmp/troupe-unix-XXXXXX");
    MUST(mkdtemp(directory) != NULL);
}

/* In it. */
static inline const char *path_of(const char *name)
{
    static char path[4][256];
    static int next;
    char *made = path[next++ % 4];
    snprintf(made, sizeof path[0], "%s/%s", directory, name);
    return made;
}

static inline int look_at(const char *path, struct stat *to)
{
    return os == &simulated ? sim_lstat(path, to) : lstat(path, to);
}
static inline int remove_path(const char *path) { return os == &simulated ? sim_unlink(path) : unlink(path); }

static inline socklen_t unix_address(const char *path, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    size_t length = strlen(path);
    memcpy(address->sun_path, path, length);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static inline int local(int more)
{
    int fd = os->socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | more, 0);
    MUST(fd >= 0);
    return fd;
}

static inline int bind_at(int fd, const char *path)
{
    struct sockaddr_un address;
    socklen_t size = unix_address(path, &address);
    return os->bind(fd, as_any(&address), size);
}

static inline int connect_at(int fd, const char *path)
{
    struct sockaddr_un address;
    socklen_t size = unix_address(path, &address);
    return os->connect(fd, as_any(&address), size);
}

static inline int listen_at(const char *path, int backlog)
{
    int fd = local(SOCK_NONBLOCK);
    MUST(bind_at(fd, path) == 0 && os->listen(fd, backlog) == 0);
    return fd;
}

/* Both ends block; nobody listens there any more. */
static inline void make_unix_pair(int *here, int *there)
{
    int listener = listen_at(path_of("pair"), 5);
    *here = local(0);
    MUST(connect_at(*here, path_of("pair")) == 0);
    MUST((*there = os->accept(listener, NULL, NULL, 0)) >= 0);
    MUST(os->close(listener) == 0 && remove_path(path_of("pair")) == 0);
}

#endif
