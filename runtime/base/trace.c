/* trace.c: the flight recorder's rings, switches and dumps. See trace.h for the argument why what a reader keeps is
 * whole.
 *
 * Memory comes straight from the system: this floor lies below the seam of allocation, rings are made a few times in
 * the life of a program, and doing without one is no error. Everything that a dump needs is static or was made at boot.
 *
 * State of a slot of `rings`: empty -> (reserved by compare-and-swap) -> a ring, until `trace_finish`. State of a ring:
 * taken by a worker <-> free for the next worker of the same number; the compare-and-swap on `taken` is acquire and its
 * reset release [TR5], so that the next owner continues where the last one stopped. */
#include "base/trace.h"

#include "base/check.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(sizeof(struct trace_entry) == 16, "an event is 16 bytes");
_Static_assert(sizeof(TRACE_FILE_MAGIC) - 1 == sizeof((struct trace_file_header){ 0 }.magic),
               "the magic fills its field");

enum { DUMP_BATCH = 256, TEXT_SLOTS = 1024, PATH_BYTES = 512, PID_SLOT_BITS = 26 };

_Atomic uint32_t trace_classes = TRACE_DEFAULT_CLASSES;

static _Atomic(struct trace_ring *) rings[TRACE_RINGS];
static uint64_t ring_events = TRACE_SMALL_EVENTS; /* changed at boot only */
static char file_path[PATH_BYTES];                /* changed at boot only; "": none */

/* Where workers write that have no ring: one entry, many writers, no reader. */
static struct trace_entry sink_entry;
static struct trace_ring sink = { .mask = 0, .entries = &sink_entry, .taken = 1 };

struct noted_label {
    _Atomic uint64_t key; /* pid ^ label */
    _Atomic uint64_t label;
};
static _Atomic(struct noted_label *) noted; /* NULL unless recording */

/* ---- rings */

static void *map(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static size_t ring_bytes(uint64_t events)
{
    return (size_t)events * sizeof(struct trace_entry) + sizeof(struct trace_ring);
}

static struct trace_ring *make_ring(unsigned worker)
{
    char *memory = map(ring_bytes(ring_events));
    if (memory == NULL)
        return NULL;
    struct trace_ring *ring = (struct trace_ring *)(void *)(memory + (size_t)ring_events * sizeof(struct trace_entry));
    ring->entries = (struct trace_entry *)(void *)memory;
    ring->mask = ring_events - 1;
    ring->worker = worker;
    store_relaxed(&ring->taken, 1); /* relaxed: not published yet */
    return ring;
}

struct trace_ring *trace_ring_create(unsigned worker)
{
    struct trace_ring *made = NULL, *found = &sink;
    for (int i = 0; i < TRACE_RINGS && found == &sink; i++) {
        struct trace_ring *ring = load_acquire(
            &rings[i]); /* [TR6] acquire: the ring before its address; pairs with [TR7] */
        uint32_t is_free = 0;
        if (ring == NULL) {
            if (made == NULL && (made = make_ring(worker)) == NULL)
                return &sink;
            /* [TR7] release: the ring before its address; pairs with [TR6] and [TR8] */
            if (atomic_compare_exchange_strong_explicit(&rings[i], &ring, made, memory_order_release,
                                                        memory_order_relaxed)) {
                found = made;
                made = NULL;
            }
        } else if (ring->worker == worker &&
                   atomic_compare_exchange_strong_explicit(&ring->taken, &is_free, 1, memory_order_acquire,
                                                           memory_order_relaxed)) {
            found = ring; /* [TR9] acquire: the last owner's events; pairs with [TR5] */
        }
    }
    if (made != NULL)
        munmap(made->entries, ring_bytes(made->mask + 1));
    trace_stamp(found, clock_now());
    return found;
}

void trace_ring_destroy(struct trace_ring *ring)
{
    if (ring != &sink)
        store_release(&ring->taken, 0); /* [TR5] release: the events before it is free; pairs with [TR9] */
}

NOINLINE void trace_put_now(struct trace_ring *ring, enum trace_kind kind, uint64_t word)
{
    trace_stamp(ring, clock_now());
    trace_put(ring, kind, word);
}

static struct noted_label *note_of(struct noted_label *table, uint64_t pid)
{
    return &table[pid & (TRACE_LABEL_SLOTS - 1)]; /* the low bits of a pid are its slot */
}

NOINLINE void trace_put_spawn(struct trace_ring *ring, uint64_t pid, const char *label)
{
    struct noted_label *table = load_acquire(
        &noted); /* [TR10] acquire: the table before its address; pairs with [TR11] */
    if (table != NULL) {
        struct noted_label *note = note_of(table, pid);
        store_relaxed(&note->key, pid ^ (uintptr_t)label); /* relaxed: key and label prove each other */
        store_relaxed(&note->label, (uintptr_t)label);
    }
    if (ring == NULL)
        return;
    trace_put(ring, TRACE_SPAWN, pid);
    trace_put(ring, TRACE_LABEL, (uintptr_t)label);
}

/* ---- boot and end */

static uint32_t class_named(const char *name, size_t length)
{
#define TRACE_X(class, number, text)                               \
    if (length == strlen(text) && memcmp(name, text, length) == 0) \
        return UINT32_C(1) << (number);
    TRACE_CLASSES(TRACE_X)
#undef TRACE_X
    if (length == 3 && memcmp(name, "all", 3) == 0)
        return TRACE_ALL_CLASSES;
    if (length != 0 && !(length == 4 && memcmp(name, "none", 4) == 0))
        fprintf(stderr, "troupe: TROUPE_TRACE: unknown class '%.*s' (life, sched, run, send, all, none)\n", (int)length,
                name);
    return 0;
}

static uint32_t classes_named(const char *list)
{
    uint32_t classes = 0;
    for (;;) {
        size_t length = strcspn(list, ",");
        classes |= class_named(list, length);
        if (list[length] == '\0')
            return classes;
        list += length + 1;
    }
}

void trace_start_from_environment(void)
{
    const char *classes = secure_getenv("TROUPE_TRACE"), *path = secure_getenv("TROUPE_TRACE_FILE");
    const char *events = secure_getenv("TROUPE_TRACE_EVENTS");
    file_path[0] = '\0';
    if (path != NULL && strlen(path) < sizeof file_path)
        memcpy(file_path, path, strlen(path) + 1);
    uint64_t wanted = events == NULL ? 0 : strtoull(events, NULL, 10);
    if (wanted == 0)
        wanted = file_path[0] != '\0' ? TRACE_RECORDING_EVENTS : TRACE_SMALL_EVENTS;
    for (ring_events = 2; ring_events < wanted && ring_events < UINT64_C(1) << 30;)
        ring_events *= 2;
    if (file_path[0] != '\0' && load_relaxed(&noted) == NULL)
        store_release(&noted,
                      map(TRACE_LABEL_SLOTS * sizeof(struct noted_label))); /* [TR11] release; pairs with [TR10] */
    store_relaxed(&trace_classes, classes == NULL ? TRACE_DEFAULT_CLASSES : classes_named(classes));
}

void trace_finish(void)
{
    if (file_path[0] != '\0' && trace_dump_to_file() != 0)
        fprintf(stderr, "troupe: can't write TROUPE_TRACE_FILE %s: %s\n", file_path, strerror(errno));
    file_path[0] = '\0';
    for (int i = 0; i < TRACE_RINGS; i++) {
        struct trace_ring *ring = load_relaxed(&rings[i]); /* relaxed, here and below: no worker is left */
        store_relaxed(&rings[i], NULL);
        if (ring != NULL)
            munmap(ring->entries, ring_bytes(ring->mask + 1));
    }
    struct noted_label *table = load_relaxed(&noted);
    store_relaxed(&noted, NULL);
    if (table != NULL)
        munmap(table, TRACE_LABEL_SLOTS * sizeof *table);
}

/* ---- dumps: async-signal-safe from here on, one at a time by `dumping` */

static atomic_flag dumping = ATOMIC_FLAG_INIT;

struct plain_event {
    uint64_t when, word;
};

/* Static, so that a crash handler on its small stack can use them; guarded by `dumping`. */
static struct plain_event batch[DUMP_BATCH];
static struct trace_file_text texts[TEXT_SLOTS];
static uint32_t text_count;

static int write_all(int fd, const void *data, size_t size)
{
    const char *at = data;
    while (size > 0) {
        ssize_t written = write(fd, at, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return -1;
        at += written;
        size -= (size_t)written;
    }
    return 0;
}

/* Copies events [first, first + count) of a ring; those that may be torn become TRACE_NOTHING. */
static void copy_events(const struct trace_ring *ring, uint64_t first, uint32_t count, struct plain_event *events)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct trace_entry *entry = &ring->entries[(first + i) & ring->mask];
        events[i].when = load_acquire(
            &entry->when); /* [TR4] acquire: then head is at least what it was; pairs with [TR3] */
        events[i].word = load_acquire(&entry->word); /* [TR4] */
    }
    uint64_t head = load_relaxed(&ring->head); /* relaxed: [TR4] orders it */
    for (uint32_t i = 0; i < count; i++)
        if (head >= first + i + ring->mask + 1)
            events[i] = (struct plain_event){ TRACE_NOTHING, 0 };
}

/* Remembers what a label's address means. A full table forgets: the reader then shows no label. */
static void note_text(uint64_t label)
{
    uint32_t slot = (uint32_t)((label * UINT64_C(0x9E3779B97F4A7C15)) >> 54);
    for (uint32_t i = 0; i < TEXT_SLOTS; i++, slot++) {
        struct trace_file_text *text = &texts[slot % TEXT_SLOTS];
        if (text->label == label || label == 0)
            return;
        if (text->label != 0)
            continue;
        const char *from = (const char *)(uintptr_t)label;
        text->label = label;
        for (size_t at = 0; at + 1 < sizeof text->text && from[at] != '\0'; at++)
            text->text[at] = from[at];
        text_count++;
        return;
    }
}

static int dump_ring(int fd, const struct trace_ring *ring)
{
    uint64_t head = load_acquire(&ring->head); /* [TR2] acquire: the words of older events; pairs with [TR1] */
    uint64_t first = head > ring->mask + 1 ? head - ring->mask - 1 : 0;
    struct trace_file_ring about = { ring->worker, first > 0, head - first };
    if (write_all(fd, &about, sizeof about) != 0)
        return -1;
    while (first < head) {
        uint32_t count = head - first < DUMP_BATCH ? (uint32_t)(head - first) : DUMP_BATCH;
        copy_events(ring, first, count, batch);
        for (uint32_t i = 0; i < count; i++)
            if ((batch[i].when & 0xFF) == TRACE_LABEL)
                note_text(batch[i].word);
        if (write_all(fd, batch, count * sizeof *batch) != 0)
            return -1;
        first += count;
    }
    return 0;
}

/* The noted label of a slot, if pid and label belong together: a pid whose low bits are not this slot's is a mixture.
 */
static bool read_note(struct noted_label *table, uint64_t slot, struct trace_file_label *label)
{
    label->label = load_relaxed(&table[slot].label); /* relaxed: key and label prove each other */
    label->pid = load_relaxed(&table[slot].key) ^ label->label;
    return label->label != 0 && note_of(table, label->pid) == &table[slot];
}

static int dump_tables(int fd)
{
    struct noted_label *table = load_acquire(&noted); /* [TR10] */
    struct trace_file_tables about = { 0, 0 };
    struct trace_file_label label;
    for (uint64_t slot = 0; table != NULL && slot < TRACE_LABEL_SLOTS; slot++)
        if (read_note(table, slot, &label))
            note_text(label.label);
    about.labels = table == NULL ? 0 : TRACE_LABEL_SLOTS; /* all of them: what is free or mixed is {0, 0} */
    about.texts = text_count;
    if (write_all(fd, &about, sizeof about) != 0)
        return -1;
    _Static_assert(TRACE_LABEL_SLOTS % (DUMP_BATCH / 2) == 0, "whole batches");
    for (uint64_t slot = 0; slot < about.labels;) {
        struct trace_file_label some[DUMP_BATCH / 2];
        size_t count = 0;
        for (; count < DUMP_BATCH / 2; slot++, count++)
            if (!read_note(table, slot, &some[count]))
                some[count] = (struct trace_file_label){ 0, 0 };
        if (write_all(fd, some, count * sizeof *some) != 0)
            return -1;
    }
    for (uint32_t i = 0; i < TEXT_SLOTS; i++)
        if (texts[i].label != 0 && write_all(fd, &texts[i], sizeof texts[i]) != 0)
            return -1;
    return 0;
}

static int dump_all(int fd)
{
    struct trace_file_header header = {
        .order = TRACE_FILE_ORDER, .version = TRACE_FILE_VERSION, .monotonic_ns = clock_now(), .wall_ns = clock_wall()
    };
    memcpy(header.magic, TRACE_FILE_MAGIC, sizeof header.magic);
    while (header.rings < TRACE_RINGS && load_acquire(&rings[header.rings]) != NULL) /* slots fill from the first */
        header.rings++;
    memset(texts, 0, sizeof texts);
    text_count = 0;
    if (write_all(fd, &header, sizeof header) != 0)
        return -1;
    for (uint32_t i = 0; i < header.rings; i++)
        if (dump_ring(fd, load_acquire(&rings[i])) !=
            0) /* [TR8] acquire: the ring before its address; pairs with [TR7] */
            return -1;
    return dump_tables(fd);
}

int trace_dump(int fd)
{
    if (atomic_flag_test_and_set_explicit(&dumping,
                                          memory_order_acquire)) /* [TR12] acquire: the buffers; pairs with [TR13] */
        return -1;
    int result = dump_all(fd);
    atomic_flag_clear_explicit(&dumping, memory_order_release); /* [TR13] release: the buffers; pairs with [TR12] */
    return result;
}

int trace_dump_to_file(void)
{
    int fd = file_path[0] == '\0' ? -1 : open(file_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    int result = trace_dump(fd);
    return close(fd) == 0 ? result : -1;
}

/* ---- text for crash reports */

/* A line that is put together without stdio; what does not fit is cut. */
struct line {
    size_t used;
    char text[160];
};

static void add_text(struct line *line, const char *text)
{
    for (; *text != '\0' && line->used < sizeof line->text; text++)
        line->text[line->used++] = *text;
}

static void add_number(struct line *line, uint64_t number)
{
    char digits[24];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    add_text(line, &digits[at]);
}

static void add_word(struct line *line, enum trace_word what, uint64_t word)
{
    if (what == TRACE_WORD_TEXT) {
        add_text(line, word == 0 ? "" : (const char *)(uintptr_t)word);
    } else if (what == TRACE_WORD_NUMBER) {
        add_number(line, word);
    } else {
        add_text(line, "<0.");
        add_number(line, word & ((UINT64_C(1) << PID_SLOT_BITS) - 1));
        add_text(line, ".");
        add_number(line, word >> PID_SLOT_BITS);
        add_text(line, ">");
    }
}

static int print_event(int fd, const struct plain_event *event, uint64_t now)
{
    struct line line = { 0, "" };
    uint64_t kind = event->when & ((1 << TRACE_KIND_BITS) - 1);
    uint64_t age_ns = ((now << TRACE_KIND_BITS) - (event->when - kind)) >> TRACE_KIND_BITS;
    add_text(&line, "  ");
    add_number(&line, age_ns / 1000);
    add_text(&line, " us ago: ");
    add_text(&line, trace_kind_name(kind));
    add_text(&line, " ");
    add_word(&line, trace_kind_word(kind), event->word);
    add_text(&line, "\n");
    return write_all(fd, line.text, line.used);
}

void trace_print(int fd, const struct trace_ring *ring, unsigned count)
{
    if (ring == &sink)
        return;
    uint64_t now = (uint64_t)clock_now();
    uint64_t head = load_acquire(&ring->head); /* [TR2] */
    uint64_t first = head > ring->mask + 1 ? head - ring->mask - 1 : 0;
    if (head - first > count)
        first = head - count;
    for (; first < head; first++) {
        struct plain_event event;
        copy_events(ring, first, 1, &event);
        if (event.when != TRACE_NOTHING && print_event(fd, &event, now) != 0)
            return;
    }
}
