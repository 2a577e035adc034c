/* due.c: see due.h. A binary heap; each item knows its place, so that it can be taken out. */
#include "sim/due.h"

#include "sim/machine.h"

#include <stdlib.h>

static struct sim_due **heap; /* from 1 */
static unsigned count, room;
static uint64_t orders;

void sim_due_start(void)
{
    count = 0;
    orders = 0;
}

static bool before(const struct sim_due *a, const struct sim_due *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void put(struct sim_due *due, unsigned place)
{
    heap[place] = due;
    due->place = place;
}

static void rise(struct sim_due *due, unsigned place)
{
    for (; place > 1 && before(due, heap[place / 2]); place /= 2)
        put(heap[place / 2], place);
    put(due, place);
}

static void sink(struct sim_due *due, unsigned place)
{
    for (unsigned child; (child = 2 * place) <= count; place = child) {
        child += child < count && before(heap[child + 1], heap[child]);
        if (!before(heap[child], due))
            break;
        put(heap[child], place);
    }
    put(due, place);
}

static void make_room(void)
{
    if (count + 1 < room)
        return;
    room = room == 0 ? 64 : 2 * room;
    struct sim_due **larger = realloc(heap, room * sizeof(struct sim_due *));
    if (larger == NULL)
        sim_fail("no memory for the simulator itself");
    heap = larger;
}

void sim_due_set(struct sim_due *due, int64_t at_ns)
{
    sim_due_drop(due);
    make_room();
    due->at_ns = at_ns;
    due->order = ++orders;
    rise(due, ++count);
}

void sim_due_drop(struct sim_due *due)
{
    unsigned place = due->place;
    if (place == 0)
        return;
    due->place = 0;
    struct sim_due *last = heap[count--];
    if (last == due)
        return;
    if (place > 1 && before(last, heap[place / 2]))
        rise(last, place);
    else
        sink(last, place);
}

int64_t sim_due_earliest(void) { return count == 0 ? SIM_NEVER : heap[1]->at_ns; }

void sim_due_run(int64_t now_ns)
{
    while (count > 0 && heap[1]->at_ns <= now_ns) {
        struct sim_due *due = heap[1];
        sim_due_drop(due);
        due->happen(due);
    }
}
