/* descriptors_test.c: simulated event counters, timers and epoll sets; the system's own descriptors stay the system's.
 * Misuse fails the run and is named. */
#include "simulator/body.h"

#include "sim/net.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define MUST(condition) TR_SIM_CHECK(condition)

static struct epoll_event event_of(int fd, uint32_t events)
{
    return (struct epoll_event){ .events = events | EPOLLET, .data.fd = fd };
}

static void epoll_body(void)
{
    struct epoll_event event, events[4];
    int epoll = sim_epoll_create(0), elsewhere = sim_epoll_create(0), bells[3];
    uint64_t value = 3;
    for (int i = 0; i < 3; i++) {
        bells[i] = sim_eventfd(i == 0 ? 5 : 0, 0);
        event = event_of(bells[i], EPOLLIN);
        MUST(sim_epoll_ctl(epoll, EPOLL_CTL_ADD, bells[i], &event) == 0);
    }
    MUST(sim_epoll_ctl(epoll, EPOLL_CTL_ADD, bells[0], &event) == -1 && errno == EEXIST);
    MUST(sim_epoll_ctl(elsewhere, EPOLL_CTL_MOD, bells[0], &event) == -1 && errno == ENOENT);
    MUST(sim_epoll_wait(elsewhere, events, 4, 0) == 0);
    MUST(sim_epoll_wait(epoll, events, 4, 0) == 1 && events[0].data.fd == bells[0]); /* it had counted before */
    MUST(sim_epoll_wait(epoll, events, 4, 0) == 0);                                  /* an edge is told once */
    event = event_of(bells[0], EPOLLIN);
    MUST(sim_epoll_ctl(epoll, EPOLL_CTL_MOD, bells[0], &event) == 0);
    MUST(sim_epoll_wait(epoll, events, 4, 20) == 1); /* until it is armed again */
    MUST(sim_read(bells[0], &value, sizeof value) == 8 && value == 5);
    MUST(sim_read(bells[0], &value, sizeof value) == -1 && errno == EAGAIN);
    value = 1;
    for (int i = 0; i < 3; i++)
        MUST(sim_write(bells[i], &value, sizeof value) == 8);
    MUST(sim_read(bells[2], &value, sizeof value) == 8); /* no longer ready when it is looked at */
    int seen = sim_epoll_wait(epoll, events, 1, -1);     /* as many as there is room for */
    seen += sim_epoll_wait(epoll, events, 1, -1);
    MUST(seen == 2 && sim_epoll_wait(epoll, events, 1, 0) == 0);
    MUST(sim_epoll_ctl(epoll, EPOLL_CTL_DEL, bells[1], &event) == 0);
    MUST(sim_write(bells[1], &value, sizeof value) == 8);
    MUST(sim_epoll_wait(epoll, events, 4, 0) == 0);
    int64_t begin = tr_sim_now_ns();
    MUST(sim_epoll_wait(epoll, events, 4, 7) == 0 && tr_sim_now_ns() - begin >= 7000000);
    event = event_of(bells[1], EPOLLIN);
    MUST(sim_epoll_ctl(elsewhere, EPOLL_CTL_ADD, bells[1], &event) == 0);
    MUST(sim_epoll_wait(epoll, events, 4, 0) == 0 && sim_epoll_wait(elsewhere, events, 4, 0) == 1);
    sim_close(elsewhere); /* and nobody watches any more */
    MUST(sim_epoll_ctl(epoll, EPOLL_CTL_ADD, bells[1], &event) == 0);
    for (int i = 0; i < 3; i++)
        sim_close(bells[i]);
    MUST(sim_file_of(bells[1]) == NULL && sim_file_of(SIM_FD_BASE + SIM_FILES_MOST) == NULL);
    MUST(sim_epoll_wait(epoll, events, 4, 0) == 0);
    sim_close(epoll);
}

static void timer_body(void)
{
    struct epoll_event events[2];
    int epoll = sim_epoll_create(0), timer = sim_timer_create(CLOCK_MONOTONIC, 0);
    struct epoll_event event = event_of(timer, EPOLLIN);
    struct itimerspec soon = { .it_value = { .tv_nsec = 3000000 } }, never = { .it_value = { .tv_nsec = 0 } };
    uint64_t ends;
    MUST(sim_epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event) == 0);
    event = event_of(epoll, EPOLLIN);
    MUST(sim_epoll_ctl(epoll, EPOLL_CTL_ADD, epoll, &event) == 0); /* an epoll is never ready itself */
    MUST(sim_epoll_wait(epoll, events, 2, 0) == 0);
    MUST(sim_timer_set(timer, 0, &soon, NULL) == 0 && sim_timer_set(timer, 0, &never, NULL) == 0);
    MUST(sim_epoll_wait(epoll, events, 2, 10) == 0);
    int64_t begin = tr_sim_now_ns();
    MUST(sim_timer_set(timer, 0, &soon, NULL) == 0);
    MUST(sim_epoll_wait(epoll, events, 2, -1) == 1 && events[0].data.fd == timer);
    MUST(tr_sim_now_ns() - begin >= 3000000);
    MUST(sim_read(timer, &ends, sizeof ends) == 8 && ends == 1);
    MUST(sim_timer_set(timer, 0, &soon, NULL) == 0);
    sim_close(timer); /* it does not end any more */
    MUST(sim_epoll_wait(epoll, events, 2, 10) == 0);
    sim_close(epoll);
}

static void others_body(void)
{
    int ends[2];
    char byte = 'a';
    MUST(pipe(ends) == 0); /* the system's own descriptors stay the system's */
    MUST(sim_write(ends[1], &byte, 1) == 1);
    byte = 0;
    MUST(sim_read(ends[0], &byte, 1) == 1 && byte == 'a');
    MUST(sim_close(ends[0]) == 0 && sim_close(ends[1]) == 0);
    MUST(fcntl(ends[0], F_GETFD) < 0);
}

static void many_body(void)
{
    int files = 0;
    while (sim_eventfd(0, 0) >= 0)
        files++;
    MUST(errno == EMFILE && files == SIM_FILES_MOST);
    sim_close(SIM_FD_BASE + 7);
    MUST(sim_eventfd(0, 0) == SIM_FD_BASE + 7); /* the lowest that is free */
    for (int i = 0; i < SIM_FILES_MOST; i++)
        sim_close(SIM_FD_BASE + i);
    tr_sim_descriptors(2);
    int one = sim_eventfd(0, 0), two = sim_eventfd(0, 0);
    MUST(one >= 0 && two >= 0 && sim_eventfd(0, 0) == -1 && errno == EMFILE);
    sim_close(one);
    tr_sim_descriptors(-1);
    one = sim_eventfd(0, 0);
    MUST(one >= 0);
    sim_close(one);
    sim_close(two);
}

static void leaves_one(void) { sim_eventfd(0, 0); }
static void closes_twice(void)
{
    int fd = sim_eventfd(0, 0);
    sim_close(fd);
    sim_close(fd);
}
static void watches_twice(void)
{
    int fd = sim_eventfd(0, 0);
    struct epoll_event event = event_of(fd, EPOLLIN);
    sim_epoll_ctl(sim_epoll_create(0), EPOLL_CTL_ADD, fd, &event);
    sim_epoll_ctl(sim_epoll_create(0), EPOLL_CTL_ADD, fd, &event);
}

static void watches_a_stranger(void)
{
    struct epoll_event event = event_of(0, EPOLLIN);
    sim_epoll_ctl(sim_epoll_create(0), EPOLL_CTL_ADD, 0, &event);
}
static uint64_t count;
static void writes_to_epoll(void) { sim_write(sim_epoll_create(0), &count, sizeof count); }
static void reads_from_epoll(void) { sim_read(sim_epoll_create(0), &count, sizeof count); }

TEST(simulated_descriptors, epoll_tells_each_edge_once)
{
    simulate(epoll_body);
    simulate(others_body);
}

TEST(simulated_descriptors, a_timer_ends_once_unless_it_is_stopped) { simulate(timer_body); }

TEST(simulated_descriptors, descriptors_run_out)
{
    the_body = many_body;
    tr_sim_result result;
    CHECK_EQ(tr_sim_try(&(tr_sim_options){ .seed = 1 }, run_body, NULL, &result), TR_OK);
    CHECK_STR(result.failure, "");
}

TEST(simulated_descriptors, what_is_no_event_counter_fails_the_run)
{
    expect_failure(watches_a_stranger, "descriptor 0 is watched, but not simulated");
    expect_failure(writes_to_epoll, "write to descriptor 1048576, which is no event counter");
    expect_failure(reads_from_epoll, "read from descriptor 1048576, which is an epoll set");
}

TEST(simulated_descriptors, descriptors_that_are_left_or_used_too_late_fail_the_run)
{
    expect_failure(leaves_one, "1 descriptors are left: somebody has not closed them");
    expect_failure(closes_twice, "descriptor 1048576 is used, but closed: it may be another's by now");
    expect_failure(watches_twice, "descriptor 1048576 is watched twice");
}
