/* supervisors_world.h: the model of one supervisor and its children: which run, which wait, what was started and ended
 * in which order, and what is left of the intensity. It is the contract's section on supervisors, one after another. */
#ifndef TROUPE_TESTS_MODEL_BASED_SUPERVISORS_WORLD_H
#define TROUPE_TESTS_MODEL_BASED_SUPERVISORS_WORLD_H

#include "children.h"

enum { SLOTS = 6, DYNAMIC_MOST = 4 };
enum state { STOPPED, RUNNING, RESTARTING };

/* A child that the supervisor knows. */
struct entry {
    int slot;
    tr_restart restart;
    bool significant, brutal;
    enum state state;
    bool fresh;   /* started since the driver looked last: it does not know the pid yet */
    int in_a_row; /* restarts, for the back-off */
};

/* What the next starts of the child in a slot come to. */
struct plan {
    int fails, ignores;
};

static struct supervisor {
    bool alive, backs_off;
    tr_strategy strategy;
    tr_auto_shutdown auto_shutdown;
    int allowed, restarts;
    tr_reason ended;
    struct entry like;           /* of simple_one_for_one: the template */
    struct entry entries[SLOTS]; /* in start order */
    int count;
} model;

static struct plan plans[SLOTS];

static bool is_pooled(void) { return model.strategy == TR_SIMPLE_ONE_FOR_ONE || model.strategy == TR_DYNAMIC; }

static struct entry *entry_of(int slot)
{
    for (int i = 0; i < model.count; i++)
        if (model.entries[i].slot == slot)
            return &model.entries[i];
    return NULL;
}

static void entry_remove(struct entry *entry)
{
    int at = (int)(entry - model.entries);
    model.count--;
    memmove(entry, entry + 1, (size_t)(model.count - at) * sizeof *entry);
}

/* SUP-11, SUP-23: what becomes of one that does not run any more. True: it was removed. */
static bool let_go(struct entry *entry)
{
    entry->state = STOPPED;
    if (!is_pooled() && entry->restart != TR_TEMPORARY)
        return false;
    entry_remove(entry);
    return true;
}

static int start_entry(struct entry *entry)
{
    struct plan *plan = &plans[entry->slot];
    event(entry->slot);
    if (plan->fails > 0) {
        plan->fails--;
        return TR_ESTART;
    }
    if (plan->ignores > 0) {
        plan->ignores--;
        return TR_IGNORE;
    }
    entry->state = RUNNING;
    entry->fresh = true;
    return TR_OK;
}

static void has_ended(const struct entry *entry, tr_reason reason)
{
    event(entry->slot + ENDED);
    if (entry->fresh)
        return;
    EXPECT(gone_count < GONE_MOST);
    gone[gone_count].slot = entry->slot;
    gone[gone_count++].reason = reason;
}

/* SUP-40. */
static void stop_entry(struct entry *entry)
{
    if (entry->state == RUNNING)
        has_ended(entry, entry->brutal ? TR_KILLED : TR_SHUTDOWN);
    entry->state = STOPPED;
}

/* SUP-42, SUP-45. */
static void supervisor_ends(tr_reason reason)
{
    for (int i = model.count - 1; i >= 0; i--)
        stop_entry(&model.entries[i]);
    model.count = 0;
    model.alive = false;
    model.ended = reason;
}

/* The result: who must be tried again, -1: nobody. */
static int restart_one(struct entry *entry)
{
    int status = start_entry(entry), slot = entry->slot;
    if (status == TR_IGNORE)
        let_go(entry);
    return status == TR_ESTART ? slot : -1;
}

/* SUP-21 to SUP-25. */
static int restart_group(struct entry *failed)
{
    int first = model.strategy == TR_ONE_FOR_ALL ? 0 : (int)(failed - model.entries), again;
    failed->state = STOPPED;
    for (int i = model.count - 1; i >= first; i--) {
        stop_entry(&model.entries[i]);
        let_go(&model.entries[i]);
    }
    if (model.strategy == TR_REST_FOR_ONE)
        EXPECT(first < model.count);
    for (int i = first; i < model.count; i++)
        if ((again = restart_one(&model.entries[i])) >= 0) {
            model.entries[i].state = RESTARTING;
            return again;
        }
    return -1;
}

/* Whether the next restart of this one waits: for hours, so that it does not come in a script. */
static bool backs_off(struct entry *entry) { return model.backs_off && entry->in_a_row++ > 0; }

/* SUP-14 to SUP-18. */
static void restart(struct entry *entry)
{
    for (;;) {
        if (model.restarts == model.allowed) {
            let_go(entry);
            supervisor_ends(TR_SHUTDOWN);
            return;
        }
        model.restarts++;
        bool group = model.strategy == TR_ONE_FOR_ALL || model.strategy == TR_REST_FOR_ONE;
        int again = group ? restart_group(entry) : restart_one(entry);
        if (again < 0)
            return;
        entry = entry_of(again);
        entry->state = RESTARTING;
        if (backs_off(entry))
            return;
    }
}

/* A child has ended by itself: SUP-11, SUP-12, SUP-30. */
static void child_ended(struct entry *entry, tr_reason reason)
{
    has_ended(entry, reason);
    bool again = entry->restart == TR_PERMANENT || (entry->restart == TR_TRANSIENT && !tr_reason_clean(&reason));
    bool significant = entry->significant;
    if (again) {
        entry->state = RESTARTING;
        if (!backs_off(entry))
            restart(entry);
        return;
    }
    let_go(entry);
    int others = 0;
    for (int i = 0; i < model.count; i++)
        others += model.entries[i].significant && model.entries[i].state != STOPPED;
    if (significant && (model.auto_shutdown == TR_ANY_SIGNIFICANT || others == 0))
        supervisor_ends(TR_SHUTDOWN);
}

#endif
