/* system.h: the simulated system: what redirect.h puts in the place of the C library, the kernel and liburcu.
 *
 * Every function has the contract of the one whose place it takes, as far as the runtime uses it; what it does not use
 * fails the run by name. Objects live where the runtime has them (a pthread_mutex_t holds a sim_mutex): all zero is a
 * valid new one. Outside of a run they work for the one thread that there is. */
#ifndef TROUPE_SIM_SYSTEM_H
#define TROUPE_SIM_SYSTEM_H

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

/* ---- threads: thread.c */
int sim_thread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*entry)(void *), void *arg);
int sim_thread_join(pthread_t thread, void **result);
pthread_t sim_thread_self(void);
int sim_thread_attributes(pthread_t thread, pthread_attr_t *attributes);
int sim_attributes_stack(const pthread_attr_t *attributes, void **low, size_t *size);
int sim_attributes_destroy(pthread_attr_t *attributes);
int sim_thread_sigmask(int how, const sigset_t *set, sigset_t *before);
int sim_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int sim_key_create(pthread_key_t *key, void (*destructor)(void *));
int sim_key_delete(pthread_key_t key);
void *sim_key_get(pthread_key_t key);
int sim_key_set(pthread_key_t key, const void *value);

/* ---- waiting: wait.c */
int sim_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int sim_mutex_destroy(pthread_mutex_t *mutex);
int sim_mutex_lock(pthread_mutex_t *mutex);
int sim_mutex_trylock(pthread_mutex_t *mutex);
int sim_mutex_unlock(pthread_mutex_t *mutex);
int sim_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attributes);
int sim_cond_destroy(pthread_cond_t *cond);
int sim_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int sim_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until);
int sim_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until);
int sim_cond_signal(pthread_cond_t *cond);
int sim_cond_broadcast(pthread_cond_t *cond);
int sim_barrier_init(pthread_barrier_t *barrier, const pthread_barrierattr_t *attributes, unsigned count);
int sim_barrier_destroy(pthread_barrier_t *barrier);
int sim_barrier_wait(pthread_barrier_t *barrier);
int sim_once(pthread_once_t *once, void (*routine)(void));
int sim_sem_init(sem_t *semaphore, int shared, unsigned value);
int sim_sem_destroy(sem_t *semaphore);
int sim_sem_post(sem_t *semaphore);
int sim_sem_wait(sem_t *semaphore);
int sim_sem_trywait(sem_t *semaphore);
int sim_yield(void);
long sim_syscall(long number, ...);
int sim_usleep(useconds_t pause_us);
int sim_nanosleep(const struct timespec *pause, struct timespec *rest);
int sim_clock_gettime(clockid_t clock, struct timespec *now);
ssize_t sim_getrandom(void *to, size_t size, unsigned flags);

/* ---- RCU: wait.c */
struct rcu_flavor_struct;
void sim_read_lock(void);
void sim_read_unlock(void);
int sim_read_ongoing(void);
void sim_register_reader(void);
void sim_unregister_reader(void);
void sim_synchronize(void);
extern const struct rcu_flavor_struct sim_flavor;

/* ---- signals: signals.c */
int sim_sigaction(int number, const struct sigaction *action, struct sigaction *before);
int sim_sigaltstack(const stack_t *stack, stack_t *before);
int sim_raise(int number);
void (*sim_signal(int number, void (*handler)(int)))(int);
unsigned sim_alarm(unsigned seconds);

/* ---- memory: fault.c, memory.c */
void *sim_malloc(size_t size);
void *sim_calloc(size_t count, size_t size);
void *sim_realloc(void *block, size_t size);
void *sim_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int sim_munmap(void *address, size_t size);
int sim_madvise(void *address, size_t size, int advice);
int sim_mprotect(void *address, size_t size, int protection);

/* ---- sockets: socket.c */
int sim_socket(int family, int type, int protocol);
int sim_bind(int fd, const struct sockaddr *address, socklen_t size);
int sim_listen(int fd, int backlog);
int sim_accept(int fd, struct sockaddr *address, socklen_t *size, int flags);
int sim_connect(int fd, const struct sockaddr *address, socklen_t size);
ssize_t sim_recv(int fd, void *to, size_t size, int flags);
ssize_t sim_send(int fd, const void *from, size_t size, int flags);
int sim_shutdown(int fd, int how);
int sim_getsockname(int fd, struct sockaddr *address, socklen_t *size);
int sim_getpeername(int fd, struct sockaddr *address, socklen_t *size);
int sim_setsockopt(int fd, int level, int option, const void *value, socklen_t size);
int sim_getsockopt(int fd, int level, int option, void *value, socklen_t *size);

/* ---- paths of sockets; others are the system's: path.c */
struct stat;
int sim_lstat(const char *path, struct stat *to);
int sim_unlink(const char *path);

/* ---- descriptors: net.c */
int sim_epoll_create(int flags);
int sim_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int sim_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout_ms);
int sim_epoll_wait_until(int epoll, struct epoll_event *events, int most, int64_t deadline);
int sim_eventfd(unsigned value, int flags);
int sim_timer_create(int clock, int flags);
int sim_timer_set(int fd, int flags, const struct itimerspec *when, struct itimerspec *before);
int sim_ioctl(int fd, unsigned long request, void *argument);
ssize_t sim_read(int fd, void *to, size_t size);
ssize_t sim_write(int fd, const void *from, size_t size);
int sim_close(int fd);

#endif
