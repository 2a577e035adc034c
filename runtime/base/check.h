/* check.h: assertions about the runtime's own state.
 *
 * `tr_check` is always on and is for O(1) checks whose failure means that the process must not go on. `tr_debug_check`
 * is on in
 * debug and sanitizer builds; elsewhere its expression is still compiled, never evaluated. A user's mistake is not an
 * assertion: it
 * ends the actor or returns a TR_E... status. */
#ifndef TROUPE_BASE_CHECK_H
#define TROUPE_BASE_CHECK_H

#include "base/compiler.h"

/* Writes one line to stderr with async-signal-safe means and aborts. */
NORETURN void check_failed(const char *what, const char *file, int line);

/* The same for what a user did: `what` says what to do instead. */
NORETURN void misuse(const char *function, const char *what);

#define tr_check(condition) (LIKELY(condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))

#ifdef TR_DEBUG_BUILD
#define TR_DEBUG_ON 1
#else
#define TR_DEBUG_ON 0
#endif
#define tr_debug_check(condition) \
    (!TR_DEBUG_ON || LIKELY(condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))

#endif
