/* store.h: the keys of one shard: a hash table that grows and shrinks a bucket at a time, and their deadlines.
 *
 * Shape: two arrays of buckets while the table is resized, else one; an entry is one block of the arena: header, key,
 * value. A deadline is a place in a 4-ary heap, which only keys that expire pay for; the entry knows its place.
 *
 * Invariants: an entry is in tables[0] or, while `moved` buckets of tables[0] are empty already, in tables[1];
 * entry->deadline is 0 or deadlines[entry->deadline - 1].entry == entry; no entry whose deadline has passed is ever
 * returned. No call takes time that grows with the number of keys, but for store_scan's own bucket, the growing of the
 * heap's array (a remap), and store_stop (one unmap for each 4 MiB). One thread at a time. */
#ifndef CACHE_STORE_H
#define CACHE_STORE_H

#include "arena.h"
#include "bytes.h"

struct entry {
    struct entry *next;
    uint32_t hash; /* the lower half */
    uint32_t key_size;
    uint32_t size, room; /* of the value: in use, and there */
    uint32_t deadline;   /* 1 + place in the heap; 0: none */
    uint32_t used;       /* when it was last used, in units of store_clock */
    char data[];         /* key, value */
};

struct table {
    struct entry **buckets;
    size_t mask, count; /* number of buckets - 1, a power of two minus 1; entries */
};

struct deadline {
    int64_t when_ms;
    struct entry *entry;
};

struct discarded;

struct store {
    struct arena arena;
    struct table tables[2];
    size_t moved; /* buckets of tables[0] moved to tables[1]; SIZE_MAX: not resizing */
    struct deadline *deadlines;
    size_t deadline_count, deadline_room;
    struct discarded *discarded; /* what FLUSHALL left, given back by store_tick */
    int64_t now_ms;              /* set by the caller before it calls */
    uint64_t chance;             /* state of a generator; any value */
    uint64_t expired, evicted;   /* since the start */
};

void store_start(struct store *store);
/* Gives back everything. */
void store_stop(struct store *store);

static inline char *entry_value(struct entry *entry) { return entry->data + entry->key_size; }
static inline struct slice entry_key(const struct entry *entry)
{
    return (struct slice){ entry->data, entry->key_size };
}

/* How many keys there are; what has expired unnoticed counts. */
static inline size_t store_count(const struct store *store) { return store->tables[0].count + store->tables[1].count; }
/* Bytes in use, tables included. */
size_t store_used(const struct store *store);

/* The entry, or NULL. */
struct entry *store_find(struct store *store, struct slice key, uint64_t hash);
/* Adds a key that is not there, with a value of `size` bytes that the caller fills in. NULL: no memory. */
struct entry *store_add(struct store *store, struct slice key, uint64_t hash, size_t size);
/* Makes the value `size` bytes long and keeps what it had, up to that; `spare`: with room to grow. The entry may move:
 * the new one is returned; NULL: no memory, nothing changed. */
struct entry *store_resize(struct store *store, struct entry *entry, size_t size, bool spare);
void store_remove(struct store *store, struct entry *entry);
/* Forgets all keys at once. */
void store_clear(struct store *store);
/* Removes one of the least recently used of a few; false: there is none. */
bool store_evict(struct store *store);

/* Sets the deadline; false: no memory. */
bool store_expire(struct store *store, struct entry *entry, int64_t when_ms);
/* Removes the deadline; false: it had none. */
bool store_persist(struct store *store, struct entry *entry);
/* The deadline of an entry, or -1. */
static inline int64_t entry_deadline(const struct store *store, const struct entry *entry)
{
    return entry->deadline == 0 ? -1 : store->deadlines[entry->deadline - 1].when_ms;
}

/* Visits the entries of one step of a walk through all keys, which begins and ends with cursor 0; returns the cursor of
 * the next step. Whatever is there during the whole walk is visited, also if the table is resized meanwhile; some of it
 * perhaps twice. The visitor may not change the store. Source: P. Noordhuis' reverse binary cursor, as in Redis. */
uint64_t store_scan(struct store *store, uint64_t cursor, void (*visit)(void *arg, const struct entry *entry),
                    void *arg);

/* Whether there is work for store_tick. */
static inline bool store_has_chores(const struct store *store)
{
    return store->deadline_count > 0 || store->moved != SIZE_MAX || store->discarded != NULL;
}
/* A bounded amount of the work that no request waits for: expired keys, resizing, freeing. Returns in how many ms to
 * call again, or -1: when store_has_chores. */
int64_t store_tick(struct store *store);

#endif
