/* supervisors_model.c: supervisors of all strategies: children that end, that can't be started, that are started,
 * terminated, restarted and deleted by request; intensity, back-off, automatic shutdown (SUP, DSUP).
 *
 * Children write down their starts and ends in one list; the model says what must stand there after each command, in
 * order. A script's period is longer than any run, so that the intensity is exact; a back-off is hours, so that a child
 * that waits for its restart does so until somebody asks for something else. */
#include "supervisors_real.h"

enum { NEW, PLAN, START, TERMINATE, RESTART, DELETE, TERMINATE_PID, CRASH, LOOK, SPEC, STRANGER, FINISH };

static const char *const strategy_words[] = { "one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one",
                                              "dynamic" };
static const char *const auto_words[] = { "never", "any_significant", "all_significant" };
static const char *const restart_words[] = { "permanent", "transient", "temporary" };
static const char *const plan_words[] = { "well", "ignore", "fail", "fail_twice", "fail_four_times" };
static const char *const ending_words[] = { "return", "shutdown", "exit", "fault", "signal", "kill" };
static const char *const finish_words[] = { "stop", "kill" };
static const int intensities[] = { 1, 2, 4, 8, TR_ZERO, 1000 };

enum { END_BY_SHUTDOWN = 1 };

static const struct operation operations[] = {
    [NEW] = { "new", 14, { ONE_OF(strategy_words), UPTO(6), ONE_OF(auto_words), UPTO(3), UPTO(5), UPTO(6) } },
    [PLAN] = { "plan", 8, { UPTO(SLOTS), ONE_OF(plan_words) } },
    [START] = { "start_child", 20, { UPTO(SLOTS), ONE_OF(restart_words), UPTO(2), UPTO(2) } },
    [TERMINATE] = { "terminate_child", 6, { UPTO(SLOTS) } },
    [RESTART] = { "restart_child", 6, { UPTO(SLOTS) } },
    [DELETE] = { "delete_child", 4, { UPTO(SLOTS) } },
    [TERMINATE_PID] = { "terminate_child_pid", 4, { UPTO(SLOTS) } },
    [CRASH] = { "crash", 24, { UPTO(SLOTS), ONE_OF(ending_words) } },
    [LOOK] = { "look", 3, { UPTO(1) } },
    [SPEC] = { "get_childspec", 2, { UPTO(SLOTS) } },
    [STRANGER] = { "stranger", 1, { UPTO(1) } },
    [FINISH] = { "finish", 1, { ONE_OF(finish_words) } },
};

/* ---- commands */

static tr_child spec_of(const struct entry *entry)
{
    return (tr_child){ .id = ids[entry->slot],
                       .start = start,
                       .arg = &entry->slot,
                       .arg_size = sizeof entry->slot,
                       .restart = entry->restart,
                       .significant = entry->significant,
                       .shutdown_ms = entry->brutal ? TR_BRUTAL_KILL : TR_INFINITY };
}

/* SUP-05 to SUP-08. */
static int begin_children(void)
{
    for (int i = 0; i < model.count;) {
        struct entry *entry = &model.entries[i];
        int status = start_entry(entry);
        if (status == TR_ESTART) {
            tr_reason failed = { .why = TR_WHY_SHUTDOWN };
            supervisor_ends(failed);
            return TR_ESTART;
        }
        i += status == TR_OK || !let_go(entry);
    }
    return TR_OK;
}

/* A template is like the first child. */
static void new_supervisor(const int *arguments)
{
    tr_child children[SLOTS];
    if (model.alive)
        return;
    model = (struct supervisor){ .alive = true,
                                 .strategy = (tr_strategy)arguments[0],
                                 .auto_shutdown = (tr_auto_shutdown)arguments[2],
                                 .backs_off = arguments[3] == 2 };
    model.count = model.strategy == TR_SIMPLE_ONE_FOR_ONE ? 1 : model.strategy == TR_DYNAMIC ? 0 : arguments[4];
    bool bad = is_pooled() && model.auto_shutdown != TR_NEVER;
    for (int i = 0; i < model.count; i++) {
        tr_restart kind = (tr_restart)((arguments[5] + i) % 3);
        model.entries[i] = (struct entry){ .slot = i,
                                           .restart = kind,
                                           .brutal = arguments[5] > 3,
                                           .significant = model.auto_shutdown != TR_NEVER && kind != TR_PERMANENT };
        children[i] = spec_of(&model.entries[i]);
    }
    const tr_supervisor is = { .strategy = model.strategy,
                               .intensity = intensities[arguments[1]],
                               .period_s = 1000000,
                               .max_children = model.strategy == TR_DYNAMIC ? DYNAMIC_MOST : 0,
                               .auto_shutdown = model.auto_shutdown,
                               .children = children,
                               .child_count = (size_t)model.count,
                               .backoff_ms = model.backs_off ? 3600000 : 0,
                               .backoff_max_ms = model.backs_off ? 3600000 : 0 };
    model.allowed = is.intensity == TR_ZERO ? 0 : is.intensity;
    model_did();
    int status = tr_start_monitor(&(tr_child){ .id = "top", .supervisor = &is }, &real, &real_down);
    if (bad) {
        EXPECT_EQ(status, TR_ESPEC);
        model = (struct supervisor){ 0 };
        return;
    }
    model.like = model.entries[0];
    if (model.strategy == TR_SIMPLE_ONE_FOR_ONE)
        model.count = 0;
    EXPECT_EQ(status, begin_children());
    if (status == TR_OK)
        settle(true);
    else
        compare_events(true, ids, monitors);
}

static void set_plan(int slot, int what)
{
    static const int fails[] = { 0, 0, 1, 2, 4 };
    plans[slot] = real_plans[slot] = (struct plan){ .fails = fails[what], .ignores = what == 1 };
}

/* What a start by request comes to: of a new entry, or one that was stopped. */
static void started(int status, tr_pid pid, struct entry *entry, bool is_new)
{
    int slot = entry->slot, expected = start_entry(entry);
    if (expected == TR_ESTART) {
        EXPECT_EQ(status, TR_ESTART);
        EXPECT_EQ(tr_last_reason()->code, slot);
        if (is_new)
            entry_remove(entry);
    } else if (expected == TR_IGNORE) {
        EXPECT_EQ(status, is_new && model.strategy == TR_DYNAMIC ? TR_IGNORE : TR_OK);
        EXPECT_PID(pid, (tr_pid){ 0 });
        if (is_new)
            let_go(entry);
    } else {
        EXPECT_EQ(status, TR_OK);
        EXPECT_PID(pid, pids[slot]);
    }
}

static void start_child(const struct entry *wanted)
{
    tr_child spec = spec_of(wanted);
    tr_pid pid = { 0 };
    struct entry *present = entry_of(wanted->slot);
    bool simple = model.strategy == TR_SIMPLE_ONE_FOR_ONE;
    if (is_pooled() && present != NULL)
        return;
    int status = simple ? tr_start_child_with(real, &wanted->slot, sizeof wanted->slot, &pid)
                        : tr_start_child(real, &spec, &pid);
    if (!simple && wanted->significant && model.auto_shutdown == TR_NEVER) {
        EXPECT_EQ(status, TR_ESPEC);
    } else if (model.strategy == TR_DYNAMIC && model.count == DYNAMIC_MOST) {
        EXPECT_EQ(status, TR_EMAX_CHILDREN);
    } else if (present != NULL) {
        EXPECT_EQ(status, present->state == RUNNING ? TR_EALREADY_STARTED : TR_EALREADY_PRESENT);
        if (present->state == RUNNING)
            EXPECT_PID(pid, pids[present->slot]);
    } else {
        model.entries[model.count] = *wanted;
        if (simple)
            model.entries[model.count] = (struct entry){ .slot = wanted->slot,
                                                         .restart = model.like.restart,
                                                         .brutal = model.like.brutal };
        started(status, pid, &model.entries[model.count++], true);
    }
}

static void terminate_id(int slot)
{
    struct entry *entry = entry_of(slot);
    int status = tr_terminate_child(real, ids[slot]);
    EXPECT_EQ(status, is_pooled() ? TR_EKIND : entry == NULL ? TR_ENOT_FOUND : TR_OK);
    if (status != TR_OK)
        return;
    stop_entry(entry);
    let_go(entry);
}

static int not_stopped(const struct entry *entry) { return entry->state == RUNNING ? TR_ERUNNING : TR_ERESTARTING; }

static void restart_id(int slot)
{
    tr_pid pid = { 0 };
    struct entry *entry = entry_of(slot);
    int status = tr_restart_child(real, ids[slot], &pid);
    if (is_pooled() || entry == NULL)
        EXPECT_EQ(status, is_pooled() ? TR_EKIND : TR_ENOT_FOUND);
    else if (entry->state != STOPPED)
        EXPECT_EQ(status, not_stopped(entry));
    else
        started(status, pid, entry, false);
}

static void delete_id(int slot)
{
    struct entry *entry = entry_of(slot);
    int status = tr_delete_child(real, ids[slot]);
    if (is_pooled() || entry == NULL) {
        EXPECT_EQ(status, is_pooled() ? TR_EKIND : TR_ENOT_FOUND);
        return;
    }
    EXPECT_EQ(status, entry->state == STOPPED ? TR_OK : not_stopped(entry));
    if (status == TR_OK)
        entry_remove(entry);
}

/* SUP-55, DSUP-06: also of a pid that is dead, or one that waits for its restart. */
static void terminate_pid(int slot)
{
    struct entry *entry = entry_of(slot);
    if (tr_nobody(seen[slot]))
        return;
    int status = tr_terminate_child_pid(real, seen[slot]);
    if (!is_pooled())
        EXPECT_EQ(status, TR_ENOT_FOUND);
    else
        EXPECT_EQ(status, entry != NULL || model.strategy == TR_SIMPLE_ONE_FOR_ONE ? TR_OK : TR_ENOT_FOUND);
    if (!is_pooled() || entry == NULL)
        return;
    stop_entry(entry);
    let_go(entry);
}

static bool runs(int slot)
{
    const struct entry *entry = entry_of(slot);
    return entry != NULL && entry->state == RUNNING;
}

static void crash(int slot, int how)
{
    struct entry *entry = entry_of(slot);
    if (entry == NULL)
        return;
    tr_pid pid = pids[slot];
    tr_reason reason = TR_SHUTDOWN;
    if (how == END_BY_SHUTDOWN) {
        struct order order = { .run = order_exit, .reason = TR_SHUTDOWN };
        EXPECT_EQ(let(pid, &order), TR_EDOWN);
    } else {
        reason = end_puppet(pid, (enum end)(how == 0 ? END_RETURN : how - 1), slot);
    }
    await_reaction(pid);
    child_ended(entry, reason);
}

static void ask_spec(int slot)
{
    struct entry *entry = entry_of(slot);
    tr_child *spec = NULL;
    bool template = model.strategy == TR_SIMPLE_ONE_FOR_ONE && slot == model.like.slot;
    int status = tr_get_childspec(real, ids[slot], &spec);
    EXPECT_EQ(status, template || (entry != NULL && !is_pooled()) ? TR_OK : TR_ENOT_FOUND);
    const struct entry *like = template ? &model.like : entry;
    if (status != TR_OK || like == NULL) /* there is one: checked above */
        return;
    EXPECT_EQ(spec->restart, like->restart);
    EXPECT_EQ(spec->shutdown_ms, like->brutal ? TR_BRUTAL_KILL : TR_INFINITY);
    EXPECT_EQ(spec->significant, like->significant);
    tr_free(spec);
}

/* SUP-45, SUP-47. */
static void finish(int how)
{
    tr_reason reason = how == 0 ? tr_because(TR_WHY_USER, 5, "stop") : TR_KILLED;
    if (!model.alive)
        return;
    if (how == 0)
        EXPECT_EQ(tr_stop_server(real, reason, model_patience_ms()), TR_OK);
    else
        EXPECT_EQ(tr_exit_signal(real, TR_KILL), TR_OK);
    for (int i = 0; i < model.count; i++)
        model.entries[i].brutal |= how == 1; /* all get what the supervisor died of */
    supervisor_ends(reason);
    settle(how == 0 && !is_pooled());
}

static void apply(const struct command *command)
{
    const int *arguments = command->arguments;
    int slot = arguments[0] % SLOTS;
    const struct entry wanted = { .slot = slot,
                                  .restart = (tr_restart)arguments[1],
                                  .significant = arguments[2] == 1 && arguments[1] != TR_PERMANENT,
                                  .brutal = arguments[3] == 1 };
    if (command->operation == NEW)
        new_supervisor(arguments);
    if (command->operation == PLAN)
        set_plan(slot, arguments[1]);
    if (!model.alive || command->operation == NEW || command->operation == PLAN ||
        (command->operation == CRASH && !runs(slot)))
        return;
    bool pooled = is_pooled();
    model_did();
    switch (command->operation) {
    case START: start_child(&wanted); break;
    case TERMINATE: terminate_id(slot); break;
    case RESTART: restart_id(slot); break;
    case DELETE: delete_id(slot); break;
    case TERMINATE_PID: terminate_pid(slot); break;
    case CRASH: crash(slot, arguments[1]); break;
    case LOOK: break;
    case SPEC: ask_spec(slot); break;
    case STRANGER:
        RULE("SUP-46");
        EXPECT_EQ(tr_exit_signal(real, TR_SHUTDOWN), TR_OK);
        break;
    case FINISH: finish(arguments[0]); return;
    }
    settle(!pooled || model.alive);
}

static void begin(void)
{
    processes = settled_processes();
    model = (struct supervisor){ 0 };
    memset(plans, 0, sizeof plans);
    memset(real_plans, 0, sizeof real_plans);
    memset(seen, 0, sizeof seen);
    event_count = real_event_count = real_events_begun = gone_count = 0;
}

static void end(void)
{
    finish(0);
    expect_processes(processes);
    EXPECT(tr_receive(0) == NULL);
}

int main(int argc, char **argv)
{
    static const struct model supervisors = { "supervisors", operations, TR_COUNT(operations), 200, 1000000, begin,
                                              apply,         end };
    return model_main(argc, argv, &supervisors);
}
