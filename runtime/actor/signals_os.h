/* signals_os.h: signals of the operating system: as messages to who subscribed, and as the order to stop.
 *
 * The handler counts the signal and rings an eventfd; everything else happens in the poller's dispatch, on a worker. A
 * disposition is changed when somebody needs the signal and put back when nobody does: SIGTERM and SIGINT from
 * os_signals_start to os_signals_stop, any of the five from its first subscription to its last subscriber's end. A
 * handler that was there before is called, too. SIGPIPE is never touched.
 *
 * SIGTERM or SIGINT while nobody is subscribed: the first of either calls on_stop; a second ends the program at once,
 * from the handler itself, with the default action, whatever state the runtime is in. One that comes within 250 ms of
 * the first is not a second order but the first again: timeout(1) signals its command and then the whole group, a
 * terminal's Ctrl-C reaches a program and the wrapper that passes it on. In a forked child, before exec, the handler
 * takes the default action.
 *
 * Handler against the poller's stop: the descriptor must not be closed, and used again for something else, under a
 * handler. All of it is seq_cst (a store before a load of another place, on both sides), so a handler that the stop
 * does not see, sees -1:
 *
 *   handler  [OS1] inside += 1; read the descriptor; ring it; inside -= 1
 *   stop     [OS2] descriptor := -1; wait until inside == 0; close it
 *
 * [OS1] pairs with [OS2]. */
#ifndef TROUPE_ACTOR_SIGNALS_OS_H
#define TROUPE_ACTOR_SIGNALS_OS_H

/* While the poller runs and before a worker has to look at it, that is: before work is given to one. on_stop runs in
 * dispatch: it may not block. TR_OK, TR_ELIMIT, TR_ENOMEM. */
int os_signals_start(void (*on_stop)(int signal_number));

/* When every actor has ended, before or after the poller's stop. Dispositions are as they were found. */
void os_signals_stop(void);

#endif
