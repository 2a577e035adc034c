/* troupe/actor.h: the handler-style actor that behaviours are made of: no stack between messages.
 *
 * The runtime runs `start` once, then `handle` for each message, one at a time. It answers the system messages (section
 * "system" below), stops the actor when its parent ends (GS-31), and runs `ended` as GS-30 says. A callback may block
 * anywhere. What a callback returns is a disposition:
 *
 *     TR_OK              go on
 *     tr_stop(reason)    end: `ended` runs, then the process exits with the reason
 *     tr_stop_reply      the same; the reply is sent after `ended` (GS-33)
 *     tr_idle(ms)        go on; if no message arrives within ms, `handle` gets TR_MSG_TIMEOUT (GS-09)
 *     tr_continue(...)   go on; before any other message `handle` gets this one, of kind TR_KIND_CONTINUE (GS-12)
 *     TR_IGNORE          from `start` only: the start function returns TR_IGNORE, the process ends with TR_NORMAL
 *     a negative status  end with TR_WHY_STATUS, as from a crash
 *     anything else      end with TR_WHY_BAD_RETURN (GS-14)
 *
 * tr_idle and the rest store their data in the process; it counts only if it is returned. */
#ifndef TROUPE_ACTOR_H
#define TROUPE_ACTOR_H

#include <troupe/process.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where text for people is written: crash reports, status, tools. */
typedef struct tr_out tr_out;
/* Appends to it; what does not fit is cut. Only in the callback that got `out`, on its thread. */
TR_API void tr_print(tr_out *out, const char *format, ...) TR_PRINTF(2, 3);

/* What a message with this tag is called, and how its body is shown (NULL: by its size). */
typedef struct tr_message_type {
    int tag;
    const char *name;
    void (*print)(const tr_msg *message, tr_out *out);
} tr_message_type;

/* What an actor is. Static: it must outlive every actor made of it. */
typedef struct tr_actor {
    const char *label;   /* for tools and logs; NULL: "actor" */
    size_t state_size;   /* bytes of state, zeroed, aligned for any type; lives in place */
    size_t state_offset; /* where in it begins what tr_get_state shows; the rest is the behaviour's own */
    int (*start)(void *state, const tr_msg *arg);        /* NULL: the zeroed state will do */
    int (*handle)(void *state, const tr_msg *message);   /* gets every message of every kind */
    void (*ended)(void *state, const tr_reason *reason); /* own ends only (GS-30), not after a fault; NULL: nothing */
    void (*describe)(const void *state, tr_out *out);    /* for reports; NULL: nothing is shown */
    const tr_message_type *(*type_of)(const void *state, int tag); /* for reports; NULL */
    const char *(*label_of)(const void *data); /* the label, from tr_spawn_options.data; NULL: `label` */
} tr_actor;

/* Starts an actor without waiting for its start callback; the options may be NULL. Never fails: as tr_spawn. Any
 * thread. */
TR_API tr_pid tr_spawn_actor(const tr_actor *actor, const void *arg, size_t size, const tr_spawn_options *options);

enum { TR_START_LINK = 1, TR_START_MONITOR = 2 };

/* How a start function starts. */
typedef struct tr_start_options {
    int flags;          /* TR_START_... : start (0), start_link, start_monitor */
    const char *name;   /* registered before the start callback runs; NULL: none */
    int64_t timeout_ms; /* 0: TR_INFINITY */
    tr_ref *monitor;    /* out, with TR_START_MONITOR */
    const tr_spawn_options
        *spawn; /* the rest; NULL; its flags may only have TR_SPAWN_TRAP_EXIT and TR_SPAWN_PIN_THREAD */
} tr_start_options;

/* Starts an actor and waits until its start callback has returned (PLIB-01): TR_OK and *pid; TR_IGNORE;
 * TR_EALREADY_STARTED and *pid is who has the name; TR_ESTART, and tr_last_reason says why; TR_ETIMEDOUT; TR_ENOMEM;
 * TR_ELIMIT; TR_EINVAL. On every failure the process has ended and its name is free (PLIB-05); what links do to the
 * caller is PLIB-02 and PLIB-03. Blocks. Any thread; linking and monitoring only from a process. */
TR_API TR_MUST_CHECK int tr_start_actor(const tr_actor *actor, const void *arg, size_t size,
                                        const tr_start_options *options, tr_pid *pid);
/* The same for a straight-line process: it counts as started when tr_started() is called in it, or, without `wait`, at
 * once. */
TR_API TR_MUST_CHECK int tr_start_entry(tr_entry *entry, const void *arg, size_t size, bool wait,
                                        const tr_start_options *options, tr_pid *pid);
/* In a straight-line process that tr_start_entry waits for: the start was a success. Nothing happens at a second call.
 */
TR_API void tr_started(void);

/* No number that a handler returns by mistake. */
enum { TR_IGNORE = 0x54520001 };
/* The disposition: end with this reason. This one and those below: only in a callback of a process. */
TR_API TR_MUST_CHECK int tr_stop(tr_reason reason);
/* The disposition: run `ended`, then send the reply, then exit with the reason. */
TR_API TR_MUST_CHECK int tr_stop_reply(tr_reason reason, tr_from from, const void *body, size_t size);
/* The disposition: go on, with a timeout. ms >= 0 or TR_INFINITY; else TR_EINVAL, which ends the process if
 * returned. */
TR_API TR_MUST_CHECK int tr_idle(int64_t ms);
/* The disposition: go on with this message first (body copied). TR_EINVAL: tag < 1; TR_ENOMEM: these end the process if
 * returned. */
TR_API TR_MUST_CHECK int tr_continue(int tag, const void *body, size_t size);
/* The disposition: this message was not expected: end with TR_WHY_UNEXPECTED, the reason names it. */
TR_API TR_MUST_CHECK int tr_unexpected(const tr_msg *message);

/* ---- system messages, which every handler-style actor answers in mailbox order (SYS). All block; timeout as tr_call;
 * failures as tr_call. */

/* From then on only system messages and the parent's EXIT are handled; all else queues. Idempotent. Source: SYS-01. */
TR_API TR_MUST_CHECK int tr_suspend(tr_pid pid, int64_t timeout_ms);
/* Goes on with the queue, in order. Idempotent. */
TR_API TR_MUST_CHECK int tr_resume(tr_pid pid, int64_t timeout_ms);
/* Copies the actor's state (size bytes: exactly its state) out. TR_ESIZE: it has another size. Source: SYS-02. */
TR_API TR_MUST_CHECK int tr_get_state(tr_pid pid, void *state, size_t size, int64_t timeout_ms);
/* Runs change(copy of the state, arg) in the actor and puts the copy in place of the state, if it returned TR_OK; if it
 * returned anything else, exited or crashed: TR_ECALLBACK, and the state is unchanged. arg: size bytes, copied.
 * Source: SYS-02. */
TR_API TR_MUST_CHECK int tr_replace_state(tr_pid pid, int (*change)(void *state, const void *arg), const void *arg,
                                          size_t size, int64_t timeout_ms);

/* What tr_get_status tells. */
typedef struct tr_status_info {
    tr_pid pid, parent;
    char label[48];
    char name[64]; /* "" if none */
    bool suspended;
    char state[256]; /* what describe printed, cut */
} tr_status_info;
/* Fills *info. Source: SYS-03. */
TR_API TR_MUST_CHECK int tr_get_status(tr_pid pid, tr_status_info *info, int64_t timeout_ms);
/* Ends the actor in an orderly way: `ended` runs with the reason. TR_OK once it has ended with exactly this reason;
 * TR_EDOWN if with another (tr_last_reason); TR_ETIMEDOUT: it goes on ending; TR_ENOPROC; TR_ESELF. Source: GS-36,
 * SYS-06. */
TR_API TR_MUST_CHECK int tr_stop_server(tr_pid server, tr_reason reason, int64_t timeout_ms);

#ifdef __cplusplus
}
#endif
#endif
