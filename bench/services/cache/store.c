/* store.c: see store.h; the heap of deadlines is in deadline.c. */
#include "store.h"

#include <stdlib.h>
#include <string.h>

#include "deadline.h"

enum {
    BUCKETS_MIN = 64,
    EMPTY_PER_STEP = 16, /* empty buckets that one step of resizing passes over */
    EVICT_SAMPLES = 5,   /* as in Redis */
    EVICT_LOOKS = 64,    /* buckets looked at for them */
    TICK_EXPIRED = 512,
    TICK_MOVED = 2048,
    TICK_RELEASED = 4,
    TICK_MAX_MS = 100
};

/* Forgotten keys whose memory is not given back yet. */
struct discarded {
    struct discarded *next;
    struct arena arena;
    struct entry **buckets[2];
};

void store_start(struct store *store)
{
    *store = (struct store){ .moved = SIZE_MAX, .chance = UINT64_C(0x9e3779b97f4a7c15) };
}

static void release_discarded(struct store *store, size_t steps)
{
    struct discarded *oldest = store->discarded;
    if (oldest == NULL || !arena_release(&oldest->arena, steps))
        return;
    free(oldest->buckets[0]);
    free(oldest->buckets[1]);
    store->discarded = oldest->next;
    free(oldest);
}

void store_stop(struct store *store)
{
    while (store->discarded != NULL)
        release_discarded(store, SIZE_MAX);
    arena_release(&store->arena, SIZE_MAX);
    free(store->tables[0].buckets);
    free(store->tables[1].buckets);
    free(store->deadlines);
    store_start(store);
}

static size_t table_bytes(const struct table *table)
{
    return table->buckets == NULL ? 0 : (table->mask + 1) * sizeof *table->buckets;
}

size_t store_used(const struct store *store)
{
    return store->arena.used + table_bytes(&store->tables[0]) + table_bytes(&store->tables[1]) +
           store->deadline_room * sizeof *store->deadlines;
}

/* ---- resizing */

static bool is_resizing(const struct store *store) { return store->moved != SIZE_MAX; }

static void begin_resize(struct store *store, size_t buckets)
{
    struct entry **fresh = calloc(buckets, sizeof *fresh); /* large ones are mapped zeroes: no pause */
    if (fresh == NULL)
        return; /* longer chains, but it goes on */
    struct table *table = &store->tables[store->tables[0].buckets != NULL];
    *table = (struct table){ .buckets = fresh, .mask = buckets - 1 };
    if (table == &store->tables[1])
        store->moved = 0;
}

static void move_bucket(struct store *store, size_t bucket)
{
    struct table *from = &store->tables[0], *to = &store->tables[1];
    struct entry *entry = from->buckets[bucket], *next;
    for (; entry != NULL; entry = next) {
        next = entry->next;
        struct entry **place = &to->buckets[entry->hash & to->mask];
        entry->next = *place;
        *place = entry;
        from->count--;
        to->count++;
    }
    from->buckets[bucket] = NULL;
}

/* Moves one bucket that is not empty. */
static void step_resize(struct store *store)
{
    struct table *from = &store->tables[0];
    for (int i = 0; i < EMPTY_PER_STEP && store->moved <= from->mask && from->buckets[store->moved] == NULL; i++)
        store->moved++;
    if (store->moved <= from->mask && from->buckets[store->moved] != NULL)
        move_bucket(store, store->moved++);
    if (store->moved <= from->mask)
        return;
    free(from->buckets);
    store->tables[0] = store->tables[1];
    store->tables[1] = (struct table){ 0 };
    store->moved = SIZE_MAX;
}

static void fit_size(struct store *store)
{
    size_t count = store->tables[0].count, buckets = store->tables[0].mask + 1;
    if (is_resizing(store))
        return;
    if (store->tables[0].buckets == NULL)
        begin_resize(store, BUCKETS_MIN);
    else if (count >= buckets)
        begin_resize(store, buckets * 2);
    else if (buckets > BUCKETS_MIN && count < buckets / 16)
        begin_resize(store, buckets / 4 < BUCKETS_MIN ? BUCKETS_MIN : buckets / 4);
}

/* ---- entries */

static size_t entry_size(const struct entry *entry) { return sizeof *entry + entry->key_size + entry->room; }

static uint32_t store_clock(const struct store *store) { return (uint32_t)(store->now_ms >> 6); }

/* The word that points to the entry, and the table that counts it. */
static struct entry **link_of(struct store *store, struct entry *entry, struct table **where)
{
    for (struct table *table = store->tables; table < store->tables + 2; table++) {
        if (table->buckets == NULL)
            continue;
        struct entry **link = &table->buckets[entry->hash & table->mask];
        while (*link != NULL && *link != entry)
            link = &(*link)->next;
        if (*link == entry) {
            *where = table;
            return link;
        }
    }
    abort(); /* an entry that is in no table: memory is destroyed */
}

static void free_entry(struct store *store, struct entry *entry)
{
    deadline_remove(store, entry);
    arena_give(&store->arena, entry, entry_size(entry));
}

void store_remove(struct store *store, struct entry *entry)
{
    struct table *table;
    *link_of(store, entry, &table) = entry->next;
    table->count--;
    free_entry(store, entry);
    fit_size(store);
}

static bool has_expired(const struct store *store, const struct entry *entry)
{
    return entry->deadline != 0 && store->deadlines[entry->deadline - 1].when_ms <= store->now_ms;
}

struct entry *store_find(struct store *store, struct slice key, uint64_t hash)
{
    if (is_resizing(store))
        step_resize(store);
    uint32_t low = (uint32_t)hash;
    for (struct table *table = store->tables; table < store->tables + 2 && table->buckets != NULL; table++) {
        for (struct entry *entry = table->buckets[low & table->mask]; entry != NULL; entry = entry->next) {
            if (entry->hash != low || entry->key_size != key.size || memcmp(entry->data, key.data, key.size) != 0)
                continue;
            if (has_expired(store, entry)) {
                store->expired++;
                store_remove(store, entry);
                return NULL;
            }
            entry->used = store_clock(store);
            return entry;
        }
    }
    return NULL;
}

struct entry *store_add(struct store *store, struct slice key, uint64_t hash, size_t size)
{
    if (key.size > UINT32_MAX / 2 || size > UINT32_MAX / 2)
        return NULL;
    fit_size(store);
    if (store->tables[0].buckets == NULL)
        return NULL;
    size_t whole = arena_room(sizeof(struct entry) + key.size + size);
    struct entry *entry = arena_take(&store->arena, whole);
    if (entry == NULL)
        return NULL;
    struct table *table = &store->tables[is_resizing(store) ? 1 : 0];
    struct entry **place = &table->buckets[(uint32_t)hash & table->mask];
    *entry = (struct entry){ .next = *place,
                             .hash = (uint32_t)hash,
                             .key_size = (uint32_t)key.size,
                             .size = (uint32_t)size,
                             .room = (uint32_t)(whole - sizeof *entry - key.size),
                             .used = store_clock(store) };
    if (key.size > 0)
        memcpy(entry->data, key.data, key.size);
    *place = entry;
    table->count++;
    return entry;
}

struct entry *store_resize(struct store *store, struct entry *entry, size_t size, bool spare)
{
    if (size <= entry->room && (size > entry->room / 4 || entry->room < 256)) {
        entry->size = (uint32_t)size;
        return entry;
    }
    if (size > UINT32_MAX / 2)
        return NULL;
    size_t room = spare ? size + (size < 1024 * 1024 ? size : 1024 * 1024) : size;
    size_t whole = arena_room(sizeof *entry + entry->key_size + room);
    struct entry *bigger = arena_take(&store->arena, whole);
    if (bigger == NULL)
        return NULL;
    memcpy(bigger, entry, sizeof *entry + entry->key_size + (entry->size < size ? entry->size : size));
    bigger->size = (uint32_t)size;
    bigger->room = (uint32_t)(whole - sizeof *entry - entry->key_size);
    struct table *table;
    *link_of(store, entry, &table) = bigger;
    deadline_moved(store, bigger);
    arena_give(&store->arena, entry, entry_size(entry));
    return bigger;
}

void store_clear(struct store *store)
{
    struct discarded *discarded = malloc(sizeof *discarded);
    free(store->deadlines);
    store->deadlines = NULL;
    store->deadline_count = store->deadline_room = 0;
    if (discarded == NULL) { /* then at once */
        arena_release(&store->arena, SIZE_MAX);
        free(store->tables[0].buckets);
        free(store->tables[1].buckets);
    } else {
        *discarded = (struct discarded){ .next = store->discarded,
                                         .arena = store->arena,
                                         .buckets = { store->tables[0].buckets, store->tables[1].buckets } };
        store->discarded = discarded;
    }
    store->arena = (struct arena){ 0 };
    store->tables[0] = store->tables[1] = (struct table){ 0 };
    store->moved = SIZE_MAX;
}

static uint64_t draw(struct store *store)
{
    store->chance ^= store->chance << 13;
    store->chance ^= store->chance >> 7;
    store->chance ^= store->chance << 17;
    return store->chance;
}

bool store_evict(struct store *store)
{
    struct entry *oldest = NULL;
    uint32_t now = store_clock(store);
    int seen = 0;
    for (int i = 0; store_count(store) > 0 && seen < EVICT_SAMPLES && (i < EVICT_LOOKS || oldest == NULL); i++) {
        struct table *table = &store->tables[is_resizing(store) ? i & 1 : 0];
        for (struct entry *entry = table->buckets[draw(store) & table->mask]; entry != NULL; entry = entry->next) {
            seen++;
            if (oldest == NULL || now - entry->used > now - oldest->used)
                oldest = entry;
        }
    }
    if (oldest == NULL)
        return false;
    store_remove(store, oldest);
    store->evicted++;
    return true;
}

/* ---- walking, ticking */

static uint64_t reverse_bits(uint64_t x)
{
    x = (x >> 1 & UINT64_C(0x5555555555555555)) | (x & UINT64_C(0x5555555555555555)) << 1;
    x = (x >> 2 & UINT64_C(0x3333333333333333)) | (x & UINT64_C(0x3333333333333333)) << 2;
    x = (x >> 4 & UINT64_C(0x0f0f0f0f0f0f0f0f)) | (x & UINT64_C(0x0f0f0f0f0f0f0f0f)) << 4;
    return __builtin_bswap64(x);
}

/* Counts up from the highest bit of the mask: a bucket's heirs in a larger table follow one another. */
static uint64_t next_cursor(uint64_t cursor, uint64_t mask) { return reverse_bits(reverse_bits(cursor | ~mask) + 1); }

static void visit_bucket(struct store *store, const struct table *table, uint64_t cursor,
                         void (*visit)(void *arg, const struct entry *entry), void *arg)
{
    for (const struct entry *entry = table->buckets[cursor & table->mask]; entry != NULL; entry = entry->next)
        if (!has_expired(store, entry))
            visit(arg, entry);
}

uint64_t store_scan(struct store *store, uint64_t cursor, void (*visit)(void *arg, const struct entry *entry),
                    void *arg)
{
    const struct table *small = &store->tables[0], *large = &store->tables[1];
    if (small->buckets == NULL)
        return 0;
    if (!is_resizing(store)) {
        visit_bucket(store, small, cursor, visit, arg);
        return next_cursor(cursor, small->mask);
    }
    if (small->mask > large->mask) {
        small = &store->tables[1];
        large = &store->tables[0];
    }
    visit_bucket(store, small, cursor, visit, arg);
    do {
        visit_bucket(store, large, cursor, visit, arg);
        cursor = next_cursor(cursor, large->mask);
    } while ((cursor & (small->mask ^ large->mask)) != 0);
    return cursor;
}

int64_t store_tick(struct store *store)
{
    int expired = 0;
    for (; expired < TICK_EXPIRED && store->deadline_count > 0; expired++) {
        if (store->deadlines[0].when_ms > store->now_ms)
            break;
        store->expired++;
        store_remove(store, store->deadlines[0].entry);
    }
    for (int i = 0; i < TICK_MOVED && is_resizing(store); i++)
        step_resize(store);
    release_discarded(store, TICK_RELEASED);
    if (expired == TICK_EXPIRED || is_resizing(store) || store->discarded != NULL)
        return 1;
    if (store->deadline_count == 0)
        return -1;
    int64_t left = store->deadlines[0].when_ms - store->now_ms;
    return left < 1 ? 1 : left > TICK_MAX_MS ? TICK_MAX_MS : left;
}
