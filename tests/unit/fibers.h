/* fibers.h: what the tests of fibers share: fibers of the test's own thread, and what they do when it does not
 * matter. */
#ifndef TROUPE_TESTS_UNIT_FIBERS_H
#define TROUPE_TESTS_UNIT_FIBERS_H

#include "harness.h"

#include "base/check.h"
#include "sched/fiber.h"

#include <string.h>

#define UNUSED    __attribute__((unused))
#define SANITIZED (WITH_ASAN || WITH_TSAN)
#ifdef TR_FIBER_UCONTEXT
#define UCONTEXT 1
#else
#define UCONTEXT 0
#endif

static struct fiber native;      /* of the test's own thread */
UNUSED static struct fiber *one; /* of a test that has one */

UNUSED static struct fiber *create(fiber_entry *entry, void *arg)
{
    struct fiber *fiber = fiber_create(0);
    CHECK(fiber != NULL);
    fiber_prepare(fiber, entry, arg);
    return fiber;
}

/* With 2,000 bytes of frames, as an actor that waits in a call has them. */
UNUSED static void touch_and_wait(void *self)
{
    char frame[2000];
    memset(frame, 1, sizeof frame);
    __asm__ volatile("" ::"r"(frame) : "memory");
    for (;;)
        fiber_switch(self, &native, NULL, NULL);
}

#endif
