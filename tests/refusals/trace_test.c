/* trace_test.c: the flight recorder without memory, on a full disk, with settings that make no sense; and what it
 * prints of events that make none. */
#include "refuse.h"
#include "simulator/said.h"

#include "base/clock.h"
#include "base/trace.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static _Atomic ssize_t write_answer;

WRAP(ssize_t, write, (int fd, const void *from, size_t size), (fd, from, size), atomic_load(&write_answer))
WRAP(void *, mmap, (void *at, size_t size, int protection, int flags, int fd, off_t offset),
     (at, size, protection, flags, fd, offset), MAP_FAILED)
WRAP(int, close, (int fd), (fd), (__real_close(fd), -1))

static void use(const char *classes, const char *events, const char *file)
{
    CHECK_EQ(classes == NULL ? unsetenv("TROUPE_TRACE") : setenv("TROUPE_TRACE", classes, 1), 0);
    CHECK_EQ(events == NULL ? unsetenv("TROUPE_TRACE_EVENTS") : setenv("TROUPE_TRACE_EVENTS", events, 1), 0);
    CHECK_EQ(file == NULL ? unsetenv("TROUPE_TRACE_FILE") : setenv("TROUPE_TRACE_FILE", file, 1), 0);
    trace_start_from_environment();
}

static char path[64];

static void make_file(void)
{
    snprintf(path, sizeof path, "%s", "/tmp/trace-test-XXXXXX");
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
}

static off_t file_size(void)
{
    struct stat there;
    CHECK_EQ(stat(path, &there), 0);
    return there.st_size;
}

/* What `say` writes to stderr. */
static const char *said(void (*say)(void))
{
    listen_to_stderr();
    say();
    return what_was_said();
}

/* ---- settings */

static void bad_classes(void) { use("life,,lief,run,none,off", "64", NULL); }

TEST(refused_trace, classes_that_do_not_exist_are_named_and_the_others_hold)
{
    said(bad_classes);
    CHECK(strstr(text, "'lief'") != NULL && strstr(text, "'off'") != NULL);
    CHECK(strstr(text, "'none'") == NULL && strstr(text, "''") == NULL);
    CHECK(trace_on(TRACE_SPAWN) && trace_on(TRACE_RUN_BEGIN));
    CHECK(!trace_on(TRACE_PARK) && !trace_on(TRACE_SEND));
    trace_finish();
    use("all", "64", NULL);
    CHECK(trace_on(TRACE_SEND) && trace_on(TRACE_PARK));
    trace_finish();
    use("sched,send,steal", "64", NULL);
    CHECK(trace_on(TRACE_SEND) && trace_on(TRACE_PARK) && !trace_on(TRACE_RUN_BEGIN) && !trace_on(TRACE_SPAWN));
    trace_finish();
    use("none", "64", NULL);
    CHECK(!trace_on(TRACE_SEND) && !trace_on(TRACE_SPAWN));
    trace_finish();
}

TEST(refused_trace, the_size_of_a_ring_follows_what_it_is_for)
{
    static const struct {
        const char *events, *file;
        uint64_t expected;
    } cases[] = { { NULL, NULL, TRACE_SMALL_EVENTS },
                  { NULL, "/dev/null", TRACE_RECORDING_EVENTS },
                  { "100", "/dev/null", 128 },
                  { "1", NULL, 2 },
                  { "99999999999999", NULL, UINT64_C(1) << 30 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        use("life", cases[i].events, cases[i].file);
        CHECK_EQ(trace_ring_create(0)->mask + 1, cases[i].expected);
        trace_finish();
    }
}

TEST(refused_trace, a_path_too_long_for_a_file_is_none)
{
    char name[1000];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    use("life", "64", name);
    CHECK_EQ(trace_dump_to_file(), -1);
    trace_finish();
}

TEST(refused_trace, a_second_start_keeps_the_labels)
{
    make_file();
    use("all", "64", path);
    trace_spawn(NULL, 77, "kept");
    use("all", "64", path); /* the library is loaded twice, or a boot failed before */
    CHECK_EQ(trace_dump_to_file(), 0);
    off_t with = file_size();
    trace_finish();
    use("all", "64", path);
    CHECK_EQ(trace_dump_to_file(), 0);
    CHECK_EQ(file_size() + (off_t)sizeof(struct trace_file_text), with);
    trace_finish();
    unlink(path);
}

/* ---- no memory */

TEST(refused_trace, without_memory_a_worker_is_not_recorded)
{
    use("all", "64", NULL);
    REFUSE(mmap, 1, ENOMEM);
    struct trace_ring *none = trace_ring_create(0);
    CHECK_EQ(REFUSED(mmap), 1);
    trace_event(none, TRACE_SEND, 5);
    struct trace_ring *ring = trace_ring_create(0);
    CHECK(ring != none);
    trace_event(ring, TRACE_SEND, 6);
    FILE *file = tmpfile();
    CHECK(file != NULL);
    trace_print(fileno(file), none, 10); /* it has none */
    CHECK_EQ(lseek(fileno(file), 0, SEEK_END), 0);
    trace_print(fileno(file), ring, 10);
    CHECK(lseek(fileno(file), 0, SEEK_END) > 0);
    fclose(file);
    trace_ring_destroy(none);
    trace_finish();
}

/* ---- a dump that can't be written */

static void fill(void)
{
    static const char *const labels[] = { "first", "second", NULL };
    use("all", "1024", path);
    struct trace_ring *ring = trace_ring_create(0);
    for (uint64_t i = 0; i < 600; i++)
        trace_event(ring, TRACE_SEND, i);
    for (uint64_t i = 0; i < 3; i++)
        trace_spawn(ring, i, labels[i]);
}

TEST(refused_trace, a_dump_that_is_cut_off_anywhere_says_so)
{
    make_file();
    fill();
    CHECK_EQ(trace_dump_to_file(), 0);
    off_t whole = file_size();
    for (int passes = 0;; passes++) {
        atomic_store(&write_answer, passes % 2 == 0 ? -1 : 0);
        REFUSE_AFTER(write, passes, 1, ENOSPC);
        int status = trace_dump_to_file();
        if (REFUSED(write) == 0) {
            CHECK_EQ(status, 0);
            CHECK(passes > 8); /* header, ring, batches, tables, labels, texts */
            break;
        }
        CHECK_EQ(status, -1);
        CHECK(file_size() < whole);
    }
    atomic_store(&write_answer, -1);
    REFUSE(write, 3, EINTR); /* an interrupt cuts nothing off */
    CHECK_EQ(trace_dump_to_file(), 0);
    CHECK_EQ(file_size(), whole);
    CHECK_EQ(REFUSED(write), 3);
    REFUSE(close, 1, EIO); /* what was written is not there after all */
    CHECK_EQ(trace_dump_to_file(), -1);
    REFUSE(write, 1, ENOSPC);
    CHECK(strstr(said(trace_finish), path) != NULL);
    unlink(path);
}

/* ---- labels */

TEST(refused_trace, a_dump_has_as_many_texts_as_fit_and_cuts_long_ones)
{
    enum { MANY = 1500, KNOWN = 1024 };
    static char labels[MANY][96];
    make_file();
    use("all", "8192", path);
    struct trace_ring *ring = trace_ring_create(0);
    for (int i = 0; i < MANY; i++) {
        memset(labels[i], 'a' + i % 26, sizeof labels[i] - 1);
        trace_spawn(ring, (uint64_t)i, labels[i]);
    }
    trace_put(ring, TRACE_LABEL, 0); /* none needs no place */
    CHECK_EQ(trace_dump_to_file(), 0);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    CHECK_EQ(fseek(file, -(long)(KNOWN * sizeof(struct trace_file_text)), SEEK_END), 0);
    for (int i = 0; i < KNOWN; i++) {
        struct trace_file_text kept;
        CHECK_EQ(fread(&kept, sizeof kept, 1, file), 1);
        CHECK(kept.label != 0);
        CHECK_EQ(strlen(kept.text), sizeof kept.text - 1);
        CHECK(strncmp(kept.text, (const char *)(uintptr_t)kept.label, strlen(kept.text)) == 0);
    }
    fclose(file);
    trace_finish();
    unlink(path);
}

/* ---- text */

static struct trace_ring *printed;
static void print_all(void) { trace_print(STDERR_FILENO, printed, 1000); }

TEST(refused_trace, events_without_a_name_or_a_text_print_and_long_ones_are_cut)
{
    static char label[400];
    memset(label, 'z', sizeof label - 1);
    use("all", "64", NULL);
    printed = trace_ring_create(0);
    trace_put(printed, (enum trace_kind)0x7f, 41);
    trace_put(printed, TRACE_LABEL, 0);
    trace_put(printed, TRACE_LABEL, (uintptr_t)label);
    said(print_all);
    CHECK(strstr(text, ": ? 41\n") != NULL);
    CHECK(strstr(text, ": label \n") != NULL);
    CHECK(strstr(text, "zzzzzzzz") != NULL);
    CHECK(strlen(text) < 400);
    trace_finish();
}

TEST(refused_trace, printing_stops_where_nobody_reads)
{
    use("all", "4", NULL);
    printed = trace_ring_create(0);
    for (uint64_t i = 0; i < 9; i++)
        trace_event(printed, TRACE_SEND, i);
    said(print_all); /* the oldest place is the next to be written: it may be torn, and is left out */
    CHECK(strstr(text, "<0.5.0>") == NULL && strstr(text, "<0.6.0>") != NULL && strstr(text, "<0.8.0>") != NULL);
    atomic_store(&write_answer, -1);
    REFUSE_AFTER(write, 1, 1, EPIPE);
    said(print_all);
    CHECK(strstr(text, "<0.6.0>") != NULL && strstr(text, "<0.7.0>") == NULL && strstr(text, "<0.8.0>") == NULL);
    trace_finish();
}
