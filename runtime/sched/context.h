/* context.h: what a thread that is inside the runtime has of its own: pools, caches, counters, its flight recorder.
 *
 * A worker's context is the head of its struct worker; a foreign thread gets one at its first call and gives it back at
 * its end. Owner only, but for the counters, which others add up (`context_sum`). The address of a thread-local must
 * not be cached over a block (D2), so `context_self` computes it anew at every call and its result is not kept over a
 * block. */
#ifndef TROUPE_SCHED_CONTEXT_H
#define TROUPE_SCHED_CONTEXT_H

#include "base/atomics.h"
#include "base/trace.h"
#include "memory/pool.h"
#include "memory/reclaim.h"
#include "memory/slots.h"

struct worker;

/* The tables of handles; each context has a cache for each. */
enum slot_table { TABLE_PIDS, TABLE_REFS, TABLE_TIMERS, TABLE_SOCKETS, TABLE_COUNT };

enum counter { COUNT_SPAWNED, COUNT_EXITED, COUNT_LOST, COUNT_STEALS, COUNT_PARKS, COUNT_TAKEOVERS, COUNT_KINDS };

/* What a thread has found by name, and what it has hashed (actor/names.c). */
enum { NAMES_SEEN = 8, NAMES_HASHED = 8 };
struct name_seen {
    uint64_t hashed, pid, removals;
};
struct name_hashed {
    uint64_t words[2], hashed;
};

struct context {
    struct pool *pool;                          /* (o) */
    struct worker *worker;                      /* (c) NULL: a foreign thread, or the watchdog */
    struct reclaim_bin *bin;                    /* (o) */
    struct trace_ring *trace;                   /* (o) */
    void *proxy;                                /* (o) a foreign thread's stand-in among the actors; actor/foreign.c */
    void (*proxy_end)(struct context *context); /* (o) gives it back */
    uint32_t depth;                             /* (o) foreign: calls that nest */
    _Atomic uint32_t inside;                    /* foreign: 1 while depth > 0 */
    bool foreign, closed;                       /* foreign: (c); closed by the stop, under the lock, while not inside */
    struct context *next, **link;               /* (l) all contexts, sched/context.c */
    struct slot_cache caches[TABLE_COUNT];
    struct name_seen names_seen[NAMES_SEEN];       /* (o) */
    struct name_hashed names_hashed[NAMES_HASHED]; /* (o) */
    int32_t names_change; /* (o) a worker's: names that it has made less those that it has removed, not counted yet */
    _Atomic uint64_t counters[COUNT_KINDS];
};

/* Whether context_self is inline assembly: not in a simulation, whose threads are none of the system's; nor in the
 * simulator, which is compiled for the system (tools/cmake/library.cmake says so). */
#if !defined(CONTEXT_INLINE) && defined(__x86_64__) && defined(__ELF__) && !WITH_SIM
#define CONTEXT_INLINE 1
#elif !defined(CONTEXT_INLINE)
#define CONTEXT_INLINE 0
#endif
#if CONTEXT_INLINE
extern _Thread_local struct context *context_here __attribute__((tls_model("initial-exec"), visibility("hidden")));
/* The calling thread's context; NULL: it has none yet, or it is a foreign thread's from before a stop.
 * The assembly is what the compiler would write itself; but it may neither merge two of them nor compute an address
 * early. A call of a function would cost 1.5 ns, several times a message. */
static ALWAYS_INLINE struct context *context_self(void)
{
    struct context *context;
    __asm__ __volatile__("movq context_here@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0" : "=&r"(context) : : "memory");
    return context;
}
#else
/* The calling thread's context, as above. */
struct context *context_self(void);
#endif

/* Of a foreign thread: its context, made at its first call, marked as inside until context_leave_foreign; calls nest.
 * NULL: the runtime does not run, or no memory. While any foreign thread is inside, the runtime does not go away. */
struct context *context_enter_foreign(void);
void context_leave_foreign(struct context *context);

/* A context that is nobody's `context_self`: for a thread that is handed it. False: no memory. Its end:
 * context_dismiss. */
bool context_prepare(struct context *context, struct worker *worker, unsigned track);
/* Makes a prepared context the calling thread's: so that whoever starts a thread sees the lack of memory, not the
 * thread. Its end: context_close. */
void context_adopt(struct context *context);
/* For a thread that has one: makes `context` its own until it is changed back; returns the one before. */
struct context *context_change(struct context *context);
void context_dismiss(struct context *context);

/* Sets a context up for the calling thread (memory, reclamation, recorder) and makes it `context_self`. False: no
 * memory, nothing done. */
bool context_open(struct context *context, struct worker *worker, unsigned track);
/* Gives everything back; it is no longer `context_self`. */
void context_close(struct context *context);

/* In a forked child: the runtime does not exist there (D17). */
void context_forget(void);

/* The end of the start: foreign threads may come in. */
void context_open_to_foreign(void);
/* The stop: no foreign thread gets in any more, but for calls inside of calls; else they could make processes faster
 * than the stop ends them. */
void context_shut_to_foreign(void);
/* After that: waits until none is inside, and closes their contexts for them. */
void context_close_foreign(void);

/* The table that a cache belongs to; NULL before the runtime has started. */
extern struct slots *context_tables[TABLE_COUNT]; /* (c) while the runtime runs */
static inline struct slots *context_table(enum slot_table table) { return context_tables[table]; }
bool context_tables_open(uint32_t processes);
void context_tables_close(void);

/* The sum over all contexts, also those that are gone; a moment old. */
uint64_t context_sum(enum counter counter);

static inline void context_count(struct context *context, enum counter counter)
{
    count_up(&context->counters[counter]);
}

#endif
