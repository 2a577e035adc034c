/* registry_model.c: names: who holds which, whatever is registered, unregistered, used or ended (REG-01 to REG-06). */
#include "puppet.h"

enum { SLOTS = 6, NAMES = 5, WORDS_MOST = 16, MONITORS_MOST = 64 };

enum {
    SPAWN,
    START,
    REGISTER,
    UNREGISTER,
    WHEREIS,
    SEND,
    CAST,
    CALL,
    MONITOR,
    SIGNAL,
    ALIVE,
    INFO,
    TAKE,
    END,
    KILL_ASK
};

static const char *const by_words[] = { "driver", "puppet" };
static const char *const names[] = { "ada", "bob", "cyd", "dot", "a name of some more than thirty characters" };

static const struct operation operations[] = {
    [SPAWN] = { "spawn", 12, { UPTO(SLOTS) } },
    [START] = { "start", 6, { UPTO(SLOTS), UPTO(NAMES) } },
    [REGISTER] = { "register", 16, { UPTO(NAMES), UPTO(SLOTS), ONE_OF(by_words) } },
    [UNREGISTER] = { "unregister", 8, { UPTO(NAMES), ONE_OF(by_words) } },
    [WHEREIS] = { "whereis", 6, { UPTO(NAMES), ONE_OF(by_words) } },
    [SEND] = { "send", 6, { UPTO(NAMES) } },
    [CAST] = { "cast", 3, { UPTO(NAMES) } },
    [CALL] = { "call", 4, { UPTO(NAMES) } },
    [MONITOR] = { "monitor", 4, { UPTO(NAMES) } },
    [SIGNAL] = { "exit_signal", 2, { UPTO(NAMES) } },
    [ALIVE] = { "is_alive", 3, { UPTO(NAMES) } },
    [INFO] = { "info", 4, { UPTO(SLOTS) } },
    [TAKE] = { "take", 4, { UPTO(SLOTS) } },
    [END] = { "end", 8, { UPTO(SLOTS), ONE_OF(end_words) } },
    [KILL_ASK] = { "kill_and_ask", 3, { UPTO(SLOTS) } },
};

/* ---- the model */

static struct slot {
    tr_pid pid; /* of the latest process here; nobody: none yet */
    bool alive;
    tr_ref down;
    int name; /* -1: none */
    int64_t words[WORDS_MOST];
    int word_count;
    tr_ref monitors[MONITORS_MOST]; /* by name, of the driver */
    int monitor_count;
} slots[SLOTS];

static int64_t next_word;
static size_t processes; /* that live before the script */

static struct slot *holder_of(int name)
{
    for (int i = 0; i < SLOTS; i++)
        if (slots[i].alive && slots[i].name == name)
            return &slots[i];
    return NULL;
}

static tr_pid pid_of(int name)
{
    const struct slot *holder = holder_of(name);
    return holder == NULL ? (tr_pid){ 0 } : holder->pid;
}

static void is_born(struct slot *slot, tr_pid pid, int name)
{
    model_did();
    *slot = (struct slot){ .pid = pid, .alive = true, .down = tr_monitor(pid), .name = name };
}

/* What must be seen when a process has ended: every DOWN, and its name is free by then. */
static void is_dead(struct slot *slot, const tr_reason *reason)
{
    int name = slot->name;
    slot->alive = false;
    slot->name = -1;
    expect_down(slot->down, reason);
    RULE("REG-05");
    if (name >= 0)
        EXPECT_PID(tr_whereis(names[name]), (tr_pid){ 0 });
    for (int i = 0; i < slot->monitor_count; i++)
        expect_down(slot->monitors[i], reason);
    EXPECT(!tr_is_alive(slot->pid));
}

/* ---- what puppets do */

static void order_register(struct order *order) { order->status = tr_register(order->name, order->pid); }
static void order_unregister(struct order *order) { order->status = tr_unregister(order->name); }
static void order_whereis(struct order *order) { order->pid = tr_whereis(order->name); }
static void order_self(struct order *order) { order->pid = tr_self(); }

/* Lets the driver, or some puppet if there is one, do it. */
static void let_somebody(bool puppets, struct order *order)
{
    for (int i = 0; puppets && i < SLOTS; i++)
        if (slots[i].alive) {
            must_let(slots[i].pid, order);
            return;
        }
    model_did();
    order->run(order);
}

/* ---- commands */

static void start(struct slot *slot, int name)
{
    tr_pid pid = { 0 };
    if (slot->alive)
        return;
    int status = tr_start_entry(puppet, NULL, 0, false, &(tr_start_options){ .name = names[name] }, &pid);
    if (holder_of(name) != NULL) {
        EXPECT_EQ(status, TR_EALREADY_STARTED);
        EXPECT_PID(pid, pid_of(name));
        return;
    }
    EXPECT_EQ(status, TR_OK);
    is_born(slot, pid, name);
}

static void give_name(int name, struct slot *slot, bool by_puppet)
{
    struct order order = { .run = order_register, .name = names[name], .pid = slot->pid };
    bool taken = holder_of(name) != NULL;
    if (tr_nobody(slot->pid))
        return;
    let_somebody(by_puppet, &order);
    RULE("REG-02");
    if (!slot->alive) {
        EXPECT(order.status == TR_ENOPROC || (taken && order.status == TR_ETAKEN));
        return;
    }
    EXPECT_EQ(order.status, taken || slot->name >= 0 ? TR_ETAKEN : TR_OK);
    if (order.status == TR_OK)
        slot->name = name;
}

static void take_name(int name, bool by_puppet)
{
    struct order order = { .run = order_unregister, .name = names[name] };
    struct slot *holder = holder_of(name);
    let_somebody(by_puppet, &order);
    RULE("REG-03");
    EXPECT_EQ(order.status, holder == NULL ? TR_ENOPROC : TR_OK);
    if (holder != NULL)
        holder->name = -1;
}

static void word(int name, bool cast)
{
    struct slot *holder = holder_of(name);
    int64_t value = ++next_word;
    if (holder != NULL && holder->word_count == WORDS_MOST)
        return;
    model_did();
    if (cast)
        EXPECT_EQ(tr_cast(tr_name(names[name]), PUPPET_WORD, &value, sizeof value), TR_OK);
    else
        EXPECT_EQ(tr_send(tr_name(names[name]), PUPPET_WORD, &value, sizeof value),
                  holder == NULL ? TR_ENOPROC : TR_OK);
    if (holder != NULL)
        holder->words[holder->word_count++] = value;
}

static void call_it(int name)
{
    struct order order = { .run = order_self };
    int status = let(tr_name(names[name]), &order);
    EXPECT_EQ(status, holder_of(name) == NULL ? TR_ENOPROC : TR_OK);
    if (status == TR_OK)
        EXPECT_PID(order.pid, pid_of(name));
}

static void watch(int name)
{
    struct slot *holder = holder_of(name);
    static const tr_reason noproc = { .why = TR_WHY_NOPROC };
    if (holder != NULL && holder->monitor_count == MONITORS_MOST)
        return;
    model_did();
    tr_ref monitor = tr_monitor(tr_name(names[name]));
    if (holder == NULL)
        expect_down(monitor, &noproc);
    else
        holder->monitors[holder->monitor_count++] = monitor;
}

static void signal_it(int name)
{
    struct slot *holder = holder_of(name);
    tr_reason reason = tr_because(TR_WHY_USER, name, NULL);
    EXPECT_EQ(tr_exit_signal(tr_name(names[name]), reason), holder == NULL ? TR_ENOPROC : TR_OK);
    if (holder != NULL)
        is_dead(holder, &reason);
}

static void ask_info(const struct slot *slot)
{
    tr_process_info info;
    if (tr_nobody(slot->pid))
        return;
    model_did();
    EXPECT_EQ(tr_info(slot->pid, &info), slot->alive ? TR_OK : TR_ENOPROC);
    if (!slot->alive)
        return;
    if (strncmp(info.name, slot->name < 0 ? "" : names[slot->name], sizeof info.name) != 0)
        DIFFERS("info says the name is \"%s\", the model \"%s\"", info.name, slot->name < 0 ? "" : names[slot->name]);
    EXPECT_EQ(info.message_queue_len, slot->word_count);
}

static void take(struct slot *slot)
{
    struct order order = { .run = order_take };
    if (!slot->alive)
        return;
    must_let(slot->pid, &order);
    EXPECT_EQ(order.taken_count, slot->word_count);
    for (int i = 0; i < order.taken_count; i++) {
        EXPECT_EQ(took[i].tag, PUPPET_WORD);
        EXPECT_EQ(took[i].value, slot->words[i]);
    }
    slot->word_count = 0;
}

static void end_it(struct slot *slot, int how)
{
    if (!slot->alive)
        return;
    tr_reason reason = end_puppet(slot->pid, (enum end)how, how);
    is_dead(slot, &reason);
}

/* The name is free once is_alive has said no: no DOWN is needed to know. */
static void kill_and_ask(struct slot *slot)
{
    int name = slot->name;
    if (!slot->alive)
        return;
    EXPECT_EQ(tr_exit_signal(slot->pid, TR_KILL), TR_OK);
    EXPECT(!tr_is_alive(slot->pid));
    if (name >= 0) {
        EXPECT_PID(tr_whereis(names[name]), (tr_pid){ 0 });
        EXPECT_EQ(tr_register(names[name], tr_self()), TR_OK);
        EXPECT_EQ(tr_unregister(names[name]), TR_OK);
    }
    is_dead(slot, &TR_KILLED);
}

static void apply(const struct command *command)
{
    int first = command->arguments[0], second = command->arguments[1], third = command->arguments[2];
    struct order order = { .run = order_whereis, .name = names[first % NAMES] };
    switch (command->operation) {
    case SPAWN:
        if (!slots[first].alive)
            is_born(&slots[first], tr_spawn(puppet, NULL, 0), -1);
        break;
    case START: start(&slots[first], second); break;
    case REGISTER: give_name(first, &slots[second], third == 1); break;
    case UNREGISTER: take_name(first, second == 1); break;
    case WHEREIS:
        let_somebody(second == 1, &order);
        EXPECT_PID(order.pid, pid_of(first));
        break;
    case SEND: word(first, false); break;
    case CAST: word(first, true); break;
    case CALL: call_it(first); break;
    case MONITOR: watch(first); break;
    case SIGNAL: signal_it(first); break;
    case ALIVE:
        model_did();
        EXPECT_EQ(tr_is_alive(tr_name(names[first])), holder_of(first) != NULL);
        break;
    case INFO: ask_info(&slots[first]); break;
    case TAKE: take(&slots[first]); break;
    case END: end_it(&slots[first], second); break;
    case KILL_ASK: kill_and_ask(&slots[first]); break;
    }
}

static void begin(void)
{
    processes = settled_processes();
    memset(slots, 0, sizeof slots);
    for (int i = 0; i < SLOTS; i++)
        slots[i].name = -1;
}

static void end(void)
{
    for (int i = 0; i < SLOTS; i++) {
        take(&slots[i]);
        ask_info(&slots[i]);
        end_it(&slots[i], END_KILL);
    }
    for (int i = 0; i < NAMES; i++)
        EXPECT_PID(tr_whereis(names[i]), (tr_pid){ 0 });
    expect_processes(processes);
    EXPECT(tr_receive(0) == NULL);
}

int main(int argc, char **argv)
{
    static const struct model registry = {
        "registry", operations, TR_COUNT(operations), 400, 1000000, begin, apply, end
    };
    return model_main(argc, argv, &registry);
}
