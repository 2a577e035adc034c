/* trace_test.c: the flight recorder: what is recorded, and what a dump says.
 *
 * Dumps are read by the converter of `troupe record`, whose reader is its own: it is compiled in here. */
#include "recorder.h"

#include "base/clock.h"

#include <pthread.h>
#include <troupe/troupe.h>
#include <unistd.h>

#include "../../tools/troupe/perfetto.c" /* NOLINT(bugprone-suspicious-include): a part of the command, no library */

/* What is dumped now, read back by the converter's own reader. */
static struct dump read_back(void)
{
    FILE *file = dumped();
    struct dump dump = { .rings = NULL };
    CHECK_EQ(read_dump(file, &dump), 0);
    fclose(file);
    return dump;
}

static void forget(struct dump *dump)
{
    free(dump->rings);
    free(dump->events);
    free(dump->labels);
    free(dump->texts);
}

TEST(trace, events_of_a_class_that_is_off_are_not_recorded)
{
    use("life", "64", NULL);
    struct trace_ring *ring = trace_ring_create(0);
    trace_event(ring, TRACE_SEND, PID);
    trace_event_now(ring, TRACE_RUN_BEGIN, PID);
    trace_event(ring, TRACE_EXIT, PID);
    struct dump dump = read_back();
    CHECK_EQ(dump.event_count, 1);
    CHECK_EQ(dump.events[0].kind, TRACE_EXIT);
    CHECK_EQ(dump.events[0].word, PID);
    forget(&dump);
    trace_finish();
    use("send", "64", NULL);
    ring = trace_ring_create(0);
    trace_spawn(ring, PID, "label");
    trace_event(ring, TRACE_SEND, PID);
    dump = read_back();
    CHECK_EQ(dump.event_count, 1);
    CHECK_EQ(dump.events[0].kind, TRACE_SEND);
    forget(&dump);
    trace_finish();
}

TEST(trace, life_and_sched_are_on_by_default)
{
    CHECK_EQ(unsetenv("TROUPE_TRACE"), 0);
    trace_start_from_environment();
    CHECK(trace_on(TRACE_SPAWN));
    CHECK(trace_on(TRACE_TAKEOVER));
    CHECK(!trace_on(TRACE_RUN_BEGIN));
    CHECK(!trace_on(TRACE_RUNNABLE));
    trace_finish();
}

TEST(trace, a_ring_keeps_the_newest_events_in_order)
{
    use("all", "64", NULL);
    struct trace_ring *ring = trace_ring_create(0);
    for (uint64_t i = 1; i <= 1000; i++)
        trace_event(ring, TRACE_SEND, i);
    struct dump dump = read_back();
    /* the oldest one counts as torn: its place is where the next event will be written */
    CHECK_EQ(dump.rings[0].count, 64);
    CHECK_EQ(dump.rings[0].lost, 1);
    CHECK_EQ(dump.event_count, 63);
    for (uint64_t i = 0; i < 63; i++)
        CHECK_EQ(dump.events[i].word, 938 + i);
    forget(&dump);
    trace_finish();
}

TEST(trace, a_stamp_holds_for_the_events_after_it)
{
    use("all", "64", NULL);
    struct trace_ring *ring = trace_ring_create(0);
    int64_t now = clock_now();
    trace_stamp(ring, now - 5000);
    trace_event(ring, TRACE_SEND, 1);
    trace_event(ring, TRACE_SEND, 2);
    trace_stamp(ring, now - 2000);
    trace_event(ring, TRACE_SEND, 3);
    struct dump dump = read_back();
    CHECK_EQ(dump.event_count, 3);
    CHECK_EQ(dump.events[0].age_ns, dump.events[1].age_ns);
    CHECK_EQ(dump.events[0].age_ns - dump.events[2].age_ns, 3000);
    forget(&dump);
    trace_finish();
}

TEST(trace, a_ring_that_was_given_back_goes_to_the_next_worker_of_its_number)
{
    use("all", "64", NULL);
    struct trace_ring *first = trace_ring_create(7);
    struct trace_ring *other = trace_ring_create(7);
    CHECK(first != other);
    trace_event(first, TRACE_PARK, 0);
    trace_ring_destroy(first);
    CHECK(trace_ring_create(8) != first);
    CHECK(trace_ring_create(7) == first);
    struct dump dump = read_back();
    CHECK_EQ(dump.header.rings, 3);
    CHECK_EQ(dump.event_count, 1);
    forget(&dump);
    trace_finish();
}

TEST(trace, workers_beyond_the_last_ring_write_where_nobody_reads)
{
    use("all", "2", NULL);
    for (unsigned i = 0; i < TRACE_RINGS; i++)
        CHECK(trace_ring_create(i) != NULL);
    struct trace_ring *ring = trace_ring_create(TRACE_RINGS);
    trace_event(ring, TRACE_SEND, PID);
    trace_ring_destroy(ring);
    struct dump dump = read_back();
    CHECK_EQ(dump.header.rings, TRACE_RINGS);
    CHECK_EQ(dump.event_count, 0);
    forget(&dump);
    trace_finish();
}

TEST(trace, finish_writes_the_file_and_the_next_runtime_starts_afresh)
{
    char path[] = "/tmp/trace-test-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    use("all", "64", path);
    trace_event(trace_ring_create(0), TRACE_SEND, PID);
    trace_finish();
    CHECK(lseek(fd, 0, SEEK_END) > (off_t)sizeof(struct trace_file_header));
    use("all", "64", NULL);
    struct dump dump = read_back();
    CHECK_EQ(dump.header.rings, 0);
    forget(&dump);
    CHECK_EQ(trace_dump_to_file(), -1);
    trace_finish();
    close(fd);
    unlink(path);
}

TEST(trace, the_last_events_print_as_text)
{
    use("all", "64", NULL);
    char text[1024] = "";
    int ends[2];
    struct trace_ring *ring = trace_ring_create(0);
    for (uint64_t i = 0; i < 100; i++)
        trace_event(ring, TRACE_SEND, i);
    trace_spawn(ring, PID, "cache");
    CHECK_EQ(pipe(ends), 0);
    trace_print(ends[1], ring, 3);
    CHECK(read(ends[0], text, sizeof text - 1) > 0);
    CHECK_EQ(count_of(text, "\n"), 3);
    CHECK(strstr(text, "us ago: send <0.99.0>\n") != NULL);
    CHECK(strstr(text, "us ago: spawn <0.120.3>\n") != NULL);
    CHECK(strstr(text, "us ago: label cache\n") != NULL);
    close(ends[0]);
    close(ends[1]);
    trace_finish();
}

/* What is printed of one event. */
static const char *printed(struct trace_ring *ring, enum trace_kind kind, uint64_t word)
{
    static char text[256];
    int ends[2];
    trace_event(ring, kind, word);
    CHECK_EQ(pipe(ends), 0);
    trace_print(ends[1], ring, 1);
    ssize_t size = read(ends[0], text, sizeof text - 1);
    CHECK(size > 0);
    text[size] = '\0';
    close(ends[0]);
    close(ends[1]);
    return text;
}

static void check_printed(struct trace_ring *ring, enum trace_kind kind, const char *name, enum trace_word what)
{
    static const char label[] = "cache";
    static const char *const words[] = {
        [TRACE_WORD_PID] = "<0.120.3>", [TRACE_WORD_TEXT] = label, [TRACE_WORD_NUMBER] = "201326712"
    };
    char expected[64];
    snprintf(expected, sizeof expected, " us ago: %s %s\n", name, words[what]);
    CHECK(strstr(printed(ring, kind, what == TRACE_WORD_TEXT ? (uintptr_t)label : PID), expected) != NULL);
}

TEST(trace, events_of_every_kind_print_by_name_with_what_their_word_is)
{
    use("all", "64", NULL);
    struct trace_ring *ring = trace_ring_create(0);
#define TRACE_X(kind, number, name, what) check_printed(ring, kind, name, what);
    TRACE_KINDS(TRACE_X)
#undef TRACE_X
    trace_finish();
}

/* ---- a dump while the rings are written */

enum { WRITERS = 6, DUMPS = 60 };

static _Atomic bool writers_end;

/* Word and stamp of an event prove each other: stamp(word) = word * 3 + 1. */
static void *write_events(void *arg)
{
    struct trace_ring *ring = trace_ring_create((unsigned)(uintptr_t)arg);
    for (uint64_t word = 1; !load_relaxed(&writers_end); word++) {
        trace_stamp(ring, (int64_t)(word * 3 + 1));
        trace_event(ring, TRACE_SEND, word);
        if (word % 1024 == 0)
            trace_spawn(ring, word, "writer");
    }
    trace_ring_destroy(ring);
    return NULL;
}

/* Every event that the dump keeps is whole, and each ring's are in order. */
static uint64_t check_whole(const struct dump *dump)
{
    uint64_t last[WRITERS] = { 0 }, kept = 0;
    for (size_t i = 0; i < dump->event_count; i++) {
        const struct event *event = &dump->events[i];
        uint64_t stamp = (uint64_t)dump->header.monotonic_ns - event->age_ns;
        if (event->kind != TRACE_SEND)
            continue;
        CHECK_EQ((stamp - (event->word * 3 + 1)) << TRACE_KIND_BITS, 0);
        CHECK(event->word > last[event->ring]);
        last[event->ring] = event->word;
        kept++;
    }
    return kept;
}

TEST(trace, a_dump_of_rings_that_are_being_written_has_no_torn_event)
{
    pthread_t threads[WRITERS];
    uint64_t kept = 0;
    use("all", "256", "/dev/null");
    for (uintptr_t i = 0; i < WRITERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, write_events, (void *)i), 0);
    for (int i = 0; i < DUMPS; i++) {
        struct dump dump = read_back();
        kept += check_whole(&dump);
        forget(&dump);
    }
    store_relaxed(&writers_end, true);
    for (int i = 0; i < WRITERS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK(kept > 0);
    trace_finish();
}

/* ---- a program that is recorded */

enum { WORDS = 5, SENDS = 3 * WORDS, LAST = 2 };

static _Atomic uint64_t receiver_id;

static void receive_all(const tr_msg *unused)
{
    (void)unused;
    store_relaxed(&receiver_id, tr_self().id);
    tr_receive_match(&(tr_match){ .tag = LAST }, TR_INFINITY);
}

/* Words, nothing, and more than a word: each is sent in a way of its own. */
static void send_all(const tr_msg *unused)
{
    tr_ref monitor;
    tr_reason reason;
    uint64_t body[3] = { 0 };
    (void)unused;
    tr_pid receiver = tr_spawn_monitor(receive_all, NULL, 0, &monitor);
    tr_process_info info = { .status = TR_STATUS_RUNNABLE };
    while (info.status != TR_STATUS_WAITING)
        CHECK_EQ((tr_yield(), tr_peek(receiver, &info)), TR_OK);
    /* from here on a send makes it runnable */
    for (int i = 0; i < WORDS; i++) {
        CHECK_EQ(tr_send(receiver, 1, body, sizeof body[0]), TR_OK);
        CHECK_EQ(tr_send(receiver, 1, NULL, 0), TR_OK);
        CHECK_EQ(tr_send(receiver, i + 1 < WORDS ? 1 : LAST, body, sizeof body), TR_OK);
    }
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
}

static uint64_t events_of(const struct dump *dump, enum trace_kind kind, uint64_t word)
{
    uint64_t count = 0;
    for (size_t i = 0; i < dump->event_count; i++)
        count += dump->events[i].kind == kind && dump->events[i].word == word;
    return count;
}

TEST(trace, each_send_of_a_program_is_recorded_and_whom_it_made_runnable)
{
    char path[] = "/tmp/trace-run-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK_EQ(setenv("TROUPE_TRACE", "all", 1), 0);
    CHECK_EQ(setenv("TROUPE_TRACE_FILE", path, 1), 0);
    CHECK_EQ(tr_main(&(tr_config){ .workers = 1 }, send_all, NULL, 0), 0);
    struct dump dump = { .rings = NULL };
    FILE *file = fdopen(fd, "r");
    CHECK(file != NULL);
    CHECK_EQ(read_dump(file, &dump), 0);
    fclose(file);
    unlink(path);
    CHECK_EQ(events_of(&dump, TRACE_SEND, load_relaxed(&receiver_id)), SENDS);
    CHECK(events_of(&dump, TRACE_RUNNABLE, load_relaxed(&receiver_id)) > 0);
    forget(&dump);
}
