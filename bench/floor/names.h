/* names.h: a table of registered names by hand: open addressing over a 64-bit hash of the string, which stands for the
 * name as it does in the runtime. What a lookup costs: the hash, a probe, two loads. Left out: who owns a name, telling
 * two strings of one hash apart, and any lock for those who register. */
#ifndef TROUPE_BENCH_FLOOR_NAMES_H
#define TROUPE_BENCH_FLOOR_NAMES_H

#include "program.h"

#include <stdatomic.h>

enum { FLOOR_NAMES = 1 << 10 };

struct name {
    _Atomic uint64_t hash, pid; /* hash 0: never used; pid 0: nobody's any more */
};

static struct name names[FLOOR_NAMES];

static inline uint64_t name_hash(const char *text)
{
    uint64_t hash = UINT64_C(0x9e3779b97f4a7c15);
    for (size_t left = strlen(text); left > 0;) {
        uint64_t word = 0;
        size_t step = left < sizeof word ? left : sizeof word;
        memcpy(&word, text, step);
        hash = (hash ^ word) * UINT64_C(0xbf58476d1ce4e5b9);
        hash ^= hash >> 29;
        text += step;
        left -= step;
    }
    return hash | 1;
}

/* The name's place, or the free one where it would be. */
static inline struct name *name_slot(uint64_t hash)
{
    for (uint64_t i = hash >> 1;; i++) {
        struct name *name = &names[i % FLOOR_NAMES];
        uint64_t found = atomic_load_explicit(&name->hash, memory_order_acquire);
        if (found == hash || found == 0)
            return name;
    }
}

static inline void name_set(const char *text, uint64_t pid)
{
    uint64_t hash = name_hash(text);
    struct name *name = name_slot(hash);
    atomic_store_explicit(&name->pid, pid, memory_order_relaxed);
    atomic_store_explicit(&name->hash, hash, memory_order_release);
}

static inline uint64_t name_find(const char *text)
{
    return atomic_load_explicit(&name_slot(name_hash(text))->pid, memory_order_acquire);
}

#endif
