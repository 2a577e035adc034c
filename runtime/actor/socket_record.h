/* socket_record.h: a socket as the runtime sees it: its record, its life, who owns it, and how its owner waits.
 *
 * A socket's id is the handle of its poll source. The record is in its owner's ledger: the owner's end closes it.
 *
 * Life: open -> shut, by socket_shut in the owner's turn (tr_close, or its end): out of the poller, descriptor closed;
 *       shut -> freed, a grace period later.
 *
 * Owner: the process that made it; tr_socket_give hands it over. Whoever has found that it is the owner may use the
 *       pointer without a read section, over blocks too: only itself can shut the socket or give it away.
 *       [SO1] release: the record before the owner; pairs with [SO2] acquire when a caller finds that it is the owner.
 *
 * Fresh: accepted or connected, and not used since (giving is no use). A fresh socket may be meant for a process that
 *       was told of it before it was given: its tr_read or tr_write waits for the gift within its timeout, one process
 *       at a time.
 *
 * Waiting. The descriptor is non-blocking and the poller edge-triggered; each direction has one word:
 *
 *       0          no news since it was cleared, nobody waits
 *       READY      there was an edge
 *       serial<<1  the owner waits (it is parked; serial as in actor/wait.h)
 *
 *       owner                                            dispatch (on whose thread the poller is)
 *       -----                                            ---------------------------------------
 *       [SW1] word := 0 (exchange, acquire)              the kernel tells an edge
 *       try the system call; not EAGAIN: done            [SW3] old := exchange(word, READY) (acquire, release)
 *       park; then, on another stack:                    if old is a serial: wait_wake(owner, serial)
 *       [SW2] compare-and-swap(word: 0 -> serial) (release)
 *             if it fails: wait_wake(self)
 *
 *    No wake-up is lost. An edge that the owner's try did not see came after the try in the kernel, whose locks order
 *    the owner's [SW1] before the try, before the edge, before the dispatch's [SW3]. So [SW3] comes after [SW1] in the
 *    order of the word's changes: either before [SW2], which then fails, or after it, and then it wakes the owner.
 *    [SW3] pairs with [SW1] (what the dispatch saw, `hung`, before the next try) and with [SW2] (the owner's pid before
 *    the wake). An edge from before the try costs one more try at most.
 *
 *    A dispatch may leave the word alone when it reads READY already, unless it has `hung` to tell: the owner clears it
 *    before a try that comes, in the kernel's order, after that edge. The serial of a waiter that was killed, or that
 *    woke for no reason, stays until the next [SW1]: a wake with it is stale and harmless.
 *
 *    Reading TCP is cheaper than that: a read that got less than it asked for has emptied the queue (epoll(7)), so
 *    while there is no news the next one parks at once, without a try. Not after a hang-up, whose edge may have come
 *    together with the data: `hung`, which is never taken back. A peer that sends urgent data delays only itself.
 *
 * Active mode: dispatch reads instead of the owner, under the lock; see socket_active.c.
 *       [SA1] release: dispatch has done with the descriptor before it turns `active` off; pairs with [SA2] acquire by
 *       the owner, before it uses the descriptor itself.
 *
 * Field key: (c) constant; (o) the owner's turn; (d) dispatch and owner as described; (l) under the record's lock,
 * which is for what dispatch and owner both change. Nobody blocks while holding it. */
#ifndef TROUPE_ACTOR_SOCKET_RECORD_H
#define TROUPE_ACTOR_SOCKET_RECORD_H

#include "actor/actor.h"
#include "actor/socket_gift.h"
#include "actor/socket_starved.h"
#include "base/atomics.h"
#include "memory/reclaim.h"
#include "sched/poller.h"

#include <troupe/socket.h>

#include <limits.h>
#include <pthread.h>
#include <sys/types.h>

enum socket_kind { SOCKET_LISTENER, SOCKET_TCP, SOCKET_UNIX };

#define SIDE_READY UINT64_C(1)

struct socket_side {
    _Atomic uint64_t word;
};

struct expectant {
    uint64_t pid; /* 0: no one waits for the gift */
    uint64_t serial;
};

struct socket {
    struct poll_source source;         /* (c) */
    enum socket_kind kind;             /* (c) */
    _Atomic uint64_t owner;            /* pid; written by the owner when it gives */
    struct socket_side reader, writer; /* (d) */
    _Atomic bool hung;                 /* (d) set by dispatch, for good */
    bool drained;                      /* (o) the latest read emptied the queue; never true in active mode */
    _Atomic bool fresh;                /* cleared under the lock */
    _Atomic bool active;               /* changed under the lock */
    _Atomic int error;                 /* behind the latest TR_EIO */
    int limit;                         /* (l) messages left in active mode; 0: TR_SOCKET_PASSIVE is due */
    bool open;                         /* (l) */
    bool starving;                     /* (l) in active mode: on the list of socket_starved.h */
    struct expectant expectant;        /* (l) */
    pthread_mutex_t lock;
    struct gift gift; /* with the ledger's item */
    struct starved starved;
    struct retired retired;
    char *path; /* (c) what a listening Unix socket removes from the file system when it is shut; NULL */
    dev_t path_device;
    ino_t path_inode;
};

/* Makes the record for fd, the caller's, with `owner` (NULL: the poller accepted it for `pid`, and it is left in that
 * process' ledger). The descriptor is its own from here on, also on failure: TR_ENOMEM, TR_ELIMIT, TR_ENOPROC. With an
 * owner the result stays valid until that shuts it, else until the end of the caller's read section. */
int socket_create(int fd, enum socket_kind kind, struct actor *owner, uint64_t pid, struct socket **made);

/* Closes it: by the owner, or at the owner's end; it is in no ledger any more. */
void socket_shut(struct context *context, struct socket *socket);
/* The owner's: takes it out of the ledger first. */
void socket_close(struct socket *socket);

/* Every public call begins with this and, if it is TR_OK, ends with socket_leave. TR_EFOREIGN, TR_ESTOPPED. A call that
 * may block is a cancellation point. */
int socket_enter(bool may_block, struct actor **self);
static inline void socket_leave(void) { api_leave(context_self()); }

/* The open socket `id`, if it is the caller's. TR_EINVAL (another's), TR_EEND (closed). */
int socket_mine(tr_socket id, struct actor *self, struct socket **found);

/* The same before it is used: a fresh one of another is waited for, unless the deadline is 0. Also TR_ETIMEDOUT. */
int socket_use(tr_socket id, struct actor *self, int64_t deadline, struct socket **found);

/* Inside no read section. Hands it to the process `to`: as fresh as it is, and passive. TR_ENOPROC: it is dead. */
int socket_hand_over(struct socket *socket, struct actor *self, uint64_t to);

/* The time of a timeout: NEVER, or 0: don't wait at all. */
int64_t socket_deadline(int64_t timeout_ms);

/* The owner's. [SW1]: clears the word; whether there was news. */
static inline bool side_clear(struct socket_side *side)
{
    if (load_relaxed(&side->word) == 0) /* relaxed: a later edge is found by [SW2] */
        return false;
    /* [SW1] acquire: pairs with [SW3] */
    return atomic_exchange_explicit(&side->word, 0, memory_order_acquire) == SIDE_READY;
}

/* The owner's, after a try that followed side_clear: parks until there is news, or for no reason: TR_OK, try again.
 * TR_ETIMEDOUT; TR_ENOMEM: it can't be parked. */
int socket_wait(struct actor *self, struct socket_side *side, int64_t deadline);

/* Remembers the system's error number; TR_EIO. */
int socket_failed(struct socket *socket, int error);
/* On the way out of a call of self's that failed so: what the number means becomes tr_last_reason. address: where, or
 * NULL. TR_EIO. */
int socket_explain(struct actor *self, int error, const char *address);

/* As if there had been an edge: the owner tries to read or accept again. Any thread that keeps the record alive. */
void socket_nudge(struct socket *socket);

/* socket.c: the id of a socket that could not be opened: tr_socket_error knows why. */
tr_socket socket_failure(int error);

/* socket_open.c: a waiting connection's descriptor (*kind: what it is), one of these, or minus another error number. */
enum { ACCEPT_NONE = INT_MIN, ACCEPT_STARVED };
int socket_try_accept(struct socket *listener, enum socket_kind *kind);

/* socket_active.c: in dispatch, when an active socket is readable. */
void socket_active_run(struct socket *socket);
/* The owner's: ends active mode, if it is on; dispatch is done with the descriptor. */
void socket_active_stop(struct socket *socket);

#endif
