/* troupe/base.h: statuses, ids and reasons: the values that every other header speaks of.
 *
 * A status is 0 (TR_OK) or negative (TR_E...); a disposition, what a callback returns, is 0 or positive: so `return
 * tr_call(...)` in a callback is defined. errno is never used. Ids are small values, copied freely and safe when stale;
 * an id of zeros is nobody. Everything in include/troupe/ is since 1.0 unless it says otherwise. */
#ifndef TROUPE_BASE_H
#define TROUPE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of these headers; TR_VERSION_STRING: "MAJOR.MINOR.PATCH". */
#define TR_VERSION_MAJOR          1
#define TR_VERSION_MINOR          0
#define TR_VERSION_PATCH          0
#define TR_VERSION_TEXT_(a, b, c) #a "." #b "." #c
#define TR_VERSION_TEXT(a, b, c)  TR_VERSION_TEXT_(a, b, c)
#define TR_VERSION_STRING         TR_VERSION_TEXT(TR_VERSION_MAJOR, TR_VERSION_MINOR, TR_VERSION_PATCH)

#define TR_MUST_CHECK   __attribute__((warn_unused_result))
#define TR_NORETURN     __attribute__((noreturn))
#define TR_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define TR_API          __attribute__((visibility("default")))
#define TR_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* For all waits: milliseconds >= 0, never early; TR_INFINITY for ever; another negative value is TR_EINVAL. */
#define TR_INFINITY INT64_C(-1)

/* The statuses: name, value, text. */
#define TR_ERRORS(X)                                                               \
    X(TR_ENOMEM, -1, "out of memory")                                              \
    X(TR_EINVAL, -2, "bad argument")                                               \
    X(TR_ENOPROC, -3, "no such process or name")                                   \
    X(TR_ETIMEDOUT, -4, "timed out")                                               \
    X(TR_EDOWN, -5, "the process ended before it answered")                        \
    X(TR_ESELF, -6, "a process can't call itself")                                 \
    X(TR_EALREADY_STARTED, -7, "name or id belongs to a running process")          \
    X(TR_EALREADY_PRESENT, -8, "child spec is present, not running")               \
    X(TR_ERUNNING, -9, "child is running")                                         \
    X(TR_ERESTARTING, -10, "child is restarting")                                  \
    X(TR_ENOT_FOUND, -11, "no such child")                                         \
    X(TR_EMAX_CHILDREN, -12, "max_children reached")                               \
    X(TR_EKIND, -13, "not for this kind of supervisor")                            \
    X(TR_ESTART, -14, "start function or init failed")                             \
    X(TR_ESPEC, -15, "bad supervisor or child spec")                               \
    X(TR_EFULL, -16, "mailbox is full")                                            \
    X(TR_ESIZE, -17, "reply has another size than asked for")                      \
    X(TR_EUNEXPECTED, -18, "unexpected message")                                   \
    X(TR_EEND, -19, "end of stream")                                               \
    X(TR_EIO, -20, "input/output error")                                           \
    X(TR_ESTOPPED, -21, "the runtime is not running")                              \
    X(TR_ETAKEN, -22, "name is taken, or the process has a name already")          \
    X(TR_ELIMIT, -23, "out of processes, descriptors or another limited resource") \
    X(TR_ECALLBACK, -24, "a callback failed; the state is unchanged")              \
    X(TR_EFOREIGN, -25, "only a process can do this, not a foreign thread")

/* Every function that can fail returns one of these, or 0. */
enum tr_status {
    TR_OK = 0,
#define TR_X(name, value, text) name = value,
    TR_ERRORS(TR_X)
#undef TR_X
};

/* The version of the library that runs, static: a shared one may be another than the headers'. Any thread. */
TR_API const char *tr_version(void);

/* The text of a status, static; "unknown status" for a number that is none. Any thread. */
TR_API const char *tr_status_text(int status);

/* A process (local, 64 bits: generation << 26 | slot), or, from tr_name, whoever holds that name when it is used. */
typedef struct tr_pid {
    uint64_t id;
} tr_pid;

/* A unique reference: a monitor, an alias or a request of `owner`. Also a destination (tr_send_alias). Never wraps. */
typedef struct tr_ref {
    uint64_t owner, serial;
} tr_ref;

/* A timer that was started; safe when it has fired. */
typedef struct tr_timer {
    uint64_t id;
} tr_timer;

/* A socket that an actor owns; safe when it is closed. */
typedef struct tr_socket {
    uint64_t id;
} tr_socket;

/* Where a reply goes: a value that may be stored and used later, by any process. */
typedef struct tr_from {
    tr_pid caller;
    uint64_t serial;
} tr_from;

/* Whether two ids are the same (a name and the pid that holds it are not). Any thread. */
static inline bool tr_same(tr_pid a, tr_pid b) { return a.id == b.id; }
/* Whether an id is nobody's. Any thread. */
static inline bool tr_nobody(tr_pid pid) { return pid.id == 0; }
/* Whether two references are the same. Any thread. */
static inline bool tr_same_ref(tr_ref a, tr_ref b) { return a.owner == b.owner && a.serial == b.serial; }

/* Text by value, for printing: never longer than the array, always NUL-terminated. */
typedef struct tr_text {
    char s[64];
} tr_text;

/* "<0.120.3>" for a process (slot 120, generation 3), "name#<hash>" for a name, "nobody". Any thread. */
TR_API tr_text tr_pid_text(tr_pid pid);

/* Why a process ended: 64 bytes without a pointer in them, compared field by field (OTP's exit reason). */
typedef enum tr_why {
    TR_WHY_NORMAL,
    TR_WHY_SHUTDOWN,
    TR_WHY_KILL,
    TR_WHY_KILLED,
    TR_WHY_NOPROC,
    TR_WHY_TIMEOUT,
    TR_WHY_UNEXPECTED, /* a message that the process has no clause for */
    TR_WHY_ASSERT,     /* tr_assert failed */
    TR_WHY_FAULT,      /* a hardware fault; code is the signal's number */
    TR_WHY_STATUS, /* a TR_E... status that tr_must or a callback's return turned into an exit; code is the status */
    TR_WHY_START,  /* a child could not be started */
    TR_WHY_BAD_RETURN, /* a callback returned a positive number that is no disposition; code is the number */
    TR_WHY_SYSTEM_LIMIT /* the process could not be made: no memory or too many processes */,
    TR_WHY_USER /* the user's own: code and text */
} tr_why;

/* The reason itself. What is longer than `text` is cut; large detail travels as the body of EXIT and DOWN
 * (tr_exit_with). */
typedef struct tr_reason {
    int32_t why;   /* enum tr_why */
    int32_t code;  /* the user's own number, a TR_E... status, a signal's number, the line of an assert */
    char text[56]; /* NUL-terminated; {shutdown, T} is TR_WHY_SHUTDOWN with a text or a code */
} tr_reason;

TR_API extern const tr_reason TR_NORMAL;   /* normal: links don't mind */
TR_API extern const tr_reason TR_SHUTDOWN; /* shutdown: clean, but links die of it */
TR_API extern const tr_reason TR_KILL;     /* kill: with tr_exit_signal, can't be trapped */
TR_API extern const tr_reason TR_KILLED;   /* killed: what links and monitors see of a process that was killed */

/* Makes a reason; `format` NULL: no text. Any thread. */
TR_API tr_reason tr_because(tr_why why, int code, const char *format, ...) TR_PRINTF(3, 4);
/* Whether two reasons are equal: why, code and text. Any thread. */
TR_API bool tr_reason_same(const tr_reason *a, const tr_reason *b);
/* Whether a reason is clean: normal, shutdown, {shutdown, T}. Clean ends are not logged and not restarted if transient.
 * Any thread. */
TR_API bool tr_reason_clean(const tr_reason *reason);
/* Writes the reason as text into out (cut to size - 1 characters, NUL-terminated) and returns out. Any thread. */
TR_API const char *tr_reason_text(const tr_reason *reason, char *out, size_t size);

#ifdef __cplusplus
}
#endif
#endif
