/* troupe/call.h: requests and replies between processes: call, cast, reply, asynchronous requests. Source: GS-20 to
 * GS-29.
 *
 * A call needs no monitor and leaves nothing behind: a late reply vanishes. It fails with TR_ENOPROC (dead pid,
 * unregistered name), TR_ETIMEDOUT, TR_EDOWN (the server ended first; tr_last_reason says why), TR_ESELF, TR_ENOMEM,
 * TR_EINVAL, TR_EFULL (bounded mailbox). A timeout is never early; one of a second or more may be 20 ms late. */
#ifndef TROUPE_CALL_H
#define TROUPE_CALL_H

#include <troupe/message.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sends a request and waits for its reply, which is copied to `reply` (reply_size bytes; NULL and 0: an empty reply):
 * TR_ESIZE if it has another size, and nothing is copied. Blocks. Any thread. */
TR_API TR_MUST_CHECK int tr_call(tr_pid server, int tag, const void *body, size_t size, void *reply, size_t reply_size,
                                 int64_t timeout_ms);
/* tr_call that ends the calling process when it fails, as OTP's does: with the server's reason, noproc, timeout or the
 * status. Blocks. */
TR_API void tr_call_or_exit(tr_pid server, int tag, const void *body, size_t size, void *reply, size_t reply_size,
                            int64_t timeout_ms);
/* tr_call whose reply, of any size, becomes the caller's message until tr_drop or its end. Blocks. Any thread. */
TR_API TR_MUST_CHECK int tr_call_msg(tr_pid server, int tag, const void *body, size_t size, int64_t timeout_ms,
                                     tr_msg **reply);

/* Answers a request (size bytes, copied); the first reply counts, later ones vanish. Always TR_OK (GS-24). Any thread.
 */
TR_API int tr_reply(tr_from from, const void *body, size_t size);
/* Answers with a message from tr_new (its tag is not looked at), which is the runtime's afterwards, whatever becomes of
 * it. Always TR_OK. Any thread. */
TR_API int tr_reply_give(tr_from from, tr_msg *message);
/* Sends a message that gen_server's handle_cast gets. TR_OK whatever `to` is (GS-26); what is lost to memory is counted
 * and logged. TR_EINVAL: tag < 1. May yield: see tr_yield. Any thread. */
TR_API int tr_cast(tr_pid to, int tag, const void *body, size_t size);

/* Sends a request without waiting; the reference names it until its response is taken. Can't fail: what went wrong is
 * the response. Processes only; on a foreign thread zeros. Source: GS-27. */
TR_API tr_ref tr_send_request(tr_pid server, int tag, const void *body, size_t size);
/* Waits for the response: TR_OK and the reply is the caller's (tr_drop); TR_ETIMEDOUT: the request stays active;
 * TR_EDOWN or TR_ENOPROC (a request that was refused by a full mailbox, for its tag or for memory: TR_EDOWN of
 * TR_WHY_SYSTEM_LIMIT). Processes only. Blocks. */
TR_API TR_MUST_CHECK int tr_wait_response(tr_ref request, int64_t timeout_ms, tr_msg **reply);
/* tr_wait_response, but a timeout abandons the request: a late reply vanishes. Blocks. */
TR_API TR_MUST_CHECK int tr_receive_response(tr_ref request, int64_t timeout_ms, tr_msg **reply);
/* Whether a received message is the response to the request: 1 (and *status, *reply as tr_wait_response would give), or
 * 0. */
TR_API int tr_check_response(const tr_msg *message, tr_ref request, int *status, tr_msg **reply);
/* The same request to count servers at once, under one deadline. statuses[i], replies[i] (the caller's; NULL if it
 * failed). Returns how many answered, or a negative status for bad arguments, TR_EFOREIGN on a foreign thread. Late
 * replies vanish. Blocks. Source: GS-28. */
TR_API TR_MUST_CHECK int tr_multi_call(const tr_pid *servers, size_t count, int tag, const void *body, size_t size,
                                       int64_t timeout_ms, int *statuses, tr_msg **replies);

#ifdef __cplusplus
}
#endif
#endif
