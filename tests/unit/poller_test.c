/* poller_test.c: the poller alone: events, stale events, sleeping and ringing. */
#include "unit/polling.h"

#include "base/clock.h"

#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>
#include <troupe/base.h>
#include <unistd.h>

struct probe {
    struct poll_source source; /* first */
    _Atomic uint32_t events;   /* all that were told since they were taken */
    _Atomic uint32_t calls;
};

static void note(struct poll_source *source, uint32_t events)
{
    struct probe *probe = CONTAINER_OF(source, struct probe, source);
    CHECK(read_ongoing());
    atomic_fetch_or(&probe->events, events);
    atomic_fetch_add(&probe->calls, 1);
}

static void add(struct probe *probe, int fd)
{
    *probe = (struct probe){ .source = { .fd = fd, .ready = note } };
    CHECK_EQ(poller_add(&probe->source), TR_OK);
    CHECK(probe->source.handle != 0);
}

static void make_sockets(int fds[2])
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

static uint32_t take_events(struct probe *probe) { return atomic_exchange(&probe->events, 0); }

/* ---- events */

TEST(poller, readiness_is_told_once_an_edge)
{
    int fds[2];
    struct probe probe;
    begin();
    CHECK(!poller_used());
    make_sockets(fds);
    add(&probe, fds[0]);
    CHECK(poller_used());
    CHECK_EQ(poller_wait(0), 1);
    CHECK_EQ(take_events(&probe), POLL_WRITABLE);
    CHECK_EQ(poller_wait(0), 0);
    CHECK_EQ(write(fds[1], "a", 1), 1);
    CHECK_EQ(poller_wait(0), 1);
    CHECK_EQ(take_events(&probe), POLL_READABLE | POLL_WRITABLE);
    CHECK_EQ(poller_wait(0), 0); /* still unread: no new edge */
    poller_rearm(&probe.source);
    CHECK_EQ(poller_wait(0), 1);
    CHECK_EQ(take_events(&probe), POLL_READABLE | POLL_WRITABLE);
    CHECK_EQ(shutdown(fds[1], SHUT_WR), 0);
    CHECK_EQ(poller_wait(0), 1);
    CHECK_EQ(take_events(&probe), POLL_READABLE | POLL_WRITABLE | POLL_HUNG);
    close(fds[1]);
    CHECK_EQ(poller_wait(0), 1);
    CHECK(take_events(&probe) & POLL_HUNG);
    poller_remove(&probe.source);
    close(fds[0]);
    end();
}

TEST(poller, a_handle_is_found_until_it_is_removed)
{
    int fds[2];
    struct probe first, second;
    begin();
    make_sockets(fds);
    add(&first, fds[0]);
    add(&second, fds[1]);
    CHECK(first.source.handle != second.source.handle);
    read_begin();
    CHECK(poller_find(first.source.handle) == &first.source);
    CHECK(poller_find(0) == NULL);
    read_end();
    poller_remove(&first.source);
    read_begin();
    CHECK(poller_find(first.source.handle) == NULL);
    CHECK(poller_find(second.source.handle) == &second.source);
    read_end();
    CHECK(poller_used());
    poller_remove(&second.source);
    CHECK(!poller_used());
    close(fds[0]);
    close(fds[1]);
    end();
}

TEST(poller, what_can_not_be_watched_is_refused)
{
    begin();
    struct probe probe = { .source = { .fd = -1, .ready = note } };
    CHECK(poller_add(&probe.source) < 0);
    CHECK(!poller_used());
    end();
}

/* Removes its neighbour from inside the dispatch: whichever comes first, the other must not be called any more in this
 * batch. */
static struct probe pair[2];
static _Atomic int told;

static void remove_other(struct poll_source *source, uint32_t events)
{
    (void)events;
    atomic_fetch_add(&told, 1);
    poller_remove(source == &pair[0].source ? &pair[1].source : &pair[0].source);
}

TEST(poller, an_event_that_was_fetched_before_the_removal_is_dropped)
{
    int fds[2];
    begin();
    for (int round = 0; round < 100; round++) {
        make_sockets(fds);
        for (int i = 0; i < 2; i++) {
            pair[i] = (struct probe){ .source = { .fd = fds[i], .ready = remove_other } };
            CHECK_EQ(poller_add(&pair[i].source), TR_OK);
        }
        atomic_store(&told, 0);
        CHECK_EQ(poller_wait(0), 1);
        CHECK_EQ(atomic_load(&told), 1);
        read_begin();
        poller_remove(poller_find(pair[0].source.handle) != NULL ? &pair[0].source : &pair[1].source);
        read_end();
        close(fds[0]);
        close(fds[1]);
    }
    end();
}

/* ---- sleeping */

TEST(poller, a_sleep_ends_at_its_time_and_not_before)
{
    begin();
    for (int64_t ns = 1; ns < 20 * NS_PER_MS; ns = ns * 3 + 1) {
        int64_t before = clock_now();
        CHECK_EQ(poller_wait(ns), 0);
        CHECK(clock_now() - before >= ns);
    }
    end();
}

/* It learns how late the system is, and asks for earlier from then on: what it got too early it has to wait for. */
TEST(poller, a_sleep_that_is_to_end_on_time_never_ends_before)
{
    begin();
    CHECK_EQ(poller_wait_on_time(1), 0);
    for (int i = 0; i < 40; i++) {
        int64_t before = clock_now();
        CHECK_EQ(poller_wait_on_time(NS_PER_MS), 0);
        CHECK(clock_now() - before >= NS_PER_MS);
    }
    end();
}

TEST(poller, a_sleep_that_is_to_end_on_time_ends_for_an_event_and_for_a_ring)
{
    int fds[2];
    struct probe probe;
    pthread_t ringer;
    begin();
    make_sockets(fds);
    add(&probe, fds[0]);
    CHECK_EQ(poller_wait_on_time(600 * NS_PER_S), 1);
    CHECK_EQ(take_events(&probe), POLL_WRITABLE);
    CHECK_EQ(pthread_create(&ringer, NULL, ring_later, NULL), 0);
    int64_t before = clock_now();
    CHECK_EQ(poller_wait_on_time(600 * NS_PER_S), 0);
    CHECK(clock_now() - before < 300 * NS_PER_S);
    pthread_join(ringer, NULL);
    poller_remove(&probe.source);
    close(fds[0]);
    close(fds[1]);
    end();
}

TEST(poller, a_ring_before_the_sleep_ends_it_at_once_and_only_one)
{
    begin();
    poller_interrupt();
    poller_interrupt();
    CHECK_EQ(poller_wait(0), 0); /* a look takes no ring */
    int64_t before = clock_now();
    CHECK_EQ(poller_wait(60 * NS_PER_S), 0);
    CHECK(clock_now() - before < 10 * NS_PER_S);
    before = clock_now();
    CHECK_EQ(poller_wait(5 * NS_PER_MS), 0);
    CHECK(clock_now() - before >= 5 * NS_PER_MS);
    end();
}

/* Two threads play ping-pong: one sleeps in the poller, the other rings and waits for the answer. A lost ring hangs. */
enum { RINGS = 20000, RINGERS = 6 };
static _Atomic int asked, answered;

static void *ring_and_wait(void *unused)
{
    struct context context = { .worker = NULL };
    CHECK(context_open(&context, NULL, 1));
    for (int i = 0; i < RINGS / RINGERS; i++) {
        int mine = atomic_fetch_add_explicit(&asked, 1, memory_order_relaxed) +
                   1; /* relaxed: the ring publishes it [PL1] */
        poller_interrupt();
        while (atomic_load_explicit(&answered, memory_order_relaxed) < mine)
            sched_yield();
    }
    context_close(&context);
    return unused;
}

TEST(poller, no_ring_is_lost_between_the_last_look_and_the_sleep)
{
    pthread_t ringers[RINGERS];
    begin();
    for (int i = 0; i < RINGERS; i++)
        CHECK_EQ(pthread_create(&ringers[i], NULL, ring_and_wait, NULL), 0);
    const int all = RINGS / RINGERS * RINGERS;
    while (atomic_load_explicit(&answered, memory_order_relaxed) < all) {
        int seen = atomic_load_explicit(&asked, memory_order_relaxed);
        if (seen > atomic_load_explicit(&answered, memory_order_relaxed))
            atomic_store_explicit(&answered, seen, memory_order_relaxed);
        else
            poller_wait(-1);
    }
    for (int i = 0; i < RINGERS; i++)
        pthread_join(ringers[i], NULL);
    end();
}

TEST(poller, a_ring_wakes_a_sleeper)
{
    pthread_t thread;
    begin();
    CHECK_EQ(pthread_create(&thread, NULL, ring_later, NULL), 0);
    CHECK_EQ(poller_wait(-1), 0);
    pthread_join(thread, NULL);
    end();
}

/* ---- sources that come and go under a thread that polls */

struct passing {
    struct poll_source source;
    struct retired retired;
    int partner;
    _Atomic uint64_t magic; /* MAGIC while it lives */
};

#define MAGIC UINT64_C(0x1234567890abcdef)
enum { CHURNERS = 5, CHURN = 1500 };
static _Atomic int churners;
static _Atomic uint64_t heard;

static void hear(struct poll_source *source, uint32_t events)
{
    (void)events;
    struct passing *passing = CONTAINER_OF(source, struct passing, source);
    CHECK(atomic_load(&passing->magic) == MAGIC);
    atomic_fetch_add(&heard, 1);
}

static void release_passing(struct retired *item, void *context)
{
    (void)context;
    struct passing *passing = CONTAINER_OF(item, struct passing, retired);
    atomic_store(&passing->magic, 0);
    free(passing);
}

static void *churn(void *unused)
{
    struct context context = { .worker = NULL };
    CHECK(context_open(&context, NULL, 1));
    for (int i = 0; i < CHURN; i++) {
        int fds[2];
        struct passing *passing = calloc(1, sizeof *passing);
        CHECK(passing != NULL);
        make_sockets(fds);
        *passing = (struct passing){ .source = { .fd = fds[0], .ready = hear },
                                     .retired = { .release = release_passing } };
        atomic_store(&passing->magic, MAGIC);
        CHECK_EQ(poller_add(&passing->source), TR_OK);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        if (i % 3 == 0)
            sched_yield();
        poller_remove(&passing->source);
        close(fds[0]);
        close(fds[1]);
        reclaim_retire(context.bin, &passing->retired);
        reclaim_release_ripe(context.bin, &context);
    }
    context_close(&context);
    atomic_fetch_sub(&churners, 1);
    poller_interrupt();
    return unused;
}

TEST(poller, sources_may_go_while_their_events_are_under_way)
{
    pthread_t threads[CHURNERS];
    begin();
    atomic_store(&churners, CHURNERS);
    for (int i = 0; i < CHURNERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, churn, NULL), 0);
    while (atomic_load(&churners) > 0) {
        poller_wait(-1);
        reclaim_release_ripe(own.bin, &own);
    }
    for (int i = 0; i < CHURNERS; i++)
        pthread_join(threads[i], NULL);
    CHECK(atomic_load(&heard) > 0);
    end();
}
