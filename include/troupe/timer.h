/* troupe/timer.h: timers: one-shot, periodic, cancelled by anybody. Never early; those that come within 0.25 ms of
 * others may wait that long, so that one wake-up does for all. Source: TMR-01 to TMR-11. */
#ifndef TROUPE_TIMER_H
#define TROUPE_TIMER_H

#include <troupe/message.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sends (tag, copy of body) to `to` ms after the call. A pid that dies takes the timer with it; a name is resolved when
 * it fires. timer may be NULL. TR_EINVAL: ms < 0, tag < 1; TR_ENOMEM. Any thread. */
TR_API TR_MUST_CHECK int tr_send_after(int64_t ms, tr_pid to, int tag, const void *body, size_t size, tr_timer *timer);
/* The same, but what arrives has the tag TR_MSG_TIMEOUT and tr_ref_of gives the timer's id in serial, so that a stale
 * one is recognised. Any thread. */
TR_API TR_MUST_CHECK int tr_start_timer(int64_t ms, tr_pid to, const void *body, size_t size, tr_timer *timer);
/* Sends (tag, copy of body) every ms, at a fixed rate from now, until it is cancelled or `to` dies. TR_EINVAL: ms < 1,
 * tag < 1; TR_ENOMEM. Any thread. */
TR_API TR_MUST_CHECK int tr_send_interval(int64_t ms, tr_pid to, int tag, const void *body, size_t size,
                                          tr_timer *timer);
/* Sends the caller's exit signal (tr_exit_signal) after ms. A pid that dies takes the timer with it, so a limit of time
 * for a process needs no cancelling. TR_EINVAL: ms < 0; TR_ENOMEM. Any thread. */
TR_API TR_MUST_CHECK int tr_exit_after(int64_t ms, tr_pid to, tr_reason reason, tr_timer *timer);
/* Cancels: ms left (>= 0), and it will never be delivered; -1: it was delivered, is on its way, or never was. Any
 * thread. */
TR_API int64_t tr_timer_cancel(tr_timer timer);
/* The same, the result comes as a message TR_MSG_TIMER (body int64_t) to the caller. Processes only: TR_EFOREIGN. */
TR_API int tr_timer_cancel_async(tr_timer timer);
/* ms left (>= 0), or -1. Any thread. */
TR_API int64_t tr_timer_read(tr_timer timer);
/* Monotonic time in ns, the clock that timers and timeouts follow (virtual in simulation). Any thread. */
TR_API int64_t tr_now_ns(void);

#ifdef __cplusplus
}
#endif
#endif
