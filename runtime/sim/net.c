/* net.c: descriptors of the simulation: the table, epoll over it, event counters and timers.
 *
 * Epoll as the runtime uses it: edge-triggered, and a descriptor is in one set at most. A watch is pending from an edge
 * (or its making, if something is ready then) until a wait reports it; a wait reports what is pending and still ready.
 * The order of a report is drawn. */
#include "sim/net.h"

#include "base/compiler.h"
#include "sim/machine.h"
#include "sim/socket.h"
#include "sim/system.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

struct watch {
    bool used, pending;
    int epoll;
    struct epoll_event event;
};

static struct sim_file files[SIM_FILES_MOST];
static struct watch watches[SIM_FILES_MOST]; /* of the file of the same number */
static int pending[SIM_FILES_MOST];          /* those that are, each once */
static unsigned pending_count, open_count, open_most;
static unsigned used; /* numbers that were ever open in this run: what the next one has to clear */

void sim_net_start(void)
{
    sim_due_start();
    sim_sockets_start();
    memset(files, 0, used * sizeof files[0]);
    memset(watches, 0, used * sizeof watches[0]);
    pending_count = open_count = used = 0;
    open_most = SIM_FILES_MOST;
}

void sim_net_enter(void)
{
    sim_point();
    sim_due_run(sim_now());
}

void sim_net_leave(void)
{
    int saved = errno;
    sim_due_run(sim_now());
    errno = saved;
}

static int number_of(int fd) { return fd - SIM_FD_BASE; }

struct sim_file *sim_file_of(int fd)
{
    if (fd < SIM_FD_BASE || fd >= SIM_FD_BASE + SIM_FILES_MOST)
        return NULL;
    struct sim_file *file = &files[number_of(fd)];
    return file->kind == SIM_NO_FILE ? NULL : file;
}

unsigned sim_files_open(void) { return open_count; }

int sim_file_open(enum sim_file_kind kind, struct sim_socket *socket)
{
    int64_t unused;
    if (open_count < open_most && !sim_fault_now(SIM_NO_DESCRIPTOR, &unused))
        for (unsigned i = 0; i < SIM_FILES_MOST; i++)
            if (files[i].kind == SIM_NO_FILE) {
                files[i] = (struct sim_file){ .kind = kind, .socket = socket };
                open_count++;
                used = i < used ? used : i + 1;
                return SIM_FD_BASE + (int)i;
            }
    errno = EMFILE;
    return -1;
}

void sim_file_drop(int fd)
{
    files[number_of(fd)].kind = SIM_NO_FILE;
    open_count--;
}

TR_API void tr_sim_descriptors(int more)
{
    open_most = more < 0 || more > SIM_FILES_MOST ? SIM_FILES_MOST : open_count + (unsigned)more;
    sim_trace_note("descriptors", open_most, 0);
}

static uint32_t ready(const struct sim_file *file)
{
    switch (file->kind) {
    case SIM_EVENT: return (file->counter > 0 ? (uint32_t)EPOLLIN : 0u) | EPOLLOUT;
    case SIM_TIMER: return file->counter > 0 ? (uint32_t)EPOLLIN : 0u;
    case SIM_SOCKET: return sim_socket_ready(file->socket);
    default: return 0;
    }
}

static void set_pending(int fd)
{
    struct watch *watch = &watches[number_of(fd)];
    if (!watch->pending)
        pending[pending_count++] = fd;
    watch->pending = true;
    sim_wake(&files[number_of(watch->epoll)], SIM_THREADS_MOST);
}

void sim_file_edge(int fd)
{
    sim_wake(&files[number_of(fd)], SIM_THREADS_MOST);
    if (watches[number_of(fd)].used)
        set_pending(fd);
}

/* ---- epoll */

int sim_epoll_create(int flags)
{
    (void)flags;
    return sim_file_open(SIM_EPOLL, NULL);
}

static void forget_watch(int fd)
{
    struct watch *watch = &watches[number_of(fd)];
    for (unsigned i = 0; watch->pending && i < pending_count; i++)
        if (pending[i] == fd) {
            memmove(&pending[i], &pending[i + 1], (pending_count - i - 1) * sizeof pending[0]);
            pending_count--;
            break;
        }
    watch->used = watch->pending = false;
}

int sim_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    sim_net_enter();
    if (sim_file_of(fd) == NULL)
        sim_fail("descriptor %d is watched, but not simulated", fd);
    struct watch *watch = &watches[number_of(fd)];
    bool watched = watch->used && watch->epoll == epoll;
    if (operation == EPOLL_CTL_ADD && watch->used && !watched)
        sim_fail("descriptor %d is watched twice", fd);
    if ((operation == EPOLL_CTL_ADD) == watched) {
        errno = watched ? EEXIST : ENOENT;
        return -1;
    }
    if (operation == EPOLL_CTL_DEL) {
        forget_watch(fd);
        return 0;
    }
    watch->used = true;
    watch->epoll = epoll;
    watch->event = *event;
    if ((ready(sim_file_of(fd)) & (event->events | EPOLLERR | EPOLLHUP)) != 0)
        set_pending(fd);
    return 0;
}

static bool report(int fd, struct epoll_event *to)
{
    struct watch *watch = &watches[number_of(fd)];
    uint32_t seen = ready(sim_file_of(fd)) & (watch->event.events | EPOLLERR | EPOLLHUP);
    watch->pending = false;
    *to = watch->event;
    to->events = seen;
    return seen != 0;
}

static int collect(int epoll, struct epoll_event *events, int most)
{
    static int looked_at[SIM_FILES_MOST];
    unsigned all = pending_count, start = all > 1 ? sim_choose(all) : 0;
    int count = 0;
    for (unsigned i = 0; i < all; i++)
        looked_at[i] = pending[(start + i) % all];
    pending_count = 0;
    for (unsigned i = 0; i < all; i++) {
        if (count == most || watches[number_of(looked_at[i])].epoll != epoll)
            pending[pending_count++] = looked_at[i];
        else
            count += report(looked_at[i], &events[count]);
    }
    return count;
}

int sim_epoll_wait_until(int epoll, struct epoll_event *events, int most, int64_t deadline)
{
    struct sim_file *file = sim_file_of(epoll);
    for (;;) {
        sim_net_enter();
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

/* ---- counters and timers */

int sim_eventfd(unsigned value, int flags)
{
    (void)flags;
    int fd = sim_file_open(SIM_EVENT, NULL);
    if (fd >= 0)
        sim_file_of(fd)->counter = value;
    return fd;
}

static void timer_ended(struct sim_due *due)
{
    struct sim_file *file = CONTAINER_OF(due, struct sim_file, due);
    file->counter++;
    sim_file_edge(SIM_FD_BASE + (int)(file - files));
}

int sim_timer_create(int clock, int flags)
{
    (void)clock;
    (void)flags;
    int fd = sim_file_open(SIM_TIMER, NULL);
    if (fd >= 0)
        sim_file_of(fd)->due.happen = timer_ended;
    return fd;
}

int sim_timer_set(int fd, int flags, const struct itimerspec *when, struct itimerspec *before)
{
    struct sim_file *file = sim_file_of(fd);
    if (file == NULL || file->kind != SIM_TIMER || flags != 0 || before != NULL || when->it_interval.tv_sec != 0 ||
        when->it_interval.tv_nsec != 0)
        sim_fail("descriptor %d: only a timer that ends once, after a time, is simulated", fd);
    sim_net_enter();
    int64_t after_ns = (int64_t)when->it_value.tv_sec * 1000000000 + when->it_value.tv_nsec;
    file->counter = 0;
    sim_due_drop(&file->due);
    if (after_ns > 0)
        sim_due_set(&file->due, sim_now() + after_ns);
    return 0;
}

static ssize_t read_counter(struct sim_file *file, void *to)
{
    if (file->counter == 0) {
        errno = EAGAIN;
        return -1;
    }
    memcpy(to, &file->counter, sizeof file->counter);
    file->counter = 0;
    return (ssize_t)sizeof file->counter;
}

/* ---- all descriptors */

/* The simulated one of this number; NULL: it is the system's. */
static struct sim_file *file_used(int fd)
{
    struct sim_file *file = sim_file_of(fd);
    if (file == NULL && fd >= SIM_FD_BASE)
        sim_fail("descriptor %d is used, but closed: it may be another's by now", fd);
    return file;
}

ssize_t sim_write(int fd, const void *from, size_t size)
{
    struct sim_file *file = file_used(fd);
    if (file == NULL)
        return write(fd, from, size);
    if (file->kind == SIM_SOCKET)
        return sim_send(fd, from, size, 0);
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
    struct sim_file *file = file_used(fd);
    if (file == NULL)
        return read(fd, to, size);
    if (file->kind == SIM_SOCKET)
        return sim_recv(fd, to, size, 0);
    if (file->kind == SIM_EPOLL)
        sim_fail("read from descriptor %d, which is an epoll set", fd);
    sim_net_enter();
    return read_counter(file, to);
}

int sim_ioctl(int fd, unsigned long request, void *argument)
{
    struct sim_file *file = file_used(fd);
    if (file == NULL)
        return ioctl(fd, request, argument);
    if (file->kind != SIM_SOCKET || request != FIONREAD)
        sim_fail("ioctl %lu of descriptor %d is not simulated", request, fd);
    sim_net_enter();
    *(int *)argument = sim_socket_waiting(file->socket);
    return 0;
}

int sim_close(int fd)
{
    struct sim_file *file = file_used(fd);
    if (file == NULL)
        return close(fd);
    sim_net_enter();
    forget_watch(fd);
    for (unsigned i = 0; file->kind == SIM_EPOLL && i < used; i++)
        if (watches[i].used && watches[i].epoll == fd)
            forget_watch(SIM_FD_BASE + (int)i);
    if (file->kind == SIM_SOCKET)
        sim_socket_close(file->socket);
    sim_due_drop(&file->due);
    sim_file_drop(fd);
    sim_net_leave();
    return 0;
}
