/* threads_test.c: simulated threads, and what they wait for: locks, semaphores, grace periods, each other. Misuse fails
 * the run and is named; outside of a run there is one thread, which can't wait. */
#include "refusals/refuse.h"
#include "simulator/body.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

WRAP(void *, mmap, (void *at, size_t size, int protection, int flags, int fd, off_t offset),
     (at, size, protection, flags, fd, offset), MAP_FAILED)
WRAP(void *, calloc, (size_t count, size_t size), (count, size), NULL)
WRAP(void *, malloc, (size_t size), (size), NULL)

#define MUST(condition) TR_SIM_CHECK(condition)

/* ---- locks and other things to wait for */

static pthread_mutex_t mutex, second_mutex;
static sem_t semaphore;
static pthread_once_t once;
static int count, ready;

static void locks_later(void *unused)
{
    (void)unused;
    MUST(sim_mutex_trylock(&mutex) == EBUSY);
    sim_mutex_lock(&mutex);
    MUST(count == 1);
    count = 2;
    sim_mutex_unlock(&mutex);
}

static void mutex_body(void)
{
    sim_mutex_init(&mutex, NULL);
    sim_mutex_lock(&mutex);
    int thread = tr_sim_thread_start(locks_later, NULL);
    sim_usleep(100);
    count = 1;
    sim_mutex_unlock(&mutex);
    tr_sim_thread_join(thread);
    MUST(count == 2);
    MUST(sim_mutex_trylock(&mutex) == 0);
    sim_mutex_unlock(&mutex);
    sim_mutex_destroy(&mutex);
}

static void locks_twice(void)
{
    sim_mutex_lock(&mutex);
    sim_mutex_lock(&mutex);
}
static void unlocks_anothers(void) { sim_mutex_unlock(&mutex); }
static void destroys_a_locked_one(void)
{
    sim_mutex_lock(&second_mutex);
    sim_mutex_destroy(&second_mutex);
}

TEST(simulated_threads, a_mutex_has_one_owner_and_its_misuse_fails_the_run)
{
    simulate(mutex_body);
    expect_failure(locks_twice, "thread 0 locks a mutex twice");
    expect_failure(unlocks_anothers, "thread 0 unlocks a mutex that it has not locked");
    expect_failure(destroys_a_locked_one, "a locked mutex is destroyed");
}

static void initialize(void)
{
    sim_usleep(1000); /* long enough for the others to come */
    count++;
}
static void needs_it(void *unused)
{
    (void)unused;
    sim_once(&once, initialize);
    MUST(count == 1);
    sim_sem_post(&semaphore);
}
static void once_body(void)
{
    int threads[3];
    sim_sem_init(&semaphore, 0, 0);
    MUST(sim_sem_trywait(&semaphore) == -1 && errno == EAGAIN);
    for (int i = 0; i < 3; i++)
        threads[i] = tr_sim_thread_start(needs_it, NULL);
    for (int i = 0; i < 3; i++)
        sim_sem_wait(&semaphore);
    for (int i = 0; i < 3; i++)
        tr_sim_thread_join(threads[i]);
    sim_sem_post(&semaphore);
    MUST(sim_sem_trywait(&semaphore) == 0);
    MUST(sim_sem_trywait(&semaphore) == -1);
    sim_sem_destroy(&semaphore);
}

TEST(simulated_threads, once_is_once_and_a_semaphore_counts) { simulate(once_body); }

/* ---- read sections */

static void reader(void *unused)
{
    (void)unused;
    sim_read_lock();
    sim_read_lock();
    MUST(sim_read_ongoing());
    ready = 1;
    sim_usleep(500);
    count = 1;
    sim_read_unlock();
    MUST(sim_read_ongoing());
    sim_read_unlock();
    MUST(!sim_read_ongoing());
}
static void grace_body(void)
{
    int thread = tr_sim_thread_start(reader, NULL);
    while (ready == 0)
        sim_usleep(10);
    sim_synchronize();
    MUST(count == 1); /* the section that was open is closed */
    tr_sim_thread_join(thread);
}
static void leaves_none(void) { sim_read_unlock(); }
static void waits_in_section(void)
{
    sim_read_lock();
    sim_synchronize();
}
static void enters_section(void *unused)
{
    (void)unused;
    sim_read_lock();
}
static void ends_in_section(void) { tr_sim_thread_join(tr_sim_thread_start(enters_section, NULL)); }

TEST(simulated_threads, a_grace_period_waits_for_readers_and_misuse_of_sections_fails_the_run)
{
    simulate(grace_body);
    expect_failure(leaves_none, "thread 0 leaves a read section that it is not in");
    expect_failure(waits_in_section, "a grace period is awaited inside a read section");
    expect_failure(ends_in_section, "thread 1 ended in a read section");
}

/* ---- threads and their keys */

static int destroyed;
static void note_destroyed(void *value) { destroyed += value == &destroyed; }
static pthread_key_t plain_key, gone_key, watched_key;

static void sets_keys(void *unused)
{
    (void)unused;
    MUST(sim_key_get(watched_key) == NULL);
    MUST(sim_key_set(plain_key, &destroyed) == 0 && sim_key_set(gone_key, &destroyed) == 0);
    MUST(sim_key_set(watched_key, &destroyed) == 0);
    MUST(sim_key_get(watched_key) == &destroyed);
    sim_key_delete(gone_key);
}
static void keys_body(void)
{
    pthread_key_t keys[64];
    MUST(sim_key_create(&plain_key, NULL) == 0 && sim_key_create(&gone_key, note_destroyed) == 0);
    MUST(sim_key_create(&watched_key, note_destroyed) == 0);
    tr_sim_thread_join(tr_sim_thread_start(sets_keys, NULL));
    MUST(destroyed == 1);
    int more = 0;
    while (sim_key_create(&keys[more], NULL) == 0)
        more++;
    MUST(more > 0 && more < SIM_KEYS_MOST);
}

static void *returns_itself(void *arg) { return arg; }
static void nothing(void *unused) { (void)unused; }
static void threads_body(void)
{
    pthread_t thread;
    void *result, *low;
    size_t size;
    pthread_attr_t attributes;
    MUST(sim_thread_create(&thread, NULL, returns_itself, &count) == 0);
    sim_thread_attributes(thread, &attributes);
    MUST(sim_attributes_stack(&attributes, &low, &size) == 0 && size > 4096);
    MUST(sim_thread_join(thread, &result) == 0 && result == &count);
    MUST(sim_thread_self() == 1);
    REFUSE(calloc, 1, ENOMEM);
    MUST(tr_sim_thread_start(nothing, NULL) == TR_ELIMIT);
    REFUSE_AFTER(calloc, 1, 1, ENOMEM);
    MUST(tr_sim_thread_start(nothing, NULL) == TR_ELIMIT);
    REFUSE(mmap, 1, ENOMEM);
    MUST(tr_sim_thread_start(nothing, NULL) == TR_ELIMIT);
    REFUSE(malloc, 1, ENOMEM);
    MUST(tr_sim_thread_start(nothing, NULL) == TR_ENOMEM);
    int threads = 2, last = 0; /* this one and that which has ended */
    for (int made; (made = tr_sim_thread_start(nothing, NULL)) > 0; threads++)
        last = made;
    MUST(threads == SIM_THREADS_MOST);
    MUST(last == SIM_THREADS_MOST);
}
static void joins_nobody(void) { tr_sim_thread_join(40); }
static void joins_zero(void) { tr_sim_thread_join(0); }
static void stack_of_first(void)
{
    pthread_attr_t attributes;
    void *low;
    size_t size;
    sim_thread_attributes(1, &attributes);
    sim_attributes_stack(&attributes, &low, &size);
}

TEST(simulated_threads, threads_have_keys_results_and_limits)
{
    simulate(keys_body);
    the_body = threads_body;
    tr_sim_result result;
    CHECK_EQ(tr_sim_try(&(tr_sim_options){ .seed = 1, .policy = TR_SIM_FIXED }, run_body, NULL, &result), TR_ECALLBACK);
    CHECK(strstr(result.failure, "threads are left") != NULL); /* nobody joined them; all else held */
    expect_failure(joins_nobody, "no thread has the number 40");
    expect_failure(joins_zero, "no thread has the number 0");
    expect_failure(stack_of_first, "the first thread can't be a worker");
}

static void gives_way_for_ever(void)
{
    for (;;)
        sim_yield();
}

TEST(simulated_threads, who_gives_way_for_ever_alone_fails_the_run)
{
    expect_failure(gives_way_for_ever, "thread 0 gives way for ever");
}

/* ---- outside of a run */

TEST(simulated_threads, outside_of_a_run_there_is_one_thread_that_can_not_wait)
{
    pthread_key_t key;
    pthread_t thread;
    int value, status;
    CHECK_EQ(sim_thread_self(), 1);
    CHECK_EQ(sim_thread_create(&thread, NULL, returns_itself, NULL), EAGAIN);
    CHECK_EQ(sim_key_create(&key, NULL), 0);
    CHECK(sim_key_get(key) == NULL);
    CHECK_EQ(sim_key_set(key, &value), ENOMEM);
    sim_read_lock();
    CHECK(!sim_read_ongoing());
    sim_read_unlock();
    sim_mutex_lock(&mutex);
    sim_mutex_unlock(&mutex);
    sim_yield();
    sim_event(1, 2);
    tr_sim_inject(true); /* there is nothing to inject into */
    sim_budget = -1;
    sim_point(); /* no decision is made */
    CHECK(sim_budget > 0);
    pid_t child = fork();
    if (child == 0) {
        sim_usleep(1);
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
