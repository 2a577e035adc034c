/* fault.h: hardware faults as exit signals, where that is sound (D12). */
#ifndef TROUPE_ACTOR_FAULT_H
#define TROUPE_ACTOR_FAULT_H

/* Process-wide: handlers for SIGSEGV, SIGBUS, SIGFPE, SIGILL, chained to what was there before. */
void fault_start(void);
void fault_stop(void);

/* A worker's own signal stack, so that a stack overflow can be handled. */
void fault_thread_start(void);
void fault_thread_stop(void);

#endif
