/* troupe/gen_server.h: the generic server: state, and callbacks for calls, casts and everything else. Source: GS, OTP's
 * gen_server.
 *
 * It is a tr_actor (troupe/actor.h): see there for what callbacks return. All callbacks run in the server's own
 * process, one at a time, and may block. */
#ifndef TROUPE_GEN_SERVER_H
#define TROUPE_GEN_SERVER_H

#include <troupe/actor.h>
#include <troupe/call.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a server is. Static: it must outlive every server made of it. A missing handle_call or handle_cast crashes the
 * server when one arrives; without handle_info other messages are logged and dropped (GS-16). */
typedef struct tr_gen_server {
    const char *label;                           /* for tools and logs; not the registered name */
    size_t state_size;                           /* bytes, zeroed before init; kept in place, fresh after a restart */
    bool trap_exit;                              /* set before init runs */
    int (*init)(void *state, const tr_msg *arg); /* NULL: the zeroed state will do */
    int (*handle_call)(void *state, const tr_msg *request, tr_from from);
    int (*handle_cast)(void *state, const tr_msg *message);
    int (*handle_info)(void *state, const tr_msg *message);
    int (*handle_continue)(void *state, const tr_msg *message);
    void (*terminate)(void *state, const tr_reason *reason);
    void (*describe)(const void *state, tr_out *out);
    const tr_message_type *messages; /* for logs and tools */
    size_t message_count;
} tr_gen_server;

/* Starts a server and waits for its init; everything as tr_start_actor says. options may be NULL. Blocks. Source: GS-01
 * to GS-06. */
TR_API TR_MUST_CHECK int tr_start_server(const tr_gen_server *server, const void *arg, size_t size,
                                         const tr_start_options *options, tr_pid *pid);

/* ---- for behaviours of one's own, which run callbacks and pass failures on */

/* The reason that the calling process gave to its latest tr_stop or tr_stop_reply, if `disposition` is what that
 * returned; NULL: it is another disposition, or a status. Valid until the next of them. */
TR_API const tr_reason *tr_stop_reason(int disposition);
/* Makes *reason what tr_last_reason says to the caller, and returns status. On a foreign thread too, where
 * tr_last_reason is the thread's. */
TR_API int tr_fail(int status, const tr_reason *reason);

#ifdef __cplusplus
}
#endif
#endif
