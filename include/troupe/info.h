/* troupe/info.h: what can be known about processes. Source: INFO-01 to INFO-03. */
#ifndef TROUPE_INFO_H
#define TROUPE_INFO_H

#include <troupe/process.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tr_process_status {
    TR_STATUS_RUNNING,   /* on a worker now */
    TR_STATUS_RUNNABLE,  /* has something to do */
    TR_STATUS_WAITING,   /* idle, or blocked in a call */
    TR_STATUS_SUSPENDED, /* by tr_suspend */
    TR_STATUS_EXITING
} tr_process_status;

/* One process. */
typedef struct tr_process_info {
    tr_pid pid, parent;
    tr_process_status status;
    char label[48];
    char name[64]; /* "" if none */
    bool trap_exit;
    size_t message_queue_len;
    size_t links, monitors, monitored_by; /* how many */
    size_t dictionary;                    /* keys */
    uint64_t reductions;                  /* messages handled, a work counter */
    size_t memory;     /* bytes that it owns: control block, state, ledger; without mailbox and stack */
    size_t stack_size; /* bytes reserved for its stack while it has one, else 0 */
} tr_process_info;

/* Fills *info, after all earlier signals of the caller to it took effect (SIG-08). TR_ENOPROC: it is dead. Blocks. Any
 * thread. */
TR_API TR_MUST_CHECK int tr_info(tr_pid pid, tr_process_info *info);
/* What of it can be known at once and without order, for tools: never blocks. Filled: pid, parent, status, name,
 * trap_exit, links, monitored_by, memory without ledger; the rest is zero. The status is what it was a moment ago; one
 * that is suspended counts as waiting or runnable. TR_ENOPROC: it is dead. Any thread. */
TR_API TR_MUST_CHECK int tr_peek(tr_pid pid, tr_process_info *info);
/* Whom it is linked with: *list is the caller's: tr_free. TR_ENOPROC, TR_ENOMEM. Ordered as tr_info. Blocks. */
TR_API TR_MUST_CHECK int tr_info_links(tr_pid pid, tr_pid **list, size_t *count);
/* Whom it watches. As tr_info_links. */
TR_API TR_MUST_CHECK int tr_info_monitors(tr_pid pid, tr_pid **list, size_t *count);
/* Who watches it. As tr_info_links. */
TR_API TR_MUST_CHECK int tr_info_monitored_by(tr_pid pid, tr_pid **list, size_t *count);
/* One waiting message. */
typedef struct tr_message_info {
    int tag;
    tr_pid sender;
    size_t size;
} tr_message_info;
/* Its waiting messages, oldest first. As tr_info_links. */
TR_API TR_MUST_CHECK int tr_info_messages(tr_pid pid, tr_message_info **list, size_t *count);
/* All processes that are not finished; an exiting one may be among them. *list is the caller's: tr_free. Any thread.
 * Source: INFO-03. */
TR_API TR_MUST_CHECK int tr_processes(tr_pid **list, size_t *count);

/* The whole system. */
typedef struct tr_system_info {
    int workers, workers_spare;
    size_t processes;
    uint64_t spawned, exited; /* spawned = exited + processes, when nothing moves */
    uint64_t messages_lost;   /* to memory, full mailboxes, dropped oldest */
    uint64_t log_dropped;     /* records that found the log's ring full */
    size_t memory;            /* bytes mapped by the runtime's pools */
    uint64_t steals, parks, takeovers;
} tr_system_info;
/* Fills *info; counts may be a moment old. TR_ESTOPPED. Any thread. */
TR_API TR_MUST_CHECK int tr_system(tr_system_info *info);

#ifdef __cplusplus
}
#endif
#endif
