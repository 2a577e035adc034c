/* signals_os.c: see signals_os.h. */
#include "actor/signals_os.h"

#include "actor/actor.h"
#include "actor/signal.h"
#include "base/check.h"
#include "base/clock.h"
#include "memory/source.h"
#include "sched/poller.h"

#include <troupe/socket.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { SIGNALS = 5 };

/* An order to stop that follows the first one sooner is the same one: see signals_os.h. */
#define SECOND_ORDER_NS (250 * NS_PER_MS)

static const int numbers[SIGNALS] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 };

struct subscriber {
    struct owned owned;
    uint64_t pid;
    int which;
    struct subscriber *next, **link; /* (l) */
};

/* Field key: (h) handlers; (l) under the lock; (c) constant. */
struct signal_state {
    _Atomic uint32_t raised;      /* (h) counted up; taken by dispatch */
    _Atomic uint32_t subscribers; /* written under the lock */
    _Atomic bool stopping;        /* without subscribers it stops the program; written under the lock */
    bool installed;               /* (l) */
    struct sigaction found;       /* (c) while installed */
    struct subscriber *first;     /* (l) */
};

static void bell_ready(struct poll_source *source, uint32_t events);
static void bell_stopped(struct poll_source *source);

static struct {
    pthread_mutex_t lock;
    struct poll_source bell; /* (l) an eventfd, never read: each write is an edge; fd -1: none */
    void (*on_stop)(int);    /* (l) */
    _Atomic int fd;          /* the bell's, for handlers; -1: none */
    _Atomic int inside;      /* handlers at work */
    _Atomic int64_t stop_at; /* (h) when the program was first told to stop; NEVER: it was not */
    _Atomic int home;        /* the process that installed them */
    struct signal_state states[SIGNALS];
} os = { .lock = PTHREAD_MUTEX_INITIALIZER,
         .bell = { .fd = -1, .ready = bell_ready, .stopped = bell_stopped },
         .fd = -1 };

static int which_of(int number)
{
    for (int i = 0; i < SIGNALS; i++) {
        if (numbers[i] == number)
            return i;
    }
    return -1;
}

/* ---- the handler: nothing but atomics and async-signal-safe calls */

static void take_default(int number)
{
    signal(number, SIG_DFL);
    raise(number); /* blocked until the handler returns */
}

static void call_found(const struct sigaction *found, int number, siginfo_t *info, void *context)
{
    if (found->sa_flags & SA_SIGINFO)
        found->sa_sigaction(number, info, context);
    else if (found->sa_handler != SIG_DFL && found->sa_handler != SIG_IGN)
        found->sa_handler(number);
}

static void ring(void)
{
    const uint64_t one = 1;
    atomic_fetch_add_explicit(&os.inside, 1, memory_order_seq_cst); /* [OS1] pairs with [OS2] */
    int fd = load_seq_cst(&os.fd);
    if (fd >= 0)
        (void)!write(fd, &one, sizeof one); /* full is impossible, and nobody could be told */
    atomic_fetch_sub_explicit(&os.inside, 1, memory_order_release);
}

/* An order to stop has come: whether it is a second one. */
static bool is_second_order(void)
{
    int64_t now = clock_now(), first = NEVER;
    /* relaxed: nothing hangs on it but who is the first */
    return !atomic_compare_exchange_strong_explicit(&os.stop_at, &first, now, memory_order_relaxed,
                                                    memory_order_relaxed) &&
           now - first >= SECOND_ORDER_NS;
}

static void handle(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    struct signal_state *state = &os.states[which_of(number)];
    if (load_relaxed(&os.home) != getpid()) {
        take_default(number);
    } else if (load_relaxed(&state->stopping) && load_relaxed(&state->subscribers) == 0 && is_second_order()) {
        take_default(number);
    } else {
        atomic_fetch_add_explicit(&state->raised, 1, memory_order_release);
        ring();
        call_found(&state->found, number, info, context);
    }
    errno = saved;
}

/* ---- dispatch */

/* Under the lock. No memory: that subscriber misses it, as it would one that comes while the same is pending. */
static void tell_subscribers(struct signal_state *state, int number)
{
    for (struct subscriber *each = state->first; each != NULL; each = each->next) {
        struct tr_msg *message = message_new(context_self(), sizeof number);
        if (message == NULL)
            continue;
        message->tag = TR_MSG_SIGNAL;
        memcpy(message_body(message), &number, sizeof number);
        deliver((tr_pid){ each->pid }, message);
    }
}

static void bell_ready(struct poll_source *source, uint32_t events)
{
    (void)source;
    (void)events;
    pthread_mutex_lock(&os.lock);
    for (int i = 0; i < SIGNALS; i++) {
        struct signal_state *state = &os.states[i];
        if (atomic_exchange_explicit(&state->raised, 0, memory_order_acquire) == 0)
            continue;
        if (state->first != NULL)
            tell_subscribers(state, numbers[i]);
        else if (load_relaxed(&state->stopping)) /* relaxed: under the lock */
            os.on_stop(numbers[i]);
    }
    pthread_mutex_unlock(&os.lock);
}

/* ---- set-up, all under the lock */

static int make_bell(void)
{
    os.bell.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (os.bell.fd < 0)
        return TR_ELIMIT;
    for (int i = 0; i < SIGNALS; i++)
        store_relaxed(&os.states[i].raised, 0); /* relaxed: what an earlier runtime did not see is over */
    int status = poller_add_resident(&os.bell);
    if (status != TR_OK) {
        close(os.bell.fd);
        os.bell.fd = -1;
        return status;
    }
    store_relaxed(&os.home, getpid()); /* relaxed: for handlers, which look at fd after it */
    store_seq_cst(&os.fd, os.bell.fd);
    return TR_OK;
}

static int need_bell(void) { return os.bell.fd >= 0 ? TR_OK : make_bell(); }

static void bell_stopped(struct poll_source *source)
{
    pthread_mutex_lock(&os.lock);
    store_seq_cst(&os.fd, -1); /* [OS2] pairs with [OS1] */
    while (load_seq_cst(&os.inside) != 0)
        sched_yield(); /* bounded by a handler's run */
    close(source->fd);
    source->fd = -1;
    pthread_mutex_unlock(&os.lock);
}

/* The disposition follows what is wanted: ours while somebody subscribed or it stops the program. */
static void settle(int which)
{
    struct signal_state *state = &os.states[which];
    bool wanted = state->first != NULL || load_relaxed(&state->stopping);
    if (wanted && !state->installed) {
        struct sigaction ours = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK };
        struct sigaction *found = &state->found;
        sigfillset(&ours.sa_mask);
        tr_check(sigaction(numbers[which], NULL, found) == 0); /* first: the handler may need it at once */
        tr_check(sigaction(numbers[which], &ours, NULL) == 0);
    } else if (!wanted && state->installed) {
        struct sigaction now;
        tr_check(sigaction(numbers[which], NULL, &now) == 0);
        if ((now.sa_flags & SA_SIGINFO) &&
            now.sa_sigaction == handle) /* else somebody took it over since: it is theirs */
            tr_check(sigaction(numbers[which], &state->found, NULL) == 0);
    }
    state->installed = wanted;
}

static void set_stopping(bool on)
{
    store_relaxed(&os.stop_at, NEVER);
    for (int i = 0; i < 2; i++) { /* SIGTERM and SIGINT stand first */
        store_relaxed(&os.states[i].stopping, on);
        settle(i);
    }
}

int os_signals_start(void (*on_stop)(int signal_number))
{
    pthread_mutex_lock(&os.lock);
    os.on_stop = on_stop;
    int status = need_bell();
    if (status == TR_OK)
        set_stopping(true);
    pthread_mutex_unlock(&os.lock);
    return status;
}

void os_signals_stop(void)
{
    pthread_mutex_lock(&os.lock);
    set_stopping(false);
    for (int i = 0; i < SIGNALS; i++)
        tr_check(os.states[i].first == NULL);
    pthread_mutex_unlock(&os.lock);
}

/* ---- subscriptions */

static void subscriber_ended(struct context *context, struct owned *item)
{
    (void)context;
    struct subscriber *gone = CONTAINER_OF(item, struct subscriber, owned);
    struct signal_state *state = &os.states[gone->which];
    pthread_mutex_lock(&os.lock);
    *gone->link = gone->next;
    if (gone->next != NULL)
        gone->next->link = gone->link;
    atomic_fetch_sub_explicit(&state->subscribers, 1,
                              memory_order_relaxed); /* relaxed: for handlers, a moment late is as good */
    settle(gone->which);
    pthread_mutex_unlock(&os.lock);
    source_free(gone);
}

static bool subscribed(const struct signal_state *state, uint64_t pid)
{
    for (const struct subscriber *each = state->first; each != NULL; each = each->next) {
        if (each->pid == pid)
            return true;
    }
    return false;
}

static void subscribe(struct subscriber *fresh, struct signal_state *state)
{
    fresh->next = state->first;
    fresh->link = &state->first;
    if (state->first != NULL)
        state->first->link = &fresh->next;
    state->first = fresh;
    atomic_fetch_add_explicit(&state->subscribers, 1, memory_order_relaxed);
    settle(fresh->which);
}

static int subscribe_self(struct actor *self, int which)
{
    struct subscriber *fresh = source_alloc(sizeof *fresh);
    if (fresh == NULL)
        return TR_ENOMEM;
    *fresh = (struct subscriber){ .owned.release = subscriber_ended, .pid = self->pid, .which = which };
    struct signal_state *state = &os.states[which];
    pthread_mutex_lock(&os.lock);
    int status = need_bell();
    bool before = subscribed(state, fresh->pid);
    if (status == TR_OK && !before)
        subscribe(fresh, state);
    pthread_mutex_unlock(&os.lock);
    if (status != TR_OK || before)
        source_free(fresh);
    else
        ledger_add(self, &fresh->owned);
    return status;
}

API int tr_signal_subscribe(int signal_number)
{
    struct context *context = api_enter();
    int which = which_of(signal_number);
    if (context == NULL)
        return TR_ESTOPPED;
    struct actor *self = actor_here(context);
    int status = which < 0 ? TR_EINVAL : self == NULL ? TR_EFOREIGN : subscribe_self(self, which);
    api_leave(context);
    return status;
}
