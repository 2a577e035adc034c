/* plan.h: a batch of requests on its way to the shards and back.
 *
 *   requests -> plan_add    operations, each in the lane of its shard; answers, in the order of the requests
 *            -> plan_pack   one request body for each lane
 *            -> (the caller has the shards execute them and gives each lane its answer, or none)
 *            -> plan_answer the replies, in the order of the requests, whatever the shards
 *
 * A plan does not copy arguments: the buffer that the requests lie in stays where it is until plan_pack. Invariants:
 * operations are in the order of their answers; an answer's operations follow each other; lanes are in order of first
 * use, lane->operations counts the operations that name it. A plan of few operations allocates nothing. */
#ifndef CACHE_PLAN_H
#define CACHE_PLAN_H

#include "command.h"
#include "operation.h"

enum { SHARDS_MAX = 128 };

enum {
    PLAN_OPERATIONS_MAX = 512, /* a plan with so many is full, whatever of one command is left */
    PLAN_BYTES_MAX = 1024 * 1024,
    PLAN_FEW = 4
};

/* How a command's reply is made of those of its operations. */
enum answer_kind {
    ANSWER_LOCAL, /* bytes in `local`, no operation */
    ANSWER_ONE,   /* as it is */
    ANSWER_SUM,   /* the sum of integers */
    ANSWER_ARRAY, /* an array of them */
    ANSWER_OK,    /* +OK */
    ANSWER_KEYS,  /* lists, one after the other */
    ANSWER_INFO   /* statistics as text */
};

struct answer {
    enum answer_kind kind;
    uint32_t count;    /* of operations; of ANSWER_LOCAL: of bytes */
    uint32_t sections; /* ANSWER_INFO: which, see info.h */
};

struct planned {
    struct operation operation;
    uint32_t lane;
    const char *key, *value;
};

/* A shard's part of the plan. */
struct lane {
    uint32_t shard, operations;
    size_t size;       /* of the request's body */
    char *body;        /* plan_pack: in its memory */
    const char *reply; /* the answer, set by the caller; NULL: the shard is lost */
    size_t reply_size;
    size_t at;      /* plan_pack: the end of the body; plan_answer: the next reply */
    size_t size_at; /* plan_answer: where that reply's size stands */
};

struct plan {
    uint32_t shards;
    int64_t now_ms;
    bool failed;  /* no memory: nothing of it may be executed */
    bool mixed;   /* an answer is not ANSWER_ONE */
    bool borrows; /* a value stays in the connection's buffer until the shards have answered */
    struct planned *planned;
    struct answer *answers;
    struct lane *lanes;
    size_t planned_count, planned_room, answer_count, answer_room, lane_count, lane_room;
    size_t bytes; /* of all lanes' bodies */
    struct bytes local;
    struct planned few_planned[PLAN_FEW];
    struct answer few_answers[PLAN_FEW];
    struct lane few_lanes[PLAN_FEW];
    uint8_t lane_of[SHARDS_MAX]; /* 1 + lane; 0: none yet */
};

/* now_ms: of the clock of deadlines. */
void plan_start(struct plan *plan, uint32_t shards, int64_t now_ms);
/* Frees what it holds; a second time does nothing. */
void plan_stop(struct plan *plan);
/* Plans a request whose command_check was good and that is not COMMAND_ALONE. */
void plan_add(struct plan *plan, const struct request *request);
/* The caller wrote a reply into plan->local since its size was `begin`: it is the next answer. */
void plan_local(struct plan *plan, size_t begin);
static inline bool plan_full(const struct plan *plan)
{
    return plan->planned_count >= PLAN_OPERATIONS_MAX || plan->bytes >= PLAN_BYTES_MAX;
}

/* For the commands: the operation on this key, in its shard. */
struct operation *plan_key(struct plan *plan, enum operation_code code, struct slice key, struct slice value);
/* The operation in every shard; on_shard: in one. */
void plan_everywhere(struct plan *plan, enum operation_code code, struct slice key);
struct operation *plan_on_shard(struct plan *plan, enum operation_code code, uint32_t shard, struct slice key);
/* How the operations planned since there were `begin` of them make the reply. */
void plan_reply(struct plan *plan, enum answer_kind kind, size_t begin);

/* Writes the requests' bodies into memory of plan->bytes, aligned to 8. */
void plan_pack(struct plan *plan, char *memory);
/* A reply that can be sent as it lies in the only lane's answer: its bytes; size 0: there is none. */
struct slice plan_direct(const struct plan *plan);
/* Appends all replies. */
void plan_answer(struct plan *plan, struct bytes *out);

#endif
