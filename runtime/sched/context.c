/* context.c: contexts of threads, the tables of handles, and counters that outlive their threads.
 *
 * A foreign thread against the stop, mirrored:
 *     foreign   inside = 1;  [CX1] seq_cst;  if not open: inside = 0, give up
 *     stop      open = 0;    [CX2] seq_cst;  end all processes;  wait until inside == 0 for each context, then close it
 * [CX1] pairs with [CX2]: either the foreign thread sees the gate closed or the stop sees it inside. */
#include "sched/context.h"

#include "memory/source.h"

#include <pthread.h>
#include <sched.h>

#if CONTEXT_INLINE
_Thread_local struct context *context_here;
#else
static _Thread_local struct context *context_here;
#endif

static pthread_mutex_t contexts_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t foreign_lock = PTHREAD_MUTEX_INITIALIZER; /* a foreign thread's end against the stop */
static struct context *contexts;                                 /* (l) */
static uint64_t counters_of_gone[COUNT_KINDS];                   /* (l) */
struct slots *context_tables[TABLE_COUNT];                       /* (c) while the runtime runs */
static _Atomic uint32_t open_to_foreign;                         /* 1: a foreign thread may come in */
static pthread_key_t foreign_key; /* its destructor gives a foreign thread's context back */
static pthread_once_t foreign_key_made = PTHREAD_ONCE_INIT;

#if !CONTEXT_INLINE
NOINLINE struct context *context_self(void)
{
    /* the compiler may neither merge two calls nor compute the address early (D2) */
    __asm__ __volatile__("" ::: "memory");
    return context_here;
}
#endif

/* Of the tables of the next runtime in this program: ids of an earlier one mean nobody in it. */
static uint64_t next_generations[TABLE_COUNT] = { 1, 1, 1, 1 };

bool context_tables_open(uint32_t processes)
{
    static const uint32_t capacities[TABLE_COUNT] = { 0, SLOTS_MOST, SLOTS_MOST, UINT32_C(1) << 22 };
    for (int i = 0; i < TABLE_COUNT; i++) {
        context_tables[i] = slots_create_at(i == TABLE_PIDS ? processes : capacities[i], next_generations[i]);
        if (context_tables[i] == NULL) {
            context_tables_close();
            return false;
        }
    }
    pthread_mutex_lock(&contexts_lock);
    for (int i = 0; i < COUNT_KINDS; i++)
        counters_of_gone[i] = 0;
    pthread_mutex_unlock(&contexts_lock);
    return true;
}

void context_open_to_foreign(void) { store_seq_cst(&open_to_foreign, 1); }

void context_shut_to_foreign(void) { store_seq_cst(&open_to_foreign, 0); } /* [CX2] pairs with [CX1] */

void context_tables_close(void)
{
    for (int i = 0; i < TABLE_COUNT; i++) {
        if (context_tables[i] == NULL)
            continue;
        next_generations[i] = slots_next_generation(context_tables[i]);
        slots_destroy(context_tables[i]);
        context_tables[i] = NULL;
    }
}

bool context_prepare(struct context *context, struct worker *worker, unsigned track)
{
    *context = (struct context){ .worker = worker, .foreign = context->foreign, .inside = context->foreign };
    context->pool = pool_create();
    if (context->pool == NULL)
        return false;
    context->bin = pool_alloc(context->pool, sizeof *context->bin);
    if (context->bin == NULL) {
        pool_destroy(context->pool);
        return false;
    }
    reclaim_bin_init(context->bin);
    context->trace = trace_ring_create(track);
    pthread_mutex_lock(&contexts_lock);
    context->next = contexts;
    context->link = &contexts;
    if (contexts != NULL)
        contexts->link = &context->next;
    contexts = context;
    pthread_mutex_unlock(&contexts_lock);
    return true;
}

void context_adopt(struct context *context)
{
    reclaim_thread_online();
    context_here = context;
}

struct context *context_change(struct context *context)
{
    struct context *before = context_here;
    context_here = context;
    return before;
}

bool context_open(struct context *context, struct worker *worker, unsigned track)
{
    if (!context_prepare(context, worker, track))
        return false;
    context_adopt(context);
    return true;
}

void context_dismiss(struct context *context)
{
    reclaim_bin_handoff(context->bin, context);
    pool_free(context->pool, context->bin);
    for (int i = 0; i < TABLE_COUNT; i++)
        slot_cache_return(context_tables[i], &context->caches[i]);
    trace_ring_destroy(context->trace);
    pool_flush(context->pool);
    pool_destroy(context->pool);
    pthread_mutex_lock(&contexts_lock);
    *context->link = context->next;
    if (context->next != NULL)
        context->next->link = context->link;
    for (int i = 0; i < COUNT_KINDS; i++)
        counters_of_gone[i] += load_relaxed(&context->counters[i]);
    pthread_mutex_unlock(&contexts_lock);
}

void context_close(struct context *context)
{
    context_dismiss(context);
    reclaim_thread_offline();
    context_here = NULL;
}

/* ---- foreign threads */

static void forget_foreign(void *argument)
{
    struct context *context = argument;
    pthread_mutex_lock(&foreign_lock);
    if (!context->closed) {
        store_seq_cst(&context->inside, 1); /* the stop waits, or it has closed it already */
        context_here = context;
        if (context->proxy_end != NULL)
            context->proxy_end(context);
        context_close(context);
    }
    context_here = NULL; /* closed by the stop, it is still this thread's; other destructors may call after this one */
    pthread_mutex_unlock(&foreign_lock);
    source_free(context);
}

static void make_foreign_key(void) { tr_check(pthread_key_create(&foreign_key, forget_foreign) == 0); }

static struct context *open_foreign(void)
{
    pthread_once(&foreign_key_made, make_foreign_key);
    struct context *context = pthread_getspecific(foreign_key);
    if (context == NULL) {
        context = source_alloc(sizeof *context);
        if (context == NULL)
            return NULL;
        context->foreign = context->closed = true;
        if (pthread_setspecific(foreign_key, context) != 0) {
            source_free(context);
            return NULL;
        }
    }
    return context;
}

/* Under the lock that the stop holds while it closes: no context comes into being behind its back. */
static bool reopen_foreign(struct context *context)
{
    pthread_mutex_lock(&foreign_lock);
    bool good = load_relaxed(&open_to_foreign) != 0 && context_open(context, NULL, TRACE_TRACK_FOREIGN);
    context->closed = !good; /* also where it was cleared and then there was no memory */
    pthread_mutex_unlock(&foreign_lock);
    return good;
}

struct context *context_enter_foreign(void)
{
    struct context *context = context_here;
    if (context != NULL && !context->foreign)
        return context; /* the watchdog or another thread of the runtime */
    if (context != NULL && context->depth > 0) {
        context->depth++;
        return context;
    }
    if (load_relaxed(&open_to_foreign) == 0 || (context = open_foreign()) == NULL)
        return NULL;
    store_seq_cst(&context->inside, 1); /* [CX1] pairs with [CX2] */
    if (load_seq_cst(&open_to_foreign) == 0) {
        store_release(&context->inside, 0);
        return NULL;
    }
    if (context->closed && !reopen_foreign(context)) {
        store_release(&context->inside, 0);
        return NULL;
    }
    context_here = context;
    context->depth = 1;
    return context;
}

void context_leave_foreign(struct context *context)
{
    if (context->foreign && --context->depth == 0)
        store_release(&context->inside,
                      0); /* release: all that it did, before the stop may close it; pairs with the acquire there */
}

static struct context *next_foreign(void)
{
    pthread_mutex_lock(&contexts_lock);
    struct context *context = contexts;
    while (context != NULL && !context->foreign)
        context = context->next;
    pthread_mutex_unlock(&contexts_lock);
    return context;
}

void context_close_foreign(void)
{
    pthread_mutex_lock(&foreign_lock);
    for (struct context *context; (context = next_foreign()) != NULL;) {
        while (load_acquire(&context->inside) !=
               0) /* bound: the call that it is in; all processes have ended, so no call waits */
            sched_yield();
        if (context->proxy_end != NULL)
            context->proxy_end(context);
        context_dismiss(context);
        context->closed = true;
    }
    pthread_mutex_unlock(&foreign_lock);
}

void context_forget(void)
{
    context_here = NULL;
    store_relaxed(&open_to_foreign, 0); /* relaxed: the child has one thread */
}

uint64_t context_sum(enum counter counter)
{
    pthread_mutex_lock(&contexts_lock);
    uint64_t sum = counters_of_gone[counter];
    for (struct context *context = contexts; context != NULL; context = context->next)
        sum += load_relaxed(&context->counters[counter]); /* relaxed: a moment old is what is promised */
    pthread_mutex_unlock(&contexts_lock);
    return sum;
}
