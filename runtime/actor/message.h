/* message.h: the inside of a message.
 *
 * Layout: a header of 32 bytes, then the body, in one pool block; the smallest block is a cache line, so a body of up
 * to 31 bytes and its zero byte fit in it. Signals (exit, link exit, down) are messages, too: their body area holds a
 * struct notice instead.
 *
 * Ownership: whoever made it; then the mailbox; then its receiver. `message_release` is the one end of a message in its
 * receiver's hands, `message_free` of one that nobody has received. What keeps a block is written in its flags, which
 * belong to whoever owns the message:
 *     KEPT    it is the user's, from tr_keep or tr_call_msg: a release by the runtime leaves the block alone
 *     QUEUED  it is consumed, but still the first node of its receiver's queue, the run token: freed when it is taken
 *     COUNTED it has taken room in a bounded mailbox, and gives it back when it is handled (mailbound.h)
 *     DONE    of a call: answered, its end owes nobody an answer; of EXIT or DOWN: cancelled, dropped when it is met */
#ifndef TROUPE_ACTOR_MESSAGE_H
#define TROUPE_ACTOR_MESSAGE_H

#include "base/check.h"
#include "queue/mailbox.h"
#include "sched/context.h"

#include <string.h>
#include <troupe/troupe.h>

/* The public kinds, and the runtime's own. */
enum message_kind {
    KIND_INFO = TR_KIND_INFO,
    KIND_CAST = TR_KIND_CAST,
    KIND_CALL = TR_KIND_CALL,
    KIND_CONTINUE = TR_KIND_CONTINUE,
    KIND_SYSTEM,      /* a call that the runtime answers in mailbox order: suspend, get_state, stop; actor/system.c */
    KIND_START,       /* the start argument; its answer is that the start has succeeded */
    KIND_REPLY,       /* in a wait word: the answer of a call */
    KIND_FAILED,      /* in a wait word: the call failed; with a notice */
    KIND_EXIT,        /* EXIT as a message; with a notice */
    KIND_DOWN,        /* with a notice; the target's half of a monitor */
    KIND_TIMEOUT,     /* the node embedded in an actor's cold part: its own timer; no block */
    KIND_EXIT_SIGNAL, /* from here on they act when they are met, ahead of the mailbox: exit/2; with a notice */
    KIND_LINK_EXIT,   /* with a notice; a link whose other end has died */
    KIND_QUERY        /* is_alive, info: a call that is answered when it is met */
};

enum message_flag { MESSAGE_KEPT = 1, MESSAGE_QUEUED = 2, MESSAGE_DONE = 4, MESSAGE_COUNTED = 8 };

#define MESSAGE_SIZE_BITS 24
#define MESSAGE_WIDE      ((UINT32_C(1) << MESSAGE_SIZE_BITS) - 1) /* the size stands in front of the body */

struct tr_msg {
    struct mailbox_node node; /* in the queue; in a private list: the next message */
    uint64_t sender;          /* pid; 0: a foreign thread */
    uint64_t serial; /* of a call: its wait serial or alias; of DOWN: the monitor; of a timer's message: the timer */
    int32_t tag;
    uint32_t meta; /* size: bits 0..23, kind: 24..27, flags: 28..31 */
};

enum { MESSAGE_HEADER = sizeof(struct tr_msg), MESSAGE_HEADER_WIDE = MESSAGE_HEADER + 16 };
_Static_assert(MESSAGE_HEADER == 32, "a body of 31 bytes fits in one cache line with its header");

static inline enum message_kind message_kind(const tr_msg *message)
{
    return (enum message_kind)(message->meta >> 24 & 15);
}
/* What a behaviour's `handle` is for: its kind is public. */
#define MESSAGE_NOT_PLAIN (UINT32_C(12) << MESSAGE_SIZE_BITS)
static inline bool message_is_plain(const tr_msg *message) { return (message->meta & MESSAGE_NOT_PLAIN) == 0; }
_Static_assert(KIND_CONTINUE == 3 && KIND_SYSTEM == 4, "the public kinds have two bits");
static inline uint32_t message_flags(const tr_msg *message) { return message->meta >> 28; }
static inline void message_flag(tr_msg *message, uint32_t flags) { message->meta |= flags << 28; }
static inline void message_unflag(tr_msg *message, uint32_t flags) { message->meta &= ~(flags << 28); }
static inline void message_set_kind(tr_msg *message, enum message_kind kind)
{
    message->meta = (message->meta & ~(UINT32_C(15) << 24)) | (uint32_t)kind << 24;
}

static inline bool message_wide(const tr_msg *message) { return (message->meta & MESSAGE_WIDE) == MESSAGE_WIDE; }
static inline size_t message_size(const tr_msg *message)
{
    return LIKELY(!message_wide(message)) ? message->meta & MESSAGE_WIDE : *(const size_t *)(const void *)(message + 1);
}
static inline void *message_body(const tr_msg *message)
{
    return (char *)(uintptr_t)message + (LIKELY(!message_wide(message)) ? MESSAGE_HEADER : MESSAGE_HEADER_WIDE);
}

/* Private lists are linked through the node. */
static inline tr_msg *message_of(struct mailbox_node *node) { return (tr_msg *)(void *)node; }
static inline tr_msg *message_next(const tr_msg *message) { return (tr_msg *)(void *)message->node.link.next; }
static inline void message_set_next(tr_msg *message, tr_msg *next)
{
    message->node.link.next = next == NULL ? NULL : &next->node.link;
}

struct message_list {
    tr_msg *first, *last; /* last is undefined while first is NULL */
};
static inline void message_append(struct message_list *list, tr_msg *message)
{
    message->node.link.next = NULL;
    if (list->first == NULL)
        list->first = message;
    else
        message_set_next(list->last, message);
    list->last = message;
}

/* Why a process ended, shared by all who hear of it. Immutable. The common ones are static and not counted. */
struct notice {
    _Atomic uint32_t references; /* 0: static */
    uint32_t detail_size;
    tr_reason reason;
    _Alignas(16) char detail[]; /* and a zero byte */
};

/* A notice of this reason with detail; the caller's reference. Never NULL: without memory for it, it is the static one
 * of TR_WHY_SYSTEM_LIMIT. */
struct notice *notice_new(struct context *context, const tr_reason *reason, const void *detail, size_t detail_size);
struct notice *notice_static(tr_why why); /* NORMAL, SHUTDOWN, KILL, KILLED, NOPROC, SYSTEM_LIMIT */
extern struct notice notice_normal;       /* the first of them */
static inline struct notice *notice_take(struct notice *notice)
{
    if (load_relaxed(&notice->references) !=
        0) /* relaxed: the caller holds a reference, so it is not the last one that goes */
        atomic_fetch_add_explicit(&notice->references, 1, memory_order_relaxed);
    return notice;
}
void notice_drop_slow(struct context *context, struct notice *notice);
static inline void notice_drop(struct context *context, struct notice *notice)
{
    if (notice != NULL && UNLIKELY(load_relaxed(&notice->references) != 0)) /* relaxed: as above */
        notice_drop_slow(context, notice);
}

/* The notice of kinds FAILED, EXIT, DOWN, EXIT_SIGNAL, LINK_EXIT stands where others have their body. */
static inline struct notice **message_notice(tr_msg *message) { return (struct notice **)(void *)(message + 1); }
static inline bool message_has_notice(const tr_msg *message)
{
    enum message_kind kind = message_kind(message);
    return kind == KIND_FAILED || kind == KIND_EXIT || kind == KIND_DOWN || kind == KIND_EXIT_SIGNAL ||
           kind == KIND_LINK_EXIT;
}

/* A message with room for `size` bytes, the byte after them zero; tag, sender, serial 0, kind INFO. NULL: no memory. */
static inline tr_msg *message_new(struct context *context, size_t size);
tr_msg *message_new_wide(struct context *context, size_t size);
/* message_new with a copy of the bytes. */
static inline tr_msg *message_copy(struct context *context, const void *body, size_t size);
/* A message that carries a notice (takes the caller's reference, also when it fails: NULL). */
tr_msg *message_with_notice(struct context *context, enum message_kind kind, uint64_t sender, struct notice *notice);
/* Answers that there is always memory for: the failure (KIND_FAILED, TR_ENOMEM), and that a start was a success.
 * Shared, never queued; message_free leaves them. */
tr_msg *message_no_memory(void);
tr_msg *message_started(void);
/* Frees the block and drops the notice; whatever the flags. Not for a call that may owe an answer: actor/call.h. */
void message_free(struct context *context, tr_msg *message);

static inline tr_msg *message_new(struct context *context, size_t size)
{
    if (UNLIKELY(size >= MESSAGE_WIDE))
        return message_new_wide(context, size);
    tr_msg *message = pool_alloc(context->pool, MESSAGE_HEADER + size + 1);
    if (LIKELY(message != NULL)) {
        message->sender = 0;
        message->serial = 0;
        message->tag = 0;
        message->meta = (uint32_t)size;
        ((char *)(message + 1))[size] = 0;
    }
    return message;
}

static inline tr_msg *message_copy(struct context *context, const void *body, size_t size)
{
    tr_msg *message = message_new(context, size);
    if (LIKELY(message != NULL) && size > 0) {
        if (LIKELY(size == 8)) /* a word, and no call */
            memcpy(message + 1, body, 8);
        else
            memcpy(message_body(message), body, size);
    }
    return message;
}

#endif
