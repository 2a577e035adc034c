/* fault.c: faults: where each could happen, which do, and the script that repeats them.
 *
 * A fault is a kind and a number: the n-th opportunity of that kind since tr_sim_inject(true). So a script is a list of
 * both, and a run with the script of what happened is the same run. Faults that are drawn come from a generator of
 * their own: without them the schedule's choices stay what they are. */
#include "sim/machine.h"

#include "actor/actor.h"
#include "actor/end.h"
#include "sim/explore.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SCRIPT_MOST = 64, STALL_MOST_NS = 20 * 1000 * 1000, DELAY_MOST_NS = 400 * 1000 * 1000 };

struct fault {
    enum sim_fault kind;
    uint64_t number;
    int64_t parameter;
};

static const char *const kind_names[SIM_FAULT_KINDS] = { "crash", "nomem", "stall", "delay", "cut", "nofile" };

static struct {
    bool on, scripted;
    uint64_t seen[SIM_FAULT_KINDS];
    struct fault script[SCRIPT_MOST], happened[SCRIPT_MOST];
    unsigned script_count, happened_count;
} faults;

/* ---- the script */

static bool read_fault(const char *text, struct fault *fault)
{
    char name[16];
    *fault = (struct fault){ .number = 0 };
    int fields = sscanf(text, "%15[a-z]@%" SCNu64 ":%" SCNd64, name, &fault->number, &fault->parameter);
    for (int kind = 0; fields >= 2 && kind < SIM_FAULT_KINDS; kind++)
        if (strcmp(name, kind_names[kind]) == 0) {
            fault->kind = (enum sim_fault)kind;
            return true;
        }
    return false;
}

static void read_script(const char *text)
{
    while (*text != '\0' && faults.script_count < SCRIPT_MOST) {
        if (!read_fault(text, &faults.script[faults.script_count++]))
            sim_fail("not a fault: %s", text);
        const char *comma = strchr(text, ',');
        if (comma == NULL)
            return;
        text = comma + 1;
    }
}

void sim_faults_start(void)
{
    memset(&faults, 0, sizeof faults);
    faults.scripted = machine.options.script != NULL;
    if (faults.scripted)
        read_script(machine.options.script);
}

void sim_faults_write(char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < faults.happened_count; i++) {
        const struct fault *fault = &faults.happened[i];
        int more = fault->parameter == 0
                       ? snprintf(out + used, size - used, "%s%s@%" PRIu64, i == 0 ? "" : ",", kind_names[fault->kind],
                                  fault->number)
                       : snprintf(out + used, size - used, "%s%s@%" PRIu64 ":%" PRId64, i == 0 ? "" : ",",
                                  kind_names[fault->kind], fault->number, fault->parameter);
        if (used + (size_t)more >= size) {
            out[used] = '\0';
            return;
        }
        used += (size_t)more;
    }
}

/* ---- opportunities */

static uint32_t rate_of(enum sim_fault kind)
{
    const tr_sim_faults *rates = &machine.options.faults;
    const uint32_t all[SIM_FAULT_KINDS] = { rates->crash, rates->no_memory, rates->stall,
                                            rates->delay, rates->cut,       rates->no_descriptor };
    return all[kind];
}

static bool in_script(enum sim_fault kind, uint64_t number, int64_t *parameter)
{
    for (unsigned i = 0; i < faults.script_count; i++)
        if (faults.script[i].kind == kind && faults.script[i].number == number) {
            *parameter = faults.script[i].parameter;
            return true;
        }
    return false;
}

static bool drawn(enum sim_fault kind, int64_t *parameter)
{
    uint32_t rate = rate_of(kind);
    if (rate == 0 || faults.happened_count >= machine.options.faults.most ||
        sim_draw(&machine.chance) % 1000000 >= rate)
        return false;
    uint64_t most_ns = kind == SIM_STALL ? STALL_MOST_NS : kind == SIM_DELAY ? DELAY_MOST_NS : 0;
    *parameter = most_ns == 0 ? 0 : 1 + (int64_t)(sim_draw(&machine.chance) % most_ns);
    return true;
}

bool sim_fault_now(enum sim_fault kind, int64_t *parameter)
{
    if (!faults.on)
        return false;
    uint64_t number = ++faults.seen[kind];
    if (!(faults.scripted ? in_script(kind, number, parameter) : drawn(kind, parameter)))
        return false;
    if (faults.happened_count < SCRIPT_MOST)
        faults.happened[faults.happened_count++] = (struct fault){ kind, number, *parameter };
    sim_trace_note(kind_names[kind], number, (uint64_t)*parameter);
    return true;
}

TR_API void tr_sim_inject(bool on)
{
    faults.on = on && machine.running;
    sim_explore_inject(faults.on);
}

/* ---- memory */

/* Only in the turn of a process: the runtime's own threads stop the program when they can't start. */
static bool no_memory(void)
{
    int64_t unused;
    struct worker *worker = faults.on ? worker_self() : NULL;
    if (worker == NULL || load_relaxed(&worker->current) == NULL || !sim_fault_now(SIM_NOMEM, &unused))
        return false;
    errno = ENOMEM;
    return true;
}

void *sim_malloc(size_t size) { return no_memory() ? NULL : malloc(size); }

void *sim_calloc(size_t count, size_t size) { return no_memory() ? NULL : calloc(count, size); }

void *sim_realloc(void *block, size_t size) { return no_memory() ? NULL : realloc(block, size); }

void *sim_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    return no_memory() ? MAP_FAILED : sim_map(address, size, protection, flags, fd, offset);
}

/* ---- crashes */

static bool among(const char *list, const char *label)
{
    size_t size = strlen(label);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, label, size) == 0 && (at[size] == ',' || at[size] == '\0'))
            return true;
    }
    return false;
}

static bool is_victim(const struct actor *self)
{
    const char *list = machine.options.faults.victims;
    if (list == NULL)
        return self->behaviour != NULL && strcmp(actor_label(self), "main") != 0;
    return among(list, actor_label(self));
}

/* On a worker, which leaves the runtime for the code of a process: the process may exit, as if that code had said
 * so. */
void sim_user_code(void)
{
    int64_t unused;
    if (!faults.on)
        return;
    struct worker *worker = worker_self();
    if (load_relaxed(&worker->in_runtime) != 0 || worker->critical > 0 || load_relaxed(&worker->current) == NULL)
        return;
    struct actor *self = actor_of_task(load_relaxed(&worker->current));
    if (sim_exploring())
        sim_explore_boundary(self);
    else if (self->ending == NULL && is_victim(self) && sim_fault_now(SIM_CRASH, &unused))
        tr_exit(tr_because(TR_WHY_USER, 0, "simulated crash"));
}
