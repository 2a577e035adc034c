/* trees_world.h: the model of a tree of supervisors and workers: which node runs, what was started and ended in which
 * order, what is left of each supervisor's intensity, and how far the end of one node reaches up and down (SUP, DSUP).
 *
 * A node is a slot with a spec, which a script may change until the node is part of a tree that was started (`fixed`);
 * its parent is a supervisor with a smaller number. A supervisor that starts has the children of its spec; others are
 * added by request and are forgotten when it ends. Everything that a command leads to happens one after another, but
 * for the ends under a pooled or a killed supervisor (`unordered`). */
#ifndef TROUPE_TESTS_MODEL_BASED_TREES_WORLD_H
#define TROUPE_TESTS_MODEL_BASED_TREES_WORLD_H

#include "children.h"

enum { NODES = 14, INBOX_MOST = 256, DYNAMIC_MOST = 4, NONE = -1 };

enum state { STOPPED, RUNNING, RESTARTING };

/* How a worker takes its supervisor's word for its end. PLAIN does not trap exits; POLITE ends in its terminate; SLOW
 * needs a while for it; RUDE crashes in it; STUBBORN never comes back from it and has to be killed. */
enum style { PLAIN, POLITE, SLOW, RUDE, STUBBORN, STYLES };
enum grace { FOREVER, BRUTAL, NO_TIME, A_MOMENT, GRACES };

struct spec {
    bool planned, fixed, is_supervisor, significant;
    int parent;
    tr_restart restart;
    enum style style;
    enum grace grace;
    tr_strategy strategy;
    tr_auto_shutdown auto_shutdown;
    int allowed;         /* restarts */
    int children[NODES]; /* once it is fixed: those that it starts with */
    int child_count;
};

/* What the next starts of a worker come to. */
enum failure { FAIL_STOP, FAIL_EXIT, FAIL_FAULT };
struct plan {
    int fails, ignores;
    enum failure how;
};

static struct node {
    struct spec spec;
    struct plan plan;
    enum state state;
    bool dead;  /* it has ended, and its supervisor does not know yet */
    int births; /* how often it has begun to run */
    int known;  /* births when the driver looked last: that one it monitors */
    /* of a supervisor that runs: */
    int entries[NODES], count; /* its children, in start order */
    int restarts;
} nodes[NODES];

static bool unordered; /* the events of this command */

static const tr_reason rude = { .why = TR_WHY_USER, .code = 66, .text = "rude" };

static bool is_pooled(const struct node *node)
{
    return node->spec.strategy == TR_SIMPLE_ONE_FOR_ONE || node->spec.strategy == TR_DYNAMIC;
}

static struct node *parent_of(const struct node *node)
{
    return node->spec.parent == NONE ? NULL : &nodes[node->spec.parent];
}

/* Whether its supervisor runs and knows it. */
static bool is_entry(int slot)
{
    const struct node *parent = parent_of(&nodes[slot]);
    for (int i = 0; parent != NULL && parent->state == RUNNING && i < parent->count; i++)
        if (parent->entries[i] == slot)
            return true;
    return false;
}

/* ---- one node */

static void entry_remove(int slot)
{
    struct node *parent = parent_of(&nodes[slot]);
    int at = 0;
    while (parent->entries[at] != slot)
        at++;
    parent->count--;
    memmove(&parent->entries[at], &parent->entries[at + 1], (size_t)(parent->count - at) * sizeof parent->entries[0]);
}

/* SUP-11, SUP-23: what becomes of one that does not run any more. True: it was removed. */
static bool let_go(int slot)
{
    struct node *node = &nodes[slot];
    node->state = STOPPED;
    if (!is_pooled(parent_of(node)) && node->spec.restart != TR_TEMPORARY)
        return false;
    entry_remove(slot);
    return true;
}

static void has_ended(int slot, tr_reason reason)
{
    const struct node *node = &nodes[slot];
    if (!node->spec.is_supervisor)
        event(slot + ENDED);
    if (node->known != node->births)
        return;
    EXPECT(gone_count < GONE_MOST);
    gone[gone_count].slot = slot;
    gone[gone_count++].reason = reason;
}

/* Why a worker ends whose supervisor ends it (TR_SHUTDOWN) or was killed (TR_KILLED). */
static tr_reason asked_to_end(const struct spec *spec, tr_reason reason, enum grace grace)
{
    bool asked = tr_reason_same(&reason, &TR_SHUTDOWN);
    if (asked && (grace == BRUTAL || spec->style == STUBBORN))
        return TR_KILLED;
    return spec->style == RUDE ? rude : reason;
}

static void stop_children(struct node *node);
static void kill_supervisor(struct node *node);

/* SUP-40. */
static void stop(int slot)
{
    struct node *node = &nodes[slot];
    bool runs = node->state == RUNNING && !node->dead;
    if (runs && !node->spec.is_supervisor)
        has_ended(slot, asked_to_end(&node->spec, TR_SHUTDOWN, node->spec.grace));
    else if (runs && node->spec.grace == BRUTAL)
        kill_supervisor(node);
    else if (runs)
        stop_children(node);
    if (runs && node->spec.is_supervisor)
        has_ended(slot, node->spec.grace == BRUTAL ? TR_KILLED : TR_SHUTDOWN);
    node->state = STOPPED;
    node->dead = false;
}

/* SUP-42, DSUP-08. */
static void stop_children(struct node *node)
{
    unordered |= is_pooled(node);
    for (int i = node->count - 1; i >= 0; i--)
        stop(node->entries[i]);
    node->count = 0;
}

/* SUP-47: all of them at once, and each by itself. */
static void kill_supervisor(struct node *node)
{
    unordered = true;
    for (int i = 0; i < node->count; i++) {
        struct node *child = &nodes[node->entries[i]];
        bool runs = child->state == RUNNING && !child->dead;
        if (runs && child->spec.is_supervisor)
            stop_children(child);
        if (runs)
            has_ended(node->entries[i], asked_to_end(&child->spec, TR_KILLED, FOREVER));
        child->state = STOPPED;
        child->dead = false;
    }
    node->count = 0;
}

/* SUP-05 to SUP-08: TR_OK, TR_ESTART, TR_IGNORE. */
static int start(int slot)
{
    struct node *node = &nodes[slot];
    if (!node->spec.is_supervisor) {
        event(slot);
        if (node->plan.fails > 0 || node->plan.ignores > 0) {
            int status = node->plan.fails > 0 ? TR_ESTART : TR_IGNORE;
            (*(node->plan.fails > 0 ? &node->plan.fails : &node->plan.ignores))--;
            return status;
        }
        node->births++;
        node->state = RUNNING;
        return TR_OK;
    }
    node->births++;
    node->restarts = 0;
    node->state = RUNNING;
    node->count = node->spec.child_count;
    memcpy(node->entries, node->spec.children, sizeof node->entries);
    for (int i = 0; i < node->count;) {
        int status = start(node->entries[i]);
        if (status == TR_ESTART) {
            stop_children(node);
            node->state = STOPPED;
            return TR_ESTART;
        }
        i += status == TR_OK || !let_go(node->entries[i]);
    }
    return TR_OK;
}

/* ---- a supervisor's reactions: what it has still to look at, oldest first */

struct news {
    bool is_retry;
    int slot;
    tr_reason reason;
};

struct inbox {
    struct news news[INBOX_MOST];
    int count;
};

static void told(struct inbox *inbox, struct news news)
{
    EXPECT(inbox->count < INBOX_MOST);
    inbox->news[inbox->count++] = news;
}

/* The result: who must be tried again, or NONE. */
static int restart_one(int slot)
{
    int status = start(slot);
    if (status == TR_IGNORE)
        let_go(slot);
    return status == TR_ESTART ? slot : NONE;
}

/* SUP-21 to SUP-26. */
static int restart_group(struct node *node, int failed)
{
    int first = 0;
    while (node->spec.strategy == TR_REST_FOR_ONE && node->entries[first] != failed)
        first++;
    nodes[failed].state = STOPPED;
    for (int i = node->count - 1; i >= first; i--) {
        stop(node->entries[i]);
        let_go(node->entries[i]);
    }
    for (int i = first; i < node->count;) {
        int slot = node->entries[i];
        if (restart_one(slot) != NONE)
            return slot;
        i += i < node->count && node->entries[i] == slot;
    }
    return NONE;
}

/* SUP-14 to SUP-18. False: the supervisor gives up. */
static bool restart(struct node *node, int slot, struct inbox *inbox)
{
    if (node->restarts == node->spec.allowed) {
        let_go(slot);
        return false;
    }
    node->restarts++;
    bool group = node->spec.strategy == TR_ONE_FOR_ALL || node->spec.strategy == TR_REST_FOR_ONE;
    int again = group ? restart_group(node, slot) : restart_one(slot);
    if (again != NONE) {
        nodes[again].state = RESTARTING;
        told(inbox, (struct news){ .is_retry = true, .slot = again });
    }
    return true;
}

/* SUP-30, SUP-31. False: it shuts down. */
static bool stays(const struct node *node, bool significant)
{
    int others = 0;
    for (int i = 0; i < node->count; i++)
        others += nodes[node->entries[i]].spec.significant && nodes[node->entries[i]].state != STOPPED;
    return !significant || (node->spec.auto_shutdown != TR_ANY_SIGNIFICANT && others > 0);
}

/* SUP-11 to SUP-13. False: the supervisor ends. */
static bool react(struct node *node, const struct news *news, struct inbox *inbox)
{
    struct node *child = &nodes[news->slot];
    if (news->is_retry)
        return child->state != RESTARTING || !is_entry(news->slot) || restart(node, news->slot, inbox);
    if (!child->dead)
        return true;
    child->dead = false;
    if (child->spec.restart == TR_PERMANENT ||
        (child->spec.restart == TR_TRANSIENT && !tr_reason_clean(&news->reason))) {
        child->state = RESTARTING;
        return restart(node, news->slot, inbox);
    }
    let_go(news->slot);
    return stays(node, child->spec.significant);
}

static void root_ended(tr_reason reason)
{
    has_ended(0, reason);
    nodes[0].state = STOPPED;
    nodes[0].dead = false;
    for (int i = 0; i < NODES; i++)
        nodes[i].spec.fixed = false;
}

static void supervisor_ended(int slot, tr_reason reason);

/* What the children's ends lead to in their supervisor. */
static void reactions(int slot, struct inbox *inbox)
{
    struct node *node = &nodes[slot];
    for (int i = 0; i < inbox->count; i++)
        if (!react(node, &inbox->news[i], inbox)) {
            stop_children(node);
            supervisor_ended(slot, TR_SHUTDOWN);
            return;
        }
}

/* By itself, its children being gone already. */
static void supervisor_ended(int slot, tr_reason reason)
{
    struct inbox above = { .count = 1, .news = { { .slot = slot, .reason = reason } } };
    if (slot == 0) {
        root_ended(reason);
        return;
    }
    nodes[slot].dead = true;
    has_ended(slot, reason);
    reactions(nodes[slot].spec.parent, &above);
}

#endif
