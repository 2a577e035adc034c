/* socket_starved.c: see socket_starved.h. Everything but the count is under one lock: this is the way of those who must
 * wait anyway. */
#include "actor/socket_starved.h"

#include "base/atomics.h"
#include "base/check.h"
#include "base/clock.h"
#include "sched/poller.h"

#include <troupe/base.h>

#include <pthread.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define TIMER_PERIOD_NS (100 * NS_PER_MS)

static void timer_ready(struct poll_source *source, uint32_t events);
static void timer_stopped(struct poll_source *source);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct starved *first; /* (l) */
static struct poll_source timer = { .fd = -1,
                                    .ready = timer_ready,
                                    .stopped = timer_stopped }; /* (l) fd; -1: not started */
static _Atomic uint32_t count;

static void arm(void)
{
    const struct itimerspec once = { .it_value = { .tv_nsec = TIMER_PERIOD_NS } };
    tr_check(timerfd_settime(timer.fd, 0, &once, NULL) == 0);
}

void starved_add(struct starved *item, void (*again)(struct starved *item), bool timed)
{
    uint32_t more = 0;
    pthread_mutex_lock(&lock);
    if (item->link == NULL) {
        more = 1;
        item->again = again;
        item->timed = timed;
        item->next = first;
        item->link = &first;
        if (first != NULL)
            first->link = &item->next;
        first = item;
    }
    if (timed)
        arm();
    atomic_fetch_add_explicit(&count, more, memory_order_acq_rel); /* [ST1] also when it was listed; pairs with [ST2] */
    pthread_mutex_unlock(&lock);
}

void starved_remove(struct starved *item)
{
    pthread_mutex_lock(&lock);
    if (item->link != NULL) {
        *item->link = item->next;
        if (item->next != NULL)
            item->next->link = item->link;
        item->link = NULL;
        atomic_fetch_sub_explicit(&count, 1, memory_order_relaxed); /* relaxed: too many only costs a look */
    }
    pthread_mutex_unlock(&lock);
}

static void feed(void)
{
    pthread_mutex_lock(&lock);
    for (struct starved *item = first; item != NULL; item = item->next)
        item->again(item);
    pthread_mutex_unlock(&lock);
}

void starved_feed(void)
{
    if (atomic_fetch_add_explicit(&count, 0, memory_order_acq_rel) != 0) /* [ST2] after the close; pairs with [ST1] */
        feed();
}

/* Whoever is still starved lists itself, and arms the timer, again. */
static void timer_ready(struct poll_source *source, uint32_t events)
{
    (void)source;
    (void)events; /* a timer has one kind of them */
    feed();
}

/* Under the lock. */
static int make_timer(void)
{
    timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (timer.fd < 0)
        return TR_ELIMIT;
    int status = poller_add_resident(&timer);
    if (status != TR_OK) {
        close(timer.fd);
        timer.fd = -1;
    }
    return status;
}

int starved_timer_start(void)
{
    pthread_mutex_lock(&lock);
    int status = timer.fd >= 0 ? TR_OK : make_timer();
    pthread_mutex_unlock(&lock);
    return status;
}

static void timer_stopped(struct poll_source *source)
{
    pthread_mutex_lock(&lock);
    tr_check(first == NULL);
    close(source->fd);
    source->fd = -1;
    pthread_mutex_unlock(&lock);
}
