/* perfetto_test.c: the picture that `troupe record` makes of the flight recorder's dump, as JSON. */
#include "../../tools/troupe/perfetto.h"

#include "base/clock.h"
#include "recorder.h"

enum { OTHER_PID = 121 | 4 << 26 };

/* The dump as JSON; the caller frees it. */
static char *as_json(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = dumped(), *json = open_memstream(&text, &size);
    CHECK(json != NULL);
    CHECK_EQ(perfetto_convert(file, json), 0);
    fclose(json);
    fclose(file);
    return text;
}

/* Enough to see that no string and no bracket is left open, and that no comma is left over: outside strings brackets
 * match, and something follows a comma. */
static bool looks_like_json(const char *text)
{
    char open[64];
    size_t depth = 0;
    bool in_string = false;
    for (; *text != '\0'; text++) {
        if (*text == '"')
            in_string = !in_string;
        else if (!in_string && (*text == '{' || *text == '[')) {
            if (depth == sizeof open)
                return false;
            open[depth++] = *text;
        } else if (!in_string && (*text == '}' || *text == ']')) {
            if (depth == 0 || open[--depth] != (*text == '}' ? '{' : '['))
                return false;
        } else if (!in_string && *text == ',' && strchr("}],", text[1 + strspn(text + 1, "\n ")]) != NULL)
            return false;
    }
    return depth == 0 && !in_string;
}

TEST(perfetto, a_written_ring_converts_to_turns_sleeps_and_wake_arrows)
{
    use("all", "64", "/dev/null");
    struct trace_ring *a = trace_ring_create(0), *b = trace_ring_create(1);
    int64_t now = clock_now();
    trace_spawn(a, PID, "cache");
    trace_spawn(NULL, OTHER_PID, "foreign \"label\"\n"); /* only in the table */
    trace_stamp(a, now - 9000);
    trace_put(a, TRACE_RUN_BEGIN, PID);
    trace_event(a, TRACE_SEND, OTHER_PID);
    trace_event(a, TRACE_RUNNABLE, OTHER_PID);
    trace_event(a, TRACE_RUN_END, PID);
    trace_stamp(a, now - 8000);
    trace_put(a, TRACE_PARK, 0);
    trace_stamp(a, now - 3000);
    trace_put(a, TRACE_UNPARK, 0);
    trace_stamp(b, now - 7000);
    trace_put(b, TRACE_STEAL, 0);
    trace_put(b, TRACE_RUN_BEGIN, OTHER_PID);
    trace_event(b, TRACE_RUN_END, OTHER_PID);
    trace_stamp(b, now - 5000);
    trace_put(b, TRACE_PARK, 0);
    char *json = as_json();
    CHECK(looks_like_json(json));
    CHECK(strstr(json, "\"dur\":1.000,\"name\":\"cache <0.120.3>\"") != NULL);
    CHECK(strstr(json, "\"dur\":2.000,\"name\":\"foreign ?label?? <0.121.4>\"") != NULL);
    CHECK(strstr(json, "\"dur\":5.000,\"name\":\"asleep\"") != NULL);
    CHECK(strstr(json, "\"name\":\"steal\",\"args\":{\"number\":0}") != NULL);
    CHECK(strstr(json, "\"name\":\"spawn\",\"args\":{\"process\":\"cache <0.120.3>\"}") != NULL);
    CHECK_EQ(count_of(json, "\"ph\":\"s\""), 1);
    CHECK_EQ(count_of(json, "\"ph\":\"f\""), 1);
    CHECK_EQ(count_of(json, "\"ph\":\"X\""), 4);
    CHECK_EQ(count_of(json, "\"name\":\"thread_name\""), 2);
    free(json);
    trace_finish();
}

TEST(perfetto, each_thread_has_a_track_with_its_name)
{
    static const struct {
        unsigned track;
        const char *name;
    } threads[] = { { 3, "worker 3" },
                    { TRACE_TRACK_WATCHDOG, "watchdog" },
                    { TRACE_TRACK_FOREIGN, "foreign thread" },
                    { TRACE_TRACK_BLOCKING, "blocking thread" },
                    { TRACE_TRACK_RECLAIMER, "reclaimer" } };
    const size_t count = sizeof threads / sizeof *threads;
    use("all", "64", NULL);
    for (size_t i = 0; i < count; i++)
        trace_event(trace_ring_create(threads[i].track), TRACE_SEND, PID);
    char *json = as_json();
    for (size_t i = 0; i < count; i++) {
        char track[80];
        snprintf(track, sizeof track, "\"name\":\"thread_name\",\"args\":{\"name\":\"%s\"}", threads[i].name);
        CHECK_EQ(count_of(json, track), 1);
    }
    free(json);
    trace_finish();
}

TEST(perfetto, a_dump_that_is_cut_off_or_none_at_all_is_refused)
{
    use("all", "64", NULL);
    trace_event(trace_ring_create(0), TRACE_SEND, PID);
    FILE *whole = dumped(), *json = tmpfile();
    char bytes[256];
    size_t size = fread(bytes, 1, sizeof bytes, whole);
    CHECK(json != NULL && size > 0 && size < sizeof bytes);
    fclose(whole);
    for (size_t kept = 1; kept <= size; kept++) {
        FILE *part = fmemopen(bytes, kept, "rb");
        CHECK(part != NULL);
        CHECK_EQ(perfetto_convert(part, json), kept == size ? 0 : -1);
        fclose(part);
    }
    fclose(json);
    trace_finish();
}
