/* hog.c: the workload hog: processes that never yield, and a pair that ping-pongs once a millisecond beside them. */
#include "workloads.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { TICK = 1, PING, PONG, TICK_NS = 1000000 };

/* How many spin; and, only so that the program can end, a load in their loops, neither a call nor a yield. */
static atomic_uint_least64_t hogging;
static atomic_bool hogs_end;

static void hog(const tr_msg *arg)
{
    uint64_t x = *(const uint64_t *)tr_expect(arg, sizeof x) + 1;
    atomic_fetch_add_explicit(&hogging, 1, memory_order_relaxed);
    while (!atomic_load_explicit(&hogs_end, memory_order_relaxed)) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
}

static int pong_handle(void *state, const tr_msg *message)
{
    (void)state;
    tr_send(tr_sender(message), PONG, tr_body(message), tr_size(message));
    return TR_OK;
}

static const tr_actor pong_actor = { .label = "pong", .handle = pong_handle };

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void report_quantiles(struct bench *bench, int64_t *times_ns, uint64_t count, const char *const names[3])
{
    qsort(times_ns, count, sizeof *times_ns, by_size);
    uint64_t half = count / 2, most = count * 99 / 100;
    if (names[0] != NULL)
        bench_extra(bench, names[0], (double)times_ns[half] / 1000);
    bench_extra(bench, names[1], (double)times_ns[most] / 1000);
    bench_extra(bench, names[2], (double)times_ns[count - 1] / 1000);
}

/* The first tick is due a millisecond from now. */
static int64_t start_ticks(tr_timer *ticks)
{
    int64_t now = tr_now_ns();
    tr_must(tr_send_interval(1, tr_self(), TICK, NULL, 0, ticks));
    return now + TICK_NS;
}

/* A round trip a millisecond; how long each took, and how late its tick came. Ticks that went by meanwhile are not made
 * up for: the next is due a millisecond later, as in the peers' programs. */
static void ping_each_millisecond(tr_pid pong, uint64_t n, int64_t *trips, int64_t *late)
{
    const tr_match tick = { .tag = TICK };
    tr_timer ticks;
    int64_t due = start_ticks(&ticks);
    for (uint64_t i = 0; i < n; i++) {
        tr_receive_match(&tick, TR_INFINITY);
        int64_t sent = tr_now_ns();
        tr_send(pong, PING, &i, sizeof i);
        tr_assert(bench_number_in(tr_receive_match(&(tr_match){ .tag = PONG }, TR_INFINITY)) == i);
        int64_t now = tr_now_ns();
        trips[i] = now - sent;
        late[i] = sent - due;
        due += TICK_NS;
        if (due < now) {
            tr_timer_cancel(ticks);
            while (tr_receive_match(&tick, 0) != NULL)
                ;
            due = start_ticks(&ticks);
        }
    }
    tr_timer_cancel(ticks);
}

static void hog_run(struct bench *bench)
{
    uint64_t hogs = bench_number(bench, "hogs"), n = bench_number(bench, "n");
    int64_t *trips = tr_alloc(n * sizeof *trips), *late = tr_alloc(n * sizeof *late);
    tr_assert(trips != NULL && late != NULL && n > 0);
    tr_pid pong = bench_start(&pong_actor, NULL, 0);
    for (uint64_t i = 0; i < hogs; i++)
        bench_start_entry(hog, &i, sizeof i);
    while (atomic_load_explicit(&hogging, memory_order_relaxed) < hogs)
        tr_sleep(1);
    int64_t start = tr_now_ns();
    ping_each_millisecond(pong, n, trips, late);
    bench_result(bench, n, start);
    atomic_store_explicit(&hogs_end, true, memory_order_relaxed);
    report_quantiles(bench, trips, n, (const char *const[]){ "p50_us", "p99_us", "max_us" });
    report_quantiles(bench, late, n, (const char *const[]){ NULL, "late_p99_us", "late_max_us" });
}

const struct workload bench_hog = { .name = "hog",
                                    .what = "a pair beside hogs that never yield",
                                    .defaults = { { "hogs", "4" }, { "n", "2000" } },
                                    .run = hog_run };
