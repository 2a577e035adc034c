/* troupe/message.h: messages: reading, making, sending and receiving them.
 *
 * A message is flat: tag, sender, size and body in one block. Tags above 0 are the user's, those below 0 the runtime's,
 * and 0 means "any" in a match. A callback's message lives until the callback returns, whatever it calls; a received
 * one until the next receive or the end of the callback; tr_keep makes it live on. A message that nobody receives is
 * freed with its receiver. */
#ifndef TROUPE_MESSAGE_H
#define TROUPE_MESSAGE_H

#include <troupe/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tr_msg tr_msg;

/* The runtime's tags. */
enum {
    TR_MSG_EXIT =
        -1, /* a linked process ended, or tr_exit_signal, and this process traps exits; body: the detail, if any */
    TR_MSG_DOWN = -2,    /* a monitored process ended; body: the detail, if any */
    TR_MSG_TIMEOUT = -3, /* tr_idle's time is up, or a timer of tr_start_timer: then the body is the timer's */
    TR_MSG_SIGNAL = -4,  /* an operating-system signal (tr_signal_subscribe); body: int, its number */
    TR_MSG_SOCKET = -5,  /* a socket in active mode; body: tr_socket_event, then the data */
    TR_MSG_REPLY = -6,   /* the answer to tr_send_request; give it to tr_check_response */
    TR_MSG_TIMER = -7    /* the result of tr_timer_cancel_async; body: int64_t, ms left or -1 */
};

/* How a message was sent. */
typedef enum tr_kind {
    TR_KIND_INFO,    /* tr_send, tr_give, a timer, or one of the runtime's tags */
    TR_KIND_CAST,    /* tr_cast */
    TR_KIND_CALL,    /* tr_call and its kin: wants a reply */
    TR_KIND_CONTINUE /* tr_continue */
} tr_kind;

/* The message's tag. Any thread, as are all the readers below. */
TR_API int tr_tag(const tr_msg *message);
/* How the message was sent. */
TR_API tr_kind tr_kind_of(const tr_msg *message);
/* The size of the body in bytes. */
TR_API size_t tr_size(const tr_msg *message);
/* The body: aligned for any type, one zero byte follows it; never NULL. Valid as long as the message. */
TR_API const void *tr_body(const tr_msg *message);
/* The body of a message that must have exactly this size; any other size ends the caller with TR_WHY_UNEXPECTED. */
TR_API const void *tr_expect(const tr_msg *message, size_t size);
/* The body as a string; a body without a NUL inside its size ends the caller with TR_WHY_UNEXPECTED. */
TR_API const char *tr_string(const tr_msg *message);
/* Who sent it (nobody: a foreign thread; of its call: a pid that means the thread, and that is dead to all but
 * tr_reply); of EXIT and DOWN: who ended. */
TR_API tr_pid tr_sender(const tr_msg *message);
/* Of EXIT and DOWN: why; NULL for others. Valid as long as the message. */
TR_API const tr_reason *tr_reason_of(const tr_msg *message);
/* Of DOWN: the monitor; of TIMEOUT from tr_start_timer: the timer's id in serial; of REPLY: the request; else zeros. */
TR_API tr_ref tr_ref_of(const tr_msg *message);
/* Of a call: where its reply goes; else zeros. */
TR_API tr_from tr_from_of(const tr_msg *message);

/* Makes the message outlive its callback or the next receive: the caller's until tr_drop or the caller's end. Only on a
 * message that the caller handles or received. Returns the message; NULL: no memory, and nothing changed. */
TR_API tr_msg *tr_keep(const tr_msg *message);
/* Frees a message that is the caller's: from tr_new (not given), tr_keep, tr_call_msg. NULL is allowed. */
TR_API void tr_drop(tr_msg *message);

/* Makes a message to be filled in place: returns its body (zeroed is only the byte after it), *message is the caller's
 * until tr_give or tr_drop. NULL: no memory, or tag < 1 (then *message is NULL). Any thread. */
TR_API void *tr_new(int tag, size_t size, tr_msg **message);
/* Sends it without a copy. On TR_OK it is the runtime's; on failure (TR_ENOPROC: an unregistered name; TR_EFULL;
 * TR_EINVAL) it stays the caller's. A dead pid is TR_OK (SIG-04). May yield: see tr_yield. Any thread. */
TR_API TR_MUST_CHECK int tr_give(tr_pid to, tr_msg *message);
/* Copies body (size bytes; NULL if 0) into a message and sends it. TR_OK also for a dead pid (SIG-04); TR_ENOPROC: an
 * unregistered name (SIG-05); TR_EFULL: see tr_overflow; TR_ENOMEM (counted and logged); TR_EINVAL: tag < 1. May yield:
 * see tr_yield. Any thread. */
TR_API int tr_send(tr_pid to, int tag, const void *body, size_t size);
/* As tr_send, to an alias (ALIAS-01): dropped, and still TR_OK, once the alias is inactive. Any thread. */
TR_API int tr_send_alias(tr_ref alias, int tag, const void *body, size_t size);

/* Which message to receive: a zero field matches anything. */
typedef struct tr_match {
    int tag;
    tr_pid from;
    tr_ref ref;
    bool (*accept)(const tr_msg *message, const void *arg); /* may not block, send or receive */
    const void *arg;
} tr_match;

/* The oldest message, waiting up to timeout_ms; NULL: time is up (never with TR_INFINITY). It ends the life of the
 * message received before. Blocks. Processes only: a foreign thread or a bad timeout is misuse and ends the caller.
 * Source: RECV-01 to RECV-06. */
TR_API const tr_msg *tr_receive(int64_t timeout_ms);
/* The oldest message that matches; those passed over stay, in order. Otherwise as tr_receive. Blocks. */
TR_API const tr_msg *tr_receive_match(const tr_match *match, int64_t timeout_ms);

#ifdef __cplusplus
}
#endif
#endif
