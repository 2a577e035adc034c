/* socket_stress_test.c: streams whose readers change all the time: by call with short timeouts, in active mode with
 * small limits, and from process to process. Each byte must arrive once and in order. The seed is printed when a test
 * fails to end. */
#include "socket_peer.h"

enum { PAIRS = 8, STREAM = HARNESS_SIMULATED ? 20 * 1000 : 1500 * 1000, CHUNK_MOST = 20000, HEAVY_TRAFFIC = 4 };

struct stage {
    tr_socket socket;
    tr_pid boss;
    size_t have;
    uint64_t random;
};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 11;
}

static size_t below(uint64_t *state, size_t bound) { return (size_t)(next_random(state) % bound); }

/* ---- the writer */

static void writer(const tr_msg *arg)
{
    struct stage stage = *(const struct stage *)tr_expect(arg, sizeof stage);
    unsigned char *data = malloc(CHUNK_MOST);
    CHECK(data != NULL);
    while (stage.have < STREAM) {
        size_t size = 1 + below(&stage.random, below(&stage.random, HEAVY_TRAFFIC) == 0 ? CHUNK_MOST : 100);
        if (size > STREAM - stage.have)
            size = STREAM - stage.have;
        fill_pattern(data, size, stage.have);
        CHECK_EQ(tr_write(stage.socket, data, size, LONG_MS), TR_OK);
        stage.have += size;
        if (below(&stage.random, 10) == 0)
            tr_yield();
        if (below(&stage.random, 100) == 0)
            tr_sleep(1);
    }
    free(data);
} /* its end closes the stream */

/* ---- the reader, which is a process after another */

static void take(struct stage *stage, const void *data, size_t size)
{
    check_pattern(data, size, stage->have);
    stage->have += size;
}

/* False: the stream has ended. */
static bool read_by_call(struct stage *stage)
{
    static const int64_t timeouts[] = { 0, 1, 3, LONG_MS };
    unsigned char data[3000];
    size_t size;
    int status = tr_read(stage->socket, data, 1 + below(&stage->random, sizeof data),
                         timeouts[below(&stage->random, TR_COUNT(timeouts))], &size);
    if (status == TR_OK)
        take(stage, data, size);
    else
        CHECK(status == TR_ETIMEDOUT || status == TR_EEND);
    return status != TR_EEND;
}

/* The next event, if it comes in time: what it was, or -1. */
static int take_event(struct stage *stage, int64_t timeout_ms)
{
    const tr_msg *message = tr_receive_match(&(tr_match){ .tag = TR_MSG_SOCKET }, timeout_ms);
    if (message == NULL)
        return -1;
    const tr_socket_event *event = tr_body(message);
    CHECK(event->what != TR_SOCKET_ERROR);
    if (event->what == TR_SOCKET_DATA)
        take(stage, event + 1, event->size);
    return event->what;
}

static bool read_by_messages(struct stage *stage)
{
    int limit = 1 + (int)below(&stage->random, 5), what;
    CHECK_EQ(tr_socket_active(stage->socket, limit), TR_OK);
    bool patient = below(&stage->random, 2) == 0;
    do
        what = take_event(stage, patient ? LONG_MS : 1);
    while (what == TR_SOCKET_DATA);
    if (what >= 0)
        return what != TR_SOCKET_END;
    CHECK_EQ(tr_socket_active(stage->socket, 0), TR_OK);
    while ((what = take_event(stage, 0)) == TR_SOCKET_DATA) /* what was on its way */
        ;
    return what != TR_SOCKET_END;
}

static void reader(const tr_msg *arg)
{
    struct stage stage = *(const struct stage *)tr_expect(arg, sizeof stage);
    CHECK(tr_receive_match(&(tr_match){ .tag = 1 }, LONG_MS) != NULL); /* it is given */
    for (bool more = true; more;) {
        if (below(&stage.random, 30) == 0) {
            stage.random += 2;
            tr_pid heir = tr_spawn(reader, &stage, sizeof stage);
            CHECK_EQ(tr_socket_give(stage.socket, heir), TR_OK);
            tr_send(heir, 1, NULL, 0);
            return;
        }
        more = below(&stage.random, 3) == 0 ? read_by_messages(&stage) : read_by_call(&stage);
    }
    CHECK_EQ(stage.have, STREAM);
    tr_send(stage.boss, 2, NULL, 0);
}

/* ---- all together */

static uint64_t seed;

static void stress_body(const tr_msg *unused)
{
    (void)unused;
    uint64_t random = seed;
    for (int i = 0; i < PAIRS; i++) {
        tr_socket here, there;
        make_pair(&here, &there);
        const struct stage write = { .socket = here, .boss = tr_self(), .random = next_random(&random) | 1 };
        const struct stage read = { .socket = there, .boss = tr_self(), .random = next_random(&random) | 1 };
        tr_pid writing = tr_spawn(writer, &write, sizeof write), reading = tr_spawn(reader, &read, sizeof read);
        CHECK_EQ(tr_socket_give(here, writing), TR_OK);
        CHECK_EQ(tr_socket_give(there, reading), TR_OK);
        tr_send(reading, 1, NULL, 0);
    }
    for (int i = 0; i < PAIRS; i++) {
        if (tr_receive_match(&(tr_match){ .tag = 2 }, LONG_MS) == NULL)
            harness_fail(__FILE__, __LINE__, "a stream did not end, seed %" PRIu64 ":", seed);
    }
}

static void run_seed(uint64_t number)
{
    seed = number * UINT64_C(0x9E3779B97F4A7C15) | 1;
    run_as_root(stress_body);
}

TEST(socket_stress, streams_survive_all_changes_of_their_readers_seed_1) { run_seed(1); }
TEST(socket_stress, streams_survive_all_changes_of_their_readers_seed_2) { run_seed(2); }
TEST(socket_stress, streams_survive_all_changes_of_their_readers_seed_3) { run_seed(3); }
