/* crash.c: the workload crash: n crashes of mixed kinds among supervised servers, while clients call these servers.
 *
 * Each child announces itself when it has started; then the coordinator monitors it and makes it crash in one of seven
 * ways. A crash is over when its one DOWN with the right reason and the one announcement of the new child have come.
 * Checked at the end: as many ends, restarts and spawned processes as crashes; spawned = exited + alive. Reported:
 * memory after each half, descriptors before and after. */
#include "workloads.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { ANNOUNCE = 1, STARTED, WHO, CRASH, NOT_KNOWN };
enum { POOLS_NOISE = 20 << 20 }; /* pools come and go by chunks of 2 MB */

/* The last two are hardware faults. */
enum kind {
    BY_EXIT,
    BY_ASSERT,
    BY_UNEXPECTED,
    BY_KILL,
    BY_STATUS,
    BY_NULL,
    BY_OVERFLOW,
    KINDS,
    WITHOUT_FAULTS = BY_NULL
};

static const tr_why expected_why[KINDS] = {
    [BY_EXIT] = TR_WHY_USER,      [BY_ASSERT] = TR_WHY_ASSERT, [BY_UNEXPECTED] = TR_WHY_UNEXPECTED,
    [BY_KILL] = TR_WHY_KILLED,    [BY_STATUS] = TR_WHY_STATUS, [BY_NULL] = TR_WHY_FAULT,
    [BY_OVERFLOW] = TR_WHY_FAULT,
};

/* ---- the child that crashes */

struct identity {
    tr_pid coordinator;
    uint64_t index;
};

struct started {
    tr_pid pid;
    uint64_t index;
};

static int child_init(void *state, const tr_msg *arg)
{
    *(struct identity *)state = *(const struct identity *)tr_expect(arg, sizeof(struct identity));
    tr_assert(tr_alloc(256) != NULL); /* the runtime must free it, whatever the end */
    return tr_continue(ANNOUNCE, NULL, 0);
}

static int child_continue(void *state, const tr_msg *message)
{
    const struct identity *me = state;
    (void)message;
    struct started started = { .pid = tr_self(), .index = me->index };
    return tr_send(me->coordinator, STARTED, &started, sizeof started);
}

static int child_call(void *state, const tr_msg *request, tr_from from)
{
    if (tr_tag(request) != WHO)
        return tr_unexpected(request);
    return tr_reply(from, &((const struct identity *)state)->index, sizeof(uint64_t));
}

static void *volatile nowhere;

static uint64_t dig(uint64_t depth)
{
    volatile char frame[1024] = { 0 };
    frame[depth % sizeof frame] = 1;
    return depth == 0 ? 0 : dig(depth - 1) + (uint64_t)frame[0];
}

static int child_cast(void *state, const tr_msg *message)
{
    (void)state;
    if (tr_tag(message) != CRASH)
        return tr_unexpected(message);
    enum kind kind = (enum kind)bench_number_in(message);
    if (kind == BY_EXIT)
        tr_exit(tr_because(TR_WHY_USER, 7, "as asked"));
    if (kind == BY_NULL)
        *(volatile int *)nowhere = 1;
    if (kind == BY_OVERFLOW)
        dig(UINT64_MAX);
    tr_assert(kind != BY_ASSERT);
    return TR_EIO; /* BY_STATUS */
}

static const tr_gen_server child_server = { .label = "crasher",
                                            .state_size = sizeof(struct identity),
                                            .init = child_init,
                                            .handle_continue = child_continue,
                                            .handle_call = child_call,
                                            .handle_cast = child_cast };

static const char *child_name(uint64_t index, char name[32])
{
    snprintf(name, 32, "crasher-%llu", (unsigned long long)index);
    return name;
}

/* ---- the load: clients that call random children by name; a call may fail because its child crashes, but never be
 * wrong */

struct load {
    tr_pid coordinator;
    uint64_t children, seed;
};

static atomic_bool load_ends;

static void client(const tr_msg *arg)
{
    struct load load = *(const struct load *)tr_expect(arg, sizeof load);
    uint64_t answered = 0, who;
    char name[32];
    while (!atomic_load_explicit(&load_ends, memory_order_relaxed)) {
        load.seed = load.seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t index = (load.seed >> 33) % load.children;
        int status = tr_call(tr_name(child_name(index, name)), WHO, NULL, 0, &who, sizeof who, 5000);
        if (status == TR_OK) {
            tr_assert(who == index);
            answered++;
        } else {
            tr_assert(status == TR_ENOPROC || status == TR_EDOWN);
            tr_yield();
        }
    }
    bench_report(load.coordinator, answered);
}

/* ---- the coordinator's book of crashes */

struct entry {
    tr_pid pid;
    tr_ref monitor;
    enum kind kind;
    bool down, started; /* of the crash that is under way */
};

struct book {
    struct entry *entries;
    uint64_t children, kinds;
    uint64_t wanted, begun, over; /* crashes */
    uint64_t downs, starts;
};

static void crash(struct book *book, struct entry *entry)
{
    uint64_t kind = book->begun++ % book->kinds;
    entry->kind = (enum kind)kind;
    entry->down = entry->started = false;
    entry->monitor = tr_monitor(entry->pid);
    if (kind == BY_KILL)
        tr_exit_signal(entry->pid, TR_KILL);
    else
        tr_cast(entry->pid, kind == BY_UNEXPECTED ? NOT_KNOWN : CRASH, &kind, sizeof kind);
}

static struct entry *entry_of_monitor(const struct book *book, tr_ref monitor)
{
    for (uint64_t i = 0; i < book->children; i++)
        if (tr_same_ref(book->entries[i].monitor, monitor))
            return &book->entries[i];
    bench_verify("a DOWN of no monitor", 1, 0);
    return NULL;
}

static void note_down(struct book *book, struct entry *entry, const tr_msg *down)
{
    const tr_reason *reason = tr_reason_of(down);
    char text[128];
    if (reason->why != (int32_t)expected_why[entry->kind])
        fprintf(stderr, "crash of kind %d: %s\n", (int)entry->kind, tr_reason_text(reason, text, sizeof text));
    bench_verify("why a child ended", (uint64_t)reason->why, (uint64_t)expected_why[entry->kind]);
    bench_verify("a second DOWN", entry->down, false);
    entry->down = true;
    book->downs++;
}

static void note_start(struct book *book, struct entry *entry, const struct started *started)
{
    bench_verify("a second restart", entry->started, false);
    bench_verify("a restart under the same pid", tr_same(entry->pid, started->pid), false);
    entry->pid = started->pid;
    entry->started = true;
    book->starts++;
}

/* Takes the messages of crashes until `over` of them are over; each child whose crash is over gets the next one. */
static void crash_until(struct book *book, uint64_t over)
{
    while (book->over < over) {
        const tr_msg *message = tr_receive(TR_INFINITY);
        struct entry *entry;
        if (tr_tag(message) == TR_MSG_DOWN) {
            entry = entry_of_monitor(book, tr_ref_of(message));
            note_down(book, entry, message);
        } else {
            const struct started *started = tr_expect(message, sizeof *started);
            entry = &book->entries[started->index];
            note_start(book, entry, started);
        }
        if (!entry->down || !entry->started)
            continue;
        book->over++;
        if (book->begun < book->wanted)
            crash(book, entry);
    }
}

static void start_children(struct book *book)
{
    char name[32];
    tr_pid supervisor, pid;
    tr_supervisor root = { .intensity = (int)book->wanted + 1, .period_s = 1 };
    tr_must(tr_start_link(&(tr_child){ .id = "root", .supervisor = &root }, &supervisor));
    for (uint64_t i = 0; i < book->children; i++) {
        struct identity identity = { .coordinator = tr_self(), .index = i };
        tr_child spec = {
            .name = child_name(i, name), .server = &child_server, .arg = &identity, .arg_size = sizeof identity
        };
        tr_must(tr_start_child(supervisor, &spec, &pid));
        const struct started *started = tr_expect(tr_receive(TR_INFINITY), sizeof *started);
        bench_verify("who has started", started->index, i);
        book->entries[i].pid = pid;
    }
}

/* What is counted without order is right when nothing moves any more: waits up to five seconds for that. */
static tr_system_info settled_system(void)
{
    tr_system_info system;
    for (int i = 0; i < 500; i++) {
        tr_must(tr_system(&system));
        if (system.spawned == system.exited + system.processes)
            break;
        tr_sleep(10);
    }
    return system;
}

static size_t pool_bytes(void)
{
    tr_system_info system;
    tr_must(tr_system(&system));
    return system.memory;
}

/* A peak, of a machine that has no core for who frees, goes by; what is lost stays. */
static size_t settled_pool_bytes(size_t most)
{
    size_t bytes = pool_bytes();
    for (int i = 0; i < 500 && bytes > most; i++) {
        tr_sleep(10);
        bytes = pool_bytes();
    }
    return bytes;
}

static void crash_run(struct bench *bench)
{
    uint64_t clients = bench_number(bench, "load"), answered;
    struct book book = { .children = bench_number(bench, "c"), .wanted = bench_number(bench, "n") };
    book.kinds = bench_number(bench, "faults") != 0 ? KINDS : WITHOUT_FAULTS;
    book.entries = tr_alloc(book.children * sizeof *book.entries);
    tr_assert(book.entries != NULL && book.children > 0 && book.wanted >= book.children);
    start_children(&book);
    for (uint64_t i = 0; i < clients; i++) {
        struct load load = { .coordinator = tr_self(), .children = book.children, .seed = i };
        bench_start_entry(client, &load, sizeof load);
    }
    uint64_t descriptors = bench_descriptors();
    tr_system_info before = settled_system();
    int64_t start = tr_now_ns();
    for (uint64_t i = 0; i < book.children; i++)
        crash(&book, &book.entries[i]);
    crash_until(&book, book.wanted / 2);
    uint64_t resident_half = bench_resident_bytes();
    size_t pools_half = pool_bytes();
    crash_until(&book, book.wanted);
    uint64_t resident_end = bench_resident_bytes();
    bench_result(bench, book.wanted, start);
    atomic_store_explicit(&load_ends, true, memory_order_relaxed);
    answered = bench_reports(clients);

    tr_system_info after = settled_system();
    size_t pools_end = settled_pool_bytes(pools_half + POOLS_NOISE);
    bench_extra(bench, "answered", (double)answered);
    bench_extra(bench, "spawned", (double)after.spawned);
    bench_extra(bench, "exited", (double)after.exited);
    bench_extra(bench, "alive", (double)after.processes);
    bench_extra(bench, "restarts", (double)book.starts);
    bench_extra(bench, "resident_half", (double)resident_half);
    bench_extra(bench, "resident_end", (double)resident_end);
    bench_extra(bench, "pools_half", (double)pools_half);
    bench_extra(bench, "pools_end", (double)pools_end);
    bench_extra(bench, "descriptors_before", (double)descriptors);
    bench_extra(bench, "descriptors_after", (double)bench_descriptors());
    bench_verify("ends", book.downs, book.wanted);
    bench_verify("restarts", book.starts, book.wanted);
    bench_verify("processes spawned meanwhile", after.spawned - before.spawned, book.wanted);
    bench_verify("descriptors", bench_descriptors(), descriptors);
    bench_verify("pools that grew in the second half", pools_end > pools_half + POOLS_NOISE, 0);
    bench_verify("exited + alive", after.exited + after.processes, after.spawned);
}

const struct workload bench_crash = {
    .name = "crash",
    .what = "n supervised crashes of mixed kinds, under load",
    .defaults = { { "n", "200000" }, { "c", "64" }, { "load", "8" }, { "faults", "1" } },
    .run = crash_run,
    .own = true,
    .quiet = true
};
