/* wheel.c: slots, cascades and the sorted list of what is due. Everything here runs under the wheel's lock, but
 * wheel_insert, wheel_remove and wheel_expire, which take it. */
#include "queue/wheel.h"

#include "base/check.h"

#include <sched.h>

#define DIGIT_MASK  ((uint64_t)WHEEL_SLOTS - 1)
#define LATEST_TICK ((UINT64_C(1) << (WHEEL_LEVELS * WHEEL_DIGIT_BITS)) - 1)

_Static_assert(sizeof(struct wheel_node) <= 40, "every timer and every actor embeds a node");

void wheel_lock_contended(struct wheel *wheel)
{
    for (uint32_t spins = 0;; spins++) {
        if (spins < WHEEL_SPINS)
            spin_pause();
        else
            sched_yield(); /* the holder may be off its core */
        if (load_relaxed(&wheel->locked) != 0)
            continue;
        uint32_t open = 0;
        if (atomic_compare_exchange_strong_explicit(&wheel->locked, &open, 1, memory_order_acquire, /* [WH3] */
                                                    memory_order_relaxed))
            return;
    }
}

static uint64_t tick_of(int64_t ns)
{
    uint64_t tick = ns <= 0 ? 0 : (uint64_t)ns >> WHEEL_TICK_BITS;
    return tick < LATEST_TICK ? tick : LATEST_TICK;
}

void wheel_init(struct wheel *wheel, int64_t now_ns)
{
    *wheel = (struct wheel){ .tick = tick_of(now_ns) };
    store_relaxed(&wheel->next_due, NEVER);
}

/* --- lists and slots --------------------------------------------------------------------------- */

static void list_append(struct wheel_list *list, struct wheel_node *node)
{
    node->next = NULL;
    node->previous = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = node;
    list->last = node;
}

static void list_unlink(struct wheel_list *list, struct wheel_node *node)
{
    *(node->previous != NULL ? &node->previous->next : &list->first) = node->next;
    *(node->next != NULL ? &node->next->previous : &list->last) = node->previous;
}

static void slot_insert(struct wheel *wheel, struct wheel_node *node)
{
    uint64_t tick = tick_of(node->due_ns);
    if (tick < wheel->tick)
        tick = wheel->tick; /* overdue: it fires at the next expire */
    uint64_t difference = tick ^ wheel->tick;
    uint32_t level = difference == 0 ? 0 : (63 - (uint32_t)__builtin_clzll(difference)) / WHEEL_DIGIT_BITS;
    uint32_t which = (uint32_t)(tick >> (level * WHEEL_DIGIT_BITS) & DIGIT_MASK);
    struct wheel_slot *slot = &wheel->slots[level][which];
    if (slot->list.first == NULL || node->due_ns < slot->earliest)
        slot->earliest = node->due_ns;
    list_append(&slot->list, node);
    node->place = (uint8_t)level;
    node->slot = (uint8_t)which;
    wheel->occupied[level] |= UINT64_C(1) << which;
}

/* The least that the slots know: of each level its first occupied slot, since the slots of a level are in order. */
static int64_t earliest_due(const struct wheel *wheel)
{
    int64_t earliest = wheel->due.first != NULL ? wheel->due.first->due_ns : NEVER;
    for (uint32_t level = 0; level < WHEEL_LEVELS; level++) {
        if (wheel->occupied[level] == 0)
            continue;
        const struct wheel_slot *slot = &wheel->slots[level][__builtin_ctzll(wheel->occupied[level])];
        if (slot->earliest < earliest)
            earliest = slot->earliest;
    }
    return earliest;
}

/* --- insert and remove ------------------------------------------------------------------------- */

bool wheel_insert_locked(struct wheel *wheel, struct wheel_node *node, int64_t due_ns)
{
    tr_debug_check(node->place == WHEEL_OUT);
    node->due_ns = due_ns;
    slot_insert(wheel, node);
    wheel->count++;
    if (due_ns >= load_relaxed(&wheel->next_due)) /* relaxed: written under this lock only */
        return false;
    store_seq_cst(&wheel->next_due, due_ns); /* [WH1] */
    return true;
}

bool wheel_remove_locked(struct wheel *wheel, struct wheel_node *node)
{
    if (node->place == WHEEL_OUT)
        return false;
    if (node->place == WHEEL_DUE) {
        list_unlink(&wheel->due, node);
    } else {
        struct wheel_list *list = &wheel->slots[node->place][node->slot].list;
        list_unlink(list, node);
        if (list->first == NULL)
            wheel->occupied[node->place] &= ~(UINT64_C(1) << node->slot);
    }
    node->place = WHEEL_OUT;
    if (--wheel->count == 0)
        store_relaxed(&wheel->next_due, NEVER); /* relaxed: later is never urgent */
    return true;
}

bool wheel_insert(struct wheel *wheel, struct wheel_node *node, int64_t due_ns)
{
    wheel_lock(wheel);
    bool earlier = wheel_insert_locked(wheel, node, due_ns);
    wheel_unlock(wheel);
    return earlier;
}

bool wheel_remove(struct wheel *wheel, struct wheel_node *node)
{
    wheel_lock(wheel);
    bool was_in = wheel_remove_locked(wheel, node);
    wheel_unlock(wheel);
    return was_in;
}

/* --- expiry ------------------------------------------------------------------------------------ */

/* Merges two chains that are sorted by due_ns (linked through `next` only); equal ones: `a` first. */
static struct wheel_node *merge(struct wheel_node *a, struct wheel_node *b)
{
    struct wheel_node *merged = NULL;
    struct wheel_node **end = &merged;
    while (a != NULL && b != NULL) {
        struct wheel_node **smaller = b->due_ns < a->due_ns ? &b : &a;
        *end = *smaller;
        end = &(*smaller)->next;
        *smaller = *end;
    }
    *end = a != NULL ? a : b;
    return merged;
}

/* Bottom-up merge sort of a chain: `runs[i]` holds 2^i nodes or none. Stable. */
static struct wheel_node *sort(struct wheel_node *chain)
{
    struct wheel_node *runs[32] = { NULL };
    while (chain != NULL) {
        struct wheel_node *run = chain;
        chain = chain->next;
        run->next = NULL;
        uint32_t i = 0;
        for (; runs[i] != NULL; i++) {
            run = merge(runs[i], run);
            runs[i] = NULL;
        }
        runs[i] = run;
    }
    struct wheel_node *sorted = NULL;
    for (uint32_t i = 0; i < 32; i++)
        sorted = merge(runs[i], sorted);
    return sorted;
}

/* Sorts a chain of due nodes and merges it into those that are due already. */
static void due_add(struct wheel *wheel, struct wheel_node *chain)
{
    if (chain == NULL)
        return;
    struct wheel_node *node = merge(wheel->due.first, sort(chain));
    wheel->due = (struct wheel_list){ 0 };
    while (node != NULL) {
        struct wheel_node *next = node->next;
        list_append(&wheel->due, node);
        node->place = WHEEL_DUE;
        node = next;
    }
}

/* Takes out the nodes of all slots whose first tick is not after `tick`. What stays is in the slots that it is in for
 * the new time too: a slot that starts later shares its upper digits with both. */
static struct wheel_node *open_slots(struct wheel *wheel, uint64_t tick)
{
    struct wheel_list opened = { 0 };
    for (uint32_t level = 0; level < WHEEL_LEVELS; level++) {
        uint32_t shift = level * WHEEL_DIGIT_BITS;
        uint64_t above = wheel->tick >> shift & ~DIGIT_MASK;
        while (wheel->occupied[level] != 0) {
            uint32_t which = (uint32_t)__builtin_ctzll(wheel->occupied[level]);
            if ((above | which) << shift > tick)
                break;
            struct wheel_list *list = &wheel->slots[level][which].list;
            *(opened.last != NULL ? &opened.last->next : &opened.first) = list->first;
            opened.last = list->last;
            *list = (struct wheel_list){ 0 };
            wheel->occupied[level] &= ~(UINT64_C(1) << which);
        }
    }
    return opened.first;
}

/* Brings the wheel's time to `now_ns`: what is due goes onto the due list, the rest of the opened slots to lower
 * levels. */
static void advance(struct wheel *wheel, int64_t now_ns)
{
    uint64_t tick = tick_of(now_ns);
    if (tick < wheel->tick)
        tick = wheel->tick; /* another thread read a later clock and was faster */
    struct wheel_node *node = open_slots(wheel, tick);
    struct wheel_node *due = NULL;
    struct wheel_node **end = &due;
    wheel->tick = tick;
    while (node != NULL) {
        struct wheel_node *next = node->next;
        if (node->due_ns <= now_ns) {
            *end = node;
            end = &node->next;
        } else {
            slot_insert(wheel, node);
        }
        node = next;
    }
    *end = NULL;
    due_add(wheel, due);
}

static void fire_first(struct wheel *wheel, wheel_fire fire, void *arg)
{
    struct wheel_node *node = wheel->due.first;
    list_unlink(&wheel->due, node);
    node->place = WHEEL_OUT;
    wheel->count--;
    int64_t again_ns = fire(node, arg);
    if (again_ns == NEVER)
        return; /* the node may be gone */
    node->due_ns = again_ns;
    slot_insert(wheel, node);
    wheel->count++;
}

uint32_t wheel_expire(struct wheel *wheel, int64_t now_ns, wheel_fire fire, void *arg)
{
    if (wheel_next_due(wheel) > now_ns)
        return 0;
    uint32_t fired = 0;
    wheel_lock(wheel);
    advance(wheel, now_ns);
    while (wheel->due.first != NULL) {
        fire_first(wheel, fire, arg);
        if (++fired % WHEEL_FIRES == 0) { /* lets others in; the rest of the due list can still be removed from */
            wheel_unlock(wheel);
            wheel_lock(wheel);
        }
    }
    store_seq_cst(&wheel->next_due, earliest_due(wheel)); /* [WH1] */
    wheel_unlock(wheel);
    return fired;
}
