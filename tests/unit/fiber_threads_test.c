/* fiber_threads_test.c: fibers on many threads: jobs wander over more threads than there are cores, and the pool with
 * its caches loses none. */
#include "fibers.h"

#include "base/random.h"

#include <pthread.h>
#include <sched.h>

/* ---- threads: jobs on fibers wander over more threads than there are cores */

enum { THREADS = 8, JOBS = WITH_TSAN ? 64 : 300, STEPS = SANITIZED ? 60 : 600 };

struct job {
    struct fiber *fiber; /* NULL: not begun, or begun and ended */
    struct job *next;
    struct random random;
    long steps, migrations;
    bool running;
    unsigned last; /* the thread that it ran on, 1 and up; 0: not begun */
};

/* Not pthread_self(): compilers take that for a constant and keep it over a switch. */
static _Thread_local unsigned number_here;
static NOINLINE unsigned thread_number(void)
{
    __asm__ volatile("" ::: "memory");
    return number_here;
}

static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static struct job *queue_first, **queue_last = &queue_first;
static int jobs_left;

static void push(void *arg)
{
    struct job *job = arg;
    pthread_mutex_lock(&queue_lock);
    job->next = NULL;
    *queue_last = job;
    queue_last = &job->next;
    pthread_mutex_unlock(&queue_lock);
}

/* NULL: nothing now. */
static struct job *pop(bool *finished)
{
    pthread_mutex_lock(&queue_lock);
    struct job *job = queue_first;
    if (job != NULL && job->last == thread_number())
        job = NULL; /* another thread is to go on with it */
    if (job != NULL) {
        queue_first = job->next;
        if (queue_first == NULL)
            queue_last = &queue_first;
    }
    *finished = jobs_left == 0;
    pthread_mutex_unlock(&queue_lock);
    return job;
}

static void job_done(void)
{
    pthread_mutex_lock(&queue_lock);
    jobs_left--;
    pthread_mutex_unlock(&queue_lock);
}

/* A worker as the scheduler has it: the loop runs on pooled fibers, a job that blocks keeps its fiber, the loop goes
 * on, on another. */
struct loop_worker {
    struct fiber native;
    struct fiber *fiber; /* runs now */
    struct fiber_cache cache;
    struct fiber *reset; /* came to the native stack to be prepared anew */
};

static _Thread_local struct loop_worker *worker_here;
static NOINLINE struct loop_worker *worker_self(void)
{
    __asm__ volatile("" ::: "memory");
    return worker_here;
}

static struct fiber_pool *pool;
static pthread_barrier_t start;

static void block(struct job *job)
{
    struct loop_worker *worker = worker_self();
    struct fiber *mine = worker->fiber, *next = fiber_cache_get(&worker->cache);
    CHECK(next != NULL);
    job->fiber = mine;
    worker->fiber = next;
    fiber_switch(mine, next, push, job);
}

static void back_to_cache(void *fiber) { fiber_cache_put(&worker_self()->cache, fiber); }

static NOINLINE void run_job(struct job *job, int depth)
{
    volatile uint64_t frame[8];
    for (uint64_t i = 0; i < 8; i++)
        frame[i] = i * (uintptr_t)job + (uint64_t)depth;
    if (depth > 0) {
        run_job(job, depth - 1);
    } else {
        for (uint32_t step = random_below(&job->random, STEPS); step > 0; step--) {
            CHECK(!job->running);
            job->running = true;
            job->steps++;
            job->last = thread_number();
            job->running = false;
            block(job);
            CHECK(job->last != thread_number());
            job->migrations++;
        }
        if (random_below(&job->random, 3) == 0) { /* killed: its frames are dropped */
            struct loop_worker *worker = worker_self();
            job->fiber = NULL;
            job_done();
            worker->reset = worker->fiber;
            fiber_abandon(worker->fiber, &worker->native, NULL, NULL);
        }
    }
    for (uint64_t i = 0; i < 8; i++)
        CHECK_EQ(frame[i], i * (uintptr_t)job + (uint64_t)depth);
}

static void loop(void *unused)
{
    (void)unused;
    for (;;) {
        bool finished;
        struct job *job = pop(&finished);
        struct loop_worker *worker = worker_self();
        if (job == NULL && finished) {
            struct fiber *mine = worker->fiber;
            fiber_switch(mine, &worker->native, back_to_cache, mine);
        } else if (job == NULL) {
            sched_yield();
        } else if (job->fiber != NULL) {
            struct fiber *mine = worker->fiber;
            worker->fiber = job->fiber;
            fiber_switch(mine, job->fiber, back_to_cache, mine);
        } else {
            run_job(job, (int)random_below(&job->random, 6));
            job->fiber = NULL;
            job_done();
        }
    }
}

static void *work(void *number)
{
    struct loop_worker worker = { .fiber = NULL };
    number_here = (unsigned)(uintptr_t)number;
    worker_here = &worker;
    fiber_native(&worker.native);
    fiber_cache_init(&worker.cache, pool);
    worker.fiber = fiber_cache_get(&worker.cache);
    CHECK(worker.fiber != NULL);
    pthread_barrier_wait(&start);
    for (;;) {
        worker.reset = NULL;
        fiber_switch(&worker.native, worker.fiber, NULL, NULL);
        if (worker.reset == NULL)
            break;
        fiber_prepare(worker.reset, loop, NULL);
    }
    fiber_cache_drain(&worker.cache);
    return NULL;
}

static void run_jobs(uint64_t seed, size_t reserve)
{
    static struct job jobs[JOBS];
    pthread_t threads[THREADS];
    long steps = 0, migrations = 0;
    pool = fiber_pool_open(loop, NULL, reserve);
    jobs_left = JOBS;
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){ .random = { seed * 7919 + (uint64_t)i + 1 } };
        for (int warm = 0; warm < 5; warm++)
            random_next(&jobs[i].random);
        push(&jobs[i]);
    }
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)(i + 1)) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < JOBS; i++)
        steps += jobs[i].steps, migrations += jobs[i].migrations;
    pthread_barrier_destroy(&start);
    CHECK(steps > JOBS);
    CHECK_EQ(migrations, steps);
    CHECK_EQ(jobs_left, 0);
    fiber_pool_close(pool);
    struct stack_counts counts;
    stack_count(&counts);
    CHECK_EQ(counts.lent, 0);
}

TEST(fiber, jobs_block_on_one_thread_and_go_on_on_another)
{
    for (uint64_t seed = 1; seed <= (SANITIZED ? 4 : 20); seed++)
        run_jobs(seed, 1000);
}

TEST(fiber, a_small_pool_destroys_what_is_suspended_in_the_loop)
{
    for (uint64_t seed = 100; seed <= (SANITIZED ? 103 : 110); seed++)
        run_jobs(seed, 3);
}

/* ---- the cache */

static struct fiber_cache cache;

TEST(fiber_cache, the_last_one_put_is_the_first_one_out)
{
    struct fiber *fibers[10];
    pool = fiber_pool_open(touch_and_wait, NULL, 100);
    fiber_cache_init(&cache, pool);
    for (int i = 0; i < 10; i++)
        fibers[i] = fiber_cache_get(&cache);
    for (int i = 0; i < 10; i++)
        fiber_cache_put(&cache, fibers[i]);
    for (int i = 9; i >= 0; i--)
        CHECK(fiber_cache_get(&cache) == fibers[i]);
    for (int i = 0; i < 10; i++)
        fiber_cache_put(&cache, fibers[i]);
    fiber_cache_drain(&cache);
    CHECK_EQ(cache.count, 0);
    fiber_pool_close(pool);
}

TEST(fiber_cache, a_stack_with_a_canary_is_looked_at_before_it_rests)
{
    struct stack_policy policy = stack_policy(), canaries = policy;
    canaries.kernel_guards = false;
    canaries.protected_guards = 0;
    stack_set_policy(canaries);
    pool = fiber_pool_open(touch_and_wait, NULL, 100);
    fiber_cache_init(&cache, pool);
    struct fiber *fiber = fiber_cache_get(&cache);
    CHECK_EQ(fiber->stack.guard, STACK_GUARD_CANARY);
    fiber_cache_put(&cache, fiber);
    CHECK_EQ(cache.count, 1);
    CHECK(fiber_cache_get(&cache) == fiber);
    fiber_cache_put(&cache, fiber);
    fiber_cache_drain(&cache);
    fiber_pool_close(pool);
    stack_set_policy(policy);
}

TEST(fiber_cache, fibers_pass_through_the_pool_and_none_is_lost)
{
    enum { COUNT = 500 };
    static struct fiber *fibers[COUNT];
    static struct fiber_cache other;
    struct stack_counts counts;
    pool = fiber_pool_open(touch_and_wait, NULL, 200);
    fiber_cache_init(&cache, pool);
    fiber_cache_init(&other, pool);
    for (int i = 0; i < COUNT; i++)
        fibers[i] = fiber_cache_get(&cache);
    for (int i = 0; i < COUNT; i++)
        fiber_cache_put(&cache, fibers[i]);
    fiber_cache_drain(&cache);
    stack_count(&counts);
    CHECK_EQ(counts.lent, 200); /* the reserve; the rest is destroyed */
    for (int i = 0; i < 200; i++)
        fibers[i] = fiber_cache_get(&other);
    stack_count(&counts);
    CHECK_EQ(counts.lent, 200); /* nothing fresh was needed */
    for (int i = 0; i < 200; i++)
        for (int j = 0; j < i; j++)
            CHECK(fibers[i] != fibers[j]);
    for (int i = 0; i < 200; i++)
        fiber_cache_put(&other, fibers[i]);
    fiber_cache_drain(&other);
    fiber_pool_close(pool);
    stack_count(&counts);
    CHECK_EQ(counts.lent, 0);
}

static struct fiber *hit;
static long entered;

static void resume_in_the_middle(void *mark)
{
    *(long *)mark += 100;
    for (;;) {
        ++*(long *)mark;
        fiber_switch(hit, &native, NULL, NULL);
    }
}

TEST(fiber_cache, a_suspended_fiber_goes_on_where_it_was)
{
    fiber_native(&native);
    pool = fiber_pool_open(resume_in_the_middle, &entered, 10);
    fiber_cache_init(&cache, pool);
    hit = fiber_cache_get(&cache);
    fiber_switch(&native, hit, NULL, NULL);
    CHECK_EQ(entered, 101);
    fiber_cache_put(&cache, hit);
    fiber_cache_drain(&cache);
    CHECK(fiber_cache_get(&cache) == hit);
    fiber_switch(&native, hit, NULL, NULL);
    CHECK_EQ(entered, 102);
    fiber_destroy(hit);
    fiber_pool_close(pool);
}
