/* trees_real.h: the real tree, made of the specs of trees_world.h, and how it is compared with the model. Workers write
 * down their starts and ends; after each command the driver waits until the supervisors have reacted and looks at all
 * of them. */
#ifndef TROUPE_TESTS_MODEL_BASED_TREES_REAL_H
#define TROUPE_TESTS_MODEL_BASED_TREES_REAL_H

#include "trees_world.h"

enum { TAG_END = 0x5472, TAG_NEVER };
enum how { HOW_NORMAL, HOW_SHUTDOWN, HOW_OTHER, HOW_FAULT, HOW_KILL, HOWS };

static const char *const ids[NODES] = { "ann", "ben", "cal", "dan", "eve", "fay", "gil",
                                        "hal", "ida", "joe", "kim", "lea", "max", "ned" };

/* ---- workers */

static struct plan real_plans[NODES];
static tr_pid pids[NODES]; /* of the latest worker; of supervisors, as the driver saw it last */
static int births[NODES];

struct beginning {
    int slot;
    enum style style;
};

struct worker {
    struct beginning is;
    bool asked; /* to end, by the driver */
};

static void note_end(void *slot) { note((int)((struct plan *)slot - real_plans) + ENDED); }

__attribute__((no_sanitize("undefined"))) static void fault(void) { *(volatile int *)0 = 1; }

static tr_reason reason_of(int how)
{
    static const tr_reason a_fault = { .why = TR_WHY_FAULT };
    switch (how) {
    case HOW_NORMAL: return TR_NORMAL;
    case HOW_SHUTDOWN: return TR_SHUTDOWN;
    case HOW_FAULT: return a_fault;
    case HOW_KILL: return TR_KILLED;
    default: return tr_because(TR_WHY_USER, how, "a reason of one's own");
    }
}

static int fail(struct plan *plan)
{
    plan->fails--;
    if (plan->how == FAIL_EXIT)
        tr_exit(reason_of(HOW_SHUTDOWN));
    if (plan->how == FAIL_FAULT)
        fault();
    return tr_stop(reason_of(HOW_OTHER));
}

static int worker_init(void *state, const tr_msg *arg)
{
    struct worker *worker = state;
    worker->is = *(const struct beginning *)tr_expect(arg, sizeof worker->is);
    struct plan *plan = &real_plans[worker->is.slot];
    note(worker->is.slot);
    if (plan->fails > 0)
        return fail(plan);
    if (plan->ignores > 0) {
        plan->ignores--;
        return TR_IGNORE;
    }
    tr_must(tr_defer(note_end, plan));
    tr_trap_exit(worker->is.style != PLAIN);
    births[worker->is.slot]++;
    pids[worker->is.slot] = tr_self();
    return TR_OK;
}

static int worker_cast(void *state, const tr_msg *message)
{
    int how = *(const int *)tr_expect(message, sizeof how);
    ((struct worker *)state)->asked = true;
    if (how == HOW_FAULT)
        fault();
    return tr_stop(reason_of(how));
}

static void worker_terminate(void *state, const tr_reason *reason)
{
    const struct worker *worker = state;
    bool shutdown = tr_reason_same(reason, &TR_SHUTDOWN);
    if (worker->asked)
        return;
    if (worker->is.style == RUDE)
        tr_exit(rude);
    if (worker->is.style == SLOW && shutdown)
        tr_sleep(1);
    if (worker->is.style == STUBBORN && shutdown)
        tr_receive_match(&(tr_match){ .tag = TAG_NEVER }, TR_INFINITY);
}

static const tr_gen_server worker_server = { .label = "worker",
                                             .state_size = sizeof(struct worker),
                                             .init = worker_init,
                                             .handle_cast = worker_cast,
                                             .terminate = worker_terminate };

/* ---- specs */

static struct beginning beginnings[NODES];
static tr_supervisor supervisors[NODES];
static tr_child children[NODES][NODES];

static tr_child spec_of(int slot);

static void fill_supervisor(int slot)
{
    const struct spec *spec = &nodes[slot].spec;
    bool simple = spec->strategy == TR_SIMPLE_ONE_FOR_ONE;
    static const struct beginning nobody = { NONE, PLAIN };
    for (int i = 0; i < spec->child_count; i++)
        children[slot][i] = spec_of(spec->children[i]);
    if (simple)
        children[slot][0] = (tr_child){ .id = "template",
                                        .server = &worker_server,
                                        .arg = &nobody,
                                        .arg_size = sizeof nobody,
                                        .restart = TR_TRANSIENT,
                                        .shutdown_ms = TR_INFINITY };
    supervisors[slot] = (tr_supervisor){ .strategy = spec->strategy,
                                         .intensity = spec->allowed == 0 ? TR_ZERO : spec->allowed,
                                         .period_s = 1000000,
                                         .auto_shutdown = spec->auto_shutdown,
                                         .children = children[slot],
                                         .child_count = simple ? 1 : (size_t)spec->child_count };
}

/* Of a node that is fixed. */
static tr_child spec_of(int slot)
{
    static const int64_t times[] = { [FOREVER] = TR_INFINITY, [BRUTAL] = TR_BRUTAL_KILL, [NO_TIME] = TR_ZERO, 1 };
    const struct spec *spec = &nodes[slot].spec;
    tr_child child = {
        .id = ids[slot], .restart = spec->restart, .significant = spec->significant, .shutdown_ms = times[spec->grace]
    };
    if (spec->is_supervisor) {
        fill_supervisor(slot);
        child.supervisor = &supervisors[slot];
        child.name = slot > 0 && is_pooled(parent_of(&nodes[slot])) ? ids[slot] : NULL;
        return child;
    }
    beginnings[slot] = (struct beginning){ slot, spec->style };
    child.server = &worker_server;
    child.arg = &beginnings[slot];
    child.arg_size = sizeof beginnings[slot];
    return child;
}

/* ---- comparing */

static tr_ref downs[NODES];
static size_t processes;

/* A child that runs: it is another one than before exactly if the model says so. */
static void compare_running(int slot, tr_pid pid)
{
    struct node *node = &nodes[slot];
    bool fresh = node->known != node->births;
    if (node->spec.is_supervisor) {
        EXPECT_EQ(tr_same(pid, pids[slot]), !fresh);
        pids[slot] = pid;
    } else {
        EXPECT_EQ(births[slot], node->births);
        EXPECT_PID(pid, pids[slot]);
    }
    if (fresh)
        downs[slot] = tr_monitor(pid);
    node->known = node->births;
}

/* SUP-52; under a pooled supervisor the order is not said, and supervisors have names. */
static const tr_child_info *line_of(const struct node *node, const tr_child_info *lines, int at)
{
    int slot = node->entries[at];
    if (!is_pooled(node))
        return &lines[node->count - 1 - at];
    tr_pid pid = nodes[slot].spec.is_supervisor ? tr_whereis(ids[slot]) : pids[slot];
    for (int i = 0; i < node->count; i++)
        if (tr_same(lines[i].pid, pid))
            return &lines[i];
    DIFFERS("%s does not know its child %s", ids[node - nodes], ids[slot]);
}

static void compare_children(const struct node *node, const tr_child_info *lines, tr_child_counts *counts)
{
    for (int i = 0; i < node->count; i++) {
        int slot = node->entries[i];
        const struct node *child = &nodes[slot];
        const tr_child_info *line = line_of(node, lines, i);
        EXPECT_EQ(strcmp(line->id, is_pooled(node) ? "undefined" : ids[slot]), 0);
        EXPECT(!line->restarting);
        EXPECT_EQ(line->is_supervisor, child->spec.is_supervisor);
        EXPECT_EQ(tr_nobody(line->pid), child->state == STOPPED);
        if (child->state == RUNNING)
            compare_running(slot, line->pid);
        counts->active += child->state == RUNNING;
        *(child->spec.is_supervisor ? &counts->supervisors : &counts->workers) += 1;
    }
}

/* A supervisor that runs, and all below it. */
static void look(int slot)
{
    const struct node *node = &nodes[slot];
    tr_child_info *lines = NULL;
    tr_child_counts real,
        expected = { .specs = node->spec.strategy == TR_SIMPLE_ONE_FOR_ONE ? 1 : (size_t)node->count };
    size_t count = 0;
    EXPECT_EQ(tr_which_children(pids[slot], &lines, &count), TR_OK);
    EXPECT_EQ(count, node->count);
    compare_children(node, lines, &expected);
    tr_free(lines);
    EXPECT_EQ(tr_count_children(pids[slot], &real), TR_OK);
    EXPECT_EQ(real.specs, expected.specs);
    EXPECT_EQ(real.active, expected.active);
    EXPECT_EQ(real.supervisors, expected.supervisors);
    EXPECT_EQ(real.workers, expected.workers);
    for (int i = 0; i < node->count; i++)
        if (nodes[node->entries[i]].spec.is_supervisor && nodes[node->entries[i]].state == RUNNING)
            look(node->entries[i]);
}

/* Waits until this supervisor has done what the ends of its children lead to, or has ended of it; then the one
 * above. */
static void await_reactions(int slot)
{
    for (; slot != NONE; slot = nodes[slot].spec.parent)
        for (struct patience p = { 0 };; model_wait(&p, "what the end of a child leads to")) {
            tr_child_info *lines;
            size_t count;
            bool busy = false;
            int status = tr_which_children(pids[slot], &lines, &count);
            if (status == TR_ENOPROC || status == TR_EDOWN)
                break;
            EXPECT_EQ(status, TR_OK);
            for (size_t i = 0; i < count; i++)
                busy |= lines[i].restarting;
            tr_free(lines);
            if (!busy)
                return;
        }
}

/* After each command that has an effect. */
static void settle(void)
{
    RULE("SUP-42");
    compare_events(!unordered, ids, downs);
    unordered = false;
    if (nodes[0].state == RUNNING)
        look(0);
}

#endif
