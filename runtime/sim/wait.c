/* wait.c: everything that a thread can wait for: locks, conditions, semaphores, futexes, time, read sections of others.
 *
 * Who is woken looks again, as under the system's own: a lock may be taken by another thread between a wake-up and the
 * look. */
#include "sim/machine.h"
#include "sim/system.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <stdarg.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <urcu/flavor.h>

#define NS_IN_S          INT64_C(1000000000)
#define CLOCK_READING_NS 250

struct sim_lock {
    uint32_t owner; /* the thread's number + 1; 0: free */
};

_Static_assert(sizeof(struct sim_lock) <= sizeof(pthread_mutex_t) && sizeof(unsigned) <= sizeof(sem_t) &&
                   sizeof(pthread_once_t) == sizeof(int),
               "a simulated object lives in the place of the real one");

static uint32_t self_number(void) { return machine.current == NULL ? 1 : machine.current->id + 1; }

static int64_t in_ns(const struct timespec *time) { return (int64_t)time->tv_sec * NS_IN_S + time->tv_nsec; }

static int64_t deadline_in(const struct timespec *span) { return span == NULL ? SIM_NEVER : sim_now() + in_ns(span); }

/* ---- mutex */

int sim_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
    (void)attributes;
    memset(mutex, 0, sizeof *mutex);
    return 0;
}

int sim_mutex_destroy(pthread_mutex_t *mutex)
{
    if (((struct sim_lock *)(void *)mutex)->owner != 0)
        sim_fail("a locked mutex is destroyed");
    return 0;
}

static void lock(pthread_mutex_t *mutex)
{
    struct sim_lock *it = (struct sim_lock *)(void *)mutex;
    while (it->owner != 0) {
        if (it->owner == self_number())
            sim_fail("thread %u locks a mutex twice", self_number() - 1);
        sim_block("mutex", mutex, SIM_NEVER);
    }
    it->owner = self_number();
}

static void unlock(pthread_mutex_t *mutex)
{
    struct sim_lock *it = (struct sim_lock *)(void *)mutex;
    if (it->owner != self_number())
        sim_fail("thread %u unlocks a mutex that it has not locked", self_number() - 1);
    it->owner = 0;
    sim_wake(mutex, 1);
}

int sim_mutex_lock(pthread_mutex_t *mutex)
{
    sim_point();
    lock(mutex);
    return 0;
}

int sim_mutex_trylock(pthread_mutex_t *mutex)
{
    sim_point();
    if (((struct sim_lock *)(void *)mutex)->owner != 0)
        return EBUSY;
    lock(mutex);
    return 0;
}

int sim_mutex_unlock(pthread_mutex_t *mutex)
{
    unlock(mutex);
    sim_point();
    return 0;
}

/* ---- condition */

int sim_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attributes)
{
    (void)attributes;
    memset(cond, 0, sizeof *cond);
    return 0;
}

int sim_cond_destroy(pthread_cond_t *cond) { return (void)cond, 0; }

static int wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline)
{
    unlock(mutex);
    bool woken = sim_block("condition", cond, deadline);
    lock(mutex);
    return woken ? 0 : ETIMEDOUT;
}

int sim_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex) { return wait_until(cond, mutex, SIM_NEVER); }

int sim_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
    return wait_until(cond, mutex, in_ns(until));
}

int sim_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until)
{
    (void)clock;
    return wait_until(cond, mutex, in_ns(until));
}

int sim_cond_signal(pthread_cond_t *cond)
{
    sim_wake(cond, 1);
    sim_point();
    return 0;
}

int sim_cond_broadcast(pthread_cond_t *cond)
{
    sim_wake(cond, UINT_MAX);
    sim_point();
    return 0;
}

/* ---- barrier, once, semaphore */

struct sim_barrier {
    unsigned wanted, waiting, round;
};

int sim_barrier_init(pthread_barrier_t *barrier, const pthread_barrierattr_t *attributes, unsigned count)
{
    (void)attributes;
    *(struct sim_barrier *)(void *)barrier = (struct sim_barrier){ .wanted = count };
    return 0;
}

int sim_barrier_destroy(pthread_barrier_t *barrier) { return (void)barrier, 0; }

int sim_barrier_wait(pthread_barrier_t *barrier)
{
    struct sim_barrier *it = (struct sim_barrier *)(void *)barrier;
    unsigned round = it->round;
    sim_point();
    if (++it->waiting < it->wanted) {
        while (it->round == round)
            sim_block("barrier", barrier, SIM_NEVER);
        return 0;
    }
    it->waiting = 0;
    it->round++;
    sim_wake(barrier, UINT_MAX);
    return PTHREAD_BARRIER_SERIAL_THREAD;
}

enum { ONCE_NOT, ONCE_RUNNING, ONCE_DONE };

int sim_once(pthread_once_t *once, void (*routine)(void))
{
    sim_point();
    while (*once == ONCE_RUNNING)
        sim_block("once", once, SIM_NEVER);
    if (*once == ONCE_NOT) {
        *once = ONCE_RUNNING;
        routine();
        *once = ONCE_DONE;
        sim_wake(once, UINT_MAX);
    }
    return 0;
}

int sim_sem_init(sem_t *semaphore, int shared, unsigned value)
{
    (void)shared;
    memcpy(semaphore, &value, sizeof value);
    return 0;
}

int sim_sem_destroy(sem_t *semaphore) { return (void)semaphore, 0; }

int sim_sem_post(sem_t *semaphore)
{
    ++*(unsigned *)(void *)semaphore;
    sim_wake(semaphore, 1);
    sim_point();
    return 0;
}

int sim_sem_wait(sem_t *semaphore)
{
    sim_point();
    while (*(unsigned *)(void *)semaphore == 0)
        sim_block("semaphore", semaphore, SIM_NEVER);
    --*(unsigned *)(void *)semaphore;
    return 0;
}

int sim_sem_trywait(sem_t *semaphore)
{
    sim_point();
    if (*(unsigned *)(void *)semaphore == 0) {
        errno = EAGAIN;
        return -1;
    }
    --*(unsigned *)(void *)semaphore;
    return 0;
}

/* ---- futex and the other calls without a function of their own */

static long futex_wait(const uint32_t *word, uint32_t value, const struct timespec *span)
{
    sim_point();
    if (*word != value) {
        errno = EAGAIN;
        return -1;
    }
    if (sim_block("futex", word, deadline_in(span)))
        return 0;
    errno = ETIMEDOUT;
    return -1;
}

static long futex(va_list list)
{
    const uint32_t *word = va_arg(list, uint32_t *);
    int operation = va_arg(list, int);
    int value = va_arg(list, int);
    if (operation == FUTEX_WAIT_PRIVATE)
        return futex_wait(word, (uint32_t)value, va_arg(list, const struct timespec *));
    if (operation != FUTEX_WAKE_PRIVATE)
        sim_fail("futex operation %d is not simulated", operation);
    long woken = sim_wake(word, (unsigned)value);
    sim_point();
    return woken;
}

static long poll_exactly(va_list list)
{
    int epoll = va_arg(list, int);
    struct epoll_event *events = va_arg(list, struct epoll_event *);
    int most = va_arg(list, int);
    const struct timespec *span = va_arg(list, const struct timespec *);
    return sim_epoll_wait_until(epoll, events, most, deadline_in(span));
}

long sim_syscall(long number, ...)
{
    va_list list;
    va_start(list, number);
    long result = 0;
    if (number == SYS_futex)
        result = futex(list);
    else if (number == SYS_epoll_pwait2)
        result = poll_exactly(list);
    else if (number == SYS_membarrier)
        sim_point(); /* the simulation is sequentially consistent */
    else if (number == SYS_gettid)
        result = self_number();
    else
        sim_fail("system call %ld is not simulated", number);
    va_end(list);
    return result;
}

/* ---- time and chance */

int sim_yield(void)
{
    sim_give_way();
    return 0;
}

int sim_nanosleep(const struct timespec *pause, struct timespec *rest)
{
    (void)rest;
    sim_block("time", NULL, deadline_in(pause));
    return 0;
}

int sim_usleep(useconds_t pause_us)
{
    sim_block("time", NULL, sim_now() + (int64_t)pause_us * 1000);
    return 0;
}

int sim_clock_gettime(clockid_t clock, struct timespec *now)
{
    static const int64_t wall_ns = INT64_C(1700000000) * NS_IN_S;
    machine.now_ns += CLOCK_READING_NS; /* else who waits by looking at the clock would use up the run's steps */
    int64_t at = sim_now() + (clock == CLOCK_REALTIME ? wall_ns : 0);
    now->tv_sec = (time_t)(at / NS_IN_S);
    now->tv_nsec = (long)(at % NS_IN_S);
    return 0;
}

/* The system's is asked first, since it says of a bad address that it is one; then its bytes are replaced. */
ssize_t sim_getrandom(void *to, size_t size, unsigned flags)
{
    if (getrandom(to, size, flags) != (ssize_t)size)
        return -1;
    for (size_t done = 0; done < size; done += sizeof(uint64_t)) {
        uint64_t word = sim_draw(&machine.entropy);
        memcpy((char *)to + done, &word, size - done < sizeof word ? size - done : sizeof word);
    }
    return (ssize_t)size;
}

/* ---- read sections and grace periods */

static unsigned graces; /* threads that wait for readers */

void sim_read_lock(void)
{
    sim_point_relaxed();
    if (machine.current != NULL && machine.current->reading++ == 0)
        machine.current->sections++;
}

void sim_read_unlock(void)
{
    sim_point_relaxed();
    if (machine.current == NULL)
        return;
    if (machine.current->reading == 0)
        sim_fail("thread %u leaves a read section that it is not in", machine.current->id);
    if (--machine.current->reading == 0 && graces > 0)
        sim_wake(&graces, UINT_MAX);
}

int sim_read_ongoing(void) { return machine.current != NULL && machine.current->reading > 0; }

void sim_register_reader(void) {}
void sim_unregister_reader(void) {}

void sim_synchronize(void)
{
    if (sim_read_ongoing())
        sim_fail("a grace period is awaited inside a read section");
    sim_point();
    graces++;
    uint64_t seen[SIM_THREADS_MOST];
    unsigned count = machine.count;
    for (unsigned i = 0; i < count; i++)
        seen[i] = machine.threads[i]->sections;
    for (unsigned i = 0; i < count; i++)
        while (machine.threads[i]->reading > 0 && machine.threads[i]->sections == seen[i])
            sim_block("readers", &graces, SIM_NEVER);
    graces--;
    sim_point();
}

static void nothing(void) {}
static void refuse_call(struct rcu_head *head, void (*call)(struct rcu_head *head))
{
    (void)head;
    (void)call;
    sim_fail("call_rcu is not simulated: it needs a thread of its own");
}
static void refuse_defer(void (*call)(void *arg), void *arg)
{
    (void)call;
    (void)arg;
    sim_fail("defer_rcu is not simulated");
}
static void ignore_fork(struct urcu_atfork *atfork) { (void)atfork; }

const struct rcu_flavor_struct sim_flavor = {
    .read_lock = sim_read_lock,
    .read_unlock = sim_read_unlock,
    .read_ongoing = sim_read_ongoing,
    .read_quiescent_state = nothing,
    .update_call_rcu = refuse_call,
    .update_synchronize_rcu = sim_synchronize,
    .update_defer_rcu = refuse_defer,
    .thread_offline = nothing,
    .thread_online = nothing,
    .register_thread = nothing,
    .unregister_thread = nothing,
    .barrier = sim_synchronize,
    .register_rculfhash_atfork = ignore_fork,
    .unregister_rculfhash_atfork = ignore_fork,
};
