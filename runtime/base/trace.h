/* trace.h: the flight recorder: a ring of 16-byte events per worker (D16).
 *
 * An event is {stamp and kind, one 64-bit word}. Kinds belong to classes, a class is on or off for the whole process:
 * LIFE and SCHED are on by default; RUN and SEND, which happen for every message, are off until TROUPE_TRACE or `troupe
 * record` asks for them. An event of a class that is off costs one relaxed load, of one that is on two stores and the
 * ring's count (about 1.5 ns).
 *
 * Time. Events carry the stamp that their worker took last (`trace_stamp`, `trace_event_now`) and stand in order, so
 * that a stamp is taken once a turn and not once an event. A stamp is the monotonic clock modulo 2^56 ns; a dump says
 * what time it is, which makes the ages of all events unambiguous for 834 days. Whoever wants precise pictures stamps
 * at RUN_BEGIN, RUNNABLE, PARK and UNPARK.
 *
 * Roles: a ring is written by one thread at a time, its worker; anybody may read it while it is written. `trace_dump`
 * and `trace_print` are async-signal-safe, take no lock and no memory, so that a crash handler can call them.
 *
 * Reading a ring that is being written. The writer stores both words of event n with release, then head = n + 1 with
 * release. The reader loads head (h1, acquire), copies events i in [h1 - size, h1) with acquire, loads head again (h2),
 * and keeps i only if h2 < i + size. Claim: what it keeps is whole. Not older than event i: head = h1 > i was stored
 * with release after both words [TR1], and read with acquire [TR2]. Not younger: suppose a word of event m = i + k *
 * size, k >= 1, was read. It was stored with release [TR3] after head = m had been stored, and read with acquire [TR4];
 * so the second load of head gives h2 >= m >= i + size, and i is dropped. Progress: writing is wait-free; reading is,
 * too, it drops what moved. Reclamation: a ring that its worker has given back stays readable and is handed to the next
 * worker of that number; `trace_finish` frees all, when no worker is left.
 *
 * Labels of actors. `trace_spawn` records the pid and its label's address in two events. Since rings forget, while
 * recording it also notes them in a table, direct-mapped by slot number: lossy above TRACE_LABEL_SLOTS actors. Two
 * threads may write one entry at the same time; an entry is {pid ^ label, label}, so that a mixture of two belongs to
 * no pid that was ever asked about (Hyatt and Mann, "A lock-less transposition table", 2002). */
#ifndef TROUPE_BASE_TRACE_H
#define TROUPE_BASE_TRACE_H

#include "base/atomics.h"
#include "base/compiler.h"

#include <stdint.h>

/* Class, its number, its name for TROUPE_TRACE. */
#define TRACE_CLASSES(X)             \
    X(TRACE_CLASS_LIFE, 1, "life")   \
    X(TRACE_CLASS_SCHED, 2, "sched") \
    X(TRACE_CLASS_RUN, 3, "run")     \
    X(TRACE_CLASS_SEND, 4, "send")

/* Kind, its number (class * 16 + n), its name, and what its word is. */
#define TRACE_KINDS(X)                                                                                      \
    X(TRACE_SPAWN, 0x10, "spawn", TRACE_WORD_PID)  /* who is new */                                         \
    X(TRACE_LABEL, 0x11, "label", TRACE_WORD_TEXT) /* of the SPAWN before it: address of a static string */ \
    X(TRACE_EXIT, 0x12, "exit", TRACE_WORD_PID)    /* who ended */                                          \
    X(TRACE_LINK, 0x13, "link", TRACE_WORD_PID)    /* with whom the one that runs is now linked */          \
    X(TRACE_UNLINK, 0x14, "unlink", TRACE_WORD_PID)                                                         \
    X(TRACE_REGISTER, 0x15, "register", TRACE_WORD_PID)                                                     \
    X(TRACE_UNREGISTER, 0x16, "unregister", TRACE_WORD_PID)                                                 \
    X(TRACE_RESTART, 0x17, "restart", TRACE_WORD_PID)      /* the child that will be replaced */            \
    X(TRACE_FAULT, 0x18, "fault", TRACE_WORD_PID)          /* in whom a hardware fault was contained */     \
    X(TRACE_PARK, 0x20, "park", TRACE_WORD_NUMBER)         /* the worker goes to sleep */                   \
    X(TRACE_UNPARK, 0x21, "unpark", TRACE_WORD_NUMBER)     /* it is awake */                                \
    X(TRACE_WAKE, 0x22, "wake", TRACE_WORD_NUMBER)         /* it wakes this worker */                       \
    X(TRACE_STEAL, 0x23, "steal", TRACE_WORD_NUMBER)       /* from this worker */                           \
    X(TRACE_TAKEOVER, 0x24, "takeover", TRACE_WORD_NUMBER) /* it goes on for this worker, which is stuck */ \
    X(TRACE_RUN_BEGIN, 0x30, "run", TRACE_WORD_PID)        /* a turn begins */                              \
    X(TRACE_RUN_END, 0x31, "run end", TRACE_WORD_PID)                                                       \
    X(TRACE_SEND, 0x40, "send", TRACE_WORD_PID)         /* to whom */                                       \
    X(TRACE_RUNNABLE, 0x41, "runnable", TRACE_WORD_PID) /* whom this send, reply or timer made runnable */

enum trace_class {
#define TRACE_X(class, number, name) class = (number),
    TRACE_CLASSES(TRACE_X)
#undef TRACE_X
};

enum trace_word { TRACE_WORD_PID, TRACE_WORD_TEXT, TRACE_WORD_NUMBER };

enum trace_kind {
    TRACE_NOTHING = 0, /* an event that was dropped by the reader */
#define TRACE_X(kind, number, name, word) kind = (number),
    TRACE_KINDS(TRACE_X)
#undef TRACE_X
};

/* "?": no such kind. */
static inline const char *trace_kind_name(uint64_t kind)
{
    switch (kind) {
#define TRACE_X(symbol, number, name, word) \
    case number: return name;
        TRACE_KINDS(TRACE_X)
#undef TRACE_X
    default: return "?";
    }
}
static inline enum trace_word trace_kind_word(uint64_t kind)
{
    switch (kind) {
#define TRACE_X(symbol, number, name, word) \
    case number: return word;
        TRACE_KINDS(TRACE_X)
#undef TRACE_X
    default: return TRACE_WORD_NUMBER;
    }
}

enum {
    TRACE_DEFAULT_CLASSES = 1 << TRACE_CLASS_LIFE | 1 << TRACE_CLASS_SCHED,
    TRACE_ALL_CLASSES = TRACE_DEFAULT_CLASSES | 1 << TRACE_CLASS_RUN | 1 << TRACE_CLASS_SEND,
    TRACE_RINGS = 512,                /* at once; a worker beyond that is not recorded */
    TRACE_SMALL_EVENTS = 4096,        /* of a ring: 64 KiB */
    TRACE_RECORDING_EVENTS = 1 << 20, /* with TROUPE_TRACE_FILE: 16 MiB, committed on touch */
    TRACE_LABEL_SLOTS = 1 << 16,
    TRACE_KIND_BITS = 8,
};

/* The track of a thread that is no worker; a worker's is its number. */
enum trace_track {
    TRACE_TRACK_WATCHDOG = TRACE_RINGS,
    TRACE_TRACK_FOREIGN,
    TRACE_TRACK_BLOCKING,
    TRACE_TRACK_RECLAIMER,
};

struct trace_entry {
    _Atomic uint64_t when; /* stamp << TRACE_KIND_BITS | kind */
    _Atomic uint64_t word;
};

struct trace_ring {
    _Atomic uint64_t stamp;      /* (o) as in `when`, kind 0; atomic: one ring has many writers and no reader */
    uint64_t mask;               /* (c) size - 1 */
    struct trace_entry *entries; /* (c) */
    _Atomic uint64_t head;       /* (o) events ever written */
    uint32_t worker;             /* (c) its track */
    _Atomic uint32_t taken;      /* by a worker; changed by compare-and-swap */
};

/* The classes that are on: bit c for class c. */
extern _Atomic uint32_t trace_classes;

/* A ring for the calling worker, its own until `trace_ring_destroy`. Never NULL: without memory it is one that nobody
 * reads. */
struct trace_ring *trace_ring_create(unsigned worker);

/* The worker gives it up; its events stay. */
void trace_ring_destroy(struct trace_ring *ring);

/* At boot, before any ring: TROUPE_TRACE (classes by name, with commas; all; none), TROUPE_TRACE_EVENTS (events a
 * ring), and TROUPE_TRACE_FILE (where `trace_finish` writes). */
void trace_start_from_environment(void);

/* When no worker is left: writes TROUPE_TRACE_FILE, if it was set, and frees all rings. */
void trace_finish(void);

/* Writes what is recorded to a file descriptor, in the format below. 0, or -1: it could not be written, or somebody
 * else does. Async-signal-safe. */
int trace_dump(int fd);

/* The same to TROUPE_TRACE_FILE; -1 if that was not set. Async-signal-safe. */
int trace_dump_to_file(void);

/* The last events of a ring, at most `count`, as lines of text for a crash report. Async-signal-safe. */
void trace_print(int fd, const struct trace_ring *ring, unsigned count);

/* The slow halves of the functions below. */
void trace_put_now(struct trace_ring *ring, enum trace_kind kind, uint64_t word);
void trace_put_spawn(struct trace_ring *ring, uint64_t pid, const char *label);

static ALWAYS_INLINE bool trace_on(enum trace_kind kind)
{
    return (load_relaxed(&trace_classes) >> (kind >> 4) & 1) != 0; /* relaxed: a switch, it orders nothing */
}

/* The same for either of two, by one look. */
static ALWAYS_INLINE bool trace_on_either(enum trace_kind one, enum trace_kind other)
{
    return (load_relaxed(&trace_classes) & (1u << (one >> 4) | 1u << (other >> 4))) != 0; /* relaxed: as above */
}

static ALWAYS_INLINE void trace_put(struct trace_ring *ring, enum trace_kind kind, uint64_t word)
{
    SIM_EVENT(kind, word);
    uint64_t head = load_relaxed(&ring->head); /* relaxed: only this thread writes it */
    struct trace_entry *entry = &ring->entries[head & ring->mask];
    store_release(&entry->when, load_relaxed(&ring->stamp) |
                                    (uint64_t)kind); /* [TR3] release: head before what overwrites; pairs with [TR4] */
    store_release(&entry->word, word);               /* [TR3] */
    store_release(&ring->head, head + 1);            /* [TR1] release: words before head; pairs with [TR2] */
}

/* Owner. From now on its events carry this time. */
static ALWAYS_INLINE void trace_stamp(struct trace_ring *ring, int64_t now_ns)
{
    store_relaxed(&ring->stamp, (uint64_t)now_ns << TRACE_KIND_BITS); /* relaxed: only this thread reads it */
}

/* Owner. An event with the time of the last stamp. */
static ALWAYS_INLINE void trace_event(struct trace_ring *ring, enum trace_kind kind, uint64_t word)
{
    if (trace_on(kind))
        trace_put(ring, kind, word);
}

/* Owner. The same, and if the class is on it takes a stamp first: for RUN_BEGIN, RUNNABLE, PARK, UNPARK and what is as
 * rare. */
static ALWAYS_INLINE void trace_event_now(struct trace_ring *ring, enum trace_kind kind, uint64_t word)
{
    if (UNLIKELY(trace_on(kind)))
        trace_put_now(ring, kind, word);
}

/* Owner, or, with ring NULL, a foreign thread: a process was made. The label is static. */
static ALWAYS_INLINE void trace_spawn(struct trace_ring *ring, uint64_t pid, const char *label)
{
    if (trace_on(TRACE_SPAWN))
        trace_put_spawn(ring, pid, label);
}

/* ---- the file, in the byte order of the machine that wrote it:
 *
 *     trace_file_header
 *     rings  times: trace_file_ring, then its events, oldest first: when, word
 *     labels times: trace_file_label
 *     texts  times: trace_file_text        what the words of LABEL events and of labels mean */

#define TRACE_FILE_MAGIC "troupe\x1atrace"

enum { TRACE_FILE_VERSION = 1, TRACE_FILE_ORDER = 0x01020304, TRACE_TEXT_BYTES = 56 };

struct trace_file_header {
    char magic[12];
    uint32_t order; /* TRACE_FILE_ORDER */
    uint32_t version;
    uint32_t rings;
    int64_t monotonic_ns; /* when the dump was made: no event is younger */
    int64_t wall_ns;      /* the same moment since 1970 */
};

struct trace_file_ring {
    uint32_t worker;
    uint32_t lost; /* 1: it has forgotten its oldest events */
    uint64_t count;
};

/* After the rings: one of these as the sections' head, then `labels` and `texts` entries. */
struct trace_file_tables {
    uint32_t labels, texts;
};

struct trace_file_label {
    uint64_t pid, label;
};

struct trace_file_text {
    uint64_t label;
    char text[TRACE_TEXT_BYTES]; /* NUL-terminated */
};

#endif
