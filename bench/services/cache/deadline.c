/* deadline.c: a 4-ary heap of (deadline, entry), the earliest first.
 *
 * Invariants: deadlines[(i - 1) / 4].when_ms <= deadlines[i].when_ms; deadlines[i].entry->deadline == i + 1. */
#include "deadline.h"

#include <stdlib.h>

static void place_at(struct store *store, size_t place, struct deadline deadline)
{
    store->deadlines[place] = deadline;
    deadline.entry->deadline = (uint32_t)place + 1;
}

static void sift_up(struct store *store, size_t place, struct deadline deadline)
{
    while (place > 0 && store->deadlines[(place - 1) / 4].when_ms > deadline.when_ms) {
        place_at(store, place, store->deadlines[(place - 1) / 4]);
        place = (place - 1) / 4;
    }
    place_at(store, place, deadline);
}

static void sift_down(struct store *store, size_t place, struct deadline deadline)
{
    for (;;) {
        size_t first = place * 4 + 1, least = first;
        if (first >= store->deadline_count)
            break;
        for (size_t child = first + 1; child < first + 4 && child < store->deadline_count; child++)
            if (store->deadlines[child].when_ms < store->deadlines[least].when_ms)
                least = child;
        if (store->deadlines[least].when_ms >= deadline.when_ms)
            break;
        place_at(store, place, store->deadlines[least]);
        place = least;
    }
    place_at(store, place, deadline);
}

static void place_again(struct store *store, size_t place, struct deadline deadline)
{
    if (place > 0 && store->deadlines[(place - 1) / 4].when_ms > deadline.when_ms)
        sift_up(store, place, deadline);
    else
        sift_down(store, place, deadline);
}

bool store_expire(struct store *store, struct entry *entry, int64_t when_ms)
{
    struct deadline deadline = { when_ms, entry };
    if (entry->deadline != 0) {
        place_again(store, entry->deadline - 1, deadline);
        return true;
    }
    if (store->deadline_count == store->deadline_room) {
        size_t room = store->deadline_room == 0 ? 16 : store->deadline_room * 2;
        struct deadline *more = room > UINT32_MAX ? NULL : realloc(store->deadlines, room * sizeof *more);
        if (more == NULL)
            return false;
        store->deadlines = more;
        store->deadline_room = room;
    }
    sift_up(store, store->deadline_count++, deadline);
    return true;
}

void deadline_moved(struct store *store, struct entry *entry)
{
    if (entry->deadline != 0)
        store->deadlines[entry->deadline - 1].entry = entry;
}

void deadline_remove(struct store *store, struct entry *entry)
{
    if (entry->deadline == 0)
        return;
    size_t place = entry->deadline - 1;
    struct deadline last = store->deadlines[--store->deadline_count];
    entry->deadline = 0;
    if (place < store->deadline_count)
        place_again(store, place, last);
}

bool store_persist(struct store *store, struct entry *entry)
{
    bool had = entry->deadline != 0;
    deadline_remove(store, entry);
    return had;
}
