/* no_calls.c: the n-th system call for a thread or a descriptor is refused, for n = 1, 2, ..., alone and with all that
 * follow: as no_memory.c, with the same tour.
 *
 * The linker puts the functions below in place of the C library's (--wrap, tools/cmake/tests.cmake), in the runtime's
 * code alone: the test's own calls go through __real_NAME. */
#include "refusal.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static int64_t countdown; /* atomic; what it reaches 0 at is refused, below only if lasting; INT64_MAX: nothing is */
static bool any_refused;  /* atomic */

static bool must_refuse(void)
{
    int64_t left = __atomic_sub_fetch(&countdown, 1, __ATOMIC_RELAXED);
    if (left > 0 || (left < 0 && !lasting))
        return false;
    __atomic_store_n(&any_refused, true, __ATOMIC_RELAXED);
    return true;
}

static bool call_refused(void) { return __atomic_load_n(&any_refused, __ATOMIC_RELAXED); }

static int refuse_descriptor(void)
{
    errno = EMFILE;
    return -1;
}

#define WRAP(type, name, parameters, arguments, no) \
    type __real_##name parameters;                  \
    type __wrap_##name parameters;                  \
    type __wrap_##name parameters { return must_refuse() ? (no) : __real_##name arguments; }

WRAP(int, epoll_create1, (int flags), (flags), refuse_descriptor())
WRAP(int, eventfd, (unsigned first, int flags), (first, flags), refuse_descriptor())
WRAP(int, timerfd_create, (int clock, int flags), (clock, flags), refuse_descriptor())
WRAP(int, socket, (int family, int type, int protocol), (family, type, protocol), refuse_descriptor())
WRAP(int, accept4, (int fd, struct sockaddr *from, socklen_t *size, int flags), (fd, from, size, flags),
     refuse_descriptor())
WRAP(int, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument),
     (thread, attributes, start, argument), EAGAIN)

int __real_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
    if (what == EPOLL_CTL_ADD && must_refuse()) { /* max_user_watches; the others need nothing */
        errno = ENOSPC;
        return -1;
    }
    return __real_epoll_ctl(epoll, what, fd, event);
}

static int child(int64_t n, bool onwards)
{
    (void)onwards;
    refused = call_refused;
    __atomic_store_n(&countdown, n, __ATOMIC_RELAXED);
    bool ran = run_once(NULL);
    __atomic_store_n(&countdown, INT64_MAX, __ATOMIC_RELAXED);
    MUST(refused() || (ran && tour_complete()));
    MUST(run_once(NULL) && tour_complete());
    return refused() ? SOME_REFUSED : ALL_DONE;
}

int main(int argc, char **argv)
{
    int64_t n = 1;
    known("from", 1);
    stress_start(argc, argv);
    for (n = setting("from"); try_refusal(child, n, false); n++)
        (void)try_refusal(child, n, true);
    printf("%" PRId64 " refusals survived\nok\n", 2 * (n - setting("from")));
    MUST(n > 10); /* threads, descriptors, sockets: there are more than that */
    return 0;
}
