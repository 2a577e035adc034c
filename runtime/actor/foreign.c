/* foreign.c: proxies. */
#include "actor/foreign.h"

#include "actor/wait.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The futex that the thread sleeps on: the proxy's state. */
static _Atomic uint32_t *awake_of(struct actor *proxy) { return (_Atomic uint32_t *)(void *)proxy->state; }

/* On a worker: the answer is there. */
static struct fiber *wake_thread(struct task *task)
{
    _Atomic uint32_t *awake = awake_of(actor_of_task(task));
    read_begin(); /* the thread may end as soon as it is awake: the proxy is freed through RCU */
    store_release(awake, 1);
    syscall(SYS_futex, awake, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    read_end();
    return NULL;
}

static void release_proxy(struct retired *item, void *argument)
{
    struct context *context = argument;
    struct actor *proxy = CONTAINER_OF(item, struct actor, retired);
    notice_drop(context, proxy->cold->last);
    pool_free(context->pool, proxy->cold);
    pool_free(context->pool, proxy);
}

static void end_proxy(struct context *context)
{
    struct actor *proxy = context->proxy;
    context->proxy = NULL;
    context->proxy_end = NULL;
    slots_clear(context_table(TABLE_PIDS), &context->caches[TABLE_PIDS], proxy->pid);
    proxy->retired.release = release_proxy;
    reclaim_retire(context->bin, &proxy->retired);
}

static struct actor *new_proxy(struct context *context)
{
    struct actor *proxy = pool_alloc(context->pool, sizeof *proxy + sizeof(uint32_t));
    if (proxy == NULL)
        return NULL;
    memset(proxy, 0, sizeof *proxy + sizeof(uint32_t));
    proxy->task.run = wake_thread;
    mailbox_init(&proxy->mailbox);
    store_relaxed(&proxy->flags,
                  ACTOR_PROXY | ACTOR_EXITING | ACTOR_GONE); /* relaxed: nobody knows it yet; no name, no links */
    uint64_t pid = actor_cold(context, proxy) == NULL
                       ? 0
                       : slots_take(context_table(TABLE_PIDS), &context->caches[TABLE_PIDS]);
    if (pid == 0) {
        if (proxy->cold != NULL)
            pool_free(context->pool, proxy->cold);
        pool_free(context->pool, proxy);
        return NULL;
    }
    proxy->pid = pid;
    slots_publish(context_table(TABLE_PIDS), pid, proxy);
    return proxy;
}

struct actor *foreign_proxy(struct context *context)
{
    struct actor *proxy = context->proxy;
    if (proxy == NULL && (proxy = new_proxy(context)) != NULL) {
        context->proxy = proxy;
        context->proxy_end = end_proxy;
    }
    return proxy;
}

static void sleep_until(_Atomic uint32_t *awake, int64_t deadline)
{
    int64_t left = deadline == NEVER ? NS_PER_S : deadline - clock_now();
    struct timespec limit = { .tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S };
    if (left > 0)
        syscall(SYS_futex, awake, FUTEX_WAIT_PRIVATE, 0, deadline == NEVER ? NULL : &limit, NULL, 0);
}

int foreign_wait(struct actor *actor, uint64_t serial, int64_t deadline, void (*post)(void *arg), void *arg,
                 tr_msg **reply)
{
    _Atomic uint32_t *awake = awake_of(actor);
    store_relaxed(awake, 0); /* relaxed: nobody wakes before the word is WAITING */
    store_seq_cst(&actor->wait, WAIT_WAITING(serial));
    post(arg);
    read_end();
    while (load_acquire(awake) == 0 && (deadline == NEVER || clock_now() < deadline))
        sleep_until(awake, deadline);
    uint64_t word = WAIT_WAITING(serial);
    if (atomic_compare_exchange_strong_explicit(&actor->wait, &word, 0, memory_order_acquire, memory_order_acquire))
        return WAIT_TIMEOUT;
    while (load_acquire(awake) ==
           0) /* the answer has come in this moment, its task is on the way: it must not run later */
        sleep_until(awake, NEVER);
    store_relaxed(&actor->wait, 0);
    *reply = (tr_msg *)(uintptr_t)word;
    return WAIT_REPLY;
}
