/* puppet.h: processes that do what the driver orders, one thing after another, and report. Everything else that they
 * get stays in their mailboxes until an order takes it out.
 *
 * An order is a function that runs in the puppet on a copy of a struct order; what it leaves there comes back. */
#ifndef TROUPE_TESTS_MODEL_BASED_PUPPET_H
#define TROUPE_TESTS_MODEL_BASED_PUPPET_H

#include "model.h"

enum { PUPPET_ORDER = 0x4f52, PUPPET_WORD, TAKE_MOST = 256 };

/* A message as the driver sees it. */
struct taken {
    int tag;
    tr_kind kind;
    tr_pid sender;
    tr_ref ref;
    tr_reason reason; /* zero if it has none */
    int64_t value;    /* the body, if that is its size; else its size, negative */
};

struct order {
    void (*run)(struct order *order);
    tr_pid pid;
    tr_ref ref;
    tr_timer timer;
    tr_reason reason;
    int64_t value;
    int number, status;
    bool yes;
    const char *name; /* static */
    int taken_count;  /* of order_take: what it took stands in `took` */
};

static struct taken took[TAKE_MOST]; /* of the latest order_take, whose reply hands it over */

UNUSED static void puppet(const tr_msg *arg)
{
    (void)arg;
    for (;;) {
        model_wander();
        const tr_msg *message = tr_receive_match(&(tr_match){ .tag = PUPPET_ORDER }, TR_INFINITY);
        struct order order = *(const struct order *)tr_expect(message, sizeof order);
        tr_from from = tr_from_of(message);
        order.run(&order);
        tr_reply(from, &order, sizeof order);
    }
}

/* The puppet does it: TR_OK; TR_EDOWN, TR_ENOPROC if it ended over it or before; a puppet that does nothing differs. */
UNUSED static int let(tr_pid pid, struct order *order)
{
    int status = tr_call(pid, PUPPET_ORDER, order, sizeof *order, order, sizeof *order, model_patience_ms());
    EXPECT(status != TR_ETIMEDOUT);
    model_did();
    return status;
}

/* The same, of a puppet that must outlive it. */
UNUSED static void must_let(tr_pid pid, struct order *order) { EXPECT_EQ(let(pid, order), TR_OK); }

UNUSED static struct taken taken_of(const tr_msg *message)
{
    struct taken taken = { .tag = tr_tag(message),
                           .kind = tr_kind_of(message),
                           .sender = tr_sender(message),
                           .ref = tr_ref_of(message),
                           .value = -(int64_t)tr_size(message) };
    if (tr_reason_of(message) != NULL)
        taken.reason = *tr_reason_of(message);
    if (tr_size(message) == sizeof taken.value)
        memcpy(&taken.value, tr_body(message), sizeof taken.value);
    return taken;
}

static bool is_no_order(const tr_msg *message, const void *arg)
{
    (void)arg;
    return tr_tag(message) != PUPPET_ORDER;
}

/* In the puppet: takes what is in its mailbox, at most TAKE_MOST messages. */
UNUSED static void order_take(struct order *order)
{
    const tr_msg *message;
    order->taken_count = 0;
    while (order->taken_count < TAKE_MOST &&
           (message = tr_receive_match(&(tr_match){ .accept = is_no_order }, 0)) != NULL)
        took[order->taken_count++] = taken_of(message);
}

/* ---- ends */

enum end { END_RETURN, END_EXIT, END_FAULT, END_SIGNAL, END_KILL, ENDS };
UNUSED static const char *const end_words[] = { "return", "exit", "fault", "signal", "kill" };

/* In the puppet. */
UNUSED static void order_exit(struct order *order) { tr_exit(order->reason); }

UNUSED __attribute__((no_sanitize("undefined"))) static void order_fault(struct order *order)
{
    (void)order;
    *(volatile int *)0 = 1;
}

/* In the puppet: an exit signal to pid; number: the status. */
UNUSED static void order_signal(struct order *order) { order->status = tr_exit_signal(order->pid, order->reason); }

/* Makes a puppet that does not trap exits end in this way; returns the reason that it must end with. A fault only says
 * why: compare it by same_end. */
UNUSED static tr_reason end_puppet(tr_pid pid, enum end end, int code)
{
    struct order order = { .reason = tr_because(TR_WHY_USER, code, "%d", code) };
    switch (end) {
    case END_RETURN: order.reason = TR_NORMAL; break;
    case END_EXIT: break;
    case END_FAULT:
        order.run = order_fault;
        EXPECT_EQ(let(pid, &order), TR_EDOWN);
        return tr_because(TR_WHY_FAULT, 0, NULL);
    case END_SIGNAL: EXPECT_EQ(tr_exit_signal(pid, order.reason), TR_OK); return order.reason;
    case END_KILL:
    case ENDS: EXPECT_EQ(tr_exit_signal(pid, TR_KILL), TR_OK); return TR_KILLED;
    }
    order.run = order_exit;
    tr_reason reason = order.reason;
    EXPECT_EQ(let(pid, &order), TR_EDOWN);
    return reason;
}

UNUSED static void expect_down(tr_ref monitor, const tr_reason *expected)
{
    tr_reason reason;
    model_did();
    EXPECT_EQ(tr_await_down(monitor, model_patience_ms(), &reason), TR_OK);
    if (expected->why == TR_WHY_FAULT)
        EXPECT_EQ(reason.why, TR_WHY_FAULT);
    else
        EXPECT_REASON(&reason, expected);
}

/* How many processes there are when nothing moves. */
UNUSED static size_t settled_processes(void)
{
    tr_system_info info = { 0 };
    struct patience patience = { 0 };
    for (EXPECT_EQ(tr_system(&info), TR_OK); info.spawned != info.exited + info.processes;
         EXPECT_EQ(tr_system(&info), TR_OK))
        model_wait(&patience, "the end of all who end");
    return info.processes;
}

/* All who were to end have ended: `count` processes are left. */
UNUSED static void expect_processes(size_t count)
{
    for (struct patience p = { 0 }; settled_processes() != count;)
        model_wait(&p, "the end of all processes of the script");
}

#endif
