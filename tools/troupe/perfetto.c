/* perfetto.c: from the flight recorder's rings to trace events in JSON.
 *
 * One track per thread. On a worker's: a slice per turn, named by the actor's label and pid, and one per sleep;
 * instants for everything else that happened; a flow arrow from where an actor was made runnable to the turn that this
 * led to.
 *
 * A turn's slice ends with the first event of its ring after the RUN_END that has a younger stamp (the next turn or the
 * park), since RUN_END takes no stamp of its own. Arrows: the RUNNABLE and RUN_BEGIN events of a pid are put in order
 * of time over all rings; each RUN_BEGIN belongs to the RUNNABLE before it, and one without (the actor had only
 * yielded) gets no arrow.
 *
 * The input is a file that anybody may have made: every count is checked against what is left of it. */
#include "perfetto.h"

#include "base/trace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct event {
    uint64_t age_ns; /* before the dump */
    uint64_t end_ns; /* of a turn or a sleep: the age of its end */
    uint64_t word;
    uint32_t kind;
    uint32_t ring;
};

struct label {
    uint64_t pid, text;
};

struct dump {
    struct trace_file_header header;
    struct trace_file_ring *rings;
    struct event *events; /* ring after ring, oldest first */
    size_t event_count, event_room;
    struct label *labels; /* sorted by pid */
    size_t label_count, label_room;
    struct trace_file_text *texts; /* sorted by address */
    size_t text_count;
    uint64_t oldest_ns; /* the greatest age */
};

enum { PID_SLOT_BITS = 26, NAME_BYTES = 160 };

/* ---- reading */

static int complain(const char *what)
{
    fprintf(stderr, "troupe record: %s\n", what);
    return -1;
}

static bool read_exactly(FILE *file, void *into, size_t size) { return size == 0 || fread(into, size, 1, file) == 1; }

/* Makes room for one more element of an array that doubles. */
static void *grown(void *array, size_t count, size_t *room, size_t element)
{
    if (count < *room)
        return array;
    *room = *room == 0 ? 1024 : *room * 2;
    void *bigger = realloc(array, *room * element);
    if (bigger == NULL) {
        complain("out of memory");
        exit(1);
    }
    return bigger;
}

static void add_event(struct dump *dump, struct event event)
{
    dump->events = grown(dump->events, dump->event_count, &dump->event_room, sizeof *dump->events);
    dump->events[dump->event_count++] = event;
    if (event.age_ns > dump->oldest_ns)
        dump->oldest_ns = event.age_ns;
}

static void add_label(struct dump *dump, uint64_t pid, uint64_t text)
{
    if (pid == 0 || text == 0)
        return;
    dump->labels = grown(dump->labels, dump->label_count, &dump->label_room, sizeof *dump->labels);
    dump->labels[dump->label_count++] = (struct label){ pid, text };
}

/* Finds the ends of a ring's turns and sleeps, from its youngest event back. */
static void find_ends(struct event *events, size_t count)
{
    uint64_t younger_ns = 0; /* of the first later event that is younger than events[i] */
    uint64_t end_ns = 0;     /* where a turn or a sleep that begins at events[i] ends */
    for (size_t i = count; i-- > 0;) {
        struct event *event = &events[i];
        if (i + 1 < count && events[i + 1].age_ns < event->age_ns)
            younger_ns = events[i + 1].age_ns;
        event->end_ns = end_ns;
        if (event->kind == TRACE_RUN_END)
            end_ns = younger_ns;
        else if (event->kind == TRACE_RUN_BEGIN || event->kind == TRACE_PARK || event->kind == TRACE_UNPARK)
            end_ns = event->age_ns;
        if (event->end_ns > event->age_ns)
            event->end_ns = event->age_ns;
    }
}

static bool read_ring(FILE *file, struct dump *dump, uint32_t index)
{
    struct trace_file_ring *ring = &dump->rings[index];
    uint64_t newborn = 0, words[2];
    size_t first = dump->event_count;
    if (!read_exactly(file, ring, sizeof *ring))
        return false;
    for (uint64_t i = 0; i < ring->count; i++) {
        if (!read_exactly(file, words, sizeof words))
            return false;
        struct event event = { .word = words[1], .ring = index };
        event.kind = (uint32_t)(words[0] & ((1 << TRACE_KIND_BITS) - 1));
        event.age_ns = (((uint64_t)dump->header.monotonic_ns << TRACE_KIND_BITS) - (words[0] - event.kind)) >>
                       TRACE_KIND_BITS;
        if (event.kind == TRACE_LABEL)
            add_label(dump, newborn, event.word);
        else if (event.kind != TRACE_NOTHING)
            add_event(dump, event);
        newborn = event.kind == TRACE_SPAWN ? event.word : 0;
    }
    if (dump->event_count > first)
        find_ends(&dump->events[first], dump->event_count - first);
    return true;
}

static bool read_tables(FILE *file, struct dump *dump)
{
    struct trace_file_tables about;
    struct trace_file_label label;
    if (!read_exactly(file, &about, sizeof about) || about.texts > 1 << 20)
        return false;
    for (uint32_t i = 0; i < about.labels; i++) {
        if (!read_exactly(file, &label, sizeof label))
            return false;
        add_label(dump, label.pid, label.label);
    }
    dump->texts = calloc(about.texts + (size_t)1, sizeof *dump->texts);
    dump->text_count = about.texts;
    if (dump->texts == NULL || !read_exactly(file, dump->texts, about.texts * sizeof *dump->texts))
        return false;
    for (uint32_t i = 0; i < about.texts; i++)
        dump->texts[i].text[TRACE_TEXT_BYTES - 1] = '\0';
    return true;
}

static int by_pid(const void *a, const void *b)
{
    uint64_t x = ((const struct label *)a)->pid, y = ((const struct label *)b)->pid;
    return x < y ? -1 : x > y;
}

static int by_address(const void *a, const void *b)
{
    uint64_t x = ((const struct trace_file_text *)a)->label, y = ((const struct trace_file_text *)b)->label;
    return x < y ? -1 : x > y;
}

static int read_dump(FILE *file, struct dump *dump)
{
    struct trace_file_header *header = &dump->header;
    if (!read_exactly(file, header, sizeof *header) ||
        memcmp(header->magic, TRACE_FILE_MAGIC, sizeof header->magic) != 0)
        return complain("this is no dump of Troupe's flight recorder");
    if (header->order != TRACE_FILE_ORDER || header->version != TRACE_FILE_VERSION)
        return complain("the dump comes from another kind of machine or another version");
    if (header->rings > TRACE_RINGS || (dump->rings = calloc(header->rings + (size_t)1, sizeof *dump->rings)) == NULL)
        return complain("the dump is damaged");
    for (uint32_t i = 0; i < header->rings; i++)
        if (!read_ring(file, dump, i))
            return complain("the dump ends in the middle of a ring");
    if (!read_tables(file, dump))
        return complain("the dump ends in the middle of its tables");
    if (dump->label_count > 0)
        qsort(dump->labels, dump->label_count, sizeof *dump->labels, by_pid);
    if (dump->text_count > 0)
        qsort(dump->texts, dump->text_count, sizeof *dump->texts, by_address);
    return 0;
}

/* ---- names */

static const char *label_of(const struct dump *dump, uint64_t pid)
{
    struct label wanted = { pid, 0 };
    const struct label *label = dump->label_count == 0
                                    ? NULL
                                    : bsearch(&wanted, dump->labels, dump->label_count, sizeof wanted, by_pid);
    if (label == NULL)
        return NULL;
    struct trace_file_text key = { .label = label->text };
    const struct trace_file_text *text = dump->text_count == 0
                                             ? NULL
                                             : bsearch(&key, dump->texts, dump->text_count, sizeof key, by_address);
    return text == NULL ? NULL : text->text;
}

/* "cache <0.12.3>", safe inside a JSON string: what JSON does not allow, and all that is not ASCII, becomes '?'. */
static const char *pid_name(const struct dump *dump, uint64_t pid, char name[NAME_BYTES])
{
    const char *label = label_of(dump, pid);
    snprintf(name, NAME_BYTES, "%s%s<0.%" PRIu64 ".%" PRIu64 ">", label == NULL ? "" : label, label == NULL ? "" : " ",
             pid & ((UINT64_C(1) << PID_SLOT_BITS) - 1), pid >> PID_SLOT_BITS);
    for (char *at = name; *at != '\0'; at++)
        if (*at < ' ' || *at > '~' || *at == '"' || *at == '\\')
            *at = '?';
    return name;
}

/* ---- writing */

static double microseconds(const struct dump *dump, const struct event *event)
{
    return (double)(dump->oldest_ns - event->age_ns) / 1000.0;
}

/* The common beginning of an event: the caller adds more fields and the closing brace. */
static void begin_event(FILE *json, const char *phase, double ts, uint32_t track)
{
    fprintf(json, ",\n{\"ph\":\"%s\",\"pid\":1,\"tid\":%" PRIu32 ",\"ts\":%.3f", phase, track, ts);
}

static void write_instant(FILE *json, const struct dump *dump, const struct event *event)
{
    char name[NAME_BYTES];
    begin_event(json, "i", microseconds(dump, event), event->ring);
    if (trace_kind_word(event->kind) == TRACE_WORD_PID)
        fprintf(json, ",\"s\":\"t\",\"name\":\"%s\",\"args\":{\"process\":\"%s\"}}", trace_kind_name(event->kind),
                pid_name(dump, event->word, name));
    else
        fprintf(json, ",\"s\":\"t\",\"name\":\"%s\",\"args\":{\"number\":%" PRIu64 "}}", trace_kind_name(event->kind),
                event->word);
}

/* A turn or a sleep. */
static void write_slice(FILE *json, const struct dump *dump, const struct event *event)
{
    char name[NAME_BYTES];
    begin_event(json, "X", microseconds(dump, event), event->ring);
    fprintf(json, ",\"dur\":%.3f,\"name\":\"%s\"}", (double)(event->age_ns - event->end_ns) / 1000.0,
            event->kind == TRACE_PARK ? "asleep" : pid_name(dump, event->word, name));
}

static const char *track_name(uint32_t track, char name[NAME_BYTES])
{
    switch (track) {
    case TRACE_TRACK_WATCHDOG: return "watchdog";
    case TRACE_TRACK_FOREIGN: return "foreign thread";
    case TRACE_TRACK_BLOCKING: return "blocking thread";
    case TRACE_TRACK_RECLAIMER: return "reclaimer";
    default: snprintf(name, NAME_BYTES, "worker %" PRIu32, track); return name;
    }
}

static void write_tracks(FILE *json, const struct dump *dump)
{
    char name[NAME_BYTES];
    fprintf(json, "{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{\"name\":\"troupe\"}}");
    for (uint32_t i = 0; i < dump->header.rings; i++) {
        fprintf(json, ",\n{\"ph\":\"M\",\"pid\":1,\"tid\":%" PRIu32 ",\"name\":\"thread_name\",", i);
        fprintf(json, "\"args\":{\"name\":\"%s%s\"}}", track_name(dump->rings[i].worker, name),
                dump->rings[i].lost ? " (oldest events lost)" : "");
    }
}

/* By process, then time; at the same instant RUNNABLE comes first. */
static int by_process(const void *a, const void *b)
{
    const struct event *x = *(const struct event *const *)a, *y = *(const struct event *const *)b;
    if (x->word != y->word)
        return x->word < y->word ? -1 : 1;
    if (x->age_ns != y->age_ns)
        return x->age_ns > y->age_ns ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind == TRACE_RUNNABLE ? -1 : 1;
    return x < y ? -1 : x > y;
}

static int write_arrows(FILE *json, const struct dump *dump)
{
    const struct event **wakes = calloc(dump->event_count + 1, sizeof *wakes), *cause = NULL;
    size_t count = 0, arrows = 0;
    if (wakes == NULL)
        return complain("out of memory");
    for (size_t i = 0; i < dump->event_count; i++)
        if (dump->events[i].kind == TRACE_RUNNABLE || dump->events[i].kind == TRACE_RUN_BEGIN)
            wakes[count++] = &dump->events[i];
    qsort(wakes, count, sizeof *wakes, by_process);
    for (size_t i = 0; i < count; i++) {
        if (wakes[i]->kind == TRACE_RUNNABLE) {
            cause = wakes[i];
        } else if (cause != NULL && cause->word == wakes[i]->word) {
            arrows++;
            begin_event(json, "s", microseconds(dump, cause), cause->ring);
            fprintf(json, ",\"id\":%zu,\"cat\":\"wake\",\"name\":\"wake\"}", arrows);
            begin_event(json, "f", microseconds(dump, wakes[i]), wakes[i]->ring);
            fprintf(json, ",\"bp\":\"e\",\"id\":%zu,\"cat\":\"wake\",\"name\":\"wake\"}", arrows);
            cause = NULL;
        }
    }
    free(wakes);
    return 0;
}

static int write_json(FILE *json, const struct dump *dump)
{
    fprintf(json, "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"recorder\":\"troupe\",\"dumped_at_ns\":%" PRId64 "},\n",
            dump->header.wall_ns);
    fprintf(json, "\"traceEvents\":[\n");
    write_tracks(json, dump);
    for (size_t i = 0; i < dump->event_count; i++) {
        uint32_t kind = dump->events[i].kind;
        if (kind == TRACE_RUN_BEGIN || kind == TRACE_PARK)
            write_slice(json, dump, &dump->events[i]);
        else if (kind != TRACE_RUN_END && kind != TRACE_UNPARK)
            write_instant(json, dump, &dump->events[i]);
    }
    int result = write_arrows(json, dump);
    fprintf(json, "\n]}\n");
    if (fflush(json) != 0 || ferror(json))
        return complain("the JSON file can't be written");
    return result;
}

int perfetto_convert(FILE *file, FILE *json)
{
    struct dump dump = { .rings = NULL };
    int result = read_dump(file, &dump);
    if (result == 0)
        result = write_json(json, &dump);
    free(dump.rings);
    free(dump.events);
    free(dump.labels);
    free(dump.texts);
    return result;
}
