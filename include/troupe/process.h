/* troupe/process.h: processes: spawning, ending, links, monitors, names and what a process owns.
 *
 * Blocking calls. A call marked "Blocks" may park the process and come back on another thread: do not carry the address
 * of a thread-local, errno, or a held pthread mutex across one. tr_send and its kin may yield in the same way.
 * Cancellation points, where a pending exit signal acts: every call marked "Blocks", also when it need not wait;
 * tr_yield; the sends and casts; tr_receive and its kin with a timeout of 0; tr_link, tr_unlink, tr_unlink_flush,
 * tr_monitor, tr_monitor_alias, tr_trap_exit and tr_exit_signal; and each message boundary. Not tr_demonitor, tr_alias,
 * tr_unalias, nor what only reads.
 *
 * Threads. What is not marked "Any thread" is for processes. On a foreign thread (not the runtime's) it ends the
 * program with a line that names the function, unless something else stands here. */
#ifndef TROUPE_PROCESS_H
#define TROUPE_PROCESS_H

#include <troupe/message.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A straight-line process: runs from top to bottom; its return ends it with TR_NORMAL. `arg` is the start argument,
 * copied; it lives as long as the process. Its stack is configured by tr_config.stack_size or
 * tr_spawn_options.stack_size. */
typedef void tr_entry(const tr_msg *arg);

/* What a full mailbox does (tr_spawn_options.mailbox_messages or mailbox_bytes set); signals and replies are never
 * refused. */
typedef enum tr_overflow {
    TR_OVERFLOW_FAIL,        /* the send returns TR_EFULL */
    TR_OVERFLOW_WAIT,        /* the sender waits up to overflow_wait_ms, then TR_EFULL; a foreign thread waits too */
    TR_OVERFLOW_DROP_OLDEST, /* the receiver forgets its oldest plain message or cast when it next runs; counted */
    TR_OVERFLOW_STOP         /* the receiver ends with TR_WHY_SYSTEM_LIMIT */
} tr_overflow;

enum {
    TR_SPAWN_LINK = 1,      /* linked to the caller, atomically (PROC-04) */
    TR_SPAWN_MONITOR = 2,   /* monitored by the caller, atomically; the reference goes to *monitor */
    TR_SPAWN_TRAP_EXIT = 4, /* traps exits from its first moment */
    TR_SPAWN_PIN_THREAD = 8 /* once it has blocked, it resumes only on the worker thread where it first ran; logged when
                               it waits there behind a stuck one */
};

/* Everything about a new process that is not its code; all zero is the default. */
typedef struct tr_spawn_options {
    int flags;
    tr_ref *monitor;         /* out, with TR_SPAWN_MONITOR */
    const char *label;       /* for tools and logs, static; NULL: the actor's label, or "process" */
    const void *data;        /* static; the process finds it with tr_data */
    size_t stack_size;       /* bytes; 0: tr_config.stack_size */
    size_t extra_state;      /* bytes added to tr_actor.state_size */
    size_t mailbox_messages; /* 0: unbounded */
    size_t mailbox_bytes;    /* of bodies; 0: unbounded */
    tr_overflow overflow;
    int64_t overflow_wait_ms;
} tr_spawn_options;

/* Starts a process with a copy of arg (size bytes). Never fails: if it can't be made, the pid is already dead of
 * TR_WHY_SYSTEM_LIMIT, and a link or monitor says so; if there is no memory even for that, the caller ends of it, as
 * from tr_monitor. Any thread; linking and monitoring only from a process. Source: PROC-03 to PROC-05. */
TR_API tr_pid tr_spawn(tr_entry *entry, const void *arg, size_t size);
/* tr_spawn, linked to the caller. */
TR_API tr_pid tr_spawn_link(tr_entry *entry, const void *arg, size_t size);
/* tr_spawn, monitored by the caller. */
TR_API tr_pid tr_spawn_monitor(tr_entry *entry, const void *arg, size_t size, tr_ref *monitor);
/* tr_spawn with options (NULL: none). */
TR_API tr_pid tr_spawn_with(tr_entry *entry, const void *arg, size_t size, const tr_spawn_options *options);

/* The calling process; nobody on a foreign thread. */
TR_API tr_pid tr_self(void);
/* Who started the calling process with a start function that links (PLIB-06); nobody otherwise, and on a foreign
 * thread. */
TR_API tr_pid tr_parent(void);
/* What tr_spawn_options.data said when the calling process was spawned; NULL if nothing, and on a foreign thread. */
TR_API const void *tr_data(void);
/* Whether the process lives. Answered after all earlier signals of the caller to it took effect (SIG-08), so it may
 * block; without memory to ask, as it is seen at once. What a dead process did has happened before the answer. A name:
 * whether somebody holds it. Any thread. */
TR_API bool tr_is_alive(tr_pid pid);
/* Lets others run; a cancellation point. Blocks. On a foreign thread it does nothing. */
TR_API void tr_yield(void);
/* Waits ms, TR_INFINITY: for ever; another negative value is misuse and ends the caller. Blocks. On a foreign thread it
 * sleeps the thread. */
TR_API void tr_sleep(int64_t ms);

/* ---- ends */

/* Ends the caller with this reason: its deferred clean-ups run, what it owns is released, links and monitors hear of
 * it. Frames are dropped without unwinding: plain malloc memory leaks and C++ destructors don't run; use tr_alloc and
 * tr_defer. On a foreign thread it ends the program. Source: PROC-06, EXIT-06. */
TR_API TR_NORETURN void tr_exit(tr_reason reason);
/* tr_exit with detail (size bytes, copied) that arrives as the body of EXIT and DOWN (EXIT-11), of TR_NORMAL, too: so a
 * process can hand over a result. No memory for it: it is left out. */
TR_API TR_NORETURN void tr_exit_with(tr_reason reason, const void *detail, size_t size);
/* What a failed tr_assert calls: ends the caller with TR_WHY_ASSERT. */
TR_API TR_NORETURN void tr_assert_failed(const char *what, const char *file, int line);
/* A negative status ends the caller: with the reason behind it (TR_EDOWN, TR_ESTART; TR_EIO of a socket: TR_WHY_STATUS
 * with the system's text), noproc (TR_ENOPROC), timeout (TR_ETIMEDOUT), else with TR_WHY_STATUS. Any other is passed
 * on. */
TR_API int tr_must(int status);
#define tr_assert(condition) ((condition) ? (void)0 : tr_assert_failed(#condition, __FILE__, __LINE__))
/* Sends an exit signal (OTP's exit/2): to a process that traps exits a message, else its end; TR_KILL can't be trapped.
 * TR_OK also for a dead pid; TR_ENOPROC: an unregistered name; TR_ENOMEM: it was not sent. To itself it acts before it
 * returns. Any thread. Source: EXIT-01 to EXIT-05. */
TR_API int tr_exit_signal(tr_pid to, tr_reason reason);
/* Sets whether exit signals become messages; returns the old value. Source: EXIT-09. */
TR_API bool tr_trap_exit(bool on);
/* The reason behind the calling process's latest TR_EDOWN or TR_ESTART (what failed in a bad spec after TR_ESPEC, too;
 * what the system said after a socket's TR_EIO); TR_NORMAL before the first. Valid until the next such failure. On a
 * foreign thread it is the thread's. Any thread. */
TR_API const tr_reason *tr_last_reason(void);

/* ---- links and monitors */

/* Links the caller with a process. TR_ENOPROC: it is dead (a trapping caller gets EXIT with noproc instead, and TR_OK);
 * TR_EINVAL: a name; TR_ENOMEM. Source: LINK-01 to LINK-04. */
TR_API TR_MUST_CHECK int tr_link(tr_pid pid);
/* Removes the link; afterwards no EXIT because of it arrives and it can't kill the caller; one may already be in the
 * mailbox. Source: LINK-05. */
TR_API void tr_unlink(tr_pid pid);
/* tr_unlink, and the EXIT that may already be in the mailbox is removed: nothing of the link is left. Source: LINK-06.
 */
TR_API void tr_unlink_flush(tr_pid pid);
/* Watches a process: exactly one DOWN with this reference at its end; nobody there is a DOWN with noproc. Can't fail.
 * Who watches a process several times gets the DOWNs in the order of the monitors. Source: MON-01 to MON-05. */
TR_API tr_ref tr_monitor(tr_pid pid);

enum {
    TR_ALIAS_EXPLICIT = 1,  /* the reference is also an alias, until tr_unalias */
    TR_ALIAS_DEMONITOR = 2, /* the same, until demonitored or DOWN */
    TR_ALIAS_REPLY = 3      /* the same, and until the first message through it */
};
/* tr_monitor whose reference is a reply alias as well; alias: one of TR_ALIAS_.... Source: ALIAS-01. */
TR_API tr_ref tr_monitor_alias(tr_pid pid, int alias);
/* A reference that is an alias of the caller until tr_unalias; zeros: no memory. Source: ALIAS-01. */
TR_API tr_ref tr_alias(void);
/* Deactivates the caller's alias; false: it was not active. Messages through it that are in the mailbox stay. */
TR_API bool tr_unalias(tr_ref alias);
/* Stops watching; true: an active monitor was removed. flush: a DOWN that is already in the mailbox is removed, too. It
 * costs the same whatever is in the mailbox, unless a demonitor without flush has left a DOWN there that the caller has
 * not received yet: then it looks through all of it. Source: MON-06, MON-07. */
TR_API bool tr_demonitor(tr_ref monitor, bool flush);
/* Waits for the DOWN of a monitor of the caller and takes it; reason may be NULL. TR_ETIMEDOUT: the monitor stays.
 * Blocks. */
TR_API TR_MUST_CHECK int tr_await_down(tr_ref monitor, int64_t timeout_ms, tr_reason *reason);

/* ---- names */

/* The id of whoever holds the name when it is used: a keyed hash, no allocation, no failure. Any thread. */
TR_API tr_pid tr_name(const char *name);
/* Who holds the name now; nobody. Any thread. Source: REG-04. */
TR_API tr_pid tr_whereis(const char *name);
/* Gives a living process a name. TR_ETAKEN: the name is taken, or it has one; TR_ENOPROC: it is dead; TR_EINVAL: an
 * empty name, or a pid that is a name; TR_ENOMEM. The text is copied. Any thread. Source: REG-01, REG-02. */
TR_API TR_MUST_CHECK int tr_register(const char *name, tr_pid pid);
/* Takes the name away from whoever holds it. TR_ENOPROC: nobody does. Any thread. Source: REG-03. */
TR_API TR_MUST_CHECK int tr_unregister(const char *name);

/* ---- what a process owns: released at its end, whatever the end */

/* Zeroed memory of the calling process, freed at its end; NULL: no memory. On a foreign thread it belongs to nobody:
 * tr_free it. */
TR_API void *tr_alloc(size_t size);
/* Resizes it (NULL: a new one); what is added is zeroed. No memory ends the calling process (TR_ENOMEM), the old block
 * is released with it. */
TR_API void *tr_realloc(void *memory, size_t size);
/* Frees memory from tr_alloc or tr_realloc of the calling process, or what a function said is "the caller's: tr_free".
 * NULL is allowed. */
TR_API void tr_free(void *memory);
/* At the end of the calling process, runs clean_up(arg), last deferred first. It may not block, send or exit, and arg
 * may not point into the process's stack. TR_ENOMEM: it will not run. Source: PROC-09 says why cleanups belong to the
 * process. On a foreign thread TR_EFOREIGN. */
TR_API TR_MUST_CHECK int tr_defer(void (*clean_up)(void *arg), void *arg);
/* The process dictionary: sets key (copied) to value; returns the old value or NULL; a NULL value erases. No memory
 * ends the caller. Source: PROC-11. */
TR_API void *tr_put(const char *key, void *value);
/* The value of the key in the process dictionary, or NULL. */
TR_API void *tr_get(const char *key);

#ifdef __cplusplus
}
#endif
#endif
