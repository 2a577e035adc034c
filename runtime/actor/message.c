/* message.c: messages and notices: making and freeing them, and the public readers. */
#include "actor/message.h"

#include "actor/actor.h"

/* ---- notices */

#define STATIC_NOTICE(name, kind_of_why, words) \
    static struct notice name = { .reason = { .why = (kind_of_why), .text = words } }
struct notice notice_normal = { .reason = { .why = TR_WHY_NORMAL } };
STATIC_NOTICE(shut_down, TR_WHY_SHUTDOWN, "");
STATIC_NOTICE(kill_notice, TR_WHY_KILL, "");
STATIC_NOTICE(killed, TR_WHY_KILLED, "");
STATIC_NOTICE(noproc, TR_WHY_NOPROC, "");
STATIC_NOTICE(system_limit, TR_WHY_SYSTEM_LIMIT, "no memory, or too many processes");

const tr_reason TR_NORMAL = { .why = TR_WHY_NORMAL };
const tr_reason TR_SHUTDOWN = { .why = TR_WHY_SHUTDOWN };
const tr_reason TR_KILL = { .why = TR_WHY_KILL };
const tr_reason TR_KILLED = { .why = TR_WHY_KILLED };

struct notice *notice_static(tr_why why)
{
    switch (why) {
    case TR_WHY_NORMAL: return &notice_normal;
    case TR_WHY_SHUTDOWN: return &shut_down;
    case TR_WHY_KILL: return &kill_notice;
    case TR_WHY_KILLED: return &killed;
    case TR_WHY_NOPROC: return &noproc;
    default: return &system_limit;
    }
}

struct notice *notice_new(struct context *context, const tr_reason *reason, const void *detail, size_t detail_size)
{
    if (detail_size == 0 && reason->why >= TR_WHY_NORMAL && reason->why <= TR_WHY_NOPROC) {
        struct notice *common = notice_static((tr_why)reason->why);
        if (tr_reason_same(&common->reason, reason))
            return common;
    }
    if (detail_size > UINT32_MAX - 1)
        detail_size = 0;
    struct notice *notice = pool_alloc(context->pool, sizeof *notice + detail_size + 1);
    if (notice == NULL && detail_size > 0) { /* the reason matters more than its detail */
        detail_size = 0;
        notice = pool_alloc(context->pool, sizeof *notice + 1);
    }
    if (notice == NULL)
        return &system_limit;
    store_relaxed(&notice->references, 1); /* relaxed: not shared yet */
    notice->detail_size = (uint32_t)detail_size;
    notice->reason = *reason;
    notice->reason.text[sizeof notice->reason.text - 1] = '\0';
    if (detail_size > 0)
        memcpy(notice->detail, detail, detail_size);
    notice->detail[detail_size] = '\0';
    return notice;
}

void notice_drop_slow(struct context *context, struct notice *notice)
{
    /* [NO1] release: this holder's reads before the free; pairs with [NO2]. [NO2] acquire: the last one frees after
     * them; pairs with [NO1] */
    if (atomic_fetch_sub_explicit(&notice->references, 1, memory_order_acq_rel) == 1)
        pool_free(context->pool, notice);
}

/* ---- messages */

tr_msg *message_new_wide(struct context *context, size_t size)
{
    if (size > SIZE_MAX - MESSAGE_HEADER_WIDE - 1)
        return NULL;
    tr_msg *message = pool_alloc(context->pool, MESSAGE_HEADER_WIDE + size + 1);
    if (message == NULL)
        return NULL;
    message->sender = message->serial = 0;
    message->tag = 0;
    message->meta = MESSAGE_WIDE;
    *(size_t *)(void *)(message + 1) = size;
    ((char *)message_body(message))[size] = 0;
    return message;
}

tr_msg *message_with_notice(struct context *context, enum message_kind kind, uint64_t sender, struct notice *notice)
{
    tr_msg *message = message_new(context, sizeof(struct notice *));
    if (message == NULL) {
        notice_drop(context, notice);
        return NULL;
    }
    message->sender = sender;
    message->tag = TR_MSG_EXIT;
    message_set_kind(message, kind);
    *message_notice(message) = notice;
    return message;
}

/* The answers that there is always memory for. */
static struct {
    _Alignas(CACHE_LINE) tr_msg message;
    struct notice *notice;
} fixed[] = {
    { .message = { .tag = TR_ENOMEM, .meta = (uint32_t)KIND_FAILED << 24 | sizeof(struct notice *) },
      .notice = &system_limit },
    { .message = { .meta = (uint32_t)KIND_REPLY << 24 } },
};

tr_msg *message_no_memory(void) { return &fixed[0].message; }

tr_msg *message_started(void) { return &fixed[1].message; }

void message_free(struct context *context, tr_msg *message)
{
    if (UNLIKELY(message == message_no_memory() || message == message_started()))
        return;
    if (message_has_notice(message))
        notice_drop(context, *message_notice(message));
    pool_free(context->pool, message);
}

/* ---- the public readers */

API int tr_tag(const tr_msg *message) { return message->tag; }

API tr_kind tr_kind_of(const tr_msg *message)
{
    enum message_kind kind = message_kind(message);
    return kind <= KIND_CONTINUE ? (tr_kind)kind : TR_KIND_INFO;
}

API size_t tr_size(const tr_msg *message)
{
    return message_has_notice(message) ? (*message_notice((tr_msg *)(uintptr_t)message))->detail_size
                                       : message_size(message);
}

API const void *tr_body(const tr_msg *message)
{
    return message_has_notice(message) ? (*message_notice((tr_msg *)(uintptr_t)message))->detail
                                       : message_body(message);
}

API tr_pid tr_sender(const tr_msg *message) { return (tr_pid){ message->sender }; }

API const tr_reason *tr_reason_of(const tr_msg *message)
{
    return message_has_notice(message) ? &(*message_notice((tr_msg *)(uintptr_t)message))->reason : NULL;
}

API tr_from tr_from_of(const tr_msg *message)
{
    return message_kind(message) == KIND_CALL ? (tr_from){ { message->sender }, message->serial }
                                              : (tr_from){ { 0 }, 0 };
}

API const void *tr_expect(const tr_msg *message, size_t size)
{
    if (LIKELY(size < MESSAGE_WIDE && (message->meta & (MESSAGE_WIDE | MESSAGE_NOT_PLAIN)) == size))
        return message + 1; /* no notice, a narrow header */
    if (LIKELY(message_kind(message) == KIND_START && (message->meta & MESSAGE_WIDE) == size && size < MESSAGE_WIDE))
        return message + 1;
    if (UNLIKELY(tr_size(message) != size))
        tr_exit(tr_because(TR_WHY_UNEXPECTED, message->tag, "tag %d: %zu bytes, expected %zu", message->tag,
                           tr_size(message), size));
    return tr_body(message);
}

API const char *tr_string(const tr_msg *message)
{
    const char *body = tr_body(message);
    if (UNLIKELY(memchr(body, '\0', tr_size(message)) == NULL))
        tr_exit(tr_because(TR_WHY_UNEXPECTED, message->tag, "tag %d: a body that is no string", message->tag));
    return body;
}
