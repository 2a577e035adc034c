/* trees_model.c: trees of supervisors of all strategies, up to NODES deep: ends of workers and supervisors, several at
 * once, workers that are slow to end or never do, starts that fail during a restart, too many restarts that go up the
 * tree, automatic shutdown from level to level, children added by request (SUP, DSUP). supervisors_model.c has all of
 * one supervisor's requests.
 *
 * A script plans nodes, starts the tree at node 0, and goes on from there; nodes that are planned later are added to
 * supervisors that run. A period is longer than any run, so that the intensity is exact. Several ends at once: the
 * supervisor is suspended meanwhile, so that it finds all of them in its mailbox, in order. */
#include "trees_real.h"

enum { STRATEGIES = 5, AUTOS = 3, PLACES = 6 };
enum { SUPERVISOR, WORKER, PLAN, START, ADD, TERMINATE, RESTART, DELETE, END, END_MANY, STOP_SUPERVISOR, STRANGER };

static const char *const strategy_words[] = { "one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one",
                                              "dynamic" };
static const char *const auto_words[] = { "never", "any_significant", "all_significant", "never_brutal" };
static const int intensities[] = { 1, 2, 3, 0, 1000 };
/* What may be significant is, unless it says otherwise. */
static const char *const restart_words[] = { "permanent", "transient", "temporary", "transient_insignificant",
                                             "temporary_insignificant" };
static const char *const style_words[] = { "plain", "polite", "slow", "rude", "stubborn" };
static const char *const grace_words[] = { "forever", "brutal", "no_time", "a_moment" };
static const char *const plan_words[] = { "well", "ignore", "fail", "fail_twice", "fail_four_times" };
static const char *const failure_words[] = { "stop", "exit", "fault" };
static const char *const how_words[] = { "normal", "shutdown", "other", "fault", "kill" };
static const char *const killed_words[] = { "orderly", "killed" };

static const struct operation operations[] = {
    [SUPERVISOR] = { "supervisor",
                     18,
                     { UPTO(NODES), UPTO(NODES), ONE_OF(strategy_words), UPTO(TR_COUNT(intensities)),
                       ONE_OF(auto_words), ONE_OF(restart_words) } },
    [WORKER] = { "worker",
                 24,
                 { UPTO(NODES), UPTO(NODES), ONE_OF(restart_words), ONE_OF(style_words), ONE_OF(grace_words) } },
    [PLAN] = { "plan", 16, { UPTO(NODES), ONE_OF(plan_words), ONE_OF(failure_words) } },
    [START] = { "start", 12, { UPTO(1) } },
    [ADD] = { "start_child", 14, { UPTO(NODES) } },
    [TERMINATE] = { "terminate_child", 3, { UPTO(NODES) } },
    [RESTART] = { "restart_child", 4, { UPTO(NODES) } },
    [DELETE] = { "delete_child", 2, { UPTO(NODES) } },
    [END] = { "end", 24, { UPTO(NODES), ONE_OF(how_words) } },
    [END_MANY] = { "end_many",
                   24,
                   { UPTO(NODES), UPTO(PLACES), UPTO(PLACES), UPTO(PLACES), ONE_OF(how_words), ONE_OF(plan_words) } },
    [STOP_SUPERVISOR] = { "stop_supervisor", 2, { UPTO(NODES), UPTO(HOW_FAULT), ONE_OF(killed_words) } },
    [STRANGER] = { "stranger", 1, { UPTO(NODES) } },
};

/* ---- plans */

/* What does not go together, or would not be certain, is made to fit. */
static void make_fit(struct spec *spec)
{
    const struct spec *parent = spec->parent == NONE ? NULL : &nodes[spec->parent].spec;
    bool patient = spec->grace == FOREVER || spec->grace == BRUTAL;
    if (spec->is_supervisor || (spec->style != PLAIN && spec->style != STUBBORN))
        spec->grace = patient ? spec->grace : FOREVER;
    if (spec->style == STUBBORN && spec->grace == FOREVER)
        spec->grace = A_MOMENT;
    if (spec->strategy == TR_SIMPLE_ONE_FOR_ONE || spec->strategy == TR_DYNAMIC)
        spec->auto_shutdown = TR_NEVER;
    spec->significant &= parent != NULL && parent->auto_shutdown != TR_NEVER && spec->restart != TR_PERMANENT;
    if (parent != NULL && parent->strategy == TR_DYNAMIC && spec->grace == NO_TIME)
        spec->grace = A_MOMENT;
    if (parent != NULL && parent->strategy == TR_SIMPLE_ONE_FOR_ONE) { /* as its template */
        spec->restart = TR_TRANSIENT;
        spec->grace = FOREVER;
        spec->style = spec->style == STUBBORN ? POLITE : spec->style;
    }
}

/* nearly: its parent, or one with a smaller number. */
static void plan_node(int slot, int nearly, int restart, struct spec spec)
{
    int parent = slot == 0 ? 0 : nearly % slot;
    struct node *node = &nodes[slot];
    const struct spec *above = &nodes[parent].spec;
    bool supervised = above->planned && above->is_supervisor &&
                      !(spec.is_supervisor && above->strategy == TR_SIMPLE_ONE_FOR_ONE);
    if (node->spec.fixed || (slot == 0 ? !spec.is_supervisor : !supervised))
        return;
    node->spec.planned = false;
    for (int i = slot + 1; i < NODES; i++) /* what was planned below it goes */
        nodes[i].spec.planned = nodes[i].spec.planned && nodes[nodes[i].spec.parent].spec.planned;
    spec.planned = true;
    spec.parent = slot == 0 ? NONE : parent;
    spec.significant = restart <= TR_TEMPORARY;
    spec.restart = (tr_restart)(restart > TR_TEMPORARY ? restart - TR_TEMPORARY : restart);
    make_fit(&spec);
    node->spec = spec;
    node->births = births[slot] = 0;
    node->known = -1;
}

/* From now on it, and all that it starts with, are as they are. */
static void fix(int slot)
{
    struct spec *spec = &nodes[slot].spec;
    if (spec->fixed)
        return;
    make_fit(spec); /* what is above it may have changed */
    spec->fixed = true;
    spec->child_count = 0;
    for (int i = slot + 1; i < NODES && spec->is_supervisor && !is_pooled(&nodes[slot]); i++)
        if (nodes[i].spec.planned && nodes[i].spec.parent == slot) {
            spec->children[spec->child_count++] = i;
            fix(i);
        }
}

static void set_plan(int slot, int what, int how)
{
    static const int fails[] = { 0, 0, 1, 2, 4 };
    struct plan plan = { .fails = fails[what], .ignores = what == 1, .how = (enum failure)how };
    nodes[slot].plan = real_plans[slot] = plan;
}

/* ---- the whole tree */

static void start_tree(void)
{
    if (nodes[0].state == RUNNING || !nodes[0].spec.planned)
        return;
    model_did();
    fix(0);
    tr_child root = spec_of(0);
    int status = start(0);
    EXPECT_EQ(tr_start_monitor(&root, &pids[0], &downs[0]), status);
    if (status == TR_OK)
        nodes[0].known = nodes[0].births;
    else
        root_ended(TR_SHUTDOWN); /* the driver has no monitor of it */
}

static void finish(bool killed)
{
    tr_reason reason = killed ? TR_KILLED : reason_of(HOW_OTHER);
    if (nodes[0].state != RUNNING)
        return;
    model_did();
    if (killed) {
        EXPECT_EQ(tr_exit_signal(pids[0], TR_KILL), TR_OK);
        kill_supervisor(&nodes[0]);
    } else {
        EXPECT_EQ(tr_stop_server(pids[0], reason, model_patience_ms()), TR_OK);
        stop_children(&nodes[0]);
    }
    root_ended(reason);
    settle();
}

/* ---- requests */

/* What a start by request comes to: of a new entry, or one that was stopped. */
static void started(int status, tr_pid pid, int slot, bool is_new)
{
    bool dynamic = parent_of(&nodes[slot])->spec.strategy == TR_DYNAMIC;
    int expected = start(slot);
    if (expected == TR_ESTART) {
        EXPECT_EQ(status, TR_ESTART);
        if (is_new)
            entry_remove(slot);
    } else if (expected == TR_IGNORE) {
        EXPECT_EQ(status, is_new && dynamic ? TR_IGNORE : TR_OK);
        EXPECT_PID(pid, (tr_pid){ 0 });
        if (is_new)
            let_go(slot);
    } else {
        EXPECT_EQ(status, TR_OK);
        EXPECT_EQ(tr_nobody(pid), false);
    }
}

static bool supervisor_runs(int slot)
{
    const struct node *parent = parent_of(&nodes[slot]);
    return slot > 0 && nodes[slot].spec.planned && parent->state == RUNNING && nodes[0].state == RUNNING;
}

static void add(int slot)
{
    struct node *node = &nodes[slot], *parent = parent_of(node);
    tr_pid pid = { 0 };
    bool present = is_entry(slot);
    if (!supervisor_runs(slot) || (present && is_pooled(parent)))
        return;
    fix(slot);
    tr_child spec = spec_of(slot);
    tr_pid supervisor = pids[node->spec.parent];
    int status = parent->spec.strategy == TR_SIMPLE_ONE_FOR_ONE
                     ? tr_start_child_with(supervisor, &beginnings[slot], sizeof beginnings[slot], &pid)
                     : tr_start_child(supervisor, &spec, &pid);
    if (present) {
        EXPECT_EQ(status, node->state == RUNNING ? TR_EALREADY_STARTED : TR_EALREADY_PRESENT);
        return;
    }
    node->state = STOPPED;
    parent->entries[parent->count++] = slot;
    started(status, pid, slot, true);
}

static void terminate(int slot)
{
    const struct node *parent = parent_of(&nodes[slot]);
    bool pooled = is_pooled(parent), present = is_entry(slot);
    if (pooled && !present)
        return;
    tr_pid supervisor = pids[nodes[slot].spec.parent];
    int status = pooled ? tr_terminate_child_pid(supervisor, pids[slot]) : tr_terminate_child(supervisor, ids[slot]);
    EXPECT_EQ(status, present ? TR_OK : TR_ENOT_FOUND);
    if (!present)
        return;
    stop(slot);
    let_go(slot);
}

static void restart_or_delete(int slot, bool restarts)
{
    struct node *node = &nodes[slot];
    bool pooled = is_pooled(parent_of(node)), present = is_entry(slot);
    tr_pid pid = { 0 }, supervisor = pids[node->spec.parent];
    int status = restarts ? tr_restart_child(supervisor, ids[slot], &pid) : tr_delete_child(supervisor, ids[slot]);
    if (pooled || !present)
        EXPECT_EQ(status, pooled ? TR_EKIND : TR_ENOT_FOUND);
    else if (node->state == RUNNING)
        EXPECT_EQ(status, TR_ERUNNING);
    else if (restarts)
        started(status, pid, slot, false);
    else
        entry_remove(slot);
}

/* ---- ends */

static bool can_end(int slot)
{
    return slot > 0 && nodes[slot].spec.planned && is_entry(slot) && nodes[slot].state == RUNNING && !nodes[slot].dead;
}

/* Its supervisor does not know yet. A supervisor has to be killed. */
static struct news end_node(int slot, int how)
{
    struct node *node = &nodes[slot];
    if (node->spec.is_supervisor)
        how = HOW_KILL;
    struct news news = { .slot = slot, .reason = reason_of(how) };
    if (how == HOW_KILL)
        EXPECT_EQ(tr_exit_signal(pids[slot], TR_KILL), TR_OK);
    else
        tr_cast(pids[slot], TAG_END, &how, sizeof how);
    expect_down(downs[slot], &news.reason);
    if (node->spec.is_supervisor)
        kill_supervisor(node);
    else
        event(slot + ENDED);
    node->dead = true;
    return news;
}

static void end_one(int slot, int how)
{
    struct inbox inbox = { .count = 0 };
    if (!can_end(slot))
        return;
    told(&inbox, end_node(slot, how));
    await_reactions(nodes[slot].spec.parent);
    reactions(nodes[slot].spec.parent, &inbox);
}

/* Those at these places among the children of a supervisor, one after another, each in another way. plan: what comes of
 * the first one's restart. */
static void end_many(int supervisor, const int *places, int count, int how, int plan)
{
    struct inbox inbox = { .count = 0 };
    const struct node *node = &nodes[supervisor];
    int slots[NODES];
    if (!node->spec.is_supervisor || node->state != RUNNING || node->count == 0)
        return;
    model_did();
    for (int i = 0; i < count; i++)
        slots[i] = node->entries[places[i] % node->count];
    set_plan(slots[0], plan, FAIL_STOP);
    EXPECT_EQ(tr_suspend(pids[supervisor], model_patience_ms()), TR_OK);
    for (int i = 0; i < count; i++)
        if (can_end(slots[i]))
            told(&inbox, end_node(slots[i], (how + i) % HOWS));
    EXPECT_EQ(tr_resume(pids[supervisor], model_patience_ms()), TR_OK);
    await_reactions(supervisor);
    reactions(supervisor, &inbox);
}

/* SUP-45: its children are ended in an orderly way first. */
static void stop_supervisor(int slot, int how, bool killed)
{
    struct node *node = &nodes[slot];
    tr_reason reason = reason_of(how);
    if (slot == 0) {
        finish(killed);
        return;
    }
    if (!can_end(slot) || !node->spec.is_supervisor)
        return;
    model_did();
    EXPECT_EQ(tr_stop_server(pids[slot], reason, model_patience_ms()), TR_OK);
    await_reactions(node->spec.parent);
    stop_children(node);
    supervisor_ended(slot, reason);
}

static void apply_request(int operation, int slot)
{
    if (!supervisor_runs(slot))
        return;
    model_did();
    switch (operation) {
    case ADD: add(slot); break;
    case TERMINATE: terminate(slot); break;
    case RESTART: restart_or_delete(slot, true); break;
    case DELETE: restart_or_delete(slot, false); break;
    }
}

static void apply(const struct command *command)
{
    const int *arguments = command->arguments;
    int slot = arguments[0];
    struct spec supervisor = { .is_supervisor = true,
                               .strategy = (tr_strategy)(arguments[2] % STRATEGIES),
                               .allowed = intensities[arguments[3] % (int)TR_COUNT(intensities)],
                               .auto_shutdown = (tr_auto_shutdown)(arguments[4] % AUTOS),
                               .grace = arguments[4] == AUTOS ? BRUTAL : FOREVER };
    struct spec worker = { .style = (enum style)arguments[3], .grace = (enum grace)arguments[4] };
    switch (command->operation) {
    case SUPERVISOR:
        /* the first one is the root */
        plan_node(nodes[0].spec.planned ? slot : 0, arguments[1], arguments[5], supervisor);
        return;
    case WORKER: plan_node(slot, arguments[1], arguments[2], worker); return;
    case PLAN: set_plan(slot, arguments[1], arguments[2]); return;
    case START: start_tree(); break;
    case END: end_one(slot, arguments[1]); break;
    case END_MANY: end_many(slot, arguments + 1, 3, arguments[4], arguments[5]); break;
    case STOP_SUPERVISOR: stop_supervisor(slot, arguments[1], arguments[2] == 1); break;
    case STRANGER:
        if (can_end(slot) && nodes[slot].spec.is_supervisor) /* SUP-46 */
            EXPECT_EQ(tr_exit_signal(pids[slot], TR_SHUTDOWN), TR_OK);
        break;
    default: apply_request(command->operation, slot); break;
    }
    settle();
}

static void begin(void)
{
    processes = settled_processes();
    memset(nodes, 0, sizeof nodes);
    memset(real_plans, 0, sizeof real_plans);
    memset(births, 0, sizeof births);
    memset(pids, 0, sizeof pids);
    for (int i = 0; i < NODES; i++)
        nodes[i].spec.parent = NONE;
    event_count = real_event_count = real_events_begun = gone_count = 0;
    unordered = false;
}

static void end(void)
{
    finish(false);
    expect_processes(processes);
    EXPECT(tr_receive(0) == NULL);
}

int main(int argc, char **argv)
{
    static const struct model trees = { "trees", operations, TR_COUNT(operations), 250, 100000, begin, apply, end };
    return model_main(argc, argv, &trees);
}
