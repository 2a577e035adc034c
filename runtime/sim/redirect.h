/* redirect.h: included before everything else when the runtime is compiled for simulation (libtroupe_sim).
 *
 * The seam of the simulation is the one between the runtime and the system: what the runtime asks of threads, clocks,
 * chance, descriptors and RCU gets a name of the simulator's (sim/system.h), and every atomic operation is a point
 * where the simulator may let another thread go on. So what runs in a simulation is the runtime's own code, all of it,
 * and the normal library pays nothing: it never sees this file.
 *
 *   atomics          a point before each (sim_point; relaxed ones only under some seeds)
 *   _Thread_local    a section that the simulator exchanges with the thread (thread.c)
 *   pthread, sem,    threads of the simulator: one runs at a time, on a stack of its own
 *   futex, once, key
 *   clock, sleep     virtual time
 *   getrandom        the run's seed
 *   liburcu          sections and grace periods over the simulator's threads; the hash table is liburcu's own
 *   epoll, eventfd,  simulated descriptors (net.c); others are the system's
 *   timerfd
 *   sockets          over simulated links (socket.c, link.c); paths of Unix sockets (path.c), other files are the
 *                    system's
 *   signals          faults are real; all others are kept, and raised by tr_sim_raise
 *
 * What is not redirected must be a function of its arguments; tests/simulation/imports checks the list of what the
 * objects import. */
#ifndef TROUPE_SIM_REDIRECT_H
#define TROUPE_SIM_REDIRECT_H

#pragma GCC system_header /* the keyword _Thread_local is given another meaning */

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <urcu/static/urcu-memb.h>

#include "sim/point.h"
#include "sim/system.h"

#define WITH_SIM              1
#define SIM_EVENT(kind, word) sim_event((kind), (word))
#define SIM_USER_CODE()       sim_user_code()
#define SIM_PICK(worker)      sim_pick_task(worker)
#define SIM_TOUCH(what)       sim_touch(what)
#define SIM_POINT()           sim_point()

/* ---- atomics: those of both compilers' <stdatomic.h>, and the builtins that queue/mailbox.h uses. A macro does not
 * expand inside of itself. */
#define SIM_AT(order) ((order) == __ATOMIC_RELAXED ? sim_point_relaxed() : sim_point())

#if defined(__clang__)
#define __c11_atomic_load(at, order)            (SIM_AT(order), __c11_atomic_load((at), (order)))
#define __c11_atomic_store(at, value, order)    (SIM_AT(order), __c11_atomic_store((at), (value), (order)))
#define __c11_atomic_exchange(at, value, order) (SIM_AT(order), __c11_atomic_exchange((at), (value), (order)))
#define __c11_atomic_compare_exchange_strong(at, expected, value, order, failed) \
    (sim_point(), __c11_atomic_compare_exchange_strong((at), (expected), (value), (order), (failed)))
#define __c11_atomic_compare_exchange_weak(at, expected, value, order, failed) \
    (sim_point(), __c11_atomic_compare_exchange_weak((at), (expected), (value), (order), (failed)))
#define __c11_atomic_fetch_add(at, value, order) (SIM_AT(order), __c11_atomic_fetch_add((at), (value), (order)))
#define __c11_atomic_fetch_sub(at, value, order) (SIM_AT(order), __c11_atomic_fetch_sub((at), (value), (order)))
#define __c11_atomic_fetch_or(at, value, order)  (SIM_AT(order), __c11_atomic_fetch_or((at), (value), (order)))
#define __c11_atomic_fetch_and(at, value, order) (SIM_AT(order), __c11_atomic_fetch_and((at), (value), (order)))
#define __c11_atomic_fetch_xor(at, value, order) (SIM_AT(order), __c11_atomic_fetch_xor((at), (value), (order)))
#define __c11_atomic_thread_fence(order)         (sim_point(), __c11_atomic_thread_fence(order))
#endif

#define __atomic_load(at, to, order)           (SIM_AT(order), __atomic_load((at), (to), (order)))
#define __atomic_store(at, from, order)        (SIM_AT(order), __atomic_store((at), (from), (order)))
#define __atomic_exchange(at, from, to, order) (SIM_AT(order), __atomic_exchange((at), (from), (to), (order)))
#define __atomic_load_n(at, order)             (SIM_AT(order), __atomic_load_n((at), (order)))
#define __atomic_store_n(at, value, order)     (SIM_AT(order), __atomic_store_n((at), (value), (order)))
#define __atomic_exchange_n(at, value, order)  (SIM_AT(order), __atomic_exchange_n((at), (value), (order)))
#define __atomic_fetch_add(at, value, order)   (SIM_AT(order), __atomic_fetch_add((at), (value), (order)))
#define __atomic_fetch_sub(at, value, order)   (SIM_AT(order), __atomic_fetch_sub((at), (value), (order)))
#define __atomic_fetch_or(at, value, order)    (SIM_AT(order), __atomic_fetch_or((at), (value), (order)))
#define __atomic_fetch_and(at, value, order)   (SIM_AT(order), __atomic_fetch_and((at), (value), (order)))
#define __atomic_fetch_xor(at, value, order)   (SIM_AT(order), __atomic_fetch_xor((at), (value), (order)))
#define __atomic_thread_fence(order)           (sim_point(), __atomic_thread_fence(order))
#define __atomic_compare_exchange(at, expected, from, weak, order, failed) \
    (sim_point(), __atomic_compare_exchange((at), (expected), (from), (weak), (order), (failed)))
#define __atomic_compare_exchange_n(at, expected, value, weak, order, failed) \
    (sim_point(), __atomic_compare_exchange_n((at), (expected), (value), (weak), (order), (failed)))

#define _Thread_local __attribute__((section("tr_sim_locals")))

/* ---- threads */
#define pthread_create          sim_thread_create
#define pthread_join            sim_thread_join
#define pthread_self            sim_thread_self
#define pthread_getattr_np      sim_thread_attributes
#define pthread_attr_getstack   sim_attributes_stack
#define pthread_attr_destroy    sim_attributes_destroy
#define pthread_sigmask         sim_thread_sigmask
#define pthread_atfork          sim_atfork
#define pthread_mutex_init      sim_mutex_init
#define pthread_mutex_destroy   sim_mutex_destroy
#define pthread_mutex_lock      sim_mutex_lock
#define pthread_mutex_trylock   sim_mutex_trylock
#define pthread_mutex_unlock    sim_mutex_unlock
#define pthread_cond_init       sim_cond_init
#define pthread_cond_destroy    sim_cond_destroy
#define pthread_cond_wait       sim_cond_wait
#define pthread_cond_clockwait  sim_cond_clockwait
#define pthread_cond_timedwait  sim_cond_timedwait
#define pthread_cond_signal     sim_cond_signal
#define pthread_cond_broadcast  sim_cond_broadcast
#define pthread_once            sim_once
#define pthread_barrier_init    sim_barrier_init
#define pthread_barrier_destroy sim_barrier_destroy
#define pthread_barrier_wait    sim_barrier_wait
#define pthread_key_create      sim_key_create
#define pthread_key_delete      sim_key_delete
#define pthread_getspecific     sim_key_get
#define pthread_setspecific     sim_key_set
#define sem_init                sim_sem_init
#define sem_destroy             sim_sem_destroy
#define sem_post                sim_sem_post
#define sem_wait                sim_sem_wait
#define sem_trywait             sim_sem_trywait
#define sched_yield             sim_yield
#define syscall                 sim_syscall

/* ---- time, chance, signals */
#define clock_gettime    sim_clock_gettime
#define nanosleep        sim_nanosleep
#define usleep           sim_usleep
#define getrandom        sim_getrandom
#define sigaction(...)   sim_sigaction(__VA_ARGS__) /* a function's name only: the struct keeps its own */
#define sigaltstack(...) sim_sigaltstack(__VA_ARGS__)
#define raise            sim_raise
#define signal(...)      sim_signal(__VA_ARGS__)
#define alarm            sim_alarm

/* ---- descriptors */
#define epoll_create1   sim_epoll_create
#define epoll_ctl       sim_epoll_ctl
#define epoll_wait(...) sim_epoll_wait(__VA_ARGS__)
#define eventfd(...)    sim_eventfd(__VA_ARGS__)
#define read(...)       sim_read(__VA_ARGS__)
#define write(...)      sim_write(__VA_ARGS__)
#define close(...)      sim_close(__VA_ARGS__)
#define ioctl(...)      sim_ioctl(__VA_ARGS__)
#define timerfd_create  sim_timer_create
#define timerfd_settime sim_timer_set

/* ---- sockets: functions' names only, which are words that others use, too */
#define socket(...)      sim_socket(__VA_ARGS__)
#define bind(...)        sim_bind(__VA_ARGS__)
#define listen(...)      sim_listen(__VA_ARGS__)
#define accept4(...)     sim_accept(__VA_ARGS__)
#define connect(...)     sim_connect(__VA_ARGS__)
#define recv(...)        sim_recv(__VA_ARGS__)
#define send(...)        SIM_NINTH(__VA_ARGS__, sim_not_send, , , , sim_send, , , , , )(__VA_ARGS__)
#define shutdown(...)    sim_shutdown(__VA_ARGS__)
#define getsockname(...) sim_getsockname(__VA_ARGS__)
#define getpeername(...) sim_getpeername(__VA_ARGS__)
#define setsockopt(...)  sim_setsockopt(__VA_ARGS__)
#define getsockopt(...)  sim_getsockopt(__VA_ARGS__)
#define lstat(...)       sim_lstat(__VA_ARGS__)
#define unlink(...)      sim_unlink(__VA_ARGS__)
/* The system's has four parameters; the one of actor/send.c has eight. */
#define SIM_NINTH(a, b, c, d, e, f, g, h, i, ...) i

/* ---- memory, so that it can fail, and mappings are kept from run to run */
#define malloc(...)  sim_malloc(__VA_ARGS__)
#define calloc(...)  sim_calloc(__VA_ARGS__)
#define realloc(...) sim_realloc(__VA_ARGS__)
#define mmap(...)    sim_mmap(__VA_ARGS__)
#define munmap       sim_munmap
#define madvise      sim_madvise
#define mprotect     sim_mprotect

/* ---- liburcu */
#define _urcu_memb_read_lock        sim_read_lock
#define _urcu_memb_read_unlock      sim_read_unlock
#define _urcu_memb_read_ongoing     sim_read_ongoing
#define urcu_memb_register_thread   sim_register_reader
#define urcu_memb_unregister_thread sim_unregister_reader
#define urcu_memb_synchronize_rcu   sim_synchronize
#define urcu_memb_flavor            sim_flavor

#endif
