/* wheel.c: slots, cascades and the sorted list of what is due. Everything here runs under the wheel's lock, but
 * wheel_insert, wheel_remove and wheel_expire, which take it. */
#include "queue/wheel.h"

#include "base/check.h"

#include <sched.h>
#include <string.h>

enum { NEAR_WORDS = WHEEL_NEAR / 64, BUCKET_BITS = 7, BUCKETS = 1 << BUCKET_BITS };
#define NEAR_WORDS_MASK ((UINT32_C(1) << NEAR_WORDS) - 1)
#define NEAR_MASK       ((uint64_t)WHEEL_NEAR - 1)
#define DIGIT_MASK      ((uint64_t)63)

_Static_assert(sizeof(struct wheel_node) <= 40, "every timer and every actor embeds a node");
_Static_assert(WHEEL_TICK_BITS + WHEEL_NEAR_BITS + WHEEL_FAR_LEVELS * WHEEL_DIGIT_BITS >= 63, "all of int64_t");

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

static uint64_t tick_of(int64_t ns) { return ns <= 0 ? 0 : (uint64_t)ns >> WHEEL_TICK_BITS; }

/* The shift of a far level's digit: level 0 is the first far one. */
static uint32_t shift_of(uint32_t level) { return WHEEL_NEAR_BITS + level * WHEEL_DIGIT_BITS; }

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

static void list_prepend(struct wheel_list *list, struct wheel_node *node)
{
    node->next = list->first;
    node->previous = NULL;
    *(list->first != NULL ? &list->first->previous : &list->last) = node;
    list->first = node;
}

static uint32_t place_of(const struct wheel *wheel, uint64_t tick)
{
    if (tick - wheel->tick < WHEEL_NEAR)
        return (uint32_t)(tick & NEAR_MASK);
    uint32_t level = (63 - (uint32_t)__builtin_clzll(tick ^ wheel->tick) - WHEEL_NEAR_BITS) / WHEEL_DIGIT_BITS;
    return WHEEL_NEAR + level * 64 + (uint32_t)(tick >> shift_of(level) & DIGIT_MASK);
}

/* The list of the slot that the node is to be in. */
static struct wheel_list *slot_for(struct wheel *wheel, struct wheel_node *node)
{
    uint64_t tick = tick_of(node->due_ns);
    uint32_t place = place_of(wheel, tick < wheel->tick ? wheel->tick : tick); /* overdue: at the next expire */
    struct wheel_slot *slot = &wheel->slots[place];
    if (slot->list.first == NULL || node->due_ns < slot->earliest)
        slot->earliest = node->due_ns;
    node->place = (uint16_t)place;
    wheel->occupied[place / 64] |= UINT64_C(1) << place % 64;
    wheel->words |= UINT32_C(1) << place / 64;
    return &slot->list;
}

static void slot_insert(struct wheel *wheel, struct wheel_node *node) { list_append(slot_for(wheel, node), node); }

/* The slot has become empty. */
static void slot_clear(struct wheel *wheel, uint32_t place)
{
    wheel->slots[place].list = (struct wheel_list){ 0 };
    wheel->occupied[place / 64] &= ~(UINT64_C(1) << place % 64);
    if (wheel->occupied[place / 64] == 0)
        wheel->words &= ~(UINT32_C(1) << place / 64);
}

/* The first occupied slot of the near level, in the order of their ticks, which starts at the wheel's own and goes
 * around; WHEEL_NEAR: there is none. */
static uint32_t first_near(const struct wheel *wheel)
{
    uint32_t start = (uint32_t)(wheel->tick & NEAR_MASK), word = start / 64;
    uint64_t later = wheel->occupied[word] >> start % 64;
    if (later != 0)
        return start + (uint32_t)__builtin_ctzll(later);
    uint32_t near = wheel->words & NEAR_WORDS_MASK;
    if (near == 0)
        return WHEEL_NEAR;
    uint32_t turned = (near | near << NEAR_WORDS) >> (word + 1); /* the word itself, too, as the last one */
    word = (word + 1 + (uint32_t)__builtin_ctz(turned)) % NEAR_WORDS;
    return word * 64 + (uint32_t)__builtin_ctzll(wheel->occupied[word]);
}

static int64_t earliest_due(const struct wheel *wheel)
{
    int64_t earliest = wheel->due.first != NULL ? wheel->due.first->due_ns : NEVER;
    uint32_t place = first_near(wheel);
    if (place != WHEEL_NEAR && wheel->slots[place].earliest < earliest)
        earliest = wheel->slots[place].earliest;
    for (uint32_t words = wheel->words & ~NEAR_WORDS_MASK; words != 0; words &= words - 1) {
        uint32_t word = (uint32_t)__builtin_ctz(words); /* the first slot of a level: its slots are in order */
        int64_t its = wheel->slots[word * 64 + (uint32_t)__builtin_ctzll(wheel->occupied[word])].earliest;
        earliest = its < earliest ? its : earliest;
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
        struct wheel_list *list = &wheel->slots[node->place].list;
        list_unlink(list, node);
        if (list->first == NULL)
            slot_clear(wheel, node->place);
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

/* Cuts the ascending run off the front of a chain; returns the rest. */
static struct wheel_node *cut_run(struct wheel_node *run)
{
    struct wheel_node *last = run;
    while (last->next != NULL && last->next->due_ns >= last->due_ns)
        last = last->next;
    struct wheel_node *rest = last->next;
    last->next = NULL;
    return rest;
}

/* Bottom-up merge sort of a chain by its ascending runs. `runs[i]` holds 2^i of them or none. Stable. */
static struct wheel_node *sort(struct wheel_node *chain)
{
    struct wheel_node *runs[32] = { NULL };
    uint32_t used = 0;
    while (chain != NULL) {
        struct wheel_node *run = chain;
        chain = cut_run(chain);
        uint32_t i = 0;
        for (; runs[i] != NULL; i++) {
            run = merge(runs[i], run);
            runs[i] = NULL;
        }
        runs[i] = run;
        used = used > i ? used : i + 1;
    }
    struct wheel_node *sorted = NULL;
    for (uint32_t i = 0; i < used; i++)
        sorted = merge(runs[i], sorted);
    return sorted;
}

/* Merges a chain that is not empty into the list `due`, of which it walks no more than what is due before the chain's
 * last, from *before on: a node of the list after which none of the chain stands, or NULL for its end. */
static void due_merge(struct wheel_list *due, struct wheel_node *chain, struct wheel_node **before)
{
    struct wheel_node *at = *before, *next;
    if (at != NULL && due->last->due_ns <= chain->due_ns)
        at = NULL;
    for (struct wheel_node *node = chain; node != NULL; node = next) {
        next = node->next;
        while (at != NULL && at->due_ns <= node->due_ns)
            at = at->next;
        struct wheel_node *after = at != NULL ? at->previous : due->last;
        node->next = at;
        node->previous = after;
        node->place = WHEEL_DUE;
        *(after != NULL ? &after->next : &due->first) = node;
        *(at != NULL ? &at->previous : &due->last) = node;
    }
    *before = at;
}

/* A chain in buckets: by due_ns, a later bucket's nodes are due later; in each in the chain's order. */
struct buckets {
    uint64_t used[BUCKETS / 64], mixed[BUCKETS / 64]; /* a bit each: not empty; not in order */
    struct wheel_list lists[BUCKETS];                 /* undefined if not used; each without its end */
};

/* Mostly the chain is of one tick: it is cut into equal parts; what is due before or after it goes to the first and
 * last. */
static void spread(struct buckets *buckets, struct wheel_node *chain)
{
    int64_t begin = chain->due_ns & ~(int64_t)((1 << WHEEL_TICK_BITS) - 1);
    for (struct wheel_node *node = chain; node != NULL; node = node->next) {
        uint64_t which = node->due_ns < begin
                             ? 0
                             : ((uint64_t)node->due_ns - (uint64_t)begin) >> (WHEEL_TICK_BITS - BUCKET_BITS);
        if (which >= BUCKETS)
            which = BUCKETS - 1;
        uint64_t bit = UINT64_C(1) << which % 64;
        struct wheel_list *list = &buckets->lists[which];
        if ((buckets->used[which / 64] & bit) == 0) {
            buckets->used[which / 64] |= bit;
            list->first = node;
        } else {
            if (node->due_ns < list->last->due_ns)
                buckets->mixed[which / 64] |= bit;
            list->last->next = node;
        }
        list->last = node;
    }
}

/* Sorts a chain that is not empty into the list `due`. */
static void due_add(struct wheel *wheel, struct wheel_node *chain)
{
    struct wheel_node *before = wheel->due.first;
    if (chain->next == NULL) {
        due_merge(&wheel->due, chain, &before);
        return;
    }
    struct buckets buckets;
    memset(buckets.used, 0, sizeof buckets.used + sizeof buckets.mixed);
    spread(&buckets, chain);
    for (uint32_t word = 0; word < BUCKETS / 64; word++)
        for (uint64_t used = buckets.used[word]; used != 0; used &= used - 1) {
            struct wheel_list *list = &buckets.lists[word * 64 + (uint32_t)__builtin_ctzll(used)];
            list->last->next = NULL;
            bool mixed = (buckets.mixed[word] & used & -used) != 0;
            due_merge(&wheel->due, mixed ? sort(list->first) : list->first, &before);
        }
}

/* Fetches a list's nodes, which were not looked at for long. From both ends, since each is found through the one
 * before: two are on their way at any time. */
static void fetch(const struct wheel_list *list)
{
    const struct wheel_node *front = list->first, *back = list->last;
    while (front != back && front->next != back) {
        front = front->next;
        back = back->previous;
        __builtin_prefetch(front, 1);
        __builtin_prefetch(back, 1);
    }
}

/* Takes the nodes of an occupied slot to the end of `opened`. */
static void open_slot(struct wheel *wheel, uint32_t place, struct wheel_list *opened)
{
    const struct wheel_list *list = &wheel->slots[place].list;
    fetch(list);
    list->first->previous = opened->last;
    *(opened->last != NULL ? &opened->last->next : &opened->first) = list->first;
    opened->last = list->last;
    slot_clear(wheel, place);
}

/* Takes out the nodes of the near slots up to `tick`. */
static void open_near(struct wheel *wheel, uint64_t tick, struct wheel_list *opened)
{
    for (uint32_t place; (place = first_near(wheel)) != WHEEL_NEAR;) {
        if (((place - wheel->tick) & NEAR_MASK) > tick - wheel->tick)
            return;
        open_slot(wheel, place, opened);
    }
}

/* Takes out the nodes of all far slots whose first tick is not after `tick`. What stays is in the slots that it is in
 * for the new time too: a slot that starts later shares its upper digits with both. */
static void open_far(struct wheel *wheel, uint64_t tick, struct wheel_list *opened)
{
    for (uint32_t words = wheel->words & ~NEAR_WORDS_MASK; words != 0; words &= words - 1) {
        uint32_t word = (uint32_t)__builtin_ctz(words), shift = shift_of(word - NEAR_WORDS);
        uint64_t first = (wheel->tick >> shift & ~DIGIT_MASK) << shift; /* of slot 0; each is 2^shift ticks long */
        while (wheel->occupied[word] != 0) {
            uint32_t which = (uint32_t)__builtin_ctzll(wheel->occupied[word]);
            if (first + ((uint64_t)which << shift) > tick)
                break;
            open_slot(wheel, word * 64 + which, opened);
        }
    }
}

/* Brings the wheel's time to `now_ns`: what is in ticks that have begun goes onto the due list. From a far slot a node
 * goes before all that are due in its tick, and of these nodes the last one first: those in the near slot were inserted
 * later (I6). */
static void advance(struct wheel *wheel, int64_t now_ns)
{
    uint64_t tick = tick_of(now_ns);
    if (tick < wheel->tick)
        tick = wheel->tick; /* another thread read a later clock and was faster */
    struct wheel_list begun = { 0 }, far = { 0 };
    open_near(wheel, tick, &begun);
    open_far(wheel, tick, &far);
    wheel->tick = tick;
    for (struct wheel_node *node = far.last, *previous; node != NULL; node = previous) {
        previous = node->previous;
        list_prepend(tick_of(node->due_ns) <= tick ? &begun : slot_for(wheel, node), node);
    }
    if (begun.first != NULL)
        due_add(wheel, begun.first);
}

/* Fires the first that is due. If it wants to fire again and is late for that, too, it does so in the same round, as
 * long as `again_left` lasts: a round may be late itself, and one a round would never catch up. */
static void fire_first(struct wheel *wheel, int64_t now_ns, uint32_t *again_left, wheel_fire fire, void *arg)
{
    struct wheel_node *node = wheel->due.first;
    list_unlink(&wheel->due, node);
    node->place = WHEEL_OUT;
    wheel->count--;
    int64_t again_ns = fire(node, arg);
    if (again_ns == NEVER)
        return; /* the node may be gone */
    node->due_ns = again_ns;
    wheel->count++;
    if (again_ns <= now_ns && *again_left > 0) {
        (*again_left)--;
        node->next = NULL;
        due_add(wheel, node);
    } else {
        slot_insert(wheel, node);
    }
}

uint32_t wheel_expire(struct wheel *wheel, int64_t now_ns, wheel_fire fire, void *arg)
{
    if (wheel_next_due(wheel) > now_ns)
        return 0;
    uint32_t fired = 0, again_left = WHEEL_AGAIN;
    wheel_lock(wheel);
    advance(wheel, now_ns);
    while (wheel->due.first != NULL && wheel->due.first->due_ns <= now_ns) {
        fire_first(wheel, now_ns, &again_left, fire, arg);
        if (++fired % WHEEL_FIRES == 0) { /* lets others in; the rest of the due list can still be removed from */
            wheel_unlock(wheel);
            wheel_lock(wheel);
        }
    }
    store_seq_cst(&wheel->next_due, earliest_due(wheel)); /* [WH1] */
    wheel_unlock(wheel);
    return fired;
}
