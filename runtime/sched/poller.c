/* poller.c: see poller.h. */
#include "sched/poller.h"

#include "base/check.h"
#include "base/clock.h"
#include "memory/reclaim.h"
#include "sched/context.h"

#include <troupe/base.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS_MOST = 128, /* a batch: one read section */
    SLEEPING = 1,
    RUNG = 2,
};

#define LATE_MOST_NS INT64_C(50000)
enum { EARLY_SHARE = 16 }; /* this part of a sleep is spent looking, at most */

/* Below all handles of slots.h, which have a generation in their upper bits: the poller's own bell, then the residents.
 */
#define BELL_HANDLE    0
#define FIRST_RESIDENT 1

#define ALL_EVENTS    (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)
#define HANGUP_EVENTS (EPOLLRDHUP | EPOLLHUP | EPOLLERR)

static struct {
    int epoll;                              /* (c) while started */
    int bell;                               /* (c) an eventfd, never read: each write is an edge */
    int64_t late_ns;                        /* the holder of the poll token: few sleeps end later than that */
    bool coarse;                            /* the holder of the poll token: the kernel has no epoll_pwait2 */
    struct epoll_event events[EVENTS_MOST]; /* the holder of the poll token */
    pthread_mutex_t lock;                   /* residents are added */
    _Atomic(struct poll_source *) residents[POLL_RESIDENTS_MOST];
    CACHE_ALIGNED _Atomic uint32_t sleep; /* SLEEPING and RUNG */
    _Atomic uint32_t sources;             /* how many */
} poller = { .epoll = -1, .bell = -1, .lock = PTHREAD_MUTEX_INITIALIZER };

static int status_of_errno(void) { return errno == ENOMEM ? TR_ENOMEM : TR_ELIMIT; }

int poller_start(void)
{
    tr_check(poller.epoll < 0);
    struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.u64 = BELL_HANDLE };
    poller.epoll = epoll_create1(EPOLL_CLOEXEC);
    poller.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (poller.epoll < 0 || poller.bell < 0 || epoll_ctl(poller.epoll, EPOLL_CTL_ADD, poller.bell, &event) < 0) {
        int status = status_of_errno();
        poller_stop();
        return status;
    }
    store_relaxed(&poller.sleep, 0); /* relaxed: no other thread uses the poller yet */
    poller.late_ns = 0;
    return TR_OK;
}

void poller_stop(void)
{
    for (int i = 0; i < POLL_RESIDENTS_MOST; i++) {
        struct poll_source *source = load_relaxed(&poller.residents[i]); /* relaxed: alone */
        if (source == NULL)
            continue;
        store_relaxed(&poller.residents[i], NULL);
        atomic_fetch_sub_explicit(&poller.sources, 1, memory_order_relaxed);
        source->stopped(source);
    }
    tr_check(!poller_used());
    if (poller.bell >= 0)
        close(poller.bell);
    if (poller.epoll >= 0)
        close(poller.epoll);
    poller.bell = poller.epoll = -1;
}

/* ---- sources */

static void forget(uint64_t handle)
{
    slots_clear(context_table(TABLE_SOCKETS), &context_self()->caches[TABLE_SOCKETS], handle);
    atomic_fetch_sub_explicit(&poller.sources, 1, memory_order_relaxed); /* relaxed: see poller_used */
}

static int watch(const struct poll_source *source)
{
    struct epoll_event event = { .events = ALL_EVENTS, .data.u64 = source->handle };
    return epoll_ctl(poller.epoll, EPOLL_CTL_ADD, source->fd, &event) == 0 ? TR_OK : status_of_errno();
}

int poller_add(struct poll_source *source)
{
    struct slots *table = context_table(TABLE_SOCKETS);
    source->handle = slots_take(table, &context_self()->caches[TABLE_SOCKETS]);
    if (source->handle == 0)
        return TR_ELIMIT;
    slots_publish(table, source->handle, source);
    atomic_fetch_add_explicit(&poller.sources, 1, memory_order_relaxed); /* relaxed: see poller_used */
    int status = watch(source);
    if (status != TR_OK)
        forget(source->handle); /* no event will come, but a guess of the handle may have found the source: the caller
                                   retires it */
    return status;
}

/* Under the lock. */
static int add_resident(struct poll_source *source)
{
    uint64_t at = 0;
    while (load_relaxed(&poller.residents[at]) != NULL) { /* relaxed: under the lock */
        at++;
        tr_check(at < POLL_RESIDENTS_MOST);
    }
    source->handle = FIRST_RESIDENT + at;
    store_release(&poller.residents[at], source); /* [PL3] release: the source; pairs with [PL4] */
    atomic_fetch_add_explicit(&poller.sources, 1, memory_order_relaxed); /* relaxed: see poller_used */
    int status = watch(source);
    if (status != TR_OK) {
        store_relaxed(&poller.residents[at], NULL); /* relaxed: no event has named it */
        atomic_fetch_sub_explicit(&poller.sources, 1, memory_order_relaxed);
    }
    return status;
}

int poller_add_resident(struct poll_source *source)
{
    pthread_mutex_lock(&poller.lock);
    int status = add_resident(source);
    pthread_mutex_unlock(&poller.lock);
    return status;
}

void poller_remove(struct poll_source *source)
{
    /* Closing alone would do, but not while a forked child that has not called exec yet shares the description. */
    struct epoll_event unused = { 0 };
    tr_check(epoll_ctl(poller.epoll, EPOLL_CTL_DEL, source->fd, &unused) == 0);
    forget(source->handle);
}

void poller_rearm(struct poll_source *source)
{
    struct epoll_event event = { .events = ALL_EVENTS, .data.u64 = source->handle };
    tr_check(epoll_ctl(poller.epoll, EPOLL_CTL_MOD, source->fd, &event) == 0);
}

struct poll_source *poller_find(uint64_t handle) { return slots_find(context_table(TABLE_SOCKETS), handle); }

/* Relaxed: whoever adds a source is a thread that will look for work, and for events, itself before it sleeps. */
bool poller_used(void) { return load_relaxed(&poller.sources) != 0; }

/* ---- waiting */

static int wait_coarsely(int64_t timeout_ns)
{
    int64_t ms = timeout_ns < 0 ? -1 : timeout_ns / NS_PER_MS + (timeout_ns % NS_PER_MS != 0); /* up: never early */
    return epoll_wait(poller.epoll, poller.events, EVENTS_MOST, ms > INT_MAX ? INT_MAX : (int)ms);
}

#ifdef SYS_epoll_pwait2
static int wait_exactly(int64_t timeout_ns)
{
    struct timespec timeout = { .tv_sec = timeout_ns / NS_PER_S, .tv_nsec = timeout_ns % NS_PER_S };
    return (int)syscall(SYS_epoll_pwait2, poller.epoll, poller.events, EVENTS_MOST, &timeout, NULL, (size_t)0);
}
#else
static int wait_exactly(int64_t timeout_ns)
{
    (void)timeout_ns;
    errno = ENOSYS;
    return -1;
}
#endif

static int fetch_events(int64_t timeout_ns)
{
    if (timeout_ns <= 0 || poller.coarse)
        return wait_coarsely(timeout_ns);
    int count = wait_exactly(timeout_ns);
    if (count >= 0 || errno != ENOSYS)
        return count;
    poller.coarse = true; /* Linux before 5.11 */
    return wait_coarsely(timeout_ns);
}

/* False: somebody has rung. */
static bool fall_asleep(void)
{
    uint32_t seen = 0;
    if (atomic_compare_exchange_strong_explicit(&poller.sleep, &seen, SLEEPING, memory_order_acquire,
                                                memory_order_relaxed))
        return true;
    atomic_exchange_explicit(&poller.sleep, 0, memory_order_acquire); /* [PL2] acquire: pairs with [PL1] */
    return false;
}

static void wake_up(void)
{
    atomic_exchange_explicit(&poller.sleep, 0, memory_order_acquire); /* [PL2] acquire: pairs with [PL1] */
}

void poller_interrupt(void)
{
    /* [PL1] release: pairs with [PL2] */
    if (atomic_fetch_or_explicit(&poller.sleep, RUNG, memory_order_release) != SLEEPING)
        return;
    const uint64_t one = 1;
    ssize_t written = write(poller.bell, &one, sizeof one); /* late or twice is harmless: a sleep that ends early */
    tr_check(written == sizeof one);
}

static uint32_t meaning(uint32_t seen)
{
    return (seen & (EPOLLIN | HANGUP_EVENTS) ? POLL_READABLE : 0u) |
           (seen & (EPOLLOUT | EPOLLHUP | EPOLLERR) ? POLL_WRITABLE : 0u) | (seen & HANGUP_EVENTS ? POLL_HUNG : 0u);
}

/* The source of an event; NULL: stale, or the bell. */
static struct poll_source *source_of(uint64_t handle)
{
    if (handle == BELL_HANDLE)
        return NULL;
    if (handle < FIRST_RESIDENT + POLL_RESIDENTS_MOST)
        return load_acquire(&poller.residents[handle - FIRST_RESIDENT]); /* [PL4] acquire: pairs with [PL3] */
    return poller_find(handle);
}

static int dispatch(const struct epoll_event *events, int count)
{
    int told = 0;
    read_begin();
    for (int i = 0; i < count; i++) {
        struct poll_source *source = source_of(events[i].data.u64);
        if (source == NULL)
            continue;
        source->ready(source, meaning(events[i].events));
        told++;
    }
    read_end();
    return told;
}

/* A sleep that was to end at `due` did at `now`: more is learned at once, less slowly, so that few ends are later. */
static void learn_lateness(int64_t due, int64_t now)
{
    int64_t late = now - due, more = late - poller.late_ns;
    if (late <= LATE_MOST_NS) /* else it had no core: to ask earlier is no help */
        poller.late_ns += more > 0 ? more / 2 : more / 256;
}

static int fetch_on_time(int64_t timeout_ns)
{
    int64_t now = clock_now(), due = now + timeout_ns, early = timeout_ns / EARLY_SHARE;
    if (early > poller.late_ns)
        early = poller.late_ns;
    int count = fetch_events(timeout_ns - early);
    now = clock_now();
    if (count == 0)
        learn_lateness(due - early, now);
    for (; count == 0 && now < due; now = clock_now()) /* bound: LATE_MOST_NS; a ring is an event, too */
        count = fetch_events(0);
    return count;
}

static int wait_with(int (*fetch)(int64_t timeout_ns), int64_t timeout_ns)
{
    bool asleep = timeout_ns != 0 && fall_asleep();
    int count = asleep ? fetch(timeout_ns) : fetch_events(0);
    if (asleep)
        wake_up();
    tr_check(count >= 0 || errno == EINTR);
    return count > 0 ? dispatch(poller.events, count) : 0;
}

int poller_wait(int64_t timeout_ns) { return wait_with(fetch_events, timeout_ns); }

int poller_wait_on_time(int64_t timeout_ns) { return wait_with(fetch_on_time, timeout_ns); }
