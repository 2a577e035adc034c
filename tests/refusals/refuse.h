/* refuse.h: system calls that fail on request: what a kernel says too rarely, or on other machines only.
 *
 *     WRAP(int, listen, (int fd, int backlog), (fd, backlog), -1)
 *     ...
 *     REFUSE(listen, 1, ENOBUFS);         the next one fails so
 *     REFUSE_AFTER(listen, 3, 1, ENOBUFS) three more go through before
 *     CHECK_EQ(REFUSED(listen), 1);       it has
 *
 * The linker puts __wrap_NAME in the place of the C library's NAME (--wrap: tools/cmake/tests.cmake reads the lines
 * that begin with WRAP), in the runtime and in the test alike. All threads' calls count. */
#ifndef TROUPE_TESTS_REFUSALS_REFUSE_H
#define TROUPE_TESTS_REFUSALS_REFUSE_H

#include "harness.h"

#include <errno.h>
#include <stdatomic.h>

struct refusal {
    _Atomic int calls, first, end,
        error; /* of the calls since it was ordered those from `first` to before `end` fail */
    _Atomic int done;
};

static inline void refusal_order(struct refusal *refusal, int passes, int times, int error)
{
    atomic_store(&refusal->end, 0);
    atomic_store(&refusal->calls, 0);
    atomic_store(&refusal->done, 0);
    atomic_store(&refusal->first, passes);
    atomic_store(&refusal->error, error);
    atomic_store(&refusal->end, passes + times);
}

static inline bool refusal_is_due(struct refusal *refusal)
{
    if (atomic_load(&refusal->end) == 0)
        return false;
    int number = atomic_fetch_add(&refusal->calls, 1);
    if (number < atomic_load(&refusal->first) || number >= atomic_load(&refusal->end))
        return false;
    atomic_fetch_add(&refusal->done, 1);
    errno = atomic_load(&refusal->error);
    return true;
}

/* `no`: what it returns then; it may call for `errno`. */
#define WRAP(type, name, parameters, arguments, no) \
    static struct refusal refusal_of_##name;        \
    type __real_##name parameters;                  \
    type __wrap_##name parameters;                  \
    type __wrap_##name parameters { return refusal_is_due(&refusal_of_##name) ? (no) : __real_##name arguments; }

/* The calls without a function of their own: of syscall(2) those with this number. Arguments that were not given are
 * not looked at by the kernel either. */
#define WRAP_NUMBER(which)                                                                                          \
    static struct refusal refusal_of_syscall;                                                                       \
    long __real_syscall(long number, long a, long b, long c, long d, long e, long f);                               \
    long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);                               \
    long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)                                \
    {                                                                                                               \
        return number == (which) && refusal_is_due(&refusal_of_syscall) ? -1                                        \
                                                                        : __real_syscall(number, a, b, c, d, e, f); \
    }

#define REFUSE_AFTER(name, passes, times, error) refusal_order(&refusal_of_##name, (passes), (times), (error))
#define REFUSE(name, times, error)               REFUSE_AFTER(name, 0, times, error)
#define REFUSED(name)                            atomic_load(&refusal_of_##name.done)

#endif
