/* stack.h: where the stacks of fibers come from, and where they go back to.
 *
 * A stack is address space first: it is carved from a region of about 64 MB that is mapped without reserve, a page of
 * it costs memory when it is touched, and below each stack lies a guard of 32 KB. There is a class for each power of
 * two from 256 KB to 64 MB.
 *
 *     region:  | guard | stack 0 | guard | stack 1 | ... | guard | stack n-1 |
 *                      ^low      ^high
 *
 * The guard is the best that the system gives, decided stack by stack:
 *
 *     KERNEL    MADV_GUARD_INSTALL (Linux 6.13): no mapping of its own, so a million are possible
 *     PROTECT   mprotect: two mappings each, so only up to a limit below vm.max_map_count
 *     CANARY    none: the guard is ordinary memory that reads as zero until something overflows into it
 *
 * A canary is looked at when the stack comes back. By then the overflow has written into a neighbor, so the process
 * ends with a message. The first such stack that is lent is told of on stderr, once.
 *
 * Memory: idle stacks up to a reserve keep their touched pages, further ones give them back (MADV_DONTNEED) before they
 * enter the pool. A region none of whose stacks is lent goes back as a whole, with its page tables and guards, if the
 * others hold the reserve.
 *
 * Threads: every function may be called by any thread. A lent stack belongs to its borrower alone. */
#ifndef TROUPE_SCHED_STACK_H
#define TROUPE_SCHED_STACK_H

#include "base/compiler.h"

#include <stdbool.h>

#define STACK_DEFAULT_BYTES ((size_t)256 << 10)
#define STACK_LARGEST_BYTES ((size_t)64 << 20)
#define STACK_GUARD_BYTES   ((size_t)32 << 10) /* at least; a whole page where pages are larger */

enum stack_guard { STACK_GUARD_KERNEL, STACK_GUARD_PROTECT, STACK_GUARD_CANARY, STACK_GUARD_KINDS };

struct stack_region;

/* A lent stack: [low, high) is usable, the guard ends at low. */
struct stack {
    char *low;
    uint8_t guard;  /* enum stack_guard */
    uint16_t index; /* in the region */
    char *high;
    struct stack_region *region;
};

/* What an operator or a test may set: it holds for what happens from then on. */
struct stack_policy {
    bool kernel_guards;      /* may use MADV_GUARD_INSTALL where the kernel has it */
    size_t protected_guards; /* at most so many guards by mprotect */
    size_t reserve_bytes;    /* per class: this much address space of idle stacks stays as it is */
};

struct stack_counts {
    size_t lent;                      /* in the hands of borrowers */
    size_t idle;                      /* came back */
    size_t warm;                      /* of the idle ones, those that kept their pages */
    size_t regions;                   /* mapped */
    size_t guards[STACK_GUARD_KINDS]; /* guards that exist, by kind */
};

/* Lends a stack of at least `bytes` (0: the default). False: larger than STACK_LARGEST_BYTES, or no memory; nothing is
 * lent then. Pages that were never used, or given back, read as zero; others hold what their last borrower left. */
bool stack_take(size_t bytes, struct stack *stack);

/* Takes a lent stack back, whatever is on it. Ends the process if a canary shows that it overflowed. */
void stack_give(const struct stack *stack);

/* Ends the process if a stack without a real guard overflowed; free of cost for the others. */
void stack_verify(const struct stack *stack);

/* Gives the pages of a stack whose frames were dropped back, but for the upper 16 KB, if it went deeper than 32 KB. */
void stack_trim(const struct stack *stack);

size_t stack_guard_bytes(void);

struct stack_policy stack_policy(void);
void stack_set_policy(struct stack_policy policy);
void stack_count(struct stack_counts *counts);

#endif
