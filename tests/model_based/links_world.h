/* links_world.h: the model of links, monitors and aliases: who must live, be linked, watch, and have which messages;
 * and how that is compared with what is so. */
#ifndef TROUPE_TESTS_MODEL_BASED_LINKS_WORLD_H
#define TROUPE_TESTS_MODEL_BASED_LINKS_WORLD_H

#include "puppet.h"

enum { SLOTS = 6, REFS = 8, WATCHES_MOST = 40, ITEMS_MOST = TAKE_MOST, ITEMS_MANY = 100 };

enum why { NORMAL, SHUTDOWN, SHUTDOWN_TEXT, KILL, KILLED, OTHER, WHYS };
enum mode { NO_ALIAS, EXPLICIT, AT_DEMONITOR, AT_REPLY, MODES };
enum { FROM_PLAIN, FROM_LINK, FROM_MONITOR, FROM_BOTH, FROMS };

/* ---- the model */

/* A message that must be in a mailbox. epoch: the command that caused it. */
struct item {
    int tag;
    tr_pid sender;
    tr_ref ref;
    tr_reason reason;
    int64_t value;
    int64_t epoch;
};

static struct slot {
    tr_pid pid;
    bool alive, trap;
    tr_ref down; /* the driver's */
    tr_reason ended;
    bool unseen; /* it has ended in this command: the driver has not yet taken its DOWN */
    struct item items[ITEMS_MOST];
    int item_count;
} slots[SLOTS];

static bool linked[SLOTS][SLOTS];

/* A monitor, an alias, or both. */
static struct watch {
    bool used, monitors, is_alias;
    int owner, target; /* slots, of processes that live; target -1: none */
    enum mode mode;
    tr_ref ref;
} watches[WATCHES_MOST];

static tr_ref refs[REFS]; /* what a command names by a number */

static int64_t epoch, next_word;
static size_t processes;

static struct watch *watch_of(tr_ref ref)
{
    for (int i = 0; i < WATCHES_MOST; i++)
        if (watches[i].used && tr_same_ref(watches[i].ref, ref))
            return &watches[i];
    return NULL;
}

static struct watch *watch_new(void)
{
    for (int i = 0; i < WATCHES_MOST; i++)
        if (!watches[i].used)
            return &watches[i];
    return NULL;
}

/* Forgets what neither monitors nor is an alias. */
static void watch_settle(struct watch *watch) { watch->used = watch->monitors || watch->is_alias; }

static void put(struct slot *slot, struct item item)
{
    item.epoch = epoch;
    slot->items[slot->item_count++] = item;
}

static void remove_item(struct slot *slot, int at)
{
    slot->item_count--;
    memmove(&slot->items[at], &slot->items[at + 1], (size_t)(slot->item_count - at) * sizeof slot->items[0]);
}

/* The oldest, or -1. */
static int find_item(const struct slot *slot, int tag, tr_pid sender, tr_ref ref)
{
    for (int i = 0; i < slot->item_count; i++)
        if (slot->items[i].tag == tag &&
            (tag == TR_MSG_DOWN ? tr_same_ref(slot->items[i].ref, ref) : tr_same(slot->items[i].sender, sender)))
            return i;
    return -1;
}

static void die(int which, tr_reason reason);

/* EXIT-01: the rows of links. */
static void link_exit(int to, tr_pid from, const tr_reason *reason)
{
    struct slot *slot = &slots[to];
    RULE("EXIT-08");
    if (slot->trap)
        put(slot, (struct item){ .tag = TR_MSG_EXIT, .sender = from, .reason = *reason });
    else if (reason->why != TR_WHY_NORMAL)
        die(to, *reason);
}

/* The monitor is over: its DOWN comes. ALIAS-01: so does the end of an alias that is not explicit. */
static void down(struct watch *watch, tr_pid target, const tr_reason *reason)
{
    put(&slots[watch->owner],
        (struct item){ .tag = TR_MSG_DOWN, .sender = target, .ref = watch->ref, .reason = *reason });
    watch->monitors = false;
    watch->target = -1;
    watch->is_alias &= watch->mode == EXPLICIT;
    watch_settle(watch);
}

static void die(int which, tr_reason reason)
{
    struct slot *slot = &slots[which];
    slot->alive = false;
    slot->unseen = true;
    slot->ended = reason;
    slot->item_count = 0;
    for (int i = 0; i < WATCHES_MOST; i++)
        if (watches[i].used && watches[i].owner == which)
            watches[i].used = false;
    for (int i = 0; i < WATCHES_MOST; i++)
        if (watches[i].used && watches[i].monitors && watches[i].target == which)
            down(&watches[i], slot->pid, &reason);
    for (int peer = 0; peer < SLOTS; peer++)
        if (linked[which][peer]) {
            linked[which][peer] = linked[peer][which] = false;
            if (slots[peer].alive)
                link_exit(peer, slot->pid, &reason);
        }
}

/* EXIT-01: the rows of exit/2. */
static void exit_signal(int from, int to, const tr_reason *reason)
{
    struct slot *slot = &slots[to];
    if (!slot->alive)
        return;
    if (tr_reason_same(reason, &TR_KILL))
        die(to, TR_KILLED);
    else if (slot->trap)
        put(slot, (struct item){ .tag = TR_MSG_EXIT, .sender = slots[from].pid, .reason = *reason });
    else if (reason->why != TR_WHY_NORMAL || from == to)
        die(to, *reason);
}

/* ---- comparing */

static void differs_at(const struct slot *slot, int at, const struct taken *found)
{
    char text[96];
    DIFFERS("message %d of %s: tag %d from %s, reason %s, value %" PRId64
            ": the model says something else, or not yet (it has %d messages)",
            at, tr_pid_text(slot->pid).s, found->tag, tr_pid_text(found->sender).s,
            tr_reason_text(&found->reason, text, sizeof text), found->value, slot->item_count);
}

static bool is_item(const struct item *item, const struct taken *found)
{
    return item->tag == found->tag && tr_same(item->sender, found->sender) && tr_same_ref(item->ref, found->ref) &&
           tr_reason_same(&item->reason, &found->reason) && (item->tag < 0 || item->value == found->value);
}

/* The message must be one of the oldest epoch; a DOWN not before the EXIT of the same process. */
static void strike(struct slot *slot, int number, const struct taken *found)
{
    int64_t oldest = slot->items[0].epoch;
    for (int i = 0; i < slot->item_count && slot->items[i].epoch == oldest; i++)
        if (is_item(&slot->items[i], found)) {
            RULE("EXIT-12");
            int sent = found->tag != TR_MSG_DOWN ? -1 : find_item(slot, TR_MSG_EXIT, found->sender, found->ref);
            if (sent >= 0 && slot->items[sent].epoch == oldest)
                DIFFERS("the DOWN of %s came before its EXIT", tr_pid_text(found->sender).s);
            remove_item(slot, i);
            return;
        }
    differs_at(slot, number, found);
}

static void take(struct slot *slot)
{
    struct order order = { .run = order_take };
    if (!slot->alive)
        return;
    must_let(slot->pid, &order);
    for (int i = 0; i < order.taken_count; i++) {
        if (slot->item_count == 0)
            differs_at(slot, i, &took[i]);
        strike(slot, i, &took[i]);
    }
    EXPECT_EQ(slot->item_count, 0);
}

/* Those who must have ended have, and all that must come is there. */
static void settle(void)
{
    tr_process_info info;
    for (int i = 0; i < SLOTS; i++)
        if (slots[i].unseen) {
            expect_down(slots[i].down, &slots[i].ended);
            slots[i].unseen = false;
        }
    for (int i = 0; i < SLOTS; i++) {
        struct slot *slot = &slots[i];
        if (!slot->alive || slot->item_count == 0 || slot->items[slot->item_count - 1].epoch != epoch)
            continue;
        struct patience patience = { 0 };
        for (;;) {
            EXPECT_EQ(tr_info(slot->pid, &info), TR_OK);
            if (info.message_queue_len >= (size_t)slot->item_count)
                break;
            model_wait(&patience, "a message");
        }
        EXPECT_EQ(info.message_queue_len, slot->item_count);
        if (slot->item_count > ITEMS_MANY)
            take(slot);
    }
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = ((const tr_pid *)a)->id, y = ((const tr_pid *)b)->id;
    return (x > y) - (x < y);
}

static void same_pids(const char *what, tr_pid *real, size_t real_count, tr_pid *expected, size_t expected_count)
{
    if (real_count > 0)
        qsort(real, real_count, sizeof *real, by_number);
    qsort(expected, expected_count, sizeof *expected, by_number);
    bool same = real_count == expected_count;
    for (size_t i = 0; same && i < real_count; i++)
        same = tr_same(real[i], expected[i]);
    if (!same)
        DIFFERS("%s: info has %zu, the first of them %s; the model has %zu, the first %s", what, real_count,
                real_count == 0 ? "-" : tr_pid_text(real[0]).s, expected_count,
                expected_count == 0 ? "-" : tr_pid_text(expected[0]).s);
    tr_free(real);
}

static void ask_info(int which)
{
    struct slot *slot = &slots[which];
    tr_process_info info;
    tr_pid *list = NULL, expected[WATCHES_MOST + SLOTS + 1];
    size_t count = 0, wanted = 0;
    if (tr_nobody(slot->pid))
        return;
    model_did();
    EXPECT_EQ(tr_is_alive(slot->pid), slot->alive);
    EXPECT_EQ(tr_info(slot->pid, &info), slot->alive ? TR_OK : TR_ENOPROC);
    if (!slot->alive)
        return;
    EXPECT_EQ(info.message_queue_len, slot->item_count);
    EXPECT_EQ(info.trap_exit, slot->trap);
    EXPECT_EQ(tr_info_links(slot->pid, &list, &count), TR_OK);
    for (int i = 0; i < SLOTS; i++)
        if (linked[which][i])
            expected[wanted++] = slots[i].pid;
    EXPECT_EQ(info.links, wanted);
    same_pids("links", list, count, expected, wanted);
    EXPECT_EQ(tr_info_monitors(slot->pid, &list, &count), TR_OK);
    wanted = 0;
    for (int i = 0; i < WATCHES_MOST; i++)
        if (watches[i].used && watches[i].monitors && watches[i].owner == which)
            expected[wanted++] = slots[watches[i].target].pid;
    same_pids("monitors", list, count, expected, wanted);
    EXPECT_EQ(info.monitors, wanted);
    EXPECT_EQ(tr_info_monitored_by(slot->pid, &list, &count), TR_OK);
    wanted = 0;
    for (int i = 0; i < WATCHES_MOST; i++)
        if (watches[i].used && watches[i].monitors && watches[i].target == which)
            expected[wanted++] = slots[watches[i].owner].pid;
    expected[wanted++] = tr_self();
    same_pids("monitored_by", list, count, expected, wanted);
}

#endif
