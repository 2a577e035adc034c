/* net.c: descriptors of the simulation: the table, epoll over it, and event counters.
 *
 * Epoll as the runtime uses it: edge-triggered. A watch is pending from an edge (or its making, if something is ready
 * then) until a wait reports it; a wait reports what is pending and still ready. The order of a report is drawn. */
#include "sim/net.h"

#include "sim/machine.h"
#include "sim/system.h"

#include <errno.h>
#include <string.h>

struct watch {
    bool used, pending;
    int epoll, fd;
    struct epoll_event event;
};

static struct sim_file files[SIM_FILES_MOST];
static struct watch watches[SIM_WATCHES_MOST];
static unsigned watch_count; /* slots that were ever used */

void sim_net_start(void)
{
    memset(files, 0, sizeof files[0] * SIM_FILES_MOST);
    watch_count = 0;
}

struct sim_file *sim_file_of(int fd)
{
    if (fd < SIM_FD_BASE || fd >= SIM_FD_BASE + SIM_FILES_MOST)
        return NULL;
    struct sim_file *file = &files[fd - SIM_FD_BASE];
    return file->kind == SIM_NO_FILE ? NULL : file;
}

int sim_file_open(enum sim_file_kind kind, const struct sim_file_calls *calls, void *of)
{
    for (int i = 0; i < SIM_FILES_MOST; i++)
        if (files[i].kind == SIM_NO_FILE) {
            files[i] = (struct sim_file){ .kind = kind, .calls = calls, .of = of };
            return SIM_FD_BASE + i;
        }
    errno = EMFILE;
    return -1;
}

static uint32_t ready(const struct sim_file *file)
{
    if (file->kind == SIM_EVENT)
        return (file->counter > 0 ? (uint32_t)EPOLLIN : 0u) | EPOLLOUT;
    return file->kind == SIM_OTHER ? file->calls->ready(file->of) : 0;
}

void sim_file_edge(int fd)
{
    for (unsigned i = 0; i < watch_count; i++)
        if (watches[i].used && watches[i].fd == fd) {
            watches[i].pending = true;
            sim_wake(&files[watches[i].epoll - SIM_FD_BASE], SIM_THREADS_MOST);
        }
}

/* ---- epoll */

int sim_epoll_create(int flags)
{
    (void)flags;
    return sim_file_open(SIM_EPOLL, NULL, NULL);
}

static struct watch *find_watch(int epoll, int fd)
{
    for (unsigned i = 0; i < watch_count; i++)
        if (watches[i].used && watches[i].epoll == epoll && watches[i].fd == fd)
            return &watches[i];
    return NULL;
}

static struct watch *new_watch(void)
{
    for (unsigned i = 0; i < watch_count; i++)
        if (!watches[i].used)
            return &watches[i];
    return watch_count < SIM_WATCHES_MOST ? &watches[watch_count++] : NULL;
}

static void set_watch(struct watch *watch, int epoll, int fd, const struct epoll_event *event)
{
    *watch = (struct watch){ .used = true, .epoll = epoll, .fd = fd, .event = *event };
    if ((ready(sim_file_of(fd)) & (event->events | EPOLLERR | EPOLLHUP)) != 0) {
        watch->pending = true;
        sim_wake(sim_file_of(epoll), SIM_THREADS_MOST);
    }
}

int sim_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    sim_point();
    if (sim_file_of(fd) == NULL)
        sim_fail("descriptor %d is watched, but not simulated", fd);
    struct watch *watch = find_watch(epoll, fd);
    if ((operation == EPOLL_CTL_ADD) == (watch != NULL)) {
        errno = watch != NULL ? EEXIST : ENOENT;
        return -1;
    }
    if (operation == EPOLL_CTL_DEL) {
        watch->used = false;
        return 0;
    }
    if (watch == NULL && (watch = new_watch()) == NULL) {
        errno = ENOSPC;
        return -1;
    }
    set_watch(watch, epoll, fd, event);
    return 0;
}

static int collect(int epoll, struct epoll_event *events, int most)
{
    int count = 0;
    unsigned start = watch_count > 1 ? sim_choose(watch_count) : 0;
    for (unsigned i = 0; i < watch_count && count < most; i++) {
        struct watch *watch = &watches[(start + i) % watch_count];
        if (!watch->used || !watch->pending || watch->epoll != epoll)
            continue;
        uint32_t seen = ready(sim_file_of(watch->fd)) & (watch->event.events | EPOLLERR | EPOLLHUP);
        watch->pending = false;
        if (seen == 0)
            continue;
        events[count] = watch->event;
        events[count++].events = seen;
    }
    return count;
}

int sim_epoll_wait_until(int epoll, struct epoll_event *events, int most, int64_t deadline)
{
    struct sim_file *file = sim_file_of(epoll);
    for (;;) {
        sim_point();
        int count = collect(epoll, events, most);
        if (count > 0 || deadline <= sim_now() || !sim_block("events", file, deadline))
            return count;
    }
}

int sim_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout_ms)
{
    int64_t deadline = timeout_ms < 0 ? SIM_NEVER : timeout_ms == 0 ? 0 : sim_now() + timeout_ms * INT64_C(1000000);
    return sim_epoll_wait_until(epoll, events, most, deadline);
}

/* ---- all descriptors */

int sim_eventfd(unsigned value, int flags)
{
    (void)flags;
    int fd = sim_file_open(SIM_EVENT, NULL, NULL);
    if (fd >= 0)
        sim_file_of(fd)->counter = value;
    return fd;
}

ssize_t sim_write(int fd, const void *from, size_t size)
{
    struct sim_file *file = sim_file_of(fd);
    if (file == NULL)
        return write(fd, from, size);
    if (file->kind != SIM_EVENT)
        sim_fail("write to descriptor %d, which is no event counter", fd);
    uint64_t value;
    memcpy(&value, from, sizeof value);
    file->counter += value;
    sim_file_edge(fd);
    sim_point();
    return (ssize_t)size;
}

ssize_t sim_read(int fd, void *to, size_t size)
{
    struct sim_file *file = sim_file_of(fd);
    if (file == NULL)
        return read(fd, to, size);
    if (file->kind != SIM_EVENT)
        sim_fail("read from descriptor %d, which is no event counter", fd);
    sim_point();
    if (file->counter == 0) {
        errno = EAGAIN;
        return -1;
    }
    memcpy(to, &file->counter, sizeof file->counter);
    file->counter = 0;
    return (ssize_t)sizeof file->counter;
}

int sim_close(int fd)
{
    struct sim_file *file = sim_file_of(fd);
    if (file == NULL)
        return close(fd);
    sim_point();
    for (unsigned i = 0; i < watch_count; i++)
        if (watches[i].fd == fd || watches[i].epoll == fd)
            watches[i].used = false;
    if (file->kind == SIM_OTHER)
        file->calls->closed(file->of);
    file->kind = SIM_NO_FILE;
    return 0;
}
