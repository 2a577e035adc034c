/* fault_code.h: whose code a program counter is in, for the decision whether a fault can be contained (fault.c).
 *
 *     the user's    the program and its libraries: dropping its frames is the user's own affair
 *     libraries     libc, the dynamic loader, whatever has `malloc`, sanitizers: may hold locks or half-made structures
 *     the runtime   libtroupe.so, liburcu: `in_runtime` says more
 * A table made at the start; a library that is loaded later is the user's, but its calls of libc's leaves are not
 * recognized. If no libc is found (a static program), nothing is the user's.
 *
 * All but the first: async-signal-safe. */
#ifndef TROUPE_ACTOR_FAULT_CODE_H
#define TROUPE_ACTOR_FAULT_CODE_H

#include <stdbool.h>
#include <stdint.h>

void fault_code_start(void);

bool fault_code_is_users(uintptr_t pc);
bool fault_code_is_library(uintptr_t pc);
/* In a function of libc that is known to have no frame: memcpy, strlen, ... */
bool fault_code_is_leaf(uintptr_t pc);
/* Whether the address stands behind a call in the user's code. */
bool fault_code_is_return(uintptr_t address);

#endif
