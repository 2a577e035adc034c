/* supervisors_real.h: the children of the real supervisor, and how it and they are compared with the model. Children
 * write down their starts and ends; the driver looks after each command, when the supervisor has reacted. */
#ifndef TROUPE_TESTS_MODEL_BASED_SUPERVISORS_REAL_H
#define TROUPE_TESTS_MODEL_BASED_SUPERVISORS_REAL_H

#include "supervisors_world.h"

static const char *const ids[SLOTS] = { "ann", "ben", "cal", "dan", "eve", "fay" };

/* ---- the children */

static struct plan real_plans[SLOTS];
static tr_pid pids[SLOTS]; /* of the latest child, by slot */
static tr_pid seen[SLOTS]; /* the one that the driver has looked at last, and its monitor of it */
static tr_ref monitors[SLOTS];

static void note_end(void *slot) { note((int)((struct plan *)slot - real_plans) + ENDED); }

static void child(const tr_msg *arg)
{
    tr_must(tr_defer(note_end, &real_plans[*(const int *)tr_expect(arg, sizeof(int))]));
    tr_started();
    puppet(NULL);
}

/* In the supervisor. */
static int start(const tr_msg *arg, tr_pid *pid)
{
    int slot = *(const int *)tr_expect(arg, sizeof slot);
    struct plan *plan = &real_plans[slot];
    note(slot);
    if (plan->fails > 0) {
        plan->fails--;
        return tr_stop(tr_because(TR_WHY_USER, slot, "fails"));
    }
    if (plan->ignores > 0) {
        plan->ignores--;
        return TR_IGNORE;
    }
    int status = tr_start_entry(child, &slot, sizeof slot, true, &(tr_start_options){ .flags = TR_START_LINK }, pid);
    pids[slot] = *pid;
    return status;
}

/* ---- comparing */

static tr_pid real; /* the supervisor */
static tr_ref real_down;
static size_t processes;

static void compare_line(const tr_child_info *line, struct entry *entry)
{
    if (strcmp(line->id, is_pooled() ? "undefined" : ids[entry->slot]) != 0)
        DIFFERS("a child is %s, the model says %s", line->id, ids[entry->slot]);
    EXPECT_EQ(line->restarting, entry->state == RESTARTING);
    EXPECT(!line->is_supervisor);
    EXPECT_PID(line->pid, entry->state == RUNNING ? pids[entry->slot] : (tr_pid){ 0 });
    if (entry->state != RUNNING)
        return;
    EXPECT_EQ(tr_same(pids[entry->slot], seen[entry->slot]), !entry->fresh);
    if (entry->fresh)
        monitors[entry->slot] = tr_monitor(pids[entry->slot]);
    seen[entry->slot] = pids[entry->slot];
    entry->fresh = false;
}

/* Of those that are not named the order is not said: who waits stands for anybody who does. */
static const tr_child_info *line_of(const tr_child_info *lines, size_t count, const struct entry *entry)
{
    tr_pid pid = entry->state == RUNNING ? pids[entry->slot] : (tr_pid){ 0 };
    for (size_t i = 0; i < count; i++)
        if (tr_same(lines[i].pid, pid))
            return &lines[i];
    DIFFERS("the supervisor does not know the child %s", ids[entry->slot]);
}

static void look(void)
{
    tr_child_info *lines = NULL;
    tr_child_counts counts;
    size_t count = 0, running = 0, waiting = 0;
    if (!model.alive)
        return;
    EXPECT_EQ(tr_which_children(real, &lines, &count), TR_OK);
    EXPECT_EQ(count, model.count);
    for (int i = 0; i < model.count; i++) {
        struct entry *entry = &model.entries[i];
        RULE("SUP-52");
        compare_line(is_pooled() ? line_of(lines, count, entry) : &lines[model.count - 1 - i], entry);
        running += entry->state == RUNNING;
        waiting += entry->state == RESTARTING;
    }
    tr_free(lines);
    EXPECT_EQ(tr_count_children(real, &counts), TR_OK);
    EXPECT_EQ(counts.specs, model.strategy == TR_SIMPLE_ONE_FOR_ONE ? 1 : model.count);
    EXPECT_EQ(counts.active, is_pooled() ? (size_t)model.count - waiting : running);
    EXPECT_EQ(counts.supervisors, 0);
    EXPECT_EQ(counts.workers, model.count);
}

/* After each command that has an effect. */
static void settle(bool ordered)
{
    if (!model.alive)
        expect_down(real_down, &model.ended);
    compare_events(ordered, ids, monitors);
    look();
}

/* Waits until the supervisor has done what the end of this child leads to. */
static void await_reaction(tr_pid ended)
{
    for (struct patience p = { 0 };; model_wait(&p, "what the end of a child leads to")) {
        tr_child_info *lines;
        size_t count;
        bool busy = false;
        int status = tr_which_children(real, &lines, &count);
        if (status == TR_ENOPROC || status == TR_EDOWN)
            return;
        EXPECT_EQ(status, TR_OK);
        for (size_t i = 0; i < count; i++)
            busy |= tr_same(lines[i].pid, ended) || (lines[i].restarting && !model.backs_off);
        tr_free(lines);
        if (!busy)
            return;
    }
}

#endif
