/* socket_record.c: see socket_record.h.
 *
 * Functions with a read section are not inlined into callers that block between two of them: compilers keep the address
 * of a thread-local, and the caller may come back on another thread (D2). */
#include "actor/socket_record.h"

#include "actor/call.h"
#include "actor/end.h"
#include "actor/wait.h"
#include "base/clock.h"
#include "memory/source.h"
#include "sched/context.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- dispatch */

static void tell(struct socket *socket, struct socket_side *side, bool always)
{
    if (load_relaxed(&side->word) == SIDE_READY && !always) /* relaxed: see socket_record.h */
        return;
    uint64_t old = atomic_exchange_explicit(&side->word, SIDE_READY,
                                            memory_order_acq_rel); /* [SW3] pairs with [SW1], [SW2] */
    if (old > SIDE_READY)
        wait_wake((tr_pid){ load_relaxed(&socket->owner) }, old >> 1); /* relaxed: ordered by [SW2] */
}

void socket_nudge(struct socket *socket) { tell(socket, &socket->reader, false); }

static void socket_ready(struct poll_source *source, uint32_t events)
{
    struct socket *socket = CONTAINER_OF(source, struct socket, source);
    bool hung = (events & POLL_HUNG) != 0;
    if (hung)
        store_relaxed(&socket->hung, true); /* relaxed: [SW3] follows */
    if (events & POLL_READABLE)
        tell(socket, &socket->reader, hung);
    if (events & POLL_WRITABLE)
        tell(socket, &socket->writer, hung);
    if ((events & POLL_READABLE) &&
        load_relaxed(&socket->active)) /* relaxed: whoever turns it on rearms the source afterwards */
        socket_active_run(socket);
}

/* ---- life */

static void release_record(struct retired *item, void *context)
{
    (void)context;
    struct socket *socket = CONTAINER_OF(item, struct socket, retired);
    source_free(socket->path);
    source_free(socket);
}

static void owner_ended(struct context *context, struct owned *item)
{
    socket_shut(context, CONTAINER_OF(item, struct socket, gift.owned));
}

static struct socket *make_record(int fd, enum socket_kind kind, uint64_t pid)
{
    struct socket *socket = source_alloc(sizeof *socket);
    if (socket == NULL)
        return NULL;
    socket->source = (struct poll_source){ .fd = fd, .ready = socket_ready };
    socket->kind = kind;
    socket->open = true;
    socket->gift.owned.release = owner_ended;
    socket->retired.release = release_record;
    store_relaxed(&socket->owner, pid); /* relaxed: poller_add publishes the record */
    store_relaxed(&socket->fresh, kind != SOCKET_LISTENER);
    pthread_mutex_init(&socket->lock, NULL);
    return socket;
}

int socket_create(int fd, enum socket_kind kind, struct actor *owner, uint64_t pid, struct socket **made)
{
    struct socket *socket = make_record(fd, kind, pid);
    if (socket == NULL) {
        close(fd);
        return TR_ENOMEM;
    }
    int status = poller_add(&socket->source);
    if (status != TR_OK) {
        close(fd);
        reclaim_retire(context_self()->bin, &socket->retired);
        return status;
    }
    *made = socket;
    if (owner != NULL) {
        ledger_add(owner, &socket->gift.owned);
        return TR_OK;
    }
    if (gift_offer(pid, &socket->gift))
        return TR_OK;
    socket_shut(context_self(), socket);
    return TR_ENOPROC;
}

static void remove_path(const struct socket *socket)
{
    struct stat now;
    if (socket->path != NULL && lstat(socket->path, &now) == 0 && now.st_dev == socket->path_device &&
        now.st_ino == socket->path_inode)
        unlink(socket->path); /* what cannot be removed is taken for stale by the next who listens there */
}

static void wake_expectant(struct expectant expectant)
{
    if (expectant.pid != 0)
        wait_wake((tr_pid){ expectant.pid }, expectant.serial);
}

/* Under the lock; the result is woken afterwards. */
static struct expectant take_expectant(struct socket *socket)
{
    struct expectant taken = socket->expectant;
    socket->expectant = (struct expectant){ .serial = 0 };
    return taken;
}

void socket_shut(struct context *context, struct socket *socket)
{
    pthread_mutex_lock(&socket->lock);
    socket->open = false; /* from here on dispatch does not touch the descriptor */
    store_relaxed(&socket->active, false);
    struct expectant expectant = take_expectant(socket);
    pthread_mutex_unlock(&socket->lock);
    starved_remove(&socket->starved);
    poller_remove(&socket->source);
    remove_path(socket);
    close(socket->source.fd);
    reclaim_retire(context->bin, &socket->retired);
    wake_expectant(expectant);
    starved_feed();
}

void socket_close(struct socket *socket)
{
    ledger_remove(&socket->gift.owned);
    socket_shut(context_self(), socket);
}

/* ---- whose */

int socket_enter(bool may_block, struct actor **self)
{
    struct context *context = api_enter();
    if (context == NULL)
        return TR_ESTOPPED;
    *self = actor_here(context);
    if (*self == NULL) {
        api_leave(context);
        return TR_EFOREIGN;
    }
    if (may_block) {
        actor_check_blocking(context, *self);
        if (UNLIKELY(worker_is_overdue(context->worker))) /* a peer that is never slow must not keep the worker */
            actor_yield(*self);
    }
    return TR_OK;
}

enum { MAYBE_SOON = 1 }; /* another's, but fresh */

/* In a read section: the open socket of an id, whoever owns it; NULL. */
static struct socket *find(tr_socket id)
{
    struct poll_source *source = poller_find(id.id);
    return source == NULL ? NULL : CONTAINER_OF(source, struct socket, source); /* the residents have no handle there */
}

static NOINLINE int look_up(tr_socket id, struct actor *self, struct socket **found)
{
    int status = TR_EEND;
    read_begin();
    struct socket *socket = find(id);
    if (socket != NULL) {
        bool mine = load_acquire(&socket->owner) == self->pid; /* [SO2] acquire: pairs with [SO1] */
        bool fresh = load_relaxed(&socket->fresh);             /* relaxed: a hint, looked at again under the lock */
        status = mine ? TR_OK : fresh ? MAYBE_SOON : TR_EINVAL;
    }
    read_end();
    if (status == TR_OK)
        gift_take(self);
    *found = socket;
    return status;
}

int socket_mine(tr_socket id, struct actor *self, struct socket **found)
{
    int status = look_up(id, self, found);
    return status == MAYBE_SOON ? TR_EINVAL : status;
}

struct expectation {
    tr_socket id;
    struct expectant me;
};

/* On another stack, the caller is parked. A copy, since the caller's frame is gone as soon as it can be woken. */
static NOINLINE void expect(void *arg)
{
    const struct expectation wish = *(const struct expectation *)arg;
    struct expectant woken = wish.me; /* if there is nothing to wait for */
    read_begin();
    struct socket *socket = find(wish.id);
    if (socket != NULL) {
        pthread_mutex_lock(&socket->lock);
        if (socket->open && load_relaxed(&socket->fresh) && load_relaxed(&socket->owner) != wish.me.pid) {
            woken = socket->expectant; /* the one before, if any, is told that it waits for nothing */
            socket->expectant = wish.me;
        }
        pthread_mutex_unlock(&socket->lock);
    }
    read_end();
    wake_expectant(woken);
}

/* Parks; TR_OK: woken, or for no reason. */
static int park(struct actor *self, uint64_t serial, int64_t deadline, void (*post)(void *arg), void *arg)
{
    tr_msg *unused;
    switch (wait_for(self, serial, deadline, true, post, arg, &unused)) {
    case WAIT_TIMEOUT: return TR_ETIMEDOUT;
    case WAIT_NO_MEMORY: return TR_ENOMEM;
    default: return TR_OK;
    }
}

/* Whether the wish still stood, that is, nothing has happened to the socket. It does not any more. */
static NOINLINE bool withdraw(const struct expectation *wish)
{
    bool stood = false;
    read_begin();
    struct socket *socket = find(wish->id);
    if (socket != NULL) {
        pthread_mutex_lock(&socket->lock);
        stood = socket->expectant.pid == wish->me.pid && socket->expectant.serial == wish->me.serial;
        if (stood)
            socket->expectant = (struct expectant){ .serial = 0 };
        pthread_mutex_unlock(&socket->lock);
    }
    read_end();
    return stood;
}

/* Until it is the caller's. Who is woken while it is still fresh and another's has been passed over, and does not wait
 * again. */
static int await_gift(tr_socket id, struct actor *self, int64_t deadline, struct socket **found)
{
    int status = TR_EINVAL;
    bool goes_on = deadline != 0;
    while (goes_on) {
        struct expectation wish = { id, { self->pid, wait_serial(self) } };
        int parked = park(self, wish.me.serial, deadline, expect, &wish);
        goes_on = withdraw(&wish) && parked == TR_OK;
        status = parked == TR_OK ? socket_mine(id, self, found) : parked;
    }
    return status;
}

/* The owner's: from now on nobody else waits for it. */
static void first_use(struct socket *socket)
{
    pthread_mutex_lock(&socket->lock);
    store_relaxed(&socket->fresh, false);
    struct expectant expectant = take_expectant(socket);
    pthread_mutex_unlock(&socket->lock);
    wake_expectant(expectant);
}

int socket_use(tr_socket id, struct actor *self, int64_t deadline, struct socket **found)
{
    int status = look_up(id, self, found);
    if (status == MAYBE_SOON)
        status = await_gift(id, self, deadline, found);
    if (status == TR_OK && load_relaxed(&(*found)->fresh)) /* relaxed: only the owner clears it */
        first_use(*found);
    return status;
}

int socket_hand_over(struct socket *socket, struct actor *self, uint64_t to)
{
    socket_active_stop(socket);
    socket->drained = false;
    ledger_remove(&socket->gift.owned);
    read_begin(); /* from the offer on `to` may end, and with it the socket */
    bool offered = gift_offer(to, &socket->gift);
    struct expectant expectant = { .serial = 0 };
    if (offered) {
        pthread_mutex_lock(&socket->lock);
        store_release(&socket->owner, to); /* [SO1] release: pairs with [SO2] */
        expectant = take_expectant(socket);
        pthread_mutex_unlock(&socket->lock);
    }
    read_end();
    wake_expectant(expectant);
    if (offered)
        return TR_OK;
    ledger_add(self, &socket->gift.owned);
    return TR_ENOPROC;
}

/* ---- waiting */

int64_t socket_deadline(int64_t timeout_ms)
{
    return timeout_ms == 0 ? 0 : timeout_ms < 0 ? NEVER : deadline_after(clock_now(), timeout_ms);
}

struct waiting {
    struct socket_side *side;
    uint64_t pid, serial;
};

/* On another stack, the caller is parked; after the exchange its frame may be gone. */
static void publish(void *arg)
{
    const struct waiting waiting = *(const struct waiting *)arg;
    uint64_t none = 0;
    /* [SW2] release: pairs with [SW3] */
    if (!atomic_compare_exchange_strong_explicit(&waiting.side->word, &none, waiting.serial << 1, memory_order_release,
                                                 memory_order_relaxed))
        wait_wake((tr_pid){ waiting.pid }, waiting.serial);
}

int socket_wait(struct actor *self, struct socket_side *side, int64_t deadline)
{
    if (load_relaxed(&side->word) == SIDE_READY) /* relaxed: [SW1] of the next try acquires */
        return TR_OK;
    if (deadline == 0)
        return TR_ETIMEDOUT;
    struct waiting waiting = { side, self->pid, wait_serial(self) };
    int status = park(self, waiting.serial, deadline, publish, &waiting);
    uint64_t mine = waiting.serial << 1;
    /* relaxed: nobody learns anything from a waiter that leaves. It fails if there is news after all, or nothing was
     * published. */
    if (status != TR_OK &&
        !atomic_compare_exchange_strong_explicit(&side->word, &mine, 0, memory_order_relaxed, memory_order_relaxed) &&
        mine == SIDE_READY)
        status = TR_OK;
    return status;
}

int socket_failed(struct socket *socket, int error)
{
    store_relaxed(&socket->error, error); /* relaxed: the owner's own, or told by a message */
    return TR_EIO;
}

NOINLINE int socket_explain(struct actor *self, int error, const char *address)
{
    struct context *context = context_self();
    char room[64];
    const char *text = strerror_r(error, room, sizeof room); /* GNU's: it may be elsewhere */
    tr_reason reason = address == NULL ? tr_because(TR_WHY_STATUS, TR_EIO, "%s", text)
                                       : tr_because(TR_WHY_STATUS, TR_EIO, "%s (%s)", text, address);
    if (actor_cold(context, self) != NULL)
        call_set_last(context, self, notice_new(context, &reason, NULL, 0));
    return TR_EIO;
}
