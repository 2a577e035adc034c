/* timers_model.c: timers: long ones that are read, cancelled by anybody and end with their receiver, and short ones
 * that fire (TMR-01 to TMR-08).
 *
 * A long timer is due in hours: it fires in no script. A short one is due in 0 to 2 ms, and the driver waits for what
 * it sends before it does anything else. Only those of a pair are under way at once, for one receiver: one due at once,
 * and one that is set after it and due in 2 ms, so that they arrive in the order in which they were set. */
#include "puppet.h"

enum { SLOTS = 4, TIMERS = 8, WORDS_MOST = 64, HOUR_MS = 3600000, DRIVER = SLOTS };
enum { SPAWN, LONG, SHORT, PAIR, NAMED, CANCEL, CANCEL_ASYNC, READ, END, EXIT_AFTER, TAKE };

static const char *const kind_words[] = { "send_after", "start_timer", "interval", "exit_after" };
static const char *const by_words[] = { "driver", "puppet" };
static const char *const a_name = "whom a timer calls";

enum { KIND_SEND, KIND_START, KIND_INTERVAL, KIND_EXIT };

static const struct operation operations[] = {
    [SPAWN] = { "spawn", 12, { UPTO(SLOTS) } },
    [LONG] = { "long", 24, { UPTO(TIMERS), UPTO(SLOTS + 1), ONE_OF(kind_words), UPTO(5), ONE_OF(by_words) } },
    [SHORT] = { "short", 3, { UPTO(TIMERS), UPTO(SLOTS), UPTO(3), UPTO(2) } },
    [PAIR] = { "pair", 1, { UPTO(SLOTS) } },
    [NAMED] = { "named", 1, { UPTO(SLOTS) } },
    [CANCEL] = { "cancel", 16, { UPTO(TIMERS), ONE_OF(by_words) } },
    [CANCEL_ASYNC] = { "cancel_async", 6, { UPTO(TIMERS) } },
    [READ] = { "read", 16, { UPTO(TIMERS), ONE_OF(by_words) } },
    [END] = { "end", 8, { UPTO(SLOTS), ONE_OF(end_words) } },
    [EXIT_AFTER] = { "short_exit", 1, { UPTO(SLOTS) } },
    [TAKE] = { "take", 8, { UPTO(SLOTS) } },
};

/* ---- the model */

static struct slot {
    tr_pid pid;
    bool alive;
    tr_ref down;
    struct word {
        int64_t value;
        tr_timer timer; /* of start_timer */
        bool is_timeout;
    } words[WORDS_MOST];
    int word_count;
} slots[SLOTS];

static struct timer {
    tr_timer id;
    bool used, active;
    int to; /* a slot, or the driver */
    int64_t due_ms;
} timers[TIMERS];

static int64_t next_word;
static size_t processes;

static tr_pid pid_of(int slot) { return slot == DRIVER ? tr_self() : slots[slot].pid; }

static void is_dead(int which, const tr_reason *reason)
{
    RULE("TMR-05");
    expect_down(slots[which].down, reason);
    slots[which].alive = false;
    slots[which].word_count = 0;
    for (int i = 0; i < TIMERS; i++)
        if (timers[i].to == which)
            timers[i].active = false;
}

/* Rounding, and the time that the script has taken, lie between. */
static void expect_left(int64_t left_ms, const struct timer *timer)
{
    if (!timer->active)
        EXPECT_EQ(left_ms, -1);
    else if (left_ms <= timer->due_ms - HOUR_MS || left_ms > timer->due_ms)
        DIFFERS("%" PRId64 " ms are left of %" PRId64, left_ms, timer->due_ms);
}

/* ---- what puppets do */

static void order_cancel(struct order *order) { order->value = tr_timer_cancel(order->timer); }
static void order_read(struct order *order) { order->value = tr_timer_read(order->timer); }

/* number: the kind; ref.serial: the word. */
static void order_set(struct order *order)
{
    int64_t word = (int64_t)order->ref.serial;
    switch (order->number) {
    case KIND_SEND:
        order->status = tr_send_after(order->value, order->pid, PUPPET_WORD, &word, sizeof word, &order->timer);
        break;
    case KIND_START: order->status = tr_start_timer(order->value, order->pid, &word, sizeof word, &order->timer); break;
    case KIND_INTERVAL:
        order->status = tr_send_interval(order->value, order->pid, PUPPET_WORD, &word, sizeof word, &order->timer);
        break;
    case KIND_EXIT: order->status = tr_exit_after(order->value, order->pid, TR_KILL, &order->timer); break;
    }
}

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

static void await_words(const struct slot *slot)
{
    tr_process_info info;
    for (struct patience p = { 0 };; model_wait(&p, "what a timer sends")) {
        EXPECT_EQ(tr_info(slot->pid, &info), TR_OK);
        if (info.message_queue_len >= (size_t)slot->word_count)
            break;
    }
    EXPECT_EQ(info.message_queue_len, slot->word_count);
}

static void take(struct slot *slot)
{
    struct order order = { .run = order_take };
    if (!slot->alive)
        return;
    await_words(slot);
    must_let(slot->pid, &order);
    EXPECT_EQ(order.taken_count, slot->word_count);
    for (int i = 0; i < order.taken_count; i++) {
        RULE("TMR-08");
        EXPECT_EQ(took[i].value, slot->words[i].value);
        EXPECT_EQ(took[i].tag, slot->words[i].is_timeout ? TR_MSG_TIMEOUT : PUPPET_WORD);
        if (slot->words[i].is_timeout)
            EXPECT_EQ(took[i].ref.serial, slot->words[i].timer.id);
    }
    slot->word_count = 0;
}

/* Sets a timer; it is in no slot yet. */
static tr_timer set(tr_pid to, int kind, int64_t ms, bool by_puppet, int64_t word)
{
    struct order order = {
        .run = order_set, .pid = to, .number = kind, .value = ms, .ref = { .serial = (uint64_t)word }
    };
    let_somebody(by_puppet, &order);
    EXPECT_EQ(order.status, TR_OK);
    return order.timer;
}

/* One that was in the slot before is left alone: it goes with its receiver, or is cancelled here if it is the
 * driver's. */
static void set_long(struct timer *timer, int to, int kind, int hours, bool by_puppet)
{
    int64_t due_ms = (int64_t)(hours + 2) * HOUR_MS;
    if (tr_nobody(pid_of(to)) || (to == DRIVER && kind == KIND_EXIT))
        return;
    if (timer->used)
        expect_left(tr_timer_cancel(timer->id), timer);
    *timer = (struct timer){ .id = set(pid_of(to), kind, due_ms, by_puppet, ++next_word),
                             .used = true,
                             .active = to == DRIVER || slots[to].alive,
                             .to = to,
                             .due_ms = due_ms };
}

static void set_short(struct timer *timer, int to, int64_t ms, int kind)
{
    struct slot *slot = &slots[to];
    if (tr_nobody(slot->pid))
        return;
    if (slot->word_count == WORDS_MOST)
        take(slot);
    int64_t word = ++next_word;
    tr_timer id = set(slot->pid, kind, ms, false, word);
    if (timer->used)
        expect_left(tr_timer_cancel(timer->id), timer);
    *timer = (struct timer){ .id = id, .used = true, .to = to };
    if (slot->alive) {
        slot->words[slot->word_count++] = (struct word){ word, id, kind == KIND_START };
        await_words(slot);
    }
}

/* The second is due at least 2 ms after the first, however long it takes to set them. */
static void set_pair(int to)
{
    struct slot *slot = &slots[to];
    if (!slot->alive)
        return;
    if (slot->word_count > WORDS_MOST - 2)
        take(slot);
    for (int64_t due_ms = 0; due_ms <= 2; due_ms += 2) {
        slot->words[slot->word_count++] = (struct word){ .value = ++next_word };
        (void)set(slot->pid, KIND_SEND, due_ms, false, next_word);
    }
    await_words(slot);
}

/* TMR-06. */
static void set_named(int to)
{
    struct slot *slot = &slots[to];
    if (!slot->alive)
        return;
    if (slot->word_count == WORDS_MOST)
        take(slot);
    slot->words[slot->word_count++] = (struct word){ .value = ++next_word };
    EXPECT_EQ(tr_register(a_name, slot->pid), TR_OK);
    (void)set(tr_name(a_name), KIND_SEND, 0, false, next_word);
    await_words(slot);
    EXPECT_EQ(tr_unregister(a_name), TR_OK);
}

static void cancel(struct timer *timer, bool by_puppet)
{
    struct order order = { .run = order_cancel, .timer = timer->id };
    if (!timer->used)
        return;
    let_somebody(by_puppet, &order);
    RULE("TMR-02");
    expect_left(order.value, timer);
    timer->active = false;
}

static void cancel_async(struct timer *timer)
{
    if (!timer->used)
        return;
    model_did();
    EXPECT_EQ(tr_timer_cancel_async(timer->id), TR_OK);
    const tr_msg *message = tr_receive_match(&(tr_match){ .tag = TR_MSG_TIMER }, model_patience_ms());
    EXPECT(message != NULL);
    /* TMR-04 */
    expect_left(*(const int64_t *)tr_expect(message, sizeof(int64_t)), timer);
    timer->active = false;
}

static void read_it(const struct timer *timer, bool by_puppet)
{
    struct order order = { .run = order_read, .timer = timer->id };
    if (!timer->used)
        return;
    let_somebody(by_puppet, &order);
    /* TMR-03 */
    expect_left(order.value, timer);
}

static void end_it(int which, int how)
{
    if (!slots[which].alive)
        return;
    tr_reason reason = end_puppet(slots[which].pid, (enum end)how, how);
    is_dead(which, &reason);
}

static void short_exit(int which)
{
    if (!slots[which].alive)
        return;
    (void)set(slots[which].pid, KIND_EXIT, 1, false, 0);
    is_dead(which, &TR_KILLED);
}

static void spawn(struct slot *slot)
{
    if (slot->alive)
        return;
    model_did();
    tr_pid pid = tr_spawn(puppet, NULL, 0);
    *slot = (struct slot){ .pid = pid, .alive = true, .down = tr_monitor(pid) };
    for (int i = 0; i < TIMERS; i++) /* they are of the process that was here before */
        if (timers[i].to == (int)(slot - slots) && timers[i].used)
            EXPECT(!timers[i].active);
}

static void apply(const struct command *command)
{
    const int *arguments = command->arguments;
    int first = arguments[0], second = arguments[1];
    switch (command->operation) {
    case SPAWN: spawn(&slots[first]); break;
    case LONG: set_long(&timers[first], second, arguments[2], arguments[3], arguments[4] == 1); break;
    case SHORT: set_short(&timers[first], second, arguments[2], arguments[3]); break;
    case PAIR: set_pair(first); break;
    case NAMED: set_named(first); break;
    case CANCEL: cancel(&timers[first], second == 1); break;
    case CANCEL_ASYNC: cancel_async(&timers[first]); break;
    case READ: read_it(&timers[first], second == 1); break;
    case END: end_it(first, second); break;
    case EXIT_AFTER: short_exit(first); break;
    case TAKE: take(&slots[first]); break;
    }
}

static void begin(void)
{
    processes = settled_processes();
    memset(slots, 0, sizeof slots);
    memset(timers, 0, sizeof timers);
}

static void end(void)
{
    for (int i = 0; i < SLOTS; i++) {
        take(&slots[i]);
        end_it(i, END_KILL);
    }
    for (int i = 0; i < TIMERS; i++)
        cancel(&timers[i], false);
    expect_processes(processes);
    EXPECT(tr_receive(0) == NULL);
}

int main(int argc, char **argv)
{
    static const struct model model = { "timers", operations, TR_COUNT(operations), 300, 100000, begin, apply, end };
    return model_main(argc, argv, &model);
}
