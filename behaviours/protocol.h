/* protocol.h: the messages between the supervisor's API and the supervisor. Bodies hold no addresses but static ones.
 */
#ifndef TROUPE_BEHAVIOURS_PROTOCOL_H
#define TROUPE_BEHAVIOURS_PROTOCOL_H

#include "spec.h"

/* Tags that nobody uses by mistake; after each the body and the answer. */
enum {
    SUP_FIRST = 0x53555001,
    SUP_START_CHILD = SUP_FIRST, /* struct spec; struct answer */
    SUP_START_WITH,              /* the argument, or nothing; struct answer */
    SUP_START_TEMPLATE,          /* nothing: with the template's argument; struct answer */
    SUP_TERMINATE_ID,            /* the id; struct answer */
    SUP_TERMINATE_PID,           /* tr_pid; struct answer */
    SUP_RESTART_CHILD,           /* the id; struct answer */
    SUP_DELETE_CHILD,            /* the id; struct answer */
    SUP_WHICH_CHILDREN,          /* nothing; struct listing, then count lines, then ids */
    SUP_COUNT_CHILDREN,          /* nothing; tr_child_counts */
    SUP_GET_CHILDSPEC,           /* the id; struct spec, or nothing: not found */
    SUP_RETRY                    /* struct retry: a message of the supervisor to itself */
};

struct answer {
    int32_t status;
    tr_pid pid;
    tr_reason why;
};

struct listing {
    size_t count, ids_size;
};

/* One child; `id` is an offset into the ids, which follow the lines. */
struct line {
    tr_pid pid;
    uint32_t id;
    bool restarting, is_supervisor;
};

/* Where ids name children the one with this key, else the one whose last pid this is. */
struct retry {
    tr_pid pid;
    uint64_t key;
    uint32_t serial; /* of its struct backoff; 0 without */
};

#endif
