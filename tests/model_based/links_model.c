/* links_model.c: links, monitors, aliases and exit signals (EXIT, LINK, MON, ALIAS).
 *
 * The model is a matrix of links, a list of monitors and aliases, and for each process what must lie in its mailbox. A
 * command's consequences reach as far as they reach before the next one: those who must end are seen to end, the others
 * to have as many messages as the model says. What one command causes comes in any order, but that a process's EXIT
 * comes before its DOWN (EXIT-12), and after everything that earlier commands caused. */
#include "links_world.h"

enum {
    SPAWN,
    SPAWN_FROM,
    TRAP,
    LINK,
    UNLINK,
    MONITOR,
    ALIAS,
    UNALIAS,
    DEMONITOR,
    AWAIT,
    SEND,
    SEND_ALIAS,
    SIGNAL,
    EXIT,
    INFO,
    TAKE
};

static const char *const trap_words[] = { "plain", "trap" };
static const char *const from_words[] = { "plain", "link", "monitor", "both" };
static const char *const flush_words[] = { "keep", "flush" };
static const char *const mode_words[] = { "plain", "explicit", "demonitor", "reply" };
static const char *const why_words[] = { "normal", "shutdown", "shutdown_text", "kill", "killed", "other" };

static const struct operation operations[] = {
    [SPAWN] = { "spawn", 10, { UPTO(SLOTS), ONE_OF(trap_words) } },
    [SPAWN_FROM] = { "spawn_from",
                     8,
                     { UPTO(SLOTS), UPTO(SLOTS), ONE_OF(from_words), ONE_OF(trap_words), UPTO(REFS) } },
    [TRAP] = { "trap", 6, { UPTO(SLOTS), ONE_OF(trap_words) } },
    [LINK] = { "link", 14, { UPTO(SLOTS), UPTO(SLOTS) } },
    [UNLINK] = { "unlink", 5, { UPTO(SLOTS), UPTO(SLOTS), ONE_OF(flush_words) } },
    [MONITOR] = { "monitor", 12, { UPTO(SLOTS), UPTO(SLOTS), UPTO(REFS), ONE_OF(mode_words) } },
    [ALIAS] = { "alias", 2, { UPTO(SLOTS), UPTO(REFS) } },
    [UNALIAS] = { "unalias", 3, { UPTO(SLOTS), UPTO(REFS) } },
    [DEMONITOR] = { "demonitor", 6, { UPTO(SLOTS), UPTO(REFS), ONE_OF(flush_words) } },
    [AWAIT] = { "await_down", 4, { UPTO(SLOTS), UPTO(REFS) } },
    [SEND] = { "send", 3, { UPTO(SLOTS), UPTO(SLOTS) } },
    [SEND_ALIAS] = { "send_alias", 8, { UPTO(SLOTS), UPTO(REFS) } },
    [SIGNAL] = { "exit_signal", 8, { UPTO(SLOTS), UPTO(SLOTS), ONE_OF(why_words) } },
    [EXIT] = { "exit", 4, { UPTO(SLOTS), ONE_OF(why_words) } },
    [INFO] = { "info", 5, { UPTO(SLOTS) } },
    [TAKE] = { "take", 4, { UPTO(SLOTS) } },
};

/* ---- what puppets do */

static void order_trap(struct order *order) { order->yes = tr_trap_exit(order->yes); }
static void order_link(struct order *order) { order->status = tr_link(order->pid); }

static void order_unlink(struct order *order)
{
    if (order->yes)
        tr_unlink_flush(order->pid);
    else
        tr_unlink(order->pid);
}

static void order_monitor(struct order *order)
{
    order->ref = order->number == NO_ALIAS ? tr_monitor(order->pid) : tr_monitor_alias(order->pid, order->number);
}

static void order_alias(struct order *order) { order->ref = tr_alias(); }
static void order_unalias(struct order *order) { order->yes = tr_unalias(order->ref); }
static void order_demonitor(struct order *order) { order->yes = tr_demonitor(order->ref, order->yes); }
static void order_await(struct order *order) { order->status = tr_await_down(order->ref, 0, &order->reason); }

static void order_send(struct order *order)
{
    order->status = tr_send(order->pid, PUPPET_WORD, &order->value, sizeof order->value);
}

static void order_send_alias(struct order *order)
{
    order->status = tr_send_alias(order->ref, PUPPET_WORD, &order->value, sizeof order->value);
}

/* is_alive: it makes the signal act before anything else is done (SIG-08), and says what became of it. */
static void order_signal_and_ask(struct order *order)
{
    order->status = tr_exit_signal(order->pid, order->reason);
    order->yes = tr_is_alive(order->pid);
}

static void order_spawn(struct order *order)
{
    order->pid = tr_spawn_with(puppet, NULL, 0, &(tr_spawn_options){ .flags = order->number, .monitor = &order->ref });
}

/* ---- commands */

static tr_reason reason_of(enum why why)
{
    switch (why) {
    case NORMAL: return TR_NORMAL;
    case SHUTDOWN: return TR_SHUTDOWN;
    case SHUTDOWN_TEXT: return tr_because(TR_WHY_SHUTDOWN, 3, "for the night");
    case KILL: return TR_KILL;
    case KILLED: return TR_KILLED;
    case OTHER:
    case WHYS: break;
    }
    return tr_because(TR_WHY_USER, 7, "a reason of one's own");
}

static void is_born(struct slot *slot, tr_pid pid, bool trap)
{
    model_did();
    slot->pid = pid;
    slot->alive = true;
    slot->trap = trap;
    slot->item_count = 0;
    slot->down = tr_monitor(pid);
}

static void spawn(struct slot *slot, bool trap)
{
    if (!slot->alive)
        is_born(slot, tr_spawn_with(puppet, NULL, 0, &(tr_spawn_options){ .flags = trap ? TR_SPAWN_TRAP_EXIT : 0 }),
                trap);
}

static void watches_add(struct watch *watch, int owner, int target, enum mode mode, tr_ref ref, int number)
{
    refs[number] = ref;
    *watch = (struct watch){ .monitors = target >= 0,
                             .is_alias = mode != NO_ALIAS,
                             .owner = owner,
                             .target = target,
                             .mode = mode,
                             .ref = ref };
    watch_settle(watch);
}

static void spawn_from(int parent, int child, int how, bool trap, int number)
{
    bool links = how == FROM_LINK || how == FROM_BOTH, monitors = how == FROM_MONITOR || how == FROM_BOTH;
    struct watch *watch = watch_new();
    struct order order = { .run = order_spawn };
    order.number = (links ? TR_SPAWN_LINK : 0) | (monitors ? TR_SPAWN_MONITOR : 0) | (trap ? TR_SPAWN_TRAP_EXIT : 0);
    if (!slots[parent].alive || slots[child].alive || watch == NULL)
        return;
    must_let(slots[parent].pid, &order);
    is_born(&slots[child], order.pid, trap);
    linked[parent][child] = linked[child][parent] = links;
    if (monitors)
        watches_add(watch, parent, child, NO_ALIAS, order.ref, number);
}

static void link_to(int from, int to)
{
    struct slot *slot = &slots[from];
    struct order order = { .run = order_link, .pid = slots[to].pid };
    static const tr_reason noproc = { .why = TR_WHY_NOPROC };
    must_let(slot->pid, &order);
    RULE("LINK-03");
    EXPECT_EQ(order.status, slots[to].alive || slot->trap ? TR_OK : TR_ENOPROC);
    if (slots[to].alive && from != to)
        linked[from][to] = linked[to][from] = true;
    else if (!slots[to].alive && slot->trap)
        put(slot, (struct item){ .tag = TR_MSG_EXIT, .sender = slots[to].pid, .reason = noproc });
}

static void unlink_from(int from, int to, bool flush)
{
    struct order order = { .run = order_unlink, .pid = slots[to].pid, .yes = flush };
    int at = flush ? find_item(&slots[from], TR_MSG_EXIT, slots[to].pid, order.ref) : -1;
    must_let(slots[from].pid, &order);
    if (slots[to].alive)
        linked[from][to] = linked[to][from] = false;
    if (at >= 0)
        remove_item(&slots[from], at);
}

static void monitor(int from, int to, int number, enum mode mode)
{
    struct order order = { .run = order_monitor, .pid = slots[to].pid, .number = (int)mode };
    struct watch *watch = watch_new();
    static const tr_reason noproc = { .why = TR_WHY_NOPROC };
    if (watch == NULL)
        return;
    must_let(slots[from].pid, &order);
    watches_add(watch, from, from == to ? -1 : to, mode, order.ref, number);
    if (from == to) { /* MON-05: it monitors nothing, so only an explicit alias is one */
        watch->is_alias = mode == EXPLICIT;
        watch_settle(watch);
    } else if (!slots[to].alive) {
        down(watch, slots[to].pid, &noproc);
    }
}

static void alias(int owner, int number)
{
    struct order order = { .run = order_alias };
    struct watch *watch = watch_new();
    if (watch == NULL)
        return;
    must_let(slots[owner].pid, &order);
    watches_add(watch, owner, -1, EXPLICIT, order.ref, number);
}

static void unalias(int owner, int number)
{
    struct order order = { .run = order_unalias, .ref = refs[number] };
    struct watch *watch = watch_of(order.ref);
    bool active = watch != NULL && watch->owner == owner && watch->is_alias;
    must_let(slots[owner].pid, &order);
    EXPECT_EQ(order.yes, active);
    if (active) {
        watch->is_alias = false;
        watch_settle(watch);
    }
}

static void demonitor(int owner, int number, bool flush)
{
    struct order order = { .run = order_demonitor, .ref = refs[number], .yes = flush };
    struct watch *watch = watch_of(order.ref);
    bool active = watch != NULL && watch->owner == owner && watch->monitors;
    int at = flush ? find_item(&slots[owner], TR_MSG_DOWN, slots[owner].pid, order.ref) : -1;
    must_let(slots[owner].pid, &order);
    EXPECT_EQ(order.yes, active);
    if (at >= 0)
        remove_item(&slots[owner], at);
    if (active) {
        watch->monitors = false;
        watch->target = -1;
        watch->is_alias &= watch->mode == EXPLICIT;
        watch_settle(watch);
    }
}

static void await(int owner, int number)
{
    struct order order = { .run = order_await, .ref = refs[number] };
    struct slot *slot = &slots[owner];
    int at = find_item(slot, TR_MSG_DOWN, slot->pid, order.ref);
    must_let(slot->pid, &order);
    EXPECT_EQ(order.status, at >= 0 ? TR_OK : TR_ETIMEDOUT);
    if (at >= 0) {
        EXPECT_REASON(&order.reason, &slot->items[at].reason);
        remove_item(slot, at);
    }
}

static void send(int from, int to)
{
    struct order order = { .run = order_send, .pid = slots[to].pid, .value = ++next_word };
    must_let(slots[from].pid, &order);
    EXPECT_EQ(order.status, TR_OK);
    if (slots[to].alive)
        put(&slots[to], (struct item){ .tag = PUPPET_WORD, .sender = slots[from].pid, .value = order.value });
}

/* ALIAS-01: the first message through it ends an alias of the mode `reply`, and its monitor. */
static void send_alias(int from, int number)
{
    struct order order = { .run = order_send_alias, .ref = refs[number], .value = ++next_word };
    struct watch *watch = watch_of(order.ref);
    must_let(slots[from].pid, &order);
    EXPECT_EQ(order.status, TR_OK);
    if (watch == NULL || !watch->is_alias)
        return;
    put(&slots[watch->owner], (struct item){ .tag = PUPPET_WORD, .sender = slots[from].pid, .value = order.value });
    if (watch->mode == AT_REPLY)
        watch->used = false;
}

static void signal_to(int from, int to, const tr_reason *reason)
{
    struct order order = { .run = order_signal_and_ask, .pid = slots[to].pid, .reason = *reason };
    tr_pid pid = slots[from].pid;
    exit_signal(from, to, reason);
    int status = let(pid, &order);
    if (status == TR_OK)
        EXPECT_EQ(order.yes, slots[to].alive);
    else /* it dies of its own signal, perhaps through a link and before it has reported */
        EXPECT(status == TR_EDOWN && !slots[from].alive);
    EXPECT(from != to || status == (slots[to].alive ? TR_OK : TR_EDOWN));
}

static void exit_by_itself(int which, const tr_reason *reason)
{
    struct order order = { .run = order_exit, .reason = *reason };
    EXPECT_EQ(let(slots[which].pid, &order), TR_EDOWN);
    die(which, *reason);
}

/* Commands of a process that lives, to one that lives or has lived. */
static void apply_between(const struct command *command, int from, int to, int third, int fourth)
{
    tr_reason reason = reason_of((enum why)third);
    if (tr_nobody(slots[to].pid))
        return;
    switch (command->operation) {
    case LINK: link_to(from, to); break;
    case UNLINK: unlink_from(from, to, third == 1); break;
    case MONITOR: monitor(from, to, third, (enum mode)fourth); break;
    case SEND: send(from, to); break;
    case SIGNAL: signal_to(from, to, &reason); break;
    default: break;
    }
}

/* Commands of a process that lives about a reference, its own or another's. */
static void apply_to_ref(int operation, int by, int number, bool flush)
{
    if (refs[number].serial == 0)
        return;
    switch (operation) {
    case UNALIAS: unalias(by, number); break;
    case DEMONITOR: demonitor(by, number, flush); break;
    case AWAIT: await(by, number); break;
    case SEND_ALIAS: send_alias(by, number); break;
    default: break;
    }
}

/* Commands of a process that lives. */
static void apply_by(const struct command *command, int first, int second, int third)
{
    tr_reason reason = reason_of((enum why)second);
    struct order order = { .run = order_trap, .yes = second == 1 };
    switch (command->operation) {
    case TRAP:
        must_let(slots[first].pid, &order);
        EXPECT_EQ(order.yes, slots[first].trap);
        slots[first].trap = second == 1;
        break;
    case ALIAS: alias(first, second); break;
    case EXIT: exit_by_itself(first, &reason); break;
    case TAKE: take(&slots[first]); break;
    case UNALIAS:
    case DEMONITOR:
    case AWAIT:
    case SEND_ALIAS: apply_to_ref(command->operation, first, second, third == 1); break;
    default: apply_between(command, first, second, third, command->arguments[3]); break;
    }
}

static void apply(const struct command *command)
{
    const int *arguments = command->arguments;
    epoch++;
    if (command->operation == SPAWN)
        spawn(&slots[arguments[0]], arguments[1] == 1);
    else if (command->operation == SPAWN_FROM)
        spawn_from(arguments[0], arguments[1], arguments[2], arguments[3] == 1, arguments[4]);
    else if (command->operation == INFO)
        ask_info(arguments[0]);
    else if (slots[arguments[0]].alive)
        apply_by(command, arguments[0], arguments[1], arguments[2]);
    settle();
}

static void begin(void)
{
    processes = settled_processes();
    memset(slots, 0, sizeof slots);
    memset(linked, 0, sizeof linked);
    memset(watches, 0, sizeof watches);
    memset(refs, 0, sizeof refs);
}

static void end(void)
{
    for (int i = 0; i < SLOTS; i++) {
        ask_info(i);
        take(&slots[i]);
    }
    for (int i = 0; i < SLOTS; i++)
        if (slots[i].alive) {
            EXPECT_EQ(tr_exit_signal(slots[i].pid, TR_KILL), TR_OK);
            die(i, TR_KILLED);
            settle();
        }
    expect_processes(processes);
    EXPECT(tr_receive(0) == NULL);
}

int main(int argc, char **argv)
{
    static const struct model links = { "links", operations, TR_COUNT(operations), 400, 1000000, begin, apply, end };
    return model_main(argc, argv, &links);
}
